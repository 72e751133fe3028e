"""What works on this machine, what does not, and how to mend it."""

from multiturn.apps.cli.doctor.command import app

__all__ = ["app"]
