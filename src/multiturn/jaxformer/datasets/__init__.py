"""Training sequences with random access by index: text files, records, packed shards."""
