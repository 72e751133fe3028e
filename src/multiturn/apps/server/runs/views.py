"""What the API of runs answers with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from multiturn.apps.server.runs.library import ListedRun, OpenRun
from multiturn.apps.server.sessions.candidate_views import View
from multiturn.benchmarks.arms.layout import header_text
from multiturn.benchmarks.runner.sample_index import IndexEntry
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.written_turns import WrittenProgram, written_program

__all__ = [
    "RunEntry",
    "RunList",
    "RunSummary",
    "SampleEntry",
    "SamplePage",
    "SampleView",
    "run_entry",
    "run_summary",
    "sample_entry",
    "sample_program",
    "sample_view",
]

_SHOWN_RAW = 64 * 1024
"""Characters of a generated text."""


class RunEntry(View):
    """A run in the list."""

    id: str
    name: str
    """Its place below the directory."""
    fault: str
    """Why its record cannot be read; empty if it can."""
    complete: bool
    """Whether all samples are there."""
    task: str
    """The problem set."""
    arm: str
    """How the model was prompted."""
    model: str
    truncation: str
    """Where generated text ended."""
    temperature: float
    oracles: list[str]
    """The one of the headline figure is first."""
    expected: int
    """The number of samples of the complete run."""


class RunList(View):
    """The runs of the directory."""

    directory: str | None
    """The name of the directory; null if the server was started without one."""
    runs: list[RunEntry]
    total: int
    """How many there are, listed or not."""


class LabelCount(View):
    """How often samples failed in one way."""

    label: str
    """The exception, how the run ended, or the judgement."""
    samples: int


class OracleFigures(View):
    """The results by one oracle."""

    oracle: str
    samples: int
    passed: int
    labels: list[LabelCount]
    """Of the failures, the most frequent first."""


class ProblemCount(View):
    """The results of one problem, by the first oracle."""

    problem: str
    samples: int
    passed: int


class RunSummary(View):
    """A run with its results so far."""

    run: RunEntry
    samples: int
    unreadable: int
    """Lines of its file that are no samples."""
    figures: list[OracleFigures]
    problems: list[ProblemCount]


class SampleEntry(View):
    """A sample in a list."""

    number: int
    """Its place in the run, from 0."""
    item: str
    problem: str
    sample: int
    """Which of the item's samples, from 0."""
    passed: bool
    label: str
    """Why it failed; empty if it passed."""


class SamplePage(View):
    """A part of the samples that were asked for."""

    samples: list[SampleEntry]
    next: int | None
    """`after` of the next part; null at the end. A part may be empty where few samples have the
    words that were searched for."""


class VerdictView(View):
    """What an oracle found."""

    oracle: str
    passed: bool
    summary: str
    """One line, with the output and the expected one where it was wrong."""


class AttemptView(View):
    """One text that was generated for a turn."""

    text: str
    raw_text: str
    """All decoded text; up to 65,536 characters."""
    cut_by: str | None
    """What the truncation cut at."""
    finish_reason: str
    prompt_tokens: int
    new_tokens: int
    chosen: bool
    """Whether this is the one in the program."""


class SampleTurnView(View):
    """A turn of a sample."""

    prompt: str
    """Empty if it is unknown."""
    code: str
    attempts: list[AttemptView]


class FaultView(View):
    """Where a sample went wrong."""

    turn: int
    """From 1."""
    reason: str
    """One line."""


class SampleView(View):
    """A sample."""

    sample: SampleEntry
    verdicts: list[VerdictView]
    language: str
    """Of the program, as people write it."""
    header: str
    """The program above the first turn."""
    turns: list[SampleTurnView]
    program: str
    """As it was judged."""
    inputs: dict[str, str]
    """The variables of its case, as Python text; empty if the problem set is not known here."""
    gold: str | None
    """The expected output; null if the problem set is not known here."""
    fault: FaultView | None
    """Null for a sample that passed, or if the records do not say."""


def run_entry(run: ListedRun) -> RunEntry:
    """A run in the list."""
    config = run.config
    return RunEntry(
        id=run.id,
        name=run.name,
        fault=run.fault,
        complete=config is not None and run.complete,
        task="" if config is None else config.task,
        arm="" if config is None else config.arm,
        model="" if config is None else config.model,
        truncation="" if config is None else config.settings.truncation,
        temperature=0 if config is None else config.sampling.temperature,
        oracles=[] if config is None else list(config.oracles),
        expected=0 if config is None else config.items * config.sampling.n,
    )


def run_summary(run: OpenRun) -> RunSummary:
    """The results of a run so far."""
    entries = run.index.entries
    problems: dict[str, list[int]] = {}
    for entry in entries:
        count = problems.setdefault(entry.problem, [0, 0])
        count[0] += 1
        count[1] += not entry.labels[0]
    return RunSummary(
        run=run_entry(run.listed),
        samples=len(entries),
        unreadable=run.index.unreadable,
        figures=[_figures(name, at, entries) for at, name in enumerate(run.config.oracles)],
        problems=[
            ProblemCount(problem=name, samples=of, passed=passed)
            for name, (of, passed) in sorted(problems.items())
        ],
    )


def _figures(oracle: str, at: int, entries: Sequence[IndexEntry]) -> OracleFigures:
    labels = Counter(entry.labels[at] for entry in entries)
    passed = labels.pop("", 0)
    by_frequency = sorted(labels.items(), key=lambda each: (-each[1], each[0]))
    return OracleFigures(
        oracle=oracle,
        samples=len(entries),
        passed=passed,
        labels=[LabelCount(label=label, samples=count) for label, count in by_frequency],
    )


def sample_entry(entry: IndexEntry, oracle: int) -> SampleEntry:
    """A sample in a list, as one oracle judged it."""
    return SampleEntry(
        number=entry.number,
        item=entry.item,
        problem=entry.problem,
        sample=entry.sample,
        passed=not entry.labels[oracle],
        label=entry.labels[oracle],
    )


def sample_program(run: OpenRun, sample: Sample) -> WrittenProgram:
    """The turns of a sample, with the prompts of its problem where that is known."""
    problem = run.problem(sample)
    if problem is None:
        return written_program(sample)
    prompts = problem.fill(problem.inputs[sample.item.case]).prompts
    if run.language.inspects:
        return written_program(sample, prompts)
    return written_program(sample, prompts, header=header_text(problem, run.config.settings.header))


def sample_view(run: OpenRun, number: int, sample: Sample) -> SampleView:
    """A sample with its turns, and where it went wrong."""
    problem = run.problem(sample)
    program = sample_program(run, sample)
    inputs = {} if problem is None else problem.inputs[sample.item.case]
    return SampleView(
        sample=sample_entry(run.index.entries[number], 0),
        verdicts=[
            VerdictView(oracle=name, passed=verdict.passed, summary=verdict.describe())
            for name, verdict in sample.verdicts.items()
        ],
        language=run.language.name,
        header=program.header,
        turns=[
            SampleTurnView(
                prompt=turn.prompt,
                code=turn.code,
                attempts=[
                    AttemptView(
                        text=step.text,
                        raw_text=step.raw_text[:_SHOWN_RAW],
                        cut_by=step.cut_by,
                        finish_reason=step.finish_reason,
                        prompt_tokens=step.prompt_tokens,
                        new_tokens=step.new_tokens,
                        chosen=step.chosen is not False,
                    )
                    for step in turn.steps
                ],
            )
            for turn in program.turns
        ],
        program=sample.program,
        inputs={name: repr(value) for name, value in inputs.items()},
        gold=None if problem is None else repr(problem.outputs[sample.item.case]),
        fault=_fault(run, sample, program),
    )


def _fault(run: OpenRun, sample: Sample, program: WrittenProgram) -> FaultView | None:
    """The turn where a sample went wrong: as recorded, or that of the line that failed."""
    verdict = sample.verdicts.get(run.config.oracles[0])
    if verdict is None or verdict.passed:
        return None
    found = run.first_difference(sample)
    if found is not None and isinstance(found.get("turn"), int):
        words = (str(found.get(key) or "") for key in ("reason", "name", "detail"))
        return FaultView(turn=found["turn"] + 1, reason=" ".join(filter(None, words)))
    line = None if verdict.outcome is None else verdict.outcome.line
    turn = program.turn_of_line(line)
    if turn is None:
        return None
    return FaultView(turn=turn + 1, reason=f"line {line} of the program: {verdict.describe()}")
