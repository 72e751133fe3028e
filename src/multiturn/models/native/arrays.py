"""The arrays of a decoder by name and layer, and the types in which the kernels read them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from multiturn.models.config import DecoderConfig

__all__ = ["GGML_TYPES", "ArrayShape", "GgmlType", "array_shapes"]


@dataclass(frozen=True, slots=True)
class GgmlType:
    """A type of a GGUF file.

    Attributes:
        name: in GGML.
        block: consecutive inputs of one output that are stored together.
        bytes: of such a block.
    """

    name: str
    block: int
    bytes: int


GGML_TYPES: dict[int, GgmlType] = {
    0: GgmlType("F32", 1, 4),
    1: GgmlType("F16", 1, 2),
    2: GgmlType("Q4_0", 32, 18),
    3: GgmlType("Q4_1", 32, 20),
    6: GgmlType("Q5_0", 32, 22),
    7: GgmlType("Q5_1", 32, 24),
    8: GgmlType("Q8_0", 32, 34),
    12: GgmlType("Q4_K", 256, 144),
    13: GgmlType("Q5_K", 256, 176),
    14: GgmlType("Q6_K", 256, 210),
    30: GgmlType("BF16", 1, 2),
}
"""By their numbers in GGML."""


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """The axes of one array: of a vector its outputs alone.

    Attributes:
        input_axes: sizes of the inputs' axes; empty for a vector.
        output_axes: sizes of the outputs' axes.
        tokens_first: an embedding, which has a row for each token wherever it stands.
    """

    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    tokens_first: bool = False

    @property
    def inputs_first(self) -> tuple[int, ...]:
        """The shape in `models.parameters`, without the axis of layers."""
        if self.tokens_first:
            return self.output_axes + self.input_axes
        return self.input_axes + self.output_axes

    @property
    def outputs_first(self) -> tuple[int, ...]:
        """The shape with the axes of the outputs first, as files have it."""
        return self.output_axes + self.input_axes

    @property
    def inputs(self) -> int:
        """How many inputs there are; of a vector, its elements, which a file has in one row."""
        return math.prod(self.input_axes or self.output_axes)

    @property
    def size(self) -> int:
        """How many elements there are."""
        return math.prod(self.input_axes + self.output_axes)

    def flat(self, *, outputs_first: bool) -> tuple[int, ...]:
        """The shape with one axis for the inputs and one for the outputs."""
        outputs, inputs = math.prod(self.output_axes), math.prod(self.input_axes)
        if not self.input_axes:
            return (outputs,)
        return (outputs, inputs) if outputs_first or self.tokens_first else (inputs, outputs)


def array_shapes(config: DecoderConfig) -> dict[tuple[str, int | None], ArrayShape]:
    """Every array of a decoder, by its name in `models.parameters` and its layer, or None.

    It says what `parameter_specs` says there, without JAX.
    """
    c = config
    stream, hidden = (c.d_model,), (c.mlp_dim,)
    queries, keys = (c.heads, c.head_dim), (c.kv_heads, c.head_dim)
    centred, sequential = c.norm == "layer", not c.parallel_residual
    of_layer = {
        "norm_scale": ((), stream, True),
        "norm_bias": ((), stream, centred),
        "mlp_norm_scale": ((), stream, sequential),
        "mlp_norm_bias": ((), stream, centred and sequential),
        "query": (stream, queries, True),
        "key": (stream, keys, True),
        "value": (stream, keys, True),
        "query_bias": ((), queries, c.qkv_bias),
        "key_bias": ((), keys, c.qkv_bias),
        "value_bias": ((), keys, c.qkv_bias),
        "attention_out": (queries, stream, True),
        "gate": (stream, hidden, c.feed_forward == "swiglu"),
        "up": (stream, hidden, True),
        "up_bias": ((), hidden, c.feed_forward_bias),
        "down": (hidden, stream, True),
        "down_bias": ((), stream, c.feed_forward_bias),
    }
    vocab = (c.vocab_size,)
    outside = {
        "embedding": (stream, vocab, True),
        "final_norm_scale": ((), stream, True),
        "final_norm_bias": ((), stream, centred),
        "head": (stream, vocab, not c.tie_embeddings),
        "head_bias": ((), vocab, c.head_bias),
    }
    shapes: dict[tuple[str, int | None], ArrayShape] = {
        (name, None): ArrayShape(inputs, outputs, tokens_first=name == "embedding")
        for name, (inputs, outputs, present) in outside.items()
        if present
    }
    for layer in range(c.layers):
        for name, (inputs, outputs, present) in of_layer.items():
            if present:
                shapes[name, layer] = ArrayShape(inputs, outputs)
    return shapes
