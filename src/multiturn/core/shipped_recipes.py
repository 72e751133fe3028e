"""The recipes that come with the package, found by name from any folder."""

from __future__ import annotations

from pathlib import Path

from multiturn.core.errors import InputError, nearest

__all__ = ["find_recipe", "recipe_names"]

_PACKAGE = Path(__file__).parents[1]


def find_recipe(said: str, kind: str) -> Path:
    """The file of a recipe.

    Args:
        said: the path of a Python file, or a name: dashes stand for underscores.
        kind: ``train`` or ``data``, the folder of the recipes.

    Raises:
        InputError: there is none; the message lists what there is, the nearest first.
    """
    path = Path(said).expanduser()
    if path.is_file():
        return path
    known = recipe_names(kind)
    if said.replace("_", "-") in known:
        for folder in _folders(kind):
            inside = folder / f"{said.replace('-', '_')}.py"
            if inside.is_file():
                return inside
    near = nearest(path.stem.replace("_", "-"), known, max_count=1)
    raise InputError(
        "no such recipe",
        got=said,
        allowed="the path of a Python file, or one of " + ", ".join(known),
        fix=f"did you mean {' or '.join(near)}?" if near else None,
    )


def recipe_names(kind: str) -> list[str]:
    """The names of the recipes of a kind, those in the working folder's ``recipes`` included."""
    made = {"train": "config", "data": "CorpusRecipe("}[kind]
    return sorted(
        {
            path.stem.replace("_", "-")
            for folder in _folders(kind)
            for path in folder.glob("*.py")
            # Other scripts stand beside them.
            if made in path.read_text("utf-8", errors="replace")
        }
    )


def _folders(kind: str) -> list[Path]:
    # In a wheel they lie in the package (pyproject.toml puts them there), in a checkout beside it.
    places = (Path("recipes"), _PACKAGE / "recipes", _PACKAGE.parents[1] / "recipes")
    return [place / kind for place in places if (place / kind).is_dir()]
