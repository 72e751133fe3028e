"""Freed memory that a run keeps: when it does, and that the next allocation touches no new page."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.recipes import load_recipe
from multiturn.jaxformer.run import retained_memory
from multiturn.jaxformer.run.retained_memory import memory_of_run, retain_memory

GIB = 2**30

_FAULTS = """
import resource, sys
from multiturn.core.memory import retain_freed_memory, share_one_heap
if sys.argv[1] == "retain" and not (share_one_heap() and retain_freed_memory()):
    sys.exit("not with this C library")
import numpy as np

def touch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**25, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

touch()
print(touch())
"""


def faults(how: str) -> int:
    child = subprocess.run(
        [sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, timeout=60
    )
    if "not with this C library" in child.stderr:
        pytest.skip("the C library has no mallopt")
    return int(child.stdout)


def test_memory_that_was_freed_is_not_touched_for_the_first_time_again() -> None:
    assert faults("retain") < faults("return") / 2  # with huge pages there are few in both


def test_only_a_run_with_ample_memory_keeps_it(
    tiny: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[bool] = []
    monkeypatch.setattr(retained_memory, "retain_freed_memory", lambda: not done.append(True))
    need = memory_of_run(tiny)
    assert not retain_memory(tiny, need)
    assert not done
    assert retain_memory(tiny, 8 * need)
    assert done == [True]
    monkeypatch.setattr(retained_memory, "available_memory", lambda: None)
    assert not retain_memory(tiny)


def test_the_memory_of_a_run_is_about_what_was_measured(tiny: TrainConfig) -> None:
    """The peaks of docs/results/family.md, with the rest of the process."""
    for name, least, most in (("family-1m:mono", 0.2, 0.9), ("family-10m:mono", 0.8, 2.2)):
        assert least < memory_of_run(load_recipe(name)) / GIB < most
    # A LoRA run of a large model takes more than a laptop has to spare.
    large = replace(tiny, model=replace(tiny.model, layers=24, vocab_size=150_000))
    assert memory_of_run(large) > memory_of_run(tiny)


_ENTRY = """
import sys
from multiturn.apps.cli import main
main.share_one_heap = lambda: print("one heap", flush=True)
main.answering_ctrl_c = None  # its thread would have a heap of its own
sys.argv = ["multiturn", "train", "--help"]
main.entry()
"""


def test_a_training_command_shares_one_heap_before_it_starts_a_thread() -> None:
    child = subprocess.run(
        [sys.executable, "-c", _ENTRY], capture_output=True, text=True, timeout=120
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.startswith("one heap\n")
