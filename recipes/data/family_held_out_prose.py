"""Held-out prose for the family: documentation of projects that no corpus of it has read.

    multiturn data build family-held-out-prose

Sources: the source distributions below, at fixed versions; none of them is in local-nl. Documents
that share lines with the prose that the family is trained on are dropped.
"""

from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.dedup.unseen import Unseen
from multiturn.data.presets import prose_steps
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.file_filter import FileFilter
from multiturn.data.sources.pypi import PyPIProjects

PROJECTS = (
    "alembic==1.20.1", "attrs==26.1.0", "coverage==7.17.5", "falcon==4.4.0", "kombu==5.7.0",
    "pip==26.3", "setuptools==84.2.1", "tox==4.67.15", "trio==0.35.0", "zarr==3.4.2",
)  # fmt: skip

recipe = CorpusRecipe(
    name="family-held-out-prose",
    sources=(PyPIProjects(projects=PROJECTS, wanted=FileFilter(endings=(".rst", ".md", ".txt"))),),
    steps=prose_steps(),
    stages=(
        Deduplicate(),
        Decontaminate(problems=(own_problems_path(),)),
        Unseen(corpora=(Path("corpora/family-nl"),)),
    ),
)
