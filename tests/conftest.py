"""Fixtures that every test may use."""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("multiturn", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("multiturn")  # --hypothesis-profile thorough: see `make slow`


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their place: each process of a run must give a test the same name.

    Compressed bytes hold the time at which they were made.
    """
    return argname if isinstance(val, bytes) else None


# Models are shared by all tests of a run, and kept between runs like any user's.
MODELS = Path(os.environ.get("MULTITURN_TEST_MODELS", "~/.cache/multiturn/models")).expanduser()


# Native kernels are kept by the hash of their source, like the models: compiling them takes half a
# minute, and most tests of engines load them.
KERNELS = MODELS.parent / "native"
COMPILED = MODELS.parent / "xla"  # compiled for this processor and no other


def pytest_configure(config: pytest.Config) -> None:
    """Give each process of a run cores of its own, and its programs the usual signals.

    A run in the background ignores Ctrl-C, and so would every program that a test starts.

    The threads of llama.cpp and of XLA wait for each other in a loop, so two processes with a
    thread for each core would take many times as long as one after the other.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None or not hasattr(os, "sched_setaffinity"):
        return
    cores, count = sorted(os.sched_getaffinity(0)), int(worker["workercount"])
    if len(cores) >= count:
        os.sched_setaffinity(0, cores[int(worker["workerid"].removeprefix("gw")) :: count])


def processor() -> str:
    """A name for what this processor can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    features = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    return hashlib.sha256(features.encode()).hexdigest()[:16]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what XLA compiles from one run of the tests to the next: it is most of their time.

    Where nothing that was collected uses JAX, it is not loaded. Processes that a test starts have
    no such cache, as any user's have none.
    """
    if "jax" not in sys.modules or os.environ.get("MULTITURN_TEST_COMPILED") == "0":
        return
    import jax
    from jax._src import lru_cache

    from multiturn.core.files import write_atomically

    # JAX writes an entry in place: another process may read one half, and a kill leaves it so.
    def put(self: lru_cache.LRUCache, key: str, value: bytes) -> None:
        path = Path(self._path) / f"{key}-cache"
        if not path.exists():
            write_atomically(path, value)

    lru_cache.LRUCache.put = put
    jax.config.update("jax_compilation_cache_dir", str(COMPILED / processor()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def new_home(place: Path) -> Path:
    """Make `place` a home in which models and sessions are its own, and kernels are shared."""
    KERNELS.mkdir(parents=True, exist_ok=True)
    (place / "native").symlink_to(KERNELS)
    return place


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test: nobody's sessions or settings are read or written."""
    place = new_home(tmp_path_factory.mktemp("home"))
    monkeypatch.setenv("MULTITURN_HOME", str(place))
    monkeypatch.delenv("MULTITURN_MODEL", raising=False)
    return place


@pytest.fixture(scope="session")
def kernels() -> Path:
    """The directory of the compiled kernels."""
    KERNELS.mkdir(parents=True, exist_ok=True)
    return KERNELS


@pytest.fixture(scope="module")
def module_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for fixtures that serve a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        place = new_home(tmp_path_factory.mktemp("home"))
        patch.setenv("MULTITURN_HOME", str(place))
        yield place


@pytest.fixture(scope="session")
def family_model() -> Path:
    """The model that is installed with the package: for tests that need text, not programs."""
    from multiturn.hub.downloads import pull

    return pull("family-1m-mono")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """A small model that others trained, with a chat template; pulled and verified once."""
    from multiturn.hub.downloads import pull

    return pull("smollm2-135m", directory=MODELS)


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The default model (491 MB): for slow tests."""
    from multiturn.hub.downloads import pull

    return pull("qwen2.5-coder-0.5b", directory=MODELS)


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a real file system of a size such as ``512k``; skips where that is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def mount(size: str) -> Path:
        nonlocal mounted
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", place], check=True)


TinyGGUF = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> TinyGGUF:
    """Makes small random GGUF models of the architectures ``llama`` and ``qwen2``.

    The arguments are those of `write_tiny_gguf` behind its path.
    """

    def make(**options: Any) -> Path:
        return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", **options)

    return make


def write_tiny_gguf(
    path: Path,
    architecture: str = "llama",
    *,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    kv_heads: int | None = None,
    head_size: int | None = None,
    feed_forward: int = 96,
    vocabulary: int = 300,
    context: int = 256,
    rotary: int | None = None,
    tied: bool = False,
    metadata: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    tensors: Mapping[str, Any] | None = None,
    tokens: Mapping[int, tuple[str, int]] | None = None,
) -> Path:
    """Write one file; the numbers are drawn large enough for every choice to be seen in them.

    Args:
        metadata: entries added or replaced: whole keys, or keys behind ``ARCHITECTURE.`` where
            they begin with a dot.
        without: keys that are left out, written likewise.
        tensors: further ones.
        tokens: texts and kinds that replace those of the trained vocabulary, by id.
    """
    import gguf

    from multiturn.text.tokenizers_codegen import train_tokenizer

    draw = np.random.default_rng(0)
    kv_heads = kv_heads or heads
    size = head_size or width // heads
    tokenizer = train_tokenizer(["def f(x):\n    return x\nimport numpy as np\n"], 300)
    texts, kinds = [], []
    for token in range(vocabulary):
        special = tokenizer.added.get(token)
        text = tokenizer.vocabulary.get(token, f"[PAD{token}]")
        kind = 5 if token not in tokenizer.vocabulary else 1 if special is None else 4 - special[1]
        text, kind = (tokens or {}).get(token, (special[0] if special else text, kind))
        texts.append(text)
        kinds.append(kind)
    entries: dict[str, Any] = {
        "general.name": "tiny",
        ".context_length": context,
        ".embedding_length": width,
        ".feed_forward_length": feed_forward,
        ".block_count": layers,
        ".attention.head_count": heads,
        ".attention.head_count_kv": kv_heads,
        ".attention.layer_norm_rms_epsilon": 1e-6,
        ".rope.dimension_count": size if rotary is None else rotary,
        ".rope.freq_base": 10_000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": tokenizer.merges,
        "tokenizer.ggml.bos_token_id": tokenizer.end_of_text[0],
        "tokenizer.ggml.eos_token_id": tokenizer.end_of_text[0],
        "tokenizer.ggml.add_bos_token": False,
    }
    if head_size:
        entries |= {".attention.key_length": size, ".attention.value_length": size}
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in {**entries, **(metadata or {})}.items():
        if key in without:
            continue
        name = architecture + key if key.startswith(".") else key
        match value:
            case bool():
                writer.add_bool(name, value)
            case int():
                writer.add_uint32(name, value)
            case float():
                writer.add_float32(name, value)
            case str():
                writer.add_string(name, value)
            case _:
                writer.add_array(name, value)

    def matrix(name: str, *shape: int) -> None:
        writer.add_tensor(name, (0.15 * draw.normal(size=shape)).astype(np.float32))

    def scale(name: str) -> None:
        writer.add_tensor(name, (1 + 0.1 * draw.normal(size=width)).astype(np.float32))

    matrix("token_embd.weight", vocabulary, width)
    scale("output_norm.weight")
    if not tied:
        matrix("output.weight", vocabulary, width)
    for layer in range(layers):
        at = f"blk.{layer}."
        scale(f"{at}attn_norm.weight")
        scale(f"{at}ffn_norm.weight")
        for part, count in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
            matrix(f"{at}attn_{part}.weight", count * size, width)
            if architecture == "qwen2":
                matrix(f"{at}attn_{part}.bias", count * size)
        matrix(f"{at}attn_output.weight", width, heads * size)
        matrix(f"{at}ffn_gate.weight", feed_forward, width)
        matrix(f"{at}ffn_up.weight", feed_forward, width)
        matrix(f"{at}ffn_down.weight", width, feed_forward)
    for name, values in (tensors or {}).items():
        writer.add_tensor(name, np.asarray(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
