"""Speed of the sandbox beside a fresh interpreter and a bare fork, in one run.

    python bench/sandbox.py --out bench/results/sandbox.json
    python bench/sandbox.py --soak 10000

Every contender runs the same programs, the same number at a time, in alternating rounds, so that a
busy machine slows all of them alike. The CPU time per program, of all processes together, is
reported too, as other work on the machine does not affect it.

- `fresh interpreter`: `python program.py` for each program;
- `bare fork`: a fork for each program from a warm parent that has numpy and pandas imported, with
  one parent for each program that runs at a time. It isolates nothing, and bounds what a
  fork-server can reach;
- this sandbox, at each isolation level that works here.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import ISOLATED, open_sandbox, probe_level
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.supervisor.pool import PROGRAMS_PER_WORKER

PLAIN = """
words = "the quick brown fox jumps over the lazy dog".split()
counts = {{}}
for word in words * {n}:
    counts[word] = counts.get(word, 0) + 1
print(sorted(counts.items())[0], {n})
"""

SCIENCE = """
import numpy as np
import pandas as pd
table = pd.DataFrame({{"x": np.arange({n}), "y": np.arange({n}) % 3}})
print(table.groupby("y")["x"].mean().to_dict(), np.linalg.norm(np.eye(4)), {n})
"""

WARM_PARENT = """
import gc, os, sys
import numpy, pandas
def serve():
    gc.collect(); gc.freeze()
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    for line in sys.stdin:
        with open(line.strip()) as file:
            source = file.read()
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(theirs, 1)
            try:
                exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
                sys.stdout.flush()
            finally:
                os._exit(0)
        os.close(theirs)
        size = 0
        while chunk := os.read(ours, 65536):
            size += len(chunk)
        os.close(ours)
        os.waitpid(pid, 0)
        sys.stdout.write(f"{size}\\n"); sys.stdout.flush()
serve()
"""

Contender = Callable[[Sequence[Path]], list[float]]
"""Runs programs, and returns the seconds that each took."""


class FreshInterpreter:
    """One `python program.py` for each program."""

    name = "fresh interpreter"

    def __init__(self, workers: int) -> None:
        self.threads = ThreadPoolExecutor(workers)

    def run(self, programs: Sequence[Path]) -> list[float]:
        """See `Contender`."""
        return list(self.threads.map(self._one, programs))

    def _one(self, program: Path) -> float:
        began = time.perf_counter()
        command = [sys.executable, program]
        subprocess.run(command, check=True, stdout=subprocess.PIPE, start_new_session=True)
        return time.perf_counter() - began

    def processes(self) -> list[int]:
        """Its warm processes."""
        return []

    def close(self) -> None:
        """End the threads."""
        self.threads.shutdown()


class BareFork:
    """A fork for each program from warm parents; no isolation, no limits, no outcomes."""

    name = "bare fork"

    def __init__(self, workers: int) -> None:
        self.threads = ThreadPoolExecutor(workers)
        self.parents = [
            subprocess.Popen(
                [sys.executable, "-c", WARM_PARENT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                # Like the sandbox's own: the kernel divides a busy machine among sessions.
                start_new_session=True,
            )
            for _ in range(workers)
        ]
        for parent in self.parents:
            assert parent.stdout is not None
            parent.stdout.readline()

    def run(self, programs: Sequence[Path]) -> list[float]:
        """See `Contender`."""
        shares = [programs[at :: len(self.parents)] for at in range(len(self.parents))]
        return [t for times in self.threads.map(self._share, self.parents, shares) for t in times]

    def _share(self, parent: subprocess.Popen[str], programs: Sequence[Path]) -> list[float]:
        assert parent.stdin is not None and parent.stdout is not None
        times = []
        for program in programs:
            began = time.perf_counter()
            parent.stdin.write(f"{program}\n")
            parent.stdin.flush()
            if int(parent.stdout.readline()) == 0:
                raise RuntimeError("a program printed nothing")
            times.append(time.perf_counter() - began)
        return times

    def processes(self) -> list[int]:
        """The parents."""
        return [parent.pid for parent in self.parents]

    def close(self) -> None:
        """End the parents."""
        for parent in self.parents:
            parent.kill()
            parent.communicate()
        self.threads.shutdown()


class Ours:
    """The sandbox at one isolation level."""

    def __init__(self, isolation: IsolationLevel, workers: int) -> None:
        self.name = isolation.value
        before = set(_children())
        self.sandbox = open_sandbox(isolation=isolation, workers=workers)
        self.sandbox.warm(heavy=True)  # type: ignore[attr-defined]
        self.sandbox.warm()  # type: ignore[attr-defined]
        self._pids = sorted(set(_children()) - before)

    def run(self, programs: Sequence[Path]) -> list[float]:
        """See `Contender`."""
        limits = Limits()
        times = [0.0] * len(programs)
        jobs = ((Program(source=path.read_text()), limits) for path in programs)
        for index, result in self.sandbox.run_many(jobs):
            if not result.outcome.finished or not result.stdout:
                raise RuntimeError(f"{result.outcome.describe()}: {result.stderr_text}")
            times[index] = result.wall_seconds
        return times

    def processes(self) -> list[int]:
        """The fork-servers and their helpers."""
        return self._pids

    def close(self) -> None:
        """End the fork-servers."""
        self.sandbox.close()


def _children() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True)]


def _cpu(pids: Sequence[int]) -> float:
    """CPU seconds of this process and the given ones, with their reaped children."""
    total = sum(os.times()[:4])
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _memory(pids: Sequence[int]) -> int:
    """Bytes of memory, with shared pages counted once (PSS)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def _descriptors(pid: int) -> int:
    """How many descriptors a process has open; 0 if it has ended."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def _percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


def compare(arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """All contenders on both kinds of programs."""
    workers = arguments.workers
    at_once = workers * PROGRAMS_PER_WORKER
    contenders: list[Any] = [FreshInterpreter(at_once), BareFork(at_once)]
    contenders += [
        Ours(isolation, workers) for isolation in ISOLATED if probe_level(isolation).works
    ]
    found: dict[str, Any] = {}
    for kind, text in (("plain", PLAIN), ("numpy and pandas", SCIENCE)):
        programs = []
        for number in range(arguments.programs):
            path = directory / f"{kind.split()[0]}-{number}.py"
            path.write_text(text.format(n=number + 10))
            programs.append(path)
        rates: dict[str, list[float]] = {each.name: [] for each in contenders}
        times: dict[str, list[float]] = {each.name: [] for each in contenders}
        spent: dict[str, list[float]] = {each.name: [] for each in contenders}
        for number in range(arguments.rounds):
            for each in contenders:
                # A fresh interpreter that imports pandas takes a second, so it runs a tenth.
                share = programs if each.name != "fresh interpreter" else programs[::10]
                began = time.perf_counter()
                used = _cpu(each.processes())
                took = each.run(share)
                spent[each.name].append((_cpu(each.processes()) - used) / len(share))
                rates[each.name].append(len(share) / (time.perf_counter() - began))
                times[each.name] += took
                print(f"  {kind}, round {number + 1}: {each.name} {rates[each.name][-1]:.1f}/s")
        fork = rates["bare fork"]
        fresh = rates["fresh interpreter"]
        found[kind] = {
            name: {
                "programs_per_second": round(statistics.median(mine), 1),
                "times_fresh_interpreter": round(
                    statistics.median(a / b for a, b in zip(mine, fresh, strict=True)), 2
                ),
                "share_of_bare_fork": round(
                    statistics.median(a / b for a, b in zip(mine, fork, strict=True)), 3
                ),
                "cpu_ms_per_program": round(1000 * statistics.median(spent[name]), 2),
                "cpu_times_bare_fork": round(
                    statistics.median(spent[name]) / statistics.median(spent["bare fork"]), 3
                ),
                "latency_p50_ms": round(1000 * _percentile(times[name], 50), 1),
                "latency_p99_ms": round(1000 * _percentile(times[name], 99), 1),
            }
            for name, mine in rates.items()
        }
    memory = {each.name: round(_memory(each.processes()) / 2**20, 1) for each in contenders}
    for each in contenders:
        each.close()
    return {"kinds": found, "warm_memory_mib": memory}


def soak(arguments: argparse.Namespace) -> dict[str, Any]:
    """Many programs in a row, with what grows meanwhile."""
    process = psutil.Process()
    samples = []
    text = [PLAIN, SCIENCE, "import os; os._exit(0)", "1 / 0", "open('f', 'w').write('x' * 9999)"]
    with open_sandbox(workers=arguments.workers) as sandbox:
        isolation = sandbox.isolation.value
        limits = Limits()
        jobs = (
            (Program(source=text[number % len(text)].format(n=number % 50 + 3)), limits)
            for number in range(arguments.soak)
        )
        began = time.perf_counter()
        every = max(1, arguments.soak // 10)
        for done, _ in enumerate(sandbox.run_many(jobs), start=1):
            if done % every == 0:
                helpers = _children()
                samples.append(
                    {
                        "programs": done,
                        "own_rss_mib": round(process.memory_info().rss / 2**20, 1),
                        "own_descriptors": process.num_fds(),
                        "processes": len(helpers),
                        "servers_pss_mib": round(_memory(helpers) / 2**20, 1),
                        "server_descriptors": sum(_descriptors(pid) for pid in helpers),
                    }
                )
                print(" ", samples[-1])
        seconds = time.perf_counter() - began
    return {
        "rung": isolation,
        "programs": arguments.soak,
        "programs_per_second": round(arguments.soak / seconds, 1),
        "samples": samples,
        "processes_left": len(_children()),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=200, help="of each kind, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--soak", type=int, default=0, help="run so many programs in a row")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "workers": arguments.workers,
        "as_root": os.geteuid() == 0,
    }
    if arguments.soak:
        report["soak"] = soak(arguments)
    else:
        with tempfile.TemporaryDirectory() as directory:
            report |= compare(arguments, Path(directory))
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
