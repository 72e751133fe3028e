"""Instances of classes that two processes both have, as plain data and back.

A problem may define a class beside its function: a data class, or a node of a tree. Its tests pass
instances to the candidate and compare what comes back, in another process. Both sides have run
the same definition, so an instance crosses as the name of its class and its content, and each side
builds it with its own class. Only those classes are ever built, with content that
`multiturn.sandbox.encoding` can carry. Values of the standard library cross by the table in
`multiturn.sandbox.inside.library_values`.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping
from typing import Any

from multiturn.sandbox.encoding import Opaque
from multiturn.sandbox.inside.library_values import construct, deconstruct

__all__ = ["answer_packed", "assemble", "dismantle"]

_MARK = "#"
"""Prefix of the name in an `Opaque` that stands for an instance; no type's name has it."""

_MAX_INSTANCES = 100_000

_PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes))


def answer_packed(
    function: Callable[..., Any],
    space: Mapping[str, Any],
    arguments: tuple[Any, ...],
    leaf: Callable[[Any], Any],
) -> tuple[Any, list[Any]]:
    """Call a function of the candidate with dismantled arguments.

    Args:
        function: of the candidate.
        space: its namespace, which has its own definitions of the classes.
        arguments: the dismantled arguments, the names of the classes, and whether to return the
            changed arguments too.
        leaf: as for `assemble`.

    Returns:
        The value and those arguments, dismantled.
    """
    packed, names, in_place = arguments
    classes = {name: kind for name in names if isinstance(kind := space.get(name), type)}
    args, kwargs = assemble(packed, classes, leaf)
    value = function(*args, **kwargs)
    return dismantle((value, args if in_place else ()), classes, iterators=True)


def dismantle(
    value: Any, classes: Mapping[str, type], *, iterators: bool = False
) -> tuple[Any, list[Any]]:
    """A value with a mark in place of each instance of `classes`, and the content of the instances.

    An instance that occurs twice, or contains itself, is written once. With `iterators`, iterators
    are consumed.
    """
    names = {kind: name for name, kind in classes.items()}
    found: list[Any] = []
    numbers: dict[int, int] = {}

    def marked(value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN or len(found) >= _MAX_INSTANCES:
            return value
        if kind in (list, tuple, set, frozenset):
            return kind(map(marked, value))
        if kind is dict:
            return {marked(key): marked(item) for key, item in value.items()}
        number = numbers.get(id(value))
        if number is None:
            content = None if kind in names else _of_library(value, iterators)
            if content is None and kind not in names:
                return value
            number = numbers[id(value)] = len(found)
            # Holds a reference, so that no other object gets the same id.
            found.append((value, content))
        return Opaque(f"{_MARK}{number}")

    try:
        tree = marked(value)
        content: list[Any] = []
        while len(content) < len(found):
            one, known = found[len(content)]
            if known is not None:
                content.append((known[0], "library", marked(known[1]), None, None, None))
            else:
                content.append((names[type(one)], *map(marked, _content(one))))
    except RecursionError:
        return value, []
    return tree, content


def _of_library(value: Any, iterators: bool) -> tuple[str, tuple[Any, ...]] | None:
    """A value of the table, deconstructed; None for others, and if that fails."""
    try:
        return deconstruct(value, iterators=iterators)
    except Exception:
        return None


def _content(value: Any) -> tuple[Any, ...]:
    """How an instance is built: by a call or bare; its arguments, state, items and pairs."""
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
    """The value that `dismantle` dismantled, with instances of this side's classes.

    Args:
        packed: what `dismantle` returned, as it arrived.
        classes: by the names that the other side uses.
        leaf: converts each part that is not a container.

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

    def instance(number: int) -> Any:
        if number not in made:
            name, way, arguments, *_ = content[number]
            if way == "library":
                made[number] = construct(name, built(arguments))
                return made[number]
            kind = classes[name]
            if way == "unknown":
                made[number] = leaf(Opaque(name))
            elif way == "call":
                made[number] = kind(*built(arguments))
            else:
                made[number] = kind.__new__(kind, *built(arguments))
        return made[number]

    for number, (_, way, _, state, items, pairs) in enumerate(content):
        if way in ("unknown", "library"):
            continue
        one = instance(number)
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
