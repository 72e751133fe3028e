"""The group of training commands, in which `multiturn train RECIPE` means `train run RECIPE`."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from multiturn.apps.cli.train.plan import plan
from multiturn.apps.cli.train.run import run

__all__ = ["app"]


class _RunByDefault(TyperGroup):
    """Takes a first argument that is no command for a recipe to run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the base, with the default command put in."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    rich_markup_mode=None,
    add_completion=False,
)
app.command("run")(run)
app.command("plan")(plan)


@app.callback()
def train() -> None:
    """Train a model: `multiturn train RECIPE [KEY=VALUE]...`."""
    # Its being here keeps typer from taking a group of one command for that command.
