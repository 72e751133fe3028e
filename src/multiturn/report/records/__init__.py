"""Reads the records of benchmark runs into columns, in one pass and without the benchmarks."""
