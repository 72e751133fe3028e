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
import jax, jax.numpy as jnp, numpy as np
from multiturn.models.arrays import initialize
from multiturn.models.config import codegen_config, llama_config
from multiturn.models.native import decoder as native, library
from multiturn.models.parameters import parameter_specs

library.built_library = lambda: pathlib.Path(sys.argv[1])

for config in (
    codegen_config(layers=2, heads=3, head_dim=24, rotary_size=8, vocab_size=70, max_seq_len=192),
    llama_config(
        vocab_size=131, layers=1, d_model=93, heads=7, kv_heads=1, head_dim=20,
        mlp_dim=199, qkv_bias=True, tie_embeddings=True, max_seq_len=192,
    ),
):
    parameters = initialize(parameter_specs(config), seed=0)
    for precision in ("float32", "bfloat16", "int8"):
        packed = native.NativeDecoder.pack(parameters, config, precision, threads=2)
        cache = native.empty_cache(config, 3, 150, precision)
        for counts in ([130, 0, 5], [1, 1, 1], [19, 3, 0]):
            tokens = jnp.arange(3 * max(counts), dtype=jnp.int32).reshape(3, -1) % 70
            hidden, cache = native.forward_with_cache(
                packed.handle, tokens, jnp.array(counts), cache, config
            )
            logits = native.unembed(packed.handle, hidden[:, -1], config)
            assert np.isfinite(logits).all()
        rows = [native.empty_cache(config, 1, size, precision) for size in (140, 20, 33)]
        counts = jnp.array([131, 0, 33])
        tokens = jnp.arange(3 * 131, dtype=jnp.int32).reshape(3, -1) % 70
        native.prefill_each(packed.handle, tokens, counts, rows)
        room = jnp.zeros_like(logits)
        assert np.array_equal(native.unembed(packed.handle, hidden[:, -1], config, room), logits)
        packed.close()
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
        timeout=280,
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
