"""`multiturn report`."""

import typer

from multiturn.apps.cli.report.command import report

__all__ = ["app"]

app = typer.Typer()
app.command()(report)
