"""What the tests of whole programs share: a script for the engine, a terminal to type on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

SCRIPT = Path(sys.executable).with_name("multiturn")

# What a terminal is told beside text: colours, movements, titles, modes.
_CONTROLS = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>()][0-9A-B]?)")

LINES = (
    {"settings": {"context_window": 2000}},
    {
        "when": "Make the list",
        "answers": ["numbers = [3, 1, 2]\nprint(numbers)", "numbers = list((3, 1, 2))"],
    },
    {"when": "Sort it", "answers": ["numbers.sort()\nprint(numbers)"]},
    {"when": "Add it up", "answers": ["print(sum(numbers))", "print(sum(number))"]},
    {"when": "Fail", "answers": ["print(missing)"]},
    {"when": "Break down", "error": "the engine broke down"},
    {"when": "Be hostile", "answers": ["print('\\x1b]0;title\\x07\\x1b[31mred')"]},
)


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The `--model` of an engine that knows a few steps."""
    return write_script(tmp_path / "script.jsonl", LINES)


@pytest.fixture
def slow_script(tmp_path: Path) -> str:
    """The same, writing four tokens a second, so that there is time to interrupt it."""
    slow = [{"settings": {"seconds_per_token": 0.25}}, *LINES[1:]]
    return write_script(tmp_path / "slow.jsonl", slow)


def write_script(path: Path, lines: object) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))  # type: ignore[attr-defined]
    return f"scripted:{path}"


Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Runs `multiturn` to its end, with nobody at a keyboard."""

    def run(*arguments: object, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, **env},
        )

    return run


class Terminal:
    """`multiturn` on a terminal of its own, and a person who types."""

    def __init__(self, directory: Path, arguments: tuple[str, ...], env: dict[str, str]) -> None:
        self.process = pexpect.spawn(
            str(SCRIPT),
            list(arguments),
            cwd=str(directory),
            env=os.environ | {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"} | env,
            dimensions=(40, 100),
            encoding="utf-8",
            timeout=300,
        )
        self.seen = ""

    def wait_for(self, text: str) -> str:
        """Wait until the screen has shown `text`; returns what came before it."""
        while True:
            before, found, after = self.seen.partition(text)
            if found:
                self.seen = after
                return before
            try:
                self.process.expect(r".+")
            except (pexpect.EOF, pexpect.TIMEOUT):
                raise AssertionError(f"{text!r} was not shown, but:\n{self.seen}") from None
            self.seen = _CONTROLS.sub("", self.seen + self.process.after)

    def type(self, text: str) -> None:
        """Type, and press Enter."""
        self.process.send(text + "\r")

    def press(self, key: str) -> None:
        """Press a key with Ctrl, or send bytes."""
        self.process.send(key) if len(key) > 1 else self.process.sendcontrol(key)

    def leave(self) -> int:
        """Press Ctrl-D, again where it fell between two prompts; returns the exit code."""
        for _ in range(5):
            self.process.sendcontrol("d")
            with contextlib.suppress(pexpect.TIMEOUT):
                return self.ended(6)
        raise AssertionError(f"it does not end:\n{self.seen}")

    def ended(self, seconds: float = 300) -> int:
        """Wait for the end; returns the exit code."""
        self.process.expect(pexpect.EOF, timeout=seconds)
        self.seen = _CONTROLS.sub("", self.seen + self.process.before)
        self.process.close()
        status: int = self.process.exitstatus if self.process.exitstatus is not None else -1
        return status


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[OpenTerminal]:
    """Opens `multiturn` on terminals; ends what still runs afterwards."""
    opened: list[Terminal] = []

    def open_(*arguments: str, **env: str) -> Terminal:
        opened.append(Terminal(tmp_path, arguments, env))
        return opened[-1]

    yield open_
    for each in opened:
        each.process.close(force=True)
