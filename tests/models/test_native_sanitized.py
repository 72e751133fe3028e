"""The kernels compiled with checks of every memory access, run from end to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.models.native.build import built_library

PROGRAM = """
import pathlib, sys
import numpy as np
from multiturn.models.config import codegen_config, llama_config
from multiturn.models.native import library
from multiturn.models.native.arrays import array_shapes
from multiturn.models.native.decoder import ForwardRow, NativeDecoder

library.built_library = lambda **_: pathlib.Path(sys.argv[1])
random = np.random.default_rng(0)

for config in (
    codegen_config(layers=2, heads=3, head_dim=24, rotary_size=8, vocab_size=70, max_seq_len=192),
    llama_config(
        vocab_size=131, layers=1, d_model=93, heads=7, kv_heads=1, head_dim=20,
        mlp_dim=199, qkv_bias=True, tie_embeddings=True, max_seq_len=192,
    ),
):
    arrays = [
        (*key, random.normal(0, 0.1, shape.inputs_first))
        for key, shape in array_shapes(config).items()
    ]
    for precision in ("float32", "bfloat16", "int8"):
        decoder = NativeDecoder.pack(arrays, config, precision, threads=2)
        caches = [decoder.new_cache() for _ in range(3)]
        for counts in ([130, 1, 5], [1, 1, 1], [19, 3, 60]):
            hidden = decoder.forward([
                ForwardRow(np.arange(count, dtype=np.int32) % 70, cache, wanted)
                for count, cache, wanted in zip(counts, caches, ("all", "last", "none"))
            ])
            logits = decoder.unembed(hidden)
            assert np.isfinite(logits).all()
        rows = len(logits)
        for top_k in (0, 7):
            decoder.sample(
                logits, temperature=np.arange(rows) % 2, top_p=np.full(rows, 0.9),
                top_k=np.full(rows, top_k), uniforms=np.full(rows, 0.999),
                want_logprobs=np.ones(rows),
            )
        fork = caches[0].fork(100)
        fork.truncate(30)
        decoder.forward([ForwardRow([1] * 40, fork), ForwardRow([2], caches[0])])
        decoder.close()
print("done")
"""


@pytest.mark.slow
def test_no_access_is_out_of_bounds() -> None:
    # The checks must be there before anything else, and the C++ runtime that they wrap with them.
    preloaded = [_of_gcc(name) for name in ("libasan.so", "libstdc++.so")]
    if None in preloaded:
        pytest.skip("g++ with its sanitizers is not here")
    # Compiled here: with the checks preloaded the compiler itself would run under them.
    checked = built_library(extra_flags=("-fsanitize=address", "-O1", "-g1"))
    environment = os.environ | {
        "LD_PRELOAD": " ".join(str(path) for path in preloaded),
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(checked)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1000,
    )
    assert done.stdout == "done\n", done.stderr[-3000:]


def _of_gcc(library: str) -> Path | None:
    """Where g++ keeps one of its libraries; None where it has none."""
    try:
        told = subprocess.run(
            ["g++", f"-print-file-name={library}"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    path = Path(told.stdout.strip())
    return path if path.is_absolute() else None
