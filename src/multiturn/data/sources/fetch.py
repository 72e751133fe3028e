"""Downloads: a file appears complete and checked, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from multiturn.core.errors import HashMismatchError, storage_errors
from multiturn.core.files import atomic_file
from multiturn.core.retry import RetryPolicy, with_retries
from multiturn.data.build.source import SourceError
from multiturn.hub.sources.transport import TRANSIENT_STATUSES, reason_of, status_reason

__all__ = ["fetch"]

_RETRIES = RetryPolicy(attempts=4, first_wait=1.0)


def fetch(
    client: httpx.Client,
    url: str,
    path: Path,
    *,
    what: str,
    sha256: str | None = None,
    auth: tuple[str, str] | None = None,
    max_bytes: int = 1 << 30,
) -> None:
    """Fetch `url` to `path`, unless the file exists.

    Args:
        client: sends the request.
        url: of the file.
        path: of the complete file.
        what: the name of the file in errors, in place of the address.
        sha256: of the file; None where it is unknown.
        auth: user and password.
        max_bytes: a larger file is refused.

    Raises:
        SourceError: the file is not available, or is too large.
        HashMismatchError: the file has another hash.
        StorageError: the disk is full.
    """
    if path.exists():
        return
    with storage_errors(path, "saving a download"):
        path.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may fetch the same file at once; the last to finish names it.
    with atomic_file(path, doing="saving a download") as partial:
        try:
            digest = with_retries(
                lambda: _fetch_once(client, url, partial, what, auth, max_bytes),
                _RETRIES,
                retry_on=_TransientError,
            )
        except _TransientError as error:
            raise SourceError(
                f"{what} cannot be fetched: {error}", fix="try again later"
            ) from error
        if sha256 is not None and digest != sha256:
            raise HashMismatchError(
                f"{what} has the wrong bytes", got=f"sha256 {digest}", allowed=f"sha256 {sha256}"
            )


class _TransientError(Exception):
    """A failure that may pass."""


def _fetch_once(
    client: httpx.Client,
    url: str,
    partial: Path,
    what: str,
    auth: tuple[str, str] | None,
    max_bytes: int,
) -> str:
    hasher, size = hashlib.sha256(), 0
    try:
        with client.stream("GET", url, auth=auth) as response:
            if response.status_code in TRANSIENT_STATUSES:
                raise _TransientError(status_reason(response.status_code))
            if response.status_code != 200:
                raise SourceError(
                    f"{what} cannot be fetched: {status_reason(response.status_code)}"
                )
            with storage_errors(partial, "saving a download"), partial.open("wb") as file:
                for chunk in response.iter_raw():
                    size += len(chunk)
                    if size > max_bytes:
                        raise SourceError(f"{what} is larger than {max_bytes} bytes")
                    hasher.update(chunk)
                    file.write(chunk)
    except httpx.TransportError as error:
        raise _TransientError(reason_of(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{what} cannot be fetched: {reason_of(error)}") from error
    return hasher.hexdigest()
