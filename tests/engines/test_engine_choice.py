"""Which engine and precision `auto` takes, by what is installed and what the processor has."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from multiturn.core.errors import InputError
from multiturn.engines import choice
from multiturn.engines.choice import choose_engine
from multiturn.engines.native import precision
from multiturn.engines.native.precision import fastest_precision
from multiturn.hub.checkpoints.reading import open_checkpoint
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.variants import CPU_VARIABLE, runnable_variants

LEAN = ("jaxtyping", "ml_dtypes", "tokenizers")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what a machine has; by default a compiler, llama.cpp, and no JAX."""
    monkeypatch.delenv(CPU_VARIABLE, raising=False)

    def make(
        *,
        kernels: bool = True,
        packages: tuple[str, ...] = (*LEAN, "xllamacpp"),
        accelerator: bool = False,
    ) -> None:
        monkeypatch.setattr(choice, "find_spec", lambda name: name if name in packages else None)
        monkeypatch.setattr(choice, "library_is_available", lambda: kernels)
        monkeypatch.setattr(choice, "has_accelerator", lambda: accelerator)

    return make


@pytest.mark.parametrize(
    ("has", "gguf", "engine"),
    [
        ({}, True, "native"),
        ({}, False, "native"),
        ({"packages": (*LEAN, "jax")}, True, "native"),
        ({"packages": (*LEAN, "jax"), "accelerator": True}, True, "jax"),
        ({"packages": LEAN, "accelerator": True}, True, "native"),
        ({"kernels": False}, True, "llama.cpp"),
        ({"kernels": False, "packages": (*LEAN, "xllamacpp", "jax")}, False, "jax"),
        ({"packages": ("xllamacpp",)}, True, "llama.cpp"),
    ],
)
def test_the_engine_is_the_one_that_is_fastest_here(
    machine: Callable[..., None], has: dict[str, Any], gguf: bool, engine: str
) -> None:
    machine(**has)
    found = choose_engine(is_gguf=gguf)
    assert found.engine == engine
    assert found.why and "\n" not in found.why


def test_without_vector_instructions_llama_cpp_runs_what_it_can(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    monkeypatch.setenv(CPU_VARIABLE, "portable")
    found = choose_engine(is_gguf=True)
    assert found.engine == "llama.cpp"
    assert CPU_VARIABLE in found.why or len(runnable_variants()) == 1
    assert choose_engine(is_gguf=False).engine == "native"
    machine(packages=LEAN)
    assert choose_engine(is_gguf=True).engine == "native"


def test_a_variant_that_the_processor_lacks_is_refused(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    monkeypatch.setenv(CPU_VARIABLE, "avx9")
    with pytest.raises(InputError, match="MULTITURN_CPU"):
        choose_engine(is_gguf=True)


@pytest.mark.real
@pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here")
def test_the_precision_of_four_bits_is_measured_once(
    smollm2: Path, tiny_gguf: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fastest_precision(open_checkpoint(tiny_gguf())) == "int8"  # it has none

    seconds = precision._measure(open_checkpoint(smollm2), None)
    assert set(seconds) == {"int8", "int4"}
    assert all(0 < value < 60 for value in seconds.values())

    for name in seconds:
        monkeypatch.setattr(
            precision, "remembered_seconds", lambda *_, best=name: {**seconds, best: 1e-9}
        )
        assert fastest_precision(open_checkpoint(smollm2)) == name


def test_the_native_engine_needs_only_packages_that_are_looked_for() -> None:
    assert all(find_spec(name) for name in LEAN)
