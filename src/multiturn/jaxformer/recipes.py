"""Recipes: Python files that define training runs.

A recipe sets ``config`` to a `TrainConfig`, or ``configs`` to several by name. Its docstring
gives the command, the hardware, the hours, the expected result, and the source of its
hyperparameters. ``FILE.py:NAME`` selects one of several configs.
"""

from __future__ import annotations

import runpy
from collections.abc import Sequence
from pathlib import Path

from multiturn.core.bundled_recipes import find_recipe
from multiturn.core.errors import InputError, MultiturnError, UnknownNameError
from multiturn.jaxformer.config import TrainConfig, apply_overrides

__all__ = ["load_recipe"]


def load_recipe(recipe: str, assignments: Sequence[str] = ()) -> TrainConfig:
    """The config of a recipe, with ``key=value`` overrides.

    Args:
        recipe: the path of a Python file, or the name of a shipped recipe; with ``:NAME`` if it
            defines several configs.
        assignments: see `apply_overrides`.

    Raises:
        InputError: the file is missing or fails, it defines no config, or an override is invalid.
        UnknownNameError: the recipe has no config of this name.
    """
    place, _, name = recipe.partition(":")
    path = find_recipe(place, "train")
    try:
        made = runpy.run_path(str(path), run_name="recipe")
    except MultiturnError:
        raise
    except Exception as error:
        raise InputError(
            f"the recipe failed, {type(error).__name__}: {error}",
            got=str(path),
            fix="correct it",
        ) from error
    config = _chosen(made.get("config"), made.get("configs"), name, path)
    return apply_overrides(config, assignments)


def _chosen(single: object, several: object, name: str, path: Path) -> TrainConfig:
    if isinstance(several, dict) and several:
        if not name:
            raise InputError(
                "the recipe has several configs",
                got=str(path),
                allowed=", ".join(f"{path}:{choice}" for choice in several),
            )
        if name not in several:
            raise UnknownNameError("config of the recipe", name, several)
        single = several[name]
    elif name:
        raise InputError("the recipe has one config", got=name, fix=f"name {path} alone")
    if not isinstance(single, TrainConfig):
        raise InputError(
            "the recipe defines no config", got=str(path), fix="set `config` to a TrainConfig"
        )
    return single
