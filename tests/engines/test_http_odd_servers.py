"""The HTTP engine against what real servers send and OpenAI's pages do not promise.

Each kind was reported of a server: Ollama and SGLang (`finish_reason` of ""), KoboldCpp ("null"),
GenieX (no reason at all, only `[DONE]`), and so on; docs/http-engine.md has the table.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest
from http_hostile import (
    QUICK,
    QUICK_RETRY,
    Conversation,
    Hostile,
    ask,
    begin,
    event,
    reply,
    says,
    status,
)
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import ContextOverflowError, EngineError, InputError
from multiturn.core.retry import RetryPolicy
from multiturn.engines.http.address import read_addresses
from multiturn.engines.http.chunks import read_chunk
from multiturn.engines.http.errors import StreamInterruptedError, message_in
from multiturn.engines.http.key import Key
from multiturn.engines.http.open import open_http
from multiturn.engines.http.parameters import refused_parameters
from multiturn.engines.http.response_parser import ResponseParser
from multiturn.engines.http.settings import HttpSettings, HttpTimeouts
from multiturn.engines.http.sse import SSEParser
from multiturn.engines.protocol import Completion, FinishReason, Request, Timings
from multiturn.synthesis.ranking import rank
from multiturn.synthesis.records import Candidate

pytestmark = pytest.mark.real

NO_KEY = Key(None, "OPENAI_API_KEY")
ONCE = RetryPolicy(attempts=1)
TEXT = "1 + é漢😀"
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}}\n\n'


def sends(
    body: bytes,
    *headers: str,
    kind: str | None = "text/event-stream",
    piece: int = 0,
    hold: float = 0,
    size: int | None = None,
) -> Conversation:
    """An answer of exactly these bytes.

    Args:
        body: of the answer.
        headers: more of them.
        kind: the content type; None for none.
        piece: how many bytes go at once; all where 0.
        hold: seconds for which the connection stays open afterwards.
        size: the content length that is sent; none by default.
    """

    def talk(connection: socket.socket, _: dict) -> None:
        lines = ["HTTP/1.1 200 OK", *headers]
        lines += [f"Content-Type: {kind}"] if kind else []
        lines += [f"Content-Length: {size}"] if size is not None else []
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for start in range(0, len(body), piece or len(body) or 1):
            connection.sendall(body[start : start + (piece or len(body))])
            if piece:
                time.sleep(0.0005)
        until = time.monotonic() + hold
        while time.monotonic() < until:
            time.sleep(0.1)
            connection.sendall(b"")

    return talk


def chat(*deltas: dict, **choice: object) -> bytes:
    """Events of a chat, each with one delta."""
    return b"".join(
        b"data: "
        + json.dumps({"choices": [{"index": 0, "delta": delta, **choice}]}).encode()
        + b"\n\n"
        for delta in deltas
    )


PARTS = event("1 + ") + event("é漢") + event("😀")
STOP = event(finish_reason="stop")
WHOLE = {"choices": [{"text": TEXT, "finish_reason": "stop"}], "usage": {"completion_tokens": 3}}


def every(reason: object) -> bytes:
    return b"".join(event(text, finish_reason=reason) for text in ("1 + ", "é漢", "😀"))


UNDERSTOOD: dict[str, Conversation] = {
    "reasons that are empty, then a real one": sends(every("") + STOP + DONE),
    "reasons that say null": sends(every("null") + STOP + DONE),
    "no reason but the end": sends(every("") + DONE),
    "the last reason null, then the end": sends(PARTS + event(finish_reason=None) + DONE),
    "no key for the reason": sends(
        b"".join(
            b'data: {"choices": [{"text": "%s"}]}\n\n' % t.encode() for t in ("1 + ", "é漢", "😀")
        )
        + DONE
    ),
    "reason in every event": sends(every("stop") + DONE),
    "reason as an object": sends(PARTS + event(finish_reason={"type": "stop"}) + DONE),
    "empty data frames": sends(b"data:\n\ndata: \n\n" + PARTS + b"data:\n\n" + STOP + DONE),
    "comments": sends(b": ping\n\n:\n\n" + PARTS + b": OPENROUTER PROCESSING\n\n" + STOP + DONE),
    "CRLF": sends((PARTS + STOP + DONE).replace(b"\n", b"\r\n")),
    "CR": sends((PARTS + STOP + DONE).replace(b"\n", b"\r"), piece=7),
    "no blank lines": sends((PARTS + STOP + DONE).replace(b"\n\n", b"\n")),
    "no space after the colon": sends((PARTS + STOP + DONE).replace(b"data: ", b"data:")),
    "no line end after the end": sends(PARTS + STOP + b"data: [DONE]"),
    "no line end after the reason": sends((PARTS + STOP).rstrip()),
    "other fields": sends(
        b"retry: 10\nid: 1\nevent: message\n" + PARTS + b"event: completion\nid\n" + STOP + DONE
    ),
    "a byte order mark": sends(b"\xef\xbb\xbf" + PARTS + STOP + DONE, piece=1),
    "one byte at a time": sends(PARTS + STOP + DONE, piece=1),
    "data over several lines": sends(
        b"".join(
            b"".join(b"data: %s\n" % line.encode() for line in json.dumps(each, indent=1).split("\n"))  # noqa: E501
            + b"\n"
            for each in ({"choices": [{"text": TEXT}]}, {"choices": [{"finish_reason": "stop"}]})
        )
    ),
    "unescaped characters": sends(
        'data: {"choices": [{"text": "1 + é漢😀", "finish_reason": "stop"}]}\n\n'.encode(), piece=1
    ),
    "a stream called JSON": sends(PARTS + STOP + DONE, kind="application/json"),
    "a stream called plain text": sends(PARTS + STOP + DONE, kind="text/plain; charset=utf-8"),
    "a stream without a type": sends(PARTS + STOP + DONE, kind=None),
    "a stream of unknown type": sends(PARTS + STOP + DONE, kind="application/octet-stream"),
    "JSON called a stream": sends(json.dumps(WHOLE).encode()),
    "JSON called plain text": sends(json.dumps(WHOLE).encode(), kind="text/plain"),
    "JSON with a mark, indented": sends(
        b"\xef\xbb\xbf" + json.dumps(WHOLE, indent=2).encode(), kind="application/json"
    ),
    "JSON without a size, held open": sends(
        json.dumps(WHOLE).encode(), kind="application/json", hold=20
    ),
    "JSON without a reason": sends(
        json.dumps({**WHOLE, "choices": [{"text": TEXT, "finish_reason": None}]}).encode(),
        kind="application/json",
    ),
    "an object on each line": sends(
        (PARTS + STOP).replace(b"data: ", b"").replace(b"\n\n", b"\n"), kind="application/x-ndjson"
    ),
    "gzip though not asked for": sends(gzip.compress(PARTS + STOP + DONE), "Content-Encoding: gzip"),  # noqa: E501
    "usage between, with no choices": sends(PARTS + USAGE + STOP + USAGE + DONE),
    "choices that are null": sends(b'data: {"choices": null}\n\n' + PARTS + STOP + DONE),
    "other continuations between": sends(
        event("zz", index=1) + PARTS + event("zz", index=2, finish_reason="stop") + STOP + DONE
    ),
    "other continuations in one event": sends(
        b"data: "
        + json.dumps(
            {"choices": [{"index": 1, "text": "z"}, {"index": 0, "text": TEXT}]}
        ).encode()
        + b"\n\n"
        + STOP
        + DONE
    ),
    "an error that is none": sends(
        b'data: {"error": null, "choices": []}\n\n' + PARTS + STOP + DONE
    ),
    "held open after the reason": sends(PARTS + STOP, hold=20),
    "held open after the end": sends(PARTS + STOP + DONE, hold=20),
    "held open without a blank line": sends((PARTS + STOP).rstrip() + b"\n", hold=20),
    "reset after the reason": sends(PARTS + STOP, size=100_000),
    "nonsense after the reason": sends(PARTS + STOP + b"data: {nonsense\n\n"),
}  # fmt: skip


@pytest.mark.parametrize("talk", UNDERSTOOD.values(), ids=UNDERSTOOD)
@pytest.mark.parametrize("live", [True, False], ids=["live", "complete"])
def test_what_servers_send_is_read_at_once(opening, talk: Conversation, live: bool) -> None:
    server = Hostile(talk)
    engine = opening(server, live=live, timeouts=HttpTimeouts(between_tokens=60), retry=ONCE)
    began = time.monotonic()
    done = ask(engine)
    assert done.text == done.raw_text == TEXT
    assert done.finish_reason is FinishReason.END_OF_TEXT
    assert len(server.asked) == 1
    assert time.monotonic() - began < 10  # the connections stay open for 20 s


BROKEN: dict[str, Conversation] = {
    "no reason and no end": sends(PARTS),
    "empty reasons and no end": sends(every("")),
    "only the end": sends(DONE),
    "nothing": sends(b""),
    "only usage, then the end": sends(USAGE + DONE),
    "an object on each line, cut": sends(PARTS.replace(b"data: ", b"").replace(b"\n\n", b"\n")),
    "an object that is cut": sends(json.dumps(WHOLE).encode()[:-9], kind="application/json"),
    "an object that is shorter than announced": sends(
        json.dumps(WHOLE).encode()[:-9], kind="application/json", size=1000
    ),
    "an error event after the reason": sends(
        PARTS + STOP + b'data: {"error": {"message": "oom"}}\n\n'
    ),
    "an error event, then the end": sends(PARTS + b'data: {"error": "CUDA"}\n\n' + DONE),
    "an error by name": sends(PARTS + b"event: error\ndata: it broke\n\n" + DONE),
    "an error by name, as JSON": sends(PARTS + b'event: error\ndata: {"a": 1}\n\n' + STOP + DONE),
    "an error as a field": sends(PARTS + b'error: {"message": "slot"}\n\n' + STOP + DONE),
    "vLLM's error": sends(
        PARTS + b'data: {"object": "error", "message": "died", "code": 500}\n\n' + DONE
    ),
    "TGI's error": sends(PARTS + b'data: {"error": "x", "error_type": "generation"}\n\n'),
    "FastAPI's error": sends(PARTS + b'data: {"detail": "x"}\n\n' + DONE),
    "OpenRouter's error": sends(
        PARTS + event(finish_reason="error", error={"code": 502, "message": "gone"}) + DONE
    ),
    "a rate limit in mid-stream": sends(
        PARTS + b'data: {"error": {"code": "rate_limit_exceeded", "message": "x"}}\n\n' + DONE
    ),
    "a reason that is a failure": sends(PARTS + event(finish_reason="abort") + STOP + DONE),
    "an error with 200": sends(b'{"error": {"message": "x"}}', kind="application/json"),
    "a web page with 200": sends(b"<!DOCTYPE html><title>Sign in</title>", kind="text/html"),
    "half a gzip": sends(
        gzip.compress(PARTS + STOP + DONE)[:30], "Content-Encoding: gzip", size=200
    ),
    "no gzip": sends(PARTS + STOP + DONE, "Content-Encoding: gzip"),
    "a reason and then silence, doubtful": sends(every("stop"), hold=3),
}  # fmt: skip


@pytest.mark.parametrize("talk", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_not_whole_is_never_taken_for_one(opening, talk: Conversation) -> None:
    server = Hostile(talk, says("1 + ", "é漢", "😀", end=STOP + DONE))
    engine = opening(server)
    assert ask(engine).text == TEXT
    assert len(server.asked) == 2


def test_an_answer_that_is_filled_without_a_reason_ends_by_its_length(opening) -> None:
    engine = opening(Hostile(sends(every("") + DONE)))
    assert ask(engine, max_tokens=3).finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize("reason", ["max_tokens", "MAX_TOKENS", "model_length", "length"])
def test_other_words_for_length(opening, reason: str) -> None:
    engine = opening(Hostile(sends(PARTS + event(finish_reason=reason) + DONE)))
    assert ask(engine).finish_reason is FinishReason.LENGTH


def test_chat_deltas_without_content(opening) -> None:
    body = chat(
        {"role": "assistant"},
        {"role": "assistant", "content": None, "reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"content": ""},
        {"content": "1 + "},
        {"content": [{"type": "text", "text": "é漢"}]},
        {"content": "😀", "tool_calls": None, "refusal": None},
    ) + chat({}, finish_reason="stop")
    assert ask(opening(Hostile(sends(body + DONE)), api="chat")).text == TEXT


def test_a_model_that_thinks_is_not_silent(opening) -> None:
    def thinks(connection: socket.socket, _: dict) -> None:
        begin(connection)
        for _ in range(16):
            connection.sendall(chat({"content": None, "reasoning_content": "hm"}))
            time.sleep(0.1)
        connection.sendall(chat({"content": "4"}) + chat({}, finish_reason="stop") + DONE)

    server = Hostile(thinks)
    timeouts = HttpTimeouts(first_token=1, between_tokens=1)
    assert ask(opening(server, api="chat", timeouts=timeouts, retry=ONCE)).text == "4"


def test_counts_of_a_proxy_do_not_refuse_its_text(opening) -> None:
    """LiteLLM counts with a tokenizer of its own where the provider does not tell."""
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 9}}\n\n'
    done = ask(opening(Hostile(sends(PARTS + STOP + usage + DONE))), max_tokens=4)
    assert done.text == TEXT and len(done.tokens) == 4


@given(st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_in_any_pieces_are_events_or_broken(noise: bytes, size: int) -> None:
    complete, split = ResponseParser(), ResponseParser()
    results = []
    for reader, pieces in (
        (complete, [noise]),
        (split, [noise[i : i + size] for i in range(0, len(noise), size)]),
    ):
        found = []
        try:
            for piece in pieces:
                found += reader.feed(piece)
            found += reader.end()
        except StreamInterruptedError:
            found.append(None)
        results.append(found)
    assert results[0] == results[1]
    for each in results[0]:
        if each is not None:
            with contextlib.suppress(StreamInterruptedError, EngineError, ContextOverflowError):
                read_chunk(each, NO_KEY)


def test_an_event_is_bounded_however_it_is_cut() -> None:
    reader = SSEParser()
    with pytest.raises(StreamInterruptedError, match="8,388,608"):
        for _ in range(20):
            reader.feed(b"data: " + b"x" * 2**19 + b"\n")


# What servers answer about a parameter that they do not take.
SENT = {
    "model": "m", "prompt": "x", "max_tokens": 9, "temperature": 0.2, "top_p": 1.0, "seed": 3,
    "stream": True, "stream_options": {"include_usage": True}, "logprobs": 1, "top_k": -1,
    "min_p": 0.0, "repetition_penalty": 1.0,
}  # fmt: skip
REFUSALS: dict[str, tuple[object, str | None]] = {
    "OpenAI": (
        {"error": {"message": "Unknown parameter: 'seed'.", "param": "seed", "code": None}}, "seed",
    ),
    "OpenAI, old": (
        {"error": {"message": "Unrecognized request argument supplied: stream_options"}},
        "stream_options",
    ),
    "vLLM, old": (
        {"object": "error", "code": 400, "param": None, "type": "BadRequestError",
         "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': "
                    "'Extra inputs are not permitted', 'input': {'include_usage': True}}]"},
        "stream_options",
    ),
    "FastAPI": (
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"],
                     "msg": "Extra inputs are not permitted", "input": 3}]},
        "seed",
    ),
    "Mistral": (
        {"object": "error", "message": {"detail": [{"type": "extra_forbidden",
         "loc": ["body", "logprobs"], "msg": "Extra inputs are not permitted", "input": 1}]}},
        "logprobs",
    ),
    "Fireworks": (
        {"error": {"object": "error", "message": "Extra inputs are not permitted, field: "
                   "'stream_options', value: {'include_usage': True}"}},
        "stream_options",
    ),
    "Groq": ({"error": {"message": "property 'logprobs' is unsupported"}}, "logprobs"),
    "Groq, a sentence": (
        {"error": {"message": "`logprobs` is not supported with this model"}}, "logprobs",
    ),
    "DeepSeek": ({"error": {"message": "This model does not support logprobs"}}, "logprobs"),
    "Gemini": (
        [{"error": {"code": 400, "status": "INVALID_ARGUMENT",
                    "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find '
                               "field."}}],
        "seed",
    ),
    "Ollama": (
        {"error": {"message": "json: cannot unmarshal number into Go struct field "
                   "CompletionRequest.logprobs of type bool"}},
        "logprobs",
    ),
    "Ollama, a text": ({"error": "invalid option provided: seed"}, "seed"),
    "LM Studio": ({"error": "Unrecognized key(s) in object: 'seed'"}, "seed"),
    "llama.cpp": ({"error": {"code": 400, "message": "Unsupported param: logprobs"}}, "logprobs"),
    "TGI, serde": (
        "Failed to deserialize the JSON body into the target type: logprobs: invalid type: "
        "integer `1`, expected a boolean at line 1 column 99",
        "logprobs",
    ),
    "serde with what it knows": (
        "unknown field `repetition_penalty`, expected one of `model`, `seed`, `logprobs`",
        "repetition_penalty",
    ),
    "TGI, a neutral value": (
        {"error": "Input validation error: `top_p` must be > 0.0 and < 1.0",
         "error_type": "validation"},
        "top_p",
    ),
    "LiteLLM": (
        {"error": {"message": "litellm.UnsupportedParamsError: openai does not support parameters: "
                   "['logprobs'], for model=m", "code": "400"}},
        "logprobs",
    ),
    "Databricks": (
        {"error_code": "BAD_REQUEST", "message": 'Bad request: json: unknown field "stream_options"'},  # noqa: E501
        "stream_options",
    ),
    "Azure AI": (
        {"error": {"code": 400, "message": "Validation error at #/stream_options: Extra inputs are "
                   "not permitted"}},
        "stream_options",
    ),
    "Anthropic's gateway": (
        {"error": {"message": "stream_options: Extra inputs are not permitted"}}, "stream_options",
    ),
    "jsonschema": (
        {"error": {"message": "Additional properties are not allowed ('seed' was unexpected)"}},
        "seed",
    ),
    "Bedrock": ({"message": "extraneous key [seed] is not permitted"}, "seed"),
    "camel case": ({"error": "does not support parameter repetitionPenalty"}, "repetition_penalty"),
    "JSON in a text": (
        {"error": {"message": json.dumps({"detail": [{"loc": ["body", "min_p"], "msg": "extra"}]})}},  # noqa: E501
        "min_p",
    ),
    # These are about something else, or about what the person asked for.
    "temperature": ({"error": {"message": "'temperature' is not supported"}}, None),
    "temperature by param": (
        {"error": {"message": "Unsupported value", "param": "temperature"}}, None,
    ),
    "a prompt with the word": (
        {"error": {"message": "invalid prompt", "param": "prompt"}}, None,
    ),
    "a repeated input": (
        {"detail": [{"loc": ["body", "prompt"], "msg": "not valid", "input": "seed, top_k"}]}, None,
    ),
    "no refusal": ({"error": {"message": "seed is odd today"}}, None),
    "the model": ({"error": {"message": "The model 'm' is not known"}}, None),
    "nothing": ("", None),
}  # fmt: skip


@pytest.mark.parametrize(("body", "name"), REFUSALS.values(), ids=REFUSALS)
def test_the_parameter_that_a_server_refuses_is_found(body: object, name: str | None) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    for code in (400, 422):
        assert refused_parameters(code, text, SENT) == ([name] if name else [])
    assert refused_parameters(503, text, SENT) == []


def test_what_the_person_asked_for_is_never_left_out() -> None:
    body = '{"error": "top_p is not supported"}'
    assert refused_parameters(400, body, {"top_p": 0.9}) == []
    assert refused_parameters(400, body, {"top_p": 1.0}) == ["top_p"]


def refuses(*names: str, code: int = 400) -> Conversation:
    """A server that takes none of these parameters and names the first that it meets."""

    def talk(connection: socket.socket, body: dict) -> None:
        for name in names:
            if name in body:
                data = {
                    "detail": [{"loc": ["body", name], "msg": "Extra inputs are not permitted"}]
                }
                text = json.dumps(data).encode()
                head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(text)}\r\n\r\n"
                connection.sendall(head.encode() + text)
                return
        says("1 + ", "é漢", "😀", end=STOP + DONE)(connection, body)

    return talk


@pytest.mark.parametrize("code", [400, 422])
def test_refused_parameters_are_left_out_from_then_on_and_said_once(opening, code: int) -> None:
    server = Hostile(refuses("stream_options", "seed", "logprobs", code=code))
    said: list[str] = []
    engine = opening(server, listen=said.append, timeouts=HttpTimeouts(), retry=ONCE)
    done = ask(engine, logprobs=True)
    assert (done.text, done.logprobs, done.mean_logprob) == (TEXT, None, None)
    assert len(server.asked) == 4
    for _ in range(3):
        assert ask(engine, logprobs=True).text == TEXT
    assert len(server.asked) == 7
    assert [next(n for n in ("stream_options", "seed", "logprobs") if f"'{n}'" in line) for line in said] == [  # noqa: E501
        "stream_options", "seed", "logprobs",
    ]  # fmt: skip
    assert all("\n" not in line and "left out" in line for line in said)


def test_many_requests_at_once_learn_it_once(opening) -> None:
    said: list[str] = []
    engine = opening(Hostile(refuses("seed")), listen=said.append, slots=8)
    found = [e for e in engine.stream(Request(prompt="x", n=8)) if isinstance(e, Completion)]
    assert {one.text for one in found} == {TEXT} and len(said) == 1


def test_a_server_that_does_not_stream_at_all_is_asked_for_one_piece(opening) -> None:
    def talk(connection: socket.socket, body: dict) -> None:
        if "stream" in body or "stream_options" in body:
            status(400, body="'stream' is not supported")(connection, body)
        else:
            reply(connection, WHOLE)

    assert ask(opening(Hostile(talk))).text == TEXT


def test_max_tokens_takes_its_new_name(opening) -> None:
    def talk(connection: socket.socket, body: dict) -> None:
        if "max_tokens" in body:
            words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            status(400, body=words)(connection, body)
        else:
            assert body["max_completion_tokens"] == 50
            sends(chat({"content": "4"}) + chat({}, finish_reason="stop") + DONE)(connection, body)

    assert ask(opening(Hostile(talk), api="chat")).text == "4"


def test_a_sampling_that_the_server_refuses_is_an_error(opening) -> None:
    server = Hostile(status(400, body="'temperature' is not supported"))
    with pytest.raises(EngineError, match="temperature"):
        ask(opening(server))
    assert len(server.asked) == 1


WAITED: dict[str, tuple[Conversation, str]] = {
    "429 with seconds": (status(429, "Retry-After: 0"), "429"),
    "429 with a date": (status(429, f"Retry-After: {formatdate(time.time() - 9, usegmt=True)}"), "429"),  # noqa: E501
    "429 with milliseconds": (status(429, "retry-after-ms: 30"), "429"),
    "503": (status(503, body="Loading model"), "Loading model"),
    "502, a page": (
        lambda connection, _: connection.sendall(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 60\r\n\r\n"
            b"<html><head><title>502 Bad Gateway</title></head></html>    "
        ),
        "502 Bad Gateway",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("talk", "words"), WAITED.values(), ids=WAITED)
def test_waiting_and_asking_again_is_told(opening, talk: Conversation, words: str) -> None:
    server = Hostile(talk, says(TEXT))
    said: list[str] = []
    assert ask(opening(server, listen=said.append)).text == TEXT
    assert len(said) == 1 and words in said[0] and "asking again in" in said[0]
    assert "<html>" not in said[0] and "\n" not in said[0]


def test_a_server_that_goes_away_for_a_moment_is_told(opening) -> None:
    server = Hostile(says(TEXT))
    said: list[str] = []
    retry = RetryPolicy(attempts=8, first_wait=0.1, longest_wait=1)
    engine = opening(server, listen=said.append, timeouts=HttpTimeouts(), retry=retry)
    server.close()
    back: list[Hostile] = []
    threading.Timer(0.5, lambda: back.append(Hostile(says(TEXT), port=server.port))).start()
    assert ask(engine).text == TEXT
    assert said and "no connection" in said[0]
    back[0].close()


class Listing(Hostile):
    """A server whose answers to GET are given too."""

    def __init__(self, listed: Callable[[str], tuple[int, object]], *talks: Conversation) -> None:
        self._listed = listed
        super().__init__(*talks)

    def _answer(self, connection: socket.socket) -> None:
        peeked = connection.recv(9, socket.MSG_PEEK)
        if not peeked.startswith(b"GET"):
            super()._answer(connection)
            return
        with connection:
            place = connection.recv(65536).decode().split()[1]
            code, answer = self._listed(place)
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data)


def test_a_server_that_loads_its_model_is_waited_for_and_that_is_told(opening) -> None:
    answers = [
        (503, {"error": {"message": "Loading model", "code": 503}}),
        (503, {"error": {"message": "Loading model", "code": 503}}),
        (200, {"data": [{"id": "m", "max_model_len": 4096}]}),
    ]
    said: list[str] = []
    server = Listing(lambda place: answers.pop(0), says(TEXT))
    assert ask(opening(server, listen=said.append)).text == TEXT
    assert len(said) == 2 and all("Loading model" in line for line in said)


@pytest.mark.parametrize(
    ("listed", "window"),
    [
        ({"data": [{"id": "org/one", "context_length": 4096}]}, 4096),
        ({"data": [{"id": "org/one", "context_window": 4096}]}, 4096),
        ([{"id": "org/one", "max_context_length": 4096}], 4096),
        ({"models": [{"name": "org/one", "max_model_len": 4096}]}, 4096),
    ],
)  # fmt: skip
def test_the_models_own_name_is_asked_for_where_none_is_named(
    opening, listed: object, window: int
) -> None:
    server = Listing(
        lambda place: (200, listed) if place == "/v1/models" else (404, {}), says(TEXT)
    )
    engine = opening(server)
    assert ask(engine).text == TEXT
    assert engine.info.model == server.asked[0]["model"] == "org/one"
    assert engine.info.context_window == window


def test_several_models_are_listed_in_one_line(opening) -> None:
    models = {"data": [{"id": "b", "max_model_len": 9}, {"id": "a"}]}
    with pytest.raises(InputError, match=r"several models.*a, b.*#") as error:
        opening(Listing(lambda place: (200, models), says(TEXT)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("other", [(404, {}), (200, b"<html></html>"), (500, {}), (401, {})])
def test_a_window_that_is_not_told_names_the_option(opening, other: tuple[int, object]) -> None:
    listed = (200, {"data": [{"id": "m", "object": "model", "owned_by": "me"}]})
    server = Listing(lambda place: listed if place == "/v1/models" else other, says(TEXT))
    with pytest.raises(InputError, match="--context"):
        opening(server)
    server = Listing(lambda place: listed if place == "/v1/models" else other, says(TEXT))
    assert ask(opening(server, context=512)).text == TEXT


def test_a_web_page_in_place_of_the_list_is_said(opening) -> None:
    with pytest.raises(EngineError, match="a web page"):
        opening(Listing(lambda place: (200, b"<!DOCTYPE html><p>hello"), says(TEXT)))


def test_a_redirect_within_the_server_is_followed(opening) -> None:
    def moved(connection: socket.socket, _: dict) -> None:
        connection.sendall(
            b"HTTP/1.1 307 X\r\nLocation: /v1/completions/\r\nContent-Length: 0\r\n\r\n"
        )

    server = Hostile(moved, says(TEXT))
    assert ask(opening(server)).text == TEXT
    assert "POST /v1/completions/ " in server.headers[1]
    assert server.asked[0] == server.asked[1]
    with pytest.raises(EngineError, match="redirects without end"):
        ask(opening(Hostile(moved), timeouts=HttpTimeouts(), retry=ONCE))


def test_a_refusal_whose_body_never_ends_is_a_refusal(
    opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multiturn.engines.http.connection._REFUSAL_SECONDS", 0.3)

    def talk(connection: socket.socket, _: dict) -> None:
        connection.sendall(b'HTTP/1.1 400 X\r\nContent-Length: 999\r\n\r\n{"error": "no luck"')
        time.sleep(5)

    began = time.monotonic()
    with pytest.raises(EngineError, match="no luck"):
        ask(opening(Hostile(talk)))
    assert time.monotonic() - began < 4


def test_a_quota_is_not_waited_for(opening) -> None:
    server = Hostile(status(429, body="insufficient_quota: see your plan"))
    with pytest.raises(EngineError, match="quota"):
        ask(opening(server))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("http://[::1]:8000/v1//", "http://[::1]:8000/v1"),
        ("http://Host:8000//v1/", "http://host:8000/v1"),
        ("https://host/api/v1/chat/completions/", "https://host/api/v1"),
        ("http://host/v1/models#m", "http://host/v1"),
    ],
)  # fmt: skip
def test_addresses_as_people_write_them(written: str, base: str) -> None:
    ((address,), _) = read_addresses(written)
    assert address.base == base


def test_a_server_on_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    # A proxy would be asked for every host that is not known to be this machine.
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 here ({error})")
    monkeypatch.setattr(socket, "create_server", lambda *_: listening)
    server = Hostile(says(TEXT))
    try:
        with open_http(
            f"http://[::1]:{server.port}/v1/",
            settings=HttpSettings(timeouts=QUICK, retry=QUICK_RETRY),
        ) as engine:
            assert ask(engine).text == TEXT
    finally:
        server.close()


def test_a_log_probability_that_is_not_told_is_never_nan_in_a_mean_or_a_record(opening) -> None:
    def logged(*values: object) -> Conversation:
        parts = (
            event(str(i), logprobs={"tokens": ["a"], "token_logprobs": [value]})
            for i, value in enumerate(values)
        )
        return sends(b"".join(parts) + STOP + DONE)

    done = ask(opening(Hostile(logged(None, -1.0, -3.0))), logprobs=True)
    assert done.logprobs is not None and math.isnan(done.logprobs[0])
    assert done.mean_logprob == -2.0
    for nothing in ([None, None], [None, "NaN"], [float("-inf")]):
        done = ask(opening(Hostile(logged(*nothing))), logprobs=True)
        assert done.mean_logprob is None
    chat_items = {"content": [{"token": "a", "logprob": None}, {"token": "b"}]}
    body = chat({"content": "ab"}, logprobs=chat_items) + chat({}, finish_reason="stop") + DONE
    done = ask(opening(Hostile(sends(body)), api="chat"), logprobs=True)
    assert done.text == "ab" and done.mean_logprob is None


def test_candidates_without_a_mean_are_ranked_below_those_with_one() -> None:
    def candidate(mean: float | None) -> Candidate:
        done = Completion(
            index=0, text="a", raw_text="a", cut_by=None, finish_reason=FinishReason.STOP,
            tokens=(1,), logprobs=None, text_tokens=1, prompt_tokens=1, cached_tokens=0,
            timings=Timings(0, 0),
        )  # fmt: skip
        return Candidate(text="a", raw_text="a", cut_by=None, finish_reason=done.finish_reason.value, mean_logprob=mean)  # fmt: skip  # noqa: E501

    # NaN stood in records of an older version.
    every = [candidate(mean) for mean in (-3.0, float("nan"), -1.0, None)]
    best = sorted(every, key=rank, reverse=True)
    assert [each.mean_logprob for each in best[:2]] == [-1.0, -3.0]


def test_a_page_is_told_by_its_title() -> None:
    assert message_in("<html><title>502 Bad\nGateway</title><p>nginx") == "502 Bad Gateway"
    assert message_in("<p>Not <b>here</b></p>") == "Not here"
    assert message_in('{"detail": [{"msg": "too long"}]}') == "too long"
