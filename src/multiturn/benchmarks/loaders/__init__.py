"""Problem sets as tasks: this project's own, the published ones by name, any by path."""
