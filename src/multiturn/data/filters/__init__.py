"""The steps that decide which documents of a source are worth learning from."""
