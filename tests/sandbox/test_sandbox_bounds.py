"""What a hostile program sends costs the supervisor little memory and time, whatever it is."""

from __future__ import annotations

import contextlib
import json
import os
import random
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.sandbox.encoding import (
    MAX_NODES,
    ArrayData,
    EncodingError,
    Opaque,
    decode,
    encode,
)
from multiturn.sandbox.encoding.reader import MAX_AXES, MAX_COMPARISONS
from multiturn.sandbox.ipc import (
    MAX_MESSAGES,
    MAX_NOISE,
    PACKET,
    Assembler,
    Kind,
)
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Program

pytestmark = pytest.mark.real

PROGRAMS = Path(__file__).parents[1] / "conformance" / "programs"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "hostile"
COLLIDING = 2**61 - 1

MEASURE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Limits, Program

def highest():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) >> 10

with open_sandbox(workers=1, preload=()) as sandbox:
    sandbox.run(Program(source="value = [1]", result="value"))
    before = highest()
    began = time.process_time()
    result = sandbox.run(
        Program(source=Path(sys.argv[2]).read_text(), result="value"),
        Limits(cpu_seconds=4, wall_seconds=60),
    )
    used = time.process_time() - began
    print(json.dumps({"more": highest() - before, "cpu": used}))
"""


QUICK = ("message_flood", "shape_bomb", "broken_values", "collisions_heavy")
"""The others take seconds each, and are tried when all is."""


def programs() -> list[Any]:
    """All that attack the supervisor, and the same kinds that others wrote where they are there."""
    paths = [*PROGRAMS.glob("supervisor_*.py.txt"), *SHARED.glob("6*.py"), *SHARED.glob("70*.py")]
    return [
        pytest.param(
            path,
            id=path.name.split(".")[0],
            marks=() if any(name in path.name for name in QUICK) else pytest.mark.slow,
        )
        for path in sorted(paths)
    ]


@pytest.mark.parametrize("path", programs())
def test_the_supervisor_stays_small_and_is_soon_done(path, tmp_path):
    script = tmp_path / "measure.py"
    script.write_text(MEASURE)
    command = [sys.executable, str(script), str(PROGRAMS.parent), str(path)]
    # By the processor's time, not the clock's: the machine may be busy.
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr[-1500:]
    measured = json.loads(ended.stdout.strip().splitlines()[-1])
    assert measured["more"] < 64, measured
    assert measured["cpu"] < 4 + 2, measured


def nested(text: str, times: int) -> bytes:
    return f'["l",[{",".join([text] * times)}]]'.encode()


@pytest.mark.parametrize(
    "data",
    [
        encode(ArrayData("x", (2**1000 - 1,) * 2500, ())),
        encode(ArrayData("x", (1,) * (MAX_AXES + 1), (1,))),
        encode(ArrayData("x", (10**9, 0), ())),
        encode(ArrayData("x", (0, 2**62), ())),
        encode(ArrayData("x", (100_000, *[1] * 40), tuple([None] * 100_000))),
        encode([ArrayData("x", (900_000, 0), ())] * 2),
        encode([{k * COLLIDING: None for k in range(1, 1000)} for _ in range(260)]),
        encode([{k * COLLIDING for k in range(1, 500)} for _ in range(30)]),
        encode({(*range(300), k * COLLIDING): 0 for k in range(1, 100)}),
        nested('["s",[]]', 400_000),
        nested('["d",[]]', 400_000),
        nested('["o",["",""]]', 500_000),
        nested("null", MAX_NODES + 600),
        b'["f","' + b"1" * 100_000 + b'"]',
        b'["c","' + b"1" * 100_000 + b'","0.0"]',
        b'["l",[' * 100_000,
        b'["","' + b"\\ud83d\\ude00" + b"x" * (15 << 20) + b'"]',
    ],
    ids=range(17),
)
def test_values_that_cost_too_much_are_refused_before_they_do(data):
    with pytest.raises(EncodingError) as error:
        decode(data, seconds=20)
    assert "too long to read" not in str(error.value), "it was the clock alone that ended this"


def test_time_for_reading_is_bounded():
    data = encode([[number, [number]] for number in range(20_000)])
    with pytest.raises(EncodingError, match="too long to read"):
        decode(data, seconds=0.001)
    assert len(decode(data, seconds=60)) == 20_000


@pytest.mark.parametrize(
    "value",
    [
        list(range(300_000)),
        [number * 0.1 for number in range(100_000)],
        {str(number): number for number in range(40_000)},
        {number: str(number) for number in range(40_000)},
        set(range(50_000)),
        [{-1: 0, -2: 1}] * 10_000,  # -1 and -2 share their hash
        "x" * (15 << 20),
        "日本語" * 100_000,
        ('\U0001f600 \\ " \n \ud800' * 20_000),
        b"\0" * (7 << 20),
        [(1, "a", None, True, 2.5, 1j, b"x")] * 10_000,
        ArrayData("int64", (200, 300), tuple(range(60_000))),
    ],
    ids=range(12),
)
def test_large_honest_values_are_read(value):
    data = encode(value)
    assert decode(data, seconds=60) == value


def test_pairs_of_keys_are_counted_across_a_value():
    each = 40
    pairs = each * (each - 1) // 2
    enough = MAX_COMPARISONS // pairs
    group = {k * COLLIDING for k in range(1, each + 1)}
    decode(encode([group] * (enough - 1)))
    with pytest.raises(EncodingError, match="equal hashes"):
        decode(encode([group] * (enough + 1)))


@given(st.text(st.characters() | st.sampled_from('\\"\n\x00\x7f\ud800\udc00\U0001f600')))
def test_every_text_survives(text):
    assert decode(encode(text)) == text


@given(st.data())
def test_a_damaged_encoding_is_refused_or_plain(data):
    """One place of an honest encoding changed, removed or doubled: an error or a value, no more."""
    value = data.draw(st.sampled_from([[1, 2, 3], {"a": (1.5, None)}, {1, 2}, "é\n", [b"ab", 1j]]))
    encoded = bytearray(encode(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at : at + data.draw(st.integers(0, 2))] = data.draw(
        st.text(string.printable, max_size=3)
    ).encode()
    with contextlib.suppress(EncodingError):
        decode(encoded)


NONCE = b"n" * 16


def packet(kind: bytes, payload: bytes = b"", more: bytes = b".") -> bytes:
    return NONCE + kind + more + payload


def test_complete_messages_arrive():
    assembler = Assembler(NONCE, 1 << 20)
    assert assembler.feed(packet(Kind.STARTED)).kind == Kind.STARTED
    assert assembler.feed(packet(Kind.FINISHED, b"a" * PACKET, b"+")) is None
    message = assembler.feed(packet(Kind.FINISHED, b"b"))
    assert bytes(message.payload) == b"a" * PACKET + b"b"
    assert not assembler.exceeded


@pytest.mark.parametrize(
    "flood",
    [
        lambda n: packet(Kind.RETURNED, b"x" * PACKET),
        lambda n: packet(Kind.RETURNED, b"x" * PACKET, b"+"),
        lambda n: packet(Kind.RETURNED, b"", b"+"),
        lambda n: packet(Kind.RETURNED, b"x", b"+"),
        lambda n: packet(Kind.RAISED, b"x" * PACKET, b"+"),
        lambda n: packet(Kind.STARTED),
        lambda n: packet(random.choice(b"SEXVRF!").to_bytes(1, "big"), b"x" * 100),
        lambda n: packet(Kind.RETURNED, b"x" * (PACKET + 1)),
        lambda n: b"noise",
        lambda n: b"",
        lambda n: os.urandom(100),
    ],
    ids=range(11),
)
def test_a_flood_is_too_much_soon(flood):
    max_bytes = 1 << 20
    assembler = Assembler(NONCE, max_bytes)
    fed = received = 0
    while not assembler.exceeded:
        message = assembler.feed(flood(fed))
        received += len(message.payload) if message else 0
        fed += 1
        assert fed <= max(MAX_MESSAGES, MAX_NOISE) + 2
    assert received + len(assembler._data) <= max_bytes + (64 << 10)


def test_a_new_order_may_be_answered_at_full_length():
    assembler = Assembler(NONCE, PACKET)
    for _ in range(20):
        assert assembler.feed(packet(Kind.RETURNED, b"x" * PACKET)) is not None
        assembler.reset()
    assert not assembler.exceeded


def test_opaque_is_what_becomes_of_a_value_that_cannot_be_read(sandbox):
    source = (
        "from multiturn.sandbox.encoding import ArrayData\n"
        "value = ArrayData('x', (2**1000 - 1,) * 2500, ())\n"
    )
    result = sandbox.run(Program(source=source, result="value"), Limits(cpu_seconds=5))
    assert result.outcome.finished
    assert isinstance(result.value, Opaque)


def test_a_program_that_does_not_read_its_calls_delays_no_other(sandbox):
    # It never reads: a long call does not even fit into the socket.
    source = "import time, multiturn.sandbox.inside.program as inside\n"
    source += "def f(x): return 1\n"
    source += "inside.receive_call = lambda wire: time.sleep(3600)\n"
    with sandbox.open_session(Program(source=source), Limits(wall_seconds=20)) as candidate:
        called = candidate.call("f", ["x" * (4 << 20)], limits=Limits(wall_seconds=1))
        assert called.outcome.status is Status.TIMED_OUT_WALL
