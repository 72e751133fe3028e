"""The program of a sample, parted into the turns that were written: prompts and code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.solver import Generation

__all__ = ["WrittenProgram", "WrittenTurn", "written_program"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTurn:
    """One turn of a sample."""

    prompt: str
    """What was asked for; empty if that is unknown."""
    code: str
    """As it stands in the program."""
    first_line: int
    """Of the code in the program, from 1; 0 if its parts stand in several places."""
    last_line: int
    """The last one; 0 likewise."""
    steps: tuple[Generation, ...] = ()
    """The texts that were generated for it, the chosen one among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenProgram:
    """The program of a sample."""

    header: str
    """The text above the first turn."""
    turns: tuple[WrittenTurn, ...]
    """At least one."""

    def turn_of_line(self, line: int | None) -> int | None:
        """The turn that wrote a line of the program, from 0; None if none did."""
        for number, turn in enumerate(self.turns):
            if line and turn.first_line <= line <= turn.last_line:
                return number
        return None


def written_program(
    sample: Sample, prompts: Sequence[str] = (), *, header: str | None = None
) -> WrittenProgram:
    """Part the program of a sample into its turns.

    Where the texts that were generated do not stand in it in their order, because the arm changed
    them, the program is one turn.

    Args:
        sample: the sample.
        prompts: of its problem, if they are known. Otherwise the comment above the code is the
            prompt.
        header: the text above the first turn, for a language whose programs have the parts of a
            step in several places; the turns are then as they were generated.
    """
    groups = _by_turn(sample.steps)
    if header is not None and len(prompts) == len(groups):
        return WrittenProgram(
            header=header,
            turns=tuple(
                WrittenTurn(
                    prompt=prompt,
                    code=_chosen(steps).text,
                    first_line=0,
                    last_line=0,
                    steps=tuple(steps),
                )
                for prompt, steps in zip(prompts, groups, strict=True)
            ),
        )
    turns: list[WrittenTurn] = []
    above, place = "", 0
    for number, steps in enumerate(groups):
        code = _chosen(steps).text
        at = sample.program.find(code, place)
        if at < 0:
            return _in_one(sample, prompts)
        before, prompt = _comment_at_end(sample.program[place:at])
        if number == 0:
            above = before
        if len(prompts) == len(groups):
            prompt = prompts[number]
        first = sample.program.count("\n", 0, at) + 1
        place = at + len(code)
        turns.append(
            WrittenTurn(
                prompt=prompt,
                code=code,
                first_line=first,
                last_line=sample.program.count("\n", 0, place) + 1,
                steps=tuple(steps),
            )
        )
    return WrittenProgram(header=above, turns=tuple(turns)) if turns else _in_one(sample, prompts)


def _by_turn(steps: Sequence[Generation]) -> list[list[Generation]]:
    """The texts of each turn; a text without a turn is one of its own."""
    groups: list[list[Generation]] = []
    for step in steps:
        if groups and step.turn is not None and groups[-1][0].turn == step.turn:
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _chosen(steps: Sequence[Generation]) -> Generation:
    return next((step for step in steps if step.chosen), steps[-1])


def _in_one(sample: Sample, prompts: Sequence[str]) -> WrittenProgram:
    turn = WrittenTurn(
        prompt="\n".join(prompts),
        code=sample.program,
        first_line=1,
        last_line=sample.program.count("\n") + 1,
        steps=sample.steps,
    )
    return WrittenProgram(header="", turns=(turn,))


def _comment_at_end(text: str) -> tuple[str, str]:
    """The text before the comment at its end, and the words of that comment."""
    lines = text.removesuffix("\n").split("\n")
    begin = len(lines)
    while begin and lines[begin - 1].startswith("#"):
        begin -= 1
    words = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[begin:])
    above = "".join(f"{line}\n" for line in lines[:begin])
    return above, words
