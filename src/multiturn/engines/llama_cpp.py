"""The in-process engine: a GGUF model run by llama.cpp on the CPU."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from types import TracebackType
from typing import Any, Self

from multiturn.core.errors import (
    EngineError,
    InputError,
    MissingDependencyError,
    ModelFileError,
)
from multiturn.engines.continuation import Continuation
from multiturn.engines.llama_server import LlamaServer
from multiturn.engines.protocol import (
    Delta,
    EngineInfo,
    Event,
    FinishReason,
    Request,
    Timings,
)
from multiturn.engines.validation import check_open, check_text, check_window
from multiturn.hub.formats.gguf import GGUFHeader, read_gguf_header
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.hub.llama_options import ServerOptions, quantized_cache_fits
from multiturn.hub.llama_trial import find_fault, loading_error

__all__ = ["DEFAULT_CONTEXT", "LlamaCppEngine", "open_llama_cpp"]

DEFAULT_CONTEXT = 8192
"""Tokens, where the model was trained on at least as many. A program written in turns takes
one or two thousand; the memory for the cache grows with it (about 50 MB for a 0.5B model)."""

_FORCE = 1e4
"""Added to a token's logit, it makes that token certain."""


def open_llama_cpp(
    path: Path,
    *,
    context: int | None = None,
    threads: int | None = None,
    exact: bool = True,
    weights_sha256: str | None = None,
    adapter: Path | None = None,
) -> LlamaCppEngine:
    """Load a GGUF model.

    The file's header is read strictly first, since llama.cpp may end the whole process over
    a broken one; and a file whose hash is not known is loaded in another process first, since
    llama.cpp may do so over a whole one too.

    Args:
        path: the file.
        context: tokens of the window; by default the model's own, but `DEFAULT_CONTEXT` at most.
        threads: by default one for each CPU this process may use.
        exact: see `ServerOptions.exact`.
        weights_sha256: the file's hash where it is known, for the records.
        adapter: a LoRA adapter as a GGUF file.

    Raises:
        ModelFileError: the file is missing or not a whole GGUF file.
        InputError: `context` or `threads` is out of range.
        MissingDependencyError: `xllamacpp` is not installed.
        EngineError: llama.cpp could not load it.
    """
    header = read_gguf_header(path)
    trained = header.context_length or DEFAULT_CONTEXT
    if context is None:
        context = min(trained, DEFAULT_CONTEXT)
    elif not 64 <= context <= trained:
        raise InputError(
            "the context window is out of range", got=context, allowed=f"64 to {trained}"
        )
    available = len(os.sched_getaffinity(0))
    if threads is None:
        threads = available
    elif not 1 <= threads <= 512:
        raise InputError("the number of threads is out of range", got=threads, allowed="1 to 512")
    if adapter is not None:
        _check_adapter(adapter, header)
    options = ServerOptions(
        context=context,
        threads=threads,
        exact=exact,
        quantized_cache=quantized_cache_fits(header),
        adapter=adapter,
    )
    if weights_sha256 is None or adapter is not None:
        options = _tried(path, options)
    server = LlamaServer(path, options)
    return LlamaCppEngine(
        server, header, context=context, weights_sha256=weights_sha256, adapter=adapter
    )


def _tried(path: Path, options: ServerOptions) -> ServerOptions:
    """The options under which llama.cpp loads the model in another process.

    Raises:
        EngineError: it does not load; the message is llama.cpp's own.
    """
    import_xllamacpp()  # where it is missing, that is what is told
    fault = find_fault(path, options)
    if fault and options.exact and options.quantized_cache:
        # An architecture whose cache has other sizes than its header says.
        plain = replace(options, quantized_cache=False)
        if find_fault(path, plain) is None:
            return plain
    if fault:
        raise loading_error(path, fault)
    return options


def _check_adapter(adapter: Path, header: GGUFHeader) -> None:
    """llama.cpp may end the process over a broken adapter too, so it is read strictly first."""
    if adapter.is_dir():
        raise InputError(
            "llama.cpp reads adapters as GGUF files, and this is a directory",
            got=str(adapter),
            fix="export the run with --to gguf-lora, or choose --engine jax",
        )
    try:
        # JAX and numpy come along, which nothing else here needs: they are of another extra,
        # and take most of a second to import.
        from multiturn.hub.adapters.gguf import read_gguf_adapter
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("multiturn"):
            raise
        raise MissingDependencyError(
            error.name, extra="jax", purpose="checking an adapter"
        ) from error
    architecture, _ = read_gguf_adapter(adapter)
    if architecture != header.architecture:
        raise ModelFileError(
            f"the adapter {adapter.name} is for another model",
            got=architecture,
            allowed=header.architecture,
        )


class LlamaCppEngine:
    """An `Engine` over llama.cpp; made by `open_llama_cpp`.

    The continuations of a request are written one after another: on a CPU llama.cpp gains
    little from writing them side by side, and what is written alone does not depend on what
    else is written.

    A request without a session reads its whole prompt. One with a session takes over what
    the session has read before; after a rewind too, up to where the prompts part.
    """

    def __init__(
        self,
        server: LlamaServer,
        header: GGUFHeader,
        *,
        context: int,
        weights_sha256: str | None = None,
        adapter: Path | None = None,
    ) -> None:
        name = header.name or header.path.stem
        self._server = server
        self._closed = False
        self._bos = header.metadata.get("tokenizer.ggml.bos_token_id")
        self._info = EngineInfo(
            engine=f"llama_cpp xllamacpp {server.version}",
            model=name if adapter is None else f"{name}+{adapter.name}",
            weights_sha256=weights_sha256,
            context_window=context,
            chat_template=header.chat_template,
            bos_token=header.bos_token,
            eos_token=header.eos_token,
        )

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._info

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """How many tokens `text` takes as a prompt, the model's own start token included."""
        return len(self._tokenize(text, parse_special))

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Write the continuations one after another. See `Engine.stream`."""
        started = time.perf_counter()
        prompt = self._tokenize(request.prompt, request.parse_special)
        check_window(len(prompt), request.max_tokens, self._info.context_window)
        return self._stream(request, prompt, cancel or Flag(), started)

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        self._closed = True
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        check_open(self._closed)
        check_text(text)
        if not text:
            return []
        found = self._server.post(
            "/tokenize", {"content": text, "add_special": True, "parse_special": parse_special}
        )
        tokens: list[int] = found["tokens"]
        # A chat template that writes the start token itself gets it twice otherwise.
        if len(tokens) > 1 and tokens[0] == tokens[1] == self._bos:
            del tokens[0]
        return tokens

    def _stream(
        self, request: Request, prompt: list[int], cancel: Flag, started: float
    ) -> Iterator[Event]:
        for index in range(request.n):
            yield from self._continue(index, request, prompt, cancel, started)

    def _continue(
        self, index: int, request: Request, prompt: list[int], cancel: Flag, started: float
    ) -> Generator[Event, None, None]:
        """Write one continuation."""
        body = _body(index, request, prompt)
        writing = Continuation(index, request.stop)
        reason = FinishReason.CANCELLED
        first = math.nan
        cached = told = 0
        unknown: list[int] = []  # places of tokens whose ids the stream did not tell
        if not cancel.is_set():
            with closing(self._server.stream(body, take_in=request.session is not None)) as answers:
                for answer in answers:
                    if cancel.is_set():
                        break
                    if answer is None:
                        continue
                    if "prompt_progress" in answer:
                        cached = answer["prompt_progress"]["cache"]
                        continue
                    told = answer.get("tokens_predicted", told)
                    if answer.get("stop"):
                        reason = _reason(answer)
                        break
                    if math.isnan(first):
                        first = time.perf_counter() - started
                    # llama.cpp holds back tokens that end inside a character and then tells
                    # only the last one's id; the count of tokens shows the gap.
                    while len(writing.tokens) < told - len(answer["tokens"]):
                        unknown.append(len(writing.tokens))
                        writing.add(-1, b"")
                    if delta := _add(writing, answer):
                        yield Delta(index, delta)
                    if writing.cut is not None:
                        reason = FinishReason.STOP
                        break
        if delta := writing.finish():
            yield Delta(index, delta)
        if reason is not FinishReason.CANCELLED:
            while len(writing.tokens) < told:
                unknown.append(len(writing.tokens))
                writing.add(-1, b"")
            if unknown:
                self._fill_in(unknown, writing, request, body)
        total = time.perf_counter() - started
        yield writing.completion(
            reason,
            prompt_tokens=len(prompt),
            cached_tokens=cached,
            timings=Timings(total if math.isnan(first) else first, total),
            logprobs=request.logprobs,
        )

    def _fill_in(
        self, unknown: list[int], writing: Continuation, request: Request, body: dict[str, Any]
    ) -> None:
        """Find the tokens that the stream did not tell, by writing the same once more at once."""
        again = {**body, "n_predict": len(writing.tokens), "n_probs": 0, "return_progress": False}
        tokens = self._server.complete(again)["tokens"]
        prompt: list[int] = body["prompt"]
        for place in unknown:
            if place >= len(tokens):
                break
            logprob = math.nan
            if request.logprobs:
                logprob = self.score(prompt + tokens[:place], tokens[place])
            writing.set_token(place, tokens[place], logprob)

    def score(self, prefix: list[int], token: int) -> float:
        """The natural log-probability that the model gives to `token` after `prefix`."""
        # The probabilities of a token that ends inside a character are not told, so another
        # one is written by force, beside which the most probable ones are told.
        whole = self._tokenize("a", parse_special=False)[-1]
        for width in (256, 2**20):  # far more than any vocabulary has
            answer = self._server.complete(
                {
                    "prompt": prefix,
                    "n_predict": 1,
                    "temperature": 0,
                    "n_probs": width,
                    "logit_bias": [[whole, _FORCE]],
                },
            )
            for found in answer["completion_probabilities"][0]["top_logprobs"]:
                if found["id"] == token:
                    return float(found["logprob"])
        raise EngineError("llama.cpp told no probability of a token", got=token)


def _body(index: int, request: Request, prompt: list[int]) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "n_predict": request.max_tokens,
        # The order of the published sampler: the nucleus is that of the tempered distribution.
        "samplers": ["temperature", "top_k", "top_p"],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "seed": request.seed + index,
        "n_probs": 1 if request.logprobs else 0,
        "return_tokens": True,
        "return_progress": True,
        # Without a session nothing read before may matter, except by the request itself.
        "cache_prompt": request.session is not None or index > 0,
    }


def _add(writing: Continuation, answer: dict[str, Any]) -> str:
    """Add the tokens of one answer; its text belongs to the last of them."""
    tokens = answer["tokens"]
    probabilities = answer.get("completion_probabilities") or []
    delta = ""
    for place, token in enumerate(tokens):
        last = place == len(tokens) - 1
        logprob = probabilities[place]["logprob"] if place < len(probabilities) else math.nan
        delta += writing.add(token, answer["content"].encode() if last else b"", logprob)
    return delta


def _reason(answer: dict[str, Any]) -> FinishReason:
    return FinishReason.LENGTH if answer["stop_type"] == "limit" else FinishReason.END_OF_TEXT
