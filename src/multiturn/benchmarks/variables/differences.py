"""The first turn after which a program's variables differ from those of the reference.

Compared are the variables that the prompts up to a turn ask for, right after that turn. Functions
and other values that are not plain data are equal if both are that. Lines go to `VARIABLES` in the
directory of the run, one for each sample that failed (`runner.side_file`); the samples and their
verdicts stay as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from multiturn.benchmarks.arms.layout import fill_case
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.runner.results import SavedRun
from multiturn.benchmarks.runner.samples import Sample, without_addresses
from multiturn.benchmarks.runner.side_file import add_missing_lines
from multiturn.benchmarks.variables.observation import TurnsToRun, TurnVariables, observe_turns
from multiturn.core.errors import InputError
from multiturn.sandbox.encoding import FrameData, Opaque
from multiturn.sandbox.oracles.compare import difference, exactly, values_equal
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.program_text import as_comment, verbatim_comment

__all__ = [
    "SCHEMA",
    "VARIABLES",
    "VARIABLE_ARMS",
    "FirstDifference",
    "first_difference",
    "record_first_differences",
    "turns_of",
]

SCHEMA = "multiturn.bench-variables/1"
VARIABLES = "variables.jsonl"

VARIABLE_ARMS = ("turns", "feedback", "gold_prefix", "loop", "chat")
"""The arms whose programs have the turns of the problem, in its order."""

Reason = Literal["value", "missing", "syntax", "raised", "not_written", "none", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDifference:
    """Where a program first differs from the reference.

    Attributes:
        turn: from 0; None if there is no difference, or it is unknown.
        reason: ``value``: a variable has another value; ``missing``: it does not exist;
            ``syntax``, ``raised``: the turn does not compile, or ended with an exception;
            ``not_written``: the sample ended before that turn; ``none``: all variables agree, so
            only what is printed differs; ``unknown``.
        name: of the variable.
        detail: one line.
    """

    turn: int | None
    reason: Reason
    name: str | None = None
    detail: str = ""


def record_first_differences(
    sandbox: Sandbox,
    task: ProblemTask,
    run: SavedRun,
    *,
    passed: bool = False,
    fresh: bool = False,
    listen: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Find the first difference of the samples of a run that have none yet, and save it.

    Args:
        sandbox: runs the programs.
        task: the problems of the run under its arm.
        run: the run.
        passed: look at the samples that passed, too.
        fresh: drop earlier lines.
        listen: receives how many samples of how many have a line.

    Returns:
        How many samples were looked at now.

    Raises:
        InputError: the programs of the arm have no turns, the problems have no reference
            solutions, or earlier lines are damaged.
        SandboxUnavailableError: the sandbox failed. Lines so far are saved.
        StorageError: another process works on the run, or the file cannot be written.
    """
    if run.config.arm not in VARIABLE_ARMS:
        raise InputError(
            "the programs of this arm have no turns of their own",
            got=run.config.arm,
            allowed=", ".join(VARIABLE_ARMS),
        )
    without = next(
        (p.id for p in task.problems.values() if not all(t.reference for t in p.turns)), None
    )
    if without is not None:
        raise InputError("the problem has no reference solution", got=without)
    oracle = run.config.oracles[0]
    wanted = [sample for sample in run.samples if passed or not sample.verdicts[oracle].passed]
    header = {"schema": SCHEMA, "problems_sha256": run.config.problems_sha256}
    references = _References(sandbox, task)

    def examine(samples: Sequence[Sample]) -> list[Mapping[str, Any]]:
        found = _first_differences(sandbox, task, references, run.config.arm, samples)
        return [_line(each) for each in found]

    return add_missing_lines(
        run.path / VARIABLES, header, wanted, examine,
        fresh=fresh, mismatch="the run has lines of other problems", listen=listen,
    )  # fmt: skip


def turns_of(problem: Problem, sample: Sample, arm: str) -> TurnsToRun | None:
    """The program of a sample, parted into its turns; None if they cannot be found in it.

    A turn ends where the comment with the next prompt begins. For `gold_prefix` there is one turn,
    the generated one, below the reference code.
    """
    prompts = fill_case(problem, sample.item.case).prompts[: _written(sample, arm)]
    texts = [step.text for step in sample.steps] if arm in ("turns", "feedback") else []
    begins = []
    place = 0
    for prompt, text in itertools.zip_longest(prompts, texts[: len(prompts)], fillvalue=""):
        found = [
            (at, len(comment))
            for comment in (verbatim_comment(prompt), as_comment(prompt))
            if (at := sample.program.find(comment, place)) >= 0
        ]
        if not found:
            return None
        at, length = min(found)
        begins.append(at)
        place = at + length
        # A model may have repeated a later prompt in its text.
        place += len(text) if sample.program.startswith(text, place) else 0
    names = _names(problem)
    if arm == "gold_prefix":
        turn, text = sample.item.turn or 0, sample.steps[0].text if sample.steps else ""
        source = sample.program[: place + len(text)]
        return TurnsToRun(source, (_lines(source) + 1,), (names[turn],))
    ends = (*(_lines(sample.program[:at]) for at in begins[1:]), _lines(sample.program) + 1)
    return TurnsToRun(sample.program, ends[: len(begins)], names[: len(begins)])


def first_difference(
    found: TurnVariables, reference: TurnVariables, names: Sequence[Sequence[str]]
) -> FirstDifference:
    """Compare what a program had after each turn with what the reference had.

    Args:
        found: of the program.
        reference: of the reference, which has all turns.
        names: the variables to compare after each turn of the program.

    Example:
        >>> reference = TurnVariables(turns=({"x": 1}, {"x": 1, "y": [2]}))
        >>> found = TurnVariables(turns=({"x": 1}, {"x": 1, "y": [3]}), unknown=(frozenset(),) * 2)
        >>> first_difference(found, reference, [["x"], ["x", "y"]])
        FirstDifference(turn=1, reason='value', name='y', \
detail='got [3], expected [2]; they part at [0]: 3 is not 2')
    """
    if found.turn is None and found.error is not None:
        return FirstDifference(turn=None, reason="unknown", detail=found.error)
    for turn, wanted in enumerate(names):
        if found.turn is not None and found.turn <= turn:
            return FirstDifference(
                turn=turn, reason=found.reason or "raised", detail=found.error or ""
            )
        if turn >= len(found.turns):
            return FirstDifference(turn=None, reason="unknown", detail="its record is incomplete")
        have, expected = found.turns[turn], reference.turns[turn]
        if have is None or expected is None:
            continue
        for name in wanted:
            # The reference may delete a variable, or have one that cannot be compared.
            if name not in expected or name in found.unknown[turn]:
                continue
            if name not in have:
                return FirstDifference(turn=turn, reason="missing", name=name)
            if not _same(have[name], expected[name]):
                return FirstDifference(
                    turn=turn, reason="value", name=name,
                    detail=difference(have[name], expected[name]),
                )  # fmt: skip
    return FirstDifference(turn=None, reason="none")


def _first_differences(
    sandbox: Sandbox,
    task: ProblemTask,
    references: _References,
    arm: str,
    samples: Sequence[Sample],
) -> list[FirstDifference]:
    problems = [task.problems[sample.item.problem] for sample in samples]
    parted = [
        turns_of(problem, sample, arm) for problem, sample in zip(problems, samples, strict=True)
    ]
    observed = iter(observe_turns(sandbox, [each for each in parted if each], task.limits))
    found = []
    for problem, sample, each in zip(problems, samples, parted, strict=True):
        if each is None:
            found.append(
                FirstDifference(
                    turn=None, reason="unknown", detail="its turns are not in the program"
                )
            )
            continue
        reference = references.of(problem, sample.item.case)
        if arm == "gold_prefix":
            found.append(_of_single_turn(next(observed), reference, each, sample.item.turn or 0))
            continue
        one = first_difference(next(observed), reference, each.names)
        if one.reason == "none" and len(each.ends) < len(problem.turns):
            one = FirstDifference(turn=len(each.ends), reason="not_written")
        found.append(one)
    return found


def _of_single_turn(
    found: TurnVariables, reference: TurnVariables, each: TurnsToRun, turn: int
) -> FirstDifference:
    """The difference after the only turn, which is the given one of the problem."""
    only = TurnVariables(turns=(reference.turns[turn],))
    one = first_difference(found, only, each.names)
    if one.turn is None:
        return one
    return FirstDifference(turn=turn, reason=one.reason, name=one.name, detail=one.detail)


class _References:
    """The variables of reference solutions, each run once."""

    def __init__(self, sandbox: Sandbox, task: ProblemTask) -> None:
        self._sandbox, self._limits = sandbox, task.limits
        self._found: dict[tuple[str, int], TurnVariables] = {}

    def of(self, problem: Problem, case: int) -> TurnVariables:
        """Those of a problem's case.

        Raises:
            InputError: the reference does not run to its end.
        """
        key = (problem.id, case)
        if key not in self._found:
            source, ends = problem.header, []
            for reference in fill_case(problem, case).references:
                source += f"\n{reference}\n"
                ends.append(_lines(source))
            program = TurnsToRun(source, tuple(ends), _names(problem))
            (found,) = observe_turns(self._sandbox, [program], self._limits)
            if found.error is not None or len(found.turns) != len(problem.turns):
                raise InputError(
                    f"the reference solution of {problem.id}, case {case}, does not run",
                    got=found.error,
                )
            self._found[key] = found
        return self._found[key]


def _names(problem: Problem) -> tuple[tuple[str, ...], ...]:
    """The variables that the prompts up to each turn ask for."""
    so_far = itertools.accumulate((turn.leaves for turn in problem.turns), lambda a, b: (*a, *b))
    return tuple(tuple(dict.fromkeys(names)) for names in so_far)


def _written(sample: Sample, arm: str) -> int:
    """How many turns the program has."""
    if arm == "gold_prefix":
        return (sample.item.turn or 0) + 1
    if arm in ("turns", "feedback"):
        return len(sample.steps)
    return 1 + max((step.turn or 0 for step in sample.steps), default=-1)


def _lines(text: str) -> int:
    """How many line breaks a text has, as Python counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def _same(got: object, expected: object) -> bool:
    if isinstance(expected, Opaque):
        return isinstance(got, Opaque)
    return values_equal(_cells(got), _cells(expected)) or exactly(got, expected)


def _cells(value: object) -> object:
    """A data frame by its labels and cells: the types of columns do not count, as elsewhere."""
    if isinstance(value, FrameData):
        return [list(value.columns), list(value.index), [list(items) for items in value.items]]
    return value


def _line(found: FirstDifference) -> Mapping[str, Any]:
    return {
        "turn": found.turn,
        "reason": found.reason,
        "name": found.name,
        "detail": without_addresses(found.detail),
    }
