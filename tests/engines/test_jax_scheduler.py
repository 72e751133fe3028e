"""The scheduler without a model: admission, prefill, shared prefixes, cancelling, closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from counting_backend import CountingBackend, pending

from multiturn.core.errors import EngineError
from multiturn.engines.jax.scheduler import DeviceScheduler
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import Completion, FinishReason

BACKEND = CountingBackend()
MINUTES = 300.0
LONG = list(range(100, 140))


@pytest.fixture
def opened() -> Iterator[Callable[..., DeviceScheduler]]:
    schedulers: list[DeviceScheduler] = []

    def make(
        backend: CountingBackend = BACKEND, end_tokens: tuple[int, ...] = ()
    ) -> DeviceScheduler:
        scheduler = DeviceScheduler(
            backend,
            None,
            end_tokens=end_tokens,
            token_bytes=lambda token: f"{token} ".encode(),
            cache_bytes=1 << 20,
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


def test_more_requests_than_slots_are_all_decoded(opened: Callable[..., DeviceScheduler]) -> None:
    scheduler = opened()
    requests = [pending([10 * n, 10 * n + 1], max_tokens=n) for n in range(1, 12)]
    for request in requests:
        scheduler.submit(request)
    for n, request in enumerate(requests, start=1):
        (done,) = completions(request)
        assert done.tokens == tuple(range(10 * n + 2, 11 * n + 2))
        assert done.finish_reason is FinishReason.LENGTH


def test_an_end_token_ends_the_text(opened: Callable[..., DeviceScheduler]) -> None:
    scheduler = opened(end_tokens=(7,))
    request = pending([3], max_tokens=50)
    scheduler.submit(request)
    (done,) = completions(request)
    assert (done.text, done.tokens) == ("4 5 6 ", (4, 5, 6, 7))
    assert done.finish_reason is FinishReason.END_OF_TEXT


def test_a_shared_prompt_is_prefilled_once(opened: Callable[..., DeviceScheduler]) -> None:
    scheduler = opened()
    request = pending(LONG, n=6, max_tokens=3)
    scheduler.submit(request)
    cached = sorted(done.cached_tokens for done in completions(request))
    assert cached == [0, *[len(LONG) - 1] * 5]


@pytest.mark.parametrize("batch_invariant", [True, False])
def test_a_session_reuses_its_history(
    opened: Callable[..., DeviceScheduler], batch_invariant: bool
) -> None:
    scheduler = opened(CountingBackend(batch_invariant=batch_invariant))
    first = pending(LONG, session="a", max_tokens=20)
    scheduler.submit(first)
    (done,) = completions(first)
    history = [*LONG, *done.tokens]
    # Without batch invariance, decoded tokens are prefilled again when the engine is idle.
    scheduler.call(lambda prefiller: list(iter(prefiller.prefill_deferred, False)))
    for session, cached in (("a", len(history) - batch_invariant), ("b", 0)):
        request = pending([*history, 1], session=session, max_tokens=1)
        scheduler.submit(request)
        (done,) = completions(request)
        assert done.cached_tokens == cached
        assert done.tokens == (2,)


def test_a_cancelled_request_frees_its_slot(opened: Callable[..., DeviceScheduler]) -> None:
    scheduler = opened(CountingBackend(decode_batch_sizes=(1,)))
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
    opened: Callable[..., DeviceScheduler],
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


def test_closing_fails_what_is_open_and_what_comes_later(
    opened: Callable[..., DeviceScheduler],
) -> None:
    scheduler = opened(CountingBackend(decode_batch_sizes=(1,)))
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


def test_a_call_runs_on_the_schedulers_thread(opened: Callable[..., DeviceScheduler]) -> None:
    scheduler = opened()
    assert scheduler.call(lambda prefiller: prefiller.score([401, 402, 403])) == pytest.approx(
        scheduler.call(lambda prefiller: prefiller.score([501, 502, 503]))
    )
    with pytest.raises(EngineError, match="the JAX engine failed: ZeroDivisionError"):
        scheduler.call(lambda _: 1 // 0)
