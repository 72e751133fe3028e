"""The sources of the multi-turn problem set, their build and their check."""
