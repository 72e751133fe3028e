"""The work that every peer is given, and the prompts it is made of.

Nothing here imports a peer's package: the driving process only describes work.
"""

from __future__ import annotations

import argparse as _long_source
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Encode = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One set of weights, in the files that the peers read.

    Attributes:
        name: what the person called it.
        directory: the hub's layout, float32: config.json, model.safetensors, tokenizer.json.
        gguf: for llama.cpp; the registry's own file, or one made from `directory`.
        parameters: how many weights a token is multiplied with (the head once, no embedding).
        matrix: width of the stream and of the feed-forward: the shape that bounds are taken with.
        vocab_size: rows of the head.
        context: the longest sequence.
    """

    name: str
    directory: Path
    gguf: Path
    parameters: int
    matrix: tuple[int, int]
    vocab_size: int
    context: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to run a peer. `options` means something to that peer alone."""

    name: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Continue prompts by exactly `new_tokens` each; the end of text does not end them.

    Attributes:
        prompts: token ids, one list a sequence, of different lengths.
        new_tokens: for each.
        sample: temperature 0.8 and top-p 0.95; otherwise greedy.
        seed: of the sampling.
    """

    prompts: list[list[int]]
    new_tokens: int
    sample: bool
    seed: int = 7


TEMPERATURE = 0.8
TOP_P = 0.95

_THINGS = ("temperatures", "prices", "names", "words", "scores", "distances", "users", "orders")
_TASKS = (
    "Make a list named {thing} with twelve items of your choice and print how many there are",
    "Compute the mean of {thing} and print it with two decimals",
    "Sort {thing} from the greatest to the least, and keep the first five of them in best",
    "Write a function named clean that takes {thing}, removes what is empty and returns the rest",
    "Count how often each item of {thing} occurs, and show the counts in a small table",
    "Read {thing} from the file data.csv",
    "Group {thing} by their first letter in a dictionary and print every group on its own line",
    "Plot {thing} as a line with a title, a legend and names at both axes",
)


def short_prompts(count: int, encode: Encode) -> list[list[int]]:
    """`count` different prompts of 18 to 40 tokens, of the kind a person types."""
    texts = [
        f"# Step {number + 1}.\nimport math\n\n"
        f"# {_TASKS[number % 8].format(thing=_THINGS[(number // 8) % 8])}\n"
        for number in range(count)
    ]
    return [encode(text) for text in texts]


def long_prompts(count: int, tokens: int, encode: Encode) -> list[list[int]]:
    """`count` prompts of exactly `tokens` tokens of Python, each from another place of a source."""
    ids = encode(inspect.getsource(_long_source))
    if len(ids) < tokens + count:
        raise ValueError(f"the source has {len(ids)} tokens, too few for {tokens}")
    step = (len(ids) - tokens) // count
    return [ids[row * step : row * step + tokens] for row in range(count)]


def random_prompts(count: int, least: int, most: int, vocab_size: int) -> list[list[int]]:
    """Random ids, for weights that are random too: `least` to `most` of them each."""
    random = np.random.default_rng(count)
    lengths = random.integers(least, most + 1, count)
    return [random.integers(0, vocab_size, length).tolist() for length in lengths]
