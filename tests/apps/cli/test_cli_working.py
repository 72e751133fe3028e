"""What takes more than a moment shows on a terminal what it does, and for how long."""

from __future__ import annotations

import subprocess
import sys

import pexpect

PROGRAM = """
import sys, time
from multiturn.apps.cli.status_line import Ticker, working

with working("reading the weights"):
    time.sleep(float(sys.argv[1]))
with Ticker() as ticker:
    ticker.doing("compiling")
    time.sleep(float(sys.argv[1]))
    ticker.say("step 1")
    ticker.doing("")
    time.sleep(float(sys.argv[1]) / 2)
print("done")
"""


def test_a_line_says_what_is_done_and_goes_away() -> None:
    child = pexpect.spawn(
        sys.executable, ["-c", PROGRAM, "2.5"], encoding="utf-8", timeout=300,
        env={"TERM": "xterm", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    child.expect(r"reading the weights \([12] s\)")
    child.expect(r"compiling \([12] s\)")
    child.expect(r"\r\x1b\[Kstep 1\r\n")
    child.expect("done")
    assert "compiling" not in (child.before or "")
    child.expect(pexpect.EOF)


def test_nothing_of_it_stands_in_a_log() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "1.5"], capture_output=True, text=True, timeout=300
    )
    assert (done.stdout, done.stderr) == ("done\n", "step 1\n")
