"""A model's weights packed for the native kernels, and the calls that run them."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import ml_dtypes
import numpy as np
from jaxtyping import Bool, Float32, Int32, Shaped
from numpy import ndarray

from multiturn.core.errors import InputError
from multiturn.models.config import DecoderConfig, RopePairs
from multiturn.models.native.arrays import GGML_TYPES, ArrayShape, array_shapes
from multiturn.models.native.library import Library, load_library
from multiturn.models.native.paged_cache import PagedCache

__all__ = ["ForwardRow", "NativeDecoder", "Precision", "rope_tables"]

Precision = Literal["float32", "bfloat16", "int8", "int4"]
"""The type of the weights, and of the activations that they are multiplied with. Sums, norms, the
residual stream and attention are float32 in all of them. The KV cache is float32 with ``float32``,
and bfloat16 otherwise.

``int8`` takes the integers of quantized files as they are (Q6_K alone is rounded again), in groups
of 32 inputs with a scale, and rounds other weights, and activations, to 8 bits in the same groups.
``int4`` computes the same bits; weights that have 4 bits in the file keep them in memory."""

_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8", "int4")

Selection = Literal["none", "last", "all"]


@dataclass(frozen=True, slots=True)
class ForwardRow:
    """New tokens of one sequence.

    Attributes:
        tokens: one or more.
        cache: of the tokens before them; `NativeDecoder.forward` extends it.
        wanted: the tokens whose final hidden states are needed: those of a mask, or none of them,
            the last one or all.
    """

    tokens: Sequence[int] | Int32[ndarray, " T"]
    cache: PagedCache
    wanted: Selection | Bool[ndarray, " T"] = "last"


class NativeDecoder:
    """Packed weights, and the threads that use them.

    Calls from several Python threads run one after another; other Python threads run meanwhile.

    Args:
        config: of the model.
        precision: see `Precision`.
        threads: by default one for each processor that this process may use.

    Attributes:
        config: of the model.
        precision: see `Precision`.

    Raises:
        InputError: the precision is unknown, or the number of threads is out of range.
        EngineError: the kernels cannot be compiled here.
    """

    def __init__(
        self,
        config: DecoderConfig,
        precision: Precision = "bfloat16",
        *,
        threads: int | None = None,
    ) -> None:
        if precision not in _PRECISIONS:
            raise InputError("unknown precision", got=precision, allowed=", ".join(_PRECISIONS))
        threads = len(os.sched_getaffinity(0)) if threads is None else threads
        if not 1 <= threads <= 1024:
            raise InputError("threads is out of range", got=threads, allowed="1 to 1024")
        self.config = config
        self.precision = precision
        self._library: Library = load_library()
        self._handle = self._library.create(_settings(config, precision, threads))
        self._release = weakref.finalize(self, self._library.destroy, self._handle)
        self._shapes = array_shapes(config)
        self._missing = set(self._shapes)
        for name, table in zip(("cosine", "sine"), rope_tables(config), strict=True):
            self._set(name, None, table, ggml_type=0, outputs_first=False, elements=table.size)

    @classmethod
    def pack(
        cls,
        arrays: Iterable[tuple[str, int | None, Any]],
        config: DecoderConfig,
        precision: Precision = "bfloat16",
        *,
        threads: int | None = None,
    ) -> Self:
        """Pack copies of all arrays, which may arrive one by one in any order.

        Args:
            arrays: the name of each, such as ``query`` of `Layers` or ``embedding`` of
                `Parameters`; its layer, or None outside the layers; and the array.
            config: of the model.
            precision: see `Precision`.
            threads: see `NativeDecoder`.

        Raises:
            InputError: an array is missing, unknown or repeated, or does not match the
                configuration; or as in `NativeDecoder`.
            EngineError: the kernels cannot be compiled here.
        """
        decoder = cls(config, precision, threads=threads)
        try:
            for name, layer, array in arrays:
                decoder.set(name, layer, array)
            decoder.check_complete()
        except BaseException:
            decoder.close()
            raise
        return decoder

    @property
    def bytes(self) -> int:
        """The size of the packed weights; 0 once it is closed."""
        return self._library.bytes(self._handle)

    @property
    def block_bytes(self) -> int:
        """The size of a block of the KV cache; 0 once it is closed."""
        return self._library.block_bytes(self._handle)

    @property
    def block_positions(self) -> int:
        """The positions of a block of the KV cache."""
        return self._library.block_positions

    @property
    def variant(self) -> str:
        """The instruction sets that the kernels were compiled for."""
        return self._library.variant

    def close(self) -> None:
        """Free the weights. Safe to call twice; later calls of other methods raise."""
        self._release()

    def set(
        self,
        name: str,
        layer: int | None,
        values: Shaped[ndarray, "*shape"],
        *,
        ggml_type: int | None = None,
        outputs_first: bool = False,
    ) -> None:
        """Pack a copy of one array.

        Args:
            name: such as ``query`` of `Layers` or ``embedding`` of `Parameters`.
            layer: that it belongs to, or None outside the layers.
            values: of any floating type; or with `ggml_type`, the bytes as a GGUF file has them.
            ggml_type: the number of the type of such bytes; see `GGML_TYPES`.
            outputs_first: whether a matrix has an axis of outputs and then one of inputs, as files
                have it, in place of the shape in `Layers`. Quantized matrices always do.

        Raises:
            InputError: the array is unknown or repeated, or has another shape or size than the
                configuration gives it.
            EngineError: the decoder was closed, or the kernels do not read the type.
        """
        key = name, layer
        if key not in self._missing:
            raise InputError(
                "the parameters do not match the configuration",
                got=f"{_describe(*key)}, which is unknown or repeated",
            )
        shape = self._shapes[key]
        data = np.asarray(values)
        if ggml_type is None:
            ggml_type, data = _floats(key, data, shape, outputs_first=outputs_first)
        else:
            data = _quantized(key, data, shape, ggml_type)
            outputs_first = outputs_first or GGML_TYPES[ggml_type].block > 1
        untied = name == "embedding" and not self.config.tie_embeddings
        self._set(
            "untied_embedding" if untied else name,
            layer,
            data,
            ggml_type=ggml_type,
            outputs_first=outputs_first,
            elements=shape.size,
        )
        self._missing.discard(key)

    def check_complete(self) -> None:
        """Check that every array was set.

        Raises:
            InputError: one was not; the message names some.
        """
        if self._missing:
            some = [_describe(*key) for key in self._shapes if key in self._missing][:3]
            raise InputError(
                "the parameters do not match the configuration", got=f"no {', '.join(some)}"
            )

    def new_cache(self) -> PagedCache:
        """An empty KV cache for a sequence.

        Raises:
            InputError: the decoder was closed.
        """
        return PagedCache(
            block_positions=self.block_positions,
            block_bytes=self._open_block_bytes(),
            max_positions=self.config.max_seq_len,
        )

    def forward(self, rows: Sequence[ForwardRow]) -> Float32[ndarray, "wanted D"]:
        """`models.decoder.forward_with_cache`: read tokens of any number of sequences.

        Args:
            rows: each with a cache of its own, which gains the row's tokens.

        Returns:
            The final hidden states after normalization of the wanted tokens, in their order.

        Raises:
            InputError: an array was never set; a row has no tokens, a mask of another length, the
                cache of another row or of another decoder; or a sequence exceeds the context.
            EngineError: the decoder was closed, or a token is not in the vocabulary. No cache is
                longer then.
        """
        self.check_complete()
        size = self._open_block_bytes()
        if len({id(row.cache) for row in rows}) != len(rows):
            raise InputError("two rows have the same KV cache")
        tokens = [np.asarray(row.tokens, np.int32) for row in rows]
        for row, mine in zip(rows, tokens, strict=True):
            if mine.ndim != 1 or not len(mine):
                raise InputError("a row's tokens", got=mine.shape, allowed="a list of one or more")
            if row.cache.block_bytes != size:
                raise InputError("a row has the KV cache of another decoder")
        masks = [_mask(row.wanted, len(mine)) for row, mine in zip(rows, tokens, strict=True)]
        for row, mine in zip(rows, tokens, strict=True):
            row.cache.reserve(row.cache.length + len(mine))
        blocks = np.zeros(
            (len(rows), max((len(r.cache.addresses) for r in rows), default=0)), np.uint64
        )
        for index, row in enumerate(rows):
            addresses = row.cache.addresses
            blocks[index, : len(addresses)] = addresses
        wanted = _joined(masks, np.bool_)
        hidden = np.empty((np.count_nonzero(wanted), self.config.d_model), np.float32)
        self._library.forward(
            self._handle,
            _joined(tokens, np.int32),
            np.array([len(mine) for mine in tokens], np.int32),
            np.array([row.cache.length for row in rows], np.int32),
            blocks,
            wanted,
            hidden,
        )
        for row, mine in zip(rows, tokens, strict=True):
            row.cache.advance(len(mine))
        return hidden

    def unembed(
        self, hidden: Float32[ndarray, "B D"], out: Float32[ndarray, "B V"] | None = None
    ) -> Float32[ndarray, "B V"]:
        """The logits of normalized hidden states.

        Args:
            hidden: such as `forward` returns.
            out: memory for the logits.

        Raises:
            InputError: a shape or type is another.
            EngineError: the decoder was closed.
        """
        rows = len(hidden)
        _check_array("hidden", hidden, (rows, self.config.d_model))
        shape = rows, self.config.vocab_size
        if out is None:
            out = np.empty(shape, np.float32)
        _check_array("logits", out, shape)
        self._library.unembed(self._handle, hidden, out)
        return out

    def sample(
        self,
        logits: Float32[ndarray, "B V"],
        *,
        temperature: Sequence[float] | Float32[ndarray, " B"],
        top_p: Sequence[float] | Float32[ndarray, " B"],
        top_k: Sequence[int] | Int32[ndarray, " B"],
        uniforms: Sequence[float] | Float32[ndarray, " B"],
        want_logprobs: Sequence[bool] | Bool[ndarray, " B"],
    ) -> tuple[Int32[ndarray, " B"], Float32[ndarray, " B"]]:
        """Draw the next token of each row, as `models.sampling.sample_batch` does.

        Args:
            logits: such as `unembed` returns.
            temperature: 0 takes the most likely token.
            top_p: 1 is off.
            top_k: 0 is off.
            uniforms: in [0, 1); one draw for each row.
            want_logprobs: whether a row's log-probability is needed.

        Returns:
            The tokens; and their log-probabilities at temperature 1, 0 where they are not needed.

        Raises:
            InputError: a shape or type is another.
            EngineError: the decoder was closed.
        """
        rows = len(logits)
        _check_array("logits", logits, (rows, self.config.vocab_size))
        tokens, logprobs = np.empty(rows, np.int32), np.empty(rows, np.float32)
        self._library.sample(
            self._handle,
            logits,
            _of_each_row("temperature", temperature, np.float32, rows),
            _of_each_row("top_p", top_p, np.float32, rows),
            _of_each_row("top_k", top_k, np.int32, rows),
            _of_each_row("uniforms", uniforms, np.float32, rows),
            _of_each_row("want_logprobs", want_logprobs, np.bool_, rows),
            tokens,
            logprobs,
        )
        return tokens, logprobs

    def _set(self, name: str, layer: int | None, data: ndarray[Any, Any], **rest: Any) -> None:
        self._library.set(self._handle, name, -1 if layer is None else layer, data, **rest)

    def _open_block_bytes(self) -> int:
        size = self.block_bytes
        if size == 0:
            raise InputError("the decoder was closed")
        return size


def _settings(config: DecoderConfig, precision: Precision, threads: int) -> dict[str, float]:
    """The settings of `cpp/decoder_config.h`."""
    return {
        "vocab_size": config.vocab_size,
        "layers": config.layers,
        "d_model": config.d_model,
        "heads": config.heads,
        "kv_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "mlp_dim": config.mlp_dim,
        "rotary_dim": config.rotary.size,
        "interleaved_rope": config.rotary.pairs is RopePairs.INTERLEAVED,
        "layer_norm": config.norm == "layer",
        "gelu": config.feed_forward == "gelu",
        "parallel_residual": config.parallel_residual,
        "max_seq_len": config.max_seq_len,
        "precision": _PRECISIONS.index(precision),
        "threads": threads,
        "norm_eps": config.norm_eps,
    }


def _describe(name: str, layer: int | None) -> str:
    return name if layer is None else f"{name} of layer {layer}"


def _floats(
    key: tuple[str, int | None], data: ndarray[Any, Any], shape: ArrayShape, *, outputs_first: bool
) -> tuple[int, ndarray[Any, Any]]:
    """The GGML type of an array, and the array in it."""
    allowed = shape.outputs_first if outputs_first else shape.inputs_first
    if data.shape not in (allowed, shape.flat(outputs_first=outputs_first)):
        raise InputError(
            f"the array {_describe(*key)} has a wrong shape", got=data.shape, allowed=str(allowed)
        )
    is_bfloat16 = data.dtype == ml_dtypes.bfloat16
    if not is_bfloat16 and data.dtype.kind != "f":
        raise InputError(
            f"the array {_describe(*key)} has a wrong type",
            got=data.dtype.name,
            allowed="a floating type",
        )
    return (
        (30, np.ascontiguousarray(data))
        if is_bfloat16
        else (0, np.ascontiguousarray(data, np.float32))
    )


def _quantized(
    key: tuple[str, int | None], data: ndarray[Any, Any], shape: ArrayShape, ggml_type: int
) -> ndarray[Any, Any]:
    """The bytes of an array as a GGUF file has them, if there are as many as there should be."""
    if ggml_type not in GGML_TYPES:
        names = ", ".join(f"{number} ({each.name})" for number, each in GGML_TYPES.items())
        raise InputError("the kernels do not read this GGML type", got=ggml_type, allowed=names)
    kind = GGML_TYPES[ggml_type]
    if shape.inputs % kind.block:
        raise InputError(
            f"the array {_describe(*key)} has rows that are no full blocks of {kind.name}",
            got=shape.inputs,
            allowed=f"a multiple of {kind.block}",
        )
    size = shape.size // kind.block * kind.bytes
    if data.nbytes != size:
        raise InputError(
            f"the array {_describe(*key)} has a wrong size in {kind.name}, in bytes",
            got=data.nbytes,
            allowed=f"{size}",
        )
    return np.ascontiguousarray(data)


def _mask(wanted: Selection | Bool[ndarray, " T"], count: int) -> Bool[ndarray, " T"]:
    if isinstance(wanted, str):
        mask = np.full(count, wanted == "all")
        mask[-1] = wanted != "none"
        return mask
    mask = np.asarray(wanted, np.bool_)
    if mask.shape != (count,):
        raise InputError(
            "the mask of wanted tokens has a wrong shape", got=mask.shape, allowed=f"({count},)"
        )
    return mask


def _joined(parts: list[ndarray[Any, Any]], dtype: Any) -> ndarray[Any, Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _check_array(name: str, array: ndarray[Any, Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
        raise InputError(
            f"{name} must be a contiguous float32 array",
            got=f"{array.dtype} {array.shape}",
            allowed=str(shape),
        )


def _of_each_row(name: str, values: Any, dtype: Any, rows: int) -> ndarray[Any, Any]:
    array = np.ascontiguousarray(values, dtype)
    if array.shape != (rows,):
        raise InputError(f"{name} has a wrong shape", got=array.shape, allowed=f"({rows},)")
    return array


def rope_tables(
    config: DecoderConfig,
) -> tuple[Float32[ndarray, "S R/2"], Float32[ndarray, "S R/2"]]:
    """Cosines and sines for every position, those of `models.rotary` to a rounding.

    Frequencies and angles are rounded to float32 where they are rounded there, because models were
    trained with angles of that precision; the functions themselves are exact.
    """
    rotary = config.rotary
    exponent = np.arange(0, rotary.size, 2, dtype=np.float32) / np.float32(rotary.size)
    power = (np.float64(np.float32(rotary.base)) ** exponent.astype(np.float64)).astype(np.float32)
    frequency = np.float32(1) / power
    positions = np.arange(config.max_seq_len, dtype=np.float32) / np.float32(rotary.scaling)
    angle = (positions[:, None] * frequency).astype(np.float64)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
