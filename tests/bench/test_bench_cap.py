"""A capped process has AVX2 and nothing more, whatever asks for it and in whichever thread."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ASKS = """
#include <cpuid.h>
#include <pthread.h>
#include <stdio.h>
static void *ask(void *unused) {
  unsigned a, b, c, d, e, f, g, h;
  (void)unused;
  __cpuid_count(7, 0, a, b, c, d);
  __cpuid_count(7, 1, e, f, g, h);
  printf("%u %u %u %u\\n", b >> 5 & 1, b >> 16 & 1, d >> 24 & 3, e >> 4 & 3);
  return 0;
}
int main(int count, char **unused) {
  (void)unused;
  ask(0);
  pthread_t thread;
  pthread_create(&thread, 0, ask, 0);
  pthread_join(thread, 0);
  return count > 1 ? *(volatile int *)0 : 0;
}
"""


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    """A program that prints whether there is AVX2, AVX-512F, AMX, and AVX-VNNI or AVX512-BF16."""
    source, program = tmp_path / "ask.c", tmp_path / "ask"
    source.write_text(ASKS)
    subprocess.run(["cc", str(source), "-o", str(program), "-lpthread"], check=True)
    return program


@pytest.fixture
def capped(tmp_path: Path) -> dict[str, str]:
    if "cpuid_fault" not in Path("/proc/cpuinfo").read_text("utf-8"):
        pytest.skip("this processor answers CPUID without asking the kernel")
    from peers.processor_cap import capped_environment

    return capped_environment("avx2", tmp_path / "cap")


def test_every_thread_sees_avx2_and_nothing_beyond(asking: Path, capped: dict[str, str]) -> None:
    seen = subprocess.run(
        [str(asking)], env={**os.environ, **capped}, capture_output=True, text=True, check=True
    )
    if not seen.stdout.startswith("1"):
        pytest.skip("this processor has no AVX2")
    assert seen.stdout.splitlines() == ["1 0 0 0"] * 2


def test_a_real_fault_still_ends_the_process(asking: Path, capped: dict[str, str]) -> None:
    ended = subprocess.run(
        [str(asking), "fault"], env={**os.environ, **capped}, capture_output=True, check=False
    )
    assert ended.returncode == -11


def test_no_cap_changes_nothing(tmp_path: Path) -> None:
    from peers.processor_cap import capped_environment

    assert capped_environment(None, tmp_path / "cap") == {}
    assert not (tmp_path / "cap").exists()
