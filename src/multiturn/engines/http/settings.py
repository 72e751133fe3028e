"""What can be set about the HTTP engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from multiturn.core.errors import InputError

__all__ = ["Api", "HttpSettings", "Patience", "ServerKind"]

Api = Literal["completions", "chat"]
ServerKind = Literal["llama.cpp", "vllm", "sglang", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server is waited for, and how often a continuation is begun again. Seconds.

    Attributes:
        connect: for a connection.
        first_token: from sending a request to the first token; waiting in the server's own
            queue and reading the prompt included.
        between_tokens: from one token to the next.
        attempts: how often one continuation is begun before it is given up.
        first_wait: rest of a server after its first failure in a row; doubled each time.
        longest_wait: limit of that, and the longest `Retry-After` that is waited for.
    """

    connect: float = 10.0
    first_token: float = 300.0
    between_tokens: float = 60.0
    attempts: int = 8
    first_wait: float = 0.5
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InputError("attempts is out of range", got=self.attempts, allowed="1 or more")
        for name in ("connect", "first_token", "between_tokens", "first_wait", "longest_wait"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"{name} is out of range", got=getattr(self, name), allowed="above 0 seconds"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How servers are spoken to.

    Attributes:
        model: the name to ask for; may be left out where a server has one model.
        api: `completions` continues the prompt as it is; `chat` sends it as the user's
            message, for servers that offer nothing else.
        server: what kind the servers are; by default they are asked.
        context: tokens of the window, where the server does not tell, or fewer than it has.
        slots: how many continuations are asked for at once, all servers together; by default
            as many as the servers tell, else 16 each.
        key_variable: the environment variable that holds the key. By default `OPENAI_API_KEY`,
            which is sent over TLS or to this machine only.
        instruction: the system message of `chat`.
        live: give text out as it comes. A server that breaks off and then, asked again, writes
            something else makes such a continuation fail; without `live` it is simply begun
            again, and the text comes when it is whole.
        patience: time limits and retries.
    """

    model: str | None = None
    api: Api = "completions"
    server: ServerKind | None = None
    context: int | None = None
    slots: int | None = None
    key_variable: str | None = None
    instruction: str | None = None
    live: bool = True
    patience: Patience = Patience()

    def __post_init__(self) -> None:
        if self.api not in get_args(Api):
            raise InputError("unknown API", got=self.api, allowed=" or ".join(get_args(Api)))
        if self.server is not None and self.server not in get_args(ServerKind):
            raise InputError(
                "unknown kind of server", got=self.server, allowed=", ".join(get_args(ServerKind))
            )
        for name in ("context", "slots"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is out of range", got=value, allowed="1 or more")
        if self.instruction is not None and self.api != "chat":
            raise InputError(
                "an instruction needs the chat API", fix="set api to 'chat', or leave it out"
            )
