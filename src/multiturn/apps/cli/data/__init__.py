"""Build a corpus from a recipe, and look at what is in it and why."""

from multiturn.apps.cli.data.command import app

__all__ = ["app"]
