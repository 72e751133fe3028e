"""Recipes: Python files that define training runs.

A recipe sets ``config`` to a `TrainConfig`, or ``configs`` to several by name. Its docstring
gives the command, the hardware, the hours, the expected result, and the source of its
hyperparameters. ``FILE.py:NAME`` selects one of several configs.

The configs of a chain stand in the order in which they are trained, each with the run before it as
`start`. Such a recipe may set ``corpora`` to the names of the data recipes that make its data.
"""

from __future__ import annotations

import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.core.bundled_recipes import find_recipe
from multiturn.core.errors import InputError, MultiturnError, UnknownNameError
from multiturn.jaxformer.config import TrainConfig, apply_overrides
from multiturn.jaxformer.overrides import parse_overrides

__all__ = ["TrainingChain", "load_chain", "load_recipe"]

_OF_ONE_STAGE = ("name", "out", "start")
"""Settings that differ between the stages of a chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingChain:
    """Runs that are trained one after another.

    Attributes:
        stages: the config of each stage by its name, in this order.
        corpora: names or paths of the data recipes that make the data, in the order to build them.
    """

    stages: Mapping[str, TrainConfig]
    corpora: tuple[str, ...]


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
    made = _run(path)
    config = _chosen(made.get("config"), made.get("configs"), name, place)
    return apply_overrides(config, assignments)


def load_chain(recipe: str, assignments: Sequence[str] = ()) -> TrainingChain:
    """All configs of a recipe, in order, with ``key=value`` overrides of each.

    Args:
        recipe: the path of a Python file, or the name of a shipped recipe.
        assignments: see `apply_overrides`.

    Raises:
        InputError: as `load_recipe`; or the recipe is not a chain, or an override is of a setting
            that differs between stages.
    """
    for key in parse_overrides(assignments):
        if key in _OF_ONE_STAGE:
            raise InputError(
                f"{key} differs between the stages of a chain",
                got=f"{key}=",
                fix="train one stage by itself, RECIPE:STAGE, or change the recipe",
            )
    path = find_recipe(recipe, "train")
    made = _run(path)
    configs = made.get("configs")
    if not isinstance(configs, dict) or not configs:
        raise InputError(
            "the recipe is not a chain",
            got=recipe,
            allowed="a recipe that sets `configs` to several configs",
            fix=f"multiturn train {recipe}",
        )
    corpora = made.get("corpora", ())
    if isinstance(corpora, str) or not all(isinstance(name, str) for name in corpora):
        raise InputError("the recipe's corpora are not a tuple of names", got=corpora)
    return TrainingChain(
        stages={
            name: apply_overrides(_chosen(None, configs, name, recipe), assignments)
            for name in configs
        },
        corpora=tuple(corpora),
    )


def _run(path: Path) -> dict[str, Any]:
    """What the file of a recipe defines."""
    try:
        return runpy.run_path(str(path), run_name="recipe")
    except MultiturnError:
        raise
    except Exception as error:
        raise InputError(
            f"the recipe failed, {type(error).__name__}: {error}",
            got=str(path),
            fix="correct it",
        ) from error


def _chosen(single: object, several: object, name: str, recipe: str) -> TrainConfig:
    """The only config of a recipe, or the one with a name."""
    if isinstance(several, dict) and several:
        if not name:
            raise InputError(
                "the recipe has several configs",
                got=recipe,
                allowed=", ".join(f"{recipe}:{choice}" for choice in several),
                fix=f"name one, or train all in order: multiturn train chain {recipe}",
            )
        if name not in several:
            raise UnknownNameError("config of the recipe", name, several)
        single = several[name]
    elif name:
        raise InputError("the recipe has one config", got=name, fix=f"name {recipe} alone")
    if not isinstance(single, TrainConfig):
        raise InputError(
            "the recipe defines no config", got=recipe, fix="set `config` to a TrainConfig"
        )
    return single
