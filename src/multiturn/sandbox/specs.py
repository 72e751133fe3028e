"""What a fork-server and its children receive and report, as plain data."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider

__all__ = ["IPC_FD", "UNPRIVILEGED_ID", "ChildExit", "ChildSpec", "ForkServerSettings"]

IPC_FD = 3
"""The child's descriptor for messages to the supervisor; the seccomp filter protects it."""

UNPRIVILEGED_ID = 65534
"""The user and group without privileges that root switches to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkServerSettings:
    """What a fork-server is started with.

    Attributes:
        isolation: how it isolates.
        provider: what makes the namespaces around the fork-server, on the levels that have them.
        scratch: a directory for the working directories of children, where there are no
            namespaces.
        modules: modules to import before the first program.
        readable: directories and files that programs may read.
        max_landlock_abi: use no newer version of Landlock, to test on a new kernel what an old
            one isolates.
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
    """What one child runs. Written to a descriptor that only this child reads."""

    nonce: bytes
    source: str
    result: str | None
    seed: int | None
    session: bool
    """Stay after the top level has run, and take calls."""
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
    """Whether the fork-server killed it because its CPU time was used up."""

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
