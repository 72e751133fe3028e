"""Divides the code of a step into imports, functions and types, and statements."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from multiturn.text.grammar import Query, StepTree, parse_step
from multiturn.text.languages import Grammar, Language

__all__ = [
    "Edit",
    "StepPart",
    "StepParts",
    "declared_names",
    "descendants",
    "divide",
    "identifiers",
    "queries_of",
]

Edit = tuple[int, int, str]
"""What takes the place of some bytes: their start and end, and the text."""


@dataclass(frozen=True, slots=True)
class StepPart:
    """An import, a function or a type, a shared variable, or a run of statements."""

    kind: Literal["import", "outside", "shared", "main"]
    start: int
    """The first byte, comments above included."""
    end: int
    """The byte after the last."""
    node: Any
    """Its node in the tree; the first, of statements."""
    name: tuple[str, ...] = ()
    """What no other import, function or type has."""


@dataclass(slots=True)
class StepParts:
    """The parts of a step in order."""

    tree: StepTree
    import_alone: str
    """An import of one item."""
    parts: list[StepPart] = field(default_factory=list)
    statements: list[Any] = field(default_factory=list)
    """The nodes of the statements."""
    edits: list[Edit] = field(default_factory=list)
    unwrapped: bool = False
    """Whether the statements were in a `main`."""

    @property
    def shared(self) -> list[Any]:
        """The nodes of the declarations that are outside `main` because functions use them."""
        return [part.node for part in self.parts if part.kind == "shared"]

    def text(self, part: StepPart) -> str:
        """The text of a part after the edits, its first line at the left."""
        line_start = self.tree.source.rfind(b"\n", 0, part.start) + 1
        indent = self.tree.text(line_start, part.start)
        text = "".join(self._pieces(part.start, part.end)).rstrip()
        # The lines of a text of several lines are not code.
        if not indent.isspace() or self._has_long_text(part):
            return text
        return textwrap.dedent(indent + text)

    def movable(self, part: StepPart) -> bool:
        """Whether the lines of a part can be indented without changing what it does."""
        return not self._has_long_text(part)

    def flat(self) -> str:
        """The parts as one text."""
        texts = [
            self.import_alone.format(item=self.text(part))
            if part.kind == "import"
            else self.text(part)
            for part in self.parts
        ]
        return "\n".join(texts).strip("\n")

    def _pieces(self, start: int, end: int) -> Iterator[str]:
        for first, last, replacement in sorted(self.edits):
            if start <= first and last <= end:
                yield self.tree.text(start, first)
                yield replacement
                start = last
        yield self.tree.text(start, end)

    def _has_long_text(self, part: StepPart) -> bool:
        nodes = [
            node for node in (part.node, *self.statements)
            if part.start <= node.start_byte and node.end_byte <= part.end
        ]  # fmt: skip
        return any(
            ("string" in each.type or "text" in each.type)
            and each.start_point[0] != each.end_point[0]
            for node in nodes
            for each in descendants(node)
        )


@dataclass(frozen=True, slots=True)
class GrammarQueries:
    """The queries of a grammar, ready to use."""

    main: Query
    outside_if: Query
    named: Query
    declared: Query
    import_uses: Query
    written: Query
    local: Query


@lru_cache
def queries_of(entry: Language) -> GrammarQueries:
    """The queries of a language that has a grammar.

    Raises:
        MissingDependencyError: the grammar's package is not installed.
    """
    assert entry.grammar is not None  # of those that have one
    sources = (getattr(entry.grammar, name) for name in GrammarQueries.__dataclass_fields__)
    return GrammarQueries(*(Query(entry, source) for source in sources))


def divide(entry: Language, code: str, shared: AbstractSet[str] = frozenset()) -> StepParts | None:
    """The parts of a step; None if it does not parse.

    Args:
        entry: a language that has a grammar.
        code: the step.
        shared: variables whose declaration belongs outside `main`.

    Raises:
        MissingDependencyError: the grammar's package is not installed.
    """
    tree = parse_step(entry, code)
    if tree is None or entry.grammar is None:
        return None
    divider = _Divider(
        entry.grammar, queries_of(entry), StepParts(tree, entry.grammar.import_alone), shared
    )
    divider.add(tree.nodes)
    return divider.found


class _Divider:
    def __init__(
        self,
        grammar: Grammar,
        queries: GrammarQueries,
        found: StepParts,
        shared: AbstractSet[str],
    ) -> None:
        self._shared = set(shared)
        self._grammar = grammar
        self._queries = queries
        self.found = found

    def add(self, nodes: Sequence[Any], *, outside: bool = False) -> None:
        """Add the parts of neighbouring nodes.

        Args:
            nodes: in order.
            outside: they are members of a class, so that none is a statement.
        """
        comment_start: int | None = None
        line = -1
        for node in nodes:
            if "comment" in node.type:
                if node.start_point[0] == line:
                    self._extend(node.end_byte)
                elif comment_start is None:
                    comment_start = node.start_byte
                continue
            if not node.is_named:
                if node.type == ";":
                    self._extend(node.end_byte)
                continue
            start = node.start_byte if comment_start is None else comment_start
            main = next(self._queries.main.matches(node), None)
            if main is not None:
                self._unwrap(main)
                comment_start, line = None, -1  # a comment behind its brace is behind no part
                continue
            comment_start, line = None, node.end_point[0]
            self._add_node(start, node, outside=outside)
        if comment_start is not None:
            last = nodes[-1]
            self._add_statement(comment_start, last)

    def _extend(self, end: int) -> None:
        """Let the last part end later: with a semicolon, or a comment behind it."""
        if self.found.parts:
            last = self.found.parts[-1]
            self.found.parts[-1] = StepPart(last.kind, last.start, end, last.node, last.name)

    def _add_node(self, start: int, node: Any, *, outside: bool) -> None:
        grammar = self._grammar
        if node.type in grammar.dropped:
            return
        if node.type in grammar.imports:
            self._add_imports(start, node)
        elif outside or node.type in grammar.outside or self._is_outside(node):
            self._add_outside(start, node)
        elif self._shared and self._shared & (names := declared_names(self._queries, node)):
            self._add_shared(start, node, names)
        else:
            self._add_statement(start, node)

    def _add_shared(self, start: int, node: Any, names: set[str]) -> None:
        self._shared -= names  # what declares them again sets them
        before = self._grammar.shared or ""
        if before and not (
            node.type.startswith(before.strip()) or before.strip() in _modifiers(node)
        ):
            self.found.edits.append((node.start_byte, node.start_byte, before))
        if sign := self._grammar.redeclared:
            self.found.edits += {
                (cut.start_byte, cut.end_byte, sign)
                for match in self._queries.declared.matches(node)
                for cut in match.get("cut", ())
            }
        self.found.parts.append(
            StepPart("shared", start, node.end_byte, node, tuple(sorted(names)))
        )

    def _is_outside(self, node: Any) -> bool:
        return next(self._queries.outside_if.matches(node), None) is not None

    def _unwrap(self, main: dict[str, list[Any]]) -> None:
        """Add the parts of a `main`, and of the class around it."""
        self.found.unwrapped = True
        body = main["body"][0]
        if "class" in main:
            members = main["class"][0].child_by_field_name("body").children[1:-1]
            self.add([each for each in members if each.id != body.parent.id], outside=True)
        statements = [
            statement
            for each in body.children[1:-1]
            for statement in (each.children if each.type == "statement_list" else (each,))
        ]
        self.add(_without_last_return(statements))

    def _add_imports(self, start: int, node: Any) -> None:
        item_type = self._grammar.import_item
        items = [each for each in descendants(node) if each.type == item_type] or [node]
        for item in items:
            name = _plain(item)
            first = start if item is node else item.start_byte
            self.found.parts.append(StepPart("import", first, item.end_byte, item, (name,)))

    def _add_outside(self, start: int, node: Any) -> None:
        static = self._grammar.static
        if static and static.strip() not in _modifiers(node):
            self.found.edits.append((node.start_byte, node.start_byte, static))
        self.found.parts.append(StepPart("outside", start, node.end_byte, node, self._name(node)))

    def _name(self, node: Any) -> tuple[str, ...]:
        for match in self._queries.named.matches(node):
            parameters = match.get("parameters", ())
            types = [_type_of(each) for node in parameters for each in node.named_children]
            return (node.type, _plain(match["name"][0]), *types)
        return (node.type, _plain(node))

    def _add_statement(self, start: int, node: Any) -> None:
        self.found.statements.append(node)
        end = node.end_byte
        last = self.found.parts[-1] if self.found.parts else None
        if last is not None and last.kind == "main":
            between = self.found.tree.text(last.end, start)
            if not between.strip() and last.end <= start:
                self.found.parts[-1] = StepPart("main", last.start, end, last.node)
                return
        self.found.parts.append(StepPart("main", start, end, node))


def declared_names(queries: GrammarQueries, node: Any) -> set[str]:
    """The variables that a statement declares."""
    return {
        each.text.decode() for match in queries.declared.matches(node) for each in match["name"]
    }


def identifiers(node: Any) -> set[str]:
    """The names in a part of a tree; not of types and fields, where the grammar has others."""
    return {each.text.decode() for each in descendants(node) if each.type == "identifier"}


def descendants(node: Any) -> Iterator[Any]:
    """A node of a tree and all nodes in it, in order."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(each.children)


def _without_last_return(statements: Sequence[Any]) -> list[Any]:
    """The statements of a `main`; its end does not end those of the steps that follow."""
    last = len(statements)
    while last and (
        statements[last - 1].type in ("return_statement", ";", "\n")
        or "comment" in statements[last - 1].type
    ):
        last -= 1
    ending = [each for each in statements[last:] if "comment" in each.type]
    return [*statements[:last], *ending]


def _modifiers(node: Any) -> list[str]:
    found = [_plain(each) for each in node.children if each.type == "modifiers"]
    return " ".join(found).split()


def _type_of(parameter: Any) -> str:
    """A parameter without its name and default."""
    text = _plain(parameter).partition("=")[0].rstrip()
    return re.sub(r"(?<=[\s*&])[A-Za-z_]\w*(?=\s*(\[[^]]*\])?$)", "", text).replace(" ", "")


def _plain(node: Any) -> str:
    return " ".join(node.text.decode("utf-8", "replace").split())
