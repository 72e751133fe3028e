"""Where a program goes wrong: its variables after each turn, beside those of the reference."""
