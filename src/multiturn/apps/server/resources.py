"""What the endpoints share: the engine, the sandbox, the store of sessions, and the limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from weakref import WeakSet

from fastapi import Request as HttpRequest

from multiturn.apps.server.admission import Admission
from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.generation import EngineCall
from multiturn.apps.server.metrics import GenerationMetrics, Metrics
from multiturn.apps.server.runs.library import RunLibrary
from multiturn.apps.server.sessions.service import SessionService
from multiturn.apps.server.settings import ServerSettings
from multiturn.engines.protocol import Engine, Request
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.records import SessionSettings
from multiturn.synthesis.store import SessionStore

__all__ = ["ServerResources", "resources_of"]

_MAX_THREADS = 1024
"""They wait for the engine, so they cost little. One is started when a call needs it."""


@dataclass(slots=True, kw_only=True)
class ServerResources:
    """The open parts of a server. Whoever opens them closes them.

    Attributes:
        engine: generates.
        model: its name or path, as sessions store it.
        sandbox: runs programs.
        store: saves sessions.
        settings: of the server.
        session_settings: of new sessions.
        runs: saved benchmark runs that the page shows; None for no such view.
        stopping: set when the server is asked to stop; what waits is refused from then on.
        admission: decides which calls use the engine now.
        metrics: what the server counts and measures.
        threads: wait for the engine.
    """

    engine: Engine
    model: str
    sandbox: Sandbox
    store: SessionStore
    settings: ServerSettings = field(default_factory=ServerSettings)
    session_settings: SessionSettings = field(default_factory=SessionSettings)
    runs: RunLibrary | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    admission: Admission = field(init=False)
    metrics: Metrics = field(init=False)
    threads: ThreadPoolExecutor = field(init=False)
    _generations: WeakSet[EngineCall] = field(init=False, default_factory=WeakSet)
    _lock: Lock = field(init=False, default_factory=Lock)
    _sessions: SessionService | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.admission = Admission(self.engine.info.slots, self.settings.max_waiting)
        self.metrics = Metrics(self.admission)
        self.threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="multiturn-call")

    @property
    def model_id(self) -> str:
        """The name by which clients ask for the model: that of a file without its directory."""
        return self.model.rstrip("/").rpartition("/")[2] or self.model

    @property
    def sessions(self) -> SessionService:
        """The sessions of the store, opened when they are first used.

        Raises:
            ApiError: the store is in memory, where nothing survives the server.
        """
        with self._lock:
            if self._sessions is None:
                if self.store.is_in_memory:
                    raise ApiError(501, "this server keeps no sessions", code="no_sessions")
                self._sessions = SessionService(
                    self.engine,
                    self.sandbox,
                    self.store,
                    model=self.model,
                    settings=self.session_settings,
                    max_sessions=self.settings.max_sessions,
                    max_waiting=self.settings.max_waiting,
                )
            return self._sessions

    def close_sessions(self) -> None:
        """Let the turns that are being written finish for `stop_seconds`; interrupt the others.

        Blocks.
        """
        with self._lock:
            sessions, self._sessions = self._sessions, None
        if sessions is not None:
            sessions.stop(self.settings.stop_seconds)
            sessions.close()

    def generate(self, requests: Sequence[Request]) -> EngineCall:
        """A call of the engine; it begins when it is entered. Belongs to the event loop."""
        generation = EngineCall(
            self.engine,
            requests,
            admission=self.admission,
            threads=self.threads,
            max_buffered_bytes=self.settings.max_buffered_bytes,
            listener=GenerationMetrics(self.metrics),
        )
        self._generations.add(generation)
        return generation

    def stop(self) -> None:
        """Refuse new calls and those that wait; end the others after `stop_seconds`.

        Belongs to the event loop.
        """
        if not self.stopping.is_set():
            self.stopping.set()
            self.admission.stop()
            if self._sessions is not None:
                self._sessions.refuse_jobs()
            asyncio.get_running_loop().call_later(self.settings.stop_seconds, self._stop_running)

    def _stop_running(self) -> None:
        for generation in list(self._generations):
            generation.stop()


def resources_of(request: HttpRequest) -> ServerResources:
    """The resources of the application that answers a request: a dependency of endpoints."""
    found = request.app.state.resources
    assert isinstance(found, ServerResources)
    return found
