"""Calls in a session with a program."""

from __future__ import annotations

import pytest

from multiturn.core.errors import InputError
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.sandbox.protocol import Limits, Program, ProgramSession

pytestmark = pytest.mark.real

SOURCE = """
import sys
calls = []

def echo(*args, **kwargs):
    calls.append(args)
    return args, kwargs

def count():
    return len(calls)

def fail(x):
    return 1 / x

def loud():
    print("said")
    print("warned", file=sys.stderr)

def spin():
    while True: pass

def sleep():
    import time
    time.sleep(60)

def leave():
    sys.exit(0)

def flood():
    while True: print("x" * 1000)

def eat():
    return bytearray(1 << 34)

class Shape:
    def area(side): return side * side
"""


@pytest.fixture
def candidate(sandbox):
    with sandbox.open_session(Program(source=SOURCE), Limits(cpu_seconds=5)) as opened:
        assert opened.loaded.outcome.finished
        yield opened
        assert isinstance(opened, ProgramSession)


def test_values_go_in_and_out(candidate):
    args = [1, -(2**70), 2.5, float("inf"), 1j, "a\ud800\0", b"\xff", None, True]
    args += [[1, (2, {3})], frozenset({4}), {"k": [5], 6: (7,)}]
    called = candidate.call("echo", args, {"key": args[-1]})
    assert called.value == (tuple(args), {"key": args[-1]})
    assert [type(each) for each in called.value[0]] == [type(each) for each in args]


def test_state_survives_between_calls(candidate):
    for _ in range(3):
        candidate.call("echo")
    assert candidate.call("count").value == 3


def test_large_values_go_through(candidate):
    data = list(range(100_000))
    assert candidate.call("echo", [data]).value == ((data,), {})


def test_dotted_names(candidate):
    assert candidate.call("Shape.area", [3]).value == 9


def test_an_error_names_the_line_and_the_session_lives(candidate):
    called = candidate.call("fail", [0])
    expected = Outcome(Status.RAISED, error="ZeroDivisionError: division by zero", line=13)
    assert called.outcome == expected
    assert b"ZeroDivisionError" in called.stderr
    assert candidate.call("fail", [2]).value == 0.5


def test_a_name_that_is_not_there(candidate):
    assert candidate.call("nothing").outcome.error == "NameError: name 'nothing' is not defined"


def test_what_a_call_prints_belongs_to_it(candidate):
    called = candidate.call("loud")
    assert (called.stdout, called.stderr) == (b"said\n", b"warned\n")
    assert candidate.call("count").stdout == b""


def test_out_of_memory_for_a_value_does_not_end_the_session(candidate):
    assert candidate.call("eat").outcome.status is Status.OUT_OF_MEMORY
    assert candidate.alive


@pytest.mark.parametrize(
    ("name", "status", "limits"),
    [
        ("spin", Status.TIMED_OUT_CPU, Limits(cpu_seconds=0.2)),
        ("sleep", Status.TIMED_OUT_WALL, Limits(wall_seconds=0.5)),
        ("leave", Status.EARLY_EXIT, None),
        ("flood", Status.TOO_MUCH_OUTPUT, None),
    ],
)
def test_a_call_that_ends_the_process_ends_the_session(candidate, name, status, limits):
    called = candidate.call(name, limits=limits)
    assert called.outcome.status is status
    assert not candidate.alive
    assert candidate.call("count").outcome.status is status


def test_each_call_has_its_own_cpu_time(sandbox):
    source = "import time\ndef work():\n    end = time.process_time() + 0.3\n"
    source += "    while time.process_time() < end: pass\n"
    with sandbox.open_session(Program(source=source), Limits(cpu_seconds=0.6)) as candidate:
        for _ in range(3):
            called = candidate.call("work")
            assert called.outcome.finished
            assert 0.25 < called.cpu_seconds < 0.6


def test_a_top_level_that_fails_takes_no_calls(sandbox):
    with sandbox.open_session(Program(source="1 / 0")) as candidate:
        assert candidate.loaded.outcome.line == 1
        assert not candidate.alive
        assert candidate.call("f").outcome == candidate.loaded.outcome


def test_arguments_must_be_plain(candidate):
    with pytest.raises(InputError, match="not plain data"):
        candidate.call("echo", [object()])


def test_sessions_do_not_see_each_other(sandbox):
    program = Program(source="state = []\ndef add():\n    state.append(1)\n    return len(state)")
    with sandbox.open_session(program) as one, sandbox.open_session(program) as other:
        assert one.call("add").value == 1
        assert one.call("add").value == 2
        assert other.call("add").value == 1


def test_only_python_has_sessions(sandbox):
    with pytest.raises(InputError, match="python"):
        sandbox.open_session(Program(source="", language="c"))
