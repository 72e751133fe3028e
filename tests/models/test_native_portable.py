"""The kernels as a program of their own: under sanitizers, and compiled for another processor."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from multiturn.models.native import build
from multiturn.models.native.variants import (
    Variant,
    runnable_variants,
    variant_named,
    variants_of,
)

HARNESS = Path(__file__).parent / "native_harness.cc"
CPP = Path(build.__file__).parent / "cpp"
SOURCES = (HARNESS, CPP / "decoder.cc", CPP / "weights.cc")

pytestmark = pytest.mark.slow


def compiled(tmp_path: Path, command: list[str], *flags: str) -> Path:
    program = tmp_path / "harness"
    tmp_path.mkdir(exist_ok=True)
    subprocess.run(
        [*command, "-std=c++20", "-ffp-contract=off", "-pthread", "-Wno-psabi", *flags]
        + [str(source) for source in SOURCES]
        + ["-o", str(program)],
        check=True,
    )
    return program


def hashes(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.timeout(3000)
def test_no_access_is_out_of_bounds_and_no_behaviour_undefined(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ with its sanitizers is not here")
    flags = ("-O1", "-g1", "-march=native", "-fno-sanitize-recover=all")
    program = compiled(tmp_path, ["g++"], "-fsanitize=address,undefined", *flags)
    assert len(hashes(str(program))) == 18


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("variant", variants_of("aarch64"), ids=lambda each: each.name)
def test_aarch64_computes_the_bits_of_avx2(variant: Variant, tmp_path: Path) -> None:
    """Both fuse multiplication and addition, and integers are exact."""
    compiler, emulator = "aarch64-linux-gnu-g++", shutil.which("qemu-aarch64-static")
    if shutil.which(compiler) is None or emulator is None:
        pytest.skip("Debian's g++-aarch64-linux-gnu and qemu-user-static are not here")
    if "avx2" not in {each.name for each in runnable_variants()}:
        pytest.skip("a processor without AVX2")
    arm = compiled(tmp_path, [compiler], "-O1", "-static", *variant.flags())
    x86 = compiled(tmp_path / "x86", ["g++"], "-O1", *variant_named("avx2").flags())
    assert hashes(emulator, str(arm)) == hashes(str(x86))
