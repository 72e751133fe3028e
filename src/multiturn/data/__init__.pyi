from .api import build_corpus as build_corpus
from .document import Document as Document
from .ledger import Tally as Tally
from .loader.batches import Batches as Batches
from .loader.batches import Share as Share
from .loader.corpus import PackedCorpus as PackedCorpus
from .recipe import CorpusRecipe as CorpusRecipe
from .source import Source as Source
from .stage import Stage as Stage
from .step import Filter as Filter
from .step import Step as Step

__all__ = [
    "Batches",
    "build_corpus",
    "CorpusRecipe",
    "Document",
    "Filter",
    "PackedCorpus",
    "Share",
    "Source",
    "Stage",
    "Step",
    "Tally",
]
