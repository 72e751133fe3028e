"""Finds a wheel or a source distribution where the user's pip would find it."""

from __future__ import annotations

import logging
import os
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

import httpx
from unearth import Package, PackageFinder
from unearth.collector import LinkCollectError
from unearth.fetchers import DEFAULT_SECURE_ORIGINS, Fetcher

from multiturn.hub.partial import SourceFailedError
from multiturn.hub.sources.pip_settings import PipSettings
from multiturn.hub.sources.retry import Timeouts
from multiturn.hub.sources.transport import TRANSIENT_STATUSES, http_client, reason_of, tls_context

__all__ = ["PackageIndex", "SdistLink", "WheelLink", "open_package_index"]

_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class WheelLink:
    """The location of one wheel.

    Attributes:
        url: without credentials.
        host: to show to a person.
        path: of a local wheel; None if it must be downloaded.
        auth: user and password, if known for the host.
    """

    url: str
    host: str
    path: Path | None
    auth: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class SdistLink:
    """The location of the source distribution of one project.

    Attributes:
        version: of the project.
        file_name: of the archive.
        sha256: from the index; None if it has none.
        link: the location.
    """

    version: str
    file_name: str
    sha256: str | None
    link: WheelLink


class PackageIndex:
    """The indexes and links of one `PipSettings`, with an HTTP client.

    Args:
        settings: where to look.
        client: sends the requests.
    """

    def __init__(self, settings: PipSettings, client: httpx.Client) -> None:
        self.settings = settings
        self.client = client

    def find(self, project: str, version: str, sha256: str) -> list[WheelLink]:
        """The locations of the wheel of exactly this version, the most likely first.

        A location with another hash in its index is left out.

        Raises:
            SourceFailedError: no location has it; the message has the answer of each.
        """
        with _collected_warnings() as reasons:
            packages = self._matches(f"{project}=={version}", wheels=True)
        same = [
            package
            for package in packages
            if (package.link.hash_option or {}).get("sha256", [sha256]) == [sha256]
        ]
        if same:
            # Locations with a hash come before locations without one.
            same.sort(key=lambda package: not package.link.hash_option)
            return [self._link(package.link.url_without_fragment) for package in same]
        if packages:
            raise SourceFailedError(f"its {project} {version} is another file (other sha256)")
        detail = "; ".join(dict.fromkeys(reasons))
        raise SourceFailedError(
            f"no {project} {version} there" + (f" ({detail})" if detail else "")
        )

    def find_sdist(self, project: str, version: str | None = None) -> SdistLink:
        """The source distribution of a version, or of the newest version that has one.

        Raises:
            SourceFailedError: no location has it; the message has the answer of each.
        """
        wanted = f"{project}=={version}" if version else project
        with _collected_warnings() as reasons:
            packages = self._matches(wanted, wheels=False)
        for package in packages:
            link = package.link
            if not link.is_wheel:
                stated = (link.hash_option or {}).get("sha256")
                return SdistLink(
                    str(package.version),
                    link.filename,
                    stated[0] if stated else None,
                    self._link(link.url_without_fragment),
                )
        detail = "; ".join(dict.fromkeys(reasons))
        raise SourceFailedError(
            f"no source distribution of {wanted} there" + (f" ({detail})" if detail else "")
        )

    def _matches(self, requirement: str, *, wheels: bool) -> list[Package]:
        """The packages of the indexes and links, newest first."""
        settings = self.settings
        find_links = _existing(settings.find_links)
        # Without any location the finder would fall back to PyPI, which pip is set not to use.
        if not settings.index_urls and not find_links:
            raise SourceFailedError("pip is set to use no index, and no links that exist")
        finder = PackageFinder(
            session=cast(Fetcher, _Fetcher(self.client, self)),
            index_urls=settings.index_urls,
            find_links=find_links,
            ignore_compatibility=True,
            only_binary=[":all:"] if wheels else [],
            no_binary=[] if wheels else [":all:"],
        )
        pinned = "==" in requirement
        try:
            return list(
                finder.find_matches(requirement, allow_yanked=pinned, allow_prereleases=pinned)
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise SourceFailedError(reason_of(error)) from error

    def login_for(self, url: str) -> tuple[str, str] | None:
        """User and password for `url`, from the URL, its index, or netrc."""
        parts = urlsplit(url)
        candidates = [parts, *(urlsplit(index) for index in self.settings.index_urls)]
        for candidate in candidates:
            if candidate.username and (candidate.hostname, candidate.port) == (
                parts.hostname,
                parts.port,
            ):
                return unquote(candidate.username), unquote(candidate.password or "")
        try:
            found = netrc(os.environ.get("NETRC")).authenticators(parts.hostname or "")
        except (OSError, NetrcParseError):
            return None
        return (found[0], found[2] or "") if found else None

    def _link(self, url: str) -> WheelLink:
        parts = urlsplit(url)
        if parts.scheme == "file":
            path = Path(urllib.request.url2pathname(parts.path))
            return WheelLink(url, str(path.parent), path, None)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return WheelLink(bare, parts.hostname or "", None, self.login_for(url))


@contextmanager
def open_package_index(settings: PipSettings) -> Iterator[PackageIndex]:
    """The package index of these settings; its connections close on exit.

    Raises:
        SourceFailedError: a proxy or certificate setting cannot be used.
    """
    tls = tls_context(ca_bundle=settings.cert, client_certificate=settings.client_cert)
    with http_client(
        timeouts=Timeouts(connect=15.0, read=settings.timeout or 30.0),
        tls=tls,
        proxy=settings.proxy,
        trusted_hosts=settings.trusted_hosts,
    ) as client:
        yield PackageIndex(settings, client)


def _existing(find_links: Iterable[str]) -> list[str]:
    """The links without missing directories, which pip ignores too."""
    return [link for link in find_links if "://" in link or Path(link).exists()]


class _Fetcher:
    """unearth's access to the network, through our client, and to local files.

    An error becomes unearth's `LinkCollectError`, so one failing index does not prevent requests
    to the others.
    """

    def __init__(self, client: httpx.Client, index: PackageIndex) -> None:
        self._client = client
        self._index = index

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self._ask("GET", url, headers)

    def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self._ask("HEAD", url, headers)

    def get_stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[httpx.Response]:
        return self._client.stream("GET", url, headers=headers)

    def iter_secure_origins(self) -> Iterable[tuple[str, str, str]]:
        yield from DEFAULT_SECURE_ORIGINS
        for trusted in self._index.settings.trusted_hosts:
            host, _, port = trusted.partition(":")
            yield "*", host, port or "*"

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None) -> httpx.Response:
        if url.startswith("file:"):
            return _local_page(method, url)
        auth = self._index.login_for(url)
        try:
            response = self._client.request(method, url, headers=headers, auth=auth)
            if response.status_code not in TRANSIENT_STATUSES:
                return response
        except httpx.TransportError:
            pass
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LinkCollectError(reason_of(error)) from error
        # A model has several wheels, and one transient error should not fail all of them.
        time.sleep(_RETRY_SECONDS)
        try:
            return self._client.request(method, url, headers=headers, auth=auth)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LinkCollectError(reason_of(error)) from error


def _local_page(method: str, url: str) -> httpx.Response:
    path = Path(urllib.request.url2pathname(urlsplit(url).path))
    request = httpx.Request(method, url)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LinkCollectError(error.strerror or "cannot be read") from error
    kind = "application/vnd.pypi.simple.v1+json" if path.suffix == ".json" else "text/html"
    return httpx.Response(200, headers={"Content-Type": kind}, content=content, request=request)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage().removeprefix("Failed to collect links from "))


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """The warnings that unearth logs, its only explanation of why an index has nothing.

    With this handler in place, Python does not print the warnings itself.
    """
    collector = _Collector()
    logger = logging.getLogger("unearth")
    logger.addHandler(collector)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(collector)
