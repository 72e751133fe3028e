"""Removal of benchmark problems from a corpus, with a record of each find."""
