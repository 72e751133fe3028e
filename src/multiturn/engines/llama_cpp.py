"""The llama.cpp engine: a GGUF model in this process, on the CPU."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

from multiturn.core.closing import Closing
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
from multiturn.engines.validation import check_features, check_open, check_text, check_window
from multiturn.hub.formats.gguf import GGUFHeader, read_gguf_header
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.hub.llama_options import ServerOptions, quantized_cache_fits
from multiturn.hub.llama_trial import find_fault, loading_error

__all__ = ["DEFAULT_CONTEXT", "LlamaCppEngine", "open_llama_cpp"]

DEFAULT_CONTEXT = 8192
"""Tokens, for models trained on at least as many. A program of several turns takes one or two
thousand. The KV cache grows with it (about 50 MB for a 0.5B model)."""

_CERTAIN_BIAS = 1e4
"""Logit bias that makes a token certain."""


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

    llama.cpp may abort the process over a file that it cannot load. So the header is validated
    first, and a file whose hash is not known is loaded in another process first.

    Args:
        path: the file.
        context: tokens of the context window; by default the model's own, but `DEFAULT_CONTEXT` at
            most.
        threads: by default one for each CPU this process may use.
        exact: see `ServerOptions.exact`.
        weights_sha256: the file's hash where known, for the records.
        adapter: a LoRA adapter as a GGUF file.

    Raises:
        ModelFileError: the file is missing or not a complete GGUF file.
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
        options = _verified_options(path, options)
    server = LlamaServer(path, options)
    return LlamaCppEngine(
        server, header, context=context, weights_sha256=weights_sha256, adapter=adapter
    )


def _verified_options(path: Path, options: ServerOptions) -> ServerOptions:
    """The options with which llama.cpp loads the model in another process.

    Raises:
        EngineError: it does not load; the message is llama.cpp's own.
    """
    import_xllamacpp()  # raises the error that names the package
    fault = find_fault(path, options)
    if fault and options.exact and options.quantized_cache:
        # The KV cache of some architectures has other sizes than their header says.
        plain = replace(options, quantized_cache=False)
        if find_fault(path, plain) is None:
            return plain
    if fault:
        raise loading_error(path, fault)
    return options


def _check_adapter(adapter: Path, header: GGUFHeader) -> None:
    """Validate an adapter: llama.cpp may abort the process over a broken one."""
    if adapter.is_dir():
        raise InputError(
            "llama.cpp reads adapters as GGUF files, and this is a directory",
            got=str(adapter),
            fix="export the run with --to gguf-lora, or choose --engine jax",
        )
    try:
        # Imports JAX, which belongs to another extra and takes most of a second.
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


class LlamaCppEngine(Closing):
    """An `Engine` over llama.cpp; made by `open_llama_cpp`.

    The continuations of a request are generated one after another: a text that is generated alone
    does not depend on other requests, and in llama.cpp it would (docs/decisions/0042).

    A request without a session prefills its entire prompt. One with a session reuses the
    session's longest common prefix, after a rewind too.
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
        """The number of tokens of `text` as a prompt, the model's start token included."""
        return len(self._tokenize(text, parse_special))

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Generate the continuations one after another. See `Engine.stream`."""
        started = time.perf_counter()
        check_features(request, self._info)
        prompt = self._tokenize(request.prompt, request.parse_special)
        check_window(len(prompt), request.max_tokens, self._info.context_window)
        return self._stream(request, prompt, cancel or Flag(), started)

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        self._closed = True
        self._server.close()

    def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        check_open(self._closed)
        check_text(text)
        if not text:
            return []
        found = self._server.post(
            "/tokenize", {"content": text, "add_special": True, "parse_special": parse_special}
        )
        tokens: list[int] = found["tokens"]
        # The start token stands twice where the chat template writes it itself.
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
        """Generate one continuation."""
        body = _body(index, request, prompt)
        continuation = Continuation(index, request.stop)
        reason = FinishReason.CANCELLED
        first = math.nan
        cached = generated = 0
        unknown: list[int] = []  # indices of tokens whose ids the stream lacks
        if not cancel.is_set():
            with closing(
                self._server.stream(body, reuse_later=request.session is not None)
            ) as answers:
                for answer in answers:
                    if cancel.is_set():
                        break
                    if answer is None:
                        continue
                    if "prompt_progress" in answer:
                        cached = answer["prompt_progress"]["cache"]
                        continue
                    generated = answer.get("tokens_predicted", generated)
                    if answer.get("stop"):
                        reason = _reason(answer)
                        break
                    if math.isnan(first):
                        first = time.perf_counter() - started
                    # llama.cpp holds back tokens that end inside a character and then reports
                    # the last one's id only; the token count shows the gap.
                    while len(continuation.tokens) < generated - len(answer["tokens"]):
                        unknown.append(len(continuation.tokens))
                        continuation.add(-1, b"")
                    if delta := _add(continuation, answer):
                        yield Delta(index, delta)
                    if continuation.cut is not None:
                        reason = FinishReason.STOP
                        break
        if delta := continuation.finish():
            yield Delta(index, delta)
        if reason is not FinishReason.CANCELLED:
            while len(continuation.tokens) < generated:
                unknown.append(len(continuation.tokens))
                continuation.add(-1, b"")
            if unknown:
                self._set_unknown(unknown, continuation, request, body)
        total = time.perf_counter() - started
        yield continuation.completion(
            reason,
            prompt_tokens=len(prompt),
            cached_tokens=cached,
            timings=Timings(total if math.isnan(first) else first, total),
            logprobs=request.logprobs,
        )

    def _set_unknown(
        self, unknown: list[int], continuation: Continuation, request: Request, body: dict[str, Any]
    ) -> None:
        """Find the ids that the stream lacks, by generating the same text once more unstreamed."""
        again = {
            **body,
            "n_predict": len(continuation.tokens),
            "n_probs": 0,
            "return_progress": False,
        }
        tokens = self._server.complete(again)["tokens"]
        prompt: list[int] = body["prompt"]
        for place in unknown:
            if place >= len(tokens):
                break
            logprob = math.nan
            if request.logprobs:
                logprob = self.score(prompt + tokens[:place], tokens[place])
            continuation.set_token(place, tokens[place], logprob)

    def score(self, prefix: list[int], token: int) -> float:
        """The natural log-probability of `token` after `prefix`."""
        # llama.cpp reports no probabilities beside a token that ends inside a character. A bias
        # forces another token, beside which it reports those of the most likely ones.
        complete = self._tokenize("a", parse_special=False)[-1]
        for count in (256, 2**20):  # the second exceeds any vocabulary
            answer = self._server.complete(
                {
                    "prompt": prefix,
                    "n_predict": 1,
                    "temperature": 0,
                    "n_probs": count,
                    "logit_bias": [[complete, _CERTAIN_BIAS]],
                },
            )
            for found in answer["completion_probabilities"][0]["top_logprobs"]:
                if found["id"] == token:
                    return float(found["logprob"])
        raise EngineError("llama.cpp reported no probability of a token", got=token)


def _body(index: int, request: Request, prompt: list[int]) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "n_predict": request.max_tokens,
        # In the order of the published sampler: temperature before the nucleus.
        "samplers": ["temperature", "top_k", "top_p"],
        "temperature": request.temperature_of(index),
        "top_p": request.top_p,
        "top_k": request.top_k,
        "seed": request.seed + index,
        "n_probs": 1 if request.logprobs else 0,
        "return_tokens": True,
        "return_progress": True,
        # Without a session, only the request itself may reuse its prefix.
        "cache_prompt": request.session is not None or index > 0,
    }


def _add(continuation: Continuation, answer: dict[str, Any]) -> str:
    """Add the tokens of one answer; its text belongs to the last of them."""
    tokens = answer["tokens"]
    probabilities = answer.get("completion_probabilities") or []
    delta = ""
    for place, token in enumerate(tokens):
        last = place == len(tokens) - 1
        logprob = probabilities[place]["logprob"] if place < len(probabilities) else math.nan
        delta += continuation.add(token, answer["content"].encode() if last else b"", logprob)
    return delta


def _reason(answer: dict[str, Any]) -> FinishReason:
    return FinishReason.LENGTH if answer["stop_type"] == "limit" else FinishReason.END_OF_TEXT
