"""`/v1/completions`, with a real engine."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from multiturn.engines.protocol import Request, generate

pytestmark = pytest.mark.real

PROMPT = "def f(x):\n    return x\nimport numpy as np\n"


@pytest.fixture
def post(server: Any):
    with server.client() as client:

        def send(**body: Any) -> Any:
            answer = client.post("/v1/completions", json={"model": "tiny", **body})
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield send


@pytest.fixture
def refused(server: Any):
    with server.client() as client:

        def send(**body: Any) -> dict[str, Any]:
            answer = client.post("/v1/completions", json={"model": "tiny", **body})
            assert answer.status_code in (400, 404), answer.text
            error = answer.json()["error"]
            assert error["message"] and error["type"] and {"param", "code"} <= set(error)
            return error

        yield send


def chunks(server: Any, **body: Any) -> list[Any]:
    """The data of all events of a stream."""
    with (
        server.client() as client,
        client.stream(
            "POST", "/v1/completions", json={"model": "tiny", "stream": True, **body}
        ) as s,
    ):
        assert s.status_code == 200
        assert s.headers["content-type"].startswith("text/event-stream")
        text = "".join(s.iter_text())
    events = text.split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") for event in events)
    assert events.pop() == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def test_greedy_text_is_the_engines(post: Any, server: Any) -> None:
    found = post(prompt=PROMPT, temperature=0, max_tokens=8)
    (expected,) = generate(
        server.resources.engine, Request(prompt=PROMPT, temperature=0, top_p=1, max_tokens=8)
    )
    (choice,) = found["choices"]
    assert choice["text"] == expected.text
    assert choice["finish_reason"] == "length" and choice["logprobs"] is None
    assert found["object"] == "text_completion" and found["id"].startswith("cmpl-")
    assert found["usage"]["prompt_tokens"] == expected.prompt_tokens
    assert found["usage"]["completion_tokens"] == 8
    assert found["usage"]["total_tokens"] == expected.prompt_tokens + 8


def test_the_default_is_sixteen_tokens_that_vary(post: Any) -> None:
    first, second = post(prompt=PROMPT), post(prompt=PROMPT)
    assert first["usage"]["completion_tokens"] == 16
    assert first["choices"][0]["text"] != second["choices"][0]["text"]


def test_a_seed_repeats(post: Any) -> None:
    for seed in (0, 7, -3, 2**62):
        texts = [
            [each["text"] for each in post(prompt=PROMPT, n=3, seed=seed)["choices"]]
            for _ in range(2)
        ]
        assert texts[0] == texts[1] and len(set(texts[0])) == 3


def test_several_prompts_are_answered_in_order(post: Any, server: Any) -> None:
    prompts = [PROMPT, "x = 1\n", PROMPT]
    found = post(prompt=prompts, n=2, temperature=0, max_tokens=4)
    assert [each["index"] for each in found["choices"]] == list(range(6))
    alone = [post(prompt=p, temperature=0, max_tokens=4)["choices"][0]["text"] for p in prompts]
    assert [each["text"] for each in found["choices"]] == [t for t in alone for _ in range(2)]
    # Equal prompts get samples of their own.
    sampled = post(prompt=[PROMPT, PROMPT], seed=1, max_tokens=30)
    assert sampled["choices"][0]["text"] != sampled["choices"][1]["text"]


def test_prompts_of_tokens(post: Any, server: Any) -> None:
    tokens = server.resources.engine.tokenizer.encode_prompt(PROMPT)
    text = post(prompt=PROMPT, temperature=0)["choices"][0]["text"]
    assert post(prompt=tokens, temperature=0)["choices"][0]["text"] == text
    two = post(prompt=[tokens, tokens[:3]], temperature=0)
    assert two["choices"][0]["text"] == text
    assert two["usage"]["prompt_tokens"] == len(tokens) + 3


def test_the_text_ends_before_a_stop(post: Any) -> None:
    usual = post(prompt=PROMPT, temperature=0, max_tokens=40)["choices"][0]["text"]
    stop = usual[10:13]
    for stops in (stop, [stop], ["never there", stop]):
        found = post(prompt=PROMPT, temperature=0, max_tokens=40, stop=stops)["choices"][0]
        assert found["text"] == usual[: usual.index(stop)]
        assert found["finish_reason"] == "stop"


def test_logprobs(post: Any, server: Any) -> None:
    found = post(prompt=PROMPT, temperature=0, max_tokens=12, logprobs=3)["choices"][0]
    logprobs = found["logprobs"]
    count = len(logprobs["tokens"])
    assert {len(logprobs[name]) for name in logprobs} == {count}
    for token, value, top in zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    ):
        assert top[token] == value == max(top.values())
        assert 3 <= len(top) <= 4
    assert logprobs["text_offset"][0] == 0
    assert logprobs["text_offset"] == sorted(logprobs["text_offset"])
    assert logprobs["text_offset"][-1] < len(found["text"])
    none = post(prompt=PROMPT, temperature=0, max_tokens=2, logprobs=0)["choices"][0]["logprobs"]
    assert none["top_logprobs"] is None and len(none["token_logprobs"]) == 2


def test_echo_scores_the_prompt(post: Any, server: Any) -> None:
    engine = server.resources.engine
    tokens = engine.tokenizer.encode_prompt(PROMPT)
    score = engine.score(PROMPT)
    for prompt in (PROMPT, tokens):
        for max_tokens in (0, 1, 5):
            found = post(prompt=prompt, echo=True, logprobs=1, temperature=0, max_tokens=max_tokens)
            (choice,) = found["choices"]
            logprobs = choice["logprobs"]
            assert choice["text"].startswith(PROMPT)
            assert (choice["text"] == PROMPT) == (max_tokens == 0)
            assert found["usage"]["completion_tokens"] == max_tokens
            assert logprobs["token_logprobs"][0] is None and logprobs["top_logprobs"][0] is None
            assert logprobs["token_logprobs"][1 : len(tokens)] == list(score.logprobs[1:])
            assert len(logprobs["tokens"]) == len(tokens) + max_tokens
            assert "".join(logprobs["tokens"][: len(tokens)]) == PROMPT
            assert logprobs["text_offset"][len(tokens) :][:1] in ([], [len(PROMPT)])


def test_echo_without_logprobs(post: Any) -> None:
    text = post(prompt=PROMPT, temperature=0)["choices"][0]["text"]
    assert post(prompt=PROMPT, temperature=0, echo=True)["choices"][0]["text"] == PROMPT + text


def test_a_logit_bias(post: Any) -> None:
    found = post(prompt=PROMPT, logit_bias={"65": 100}, max_tokens=5, logprobs=1)["choices"][0]
    assert len(set(found["logprobs"]["tokens"])) == 1
    assert all(math.isfinite(value) for value in found["logprobs"]["token_logprobs"])


def test_the_best_of_several(post: Any) -> None:
    every = post(prompt=PROMPT, n=6, seed=3, logprobs=0)["choices"]
    best = post(prompt=PROMPT, n=2, best_of=6, seed=3, logprobs=0)
    assert best["usage"]["completion_tokens"] == 6 * 16

    def mean(choice: Any) -> float:
        values = choice["logprobs"]["token_logprobs"]
        return sum(values) / len(values)

    expected = sorted(every, key=mean, reverse=True)[:2]
    assert [each["text"] for each in best["choices"]] == [each["text"] for each in expected]
    assert [each["index"] for each in best["choices"]] == [0, 1]


def test_a_suffix_is_filled_in(post: Any, server: Any) -> None:
    tokenizer = server.resources.engine.tokenizer
    before, after = "def f(<|fim_suffix|>", "    return x\n"
    found = post(prompt=before, suffix=after, temperature=0)
    tokens = [300, *tokenizer.encode(before), 301, *tokenizer.encode(after), 302]
    assert 301 not in tokenizer.encode(before)  # what a person writes is ordinary text
    expected = post(prompt=tokens, temperature=0)
    assert found["choices"][0]["text"] == expected["choices"][0]["text"]
    assert found["usage"] == expected["usage"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"n": 3},
        {"echo": True},
        {"logprobs": 2},
        {"prompt": [PROMPT, "x"], "n": 2},
        {"echo": True, "logprobs": 1, "n": 2},
        {"max_tokens": 0},
        {"stop": "e"},
    ],
)
def test_a_stream_joins_to_the_answer(server: Any, post: Any, body: dict[str, Any]) -> None:
    body = {"prompt": PROMPT, "seed": 11, "max_tokens": 20, **body}
    answer = post(**body)
    found = chunks(server, **body, stream_options={"include_usage": True})
    *parts, last = found
    assert last["choices"] == [] and last["usage"] == answer["usage"]
    assert all(part["usage"] is None for part in parts)
    assert len({part["id"] for part in found}) == 1
    for choice in answer["choices"]:
        own = [c for part in parts for c in part["choices"] if c["index"] == choice["index"]]
        assert "".join(each["text"] for each in own) == choice["text"]
        assert [each["finish_reason"] for each in own if each["finish_reason"]] == [
            choice["finish_reason"]
        ]
        if choice["logprobs"] is not None:
            given = [each["logprobs"] for each in own if each["logprobs"]]
            for name, values in choice["logprobs"].items():
                assert [value for each in given for value in each[name]] == values


def test_a_stream_has_no_usage_unless_asked(server: Any) -> None:
    assert all("usage" not in chunk for chunk in chunks(server, prompt=PROMPT))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "x", "model": "gpt-4"}, "model"),
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, None),
        ({"prompt": "a\0b"}, None),
        ({"prompt": [[]]}, None),
        ({"prompt": [10**6]}, None),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "n": 1000}, "n"),
        ({"prompt": ["x"] * 200}, "prompt"),
        ({"prompt": "x", "n": 3, "best_of": 2}, "best_of"),
        ({"prompt": "x", "best_of": 2, "stream": True}, "best_of"),
        ({"prompt": "x", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "x", "max_tokens": "5"}, "max_tokens"),
        ({"prompt": "x", "max_tokens": 10**6}, None),
        ({"prompt": "x", "temperature": 3}, "temperature"),
        ({"prompt": "x", "top_p": 0}, "top_p"),
        ({"prompt": "x", "logprobs": 21}, "logprobs"),
        ({"prompt": "x", "stop": ""}, "stop"),
        ({"prompt": "x", "logit_bias": {"a": 1}}, "logit_bias"),
        ({"prompt": "x", "logit_bias": {"1": 101}}, None),
        ({"prompt": "x", "logit_bias": {"99999": 1}}, None),
        ({"prompt": "x", "presence_penalty": 1}, "presence_penalty"),
        ({"prompt": "x", "stream_options": {}}, "stream_options"),
        ({"prompt": [1], "suffix": "x"}, "suffix"),
        ({"prompt": "x", "suffix": "y", "echo": True}, "suffix"),
        ({"prompt": "x", "min_p": 0.1}, "min_p"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(
    refused: Any, body: dict[str, Any], param: str | None
) -> None:
    error = refused(**body)
    assert error["param"] == param
    assert "\n" not in error["message"]


def test_a_model_that_cannot_fill_in_says_so(serving: Any) -> None:
    server = serving(["x"])
    with server.client() as client:
        answer = client.post(
            "/v1/completions", json={"model": "tiny", "prompt": "a", "suffix": "b"}
        )
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "suffix"


def test_models(server: Any) -> None:
    with server.client() as client:
        (entry,) = client.get("/v1/models").json()["data"]
        assert entry["id"] == "tiny" and entry["context_window"] == 2048
        assert client.get("/v1/models/tiny").json() == entry
        for name in ("other", "a/b", "..%2f..%2fetc%2fpasswd", "%00"):
            answer = client.get(f"/v1/models/{name}")
            assert answer.status_code == 404 and answer.json()["error"]["code"]
