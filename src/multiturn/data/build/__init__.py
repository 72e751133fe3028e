"""Building a corpus: the pipeline, its resumable tasks, where they run, and what they count."""
