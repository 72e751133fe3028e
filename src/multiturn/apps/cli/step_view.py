"""Shows what a step did to the program, and where an error comes from."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from multiturn.apps.cli.terminal import one_line
from multiturn.synthesis.diagnosis import ErrorSource, StepEffects, error_source, step_effects
from multiturn.synthesis.expectations import absent_name, describe_example
from multiturn.synthesis.records import Candidate, Session, Turn

__all__ = ["outcome_words", "show_effects"]

MAX_VALUES = 6
"""Of a step that sets more names, only so many are shown."""


def outcome_words(candidate: Candidate) -> str:
    """How the program ran, and what was checked: a program that ran need not be right."""
    if not candidate.finished:
        return candidate.describe()
    if not candidate.examples_passed:
        return "ran, not checked"
    held, of = sum(candidate.examples_passed), len(candidate.examples_passed)
    if held == of:
        return f"ran, as expected ({held} of {of})"
    return f"ran, but not as expected ({held} of {of})"


def show_effects(console: Console, session: Session, turn: Turn, *, commands: bool) -> None:
    """Show the values that a step set, what is odd about it, and where its error comes from.

    Args:
        console: shows them.
        session: with the turn.
        turn: the step.
        commands: whether to name commands of the prompt that help.
    """
    effects = step_effects(session, turn)
    for name, text in effects.changed[:MAX_VALUES]:
        _say(console, _assignment(name, text))
    if len(effects.changed) > MAX_VALUES:
        _say(console, f"and {len(effects.changed) - MAX_VALUES} more")
    _show_oddities(console, effects)
    _show_failed_examples(console, turn)
    source = error_source(session, turn)
    if source is not None:
        _show_source(console, source)
    if commands and not turn.choice.good:
        _show_commands(console, turn, source)


def _assignment(name: str, text: str) -> str:
    """What was set: ``set x = 3``, but ``set f(a, b)`` for a function by its own name."""
    for kind in ("function ", "class "):
        made = text.removeprefix(kind)
        if made != text and made.split("(")[0] == name:
            return f"set {one_line(made, max_length=90)}"
    return f"set {name} = {one_line(text, max_length=90)}"


def _show_oddities(console: Console, effects: StepEffects) -> None:
    if effects.idle:
        _say(console, "this step set nothing and printed nothing", style="yellow")
    if effects.repeated:
        turns = ", ".join(map(str, effects.repeated))
        _say(
            console,
            f"it repeats code of turn{'s' if len(effects.repeated) > 1 else ''} {turns}",
            style="yellow",
        )


def _show_failed_examples(console: Console, turn: Turn) -> None:
    choice = turn.choice
    if not choice.finished or choice.run is None:
        return
    for example, passed in zip(turn.examples, choice.examples_passed, strict=False):
        if not passed:
            absent = absent_name(example, choice.run)
            why = f" (there is no {absent})" if absent else ""
            _say(
                console,
                f"expected: {one_line(describe_example(example), max_length=80)}{why}",
                style="red",
            )


def _show_source(console: Console, source: ErrorSource) -> None:
    prompt = one_line(source.turn.prompt, max_length=50)
    _say(
        console,
        f"the error may come from turn {source.turn.id} ({prompt}): {source.reason}",
        style="yellow",
    )


def _show_commands(console: Console, turn: Turn, source: ErrorSource | None) -> None:
    if source is None:
        what = "the error" if not turn.choice.finished else "this"
        _say(console, f"/repair writes the step again with {what} in the prompt, /retry without")
        return
    number = source.turn.id
    _say(
        console,
        f"/repair {number} writes turn {number} again with the error in the prompt, "
        f"/retry at {number} without; the later steps follow",
    )


def _say(console: Console, text: str, *, style: str = "dim") -> None:
    console.print(Text(f"    {text}", style=style))
