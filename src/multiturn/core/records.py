"""Converts plain data to frozen dataclasses and back, strictly.

Records are frozen dataclasses. `read_record` makes them from external data (a file, a request, a
database). It refuses unknown keys, missing keys and wrong types, names the path of each, and
suggests the nearest known key. It converts only lists to tuples and integers to floats. A
dataclass checks its own values in ``__post_init__`` and raises `InputError`.

docs/decisions/0001-records.md says why this is not a library.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from multiturn.core.errors import InputError, nearest, truncate_repr

__all__ = ["absent_if_default", "earlier_values", "key_of", "read_record", "stored_as", "to_plain"]

T = TypeVar("T")

_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
}


_KEY = "multiturn.core.records.key"
_EARLIER = "multiturn.core.records.earlier"
_ABSENT = "multiturn.core.records.absent"


def stored_as(key: str) -> Mapping[str, str]:
    """Metadata of a dataclass field whose key in plain data is not its name.

    Records keep their keys when a field is renamed.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Model:
        ...     d_model: int = dataclasses.field(metadata=stored_as("width"))
        >>> to_plain(Model(d_model=3))
        {'width': 3}
        >>> read_record({"width": 3}, Model, where="model.json")
        Model(d_model=3)
    """
    return {_KEY: key}


def earlier_values(names: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """Metadata of a field of which values were renamed: the earlier ones stay readable."""
    return {_EARLIER: names}


def absent_if_default() -> Mapping[str, bool]:
    """Metadata of a field that plain data contains only where it differs from its default.

    A record that gets such a field is written as before where nothing uses it.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Size:
        ...     width: int
        ...     depth: int | None = dataclasses.field(default=None, metadata=absent_if_default())
        >>> to_plain(Size(3)), to_plain(Size(3, 4))
        ({'width': 3}, {'width': 3, 'depth': 4})
    """
    return {_ABSENT: True}


def _is_written(field: dataclasses.Field[Any], record: object) -> bool:
    return not field.metadata.get(_ABSENT) or getattr(record, field.name) != field.default


def key_of(field: dataclasses.Field[Any]) -> str:
    """The key of a field in plain data: its name, or what `stored_as` says."""
    key: str = field.metadata.get(_KEY, field.name)
    return key


class _MismatchError(Exception):
    """A value does not match; carries the path from the outermost record inwards."""

    def __init__(self, error: InputError, *path: str) -> None:
        super().__init__(error)
        self.error = error
        self.path = path


def read_record(data: object, kind: type[T], *, where: str) -> T:
    """Build a `kind` from plain data.

    Args:
        data: mappings, lists, text, numbers, booleans and None, as from JSON and YAML.
        kind: a dataclass, or tuples, lists, mappings, unions, enums, literals and scalars
            of them. `object` accepts any plain data.
        where: the source of the data, for errors: ``"spec.yaml"``.

    Raises:
        InputError: a key is unknown or missing, a value has the wrong type, or the dataclass
            refuses a value. The message names the path of the first one.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Size:
        ...     width: int
        >>> read_record({"width": 3}, Size, where="size.json")
        Size(width=3)
        >>> read_record({"widht": 3}, Size, where="size.json")
        Traceback (most recent call last):
        ...
        multiturn.core.errors.InputError: size.json: unknown key: got 'widht'; allowed: width; \
fix: did you mean 'width'?
    """
    try:
        return cast(T, _read(data, kind))
    except _MismatchError as mismatch:
        error = mismatch.error
        path = "".join(mismatch.path).lstrip(".")
        at = f"{where}: {path}" if path else where
        raise InputError(
            f"{at}: {error.what}", got=error.got, allowed=error.allowed, fix=error.fix
        ) from error


def to_plain(record: object) -> Any:
    """Convert a record to mappings, lists and scalars, ready for JSON.

    Example:
        >>> to_plain((Path("a"), 1.5, None))
        ['a', 1.5, None]
    """
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {
            key_of(field): to_plain(getattr(record, field.name))
            for field in dataclasses.fields(record)
            if _is_written(field, record)
        }
    if isinstance(record, enum.Enum):
        return record.value
    if isinstance(record, Path):
        return str(record)
    if isinstance(record, Mapping):
        return {key: to_plain(value) for key, value in record.items()}
    if isinstance(record, list | tuple | set | frozenset):
        return [to_plain(item) for item in record]
    return record


def _read(value: object, kind: Any) -> object:
    if kind is object or kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(value, kind)
    origin, options = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _read_union(value, options)
    if origin is Literal:
        return _read_choice(value, {option: option for option in options})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _read_choice(value, {option.value: option for option in kind})
    if origin in (tuple, list, Sequence):
        return _read_sequence(value, origin, options)
    if origin in (dict, Mapping):
        return _read_mapping(value, options)
    if kind is Path:
        return Path(cast(str, _read_scalar(value, str)))
    return _read_scalar(value, kind)


def _read_dataclass(value: object, kind: Any) -> object:
    if not isinstance(value, Mapping):
        raise _wrong_type(value, "a mapping")
    fields = {key_of(field): field for field in dataclasses.fields(kind) if field.init}
    for key in value:
        if key not in fields:
            near = nearest(str(key), fields, max_count=1)
            raise _MismatchError(
                InputError(
                    "unknown key",
                    got=key,
                    allowed=", ".join(fields),
                    fix=f"did you mean {near[0]!r}?" if near else "remove it",
                )
            )
    hints = _hints(kind)
    found: dict[str, object] = {}
    for key, field in fields.items():
        if key in value:
            with _inside(f".{key}"):
                found[field.name] = _read(_renamed(value[key], field), hints[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _MismatchError(InputError(f"the key {key!r} is missing", fix="add it"))
    try:
        return kind(**found)
    except InputError as error:
        raise _MismatchError(error) from error


def _renamed(value: object, field: dataclasses.Field[Any]) -> object:
    earlier = field.metadata.get(_EARLIER)
    return earlier.get(value, value) if earlier and isinstance(value, str) else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields. Resolving them is slower than reading a record."""
    return get_type_hints(kind)


def _read_union(value: object, options: tuple[Any, ...]) -> object:
    if value is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    if len(options) == 1:
        return _read(value, options[0])
    # Read the option whose outer type matches, so that its error is reported.
    for option in options:
        if isinstance(value, _outer_type(option)) and not (
            isinstance(value, bool) and option is not bool
        ):
            return _read(value, option)
    if float in options and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    raise _wrong_type(value, " or ".join(_name(_outer_type(option)) for option in options))


def _outer_type(option: Any) -> type:
    if dataclasses.is_dataclass(option):
        return dict
    origin = get_origin(option) or option
    return cast(type, {tuple: list, Sequence: list, Mapping: dict}.get(origin, origin))


def _read_choice(value: object, choices: Mapping[Any, object]) -> object:
    for allowed, meaning in choices.items():
        if value == allowed and type(value) is type(allowed):
            return meaning
    names = [str(choice) for choice in choices]
    near = nearest(str(value), names, max_count=1)
    raise _MismatchError(
        InputError(
            "unknown choice",
            got=value,
            allowed=", ".join(names),
            fix=f"did you mean {near[0]!r}?" if near else "name one of these",
        )
    )


def _read_sequence(value: object, origin: Any, options: tuple[Any, ...]) -> object:
    if not isinstance(value, list | tuple):
        raise _wrong_type(value, "a list")
    if origin is tuple and not (len(options) == 2 and options[1] is Ellipsis):
        if len(value) != len(options):
            raise _wrong_type(value, f"a list of {len(options)}")
        kinds: Sequence[Any] = options
    else:
        kinds = [options[0]] * len(value)
    items = []
    for index, (item, kind) in enumerate(zip(value, kinds, strict=True)):
        with _inside(f"[{index}]"):
            items.append(_read(item, kind))
    return items if origin is list else tuple(items)


def _read_mapping(value: object, options: tuple[Any, ...]) -> object:
    if not isinstance(value, Mapping):
        raise _wrong_type(value, "a mapping")
    key_kind, value_kind = options
    found = {}
    for key, item in value.items():
        with _inside(f".{key}"):
            found[_read(key, key_kind)] = _read(item, value_kind)
    return found


def _read_scalar(value: object, kind: Any) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return value
    raise _wrong_type(value, _name(kind))


class _inside:  # noqa: N801 - reads as a statement: `with _inside(".turns"):`
    """Adds a step to the path of a mismatch that passes through."""

    def __init__(self, step: str) -> None:
        self.step = step

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _MismatchError):
            error.path = (self.step, *error.path)


def _wrong_type(value: object, expected: str) -> _MismatchError:
    got = _name(type(value))
    if isinstance(value, str | int | float):
        got += f" {truncate_repr(value, max_length=40)}"
    return _MismatchError(InputError(f"expected {expected}, got {got}"))


def _name(kind: Any) -> str:
    return _NAMES.get(kind, getattr(kind, "__name__", str(kind)))
