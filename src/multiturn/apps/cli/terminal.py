"""Text from a model or a program, made safe to show.

A terminal obeys control characters: a program that prints the right bytes can rename the
window, hide lines, or type on the user's behalf. So each control character that a model or a
program wrote is replaced by a visible sign.
"""

from __future__ import annotations

import unicodedata

__all__ = ["neutralize", "one_line"]

_ALLOWED = "\n\t"


class _Signs(dict[int, str]):
    """The replacement of each character, computed on first use."""

    def __missing__(self, code: int) -> str:
        sign = _sign(chr(code))
        self[code] = sign
        return sign


def _sign(character: str) -> str:
    code = ord(character)
    if character in _ALLOWED:
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # the "control pictures": ESC becomes a small "ESC"
    if code == 0x7F:
        return "\u2421"
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"  # half of a pair: it cannot be written as UTF-8 at all
    # Format characters reverse the direction of text (code then reads differently from how it
    # runs) or are invisible. The two joiners stay: emoji and many scripts need them.
    if category in ("Cc", "Cf", "Zl", "Zp") and character not in "\u200c\u200d":
        return f"\\u{code:04x}"
    return character


_SIGNS = _Signs()


def neutralize(text: str) -> str:
    r"""Replace every control and direction character of `text` by a visible sign.

    Newlines and tabs stay. Each character is replaced on its own, so a stream may be passed in
    parts.

    Example:
        >>> neutralize("a\x1b[2Jb\n")
        'a\u241b[2Jb\n'
        >>> neutralize("x\u202ey")
        'x\\u202ey'
    """
    return text.translate(_SIGNS)


def one_line(text: str, *, max_length: int) -> str:
    r"""`text` on one line of at most `max_length` characters, safe to show.

    Example:
        >>> one_line("print(1)\nprint(2)", max_length=14)
        'print(1) prin…'
    """
    flat = neutralize(" ".join(text.split()))
    return flat if len(flat) <= max_length else flat[: max_length - 1] + "…"
