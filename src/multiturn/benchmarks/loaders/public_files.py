"""Published problem files: downloaded once, verified and stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import HashMismatchError, storage_errors
from multiturn.hub.checksums import Checksum
from multiturn.hub.downloads import DownloadSpec, ensure
from multiturn.hub.partial import PartialFile
from multiturn.hub.progress import Phase, ProgressListener, silent
from multiturn.hub.sources.download import download
from multiturn.hub.sources.retry import DownloadRetryPolicy, Timeouts
from multiturn.hub.sources.source import DownloadSource, Tell
from multiturn.hub.sources.transport import http_client, tls_context
from multiturn.hub.store import ModelStore

__all__ = ["PublicFile", "UrlSource", "checked_bytes", "fetch"]


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file at a fixed URL."""

    url: str
    retries: DownloadRetryPolicy = field(default_factory=DownloadRetryPolicy)
    timeouts: Timeouts = field(default_factory=Timeouts)

    @property
    def label(self) -> str:
        """The URL."""
        return self.url

    def extra_bytes(self, have: int) -> int:
        """Zero: the bytes go straight into the file."""
        del have
        return 0

    def fetch(self, partial: PartialFile, tell: Tell) -> None:
        """Fill `partial` from the URL."""
        tell(Phase.CONNECTING, partial.have)
        with http_client(timeouts=self.timeouts, tls=tls_context()) as client:
            download(
                client,
                self.url,
                partial,
                retries=self.retries,
                on_bytes=lambda done: tell(Phase.DOWNLOADING, done),
                on_retry=lambda reason: tell(Phase.RETRYING, partial.have, reason),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFile:
    """A published file of problems, identified by its SHA-256.

    Attributes:
        name: of the benchmark.
        file: its name on this machine.
        size: in bytes.
        sha256: of the file.
        same: SHA-256 of other files with the same problems, such as the decompressed file.
    """

    name: str
    file: str
    size: int
    sha256: str
    same: tuple[str, ...] = ()


def fetch(
    public: PublicFile, source: DownloadSource, *, progress: ProgressListener = silent
) -> Path:
    """The file on this machine; downloaded the first time.

    Raises:
        NetworkError: the source did not answer.
        HashMismatchError: the source gave another file.
        StorageError: the disk is full, or the directory cannot be written.
    """
    store = ModelStore(benchmarks_directory())
    path = store.directory(public.name) / public.file
    wanted = DownloadSpec(path, public.size, Checksum("sha256", public.sha256), (source,))
    with store.locked(public.name, on_wait=lambda: None):
        ensure(wanted, store.partial(public.name), progress=progress)
    return path


def benchmarks_directory() -> Path:
    """The directory of downloaded problem files, beside the models."""
    return app_dirs().models.with_name("benchmarks")


def checked_bytes(path: Path, public: PublicFile, *, any_hash: bool) -> tuple[bytes, str]:
    """The bytes of a file and their SHA-256.

    Raises:
        HashMismatchError: it is not the published file, and `any_hash` is not set.
        StorageError: it cannot be read.
    """
    with storage_errors(path, f"reading the problems of {public.name}"):
        data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if not any_hash and found not in (public.sha256, *public.same):
        raise HashMismatchError(
            f"{path.name} is not the published file of {public.name}",
            got=f"sha256 {found}",
            allowed=f"sha256 {public.sha256}",
            fix="name the published file, or accept any file with --any-hash",
        )
    return data, found
