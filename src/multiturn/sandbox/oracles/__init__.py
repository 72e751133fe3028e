"""Oracles: whether what a program did is right, judged outside the program's process."""
