"""Benchmarks from the command line: run, go on with, show."""

from multiturn.apps.cli.bench.command import app

__all__ = ["app"]
