"""Texts of benchmarks in a corpus: found, written down, and taken out."""
