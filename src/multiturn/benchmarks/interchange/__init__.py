"""Samples and results in the formats of other harnesses, and the benchmark run by them.

docs/interchange.md shows each with its command.
"""
