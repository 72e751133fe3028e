"""The training loop and all that surrounds a step."""
