"""Clients that send requests one after another, and what they measure."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

KEY = "a-key-for-the-benchmark"


@dataclass(frozen=True, slots=True)
class Load:
    """So many clients, each with so many requests.

    Attributes:
        clients: at work at once.
        requests: of each client.
        tokens: new ones of each request, at most.
        first: the number of the first prompt; no prompt is sent twice, so that none is cached.
    """

    clients: int
    requests: int
    tokens: int
    first: int

    def prompts(self, client: int) -> list[str]:
        """Those of a client."""
        start = self.first + client * self.requests
        return [prompt(number) for number in range(start, start + self.requests)]

    @property
    def next(self) -> int:
        """The number of the first prompt of what follows."""
        return self.first + self.clients * self.requests


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client measured of a request, in seconds."""

    to_first_token: float
    total: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a load.

    Attributes:
        tokens_per_second: of all clients.
        first_token_median: seconds.
        first_token_p95: seconds.
        cpu_seconds_per_token: of the process that served it.
        tokens: of a request, on average.
    """

    tokens_per_second: float
    first_token_median: float
    first_token_p95: float
    cpu_seconds_per_token: float
    tokens: float

    def as_record(self) -> dict[str, float]:
        """For the result."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def measured(answers: Sequence[Answer], seconds: float, cpu_seconds: float) -> Measured:
    """Sum up the answers to a load that took so long."""
    firsts = sorted(answer.to_first_token for answer in answers)
    tokens = sum(answer.tokens for answer in answers)
    return Measured(
        tokens_per_second=tokens / seconds,
        first_token_median=statistics.median(firsts),
        first_token_p95=firsts[min(len(firsts) - 1, int(len(firsts) * 0.95))],
        cpu_seconds_per_token=cpu_seconds / tokens,
        tokens=tokens / len(answers),
    )


def prompt(number: int) -> str:
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


def send(load: Load, port: int, model: str) -> list[Answer]:
    """The answers of a server of OpenAI's API to a load; each is read as a stream."""

    async def client(number: int) -> list[Answer]:
        return [await _ask(port, model, text, load.tokens) for text in load.prompts(number)]

    async def all_clients() -> list[list[Answer]]:
        return await asyncio.gather(*map(client, range(load.clients)))

    return [answer for answers in asyncio.run(all_clients()) for answer in answers]


async def _ask(port: int, model: str, text: str, tokens: int) -> Answer:
    wanted: dict[str, Any] = {
        "model": model, "prompt": text, "max_tokens": tokens, "temperature": 0, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    body = json.dumps(wanted).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + body)
    first, last = 0.0, b""
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"error: a server answers {status!r} {await reader.read()!r}")
    async for line in reader:
        if line.startswith(b"data: {"):
            if not first and b'"text":""' not in line:
                first = time.perf_counter() - started
            last = line
    writer.close()
    usage = json.loads(last.removeprefix(b"data: "))["usage"]
    return Answer(first, time.perf_counter() - started, usage["completion_tokens"])
