"""BigPython: permissive Python, from repositories of one's own choosing.

    BIGPYTHON=/data/repositories multiturn data build recipes/data/bigpython.py

The paper's BigPython is public Python of October 2021, 5,558 GiB before and 217.3 GiB after
its filters (71.7B tokens, table 5), and was never published. This is its form: every git
repository in the folder BIGPYTHON, bare or not, at the commit that its HEAD names, the same
filters. A list of the repositories' addresses and `git clone --bare` make such a folder.
"""

import os
from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.core.errors import InputError
from multiturn.data.presets import code_steps, corpus_stages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.file_filter import PYTHON_FILES
from multiturn.data.sources.git import GitRepository

FOLDER = os.environ.get("BIGPYTHON")
if not FOLDER:
    raise InputError("BIGPYTHON is not set", fix="set it to a folder of git repositories")

REPOSITORIES = sorted(
    path for path in Path(FOLDER).iterdir() if (path / ".git").exists() or path.suffix == ".git"
)

recipe = CorpusRecipe(
    name="bigpython",
    sources=tuple(GitRepository(path=path, wanted=PYTHON_FILES) for path in REPOSITORIES),
    steps=code_steps(("python",)),
    stages=corpus_stages((own_problems_path(),)),
)
