"""Adapters in the hub's PEFT layout, as `peft`, vLLM and others read them.

Source: huggingface/peft, ``LoraConfig`` and ``get_peft_model_state_dict``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import ModelFileError
from multiturn.hub.adapters.pairs import Pair
from multiturn.hub.exports.files import write_json
from multiturn.hub.formats.safetensors_files import NewTensor, read_safetensors, write_safetensors

__all__ = ["PEFT_CONFIG", "PEFT_WEIGHTS", "read_peft", "write_peft"]

PEFT_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_NAME = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight")

_WITHOUT: dict[str, tuple[object, ...]] = {
    "use_dora": (None, False),
    "bias": (None, "none"),
    "modules_to_save": (None, []),
    "fan_in_fan_out": (None, False),
    "lora_bias": (None, False),
}
"""Settings under which an adapter is more than two matrices for each weight."""


def write_peft(
    directory: Path, pairs: Mapping[str, Pair], *, rank: int, alpha: float, base: str
) -> None:
    """Write both files.

    Args:
        directory: exists.
        pairs: by the name of the tensor they belong to, ``....weight``.
        rank: of a matrix alone; a tensor that holds several says its own.
        alpha: of a matrix alone.
        base: the name of the adapted model.

    Raises:
        StorageError: the disk is full, or the place cannot be written.
    """
    modules = {name.removesuffix(".weight"): pair for name, pair in pairs.items()}
    last = {module.rpartition(".")[2]: pair for module, pair in modules.items()}
    fused = {name: pair.rank for name, pair in last.items() if pair.rank != rank}
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": fused,
        # The factor alpha / r stays what it is.
        "alpha_pattern": {name: alpha * wide / rank for name, wide in fused.items()},
        "target_modules": sorted(last),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
    }
    tensors = []
    for module, pair in sorted(modules.items()):
        for letter, values in (("A", pair.lora_a), ("B", pair.lora_b)):
            name = f"{_PREFIX}{module}.lora_{letter}.weight"
            make = partial(np.asarray, values, np.float32)
            tensors.append(NewTensor(name, values.shape, "float32", make))
    write_safetensors(directory / PEFT_WEIGHTS, tensors)
    write_json(directory / PEFT_CONFIG, config)


def read_peft(directory: Path) -> dict[str, Pair]:
    """The pairs of a directory, by the name of the tensor they belong to.

    Raises:
        ModelFileError: a file is missing or broken, or the adapter is of a kind that is not
            read.
    """
    config = _read_config(directory / PEFT_CONFIG)
    weights = directory / PEFT_WEIGHTS
    if not weights.is_file():
        raise ModelFileError(
            f"the adapter's directory has no {PEFT_WEIGHTS}",
            got=str(directory),
            fix="save it with safe_serialization=True",
        )
    found: dict[str, dict[str, Any]] = {}
    for name, tensor in read_safetensors(weights).items():
        match = _NAME.fullmatch(name)
        if match is None or len(tensor.shape) != 2:
            raise ModelFileError(
                f"{weights.name}: {name!r} is no factor of a linear layer",
                allowed="names that end in .lora_A.weight or .lora_B.weight",
            )
        found.setdefault(match[1], {})[match[2]] = tensor.read().astype(np.float32)
    pairs = {}
    for module, two in found.items():
        if set(two) != {"A", "B"} or two["A"].shape[0] != two["B"].shape[1]:
            raise ModelFileError(f"{weights.name}: the factors of {module!r} do not fit together")
        pairs[f"{module}.weight"] = Pair(two["A"], two["B"], _scale(config, module, two["A"]))
    return pairs


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(
            f"the adapter's directory has no {file.name}", got=str(file.parent)
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{file.name} cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise ModelFileError(
            f"{file.name} describes no LoRA adapter", allowed='"peft_type": "LORA"'
        )
    for name, fine in _WITHOUT.items():
        if config.get(name) not in fine:
            raise ModelFileError(
                f"{file.name}: adapters with {name} are not read",
                got=config[name],
                fix="merge it with peft, and use the merged model",
            )
    return config


def _scale(config: Mapping[str, Any], module: str, lora_a: np.ndarray[Any, Any]) -> float:
    alpha = config.get("lora_alpha")
    patterns = config.get("alpha_pattern") or {}
    if isinstance(patterns, dict):
        for key, value in patterns.items():
            if re.fullmatch(rf"(.*\.)?({key})", module):
                alpha = value
                break
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise ModelFileError(f"{PEFT_CONFIG}: 'lora_alpha' is no number", got=alpha)
    rank = len(lora_a)
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)
