"""`multiturn data`: build a corpus from a recipe, and inspect it."""

from multiturn.apps.cli.data.command import app

__all__ = ["app"]
