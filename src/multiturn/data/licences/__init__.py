"""The licence of each file, as far as it can be known, and whether it is allowed."""
