"""Intervals, comparisons and power for samples that are clustered by problem."""
