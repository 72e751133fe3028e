"""Runs the application on a socket until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from multiturn.apps.server.application import create_app
from multiturn.apps.server.connections import bounded_protocol, raise_descriptor_limit
from multiturn.apps.server.loop_watch import WatchedSelector, watch_loop
from multiturn.apps.server.outermost import OutermostMiddleware
from multiturn.apps.server.resources import ServerResources
from multiturn.apps.server.security_headers import SecurityHeadersMiddleware
from multiturn.apps.server.settings import ServerSettings
from multiturn.core.errors import InputError

__all__ = ["HttpServer", "bind"]

_BACKLOG = 2048


def bind(settings: ServerSettings) -> socket.socket:
    """The socket that the server listens at; the system refuses connections until it serves.

    Raises:
        InputError: the address is not of this machine, or the port is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(
            f"the server cannot listen there ({error.strerror or error})", got=settings.host,
            fix="name an address of this machine with --host",
        ) from error  # fmt: skip
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise InputError(
            f"the server cannot listen there ({error.strerror or error})",
            got=f"{settings.host}:{settings.port}",
            fix="take another port with --port, or 0 for a free one",
        ) from error
    return listener


class HttpServer:
    """Serves an application on one socket.

    Args:
        resources: of the application.
        listener: bound; closed when the server stops.
        log_level: of uvicorn.
        on_ready: called when requests are accepted.

    Attributes:
        on_ready: as given.
        selector: of the event loop, once it runs.
    """

    selector: WatchedSelector

    def __init__(
        self,
        resources: ServerResources,
        listener: socket.socket,
        *,
        log_level: str = "warning",
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        settings = resources.settings
        raise_descriptor_limit(settings.max_connections)
        # Long prompts are tokenized as batches of one, for which threads of their own are a loss.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.on_ready = on_ready
        self._listener = listener
        self._resources = resources
        self._server = _Server(
            uvicorn.Config(
                SecurityHeadersMiddleware(OutermostMiddleware(create_app(resources))),
                http=bounded_protocol(settings),
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_level=log_level,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=int(settings.stop_seconds) + 5,
            ),
            resources,
            lambda: self.on_ready(),
        )

    @property
    def address(self) -> str:
        """The URL of the server for this machine, without a path."""
        host, port = self._listener.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until `stop` is called, or a signal asks for it. Requests in flight finish."""
        try:
            self.selector = WatchedSelector(self._resources.metrics.max_loop_busy.set)
            with asyncio.Runner(
                loop_factory=lambda: asyncio.SelectorEventLoop(self.selector)
            ) as runner:
                runner.run(self._server.serve(sockets=[self._listener]))
        finally:
            self._resources.close_sessions()

    def stop(self) -> None:
        """Ask the server to stop. Any thread may call it."""
        self._server.ask_to_stop()


class _Server(uvicorn.Server):
    """uvicorn, whose application knows when it is asked to stop."""

    def __init__(
        self, config: uvicorn.Config, resources: ServerResources, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._resources = resources
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        self._loop = asyncio.get_running_loop()
        self._watch = asyncio.create_task(watch_loop(self._resources.metrics))
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for what is in flight, and stop."""
        try:
            await super().shutdown(sockets)
        finally:
            self._watch.cancel()

    def ask_to_stop(self) -> None:
        """Begin to stop."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has stopped already
                self._loop.call_soon_threadsafe(self._resources.stop)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop gracefully at the first signal, and at once at the second."""
        del sig, frame
        if self.should_exit:
            self.force_exit = True
        self.ask_to_stop()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals here; uvicorn would raise them again after it has stopped."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
