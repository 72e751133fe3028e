"""Arms with a real model: what streams out of an engine is cut as the rules say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.benchmarks.arms.truncation import truncation_for
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.solver import Action, Generate, Reply, run_solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.engines.protocol import Engine, Request, generate
from multiturn.sandbox.protocol import Program, Sandbox

pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module")
def engine(family_model: Path) -> Iterator[Engine]:
    from multiturn.engines.open import open_engine

    with open_engine(str(family_model), threads=1) as opened:
        yield opened


def test_a_real_sample(engine: Engine, sandbox: Sandbox) -> None:
    sample("turns", "parse", engine, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("truncation", ["published", "parse", "none"])
@pytest.mark.parametrize("arm", ["turns", "prose", "feedback"])
def test_real_samples(arm: str, truncation: str, engine: Engine, sandbox: Sandbox) -> None:
    sample(arm, truncation, engine, sandbox)


def sample(arm: str, truncation: str, engine: Engine, sandbox: Sandbox) -> None:
    """Have one item written and judged, and check every step against the rules."""
    task = open_task("own", arm=arm)
    item = task.items()[0]
    asks: list[Generate] = []

    def reply(action: Action) -> Reply:
        if not isinstance(action, Generate):
            return sandbox.run(Program(source=action.source))
        asks.append(action)
        request = Request(
            prompt=action.prompt,
            temperature=0.0,
            max_tokens=action.max_tokens,
            stop=action.stop,
            session=arm,
        )
        return generate(engine, request)[0]

    settings = ArmSettings(truncation=truncation, max_new_tokens=12, budget=40)
    solution = run_solver(task.solver(item, settings), reply)
    assert len(asks) == len(solution.steps) == (1 if arm == "prose" else item.turns)
    for ask, step in zip(asks, solution.steps, strict=True):
        specification = ask.prompt[ask.prompt.rindex("\n# ") + 1 :]
        rule = truncation_for(truncation, ask.prompt, specification)
        cut = rule.stop.find(step.raw_text)
        text = step.raw_text if cut is None else step.raw_text[: cut.position]
        assert step.text == rule.finish(text)[0]
        assert ask.prompt + step.text in solution.program
    assert sum(step.new_tokens for step in solution.steps) <= 40
    verdicts = task.judge(item, solution.program, sandbox)
    assert set(verdicts) == set(task.oracles)
