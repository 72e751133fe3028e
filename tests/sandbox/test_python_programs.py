"""What a Python program is refused, and with which error, at every isolation level."""

from __future__ import annotations

import pytest

from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox

LIMITS = Limits(cpu_seconds=10, wall_seconds=60)

PROCESSES = {
    "process": "import multiprocessing as m; m.Process(target=print).start()",
    "pool": "from multiprocessing import Pool\nPool(2).map(abs, [1])",
    "pool with": "from multiprocessing import Pool\nwith Pool(2) as p: p.map(abs, [1])",
    "executor": "from concurrent.futures import ProcessPoolExecutor as P\n"
    "with P(2) as p: p.submit(abs, 1).result()",
    "manager": "from multiprocessing import Manager\nManager()",
    "shared": "from multiprocessing.shared_memory import SharedMemory as S\nS(create=True, size=9)",
    "spawn": "import multiprocessing as m\nm.get_context('spawn').Process(target=print).start()",
    "server": "import multiprocessing as m\n"
    "m.get_context('forkserver').Process(target=print).start()",
    "fork": "import os; os.fork()",
    "subprocess": "import subprocess; subprocess.run(['true'])",
}


@pytest.mark.parametrize("source", PROCESSES.values(), ids=list(PROCESSES))
def test_whatever_starts_a_process_is_refused_with_the_error_of_the_docs(sandbox: Sandbox, source):
    outcome = sandbox.run(Program(source=source), LIMITS).outcome
    assert outcome.status is Status.RAISED
    assert (outcome.error or "").startswith("PermissionError: [Errno 1] Operation not permitted")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ValueError('bad table:\\n  row 1\\n  row 2')", "ValueError: bad table:"),
        ("raise ValueError('\\n\\nfirst\\nsecond')", "ValueError: first"),
        ("raise ValueError('\\n')", "ValueError"),
        ("e = ValueError('x'); e.add_note('a note'); raise e", "ValueError: x"),
        ("raise ExceptionGroup('all', [ValueError(1)])", "ExceptionGroup: all (1 sub-exception)"),
        ("class E(Exception):\n  def __str__(self): 1 / 0\nraise E", "E: <exception str() failed>"),
        ("def f():\n  class L(KeyError): pass\n  return L\nraise f()('k')", "f.<locals>.L: 'k'"),
        ("import json; json.loads('{')", "json.decoder.JSONDecodeError: Expecting property name"),
        ("x = (", "SyntaxError: '(' was never closed"),
        ("if 1:\nx", "IndentationError: expected an indented block"),
        ("exec('a b')", "SyntaxError: invalid syntax"),
    ],
)
def test_an_error_is_its_type_and_first_line(sandbox: Sandbox, source, error):
    outcome = sandbox.run(Program(source=source), LIMITS).outcome
    assert (outcome.error or "").startswith(error)
    assert "\n" not in (outcome.error or "")


def test_the_directory_is_empty_but_for_a_program_that_reads_itself(sandbox: Sandbox):
    assert sandbox.run(Program(source="import os; print(os.listdir())")).stdout == b"[]\n"
    own = "print(open(__file__).read().count('__file__'))"
    assert sandbox.run(Program(source=own)).stdout == b"2\n"


def test_what_is_written_is_not_lost_in_a_crash(sandbox: Sandbox):
    source = "import os, sys\nprint('text', end='')\nsys.stdout.buffer.write(b' bytes')\nos.abort()"
    result = sandbox.run(Program(source=source), LIMITS)
    assert result.outcome.signal == "SIGABRT"
    assert result.stdout == b"text bytes"


def test_a_program_whose_functions_are_called_is_no_main(sandbox: Sandbox):
    source = (
        "import threading\n"
        "seen = __name__\n"
        "if __name__ == '__main__':\n    n = int(input('number? '))\n"
        "threading.Thread(target=threading.Event().wait, daemon=False).start()\n"
        "def f(x): return seen, x\n"
    )
    with sandbox.open_session(Program(source=source), LIMITS) as candidate:
        assert candidate.loaded.outcome.finished
        assert candidate.call("f", [1]).value == ("builtins", 1)


def test_thread_pools_work_inside_functions_that_are_called(sandbox: Sandbox):
    source = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
def executor(x):
    with ThreadPoolExecutor(2) as pool: return list(pool.map(abs, x))
def pool(x):
    with ThreadPool(2) as pool: return pool.map(abs, x)
async def work(x):
    return await asyncio.gather(*(asyncio.to_thread(abs, n) for n in x))
def to_thread(x):
    return list(asyncio.run(work(x)))
"""
    with sandbox.open_session(Program(source=source), LIMITS) as candidate:
        for name in ("executor", "pool", "to_thread", "executor"):
            called = candidate.call(name, [[-1, 2]])
            assert called.value == [1, 2], (name, called.outcome.describe())


def test_input_longer_than_a_pipe_is_given_and_may_be_left_unread(sandbox: Sandbox):
    data = b"x" * 1_000_000
    read = "import sys; print(len(sys.stdin.read()), sys.stdin.seekable())"
    assert sandbox.run(Program(source=read, stdin=data)).stdout == b"1000000 False\n"
    assert sandbox.run(Program(source="print(1)", stdin=data)).stdout == b"1\n"
