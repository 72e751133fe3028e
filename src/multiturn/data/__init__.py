"""The corpora: sources, filters, deduplication, packing, and the way back from each token.

Nothing here imports jax: a corpus is built on machines that have no accelerator.
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
