"""Which engine ``auto`` takes on this machine, and why."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from multiturn.engines.protocol import EngineName
from multiturn.models.native.build import library_is_available
from multiturn.models.native.variants import CPU_VARIABLE, chosen_variant, runnable_variants

__all__ = ["EngineChoice", "choose_engine", "has_accelerator"]

_ACCELERATOR_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin", "libtpu")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine, and the reason in a few words."""

    engine: EngineName
    why: str


def choose_engine(*, is_gguf: bool) -> EngineChoice:
    """The engine for a model's files, by rules alone: nothing is compiled or loaded.

    If the native engine then cannot read the files, `open_engine` goes through the others.

    Args:
        is_gguf: whether llama.cpp could read the files too.

    Raises:
        InputError: `MULTITURN_CPU` names a variant that this machine cannot run.
    """
    jax, llama = find_spec("jax") is not None, find_spec("xllamacpp") is not None
    if jax and has_accelerator():
        return EngineChoice("jax", "there is an accelerator")
    if not all(find_spec(package) for package in ("jaxtyping", "ml_dtypes", "tokenizers")):
        missing = "the packages of the native engine are not installed"
        return EngineChoice("llama.cpp" if llama and is_gguf else "native", missing)
    variant = chosen_variant()
    if variant.name == "portable" and llama and is_gguf:
        # Its kernels for such processors are written by hand; ours are what the compiler makes.
        if len(runnable_variants()) > 1:
            return EngineChoice("llama.cpp", f"{CPU_VARIABLE} asks for the portable kernels")
        return EngineChoice("llama.cpp", "the processor lacks AVX2, FMA and F16C, or dot products")
    if library_is_available():
        return EngineChoice("native", f"its kernels run here, as {variant.name}")
    if llama and is_gguf:
        return EngineChoice("llama.cpp", "there is no C++ compiler for the native kernels")
    return EngineChoice("jax" if jax else "native", "there is no C++ compiler for native kernels")


def has_accelerator() -> bool:
    """Whether JAX would compute on an accelerator. It is not imported where it has no plugin."""
    if not any(find_spec(plugin) is not None for plugin in _ACCELERATOR_PLUGINS):
        return False
    import jax

    return jax.default_backend() != "cpu"
