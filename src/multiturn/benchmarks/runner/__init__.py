"""The resumable runner: writes, judges and saves every sample of a benchmark exactly once."""
