"""A million samples are reported within a minute of processor time and 2 GB."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.make_runs import sample, step, write_run

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

PROGRAM = "# Import libraries.\n\nimport numpy as np\n\n" + "# Add.\nx = sum([1, 2, 3])\n\n" * 12

MEASURED = """
import resource, sys
from pathlib import Path
from multiturn.apps.cli.main import run
assert run(["report", sys.argv[1], "--out", sys.argv[2]]) == 0
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which also counts the parent, up to the fork.
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(used.ru_utime + used.ru_stime, peak)
"""


def write_many(place: Path, samples: int) -> None:
    """Runs of five arms and two models, with 200 problems of 5 cases each."""
    draw = random.Random(0)
    steps = [step(text=PROGRAM, new_tokens=120)] * 3
    per_item = max(1, samples // 10_000)
    for model in ("small-1b", "large-7b"):
        for arm in ("turns", "concat", "listed", "prose", "shuffled"):
            run = place / model / arm
            write_run(
                run, [], model=model, arm=arm, expected=1000, sampling={"n": per_item},
            )  # fmt: skip
            with (run / "samples.jsonl").open("w") as file:
                for problem in range(200):
                    for case in range(5):
                        lines = [
                            json.dumps(
                                sample(
                                    f"p{problem}", case, passed=passed, steps=steps, program=PROGRAM
                                )
                            ).replace('"sample": 0', '"sample": %d')
                            for passed in (False, True)
                        ]
                        share = draw.random()
                        for number in range(per_item):
                            file.write(lines[draw.random() < share] % number + "\n")


def measured(place: Path, out: Path) -> tuple[float, float]:
    """Seconds of processor time and bytes of memory of a report, all of its start included."""
    command = [sys.executable, "-c", MEASURED, str(place), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kibibytes = done.stdout.splitlines()[-1].split()
    return float(seconds), float(kibibytes) * 1024


@pytest.mark.real
def test_memory_does_not_grow_with_programs(tmp_path: Path) -> None:
    write_many(tmp_path / "runs", 20_000)
    _, memory = measured(tmp_path / "runs", tmp_path / "out")
    assert memory < 500e6


@pytest.mark.slow
def test_a_million_samples(tmp_path: Path) -> None:
    write_many(tmp_path / "runs", 1_000_000)
    seconds, memory = measured(tmp_path / "runs", tmp_path / "out")
    assert seconds < 60
    assert memory < 2e9
