"""`multiturn doctor`: check what works on this machine, and how to fix what does not."""

from multiturn.apps.cli.doctor.command import app

__all__ = ["app"]
