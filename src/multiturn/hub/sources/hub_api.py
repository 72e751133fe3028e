"""Lists the files of a repository on the hub.

The first pull of a model with several files asks the hub for the commit of the revision and the
hash of each file at that commit. The answer is saved as a manifest (see `manifest`), and every
later pull and check uses it.
"""

from __future__ import annotations

import fnmatch
from urllib.parse import quote

import httpx

from multiturn.core.errors import InputError
from multiturn.hub.checksums import Checksum
from multiturn.hub.manifest import DownloadManifest, ManifestFile
from multiturn.hub.partial import SourceFailedError
from multiturn.hub.registry import HubRepository
from multiturn.hub.sources.hub_source import hub_client
from multiturn.hub.sources.source import Hub
from multiturn.hub.sources.transport import reason_of, status_reason

__all__ = ["list_repository"]


def list_repository(hub: Hub, repository: HubRepository, *, folder: str = "") -> DownloadManifest:
    """Ask the hub for the commit and the files of a repository.

    Args:
        hub: how to reach it.
        repository: a model, or a data set as ``datasets/OWNER/NAME``.
        folder: the folder of the files; the top one by default.

    Raises:
        SourceFailedError: the hub does not answer or its answer is invalid, or the repository
            has none of the requested files.
    """
    name = repository.repository
    path = name if name.startswith("datasets/") else f"models/{name}"
    base = f"{hub.endpoint}/api/{quote(path)}"
    with hub_client(hub) as client:
        info, _ = _get_json(client, hub, f"{base}/revision/{quote(repository.revision, safe='')}")
        commit = info.get("sha") if isinstance(info, dict) else None
        if not isinstance(commit, str) or not commit.isalnum():
            raise SourceFailedError("its answer names no commit")
        files: list[ManifestFile] = []
        inside = f"/{quote(folder)}" if folder else ""
        url: str | None = f"{base}/tree/{commit}{inside}"
        while url is not None:
            page, url = _get_json(client, hub, url)
            if not isinstance(page, list):
                raise SourceFailedError("its list of files is invalid")
            read = (_read_item(item, repository, folder) for item in page)
            files += [file for file in read if file is not None]
    if not files:
        raise SourceFailedError("it has none of the files")
    return DownloadManifest(repository.repository, commit, tuple(files))


def _get_json(client: httpx.Client, hub: Hub, url: str) -> tuple[object, str | None]:
    """A response of the hub, and the URL of its next page."""
    try:
        response = client.get(url, headers=hub.headers)
        if response.status_code != 200:
            raise SourceFailedError(status_reason(response.status_code))
        following = response.links.get("next", {}).get("url")
        # The token is sent to the next page too, so that page must be on the hub's host.
        if following is not None and httpx.URL(following).host != httpx.URL(url).host:
            raise SourceFailedError("its list of files continues on another host")
        return response.json(), following
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceFailedError(reason_of(error)) from error
    except (ValueError, RecursionError) as error:
        raise SourceFailedError("its answer is not JSON") from error


def _read_item(item: object, repository: HubRepository, folder: str) -> ManifestFile | None:
    """One entry of the listing; None if it was not requested."""
    match item:
        case {"type": "file", "path": str(path), "size": int(size), "oid": str(oid)}:
            pass
        case {"type": str(kind)} if kind != "file":
            return None
        case _:
            raise SourceFailedError("its list of files is invalid")
    path = path.removeprefix(f"{folder}/") if folder else path
    if not any(fnmatch.fnmatchcase(path, pattern) for pattern in repository.patterns):
        return None
    try:
        match item:
            case {"lfs": {"oid": str(sha256), "size": int(size)}}:
                return ManifestFile(path, size, Checksum("sha256", sha256))
            case _:
                return ManifestFile(path, size, Checksum("git-blob-sha1", oid))
    except InputError as error:
        raise SourceFailedError(f"its entry of {path!r} is invalid: {error.what}") from error
