"""Finds the bundled recipes by name."""

from __future__ import annotations

from pathlib import Path

from multiturn.core.errors import InputError, nearest

__all__ = ["find_recipe", "recipe_names"]

_PACKAGE = Path(__file__).parents[1]


def find_recipe(name_or_path: str, kind: str) -> Path:
    """The file of a recipe.

    Args:
        name_or_path: the path of a Python file, or a name, in which dashes replace underscores.
        kind: ``train`` or ``data``, the directory of the recipes.

    Raises:
        InputError: there is no such recipe; the message lists the known ones.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    known = recipe_names(kind)
    if name_or_path.replace("_", "-") in known:
        for folder in _folders(kind):
            inside = folder / f"{name_or_path.replace('-', '_')}.py"
            if inside.is_file():
                return inside
    near = nearest(path.stem.replace("_", "-"), known, max_count=1)
    raise InputError(
        "no such recipe",
        got=name_or_path,
        allowed="the path of a Python file, or one of " + ", ".join(known),
        fix=f"did you mean {' or '.join(near)}?" if near else None,
    )


def recipe_names(kind: str) -> list[str]:
    """The names of the recipes of a kind, including those in ``./recipes``."""
    made = {"train": "config", "data": "CorpusRecipe("}[kind]
    return sorted(
        {
            path.stem.replace("_", "-")
            for folder in _folders(kind)
            for path in folder.glob("*.py")
            # The directories hold other scripts too.
            if made in path.read_text("utf-8", errors="replace")
        }
    )


def _folders(kind: str) -> list[Path]:
    # A wheel has them in the package (see pyproject.toml), a checkout beside it.
    places = (Path("recipes"), _PACKAGE / "recipes", _PACKAGE.parents[1] / "recipes")
    return [place / kind for place in places if (place / kind).is_dir()]
