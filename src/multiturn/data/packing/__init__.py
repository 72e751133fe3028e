"""Documents become rows of tokens in shards, each with the way back to its document."""
