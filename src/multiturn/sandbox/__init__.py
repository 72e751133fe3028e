"""Runs programs that nobody has read yet, in isolation."""
