"""The similarity of two problems: the overlap of token shingles without names and numbers."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Sequence

__all__ = ["code_shingles", "overlap", "prompt_shingles"]

_PROMPT_TOKEN = re.compile(r'"[^"]*"|\{\w+\}|[A-Za-z]+|\d+(?:\.\d+)?')
_LAYOUT = {tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT}


def prompt_shingles(prompts: Sequence[str], size: int = 4) -> frozenset[tuple[str, ...]]:
    """Shingles of `size` words of the prompts; quoted names, variables and numbers are equal."""
    tokens = []
    for token in _PROMPT_TOKEN.findall("\n".join(prompts)):
        first = token[0]
        tokens.append("name" if first in '"{' else "0" if first.isdigit() else token.lower())
    return _shingles(tokens, size)


def code_shingles(code: str, size: int = 6) -> frozenset[tuple[str, ...]]:
    """Shingles of `size` tokens of Python code.

    All names that the code binds are equal, and so are numbers and strings; names of builtins and
    methods are unchanged.
    """
    code = re.sub(r"<<\w+>>", "0", code)
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(code).readline)
        if token.type not in _LAYOUT
    ]
    bound = {
        token.string
        for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False)
        if token.type == tokenize.NAME
        and not keyword.iskeyword(token.string)
        and (after.string in ("=", ",", "in") or (before and before.string in ("for", "def")))
    }
    plain = []
    for token in tokens:
        if token.type == tokenize.NUMBER:
            plain.append("0")
        elif token.type == tokenize.STRING:
            plain.append("''")
        else:
            plain.append("name" if token.string in bound else token.string)
    return _shingles(plain, size)


def overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """The Jaccard similarity of two sets of shingles: 1 for equal sets, 0 if one is empty.

    Example:
        >>> overlap(frozenset({("a",), ("b",)}), frozenset({("b",), ("c",), ("d",)}))
        0.25
    """
    return len(one & other) / len(one | other) if one and other else 0.0


def _shingles(tokens: Sequence[str], size: int) -> frozenset[tuple[str, ...]]:
    if len(tokens) < size:
        return frozenset([tuple(tokens)]) if tokens else frozenset()
    return frozenset(tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1))
