"""The one tokenizer of the family: 4,096 tokens, trained on prose, six languages and Python.

    multiturn data build family-tokenizer

Sources: shares of local-nl, local-multi and local-python of about 10 MB each, so that no stage of
the chain decides the vocabulary alone. 4,096 tokens, because the embedding and the output head of
the smallest model have as many weights as its blocks already: twice the vocabulary would cost a
third of its speed, and shorten the text by a tenth. The packed shards are a by-product.
"""

from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.built import BuiltCorpus

recipe = CorpusRecipe(
    name="family-tokenizer",
    sources=(
        BuiltCorpus(corpus=Path("corpora/local-nl"), stage="deduplicated", share=0.2),
        BuiltCorpus(corpus=Path("corpora/local-multi"), stage="deduplicated", share=0.03),
        BuiltCorpus(corpus=Path("corpora/local-python"), stage="deduplicated", share=0.015),
    ),
    steps=(),
    stages=(
        Decontaminate(problems=(own_problems_path(),)),
        Pack(tokenizer=NewTokenizer(size=4_096, documents=100_000), length=512),
    ),
)
