"""`multiturn train`: train a model from a recipe."""

from multiturn.apps.cli.train.group import app

__all__ = ["app"]
