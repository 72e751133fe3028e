"""The HTTP engine against servers that misbehave, each a real socket in a thread."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time

import pytest
from http_hostile import (
    QUICK,
    QUICK_RETRY,
    Conversation,
    Hostile,
    ask,
    begin,
    endless,
    event,
    reply,
    resets,
    says,
    stalls,
    status,
)

from multiturn.core.errors import ContextOverflowError, EngineError, InputError
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings, HttpTimeouts
from multiturn.engines.protocol import (
    UNKNOWN_TOKEN,
    Completion,
    Delta,
    FinishReason,
    Request,
    generate,
)
from multiturn.text.truncation import StopStrings

pytestmark = pytest.mark.real

KEY = "sk-do-not-show-7e1c"

GOOD = says("1 + ", "é漢", "😀")

RECOVERED: dict[str, Conversation] = {
    "too many requests": status(429, "Retry-After: 0"),
    "too many, without a time": status(429),
    "not ready": status(503, body="Loading model"),
    "bad gateway": status(502),
    "reset before any byte": resets(),
    "reset in the stream": resets("1 + ", "é"),
    "end without a word": says("1 + ", "é漢", end=b""),
    "half a line": says("1 + ", b'data: {"choices": [{"te', end=b""),
    "no JSON": says("1 + ", b"data: {nonsense\n\n"),
    "JSON of another kind": says("1 + ", b"data: [1]\n\n"),
    "choices of another kind": says(b'data: {"choices": 7}\n\n'),
    "a count that is none": says(b'data: {"choices": [], "usage": {"completion_tokens": "x"}}\n\n'),
    "a count beyond measure": says(
        b'data: {"choices": [], "usage": {"completion_tokens": 999999999999}}\n\n'
    ),
    "infinite ids": says(b'data: {"choices": [{"token_ids": [Infinity]}]}\n\n'),
    "text that is none": says(b'data: {"choices": [{"text": 5}]}\n\n'),
    "no UTF-8": says("1 + ", b'data: {"choices": [{"text": "\xff\xfe"}]}\n\n'),
    "huge line": says(b"data: " + b"x" * (9 * 2**20)),
    "silence before the first token": stalls(),
    "silence in the stream": stalls("1 + "),
    "only keep-alives": stalls("1 + ", keep_alive=True),
    "an error in the stream": says("1 + ", b'data: {"error": {"message": "oom", "code": 500}}\n\n'),
    "gave up": says("1 + ", event(finish_reason="abort")),
    "endless": endless,
}


@pytest.mark.parametrize("fault", RECOVERED.values(), ids=RECOVERED)
@pytest.mark.parametrize("live", [True, False], ids=["live", "complete"])
def test_an_attempt_that_fails_is_begun_again_and_gives_one_completion(
    opening, fault: Conversation, live: bool
) -> None:
    server = Hostile(fault, GOOD)
    engine = opening(server, live=live and fault is not endless)
    events = list(engine.stream(Request(prompt="x = ", max_tokens=50, seed=3)))
    (done,) = [event for event in events if isinstance(event, Completion)]
    assert done.text == done.raw_text == "1 + é漢😀"
    assert "".join(event.text for event in events if isinstance(event, Delta)) == done.text
    assert done.finish_reason is FinishReason.END_OF_TEXT
    assert [body["seed"] for body in server.asked] == [3, 3]
    assert set(done.tokens) == {UNKNOWN_TOKEN} and not engine.info.token_ids


def test_what_was_given_out_is_never_taken_back(opening) -> None:
    """A second attempt that says something else fails the request; unseen text may change."""
    broken, other = resets("1 + ", "1"), says("2 + 2")
    engine = opening(Hostile(broken, other))
    with pytest.raises(EngineError, match="wrote another text"):
        ask(engine)
    assert ask(opening(Hostile(broken, other), live=False)).text == "2 + 2"


def test_a_character_split_between_packets_or_escapes_arrives_whole(opening) -> None:
    line = 'data: {"choices": [{"text": "😀"}]}\n\n'.encode()
    pieces = [line[i : i + 1] for i in range(len(line))]
    assert ask(opening(Hostile(says(*pieces, pause=0.001)))).text == "😀"
    halves = [
        b'data: {"choices": [{"text": "%s"}]}\n\n' % half for half in (rb"\ud83d", rb"\ude00")
    ]
    assert ask(opening(Hostile(says(*halves)))).text == "😀"
    assert ask(opening(Hostile(says(halves[0])))).text == "\N{REPLACEMENT CHARACTER}"


def test_the_pause_that_a_server_asks_for_is_kept(opening) -> None:
    engine = opening(Hostile(status(429, "Retry-After: 1"), GOOD))
    began = time.monotonic()
    assert ask(engine).text
    assert 1 <= time.monotonic() - began < 3


def test_a_pause_that_is_too_long_is_an_error(opening) -> None:
    with pytest.raises(EngineError, match="429"):
        ask(opening(Hostile(status(429, "Retry-After: 3600"))))


def test_attempts_end(opening) -> None:
    server = Hostile(status(503))
    with pytest.raises(EngineError, match=r"in 4 attempts .*503") as error:
        ask(opening(server))
    assert len(server.asked) == 4 and "\n" not in str(error.value)


REFUSED = {
    "key": (status(401), EngineError, "wants a key"),
    "redirect": (status(307, "Location: http://elsewhere/v1?token=s"), EngineError, "elsewhere"),
    "missing": (status(404), EngineError, "404"),
    "refused": (status(422, body="seed is wrong"), EngineError, "seed is wrong"),
    "window": (
        status(400, body="This model's maximum context length is 9 tokens."),
        ContextOverflowError,
        "9 tokens",
    ),
    "filter": (says("1", event(finish_reason="content_filter")), EngineError, "filter"),
}


@pytest.mark.parametrize(("talk", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_refused_again_is_not_asked_again(opening, talk, kind, words) -> None:
    server = Hostile(talk)
    with pytest.raises(kind, match=words) as error:
        ask(opening(server))
    assert len(server.asked) == 1
    assert "\n" not in str(error.value) and "token=s" not in str(error.value)


def test_the_stream_is_closed_at_the_cut_and_nothing_beyond_it_is_shown(opening) -> None:
    def counting(connection: socket.socket, _: dict) -> None:
        begin(connection)
        for number in range(10_000):
            connection.sendall(event(f"{number}\n"))
            time.sleep(0.002)

    server = Hostile(counting)
    engine = opening(server)
    request = Request(prompt="x", max_tokens=10_000, stop=StopStrings(("7\n",)))
    # The bound that counts bytes must not refuse what the server can take.
    with pytest.raises(ContextOverflowError):
        engine.stream(request)
    events = list(engine.stream(Request(prompt="x" * 5000, max_tokens=99, stop=request.stop)))
    assert "".join(e.text for e in events if isinstance(e, Delta)) == "0\n1\n2\n3\n4\n5\n6\n"
    done = events[-1]
    assert isinstance(done, Completion) and done.finish_reason is FinishReason.STOP
    assert done.cut_by == "'7\\n'" and "stop" not in server.asked[0]
    assert server.hung_up.wait(300)


def test_cancelling_while_a_server_is_silent_ends_at_once(opening) -> None:
    server = Hostile(stalls("1 + "))
    engine = opening(server, timeouts=HttpTimeouts(), retry=HttpSettings().retry)
    cancel = threading.Event()
    events = []
    began = time.monotonic()
    request = Request(prompt="x", n=6, stop=StopStrings(("END",)))  # more than there are slots
    for event_ in engine.stream(request, cancel=cancel):
        events.append(event_)
        cancel.set()
    assert time.monotonic() - began < 2
    done = [e for e in events if isinstance(e, Completion)]
    assert sorted(one.index for one in done) == list(range(6))
    assert {one.finish_reason for one in done} == {FinishReason.CANCELLED}
    for one in done:
        shown = [e.text for e in events if isinstance(e, Delta) and e.index == one.index]
        assert "".join(shown) == one.text


def test_closing_ends_every_stream_with_an_error(opening) -> None:
    engine = opening(Hostile(stalls("1 + ")), timeouts=HttpTimeouts(), retry=HttpSettings().retry)
    events = engine.stream(Request(prompt="x", n=2))
    next(events)
    threading.Timer(0.2, engine.close).start()
    with pytest.raises(EngineError, match="closed"):
        list(events)


def test_one_of_two_servers_fails_and_comes_back(opening) -> None:
    bad, good = Hostile(status(503), GOOD), Hostile(GOOD)
    engine = opening(bad, good)
    assert all(ask(engine).text for _ in range(12))
    assert len(good.asked) >= 4
    bad.conversations[:] = [GOOD]
    time.sleep(1.2)
    before = len(bad.asked)
    assert all(ask(engine).text for _ in range(12))
    assert len(bad.asked) > before


def test_a_server_that_goes_away_is_replaced_and_one_that_returns_as_another_is_not_used(
    opening,
) -> None:
    going, staying = Hostile(GOOD), Hostile(GOOD)
    engine = opening(going, staying)
    going.close()
    assert all(ask(engine).text for _ in range(8))
    impostor = Hostile(says("somebody else's model"), model="another", port=going.port)
    time.sleep(1.2)
    assert {ask(engine).text for _ in range(12)} == {"1 + é漢😀"}
    impostor.close()


def test_a_server_that_is_down_at_the_start_is_used_later(opening) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    up = Hostile(GOOD)
    settings = HttpSettings(timeouts=QUICK, retry=QUICK_RETRY)
    late_address = f"http://127.0.0.1:{port}/v1"
    with open_http([up.address, late_address], settings=settings) as engine:
        assert ask(engine).text
        late = Hostile(GOOD, port=port)
        time.sleep(1.2)
        assert all(ask(engine).text for _ in range(12))
        assert late.asked
    up.close()
    late.close()


def test_requests_of_a_session_go_to_one_server(opening) -> None:
    servers = [Hostile(GOOD) for _ in range(3)]
    engine = opening(*servers)
    for _ in range(6):
        ask(engine, session="one")
    assert sorted(len(server.asked) for server in servers) == [0, 0, 6]


def test_no_more_are_asked_for_at_once_than_there_are_slots(opening) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def counted(connection: socket.socket, body: dict) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        GOOD(connection, body)

    engine = opening(Hostile(counted), slots=3)
    assert len(generate(engine, Request(prompt="x", n=12))) == 12
    assert most[0] == 3 and engine.info.slots == 3


def test_servers_with_different_models_are_refused(opening) -> None:
    with pytest.raises(EngineError, match="not alike"):
        opening(Hostile(GOOD), Hostile(GOOD, model="other"))


def test_what_openais_api_cannot_say_is_refused_for_an_unknown_server(opening) -> None:
    with pytest.raises(InputError, match="top_k"):
        ask(opening(Hostile(GOOD)), top_k=5)


def test_a_server_that_does_not_stream_is_understood(opening) -> None:
    def complete(connection: socket.socket, _: dict) -> None:
        choice = {"text": "1 + 1", "finish_reason": "length"}
        usage = {"completion_tokens": 3, "prompt_tokens": 4}
        reply(connection, {"choices": [choice], "usage": usage})

    done = ask(opening(Hostile(complete)))
    assert (done.text, done.finish_reason) == ("1 + 1", FinishReason.LENGTH)
    assert (len(done.tokens), done.prompt_tokens) == (3, 4)


def test_chat_takes_its_text_from_messages(opening) -> None:
    def chat(connection: socket.socket, body: dict) -> None:
        roles = [message["role"] for message in body["messages"]]
        deltas = [{"role": "assistant", "content": None}, {"content": "-".join(roles)}]
        parts = [b"data: " + json.dumps({"choices": [{"delta": d}]}).encode() for d in deltas]
        says(*(part + b"\n\n" for part in parts))(connection, body)

    engine = opening(Hostile(chat), api="chat", instruction="Write code only.")
    assert ask(engine).text == "system-user"


def test_the_key_is_sent_and_shown_nowhere(
    opening, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    echo = status(401, body=f"Incorrect API key provided: {KEY}")
    leak = says("1", b'data: {"error": {"message": "%s", "code": 400}}\n\n' % KEY.encode())
    server = Hostile(GOOD, echo, leak, status(503, body=KEY))
    engine = opening(server, key_variable="MY_KEY")
    done = ask(engine)
    assert f"Authorization: Bearer {KEY}" in server.headers[0]
    shown = [repr(engine), repr(vars(engine)), repr(engine.info), repr(done), caplog.text]
    shown += [repr(getattr(held, "__dict__", held)) for held in vars(engine).values()]
    connection = engine._pool.servers[0].connection
    shown += [repr(vars(connection)), str(vars(connection._client))]
    for _ in range(3):
        with pytest.raises(EngineError) as error:
            ask(engine)
        chain = error.value
        while chain is not None:
            shown += [str(chain), repr(chain)]
            chain = chain.__cause__ or chain.__context__
    assert KEY not in "\n".join([*shown, caplog.text])


def test_the_usual_key_is_not_sent_in_clear_text_to_other_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from multiturn.engines.http.address import Address
    from multiturn.engines.http.key import read_key

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    sent = {
        base: bool(read_key(None, Address(base)))
        for base in ("http://gpu7:8000/v1", "http://127.0.0.1:1/v1", "https://a.example/v1")
    }
    assert list(sent.values()) == [False, True, True]
    assert read_key("OPENAI_API_KEY", Address("http://gpu7:8000/v1"))
    with pytest.raises(InputError, match="NO_SUCH_KEY"):
        read_key("NO_SUCH_KEY", Address("https://a.example/v1"))
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX-Other: 1")
    with pytest.raises(InputError) as error:
        read_key(None, Address("https://a.example/v1"))
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    "address",
    ["", "ftp://a/v1", "a:8000", "http://", "http://a:x/v1", "http://u:p@a/v1", "http://a/v1?k=p",
     "http://a/v1,http://a:80/v1,http://a/v1", "http://a#m,http://b#n"],
)  # fmt: skip
def test_addresses_that_make_no_sense_are_refused_in_one_line(address: str) -> None:
    with pytest.raises(InputError) as error:
        open_http(address)
    assert "\n" not in str(error.value) and "u:p" not in str(error.value)


def test_nobody_there_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    threads = threading.active_count()
    with pytest.raises(EngineError, match=rf"no server answers.*{port}") as error:
        open_http(f"http://127.0.0.1:{port}")
    assert "\n" not in str(error.value)
    assert threading.active_count() <= threads
