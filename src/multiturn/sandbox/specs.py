"""What a fork-server and a child are told, as plain data."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider

__all__ = ["IPC_FD", "UNPRIVILEGED_ID", "ChildExit", "ChildSpec", "ForkServerSettings"]

IPC_FD = 3
"""The descriptor in the child over which messages go; guarded by the seccomp filter."""

UNPRIVILEGED_ID = 65534
"""The user and group that nobody is; what root becomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkServerSettings:
    """What a fork-server is started with.

    Attributes:
        isolation: how it isolates.
        provider: who makes the namespaces around the fork-server, on the levels that have them.
        scratch: a directory of the supervisor's in which children get their working
            directories, where there are no namespaces.
        modules: modules to import before the first program.
        readable: directories and files that programs may read.
        max_landlock_abi: use no newer version of Landlock: to see on a new kernel what holds
            on an old one.
    """

    isolation: IsolationLevel
    provider: NamespaceProvider
    scratch: str
    modules: tuple[str, ...]
    readable: tuple[str, ...]
    max_landlock_abi: int | None = None

    def to_json(self) -> str:
        """As text for the command line."""
        fields = asdict(self) | {"isolation": self.isolation.value, "provider": self.provider.value}
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> ForkServerSettings:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            isolation=IsolationLevel(data["isolation"]),
            provider=NamespaceProvider(data["provider"]),
            scratch=data["scratch"],
            modules=tuple(data["modules"]),
            readable=tuple(data["readable"]),
            max_landlock_abi=data["max_landlock_abi"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
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
    def from_bytes(cls, data: bytes) -> ChildSpec:
        """Read what `to_bytes` wrote."""
        fields: dict[str, Any] = json.loads(data)
        return cls(**fields | {"nonce": bytes.fromhex(fields["nonce"])})


@dataclass(frozen=True, slots=True)
class ChildExit:
    """What a fork-server reports when a child has ended."""

    status: int
    """As wait(2) gives it."""
    cpu_seconds: float
    peak_memory_bytes: int
    cpu_exceeded: bool
    """Whether the server ended it because its CPU time was used up."""

    _FORMAT = struct.Struct("<idQ?")

    def to_bytes(self) -> bytes:
        """As a fixed record."""
        return self._FORMAT.pack(
            self.status, self.cpu_seconds, self.peak_memory_bytes, self.cpu_exceeded
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ChildExit:
        """Read what `to_bytes` wrote."""
        return cls(*cls._FORMAT.unpack(data))
