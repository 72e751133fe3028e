"""Speculation changes no token, no log-probability and no distribution."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_own_engines import INFO, ascii_tokenizer

from multiturn.engines.native import scheduler
from multiturn.engines.native.engine import NativeEngine
from multiturn.engines.native.loader import load_decoder, open_native
from multiturn.engines.native.prompt_lookup import PromptLookup
from multiturn.engines.protocol import Completion, Request, generate
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.decoder import forward
from multiturn.models.native.decoder import Precision

GOLDEN = Path(__file__).parent.parent / "golden"
PIECES = ("abc", "def f(x):\n", "x = 1\n", "return", "    ", "zz", "\n\n", "print(x)\n")


def prompts(count: int) -> list[str]:
    """Texts that repeat themselves, so that there is something to draft."""
    draw = random.Random(3)
    return ["".join(draw.choices(PIECES, k=draw.randrange(2, 9))) * 2 for _ in range(count)]


def drafting_always(
    lookups: Sequence[PromptLookup | None], limits: Sequence[int], *_: object
) -> list[int]:
    """Whether it pays or not."""
    pairs = zip(lookups, limits, strict=True)
    return [min(limit, 5) if one is not None and one.has_draft else 0 for one, limit in pairs]


@pytest.fixture(params=["codegen-float32", "llama-int8"])
def engines(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[NativeEngine, NativeEngine]]:
    """Without and with drafts in every step that has one."""
    family, _, name = request.param.partition("-")
    precision: Precision = name
    monkeypatch.setattr(scheduler, "draft_sizes", drafting_always)
    checkpoint = open_checkpoint(GOLDEN / family)
    plain, drafting = (
        NativeEngine(
            load_decoder(checkpoint, precision, threads=2),
            ascii_tokenizer(),
            INFO,
            speculate=speculate,
        )
        for speculate in (False, True)
    )
    with plain, drafting:
        yield plain, drafting


def both(engines: tuple[NativeEngine, NativeEngine], request: Request) -> list[list[Completion]]:
    return [sorted(generate(engine, request), key=lambda one: one.index) for engine in engines]


@pytest.mark.parametrize(("temperature", "count"), [(0.0, 200), (0.3, 50), (1.0, 50)])
def test_the_same_tokens_and_logprobs_for_two_hundred_prompts(
    engines: tuple[NativeEngine, NativeEngine], temperature: float, count: int
) -> None:
    for number, prompt in enumerate(prompts(count)):
        request = Request(
            prompt=prompt,
            n=1 + number % 2,
            temperature=temperature,
            top_p=(1.0, 0.9)[number % 3 == 0],
            max_tokens=12,
            seed=number,
            logprobs=True,
            session=f"s{number % 5}",
        )
        for plain, drafting in zip(*both(engines, request), strict=True):
            assert drafting.tokens == plain.tokens
            assert drafting.logprobs == plain.logprobs  # to the last bit
            assert drafting.cached_tokens == plain.cached_tokens
    with_drafts = engines[1]._scheduler._acceptance
    assert any(right > 0 for right in with_drafts._right)


def test_sampled_tokens_have_the_distribution_of_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pairs of tokens, the second one drafted: chi-square against the probabilities in JAX."""
    monkeypatch.setattr(scheduler, "draft_sizes", drafting_always)
    checkpoint = open_checkpoint(GOLDEN / "llama")
    parameters = load_parameters(checkpoint, "float32")
    prompt, temperature, samples = "abcdabcdabcdab", 0.25, 4000
    ids = list(prompt.encode())

    def probabilities(contexts: list[list[int]]) -> np.ndarray:
        logits = forward(parameters, jnp.asarray(contexts), checkpoint.config)[:, -1]
        return np.asarray(jax.nn.softmax(logits / temperature), np.float64)

    first = probabilities([ids])[0]
    second = probabilities([[*ids, token] for token in range(len(first))])
    expected = (first[:, None] * second).ravel() * samples
    decoder = load_decoder(checkpoint, "float32", threads=2)
    seen: Counter[int] = Counter()
    with NativeEngine(decoder, ascii_tokenizer(), INFO) as engine:
        for seed in range(0, samples, 4):
            request = Request(
                prompt=prompt, n=4, temperature=temperature, top_p=1, max_tokens=2, seed=seed
            )
            for done in generate(engine, request):
                one, other = done.tokens
                seen[one * len(first) + other] += 1
    counts = np.array([seen[pair] for pair in range(len(expected))])
    common = expected >= 5
    assert common.sum() >= 20
    observed = np.append(counts[common], counts[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    statistic = ((observed - wanted) ** 2 / wanted).sum()
    degrees = len(wanted) - 1
    # Wilson and Hilferty: the cube root of a chi-square variable is almost normal.
    bound = degrees * (1 - 2 / (9 * degrees) + 3.7 * (2 / (9 * degrees)) ** 0.5) ** 3
    assert statistic < bound  # p = 1e-4


@pytest.mark.slow
@pytest.mark.real
def test_a_real_model_writes_the_same(smollm2: Path) -> None:
    """Drafts where they pay, as measured; 200 prompts, greedy and sampled."""
    draw = random.Random(11)
    lines = ["x = 1\n", "def f(x):\n    return x\n", "print(f(2))\n", "# Sum the list.\n"]
    options = {"context": 512, "dtype": "int8"}
    with (
        open_native(smollm2, **options, speculate=False) as plain,
        open_native(smollm2, **options) as drafting,
    ):
        for number in range(200):
            program = "".join(draw.choices(lines, k=6))
            request = Request(
                prompt=f"{program}\n# The same program again:\n\n{program[:20]}",
                temperature=(0.0, 0.7)[number % 2],
                max_tokens=24,
                seed=number,
                logprobs=True,
            )
            (one,), (other,) = both((plain, drafting), request)
            assert other.tokens == one.tokens
            assert other.logprobs == one.logprobs
