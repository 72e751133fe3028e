"""What both schedulers do, without a model: admission, shared prefixes, cancelling, closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from counting_backend import CountingBackend
from counting_model import CountingModel
from pending_requests import MINUTES, completions, pending

from multiturn.core.errors import EngineError
from multiturn.engines.jax.scheduler import DeviceScheduler
from multiturn.engines.native.scheduler import Scheduler
from multiturn.engines.protocol import FinishReason
from multiturn.engines.scheduler_thread import SchedulerThread

Opening = Callable[..., SchedulerThread]

LONG = list(range(100, 140))
ENDLESS = 2**20


class FailingModel(CountingModel):
    def unembed(self, hidden, out=None):
        raise RuntimeError("out of memory")


class FailingBackend(CountingBackend):
    def unembed(self, weights, hidden):
        raise RuntimeError("out of memory")


def native(*, slots: int, end_tokens: tuple[int, ...], fails: bool) -> SchedulerThread:
    return Scheduler(
        FailingModel() if fails else CountingModel(),
        slots=slots,
        end_tokens=end_tokens,
        token_bytes=lambda token: f"{token} ".encode(),
        cache_bytes=1 << 20,
    )


def jax(*, slots: int, end_tokens: tuple[int, ...], fails: bool) -> SchedulerThread:
    sizes = tuple(size for size in (1, 2, 4) if size <= slots)
    return DeviceScheduler(
        (FailingBackend if fails else CountingBackend)(decode_batch_sizes=sizes),
        None,
        end_tokens=end_tokens,
        token_bytes=lambda token: f"{token} ".encode(),
        cache_bytes=1 << 20,
    )


@pytest.fixture(params=[native, jax], ids=["native", "jax"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opening]:
    schedulers: list[SchedulerThread] = []

    def make(
        *, slots: int = 4, end_tokens: tuple[int, ...] = (), fails: bool = False
    ) -> SchedulerThread:
        schedulers.append(request.param(slots=slots, end_tokens=end_tokens, fails=fails))
        return schedulers[-1]

    yield make
    for scheduler in schedulers:
        scheduler.close()


def rest(scheduler: SchedulerThread) -> None:
    """Let the scheduler do what it does when idle: the JAX one reads histories then."""
    if isinstance(scheduler, DeviceScheduler):
        scheduler._call(lambda: [*iter(scheduler._prefiller.prefill_deferred, False)])


def test_more_requests_than_slots_are_all_decoded(opened: Opening) -> None:
    scheduler = opened()
    requests = [pending([10 * n, 10 * n + 1], max_tokens=n) for n in range(1, 12)]
    for request in requests:
        scheduler.submit(request)
    for n, request in enumerate(requests, start=1):
        (done,) = completions(request)
        assert done.tokens == tuple(range(10 * n + 2, 11 * n + 2))
        assert done.finish_reason is FinishReason.LENGTH


def test_an_end_token_ends_the_text(opened: Opening) -> None:
    scheduler = opened(end_tokens=(7,))
    request = pending([3], max_tokens=50)
    scheduler.submit(request)
    (done,) = completions(request)
    assert (done.text, done.tokens) == ("4 5 6 ", (4, 5, 6, 7))
    assert done.finish_reason is FinishReason.END_OF_TEXT


@pytest.mark.parametrize("max_tokens", [1, 3])
def test_a_shared_prompt_is_prefilled_once(opened: Opening, max_tokens: int) -> None:
    """Also where all sequences in slots end together while others wait."""
    scheduler = opened()
    request = pending(LONG, n=6, max_tokens=max_tokens)
    scheduler.submit(request)
    cached = sorted(done.cached_tokens for done in completions(request))
    assert cached == [0, *[len(LONG) - 1] * 5]


def test_requests_that_run_together_share_what_their_prompts_share(opened: Opening) -> None:
    scheduler = opened()
    endless = pending([0], max_tokens=ENDLESS)
    scheduler.submit(endless)
    first, second = pending([*LONG, 5], max_tokens=40), pending([*LONG, 9, 8], max_tokens=2)
    scheduler.submit(first)
    scheduler.submit(second)
    (done,) = completions(second)
    assert (done.cached_tokens, done.tokens) == (len(LONG), (9, 10))
    (done,) = completions(first)
    assert (done.cached_tokens, done.tokens) == (0, tuple(range(6, 46)))
    endless.cancel.set()
    completions(endless)


@pytest.mark.parametrize("continuations", [1, 2])
def test_a_session_reuses_its_history(opened: Opening, continuations: int) -> None:
    """With several continuations the prompt alone: one of them will be chosen later."""
    scheduler = opened()
    first = pending(LONG, session="a", max_tokens=20, n=continuations)
    scheduler.submit(first)
    done, *_ = completions(first)
    rest(scheduler)
    history = [*LONG, *done.tokens]
    known = len(history) if continuations == 1 else len(LONG)
    for session, cached in (("a", (known - 1, known)), ("b", (0,)), (None, (0,))):
        request = pending([*history, 1], session=session, max_tokens=1)
        scheduler.submit(request)
        (done,) = completions(request)
        assert done.cached_tokens in cached
        assert done.tokens == (2,)


def test_a_cancelled_request_frees_its_slot(opened: Opening) -> None:
    scheduler = opened(slots=1)
    endless, waiting = pending([1], max_tokens=ENDLESS), pending([5], max_tokens=2)
    gone = pending([9], max_tokens=2)
    gone.cancel.set()
    for request in (endless, gone, waiting):
        scheduler.submit(request)
    endless.events.get(timeout=MINUTES)
    endless.cancel.set()
    assert completions(endless)[0].finish_reason is FinishReason.CANCELLED
    assert completions(gone)[0].finish_reason is FinishReason.CANCELLED
    assert completions(waiting)[0].tokens == (6, 7)


def test_a_stop_rule_that_raises_ends_its_own_request_only(opened: Opening) -> None:
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


def test_closing_fails_what_is_open_and_what_comes_later(opened: Opening) -> None:
    scheduler = opened(slots=1)
    decoding, waiting = pending([1], max_tokens=ENDLESS), pending([5], max_tokens=2)
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


def test_scores_come_between_steps(opened: Opening) -> None:
    scheduler = opened()
    endless = pending([1], max_tokens=ENDLESS)
    scheduler.submit(endless)
    tokens = [*range(100, 190), 7]
    found = scheduler.score(tokens)
    assert len(found) == len(tokens) - 1
    assert found[:-1] == pytest.approx([found[0]] * 89, abs=1e-5)
    assert found[-1] == pytest.approx(found[0] - 10, abs=1e-5)
    assert scheduler.score([1]) == []
    endless.cancel.set()
    completions(endless)


def test_a_fault_of_the_model_reaches_everyone(opened: Opening) -> None:
    scheduler = opened(fails=True)
    request = pending([1], n=3)
    scheduler.submit(request)
    name = scheduler.engine_name
    with pytest.raises(EngineError, match=f"the {name} engine failed: RuntimeError: out of memory"):
        completions(request)


def test_a_call_that_fails_is_the_callers_fault_alone(opened: Opening) -> None:
    scheduler = opened()
    with pytest.raises(EngineError, match="engine failed: ZeroDivisionError"):
        scheduler._call(lambda: 1 // 0)
    request = pending([1], max_tokens=1)
    scheduler.submit(request)
    assert completions(request)[0].tokens == (2,)
