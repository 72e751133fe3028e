"""A group of commands whose modules are imported only when they are called.

`multiturn --help` must answer at once, so it knows each command's name and one line of
help, and nothing of what the command needs.
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
    "prompt": "Write a program turn by turn (also what `multiturn` alone does).",
    "synth": "Run a specification without a person.",
    "run": "Run one program in the sandbox.",
    "bench": "Measure models on multi-turn problems and on HumanEval.",
    "sessions": "List, show, export and delete saved sessions.",
    "models": "List, pull and remove models.",
    "export": "Write a CodeGen checkpoint in the layout another program reads.",
    "data": "Build a corpus from a recipe, and look at what is in it and why.",
    "train": "Train a model from a recipe, or go on training.",
    "doctor": "Say what works on this machine, what does not, and how to mend it.",
    "config": "Show every setting and where it comes from.",
}
"""Each command, with its line of help; it lives in the module of its name, as `app`."""


class LazyGroup(TyperGroup):
    """Finds a command in `COMMANDS`, and takes a bare call for the default one."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, its module imported now; None where there is none of the name."""
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
        """Call the command; Ctrl-C ends it with a word, where the library would say none."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`multiturn` and `multiturn --model NAME` are calls of the default command."""
        own = {name for param in self.get_params(ctx) for name in param.opts}
        first = args[0].partition("=")[0] if args else ""
        if not args or (first.startswith("-") and first not in own):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does, with suggestions from all names, loaded or not."""
        if args[0] not in COMMANDS:
            raise UnknownNameError("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, without loading one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _plain(command: Any) -> Any:
    """The command, and those in it, with help in plain text like all the rest."""
    command.rich_markup_mode = None
    for inner in getattr(command, "commands", {}).values():
        _plain(inner)
    return command
