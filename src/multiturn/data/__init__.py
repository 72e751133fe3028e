"""Corpora: sources, filters, deduplication, packing, and the provenance of each token.

The package never imports jax, because corpora are built on machines without accelerators.
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
