"""Turns completions into the candidates of a step, and a failed one into feedback for the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag

from multiturn.engines.protocol import Completion, FinishReason
from multiturn.synthesis.alignment import (
    align_step,
    asks_to_print,
    missing_names,
    names_made,
    unused_names,
)
from multiturn.synthesis.execution import READS_INPUT, Execution
from multiturn.synthesis.expectations import absent_name
from multiturn.synthesis.missing_imports import add_imports
from multiturn.synthesis.notes import prompt_notes
from multiturn.synthesis.prompts import FinishedTurn, PromptStyle
from multiturn.synthesis.ranking import agreement, best_candidate
from multiturn.synthesis.records import (
    Candidate,
    Example,
    GenerationInfo,
    ProgramRun,
    Sampling,
    Session,
    Turn,
)
from multiturn.synthesis.strategy import Choice, Strategy
from multiturn.synthesis.trimming import finished_part
from multiturn.text.assembly import Assembly, tidy_step
from multiturn.text.languages import Language

__all__ = [
    "DistinctCandidates",
    "TurnRequest",
    "failing_line",
    "failure_feedback",
    "make_candidate",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """A step to generate, with everything that is the same in all attempts."""

    session: Session
    style: PromptStyle
    history: tuple[FinishedTurn, ...]
    prompt: str
    examples: tuple[Example, ...]
    sampling: Sampling
    cancel: Flag | None
    previous: Turn | None = None
    """The turn before the step; None for the first."""
    checks: tuple[Example, ...] = ()
    """Checks of the step that the model wrote."""
    variables: tuple[tuple[str, str], ...] | None = None
    """Variables outside the program that the prompt shows, whatever the strategy; None for those
    of the program, as the strategy wants."""

    @property
    def strategy(self) -> Strategy:
        """How candidates are written and chosen."""
        return self.session.settings.strategy

    @property
    def language(self) -> Language:
        """The language of the program."""
        return self.session.language

    @property
    def notes(self) -> str:
        """What the prompt shows beside the turns."""
        if self.variables is not None:
            return prompt_notes("values", self.history, self.variables)
        return prompt_notes(self.strategy.shown, self.history, self._values_before)

    @property
    def program_before(self) -> str:
        """The program without this step."""
        return self.session.program_of([(step.prompt, step.code) for step in self.history]).text

    @property
    def names_before(self) -> list[str]:
        """The names that the program binds without this step."""
        return names_made(self.program_before)

    @property
    def _values_before(self) -> tuple[tuple[str, str], ...] | None:
        """The values before the step; None if they are not known."""
        if self.previous is None:
            return ()
        run = self.previous.choice.run
        return None if run is None else run.values

    @property
    def _printed_before(self) -> str | None:
        """What the program printed before the step; None if it is not known."""
        if self.previous is None:
            return ""
        run = self.previous.choice.run
        return None if run is None else run.stdout

    def program(self, code: str) -> str:
        """The program so far with `code` as this step."""
        return self.assembly(code).text

    def assembly(self, code: str) -> Assembly:
        """Like `program`, with the lines of each step."""
        steps = [(step.prompt, step.code) for step in self.history]
        return self.session.program_of([*steps, (self.prompt, code)])

    def lacks(self, code: str, run: ProgramRun) -> tuple[str, ...]:
        """What the prompt asks for and a step does not do; see `Candidate.lacks`."""
        if not self.strategy.asked or not self.language.inspects:
            return ()
        known = self.names_before
        parts = list(missing_names(self.prompt, code, known))
        parts += (f"use of {name}" for name in unused_names(self.prompt, code, known))
        if asks_to_print(self.prompt) and run.stdout == self._printed_before:
            parts.append("print")
        return tuple(parts)


@dataclass(slots=True)
class _Entry:
    index: int
    candidate: Candidate
    is_new: bool
    copies: int


class DistinctCandidates:
    """The candidates of one turn, equal ones once.

    An index counts all candidates of the turn, repeated ones included. The lowest index of equal
    ones stays, in whatever order they are finished.

    Args:
        known: those that the turn has already.
        choose: what decides among equally good ones.
    """

    def __init__(self, known: Sequence[Candidate] = (), choose: Choice = "likely") -> None:
        self._choose = choose
        self._entries = [
            _Entry(index, candidate, is_new=False, copies=0)
            for index, candidate in enumerate(known)
        ]

    def add(self, index: int, candidate: Candidate) -> Candidate | None:
        """Add a finished candidate; returns the equal one that was there before, if any."""
        for entry in self._entries:
            if entry.candidate.same_code(candidate):
                before = entry.candidate
                entry.copies += 1
                if entry.is_new and index < entry.index:
                    entry.index, entry.candidate = index, _with_run_of(candidate, before)
                return before
        self._entries.append(_Entry(index, candidate, is_new=True, copies=1))
        return None

    def set_run(
        self, candidate: Candidate, ran: Execution, lacks: tuple[str, ...] = ()
    ) -> Candidate:
        """Record the run of the program with `candidate`; returns the candidate with it."""
        (entry,) = [each for each in self._entries if each.candidate.same_code(candidate)]
        done = replace(
            candidate,
            run=ran.run,
            examples_passed=ran.examples_passed,
            checks_passed=ran.checks_passed,
            lacks=lacks,
        )
        entry.candidate = _with_run_of(entry.candidate, done)
        return done

    @property
    def new(self) -> tuple[Candidate, ...]:
        """Those that were added and are not known ones, by index."""
        added = sorted((each for each in self._entries if each.is_new), key=lambda each: each.index)
        return tuple(replace(each.candidate, copies=each.copies) for each in added)

    @property
    def repeated(self) -> dict[int, int]:
        """How often known candidates were added again, by their place."""
        return {
            each.index: each.copies for each in self._entries if not each.is_new and each.copies
        }

    def best(self) -> Candidate:
        """The best of the new ones; where all were known, the best of the repeated."""
        candidates = self.new or [self._entries[index].candidate for index in self.repeated]
        return candidates[best_candidate(candidates, self._choose)]

    def chosen(self) -> int | None:
        """The index of the best of the new ones; None where all were known."""
        return best_candidate(self.new, self._choose) if self.new else None

    def agreeing(self) -> int:
        """How many continuations agree with the best of the new ones."""
        chosen = self.chosen()
        return 0 if chosen is None else agreement(self.new, chosen, self._choose)


def _with_run_of(candidate: Candidate, other: Candidate) -> Candidate:
    return replace(
        candidate,
        run=other.run,
        examples_passed=other.examples_passed,
        checks_passed=other.checks_passed,
        lacks=other.lacks,
    )


def make_candidate(
    request: TurnRequest, done: Completion, writer: GenerationInfo, *, repair: bool
) -> Candidate:
    """The candidate in a completion: cleaned by the style, without an unfinished end."""
    extract = request.strategy.extract
    text = request.style.clean(done.text, request.history) if extract else done.text.strip("\n")
    unfinished = done.finish_reason is FinishReason.LENGTH or done.cut_by is not None
    trimmed = aligned = False
    if extract:
        text = tidy_step(request.language, text)
    if extract and unfinished and request.session.settings.trim == "parses":
        shorter = finished_part(request.language, request.program, text)
        text, trimmed = (text, False) if shorter is None else (shorter, True)
    if request.strategy.align and request.language.inspects:
        complete = align_step(request.prompt, text, request.names_before)
        complete = add_imports(complete, request.program_before)
        aligned, text = complete != text, complete
    return Candidate(
        text=text,
        raw_text=done.raw_text,
        aligned=aligned,
        origin="repair" if repair else "model",
        generation=writer,
        mean_logprob=done.mean_logprob,
        seed=writer.sampling.seed + done.index,
        finish_reason=done.finish_reason,
        cut_by=done.cut_by,
        trimmed=trimmed,
        tokens=len(done.tokens),
        prompt_tokens=done.prompt_tokens,
        cached_tokens=done.cached_tokens,
        to_first_token=done.timings.to_first_token,
        writing_seconds=done.timings.total,
    )


def failing_line(program: Assembly, run: ProgramRun | None) -> str:
    """The text of the line that failed, where its number tells the model nothing.

    That is so where the steps are not in the program as the model has written them.
    """
    line = None if run is None else run.outcome.line
    if line is None or program.in_order or not 1 <= line <= program.text.count("\n"):
        return ""
    return program.text.split("\n")[line - 1].strip()


def failure_feedback(
    candidate: Candidate, examples: Sequence[Example], failing_line: str = ""
) -> str:
    """What went wrong, for the model; without the expected value, which it would just print."""
    if not candidate.text.strip():
        return "there was no code"
    if candidate.run is None or not candidate.finished:
        wrong = candidate.describe()
        if failing_line:
            wrong = f"{re.sub(r' [(]line [0-9]+[)]', '', wrong)}, at `{failing_line}`"
        if candidate.run is not None and READS_INPUT in candidate.run.notes:
            wrong += f"; {READS_INPUT}"
        return wrong
    for example, examples_passed in zip(examples, candidate.examples_passed, strict=True):
        if not examples_passed and example.expression is not None:
            absent = absent_name(example, candidate.run)
            if absent is not None:
                return f"it does not make {absent}"
            return f"the value of {example.expression} is not what it should be"
    if candidate.lacks and candidate.good:
        return _what_it_lacks(candidate.lacks)
    last = candidate.run.stdout.rstrip().split("\n")[-1][:200]
    return f"it printed {last!r}, which is not right" if last else "it printed nothing"


def _what_it_lacks(parts: Sequence[str]) -> str:
    used = [part.removeprefix("use of ") for part in parts if part.startswith("use of ")]
    made = [part for part in parts if part != "print" and not part.startswith("use of ")]
    if made:
        return f"it does not make {' and '.join(made)}"
    if "print" in parts:
        return "it does not print what it should"
    return f"it does not use {' and '.join(used)}"
