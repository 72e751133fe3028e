"""The training commands. `multiturn train RECIPE` is short for `train run RECIPE`."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from multiturn.apps.cli.train.chain import chain
from multiturn.apps.cli.train.plan import plan
from multiturn.apps.cli.train.run import run

__all__ = ["app"]


class _RunByDefault(TyperGroup):
    """Runs the first argument as a recipe if it is not a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command if none is given."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    rich_markup_mode=None,
    add_completion=False,
)
app.command("run")(run)
app.command("chain")(chain)
app.command("plan")(plan)


@app.callback()
def train() -> None:
    """Train a model: `multiturn train RECIPE [KEY=VALUE]...`."""
    # Without a callback typer would collapse a group of one command.
