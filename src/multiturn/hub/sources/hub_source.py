"""A file from the Hugging Face hub."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from multiturn.hub.partial import PartialFile, SourceFailedError
from multiturn.hub.progress import Phase
from multiturn.hub.registry import HubFile
from multiturn.hub.sources.download import download
from multiturn.hub.sources.source import Hub, Tell
from multiturn.hub.sources.transport import http_client, tls_context

__all__ = ["HubSource", "hub_client"]


@contextmanager
def hub_client(hub: Hub) -> Iterator[httpx.Client]:
    """A client for the hub; its connections close at the end.

    Raises:
        SourceFailedError: offline mode is set, the host name does not resolve in time, or a
            setting is invalid.
    """
    if hub.offline:
        raise SourceFailedError("HF_HUB_OFFLINE is set")
    if urlsplit(hub.endpoint).scheme not in ("http", "https"):
        raise SourceFailedError(f"HF_ENDPOINT is not an http address: {hub.endpoint}")
    _require_resolvable(hub)
    with http_client(timeouts=hub.timeouts, tls=tls_context()) as client:
        yield client


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file of a repository on the hub."""

    file: HubFile
    hub: Hub

    @property
    def label(self) -> str:
        """The hub's host and the repository."""
        return f"{self.hub.host} {self.file.repository}"

    def extra_bytes(self, have: int) -> int:
        """0, since the bytes go directly into the file."""
        del have
        return 0

    def fetch(self, partial: PartialFile, tell: Tell) -> None:
        """Fill `partial` from the hub."""
        tell(Phase.CONNECTING, partial.have)
        with hub_client(self.hub) as client:
            download(
                client,
                self.hub.file_url(self.file),
                partial,
                headers=self.hub.headers,
                retries=self.hub.retries,
                on_bytes=lambda done: tell(Phase.DOWNLOADING, done),
                on_retry=lambda reason: tell(Phase.RETRYING, partial.have, reason),
            )


def _require_resolvable(hub: Hub) -> None:
    """Fail early if name resolution hangs.

    A name server that drops queries, as behind many firewalls, blocks the system's resolver for
    half a minute, which the connect timeout does not cover. A proxy resolves names itself.
    """
    host = urlsplit(hub.endpoint).hostname or ""
    proxies = urllib.request.getproxies()
    if not urllib.request.proxy_bypass(host) and proxies.keys() & {"http", "https", "all"}:
        return
    answered = threading.Event()

    def resolve() -> None:
        # If this fails, the request itself reports why.
        with suppress(OSError, UnicodeError):
            socket.getaddrinfo(host, None)
        answered.set()

    threading.Thread(target=resolve, daemon=True, name="resolve-hub").start()
    if not answered.wait(hub.timeouts.connect):
        seconds = f"{hub.timeouts.connect:g}"
        raise SourceFailedError(f"its name was not resolved within {seconds} seconds")
