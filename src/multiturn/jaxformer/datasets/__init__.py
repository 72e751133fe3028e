"""Training sequences by their global index."""
