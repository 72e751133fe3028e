"""Merges a LoRA adapter's file into the parameters of a decoder in JAX."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from multiturn.hub.adapters.matching import match_adapter
from multiturn.hub.checkpoints.layouts import Layout
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters

__all__ = ["merge_adapter"]


def merge_adapter(
    parameters: Parameters, config: DecoderConfig, adapter: Path, *, layout: Layout | None = None
) -> Parameters:
    """The decoder with an adapter merged; its arrays keep their dtypes.

    Args:
        parameters: of the adapter's base model.
        config: as in `match_adapter`.
        adapter: as in `match_adapter`.
        layout: as in `match_adapter`.

    Raises:
        ModelFileError: as in `match_adapter`.
    """
    wide: dict[str, np.ndarray[Any, Any]] = {}
    for rule, pair in match_adapter(config, adapter, layout=layout):
        for field, part in zip(rule.fields, rule.from_file(pair.product()), strict=True):
            if field not in wide:
                wide[field] = np.array(getattr(parameters.layers, field), np.float32)
            wide[field][rule.layer] += part
    changed: dict[str, Any] = {
        field: jnp.asarray(values, getattr(parameters.layers, field).dtype)
        for field, values in wide.items()
    }
    return replace(parameters, layers=replace(parameters.layers, **changed))
