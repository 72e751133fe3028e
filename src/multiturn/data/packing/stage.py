"""The packing of a corpus: tokenize, shuffle, pack into rows, write shards.

    packed/
      manifest.json              the shards, and how they were made
      tokenizer/tokenizer.json   the tokenizer of the corpus
      shard-00000.*              see `shards`
      packed.json, complete.json markers

Packing takes two passes. The first tokenizes each file of documents and sorts its documents by a
hash of the seed and the document's number, in runs of bounded size. The second takes one range of
the hashes out of all runs at a time: such a range is a shard, a random share of the corpus in
random order. At most one run, or one shard, is in the memory of a process.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError
from multiturn.core.files import write_atomically
from multiturn.data.build.drop_log import Counts
from multiturn.data.build.fingerprint import describe, fingerprint, formerly
from multiturn.data.build.resumable import (
    ResumableTask,
    TaskProgress,
    delete_except,
    run_tasks,
)
from multiturn.data.build.stage import StageContext, document_files
from multiturn.data.documents.files import count_documents
from multiturn.data.packing.encoder import Encoder
from multiturn.data.packing.fim import FillInTheMiddle, sentinels_of
from multiturn.data.packing.manifest import MANIFEST, Manifest, read_manifest
from multiturn.data.packing.shards import Shard, ShardTask
from multiturn.data.packing.tokenize import TokenizeTask, TokenRuns
from multiturn.data.packing.vocabulary import (
    TOKENIZER_FILES,
    NewTokenizer,
    TokenizerTask,
    hash_of_tokenizer,
)

__all__ = ["Pack"]


@formerly(min_remainder="least_tail")
@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A stage that makes shards of token rows out of documents.

    Attributes:
        tokenizer: a directory with ``tokenizer.json``, or how to train one on the corpus.
        length: tokens in a row: the context of the model.
        min_remainder: a remainder of a document that fills no row is joined to others, unless it
            has fewer tokens than this; a document with fewer tokens is dropped.
        header: begin each document with a line that names its language (see `fim`).
        fill: write a share of the documents for filling in the middle.
        shard_tokens: about so many tokens in a shard. A process makes a shard in memory.
        tokenizer_hash: of the files of the tokenizer, computed here.

    Raises:
        InputError: a number is out of range, or there is no tokenizer in the directory.
    """

    tokenizer: Path | NewTokenizer = field(default_factory=NewTokenizer)
    length: int = 2048
    min_remainder: int = 64
    header: bool = False
    fill: FillInTheMiddle | None = None
    shard_tokens: int = 1 << 26
    name: str = "packed"
    tokenizer_hash: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if self.length < 2:
            raise InputError("Pack.length is too small", got=self.length, allowed="2 or more")
        if not 1 <= self.min_remainder <= self.length:
            raise InputError(
                "Pack.min_remainder is out of range",
                got=self.min_remainder,
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
        task = PackTask(fingerprint=context.fingerprint, settings=self, context=context)
        counts = task.complete()
        delete_except(context.after, task.files)
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTask(ResumableTask[Counts]):
    """Packs a corpus.

    Attributes:
        settings: how.
        context: of the stage.
    """

    settings: Pack
    context: StageContext

    @property
    def outputs(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        return (self.context.after / MANIFEST,)

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.context.after / "packed.json"

    @property
    def files(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        after = self.context.after
        shards = read_manifest(after).shards
        return (
            *self.outputs,
            self.marker,
            *(after / "tokenizer" / name for name in TOKENIZER_FILES),
            *(after / f"{shard.name}.json" for shard in shards),
            *(after / name for shard in shards for name in shard.files),
            *(after / "drops" / f"{path.stem}.jsonl.zst" for path in self._documents),
        )

    @property
    def _documents(self) -> list[Path]:
        return document_files(self.context.before)

    def run(self) -> Counts:
        """See `ResumableTask`."""
        settings, context = self.settings, self.context
        files = self._documents
        tokenizer = context.after / "tokenizer"
        progress = TaskProgress(context.progress, settings.name, 2 * len(files))
        TokenizerTask(
            fingerprint=context.fingerprint,
            settings=settings.tokenizer,
            files=tuple(files),
            seed=context.seed,
            folder=context.after,
        ).complete()
        encoder = Encoder(tokenizer)
        if settings.fill is not None:
            sentinels_of(encoder.tokenizer, settings.fill)
        dtype = "<u2" if encoder.tokenizer.size <= 1 << 16 else "<u4"
        runs = self._tokenize(files, tokenizer, dtype, progress)
        shards = self._shard(runs, encoder.end_of_text, progress)
        self._write_manifest(shards, encoder, dtype)
        return _counts(settings.name, runs, shards)

    def to_plain(self, result: Counts) -> dict[str, object]:
        """See `ResumableTask`."""
        return {"tally": result.to_plain()}

    def from_plain(self, plain: Mapping[str, Any]) -> Counts:
        """See `ResumableTask`."""
        return Counts.from_plain(plain["tally"])

    def _tokenize(
        self, files: list[Path], tokenizer: Path, dtype: str, progress: TaskProgress
    ) -> list[TokenRuns]:
        settings, context = self.settings, self.context
        firsts = itertools.accumulate((count_documents(path) for path in files), initial=0)
        tokenizer_hash = hash_of_tokenizer(tokenizer)
        tasks = [
            TokenizeTask(
                fingerprint=context.fingerprint,
                documents=path,
                first=first,
                tokenizer=tokenizer,
                tokenizer_hash=tokenizer_hash,
                min_tokens=settings.min_remainder,
                header=settings.header,
                fill=settings.fill,
                seed=context.seed,
                dtype=dtype,
                folder=context.after / "work",
                drops=context.drops_of(path),
                step=settings.name,
            )
            for path, first in zip(files, firsts, strict=False)
        ]
        return run_tasks(context.executor, tasks, progress)

    def _shard(
        self, runs: list[TokenRuns], end_of_text: int, progress: TaskProgress
    ) -> list[Shard]:
        settings, context = self.settings, self.context
        total = sum(of_file.tokens for of_file in runs)
        if not total:
            raise InputError(
                "the corpus has no documents to pack",
                fix="see `multiturn data stats`, and change the steps of the recipe",
            )
        count = max(1, round(total / settings.shard_tokens))
        names = [name for of_file in runs for name in of_file.names]
        tasks = [
            ShardTask(
                fingerprint=fingerprint((context.fingerprint, count)),
                runs=tuple(context.after / "work" / name for name in names),
                number=number,
                count=count,
                length=settings.length,
                min_remainder=settings.min_remainder,
                padding=end_of_text,
                seed=context.seed,
                folder=context.after,
            )
            for number in range(count)
        ]
        progress.total = len(runs) + count
        return run_tasks(context.executor, tasks, progress)

    def _write_manifest(self, shards: list[Shard], encoder: Encoder, dtype: str) -> None:
        manifest = Manifest(
            length=self.settings.length,
            vocab_size=encoder.tokenizer.size,
            end_of_text=encoder.end_of_text,
            dtype=dtype,
            seed=self.context.seed,
            fingerprint=self.fingerprint,
            settings=describe(self.settings),
            shards=tuple(shards),
        )
        write_atomically(
            self.context.after / MANIFEST, json.dumps(asdict(manifest), indent=1, sort_keys=True)
        )


def _counts(name: str, runs: list[TokenRuns], shards: list[Shard]) -> Counts:
    counts = Counts()
    for of_file in runs:
        counts.add(of_file.counts)
    # These names stand in the markers of corpora.
    events = {
        "shards": len(shards),
        "rows": sum(shard.rows for shard in shards),
        "tokens": sum(shard.tokens for shard in shards),
        "tails too short": sum(shard.dropped_tails for shard in shards),
        "tokens in tails too short": sum(shard.dropped_tokens for shard in shards),
    }
    for event, number in events.items():
        counts.events[name, event] += number
    return counts
