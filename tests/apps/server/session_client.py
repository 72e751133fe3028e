"""A client of the session API, and scripted servers for it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

WAIT_SECONDS = 120

SCRIPT = {
    "Set x": "x = 2\n",
    "Double x": ["x = x + x + 1\nprint(x)\n", "x *= 2\nprint(x)\n", "x = y\n"],
    "Add 1": "x += 1\nprint('now', x)\n",
    "Loop forever": "while True:\n    pass\n",
    "Say hello": "const words = ['hello', 'you']; // two\nconsole.log(words.join(' '))\n",
    "Long": "values = [\n" + "".join(f"    {number},\n" for number in range(150)) + "]\n",
}


@dataclass(frozen=True)
class ServerEvent:
    """One server-sent event."""

    kind: str
    data: Any
    number: int | None = None


def read_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """The events in the lines of a stream, by the rules of the specification."""
    kind, data, number = "message", [], None
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(kind, json.loads("\n".join(data)), number)
            kind, data, number = "message", [], None
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                number = int(value)


class SessionClient:
    """One session over HTTP."""

    def __init__(self, http: httpx.Client, session_id: str | None = None, **body: Any) -> None:
        self.http = http
        if session_id is None:
            answer = http.post("/api/sessions", json=body)
            assert answer.status_code == 201, answer.text
            assert answer.headers["location"] == f"/api/sessions/{answer.json()['id']}"
            session_id = answer.json()["id"]
        self.id = session_id
        self.path = f"/api/sessions/{session_id}"

    def view(self) -> dict[str, Any]:
        answer = self.http.get(self.path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
        return answer.json()

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.http.post(f"{self.path}/{path}", json=body or {}, **options)

    def start(self, path: str, body: Any = None, **options: Any) -> str:
        """Start a job; its id."""
        answer = self.post(path, body, **options)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"{self.path}/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ended(self, job_id: str) -> dict[str, Any]:
        """Wait for the end of a job."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            job = self.job(job_id)
            if job["state"] != "running":
                return job
            time.sleep(0.02)
        raise AssertionError(f"the job still runs: {job}")

    def do(self, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Do a job to its end, which must be good; the session then."""
        job = self.ended(self.start(path, body, **options))
        assert job["state"] == "saved", job
        return self.view()

    def turn(self, prompt: str, **body: Any) -> dict[str, Any]:
        return self.do("turns", {"prompt": prompt, **body})

    @contextlib.contextmanager
    def events(self, after: int | None = None, **headers: str) -> Iterator[Iterator[ServerEvent]]:
        query = "" if after is None else f"?after={after}"
        with self.http.stream("GET", f"{self.path}/events{query}", headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield read_events(answer.iter_lines())


def codes(view: dict[str, Any]) -> list[str]:
    return [turn["code"] for turn in view["path"]]


def text_of(events: list[ServerEvent]) -> str:
    """The text of all candidates, in the order in which it came."""
    return "".join(
        text for event in events if event.kind == "text" for _, text in event.data["texts"]
    )


def texts_of(events: list[ServerEvent]) -> dict[int, str]:
    """The text that was shown of each candidate."""
    texts: dict[int, str] = {}
    for event in events:
        for index, text in event.data["texts"] if event.kind == "text" else ():
            texts[index] = texts.get(index, "") + text
    return texts
