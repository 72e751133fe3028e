"""Compiling the kernels: kept, made whole again, shared by processes, and refused in words."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.core.errors import EngineError, InputError, StorageError
from multiturn.models.native import build
from multiturn.models.native.build import built_library, find_compiler, native_status

pytestmark = pytest.mark.real

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here")

QUICK = "int answer() { return 42; }\n"


@pytest.fixture(autouse=True)
def own_kernels(home: Path) -> None:
    """Tests that compile, cut and change libraries share theirs with nobody."""
    (home / "native").unlink()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One small source in place of the kernels, so that a test may compile as often as it likes."""
    sources = tmp_path / "cpp"
    sources.mkdir()
    (sources / "quick.cc").write_text(f'extern "C" {QUICK}')
    made = build.Sources("kernels", (sources / "quick.cc",), (sources,))
    monkeypatch.setattr(build, "_DECODER", made)
    return sources


def answer(path: Path) -> int:
    found: int = ctypes.CDLL(str(path)).answer()
    return found


@needs_compiler
def test_a_library_is_kept_and_found_again(quick: Path) -> None:
    path = built_library()
    assert answer(path) == 42
    before = path.stat().st_mtime_ns
    assert built_library() == path
    assert path.stat().st_mtime_ns == before
    assert [each.name for each in path.parent.glob(".building-*")] == []


@needs_compiler
def test_another_source_is_another_library(quick: Path) -> None:
    first = built_library()
    (quick / "quick.cc").write_text(f'extern "C" {QUICK.replace("42", "43")}')
    second = built_library()
    assert first != second
    assert (answer(first), answer(second)) == (42, 43)
    assert built_library(extra_flags=("-O1",)) not in (first, second)


@needs_compiler
@pytest.mark.parametrize("fault", ["cut", "changed", "empty", "no checksum", "bad checksum"])
def test_a_broken_file_is_compiled_again(quick: Path, fault: str) -> None:
    path = built_library()
    whole, checksum = path.read_bytes(), path.with_suffix(".sha256")
    match fault:
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "changed":
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case "empty":
            path.write_bytes(b"")
        case "no checksum":
            checksum.unlink()
        case _:
            checksum.write_bytes(b"\xff\xfe")
    assert answer(built_library()) == 42
    assert build._is_intact(path)


@needs_compiler
def test_processes_that_ask_at_once_get_one_whole_library(tmp_path: Path) -> None:
    (tmp_path / "cpp").mkdir()
    (tmp_path / "cpp" / "quick.cc").write_text(f'extern "C" {QUICK}')
    program = (
        "import ctypes, pathlib, sys\n"
        "from multiturn.models.native import build\n"
        "source = pathlib.Path(sys.argv[1])\n"
        "path = build.built_library(build.Sources('kernels', (source / 'quick.cc',), (source,)))\n"
        "assert ctypes.CDLL(str(path)).answer() == 42\n"
        "print(path)\n"
    )
    environment = os.environ | {"MULTITURN_HOME": str(tmp_path / "home")}
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "cpp")],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(3)
    ]
    told = {process.communicate(timeout=200)[0] for process in asking}
    assert [process.returncode for process in asking] == [0, 0, 0]
    assert len(told) == 1


def test_without_a_compiler_the_fault_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert find_compiler() is None
    with pytest.raises(EngineError, match=r"pip install ziglang"):
        built_library()
    status = native_status()
    assert not status.works
    assert "slower" in status.found
    assert status.fix is not None


def test_a_compiler_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert find_compiler() is None


@needs_compiler
def test_a_compiler_that_fails_is_told_in_one_line(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (quick / "quick.cc").write_text("this is not C++\n")
    with pytest.raises(EngineError, match="could not compile") as caught:
        built_library()
    assert "\n" not in str(caught.value)
    assert not native_status().works
    with pytest.raises(EngineError):  # and again: nothing half made is taken for whole
        built_library()


@needs_compiler
def test_a_place_that_cannot_be_written_is_a_storage_error(
    quick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError):
        built_library()


@needs_compiler
def test_the_flags_of_cxx_are_kept(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = find_compiler()
    assert compiler is not None
    plain = built_library()
    monkeypatch.setenv("CXX", " ".join((*compiler.command, "-g0")))
    named = built_library()
    assert named != plain
    assert answer(named) == 42


@pytest.mark.slow
@needs_compiler
def test_every_compiler_that_is_here_compiles_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    for command in ("g++", "clang++", f"{sys.executable} -m ziglang c++"):
        monkeypatch.setenv("CXX", command)
        if find_compiler() is not None:
            tried += 1
            ctypes.CDLL(str(built_library()))
    assert tried


@needs_compiler
def test_kernels_for_less_than_this_processor(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = build.processor_flags()
    if not here.issuperset(("avx2", "fma", "f16c", "bmi2")):
        pytest.skip("a processor without AVX2")
    (quick / "quick.cc").write_text(
        """
        extern "C" int answer() {
        #if defined(__AVX512F__)
          return 512;
        #elif defined(__AVX2__)
          return 2;
        #else
          return 0;
        #endif
        }
        extern "C" const char* mt_variant() { return answer() == 2 ? "AVX2 and FMA" : "other"; }
        """
    )
    native = built_library()
    monkeypatch.setenv(build.CPU_VARIABLE, "x86-64-v3")
    assert built_library() != native
    assert answer(built_library()) == 2
    status = native_status()
    assert status.works
    assert "native kernels for AVX2 and FMA (MULTITURN_CPU=x86-64-v3)" in status.found


@pytest.mark.parametrize("name", ["pentium", "x86-64-v9", "-O0", "x86-64-v3 -O0"])
def test_a_processor_that_is_not_known_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(build.CPU_VARIABLE, name)
    with pytest.raises(InputError, match=r"MULTITURN_CPU.*allowed: native") as caught:
        build.target_processor()
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(build, "processor_flags", frozenset)
    monkeypatch.setenv(build.CPU_VARIABLE, "x86-64-v4")
    with pytest.raises(InputError, match="instructions which this one lacks"):
        build.target_processor()


def test_each_architecture_has_its_option_for_the_processor() -> None:
    assert build.processor_flag("native", "x86_64") == "-march=native"
    assert build.processor_flag("x86-64-v3", "x86_64") == "-march=x86-64-v3"
    assert build.processor_flag("native", "aarch64") == "-mcpu=native"
