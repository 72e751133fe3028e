"""Where the bytes of a file can come from.

Each source fills a `PartialFile`; what it gives is only believed once the fingerprint of
the whole file is right, so any of them may go on where another stopped.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlsplit

from multiturn.hub.partial import PartialFile
from multiturn.hub.progress import Phase
from multiturn.hub.registry import HubFile
from multiturn.hub.sources.retry import DownloadRetryPolicy, Timeouts

__all__ = ["HUGGING_FACE", "Hub", "Source", "Tell", "hub_settings"]

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
        endpoint: base address, without a slash at the end.
        token: sent to the endpoint's own host only.
        offline: the person asked not to call it.
        timeouts: short ones: where the hub is out of reach, the next source should be tried
            soon.
        retries: how often a failure is retried.
    """

    endpoint: str = HUGGING_FACE
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(connect=5.0, read=15.0))
    retries: DownloadRetryPolicy = field(
        default_factory=lambda: DownloadRetryPolicy(attempts=3, connect_attempts=1)
    )

    @property
    def host(self) -> str:
        """Its name, for a person."""
        return urlsplit(self.endpoint).hostname or self.endpoint

    @property
    def headers(self) -> dict[str, str]:
        """What every request to it carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def file_url(self, file: HubFile) -> str:
        """Where it serves a file's bytes."""
        return (
            f"{self.endpoint}/{quote(file.repository)}/resolve/"
            f"{quote(file.revision, safe='')}/{quote(file.path)}"
        )


def hub_settings() -> Hub:
    """The hub as the environment has it: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE."""
    endpoint = (os.environ.get("HF_ENDPOINT") or HUGGING_FACE).strip()
    return Hub(
        endpoint=endpoint.rstrip("/"),
        token=(os.environ.get("HF_TOKEN") or "").strip() or None,
        offline=os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in ("1", "true", "yes", "on"),
    )
