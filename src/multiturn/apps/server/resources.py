"""What the endpoints share: the engine, the sandbox, the store of sessions, and the limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from fastapi import Request

from multiturn.apps.server.settings import ServerSettings
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.records import SessionSettings
from multiturn.synthesis.store import SessionStore

__all__ = ["ServerResources", "resources_of"]


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
        stopping: set when the server is asked to stop; what waits is refused from then on.
    """

    engine: Engine
    model: str
    sandbox: Sandbox
    store: SessionStore
    settings: ServerSettings = field(default_factory=ServerSettings)
    session_settings: SessionSettings = field(default_factory=SessionSettings)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


def resources_of(request: Request) -> ServerResources:
    """The resources of the application that answers a request: a dependency of endpoints."""
    found = request.app.state.resources
    assert isinstance(found, ServerResources)
    return found
