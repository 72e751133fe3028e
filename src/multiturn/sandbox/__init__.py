"""Runs programs that nobody has read yet, in isolation."""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
