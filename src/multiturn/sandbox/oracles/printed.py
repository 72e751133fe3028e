r"""Whether what a program printed last is the expected value, as a person would read it.

docs/benchmarks.md states the rule, and docs/decisions/0034-printed-text.md the reasons. Only the
printed text counts, and values that the text hides (see `Table`); both are read outside the
program's process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from multiturn.sandbox.encoding import ArrayData, FrameData, SeriesData
from multiturn.sandbox.oracles.compare import text_lines, values_equal
from multiturn.sandbox.oracles.literals import Pairs, parse_literal, plain

__all__ = ["Table", "last_printed", "printed_matches"]

_SEPARATORS = (" ", ", ", ",", "; ", ";", " | ", "|", "\t", "\n")
_SEPARATOR = re.compile("[,;|]")
# The closing quote is optional, so that any text takes a single pass.
_QUOTED = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'?|\"[^\"\\]*(?:\\.[^\"\\]*)*\"?")
_OPENING, _CLOSING = frozenset("[({"), frozenset("])}")
_SHOWN_LINES = 20

MAX_OWN, MAX_MORE = 40, 10_000
"""Text is parsed only up to this many characters for each of the expected value's own, and this
many more, so that a program cannot choose how long parsing takes."""


@dataclass(frozen=True, slots=True)
class Table:
    """A printed array, series or frame, whose text rounds numbers and omits rows.

    Attributes:
        text: the printed text.
        value: the value, as `multiturn.sandbox.encoding` decodes it.
    """

    text: str
    value: object


def printed_matches(stdout: str, gold: object, table: Table | None = None) -> bool:
    r"""Whether the last thing printed is `gold`, as text or as a value.

    Args:
        stdout: everything that was printed.
        gold: plain data as in JSON and YAML.
        table: the argument of the last ``print``, if it was an array, series or frame.

    Example:
        >>> printed_matches("1\na, b\n", "a, b"), printed_matches("1 2 3\n", [1, 2, 3])
        (True, True)
        >>> printed_matches("total: 3\n", 3), printed_matches("3\n4\n", 3)
        (False, False)
    """
    if not stdout:
        return False
    try:
        return _printed_last(stdout, gold, table)
    except RecursionError:  # an expected value deeper than any text that is parsed
        return False


def _printed_last(stdout: str, gold: object, table: Table | None) -> bool:
    lines = text_lines(stdout)
    if (
        table is not None
        and not isinstance(gold, str)
        and _ends_with(lines, text_lines(table.text))
    ):
        if any(values_equal(content, gold) for content in _contents(table.value)):
            return True
        if _is_hidden(table.value):
            return False
    if _ends_blank(stdout) and _prints_nothing(gold):
        return True
    if isinstance(gold, str) and _is_text(lines, gold):
        return True
    lines = _tail(lines, MAX_OWN * _size(gold) + MAX_MORE)
    return bool(lines) and _printed(lines, gold)


def last_printed(stdout: str, table: Table | None = None) -> object:
    """What was printed last, for a message: a value, or else the last lines."""
    lines = text_lines(stdout)
    if table is not None and _ends_with(lines, text_lines(table.text)):
        return table.value.tolist() if isinstance(table.value, ArrayData) else table.value
    found, value = parse_literal(_block(_tail(lines, MAX_MORE)) or "")
    return plain(value) if found else "\n".join(lines[-_SHOWN_LINES:])


def _size(gold: object) -> int:
    try:
        return len(repr(gold))
    except ValueError:  # an integer that is too long for text
        return 0


def _tail(lines: list[str], characters: int) -> list[str]:
    """The last lines, with at most so many characters."""
    for at in range(len(lines) - 1, -1, -1):
        characters -= len(lines[at]) + 1
        if characters < 0:
            return lines[at + 1 :]
    return lines


def _ends_with(lines: list[str], last: list[str]) -> bool:
    return lines[len(lines) - len(last) :] == last


def _ends_blank(stdout: str) -> bool:
    """Whether the last line is blank, as after ``print(*[])``."""
    *_, before, after = ["", *stdout.split("\n")[-2:]]
    return not before.strip() and not after.strip()


def _prints_nothing(gold: object) -> bool:
    if isinstance(gold, list) and len(gold) <= 1:
        return gold in ([], [""])
    return isinstance(gold, str) and not gold.strip()


def _printed(lines: list[str], gold: object) -> bool:
    if isinstance(gold, str) and _is_text(lines, gold):
        return True
    block = _block(lines)
    if block is not None and _reads_as(block, gold):
        return True
    if isinstance(gold, list | tuple) and gold:
        return _is_list(lines, list(gold))
    return isinstance(gold, Mapping) and bool(gold) and _is_mapping(lines, gold)


def _is_text(lines: list[str], gold: str) -> bool:
    wanted = text_lines(gold.replace("\r\n", "\n"))
    return bool(wanted) and _ends_with(lines, wanted)


def _reads_as(text: str, gold: object) -> bool:
    for joined in (True, False):
        found, value = parse_literal(text, joined=joined)
        if found and values_equal(value, gold):
            return True
    return False


def _block(lines: list[str]) -> str | None:
    """The last line; if it closes brackets, all lines from where they opened."""
    open_brackets = 0
    for at in range(len(lines) - 1, -1, -1):
        for letter in _QUOTED.sub("", lines[at]):
            open_brackets += (letter in _CLOSING) - (letter in _OPENING)
        if open_brackets <= 0:
            return "\n".join(lines[at:])
    return None


def _is_list(lines: list[str], gold: list[object]) -> bool:
    """Whether the items are on one line, or on one line each."""
    block = _block(lines)
    is_bracketed = block is not None and block.lstrip()[:1] in _OPENING
    if len(gold) == 1 and isinstance(gold[0], list | tuple | Mapping) and is_bracketed:
        # A single list in brackets is that list, not a list of it.
        return False
    if all(isinstance(item, str) for item in gold):
        for separator in _SEPARATORS:
            if _is_text(lines, separator.join(map(str, gold))):
                return True
    if block is not None:
        if _reads_as(f"[{block}]", gold):
            return True
        if any(_are_items(items, gold) for items in _split(lines[-1])):
            return True
    if len(lines) < len(gold):
        return False
    last = lines[-len(gold) :]
    if all(_printed([line], item) for line, item in zip(last, gold, strict=True)):
        return True
    return _reads_as("[" + "\n".join(last) + "]", gold)


def _split(line: str) -> Iterator[list[str]]:
    """The items of a line, split at commas and the like, or at blanks."""
    line = line.strip()
    if line[:1] + line[-1:] in ("[]", "()", "{}") and not parse_literal(line)[0]:
        # The program wrote brackets around texts without quotes.
        line = line[1:-1]
    parts = [part.strip() for part in _SEPARATOR.split(line)]
    yield parts if parts[-1] else parts[:-1]
    yield line.split()


def _are_items(items: list[str], gold: list[object]) -> bool:
    return len(items) == len(gold) and all(
        not isinstance(wanted, list | tuple | Mapping) and _printed([item], wanted)
        for item, wanted in zip(items, gold, strict=True)
    )


def _is_mapping(lines: list[str], gold: Mapping[Any, object]) -> bool:
    """Whether the last lines are keys and values, in any order: ``a: 1`` or ``a 1``."""
    left = {str(key): value for key, value in gold.items()}
    lengths = {len(key) for key in left}
    if len(lines) < len(left):
        return False
    for line in lines[-len(left) :]:
        for key in (line[:length] for length in lengths if line[length : length + 1] in (":", " ")):
            rest = line[len(key) :].lstrip().removeprefix(":").strip()
            if key in left and _printed([rest], left[key]):
                del left[key]
                break
        else:
            return False
    return not left


def _contents(value: object) -> Iterator[object]:
    """What a person may read a table as: its rows, columns by name, or items by index."""
    yield value
    if isinstance(value, SeriesData):
        yield Pairs(list(zip(value.index, value.items, strict=True)))
    if isinstance(value, FrameData):
        rows = [list(row) for row in zip(*value.items, strict=True)]
        if rows:
            yield rows
            yield [Pairs(list(zip(value.columns, row, strict=True))) for row in rows]
        yield Pairs(list(zip(value.columns, map(list, value.items), strict=True)))
        yield Pairs(
            [
                (name, Pairs(list(zip(value.index, items, strict=True))))
                for name, items in zip(value.columns, value.items, strict=True)
            ]
        )


def _is_hidden(value: object) -> bool:
    """Whether the text does not determine the value: numpy writes [] for five empty rows."""
    if isinstance(value, ArrayData):
        return len(value.shape) > 1 and 0 in value.shape
    return isinstance(value, SeriesData | FrameData)
