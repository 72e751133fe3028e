"""Tokenizing, shuffling and packing a corpus.

    packed/
      manifest.json              what is here, and how it was made
      tokenizer/tokenizer.json   that cut the text
      shard-00000.*              see `shards`
      packed.json, complete.json markers

Two passes. The first tokenizes each file of documents and sorts what it has by a hash of the
seed and the document's number, in runs of a bounded size. The second takes one range of the
hashes out of all runs at a time: that is a shard, and a random share of the corpus in random
order. No more than one run, or one shard, is ever in memory.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.data.build.drop_log import Counts
from multiturn.data.build.fingerprint import describe, fingerprint
from multiturn.data.build.resumable import TaskProgress, finished, keep_only, mark, run_tasks
from multiturn.data.build.stage import StageContext, document_files
from multiturn.data.documents.files import count_documents
from multiturn.data.packing.encoder import Encoder
from multiturn.data.packing.fim import FillInTheMiddle, sentinels_of
from multiturn.data.packing.manifest import MANIFEST, Manifest
from multiturn.data.packing.shards import Shard, ShardTask, make_shard
from multiturn.data.packing.tokenize import TokenizeTask, TokenRuns, tokenize
from multiturn.data.packing.vocabulary import (
    TOKENIZER_FILES,
    NewTokenizer,
    copy_tokenizer,
    hash_of_tokenizer,
    train_on,
)

__all__ = ["Pack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A stage that makes shards of token rows out of documents.

    Attributes:
        tokenizer: a directory with ``tokenizer.json``, or how to train one on the corpus.
        length: tokens in a row: the model's context.
        least_tail: the end of a document that fills no row is joined to others unless it is
            shorter than this; a document shorter than this is dropped.
        header: begin each document with a line that names its language (see `shaping`).
        fill: turn a share of the documents around for filling in the middle.
        shard_tokens: about so many in a shard. A shard is made in memory, in each process.
        tokenizer_hash: of the files of the tokenizer, worked out here.
    """

    tokenizer: Path | NewTokenizer = field(default_factory=NewTokenizer)
    length: int = 2048
    least_tail: int = 64
    header: bool = False
    fill: FillInTheMiddle | None = None
    shard_tokens: int = 1 << 26
    name: str = "packed"
    tokenizer_hash: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if self.length < 2:
            raise InputError("Pack.length is too small", got=self.length, allowed="2 or more")
        if not 1 <= self.least_tail <= self.length:
            raise InputError(
                "Pack.least_tail is out of range",
                got=self.least_tail,
                allowed=f"1 to {self.length}, the length of a row",
            )
        if self.shard_tokens < self.length:
            raise InputError(
                "Pack.shard_tokens is too small",
                got=self.shard_tokens,
                allowed=f"{self.length} or more, the length of a row",
            )
        if isinstance(self.tokenizer, Path):
            # Frozen: the only way to set a field. A changed tokenizer is another recipe.
            object.__setattr__(self, "tokenizer_hash", hash_of_tokenizer(self.tokenizer))

    def run(self, context: StageContext) -> Counts:
        """See `CorpusStage`."""
        files = document_files(context.before)
        marker = context.after / "packed.json"
        done = finished(marker, context.fingerprint, context.after / MANIFEST)
        if done is not None:
            return Counts.from_plain(done["tally"])
        tokenizer = context.after / "tokenizer"
        progress = TaskProgress(context, self.name, 2 * len(files))
        self._prepare_tokenizer(files, tokenizer, context)
        encoder = Encoder(tokenizer)
        if self.fill is not None:
            sentinels_of(encoder.tokenizer, self.fill)
        dtype = "<u2" if encoder.tokenizer.size <= 1 << 16 else "<u4"
        runs = self._tokenize(files, tokenizer, dtype, context, progress)
        shards = self._shard(runs, encoder.end_of_text, context, progress)
        self._write_manifest(shards, encoder, dtype, context)
        counts = _counts(self.name, runs, shards)
        wanted = {
            context.after / MANIFEST,
            *(tokenizer / name for name in TOKENIZER_FILES),
            *(context.after / f"{shard.name}.json" for shard in shards),
            *(context.after / name for shard in shards for name in shard.files),
            *(context.after / "drops" / f"{path.stem}.jsonl.zst" for path in files),
            marker,
        }
        mark(marker, context.fingerprint, tally=counts.to_plain())
        keep_only(context.after, wanted)
        return counts

    def _prepare_tokenizer(self, files: list[Path], to: Path, context: StageContext) -> None:
        marker = context.after / "work" / "tokenizer.json"
        if finished(marker, context.fingerprint, to / "tokenizer.json"):
            return
        with storage_errors(to, "keeping the tokenizer"):
            to.mkdir(parents=True, exist_ok=True)
            marker.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(self.tokenizer, Path):
            copy_tokenizer(self.tokenizer, to)
        else:
            train_on(files, self.tokenizer, context.seed, to)
        mark(marker, context.fingerprint)

    def _tokenize(
        self,
        files: list[Path],
        tokenizer: Path,
        dtype: str,
        context: StageContext,
        progress: TaskProgress,
    ) -> list[TokenRuns]:
        firsts = itertools.accumulate((count_documents(path) for path in files), initial=0)
        tokenizer_hash = hash_of_tokenizer(tokenizer)
        pieces = [
            TokenizeTask(
                documents=path,
                first=first,
                tokenizer=tokenizer,
                tokenizer_hash=tokenizer_hash,
                least_tokens=self.least_tail,
                header=self.header,
                fill=self.fill,
                seed=context.seed,
                dtype=dtype,
                folder=context.after / "work",
                drops=context.after / "drops" / f"{path.stem}.jsonl.zst"
                if context.keep_drops
                else None,
                step=self.name,
                fingerprint=context.fingerprint,
            )
            for path, first in zip(files, firsts, strict=False)
        ]
        return run_tasks(context, tokenize, pieces, progress)

    def _shard(
        self,
        runs: list[TokenRuns],
        end_of_text: int,
        context: StageContext,
        progress: TaskProgress,
    ) -> list[Shard]:
        total = sum(of_file.tokens for of_file in runs)
        if not total:
            raise InputError(
                "nothing is left of the corpus to be packed",
                fix="see `multiturn data stats`, and change the steps of the recipe",
            )
        count = max(1, round(total / self.shard_tokens))
        pieces = [
            ShardTask(
                runs=tuple(
                    context.after / "work" / name for of_file in runs for name in of_file.names
                ),
                number=number,
                count=count,
                length=self.length,
                least_tail=self.least_tail,
                filling=end_of_text,
                seed=context.seed,
                folder=context.after,
                fingerprint=fingerprint((context.fingerprint, count)),
            )
            for number in range(count)
        ]
        progress.total = len(runs) + count
        return run_tasks(context, make_shard, pieces, progress)

    def _write_manifest(
        self, shards: list[Shard], encoder: Encoder, dtype: str, context: StageContext
    ) -> None:
        manifest = Manifest(
            length=self.length,
            vocab_size=encoder.tokenizer.size,
            end_of_text=encoder.end_of_text,
            dtype=dtype,
            seed=context.seed,
            fingerprint=context.fingerprint,
            settings=describe(self),
            shards=tuple(shards),
        )
        write_atomically(
            context.after / MANIFEST, json.dumps(asdict(manifest), indent=1, sort_keys=True)
        )


def _counts(name: str, runs: list[TokenRuns], shards: list[Shard]) -> Counts:
    counts = Counts()
    for of_file in runs:
        counts.add(of_file.counts)
    packed = {
        "shards": len(shards),
        "rows": sum(shard.rows for shard in shards),
        "tokens": sum(shard.tokens for shard in shards),
        "tails too short": sum(shard.dropped_tails for shard in shards),
        "tokens in tails too short": sum(shard.dropped_tokens for shard in shards),
    }
    for what, number in packed.items():
        counts.events[name, what] += number
    return counts
