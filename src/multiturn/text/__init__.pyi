from .languages import LANGUAGES as LANGUAGES
from .languages import Language as Language
from .languages import language as language
from .tokenizers import Tokenizer as Tokenizer
from .truncation import (
    AnyOf as AnyOf,
)
from .truncation import (
    KeepAll as KeepAll,
)
from .truncation import (
    PublishedRule as PublishedRule,
)
from .truncation import (
    StopRule as StopRule,
)
from .truncation import (
    StopStrings as StopStrings,
)

__all__ = [
    "AnyOf",
    "KeepAll",
    "Language",
    "language",
    "LANGUAGES",
    "PublishedRule",
    "StopRule",
    "StopStrings",
    "Tokenizer",
]
