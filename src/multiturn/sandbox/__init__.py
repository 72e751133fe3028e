"""Runs untrusted programs in isolation, and judges what they did."""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
