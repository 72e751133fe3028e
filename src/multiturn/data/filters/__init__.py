"""The steps that decide what of a source is worth learning from."""
