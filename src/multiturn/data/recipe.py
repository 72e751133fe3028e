"""The file of a recipe, from which `multiturn data build` builds a corpus."""

from __future__ import annotations

import runpy
from pathlib import Path

from multiturn.core.errors import InputError, MissingDependencyError, MultiturnError
from multiturn.data.build.recipe import CorpusRecipe

__all__ = ["CorpusRecipe", "load_recipe"]


def load_recipe(path: Path) -> CorpusRecipe:
    """The recipe that a Python file defines as `recipe`.

    The file is run, so trust it as you trust a program of your own.

    Raises:
        InputError: the file is missing, fails, or defines no recipe.
        MissingDependencyError: the recipe imports a package that is not installed.
    """
    if not path.is_file():
        raise InputError("no such recipe", got=str(path), fix="name a Python file")
    try:
        recipe = runpy.run_path(str(path)).get("recipe")
    except MultiturnError:
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise MissingDependencyError(
            package, extra="data", purpose=f"the recipe {path.name}"
        ) from error
    except Exception as error:
        raise InputError(
            f"the recipe {path.name} fails, {type(error).__name__}: {error}",
            fix=f"run `python {path}` for details",
        ) from error
    if not isinstance(recipe, CorpusRecipe):
        raise InputError(
            f"{path.name} defines no recipe",
            got=type(recipe).__name__,
            allowed="recipe = CorpusRecipe(...)",
        )
    return recipe
