"""Hold the decoder against transformers, the independent reference.

    python bench/parity.py                  compare live, and say the figures
    python bench/parity.py --write-golden   write tests/golden/ from the reference

Needs the dependency group `peers` (torch and transformers, CPU is enough). Small models
with random weights are made and saved by transformers, read by this project, and compared
in float32: the greatest difference of any logit (2e-4 allowed) and the tokens of 200
greedy steps (all the same). Golden files keep a part of it for tests without torch.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
import transformers

from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.export import EXPORT_FORMATS, export
from multiturn.models.decoder import forward
from multiturn.models.generate import generate_reference

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
TOLERANCE = 2e-4
STEPS = 200
PROMPT = 24


@dataclass(frozen=True)
class Case:
    """A model to compare: its configuration and whether it is a golden file."""

    name: str
    config: Any
    golden: bool
    pickled: bool = False


def cases() -> list[Case]:
    """Small models of every kind that the decoder covers."""
    codegen, llama, qwen2 = (
        transformers.CodeGenConfig,
        transformers.LlamaConfig,
        transformers.Qwen2Config,
    )
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    small = {"vocab_size": 128, "n_positions": 256, "n_ctx": 256, **ends}
    wide = {"vocab_size": 128, "hidden_size": 32, "num_attention_heads": 4, **ends}
    return [
        Case(
            "codegen",
            codegen(n_embd=32, n_head=4, n_layer=2, rotary_dim=4, **small),
            golden=True,
        ),
        Case(
            "codegen-pickle",
            codegen(n_embd=16, n_head=4, n_layer=1, rotary_dim=4, **{**small, "vocab_size": 48}),
            golden=True,
            pickled=True,
        ),
        Case(
            "llama",
            llama(
                num_key_value_heads=2,
                intermediate_size=64,
                num_hidden_layers=2,
                max_position_embeddings=256,
                **wide,
            ),
            golden=True,
        ),
        Case(
            "qwen2",
            qwen2(
                num_key_value_heads=1,
                intermediate_size=48,
                num_hidden_layers=2,
                max_position_embeddings=256,
                tie_word_embeddings=True,
                rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
                **wide,
            ),
            golden=True,
        ),
        Case(
            "llama-linear-scaling",
            llama(
                num_key_value_heads=4,
                intermediate_size=64,
                num_hidden_layers=3,
                max_position_embeddings=512,
                rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0},
                **wide,
            ),
            golden=False,
        ),
        Case(
            "codegen, geometry of 350M, 4 layers",
            codegen(n_embd=1024, n_head=16, n_layer=4, rotary_dim=32, vocab_size=51_200, **ends),
            golden=False,
        ),
        Case(
            "codegen, geometry of 2B, 1 layer, small vocabulary",
            codegen(n_embd=2560, n_head=32, n_layer=1, rotary_dim=64, vocab_size=512, **ends),
            golden=False,
            pickled=True,
        ),
    ]


def make_reference(case: Case, directory: Path) -> Any:
    """A random model of float16 values, saved by transformers; returned in float32.

    Weights are large enough that logits differ by several units, unlike those of a fresh
    model, on which any two implementations agree.
    """
    torch.manual_seed(len(case.name))
    # With a large tied embedding a model does nothing but repeat its input.
    tied = case.config.tie_word_embeddings
    model = transformers.AutoModelForCausalLM.from_config(case.config)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim == 2:
                embedding = "embed" in name or "wte" in name
                spread = values.shape[1] ** -0.5
                spread = (0.1 if tied else 1.0) if embedding else spread
                values.copy_(torch.randn_like(values) * spread)
            elif name.endswith("bias"):
                values.copy_(torch.randn_like(values) * 0.2)
            else:
                values.copy_(1 + torch.randn_like(values) * 0.2)
    model = model.half()
    model.save_pretrained(directory)
    if case.pickled:
        torch.save(model.state_dict(), directory / "pytorch_model.bin")
        (directory / "model.safetensors").unlink()
    (directory / "generation_config.json").unlink(missing_ok=True)
    # Read again: the model in hand has its rotary tables rounded to float16 as well.
    loaded = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return loaded.eval()


def prompts(case: Case) -> np.ndarray[Any, Any]:
    """Three rows of random tokens."""
    return np.random.default_rng(7).integers(0, case.config.vocab_size, (3, PROMPT))


def reference_logits(model: Any, tokens: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What transformers says, in float32."""
    with torch.no_grad():
        return np.asarray(model(torch.from_numpy(tokens)).logits, np.float32)


def reference_greedy(model: Any, tokens: np.ndarray[Any, Any], steps: int = STEPS) -> list[int]:
    """The tokens of greedy steps after the first row, each read again from the start."""
    so_far = torch.from_numpy(tokens[:1])
    with torch.no_grad():
        for _ in range(steps):
            logits = model(so_far, use_cache=False).logits[0, -1]
            so_far = torch.cat((so_far, logits.argmax().reshape(1, 1)), dim=1)
    return [int(token) for token in so_far[0, tokens.shape[1] :]]


def compare(case: Case, directory: Path) -> bool:
    """Print one line of figures; False beyond the tolerance."""
    model = make_reference(case, directory)
    tokens = prompts(case)
    checkpoint = open_checkpoint(directory)
    parameters = load_parameters(checkpoint, "float32")
    ours = np.asarray(jax.jit(forward, static_argnums=2)(parameters, tokens, checkpoint.config))
    theirs = reference_logits(model, tokens)
    difference = float(np.abs(ours - theirs).max())
    # Reading everything again 200 times is for small models.
    steps = STEPS if case.config.hidden_size < 1_000 else 10
    expected = reference_greedy(model, tokens, steps)
    greedy = generate_reference(parameters, checkpoint.config, tokens[0].tolist(), max_tokens=steps)
    same = sum(a == b for a, b in zip(greedy, expected, strict=True))
    good = difference <= TOLERANCE and same == steps
    print(
        f"{case.name}: greatest difference {difference:.1e} of logits up to "
        f"{np.abs(theirs).max():.1f}; {same} of {steps} greedy tokens"
        f"{'' if good else '   BEYOND THE TOLERANCE'}",
        flush=True,
    )
    if checkpoint.config.family == "codegen" and case.config.vocab_size < 1_000:
        for name in EXPORT_FORMATS:
            good &= compare_export(directory, name, theirs, tokens)
    return good


def compare_export(directory: Path, name: str, expected: Any, tokens: Any) -> bool:
    """Have transformers read an export, and hold it against the source's own logits."""
    if name == "gguf":  # not for transformers; its certificate comes from llama.cpp
        return True
    out = directory / f"export-{name}"
    export(directory, out, name)
    model = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    difference = float(np.abs(reference_logits(model, tokens) - expected).max())
    good = difference <= TOLERANCE
    print(
        f"  exported as {name}, read by transformers: greatest difference {difference:.1e}"
        f"{'' if good else '   BEYOND THE TOLERANCE'}",
        flush=True,
    )
    return good


def write_golden(case: Case) -> None:
    """Keep a model, some of its logits and its greedy tokens, as the reference has them."""
    directory = GOLDEN / case.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    model = make_reference(case, directory)
    tokens = prompts(case)
    logits = reference_logits(model, tokens)
    np.save(directory / "logits.npy", logits[0])
    expected = {
        "made_by": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "prompt": tokens[0].tolist(),
        "greedy": reference_greedy(model, tokens),
    }
    (directory / "expected.json").write_text(json.dumps(expected) + "\n", "utf-8")
    print(f"wrote {case.name}: {sum(f.stat().st_size for f in directory.iterdir())} bytes")


def main() -> int:
    """Compare or write; the exit code says whether all agreed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write-golden", action="store_true")
    parser.add_argument("--case", help="compare only the cases whose name begins so")
    chosen = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(2)
    if chosen.write_golden:
        for case in cases():
            if case.golden:
                write_golden(case)
        return 0
    agreed = True
    for case in cases():
        if chosen.case and not case.name.startswith(chosen.case):
            continue
        with tempfile.TemporaryDirectory() as directory:
            agreed &= compare(case, Path(directory))
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
