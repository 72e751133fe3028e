"""The HTTP engine, opened at servers that a test starts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from multiturn.engines.http.engine import HttpEngine
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.notices import ignore_notice

sys.path.insert(0, str(Path(__file__).parent))  # several modules use the servers

from http_hostile import QUICK, QUICK_RETRY, Hostile


@pytest.fixture
def opening() -> Iterator[Callable[..., HttpEngine]]:
    with contextlib.ExitStack() as stack:

        def open_it(*servers: Hostile, **settings: object) -> HttpEngine:
            for server in servers:
                stack.callback(server.close)
            settings = {"timeouts": QUICK, "retry": QUICK_RETRY, "slots": 4, **settings}
            listen = settings.pop("listen", ignore_notice)
            addresses = [server.address for server in servers]
            return stack.enter_context(
                open_http(addresses, settings=HttpSettings(**settings), listen=listen)
            )

        yield open_it
