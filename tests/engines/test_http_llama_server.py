"""The HTTP engine against llama.cpp's own server over TCP, with the small real model."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from multiturn.core.errors import ContextOverflowError, EngineError, InputError
from multiturn.engines.http.engine import HttpEngine
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import FinishReason, Request, generate
from multiturn.text.truncation import StopStrings

pytestmark = pytest.mark.real

FACES = 'faces = ["😀", "😃", "😄", "😁", "😆", "😅", "🤣", "😂", "🙂", "'
KEY = "sk-real-server"


@pytest.fixture(scope="module")
def address(smollm2: Path) -> Iterator[str]:
    """A server with two slots, a name for its model, and a key."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    params = xllamacpp.CommonParams()
    params.model.path = str(smollm2)
    params.model_alias = {"small"}
    params.n_ctx, params.n_parallel = 1024, 2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0
    params.ctx_shift = params.fit_params = params.warmup = params.ui = False
    params.verbosity = -1
    params.hostnames = ["127.0.0.1"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        params.port = free.getsockname()[1]
    params.api_keys = [KEY]
    server = xllamacpp.Server(params)
    yield f"http://127.0.0.1:{params.port}/v1"
    del server


@pytest.fixture
def engine(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpEngine]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with open_http(f"{address}#small") as opened:
        yield opened


def test_it_learns_what_runs_there(engine: HttpEngine) -> None:
    info = engine.info
    assert info.engine.startswith("http completions llama.cpp")
    assert (info.model, info.context_window, info.slots) == ("small", 512, 2)
    assert (
        info.eos_token == "<|im_end|>" and info.chat_template and "messages" in info.chat_template
    )
    assert info.exact_counts and info.token_ids and KEY not in repr(info)


def test_it_counts_as_the_engine_in_the_process_does(engine: HttpEngine, smollm2: Path) -> None:
    with open_llama_cpp(smollm2, context=512) as local:
        for text in ("x = 1\n", FACES, "<|im_end|>", "a\x01\r\tb", " "):
            for special in (False, True):
                ours = engine.count_tokens(text, parse_special=special)
                assert ours == local.count_tokens(text, parse_special=special)


def test_characters_of_several_tokens_come_whole(engine: HttpEngine) -> None:
    request = Request(prompt=FACES, temperature=0, max_tokens=12, logprobs=True)
    (done,) = generate(engine, request)
    assert any(ord(character) > 0xFFFF for character in done.text)
    assert "\N{REPLACEMENT CHARACTER}" not in done.text
    # The server keeps the ids of tokens that end inside a character to itself.
    assert len(done.tokens) == 12 and max(done.tokens) > 0


def test_a_cut_frees_the_servers_slot_at_once(engine: HttpEngine, address: str) -> None:
    stop = StopStrings(("\n",))
    request = Request(prompt="x = 1\ny = 2\nz =", n=4, temperature=0.5, max_tokens=400, stop=stop)
    done = generate(engine, request)
    assert {one.finish_reason for one in done} == {FinishReason.STOP}
    assert all(len(one.tokens) <= one.text_tokens + 2 for one in done)
    root = address.removesuffix("/v1")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        slots = httpx.get(
            f"{root}/slots", headers={"Authorization": f"Bearer {KEY}"}, trust_env=False
        ).json()
        if not any(slot["is_processing"] for slot in slots):
            return
        time.sleep(0.05)
    pytest.fail("the server continues to generate after the client is gone")


def test_chat_goes_through_the_models_template(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    settings = HttpSettings(model="small", api="chat", instruction="Be brief.")
    with open_http(address, settings=settings) as engine:
        assert engine.info.chat_template is None
        (done,) = generate(engine, Request(prompt="Say hi.", temperature=0, max_tokens=8))
        assert done.text and len(done.tokens) == 8
        assert done.prompt_tokens == engine.count_tokens("Say hi.") > 15
        with pytest.raises(ContextOverflowError):
            generate(engine, Request(prompt="word " * 600, max_tokens=8))


def test_people_open_it_by_its_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with open_engine(f"{address}#small", context=128) as engine:
        assert engine.info.context_window == 128
        assert generate(engine, Request(prompt="x = ", max_tokens=3))
    with pytest.raises(InputError) as error:
        open_engine(f"{address}#large")
    assert "large" in str(error.value) and "small" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wrong_key_is_said_in_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, words in (("sk-wrong", "did not accept the key"), ("", "wants a key")):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(EngineError) as error:
            open_http(f"{address}#small")
        assert words in str(error.value) and "OPENAI_API_KEY" in str(error.value)
        assert "sk-wrong" not in str(error.value) and "\n" not in str(error.value)


def test_two_servers_share_the_work(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names of one server here; what each wrote is the same."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    other = address.replace("127.0.0.1", "localhost")
    with open_http([f"{address}#small", other]) as engine:
        assert engine.info.slots == 4
        done = generate(engine, Request(prompt="def add(a, b):", n=4, temperature=0, max_tokens=4))
        assert len({one.text for one in done}) == 1
