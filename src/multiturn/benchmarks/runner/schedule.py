"""Many samples at once: some threads run solvers, others judge programs.

    pending samples -> solvers -> programs -> judges -> samples -> writer -> disk
              (2 per slot of the engine)  (bounded)       (one, groups them for one fsync)

A solver thread handles one sample and mostly waits: for the engine, or for the sandbox if the
arm executes programs between turns. There are twice as many as the engine has slots, so that a
request is ready whenever a slot becomes free. Judges are few and their queue is short: when
programs take longer than generations, the solvers wait.
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
    retry_unless_stopped,
)
from multiturn.benchmarks.runner.output import OutputMeter
from multiturn.benchmarks.runner.run_spec import PendingSample
from multiturn.benchmarks.runner.samples import Sample, sample_of
from multiturn.benchmarks.runner.shared_generations import SharedGenerations
from multiturn.benchmarks.runner.utilization import UtilizationMeter
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox

__all__ = ["FinishedSample", "Schedule", "default_in_flight"]

_Program = tuple[PendingSample, SampleTrace]
_POLL = 0.2
"""Seconds between checks whether the run is stopping."""


@dataclass(frozen=True, slots=True)
class FinishedSample:
    """A sample and the resources that it took."""

    pending: PendingSample
    sample: Sample
    trace: SampleTrace
    judge_seconds: float


def default_in_flight(slots: int) -> int:
    """How many samples are generated at once.

    An engine with one slot caches one prefix: a second sample would force a prefill of the
    complete history at every turn.
    """
    return 1 if slots == 1 else 2 * slots


class Schedule:
    """Generates and judges samples. For a single use.

    Args:
        pending: the samples, in the order in which they are started.
        engine: generates text.
        sandbox: executes and judges programs.
        in_flight: samples that are generated at once.
        judges: programs that are judged at once.
        utilization: tracks the use of the engine.
        meter: counts what is generated.
        shared: generations of other runs.
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
        shared: SharedGenerations | None = None,
    ) -> None:
        self._pending = iter(pending)
        self._pending_lock = threading.Lock()
        self._engine = engine
        self._sandbox = sandbox
        self._in_flight = in_flight
        self._judges = judges
        self._utilization = utilization
        self._meter = meter or OutputMeter()
        self._shared = shared
        self._stopping = Flag()
        self._abandoned = Flag()
        self._fault: BaseException | None = None
        self._fault_lock = threading.Lock()
        self._programs: queue.Queue[_Program | None] = queue.Queue(maxsize=2 * judges + in_flight)
        self._finished: queue.SimpleQueue[FinishedSample | None] = queue.SimpleQueue()

    def stop(self) -> None:
        """Start nothing new and drop generations in progress; complete programs are judged."""
        self._stopping.set()

    def abandon(self) -> None:
        """Stop, and drop programs that wait for a judge as well."""
        self._stopping.set()
        self._abandoned.set()

    @property
    def fault(self) -> BaseException | None:
        """The first error, if there was one."""
        return self._fault

    def finished(self, poll_seconds: float) -> Iterator[list[FinishedSample]]:
        """Start, and yield samples as they finish, as many as there are at a time.

        Args:
            poll_seconds: after this time without a sample, an empty list is yielded.
        """
        # Daemons: a thread that hangs in an engine must not keep the process alive.
        solvers = [
            threading.Thread(target=self._write_programs, daemon=True)
            for _ in range(self._in_flight)
        ]
        judges = [
            threading.Thread(target=self._judge_programs, daemon=True) for _ in range(self._judges)
        ]
        closer = threading.Thread(target=self._close, args=(solvers, judges), daemon=True)
        self._utilization.begin()
        for thread in (*solvers, *judges, closer):
            thread.start()
        while True:
            try:
                found = [self._finished.get(timeout=poll_seconds)]
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
        """The loop of a solver thread."""
        try:
            while not self._stopping.is_set():
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
                    self._stopping,
                    self._shared,
                )
                config = pending.spec.config
                solver = pending.spec.task.solver(pending.item, config.settings)
                trace = runner.run(
                    solver, pending.key, config.sampling, pending.session, pending.directory.turns
                )
                self._utilization.finish_sample()
                self._hand_over((pending, trace))
        except StoppedError:
            return
        except BaseException as error:
            self._fail(error)

    def _hand_over(self, program: _Program) -> None:
        while not self._abandoned.is_set():
            try:
                self._programs.put(program, timeout=_POLL)
                return
            except queue.Full:
                continue

    def _judge_programs(self) -> None:
        """The loop of a judge thread."""
        try:
            while (program := self._programs.get()) is not None:
                if self._abandoned.is_set():
                    continue
                pending, trace = program
                began = time.perf_counter()
                verdicts = retry_unless_stopped(
                    lambda pending=pending, trace=trace: pending.spec.task.judge(  # type: ignore[misc]
                        pending.item, trace.solution.program, self._sandbox
                    ),
                    self._abandoned,
                )
                sample = sample_of(pending.item, pending.sample, trace.solution, verdicts)
                self._finished.put(
                    FinishedSample(pending, sample, trace, time.perf_counter() - began)
                )
        except StoppedError:
            return
        except BaseException as error:
            self._fail(error)
            self.abandon()

    def _close(self, solvers: list[threading.Thread], judges: list[threading.Thread]) -> None:
        """End the judges after the last program, and the iteration after the last sample."""
        for thread in solvers:
            thread.join()
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
