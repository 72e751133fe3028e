"""This project's engines against the reference generator, alone and in a batch."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.core.errors import ContextOverflowError, EngineError, InputError
from multiturn.engines.jax.backend import Backend, XlaBackend
from multiturn.engines.jax.engine import JaxEngine
from multiturn.engines.jax.loader import open_jax
from multiturn.engines.native.engine import NativeEngine
from multiturn.engines.native.loader import load_decoder, open_native
from multiturn.engines.protocol import (
    Completion,
    Engine,
    EngineInfo,
    FinishReason,
    Request,
    Scorer,
    generate,
)
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import forward
from multiturn.models.generate import generate_reference
from multiturn.models.native.decoder import Precision
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer, byte_letters, library
from multiturn.text.truncation import StopStrings

pytestmark = pytest.mark.real

GOLDEN = Path(__file__).parent.parent / "golden"
WINDOW = 256
SLOTS = 4
TEXTS = ["a", "def f(x):\n", "x = 1\n\n# next\n", "import numpy\n", "zzzz" * 9]


OwnEngine = JaxEngine | NativeEngine


@dataclass(frozen=True)
class Opened:
    """A tiny model of random weights, whose tokens are the bytes below 128."""

    engine: OwnEngine
    another: Callable[..., OwnEngine]
    config: DecoderConfig
    parameters: Parameters

    def reference(self, request: Request, index: int = 0) -> list[int]:
        """The tokens of the reference generator."""
        return generate_reference(
            self.parameters,
            self.config,
            list(request.prompt.encode()),
            max_tokens=request.max_tokens,
            temperature=request.temperature_of(index),
            top_p=request.top_p,
            top_k=request.top_k,
            seed=request.seed + index,
        )


INFO = EngineInfo(
    engine="jax",
    model="tiny",
    weights_sha256=None,
    context_window=WINDOW,
    chat_template=None,
    slots=SLOTS,
)


def ascii_tokenizer() -> Tokenizer:
    lib = library()
    letters = byte_letters()
    vocabulary = {letters[byte]: byte for byte in range(128)}
    backend = lib.Tokenizer(lib.models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = lib.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = lib.decoders.ByteLevel()
    return Tokenizer(backend)


def opened_xla(family: str) -> Iterator[Opened]:
    checkpoint = open_checkpoint(GOLDEN / family)
    parameters = load_parameters(checkpoint, "float32")
    # With one number of rows: then a row's numbers have the same bits in any company.
    backend: Backend = XlaBackend(
        checkpoint.config, decode_batch_sizes=(SLOTS,), prefill_chunk_size=16
    )

    def another(**options: Any) -> JaxEngine:
        return JaxEngine(backend, parameters, ascii_tokenizer(), INFO, **options)

    with another() as engine:
        yield Opened(engine, another, checkpoint.config, parameters)


def opened_native(family: str, precision: Precision) -> Iterator[Opened]:
    checkpoint = open_checkpoint(GOLDEN / family)
    parameters = load_parameters(checkpoint, "float32")

    def another(**options: Any) -> NativeEngine:
        decoder = load_decoder(checkpoint, precision, threads=2)
        return NativeEngine(decoder, ascii_tokenizer(), INFO, **options)

    with another() as engine:
        yield Opened(engine, another, checkpoint.config, parameters)


@pytest.fixture(
    scope="module", params=["codegen-native", "llama-native", "codegen-xla", "llama-xla"]
)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    family, _, engine = request.param.partition("-")
    yield from opened_xla(family) if engine == "xla" else opened_native(family, "float32")


@pytest.fixture(scope="module", params=["float32", "bfloat16", "int8"])
def native(request: pytest.FixtureRequest) -> Iterator[Opened]:
    yield from opened_native("llama", request.param)


def all_at_once(engine: Engine, requests: list[Request]) -> list[tuple[Completion, ...]]:
    found: dict[int, tuple[Completion, ...]] = {}

    def ask(number: int) -> None:
        found[number] = generate(engine, requests[number])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(requests))]
    for number, thread in enumerate(threads):
        thread.start()
        time.sleep(0.003 * (number % 3))
    for thread in threads:
        thread.join(timeout=120)
    return [found[number] for number in range(len(requests))]


MIXED = [
    Request(prompt=TEXTS[0], temperature=0, max_tokens=9),
    Request(prompt=TEXTS[1], temperature=1.0, top_p=1.0, max_tokens=14, seed=3),
    Request(prompt=TEXTS[2], temperature=0.7, top_p=0.9, max_tokens=5, seed=1, n=3),
    Request(prompt=TEXTS[4], temperature=1.3, top_k=5, top_p=0.8, max_tokens=12, seed=8),
    Request(prompt=TEXTS[2], temperature=0, max_tokens=11),
    Request(prompt=TEXTS[3], temperature=1.0, top_p=1.0, top_k=20, max_tokens=1, seed=2),
]


def test_batched_is_the_reference_token_for_token(opened: Opened) -> None:
    """Greedy and sampled, of different lengths, more than there are slots, joining late."""
    for request, done in zip(MIXED, all_at_once(opened.engine, MIXED), strict=True):
        for completion in done:
            assert list(completion.tokens) == opened.reference(request, completion.index)
            assert completion.finish_reason is FinishReason.LENGTH


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_text_does_not_depend_on_its_company(opened: Opened, data: st.DataObject) -> None:
    check_company(opened, data)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_nor_in_any_precision(native: Opened, data: st.DataObject) -> None:
    check_company(native, data)


def check_company(opened: Opened, data: st.DataObject) -> None:
    """The log-probabilities neither, to the last bit."""

    def request(seed: int) -> Request:
        return Request(
            prompt=data.draw(st.sampled_from(TEXTS)) + data.draw(st.sampled_from(["", "q", "\n"])),
            n=data.draw(st.integers(1, 3)),
            temperature=data.draw(st.sampled_from([0.0, 0.8, 1.5])),
            top_p=data.draw(st.sampled_from([0.5, 1.0])),
            max_tokens=data.draw(st.integers(1, 12)),
            session=data.draw(st.sampled_from([None, "s", "t"])),
            seed=seed,
            logprobs=True,
        )

    requests = [request(seed) for seed in range(data.draw(st.integers(2, 5)))]
    together = all_at_once(opened.engine, requests)
    (alone,) = all_at_once(opened.engine, requests[:1])
    assert [(c.tokens, c.logprobs) for c in together[0]] == [(c.tokens, c.logprobs) for c in alone]


def test_what_was_read_is_read_once(opened: Opened) -> None:
    """Samples of one prompt, and a session's history; the accounts say so."""
    prompt = TEXTS[2] * 3
    size = len(prompt)
    with opened.another() as engine:
        done = generate(engine, Request(prompt=prompt, n=3, max_tokens=4))
        assert [one.cached_tokens for one in done] == [0, size - 1, size - 1]
        first, again = (
            generate(engine, Request(prompt=prompt + more, max_tokens=4, session="s"))[0]
            for more in ("", "and more")
        )
        assert first.cached_tokens == 0
        assert again.cached_tokens >= size - 1
        other = generate(engine, Request(prompt=prompt, max_tokens=4, session="other"))[0]
        assert other.cached_tokens == 0


def test_prefixes_are_let_go_where_there_is_no_room(opened: Opened) -> None:
    with opened.another(cache_bytes=1) as engine:
        for number in range(4):
            request = Request(prompt=TEXTS[1], max_tokens=2, session=f"s{number}", logprobs=True)
            (done,) = generate(engine, request)
            assert list(done.tokens) == opened.reference(request)
        (evicted,) = generate(engine, Request(prompt=TEXTS[1] * 2, max_tokens=2, session="s0"))
        assert evicted.cached_tokens == 0


def test_stop_rules_hold_at_every_position(opened: Opened) -> None:
    request = Request(prompt=TEXTS[1], temperature=0.9, max_tokens=20, seed=4)
    (full,) = generate(opened.engine, request)
    requests = [
        Request(
            prompt=TEXTS[1],
            temperature=0.9,
            max_tokens=20,
            seed=4,
            stop=StopStrings((full.raw_text[place : place + length],)),
        )
        for place in range(19)
        for length in (1, 2)
    ]
    for asked, (done,) in zip(requests, all_at_once(opened.engine, requests), strict=True):
        cut = asked.stop.find(full.raw_text)
        assert cut is not None
        assert done.text == full.raw_text[: cut.position]
        assert done.finish_reason is FinishReason.STOP
        (stop,) = asked.stop.strings  # type: ignore[attr-defined]
        assert len(done.tokens) == cut.position + len(stop)


def test_two_hundred_threads(opened: Opened) -> None:
    requests = [
        Request(prompt=TEXTS[i % 5], temperature=0.8, max_tokens=1 + i % 7, seed=i % 10)
        for i in range(200)
    ]
    found = all_at_once(opened.engine, requests)
    expected: dict[tuple[object, ...], object] = {}
    for request, (done,) in zip(requests, found, strict=True):
        key = (request.prompt, request.seed, request.max_tokens)
        assert expected.setdefault(key, done.tokens) == done.tokens
        assert len(done.tokens) == request.max_tokens


def test_cancelling_under_load_leaves_the_others_alone(opened: Opened) -> None:
    lasting = Request(prompt=TEXTS[2], temperature=0.9, max_tokens=60, seed=5)
    expected = opened.reference(lasting)
    found: list[Completion] = []
    thread = threading.Thread(target=lambda: found.extend(generate(opened.engine, lasting)))
    thread.start()
    for number in range(12):
        cancel = threading.Event()
        events = opened.engine.stream(
            Request(prompt=TEXTS[number % 5], n=3, max_tokens=200), cancel=cancel
        )
        next(events)
        if number % 2:
            cancel.set()
            done = [event for event in events if isinstance(event, Completion)]
            assert [one.finish_reason for one in done] == [FinishReason.CANCELLED] * 3
        else:
            events.close()
    thread.join(timeout=300)
    assert [list(one.tokens) for one in found] == [expected]


@pytest.mark.parametrize("looks", [0, 1, 2, 3, 5, 8])
def test_a_cancel_at_any_moment_is_answered(opened: Opened, looks: int) -> None:
    """Also between two checks of the scheduler; the next request runs as usual."""

    class Late(threading.Event):
        left = looks

        def is_set(self) -> bool:
            self.left -= 1
            return self.left < 0

    asked = Request(prompt=TEXTS[4] * 3, n=2, max_tokens=100)
    events = opened.engine.stream(asked, cancel=Late())
    done = [event for event in events if isinstance(event, Completion)]
    assert [one.finish_reason for one in done] == [FinishReason.CANCELLED] * 2
    assert generate(opened.engine, MIXED[0])[0].tokens == tuple(opened.reference(MIXED[0]))


def test_a_stop_rule_that_fails_ends_its_own_request_only(opened: Opened) -> None:
    class Broken:
        lookahead = 0

        def find(self, text: str) -> None:
            raise ZeroDivisionError("of the caller's own")

    with pytest.raises(ZeroDivisionError):
        generate(opened.engine, Request(prompt="x", n=2, max_tokens=50, stop=Broken()))
    assert generate(opened.engine, MIXED[0])[0].tokens == tuple(opened.reference(MIXED[0]))


@dataclass(frozen=True)
class FailingBackend(XlaBackend):
    """Runs out of something when it decodes."""

    def unembed(self, weights, hidden):
        raise RuntimeError("out of memory")


def failing(opened: Opened) -> OwnEngine:
    if isinstance(opened.engine, JaxEngine):
        backend = FailingBackend(opened.config, decode_batch_sizes=(SLOTS,), prefill_chunk_size=16)
        return JaxEngine(backend, opened.parameters, ascii_tokenizer(), INFO)
    engine = opened.another()

    def unembed(*_: object) -> None:
        raise RuntimeError("out of memory")

    engine._scheduler._model.unembed = unembed
    return engine


def test_a_fault_of_the_device_reaches_everybody_and_nobody_waits_for_ever(opened: Opened) -> None:
    engine = failing(opened)
    errors: list[EngineError] = []

    def ask() -> None:
        with pytest.raises(EngineError) as error:
            generate(engine, MIXED[2])
        errors.append(error.value)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert len(errors) == 8
    assert all("out of memory" in str(error) and "\n" not in str(error) for error in errors)
    with pytest.raises(EngineError, match="out of memory"):
        engine.score("abc")
    engine.close()


def test_closing_ends_open_streams(opened: Opened) -> None:
    engine = opened.another()
    events = engine.stream(Request(prompt="x", max_tokens=200))
    next(events)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        list(events)


def test_scores_are_the_log_probabilities_of_the_forward_pass(opened: Opened) -> None:
    assert isinstance(opened.engine, Scorer)
    given_text, text = TEXTS[2], TEXTS[1] * 4
    ids = jnp.asarray([list((given_text + text).encode())])
    logits = forward(opened.parameters, ids, opened.config)
    logprobs = np.asarray(jax.nn.log_softmax(logits[0]))
    full = logprobs[np.arange(ids.shape[1] - 1), np.asarray(ids)[0, 1:]]
    found = opened.engine.score(text, given=given_text)
    assert found.tokens == tuple(text.encode())
    np.testing.assert_allclose(found.logprobs, full[len(given_text) - 1 :], atol=2e-5)
    from_nothing = opened.engine.score(given_text + text)
    assert math.isnan(from_nothing.logprobs[0])
    np.testing.assert_allclose(from_nothing.logprobs[1:], full, atol=2e-5)
    with pytest.raises(ContextOverflowError):
        opened.engine.score("x" * (WINDOW + 1))


def test_logprobs_of_what_was_sampled_are_its_scores(opened: Opened) -> None:
    (done,) = generate(
        opened.engine, Request(prompt=TEXTS[3], temperature=0.8, max_tokens=16, logprobs=True)
    )
    scored = opened.engine.score(bytes(done.tokens).decode(), given=TEXTS[3])
    np.testing.assert_allclose(done.logprobs, scored.logprobs, atol=2e-5)


@pytest.mark.parametrize(
    ("opening", "options", "match"),
    [
        (open_jax, {"context": 1 << 30}, "context"),
        (open_jax, {"slots": 0}, "slots"),
        (open_jax, {"devices": 99}, "devices"),
        (open_native, {"context": 1 << 30}, "context"),
        (open_native, {"slots": 0}, "slots"),
        (open_native, {"threads": 0}, "threads"),
        (open_native, {"dtype": "float16"}, "dtype"),
    ],
)
def test_options_out_of_range_are_refused(
    smollm2: Path, opening: Callable[..., OwnEngine], options: dict, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        opening(smollm2, **options)
