"""Real servers with a real small engine, on a port of this machine."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from multiturn.engines.native.loader import open_native
from multiturn.engines.protocol import Engine
from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore

sys.path.insert(0, str(Path(__file__).parent))  # several modules use the stepping engine

if find_spec("fastapi") is None:  # the extra `serve` is not installed
    collect_ignore_glob = ["test_*.py"]
else:
    from multiturn.apps.server.resources import ServerResources
    from multiturn.apps.server.runs.library import RunLibrary
    from multiturn.apps.server.serving import HttpServer, bind
    from multiturn.apps.server.settings import ServerSettings

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}</{{ message.role }}>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server in a thread of this process."""

    url: str
    token: str
    resources: ServerResources
    server: HttpServer

    def client(self, **options: Any) -> httpx.Client:
        """A client that sends the token."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=120, **options
        )


@pytest.fixture(scope="module")
def tiny_engine(tiny_gguf: Callable[..., Path], module_home: Path) -> Iterator[Engine]:
    """The native engine with a small random model and a chat template."""
    del module_home
    path = tiny_gguf(
        context=2048,
        vocabulary=310,
        metadata={"tokenizer.chat_template": CHAT_TEMPLATE},
        tokens={
            300: ("<|fim_prefix|>", 3),
            301: ("<|fim_suffix|>", 3),
            302: ("<|fim_middle|>", 3),
        },
    )
    with open_native(path, threads=1, slots=16) as engine:
        yield engine


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The sandbox of this machine."""
    with open_sandbox(workers=1) as sandbox:
        yield sandbox


@contextlib.contextmanager
def running(
    engine: Engine,
    sandbox: Sandbox,
    store: SessionStore | None = None,
    runs: RunLibrary | None = None,
    **settings: Any,
) -> Iterator[RunningServer]:
    """A server over an engine; it has stopped when the block ends."""
    with contextlib.ExitStack() as stack:
        store = store or stack.enter_context(SessionStore.in_memory())
        # Tests send more requests than a person.
        usual = ServerSettings(port=0, requests_per_second=1e5, request_burst=100_000)
        resources = ServerResources(
            engine=engine,
            model="tiny",
            sandbox=sandbox,
            store=store,
            settings=replace(usual, **settings),
            runs=runs,
        )
        ready = threading.Event()
        server = HttpServer(resources, bind(resources.settings), on_ready=ready.set)
        thread = threading.Thread(target=server.run, name="test-server", daemon=True)
        thread.start()
        try:
            assert ready.wait(60)
            yield RunningServer(
                url=server.address,
                token=resources.settings.token,
                resources=resources,
                server=server,
            )
        finally:
            server.stop()
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(tiny_engine: Engine, sandbox: Sandbox) -> Iterator[RunningServer]:
    """A server with the small model, for all tests of a module."""
    with running(tiny_engine, sandbox) as found:
        yield found


@pytest.fixture
def serving(sandbox: Sandbox) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers over an engine or a script: `serving(script, max_waiting=1)`."""
    with contextlib.ExitStack() as stack:

        def start(engine: Any, **settings: Any) -> RunningServer:
            if not isinstance(engine, Engine):
                engine = ScriptedEngine(engine)
            stack.enter_context(engine)
            return stack.enter_context(running(engine, sandbox, **settings))

        yield start
