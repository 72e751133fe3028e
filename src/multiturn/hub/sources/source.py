"""The protocol of sources that a file can be downloaded from.

Each source fills a `PartialFile`. Only the hash of the complete file decides whether its bytes are
right, so any source may resume where another one stopped.
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

__all__ = ["HUGGING_FACE", "Hub", "DownloadSource", "Tell", "hub_settings"]

HUGGING_FACE = "https://huggingface.co"


class Tell(Protocol):
    """Reports the progress of a source."""

    def __call__(self, phase: Phase, done: int, note: str = "") -> None:
        """Report progress; `done` counts bytes of the final file."""
        ...


class DownloadSource(Protocol):
    """One source of a file."""

    @property
    def label(self) -> str:
        """The name to show to a person."""
        ...

    def extra_bytes(self, have: int) -> int:
        """Disk space it needs beyond the file itself, after `have` bytes."""
        ...

    def fetch(self, partial: PartialFile, tell: Tell) -> None:
        """Fill `partial`.

        Raises:
            SourceFailedError: with the reason; `partial` retains the bytes so far.
            HashMismatchError: a part has the wrong bytes.
            StorageError: the disk is full.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hub:
    """How to reach the Hugging Face hub or a mirror.

    Attributes:
        endpoint: base URL, without a trailing slash.
        token: sent only to the endpoint's own host.
        offline: make no requests.
        timeouts: short, so an unreachable hub does not delay the next source.
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
        """The name to show to a person."""
        return urlsplit(self.endpoint).hostname or self.endpoint

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def file_url(self, file: HubFile) -> str:
        """The URL of a file."""
        return (
            f"{self.endpoint}/{quote(file.repository)}/resolve/"
            f"{quote(file.revision, safe='')}/{quote(file.path)}"
        )


def hub_settings() -> Hub:
    """The hub settings of the environment: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE."""
    endpoint = (os.environ.get("HF_ENDPOINT") or HUGGING_FACE).strip()
    return Hub(
        endpoint=endpoint.rstrip("/"),
        token=(os.environ.get("HF_TOKEN") or "").strip() or None,
        offline=os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in ("1", "true", "yes", "on"),
    )
