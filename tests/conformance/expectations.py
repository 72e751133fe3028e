"""Headers of the suite's programs: what a program tries, and what must come of it.

A header is the block of comments at the top of the file, one `key: text` a line:

    tries       what the program attempts, in a few words
    kind        hostile | innocent | forgery (asked by an oracle) | witness (looks for traces)
    outcomes    the statuses it may end with
    gap LEVEL   why a level does not contain it; the level's name as in `IsolationLevel`
    limits      cpu, wall in seconds; memory, output, file in bytes, with K, M or G
    stdin       what it can read, with escapes
    prints      text that must be on standard output;  prints-error  on standard error
    line, error, signal    what the outcome must say
    result      the global variable to hand back;  value  what must come of it:
                a number, `absent`, or `not` and a number
    needs       a package without which it is left out
    replace     A with B [times N]: what no file can hold, put into the source

A program's file ends in `.py.txt`, so that nothing imports it by accident. Any other key is an
error, so that a misspelled one is noticed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits

PROGRAMS = Path(__file__).parent / "programs"
ENDING = ".py.txt"
KINDS = ("hostile", "innocent", "forgery", "witness")
DEFAULT_LIMITS = {"cpu": 2.0, "wall": 20.0, "memory": 1 << 30, "output": 1 << 20, "file": 4 << 20}
_UNITS = {"K": 10, "M": 20, "G": 30}
_KEYS = (
    "tries", "kind", "outcomes", "limits", "stdin", "prints", "prints-error", "line", "error",
    "signal", "result", "value", "needs", "replace",
)  # fmt: skip


@dataclass(frozen=True)
class Expectation:
    """One program of the suite and what must come of it."""

    name: str
    source: str
    tries: str
    kind: str
    outcomes: frozenset[Status]
    limits: Limits
    gaps: dict[IsolationLevel, str] = field(default_factory=dict)
    stdin: bytes = b""
    prints: str = ""
    prints_error: str = ""
    line: int | None = None
    error: str = ""
    signal: str = ""
    result: str | None = None
    value: str = ""
    needs: str = ""


def load(path: Path) -> Expectation:
    """Read a program and its header.

    Raises:
        ValueError: the header is not as this module's docstring says.
    """
    source = path.read_text(encoding="utf-8")
    header: dict[str, list[str]] = {}
    gaps: dict[IsolationLevel, str] = {}
    for line in source.splitlines():
        if not line.startswith("#"):
            break
        if line.startswith("# -*-"):
            continue
        key, colon, text = line[1:].strip().partition(": ")
        if key.startswith("gap "):
            gaps[IsolationLevel[key[4:]]] = text
        elif not colon or key not in _KEYS:
            raise ValueError(f"{path.name}: {line!r} is not a line of a header")
        else:
            header.setdefault(key, []).append(text)
    for key in ("tries", "kind", "outcomes"):
        if key not in header:
            raise ValueError(f"{path.name}: the header lacks {key!r}")
    for key, texts in header.items():
        if len(texts) > 1 and key != "replace":
            raise ValueError(f"{path.name}: the header has {key!r} twice")
    one = {key: texts[0] for key, texts in header.items()}
    if one["kind"] not in KINDS:
        raise ValueError(f"{path.name}: kind {one['kind']!r} is none of {KINDS}")
    for text in header.get("replace", []):
        source = _replace(source, text, path.name)
    return Expectation(
        name=path.name.removesuffix(ENDING),
        source=source,
        tries=one["tries"],
        kind=one["kind"],
        outcomes=frozenset(Status(word) for word in one["outcomes"].split()),
        limits=_limits(one.get("limits", "")),
        gaps=gaps,
        stdin=one.get("stdin", "").encode().decode("unicode_escape").encode(),
        prints=one.get("prints", ""),
        prints_error=one.get("prints-error", ""),
        line=int(one["line"]) if "line" in one else None,
        error=one.get("error", ""),
        signal=one.get("signal", ""),
        result=one.get("result"),
        value=one.get("value", ""),
        needs=one.get("needs", ""),
    )


def load_all() -> list[Expectation]:
    """Every program, by name."""
    return [load(path) for path in sorted(PROGRAMS.glob(f"*{ENDING}"))]


def _limits(text: str) -> Limits:
    values = dict(DEFAULT_LIMITS)
    for part in text.split():
        key, _, number = part.partition("=")
        if key not in values:
            raise ValueError(f"unknown limit {key!r}; known: {', '.join(values)}")
        shift = _UNITS.get(number[-1], 0)
        values[key] = (int(number[:-1]) << shift) if shift else float(number)
    return Limits(
        cpu_seconds=values["cpu"],
        wall_seconds=values["wall"],
        memory_bytes=int(values["memory"]),
        output_bytes=int(values["output"]),
        file_bytes=int(values["file"]),
    )


def _replace(source: str, text: str, name: str) -> str:
    found = re.fullmatch(r"(\S+) with (.+?)(?: times (\d+))?", text)
    if not found:
        raise ValueError(f"{name}: {text!r} is not `A with B [times N]`")
    old, new, times = found.groups()
    piece = new.encode().decode("unicode_escape") * int(times or 1)
    # The header itself keeps the mark: its line must stay one line of text.
    head, mark, rest = source.partition(f"# replace: {text}\n")
    return head + mark + rest.replace(old, piece)
