"""Real models through the native kernels: how often the most likely token is the same."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.engines.native.loader import load_decoder
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.formats.gguf import read_array, read_gguf_header
from multiturn.models.decoder import forward
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.decoder import ForwardRow, Precision
from multiturn.text.tokenizers_gguf import from_gguf_metadata

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

WORDS = ("sum", "mean", "largest", "smallest", "median")
THINGS = ("a list of numbers", "the words of a text", "two dates", "the rows of a table")
PROMPTS = [f"# Compute the {word} of {thing}\n" for word in WORDS for thing in THINGS]
NEW = 20

# The least share of 400 tokens whose most likely successor is that of float32, and the
# greatest difference of the log-probability of float32's own choice, on the average.
BOUNDS: dict[Precision, tuple[float, float]] = {
    "float32": (0.995, 1e-4),
    "bfloat16": (0.95, 0.05),
    "int8": (0.9, 0.1),
}


@pytest.mark.parametrize("fixture", ["smollm2", "default_model"])
def test_the_most_likely_tokens_are_those_of_float32(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(fixture)
    checkpoint = open_checkpoint(path)
    config = checkpoint.config
    weights = load_parameters(checkpoint, "float32")
    header = read_gguf_header(path)
    lists = {
        key: read_array(header, key)
        for key in (f"tokenizer.ggml.{name}" for name in ("tokens", "merges", "token_type"))
    }
    tokenizer = from_gguf_metadata(header.metadata | lists)
    prompts = [tokenizer.encode(prompt) for prompt in PROMPTS]
    lengths = np.array([len(prompt) for prompt in prompts])
    width = int(lengths.max()) + NEW
    texts = np.zeros((len(prompts), width), np.int32)
    for row, prompt in enumerate(prompts):
        texts[row, : len(prompt)] = prompt

    def after(precision: Precision, *, write: bool) -> np.ndarray:
        """Log-probabilities after each token of the texts; `write` first makes them up."""
        decoder = load_decoder(checkpoint, precision)
        if write:
            caches = [decoder.new_cache() for _ in prompts]
            new = [np.array(prompt, np.int32) for prompt in prompts]
            for place in range(NEW):
                rows = [ForwardRow(mine, cache) for mine, cache in zip(new, caches, strict=True)]
                last = decoder.unembed(decoder.forward(rows)).argmax(-1).astype(np.int32)
                texts[np.arange(len(prompts)), lengths + place] = last
                new = list(last[:, None])
        found = []
        for text, length in zip(texts, lengths, strict=True):
            row = ForwardRow(text[: length + NEW], decoder.new_cache(), "all")
            logits = decoder.unembed(decoder.forward([row])[length - 1 : -1])
            found.append(jax.nn.log_softmax(logits))
        decoder.close()
        return np.stack(found)

    after("float32", write=True)
    plain = jax.jit(lambda held, tokens: jax.nn.log_softmax(forward(held, tokens, config)))
    rows = [
        np.asarray(plain(weights, jnp.asarray(texts[row : row + 4]))) for row in range(0, 20, 4)
    ]
    wanted = _of_new_tokens(np.concatenate(rows), lengths)
    best = wanted.argmax(-1)
    for precision, (least_same, most_away) in BOUNDS.items():
        found = after(precision, write=False)
        same = float((found.argmax(-1) == best).mean())
        chosen = np.take_along_axis(found, best[..., None], -1)
        away = float(np.abs(chosen - np.take_along_axis(wanted, best[..., None], -1)).mean())
        print(f"{path.stem} {precision}: the same token {same:.4f}, log-probability {away:.5f} off")
        assert same >= least_same
        assert away <= most_away


def _of_new_tokens(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """What stands after each of the last NEW tokens but one, of each row."""
    return np.stack([row[n - 1 : n - 1 + NEW] for row, n in zip(values, lengths, strict=True)])
