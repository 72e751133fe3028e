"""Loads a model's files into a `NativeEngine`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from multiturn.core.errors import EngineError, InputError
from multiturn.engines.model_files import (
    MAX_SLOTS,
    check_in_range,
    context_window,
    engine_info,
    open_tokenizer,
)
from multiturn.engines.native.engine import NativeEngine
from multiturn.engines.native.packing import pack
from multiturn.engines.native.precision import fastest_precision
from multiturn.engines.notices import NoticeListener, ignore_notice
from multiturn.engines.protocol import Feature
from multiturn.hub.checkpoints.reading import Checkpoint, open_checkpoint
from multiturn.hub.checkpoints.stored_arrays import stored_arrays
from multiturn.models.native.arrays import GGML_TYPES
from multiturn.models.native.decoder import NativeDecoder, Precision
from multiturn.models.native.library import load_library

__all__ = ["NativeDType", "load_decoder", "open_native"]

NativeDType = Literal["auto", "float32", "bfloat16", "int8", "int4"]
"""Of the packed weights; see `models.native.decoder.Precision`. ``auto`` is int8, or int4 where
the file has matrices in 4 bits and that is faster here; see `fastest_precision`."""


def open_native(
    path: Path,
    *,
    context: int | None = None,
    threads: int | None = None,
    slots: int = 64,
    dtype: NativeDType = "auto",
    cache_bytes: int = 2 << 30,
    speculate: bool = True,
    weights_sha256: str | None = None,
    adapter: Path | None = None,
    listen: NoticeListener = ignore_notice,
) -> NativeEngine:
    """Load a model into the native engine, which needs no JAX.

    Args:
        path: a GGUF file, or a checkpoint's directory in the hub's layout.
        context: tokens of the context window; by default the model's own. Memory grows with the
            texts, so a large window costs nothing by itself.
        threads: of the kernels; by default one for each CPU this process may use.
        slots: how many continuations are decoded at once, at most.
        dtype: see `NativeDType`.
        cache_bytes: memory limit of the prefix cache.
        speculate: whether drafts from earlier text are verified where that is faster. Texts are
            the same with and without.
        weights_sha256: the file's hash where it is known, for the records.
        adapter: a LoRA adapter that is added to the weights: a PEFT directory or a GGUF file.
        listen: called with a notice where the tokenizer changes prompts.

    Raises:
        ModelFileError: the model cannot be read; the message says why.
        InputError: an option is out of range.
        MissingDependencyError: a package it needs is not installed.
        EngineError: the kernels cannot be compiled here.
    """
    checkpoint = open_checkpoint(path)
    context = context_window(checkpoint.config, context)
    check_in_range("the number of slots", slots, 1, MAX_SLOTS)
    if dtype not in get_args(NativeDType):
        raise InputError("unknown dtype", got=dtype, allowed=", ".join(get_args(NativeDType)))
    load_library(listen)
    precision = fastest_precision(checkpoint, threads) if dtype == "auto" else dtype
    tokenizer = open_tokenizer(path, listen)
    decoder = load_decoder(checkpoint, precision, threads=threads, adapter=adapter)
    info = engine_info(
        path,
        tokenizer,
        engine=_engine_name(precision, decoder.variant),
        context=context,
        slots=slots,
        adapter=adapter,
        weights_sha256=weights_sha256,
        kernels=f"{precision} {decoder.variant}",
        features=frozenset(get_args(Feature)),
    )
    return NativeEngine(decoder, tokenizer, info, cache_bytes=cache_bytes, speculate=speculate)


def _engine_name(precision: Precision, variant: str) -> str:
    """What the bits of a text depend on.

    Both integer precisions compute the same numbers, on every processor that rounds a product and
    its addition once (tests/engines/test_native_variants_agree.py), so that a run may be
    continued on another machine, or where the faster precision was found to be the other one.
    """
    if precision in ("int8", "int4") and variant != "portable":
        return "native int8"
    return f"native {precision} {variant}"


def load_decoder(
    checkpoint: Checkpoint,
    precision: Precision,
    *,
    threads: int | None = None,
    adapter: Path | None = None,
) -> NativeDecoder:
    """The packed weights of a checkpoint; one tensor after another, as the file stores them.

    Raises:
        ModelFileError: a tensor cannot be read, or the adapter belongs to another model.
        InputError: the number of threads is out of range.
        EngineError: the kernels cannot be compiled here.
    """
    decoder = NativeDecoder(checkpoint.config, precision, threads=threads)
    try:
        pack(decoder, stored_arrays(checkpoint, adapter, packable=GGML_TYPES))
        decoder.check_complete()
    except MemoryError as error:
        decoder.close()
        raise EngineError("the model does not fit the memory", fix="take a smaller one") from error
    except BaseException:
        decoder.close()
        raise
    return decoder
