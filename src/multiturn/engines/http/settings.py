"""The settings of the HTTP engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from multiturn.core.errors import InputError
from multiturn.core.ranges import Range, check_ranges
from multiturn.core.retry import RetryPolicy

__all__ = ["Api", "HttpSettings", "HttpTimeouts", "ServerKind"]

Api = Literal["completions", "chat"]
ServerKind = Literal["multiturn", "llama.cpp", "vllm", "sglang", "other"]

_POSITIVE = Range(0, above=True)
_RETRY = RetryPolicy(attempts=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTimeouts:
    """How long to wait for a server, in seconds.

    Attributes:
        connect: for a connection.
        first_token: from sending a request to its first token, with the server's own queue and
            the prefill.
        between_tokens: from one token to the next.
    """

    connect: float = 10.0
    first_token: float = 300.0
    between_tokens: float = 60.0

    def __post_init__(self) -> None:
        check_ranges(self, dict.fromkeys(self.__slots__, _POSITIVE))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How the engine talks to servers.

    Attributes:
        model: the name of the model; not needed where a server has only one.
        api: `completions` continues the prompt as it is; `chat` sends it as the user's
            message, for servers that offer nothing else.
        server: the kind of the servers; by default they are asked.
        context: tokens of the context window, where the server does not report it, or to use
            less of it.
        slots: how many continuations to request at once from all servers together; by default
            as many as the servers report, else 16 for each.
        key_variable: the environment variable that holds the API key. By default
            `OPENAI_API_KEY`, which is sent over TLS or to this machine only.
        instruction: the system message of `chat`.
        live: emit text as it arrives. If a server then breaks off and its retry generates other
            text, the continuation fails; without `live` it is retried, and emitted when complete.
        timeouts: see `HttpTimeouts`.
        retry: how often to start one continuation, and how long to leave a server alone after
            failures in a row. `longest_wait` also bounds the `Retry-After` that is obeyed.
    """

    model: str | None = None
    api: Api = "completions"
    server: ServerKind | None = None
    context: int | None = None
    slots: int | None = None
    key_variable: str | None = None
    instruction: str | None = None
    live: bool = True
    timeouts: HttpTimeouts = HttpTimeouts()
    retry: RetryPolicy = _RETRY

    def __post_init__(self) -> None:
        if self.api not in get_args(Api):
            raise InputError("unknown API", got=self.api, allowed=" or ".join(get_args(Api)))
        if self.server is not None and self.server not in get_args(ServerKind):
            raise InputError(
                "unknown kind of server", got=self.server, allowed=", ".join(get_args(ServerKind))
            )
        check_ranges(self, {"context": Range(1), "slots": Range(1)})
        if self.instruction is not None and self.api != "chat":
            raise InputError(
                "an instruction needs the chat API", fix="set api to 'chat', or leave it out"
            )
