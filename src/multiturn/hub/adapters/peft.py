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

_OFF: tuple[object, ...] = (None, False, [], {}, "")
_WITHOUT: dict[str, tuple[object, ...]] = {
    "bias": (*_OFF, "none"),
    **dict.fromkeys(
        (
            "alora_invocation_tokens",
            "arrow_config",
            "ensure_weight_tying",
            "fan_in_fan_out",
            "kasa_config",
            "layer_replication",
            "lora_bias",
            "megatron_config",
            "modules_to_save",
            "monteclora_config",
            "target_parameters",
            "trainable_token_indices",
            "use_bdlora",
            "use_dora",
            "use_qalora",
            "velora_config",
        ),
        _OFF,
    ),
}
"""Settings that make an adapter more than two matrices for each weight, with their off values."""

_BASE_UNCHANGED = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""Values of `init_lora_weights` that do not change the base model. The others (PiSSA, OLoRA, CorDA,
LoftQ, LoRA-GA ...) change the base when training begins, and that base is not loaded here."""

_HARMLESS = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "corda_config",
        "eva_config",
        "exclude_modules",
        "inference_mode",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_dropout",
        "lora_ga_config",
        "megatron_core",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
    }
)
"""Settings about training, or about which weights are adapted, which the tensors show too."""

_READ = frozenset(
    {"alpha_pattern", "init_lora_weights", "lora_alpha", "r", "rank_pattern", "use_rslora"}
)
_DEFAULT_RANK = _DEFAULT_ALPHA = 8  # of `peft`, if the file has none


def write_peft(
    directory: Path, pairs: Mapping[str, Pair], *, rank: int, alpha: float, base: str
) -> None:
    """Write an adapter as a PEFT directory.

    Args:
        directory: exists.
        pairs: by tensor name, ``....weight``.
        rank: of a single matrix; a fused tensor gets an entry in ``rank_pattern``.
        alpha: of a single matrix.
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
        # Keeps alpha / r the same.
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
    """The pairs of a PEFT directory, by tensor name.

    Raises:
        ModelFileError: a file is missing or broken, or this kind of adapter is not supported.
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
                f"{weights.name}: {name!r} is not a factor of a linear layer",
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
            f"{file.name} does not describe a LoRA adapter", allowed='"peft_type": "LORA"'
        )
    _check_settings(file.name, config)
    return config


def _check_settings(file: str, config: Mapping[str, Any]) -> None:
    """Refuse settings whose meaning this project does not compute."""
    fix = "merge it with peft, and use the merged model"
    init = config.get("init_lora_weights")
    if not any(
        init is value or (isinstance(value, str) and init == value) for value in _BASE_UNCHANGED
    ):
        raise ModelFileError(
            f"{file}: adapters with this init_lora_weights are not read, since they change the "
            "base model too",
            got=init,
            allowed="true, false, gaussian, eva, orthogonal, mica",
            fix="convert it with peft: save_pretrained(..., "
            "path_initial_model_for_weight_conversion=...), or merge it and use the merged model",
        )
    for name, value in config.items():
        if name in _HARMLESS or name in _READ or name == "init_lora_weights":
            continue
        if value not in _WITHOUT.get(name, _OFF):
            known = name in _WITHOUT
            raise ModelFileError(
                f"{file}: adapters with {name} are not read"
                + ("" if known else ", since its meaning is not known"),
                got=value,
                fix=fix,
            )
    for name in ("rank_pattern", "alpha_pattern"):
        if not isinstance(config.get(name) or {}, dict):
            raise ModelFileError(f"{file}: {name!r} is not a mapping", got=config[name])
    if config.get("use_rslora") not in (None, True, False):
        raise ModelFileError(f"{file}: 'use_rslora' is not true or false", got=config["use_rslora"])


def _scale(config: Mapping[str, Any], module: str, lora_a: np.ndarray[Any, Any]) -> float:
    rank = _of_module(config, "rank_pattern", "r", module, _DEFAULT_RANK)
    if rank != len(lora_a):
        raise ModelFileError(
            f"the rank of {module!r} is not the one in {PEFT_CONFIG}",
            got=len(lora_a),
            allowed=str(rank),
            fix="check that both files belong to the same adapter",
        )
    alpha = _of_module(config, "alpha_pattern", "lora_alpha", module, _DEFAULT_ALPHA)
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)


def _of_module(
    config: Mapping[str, Any], patterns: str, usual: str, module: str, default: float
) -> float:
    """The setting of one module: from the first pattern that matches, or the default."""
    value = config.get(usual, default)
    for pattern, own in (config.get(patterns) or {}).items():
        try:
            fits = re.fullmatch(rf"(.*\.)?({pattern})", module)
        except re.error as error:
            raise ModelFileError(
                f"{PEFT_CONFIG}: a key of {patterns!r} is not a regular expression ({error})",
                got=pattern,
            ) from error
        if fits:
            value = own
            break
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelFileError(f"{PEFT_CONFIG}: {usual!r} is not a number", got=value)
    return value
