"""Whole runs in this process: what comes out, and what happens when something fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from runner_toy import ToyTask, answer, toy_engine, toy_spec

from multiturn.benchmarks.runner.config import SampleSettings, Selection
from multiturn.benchmarks.runner.directory import (
    COMPLETE,
    CONFIG,
    PARTIAL,
    SITTINGS,
    BenchmarkDirectory,
)
from multiturn.benchmarks.runner.generation import OUT_OF_WINDOW, RETRIES
from multiturn.benchmarks.runner.progress import BenchmarkProgress
from multiturn.benchmarks.runner.results import read_run
from multiturn.benchmarks.runner.run import Concurrency, run_specs
from multiturn.benchmarks.runner.run_spec import pending_samples, sample_keys
from multiturn.benchmarks.runner.samples import SampleKey, sample_of, to_line
from multiturn.benchmarks.runner.seeds import generation_seed
from multiturn.benchmarks.solver import run_solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import (
    ContextOverflowError,
    EngineError,
    InputError,
    RetriesExhaustedError,
    SandboxUnavailableError,
)
from multiturn.engines.protocol import Event, Request, generate
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.fake import FakeSandbox
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Program, Sandbox

pytestmark = pytest.mark.real


def fake_sandbox(answers: Any = None) -> FakeSandbox:
    """A sandbox that prints 3, whatever it is given; the runner's own check gives 42."""
    return FakeSandbox(answers or (lambda program: FakeSandbox.printed("3\n", value=42)))


def bytes_of(place: Path) -> bytes:
    return (place / COMPLETE).read_bytes()


@pytest.fixture
def expected(tmp_path) -> bytes:
    """The complete file of the toy's run in the fake sandbox, made in one go."""
    with toy_engine() as engine:
        sandbox = fake_sandbox()
        run_specs([toy_spec(tmp_path / "expected", engine, sandbox)], engine, sandbox)
    return bytes_of(tmp_path / "expected")


def by_hand(task: ToyTask, sandbox: Sandbox, sampling: SampleSettings) -> bytes:
    """The same samples by the plainest loop: one after the other."""
    lines = []
    engine = toy_engine()
    for item in task.items():
        for number in range(sampling.n):
            asked = 0

            def reply(action: Any, item: Any = item, number: int = number) -> Any:
                nonlocal asked
                if not hasattr(action, "prompt"):
                    return sandbox.run(Program(source=action.source, seed=0))
                seed = generation_seed(sampling.seed, item.id, number, asked)
                asked += 1
                request = Request(
                    prompt=action.prompt,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_tokens=action.max_tokens,
                    stop=action.stop,
                    seed=seed,
                )
                return generate(engine, request)[0]

            solution = run_solver(task.solver(item, ArmSettings()), reply)
            verdicts = task.judge(item, solution.program, sandbox)
            lines.append(to_line(sample_of(item, number, solution, verdicts)))
    return "".join(lines).encode()


@pytest.mark.parametrize("arm", ["turns", "feedback"])
@pytest.mark.parametrize("in_flight", [1, 3, 16])
def test_the_same_bytes_as_a_plain_loop(tmp_path, real_sandbox, arm, in_flight):
    task = ToyTask(problems=3, arm=arm)
    with toy_engine() as engine:
        spec = toy_spec(tmp_path, engine, real_sandbox, task, n=2)
        invocation = run_specs(
            [spec], engine, real_sandbox, concurrency=Concurrency(in_flight=in_flight)
        )
    assert invocation.complete
    assert (invocation.new, invocation.total) == (12, 12)
    saved = bytes_of(tmp_path)
    assert saved == by_hand(task, real_sandbox, spec.config.sampling)
    judgements = {sample.verdicts["strict"].judgement for sample in read_run(tmp_path).samples}
    assert len(judgements) > 1


def test_it_does_not_matter_which_cells_run_together(tmp_path):
    sandbox = fake_sandbox()
    temperatures = (0.2, 0.8)
    with toy_engine() as engine:
        together = [
            toy_spec(tmp_path / f"{t}", engine, sandbox, label=f"{t}", temperature=t)
            for t in temperatures
        ]
        invocation = run_specs(together, engine, sandbox)
        assert invocation.total == 72
        for t in temperatures:
            alone = toy_spec(tmp_path / f"alone{t}", engine, sandbox, temperature=t)
            run_specs([alone], engine, sandbox)
            assert bytes_of(tmp_path / f"alone{t}") == bytes_of(tmp_path / f"{t}")


def test_seeds_depend_on_what_is_asked_alone():
    assert generation_seed(1, "a", 0, 0) == generation_seed(1, "a", 0, 0)
    seeds = {
        generation_seed(run, item, sample, ask)
        for run in range(3)
        for item in ("a", "a/1", "b")
        for sample in range(5)
        for ask in range(5)
    }
    assert len(seeds) == 3 * 3 * 5 * 5
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_run_that_is_complete_is_not_made_again(tmp_path, expected):
    sandbox = fake_sandbox()
    with toy_engine() as engine:
        spec = toy_spec(tmp_path / "expected", engine, sandbox)
        invocation = run_specs([spec], engine, sandbox)
    assert (invocation.new, invocation.done, invocation.complete) == (0, 36, True)
    assert bytes_of(tmp_path / "expected") == expected
    assert len((tmp_path / "expected" / SITTINGS).read_text().splitlines()) == 1


def test_cancelled_it_keeps_what_is_done_and_goes_on(tmp_path, expected):
    cancel = Flag()
    seen: list[BenchmarkProgress] = []

    def listen(progress: BenchmarkProgress) -> None:
        seen.append(progress)
        if progress.new >= 5:
            cancel.set()

    sandbox = fake_sandbox()
    with toy_engine(seconds_per_token=0.01) as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        invocation = run_specs([spec], engine, sandbox, cancel=cancel, listen=listen)
        assert invocation.cancelled
        assert 5 <= invocation.done < 36
        assert not (tmp_path / "run" / COMPLETE).exists()
        assert len(read_run(tmp_path / "run").samples) == invocation.done
        rest = run_specs([spec], engine, sandbox)
    assert rest.new == 36 - invocation.done
    assert bytes_of(tmp_path / "run") == expected
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    assert seen[-1].rate is not None
    assert seen[-1].seconds_left is not None


class FailingEngine(ScriptedEngine):
    """Fails at some requests, by their number."""

    def __init__(self, fails: Any) -> None:
        super().__init__(answer, settings=ScriptSettings(slots=4))
        self._fails = fails
        self._count = 0
        self._counting = threading.Lock()

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        with self._counting:
            self._count += 1
            count = self._count
        if self._fails(count):
            raise EngineError("the engine broke down")
        return super().stream(request, cancel=cancel)


def test_an_engine_that_fails_half_way_stops_the_run_and_no_sample_is_wrong(tmp_path, expected):
    sandbox = fake_sandbox()
    with FailingEngine(lambda count: count > 40) as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        with pytest.raises(EngineError) as stopped:
            run_specs([spec], engine, sandbox)
    message = str(stopped.value)
    assert "of 36 samples saved: the engine broke down" in message
    assert "same command" in message
    saved = len(read_run(tmp_path / "run").samples)
    assert 0 < saved < 36
    assert f"with {saved} of" in message
    with toy_engine() as engine:
        run_specs([toy_spec(tmp_path / "run", engine, sandbox)], engine, sandbox)
    assert bytes_of(tmp_path / "run") == expected


def test_an_engine_that_fails_for_a_moment_is_asked_again(tmp_path, expected):
    sandbox = fake_sandbox()
    with FailingEngine(lambda count: count % 10 == 0) as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        assert run_specs([spec], engine, sandbox).complete
    assert bytes_of(tmp_path / "run") == expected


def test_an_engine_that_has_used_up_its_own_retries_is_not_asked_again(tmp_path):
    class Exhausted(ScriptedEngine):
        requests = 0

        def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
            type(self).requests += 1
            raise RetriesExhaustedError("no server answered in 8 attempts")

    sandbox = fake_sandbox()
    with Exhausted(answer, settings=ScriptSettings(slots=1)) as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        with pytest.raises(EngineError, match="8 attempts"):
            run_specs([spec], engine, sandbox, concurrency=Concurrency(in_flight=1))
    assert Exhausted.requests == 1


def test_a_sandbox_that_dies_stops_the_run_and_no_sample_is_wrong(tmp_path, expected):
    judged = 0

    def dying(program: Program) -> RunResult | Exception:
        nonlocal judged
        judged += 1
        if judged > 20:
            return SandboxUnavailableError("the sandbox died", fix="revive it")
        return FakeSandbox.printed("3\n", value=42)

    sandbox = fake_sandbox(dying)
    with toy_engine() as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        with pytest.raises(SandboxUnavailableError, match=r"saved: the sandbox died; fix: revive"):
            run_specs([spec], engine, sandbox)
        samples = read_run(tmp_path / "run").samples
        assert len(samples) <= 20
        run_specs([toy_spec(tmp_path / "run", engine, fake_sandbox())], engine, fake_sandbox())
    assert bytes_of(tmp_path / "run") == expected


def test_a_sandbox_that_cannot_run_is_found_before_anything_is_written(tmp_path):
    sandbox = fake_sandbox([SandboxUnavailableError("no isolation here")])
    with FailingEngine(lambda count: True) as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        with pytest.raises(SandboxUnavailableError, match="no isolation"):
            run_specs([spec], engine, sandbox)
    assert not (tmp_path / "run").exists()


def test_a_package_that_programs_import_and_do_not_find_is_found_before(tmp_path, real_sandbox):
    class Importing(ToyTask):
        def solver(self, item: Any, settings: ArmSettings) -> Any:
            solution = yield from super().solver(item, settings)
            return replace(
                solution, program="# Import.\n\nimport no_such_package as n\n\n# Do it.\n"
            )

    with FailingEngine(lambda count: True) as engine:
        spec = toy_spec(tmp_path / "run", engine, real_sandbox, Importing())
        with pytest.raises(SandboxUnavailableError, match=r"no_such_package.*multiturn.science"):
            run_specs([spec], engine, real_sandbox)
    assert not (tmp_path / "run").exists()


def test_a_prompt_that_does_not_fit_is_named_before_anything_is_written(tmp_path):
    sandbox = fake_sandbox()
    with toy_engine(window=60) as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        with pytest.raises(ContextOverflowError, match=r"a prompt of toy/\d/0 takes \d+ tokens"):
            run_specs([spec], engine, sandbox)
    assert not (tmp_path / "run").exists()


def test_a_dialogue_that_outgrows_the_window_says_so(tmp_path):
    """What is written fills the window: the rest of it is used, and no sample is lost."""
    sandbox = fake_sandbox()
    engine = ScriptedEngine(
        lambda request, index: "a " * 100, settings=ScriptSettings(slots=2, context_window=125)
    )
    with engine:
        spec = toy_spec(tmp_path, engine, sandbox, settings=ArmSettings(max_new_tokens=50))
        assert run_specs([spec], engine, sandbox).complete
    steps = [sample.steps for sample in read_run(tmp_path).samples if len(sample.steps) == 4]
    for first, _, third, last in steps:
        assert (first.cut_by, first.new_tokens) == (None, 50)
        assert third.cut_by == last.cut_by == OUT_OF_WINDOW
        assert third.new_tokens < 50
        assert (last.text, last.new_tokens) == ("", 0)


def test_a_fault_of_the_benchmark_itself_is_not_dressed_up(tmp_path):
    class Broken(ToyTask):
        def judge(self, item: Any, program: str, sandbox: Sandbox) -> Any:
            raise ZeroDivisionError("a bug")

    sandbox = fake_sandbox()
    with toy_engine() as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox, Broken())
        with pytest.raises(ZeroDivisionError, match="a bug"):
            run_specs([spec], engine, sandbox)
        assert run_specs([toy_spec(tmp_path / "run", engine, sandbox)], engine, sandbox).complete


def test_a_fault_of_writing_stops_the_run(tmp_path, monkeypatch):
    sandbox = fake_sandbox()

    def full(self: BenchmarkDirectory, samples: Any) -> None:
        raise InputError("the disk is no disk")

    with toy_engine(seconds_per_token=0.002) as engine:
        spec = toy_spec(tmp_path / "run", engine, sandbox)
        monkeypatch.setattr(BenchmarkDirectory, "append", full)
        before = set(threading.enumerate())
        with pytest.raises(InputError, match="no disk"):
            run_specs([spec], engine, sandbox)
        assert set(threading.enumerate()) <= before
        monkeypatch.undo()
        assert run_specs([spec], engine, sandbox).complete


def test_back_pressure_where_programs_take_longer_than_texts(tmp_path):
    """Leaders wait for judges: what is written and not judged stays bounded."""
    most = waiting = 0
    lock = threading.Lock()

    class Slow(ToyTask):
        def solver(self, item: Any, settings: ArmSettings) -> Any:
            nonlocal most, waiting
            solution = yield from super().solver(item, settings)
            with lock:
                waiting += 1
                most = max(most, waiting)
            return solution

        def judge(self, item: Any, program: str, sandbox: Sandbox) -> Any:
            nonlocal waiting
            time.sleep(0.01)
            with lock:
                waiting -= 1
            return super().judge(item, program, sandbox)

    sandbox = fake_sandbox()
    with toy_engine() as engine:
        task = Slow(problems=10)
        spec = toy_spec(tmp_path, engine, sandbox, task, n=5)
        waiting = -len(task.items())  # the check before the run leads each dialogue once
        run_specs([spec], engine, sandbox, concurrency=Concurrency(in_flight=4, judges=2))
    assert waiting == 0
    assert most <= 4 + (2 * 2 + 4) + 2  # with leaders, in the queue, with judges


def test_long_problems_first_and_samples_of_one_prompt_together(tmp_path):
    sandbox = fake_sandbox()
    spec = toy_spec(tmp_path, toy_engine(), sandbox, n=2)
    keys = sample_keys(spec)
    with BenchmarkDirectory.open(tmp_path, spec.config, keys) as directory:
        pending = list(pending_samples(spec, directory))
    assert [pending.item.turns for pending in pending] == sorted(
        (pending.item.turns for pending in pending), key=lambda turns: -(turns or 0)
    )
    assert [pending.key for pending in pending[:5]] == [
        SampleKey("toy/2/0", 0),
        SampleKey("toy/2/0", 1),
        SampleKey("toy/2/1", 0),
        SampleKey("toy/2/1", 1),
        SampleKey("toy/5/0", 0),
    ]
    assert sorted(pending.key for pending in pending) == sorted(keys)


def test_selecting_items():
    items = ToyTask().items()
    assert [item.id for item in Selection(cases=1, limit=2).of(items)] == ["toy/0/0", "toy/1/0"]
    assert [item.id for item in Selection(problems=("toy/4",)).of(items)] == ["toy/4/0", "toy/4/1"]
    assert Selection().of(items) == tuple(items)
    with pytest.raises(InputError, match="no such problem: got 'toy/9'"):
        Selection(problems=("toy/9",)).of(items)
    with pytest.raises(InputError, match="no item"):
        Selection().of([])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "n is out of range"),
        ({"temperature": -1.0}, "temperature is out of range"),
        ({"top_p": 0.0}, "top_p is out of range"),
        ({"seed": -1}, "seed is out of range"),
        ({"temperature": 0.0, "n": 2}, "all samples of an item are the same"),
    ],
)
def test_settings_that_make_no_sense(wrong, message):
    with pytest.raises(InputError, match=message):
        SampleSettings(**wrong)


def test_the_record_of_a_run_names_what_made_it(tmp_path):
    sandbox = fake_sandbox()
    with toy_engine() as engine:
        run_specs([toy_spec(tmp_path, engine, sandbox)], engine, sandbox)
    record = json.loads((tmp_path / CONFIG).read_text())
    assert record["schema"] == "multiturn.bench/1"
    assert record["rung"] == "fake"
    assert record["items"] == 12
    assert {"python", "multiturn"} <= record["versions"].keys()
    assert not (tmp_path / PARTIAL).exists()
    (invocation,) = map(json.loads, (tmp_path / SITTINGS).read_text().splitlines())
    assert invocation["new"] == 36
    assert invocation["effort"] == {"in_flight": 8, "judges": 4}
    assert invocation["fill"]["requests"] == 3 * 2 * 2 * (2 + 3 + 4)
    assert RETRIES.first_wait < 1
