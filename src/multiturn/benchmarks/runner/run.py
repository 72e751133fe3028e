"""Runs benchmarks: takes the run specs of a grid to complete files of samples."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event as Flag
from typing import Any

from multiturn.benchmarks.runner.directory import SITTINGS, TIMINGS, BenchmarkDirectory
from multiturn.benchmarks.runner.output import OutputMeter
from multiturn.benchmarks.runner.preflight import check_engine, check_sandbox
from multiturn.benchmarks.runner.progress import BenchmarkProgress, ProgressListener, unwatched
from multiturn.benchmarks.runner.run_spec import (
    PendingSample,
    RunSpec,
    pending_samples,
    planned_keys,
    sample_keys,
)
from multiturn.benchmarks.runner.schedule import FinishedSample, Schedule, default_in_flight
from multiturn.benchmarks.runner.shared_generations import SharedGenerations
from multiturn.benchmarks.runner.utilization import EngineUtilization, UtilizationMeter
from multiturn.core.errors import (
    EngineError,
    InputError,
    MultiturnError,
    SandboxUnavailableError,
    StorageError,
)
from multiturn.core.records import to_plain
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox

__all__ = ["Concurrency", "Invocation", "run_specs"]

_POLL_SECONDS = 0.25
"""Seconds between reports of progress, and between checks for cancellation."""

_CONTINUE = "then run the same command again: it continues from there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How much is done at once. It changes the duration of a run, but none of its samples.

    Attributes:
        in_flight: samples that are generated; by default what suits the engine.
        judges: programs that are judged.
    """

    in_flight: int | None = None
    judges: int = 4

    def __post_init__(self) -> None:
        for name, value in (("in_flight", self.in_flight), ("judges", self.judges)):
            if value is not None and not 1 <= value <= 4096:
                raise InputError(f"{name} is out of range", got=value, allowed="1 to 4096")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The result of one invocation of the runner."""

    done: int
    """Samples on disk, of all runs."""
    total: int
    new: int
    """How many of `done` are from this invocation."""
    seconds: float
    """From the start of the first sample until the last one is on disk."""
    utilization: EngineUtilization
    cancelled: bool

    @property
    def complete(self) -> bool:
        """Whether all samples are on disk."""
        return self.done == self.total


def run_specs(
    specs: Sequence[RunSpec],
    engine: Engine,
    sandbox: Sandbox,
    *,
    fresh: bool = False,
    concurrency: Concurrency | None = None,
    shared: SharedGenerations | None = None,
    listen: ProgressListener = unwatched,
    cancel: Flag | None = None,
) -> Invocation:
    """Generate and judge all missing samples of some runs.

    The runs share the engine without a break, so that it stays busy at the end of each run.

    Args:
        specs: the runs; their records must describe this engine and this sandbox.
        engine: generates text.
        sandbox: runs the programs.
        fresh: delete earlier results in the directories of the runs.
        concurrency: how much is done at once.
        shared: generations that this engine need not make again, and that get what it makes.
        listen: receives the progress, on this thread.
        cancel: once set, generations in progress are dropped, complete programs are judged
            and saved, and this returns.

    Raises:
        SandboxUnavailableError: programs cannot be run. This is checked before anything is
            written; later it means that every attempt failed.
        ContextOverflowError: a prompt does not fit the model's window; nothing was written.
        InputError: a directory belongs to another run.
        StorageError: another process uses the directory, or the disk is full.
        EngineError: the engine failed in every attempt.
            After any of these errors finished samples are on disk, and the same call continues.
    """
    concurrency = concurrency or Concurrency()
    generations = _check_all(specs, engine, sandbox)
    with contextlib.ExitStack() as stack:
        opened = [
            (
                spec,
                stack.enter_context(
                    BenchmarkDirectory.open(
                        spec.place,
                        spec.config,
                        sample_keys(spec),
                        fresh=fresh,
                        planned=partial(planned_keys, spec),
                    )
                ),
            )
            for spec in specs
        ]
        work = _Invocation(opened, engine, sandbox, concurrency, shared, listen, generations)
        return work.do(cancel or Flag())


def _check_all(specs: Sequence[RunSpec], engine: Engine, sandbox: Sandbox) -> list[dict[str, int]]:
    """Check what would stop the runs later, before anything is written.

    Returns:
        For each run, the number of generations per sample of each item.
    """
    headers: dict[str, dict[str, None]] = {}  # by language
    checked: list[tuple[object, dict[str, int]]] = []
    generations = []
    for spec in specs:
        # Runs that differ in temperature alone have the same prompts.
        same = (spec.task, spec.config.settings, spec.config.selection)
        known = next((each for what, each in checked if what == same), None)
        if known is None:
            found = check_engine(engine, spec.task, spec.items(), spec.config.settings)
            of_language = headers.setdefault(spec.task.language, {})
            of_language.update(dict.fromkeys(found.programs))
            known = found.generations
            checked.append((same, known))
        generations.append(known)
    check_sandbox(sandbox, headers)
    return generations


class _Invocation:
    """One invocation in progress."""

    def __init__(
        self,
        opened: Sequence[tuple[RunSpec, BenchmarkDirectory]],
        engine: Engine,
        sandbox: Sandbox,
        concurrency: Concurrency,
        shared: SharedGenerations | None,
        listen: ProgressListener,
        generations: Sequence[Mapping[str, int]],
    ) -> None:
        self._opened = opened
        self._shared = shared
        self._listen = listen
        self._total = sum(len(directory.missing()) for _, directory in opened)
        self._before = sum(len(directory.found) for _, directory in opened)
        self._new = 0
        slots = engine.info.slots
        in_flight = min(concurrency.in_flight or default_in_flight(slots), max(self._total, 1))
        self._concurrency = Concurrency(in_flight=in_flight, judges=concurrency.judges)
        self._utilization = UtilizationMeter(slots, self._total)
        self._meter = OutputMeter()
        self._all_turns = sum(
            counts[key.item]
            for (_, directory), counts in zip(opened, generations, strict=True)
            for key in directory.missing()
        )
        self._extended = sum(directory.extended for _, directory in opened)
        self._stopping = False
        self._schedule = Schedule(
            self._pending(),
            engine,
            sandbox,
            in_flight=in_flight,
            judges=concurrency.judges,
            utilization=self._utilization,
            meter=self._meter,
            shared=shared,
        )
        self._began = time.perf_counter()
        self._latest = 0

    def do(self, cancel: Flag) -> Invocation:
        """Work until everything is done, an error occurs, or `cancel` is set."""
        self._began = time.perf_counter()
        for _, directory in self._opened:
            if directory.complete:  # a kill may have come just before this step
                directory.finish()
        self._listen(self._progress())
        if self._total:
            self._follow(cancel)
        invocation = Invocation(
            done=self._before + self._new,
            total=self._before + self._total,
            new=self._new,
            seconds=time.perf_counter() - self._began,
            utilization=self._utilization.read(),
            cancelled=cancel.is_set(),
        )
        if self._new:
            for _, directory in self._opened:
                directory.note(SITTINGS, [self._line_of(invocation)])
        self._listen(self._progress())
        if self._schedule.fault is not None:
            raise self._with_progress(self._schedule.fault) from self._schedule.fault
        return invocation

    def _follow(self, cancel: Flag) -> None:
        """Save samples as the schedule finishes them."""
        batches = self._schedule.finished(_POLL_SECONDS)
        try:
            last_report = 0.0
            for batch in batches:
                if cancel.is_set() and not self._stopping:
                    self._stopping = True
                    self._schedule.stop()
                    self._listen(self._progress())
                self._save(batch)
                now = time.perf_counter()
                if now - last_report >= _POLL_SECONDS:
                    last_report = now
                    self._listen(self._progress())
        except Exception as error:
            # No further sample could be saved. Wait for the threads: the caller may close the
            # engine and the sandbox as soon as this returns.
            self._schedule.abandon()
            for _ in batches:
                pass
            if isinstance(error, MultiturnError):
                raise self._with_progress(error) from error
            raise

    def _pending(self) -> Iterator[PendingSample]:
        for spec, directory in self._opened:
            yield from pending_samples(spec, directory)

    def _save(self, batch: Sequence[FinishedSample]) -> None:
        """Write finished samples, with one fsync per directory."""
        by_directory: dict[int, list[FinishedSample]] = {}
        places = {id(directory): place for place, (_, directory) in enumerate(self._opened)}
        for finished in batch:
            by_directory.setdefault(places[id(finished.pending.directory)], []).append(finished)
        for place, group in by_directory.items():
            _, directory = self._opened[place]
            directory.append([each.sample for each in group])
            self._new += len(group)
            self._latest = place
            directory.note(TIMINGS, [_timing(each) for each in group])
            if directory.complete:
                directory.finish()

    def _progress(self) -> BenchmarkProgress:
        spec, directory = self._opened[self._latest]
        return BenchmarkProgress(
            done=self._before + self._new,
            total=self._before + self._total,
            new=self._new,
            seconds=time.perf_counter() - self._began,
            label=spec.label,
            passed={name: directory.passed[name] for name in spec.config.oracles},
            judged=len(directory.found),
            utilization=self._utilization.read(),
            output=self._meter.read(),
            all_turns=self._all_turns,
            stopping=self._stopping,
            extended=self._extended,
        )

    def _line_of(self, invocation: Invocation) -> Mapping[str, Any]:
        fault = self._schedule.fault
        return {
            "done": invocation.done,
            "total": invocation.total,
            "new": invocation.new,
            "seconds": invocation.seconds,
            "fill": to_plain(invocation.utilization),
            "cancelled": invocation.cancelled,
            "waiting_share": invocation.utilization.waiting_share,
            "effort": to_plain(self._concurrency),
            "shared_by": len(self._opened),
            "reused": 0 if self._shared is None else self._shared.reused,
            "fault": None if fault is None else type(fault).__name__,
        }

    def _with_progress(self, fault: BaseException) -> BaseException:
        """The error with the progress of the run and how to continue; a bug unchanged."""
        kinds = (EngineError, SandboxUnavailableError, StorageError)
        kind = next((kind for kind in kinds if isinstance(fault, kind)), None)
        if kind is None or not isinstance(fault, MultiturnError):
            return fault
        done, total = self._before + self._new, self._before + self._total
        return kind(
            f"the run stopped with {done} of {total} samples saved: {fault.what}",
            got=fault.got,
            allowed=fault.allowed,
            fix=f"{fault.fix or 'fix this'}; {_CONTINUE}",
        )


def _timing(finished: FinishedSample) -> Mapping[str, Any]:
    trace = finished.trace
    return {
        "item": finished.pending.item.id,
        "sample": finished.pending.sample,
        "engine_seconds": round(trace.engine_seconds, 4),
        "sandbox_seconds": round(trace.sandbox_seconds, 4),
        "judge_seconds": round(finished.judge_seconds, 4),
        "cached_tokens": trace.cached_tokens,
    }
