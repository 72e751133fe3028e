"""The errors that a user can meet, as one tree.

    MultiturnError
    ├── InputError               an argument, a file or a turn is wrong
    │   ├── ContextOverflowError     the prompt does not fit the context window
    │   └── UnknownNameError         a name that is not in a list of known ones
    ├── HubError                 a model's files are not available
    │   ├── NetworkError             no source responded
    │   ├── HashMismatchError        a source sent other bytes than expected
    │   └── ModelFileError           a local model file is broken or has an unknown format
    ├── EngineError              the engine could not start, or failed during generation
    │   └── RetriesExhaustedError    it failed after its own retries
    ├── SandboxUnavailableError  programs cannot be isolated on this machine
    ├── StoreError               the session store is broken, or not one of ours
    ├── ConflictError            another program or window changed it in the meantime
    ├── StorageError             the disk is full, or a path is not writable
    └── MissingDependencyError   an optional package is not installed

Each error says what is wrong, the value, what is allowed and how to fix it. `str(error)` is one
line, which the command line prints before it exits with `exit_code`.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "ConflictError",
    "ContextOverflowError",
    "EngineError",
    "HashMismatchError",
    "HubError",
    "InputError",
    "MissingDependencyError",
    "ModelFileError",
    "MultiturnError",
    "NetworkError",
    "RetriesExhaustedError",
    "SandboxUnavailableError",
    "StorageError",
    "StoreError",
    "UnknownNameError",
    "nearest",
    "storage_errors",
    "truncate_repr",
]


class MultiturnError(Exception):
    """An error that the user can understand and fix.

    Args:
        what: what is wrong, e.g. ``"the turn is empty"``.
        got: the offending value, which the message shortens; None if it adds nothing.
        allowed: the accepted values.
        fix: what to do next, as an imperative.

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
        """Pickle the attributes, since the classes have different arguments."""
        return _rebuilt, (type(self), self.args, self.__dict__)


class InputError(MultiturnError):
    """An argument, a file or a turn is wrong."""


class ContextOverflowError(InputError):
    """The prompt and the requested tokens do not fit the context window."""


class UnknownNameError(InputError):
    """A name is not among the known ones. Suggests the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, fix: str | None = None):
        self.name = name
        self.known = sorted(known)
        near = nearest(name, self.known)
        if fix is None:
            fix = f"did you mean {' or '.join(near)}?" if near else f"name one of these {kind}s"
        super().__init__(f"unknown {kind}", got=name, allowed=", ".join(self.known), fix=fix)


class HubError(MultiturnError):
    """A model's files are not available."""


class NetworkError(HubError):
    """No source of a model responded."""


class HashMismatchError(HubError):
    """A source sent other bytes than the registry lists."""


class ModelFileError(HubError):
    """A local model file is missing, broken, or has an unknown format."""


class EngineError(MultiturnError):
    """The engine could not start, or failed during generation."""


class RetriesExhaustedError(EngineError):
    """The engine has used up its own retries, so callers should not retry at once."""


class SandboxUnavailableError(MultiturnError):
    """Programs cannot be isolated on this machine, and `unsafe` is not set."""


class StoreError(MultiturnError):
    """The session store cannot be read or written."""


class ConflictError(MultiturnError):
    """Another program or window changed the same thing in the meantime."""


class StorageError(MultiturnError):
    """The disk is full, or a path is not writable."""


class MissingDependencyError(MultiturnError):
    """A required optional package is not installed."""

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
    """The known names most similar to `name`, best first; empty if none is similar.

    Example:
        >>> nearest("qwen-coder", ["qwen2.5-coder-0.5b", "smollm2-135m"])
        ['qwen2.5-coder-0.5b']
    """
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=max_count, cutoff=0.5)
    return [by_folded[folded] for folded in found]


_MAX_PATH = 400


def truncate_repr(value: object, *, max_length: int = 80) -> str:
    """A value on one line for a message, cut to `max_length`, with control characters escaped.

    An absolute path is cut only at `_MAX_PATH` characters, because its end names the file.

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
    """Turn an `OSError` in the block into a `StorageError` with a fix.

    Args:
        place: the file or directory being written.
        doing: what the caller is doing, as a gerund: ``"saving the program"``.

    Raises:
        StorageError: the block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        fixes = {
            errno.ENOSPC: "free some disk space, or set MULTITURN_HOME to a larger disk",
            errno.EDQUOT: "free some of your quota, or set MULTITURN_HOME to a larger disk",
            errno.EACCES: "make it writable, or choose another path",
            errno.EPERM: "make it writable, or choose another path",
            errno.EROFS: "it is mounted read-only; choose another path",
            errno.EISDIR: "it is a directory; choose a file",
            errno.ENOTDIR: "a part of the path is a file; choose another path",
            errno.ENOENT: "create the directory first, or choose another path",
        }
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"{doing} failed, {reason}",
            got=str(place),
            fix=fixes.get(error.errno or 0, "check the disk"),
        ) from error
