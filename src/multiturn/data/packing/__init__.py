"""Packing: documents become rows of tokens in shards, with the provenance of each token."""
