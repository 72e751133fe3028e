"""The scheduler without a model: admission, prefill, shared prefixes, cancelling, closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from counting_model import VOCABULARY, CountingModel, pending

from multiturn.core.errors import EngineError
from multiturn.engines.native.scheduler import Scheduler
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import Completion, FinishReason

MINUTES = 300.0
LONG = list(range(100, 140))


@pytest.fixture
def opened() -> Iterator[Callable[..., Scheduler]]:
    schedulers: list[Scheduler] = []

    def make(
        model: CountingModel | None = None,
        end_tokens: tuple[int, ...] = (),
        slots: int = 4,
        speculate: bool = False,
    ) -> Scheduler:
        model = model or CountingModel()
        scheduler = Scheduler(
            model,
            slots=slots,
            end_tokens=end_tokens,
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


def completions(request: PendingRequest) -> list[Completion]:
    """All completions of a request, in the order of their ends."""
    found: list[Completion] = []
    while len(found) < request.request.n:
        event = request.events.get(timeout=MINUTES)
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Completion):
            found.append(event)
    return found


def test_more_requests_than_slots_are_all_decoded(opened: Callable[..., Scheduler]) -> None:
    model = CountingModel()
    scheduler = opened(model)
    requests = [pending([10 * n, 10 * n + 1], max_tokens=n) for n in range(1, 12)]
    for request in requests:
        scheduler.submit(request)
    for n, request in enumerate(requests, start=1):
        (done,) = completions(request)
        assert done.tokens == tuple(range(10 * n + 2, 11 * n + 2))
        assert done.finish_reason is FinishReason.LENGTH
    assert max(len(step) for step in model.steps) <= 4


def test_a_step_computes_active_sequences_alone(opened: Callable[..., Scheduler]) -> None:
    model = CountingModel()
    scheduler = opened(model, slots=64)
    (request,) = requests = [pending([3], max_tokens=5)]
    scheduler.submit(request)
    completions(requests[0])
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


def test_an_end_token_ends_the_text(opened: Callable[..., Scheduler]) -> None:
    scheduler = opened(end_tokens=(7,))
    request = pending([3], max_tokens=50)
    scheduler.submit(request)
    (done,) = completions(request)
    assert (done.text, done.tokens) == ("4 5 6 ", (4, 5, 6, 7))
    assert done.finish_reason is FinishReason.END_OF_TEXT


@pytest.mark.parametrize("max_tokens", [1, 3])
def test_a_shared_prompt_is_prefilled_once(
    opened: Callable[..., Scheduler], max_tokens: int
) -> None:
    """Also where all sequences in slots end together while others wait."""
    model = CountingModel()
    scheduler = opened(model)
    request = pending(LONG, n=6, max_tokens=max_tokens)
    scheduler.submit(request)
    cached = sorted(done.cached_tokens for done in completions(request))
    assert cached == [0, *[len(LONG) - 1] * 5]
    assert sum(sum(step) for step in model.steps) == len(LONG) + 5 + 6 * (max_tokens - 1)


def test_requests_that_run_together_share_what_their_prompts_share(
    opened: Callable[..., Scheduler],
) -> None:
    scheduler = opened()
    endless = pending([0], max_tokens=900)
    scheduler.submit(endless)
    first, second = pending([*LONG, 5], max_tokens=40), pending([*LONG, 9, 8], max_tokens=2)
    scheduler.submit(first)
    scheduler.submit(second)
    (done,) = completions(second)
    assert (done.cached_tokens, done.tokens) == (len(LONG), (9, 10))
    (done,) = completions(first)
    assert (done.cached_tokens, done.tokens) == (0, tuple(range(6, 46)))
    completions(endless)


@pytest.mark.parametrize("continuations", [1, 2])
def test_a_session_reuses_its_history(opened: Callable[..., Scheduler], continuations: int) -> None:
    scheduler = opened()
    first = pending(LONG, session="a", max_tokens=20, n=continuations)
    scheduler.submit(first)
    done, *_ = completions(first)
    history = [*LONG, *done.tokens]
    # With one continuation, all but the last token; with several, the prompt.
    known = len(history) - 1 if continuations == 1 else len(LONG)
    for session, cached in (("a", known), ("b", 0), (None, 0)):
        request = pending([*history, 1], session=session, max_tokens=1)
        scheduler.submit(request)
        (done,) = completions(request)
        assert (done.cached_tokens, done.tokens) == (cached, (2,))


def test_a_cancelled_request_frees_its_slot(opened: Callable[..., Scheduler]) -> None:
    scheduler = opened(slots=1)
    endless, waiting = pending([1], max_tokens=2**20), pending([5], max_tokens=2)
    gone = pending([9], max_tokens=2)
    gone.cancel.set()
    for request in (endless, gone, waiting):
        scheduler.submit(request)
    endless.events.get(timeout=MINUTES)
    endless.cancel.set()
    assert completions(endless)[0].finish_reason is FinishReason.CANCELLED
    assert completions(gone)[0].finish_reason is FinishReason.CANCELLED
    assert completions(waiting)[0].tokens == (6, 7)


def test_a_stop_rule_that_raises_ends_its_own_request_only(
    opened: Callable[..., Scheduler],
) -> None:
    class Broken:
        lookahead = 0

        def find(self, text: str) -> None:
            raise ZeroDivisionError

    scheduler = opened()
    broken, sound = pending([1], max_tokens=40, n=2, stop=Broken()), pending([5], max_tokens=2)
    scheduler.submit(broken)
    scheduler.submit(sound)
    with pytest.raises(ZeroDivisionError):
        completions(broken)
    assert completions(sound)[0].tokens == (6, 7)
    assert broken.events.empty()


def test_closing_fails_what_is_open_and_what_comes_later(opened: Callable[..., Scheduler]) -> None:
    model = CountingModel()
    scheduler = opened(model, slots=1)
    decoding, waiting = pending([1], max_tokens=2**20), pending([5], max_tokens=2)
    scheduler.submit(decoding)
    scheduler.submit(waiting)
    decoding.events.get(timeout=MINUTES)
    scheduler.close()
    for request in (decoding, waiting):
        with pytest.raises(EngineError, match="closed"):
            completions(request)
    with pytest.raises(EngineError, match="closed"):
        scheduler.submit(pending([1]))
    with pytest.raises(EngineError, match="closed"):
        scheduler.score([1, 2])
    assert model.closed


def test_scores_come_between_steps(opened: Callable[..., Scheduler]) -> None:
    scheduler = opened()
    endless = pending([1], max_tokens=2**20)
    scheduler.submit(endless)
    tokens = [*range(100, 190), 7]
    found = scheduler.score(tokens)
    assert len(found) == len(tokens) - 1
    assert found[:-1] == pytest.approx([found[0]] * 89)
    assert found[-1] == pytest.approx(found[0] - 10)
    assert scheduler.score([1]) == []
    endless.cancel.set()
    completions(endless)


def test_a_fault_of_the_model_reaches_everyone(opened: Callable[..., Scheduler]) -> None:
    class Failing(CountingModel):
        def unembed(self, hidden, out=None):
            raise RuntimeError("out of memory")

    scheduler = opened(Failing())
    request = pending([1], n=3)
    scheduler.submit(request)
    with pytest.raises(EngineError, match="the native engine failed: RuntimeError: out of memory"):
        completions(request)


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

        def find(self, text: str):
            from multiturn.text.truncation import Cut

            ends = [at for at, letter in enumerate(text) if letter == " "]
            return Cut(ends[99], "enough") if len(ends) > 99 else None

    model = CountingModel(period=20)
    scheduler = opened(model, speculate=True)
    request = pending([0], max_tokens=VOCABULARY, stop=After(), session="s")
    scheduler.submit(request)
    (done,) = completions(request)
    assert (len(done.tokens), done.finish_reason) == (100, FinishReason.STOP)
    assert len(model.steps) < 80
