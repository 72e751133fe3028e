"""The resumable runner: every sample of a benchmark written, judged and kept, once."""
