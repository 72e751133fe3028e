"""How far the quantized arithmetic of the native kernels, and of llama.cpp, is from float32.

    python bench/quantized_error.py MODEL.gguf ... --out bench/results/quantized_error.json

Twenty prompts of code and prose are continued greedily in float32 with the file's weights, 20
tokens each. After each of these tokens every other arithmetic gives its distribution of the next
one, from the same file and the same text:

- same: how often its most likely token is that of float32;
- logprob: the mean difference, in magnitude, of the log-probability of float32's choice;
- kl: the mean Kullback-Leibler divergence from float32's distribution, over its 50 likeliest
  tokens and all others together.

llama.cpp keeps keys and values in 16 bits, as the native kernels do but in float32.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gguf_agreement import PROMPTS

from multiturn.engines.model_files import open_tokenizer
from multiturn.engines.native.loader import load_decoder
from multiturn.engines.notices import ignore_notice
from multiturn.hub.checkpoints.reading import Checkpoint, open_checkpoint
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.models.native.decoder import ForwardRow, NativeDecoder, Precision

NEW = 20
LIKELIEST = 50
LISTED = 400


def main() -> None:
    """Measure each file, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="+", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = [row for path in options.model for row in measure(path, options.threads)]
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def measure(path: Path, threads: int | None) -> list[dict[str, Any]]:
    """The errors of every arithmetic with one file."""
    checkpoint = open_checkpoint(path)
    tokenizer = open_tokenizer(path, ignore_notice)
    prompts = [list(tokenizer.encode(text)) for text in PROMPTS]
    texts, wanted = continued(checkpoint, prompts, threads)
    rows = []
    precisions: tuple[Precision, ...] = ("bfloat16", "int8", "int4")
    for precision in precisions:
        decoder = load_decoder(checkpoint, precision, threads=threads)
        found = read(decoder, texts, [len(prompt) for prompt in prompts])
        decoder.close()
        rows.append(errors(path, f"native {precision}", wanted, list(found)))
    rows.append(errors(path, "llama.cpp", wanted, theirs(path, texts, prompts, threads)))
    return rows


def continued(
    checkpoint: Checkpoint, prompts: list[list[int]], threads: int | None
) -> tuple[list[list[int]], np.ndarray[Any, Any]]:
    """The prompts with float32's greedy tokens, and the log-probabilities before each of these."""
    decoder = load_decoder(checkpoint, "float32", threads=threads)
    caches = [decoder.new_cache() for _ in prompts]
    texts = [list(prompt) for prompt in prompts]
    new, steps = prompts, []
    for _ in range(NEW):
        rows = [ForwardRow(ids, cache) for ids, cache in zip(new, caches, strict=True)]
        logits = decoder.unembed(decoder.forward(rows))
        steps.append(log_softmax(logits))
        new = [[int(row.argmax())] for row in logits]
        for text, ids in zip(texts, new, strict=True):
            text += ids
    decoder.close()
    return texts, np.stack(steps, axis=1).reshape(len(prompts) * NEW, -1)


def read(
    decoder: NativeDecoder, texts: list[list[int]], starts: Sequence[int]
) -> np.ndarray[Any, Any]:
    """The log-probabilities before each new token of the texts."""
    found = []
    for text, start in zip(texts, starts, strict=True):
        wanted = np.arange(len(text) - 1) >= start - 1
        hidden = decoder.forward([ForwardRow(text[:-1], decoder.new_cache(), wanted)])
        found.append(log_softmax(decoder.unembed(hidden)))
    return np.concatenate(found)


def theirs(
    path: Path, texts: list[list[int]], prompts: list[list[int]], threads: int | None
) -> list[dict[int, float]]:
    """The log-probabilities that llama.cpp lists before each new token."""
    xllamacpp = import_xllamacpp()
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel = 512, 1
    settings.cpuparams.n_threads = threads or 2
    settings.warmup = False
    settings.verbosity = -1
    server = xllamacpp.Server(settings)
    found = []
    for text, prompt in zip(texts, prompts, strict=True):
        for length in range(len(prompt), len(text)):
            answer = server.handle_completions(
                {
                    "prompt": text[:length],
                    "n_predict": 1,
                    "temperature": 0.0,
                    "n_probs": LISTED,
                    "cache_prompt": True,
                    "ignore_eos": False,
                }
            )
            listed = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            found.append({entry["id"]: entry["logprob"] for entry in listed})
    return found


def errors(path: Path, name: str, wanted: np.ndarray[Any, Any], found: list[Any]) -> dict[str, Any]:
    """Compare distributions with those of float32."""
    same, logprob, divergence = [], [], []
    for right, other in zip(wanted, found, strict=True):
        top = np.argsort(-right)[:LIKELIEST]
        if isinstance(other, dict):
            least = min(other.values())
            here = np.array([other.get(int(token), least) for token in top])
            best = max(other, key=lambda token: other[token])
        else:
            here, best = other[top], int(other.argmax())
        p = np.append(np.exp(right[top]), 0)
        q = np.append(np.exp(here), 0)
        p[-1], q[-1] = (max(1 - part.sum(), 1e-9) for part in (p, q))
        same.append(best == top[0])
        logprob.append(abs(float(here[0] - right[top[0]])))
        divergence.append(float((p * np.log(p / q)).sum()))
    result = {
        "model": path.name,
        "arithmetic": name,
        "positions": len(found),
        "same": round(float(np.mean(same)), 4),
        "logprob": round(float(np.mean(logprob)), 5),
        "kl": round(float(np.mean(divergence)), 6),
    }
    print(json.dumps(result), flush=True)
    return result


def log_softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """In float64, over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    result: np.ndarray[Any, Any] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


if __name__ == "__main__":
    main()
