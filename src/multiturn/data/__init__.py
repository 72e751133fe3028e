"""The corpora: sources, filters, deduplication, packing, and the way back from each token.

Nothing here imports jax: a corpus is built on machines that have no accelerator.
"""
