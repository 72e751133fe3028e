"""Deduplication, exact and near, and opting out."""
