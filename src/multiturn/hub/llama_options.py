"""The options of llama.cpp, as a record and as the library's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.hub.formats.gguf import GGUFHeader

__all__ = ["ServerOptions", "quantized_cache_fits", "server_parameters"]

_BLOCK = 32
"""Values that share one scale in a quantized KV cache (``q8_0``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The options of llama.cpp.

    Attributes:
        context: tokens of the context window.
        threads: for prefill and decoding.
        exact: use only batch-invariant kernels, as far as llama.cpp has them;
            docs/decisions/0004-exact-cache.md.
        quantized_cache: whether exact kernels store keys and values in blocks of 32; see
            `quantized_cache_fits`. Otherwise the cache is in half precision without flash
            attention, which is the other exact combination.
        adapter: a LoRA adapter as a GGUF file.
    """

    context: int
    threads: int
    exact: bool = True
    quantized_cache: bool = True
    adapter: Path | None = None


def quantized_cache_fits(header: GGUFHeader) -> bool:
    """Whether every key and value of the model divides into the blocks of a quantized cache."""
    arch = header.architecture

    def number(key: str) -> int | None:
        value = header.metadata.get(f"{arch}.{key}")
        return value if type(value) is int and value > 0 else None

    width, heads = number("embedding_length"), number("attention.head_count")
    usual = width // heads if width and heads else None
    sizes = [
        number(f"attention.{part}_length{kind}")
        for part in ("key", "value")
        for kind in ("_swa", "_mla")
    ]
    sizes = [size for size in sizes if size is not None]
    sizes += [number(f"attention.{part}_length") or usual for part in ("key", "value")]
    return all(size is not None and size % _BLOCK == 0 for size in sizes)


def server_parameters(xllamacpp: Any, path: Path, options: ServerOptions) -> Any:
    """The library's parameters for one model.

    Args:
        xllamacpp: the library.
        path: of the model.
        options: to convert.
    """
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = options.context
    params.n_parallel = 1
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.fit_params = False
    params.warmup = False
    params.ui = False
    if options.adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(options.adapter), 1.0)]
    if options.exact:
        flash, kinds = xllamacpp.llama_flash_attn_type, xllamacpp.ggml_type
        params.no_extra_bufts = True
        if options.quantized_cache:
            params.flash_attn_type = flash.LLAMA_FLASH_ATTN_TYPE_ENABLED
            params.cache_type_k = params.cache_type_v = kinds.GGML_TYPE_Q8_0
        else:
            params.flash_attn_type = flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
            params.cache_type_k = params.cache_type_v = kinds.GGML_TYPE_F16
    return params
