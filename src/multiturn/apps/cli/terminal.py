"""Text from a model or a program, made safe to show.

A terminal obeys control characters: a program that prints the right bytes can rename the
window, hide lines, or type on the person's behalf. So none that we did not write ourselves
reaches it; each is shown as a visible sign instead.
"""

from __future__ import annotations

import unicodedata

__all__ = ["neutralize", "one_line"]

_KEPT = "\n\t"


class _Signs(dict[int, str]):
    """What each character is shown as, worked out once for each that occurs."""

    def __missing__(self, code: int) -> str:
        sign = _sign(chr(code))
        self[code] = sign
        return sign


def _sign(character: str) -> str:
    code = ord(character)
    if character in _KEPT:
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # the "control pictures": ESC becomes a small "ESC"
    if code == 0x7F:
        return "\u2421"
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"  # half of a pair: it cannot be written as UTF-8 at all
    # Format characters turn the direction of text around (code then reads other than it
    # runs) or cannot be seen. The two joiners stay: emoji and many scripts need them.
    if category in ("Cc", "Cf", "Zl", "Zp") and character not in "\u200c\u200d":
        return f"\\u{code:04x}"
    return character


_SIGNS = _Signs()


def neutralize(text: str) -> str:
    r"""`text` with every control and direction character shown as a visible sign.

    Newlines and tabs stay. Works character by character, so the parts of a stream may be
    given one after the other.

    Example:
        >>> neutralize("a\x1b[2Jb\n")
        'a\u241b[2Jb\n'
        >>> neutralize("x\u202ey")
        'x\\u202ey'
    """
    return text.translate(_SIGNS)


def one_line(text: str, *, most: int) -> str:
    r"""`text` on one line of at most `most` characters, safe to show.

    Example:
        >>> one_line("print(1)\nprint(2)", most=14)
        'print(1) prin…'
    """
    flat = neutralize(" ".join(text.split()))
    return flat if len(flat) <= most else flat[: most - 1] + "…"
