"""The memory of the native engine, in a process of its own: packed weights, cache, and 300 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.hub.downloads import locate

pytestmark = pytest.mark.real

ALLOWED = 300e6
PROGRAM = """
import json, sys
from pathlib import Path
from multiturn.engines.native.loader import open_native
from multiturn.engines.protocol import Request, generate

with open_native(Path(sys.argv[1]), dtype=sys.argv[2], context=2048) as engine:
    request = Request(prompt="def f(x):\\n    return x\\n" * 20, n=4, max_tokens=4)
    texts = generate(engine, request)
    model = engine._scheduler._model
    blocks = 4 + -(-(texts[0].prompt_tokens + 4) // model.block_positions)
    # The peak of this program alone: getrusage also counts its parent, up to the fork.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps({
        "packed": model.bytes,
        "cache": blocks * model.block_bytes,
        "peak": peak,
    }))
"""


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("smollm2-135m", "int8"),
        ("qwen2.5-coder-0.5b", "int8"),
        pytest.param("qwen2.5-coder-0.5b", "int4", marks=pytest.mark.slow),
        pytest.param("qwen2.5-coder-1.5b", "int8", marks=pytest.mark.slow),
        pytest.param("qwen2.5-coder-1.5b", "int4", marks=pytest.mark.slow),
    ],
)
def test_the_peak_is_what_is_needed(smollm2: Path, name: str, dtype: str) -> None:
    file = locate(name, directory=smollm2.parent.parent)
    if file is None:
        pytest.skip(f"the model {name} is not downloaded")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), dtype],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    used = json.loads(done.stdout)
    assert used["peak"] <= used["packed"] + used["cache"] + ALLOWED, used
    if dtype == "int8":
        # Codes of 8 bits, and scales and minima of 16 bits for each 32 of them.
        assert used["packed"] <= file.stat().st_size * (12 / 4.5), used
