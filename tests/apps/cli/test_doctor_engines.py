"""What the doctor says of engines and kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiturn.apps.cli.doctor import engines
from multiturn.apps.cli.doctor.check import examine
from multiturn.apps.cli.doctor.engines import check_engine, check_kernels
from multiturn.core.errors import EngineError
from multiturn.engines.choice import EngineChoice
from multiturn.models.native import build
from multiturn.models.native.build import NativeStatus
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.processor import Processor
from multiturn.models.native.variants import (
    CPU_VARIABLE,
    runnable_variants,
    variant_named,
    variant_reason,
)

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here")
pytestmark = pytest.mark.real


@needs_compiler
def test_the_kernels_that_run_and_what_they_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CPU_VARIABLE, raising=False)
    check = check_kernels()
    best, *others = runnable_variants()
    assert check.state == "works"
    assert f"native kernels for {best.name}, " in check.found
    reason, other, speed = check.details
    assert reason.startswith(best.name)
    assert all(each.name in other for each in others)
    for word in ("GB/s of weights", "GOP/s for 64", "memory is read at"):
        assert word in speed


def test_kernels_that_do_not_compile_are_one_line_and_a_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path))  # nothing compiled before is there
    monkeypatch.setattr(build, "find_compilers", lambda: iter(()))
    monkeypatch.setattr(build, "prebuilt_library", lambda *_: None)
    check = check_kernels()
    assert check.state == "note"
    assert check.found.startswith("the native kernels do not run: ")
    assert "\n" not in check.found
    assert check.fix and "ziglang" in check.fix


def test_a_processor_that_is_not_known_fails_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CPU_VARIABLE, "avx9")
    for part in (check_engine, check_kernels):
        check = examine("part", part)
        assert check.state == "fails"
        assert "MULTITURN_CPU" in check.found and "\n" not in check.found
        assert check.fix


@pytest.mark.parametrize(
    ("engine", "kernels", "llama", "state"),
    [
        ("native", True, None, "works"),
        ("native", False, None, "works"),
        ("native", False, "pip install it", "fails"),
        ("llama.cpp", False, None, "works"),
        ("llama.cpp", True, "pip install it", "fails"),
        ("jax", False, "pip install it", "works"),
    ],
)
def test_an_engine_fails_only_if_nothing_writes(
    monkeypatch: pytest.MonkeyPatch, engine: str, kernels: bool, llama: str | None, state: str
) -> None:
    monkeypatch.setattr(engines, "choose_engine", lambda **_: EngineChoice(engine, "so"))  # type: ignore[arg-type]
    monkeypatch.setattr(engines, "native_status", lambda *_: NativeStatus(kernels, "found"))
    monkeypatch.setattr(engines, "_try_llama_cpp", lambda: ("found", llama))
    check = check_engine()
    assert check.state == state
    assert check.found == f"auto takes {engine}: so"
    assert check.state == "works" or check.fix


def test_a_speed_that_cannot_be_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from multiturn.models.native import speed

    def none(*_: object) -> None:
        raise EngineError("no memory")

    monkeypatch.setattr(speed, "kernel_speed", none)
    assert engines._speed() == "speed: not measured, no memory"


def test_the_reason_names_what_the_processor_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CPU_VARIABLE, raising=False)
    laptop = Processor("x86_64", "A laptop", frozenset({"avx2", "fma", "f16c"}))
    reason = variant_reason(variant_named("avx2", laptop), laptop)
    assert "which lacks" in reason and "avx-vnni (avx_vnni)" in reason
    monkeypatch.setenv(CPU_VARIABLE, "avx2")
    assert (
        variant_reason(variant_named("avx2", laptop), laptop) == "MULTITURN_CPU=avx2 asks for avx2"
    )
