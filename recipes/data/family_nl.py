"""The prose of local-nl for the family's NL stage, with the family's tokenizer.

    multiturn data build family-nl

Sources: the documents of local-nl and the tokenizer of family-tokenizer, which must be built.
"""

from pathlib import Path

from multiturn.data.packing.stage import Pack
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.built import BuiltCorpus

recipe = CorpusRecipe(
    name="family-nl",
    sources=(BuiltCorpus(corpus=Path("corpora/local-nl")),),
    steps=(),
    stages=(Pack(tokenizer=Path("corpora/family-tokenizer/packed/tokenizer"), length=512),),
)
