"""The native engine of this project, on the file that llama.cpp reads."""

from __future__ import annotations

from typing import Any

from multiturn.engines.model_files import engine_info, open_tokenizer
from multiturn.engines.native.engine import NativeEngine
from multiturn.engines.native.loader import load_decoder
from multiturn.engines.notices import ignore_notice
from multiturn.hub.checkpoints.reading import open_checkpoint
from multiturn.models.native.variants import chosen_variant
from peers.jobs import Model, Setting
from peers.own_engine import EngineRun

TITLE = "multiturn, native engine"
PACKAGES = ("numpy",)


def settings(_model: Model, _count: int) -> list[Setting]:
    """The default precision, and the wider ones to compare with."""
    return [
        Setting(name=dtype, options={"dtype": dtype}) for dtype in ("int8", "bfloat16", "float32")
    ]


def environment(_setting: Setting) -> dict[str, str]:
    """Nothing beyond the usual."""
    return {}


def instructions() -> str:
    """The variant of its kernels."""
    return chosen_variant().name


def prepare(_model: Model) -> dict[str, Any]:
    """It reads the GGUF file itself."""
    return {}


def load(model: Model, setting: Setting, threads: int) -> EngineRun:
    """Open the engine with its usual 64 slots, but with no token that ends a text."""
    tokenizer = open_tokenizer(model.gguf, ignore_notice)
    ends, tokenizer.end_of_text = tokenizer.end_of_text, ()
    decoder = load_decoder(open_checkpoint(model.gguf), setting.options["dtype"], threads=threads)
    info = engine_info(
        model.gguf,
        tokenizer,
        engine=f"native without ends {ends}",
        context=model.context,
        slots=64,
        adapter=None,
        weights_sha256=None,
    )
    # Text beyond its end repeats itself, which drafts would gain by and no real text does.
    return EngineRun(NativeEngine(decoder, tokenizer, info, speculate=False), tokenizer)
