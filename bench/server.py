"""`multiturn serve` and llama.cpp's own server: throughput and time to first token.

Both serve the same weights on the same number of threads, each in a process of its own. Clients
send completions one after another over HTTP and read them as streams; prompts are never repeated,
so neither server finds one in a cache. The servers take turns, so that other work on the machine
meets both.

    python bench/server.py --out bench/results/server.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from peers.machine import describe_machine, machine_line

from multiturn.hub.downloads import pull

CLIENTS = (1, 8, 32)
CONTEXT = 1024
"""Tokens of the window of each client."""
_READY_SECONDS = 600
_KEY = "a-key-for-the-benchmark"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one client measured of one request, in seconds."""

    to_first_token: float
    total: float
    tokens: int


def main() -> None:
    """Measure, print and save."""
    options = _options()
    if options.as_llama:
        _serve_llama(options)
        return
    path = pull(options.model)
    found: dict[str, dict[int, list[dict[str, float]]]] = {"multiturn": {}, "llama.cpp": {}}
    for _ in range(options.rounds):
        for clients in options.clients:
            for name, measured in found.items():
                row = _measure(name, path, clients, options)
                measured.setdefault(clients, []).append(row)
                print(f"{name:10} {clients:3} clients  {row['tokens_per_second']:7.1f} tokens/s  "
                      f"first token {row['first_token_median']:.2f} s", flush=True)  # fmt: skip
    machine = describe_machine()
    print(machine_line(machine))
    rows = [_row(clients, found) for clients in options.clients]
    for row in rows:
        print(json.dumps(row))
    if options.out:
        result = {
            "machine": machine, "model": options.model, "threads": options.threads,
            "prompt_tokens": "about 120", "new_tokens": options.tokens,
            "requests_per_client": options.requests, "rounds": options.rounds, "rows": rows,
        }  # fmt: skip
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def _row(clients: int, found: dict[str, dict[int, list[dict[str, float]]]]) -> dict[str, Any]:
    """The medians of all rounds, and how the servers compare."""
    row: dict[str, Any] = {"clients": clients}
    for name, measured in found.items():
        names = measured[clients][0]
        row[name] = {
            key: round(statistics.median(each[key] for each in measured[clients]), 3)
            for key in names
        }
    ours, theirs = row["multiturn"], row["llama.cpp"]
    row["throughput_ratio"] = round(ours["tokens_per_second"] / theirs["tokens_per_second"], 3)
    row["first_token_ratio"] = round(ours["first_token_median"] / theirs["first_token_median"], 3)
    return row


def _measure(name: str, path: Path, clients: int, options: Any) -> dict[str, float]:
    """Start a server, warm it up, and let all clients work at once."""
    with _server(name, path, clients, options) as (port, model):
        work = _Work(port, model, options.tokens)
        asyncio.run(work.run(clients, 1))
        started = time.perf_counter()
        answers = asyncio.run(work.run(clients, options.requests))
        seconds = time.perf_counter() - started
    firsts = sorted(answer.to_first_token for answer in answers)
    return {
        "tokens_per_second": sum(answer.tokens for answer in answers) / seconds,
        "first_token_median": statistics.median(firsts),
        "first_token_p95": firsts[min(len(firsts) - 1, int(len(firsts) * 0.95))],
        "tokens": sum(answer.tokens for answer in answers) / len(answers),
    }


@contextmanager
def _server(name: str, path: Path, clients: int, options: Any) -> Iterator[tuple[int, str]]:
    """A server in a process of its own: its port, and the name of its model."""
    if name == "multiturn":
        program = "from multiturn.apps.cli.main import entry; entry()"
        command = [
            sys.executable, "-c", program, "serve", "--model", str(path), "--port", "0",
            "--threads", str(options.threads),
        ]  # fmt: skip
    else:
        command = [
            sys.executable, __file__, "--as-llama", str(path), "--clients", str(clients),
            "--threads", str(options.threads),
        ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "MULTITURN_SERVER_TOKEN": _KEY},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        output, end = "", time.monotonic() + _READY_SECONDS
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", output)):
            line = process.stdout.readline()
            if not line or time.monotonic() > end:
                raise SystemExit(f"{name} does not start:\n{output}")
            output += line
        yield int(found[1]), path.name
    finally:
        process.kill()
        process.wait()


class _Work:
    """What clients do: the prompts are new each time."""

    def __init__(self, port: int, model: str, tokens: int) -> None:
        self._port = port
        self._model = model
        self._tokens = tokens
        self._asked = 0

    async def run(self, clients: int, requests: int) -> list[Answer]:
        """All answers to clients that each send so many requests."""
        found = await asyncio.gather(*(self._client(requests) for _ in range(clients)))
        return [answer for answers in found for answer in answers]

    async def _client(self, requests: int) -> list[Answer]:
        return [await self._ask() for _ in range(requests)]

    async def _ask(self) -> Answer:
        self._asked += 1
        body = json.dumps(
            {
                "model": self._model,
                "prompt": _prompt(self._asked),
                "max_tokens": self._tokens,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        ).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Authorization: Bearer {_KEY}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(head.encode() + body)
        first, tokens, text = 0.0, 0, b""
        status = await reader.readline()
        if b" 200 " not in status:
            raise SystemExit(f"{status!r} {await reader.read()!r}")
        async for line in reader:
            if line.startswith(b"data: {"):
                if not first and b'"text":""' not in line:
                    first = time.perf_counter() - started
                text = line
        tokens = json.loads(text.removeprefix(b"data: "))["usage"]["completion_tokens"]
        writer.close()
        return Answer(first, time.perf_counter() - started, tokens)


def _prompt(number: int) -> str:
    """A program with a beginning of its own, about 120 tokens."""
    names = ("total", "scores", "words", "matrix", "prices", "ages")
    lines = [f"# Program {number} of the series.", "", "import math", ""]
    for place in range(6):
        name = names[(number + place) % len(names)]
        lines += [f"def {name}_{number + place}(values):", f"    return sum(values) + {place}", ""]
    lines += [
        "# A function that prints the first hundred prime numbers, one by one, with a comment.",
        "",
    ]
    return "\n".join(lines)


def _serve_llama(options: Any) -> None:
    """Be llama.cpp's server, with a slot for each client."""
    from multiturn.hub.llama_cpp_library import import_xllamacpp

    xllamacpp = import_xllamacpp()
    (clients,) = options.clients
    params = xllamacpp.CommonParams()
    params.model.path = options.as_llama
    params.n_parallel = clients
    params.n_ctx = CONTEXT * clients
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.n_threads_http = clients + 2
    params.fit_params = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


def _options() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b", help="a known name")
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS))
    parser.add_argument("--requests", type=int, default=4, help="of each client")
    parser.add_argument("--tokens", type=int, default=64, help="new ones of each request")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="where to save the result as JSON")
    parser.add_argument("--as-llama", metavar="FILE", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
