"""Validates the turns and the code of a person."""

from __future__ import annotations

import unicodedata

from multiturn.core.errors import InputError

__all__ = ["MAX_CODE_CHARACTERS", "MAX_TURN_CHARACTERS", "validate_code", "validate_turn"]

MAX_TURN_CHARACTERS = 16_000
"""About 4,000 tokens, half of a common context window; longer text belongs in a file."""

MAX_CODE_CHARACTERS = 200_000
"""Maximum length of code with which a person replaces a step."""


def validate_turn(text: str, *, verbatim: bool = False) -> str:
    r"""The turn without surrounding blank space, its line ends made ``\n``.

    Args:
        text: the words of a person, or a prompt of a problem.
        verbatim: keep the blank space, like the published benchmark.

    Raises:
        InputError: the turn is empty, too long, or has control characters other than tabs and
            line ends: they would reach the terminal, the comments and the model.

    Example:
        >>> validate_turn("  Print it.\r\nTwice. ")
        'Print it.\nTwice.'
    """
    turn = _with_plain_line_ends(text)
    if not verbatim:
        turn = turn.strip()
    if not turn.strip():
        raise InputError("the turn is empty", fix="say what the next step should do")
    if len(turn) > MAX_TURN_CHARACTERS:
        raise InputError(
            "the turn is too long",
            got=f"{len(turn):,} characters",
            allowed=f"up to {MAX_TURN_CHARACTERS:,}",
            fix="split it into several turns",
        )
    _refuse_control_characters(turn, "the turn")
    return turn


def validate_code(text: str) -> str:
    """Code without surrounding blank lines, with normalized line ends.

    Raises:
        InputError: it is empty, too long, or has control characters.
    """
    code = _with_plain_line_ends(text).rstrip().lstrip("\n")
    if not code.strip():
        raise InputError("the code is empty", fix="write the step, or undo the turn")
    if len(code) > MAX_CODE_CHARACTERS:
        raise InputError(
            "the code is too long",
            got=f"{len(code):,} characters",
            allowed=f"up to {MAX_CODE_CHARACTERS:,}",
        )
    _refuse_control_characters(code, "the code")
    return code


def _with_plain_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _refuse_control_characters(text: str, what: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        for column, character in enumerate(line, start=1):
            # Cc: control characters; Cs: surrogates, which no file can contain.
            if character != "\t" and unicodedata.category(character) in ("Cc", "Cs"):
                raise InputError(
                    f"{what} has the control character U+{ord(character):04X} "
                    f"(line {number}, column {column})",
                    allowed="printable text, tabs and line ends",
                    fix="remove it",
                )
