"""Reads the options of `%%turn` and `%multiturn`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from multiturn.core.errors import InputError, nearest

__all__ = ["MANAGE_HELP", "TURN_HELP", "ManageLine", "TurnLine", "read_manage", "read_turn"]

COMMANDS = {
    "status": "the model, the session and the settings (the default)",
    "program": "print the program so far",
    "turns": "print the turns of the session",
    "undo": "go back one turn; it stays as a branch of the session",
    "new": "the next %%turn starts another session",
    "open NAME": "continue a session of the store, by its name or id",
    "save PATH": "write the program to PATH: .py, .ipynb, .md or .jsonl",
    "sessions": "list the sessions of the store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The settings that both commands take; None for those not given."""

    model: str | None = None
    session: str | None = None
    n: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    run: bool | None = None
    values: bool | None = None

    @property
    def sampling(self) -> dict[str, object]:
        """The settings of the sampler that were given."""
        names = ("n", "temperature", "max_tokens", "seed")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLine(Common):
    """The line of `%%turn`."""

    retry: bool = False
    repair: bool = False
    pick: int | None = None
    expect: Sequence[str] = ()
    words: str = ""
    """The prompt, where it is on the line itself."""

    @property
    def changes(self) -> bool:
        """Whether the line is about a step that is there already."""
        return self.retry or self.repair or self.pick is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageLine(Common):
    """The line of `%multiturn`."""

    retries: int | None = None
    style: str | None = None
    command: str = "status"
    arguments: Sequence[str] = field(default_factory=tuple)


class _Parser(argparse.ArgumentParser):
    """Raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        option = message.rpartition(": ")[2].split(" ")[0]
        known = [name for action in self._actions for name in action.option_strings]
        near = nearest(option, known, max_count=1) if message.startswith("unrecognized") else []
        raise InputError(
            f"{self.prog}: {message}",
            fix=f"did you mean {near[0]}?" if near else f"see `{self.prog}?`",
        )


def _parser(name: str) -> _Parser:
    parser = _Parser(
        prog=name,
        add_help=False,
        allow_abbrev=False,
        usage=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", "-m", metavar="NAME", help="a model name, a GGUF file, or a server's address")
    add("--session", metavar="NAME", help="continue this session, or start one of this name")
    add("--n", "-n", type=int, metavar="COUNT", help="candidates per turn; the best one is used")
    add("--temperature", "-t", type=float, metavar="NUMBER", help="sampling temperature")
    add("--max-tokens", type=int, metavar="COUNT", help="maximum number of new tokens")
    add("--seed", "-s", type=int, metavar="NUMBER", help="random seed of the sampler")
    switch = argparse.BooleanOptionalAction
    add("--run", action=switch, help="run a step that passed the sandbox in the kernel, too")
    add("--values", action=switch, help="show the model all variables of the kernel, or none")
    return parser


_TURN = _parser("%%turn")
_TURN.add_argument("--retry", action="store_true", help="write the step again, with other seeds")
_TURN.add_argument("--repair", action="store_true", help="again, with what is wrong in the prompt")
_TURN.add_argument("--pick", type=int, metavar="K", help="choose candidate K of the step")
_TURN.add_argument(
    "--expect",
    action="append",
    default=[],
    metavar="WORDS",
    help="what the step must give: 'total == 42', or what is printed last; repeatable",
)
_TURN.add_argument("words", nargs="*", help=argparse.SUPPRESS)

_MANAGE = _parser("%multiturn")
_MANAGE.add_argument("--retries", type=int, metavar="COUNT", help="rewrites of a failing step")
_MANAGE.add_argument("--style", metavar="auto|comment|chat", help="how the model sees the turns")
_MANAGE.add_argument("command", nargs="?", default="status", help=argparse.SUPPRESS)
_MANAGE.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)

TURN_HELP = f"""Write the next step of the program into the next cell.

    %%turn [OPTIONS]
    What the step should do, in plain language.

Each candidate runs in the sandbox first, at the end of the program so far; the best one is put
into a new cell below, under its prompt as a comment. A cell that is run again changes its own
step: with another text the step is written anew, and the steps after it run again.

`%turn WORDS` is the same on one line; `%turn --retry`, `--repair` and `--pick K` are about the
last step.

{_TURN.format_help()}"""

MANAGE_HELP = f"""Settings, sessions and the program so far.

    %multiturn [OPTIONS] [COMMAND]

commands:
{chr(10).join(f"  {name:22}{about}" for name, about in COMMANDS.items())}

Options set what the following turns use.

{_MANAGE.format_help()}"""


def read_turn(line: str) -> TurnLine:
    """Read the line of `%%turn`.

    Raises:
        InputError: an option is unknown, or has a value of another kind.

    Example:
        >>> read_turn("--n 3 --run Print the sum.").words
        'Print the sum.'
    """
    values = vars(_TURN.parse_intermixed_args(_split(line, "%%turn")))
    values["words"] = " ".join(values["words"])
    found = TurnLine(**values)
    if sum((found.retry, found.repair, found.pick is not None)) > 1:
        raise InputError("%%turn: --retry, --repair and --pick exclude each other", fix="give one")
    return found


def read_manage(line: str) -> ManageLine:
    """Read the line of `%multiturn`.

    Raises:
        InputError: a command or an option is unknown.
    """
    found = ManageLine(**vars(_MANAGE.parse_intermixed_args(_split(line, "%multiturn"))))
    takes = {name.partition(" ")[0]: " " in name for name in COMMANDS}
    if found.command not in takes:
        near = nearest(found.command, takes, max_count=1)
        raise InputError(
            "%multiturn: unknown command",
            got=found.command,
            allowed=", ".join(takes),
            fix=f"did you mean {near[0]!r}?" if near else None,
        )
    if bool(found.arguments) != takes[found.command] or len(found.arguments) > 1:
        form = next(name for name in COMMANDS if name.partition(" ")[0] == found.command)
        raise InputError("%multiturn: wrong arguments", got=line.strip(), allowed=form)
    return found


def _split(line: str, name: str) -> list[str]:
    """The words of a line, as a shell reads them; an apostrophe of plain language is no quote."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InputError(
            f"{name}: {str(error).lower()}",
            got=line.strip(),
            fix="put the prompt into the lines below, or close the quotation",
        ) from error
