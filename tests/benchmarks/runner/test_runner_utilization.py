"""The engine's waiting, measured by a clock that the test moves."""

from __future__ import annotations

import pytest

from multiturn.benchmarks.runner.utilization import UtilizationMeter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_full_slots_are_no_waiting():
    clock = Clock()
    utilization = UtilizationMeter(2, 5, clock=clock)
    utilization.begin()
    with utilization.request(), utilization.request(), utilization.request():
        clock.now += 4
    read = utilization.read()
    assert (read.seconds, read.waiting_seconds, read.busy_slots, read.requests) == (4, 0, 2, 3)
    assert read.waiting_share == 0
    assert read.busy_share == 1


def test_fewer_requests_than_slots_while_samples_remain_is_waiting():
    clock = Clock()
    utilization = UtilizationMeter(2, 5, clock=clock)
    utilization.begin()
    clock.now += 1  # before the first request
    with utilization.request():
        clock.now += 2  # one of two
        with utilization.request():
            clock.now += 5
    read = utilization.read()
    assert read.waiting_seconds == 3
    assert read.waiting_share == pytest.approx(3 / 8)
    assert read.busy_slots == pytest.approx((2 + 2 * 5) / 8)


def test_the_last_samples_cannot_fill_all_slots_and_are_no_waiting():
    clock = Clock()
    utilization = UtilizationMeter(4, 2, clock=clock)
    utilization.begin()
    with utilization.request():
        with utilization.request():
            clock.now += 1
        utilization.finish_sample()
        clock.now += 1
    utilization.finish_sample()
    read = utilization.read()
    assert read.waiting_seconds == 0
    # They are not full either, and the fill says so.
    assert read.busy_share == pytest.approx((2 * 1 + 1 * 1) / 2 / 4)


def test_the_clock_stands_still_once_all_texts_are_written():
    clock = Clock()
    utilization = UtilizationMeter(1, 1, clock=clock)
    utilization.begin()
    with utilization.request():
        clock.now += 1
    utilization.finish_sample()
    clock.now += 100  # programs are still being judged
    assert utilization.read().seconds == 1


def test_before_any_time_has_passed_the_shares_are_undefined():
    utilization = UtilizationMeter(1, 1, clock=Clock())
    assert utilization.read().waiting_share is None
    assert utilization.read().busy_share is None
