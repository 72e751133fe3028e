"""The problem files of MultiPL-E, by path or from the hub."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from multiturn.benchmarks.loaders.public_files import PublicFile, benchmarks_directory, fetch
from multiturn.core.errors import InputError, NetworkError, UnknownNameError, storage_errors
from multiturn.hub.manifest import read_manifest, write_manifest
from multiturn.hub.partial import SourceFailedError
from multiturn.hub.progress import ProgressListener, silent
from multiturn.hub.registry import HubFile, HubRepository
from multiturn.hub.sources.hub_api import list_repository
from multiturn.hub.sources.hub_source import HubSource
from multiturn.hub.sources.source import Hub, hub_settings

__all__ = [
    "CODES",
    "MAX_BYTES",
    "REPOSITORY",
    "MultiplEProblem",
    "decompressed",
    "fetch_multipl_e",
    "read_multipl_e",
]

REPOSITORY = "datasets/nuprl/MultiPL-E"
"""On the hub."""

CODES: Mapping[str, str] = MappingProxyType(
    {"javascript": "js", "java": "java", "cpp": "cpp", "go": "go", "c": "c", "python": "py"}
)
"""What MultiPL-E calls each language of the sandbox. It has no problems in C itself."""

_ALSO = {"go_test.go": "go", "go": "go", "python": "py", "javascript": "js"}
"""Further names of a language in its files."""

MAX_BYTES = 64 << 20
"""Largest decompressed file."""

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplEProblem:
    """One function to complete.

    Attributes:
        name: ``HumanEval_0_has_close_elements`` and so on; unique in a file.
        language: as the file calls it: ``js``, ``java``, ``cpp``, ``go_test.go``.
        prompt: what the program begins with, up to the body of the function.
        tests: what follows the completion.
        stop_tokens: strings that end a completion.
    """

    name: str
    language: str
    prompt: str
    tests: str
    stop_tokens: tuple[str, ...]


def read_multipl_e(path: Path, language: str) -> tuple[tuple[MultiplEProblem, ...], str]:
    """The problems of a file, and the SHA-256 of the file.

    Args:
        path: JSON lines or a JSON list, each compressed with gzip or not, or Parquet.
        language: a key of `CODES`; problems of another language are refused.

    Raises:
        InputError: the file has no problems, or one is invalid; names it.
        UnknownNameError: MultiPL-E has no such language.
        StorageError: the file cannot be read.
    """
    code = _code(language)
    with storage_errors(path, "reading the problems of MultiPL-E"):
        data = path.read_bytes()
    problems: dict[str, MultiplEProblem] = {}
    for number, record in enumerate(_records(path, data), 1):
        problem = _problem(record, f"{path.name}: problem {number}")
        if _ALSO.get(problem.language, problem.language) != code:
            raise InputError(
                f"{path.name}: problem {number} is in another language",
                got=problem.language,
                allowed=code,
                fix="choose its language with --language",
            )
        if problem.name in problems:
            raise InputError(f"{path.name} has two problems of one name", got=problem.name)
        problems[problem.name] = problem
    if not problems:
        raise InputError(f"{path.name} contains no problems")
    return tuple(problems.values()), hashlib.sha256(data).hexdigest()


def fetch_multipl_e(
    language: str, *, hub: Hub | None = None, progress: ProgressListener = silent
) -> Path:
    """The file of a language on this machine; downloaded the first time.

    The first download asks the hub for the current commit and the file's SHA-256 at that commit.
    Both are saved beside the file, which is checked against the hash then and ever after.

    Args:
        language: a key of `CODES`.
        hub: where from; by default as the environment says.
        progress: receives the progress of the download.

    Raises:
        UnknownNameError: MultiPL-E has no such language.
        NetworkError: the hub did not answer, or has no such file.
        HashMismatchError: the hub sent another file than it announced.
        StorageError: the disk is full, or the directory cannot be written.
    """
    hub = hub or hub_settings()
    name = f"multipl-e-{_code(language)}"
    folder = f"humaneval-{_code(language)}"
    home = benchmarks_directory() / name
    manifest = read_manifest(home)
    if manifest is None:
        wanted = HubRepository(REPOSITORY, "main", ("*.parquet",))
        try:
            manifest = list_repository(hub, wanted, folder=folder)
        except SourceFailedError as error:
            raise NetworkError(
                f"no source has the problems of MultiPL-E in {language}: {hub.host}: {error.what}",
                fix="check the network, or name a problem file with --file",
            ) from error
        with storage_errors(home, "making the directory of problems"):
            home.mkdir(parents=True, exist_ok=True)
        write_manifest(home, manifest)
    file = manifest.files[0]
    where = HubFile(manifest.repository, manifest.commit, f"{folder}/{file.path}")
    public = PublicFile(name=name, file=file.path, size=file.bytes, sha256=file.checksum.value)
    return fetch(public, HubSource(where, hub), progress=progress)


def decompressed(data: bytes) -> bytes:
    """The content of a file that may be compressed with gzip, up to `MAX_BYTES`.

    Raises:
        InputError: it is damaged or too large.
    """
    if not data.startswith(_GZIP):
        return data
    try:
        decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        content = decompressor.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise InputError(f"the compressed file is damaged: {error}") from error
    if decompressor.unconsumed_tail or not decompressor.eof:
        raise InputError(
            "the compressed file is damaged or too large", allowed=f"up to {MAX_BYTES >> 20} MiB"
        )
    return content


def _code(language: str) -> str:
    if language not in CODES:
        raise UnknownNameError("language of MultiPL-E", language, CODES)
    return CODES[language]


def _records(path: Path, data: bytes) -> Iterable[object]:
    """The problems of a file as plain data."""
    if data.startswith(_PARQUET):
        return _parquet_records(path)
    try:
        text = decompressed(data).decode("utf-8-sig")
        if text.lstrip().startswith("["):
            listed: list[object] = json.loads(text)
            return listed
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except InputError as error:
        raise InputError(f"{path.name}: {error.what}", allowed=error.allowed) from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is neither JSON nor Parquet: {error}") from error


def _parquet_records(path: Path) -> list[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            size = sum(
                file.metadata.row_group(group).total_byte_size
                for group in range(file.num_row_groups)
            )
            if size > MAX_BYTES:
                raise InputError(
                    f"{path.name} is too large", allowed=f"up to {MAX_BYTES >> 20} MiB"
                )
            return list(file.read().to_pylist())
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path.name} is not a Parquet file: {error}") from error


def _problem(record: object, where: str) -> MultiplEProblem:
    if not isinstance(record, dict):
        raise InputError(f"{where} is not a mapping", got=record)
    texts = {}
    for key in ("name", "language", "prompt", "tests"):
        if not isinstance(record.get(key), str):
            raise InputError(f"{where}: {key} is missing or not text", got=record.get(key))
        texts[key] = record[key]
    stops = record.get("stop_tokens")
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise InputError(f"{where}: stop_tokens is not a list of texts", got=stops)
    return MultiplEProblem(**texts, stop_tokens=tuple(stops))
