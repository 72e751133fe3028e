"""What is sent to each kind of server, and what is read from its answers."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import EngineError, InputError
from multiturn.engines.http.address import Address
from multiturn.engines.http.chunks import SurrogateJoiner, read_chunk
from multiturn.engines.http.dialects import completion_body
from multiturn.engines.http.errors import StreamInterruptedError, retry_after
from multiturn.engines.http.identity import Identity, identity_difference
from multiturn.engines.http.key import Key
from multiturn.engines.http.settings import HttpSettings, HttpTimeouts
from multiturn.engines.http.sse import ServerEvent, SSEParser
from multiturn.engines.protocol import Request

NO_KEY = Key(None, "OPENAI_API_KEY")


def _event(value: object) -> ServerEvent:
    return ServerEvent(json.dumps(value))


REQUEST = Request(prompt="x", seed=7, top_k=0)


@given(st.lists(st.text(min_size=1), max_size=5), st.data())
def test_events_do_not_depend_on_how_the_bytes_are_split(texts: list[str], data) -> None:
    wanted = [json.dumps({"t": text}, ensure_ascii=False) for text in texts]
    # The escapes keep line breaks out; surrogates cannot be sent.
    wanted = [one.encode("utf-8", "replace").decode() for one in wanted]
    line_end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    stream = "".join(f"data: {one}{line_end}{line_end}: ping{line_end}" for one in wanted).encode()
    reader, found = SSEParser(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += [event.data for event in reader.feed(stream[:size])]
        stream = stream[size:]
    assert found == wanted


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_broken(noise: bytes) -> None:
    try:
        for event in SSEParser().feed(noise + b"\n\n"):
            read_chunk(event, NO_KEY)
    except (StreamInterruptedError, EngineError):
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["choices", "text", "logprobs", "content", "usage", "delta", "error",
                         "token_ids", "timings", "completion_tokens", "code", "message"]),
        inner,
        max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(json_values)
def test_any_json_is_a_chunk_or_broken(value: object) -> None:
    try:
        chunk = read_chunk(_event({"choices": [value], "usage": value}), NO_KEY)
    except (StreamInterruptedError, EngineError):
        return
    assert isinstance(chunk.text, str) and all(isinstance(token, int) for token in chunk.tokens)
    for count in (chunk.completion_tokens, chunk.prompt_tokens, chunk.cached_tokens):
        assert count is None or (isinstance(count, int) and count >= 0)


@given(st.text(), st.data())
def test_split_surrogates_are_joined(text: str, data) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    joiner, got = SurrogateJoiner(), b""
    while units:
        size = 2 * data.draw(st.integers(1, len(units) // 2))
        got += joiner.add(units[:size].decode("utf-16-le", "surrogatepass"))
        units = units[size:]
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert (got + joiner.end()).decode() == expected


def test_everything_not_asked_for_is_switched_off_by_name() -> None:
    def body(kind, request: Request = REQUEST) -> dict:
        return completion_body(kind, HttpSettings(), "m", request, 2, [1, 2])

    for kind in ("multiturn", "llama.cpp", "vllm", "sglang", "other"):
        sent = body(kind)
        assert (sent["seed"], sent["stream"], sent["prompt"]) == (9, True, [1, 2])
        assert "stop" not in sent and "n" not in sent
    assert body("llama.cpp")["samplers"] == ["temperature", "top_k", "top_p"]
    assert body("llama.cpp")["cache_prompt"] is False
    for kind in ("vllm", "sglang"):
        sent = body(kind)
        assert (sent["top_k"], sent["min_p"], sent["repetition_penalty"]) == (-1, 0.0, 1.0)
    openai = {"model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stream"}
    assert set(body("other")) == {*openai, "stream_options"}
    with pytest.raises(InputError, match="top_k"):
        body("other", Request(prompt="x", top_k=3))


def test_tokens_and_log_probabilities_are_read_from_every_form() -> None:
    vllm = {
        "choices": [{
            "text": "ab", "token_ids": [5, 6],
            "logprobs": {"tokens": ["a", "b"], "token_logprobs": [-0.5, None]},
        }],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }  # fmt: skip
    chunk = read_chunk(_event(vllm), NO_KEY)
    assert (chunk.text, chunk.tokens, chunk.completion_tokens, chunk.prompt_tokens) == (
        "ab",
        (5, 6),
        2,
        9,
    )
    assert chunk.logprobs[0] == -0.5 and math.isnan(chunk.logprobs[1])
    content = [{"id": 33, "token": "1", "logprob": -1.0}]
    llama = {
        "choices": [{"delta": {"content": "1"}, "logprobs": {"content": content}}],
        "timings": {"cache_n": 4, "predicted_n": 1},
    }
    chunk = read_chunk(_event(llama), NO_KEY)
    assert (chunk.text, chunk.tokens, chunk.logprobs) == ("1", (33,), (-1.0,))
    assert (chunk.completion_tokens, chunk.cached_tokens) == (1, 4)


def test_servers_that_differ_are_told_apart() -> None:
    def server(**changes: object) -> Identity:
        return Identity(**{"kind": "vllm", "version": "1", "model": "m", "context": 9,
                           "slots": None, "tokenizes": True, **changes})  # fmt: skip

    assert identity_difference(server(), server(version="2", context=5)) is None
    assert "model" in (identity_difference(server(), server(model="n")) or "")
    assert "kind" in (identity_difference(server(), server(kind="sglang")) or "")


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("7", 7, 7), ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0), ("9" * 40, 1e9, 1e9)],
)
def test_retry_after_is_a_number_or_a_date(value: str, least: float, most: float) -> None:
    after = retry_after({"retry-after": value})
    assert after is not None and least <= after <= most


@pytest.mark.parametrize("value", ["", "-3", "soon", "1.5", "²"])
def test_another_retry_after_says_nothing(value: str) -> None:
    assert retry_after({"retry-after": value}) is None


@pytest.mark.parametrize(
    "settings",
    [{"api": "voice"}, {"server": "tgi"}, {"slots": 0}, {"context": 0}, {"instruction": "x"}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(InputError) as error:
        HttpSettings(**settings)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError):
        HttpTimeouts(first_token=0)


def test_an_address_knows_what_may_be_read_on_the_way() -> None:
    private = ("https://a/v1", "http://localhost:1/v1", "http://127.0.0.2/v1", "http://[::1]:8/v1")
    assert all(Address(base).private for base in private)
    assert not any(Address(base).private for base in ("http://a/v1", "http://10.0.0.1/v1"))
    assert Address("http://a:8/v1").root == "http://a:8"
