"""Clients that people use, as they are, against a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from multiturn.core.errors import MultiturnError
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.protocol import Delta, Request, generate
from multiturn.text.truncation import StopStrings

pytestmark = pytest.mark.real

PROMPT = "def f(x):\n    return x\nimport numpy as np\n"


@pytest.fixture
def openai_client(server: Any) -> Any:
    openai = pytest.importorskip("openai", reason="the client of OpenAI is not installed")
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=server.token, max_retries=0, timeout=120
    ) as client:
        yield client


class TestOpenAI:
    def test_models(self, openai_client: Any) -> None:
        assert [model.id for model in openai_client.models.list()] == ["tiny"]
        assert openai_client.models.retrieve("tiny").owned_by == "multiturn"

    def test_completions(self, openai_client: Any) -> None:
        found = openai_client.completions.create(
            model="tiny", prompt=[PROMPT, "x"], n=2, seed=1, logprobs=2, echo=True, stop=["\n\n\n"]
        )
        assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
        assert found.choices[0].text.startswith(PROMPT)
        logprobs = found.choices[0].logprobs
        assert logprobs.token_logprobs[0] is None and len(logprobs.top_logprobs[1]) >= 2
        assert found.usage.total_tokens == (
            found.usage.prompt_tokens + found.usage.completion_tokens
        )

    def test_streamed_completions(self, openai_client: Any) -> None:
        options = {"model": "tiny", "prompt": PROMPT, "seed": 3, "max_tokens": 30}
        answer = openai_client.completions.create(**options)
        stream = openai_client.completions.create(
            **options, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
        assert text == answer.choices[0].text
        assert chunks[-1].usage == answer.usage
        reasons = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
        assert reasons == [answer.choices[0].finish_reason]

    def test_chat(self, openai_client: Any) -> None:
        options = {
            "model": "tiny",
            "messages": [{"role": "user", "content": "return x"}],
            "seed": 3,
            "max_tokens": 20,
            "logprobs": True,
            "top_logprobs": 1,
        }
        answer = openai_client.chat.completions.create(**options)
        assert answer.choices[0].message.role == "assistant"
        assert answer.choices[0].logprobs.content[0].top_logprobs
        chunks = list(openai_client.chat.completions.create(**options, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text == answer.choices[0].message.content
        assert chunks[-1].choices[0].finish_reason == answer.choices[0].finish_reason

    def test_errors(self, openai_client: Any, server: Any) -> None:
        openai = pytest.importorskip("openai")
        with pytest.raises(openai.NotFoundError) as found:
            openai_client.completions.create(model="gpt-4", prompt="x")
        assert found.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as refused:
            openai_client.completions.create(model="tiny", prompt="x", max_tokens=10**6)
        assert refused.value.code == "context_length_exceeded"
        stranger = openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-wrong", max_retries=0)
        with stranger, pytest.raises(openai.AuthenticationError):
            stranger.models.list()


@pytest.fixture
def remote_engine(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("THE_KEY", server.token)
    with open_http(f"{server.url}/v1", settings=HttpSettings(key_variable="THE_KEY")) as engine:
        yield engine


class TestOwnEngine:
    @pytest.mark.parametrize("temperature", [0.0, 0.8])
    def test_the_texts_are_those_of_the_engine_behind(
        self, server: Any, remote_engine: Any, temperature: float
    ) -> None:
        request = Request(
            prompt=PROMPT, n=3, temperature=temperature, max_tokens=20, seed=9, logprobs=True
        )
        local = generate(server.resources.engine, request)
        remote = generate(remote_engine, request)
        for ours, theirs in zip(local, remote, strict=True):
            assert theirs.raw_text == ours.raw_text
            assert theirs.finish_reason == ours.finish_reason
            assert theirs.prompt_tokens == ours.prompt_tokens
            count = ours.text_tokens
            assert theirs.tokens[:count] == ours.tokens[:count]
            assert theirs.mean_logprob == pytest.approx(ours.mean_logprob, abs=1e-9)

    def test_it_knows_the_model(self, server: Any, remote_engine: Any) -> None:
        ours, theirs = server.resources.engine.info, remote_engine.info
        for name in ("context_window", "chat_template", "bos_token", "eos_token", "slots"):
            assert getattr(theirs, name) == getattr(ours, name)
        assert theirs.exact_counts and theirs.token_ids
        for text in ("", "def f(x):", "<|fim_prefix|>", "\u00e9" * 3):
            for special in (False, True):
                counted = server.resources.engine.count_tokens(text, parse_special=special)
                assert remote_engine.count_tokens(text, parse_special=special) == counted

    def test_the_stop_rule_ends_the_generation(self, server: Any, remote_engine: Any) -> None:
        request = Request(prompt=PROMPT, temperature=0, max_tokens=200)
        (usual,) = generate(server.resources.engine, request)
        stop = StopStrings((usual.text[5:8],))
        events = list(
            remote_engine.stream(Request(prompt=PROMPT, temperature=0, max_tokens=200, stop=stop))
        )
        text = "".join(event.text for event in events if isinstance(event, Delta))
        assert text == usual.text[: usual.text.index(usual.text[5:8])]

    def test_a_wrong_key_is_one_line(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THE_KEY", "wrong")
        with pytest.raises(MultiturnError) as found:
            open_http(f"{server.url}/v1", settings=HttpSettings(key_variable="THE_KEY"))
        assert "key" in str(found.value) and "\n" not in str(found.value)


def test_simon_willisons_llm(server: Any, tmp_path: Path) -> None:
    pytest.importorskip("llm", reason="llm is not installed")
    entry = (
        f"- model_id: local\n  model_name: tiny\n  api_base: {server.url}/v1\n"
        "  api_key_name: local\n"
    )
    (tmp_path / "extra-openai-models.yaml").write_text(entry)
    (tmp_path / "keys.json").write_text(json.dumps({"local": server.token}))
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    expected = None
    for more in ([], ["--no-stream"]):
        done = subprocess.run(
            [sys.executable, "-m", "llm", "-m", "local", "return x", "-s", "def f", "-o", "seed",
             "3", "-o", "max_tokens", "20", *more],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert expected is None or done.stdout == expected
        expected = done.stdout


def test_lm_eval_scores_as_the_engine_does(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="lm-eval is not installed")
    pytest.importorskip("aiohttp", reason="lm-eval's API models are not installed")
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    monkeypatch.setenv("OPENAI_API_KEY", server.token)
    model = LocalCompletionsAPI(
        model="tiny", base_url=f"{server.url}/v1/completions", auth_token=server.token,
        tokenizer_backend="auto", num_concurrent=4, max_retries=1,
    )  # fmt: skip
    assert model.tokenizer_backend == "remote"
    pairs = [("def f(x):\n", "    return x\n"), ("import", " numpy as np\n"), ("x", "y")]
    asked = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=0) for pair in pairs
    ]
    engine = server.resources.engine
    found = model.loglikelihood(asked, disable_tqdm=True)
    for (context, text), (logprob, greedy) in zip(pairs, found, strict=True):
        both = engine.score(context + text)
        # lm-eval counts white space at the end of a context to the text.
        count = len(engine.tokenizer.encode(context.rstrip()))
        assert logprob == pytest.approx(sum(both.logprobs[count:]), abs=1e-5)
        assert isinstance(greedy, bool)
    until = Instance(
        request_type="generate_until", doc={}, idx=0,
        arguments=(PROMPT, {"until": ["\n\n\n"], "max_gen_toks": 12, "temperature": 0}),
    )  # fmt: skip
    (text,) = model.generate_until([until], disable_tqdm=True)
    request = Request(
        prompt=PROMPT, temperature=0, top_p=1, max_tokens=12, stop=StopStrings(("\n\n\n",))
    )
    assert text == generate(engine, request)[0].text
