"""One retry policy: how often an action is tried, and how long between attempts."""

from __future__ import annotations

import pytest

from multiturn.core.errors import InputError
from multiturn.core.retry import RetryPolicy, with_retries


class Flaky:
    """Fails a number of times, then succeeds."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise ConnectionError(f"{self.left} left")
        return "done"


def test_it_waits_longer_after_each_failure_and_returns_the_result() -> None:
    waits: list[float] = []
    policy = RetryPolicy(attempts=6, first_wait=1.0, longest_wait=5.0)
    result = with_retries(Flaky(5), policy, retry_on=ConnectionError, sleep=waits.append)
    assert (result, waits) == ("done", [1.0, 2.0, 4.0, 5.0, 5.0])


def test_the_last_failure_propagates_without_another_wait() -> None:
    waits: list[float] = []
    policy = RetryPolicy(attempts=3)
    with pytest.raises(ConnectionError, match="7 left"):
        with_retries(Flaky(10), policy, retry_on=ConnectionError, sleep=waits.append)
    assert waits == [0.5, 1.0]


def test_other_exceptions_propagate_at_once() -> None:
    flaky = Flaky(10)
    with pytest.raises(ConnectionError, match="9 left"):
        with_retries(flaky, RetryPolicy(), retry_on=TimeoutError)


def test_a_listener_hears_each_failure_and_may_stop() -> None:
    heard: list[str] = []

    def stop(error: Exception) -> None:
        heard.append(str(error))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        with_retries(Flaky(10), RetryPolicy(), retry_on=ConnectionError, on_failure=stop)
    assert heard == ["9 left"]


def test_a_wait_never_overflows() -> None:
    assert RetryPolicy(longest_wait=60.0).backoff(10**9) == 60.0


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"first_wait": -1.0}, {"longest_wait": float("nan")}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="out of range"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
