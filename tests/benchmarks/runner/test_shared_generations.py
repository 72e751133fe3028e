"""Runs that share a file of generations have the same samples, and ask the engine less."""

from __future__ import annotations

import json
import multiprocessing
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from runner_toy import ToyTask, answer, toy_spec

from multiturn.benchmarks.runner.costs import run_costs
from multiturn.benchmarks.runner.directory import COMPLETE, SITTINGS
from multiturn.benchmarks.runner.results import read_run
from multiturn.benchmarks.runner.run import run_specs
from multiturn.benchmarks.runner.shared_generations import SharedGenerations
from multiturn.core.errors import InputError, StorageError
from multiturn.engines.protocol import Event, Request, generate
from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.fake import FakeSandbox
from multiturn.text.truncation import AnyOf, FenceEnd, StopStrings


class CountingEngine(ScriptedEngine):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(answer)
        self.asked = 0

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        self.asked += 1
        return super().stream(request, cancel=cancel)


def info(**changes: Any) -> Any:
    return replace(ScriptedEngine(answer).info, weights_sha256="ab" * 32, **changes)


def run(place: Path, file: Path | None, task: ToyTask | None = None) -> tuple[bytes, int]:
    """The samples of a run, and how often the engine was asked."""
    engine = CountingEngine()
    sandbox = FakeSandbox(lambda program: FakeSandbox.printed("3\n", value=42))
    shared = None if file is None else SharedGenerations(file, info())
    run_specs([toy_spec(place, engine, sandbox, task)], engine, sandbox, shared=shared)
    if shared is not None:
        shared.close()
    return (place / COMPLETE).read_bytes(), engine.asked


def test_the_second_run_asks_for_nothing_and_has_the_same_samples(tmp_path: Path) -> None:
    alone, asked = run(tmp_path / "alone", None)
    file = tmp_path / "more" / "generations.sqlite"
    first = run(tmp_path / "first", file)
    second = run(tmp_path / "second", file)
    assert first == (alone, asked)
    assert second == (alone, 0)
    (line,) = (tmp_path / "second" / SITTINGS).read_text().splitlines()
    assert json.loads(line)["reused"] == asked
    costs = [run_costs(read_run(tmp_path / name)) for name in ("first", "second")]
    assert costs[0].new_tokens == costs[1].new_tokens
    assert costs[0].seconds is not None and costs[1].seconds is None


def test_runs_that_differ_late_share_their_beginnings(tmp_path: Path) -> None:
    """The arm `feedback` says after each turn what ran; the first turns are those of `turns`."""
    feedback = ToyTask(arm="feedback")
    alone, asked = run(tmp_path / "alone", None, feedback)
    file = tmp_path / "generations.sqlite"
    run(tmp_path / "first", file)
    shared, left = run(tmp_path / "second", file, feedback)
    assert shared == alone
    assert left == asked - 3 * len(feedback.items())  # three samples each


def test_each_field_of_a_request_and_each_model_has_its_own(tmp_path: Path) -> None:
    file = tmp_path / "generations.sqlite"
    base = Request(prompt="# toy/1/1.", n=2, stop=AnyOf((FenceEnd(), StopStrings(("a",)))))
    others = [
        replace(base, prompt="# toy/1/2."),
        replace(base, n=3),
        replace(base, temperature=0.3),
        replace(base, first_temperature=0.3),
        replace(base, top_p=0.9),
        replace(base, top_k=5),
        replace(base, max_tokens=7),
        replace(base, seed=1),
        replace(base, parse_special=True),
        replace(base, logprobs=True),
        replace(base, logit_bias=((1, 1.0),)),
        replace(base, stop=FenceEnd()),
        replace(base, stop=AnyOf((FenceEnd(), StopStrings(("b",))))),
        replace(base, stop=AnyOf((FenceEnd(), StopStrings(("a", "b"))))),
    ]
    engine = ScriptedEngine(answer)
    with SharedGenerations(file, info()) as shared:
        shared.store(base, generate(engine, base))
        assert shared.find(replace(base, session="another")) is not None
        assert [shared.find(other) for other in others] == [None] * len(others)
    for changed in (info(context_window=99), info(engine="another 1"), info(model="another")):
        with SharedGenerations(file, changed) as shared:
            assert (shared.find(base) is None) == (changed.model == info().model)


def test_a_model_of_unknown_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weights is unknown"):
        SharedGenerations(tmp_path / "generations", replace(info(), weights_sha256=None))


@pytest.mark.parametrize("content", [b"not a database" * 100, b"{}"])
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "generations"
    file.write_bytes(content)
    with pytest.raises(StorageError, match="cannot hold generations"):
        SharedGenerations(file, info())
    assert file.read_bytes() == content


def test_a_damaged_line_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "generations"
    request = Request(prompt="# toy/1/1.")
    with SharedGenerations(file, info()) as shared:
        shared.store(request, generate(ScriptedEngine(answer), request))
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE generations SET completions = '[{}]'")
    raw.close()
    with (
        SharedGenerations(file, info()) as shared,
        pytest.raises(StorageError, match="new file"),
    ):
        shared.find(request)


@dataclass(frozen=True)
class Unwritable:
    """A stop rule with a part that JSON cannot hold."""

    part: Any
    lookahead: int = 0

    def find(self, text: str) -> None:
        return None


def test_a_rule_that_cannot_be_named_in_full_is_not_shared(tmp_path: Path) -> None:
    with SharedGenerations(tmp_path / "generations", info()) as shared:
        for part, is_shared in ((object(), False), ({1, 2}, False), (re.compile("a+"), True)):
            request = Request(prompt="# toy/1/1.", stop=Unwritable(part))
            shared.store(request, generate(ScriptedEngine(answer), request))
            assert (shared.find(request) is not None) == is_shared
        # The text of a pattern's `repr` is cut after 200 characters.
        long = replace(request, stop=Unwritable(re.compile("a" * 300)))
        shared.store(long, generate(ScriptedEngine(answer), long))
        assert shared.find(replace(long, stop=Unwritable(re.compile("a" * 299 + "b")))) is None


def _fill(file: Path, first: int) -> None:
    with SharedGenerations(file, info()) as shared:
        for number in range(first, first + 40):
            request = Request(prompt=f"# toy/1/{number}.")
            shared.store(request, generate(ScriptedEngine(answer), request))


def test_several_processes_may_share_the_file(tmp_path: Path) -> None:
    file = tmp_path / "generations"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fill, args=(file, 20 * each)) for each in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with SharedGenerations(file, info()) as shared:
        found = [shared.find(Request(prompt=f"# toy/1/{number}.")) for number in range(80)]
    assert all(found)
