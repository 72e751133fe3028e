"""The prompt: a program written turn by turn, with a person at the keyboard."""

from multiturn.apps.cli.prompt.command import app

__all__ = ["app"]
