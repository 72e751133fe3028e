"""An adapter in a layout of files: two matrices for each adapted tensor.

Files store ``lora_a`` as [r, in] and ``lora_b`` as [out, r]; ``scale * lora_b lora_a`` is added to
a weight [out, in]. Where a layout fuses several matrices into one tensor (CodeGen's
``qkv_proj``), their factors are concatenated and the rank is the sum of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from multiturn.hub.checkpoints.layouts import Layout, Rule

if TYPE_CHECKING:
    from multiturn.models.lora import LoraParameters

__all__ = ["Pair", "pairs_of"]

Values = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """The factors of one tensor, float32.

    Attributes:
        lora_a: [r, in].
        lora_b: [out, r].
        scale: a factor of their product.
    """

    lora_a: Values
    lora_b: Values
    scale: float

    @property
    def rank(self) -> int:
        """Rows of `lora_a`."""
        return int(self.lora_a.shape[0])

    def product(self) -> Values:
        """What is added to the tensor, [out, in]."""
        added: Values = np.float32(self.scale) * (self.lora_b @ self.lora_a)
        return added


def pairs_of(factors: LoraParameters, scale: float, layout: Layout) -> dict[str, Pair]:
    """The pair of each adapted tensor of a layout, by the tensor's name."""
    arrays: dict[str, tuple[Values, Values]] = {
        name: (np.asarray(low.lora_a, np.float32), np.asarray(low.lora_b, np.float32))
        for name, low in factors.items()
    }
    found = {}
    for rule in layout.rules:
        if rule.layer is not None and any(field in arrays for field in rule.fields):
            found[rule.name] = _pair(rule, rule.layer, arrays, scale)
    return found


def _pair(
    rule: Rule, layer: int, arrays: Mapping[str, tuple[Values, Values]], scale: float
) -> Pair:
    _, inner = rule.shape
    adapted = {
        field: (arrays[field][0][layer], arrays[field][1][layer])
        for field in rule.fields
        if field in arrays
    }
    lora_a = [a.reshape(inner, -1).T for a, _ in adapted.values()]
    rank = sum(len(part) for part in lora_a)
    # `to_file` reorders outputs but expects all inputs of a matrix: the ranks take the place of
    # the first inputs, and the remaining columns are dropped again.
    outs = _out_shapes(rule, inner)
    parts, offset = [], 0
    for field, out in zip(rule.fields, outs, strict=True):
        padded = np.zeros((inner, *out), np.float32)
        if field in adapted:
            b = adapted[field][1]
            padded[offset : offset + len(b)] = b.reshape(len(b), *out)
            offset += len(b)
        parts.append(padded)
    lora_b = rule.to_file(*parts)[:, :rank]
    return Pair(np.concatenate(lora_a), np.ascontiguousarray(lora_b), scale)


def _out_shapes(rule: Rule, inner: int) -> list[tuple[int, ...]]:
    """The output dimensions of each array of a rule."""
    shapes = []
    for part in rule.from_file(np.zeros(rule.shape, np.int8)):
        read, cut = 1, 0
        while read < inner:
            read *= part.shape[cut]
            cut += 1
        shapes.append(part.shape[cut:])
    return shapes
