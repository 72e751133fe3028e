"""The prose of local-nl for the family's NL stage, with the family's tokenizer.

    multiturn data build family-nl

Sources: the documents of local-nl and the tokenizer of family-tokenizer, which must be built.
Like its siblings, the recipe reads deduplicated documents and searches them for the problems of
the own benchmark itself: a share of a corpus is searched sooner than all of it.
"""

from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.packing.stage import Pack
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.built import BuiltCorpus

recipe = CorpusRecipe(
    name="family-nl",
    sources=(BuiltCorpus(corpus=Path("corpora/local-nl"), stage="deduplicated"),),
    steps=(),
    stages=(
        Decontaminate(problems=(own_problems_path(),)),
        Pack(tokenizer=Path("corpora/family-tokenizer/packed/tokenizer"), length=512),
    ),
)
