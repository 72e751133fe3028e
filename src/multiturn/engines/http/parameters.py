"""Learns which request parameters a server refuses, and leaves them out from then on.

A server that does not know `stream_options` or `seed` answers 400 or 422 and names the parameter
in a form of its own: a validation list of FastAPI (as JSON, or as the text of a Python list),
OpenAI's `param`, or a sentence. A parameter that only adds information, or switches a default off,
is then left out. A sampling parameter with an effect never is, because the text would differ from
what the records say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from multiturn.engines.http.errors import RefusedError, StreamInterruptedError
from multiturn.engines.notices import NoticeListener

__all__ = ["ServerParameters", "refused_parameters"]

_REQUIRED = frozenset({"model", "prompt", "messages", "max_tokens", "max_completion_tokens"})
_NEUTRAL: dict[str, tuple[float, ...]] = {
    "temperature": (1.0,),
    "top_p": (1.0,),
    "top_k": (0, -1),
}
"""Values with which these have no effect. Any other value is what the person asked for."""

_TOGETHER = {
    "logprobs": ("logprobs", "top_logprobs"),
    "stream": ("stream", "stream_options"),
}
_CONSEQUENCES = {
    "seed": "the same request may give another text next time",
    "logprobs": "log-probabilities are not known",
    "stream_options": "tokens are counted as they arrive",
    "stream": "texts come in one piece",
    "return_token_ids": "ids of tokens are not known",
}
_STATUSES = frozenset({400, 404, 405, 406, 415, 422, 500, 501})
_REFUSING = re.compile(
    r"unsupported|unknown|unrecogni[sz]ed|unexpected|unavailable|undefined|invalid|extra|forbidden"
    r"|disabled|deprecated|removed|deseriali[sz]e|unmarshal|exceed|too many|too large|must|cannot"
    r"|can't|requires?\b|only\b|\bno such|\bnot\b|n't\b|not_|reject",
    re.IGNORECASE,
)
_ALTERNATIVES = re.compile(
    r"expected one of|expected `|did you mean|instead of"
    r"|(?:allowed|valid|known|supported|accepted) "
    r"(?:parameters|fields|keys|names|options|arguments|properties)",
    re.IGNORECASE,
)
"""Names after these words are ones that the server does accept."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PYTHON_LOC = re.compile(r"""['"]loc['"]\s*:\s*[(\[]([^)\]]*)[)\]]""")
_BEFORE = tuple("'\"`\u2018\u201c[/#.(")
_AFTER = tuple("'\"`\u2019\u201d]:")
"""What marks a word in a sentence as a name."""

_UNQUOTED = frozenset({"seed", "logprobs", "samplers"})
"""Single words that mean a parameter even without quotes."""


class ServerParameters:
    """The parameters that the servers of an engine refuse. Belongs to one event loop.

    Args:
        listen: called once for each parameter that is left out.
    """

    def __init__(self, listen: NoticeListener) -> None:
        self._listen = listen
        self._left_out: set[str] = set()
        self._renamed: dict[str, str] = {}

    def fit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a request, without the refused parameters."""
        return {
            self._renamed.get(name, name): value
            for name, value in body.items()
            if name not in self._left_out
        }

    def learn(self, sent: Mapping[str, Any], fault: StreamInterruptedError | RefusedError) -> bool:
        """Learn from a refusal.

        Args:
            sent: the body that was refused.
            fault: how.

        Returns:
            Whether a retry with what `fit` returns now may succeed.
        """
        status = fault.status or 0
        if (
            "max_tokens" in sent
            and status in _STATUSES
            and re.search(r"use\W+max_completion_tokens", fault.body, re.IGNORECASE)
        ):
            self._renamed["max_tokens"] = "max_completion_tokens"
            return True
        names = [
            each
            for name in refused_parameters(status, fault.body, sent)
            for each in _TOGETHER.get(name, (name,))
        ]
        for name in names:
            if name not in self._left_out and name in sent:
                self._left_out.add(name)
                if name in _CONSEQUENCES or name == names[0]:
                    after = _CONSEQUENCES.get(name, "the server's own default counts")
                    self._listen(
                        f"the server does not take the parameter {name!r}, which is left out from "
                        f"now on: {after}"
                    )
        return bool(names)


def refused_parameters(status: int, body: str, sent: Mapping[str, Any]) -> list[str]:
    """The refused parameters that an answer names and that can be left out.

    Args:
        status: of the answer.
        body: of the answer.
        sent: the body of the request.

    Example:
        >>> body = '{"error": {"message": "Unknown parameter: seed", "param": null}}'
        >>> refused_parameters(400, body, {"model": "m", "seed": 3})
        ['seed']
        >>> refused_parameters(400, "'temperature' is not supported", {"temperature": 0.2})
        []
    """
    if status not in _STATUSES:
        return []
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = body
    texts: list[str] = []
    named: dict[str, None] = {}
    for kind, value in _names_and_texts(answer):
        if kind == "text":
            texts.append(value)
        else:
            named.setdefault(value)
    for text in texts:
        for location in _PYTHON_LOC.findall(text):
            named.update(dict.fromkeys(_WORD.findall(location)))
    known = [name for name in map(_snake, named) if name in sent]
    if known:
        return [name for name in known if _may_go(name, sent)]
    for text in texts:
        found = _named_in(text, sent)
        if found is not None:
            return [found] if _may_go(found, sent) else []
    return []


def _names_and_texts(answer: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """The names and sentences in a nested error, without what it repeats of the prompt."""
    if depth > 8:
        return
    if isinstance(answer, str):
        inner = answer.strip()
        if inner[:1] in ("{", "["):
            try:
                yield from _names_and_texts(json.loads(inner), depth + 1)
                return
            except (ValueError, RecursionError):
                pass
        yield "text", answer[:4096]
    elif isinstance(answer, list):
        for each in answer[:32]:
            yield from _names_and_texts(each, depth + 1)
    elif isinstance(answer, dict):
        for name, value in answer.items():
            if name in ("loc", "path") and isinstance(value, list):
                words = [word for word in value if isinstance(word, str) and word != "body"]
                yield from (("name", word) for word in words[:1])
            elif name in ("param", "parameter", "field", "property", "argument"):
                if isinstance(value, str):
                    yield from (("name", word) for word in _WORD.findall(value)[:1])
            elif name not in ("input", "ctx", "url", "prompt", "code", "type", "object"):
                yield from _names_and_texts(value, depth + 1)


def _named_in(text: str, sent: Mapping[str, Any]) -> str | None:
    """The first refused parameter in a sentence."""
    if not _REFUSING.search(text):
        return None
    alternatives = _ALTERNATIVES.search(text)
    about = text[: alternatives.start()] if alternatives else text
    for word in _WORD.finditer(about):
        name = _snake(word[0])
        if name not in sent or name in ("model", "prompt", "messages"):
            continue
        before, after = text[: word.start()][-1:], text[word.end() :][:1]
        quoted = before in _BEFORE or after in _AFTER
        if quoted or "_" in name or name in _UNQUOTED:
            return name
    return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _may_go(name: str, sent: Mapping[str, Any]) -> bool:
    if name in _REQUIRED:
        return False
    return name not in _NEUTRAL or sent[name] in _NEUTRAL[name]
