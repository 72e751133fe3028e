"""Libraries that a wheel ships: used without a compiler, and never when they are stale."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from multiturn.core.errors import EngineError
from multiturn.models.native import build, prebuilt
from multiturn.models.native.build import built_library
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.prebuilt import (
    PrebuiltLibrary,
    library_key,
    prebuilt_library,
    write_manifest,
)
from multiturn.models.native.variants import chosen_variant

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory with a prebuilt library of a quick source; no compiler is found from then on."""
    monkeypatch.delenv("CXX", raising=False)
    sources, directory = tmp_path / "cpp", tmp_path / "prebuilt"
    sources.mkdir()
    directory.mkdir()
    (sources / "quick.cc").write_text('extern "C" int answer() { return 42; }\n')
    made = build.Sources("kernels", (sources / "quick.cc",), (sources,))
    monkeypatch.setattr(build, "decoder_sources", lambda: made)
    compiled = built_library()
    compiled.replace(directory / "quick.so")
    variant = chosen_variant()
    key = library_key(made.digest(), build.FLAGS, variant)
    write_manifest([PrebuiltLibrary(variant, "quick.so", key, "g++")], "linux_x86_64", directory)

    def find(key: str, variant: prebuilt.Variant) -> Path | None:
        return prebuilt_library(key, variant, directory)

    monkeypatch.setattr(build, "prebuilt_library", find)
    monkeypatch.setattr(build, "find_compilers", lambda: iter(()))
    return directory


def test_a_prebuilt_library_is_used_without_a_compiler(shipped: Path) -> None:
    path = built_library()
    assert path == shipped / "quick.so"
    assert ctypes.CDLL(str(path)).answer() == 42


def test_the_users_own_compiler_comes_before_it(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "g++")
    with pytest.raises(EngineError, match="none was found"):
        built_library()


def test_a_prebuilt_library_of_other_sources_is_not_loaded(shipped: Path) -> None:
    (shipped.parent / "cpp" / "more.h").write_text("// changed\n")
    with pytest.raises(EngineError):
        built_library()


def test_a_prebuilt_library_of_other_flags_is_not_loaded(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-O0"))
    with pytest.raises(EngineError):
        built_library()


@pytest.mark.parametrize(
    "fault",
    ["cut", "changed", "gone", "not a library", "no manifest", "text", "list", "null", "elsewhere"],
)
def test_a_damaged_prebuilt_library_is_not_loaded(shipped: Path, fault: str) -> None:
    library, manifest = shipped / "quick.so", shipped / "manifest.json"
    data = library.read_bytes()
    told = json.loads(manifest.read_text())
    (entry,) = told["libraries"].values()
    match fault:
        case "cut":
            library.write_bytes(data[: len(data) // 2])
        case "changed":
            library.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "gone":
            library.unlink()
        case "not a library":
            library.write_bytes(b"hello")
            entry["sha256"] = prebuilt.sha256_file(library)
            manifest.write_text(json.dumps(told))
        case "no manifest":
            manifest.unlink()
        case "text":
            manifest.write_text("{")
        case "list":
            manifest.write_text("[]")
        case "null":
            manifest.write_text(json.dumps(told | {"libraries": None}))
        case _:
            entry["file"] = "../prebuilt/quick.so"
            manifest.write_text(json.dumps(told))
    with pytest.raises(EngineError):
        built_library()


PROGRAM = """
from multiturn.engines import Request, generate, open_native
from multiturn.hub.downloads import locate
from multiturn.models.native.build import built_library
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.library import load_library

assert find_compiler() is None
path = built_library()
assert "site-packages" in str(path), path
model = locate("family-1m-mono")
assert "site-packages" in str(model), model
with open_native(model) as engine:
    (completion,) = generate(engine, Request(prompt="def f(x):", max_tokens=1))
print(load_library().variant, len(completion.tokens))
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_wheel_with_kernels_and_a_model_generates_where_there_is_no_compiler(
    tmp_path: Path,
) -> None:
    pytest.importorskip("hatchling")
    source = tmp_path / "source"
    for name in ("src", "recipes", "tools", "pyproject.toml", "README.md", "LICENSE"):
        copy_tracked(name, source)
    copy_tracked("hatch_build.py", source)
    variant = chosen_variant().name
    into = source / "src/multiturn/models/native/prebuilt"
    command = [sys.executable, "tools/prebuild_kernels.py", "--variant", variant, "--out", into]
    subprocess.run(command, cwd=source, check=True)
    wheel = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*wheel, "--wheel-dir", tmp_path / "dist", source], check=True)
    (built,) = (tmp_path / "dist").glob("*.whl")
    assert built.name.endswith(f"_{os.uname().machine}.whl")

    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, built], check=True)
    # The packages that it depends on are those of this environment, behind its own.
    (place,) = (venv / "lib").glob("python*/site-packages")
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [python, "-c", PROGRAM],
        env={"PATH": str(tmp_path / "empty"), "MULTITURN_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == [variant, "1"]


def copy_tracked(name: str, into: Path) -> None:
    """Copy a file or directory of the checkout, without what git ignores."""
    into.mkdir(exist_ok=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listed.stdout.splitlines():
        to = into / line
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes((ROOT / line).read_bytes())
