"""Which variables of the statements functions use, so that both must see them.

In Python and JavaScript a function sees what the steps before it have set. In the other languages
statements are in `main`, whose variables no function sees. The declaration of such a variable can
go outside where that changes nothing: its value is written there, and depends on no other variable
and no function of the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from multiturn.text.languages import Language
from multiturn.text.step_parts import (
    StepParts,
    declared_names,
    descendants,
    identifiers,
    queries_of,
)

__all__ = ["shared_variables"]


@dataclass(frozen=True, slots=True)
class _Declaration:
    """The first declaration of some variables."""

    order: int
    node: Any
    names: frozenset[str]


def shared_variables(entry: Language, steps: Sequence[StepParts]) -> frozenset[str]:
    """The variables whose declarations go outside `main`.

    Args:
        entry: a language that has a grammar and a layout.
        steps: the parts of a program's steps.

    Raises:
        MissingDependencyError: the grammar's package is not installed.
    """
    assert entry.grammar is not None  # of those that have a layout
    if entry.grammar.shared is None:
        return frozenset()
    queries = queries_of(entry)
    outside = [part for step in steps for part in step.parts if part.kind == "outside"]
    used: set[str] = set()
    for part in outside:
        made = {
            each.text.decode()
            for match in queries.local.matches(part.node, inside=True)
            for each in match["name"]
        }
        used |= identifiers(part.node) - made
    declarations: dict[str, _Declaration] = {}
    for order, node in enumerate(node for step in steps for node in step.statements):
        names = declared_names(queries, node)
        for name in names:
            declarations.setdefault(name, _Declaration(order, node, frozenset(names)))
    movable = _Movable(entry, declarations, frozenset(part.name[1] for part in outside))
    found: set[str] = set()
    for name in used & declarations.keys():
        found |= movable.with_(name)
    return frozenset(found)


class _Movable:
    """Which declarations can go outside `main`."""

    def __init__(
        self, entry: Language, declarations: dict[str, _Declaration], functions: AbstractSet[str]
    ) -> None:
        self._constants = entry.grammar is not None and entry.grammar.shared_constants
        self._declarations = declarations
        self._functions = functions

    def with_(self, name: str) -> frozenset[str]:
        """The variables that go outside with one; none if it cannot."""
        declaration = self._declarations[name]
        if not declaration.names.isdisjoint(self._functions) or any(
            self._declarations[each].order != declaration.order for each in declaration.names
        ):
            return frozenset()
        found = declaration.names
        for each in descendants(declaration.node):
            if self._constants and each.type == "call_expression":
                return frozenset()
            if each.type == "type_identifier" and each.text == b"var":
                return frozenset()  # Java finds no type for it there
            if each.type != "identifier" or (other := each.text.decode()) in declaration.names:
                continue
            needed = self._measured(each, other, declaration.order)
            if not needed and (
                other in self._declarations
                or other in self._functions
                or (self._constants and not other.isupper())
            ):
                return frozenset()
            found |= needed
        return found

    def _measured(self, node: Any, name: str, before: int) -> frozenset[str]:
        """The variables that go outside with one whose size alone is used."""
        declaration = self._declarations.get(name)
        if declaration is None or declaration.order >= before or not _is_measured(node):
            return frozenset()
        return self.with_(name)


def _is_measured(node: Any) -> bool:
    """Whether only the size of a variable is used, which is known before the program runs."""
    while node is not None:
        if node.type == "sizeof_expression":
            return True
        node = node.parent
    return False
