"""A model's weights packed for the native kernels, and the calls that run it."""

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
    EXTEND,
    EXTEND_EACH,
    LOGITS,
    LOGITS_INTO,
    RANK,
    Library,
    Spec,
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
"""Of the weights and of what they are multiplied with. Sums, norms, the residual stream and
attention are float32 in all three; keys and values are kept in float32, or else in bfloat16.

``int8`` keeps a scale for each output and 128 inputs, and rounds what enters a product to
int8 in the same groups."""

_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")
_LANES = 16
_ANGLES_AT_ONCE = 4096


@dataclass(frozen=True)
class NativeDecoder:
    """Packed weights, and the threads that use them.

    Attributes:
        config: of the model.
        precision: see `Precision`.
        number: what `forward_with_cache` and `unembed` take for the weights: an int32 array of one
            element. It stays valid as long as this object lives and was not closed; a
            closed decoder's number is refused, with an error, by every later call.
    """

    config: DecoderConfig
    precision: Precision
    number: Int[Array, " 1"]
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
            threads: None takes one for each processor that this process may use.

        Raises:
            InputError: no such precision, a senseless number of threads, or an array that
                is not as the configuration declares it.
            EngineError: the kernels cannot be compiled here.
        """
        return cls.pack_each(_apart(parameters), config, precision, threads=threads)

    @classmethod
    def pack_each(
        cls,
        arrays: Iterable[tuple[str, int | None, Any]],
        config: DecoderConfig,
        precision: Precision = "bfloat16",
        *,
        threads: int | None = None,
    ) -> Self:
        """As `pack`, of arrays that come one by one, so that all of them never need be there.

        Args:
            arrays: each with its name, as ``query`` of `Layers` or ``embedding`` of
                `Parameters`, and the layer that it is of, None for those outside the layers;
                every one once, in any order.
            config: as in `pack`.
            precision: as in `pack`.
            threads: as in `pack`.

        Raises:
            InputError: as in `pack`; or an array is missing, strange or comes twice.
            EngineError: the kernels cannot be compiled here.
        """
        if precision not in _PRECISIONS:
            raise InputError("unknown precision", got=precision, allowed=", ".join(_PRECISIONS))
        threads = len(os.sched_getaffinity(0)) if threads is None else threads
        if not 1 <= threads <= 1024:
            raise InputError("threads is out of range", got=threads, allowed="1 to 1024")
        library = load_library()
        number = library.create(_spec(config, precision, threads))
        try:
            _fill(library, number, arrays, config)
        except BaseException:
            library.destroy(number)
            raise
        array = jnp.asarray([number], jnp.int32)
        release = weakref.finalize(array, library.destroy, number)
        return cls(config, precision, array, library, release)

    @property
    def bytes(self) -> int:
        """Of the packed weights."""
        return self._library.bytes(int(self.number[0]))

    def close(self) -> None:
        """Free the weights. Safe to call twice."""
        self._release()


def empty_cache(config: DecoderConfig, batch: int, capacity: int, precision: Precision) -> KVCache:
    """A cache of the native layout, ``L B K S H``: slots of one head follow one another.

    H is padded with zeros to whole vectors of 16.
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
    number: Int[Array, " 1"],
    tokens: Int[Array, "B T"],
    counts: Int[Array, " B"],
    cache: KVCache,
    config: DecoderConfig,
) -> tuple[Float[Array, "B T D"], KVCache]:
    """The meaning of `models.decoder.forward_with_cache`, for weights that were packed.

    Args:
        number: of the `NativeDecoder`.
        tokens: as there.
        counts: as there; a row with 0 costs nothing.
        cache: from `empty_cache`; donate it to a `jax.jit` to have it changed in place.
        config: of the model.

    Returns:
        Normed states in float32 (zeros for padding), and the grown cache.

    Raises:
        jax.errors.JaxRuntimeError: the decoder was closed, or a token, a count or a length
            is out of range; nothing was changed then.
    """
    batch, length = tokens.shape
    shaped: Any = jax.ShapeDtypeStruct
    call = jax.ffi.ffi_call(
        EXTEND,
        (
            shaped((batch, length, config.d_model), jnp.float32),
            shaped(cache.keys.shape, cache.keys.dtype),
            shaped(cache.values.shape, cache.values.dtype),
        ),
        input_output_aliases={4: 1, 5: 2},
    )
    hidden, keys, values = call(
        number,
        tokens.astype(jnp.int32),
        counts.astype(jnp.int32),
        cache.lengths.astype(jnp.int32),
        cache.keys,
        cache.values,
    )
    return hidden, KVCache(keys=keys, values=values, lengths=cache.lengths + counts)


def prefill_each(
    number: Int[Array, " 1"],
    tokens: Int[Array, "B T"],
    counts: Int[Array, " B"],
    caches: Sequence[KVCache],
) -> tuple[KVCache, ...]:
    """`forward_with_cache` for rows that each have a cache of their own; returns no states.

    Args:
        number: of the `NativeDecoder`.
        tokens: as there.
        counts: as there.
        caches: of one row each, from `empty_cache`, of any capacities. Donate them.

    Returns:
        The grown caches.

    Raises:
        jax.errors.JaxRuntimeError: as there.
    """
    old = [part for cache in caches for part in (cache.keys, cache.values)]
    shaped: Any = jax.ShapeDtypeStruct
    call: Any = jax.ffi.ffi_call(
        EXTEND_EACH,
        [shaped(part.shape, part.dtype) for part in old],
        input_output_aliases={4 + place: place for place in range(len(old))},
    )
    lengths = jnp.concatenate([cache.lengths for cache in caches])
    numbers = (tokens, counts, lengths)
    new = call(number, *(values.astype(jnp.int32) for values in numbers), *old)
    return tuple(
        KVCache(new[2 * row], new[2 * row + 1], cache.lengths + counts[row])
        for row, cache in enumerate(caches)
    )


def unembed(
    number: Int[Array, " 1"],
    hidden: Float[Array, "B D"],
    config: DecoderConfig,
    workspace: Float[Array, "B V"] | None = None,
) -> Float[Array, "B V"]:
    """The float32 logits of normed states, written over `workspace` if that is donated."""
    shaped: Any = jax.ShapeDtypeStruct
    shape = shaped((hidden.shape[0], config.vocab_size), jnp.float32)
    hidden = hidden.astype(jnp.float32)
    into: Any = jax.ffi.ffi_call(LOGITS_INTO, shape, input_output_aliases={2: 0})
    call: Any = jax.ffi.ffi_call(LOGITS, shape)
    logits: Array = call(number, hidden) if workspace is None else into(number, hidden, workspace)
    return logits


def top_candidates(
    number: Int[Array, " 1"],
    logits: Float[Array, "B V"],
    scale: Float[Array, " B"],
    wanted: Bool[Array, " B"],
    want_logprobs: Bool[Array, " B"],
    candidates: int = CANDIDATES,
) -> tuple[TopCandidates, Float[Array, " B"]]:
    """The meaning of `models.sampling.top_candidates`, on the decoder's threads; cheaper by much.

    A row's numbers depend on that row alone, to the last bit. The same candidates are found
    as there but for those exactly as likely as the last one; totals differ by rounding.

    Args:
        number: of the `NativeDecoder`.
        logits: float32.
        scale: one over the temperature.
        wanted: whether a row needs more than its most likely token; where it does not,
            the other candidates are -inf, and the total means nothing.
        want_logprobs: whether a row needs the second result; it is 0 where not.
        candidates: how many there are, if the vocabulary has as many.

    Returns:
        What the choice is made of; and the logarithm of the sum of the exponentials of all
        logits as they are, that is, without `scale`.
    """
    rows, size = logits.shape
    shaped: Any = jax.ShapeDtypeStruct
    many = min(candidates, size)
    each = shaped((rows,), jnp.float32)
    found = (shaped((rows, many), jnp.float32), shaped((rows, many), jnp.int32))
    call: Any = jax.ffi.ffi_call(RANK, (*found, each, each))
    values, ids, total, plain_total = call(
        number, logits, scale, wanted.astype(jnp.int32), want_logprobs.astype(jnp.int32)
    )
    return TopCandidates(values, ids, total + values[:, 0] * scale), plain_total


def _spec(config: DecoderConfig, precision: Precision, threads: int) -> Spec:
    return Spec(
        vocab_size=config.vocab_size,
        layers=config.layers,
        width=config.d_model,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_size=config.head_dim,
        feed_forward_width=config.mlp_dim,
        rotary_size=config.rotary.size,
        rotary_adjacent=config.rotary.pairs is RopePairs.INTERLEAVED,
        layer_norm=config.norm == "layer",
        gelu=config.feed_forward == "gelu",
        parallel=config.parallel_residual,
        positions=config.max_seq_len,
        precision=_PRECISIONS.index(precision),
        threads=threads,
        norm_eps=config.norm_eps,
    )


def _apart(parameters: Parameters) -> Iterator[tuple[str, int | None, Any]]:
    """Each array; those of the layers one layer at a time."""
    for name, array in named_arrays(parameters):
        values = np.asarray(array)
        if name.startswith("layers."):
            for layer, part in enumerate(values):
                yield name.removeprefix("layers."), layer, part
        else:
            yield name, None, values


def _declared(config: DecoderConfig) -> dict[tuple[str, int | None], tuple[int, ...]]:
    """The shape of every array, those of the layers for each layer."""
    declared = parameter_specs(config)
    shapes: dict[tuple[str, int | None], tuple[int, ...]] = {}
    for name, info in named_arrays(declared):
        if name.startswith("layers."):
            for layer in range(config.layers):
                shapes[name.removeprefix("layers."), layer] = info.shape[1:]
        else:
            shapes[name, None] = info.shape
    return shapes


def _fill(
    library: Library,
    number: int,
    arrays: Iterable[tuple[str, int | None, Any]],
    config: DecoderConfig,
) -> None:
    """Hand every array over, in its shape: the kernels read as far as the declaration says."""
    missing = _declared(config)

    def send(name: str, layer: int | None, values: np.ndarray[Any, Any]) -> None:
        half = values.dtype == ml_dtypes.bfloat16
        values = np.ascontiguousarray(values, None if half else np.float32)
        place = -1 if layer is None else layer
        library.set(number, name, place, values.ctypes.data, is_bfloat16=half)

    for name, layer, array in arrays:
        shape = missing.pop((name, layer), None)
        if shape is None:
            raise InputError(
                "the parameters are not those of this configuration", got=_shown(name, layer)
            )
        values = np.asarray(array)
        if values.shape != shape:
            raise InputError(
                f"the array {_shown(name, layer)} has a wrong shape",
                got=values.shape,
                allowed=str(shape),
            )
        apart = name == "embedding" and not config.tie_embeddings
        send("untied_embedding" if apart else name, layer, values)
    if missing:
        raise InputError(
            "the parameters are not those of this configuration",
            got=f"no {', '.join(_shown(*one) for one in list(missing)[:3])}",
        )
    cosine, sine = _angle_tables(config)
    send("cosine", None, cosine)
    send("sine", None, sine)


def _shown(name: str, layer: int | None) -> str:
    return name if layer is None else f"{name} of layer {layer}"


def _angle_tables(config: DecoderConfig) -> tuple[np.ndarray, np.ndarray]:
    """Of every position of the context: the very numbers that `models.rotary` computes."""
    parts = []
    for start in range(0, config.max_seq_len, _ANGLES_AT_ONCE):
        stop = min(config.max_seq_len, start + _ANGLES_AT_ONCE)
        positions = jnp.arange(start, stop, dtype=jnp.int32)[None]
        parts.append(
            [
                np.asarray(table).reshape(stop - start, -1)
                for table in rope_frequencies(positions, config.rotary)
            ]
        )
    cosine, sine = zip(*parts, strict=True)
    return np.concatenate(cosine), np.concatenate(sine)
