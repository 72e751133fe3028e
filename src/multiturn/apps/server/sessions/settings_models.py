"""Models of the settings of a session, made from their records, so that there is one list of them.

A change names some settings and leaves the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from multiturn.core.errors import InputError
from multiturn.core.records import read_record, to_plain
from multiturn.sandbox.protocol import Limits
from multiturn.synthesis.records import Sampling, SessionSettings
from multiturn.synthesis.storable import check_storable

__all__ = [
    "SamplingChange",
    "SettingsChange",
    "SettingsView",
    "changed_sampling",
    "changed_settings",
]

MAX_LIMITS = Limits(
    cpu_seconds=300,
    wall_seconds=600,
    memory_bytes=8 << 30,
    output_bytes=16 << 20,
    file_bytes=1 << 30,
    open_files=1024,
)
"""The limits of runs that a client may ask for, at limit."""


@cache
def change_of(record: Any) -> type[BaseModel]:
    """A model with the fields of a record, all optional; those of records in it likewise."""
    fields: dict[str, Any] = {
        name: (change_of(kind) | None if _is_record(kind) else kind | None, None)
        for name, kind in _fields(record)
    }
    return create_model(
        f"{record.__name__}Change",
        __config__=ConfigDict(extra="forbid", strict=True),
        __doc__="Some settings; those that are absent stay as they are.",
        **fields,
    )


@cache
def view_of(record: Any) -> type[BaseModel]:
    """A model with the fields of a record."""
    fields: dict[str, Any] = {
        name: (view_of(kind) if _is_record(kind) else kind, ...) for name, kind in _fields(record)
    }
    doc = (record.__doc__ or "").strip().split("\n")[0]
    return create_model(f"{record.__name__}View", __doc__=doc, **fields)


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


def _fields(record: type[Any]) -> list[tuple[str, Any]]:
    hints = get_type_hints(record)
    return [(field.name, hints[field.name]) for field in dataclasses.fields(record)]


SamplingChange = change_of(Sampling)
SettingsChange = change_of(SessionSettings)
SettingsView = view_of(SessionSettings)


def changed_sampling(sampling: Sampling, change: Mapping[str, Any] | None) -> Sampling:
    """Sampling parameters with some of them changed.

    Raises:
        InputError: a value is out of range.
    """
    if not change:
        return sampling
    return read_record({**to_plain(sampling), **change}, Sampling, where="sampling")


def changed_settings(
    settings: SessionSettings, change: Mapping[str, Any] | None
) -> SessionSettings:
    """Settings with some of them changed.

    Raises:
        InputError: a value is out of range, or a limit of runs is larger than the server allows.
    """
    if not change:
        return settings
    check_storable(change, "settings")
    changed = read_record(_merged(to_plain(settings), change), SessionSettings, where="settings")
    for field in dataclasses.fields(Limits):
        value, limit = getattr(changed.limits, field.name), getattr(MAX_LIMITS, field.name)
        if value > limit:
            raise InputError(
                f"settings: the limit {field.name} is too large",
                got=value,
                allowed=f"up to {limit}",
            )
    return changed


def _merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(before)
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged
