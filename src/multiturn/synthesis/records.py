"""The records of a session: a tree of turns, each with its candidates.

All records are frozen. A change gives a new record, after the store has saved it.

    session ── turn 1 ── turn 2 ── turn 3          (the program so far is the path from the root
                      └─ turn 4 ── turn 5 *         to the current turn)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.core.records import absent_if_default, stored_as
from multiturn.engines.protocol import FinishReason
from multiturn.engines.sampling_parameters import (
    SESSION_RANGES,
    SESSION_SEEDS,
    check_sampling,
)
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult
from multiturn.sandbox.protocol import Limits
from multiturn.synthesis.defaults import CANDIDATES, RETRY_TEMPERATURE, TEMPERATURE
from multiturn.synthesis.strategy import Strategy
from multiturn.synthesis.values import values_from
from multiturn.text.assembly import Assembly, assemble_program
from multiturn.text.languages import Language, language

__all__ = [
    "Candidate",
    "Example",
    "ProgramRun",
    "Sampling",
    "Session",
    "SessionSettings",
    "StyleName",
    "Turn",
    "GenerationInfo",
]

StyleName = Literal["comment", "chat"]

MAX_STORED_OUTPUT = 64 * 1024
"""Characters of each output stream that a `ProgramRun` stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling parameters of candidates, as in `engines.Request`."""

    n: int = CANDIDATES
    """Candidates per turn."""
    temperature: float = TEMPERATURE
    """Of the first candidate; 0 is greedy."""
    other_temperature: float | None = None
    """Of the other candidates; None where it is that of the first."""
    top_p: float = 0.95
    """The nucleus; 1 is off."""
    top_k: int = 0
    """0 is off."""
    max_tokens: int = 256
    """Maximum number of new tokens per candidate."""
    seed: int = 0
    """Candidate i is sampled with ``seed + i``."""

    def __post_init__(self) -> None:
        check_sampling(self, SESSION_RANGES)

    @property
    def repeats(self) -> bool:
        """Whether another seed would give the same candidates: all of them are greedy."""
        others = self.temperature if self.other_temperature is None else self.other_temperature
        return self.temperature == 0 and (self.n == 1 or others == 0)

    def with_one_temperature(self, temperature: float) -> Sampling:
        """The same with `temperature` for all candidates."""
        return replace(self, temperature=temperature, other_temperature=None)

    def for_retry(self) -> Sampling:
        """The same for a person who wants another text: no candidate at a low temperature.

        All have that of the others, or at least `RETRY_TEMPERATURE`.
        """
        return self.with_one_temperature(
            max(self.temperature, self.other_temperature or 0, RETRY_TEMPERATURE)
        )

    def with_seed_offset(self, by: int) -> Sampling:
        """The same with the seed increased by `by`, modulo the number of seeds."""
        return replace(self, seed=(self.seed + by) % SESSION_SEEDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """The settings of a session."""

    style: Literal["auto", "comment", "chat"] = "auto"
    """How the model is prompted; ``auto`` depends on the model (docs/decisions/0007)."""
    header: str = "auto"
    """The beginning of the program: ``auto``, ``numpy``, ``none``, or its text. In Python ``auto``
    is the paper's numpy import in the comment style if the sandbox has numpy, and nothing
    otherwise; in another language it is what most programs import."""
    language: str = "python"
    """The language of the program: a key of the table of languages, or another name for one."""
    sampling: Sampling = field(default_factory=Sampling)
    """How candidates are sampled."""
    retries: int = 0
    """How often a step is generated again, with feedback, when all candidates fail."""
    history: Literal["whole", "drop-oldest"] = "whole"
    """If the history no longer fits the context window: raise an error, or omit the oldest turns
    from the prompt, but never from the program."""
    trim: Literal["parses", "never"] = "parses"
    """If text ends in the middle of a statement, by the token limit or a stop rule: reduce it to
    the longest prefix that parses, or leave it unchanged."""
    limits: Limits = field(default_factory=Limits)
    """Limits of each run of the program."""
    strategy: Strategy = field(default_factory=Strategy)
    """How candidates are written and chosen."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "language", language(self.language).key)
        if not 0 <= self.retries <= 10:
            raise InputError("retries is out of range", got=self.retries, allowed="0 to 10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An expected result of a step.

    With an `expression`, its value after the program so far must equal `expected`; without one, the
    output of the program must end with `expected`. docs/specifications.md gives the rules.
    """

    expected: object
    """The expected value, as plain data."""
    expression: str | None = None
    """A Python expression; None for the output."""

    def check_language(self, written_in: Language) -> None:
        """Refuse an expression where values cannot be read.

        Raises:
            InputError: it has one.
        """
        if self.expression is not None and not written_in.inspects:
            raise InputError(
                f"the values of a {written_in.name} program cannot be read, only what it prints",
                got=self.expression,
                fix="expect what it prints",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRun:
    """The result of the program so far, with a candidate at its end."""

    outcome: Outcome
    """How the run ended."""
    rung: IsolationLevel
    """The isolation level."""
    stdout: str = ""
    """Standard output."""
    stderr: str = ""
    """Standard error."""
    output_cut: bool = False
    """Whether more was printed than is stored."""
    cpu_seconds: float = 0.0
    """CPU time."""
    wall_seconds: float = 0.0
    """Wall-clock time."""
    retries: int = 0
    """How often the run was restarted because the sandbox itself failed."""
    notes: tuple[str, ...] = ()
    """Remarks for the user."""
    values: tuple[tuple[str, str], ...] | None = None
    """The global names at the end and their values, as short text; None if the program did not
    end, or before they were recorded."""

    @classmethod
    def from_result(cls, result: RunResult) -> ProgramRun:
        """The record of a sandbox's result; output beyond `MAX_STORED_OUTPUT` is dropped."""
        stdout, stderr = result.stdout_text, result.stderr_text
        return cls(
            outcome=result.outcome,
            rung=result.isolation,
            stdout=stdout[:MAX_STORED_OUTPUT],
            stderr=stderr[:MAX_STORED_OUTPUT],
            output_cut=max(len(stdout), len(stderr)) > MAX_STORED_OUTPUT,
            cpu_seconds=result.cpu_seconds,
            wall_seconds=result.wall_seconds,
            retries=result.retries,
            notes=result.notes,
            values=values_from(result.value) if result.outcome.finished else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationInfo:
    """The model, the prompt and the sampling parameters of a candidate: enough to repeat it."""

    engine: str
    """Kind and version of the engine."""
    model: str
    """Name of the model."""
    weights_sha256: str | None
    """Hash of the weights, if known."""
    style: StyleName
    """The prompt style."""
    sampling: Sampling
    """The sampling parameters."""
    prompt_sha256: str
    """Hash of the prompt."""
    history_dropped: int = 0
    """How many of the oldest turns the prompt omitted (see `SessionSettings.history`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to write a step."""

    text: str
    """The code, as in the program."""
    raw_text: str = ""
    """All decoded text, before stop rules and cleaning."""
    origin: Literal["model", "repair", "person"] = "model"
    """``repair``: by the model after feedback; ``person``: edited."""
    generation: GenerationInfo | None = field(default=None, metadata=stored_as("writer"))
    """How the model wrote it; None for edited code."""
    mean_logprob: float | None = None
    """Mean log-probability of the tokens of `text`; None if unknown."""
    seed: int | None = None
    """Of the sampler."""
    copies: int = 1
    """How many of the turn's continuations gave this code. It is stored once, from the first."""
    finish_reason: FinishReason | None = None
    """Why the generation ended."""
    cut_by: str | None = None
    """What the stop rule found; None if nothing."""
    trimmed: bool = False
    """Whether an unfinished statement at the end was removed."""
    tokens: int = 0
    """The number of decoded tokens."""
    prompt_tokens: int = 0
    """Tokens of the prompt."""
    cached_tokens: int = 0
    """Prompt tokens that needed no prefill."""
    to_first_token: float = 0.0
    """Seconds, as is the next one."""
    writing_seconds: float = 0.0
    """Time of the generation."""
    run: ProgramRun | None = None
    """The run of the program with this candidate; None if it was not run."""
    examples_passed: tuple[bool, ...] = field(default=(), metadata=stored_as("agreed"))
    """For each of the turn's examples, whether it holds."""
    checks_passed: int = field(default=0, metadata=absent_if_default())
    """How many of the checks that the model wrote for the step pass."""
    aligned: bool = field(default=False, metadata=absent_if_default())
    """Whether the step was completed by a name or a print that the prompt asks for."""
    lacks: tuple[str, ...] = field(default=(), metadata=absent_if_default())
    """Of what the prompt asks for: names that the program does not make; ``use of NAME``, where
    the step touches no name of the program that the prompt refers to; ``print``, where nothing is
    printed. Only with `Strategy.asked`."""

    def same_code(self, other: Candidate) -> bool:
        """Whether both are the same step, but for blank space around it."""
        return _stripped(self.text) == _stripped(other.text)

    @property
    def finished(self) -> bool:
        """Whether there is code, and the program with it ran without an error."""
        return bool(self.text.strip()) and self.run is not None and self.run.outcome.finished

    @property
    def good(self) -> bool:
        """Whether it finished and every example holds."""
        return self.finished and all(self.examples_passed)

    def describe(self) -> str:
        """One line for people about the run of the program."""
        if not self.text.strip():
            return "wrote nothing"
        if self.run is None:
            return "was not run"
        line = self.run.outcome.describe()
        if self.examples_passed:
            line += f", {sum(self.examples_passed)} of {len(self.examples_passed)} examples hold"
        return line


def _stripped(code: str) -> str:
    """The code without blank lines before it and blank space after it."""
    return code.rstrip().lstrip("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One step: the prompt and its candidates."""

    id: int
    """Counts from 1 within the session, in the order of creation."""
    parent: int | None
    """Id of the previous turn; None for a first one."""
    prompt: str
    """What the user asked for."""
    candidates: tuple[Candidate, ...]
    """All candidates, in the order of generation."""
    chosen: int
    """Index into `candidates`."""
    examples: tuple[Example, ...] = ()
    """What must hold after this turn."""
    created_at: str = ""
    """UTC, ISO 8601."""
    later: tuple[int, ...] = field(default=(), metadata=absent_if_default())
    """Ids of the turns that followed the turn which this one replaces; see `Session.stale`."""

    @property
    def choice(self) -> Candidate:
        """The chosen candidate."""
        return self.candidates[self.chosen]

    @property
    def code(self) -> str:
        """The chosen code."""
        return self.choice.text

    @property
    def written(self) -> int:
        """How many candidates were written, repeated ones included."""
        return sum(candidate.copies for candidate in self.candidates)

    @property
    def first_unused_seed(self) -> int:
        """A seed from which on no candidate of this turn was sampled, repeated ones included."""
        written = [each for each in self.candidates if each.seed is not None]
        ends = [0]
        for each in written:
            assert each.seed is not None  # of those that the model wrote
            ends.append(each.seed + 1)
            if each.generation is not None:
                ends.append(each.generation.sampling.seed + each.generation.sampling.n)
        if written and written[0].generation is not None:
            copies = sum(each.copies for each in written)
            ends.append(written[0].generation.sampling.seed + copies)
        return max(ends)

    @property
    def edited(self) -> bool:
        """Whether the person wrote the chosen code."""
        return self.choice.origin == "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A program in progress: a tree of turns, and the current turn in it."""

    id: str
    """Unique in the store."""
    name: str
    """For the user; by default from the first prompt."""
    model: str
    """The name or path to open the model again."""
    style: StyleName
    """The prompt style."""
    header: str
    """Text of the program's language, empty or ending with a newline, at its start."""
    settings: SessionSettings
    """The settings of the session."""
    turns: Mapping[int, Turn] = field(default_factory=lambda: MappingProxyType({}))
    """All turns by id."""
    current: int | None = None
    """The id of the turn that the next one follows; None before the first turn."""
    created_at: str = ""
    """UTC, ISO 8601."""
    updated_at: str = ""
    """UTC, ISO 8601."""
    version: int = 0
    """How often it was changed."""

    @property
    def language(self) -> Language:
        """The language of the program."""
        return language(self.settings.language)

    @property
    def turn(self) -> Turn | None:
        """The current turn."""
        return None if self.current is None else self.turns[self.current]

    @property
    def stale(self) -> tuple[Turn, ...]:
        """The turns that followed an earlier version of the current turn, in order.

        Their code was written for another program. They are stale until they follow the current
        turn, or another turn does.
        """
        turn = self.turn
        if turn is None or self.children(turn.id):
            return ()
        return tuple(self.turns[each] for each in turn.later if each in self.turns)

    def following(self, turn_id: int) -> tuple[int, ...]:
        """The ids of the turns after `turn_id` in the program so far, stale ones included."""
        path = [turn.id for turn in self.path()]
        if turn_id not in path:
            return ()
        return (*path[path.index(turn_id) + 1 :], *(turn.id for turn in self.stale))

    def find(self, turn_id: int) -> Turn:
        """The turn with that id.

        Raises:
            UnknownNameError: there is no such turn.
        """
        try:
            return self.turns[turn_id]
        except KeyError:
            raise UnknownNameError("turn", str(turn_id), map(str, self.turns)) from None

    def path(self, turn_id: int | None = None) -> tuple[Turn, ...]:
        """The turns from the first to `turn_id` (the current one by default), in order."""
        found: list[Turn] = []
        at = self.current if turn_id is None else turn_id
        while at is not None:
            turn = self.find(at)
            found.append(turn)
            at = turn.parent
        return tuple(reversed(found))

    def children(self, turn_id: int | None) -> tuple[Turn, ...]:
        """The turns that follow `turn_id`; None asks for the first turns."""
        return tuple(turn for turn in self.turns.values() if turn.parent == turn_id)

    def walk(self) -> Iterator[tuple[int, Turn]]:
        """All turns with their depth (from 0), parents before children, for drawing the tree."""
        stack = [(0, turn) for turn in reversed(self.children(None))]
        while stack:
            depth, turn = stack.pop()
            yield depth, turn
            stack += [(depth + 1, child) for child in reversed(self.children(turn.id))]

    def program(self, turn_id: int | None = None) -> str:
        """The program so far, up to `turn_id` (the current turn by default)."""
        return self.assembly(turn_id).text

    def assembly(self, turn_id: int | None = None) -> Assembly:
        """Like `program`, with the lines of each turn."""
        return self.program_of([(turn.prompt, turn.code) for turn in self.path(turn_id)])

    def program_of(self, steps: Sequence[tuple[str, str]]) -> Assembly:
        """The program of some prompts, each with its code, in this session's language.

        Raises:
            MissingDependencyError: the package of the language's grammar is not installed.
        """
        return assemble_program(self.language, self.header, steps)

    def at(self, turn_id: int | None) -> Session:
        """The session at another turn, which must exist; does not affect the store."""
        if turn_id is not None:
            self.find(turn_id)
        return replace(self, current=turn_id)

    def with_turn(self, turn: Turn) -> Session:
        """The session with `turn` added or replaced, at that turn."""
        turns = dict(self.turns)
        turns[turn.id] = turn
        return replace(self, turns=MappingProxyType(turns), current=turn.id)
