"""The matrix products of each variant of the kernels: exact where they are integers."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from multiturn.models.native import variants

HARNESS = Path(__file__).parent / "gemm_harness.cc"
FLAGS = ("-std=c++20", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-psabi")
TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
BITS = {
    "F32": "358f5d425fdbce4b",
    "F16": "02d5fce4c84f3e69",
    "BF16": "00d726ccd6e443ef",
    "Q4_0": "333216e5869eece2",
    "Q4_1": "0ed36c3f19500c36",
    "Q5_0": "5886cd5ead7417b5",
    "Q5_1": "c63daf355d271fa8",
    "Q8_0": "342e574c04dd581c",
    "Q4_K": "c9296568244a9f48",
    "Q5_K": "ac465276804f161d",
    "Q6_K": "014fa01cc933bab3",
}
"""A hash of the results in int8, and in int4, on every processor."""
MAX_ERROR = {"float32": 1e-6, "bfloat16": 4e-3, "int8": 0.01, "int4": 0.01}
"""Relative to the greatest result; those of integers are the error of rounded activations."""

SHORT = ("avx2",)


def check(program: Path, *emulator: str) -> None:
    """The harness itself fails if a result depends on the number of rows."""
    done = subprocess.run([*emulator, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [[t, p] for t in TYPES for p in MAX_ERROR]
    for type_name, precision, bits, error in lines:
        assert float(error) < MAX_ERROR[precision], (type_name, precision)
        if precision in ("int8", "int4"):
            assert bits == BITS[type_name], (type_name, precision)


@cache
def has(compiler: str) -> bool:
    return shutil.which(compiler) is not None


@pytest.mark.skipif(not has("g++"), reason="no g++ here")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each.name, marks=() if each.name in SHORT else pytest.mark.slow)
        for each in variants.variants_of("x86_64")
    ],
)
def test_all_variants_compute_the_same_bits(name: str, tmp_path: Path) -> None:
    runnable = {each.name: each for each in variants.runnable_variants()}
    if name not in runnable:
        pytest.skip("a processor without these instructions")
    program = tmp_path / "harness"
    flags = runnable[name].flags()
    subprocess.run(["g++", *FLAGS, *flags, str(HARNESS), "-o", str(program)], check=True)
    check(program)


@pytest.mark.slow
@pytest.mark.parametrize("variant", variants.variants_of("aarch64"), ids=lambda each: each.name)
def test_arm_computes_the_bits_of_x86(variant: variants.Variant, tmp_path: Path) -> None:
    if not has("aarch64-linux-gnu-g++") or not has("qemu-aarch64-static"):
        pytest.skip("Debian's g++-aarch64-linux-gnu and qemu-user-static are not here")
    program = tmp_path / "harness"
    command = ["aarch64-linux-gnu-g++", *FLAGS, *variant.flags(), "-static", str(HARNESS)]
    subprocess.run([*command, "-o", str(program)], check=True)
    check(program, "qemu-aarch64-static")


@pytest.mark.slow
def test_no_access_is_out_of_bounds_and_no_behaviour_undefined(tmp_path: Path) -> None:
    if not has("g++"):
        pytest.skip("g++ with its sanitizers is not here")
    program = tmp_path / "harness"
    checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1")
    flags = variants.chosen_variant().flags()
    subprocess.run(["g++", *FLAGS, *flags, *checks, str(HARNESS), "-o", str(program)], check=True)
    check(program)
