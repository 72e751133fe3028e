"""The reference of the command line, made from the commands themselves.

    python -m multiturn.apps.cli.document > docs/cli.md

A test compares the file with what this gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from multiturn.apps.cli.lazy import COMMANDS
from multiturn.apps.cli.main import app
from multiturn.apps.cli.prompt.slash import COMMANDS as SLASH_COMMANDS

__all__ = ["reference"]

WIDTH = 92

_HEAD = """\
# The command line

Made by `python -m multiturn.apps.cli.document > docs/cli.md`; do not edit.

Every setting can be given as an option, as a variable of the environment or in config.toml:
`--cpu-seconds 5`, `MULTITURN_CPU_SECONDS=5` and `cpu_seconds = 5` mean the same, and the first
of them counts. `multiturn config` shows what holds and why.

| exit code | meaning |
|---|---|
| 0 | it worked |
| 1 | it worked, and the answer is no: a program failed, an expected output was not met |
| 2 | something you can mend; one line on standard error says how |
| 3 | `multiturn train` stopped: the loss is no number, or jumped |
| 70 | a fault of Multiturn itself; the line says where the traceback is |
| 75 | `multiturn train` was asked to stop and has saved; the same command goes on |
| 130 | interrupted from the keyboard |
| 143 | `multiturn bench` stopped by SIGTERM; the same command goes on |
"""


def reference() -> str:
    """The whole page, as Markdown."""
    root: Any = typer.main.get_command(app)
    context = _context(root, "multiturn", None)
    parts = [_HEAD, *_section(root, context, level=2)]
    for name in COMMANDS:
        command = root.get_command(context, name)
        parts += _command(command, name, context, level=2)
    parts.append(_prompt_commands())
    return "\n".join(parts)


def _command(command: Any, name: str, parent: Any, *, level: int) -> Iterator[str]:
    context = _context(command, name, parent)
    yield from _section(command, context, level=level)
    for inner in getattr(command, "commands", {}):
        yield from _command(command.commands[inner], inner, context, level=level + 1)


def _section(command: Any, context: Any, *, level: int) -> Iterator[str]:
    help_text = command.get_help(context).rstrip()
    yield f"{'#' * level} `{context.command_path}`\n\n```\n{help_text}\n```\n"


def _context(command: Any, name: str, parent: Any) -> Any:
    return command.context_class(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )


def _prompt_commands() -> str:
    lines = ["## Commands of the prompt\n", "| command | what it does |", "|---|---|"]
    for command in SLASH_COMMANDS.values():
        usage = f"/{command.name} {command.arguments}".rstrip()
        lines.append(f"| `{usage}` | {command.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
