"""The variables of the kernel, as short text for the model's prompt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from multiturn.synthesis.values import read_values

__all__ = ["describe_variables"]


def describe_variables(
    namespace: Mapping[str, Any],
    *,
    hidden: Collection[str] = (),
    only: Collection[str] | None = None,
) -> tuple[tuple[str, str], ...]:
    """The names of a namespace and their values, as short text.

    Args:
        namespace: the variables.
        hidden: names that are left out.
        only: leave out all other names.

    Example:
        >>> describe_variables({"x": 2, "_i": "", "In": []}, hidden=["In"])
        (('x', '2'),)
    """
    chosen = {
        name: value
        for name, value in namespace.items()
        if name not in hidden and (only is None or name in only)
    }
    tables = {name: text for name, value in chosen.items() if (text := _table(value)) is not None}
    others = read_values({name: chosen[name] for name in chosen if name not in tables})
    described = dict(others) | tables
    return tuple((name, described[name]) for name in chosen if name in described)


def _table(value: object) -> str | None:
    """A table or an array by its shape and types, which its text seldom shows."""
    kind = type(value).__name__
    if kind not in ("DataFrame", "Series", "ndarray"):
        return None
    try:
        shape = " x ".join(map(str, value.shape))  # type: ignore[attr-defined]
        if kind != "DataFrame":
            return f"{kind} of {shape} {value.dtype}"  # type: ignore[attr-defined]
        columns = ", ".join(
            f"{name} ({each})"
            for name, each in list(value.dtypes.items())[:20]  # type: ignore[attr-defined]
        )
    except Exception:  # only its name is that of such a class
        return None
    return f"DataFrame of {shape}: {columns}"[:200]
