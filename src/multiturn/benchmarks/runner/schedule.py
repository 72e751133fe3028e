"""Many dialogues at once: one crowd of threads asks the engine, another judges programs.

    jobs -> leaders -> written programs -> judges -> samples -> writer -> the disk
            (2 for each slot of the engine)  (bounded)         (one, groups them for one fsync)

A leader holds one dialogue and is mostly waiting: for the engine, or for the sandbox where
the arm runs programs between turns. There are twice as many as the engine has slots, so
that requests lie ready when one of them ends. Judges are few, and the queue before them is
short: where programs take longer than texts, leaders wait for them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Event as Flag

from multiturn.benchmarks.runner.generation import (
    SampleRunner,
    SampleTrace,
    StoppedError,
    with_retries,
)
from multiturn.benchmarks.runner.output import OutputMeter
from multiturn.benchmarks.runner.run_spec import PendingSample
from multiturn.benchmarks.runner.samples import Sample, sample_of
from multiturn.benchmarks.runner.utilization import UtilizationMeter
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox

__all__ = ["FinishedSample", "Schedule", "default_in_flight"]

_Judged = tuple[PendingSample, SampleTrace]
_POLL = 0.2
"""Seconds between two looks at whether the run is being stopped."""


@dataclass(frozen=True, slots=True)
class FinishedSample:
    """A sample, and what it took."""

    pending: PendingSample
    sample: Sample
    lead: SampleTrace
    judge_seconds: float


def default_in_flight(slots: int) -> int:
    """How many dialogues are led at once.

    An engine of one slot keeps one history only: a second dialogue would have it read each
    history again at every turn.
    """
    return 1 if slots == 1 else 2 * slots


class Schedule:
    """Makes the samples of some jobs. For one use.

    Args:
        jobs: in the order in which they are begun.
        engine: writes.
        sandbox: runs and judges.
        in_flight: dialogues at once.
        judges: programs that are judged at once.
        gauge: is told how the engine is used.
        meter: is told what is written.
    """

    def __init__(
        self,
        pending: Iterable[PendingSample],
        engine: Engine,
        sandbox: Sandbox,
        *,
        in_flight: int,
        judges: int,
        utilization: UtilizationMeter,
        meter: OutputMeter | None = None,
    ) -> None:
        self._pending = iter(pending)
        self._pending_lock = threading.Lock()
        self._engine = engine
        self._sandbox = sandbox
        self._in_flight = in_flight
        self._judges = judges
        self._utilization = utilization
        self._meter = meter or OutputMeter()
        self._no_more_texts = Flag()
        self._no_more_at_all = Flag()
        self._fault: BaseException | None = None
        self._fault_lock = threading.Lock()
        self._programs: queue.Queue[_Judged | None] = queue.Queue(maxsize=2 * judges + in_flight)
        self._finished: queue.SimpleQueue[FinishedSample | None] = queue.SimpleQueue()

    def stop(self) -> None:
        """Begin no more, give up the texts under way; programs that are written are judged."""
        self._no_more_texts.set()

    def abandon(self) -> None:
        """Stop, and drop what waits to be judged as well."""
        self._no_more_texts.set()
        self._no_more_at_all.set()

    @property
    def fault(self) -> BaseException | None:
        """What went wrong first, where something did."""
        return self._fault

    def finished(self, patience: float) -> Iterator[list[FinishedSample]]:
        """Start, and yield samples as they come, all that there are at a time.

        Args:
            patience: an empty list is yielded after so many seconds without a sample.
        """
        # Daemons, so that a thread that hangs in an engine cannot keep the process.
        runners = [
            threading.Thread(target=self._write_programs, daemon=True)
            for _ in range(self._in_flight)
        ]
        judges = [
            threading.Thread(target=self._judge_programs, daemon=True) for _ in range(self._judges)
        ]
        closer = threading.Thread(target=self._close, args=(runners, judges), daemon=True)
        self._utilization.begin()
        for thread in (*runners, *judges, closer):
            thread.start()
        while True:
            try:
                found = [self._finished.get(timeout=patience)]
            except queue.Empty:
                yield []
                continue
            while not self._finished.empty():
                found.append(self._finished.get())
            samples = [each for each in found if each is not None]
            if samples:
                yield samples
            if len(samples) < len(found):
                return

    def _write_programs(self) -> None:
        """What a leader does: dialogues, one after the other."""
        try:
            while not self._no_more_texts.is_set():
                with self._pending_lock:
                    pending = next(self._pending, None)
                if pending is None:
                    return
                runner = SampleRunner(
                    self._engine,
                    self._sandbox,
                    pending.spec.config.limits,
                    self._utilization,
                    self._meter,
                    self._no_more_texts,
                )
                config = pending.spec.config
                solver = pending.spec.task.solver(pending.item, config.settings)
                lead = runner.run(
                    solver, pending.key, config.sampling, pending.session, pending.directory.turns
                )
                self._utilization.finish_sample()
                self._hand_over((pending, lead))
        except StoppedError:
            return
        except BaseException as error:
            self._fail(error)

    def _hand_over(self, program: _Judged) -> None:
        while not self._no_more_at_all.is_set():
            try:
                self._programs.put(program, timeout=_POLL)
                return
            except queue.Full:
                continue

    def _judge_programs(self) -> None:
        """What a judge does: programs, one after the other."""
        try:
            while (program := self._programs.get()) is not None:
                if self._no_more_at_all.is_set():
                    continue
                pending, lead = program
                began = time.perf_counter()
                verdicts = with_retries(
                    lambda pending=pending, lead=lead: pending.spec.task.judge(  # type: ignore[misc]
                        pending.item, lead.solution.program, self._sandbox
                    ),
                    self._no_more_at_all,
                )
                sample = sample_of(pending.item, pending.sample, lead.solution, verdicts)
                self._finished.put(
                    FinishedSample(pending, sample, lead, time.perf_counter() - began)
                )
        except StoppedError:
            return
        except BaseException as error:
            self._fail(error)
            self.abandon()

    def _close(self, runners: list[threading.Thread], judges: list[threading.Thread]) -> None:
        """Tell the judges when no program can come any more, and the reader when no sample can."""
        for runner in runners:
            runner.join()
        for _ in judges:
            while any(judge.is_alive() for judge in judges):
                try:
                    self._programs.put(None, timeout=_POLL)
                    break
                except queue.Full:
                    continue
        for judge in judges:
            judge.join()
        self._finished.put(None)

    def _fail(self, error: BaseException) -> None:
        with self._fault_lock:
            if self._fault is None:
                self._fault = error
        self.stop()
