"""Compiling the kernels: kept, made whole again, shared by processes, and refused in words."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.core.errors import EngineError, StorageError
from multiturn.models.native import build
from multiturn.models.native.build import built_library, library_is_available, native_status
from multiturn.models.native.compilers import Compiler, find_compiler
from multiturn.models.native.library_cache import is_intact
from multiturn.models.native.variants import CPU_VARIABLE, Variant, runnable_variants

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
    monkeypatch.setattr(build, "decoder_sources", lambda: made)
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
    assert is_intact(path)


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
    assert "do not run" in status.found
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


VARIANT_SOURCE = """
extern "C" const char* mt_variant() { return MT_VARIANT; }
extern "C" int answer() {
#if defined(__AMX_INT8__)
  return 8;
#elif defined(__AVX512BF16__)
  return 516;
#elif defined(__AVX512VNNI__)
  return 514;
#elif defined(__AVX512F__)
  return 512;
#elif defined(__AVXVNNI__)
  return 4;
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
  return 2;
#elif defined(__ARM_FEATURE_MATMUL_INT8)
  return 65;
#elif defined(__ARM_FEATURE_DOTPROD)
  return 64;
#else
  return 0;
#endif
}
"""
ANSWERS = {
    "amx": 8, "avx512-bf16": 516, "avx512-vnni": 514, "avx512": 512, "avx-vnni": 4, "avx2": 2,
    "neon-i8mm": 65, "neon-dotprod": 64, "portable": 0,
}  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("variant", runnable_variants(), ids=lambda each: each.name)
def test_a_variant_has_its_instructions_and_no_others(
    quick: Path, monkeypatch: pytest.MonkeyPatch, variant: Variant
) -> None:
    (quick / "quick.cc").write_text(VARIANT_SOURCE)
    monkeypatch.setenv(CPU_VARIABLE, variant.name)
    path = built_library()
    assert path.name.startswith(f"kernels-{variant.name}-")
    assert answer(path) == ANSWERS[variant.name]
    status = native_status()
    assert status.works
    assert f"kernels for {variant.name}" in status.found


@needs_compiler
def test_a_compilation_is_announced_once_in_one_line(quick: Path) -> None:
    lines: list[str] = []
    for _ in range(2):
        built_library(announce=lines.append)
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert "compiling the CPU kernels" in lines[0]


@needs_compiler
def test_units_are_compiled_apart_and_linked(tmp_path: Path) -> None:
    (tmp_path / "one.cc").write_text("int twice(int x) { return 2 * x; }\n")
    (tmp_path / "two.cc").write_text(
        'int twice(int x);\nextern "C" int answer() { return twice(21); }\n'
    )
    units = (tmp_path / "one.cc", tmp_path / "two.cc")
    assert answer(built_library(build.Sources("two", units, (tmp_path,)))) == 42


@needs_compiler
def test_a_compiler_that_fails_leaves_the_work_to_the_next(
    quick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiler = find_compiler()
    assert compiler is not None
    broken = Compiler(("false",), "a compiler without its headers")
    monkeypatch.setattr(build, "find_compilers", lambda: iter((broken, compiler)))
    (quick / "quick.cc").write_text(VARIANT_SOURCE)
    built_library()
    assert native_status().found.endswith(f"compiled by {compiler.version.splitlines()[0]}")


@needs_compiler
def test_a_library_in_a_read_only_directory_is_used(quick: Path) -> None:
    path = built_library()
    for file in path.parent.iterdir():
        file.chmod(0o555)
    path.parent.chmod(0o555)
    try:
        assert built_library() == path
    finally:
        path.parent.chmod(0o755)


@needs_compiler
def test_a_library_outlives_its_compiler(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (quick / "quick.cc").write_text(VARIANT_SOURCE)
    path = built_library()
    monkeypatch.setattr(build, "find_compilers", lambda: iter(()))
    monkeypatch.setattr(build, "find_compiler", lambda: None)
    assert library_is_available()
    assert built_library() == path
    assert native_status().found.endswith("compiled by a compiler that was here before")
    content = path.read_bytes()
    path.unlink()  # this process has the file mapped: what it runs at its end must stay
    path.write_bytes(content[:-1])
    assert not library_is_available()
    with pytest.raises(EngineError, match="none was found"):
        built_library()
    (quick / "quick.cc").write_text("// changed\n")
    assert not library_is_available()
