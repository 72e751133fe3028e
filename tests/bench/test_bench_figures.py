"""What the benchmarks compute from what they measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real


@pytest.fixture
def model(tmp_path: Path) -> Any:
    from peers.jobs import Model

    return Model(
        name="m", directory=tmp_path, gguf=tmp_path, parameters=10**6, matrix=(8, 16),
        vocab_size=10, context=64,
    )  # fmt: skip


def test_decoding_is_bound_by_memory_for_one_and_by_products_for_many(model: Any) -> None:
    import decode

    measured = {
        "bytes_read_per_second": 4e9,
        "operations_per_second": {"float32": 2e10, "bfloat16": 8e10},
    }
    one = decode.bounds(model, 1, measured)
    assert one == {
        "float32": pytest.approx(1000), "bfloat16": pytest.approx(2000), "int8": pytest.approx(4000)
    }  # fmt: skip
    many = decode.bounds(model, 1000, measured)
    # Nothing here multiplies in int8, so that memory alone bounds it.
    assert many == {
        "float32": pytest.approx(1e4), "bfloat16": pytest.approx(4e4), "int8": pytest.approx(4e6)
    }  # fmt: skip


def test_the_table_says_what_failed(model: Any) -> None:
    import decode

    case = {
        "case": "1", "count": 1, "setting": "int8", "load_seconds": 1.0, "peak_bytes": 5e6,
        "jobs": {
            "sampled": {"tokens_per_second": 20.0, "ratio_to_first": 0.5},
            "greedy": {"failed": "no answer within 1 s"},
        },
    }  # fmt: skip
    result = {
        "model": "m",
        "machine": {"processor": "P", "instructions": ["avx2"], "capped_to": "avx2"},
        "bounds": {
            "1": {
                "tokens_per_second": {"float32": 100.0, "bfloat16": 200.0, "int8": 400.0},
                "operations_per_second": {"float32": 1e9, "bfloat16": 1e9},
            }
        },
        "peers": {
            "a": {"title": "A", "cases": [case]},
            "b": {"title": "B", "failed": "not installed: b"},
        },
    }
    text = decode.table(result)
    assert "| A: int8 | 20.0 (0.50) | failed | 1.0 | 5 |" in text
    assert "| B | not installed: b |" in text


def test_reading_is_counted_by_the_prompts(model: Any) -> None:
    import prefill
    from peers.jobs import Job

    job = Job(prompts=[[1] * 30, [2] * 10], new_tokens=1, sample=False)
    assert prefill.read_per_second(job, [1, 1], 2.0) == 20.0


def test_numbers_are_refused_in_one_line() -> None:
    import argparse

    from peers.options import numbers

    assert numbers("1,16") == [1, 16]
    for text in ("", "a", "0", "1,,2", "1.5"):
        with pytest.raises(argparse.ArgumentTypeError, match="allowed: whole numbers"):
            numbers(text)


def test_bounds_are_measured_here() -> None:
    from peers.bounds import measure

    found = measure(4, 64, 128, 1)
    assert found["bytes_read_per_second"] > 1e8
    assert found["operations_per_second"]["float32"] > 1e7


def test_a_part_on_an_accelerator_that_takes_too_long_is_recorded() -> None:
    import gpu

    record = gpu._run_part("parity", True, 1)
    assert record["failed"] == "not done within 1 s"


def test_a_part_that_fails_leaves_the_rest(
    tmp_path: Path, bench_importable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "nowhere")
    out = tmp_path / "gpu.json"
    command = [sys.executable, str(bench_importable / "gpu.py"), "--small", "--out", str(out)]
    done = subprocess.run(
        [*command, "--parts", "bounds,prefill"], capture_output=True, text=True, timeout=200
    )
    result = json.loads(out.read_text())
    assert done.returncode == 1
    assert set(result["parts"]) == {"bounds", "prefill"}
    assert all("nowhere" in part["failed"] for part in result["parts"].values())


@pytest.mark.slow
def test_the_accelerator_suite_runs_on_a_cpu(tmp_path: Path, bench_importable: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, str(bench_importable / "gpu.py"), "--small", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=590)
    result = json.loads(out.read_text())
    assert done.returncode == 0, result
    assert set(result["parts"]) == {"bounds", "parity", "decode", "prefill", "train"}
    assert all(found["agrees"] for found in result["parts"]["parity"]["results"][1:])
    assert all(
        found["share_of_memory_bound"] > 0 for found in result["parts"]["decode"]["results"][1:]
    )
