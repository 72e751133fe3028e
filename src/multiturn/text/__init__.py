"""Text and its rules: where a completion ends, which languages there are."""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
