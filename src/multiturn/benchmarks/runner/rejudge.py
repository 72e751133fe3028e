"""Judges the programs of a saved run again with the current oracles.

The new verdicts replace the old ones, which are saved beside them, and ``run.json`` then names the
versions of the oracles that judged. An interrupted rejudging continues: ``rejudge.partial.jsonl``
collects the verdicts until all samples are judged. A kill at any moment loses nothing, because the
old verdicts are on disk before the first of them is replaced.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multiturn.benchmarks.interchange.external_samples import ExternalSample, judge_external
from multiturn.benchmarks.oracles.versions import oracle_versions_of, version_key
from multiturn.benchmarks.runner.config import RunConfig, installed_versions
from multiturn.benchmarks.runner.directory import CONFIG, LOCK, REJUDGED, lock_of
from multiturn.benchmarks.runner.results import SavedRun, decompressed, read_run, samples_file
from multiturn.benchmarks.runner.samples import Sample, SampleKey, to_line
from multiturn.benchmarks.solver import Solution
from multiturn.benchmarks.task import Task
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.core.records import read_record, to_plain
from multiturn.sandbox.oracles.verdicts import Verdict
from multiturn.sandbox.protocol import Sandbox

__all__ = ["VerdictChange", "PassCounts", "RejudgeReport", "rejudge"]

PROGRESS = "rejudge.partial.jsonl"

Verdicts = Mapping[str, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChange:
    """A sample whose verdict by one oracle changed."""

    item: str
    sample: int
    problem: str
    oracle: str
    before: Verdict
    after: Verdict


@dataclass(frozen=True, slots=True)
class PassCounts:
    """How many samples passed, before and after."""

    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RejudgeReport:
    """The result of a rejudging."""

    path: Path
    samples: int
    versions_before: Mapping[str, str]
    """By oracle."""
    versions_after: Mapping[str, str]
    passed: Mapping[str, PassCounts]
    """By oracle."""
    problems: Mapping[str, Mapping[str, PassCounts]]
    """By problem and oracle, for problems whose passing samples changed."""
    changes: tuple[VerdictChange, ...]
    """All samples with another judgement, in the order of the run."""


def rejudge(
    path: Path,
    task: Task,
    sandbox: Sandbox,
    *,
    listen: Callable[[int, int], None] | None = None,
) -> RejudgeReport:
    """Judge the samples of a run again, complete or not, and save the verdicts.

    Args:
        path: the directory of the run.
        task: the same problems under the same arm.
        sandbox: runs the programs.
        listen: receives how many samples have been judged, and the total.

    Raises:
        InputError: the run is of another task, or a record is damaged.
        SandboxUnavailableError: the sandbox failed. Verdicts so far are saved.
        StorageError: another process is working on the run, or it cannot be written.
    """
    was_locked = (path / LOCK).exists()
    lock = lock_of(path)
    try:
        run = read_run(path)
        _check_same(run.config, task)
        earlier = _count_lines(path / REJUDGED)
        before = _verdicts_of(run.samples) | _replaced(_old_file(path, earlier))
        after = _judge(run, task, sandbox, listen or _silent)
        report = _compared(run, before, after)
        _save(run, earlier, report, before, after, sandbox)
        return report
    finally:
        lock.release()
        if not was_locked:
            (path / LOCK).unlink(missing_ok=True)


def _silent(done: int, total: int) -> None:
    del done, total


def _check_same(config: RunConfig, task: Task) -> None:
    for what, theirs, ours in (
        ("another benchmark", config.task, task.name),
        ("another arm", config.arm, task.arm),
        ("other problems", config.problems_sha256, task.problems_sha256),
    ):
        if theirs != ours:
            raise InputError(
                f"the run is of {what}",
                got=theirs,
                allowed=ours,
                fix="name the problems' file of the run with --file",
            )
    if task.limits != config.limits:
        raise InputError(
            "the run's programs had other limits", got=task.limits, allowed=str(config.limits)
        )


def _verdicts_of(samples: Sequence[Sample]) -> dict[SampleKey, Verdicts]:
    return {sample.key: sample.verdicts for sample in samples}


def _judge(
    run: SavedRun, task: Task, sandbox: Sandbox, listen: Callable[[int, int], None]
) -> dict[SampleKey, Verdicts]:
    """The new verdicts, including those of an interrupted invocation."""
    progress = run.path / PROGRESS
    about = _about(run, sandbox)
    done = _progress(progress, about)
    left = [sample for sample in run.samples if sample.key not in done]
    total = len(run.samples)
    listen(total - len(left), total)
    external = [
        ExternalSample(each.item, each.sample, Solution(program=each.program, steps=each.steps))
        for each in left
    ]
    with storage_errors(progress, "saving the verdicts"):
        write_atomically(progress, "".join(_progress_lines(about, done)))
        with progress.open("a", encoding="ascii") as file:
            for sample in judge_external(external, task, sandbox):
                done[sample.key] = sample.verdicts
                file.write(_verdict_line(sample.key, sample.verdicts))
                file.flush()
                listen(len(done), total)
    return done


def _about(run: SavedRun, sandbox: Sandbox) -> Mapping[str, Any]:
    """What verdicts depend on besides the programs."""
    return {
        "rung": sandbox.isolation.value,
        "versions": installed_versions(),
        "judged_before": dict(run.config.versions),
    }


def _progress(file: Path, about: Mapping[str, Any]) -> dict[SampleKey, Verdicts]:
    """The verdicts of an interrupted invocation with the same conditions."""
    if not file.exists():
        return {}
    with storage_errors(file, "reading the verdicts"):
        first, *lines = file.read_bytes().split(b"\n")
    if first != json.dumps(about, sort_keys=True).encode():
        return {}
    # The last line is empty, or torn by a crash.
    return dict(_read_verdicts(line, file) for line in lines[:-1])


def _progress_lines(about: Mapping[str, Any], done: Mapping[SampleKey, Verdicts]) -> Iterator[str]:
    yield json.dumps(about, sort_keys=True) + "\n"
    for key, verdicts in done.items():
        yield _verdict_line(key, verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _VerdictLine:
    """A line of a file of verdicts."""

    item: str
    sample: int
    verdicts: Mapping[str, Verdict]


def _verdict_line(key: SampleKey, verdicts: Verdicts) -> str:
    line = _VerdictLine(item=key.item, sample=key.sample, verdicts=verdicts)
    return json.dumps(to_plain(line)) + "\n"


def _read_verdicts(line: bytes, file: Path) -> tuple[SampleKey, Verdicts]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}", fix="delete that file") from error
    read = read_record(data, _VerdictLine, where=str(file))
    return SampleKey(read.item, read.sample), read.verdicts


def _old_file(path: Path, number: int) -> Path:
    """The file for the replaced verdicts; compressed if the samples are."""
    compressed = samples_file(path).suffix == ".xz"
    return path / f"verdicts.{number}.jsonl{'.xz' if compressed else ''}"


def _replaced(file: Path) -> dict[SampleKey, Verdicts]:
    """The old verdicts of a rejudging that was killed while it replaced them."""
    if not file.exists():
        return {}
    return dict(_read_verdicts(line, file) for line in decompressed(file).splitlines())


def _write(file: Path, lines: Iterable[str]) -> None:
    data = "".join(lines).encode("ascii")
    write_atomically(file, lzma.compress(data) if file.suffix == ".xz" else data)


def _count_lines(file: Path) -> int:
    if not file.exists():
        return 0
    with storage_errors(file, "reading what was judged again"):
        return file.read_bytes().count(b"\n")


def _compared(
    run: SavedRun, before: Mapping[SampleKey, Verdicts], after: Mapping[SampleKey, Verdicts]
) -> RejudgeReport:
    oracles = run.config.oracles
    changes = tuple(
        VerdictChange(
            item=sample.item.id,
            sample=sample.sample,
            problem=sample.item.problem,
            oracle=oracle,
            before=before[sample.key][oracle],
            after=after[sample.key][oracle],
        )
        for sample in run.samples
        for oracle in oracles
        if before[sample.key][oracle].judgement is not after[sample.key][oracle].judgement
    )
    turned = dict.fromkeys(
        each.problem for each in changes if each.before.passed is not each.after.passed
    )
    return RejudgeReport(
        path=run.path,
        samples=len(run.samples),
        versions_before=oracle_versions_of(run.config.versions, oracles),
        versions_after=oracle_versions_of(installed_versions(), oracles),
        passed=_passed(run.samples, oracles, before, after),
        problems={
            problem: _passed(
                [each for each in run.samples if each.item.problem == problem],
                oracles,
                before,
                after,
            )
            for problem in turned
        },
        changes=changes,
    )


def _passed(
    samples: Sequence[Sample],
    oracles: Sequence[str],
    before: Mapping[SampleKey, Verdicts],
    after: Mapping[SampleKey, Verdicts],
) -> dict[str, PassCounts]:
    return {
        oracle: PassCounts(
            *(
                sum(judged[each.key][oracle].passed for each in samples)
                for judged in (before, after)
            )
        )
        for oracle in oracles
    }


def _save(
    run: SavedRun,
    earlier: int,
    found: RejudgeReport,
    before: Mapping[SampleKey, Verdicts],
    after: Mapping[SampleKey, Verdicts],
    sandbox: Sandbox,
) -> None:
    """Write the verdicts: the old ones first, and the line that records the rejudging last."""
    old = _old_file(run.path, earlier)
    with storage_errors(run.path, "saving the verdicts"):
        if found.changes:
            _write(old, (_verdict_line(each.key, before[each.key]) for each in run.samples))
            judged = (replace(each, verdicts=after[each.key]) for each in run.samples)
            _write(samples_file(run.path), map(to_line, judged))
        versions = dict(run.config.versions) | {
            version_key(oracle): version for oracle, version in found.versions_after.items()
        }
        if versions != run.config.versions:
            config = replace(run.config, versions=versions)
            write_atomically(run.path / CONFIG, json.dumps(to_plain(config), indent=1) + "\n")
        with (run.path / REJUDGED).open("a", encoding="ascii") as record:
            record.write(json.dumps(_line_of(found, old, sandbox)) + "\n")
        (run.path / PROGRESS).unlink(missing_ok=True)


def _line_of(found: RejudgeReport, old: Path, sandbox: Sandbox) -> Mapping[str, Any]:
    judgements = Counter(
        f"{each.oracle}: {each.before.judgement.value} to {each.after.judgement.value}"
        for each in found.changes
    )
    return {
        "oracles_before": found.versions_before,
        "oracles_after": found.versions_after,
        "rung": sandbox.isolation.value,
        "versions": installed_versions(),
        "samples": found.samples,
        "passed": to_plain(found.passed),
        "changes": dict(judgements),
        "verdicts_before": old.name if found.changes else None,
    }
