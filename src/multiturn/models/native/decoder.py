"""A model's weights packed for the native kernels, and the calls that run it."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import os
import weakref
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
from multiturn.models.config import DecoderConfig
from multiturn.models.native.library import EXTEND, LOGITS, RANK, Library, Spec, load_library
from multiturn.models.parameters import Parameters, declare, named_arrays
from multiturn.models.rotary import angles
from multiturn.models.sampling import CANDIDATES, Ranked

__all__ = ["NativeDecoder", "Precision", "empty_cache", "extend", "logits_of", "rank"]

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
        number: what `extend` and `logits_of` take for the weights: an int32 array of one
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
            parameters: float32 or bfloat16 arrays.
            config: of the model.
            precision: see `Precision`.
            threads: None takes one for each processor that this process may use.

        Raises:
            InputError: no such precision, a senseless number of threads, or an array that
                is not as the configuration declares it.
            EngineError: the kernels cannot be compiled here.
        """
        if precision not in _PRECISIONS:
            raise InputError("unknown precision", got=precision, allowed=", ".join(_PRECISIONS))
        threads = len(os.sched_getaffinity(0)) if threads is None else threads
        if not 1 <= threads <= 1024:
            raise InputError("threads is out of range", got=threads, allowed="1 to 1024")
        _check_arrays(parameters, config)
        library = load_library()
        number = library.create(_spec(config, precision, threads))
        try:
            _fill(library, number, parameters, config)
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
    head = -(-config.head_size // _LANES) * _LANES
    shape = (config.layers, batch, config.kv_heads, capacity, head)
    dtype = jnp.float32 if precision == "float32" else jnp.bfloat16
    return KVCache(
        keys=jnp.zeros(shape, dtype),
        values=jnp.zeros(shape, dtype),
        lengths=jnp.zeros((batch,), jnp.int32),
    )


def extend(
    number: Int[Array, " 1"],
    tokens: Int[Array, "B T"],
    counts: Int[Array, " B"],
    cache: KVCache,
    config: DecoderConfig,
) -> tuple[Float[Array, "B T D"], KVCache]:
    """The meaning of `models.decoder.extend`, for weights that were packed.

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
            shaped((batch, length, config.width), jnp.float32),
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


def logits_of(
    number: Int[Array, " 1"], hidden: Float[Array, "B D"], config: DecoderConfig
) -> Float[Array, "B V"]:
    """The output head on normed states, in float32."""
    shaped: Any = jax.ShapeDtypeStruct
    shape = shaped((hidden.shape[0], config.vocab_size), jnp.float32)
    call: Any = jax.ffi.ffi_call(LOGITS, shape)
    logits: Array = call(number, hidden.astype(jnp.float32))
    return logits


def rank(
    number: Int[Array, " 1"],
    logits: Float[Array, "B V"],
    scale: Float[Array, " B"],
    wanted: Bool[Array, " B"],
    scored: Bool[Array, " B"],
) -> tuple[Ranked, Float[Array, " B"]]:
    """The meaning of `models.sampling.rank`, on the decoder's threads; cheaper by much.

    A row's numbers depend on that row alone, to the last bit. The same candidates are found
    as there but for those exactly as likely as the last one; totals differ by rounding.

    Args:
        number: of the `NativeDecoder`.
        logits: float32.
        scale: one over the temperature.
        wanted: whether a row needs more than its most likely token; where it does not,
            the other candidates are -inf, and the total means nothing.
        scored: whether a row needs the second result; it is 0 where not.

    Returns:
        What the choice is made of; and the logarithm of the sum of the exponentials of all
        logits as they are, that is, without `scale`.
    """
    rows, size = logits.shape
    shaped: Any = jax.ShapeDtypeStruct
    many = min(CANDIDATES, size)
    each = shaped((rows,), jnp.float32)
    found = (shaped((rows, many), jnp.float32), shaped((rows, many), jnp.int32))
    call: Any = jax.ffi.ffi_call(RANK, (*found, each, each))
    values, ids, total, plain_total = call(
        number, logits, scale, wanted.astype(jnp.int32), scored.astype(jnp.int32)
    )
    return Ranked(values, ids, total + values[:, 0] * scale), plain_total


def _spec(config: DecoderConfig, precision: Precision, threads: int) -> Spec:
    return Spec(
        vocab_size=config.vocab_size,
        layers=config.layers,
        width=config.width,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_size=config.head_size,
        feed_forward_width=config.feed_forward_width,
        rotary_size=config.rotary.size,
        rotary_adjacent=config.rotary.pairs == "adjacent",
        layer_norm=config.norm == "layer",
        gelu=config.feed_forward == "gelu",
        parallel=config.parallel,
        positions=config.context,
        precision=_PRECISIONS.index(precision),
        threads=threads,
        norm_eps=config.norm_eps,
    )


def _check_arrays(parameters: Parameters, config: DecoderConfig) -> None:
    """Every array is there, in its shape: the kernels read as far as the declaration says."""
    declared = dict(named_arrays(declare(config)))
    given = dict(named_arrays(parameters))
    if declared.keys() != given.keys():
        strange = sorted(declared.keys() ^ given.keys())
        raise InputError(
            "the parameters are not those of this configuration", got=", ".join(strange)
        )
    for name, info in declared.items():
        array = given[name]
        if array.shape != info.shape:
            raise InputError(
                f"the array {name} has a wrong shape", got=array.shape, allowed=str(info.shape)
            )


def _fill(library: Library, number: int, parameters: Parameters, config: DecoderConfig) -> None:
    def send(name: str, layer: int, array: Any) -> None:
        values = np.ascontiguousarray(array)
        half = values.dtype == ml_dtypes.bfloat16
        if not half:
            values = np.ascontiguousarray(values, np.float32)
        library.set(number, name, layer, values.ctypes.data, is_bfloat16=half)

    for name, array in named_arrays(parameters):
        values = np.asarray(array)
        if name.startswith("layers."):
            for layer in range(config.layers):
                send(name.removeprefix("layers."), layer, values[layer])
        elif name == "embedding":
            send("embedding" if config.tied_head else "untied_embedding", -1, values)
        else:
            send(name, -1, values)
    cosine, sine = _angle_tables(config)
    send("cosine", -1, cosine)
    send("sine", -1, sine)


def _angle_tables(config: DecoderConfig) -> tuple[np.ndarray, np.ndarray]:
    """Of every position of the context: the very numbers that `models.rotary` computes."""
    parts = []
    for start in range(0, config.context, _ANGLES_AT_ONCE):
        stop = min(config.context, start + _ANGLES_AT_ONCE)
        positions = jnp.arange(start, stop, dtype=jnp.int32)[None]
        parts.append(
            [
                np.asarray(table).reshape(stop - start, -1)
                for table in angles(positions, config.rotary)
            ]
        )
    cosine, sine = zip(*parts, strict=True)
    return np.concatenate(cosine), np.concatenate(sine)
