"""One text on every processor: what records call `native int8` has the same bits everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.variants import runnable_variants

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

WRITE = """
import sys
from pathlib import Path

from multiturn.engines.native.loader import open_native
from multiturn.engines.protocol import Request, generate

path, dtype = Path(sys.argv[1]), sys.argv[2]
long = "def area(width, height):\\n    return width * height\\n\\n\\n" * 20
with open_native(path, context=1024, dtype=dtype) as engine:
    print(engine.info.engine, file=sys.stderr)
    for prompt, temperature, n in (("def sort(", 0.0, 1), (long, 0.8, 4)):
        request = Request(
            prompt=prompt, max_tokens=24, temperature=temperature, n=n, seed=7, logprobs=True
        )
        for done in generate(engine, request):
            print(done.tokens, done.mean_logprob)
"""


def written(model: Path, variant: str, dtype: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", WRITE, model, dtype],
        capture_output=True,
        text=True,
        env={**os.environ, "MULTITURN_CPU": variant},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.splitlines()[-1]


def test_both_integer_precisions_write_the_same(smollm2: Path) -> None:
    best = runnable_variants()[0].name
    assert written(smollm2, best, "int8") == written(smollm2, best, "int4")


@pytest.mark.slow  # compiles each
def test_every_variant_writes_the_same(smollm2: Path) -> None:
    names = [each.name for each in runnable_variants() if each.name != "portable"]
    found = {name: written(smollm2, name, "int8") for name in names}
    assert {engine for _, engine in found.values()} == {"native int8"}
    assert len({text for text, _ in found.values()}) == 1, found


def test_what_may_differ_has_another_name(smollm2: Path) -> None:
    best = runnable_variants()[0].name
    assert written(smollm2, best, "bfloat16")[1] == f"native bfloat16 {best}"
