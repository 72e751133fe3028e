"""The quantities in a text: numbers, quoted names and variables.

The turns of a problem and its single specification must have the same content. Only a person can
judge the prose; that both name the same quantities is checked here.
"""

from __future__ import annotations

import re

__all__ = ["quantities"]

_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
    if word != "one"  # mostly a pronoun: "each one"
} | {"twice": "2", "half": "0.5", "hundred": "100", "thousand": "1000"}
_TOKEN = re.compile(
    r"""
    (?P<variable>\{[A-Za-z_]\w*\})
    | (?P<quoted>"[^"]*")
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z]+)
    """,
    re.VERBOSE,
)


def quantities(template: str) -> frozenset[str]:
    """The numbers, quoted names and variables of a prompt template.

    Number words up to ten count as numbers, and so do "twice", "half", "hundred", "thousand".

    Example:
        >>> sorted(quantities('Keep in "big" what is over {limit} or twice 2.50.'))
        ['"big"', '2', '2.5', '{limit}']
    """
    # Doubled braces are literal, so they must not look like those of a variable.
    text = template.replace("{{", "(").replace("}}", ")")
    # A quoted variable is a text that varies, not a name.
    text = re.sub(r'"(\{[A-Za-z_]\w*\})"', r"\1", text)
    found = set()
    for match in _TOKEN.finditer(text):
        if match["number"]:
            found.add(f"{float(match['number']):g}")
        elif match["word"]:
            if number := _WORDS.get(match["word"].lower()):
                found.add(number)
        else:
            found.add(match[0])
    return frozenset(found)
