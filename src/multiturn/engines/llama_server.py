"""llama.cpp's server inside this process, reached over a private Unix socket.

`xllamacpp` runs llama.cpp's own server in threads of this process. Its Python API neither
tokenizes nor reports token ids, so this module uses the server's HTTP endpoints, which do. The
socket is in a directory that only this user can enter, and requests need a random key, so no
other user of the machine can use the server.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import secrets
import socket
import tempfile
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from multiturn.core.errors import EngineError
from multiturn.engines.llama_prefix_cache import LlamaPrefixCache
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.hub.llama_options import ServerOptions, server_parameters
from multiturn.hub.llama_trial import find_fault, loading_error

__all__ = ["LlamaServer"]

_SOCKET_PATH_LIMIT = 100  # Linux allows 107 bytes

Answer = dict[str, Any]


class LlamaServer:
    """One loaded model. Safe to use from several threads; requests take turns.

    Raises:
        MissingDependencyError: `xllamacpp` is not installed.
        EngineError: llama.cpp could not load the model.
    """

    def __init__(self, path: Path, options: ServerOptions) -> None:
        xllamacpp = import_xllamacpp()
        self.version = version("xllamacpp")
        self._directory = tempfile.TemporaryDirectory(prefix="multiturn-")
        self._socket = str(Path(self._directory.name, "s.sock"))
        if len(self._socket) > _SOCKET_PATH_LIMIT:
            self._directory.cleanup()
            self._directory = tempfile.TemporaryDirectory(prefix="multiturn-", dir="/tmp")
            self._socket = str(Path(self._directory.name, "s.sock"))
        self._key = secrets.token_urlsafe(32)
        params = server_parameters(xllamacpp, path, options)
        # The one slot is the only cache that `LlamaPrefixCache` knows of.
        params.cache_ram_mib = 0
        params.ctx_shift = False
        params.verbosity = -1
        params.hostnames = [self._socket]
        params.api_keys = [self._key]
        try:
            self._running = _Running(xllamacpp.Server(params), self._directory)
        except Exception as error:
            self._directory.cleanup()
            # The exception of the library has no reason; the log of a trial has.
            raise loading_error(path, find_fault(path, options) or str(error)) from error
        self._slot = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._prefix_cache = LlamaPrefixCache(lambda body: self.post("/completion", body))
        # Threads of llama.cpp that outlive the interpreter would crash the process.
        self._close = weakref.finalize(self, self._running.stop)
        # The first request loads the weights and waits for the server's loop: a server that is
        # stopped before its loop runs never stops.
        self.post("/completion", {"prompt": [0], "n_predict": 0, "cache_prompt": False})

    def post(self, endpoint: str, body: Mapping[str, object]) -> Answer:
        """Send one request, and return its answer.

        Raises:
            EngineError: the server refuses the request, or has stopped.
        """
        connection = self._send(endpoint, body)
        self._running.connections.add(connection)
        try:
            return _read_answer(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # http.client raises AttributeError if the response was closed under it.
            raise EngineError(f"llama.cpp gave no answer ({error})") from error
        finally:
            connection.close()
            self._running.connections.discard(connection)

    def complete(self, body: Mapping[str, Any]) -> Answer:
        """The completion of a prompt of tokens, in one piece.

        Raises:
            EngineError: the server refuses the request, or has stopped.
        """
        with self._turn():
            return self.post("/completion", self._prepared(body))

    def stream(
        self, body: Mapping[str, Any], *, reuse_later: bool
    ) -> Generator[Answer | None, None, None]:
        """The completion of a prompt of tokens, as a stream.

        Yields None now and then while there is nothing new. Closing the iterator stops the
        server within about one token.

        Args:
            body: of the request.
            reuse_later: whether a later prompt may begin with this one and its continuation.

        Raises:
            EngineError: the server refuses the request, fails or has stopped.
        """
        call = _Call(self._running)
        answers: queue.SimpleQueue[Answer | EngineError | None] = queue.SimpleQueue()
        threading.Thread(
            target=self._run_stream,
            args=(body, reuse_later, call, answers),
            name="llama-stream",
            daemon=True,
        ).start()
        try:
            while True:
                try:
                    answer = answers.get(timeout=0.05)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(answer, EngineError):
                    raise answer
                if answer is None:
                    return
                yield answer
        finally:
            # The thread ends by itself; the next request waits for it.
            call.hang_up()

    def _run_stream(
        self,
        body: Mapping[str, Any],
        reuse_later: bool,
        call: _Call,
        answers: queue.SimpleQueue[Answer | EngineError | None],
    ) -> None:
        """Queue the answers of a stream, followed by None or the error that ended it."""
        with self._turn():
            generated = None
            try:
                prepared = {**self._prepared(body), "stream": True}
                if call.begin(lambda: self._send("/completion", prepared)):
                    generated = _read_stream(call, answers)
                answers.put(None)
            except EngineError as error:
                answers.put(error)
            finally:
                call.end()
            # A request that waits already does not wait for this prefill too.
            if reuse_later and generated and not self._waiting:
                with contextlib.suppress(EngineError):  # closed meanwhile
                    self._prefix_cache.add_generated(body["prompt"], generated)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One prompt at a time: there is one slot, and the prefix cache describes it."""
        with self._counting:
            self._waiting += 1
        with self._slot:
            with self._counting:
                self._waiting -= 1
            yield

    def _prepared(self, body: Mapping[str, Any]) -> Answer:
        reuse = self._prefix_cache.prepare(body["prompt"], reuse=body.get("cache_prompt", True))
        return {**body, "cache_prompt": reuse}

    def close(self) -> None:
        """Free the model and the socket. Safe to call twice."""
        self._close()

    def _send(self, endpoint: str, body: Mapping[str, object]) -> http.client.HTTPConnection:
        if self._running.server is None:
            raise EngineError("the engine is closed", fix="open it again")
        connection = _UnixConnection(self._socket)
        try:
            connection.request(
                "POST",
                endpoint,
                body=json.dumps(body).encode(),
                headers={
                    "Content-Type": "application/json",
                    "Authorization": f"Bearer {self._key}",
                },
            )
        except OSError as error:
            connection.close()
            raise EngineError(f"llama.cpp cannot be reached ({error})") from error
        return connection


@dataclass(slots=True)
class _Running:
    """What has to be stopped; the finalizer holds it without a reference to `LlamaServer`."""

    server: object | None
    directory: tempfile.TemporaryDirectory[str]
    connections: set[http.client.HTTPConnection] = field(default_factory=set)

    def stop(self) -> None:
        """Close all connections, then free the model."""
        for connection in list(self.connections):
            _hang_up(connection)
        self.server = None
        self.directory.cleanup()


class _Call:
    """A stream that its reader may abandon at any moment, even before it has begun."""

    def __init__(self, running: _Running) -> None:
        self._running = running
        self._lock = threading.Lock()
        self.abandoned = False
        self.connection: http.client.HTTPConnection | None = None

    def begin(self, send: Callable[[], http.client.HTTPConnection]) -> bool:
        """Send the request, unless the call was abandoned."""
        with self._lock:
            if not self.abandoned:
                self.connection = send()
                self._running.connections.add(self.connection)
        return self.connection is not None

    def hang_up(self) -> None:
        """Abandon the call."""
        with self._lock:
            self.abandoned = True
            if self.connection is not None:
                _hang_up(self.connection)

    def end(self) -> None:
        """Close the connection."""
        with self._lock:
            if self.connection is not None:
                self.connection.close()
                self._running.connections.discard(self.connection)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """Shut a connection down, which wakes its reader and stops the server."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):  # closed by the server
            connection.sock.shutdown(socket.SHUT_RDWR)


def _read_stream(
    call: _Call, answers: queue.SimpleQueue[Answer | EngineError | None]
) -> list[int] | None:
    """Queue the events of a stream, until it ends or is abandoned.

    Returns:
        The generated tokens; None where the server did not report all of them.

    Raises:
        EngineError: the server refused, or failed.
    """
    assert call.connection is not None  # it has begun
    generated: list[int] = []
    count = 0
    try:
        response = call.connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            _read_answer(response)
        for line in response:
            name, _, data = line.partition(b": ")
            if name == b"error":
                raise _refusal(json.loads(data))
            if name == b"data" and not data.startswith(b"[DONE]"):
                answer = json.loads(data)
                if "error" in answer:
                    raise _refusal(answer["error"])
                if "prompt_progress" not in answer:  # its tokens are not generated ones
                    generated += answer.get("tokens", [])
                count = answer.get("tokens_predicted", count)
                answers.put(answer)
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        # http.client raises AttributeError if the response was closed under it.
        if not call.abandoned:
            raise EngineError(f"llama.cpp broke off ({error})") from error
    return generated if len(generated) == count else None


def _read_answer(response: http.client.HTTPResponse) -> Answer:
    answer = json.loads(response.read())
    if response.status != http.HTTPStatus.OK:
        raise _refusal(answer.get("error", answer))
    return dict(answer)


def _refusal(error: Mapping[str, object]) -> EngineError:
    return EngineError(f"llama.cpp refused the request ({error.get('message', error)})")
