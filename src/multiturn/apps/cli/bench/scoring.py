"""`multiturn bench BENCHMARK --samples FILE`: judges existing samples."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from multiturn.apps.cli.bench.figures import figures_from
from multiturn.apps.cli.bench.show import scores_document, show_scores
from multiturn.apps.cli.bench.view import ProgressView
from multiturn.apps.cli.error_report import INTERRUPTED, say
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.screen import console_for
from multiturn.benchmarks.interchange.external_samples import (
    ExternalSample,
    SampleLine,
    judge_external,
    read_lines,
)
from multiturn.benchmarks.interchange.human_eval import completion_of, external_completions
from multiturn.benchmarks.interchange.multipl_e import (
    external_multipl_e,
    read_multipl_e_samples,
)
from multiturn.benchmarks.interchange.published_samples import external_programs
from multiturn.benchmarks.interchange.results_file import ResultsFile
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.metrics import ScoredSample
from multiturn.benchmarks.multipl_e.task import MultiplETask
from multiturn.benchmarks.runner.config import installed_versions
from multiturn.benchmarks.runner.progress import BenchmarkProgress
from multiturn.benchmarks.runner.utilization import EngineUtilization
from multiturn.benchmarks.task import Task
from multiturn.core.errors import InputError
from multiturn.core.files import sha256_file
from multiturn.core.records import to_plain
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.verdicts import Judgement

__all__ = ["refuse_other_options", "score_samples"]

KS = (1, 10, 100)
"""The k of pass@k, as in human-eval."""

_TAKEN = (
    "samples",
    "language",
    "file",
    "any_hash",
    "fresh",
    "cpu_seconds",
    "wall_seconds",
    "memory_mib",
    "unsafe",
    "as_json",
)


def refuse_other_options(context: typer.Context) -> None:
    """Refuse options about generation.

    Raises:
        InputError: such an option is given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in _TAKEN and source is not None and source.name == "COMMANDLINE":
            raise InputError(
                "--samples judges existing programs, so options about generation do not apply",
                got=parameter.opts[0],
                fix="leave out one of the two",
            )


def score_samples(
    benchmark: str,
    samples: Path,
    *,
    language: str | None = None,
    file: Path | None,
    any_hash: bool,
    fresh: bool,
    limits: Mapping[str, Any],
    unsafe: bool,
    as_json: bool,
) -> None:
    """Judge the samples of a file, save the verdicts beside it, and show the results.

    Args:
        benchmark: the benchmark of the samples.
        samples: in human-eval's format; for a multi-turn set in the published sampler's; for
            MultiPL-E a directory of its files.
        language: of the programs, for a benchmark with a choice.
        file: a problem file, in place of the published one.
        any_hash: accept that file even if it is not the published one.
        fresh: discard earlier verdicts.
        limits: the fields of `Limits` that override the benchmark's own.
        unsafe: run programs with limits only if they cannot be isolated.
        as_json: print one JSON document.

    Raises:
        MultiturnError: a file is invalid or of another benchmark; the sandbox failed.
        typer.Exit: the user stopped it.
    """
    with pull_display() as display:
        task = open_task(
            benchmark,
            language=language,
            path=file,
            any_hash=any_hash,
            limits=limits,
            progress=display,
        )
    lines = _lines(samples, task)
    external = _external(lines, task)
    console = console_for(sys.stderr if as_json else sys.stdout)
    with open_sandbox(unsafe=unsafe) as sandbox:
        about: dict[str, object] = {
            "task": task.name,
            "problems_sha256": task.problems_sha256,
            "samples_sha256": _hash_of(samples, lines),
            "rung": sandbox.isolation.value,
            "limits": to_plain(task.limits),
            "versions": installed_versions(),
        }
        with ResultsFile(samples, about, task.oracles, fresh=fresh) as results:
            done = len(results.passed)
            view = ProgressView(console, several=False)
            watch = _Watch(view, task.oracles, results, total=len(external))
            try:
                judged = judge_external(external[done:], task, sandbox)
                for line, sample in zip(lines[done:], judged, strict=True):
                    results.add(line, sample)
                    watch.tell()
            except KeyboardInterrupt:
                view.close()
                say("stopped; the same command resumes", label=None)
                raise typer.Exit(INTERRUPTED) from None
            finally:
                view.close()
            results.complete()
    scored = {
        oracle: [
            ScoredSample(one.item, passed[oracle])
            for one, passed in zip(external, results.passed, strict=True)
        ]
        for oracle in task.oracles
    }
    figures = figures_from(scored, len(task.items()), KS)
    undecided = _undecided(results.path)
    if as_json:
        about |= {"own_tests_fail": undecided}
        print(scores_document(about, figures, results.path))
    else:
        show_scores(console, f"{task.name} {samples.name}", figures, KS)
        if undecided:
            console.print(
                f"{sum(undecided.values())} samples are undecided and count as not passed, because "
                f"the tests of their problems fail by themselves: {', '.join(undecided)}"
            )
        console.print(f"each sample with its verdicts: {results.path}")


def _lines(samples: Path, task: Task) -> tuple[SampleLine, ...]:
    if isinstance(task, MultiplETask):
        return read_multipl_e_samples(samples)
    return read_lines(samples)


def _hash_of(samples: Path, lines: Sequence[SampleLine]) -> str:
    """The SHA-256 of a file of samples; of the samples themselves if they are in many files."""
    if not samples.is_dir():
        return sha256_file(samples)
    return hashlib.sha256(json.dumps([dict(line.data) for line in lines]).encode()).hexdigest()


def _external(lines: Sequence[SampleLine], task: Task) -> tuple[ExternalSample, ...]:
    if isinstance(task, MultiplETask):
        return external_multipl_e(lines, task)
    if isinstance(task, ProblemTask):
        return external_programs(lines, task)
    return external_completions([completion_of(line) for line in lines], task)


def _undecided(results: Path) -> dict[str, int]:
    """The problems whose own tests fail, with the number of samples affected."""
    lines = [line.data for line in read_lines(results)]
    return dict(
        Counter(
            str(line.get("task_id", line.get("id", line.get("name"))))
            for line in lines
            if str(line.get("result", "")).startswith(f"{Judgement.UNDECIDED.value},")
        )
    )


class _Watch:
    """Reports the progress of the scoring."""

    def __init__(
        self, view: ProgressView, oracles: Sequence[str], results: ResultsFile, *, total: int
    ) -> None:
        self._view, self._results, self._total = view, results, total
        self._before = len(results.passed)
        self._began = time.monotonic()
        self._passed = {
            oracle: sum(passed[oracle] for passed in results.passed) for oracle in oracles
        }

    def tell(self) -> None:
        """Report one more judged sample."""
        for oracle, passed in self._results.passed[-1].items():
            self._passed[oracle] += passed
        done = len(self._results.passed)
        self._view(
            BenchmarkProgress(
                done=done,
                total=self._total,
                new=done - self._before,
                seconds=time.monotonic() - self._began,
                label="",
                passed=self._passed,
                judged=done,
                utilization=EngineUtilization(
                    slots=1, seconds=0.0, waiting_seconds=0.0, busy_slots=0.0, requests=0
                ),
            )
        )
