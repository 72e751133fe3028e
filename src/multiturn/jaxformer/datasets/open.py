"""The training and validation sequences of a `DataConfig`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from multiturn.core.errors import InputError, StoreError
from multiturn.data.loader.corpus import PackedCorpus
from multiturn.hub.resolve_model import model_tokenizer, resolve_model
from multiturn.jaxformer.config import DataConfig
from multiturn.jaxformer.datasets.packed import TokenizedDocument, pack
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

__all__ = ["has_packed_corpus", "open_data"]

_TRAIN = "train:"


def open_data(config: DataConfig, *, length: int, vocab_size: int, run_directory: Path) -> Split:
    """Open the training and validation data of a config.

    Args:
        config: of the data.
        length: targets in each sequence.
        vocab_size: rows of the model's embedding.
        run_directory: of the run; a tokenizer trained here is saved in it.

    Raises:
        InputError: the data are missing or empty, or their vocabulary is larger than the
            model's.
        StoreError: the packed corpus is missing or broken.
        ModelFileError: the tokenizer cannot be read.
    """
    open_kind: dict[str, Callable[[DataConfig, int, Path], Split]] = {
        "text": _open_text,
        "records": _open_records,
        "packed": _open_packed,
    }
    split = open_kind[config.kind](config, length, run_directory)
    for dataset in (split.train, *split.validation.values()):
        _check_fits(dataset, length, vocab_size)
    return split


def _check_fits(dataset: SequenceDataset, length: int, vocab_size: int) -> None:
    if dataset.vocab_size > vocab_size:
        raise InputError(
            "the vocabulary of the data is larger than the model's",
            got=f"{dataset.vocab_size} tokens",
            allowed=f"up to the model's {vocab_size}",
            fix="set model.vocab_size, or build the data with the model's tokenizer",
        )
    if dataset.length != length:
        raise InputError(
            "the sequence length of the data is not that of the batch",
            got=dataset.length,
            allowed=f"{length}, which is batch.length",
            fix=f"set batch.length={dataset.length}",
        )
    if dataset.count < 1:
        raise InputError("a part of the data is empty", fix="build the data again")


def _open_text(config: DataConfig, length: int, run_directory: Path) -> Split:
    files = find_text_files(
        Path(config.path).expanduser(),
        config.pattern,
        exclude=config.exclude,
        max_bytes=config.most_bytes,
    )
    train = [file for file in files if not in_validation_split(file.name, config.held_out)]
    if not train:
        raise InputError(
            "all text files are in the validation split",
            got=config.held_out,
            fix="lower data.held_out",
        )
    tokenizer = _tokenizer(
        config, run_directory, lambda size: train_tokenizer((f.text for f in train), size)
    )

    def packed(part: list[TokenizedDocument]) -> SequenceDataset:
        return pack(part, length=length, vocab_size=tokenizer.size, source=config.path)

    validation: dict[str, list[TokenizedDocument]] = {}
    for document in tokenize_files(
        (f for f in files if in_validation_split(f.name, config.held_out)), tokenizer
    ):
        validation.setdefault(validation_group(document.name), []).append(document)
    return Split(
        packed(list(tokenize_files(train, tokenizer))),
        {group: packed(documents) for group, documents in sorted(validation.items())},
        tokenizer,
    )


def _open_records(config: DataConfig, length: int, run_directory: Path) -> Split:
    tokenizer = _tokenizer(config, run_directory, None)
    path = Path(config.path).expanduser()
    records = list(read_records(path))
    if config.held_out_path:
        validation = list(read_records(Path(config.held_out_path).expanduser()))
    else:
        validation = [
            record for record in records if in_validation_split(record.id, config.held_out)
        ]
        names = {record.id for record in validation}
        records = [record for record in records if record.id not in names]

    def packed(part: list[TokenizedDocument]) -> SequenceDataset:
        return pack(part, length=length, vocab_size=tokenizer.size, source=config.path)

    documents = [tokenize_record(record, tokenizer) for record in records]
    validation_documents = [tokenize_record(record, tokenizer) for record in validation]
    return Split(
        packed(documents),
        {"records": packed(validation_documents)} if validation else {},
        tokenizer,
    )


def _open_packed(config: DataConfig, length: int, run_directory: Path) -> Split:
    del length, run_directory
    corpus = _checked_corpus(Path(config.path).expanduser())
    validation: dict[str, SequenceDataset] = {}
    if config.held_out_path:
        path = Path(config.held_out_path).expanduser()
        validation[path.name] = ShardDataset(_checked_corpus(path))
    # A corpus has the tokenizer it was made with; shards cannot train one.
    named = "" if config.tokenizer.startswith(_TRAIN) else config.tokenizer
    tokenizer = model_tokenizer(resolve_model(named or str(corpus.folder / "tokenizer")))
    return Split(ShardDataset(corpus), validation, tokenizer)


def has_packed_corpus(path: str) -> bool:
    """Whether a directory has a packed corpus with all its files."""
    try:
        PackedCorpus(Path(path).expanduser())
    except StoreError:
        return False
    return True


def _checked_corpus(path: Path) -> PackedCorpus:
    """A corpus, after reading one row of each shard: a truncated one fails now, not mid-run."""
    corpus, row = PackedCorpus(path), 0
    for shard in corpus.manifest.shards:
        if shard.rows:
            corpus.read([row])
        row += shard.rows
    return corpus


def _tokenizer(
    config: DataConfig, run_directory: Path, train: Callable[[int], Tokenizer] | None
) -> Tokenizer:
    folder = run_directory / "tokenizer"
    if not config.tokenizer.startswith(_TRAIN):
        if not config.tokenizer:
            raise InputError(
                "the data need a tokenizer",
                allowed="a directory with tokenizer.json, a GGUF file, a known model's name, or "
                "train:N for text files",
                fix="set data.tokenizer",
            )
        return model_tokenizer(resolve_model(config.tokenizer))
    if (folder / "tokenizer.json").exists():
        return from_hub_files(folder)
    size = config.tokenizer.removeprefix(_TRAIN)
    if train is None or not size.isdecimal():
        raise InputError(
            "data.tokenizer cannot be read", got=config.tokenizer, allowed="a directory, or train:N"
        )
    tokenizer = train(int(size))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    return tokenizer
