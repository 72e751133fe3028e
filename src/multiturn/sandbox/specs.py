"""What a fork-server and a child are told, as plain data."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from multiturn.sandbox.outcomes import Rung

__all__ = ["NOBODY", "WIRE", "Exit", "Job", "Settings", "Shell"]

WIRE = 3
"""The descriptor in the child over which messages go; guarded by the seccomp filter."""

NOBODY = 65534
"""The user and group that nobody is; what root becomes."""


class Shell(Enum):
    """What makes the namespaces around a fork-server."""

    OWN = "own"
    """The fork-server itself."""
    BWRAP = "bwrap"
    """bubblewrap, which starts the fork-server inside."""
    NONE = "none"
    """There are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a fork-server is started with.

    Attributes:
        rung: how it isolates.
        shell: who makes the namespaces around the fork-server, on the rungs that have them.
        scratch: a directory of the supervisor's in which children get their working
            directories, where there are no namespaces.
        modules: modules to import before the first program.
        readable: directories and files that programs may read.
        max_landlock_abi: use no newer version of Landlock: to see on a new kernel what holds
            on an old one.
    """

    rung: Rung
    shell: Shell
    scratch: str
    modules: tuple[str, ...]
    readable: tuple[str, ...]
    max_landlock_abi: int | None = None

    def to_json(self) -> str:
        """As text for the command line."""
        fields = asdict(self) | {"rung": self.rung.value, "shell": self.shell.value}
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            rung=Rung(data["rung"]),
            shell=Shell(data["shell"]),
            scratch=data["scratch"],
            modules=tuple(data["modules"]),
            readable=tuple(data["readable"]),
            max_landlock_abi=data["max_landlock_abi"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one child is to run. Written to a descriptor that only this child reads."""

    nonce: bytes
    source: str
    result: str | None
    seed: int | None
    keep: bool
    """Stay after the end of the program and take calls."""
    cpu_seconds: float
    memory_bytes: int
    file_bytes: int
    open_files: int

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self) | {"nonce": self.nonce.hex()}).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Job:
        """Read what `to_bytes` wrote."""
        fields: dict[str, Any] = json.loads(data)
        return cls(**fields | {"nonce": bytes.fromhex(fields["nonce"])})


@dataclass(frozen=True, slots=True)
class Exit:
    """What a fork-server reports when a child has ended."""

    status: int
    """As wait(2) gives it."""
    cpu_seconds: float
    peak_memory_bytes: int
    overran: bool
    """Whether the server ended it because its CPU time was used up."""

    _FORMAT = struct.Struct("<idQ?")

    def to_bytes(self) -> bytes:
        """As a fixed record."""
        return self._FORMAT.pack(
            self.status, self.cpu_seconds, self.peak_memory_bytes, self.overran
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Exit:
        """Read what `to_bytes` wrote."""
        return cls(*cls._FORMAT.unpack(data))
