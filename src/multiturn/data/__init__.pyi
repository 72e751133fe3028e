from .api import build_corpus as build_corpus
from .build.drop_log import Counts as Counts
from .build.source import Source as Source
from .build.stage import CorpusStage as CorpusStage
from .build.transform import DocumentTransform as DocumentTransform
from .build.transform import Filter as Filter
from .documents.record import Document as Document
from .loader.batches import Batches as Batches
from .loader.batches import Share as Share
from .loader.corpus import PackedCorpus as PackedCorpus
from .recipe import CorpusRecipe as CorpusRecipe

__all__ = [
    "Batches",
    "build_corpus",
    "CorpusRecipe",
    "Document",
    "Filter",
    "PackedCorpus",
    "Share",
    "Source",
    "CorpusStage",
    "DocumentTransform",
    "Counts",
]
