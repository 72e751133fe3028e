"""Python for the family's Mono stage, with the family's tokenizer.

    multiturn data build family-python

Sources: a sixth of local-python, 35M tokens or so, and the tokenizer of family-tokenizer. Both must
be built. The thirtieth that the Multi stage reads is a part of this sixth.
"""

from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.packing.stage import Pack
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.built import BuiltCorpus

recipe = CorpusRecipe(
    name="family-python",
    sources=(BuiltCorpus(corpus=Path("corpora/local-python"), stage="deduplicated", share=1 / 6),),
    steps=(),
    stages=(
        Decontaminate(problems=(own_problems_path(),)),
        Pack(tokenizer=Path("corpora/family-tokenizer/packed/tokenizer"), length=512),
    ),
)
