"""Downloads one URL into a partial file, with retries and resumption."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from multiturn.core.errors import MultiturnError
from multiturn.hub.checksums import READ_BYTES
from multiturn.hub.partial import PartialFile, SourceFailedError
from multiturn.hub.sources.retry import DownloadRetryPolicy
from multiturn.hub.sources.transport import TRANSIENT_STATUSES, reason_of, status_reason

__all__ = ["copy_local", "download"]

_NO_ANSWER = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.ReadTimeout,
)


class _BrokenError(Exception):
    """The connection failed with a transient error."""


def download(
    client: httpx.Client,
    url: str,
    partial: PartialFile,
    *,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    retries: DownloadRetryPolicy,
    on_bytes: Callable[[int], None],
    on_retry: Callable[[str], None],
) -> None:
    """Fetch the rest of `partial` from `url`.

    Resumes after the bytes that exist (`Range`, with `If-Range` if the server sent a strong
    `ETag`), and starts over if the server does not support ranges or its file has changed. The
    caller verifies the hash.

    Args:
        client: sends the requests.
        url: of the file.
        partial: receives the bytes, and retains them on failure.
        headers: of each request, e.g. a token; not sent to another host after a redirect.
        auth: user and password.
        retries: how often a failure is retried.
        on_bytes: called with the number of bytes so far.
        on_retry: called with the reason before each retry.

    Raises:
        SourceFailedError: the server refuses or has a file of another size, or the connection
            failed too often.
        StorageError: the disk is full.
    """
    failures, best, inherited = 0, partial.have, partial.have
    while partial.missing:
        try:
            _fetch_rest(client, url, partial, dict(headers or {}), auth, on_bytes)
        except _BrokenError as error:
            reason, attempts = str(error), retries.attempts
        except (httpx.HTTPError, httpx.StreamError) as error:
            if not isinstance(error, httpx.TransportError):
                raise SourceFailedError(reason_of(error)) from error
            reason, attempts = reason_of(error), retries.attempts
            if isinstance(error, _NO_ANSWER) and best == inherited:
                attempts = retries.connect_attempts
        except (httpx.InvalidURL, ValueError) as error:
            raise SourceFailedError(f"its address cannot be used: {error}") from error
        else:
            continue
        failures = 1 if partial.have > best else failures + 1
        best = max(best, partial.have)
        if failures >= attempts:
            raise SourceFailedError(reason)
        on_retry(reason)
        time.sleep(retries.backoff(failures))


def copy_local(path: Path, partial: PartialFile, *, on_bytes: Callable[[int], None]) -> None:
    """Fetch the rest of `partial` from a file on this machine.

    Raises:
        SourceFailedError: the file cannot be read or is of another size.
    """
    try:
        if (size := path.stat().st_size) != partial.size:
            raise SourceFailedError(f"{path} has {size} bytes, not {partial.size}")
        with path.open("rb", buffering=0) as file:
            file.seek(partial.have)
            while chunk := file.read(READ_BYTES):
                partial.write(chunk)
                on_bytes(partial.have)
    except MultiturnError:
        raise
    except OSError as error:
        raise SourceFailedError(f"{path} cannot be read: {error.strerror}") from error


def _fetch_rest(
    client: httpx.Client,
    url: str,
    partial: PartialFile,
    headers: dict[str, str],
    auth: tuple[str, str] | None,
    on_bytes: Callable[[int], None],
) -> None:
    if partial.have:
        headers["Range"] = f"bytes={partial.have}-"
        if etag := partial.etag:
            headers["If-Range"] = etag
    with client.stream("GET", url, headers=headers, auth=auth) as response:
        _align(response, partial)
        partial.remember_etag(response.headers.get("ETag"))
        # A changed file or a response without a range has reset the position.
        on_bytes(partial.have)
        for chunk in response.iter_raw():
            partial.write(chunk)
            on_bytes(partial.have)
    if partial.missing:
        raise _BrokenError(f"the answer ended {partial.missing} bytes too early")


def _align(response: httpx.Response, partial: PartialFile) -> None:
    """Reset `partial` to where the response's bytes begin, or raise."""
    status = response.status_code
    if status == 416:
        partial.restart()
        raise _BrokenError("it refused to resume the download")
    if status in TRANSIENT_STATUSES:
        raise _BrokenError(status_reason(status))
    if status not in (200, 206):
        raise SourceFailedError(status_reason(status))
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise SourceFailedError("it sends the file in another encoding than requested")
    if status == 206:
        begin, total = _content_range(response.headers.get("Content-Range", ""))
        if total is not None and total != partial.size:
            raise SourceFailedError(f"its file has {total} bytes, not {partial.size}")
        if begin != partial.have:
            partial.restart()
            raise _BrokenError("it sent another part of the file than requested")
        return
    length = response.headers.get("Content-Length")
    if length is not None and (not length.isdigit() or int(length) != partial.size):
        raise SourceFailedError(f"its file has {length} bytes, not {partial.size}")
    if partial.have:
        partial.restart()


def _content_range(value: str) -> tuple[int, int | None]:
    match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", value.strip())
    if match is None:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])
