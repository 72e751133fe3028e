"""Where the bytes of a file can come from.

Each source fills a `PartialFile`; what it gives is only believed once the fingerprint of
the whole file is right, so any of them may go on where another stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlsplit

import httpx

from multiturn.hub.download import Retries, download
from multiturn.hub.partial import PartialFile, SourceFailedError
from multiturn.hub.progress import Phase
from multiturn.hub.registry import HubFile
from multiturn.hub.transport import Timeouts, http_client, tls_context

__all__ = ["HUGGING_FACE", "Hub", "HubSource", "Source", "Tell", "hub_settings"]

HUGGING_FACE = "https://huggingface.co"


class Tell(Protocol):
    """How a source tells what it is doing about the file it was asked for."""

    def __call__(self, phase: Phase, done: int, note: str = "") -> None:
        """Report a moment; `done` counts bytes of the finished file."""
        ...


class Source(Protocol):
    """One place that has a file."""

    @property
    def label(self) -> str:
        """Its name, for a person."""
        ...

    def extra_bytes(self, have: int) -> int:
        """Room on the disk it needs beyond the file itself, when `have` bytes are there."""
        ...

    def fetch(self, partial: PartialFile, tell: Tell) -> None:
        """Fill `partial`.

        Raises:
            SourceFailedError: with the reason. What came is kept in `partial`.
            HashMismatchError: a part of it has the wrong bytes.
            StorageError: the disk is full.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hub:
    """How to reach the Hugging Face hub, or what stands in for it.

    Attributes:
        endpoint: base address.
        token: sent to the endpoint's own host only.
        timeouts: a short one to connect: where the hub is out of reach, the next source
            should be tried soon.
        offline: the person asked not to call it.
    """

    endpoint: str = HUGGING_FACE
    token: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    offline: bool = False

    @property
    def host(self) -> str:
        """Its name, for a person."""
        return urlsplit(self.endpoint).hostname or self.endpoint

    @property
    def headers(self) -> dict[str, str]:
        """What every request to it carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A client for it; its connections close at the end.

        Raises:
            SourceFailedError: it may not be called, or a setting makes no sense.
        """
        if self.offline:
            raise SourceFailedError("HF_HUB_OFFLINE is set")
        if urlsplit(self.endpoint).scheme not in ("http", "https"):
            raise SourceFailedError(f"HF_ENDPOINT is not an http address: {self.endpoint}")
        with http_client(timeouts=self.timeouts, tls=tls_context()) as client:
            yield client

    def file_url(self, file: HubFile) -> str:
        """Where the hub serves a file's bytes."""
        return (
            f"{self.endpoint}/{quote(file.repository)}/resolve/"
            f"{quote(file.revision, safe='')}/{quote(file.path)}"
        )


def hub_settings() -> Hub:
    """The hub as the environment has it: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE."""
    endpoint = os.environ.get("HF_ENDPOINT") or HUGGING_FACE
    return Hub(
        endpoint=endpoint.strip().rstrip("/"),
        token=(os.environ.get("HF_TOKEN") or "").strip() or None,
        offline=os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in ("1", "true", "yes", "on"),
    )


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file of a repository on the hub."""

    file: HubFile
    hub: Hub
    retries: Retries = field(default_factory=lambda: Retries(attempts=3))

    @property
    def label(self) -> str:
        """The hub's host and the repository."""
        return f"{self.hub.host} {self.file.repository}"

    def extra_bytes(self, have: int) -> int:
        """None: the bytes go straight into the file."""
        del have
        return 0

    def fetch(self, partial: PartialFile, tell: Tell) -> None:
        """Fill `partial` from the hub."""
        tell(Phase.CONNECTING, partial.have)
        with self.hub.client() as client:
            download(
                client,
                self.hub.file_url(self.file),
                partial,
                headers=self.hub.headers,
                retries=self.retries,
                on_bytes=_downloading(tell),
                on_retry=lambda reason: tell(Phase.RETRYING, partial.have, reason),
            )


def _downloading(tell: Tell) -> Callable[[int], None]:
    return lambda done: tell(Phase.DOWNLOADING, done)
