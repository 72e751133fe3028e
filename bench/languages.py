"""A program of each language, built and run by the plain tool and by the sandbox, in one run.

    python bench/languages.py --out bench/results/languages.json
    python bench/languages.py --languages c javascript --rounds 5

Both use the same command lines. They take turns, and a ratio is of one round, so that other work on
the machine meets both; each program differs from those before it, so that no cache has it. The
plain tool has this account's environment and its caches. CPU time, of all processes together,
hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from peers.machine import describe_machine, machine_line

from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.languages import LANGUAGES, Language

_REAP_SECONDS = 30.0

LIMITS = Limits(cpu_seconds=20, wall_seconds=600)

HELLO = {
    "javascript": 'console.log("hello", {n});\n',
    "java": "public class Main {{\n    public static void main(String[] args) {{\n"
    '        System.out.println("hello " + {n});\n    }}\n}}\n',
    "c": '#include <stdio.h>\n\nint main(void) {{\n    printf("hello %d\\n", {n});\n'
    "    return 0;\n}}\n",
    "cpp": '#include <iostream>\n\nint main() {{\n    std::cout << "hello " << {n} << std::endl;\n'
    "}}\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {{\n\tfmt.Println("hello", {n})\n}}\n',
}
"""What people write first."""

LARGER = {
    "cpp": LANGUAGES["cpp"].header + "int main() {{\n    vector<int> values = {{3, 1, {n}}};\n"
    "    sort(values.begin(), values.end());\n    map<string, int> counts;\n"
    '    counts["hello"] = values.back();\n'
    '    for (auto& [key, value] : counts) cout << key << " " << value << endl;\n}}\n',
}
"""With the header of this project, which steps are written below."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What building and running one program took, in seconds."""

    wall: float
    cpu: float


def plain(entry: Language, source: str, said: str) -> Taken:
    """Build and run a program with the plain tool.

    Raises:
        RuntimeError: it did not print what it should.
    """
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / entry.file_name).write_text(source)
        run = [part.format(memory_mib=LIMITS.memory_bytes >> 20) for part in entry.run_command]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        if entry.compile_command:
            subprocess.run(entry.compile_command, cwd=directory, check=True)
        done = subprocess.run(run, cwd=directory, check=True, capture_output=True, text=True)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.stdout.strip() != said:
        raise RuntimeError(f"{entry.name} printed {done.stdout!r}, not {said!r}")
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def isolated(sandbox: Sandbox, servers: Sequence[int], key: str, source: str, said: str) -> Taken:
    """Build and run a program in the sandbox.

    Raises:
        RuntimeError: it did not print what it should.
    """
    before = _own_cpu() + _cpu(servers)
    began = time.perf_counter()
    result = sandbox.run(Program(source=source, language=key), LIMITS)
    wall = time.perf_counter() - began
    own = _own_cpu()
    if result.stdout_text.strip() != said:
        raise RuntimeError(f"{key} in the sandbox: {result.outcome.describe()}")
    # The CPU time of a process is its server's once that has reaped it, which is after the result.
    deadline = time.monotonic() + _REAP_SECONDS
    while _children() - set(servers) and time.monotonic() < deadline:
        time.sleep(0.002)
    return Taken(wall, own + _cpu(servers) - before)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _own_cpu() -> float:
    """CPU seconds of this process, without its children."""
    return time.process_time()


def _cpu(servers: Sequence[int]) -> float:
    """CPU seconds of the servers, with the children that have ended."""
    total = 0.0
    for pid in servers:
        times = psutil.Process(pid).cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def compare(key: str, source: str, level: IsolationLevel | None, rounds: int) -> dict[str, Any]:
    """One program of one language, in rounds.

    Args:
        key: the language.
        source: a template; ``{n}`` makes each program differ from the others.
        level: of the isolation; by default the best one here.
        rounds: how many; one more goes before them, in which caches and servers become warm.
    """
    entry = LANGUAGES[key]
    pairs = []
    earlier = _children()
    with open_sandbox(isolation=level, workers=1) as sandbox:
        began = time.perf_counter()
        sandbox.warm_languages()  # type: ignore[attr-defined]
        warm_up = time.perf_counter() - began
        # With those that serve Python programs, which the probe has started.
        servers = sorted(_children() - earlier)
        for number in range(rounds + 1):
            # Numbers of one length, which no program had before.
            seed = 10**9 + time.time_ns() % 10**9
            text, said = source.format(n=seed), f"hello {seed}"
            # Whoever goes first meets the disk's cache as the other left it.
            if number % 2:
                theirs, ours = plain(entry, text, said), None
                ours = isolated(sandbox, servers, key, text, said)
            else:
                ours = isolated(sandbox, servers, key, text, said)
                theirs = plain(entry, text, said)
            if number:
                pairs.append((theirs, ours))
        isolation = sandbox.isolation.value
    theirs_cpu = statistics.mean(theirs.cpu for theirs, _ in pairs)
    ours_cpu = statistics.mean(ours.cpu for _, ours in pairs)
    return {
        "rung": isolation,
        "rounds": rounds,
        "start_of_server_s": round(warm_up, 3),
        "plain_ms": _median(1000 * theirs.wall for theirs, _ in pairs),
        "sandbox_ms": _median(1000 * ours.wall for _, ours in pairs),
        "ratio": _median(ours.wall / theirs.wall for theirs, ours in pairs),
        "ratios": [round(ours.wall / theirs.wall, 3) for theirs, ours in pairs],
        # Means: the clock that shows a server's CPU time ticks in hundredths of a second.
        "plain_cpu_ms": round(1000 * theirs_cpu, 3),
        "sandbox_cpu_ms": round(1000 * ours_cpu, 3),
        "cpu_ratio": round(ours_cpu / theirs_cpu, 3),
    }


def _median(values: Any) -> float:
    return round(statistics.median(values), 3)


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = [each.language.key for each in available_languages() if each.works]
    parser.add_argument("--languages", nargs="+", default=[key for key in HELLO if key in here])
    parser.add_argument("--level", choices=[each.name for each in IsolationLevel])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    level = IsolationLevel[options.level] if options.level else None
    result: dict[str, Any] = {
        "schema": "multiturn.bench-languages/1",
        "machine": describe_machine(),
        "programs": {},
    }
    print(machine_line(result["machine"]))
    for name, sources in (("hello", HELLO), ("with the header", LARGER)):
        for key in options.languages:
            if key not in sources:
                continue
            found = compare(key, sources[key], level, options.rounds)
            result["programs"].setdefault(name, {})[key] = found
            print(
                f"{LANGUAGES[key].name:10} {name:15} plain {found['plain_ms']:8.1f} ms, sandbox "
                f"{found['sandbox_ms']:8.1f} ms, {found['ratio']:.2f} times; CPU "
                f"{found['plain_cpu_ms']:7.1f} and {found['sandbox_cpu_ms']:7.1f} ms, "
                f"{found['cpu_ratio']:.2f} times",
                flush=True,
            )
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
