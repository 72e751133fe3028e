"""Readers of packed corpora: rows by their global numbers, with their provenance."""
