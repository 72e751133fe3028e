"""Instances of classes that two processes both have, as plain data and back.

A problem may define a class beside its function: a data class, a tree's node. Its tests hand
instances to the candidate and compare what comes back, in another process. Both sides have run
the same definition, so an instance crosses as the class's name and its content; each side
makes it with its own class. Nothing but those classes is ever made, and of their content only
what `multiturn.sandbox.encoding` knows.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping
from typing import Any

from multiturn.sandbox.encoding import Opaque

__all__ = ["assemble", "dismantle"]

_MARK = "#"
"""Begins the type's name of an `Opaque` that stands for an instance; no type's name does."""

_MAX_INSTANCES = 100_000


def dismantle(value: Any, classes: Mapping[str, type]) -> tuple[Any, list[Any]]:
    """A value with a mark in place of each instance of `classes`, and the instances' content.

    Instances that are met twice, or contain themselves, are written once.
    """
    names = {kind: name for name, kind in classes.items()}
    found: list[Any] = []
    places: dict[int, int] = {}

    def marked(value: Any) -> Any:
        kind = type(value)
        if kind in names and len(found) < _MAX_INSTANCES:
            place = places.setdefault(id(value), len(found))
            if place == len(found):
                found.append(value)
            return Opaque(f"{_MARK}{place}")
        if kind in (list, tuple, set, frozenset):
            return kind(map(marked, value))
        if kind is dict:
            return {marked(key): marked(item) for key, item in value.items()}
        return value

    try:
        tree = marked(value)
        content: list[Any] = []
        while len(content) < len(found):
            one = found[len(content)]
            content.append((names[type(one)], *map(marked, _content(one))))
    except RecursionError:
        return value, []
    return tree, content


def _content(value: Any) -> tuple[Any, ...]:
    """How it is made: by a call or bare, with which arguments; its state, items and pairs."""
    make, arguments, *rest = value.__reduce_ex__(2)
    state, items, pairs = (*rest, None, None, None)[:3]
    if make is copyreg.__newobj__:  # type: ignore[attr-defined]
        return "new", tuple(arguments[1:]), state, _listed(items), _listed(pairs)
    if make is type(value):
        return "call", tuple(arguments), state, _listed(items), _listed(pairs)
    return "unknown", (), None, None, None


def _listed(values: Any) -> list[Any] | None:
    return None if values is None else list(values)


def assemble(
    packed: tuple[Any, list[Any]], classes: Mapping[str, type], leaf: Callable[[Any], Any]
) -> Any:
    """The value that `dismantle` took apart, with instances of this side's classes.

    Args:
        packed: what `dismantle` gave, as it arrived.
        classes: by the names that the other side has for them.
        leaf: what is to be done with each part that is no container.

    Raises:
        ValueError, TypeError, AttributeError: the content does not fit the classes.
    """
    tree, content = packed
    made: dict[int, Any] = {}

    def built(value: Any) -> Any:
        if isinstance(value, Opaque) and value.type_name.startswith(_MARK):
            return instance(int(value.type_name[1:]))
        kind = type(value)
        if kind in (list, tuple, set, frozenset):
            return kind(map(built, value))
        if kind is dict:
            return {built(key): built(item) for key, item in value.items()}
        return leaf(value)

    def instance(place: int) -> Any:
        if place not in made:
            name, way, arguments, *_ = content[place]
            kind = classes[name]
            if way == "unknown":
                made[place] = leaf(Opaque(name))
            elif way == "call":
                made[place] = kind(*built(arguments))
            else:
                made[place] = kind.__new__(kind, *built(arguments))
        return made[place]

    for place, (_, way, _, state, items, pairs) in enumerate(content):
        if way == "unknown":
            continue
        one = instance(place)
        for item in items or ():
            one.append(built(item))
        for key, item in pairs or ():
            one[built(key)] = built(item)
        if state is not None:
            _restore(one, built(state))
    return built(tree)


def _restore(one: Any, state: Any) -> None:
    """As unpickling does."""
    restore = getattr(one, "__setstate__", None)
    if restore is not None:
        restore(state)
        return
    state, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if state:
        vars(one).update(state)
    for name, value in (slots or {}).items():
        object.__setattr__(one, name, value)
