"""A fake engine that answers from a script, for tests and demonstrations.

It implements the entire `Engine` protocol without a model: tokens, stop rules, seeds, cancelling,
the prefix cache and its statistics. An answer depends on the request alone.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag

from multiturn.core.closing import Closing
from multiturn.core.errors import EngineError, InputError
from multiturn.core.lines import split_lines
from multiturn.core.records import read_record
from multiturn.engines.common_prefix import common_prefix_length
from multiturn.engines.continuation import Continuation
from multiturn.engines.protocol import (
    Delta,
    EngineInfo,
    Event,
    FinishReason,
    Request,
    Timings,
)
from multiturn.engines.validation import check_features, check_open, check_text, check_window

__all__ = ["Script", "ScriptLine", "ScriptSettings", "ScriptedEngine", "read_script"]

_PIECES = re.compile(r"\w+|\s|[^\w\s]")
_PIECES_AND_SPECIAL = re.compile(r"<\|\w+\|>|\w+|\s|[^\w\s]")

Answer = Callable[[Request, int], str]
"""Maps a request and the index of a continuation to the full text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLine:
    """The answers to prompts that contain certain words.

    Attributes:
        answers: greedy continuations get the first; otherwise seed ``s`` gets number ``s`` modulo
            their count.
        when: the words; empty matches every prompt. If several lines match, the one whose words
            come last in the prompt answers, because a prompt contains earlier turns too.
        error: if set, the engine fails with this message.
    """

    answers: tuple[str, ...] = ()
    when: str = ""
    error: str | None = None

    def __post_init__(self) -> None:
        if not self.answers and self.error is None:
            raise InputError("a line of the script has no answers", fix="add answers or an error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSettings:
    """How the engine behaves.

    Attributes:
        context_window: tokens; a token is a word, a space or a punctuation mark.
        chat_template: a Jinja template, to imitate an instruct model.
        slots: the value of `EngineInfo.slots`; requests never wait.
        seconds_per_token: sleep for each decoded token.
        seconds_per_prompt_token: sleep for each prompt token that is not cached.
    """

    context_window: int = 8192
    chat_template: str | None = None
    slots: int = 1
    seconds_per_token: float = 0.0
    seconds_per_prompt_token: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """The lines of a script. The match that comes last in the prompt answers.

    Example:
        >>> script = Script((ScriptLine(when="Say hi", answers=("print('hi')",)),))
        >>> script(Request(prompt="# Say hi"), 0)
        "print('hi')"
    """

    lines: tuple[ScriptLine, ...]

    def __call__(self, request: Request, index: int) -> str:
        """The text of continuation `index`."""
        found = [
            (request.prompt.rfind(line.when) + len(line.when), len(line.when), -number)
            for number, line in enumerate(self.lines)
            if line.when in request.prompt
        ]
        if not found:
            raise EngineError("the script has no line for this prompt", got=request.prompt[-80:])
        _, _, number = max(found)
        line = self.lines[-number]
        if line.error is not None:
            raise EngineError(line.error)
        seed = 0 if request.temperature_of(index) == 0 else request.seed + index
        return line.answers[seed % len(line.answers)]


class ScriptedEngine(Closing):
    """An `Engine` that answers from a script.

    Args:
        script: a `Script`; or a function from (request, index) to text; or a mapping from
            words in the prompt to one or several answers; or several answers for any prompt.
        settings: see `ScriptSettings`.
        model: the name of the model.

    Example:
        >>> from multiturn.engines.protocol import generate
        >>> engine = ScriptedEngine({"to x": "x = 1", "to y": ["y = 1", "y = 2"]})
        >>> [done.text for done in generate(engine, Request(prompt="# Assign 1 to y", n=2))]
        ['y = 1', 'y = 2']
    """

    def __init__(
        self,
        script: Script | Answer | Mapping[str, str | Sequence[str]] | Sequence[str],
        *,
        settings: ScriptSettings | None = None,
        model: str = "scripted",
    ) -> None:
        self._answer = _as_answer(script)
        self._settings = settings or ScriptSettings()
        self._info = EngineInfo(
            engine="scripted",
            model=model,
            weights_sha256=None,
            context_window=self._settings.context_window,
            chat_template=self._settings.chat_template,
            eos_token="<|endoftext|>",
            slots=self._settings.slots,
        )
        self._cache: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """The imitated model."""
        return self._info

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """The number of words, spaces and punctuation marks of `text`."""
        check_open(self._closed)
        check_text(text)
        return len(_pieces(text, parse_special))

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """The scripted continuations, token by token in lockstep. See `Engine.stream`."""
        check_open(self._closed)
        check_features(request, self._info)
        check_text(request.prompt)
        prompt = _pieces(request.prompt, request.parse_special)
        check_window(len(prompt), request.max_tokens, self._settings.context_window)
        return self._stream(request, prompt, cancel or Flag())

    def close(self) -> None:
        """Drop the cache."""
        self._closed = True
        self._cache.clear()

    def _stream(self, request: Request, prompt: list[str], cancel: Flag) -> Iterator[Event]:
        started = time.perf_counter()
        cached = self._cached(request.session, prompt)
        answers = [_pieces(self._answer(request, i), True) for i in range(request.n)]
        writing = {i: Continuation(i, request.stop) for i in range(request.n)}
        first = math.nan
        cancel.wait((len(prompt) - cached) * self._settings.seconds_per_prompt_token)
        while writing:
            for index, continuation in list(writing.items()):
                check_open(self._closed)
                reason = _end(continuation, answers[index], request, cancel)
                if reason is None:
                    cancel.wait(self._settings.seconds_per_token)
                    piece = answers[index][len(continuation.tokens)]
                    delta = continuation.add(_token_id(piece), piece.encode(), _logprob(piece))
                    first = time.perf_counter() - started if math.isnan(first) else first
                else:
                    delta = continuation.finish()
                if delta:
                    tokens = continuation.take_tokens() if request.logprobs else ()
                    yield Delta(index, delta, tokens)
                if reason is not None:
                    del writing[index]
                    total = time.perf_counter() - started
                    self._remember(request.session, prompt + answers[index])
                    yield continuation.completion(
                        reason,
                        prompt_tokens=len(prompt),
                        cached_tokens=cached,
                        timings=Timings(total if math.isnan(first) else first, total),
                        logprobs=request.logprobs,
                    )

    def _cached(self, session: str | None, prompt: list[str]) -> int:
        """Cached tokens of `prompt`, without the last one, as in real engines."""
        if session is None:
            return 0
        with self._lock:
            known = self._cache.get(session, [])
        return common_prefix_length(prompt[:-1], known)

    def _remember(self, session: str | None, read: list[str]) -> None:
        if session is not None:
            with self._lock:
                self._cache[session] = read


def read_script(path: Path) -> tuple[Script, ScriptSettings]:
    """Read a script from JSON lines.

    Each line is an object with the keys of `ScriptLine`; one may instead be
    ``{"settings": {...}}`` with those of `ScriptSettings`.

    Raises:
        InputError: the file cannot be read, or a line is invalid.
    """
    try:
        rows = split_lines(path.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the script cannot be read ({error})", got=str(path)) from error
    lines: list[ScriptLine] = []
    settings = ScriptSettings()
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            data = json.loads(row)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}: not JSON ({error.msg})", got=row) from error
        if isinstance(data, dict) and "settings" in data:
            settings = read_record(data["settings"], ScriptSettings, where=where)
        else:
            lines.append(read_record(data, ScriptLine, where=where))
    if not lines:
        raise InputError("the script has no lines", got=str(path), fix="add one")
    return Script(tuple(lines)), settings


def _as_answer(
    script: Script | Answer | Mapping[str, str | Sequence[str]] | Sequence[str],
) -> Answer:
    if isinstance(script, Mapping):
        return Script(
            tuple(
                ScriptLine(
                    when=words, answers=(answer,) if isinstance(answer, str) else tuple(answer)
                )
                for words, answer in script.items()
            )
        )
    if isinstance(script, Sequence):
        return Script(
            (ScriptLine(answers=(script,) if isinstance(script, str) else tuple(script)),)
        )
    return script


def _end(
    continuation: Continuation, answer: list[str], request: Request, cancel: Flag
) -> FinishReason | None:
    if continuation.cut is not None:
        return FinishReason.STOP
    if len(continuation.tokens) >= len(answer):
        return FinishReason.END_OF_TEXT
    if len(continuation.tokens) >= request.max_tokens:
        return FinishReason.LENGTH
    return FinishReason.CANCELLED if cancel.is_set() else None


def _pieces(text: str, parse_special: bool) -> list[str]:
    return (_PIECES_AND_SPECIAL if parse_special else _PIECES).findall(text)


def _token_id(piece: str) -> int:
    return zlib.crc32(piece.encode("utf-8")) & 0xFFFF


def _logprob(piece: str) -> float:
    """A fixed number between -1 and 0 for each token."""
    return -(zlib.crc32(piece[::-1].encode("utf-8")) % 1000) / 1000
