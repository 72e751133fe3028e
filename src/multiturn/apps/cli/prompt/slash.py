"""The slash commands of the prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from multiturn.apps.cli.prompt.conversation import Conversation
from multiturn.core.errors import InputError, UnknownNameError

__all__ = ["COMMANDS", "LeaveError", "SlashCommand", "obey"]

Change = Callable[[str], str | None]


class LeaveError(Exception):
    """The user wants to leave the prompt."""


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A command: its name, its arguments, and a line of help."""

    name: str
    arguments: str
    help: str
    do: Callable[[Conversation, str, Change], None]
    """Called with the conversation, the arguments, and the function that edits code."""


def obey(conversation: Conversation, line: str, change: Change) -> None:
    """Execute a slash command.

    Args:
        conversation: the conversation that it acts on.
        line: the line as typed.
        change: lets the user edit code, for /edit.

    Raises:
        UnknownNameError: there is no such command; suggests the nearest.
        InputError: the arguments are wrong.
        LeaveError: the command was /quit.
    """
    name, _, rest = line.strip().removeprefix("/").partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        raise UnknownNameError("command", f"/{name}", [f"/{known}" for known in COMMANDS])
    if rest.strip() and not command.arguments:
        raise InputError(f"/{name} takes no argument", got=rest.strip())
    command.do(conversation, rest.strip(), change)


def _number(text: str, of: str) -> int | None:
    """The number in `text`; None for no text."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise InputError(f"{of} takes a whole number", got=text)
    return int(text)


def _temperature(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InputError("a temperature is a number", got=text, allowed="0 to 10") from error


def _retry(conversation: Conversation, rest: str, _change: Change) -> None:
    before, at, turn = f" {rest} ".rpartition(" at ")
    if at and not turn.strip():
        raise InputError("/retry at needs the number of a turn", fix="/retry at 2")
    count, _, temperature = (before if at else rest).strip().partition(" ")
    conversation.retry(
        _number(count, "/retry"),
        _temperature(temperature.strip()),
        _number(turn.strip(), "/retry at") if at else None,
    )


def _repair(conversation: Conversation, rest: str, _change: Change) -> None:
    conversation.repair(_number(rest, "/repair"))


def _expect(conversation: Conversation, rest: str, _change: Change) -> None:
    conversation.expect(rest)


def _pick(conversation: Conversation, rest: str, _change: Change) -> None:
    conversation.pick(_number(rest, "/pick"))


def _edit(conversation: Conversation, _rest: str, change: Change) -> None:
    conversation.edit(change)


def _undo(conversation: Conversation, _rest: str, _change: Change) -> None:
    conversation.undo()


def _branch(conversation: Conversation, rest: str, _change: Change) -> None:
    conversation.branch(_number(rest, "/branch"))


def _run(conversation: Conversation, _rest: str, _change: Change) -> None:
    conversation.run()


def _show(conversation: Conversation, rest: str, _change: Change) -> None:
    conversation.show(rest)


def _save(conversation: Conversation, rest: str, _change: Change) -> None:
    if not rest:
        raise InputError("/save needs a file", fix="/save program.py (or .ipynb, .md, .jsonl)")
    conversation.save(Path(rest).expanduser())


def _sessions(conversation: Conversation, _rest: str, _change: Change) -> None:
    conversation.sessions()


def _open(conversation: Conversation, rest: str, _change: Change) -> None:
    if not rest:
        raise InputError(
            "/open needs a session", fix="/open ID, with an id from /sessions, or /open new"
        )
    conversation.open(rest)


def _model(conversation: Conversation, rest: str, _change: Change) -> None:
    conversation.model(rest)


def _language(conversation: Conversation, rest: str, _change: Change) -> None:
    conversation.language(rest)


def _help(conversation: Conversation, _rest: str, _change: Change) -> None:
    print_help(conversation)


def _quit(_conversation: Conversation, _rest: str, _change: Change) -> None:
    raise LeaveError


def print_help(conversation: Conversation) -> None:
    """Print the commands and the keys."""
    width = 39 if conversation.console.width > 100 else 23
    for command in COMMANDS.values():
        usage = f"/{command.name} {command.arguments}".rstrip()
        conversation.console.print(
            Text(f"  {usage:{width}} ", "cyan").append(command.help, "default")
        )
    for keys, help_ in (
        ("Enter", "send the turn"),
        ("Alt-Enter", "add a line to the turn (also Esc, then Enter)"),
        ("Ctrl-C", "stop the generation, or clear the line"),
        ("Ctrl-D", "leave; every turn is already saved"),
    ):
        conversation.console.print(Text(f"  {keys:{width}} ", "magenta").append(help_, "default"))


COMMANDS: dict[str, SlashCommand] = {
    command.name: command
    for command in (
        SlashCommand(
            "retry",
            "[COUNT [TEMPERATURE]] [at TURN]",
            "write the last step again, or an earlier one, with COUNT candidates",
            _retry,
        ),
        SlashCommand(
            "repair", "[TURN]", "write a step again with its error in the prompt", _repair
        ),
        SlashCommand(
            "expect",
            "[next] VALUE",
            "what the step must print, or a condition such as total == 42",
            _expect,
        ),
        SlashCommand("pick", "[NUMBER]", "list the candidates of the step, or choose one", _pick),
        SlashCommand("edit", "", "edit the code of the step", _edit),
        SlashCommand("undo", "", "undo the last turn", _undo),
        SlashCommand("branch", "[TURN]", "go to any turn and continue from there", _branch),
        SlashCommand("run", "", "run the program again", _run),
        SlashCommand(
            "show", "[WHAT]", "show the program; or tree, turns, or a turn's number", _show
        ),
        SlashCommand(
            "save",
            "FILE",
            "save the program as .py, .ipynb, .md or .jsonl, or .js and so on",
            _save,
        ),
        SlashCommand("sessions", "", "list the saved sessions", _sessions),
        SlashCommand("open", "ID", "open a saved session, or start a `new` one", _open),
        SlashCommand("model", "[NAME]", "show the model, or change it", _model),
        SlashCommand(
            "language", "[NAME]", "show the language, or choose it before the first turn", _language
        ),
        SlashCommand("help", "", "show this list", _help),
        SlashCommand("quit", "", "leave", _quit),
    )
}
