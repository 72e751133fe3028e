"""The interactive prompt: a program written turn by turn."""

from multiturn.apps.cli.prompt.command import app

__all__ = ["app"]
