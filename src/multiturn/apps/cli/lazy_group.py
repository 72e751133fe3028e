"""A command group that imports a command's module only when the command is called.

`multiturn --help` must be fast, so the group holds each command's name and one line of help.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from multiturn.core.errors import UnknownNameError

__all__ = ["COMMANDS", "DEFAULT_COMMAND", "LazyGroup"]

DEFAULT_COMMAND = "prompt"

COMMANDS: dict[str, str] = {
    "prompt": "Write a program turn by turn (the default command).",
    "synth": "Run a specification file without interaction.",
    "run": "Run one program in the sandbox.",
    "bench": "Measure models on multi-turn problems and on HumanEval.",
    "serve": "Serve the model and the sessions over HTTP.",
    "report": "Report on saved benchmark runs: pages, tables and figures.",
    "sessions": "List, show, export and delete saved sessions.",
    "models": "List, pull and remove models.",
    "export": "Export a CodeGen checkpoint or a training run to another format.",
    "data": "Build a corpus from a recipe, and inspect it.",
    "train": "Train a model from a recipe, or resume a run.",
    "doctor": "Check what works on this machine, and how to fix what does not.",
    "config": "Show every setting and where it comes from.",
}
"""Each command with its line of help. The module of that name defines it as `app`."""


class LazyGroup(TyperGroup):
    """Looks commands up in `COMMANDS`; a call without one runs the default command."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order that the help lists them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command; None if there is none of this name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            app = import_module(f"multiturn.apps.cli.{cmd_name}").app
            command = typer.main.get_command(app)
            command.name = cmd_name
            self.commands[cmd_name] = _plain(command)
        return self.commands[cmd_name]

    def invoke(self, ctx: Any) -> Any:
        """Call the command, and abort with a message on Ctrl-C; the library prints none."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Treat `multiturn` and `multiturn --model NAME` as calls of the default command."""
        own = {name for param in self.get_params(ctx) for name in param.opts}
        first = args[0].partition("=")[0] if args else ""
        if not args or (first.startswith("-") and first not in own):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Like the base class, but suggest from all names, imported or not."""
        if args[0] not in COMMANDS:
            raise UnknownNameError("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _plain(command: Any) -> Any:
    """Turn off markup in the help of a command and its subcommands."""
    command.rich_markup_mode = None
    for inner in getattr(command, "commands", {}).values():
        _plain(inner)
    return command
