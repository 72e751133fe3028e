"""A corpus as a recipe: a Python file that says where documents come from and what happens."""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import InputError, MissingDependencyError, MultiturnError
from multiturn.data.build.source import Source
from multiturn.data.build.stage import CorpusStage
from multiturn.data.build.transform import DocumentTransform

__all__ = ["CorpusRecipe", "load_recipe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRecipe:
    """All that decides what is in a corpus.

    Attributes:
        name: of the corpus; letters, digits, dots, dashes and underscores.
        sources: read in this order.
        steps: what each document passes by itself, in this order.
        stages: what happens to the corpus as a whole after that, in this order.
        seed: of whatever is drawn at random.
    """

    name: str
    sources: tuple[Source, ...]
    steps: tuple[DocumentTransform, ...]
    stages: tuple[CorpusStage, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.name or not all(sign.isalnum() or sign in "._-" for sign in self.name):
            raise InputError(
                "the name of a recipe cannot be used as a folder",
                got=self.name,
                allowed="letters, digits, dots, dashes and underscores",
            )
        if not self.sources:
            raise InputError("a recipe without sources", fix="name at least one source")
        _refuse_repeats("step", [step.name for step in self.steps])
        _refuse_repeats("stage", [stage.name for stage in self.stages])


def load_recipe(path: Path) -> CorpusRecipe:
    """The recipe that a Python file defines as `recipe`.

    The file is run: it is as trusted as any program of the person's own.

    Raises:
        InputError: there is no such file, it fails, or it defines no recipe.
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
            fix=f"see `python {path}`",
        ) from error
    if not isinstance(recipe, CorpusRecipe):
        raise InputError(
            f"{path.name} defines no recipe",
            got=type(recipe).__name__,
            allowed="recipe = CorpusRecipe(...)",
        )
    return recipe


def _refuse_repeats(kind: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"two {kind}s of one name: their drops could not be told apart",
            got=", ".join(repeated),
            fix=f"give each {kind} a name of its own",
        )
