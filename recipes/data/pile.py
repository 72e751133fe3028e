"""The Pile: the natural language and code that the paper's NL models begin with.

    THE_PILE='/data/pile/train/*.jsonl.zst' multiturn data build recipes/data/pile.py

Hardware: 800 GiB of disk for the files, as much again for the build; cores as you have them.
Expected: 825 GiB of text before The Pile's own repetitions of its best subsets; the paper counts
354.7B tokens of natural language and 31.6B of code.
Differs from the paper: The Pile was cleaned by its authors, so only what is no text is
dropped, and secrets and personal data are redacted.
"""

import os

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.core.errors import InputError
from multiturn.data.filters.redact import Redact
from multiturn.data.filters.text import ValidText
from multiturn.data.presets import corpus_stages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.json_lines import Pile

FILES = os.environ.get("THE_PILE")
if not FILES:
    raise InputError("THE_PILE is not set", fix="set it to the path of the .jsonl.zst files")

recipe = CorpusRecipe(
    name="pile",
    sources=(Pile(paths=(FILES,)),),
    steps=(ValidText(min_bytes=1, max_bytes=64 << 20), Redact(max_redactions=10_000)),
    stages=corpus_stages((own_problems_path(),)),
)
