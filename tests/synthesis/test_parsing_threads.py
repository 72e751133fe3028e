"""Text is parsed from many threads at once: each leads a sample of a benchmark."""

from __future__ import annotations

import gc
import sys
import threading
import time

from multiturn.synthesis.parsing import parse_module

NESTED = "x = [" + "(" * 20 + "1" + ")" * 20 + "]\n"
LONG = NESTED + "\n".join(f"def f{i}(a):\n  return [a + (b for b in c)]" for i in range(60))


def test_threads_that_parse_at_once_do_not_disturb_each_other() -> None:
    """A collection that lets another thread run, as JAX's does, made Python 3.11 fail."""
    faults: list[str] = []

    def parse() -> None:
        try:
            for _ in range(12):
                assert parse_module(LONG) is not None
        except Exception as error:
            faults.append(repr(error))

    def let_others_run(*_: object) -> None:
        time.sleep(0)

    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(let_others_run)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=parse) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.callbacks.remove(let_others_run)
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
    assert faults == []
