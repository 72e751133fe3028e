"""Runs that are extended, and samples that are interrupted in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag

import pytest
from runner_toy import ToyTask, answer, toy_engine, toy_spec

from multiturn.benchmarks.runner.config import Selection
from multiturn.benchmarks.runner.directory import COMPLETE, CONFIG, PARTIAL, TURNS
from multiturn.benchmarks.runner.generation_cache import GenerationCache
from multiturn.benchmarks.runner.progress import BenchmarkProgress
from multiturn.benchmarks.runner.results import read_run
from multiturn.benchmarks.runner.run import Concurrency, Invocation, run_specs
from multiturn.benchmarks.runner.samples import SampleKey
from multiturn.core.errors import EngineError, InputError
from multiturn.engines.protocol import Completion, Engine, Event, FinishReason, Request, Timings
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.protocol import Sandbox

pytestmark = pytest.mark.real


class ObservedEngine(ScriptedEngine):
    """A scripted engine that records its requests, and fails or stops on demand."""

    def __init__(self, *, last: int | None = None, cancel: Flag | None = None) -> None:
        super().__init__(answer, settings=ScriptSettings(slots=1, context_window=8192))
        self.asked: list[Request] = []
        self._last = last
        self._stop = cancel

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        if self._last is not None and len(self.asked) >= self._last:
            if self._stop is not None:
                self._stop.set()
            raise EngineError("the engine broke down")
        self.asked.append(request)
        yield from super().stream(request, cancel=cancel)


def run(
    place: Path,
    sandbox: Sandbox,
    *,
    engine: Engine | None = None,
    task: ToyTask | None = None,
    selection: Selection | None = None,
    cancel: Flag | None = None,
    listen: object = None,
    **sampling: object,
) -> Invocation:
    engine = engine or toy_engine()
    spec = toy_spec(place, engine, sandbox, task, selection=selection, **sampling)
    extra = {"listen": listen} if listen else {}
    return run_specs(
        [spec], engine, sandbox, concurrency=Concurrency(in_flight=1), cancel=cancel, **extra
    )


SMALL = Selection(limit=2, cases=1)
LARGER = {
    "more samples": (SMALL, 4),
    "more problems": (Selection(limit=3, cases=1), 2),
    "more cases": (Selection(limit=2, cases=2), 2),
    "all of it": (Selection(), 5),
    "other words for more": (Selection(problems=("toy/1", "toy/0", "toy/4")), 3),
}


@pytest.mark.parametrize(("selection", "n"), LARGER.values(), ids=LARGER)
def test_a_run_is_extended_to_the_same_bytes_as_if_asked_at_once(
    tmp_path, real_sandbox, selection: Selection, n: int
) -> None:
    run(tmp_path / "at once", real_sandbox, selection=selection, n=n)
    first = run(tmp_path / "bit by bit", real_sandbox, selection=SMALL, n=2)
    said: list[BenchmarkProgress] = []
    second = run(
        tmp_path / "bit by bit", real_sandbox, selection=selection, n=n, listen=said.append
    )
    assert (first.total, second.new) == (4, second.total - 4)
    assert said[0].extended == 4
    for name in (COMPLETE, CONFIG):
        wanted = (tmp_path / "at once" / name).read_bytes()
        assert (tmp_path / "bit by bit" / name).read_bytes() == wanted
    assert not (tmp_path / "bit by bit" / PARTIAL).exists()
    assert read_run(tmp_path / "bit by bit").complete


def test_an_unfinished_run_is_extended_too(tmp_path, real_sandbox) -> None:
    run(tmp_path / "at once", real_sandbox, n=4)
    with pytest.raises(EngineError):
        run(tmp_path / "run", real_sandbox, engine=ObservedEngine(last=9), selection=SMALL, n=4)
    there = len(read_run(tmp_path / "run").samples)
    assert 0 < there < 8
    assert run(tmp_path / "run", real_sandbox, n=4).new == 48 - there
    assert (tmp_path / "run" / COMPLETE).read_bytes() == (
        tmp_path / "at once" / COMPLETE
    ).read_bytes()


def test_less_than_there_is_and_another_run_are_refused(tmp_path, real_sandbox) -> None:
    run(tmp_path, real_sandbox, selection=Selection(limit=2), n=2)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(InputError, match="8 samples, of which 4 are not requested") as error:
        run(tmp_path, real_sandbox, selection=Selection(limit=2, cases=1), n=2)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="not requested"):
        run(tmp_path, real_sandbox, selection=Selection(), n=1)
    with pytest.raises(InputError, match="temperature"):
        run(tmp_path, real_sandbox, n=4, temperature=0.5)
    with pytest.raises(InputError, match="another run"):
        run(tmp_path, real_sandbox, task=ToyTask(problems_sha256="other"), n=4)
    after = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert after == before


@pytest.mark.parametrize("step", ["renamed", "recorded"])
def test_a_kill_while_it_is_extended_loses_nothing(
    tmp_path, real_sandbox, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    run(tmp_path / "at once", real_sandbox, n=2)
    run(tmp_path / "run", real_sandbox, selection=SMALL, n=2)
    complete = (tmp_path / "run" / COMPLETE).read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    name = {
        "renamed": "BenchmarkDirectory._write_config",
        "recorded": "BenchmarkDirectory._recover",
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(f"multiturn.benchmarks.runner.directory.{name}", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run", real_sandbox, n=2)
    if step == "renamed":  # then it is still the smaller run
        assert run(tmp_path / "run", real_sandbox, selection=SMALL, n=2).new == 0
        assert (tmp_path / "run" / COMPLETE).read_bytes() == complete
    assert run(tmp_path / "run", real_sandbox, n=2).new == 20
    assert (tmp_path / "run" / COMPLETE).read_bytes() == (
        tmp_path / "at once" / COMPLETE
    ).read_bytes()


@pytest.mark.parametrize("arm", ["turns", "feedback"])
@pytest.mark.parametrize("last", range(1, 9))
def test_no_finished_turn_is_written_twice(tmp_path, real_sandbox, arm: str, last: int) -> None:
    """Stopped after each turn in turn: what was written is asked for no more."""
    task = ToyTask(problems=3, cases=1, arm=arm)  # 2 + 3 + 4 turns
    complete = ObservedEngine()
    run(tmp_path / "at once", real_sandbox, engine=complete, task=task, n=1)
    first, second = ObservedEngine(last=last, cancel=(cancel := Flag())), ObservedEngine()
    run(tmp_path / "run", real_sandbox, engine=first, task=task, n=1, cancel=cancel)
    assert len(first.asked) == last
    said: list[BenchmarkProgress] = []
    run(tmp_path / "run", real_sandbox, engine=second, task=task, n=1, listen=said.append)
    assert len(second.asked) == 9 - last
    both = sorted((each.prompt, each.seed) for each in [*first.asked, *second.asked])
    assert both == sorted((each.prompt, each.seed) for each in complete.asked)
    assert (tmp_path / "run" / COMPLETE).read_bytes() == (
        tmp_path / "at once" / COMPLETE
    ).read_bytes()
    assert not (tmp_path / "run" / TURNS).exists()
    last_said = said[-1].output
    assert last_said.turns - last_said.cached_turns == 9 - last


class Waiting(ObservedEngine):
    """Writes the second text only after `seen` says that the first was reported."""

    def __init__(self, seen: Flag) -> None:
        super().__init__()
        self._seen = seen

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        if len(self.asked) == 1:
            assert self._seen.wait(300), "no report counts the first text"
        yield from super().stream(request, cancel=cancel)


def test_turns_and_tokens_are_counted_before_a_sample_is_finished(tmp_path, real_sandbox) -> None:
    said: list[BenchmarkProgress] = []
    seen = Flag()

    def listen(progress: BenchmarkProgress) -> None:
        said.append(progress)
        if progress.done == 0 and progress.output.tokens:
            seen.set()

    task = ToyTask(problems=3, cases=1)  # 2 + 3 + 4 turns
    run(tmp_path, real_sandbox, engine=Waiting(seen), task=task, n=1, listen=listen)
    assert seen.is_set() and all(each.all_turns == 9 for each in said)
    tokens = sum(step.new_tokens for sample in read_run(tmp_path).samples for step in sample.steps)
    assert (said[-1].output.turns, said[-1].output.tokens) == (9, tokens)


REQUEST = Request(prompt="x", max_tokens=5, seed=3)


def solution(text: str) -> Completion:
    return Completion(
        index=0, text=text, raw_text=text + "#", cut_by="a", finish_reason=FinishReason.STOP,
        tokens=(1, 2), logprobs=None, text_tokens=1, prompt_tokens=7, cached_tokens=1,
        timings=Timings(0, 0),
    )  # fmt: skip


def test_a_torn_or_foreign_line_is_no_turn(tmp_path: Path) -> None:
    path = tmp_path / TURNS
    turns = GenerationCache(path, lambda key: True)
    for ask in range(3):
        turns.store(SampleKey("a/é", 0), ask, REQUEST, [solution("é\udc80\n")])
    lines = path.read_bytes().splitlines(keepends=True)
    foreign = [
        b"\xff\xfe\n",
        b"{}\n",
        b"[1]\n",
        b"null\n",
        b'{"item": "a", "sample": 0, "ask": 9}\n',
    ]
    changed = json.loads(lines[1]) | {"new_tokens": -1, "ask": 4}
    path.write_bytes(
        lines[0] + b"".join(foreign) + json.dumps(changed).encode() + b"\n" + lines[2][:-1]
    )
    again = GenerationCache(path, lambda key: True)
    assert again.count == 1 and path.read_bytes() == lines[0]
    found = again.find(SampleKey("a/é", 0), 0, REQUEST)
    assert found is not None
    assert [(each.text, len(each.tokens)) for each in found] == [("é\udc80\n", 2)]
    for other in (
        Request(prompt="y", max_tokens=5, seed=3),
        Request(prompt="x", max_tokens=6, seed=3),
        Request(prompt="x", max_tokens=5, seed=4),
    ):
        assert again.find(SampleKey("a/é", 0), 0, other) is None
    assert again.find(SampleKey("a/é", 1), 0, REQUEST) is None
    assert GenerationCache(path, lambda key: False).count == 0


def test_a_full_disk_costs_turns_and_no_sample(tmp_path: Path) -> None:
    path = tmp_path / TURNS
    turns = GenerationCache(path, lambda key: True)
    turns.store(SampleKey("a", 0), 0, REQUEST, [solution("x")])
    path.chmod(0o400)
    assert turns.give_way() and not path.exists()
    turns.store(SampleKey("a", 0), 1, REQUEST, [solution("x")])
    assert not path.exists() and turns.find(SampleKey("a", 0), 1, REQUEST) is not None


def test_several_continuations_are_found_together_or_not_at_all(tmp_path: Path) -> None:
    path, key = tmp_path / TURNS, SampleKey("a", 0)
    request = replace(REQUEST, n=2, first_temperature=0.0)
    completions = [
        replace(solution("x"), logprobs=(-0.5, -0.25), text_tokens=2),
        replace(solution("y"), index=1),
    ]
    GenerationCache(path, lambda key: True).store(key, 0, request, completions)
    found = GenerationCache(path, lambda key: True).find(key, 0, request)
    assert found is not None
    assert [each.text for each in found] == ["x", "y"]
    # What candidates are ranked by is the same after an interruption.
    assert [each.mean_logprob for each in found] == [-0.375, None]
    again = GenerationCache(path, lambda key: True)
    assert again.find(key, 0, replace(request, first_temperature=0.5)) is None
    assert again.find(key, 0, replace(request, n=3)) is None
    assert again.find(key, 0, REQUEST) is None
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    assert GenerationCache(path, lambda key: True).find(key, 0, request) is None
