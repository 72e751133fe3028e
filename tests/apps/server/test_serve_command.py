"""`multiturn serve`, as a person starts it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.real

SERVE = [sys.executable, "-c", "from multiturn.apps.cli.main import entry; entry()", "serve"]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "script.jsonl"
    lines = [{"settings": {"seconds_per_token": 0.02}}, {"answers": ["x = 1\n" * 30]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"scripted:{path}"


@contextlib.contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[Any, str, str]]:
    """A server in a process of its own, with its address and its token."""
    process = subprocess.Popen(
        [*SERVE, "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )  # fmt: skip
    try:
        output = ""
        assert process.stdout is not None
        while "Ctrl-C" not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        found = re.search(r"Page: (http://\S+)/\?token=(\S+)", output)
        assert found, output
        yield process, found[1], found[2]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def refusal(*arguments: str, **environment: str) -> str:
    """The line of a server that does not start."""
    done = subprocess.run(
        [*SERVE, *arguments],
        capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


def complete(address: str, token: str, **more: Any) -> httpx.Response:
    return httpx.post(
        f"{address}/v1/completions",
        json={"model": "script.jsonl", "prompt": "p", "max_tokens": 30, **more},
        headers={"Authorization": f"Bearer {token}"},
        timeout=120,
    )


def test_the_printed_link_and_key_work(script: str) -> None:
    with started("-m", script) as (process, address, token):
        assert httpx.get(f"{address}/readyz").status_code == 200
        assert complete(address, token).json()["choices"][0]["text"].startswith("x = 1")
        link = httpx.get(f"{address}/?token={token}", follow_redirects=True)
        assert link.status_code == 200 and "Multiturn" in link.text
        for number, code in ((signal.SIGINT, 0),):
            process.send_signal(number)
            assert process.wait(60) == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_in_flight_finishes_when_it_stops(script: str, number: int) -> None:
    with started("-m", script) as (process, address, token):
        answers: list[str] = []

        def read() -> None:
            with httpx.stream(
                "POST",
                f"{address}/v1/completions",
                json={"model": "script.jsonl", "prompt": "p", "max_tokens": 60, "stream": True},
                headers={"Authorization": f"Bearer {token}"},
                timeout=120,
            ) as answer:
                for line in answer.iter_lines():
                    answers.append(line)
                    begun.set()

        begun = threading.Event()
        reading = threading.Thread(target=read)
        reading.start()
        assert begun.wait(60)
        process.send_signal(number)
        reading.join(60)
        assert "data: [DONE]" in answers
        assert process.wait(60) == 0


def test_a_token_of_ones_own(script: str) -> None:
    token = "a-token-of-my-own-42"
    with started("-m", script, MULTITURN_SERVER_TOKEN=token) as (_, address, printed):
        assert printed == token
        assert complete(address, token).status_code == 200
    assert "easy to guess" in refusal("-m", script, MULTITURN_SERVER_TOKEN="short")


def test_it_never_runs_without_a_sandbox(script: str) -> None:
    assert "sandbox only" in refusal("-m", script, "--unsafe")
    assert "sandbox only" in refusal("-m", script, MULTITURN_UNSAFE="1")


def test_a_port_in_use_is_one_line(script: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        line = refusal("-m", script, "--port", str(other.getsockname()[1]))
    assert "in use" in line and "--port" in line
    assert "cannot listen" in refusal("-m", script, "--host", "192.0.2.1")


def test_beyond_loopback_it_says_what_that_means(script: str) -> None:
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "-m", script, "--host", "0.0.0.0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        output = ""
        while "Ctrl-C" not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        assert "can run programs in the sandbox" in output and "not encrypted" in output
        found = re.search(r"Page: (http://\S+)/\?token=(\S+)", output)
        assert found
        assert httpx.get(f"{found[1]}/v1/models").status_code == 401
        rebound = httpx.get(
            f"{found[1]}/v1/models",
            headers={"Host": "evil.example", "Authorization": f"Bearer {found[2]}"},
        )
        assert rebound.status_code == 403
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_without_its_packages_it_names_the_extra(script: str) -> None:
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'fastapi':\n"
        "            raise ModuleNotFoundError('No module named fastapi', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from multiturn.apps.cli.main import entry; entry()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "serve", "-m", script],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "multiturn[serve]" in line
