"""Log-probabilities of prompts and of likely tokens, token prompts and logit biases."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiturn.core.errors import ContextOverflowError, InputError
from multiturn.engines.native.engine import NativeEngine
from multiturn.engines.native.loader import open_native
from multiturn.engines.protocol import Completion, Delta, Request, generate
from multiturn.engines.scripted import ScriptedEngine

PROMPT = "def f(x):\n    return x\nimport numpy as np\n"


@pytest.fixture(scope="module")
def engine(tiny_gguf: Any, module_home: Path) -> Iterator[NativeEngine]:
    with open_native(tiny_gguf(context=1024), threads=1, slots=8) as engine:
        yield engine


def one(engine: NativeEngine, **options: Any) -> Completion:
    options = {"prompt": PROMPT, "max_tokens": 6, "temperature": 0.0, **options}
    (found,) = generate(engine, Request(**options))
    return found


def test_a_prompt_of_tokens_is_that_prompt(engine: NativeEngine) -> None:
    tokens = tuple(engine.tokenizer.encode_prompt(PROMPT))
    by_text = one(engine, logprobs=True)
    by_tokens = one(engine, prompt="", prompt_tokens=tokens, logprobs=True)
    assert by_tokens.tokens == by_text.tokens and by_tokens.logprobs == by_text.logprobs
    assert by_tokens.prompt_tokens == len(tokens)


def test_wrong_prompts_of_tokens_are_refused(engine: NativeEngine) -> None:
    for tokens in ((-1,), (engine.tokenizer.size,), (2**40,), ()):
        with pytest.raises(InputError):
            one(engine, prompt="", prompt_tokens=tokens)
    with pytest.raises(InputError, match="as text and as tokens"):
        one(engine, prompt_tokens=(1,))
    with pytest.raises(ContextOverflowError):
        one(engine, prompt="", prompt_tokens=(1,) * 2000)


def test_prompt_logprobs_are_those_of_the_scorer(engine: NativeEngine) -> None:
    found = one(engine, prompt_logprobs=True, logprobs=True, top_logprobs=3).prompt_logprobs
    assert found is not None
    score = engine.score(PROMPT)
    assert tuple(each.token for each in found) == score.tokens
    assert math.isnan(found[0].logprob) and found[0].top == ()
    assert [each.logprob for each in found[1:]] == list(score.logprobs[1:])
    for each in found[1:]:
        assert len(each.top) == 3
        values = [logprob for _, logprob in each.top]
        assert values == sorted(values, reverse=True)
        assert each.logprob <= values[0]
        if each.token in dict(each.top):
            assert dict(each.top)[each.token] == each.logprob


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 200, 700])
def test_prompts_of_any_length_are_scored(engine: NativeEngine, length: int) -> None:
    tokens = tuple(int(each) for each in np.random.default_rng(length).integers(0, 250, length))
    found = one(engine, prompt="", prompt_tokens=tokens, prompt_logprobs=True).prompt_logprobs
    assert found is not None and tuple(each.token for each in found) == tokens
    assert all(math.isfinite(each.logprob) for each in found[1:])


def test_scoring_beside_others_changes_nothing(engine: NativeEngine) -> None:
    alone = one(engine, prompt_logprobs=True, logprobs=True, top_logprobs=2)
    plain = one(engine, logprobs=True, max_tokens=20)
    found: dict[int, Completion] = {}

    def run(number: int) -> None:
        if number % 2:
            found[number] = one(engine, prompt_logprobs=True, logprobs=True, top_logprobs=2)
        else:
            found[number] = one(engine, logprobs=True, max_tokens=20)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, completion in found.items():
        if number % 2:
            assert repr(completion.prompt_logprobs) == repr(alone.prompt_logprobs)
            assert completion.top_logprobs == alone.top_logprobs
        assert completion.logprobs is not None
        usual = alone if number % 2 else plain
        assert (completion.tokens, completion.logprobs) == (usual.tokens, usual.logprobs)


def test_only_the_first_of_several_continuations_scores(engine: NativeEngine) -> None:
    request = Request(
        prompt=PROMPT, n=3, max_tokens=4, temperature=1.0, prompt_logprobs=True, session="s"
    )
    for _ in range(2):  # the second finds the session's prefix in the cache
        first, *others = generate(engine, request)
        assert first.prompt_logprobs is not None and first.cached_tokens == 0
        assert all(math.isfinite(each.logprob) for each in first.prompt_logprobs[1:])
        assert [each.prompt_logprobs for each in others] == [None, None]


def test_the_greedy_token_is_the_likeliest_one(engine: NativeEngine) -> None:
    found = one(engine, logprobs=True, top_logprobs=5)
    assert found.logprobs is not None and found.top_logprobs is not None
    for token, logprob, top in zip(found.tokens, found.logprobs, found.top_logprobs, strict=True):
        assert top[0] == (token, logprob)
        assert sum(math.exp(value) for _, value in top) <= 1 + 1e-6


def test_all_tokens_together_have_probability_one(engine: NativeEngine) -> None:
    found = one(engine, logprobs=True, top_logprobs=1000, max_tokens=2)
    assert found.top_logprobs is not None
    for top in found.top_logprobs:
        assert sum(math.exp(value) for _, value in top) == pytest.approx(1, abs=1e-4)


def test_likely_tokens_change_no_text(engine: NativeEngine) -> None:
    options = {"temperature": 1.0, "seed": 5, "logprobs": True, "max_tokens": 20}
    plain, more = one(engine, **options), one(engine, **options, top_logprobs=4)
    assert plain.tokens == more.tokens
    assert plain.logprobs == pytest.approx(more.logprobs, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_bias_forces_and_forbids_a_token(engine: NativeEngine, temperature: float) -> None:
    usual = one(engine, temperature=temperature, logprobs=True, top_logprobs=1000)
    forced = one(
        engine, temperature=temperature, logprobs=True, top_logprobs=1000, logit_bias=((65, 100.0),)
    )
    assert set(forced.tokens) == {65}
    # The reported log-probabilities are those of the model without the bias.
    assert forced.logprobs is not None and usual.top_logprobs is not None
    assert forced.logprobs[0] == pytest.approx(dict(usual.top_logprobs[0])[65], abs=1e-6)
    first = usual.tokens[0]
    forbidden = one(engine, temperature=temperature, logit_bias=((first, -100.0),))
    assert forbidden.tokens[0] != first


def test_a_token_that_is_named_twice_gets_both(engine: NativeEngine) -> None:
    assert set(one(engine, logit_bias=((65, 50.0), (65, 50.0))).tokens) == {65}


def test_wrong_biases_are_refused(engine: NativeEngine) -> None:
    for bias in (((65, 101.0),), ((65, math.nan),), ((engine.tokenizer.size, 1.0),), ((-1, 1.0),)):
        with pytest.raises(InputError):
            one(engine, logit_bias=bias)


def test_deltas_carry_the_tokens_of_the_text(engine: NativeEngine) -> None:
    request = Request(
        prompt=PROMPT, n=2, max_tokens=30, temperature=1.0, logprobs=True, top_logprobs=2
    )
    tokens: dict[int, list[Any]] = {0: [], 1: []}
    texts = {0: "", 1: ""}
    for event in engine.stream(request):
        if isinstance(event, Delta):
            tokens[event.index] += event.tokens
            texts[event.index] += event.text
        else:
            assert texts[event.index] == event.text
            found, count = tokens[event.index], event.text_tokens
            assert tuple(each.token for each in found) == event.tokens[:count]
            assert event.logprobs is not None and event.top_logprobs is not None
            assert tuple(each.logprob for each in found) == event.logprobs[:count]
            assert tuple(each.top for each in found) == event.top_logprobs[:count]
    assert not any(e.tokens for e in engine.stream(Request(prompt="x")) if isinstance(e, Delta))


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": "", "prompt_tokens": (1,)},
        {"logprobs": True, "top_logprobs": 1},
        {"prompt_logprobs": True},
        {"logit_bias": ((1, 1.0),)},
    ],
)
def test_an_engine_without_a_feature_refuses_it(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="does not support"):
        ScriptedEngine(["x"]).stream(Request(**{"prompt": "x", **options}))
