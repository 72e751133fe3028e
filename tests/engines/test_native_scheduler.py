"""The native scheduler without a model: what each step computes. See also test_schedulers.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from counting_model import VOCABULARY, CountingModel
from pending_requests import MINUTES, completions, pending

from multiturn.engines.native.scheduler import Scheduler
from multiturn.engines.protocol import FinishReason
from multiturn.text.truncation import Cut


@pytest.fixture
def opened() -> Iterator[Callable[..., Scheduler]]:
    schedulers: list[Scheduler] = []

    def make(model: CountingModel, *, slots: int = 4, speculate: bool = False) -> Scheduler:
        scheduler = Scheduler(
            model,
            slots=slots,
            end_tokens=(),
            token_bytes=lambda token: f"{token} ".encode(),
            cache_bytes=1 << 20,
            speculate=speculate,
            clock=lambda: model.seconds,
        )
        schedulers.append(scheduler)
        return scheduler

    yield make
    for scheduler in schedulers:
        scheduler.close()


def test_a_step_computes_active_sequences_alone(opened: Callable[..., Scheduler]) -> None:
    model = CountingModel()
    scheduler = opened(model, slots=64)
    request = pending([3], max_tokens=5)
    scheduler.submit(request)
    completions(request)
    assert model.steps == [[1]] * 5


def test_a_long_prompt_does_not_stop_the_others(opened: Callable[..., Scheduler]) -> None:
    model = CountingModel()
    scheduler = opened(model)
    first = pending([1], max_tokens=900)
    scheduler.submit(first)
    first.events.get(timeout=MINUTES)
    second = pending([token % 900 for token in range(2000)], max_tokens=1)
    scheduler.submit(second)
    (done,) = completions(second)
    assert done.tokens == (200,)
    completions(first)
    mixed = [step for step in model.steps if len(step) == 2]
    assert len(mixed) >= 2000 // 128
    assert all(min(step) == 1 and max(step) <= 128 for step in mixed)


@pytest.mark.parametrize("max_tokens", [1, 3])
def test_a_shared_prompt_is_computed_once(
    opened: Callable[..., Scheduler], max_tokens: int
) -> None:
    model = CountingModel()
    scheduler = opened(model)
    request = pending(list(range(40)), n=6, max_tokens=max_tokens)
    scheduler.submit(request)
    completions(request)
    # The last token of the prompt is computed for each continuation.
    assert sum(sum(step) for step in model.steps) == 40 + 5 + 6 * (max_tokens - 1)


def test_the_model_is_closed_with_the_scheduler(opened: Callable[..., Scheduler]) -> None:
    model = CountingModel()
    scheduler = opened(model)
    decoding = pending([1], max_tokens=2**20)
    scheduler.submit(decoding)
    decoding.events.get(timeout=MINUTES)
    scheduler.close()
    assert model.closed


@pytest.mark.parametrize("rows", [1, 3])
def test_drafts_save_steps_and_change_nothing(opened: Callable[..., Scheduler], rows: int) -> None:
    """The counting model repeats after 50 tokens, so that everything after them is a copy."""
    found = []
    for speculate in (False, True):
        model = CountingModel(period=50)
        scheduler = opened(model, speculate=speculate)
        requests = [pending([n], max_tokens=400, session=f"s{n}") for n in range(rows)]
        for request in requests:
            scheduler.submit(request)
        done = [completions(request)[0] for request in requests]
        again = pending([0, *done[0].tokens], max_tokens=1, session="s0")
        scheduler.submit(again)
        (last,) = completions(again)
        assert last.cached_tokens == 400
        found.append(([one.tokens for one in done], [one.raw_text for one in done], last.tokens))
        if speculate:
            assert len(model.steps) < 250
            assert max(max(step) for step in model.steps) > 4
        assert all(len(step) <= rows for step in model.steps)
    assert found[0] == found[1]
    assert found[0][0][0] == tuple(n % 50 for n in range(1, 401))


def test_a_stop_within_a_draft_ends_the_text_there(opened: Callable[..., Scheduler]) -> None:
    class After:
        """Stops at the hundredth token."""

        lookahead = 0

        def find(self, text: str) -> Cut | None:
            ends = [at for at, letter in enumerate(text) if letter == " "]
            return Cut(ends[99], "enough") if len(ends) > 99 else None

    model = CountingModel(period=20)
    scheduler = opened(model, speculate=True)
    request = pending([0], max_tokens=VOCABULARY, stop=After(), session="s")
    scheduler.submit(request)
    (done,) = completions(request)
    assert (len(done.tokens), done.finish_reason) == (100, FinishReason.STOP)
    assert len(model.steps) < 80
