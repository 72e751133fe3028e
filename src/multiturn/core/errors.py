"""The errors a person can meet, as one tree.

    MultiturnError
    ├── InputError               something a person wrote is wrong
    │   ├── ContextOverflowError     the prompt does not fit the model's window
    │   └── UnknownNameError         a name that is not in a list of known ones
    ├── HubError                 a model's files could not be had
    │   ├── NetworkError             no source answered
    │   ├── HashMismatchError        a source gave other bytes than promised
    │   └── ModelFileError           a local model file is broken or of no known format
    ├── EngineError              the engine could not start or failed while it generated
    ├── SandboxUnavailableError  programs cannot be run in isolation here
    ├── StoreError               the session store is broken, or not ours
    ├── StorageError             the disk is full, or a place cannot be written
    └── MissingDependencyError   an optional package is not installed

Each says what is wrong, what it got, what is allowed and how to mend it; `str(error)` is
one line. The command line prints that line and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "ContextOverflowError",
    "EngineError",
    "HashMismatchError",
    "HubError",
    "InputError",
    "MissingDependencyError",
    "ModelFileError",
    "MultiturnError",
    "NetworkError",
    "SandboxUnavailableError",
    "StorageError",
    "StoreError",
    "UnknownNameError",
    "nearest",
    "storage_errors",
    "truncate_repr",
]


class MultiturnError(Exception):
    """Something went wrong that a person can understand and mend.

    Args:
        what: the statement of the fault, e.g. ``"the turn is empty"``.
        got: the offending value, shown shortened; leave out where it adds nothing.
        allowed: what would have been accepted.
        fix: the next thing to do, as an imperative.

    Example:
        >>> str(MultiturnError("unknown key", got="trun", allowed="turns", fix="rename it"))
        "unknown key: got 'trun'; allowed: turns; fix: rename it"
    """

    exit_code = 2

    def __init__(
        self, what: str, *, got: object = None, allowed: str | None = None, fix: str | None = None
    ) -> None:
        self.what = what
        self.got = got
        self.allowed = allowed
        self.fix = fix
        line = what
        if got is not None:
            line += f": got {truncate_repr(got)}"
        if allowed:
            line += f"; allowed: {allowed}"
        if fix:
            line += f"; fix: {fix}"
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[object, ...]:
        """Errors come back from other processes as they were, whatever a class's arguments."""
        return _rebuilt, (type(self), self.args, self.__dict__)


class InputError(MultiturnError):
    """Something a person wrote, an argument, a file or a turn, is wrong."""


class ContextOverflowError(InputError):
    """The prompt and what is to be generated do not fit the model's context window."""


class UnknownNameError(InputError):
    """A name that is not among the known ones; suggests the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, fix: str | None = None):
        self.name = name
        self.known = sorted(known)
        near = nearest(name, self.known)
        if fix is None:
            fix = f"did you mean {' or '.join(near)}?" if near else f"name one of these {kind}s"
        super().__init__(f"unknown {kind}", got=name, allowed=", ".join(self.known), fix=fix)


class HubError(MultiturnError):
    """A model's files could not be had."""


class NetworkError(HubError):
    """No source of a model answered."""


class HashMismatchError(HubError):
    """A source gave other bytes than the registry promises."""


class ModelFileError(HubError):
    """A local model file is missing, broken, or of a format that cannot be read."""


class EngineError(MultiturnError):
    """The engine could not start, or failed while it generated."""


class SandboxUnavailableError(MultiturnError):
    """Programs cannot be run in isolation on this machine, and nobody allowed less."""


class StoreError(MultiturnError):
    """The store of sessions cannot be read or written."""


class StorageError(MultiturnError):
    """The disk is full, or a place cannot be written."""


class MissingDependencyError(MultiturnError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            fix=f"pip install 'multiturn[{extra}]'",
        )


def _rebuilt(
    kind: type[MultiturnError], arguments: tuple[object, ...], attributes: dict[str, object]
) -> MultiturnError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(attributes)
    return error


def nearest(name: str, known: Iterable[str], *, max_count: int = 3) -> list[str]:
    """The known names most like `name`, best first; empty where none is near.

    Example:
        >>> nearest("qwen-coder", ["qwen2.5-coder-0.5b", "smollm2-135m"])
        ['qwen2.5-coder-0.5b']
    """
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=max_count, cutoff=0.5)
    return [by_folded[folded] for folded in found]


_MAX_PATH = 400


def truncate_repr(value: object, *, max_length: int = 80) -> str:
    """A short one-line form of a value for a message: control characters escaped, cut.

    An absolute path is shown whole up to `_MAX_PATH` characters: its end says which file it is.

    Example:
        >>> truncate_repr("abc" * 100, max_length=12)
        "'abcabcab..."
    """
    text = ascii(value) if isinstance(value, bytes) else repr(str(value))
    if isinstance(value, bool | int | float | Path):
        text = str(value)
    if str(value).startswith("/"):
        max_length = max(max_length, _MAX_PATH)
    return text if len(text) <= max_length else text[: max_length - 3] + "..."


@contextmanager
def storage_errors(place: Path | str, doing: str) -> Iterator[None]:
    """Turn the operating system's faults of writing at `place` into one clear `StorageError`.

    Args:
        place: the file or directory that is written.
        doing: what was being done, as a gerund: ``"saving the program"``.
    """
    try:
        yield
    except OSError as error:
        fixes = {
            errno.ENOSPC: "free some disk space, or set MULTITURN_HOME to a place with room",
            errno.EDQUOT: "free some of your quota, or set MULTITURN_HOME to a place with room",
            errno.EACCES: "make it writable, or name another place",
            errno.EPERM: "make it writable, or name another place",
            errno.EROFS: "it is mounted read-only; name another place",
            errno.EISDIR: "it is a directory; name a file",
            errno.ENOTDIR: "a part of the path is a file; name another place",
            errno.ENOENT: "make the directory first, or name another place",
        }
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"{doing} failed, {reason}",
            got=str(place),
            fix=fixes.get(error.errno or 0, "check the disk"),
        ) from error
