"""`multiturn bench`: run, resume and show benchmarks."""

from multiturn.apps.cli.bench.command import app

__all__ = ["app"]
