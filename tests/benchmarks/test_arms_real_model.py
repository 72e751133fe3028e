"""Arms with a real model: what streams out of an engine is cut as the rules say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.benchmarks.arms.truncating import truncation_for
from multiturn.benchmarks.dialogue import Ask, Move, Reply, converse
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.task import ArmSettings
from multiturn.engines.protocol import Engine, Request, generate
from multiturn.sandbox.protocol import Program, Sandbox

pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[Engine]:
    from multiturn.engines.open import open_engine

    with open_engine(str(smollm2), threads=1) as opened:
        yield opened


def test_a_real_sample(engine: Engine, sandbox: Sandbox) -> None:
    sample("turns", "fair", engine, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("truncation", ["published", "fair", "none"])
@pytest.mark.parametrize("arm", ["turns", "prose", "feedback"])
def test_real_samples(arm: str, truncation: str, engine: Engine, sandbox: Sandbox) -> None:
    sample(arm, truncation, engine, sandbox)


def sample(arm: str, truncation: str, engine: Engine, sandbox: Sandbox) -> None:
    """Have one item written and judged, and check every step against the rules."""
    task = open_task("own", arm=arm)
    item = task.items()[0]
    asks: list[Ask] = []

    def reply(move: Move) -> Reply:
        if not isinstance(move, Ask):
            return sandbox.run(Program(source=move.source))
        asks.append(move)
        request = Request(
            prompt=move.prompt,
            temperature=0.0,
            max_tokens=move.max_tokens,
            stop=move.stop,
            session=arm,
        )
        return generate(engine, request)[0]

    settings = ArmSettings(truncation=truncation, max_new_tokens=12, budget=40)
    written = converse(task.dialogue(item, settings), reply)
    assert len(asks) == len(written.steps) == (1 if arm == "prose" else item.turns)
    for ask, step in zip(asks, written.steps, strict=True):
        specification = ask.prompt[ask.prompt.rindex("\n# ") + 1 :]
        rule = truncation_for(truncation, ask.prompt, specification)
        cut = rule.stop.find(step.raw_text)
        text = step.raw_text if cut is None else step.raw_text[: cut.position]
        assert step.text == rule.finish(text)[0]
        assert ask.prompt + step.text in written.program
    assert sum(step.new_tokens for step in written.steps) <= 40
    verdicts = task.judge(item, written.program, sandbox)
    assert set(verdicts) == set(task.oracles)
