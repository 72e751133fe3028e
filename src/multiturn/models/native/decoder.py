"""A model's weights packed for the native kernels, and the calls that run them."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from multiturn.core.errors import InputError
from multiturn.models.cache import KVCache
from multiturn.models.config import DecoderConfig, RopePairs
from multiturn.models.native.library import (
    FORWARD_WITH_CACHE,
    PREFILL_EACH,
    TOP_CANDIDATES,
    UNEMBED,
    UNEMBED_INTO,
    Library,
    load_library,
)
from multiturn.models.parameters import Parameters, named_arrays, parameter_specs
from multiturn.models.rotary import rope_frequencies
from multiturn.models.sampling import CANDIDATES, TopCandidates

__all__ = [
    "NativeDecoder",
    "Precision",
    "empty_cache",
    "forward_with_cache",
    "prefill_each",
    "unembed",
    "top_candidates",
]

Precision = Literal["float32", "bfloat16", "int8"]
"""The type of the weights, and of the activations that they are multiplied with. Sums, norms, the
residual stream and attention are float32 in all three. The KV cache is float32 with ``float32``,
and bfloat16 otherwise.

``int8`` has one scale for each output and group of 128 inputs, and quantizes activations in the
same groups."""

_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")
_LANES = 16
_MAX_POSITIONS = 4096


@dataclass(frozen=True)
class NativeDecoder:
    """Packed weights, and the threads that use them.

    Attributes:
        config: of the model.
        precision: see `Precision`.
        handle: what `forward_with_cache` and `unembed` take as weights, an int32 array of one
            element. It is valid while this object lives and is not closed; later calls with it
            raise an error.
    """

    config: DecoderConfig
    precision: Precision
    handle: Int[Array, " 1"]
    _library: Library
    _release: weakref.finalize[Any, Any]

    @classmethod
    def pack(
        cls,
        parameters: Parameters,
        config: DecoderConfig,
        precision: Precision = "bfloat16",
        *,
        threads: int | None = None,
    ) -> Self:
        """Pack a copy of the weights; the parameters are not needed afterwards.

        Args:
            parameters: arrays of any floating type.
            config: of the model.
            precision: see `Precision`.
            threads: by default one for each processor that this process may use.

        Raises:
            InputError: the precision is unknown, the number of threads is out of range, or an
                array does not match the configuration.
            EngineError: the kernels cannot be compiled here.
        """
        return cls.pack_each(_arrays_by_layer(parameters), config, precision, threads=threads)

    @classmethod
    def pack_each(
        cls,
        arrays: Iterable[tuple[str, int | None, Any]],
        config: DecoderConfig,
        precision: Precision = "bfloat16",
        *,
        threads: int | None = None,
    ) -> Self:
        """`pack` for arrays that arrive one by one, so that they need not all be in memory at once.

        Args:
            arrays: the name of each, such as ``query`` of `Layers` or ``embedding`` of
                `Parameters`; its layer, or None outside the layers; and the array. Every one
                once, in any order.
            config: as in `pack`.
            precision: as in `pack`.
            threads: as in `pack`.

        Raises:
            InputError: as in `pack`; or an array is missing, unknown or repeated.
            EngineError: the kernels cannot be compiled here.
        """
        if precision not in _PRECISIONS:
            raise InputError("unknown precision", got=precision, allowed=", ".join(_PRECISIONS))
        threads = len(os.sched_getaffinity(0)) if threads is None else threads
        if not 1 <= threads <= 1024:
            raise InputError("threads is out of range", got=threads, allowed="1 to 1024")
        library = load_library()
        handle = library.create(_settings(config, precision, threads))
        try:
            _pack_arrays(library, handle, arrays, config)
        except BaseException:
            library.destroy(handle)
            raise
        array = jnp.asarray([handle], jnp.int32)
        release = weakref.finalize(array, library.destroy, handle)
        return cls(config, precision, array, library, release)

    @property
    def bytes(self) -> int:
        """The size of the packed weights."""
        return self._library.bytes(int(self.handle[0]))

    def close(self) -> None:
        """Free the weights. Safe to call twice."""
        self._release()


def empty_cache(config: DecoderConfig, batch: int, capacity: int, precision: Precision) -> KVCache:
    """A cache in the native layout ``L B K S H``: the positions of one head are contiguous.

    H is padded with zeros to a multiple of 16.
    """
    head = -(-config.head_dim // _LANES) * _LANES
    shape = (config.layers, batch, config.kv_heads, capacity, head)
    dtype = jnp.float32 if precision == "float32" else jnp.bfloat16
    return KVCache(
        keys=jnp.zeros(shape, dtype),
        values=jnp.zeros(shape, dtype),
        lengths=jnp.zeros((batch,), jnp.int32),
    )


def forward_with_cache(
    handle: Int[Array, " 1"],
    tokens: Int[Array, "B T"],
    counts: Int[Array, " B"],
    cache: KVCache,
    config: DecoderConfig,
) -> tuple[Float[Array, "B T D"], KVCache]:
    """`models.decoder.forward_with_cache` with packed weights.

    Args:
        handle: of the `NativeDecoder`.
        tokens: as there.
        counts: as there; a row with 0 costs nothing.
        cache: from `empty_cache`; donate it to `jax.jit` to have it changed in place.
        config: of the model.

    Returns:
        The final hidden states after normalization, in float32, zero for padding; and the
        extended cache.

    Raises:
        jax.errors.JaxRuntimeError: the decoder was closed, or a token, a count or a length
            is out of range. The cache is unchanged then.
    """
    batch, length = tokens.shape
    struct: Any = jax.ShapeDtypeStruct
    call = jax.ffi.ffi_call(
        FORWARD_WITH_CACHE,
        (
            struct((batch, length, config.d_model), jnp.float32),
            struct(cache.keys.shape, cache.keys.dtype),
            struct(cache.values.shape, cache.values.dtype),
        ),
        input_output_aliases={4: 1, 5: 2},
    )
    hidden, keys, values = call(
        handle,
        tokens.astype(jnp.int32),
        counts.astype(jnp.int32),
        cache.lengths.astype(jnp.int32),
        cache.keys,
        cache.values,
    )
    return hidden, KVCache(keys=keys, values=values, lengths=cache.lengths + counts)


def prefill_each(
    handle: Int[Array, " 1"],
    tokens: Int[Array, "B T"],
    counts: Int[Array, " B"],
    caches: Sequence[KVCache],
) -> tuple[KVCache, ...]:
    """`forward_with_cache` for rows that each have a cache of their own; returns no states.

    Args:
        handle: of the `NativeDecoder`.
        tokens: as there.
        counts: as there.
        caches: of one row each, from `empty_cache`, of any capacities; donate them.

    Returns:
        The extended caches.

    Raises:
        jax.errors.JaxRuntimeError: as there.
    """
    old = [part for cache in caches for part in (cache.keys, cache.values)]
    struct: Any = jax.ShapeDtypeStruct
    call: Any = jax.ffi.ffi_call(
        PREFILL_EACH,
        [struct(part.shape, part.dtype) for part in old],
        input_output_aliases={4 + index: index for index in range(len(old))},
    )
    lengths = jnp.concatenate([cache.lengths for cache in caches])
    integers = (tokens, counts, lengths)
    new = call(handle, *(values.astype(jnp.int32) for values in integers), *old)
    return tuple(
        KVCache(new[2 * row], new[2 * row + 1], cache.lengths + counts[row])
        for row, cache in enumerate(caches)
    )


def unembed(
    handle: Int[Array, " 1"],
    hidden: Float[Array, "B D"],
    config: DecoderConfig,
    workspace: Float[Array, "B V"] | None = None,
) -> Float[Array, "B V"]:
    """The float32 logits of normalized states, written over `workspace` if that is donated."""
    struct: Any = jax.ShapeDtypeStruct
    shape = struct((hidden.shape[0], config.vocab_size), jnp.float32)
    hidden = hidden.astype(jnp.float32)
    into: Any = jax.ffi.ffi_call(UNEMBED_INTO, shape, input_output_aliases={2: 0})
    call: Any = jax.ffi.ffi_call(UNEMBED, shape)
    logits: Array = call(handle, hidden) if workspace is None else into(handle, hidden, workspace)
    return logits


def top_candidates(
    handle: Int[Array, " 1"],
    logits: Float[Array, "B V"],
    scale: Float[Array, " B"],
    want_candidates: Bool[Array, " B"],
    want_logprobs: Bool[Array, " B"],
    candidates: int = CANDIDATES,
) -> tuple[TopCandidates, Float[Array, " B"]]:
    """`models.sampling.top_candidates` on the decoder's threads, which is much cheaper.

    A row's results depend on that row alone, to the last bit. The candidates are the same as
    there, except among tokens exactly as likely as the last one; sums differ by rounding.

    Args:
        handle: of the `NativeDecoder`.
        logits: float32.
        scale: one over the temperature.
        want_candidates: whether a row needs more than its most likely token. Otherwise its
            other candidates are -inf, and its normalizer has no meaning.
        want_logprobs: whether a row needs the second result, which is 0 otherwise.
        candidates: how many to find, at most the size of the vocabulary.

    Returns:
        The candidates; and the logsumexp of the logits without `scale`.
    """
    rows, vocab_size = logits.shape
    struct: Any = jax.ShapeDtypeStruct
    count = min(candidates, vocab_size)
    each_row = struct((rows,), jnp.float32)
    found = (struct((rows, count), jnp.float32), struct((rows, count), jnp.int32))
    call: Any = jax.ffi.ffi_call(TOP_CANDIDATES, (*found, each_row, each_row))
    values, ids, scaled_logsumexp, logsumexp = call(
        handle, logits, scale, want_candidates.astype(jnp.int32), want_logprobs.astype(jnp.int32)
    )
    return TopCandidates(values, ids, scaled_logsumexp + values[:, 0] * scale), logsumexp


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


def _arrays_by_layer(parameters: Parameters) -> Iterator[tuple[str, int | None, Any]]:
    """Every array, with those of the layers split into layers."""
    for name, array in named_arrays(parameters):
        values = np.asarray(array)
        if name.startswith("layers."):
            for layer, part in enumerate(values):
                yield name.removeprefix("layers."), layer, part
        else:
            yield name, None, values


def _expected_shapes(config: DecoderConfig) -> dict[tuple[str, int | None], tuple[int, ...]]:
    """The shape of every array, by name and layer."""
    shapes: dict[tuple[str, int | None], tuple[int, ...]] = {}
    for name, info in named_arrays(parameter_specs(config)):
        if name.startswith("layers."):
            for layer in range(config.layers):
                shapes[name.removeprefix("layers."), layer] = info.shape[1:]
        else:
            shapes[name, None] = info.shape
    return shapes


def _pack_arrays(
    library: Library,
    handle: int,
    arrays: Iterable[tuple[str, int | None, Any]],
    config: DecoderConfig,
) -> None:
    """Check the shape of every array and pack it, and the tables of rotary embeddings."""
    missing = _expected_shapes(config)

    def pack(name: str, layer: int | None, values: np.ndarray[Any, Any]) -> None:
        is_bfloat16 = values.dtype == ml_dtypes.bfloat16
        values = np.ascontiguousarray(values, None if is_bfloat16 else np.float32)
        library.set(
            handle,
            name,
            -1 if layer is None else layer,
            values.ctypes.data,
            is_bfloat16=is_bfloat16,
            elements=values.size,
        )

    for name, layer, array in arrays:
        shape = missing.pop((name, layer), None)
        if shape is None:
            raise InputError(
                "the parameters do not match the configuration",
                got=f"{_describe(name, layer)}, which is unknown or repeated",
            )
        values = np.asarray(array)
        if values.shape != shape:
            raise InputError(
                f"the array {_describe(name, layer)} has a wrong shape",
                got=values.shape,
                allowed=str(shape),
            )
        untied = name == "embedding" and not config.tie_embeddings
        pack("untied_embedding" if untied else name, layer, values)
    if missing:
        raise InputError(
            "the parameters do not match the configuration",
            got=f"no {', '.join(_describe(*key) for key in list(missing)[:3])}",
        )
    cosine, sine = _rope_tables(config)
    pack("cosine", None, cosine)
    pack("sine", None, sine)


def _describe(name: str, layer: int | None) -> str:
    return name if layer is None else f"{name} of layer {layer}"


def _rope_tables(config: DecoderConfig) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines for every position, bit for bit those of `models.rotary`."""
    parts = []
    for start in range(0, config.max_seq_len, _MAX_POSITIONS):
        stop = min(config.max_seq_len, start + _MAX_POSITIONS)
        positions = jnp.arange(start, stop, dtype=jnp.int32)[None]
        parts.append(
            [
                np.asarray(table).reshape(stop - start, -1)
                for table in rope_frequencies(positions, config.rotary)
            ]
        )
    cosine, sine = zip(*parts, strict=True)
    return np.concatenate(cosine), np.concatenate(sine)
