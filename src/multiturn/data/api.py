"""Building a corpus as one call, for programs and notebooks."""

from __future__ import annotations

from pathlib import Path

from multiturn.core.app_dirs import app_dirs
from multiturn.core.bundled_recipes import find_recipe
from multiturn.data.build.drop_log import Counts
from multiturn.data.build.executors.local import local_executor
from multiturn.data.build.pipeline import build
from multiturn.data.build.progress import BuildListener, silent
from multiturn.data.recipe import CorpusRecipe, load_recipe

__all__ = ["build_corpus"]


def build_corpus(
    recipe: CorpusRecipe | str | Path,
    out: Path | None = None,
    *,
    workers: int | None = None,
    keep_drops: bool = False,
    downloads: Path | None = None,
    progress: BuildListener = silent,
) -> Counts:
    """Build a corpus, or what an interrupted build left to do.

    Args:
        recipe: a recipe, its name, or the path of its file.
        out: the directory to build in; ``corpora/NAME`` by default.
        workers: number of processes; one for each core by default.
        keep_drops: also write the dropped documents, with the reasons.
        downloads: where files from the network are stored between builds; the user's cache by
            default.
        progress: called after each finished task.

    Returns:
        Documents and bytes that passed and that were dropped, in the last stage.

    Raises:
        InputError: there is no such recipe, or it is not a valid one.
        SourceError: a source is not available. Finished tasks stay finished.
        StoreError: another build is running in `out`.
        StorageError: the disk is full or a directory cannot be written.

    Example:
        ::

            from pathlib import Path
            from multiturn import CorpusRecipe, build_corpus
            from multiturn.data.presets import code_steps
            from multiturn.data.sources.directory import Directory

            recipe = CorpusRecipe(
                name="mine",
                sources=(Directory(path=Path("src"), licence="Apache-2.0"),),
                steps=code_steps(("python",)),
            )
            print(build_corpus(recipe).documents.total())
    """
    if not isinstance(recipe, CorpusRecipe):
        recipe = load_recipe(find_recipe(str(recipe), "data"))
    return build(
        recipe,
        out or Path("corpora") / recipe.name,
        executor=local_executor(workers),
        downloads=downloads or app_dirs().downloads,
        keep_drops=keep_drops,
        progress=progress,
    )
