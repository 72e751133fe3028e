"""Which licence a file is under, as far as that can be known, and whether it is allowed."""
