"""Parses code by the grammars of tree-sitter: what parses, and the nodes of a step.

A grammar is a small package of its own, and is loaded when its language is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from multiturn.core.errors import MissingDependencyError
from multiturn.text.languages import Grammar, Language

__all__ = [
    "Query",
    "StepTree",
    "require_grammar",
    "longest_parsing_step",
    "parse_step",
    "step_parses",
]

MAX_CODE_CHARACTERS = 400_000
"""Longer code is not parsed: it counts as code that does not parse."""

_MAX_LINES_TRIED = 1000


@dataclass(frozen=True, slots=True)
class StepTree:
    """The tree of a step that parses.

    Attributes:
        source: the text that was parsed, with what is around the step.
        nodes: the nodes of the step, in order.
    """

    source: bytes
    nodes: tuple[Any, ...]

    def text(self, start: int, end: int) -> str:
        """A part of the source, by bytes."""
        return self.source[start:end].decode("utf-8")


def parse_step(entry: Language, code: str) -> StepTree | None:
    """The tree of a step; None if it does not parse.

    Args:
        entry: a language that has a grammar.
        code: statements, functions, types and imports, in any order.

    Raises:
        MissingDependencyError: the grammar's package is not installed.
    """
    grammar = _grammar_of(entry)
    before, after = grammar.around
    # A parser is for one thread at a time.
    parser = _tree_sitter().Parser(_grammar(grammar.package))
    if len(code) > MAX_CODE_CHARACTERS or "\0" in code:
        return None
    source = f"{before}{code}{after}".encode("utf-8", "replace")
    root = parser.parse(source).root_node
    if root.has_error:
        return None
    nodes = root.children
    if before:
        # A brace too many in the code closes what is around it.
        if len(nodes) != 1:
            return None
        nodes = nodes[0].child_by_field_name("body").children[1:-1]
    return StepTree(source, tuple(nodes))


def require_grammar(entry: Language) -> None:
    """Check that the packages of a language's grammar are installed.

    Raises:
        MissingDependencyError: one is not.
    """
    _grammar(_grammar_of(entry).package)


def step_parses(entry: Language, code: str) -> bool:
    """Whether code parses as a step.

    Raises:
        MissingDependencyError: the grammar's package is not installed.
    """
    return parse_step(entry, code) is not None


def longest_parsing_step(entry: Language, text: str) -> str:
    """The longest beginning of complete lines of a step that parses; may be empty.

    Raises:
        MissingDependencyError: the grammar's package is not installed.
    """
    lines = text.split("\n")
    count = min(len(lines), _MAX_LINES_TRIED)
    for size in range(count, 0, -1):
        beginning = "\n".join(lines[:size]).rstrip()
        if step_parses(entry, beginning):
            return beginning
    return ""


class Query:
    """A query of tree-sitter's for one language.

    Args:
        entry: the language.
        source: the query; an empty one finds nothing.
    """

    def __init__(self, entry: Language, source: str) -> None:
        self._module = _tree_sitter()
        grammar = _grammar(_grammar_of(entry).package)
        self._query = self._module.Query(grammar, source) if source.strip() else None

    def matches(self, node: Any, *, inside: bool = False) -> Iterator[dict[str, list[Any]]]:
        """The nodes by the names of the query, for each match in order.

        Args:
            node: what is searched.
            inside: also match what is inside `node`; otherwise a pattern begins at `node` itself.
        """
        if self._query is None:
            return
        cursor = self._module.QueryCursor(self._query)
        if not inside:
            cursor.set_max_start_depth(0)
        for _, found in cursor.matches(node):
            yield found


def _grammar_of(entry: Language) -> Grammar:
    if entry.grammar is None:
        raise ValueError(f"{entry.name} has no grammar here")
    return entry.grammar


def _tree_sitter() -> Any:
    try:
        return importlib.import_module("tree_sitter")
    except ImportError as error:
        raise _missing("tree-sitter") from error


@lru_cache
def _grammar(package: str) -> Any:
    module = _tree_sitter()
    try:
        return module.Language(importlib.import_module(package).language())
    except ImportError as error:
        raise _missing(package.replace("_", "-")) from error


def _missing(package: str) -> MissingDependencyError:
    return MissingDependencyError(
        package, extra="languages", purpose="a program in another language than Python"
    )
