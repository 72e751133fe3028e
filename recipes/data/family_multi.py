"""Six languages for the family's Multi stage, with the family's tokenizer.

    multiturn data build family-multi

Sources: a third of local-multi (C, C++, Go, Java, JavaScript) and a thirtieth of local-python,
about as much as of each of the others; and the tokenizer of family-tokenizer. All must be built.
Unlike in local-multi, documents have no line that names their language: the three stages of a
small model then differ in their data alone.
"""

from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.packing.stage import Pack
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.built import BuiltCorpus

recipe = CorpusRecipe(
    name="family-multi",
    sources=(
        BuiltCorpus(corpus=Path("corpora/local-multi"), stage="deduplicated", share=1 / 3),
        BuiltCorpus(corpus=Path("corpora/local-python"), stage="deduplicated", share=1 / 30),
    ),
    steps=(),
    stages=(
        Decontaminate(problems=(own_problems_path(),)),
        Pack(tokenizer=Path("corpora/family-tokenizer/packed/tokenizer"), length=512),
    ),
)
