"""Every promise of the `Engine` protocol, for every engine.

A new engine joins by one more entry in `ENGINES`.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from multiturn.core.errors import ContextOverflowError, EngineError, InputError, MultiturnError
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.jax.loader import open_jax
from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.native.loader import NativeDType, open_native
from multiturn.engines.protocol import (
    Completion,
    Delta,
    Engine,
    Event,
    FinishReason,
    Request,
    generate,
)
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.text.truncation import PublishedRule, StopStrings

pytestmark = pytest.mark.real

PROMPT = "# Import libraries.\n\nimport numpy as np\n\n# Assign the list [1, 2, 3] to x\n"
WINDOW = 512
FEW = 8
"""Tokens that an engine may read again although it has read them before."""

SAID = [
    "x = [1, 2, 3]\nprint(x)\nprint(sum(x))\n# Next\n" + "y = x\n" * 40,
    "x = list(range(1, 4))\n" + "z = 'é漢😀'\n" * 40,
    "x = [i for i in (1, 2, 3)]\n" + "w = 0\n" * 40,
]


def open_scripted(_model: Path) -> Engine:
    settings = ScriptSettings(context_window=WINDOW, seconds_per_token=0.002)
    return ScriptedEngine({"": SAID}, settings=settings)


def open_llama(model: Path) -> Engine:
    return open_llama_cpp(model, context=WINDOW)


def open_over_http(model: Path) -> Engine:
    """llama.cpp's own server, with a port of its own and a key."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = WINDOW
    params.n_parallel = 1
    threads = len(os.sched_getaffinity(0))
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    params.ctx_shift = params.fit_params = params.warmup = params.ui = False
    params.verbosity = -1
    # The kernels with which a token's result does not depend on what is computed beside it.
    params.no_extra_bufts = True
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
    params.hostnames = ["127.0.0.1"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        params.port = free.getsockname()[1]
    params.api_keys = ["conformance"]
    server = xllamacpp.Server(params)
    os.environ["CONFORMANCE_KEY"] = "conformance"
    engine = open_http(
        f"http://127.0.0.1:{params.port}/v1", settings=HttpSettings(key_variable="CONFORMANCE_KEY")
    )
    weakref.finalize(engine, lambda _: None, server)  # the server lives as long as the engine
    return engine


def open_own(model: Path, dtype: NativeDType = "auto") -> Engine:
    return open_native(model, context=WINDOW, slots=8, dtype=dtype)


def open_xla(model: Path) -> Engine:
    return open_jax(model, context=WINDOW, slots=4, dtype="float32")


ENGINES: dict[str, tuple[str, Callable[[Path], Engine]]] = {
    "scripted": ("family_model", open_scripted),
    # In half precision llama.cpp's bits depend on how many tokens it reads at once.
    "llama_cpp": ("smollm2", open_llama),
    "http": ("smollm2", open_over_http),
    "native": ("family_model", open_own),
    "native-float32": ("family_model", lambda model: open_own(model, dtype="float32")),
    "jax-xla": ("family_model", open_xla),
    "llama_cpp-default": ("default_model", open_llama),
}
# In tests/engines/test_own_engines.py with small models too: XLA, and every precision. The HTTP
# engine is tested with other servers in tests/engines and tests/apps/server.
SLOW = {"llama_cpp-default", "jax-xla", "native-float32", "http"}
PARAMS = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in ENGINES]


@pytest.fixture(scope="module", params=PARAMS)
def opening(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    model, open_it = ENGINES[request.param]
    path: Path = request.getfixturevalue(model)
    return lambda: open_it(path)


@pytest.fixture(scope="module")
def engine(opening: Callable[[], Engine]) -> Iterator[Engine]:
    with opening() as opened:
        yield opened


def said(engine: Engine, request: Request) -> list[tuple[str, tuple[int, ...]]]:
    return [(done.raw_text, done.tokens) for done in generate(engine, request)]


def completions(events: list[Event]) -> list[Completion]:
    return [event for event in events if isinstance(event, Completion)]


def test_it_is_an_engine_and_says_what_is_loaded(engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert engine.info.context_window == WINDOW
    assert engine.info.engine and engine.info.model


@pytest.mark.parametrize("stop", [PublishedRule(), StopStrings(("]", "\n\n"))], ids=["rule", "str"])
def test_deltas_join_to_the_text_and_each_continuation_ends_once(engine: Engine, stop) -> None:
    request = Request(prompt=PROMPT, n=3, temperature=0.8, max_tokens=10, stop=stop, logprobs=True)
    events = list(engine.stream(request))
    done = {completion.index: completion for completion in completions(events)}
    assert len(completions(events)) == 3 and set(done) == {0, 1, 2}
    for index, completion in done.items():
        deltas = [e.text for e in events if isinstance(e, Delta) and e.index == index]
        assert "" not in deltas
        assert "".join(deltas) == completion.text
        last = max(i for i, e in enumerate(events) if e.index == index)
        assert events[last] is completion
        cut = stop.find(completion.raw_text)
        assert completion.text == completion.raw_text[: cut.position if cut else None]
        assert completion.cut_by == (cut.reason if cut else None)
        assert (completion.finish_reason is FinishReason.STOP) == (cut is not None)
        assert completion.logprobs is not None
        assert len(completion.logprobs) == len(completion.tokens) <= 24
        assert all(logprob <= 0 and math.isfinite(logprob) for logprob in completion.logprobs)
        assert 0 <= completion.text_tokens <= len(completion.tokens)
        assert completion.prompt_tokens == engine.count_tokens(PROMPT)
        assert 0 < completion.timings.to_first_token <= completion.timings.total


def test_decoding_ends_where_a_cut_is_certain(engine: Engine) -> None:
    (whole,) = generate(engine, Request(prompt=PROMPT, temperature=0, max_tokens=40))
    cut = StopStrings((whole.text[9],))
    request = Request(prompt=PROMPT, temperature=0, max_tokens=200, stop=cut)
    (done,) = generate(engine, request)
    assert done.finish_reason is FinishReason.STOP
    assert done.text == whole.text.partition(whole.text[9])[0]
    assert len(done.tokens) <= done.text_tokens + 2


def test_the_longest_continuation_has_exactly_max_tokens(engine: Engine) -> None:
    (done,) = generate(engine, Request(prompt=PROMPT, temperature=0, max_tokens=7))
    assert done.finish_reason is FinishReason.LENGTH
    assert len(done.tokens) == 7
    assert done.logprobs is None and done.mean_logprob is None


def test_a_request_says_the_same_whatever_was_asked_before(engine: Engine) -> None:
    request = Request(prompt=PROMPT, n=3, temperature=0.9, max_tokens=6, seed=5)
    before = said(engine, request)
    generate(engine, Request(prompt="def other():\n", n=2, max_tokens=9, session="other"))
    assert said(engine, request) == before


def test_continuation_i_is_sampled_with_seed_plus_i(engine: Engine) -> None:
    request = Request(prompt=PROMPT, n=3, temperature=0.9, max_tokens=6, seed=5)
    together = said(engine, request)
    assert len(set(together)) > 1
    for i in range(3):
        alone = Request(prompt=PROMPT, temperature=0.9, max_tokens=6, seed=5 + i)
        assert said(engine, alone) == [together[i]]


def test_the_first_continuation_may_have_a_temperature_of_its_own(engine: Engine) -> None:
    request = Request(
        prompt=PROMPT, n=3, temperature=0.9, first_temperature=0, max_tokens=6, seed=5
    )
    greedy, *others = said(engine, request)
    assert [greedy] == said(engine, Request(prompt=PROMPT, temperature=0, max_tokens=6))
    for i, other in enumerate(others, start=1):
        alone = Request(prompt=PROMPT, temperature=0.9, max_tokens=6, seed=5 + i)
        assert said(engine, alone) == [other]
    hot = Request(prompt=PROMPT, temperature=0, first_temperature=0.9, max_tokens=6, seed=5)
    assert said(engine, hot) == said(
        engine, Request(prompt=PROMPT, temperature=0.9, max_tokens=6, seed=5)
    )


def test_greedy_continuations_do_not_depend_on_the_seed(engine: Engine) -> None:
    texts = {
        text
        for seed in (0, 9)
        for text, _ in said(
            engine, Request(prompt=PROMPT, n=2, temperature=0, max_tokens=8, seed=seed)
        )
    }
    assert len(texts) == 1


SESSIONS = [
    (0.8, 2),
    pytest.param(0.8, 4, marks=pytest.mark.slow),
    pytest.param(0.0, 4, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("temperature", "turns"), SESSIONS)
def test_cached_and_fresh_give_the_same_tokens(
    engine: Engine, opening: Callable[[], Engine], temperature: float, turns: int
) -> None:
    """Turn by turn, after a rewind, and with another history in between."""

    def ask(prompt: str, session: str | None) -> Request:
        return Request(
            prompt=prompt,
            n=2,
            temperature=temperature,
            max_tokens=12 if turns > 2 else 3,
            session=session,
            seed=3,
            logprobs=True,
        )

    name = f"turns-{temperature}-{turns}"
    prompts = [PROMPT]
    for turn in range(turns):
        done = generate(engine, ask(prompts[-1], name))[0]
        prompts.append(f"{prompts[-1]}{done.text}\n# Turn {turn}: print x again\n")
    rewound = prompts[-2] + "y = 1\n# Something else\n"
    order = [*prompts[1:], prompts[1], rewound, prompts[-1]]
    warm = [generate(engine, ask(prompt, name)) for prompt in order]
    with opening() as fresh:
        for prompt, cached in zip(order, warm, strict=True):
            for ours, theirs in zip(cached, generate(fresh, ask(prompt, None)), strict=True):
                assert (ours.tokens, ours.text) == (theirs.tokens, theirs.text)
                assert ours.logprobs == theirs.logprobs  # to the last bit


def test_a_session_reads_only_what_is_new(engine: Engine) -> None:
    """All but a few tokens of the prompt before; after a rest, what was written too."""
    first = Request(prompt=PROMPT, temperature=0, max_tokens=16, session="accounts")
    (done,) = generate(engine, first)
    history = PROMPT + done.raw_text
    longer = Request(
        prompt=history + "\n# Print the sum of x and its mean\n",
        temperature=0,
        max_tokens=8,
        session="accounts",
    )
    (second,) = generate(engine, longer)
    assert second.cached_tokens >= done.prompt_tokens - FEW
    (rewound,) = generate(engine, first)
    assert rewound.cached_tokens >= done.prompt_tokens - FEW
    time.sleep(0.5)
    (rested,) = generate(engine, longer)
    assert rested.cached_tokens >= engine.count_tokens(history) - FEW
    (unnamed,) = generate(engine, Request(prompt=PROMPT, max_tokens=2))
    assert unnamed.cached_tokens == 0


def test_what_does_not_fit_the_window_is_refused_before_anything_is_written(
    engine: Engine,
) -> None:
    size = engine.count_tokens(PROMPT)
    with pytest.raises(ContextOverflowError, match=rf"{size} tokens.*{WINDOW}"):
        generate(engine, Request(prompt=PROMPT, max_tokens=WINDOW - size + 1))
    with pytest.raises(ContextOverflowError):
        generate(engine, Request(prompt=PROMPT * 60, max_tokens=1))
    request = Request(prompt=PROMPT, max_tokens=WINDOW - size, stop=StopStrings(("=",)))
    assert generate(engine, request)


@pytest.mark.parametrize(
    "prompt", ["", "x = 1\0\n", "x = '\ud83d'\n"], ids=["empty", "nul", "half"]
)
def test_what_is_not_text_is_refused(engine: Engine, prompt: str) -> None:
    with pytest.raises(InputError) as error:
        generate(engine, Request(prompt=prompt))
    assert "\n" not in str(error.value)


def test_other_control_characters_are_text(engine: Engine) -> None:
    assert engine.count_tokens("a\x01\x1b\x7f\r\tb") >= 2
    assert generate(engine, Request(prompt="a\x01\x1b\x7f\r\tb", max_tokens=2))


def test_special_tokens_are_parsed_only_where_asked(engine: Engine) -> None:
    assert engine.count_tokens("<|endoftext|>", parse_special=True) == 1
    assert engine.count_tokens("<|endoftext|>") > 1
    (plain,) = generate(engine, Request(prompt="hi<|endoftext|>", max_tokens=1))
    (special,) = generate(
        engine, Request(prompt="hi<|endoftext|>", max_tokens=1, parse_special=True)
    )
    assert plain.prompt_tokens > special.prompt_tokens


def test_cancelling_ends_every_continuation_soon(engine: Engine) -> None:
    cancel = threading.Event()
    events = []
    request = Request(prompt=PROMPT, n=3, temperature=0.9, max_tokens=300)
    for event in engine.stream(request, cancel=cancel):
        events.append(event)
        cancel.set()
    done = completions(events)
    assert len(done) == 3
    assert all(one.finish_reason is FinishReason.CANCELLED for one in done)
    assert sum(len(one.tokens) for one in done) < 30
    for one in done:
        deltas = [e.text for e in events if isinstance(e, Delta) and e.index == one.index]
        assert "".join(deltas) == one.text


def test_cancelled_before_the_start_nothing_is_written(engine: Engine) -> None:
    cancel = threading.Event()
    cancel.set()
    done = completions(list(engine.stream(Request(prompt=PROMPT, n=2), cancel=cancel)))
    assert [(one.text, one.finish_reason) for one in done] == [("", FinishReason.CANCELLED)] * 2


def test_leaving_the_iterator_leaves_a_working_engine(engine: Engine) -> None:
    request = Request(prompt=PROMPT, temperature=0, max_tokens=8)
    before = said(engine, request)
    for _ in range(3):
        events = engine.stream(Request(prompt=PROMPT, max_tokens=300))
        next(events)
        events.close()
    assert said(engine, request) == before


def test_an_interrupt_in_the_consumer_leaves_a_working_engine(engine: Engine) -> None:
    with pytest.raises(KeyboardInterrupt):
        for _ in engine.stream(Request(prompt=PROMPT, max_tokens=300)):
            raise KeyboardInterrupt
    assert generate(engine, Request(prompt=PROMPT, max_tokens=2))


def test_several_threads_may_ask_at_once(engine: Engine) -> None:
    requests = [
        Request(prompt=PROMPT + f"# {i}\n", temperature=0.9, max_tokens=4, seed=i) for i in range(4)
    ]
    alone = [said(engine, request) for request in requests]
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        found[number] = said(engine, requests[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [found[number] for number in range(4)] == alone


def test_two_streams_may_be_read_in_turns(engine: Engine) -> None:
    request = Request(prompt=PROMPT, temperature=0, max_tokens=6)
    first, second = engine.stream(request), engine.stream(request)
    next(first)
    next(second)
    ended = [completions(list(stream))[0].raw_text for stream in (second, first)]
    assert ended[0] == ended[1]


def test_closing_twice_is_fine_and_a_closed_engine_says_so(opening: Callable[[], Engine]) -> None:
    threads = threading.active_count()
    engine = opening()
    engine.close()
    engine.close()
    for use in (
        lambda: engine.count_tokens("x"),
        lambda: generate(engine, Request(prompt="x")),
    ):
        with pytest.raises(EngineError, match="closed"):
            use()
    deadline = time.monotonic() + 300
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads


def test_errors_are_one_line(engine: Engine) -> None:
    with pytest.raises(MultiturnError) as error:
        generate(engine, Request(prompt=PROMPT * 100))
    assert "\n" not in str(error.value)
