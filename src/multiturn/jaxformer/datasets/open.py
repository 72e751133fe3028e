"""From a run's `DataConfig` to the sequences it trains on and is held against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from multiturn.core.errors import InputError
from multiturn.data.loader.corpus import PackedCorpus
from multiturn.hub.resolve_model import model_tokenizer, resolve_model
from multiturn.jaxformer.config import DataConfig
from multiturn.jaxformer.datasets.packed import Document, pack
from multiturn.jaxformer.datasets.protocol import SequenceDataset, Split
from multiturn.jaxformer.datasets.records import read_records, tokenize_record
from multiturn.jaxformer.datasets.shards import ShardDataset
from multiturn.jaxformer.datasets.text_files import (
    find_text_files,
    in_validation_split,
    tokenize_files,
    validation_group,
)
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_codegen import train_tokenizer
from multiturn.text.tokenizers_files import from_hub_files

__all__ = ["open_data"]

_TRAIN = "train:"


def open_data(config: DataConfig, *, length: int, vocab_size: int, kept: Path) -> Split:
    """Open what a config names.

    Args:
        config: of the data.
        length: targets in each sequence.
        vocab_size: rows of the model's embedding.
        kept: a directory of the run, where a tokenizer that is trained here is kept.

    Raises:
        InputError: the data are missing or empty, or made for a larger vocabulary than the
            model has.
        StoreError: there is no packed corpus, or it is broken.
        ModelFileError: the tokenizer cannot be read.
    """
    open_kind: dict[str, Callable[[DataConfig, int, Path], Split]] = {
        "text": _open_text,
        "records": _open_records,
        "packed": _open_packed,
    }
    split = open_kind[config.kind](config, length, kept)
    for samples in (split.train, *split.held_out.values()):
        _check_fits(samples, length, vocab_size)
    return split


def _check_fits(samples: SequenceDataset, length: int, vocab_size: int) -> None:
    if samples.vocab_size > vocab_size:
        raise InputError(
            "the data have another vocabulary than the model",
            got=f"{samples.vocab_size} tokens",
            allowed=f"up to the model's {vocab_size}",
            fix="set model.vocab_size, or build the data with the model's tokenizer",
        )
    if samples.length != length:
        raise InputError(
            "the data have another sequence length than the batch",
            got=samples.length,
            allowed=f"{length}, which is batch.length",
            fix=f"set batch.length={samples.length}",
        )
    if samples.count < 1:
        raise InputError("a part of the data is empty", fix="build the data again")


def _open_text(config: DataConfig, length: int, kept: Path) -> Split:
    files = find_text_files(
        Path(config.path).expanduser(),
        config.pattern,
        exclude=config.exclude,
        most_bytes=config.most_bytes,
    )
    train = [file for file in files if not in_validation_split(file.name, config.held_out)]
    if not train:
        raise InputError("all text files are held out", got=config.held_out, fix="hold out fewer")
    tokenizer = _tokenizer(
        config, kept, lambda size: train_tokenizer((f.text for f in train), size)
    )

    def packed(part: list[Document]) -> SequenceDataset:
        return pack(part, length=length, vocab_size=tokenizer.size, source=config.path)

    held: dict[str, list[Document]] = {}
    for document in tokenize_files(
        (f for f in files if in_validation_split(f.name, config.held_out)), tokenizer
    ):
        held.setdefault(validation_group(document.name), []).append(document)
    return Split(
        packed(list(tokenize_files(train, tokenizer))),
        {group: packed(documents) for group, documents in sorted(held.items())},
        tokenizer,
    )


def _open_records(config: DataConfig, length: int, kept: Path) -> Split:
    tokenizer = _tokenizer(config, kept, None)
    path = Path(config.path).expanduser()
    records = list(read_records(path))
    if config.held_out_path:
        held = list(read_records(Path(config.held_out_path).expanduser()))
    else:
        held = [record for record in records if in_validation_split(record.id, config.held_out)]
        names = {record.id for record in held}
        records = [record for record in records if record.id not in names]

    def packed(part: list[Document]) -> SequenceDataset:
        return pack(part, length=length, vocab_size=tokenizer.size, source=config.path)

    documents = [tokenize_record(record, tokenizer) for record in records]
    held_documents = [tokenize_record(record, tokenizer) for record in held]
    return Split(packed(documents), {"records": packed(held_documents)} if held else {}, tokenizer)


def _open_packed(config: DataConfig, length: int, kept: Path) -> Split:
    del length, kept
    corpus = _whole_corpus(Path(config.path).expanduser())
    held: dict[str, SequenceDataset] = {}
    if config.held_out_path:
        path = Path(config.held_out_path).expanduser()
        held[path.name] = ShardDataset(_whole_corpus(path))
    # A corpus keeps the tokenizer it was made with, and none is trained on shards.
    named = "" if config.tokenizer.startswith(_TRAIN) else config.tokenizer
    place = named or str(corpus.folder / "tokenizer")
    return Split(ShardDataset(corpus), held, model_tokenizer(resolve_model(place)))


def _whole_corpus(path: Path) -> PackedCorpus:
    """A corpus of which each shard was looked into: a cut one is told now, not on the way."""
    corpus, row = PackedCorpus(path), 0
    for shard in corpus.manifest.shards:
        if shard.rows:
            corpus.read([row])
        row += shard.rows
    return corpus


def _tokenizer(
    config: DataConfig, kept: Path, train: Callable[[int], Tokenizer] | None
) -> Tokenizer:
    place = kept / "tokenizer"
    if not config.tokenizer.startswith(_TRAIN):
        if not config.tokenizer:
            raise InputError(
                "the data need a tokenizer",
                allowed="a directory with tokenizer.json, a GGUF file, a known model's name, or "
                "train:N for text files",
                fix="set data.tokenizer",
            )
        return model_tokenizer(resolve_model(config.tokenizer))
    if (place / "tokenizer.json").exists():
        return from_hub_files(place)
    size = config.tokenizer.removeprefix(_TRAIN)
    if train is None or not size.isdecimal():
        raise InputError(
            "data.tokenizer cannot be read", got=config.tokenizer, allowed="a directory, or train:N"
        )
    tokenizer = train(int(size))
    place.mkdir(parents=True, exist_ok=True)
    tokenizer.save(place)
    return tokenizer
