"""Problem sets as tasks: this project's, the published ones by name, others by path."""
