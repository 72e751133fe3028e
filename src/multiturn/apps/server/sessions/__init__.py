"""Sessions over HTTP: their turns, the jobs that write them, and the events of these jobs."""
