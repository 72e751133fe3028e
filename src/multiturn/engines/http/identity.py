"""Identifies a server: its kind, its model, its context window and how it tokenizes."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

from multiturn.core.errors import EngineError, InputError, UnknownNameError
from multiturn.engines.http.connection import Connection
from multiturn.engines.http.dialects import messages
from multiturn.engines.http.errors import StreamInterruptedError
from multiturn.engines.http.settings import HttpSettings, ServerKind

__all__ = ["Identity", "identify", "tokenize"]

_SECONDS = 15.0
_WINDOWS = (
    "loaded_context_length",
    "max_model_len",
    "context_window",
    "context_length",
    "max_context_length",
    "max_total_tokens",
)
"""Names of the context window in the model lists of servers."""

_OWNERS: dict[str, ServerKind] = {
    "multiturn": "multiturn",
    "llamacpp": "llama.cpp",
    "vllm": "vllm",
    "sglang": "sglang",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a server reports about itself. Servers of one engine must agree on kind and model."""

    kind: ServerKind
    version: str | None
    model: str
    context: int | None
    slots: int | None
    tokenizes: bool
    """Whether it has an endpoint that tokenizes."""
    chat_template: str | None = None
    bos_token: str = ""
    eos_token: str = ""

    @property
    def name(self) -> str:
        """Kind and version."""
        return f"{self.kind} {self.version}" if self.version else self.kind


async def identify(connection: Connection, settings: HttpSettings) -> Identity:
    """Identify a server.

    Raises:
        StreamInterruptedError: it does not answer, or is not ready.
        EngineError: it refuses.
        InputError: it does not have the model, or has several and none was named.
    """
    base, root = connection.address.base, connection.address.root
    listed = await connection.get(f"{base}/models", seconds=_SECONDS)
    known = _models(listed)
    model = _choose(settings.model, known)
    entry = known.get(model, {})
    kind = settings.server or _OWNERS.get(str(entry.get("owned_by", "")).lower(), "other")
    context = next((size for name in _WINDOWS if (size := _positive(entry.get(name)))), None)
    if kind == "llama.cpp":
        props = await _optional(connection.get(f"{root}/props", seconds=_SECONDS))
        props = props if isinstance(props, dict) else {}
        own = props.get("default_generation_settings")
        own = own if isinstance(own, dict) else {}
        return Identity(
            kind=kind,
            version=props.get("build_info"),
            model=model,
            context=_positive(own.get("n_ctx")),
            slots=_positive(props.get("total_slots")),
            tokenizes=True,
            chat_template=props.get("chat_template") if settings.api == "completions" else None,
            bos_token=props.get("bos_token") or "",
            eos_token=props.get("eos_token") or "",
        )
    if kind == "multiturn":
        found = await _optional(connection.get(f"{root}/tokenizer_info", seconds=_SECONDS))
        info = found if isinstance(found, dict) else {}
        return Identity(
            kind=kind,
            version=entry.get("version"),
            model=model,
            context=context,
            slots=_positive(entry.get("slots")),
            tokenizes=bool(info),
            chat_template=info.get("chat_template") if settings.api == "completions" else None,
            bos_token=info.get("bos_token") or "",
            eos_token=info.get("eos_token") or "",
        )
    version = tokens = None
    if kind in ("vllm", "sglang"):
        found = await _optional(connection.get(f"{root}/version", seconds=_SECONDS))
        version = found.get("version") if isinstance(found, dict) else None
        body = {"model": model, "prompt": "a"}
        tokens = await _optional(connection.post(f"{root}/tokenize", body, seconds=_SECONDS))
    elif context is None and settings.context is None:
        # Text Generation Inference reports its window there.
        found = await _optional(connection.get(f"{root}/info", seconds=_SECONDS))
        context = _positive(found.get("max_total_tokens")) if isinstance(found, dict) else None
    return Identity(
        kind=kind,
        version=version,
        model=model,
        context=context,
        slots=None,
        tokenizes=isinstance(tokens, dict) and isinstance(tokens.get("tokens"), list),
    )


async def _optional(request: Awaitable[Any]) -> Any:
    """The answer to a request that is not essential; None where the server has none.

    Raises:
        StreamInterruptedError: the server is not ready.
    """
    try:
        return await request
    except StreamInterruptedError as fault:
        if fault.not_ready:
            raise
        return None
    except EngineError:
        return None


async def tokenize(
    connection: Connection,
    identity: Identity,
    settings: HttpSettings,
    text: str,
    *,
    parse_special: bool,
) -> list[int]:
    """The token ids of `text` as a prompt, those of a chat template included.

    Raises:
        StreamInterruptedError: the server does not answer.
        EngineError: it refuses.
    """
    root = connection.address.root
    chat = messages(settings, text) if settings.api == "chat" else None
    if identity.kind == "llama.cpp":
        if chat is not None:
            filled = await connection.post(
                f"{root}/apply-template", {"messages": chat}, seconds=_SECONDS
            )
            text, parse_special = _part(filled, "prompt", str), True
        body = {"content": text, "add_special": True, "parse_special": parse_special}
        answer = await connection.post(f"{root}/tokenize", body, seconds=_SECONDS)
        tokens = cast(list[int], _part(answer, "tokens", list))
        # The start token stands twice where the template writes it itself.
        doubled = parse_special and bool(identity.bos_token) and text.startswith(identity.bos_token)
        if doubled and len(tokens) > 1 and tokens[0] == tokens[1]:
            del tokens[0]
        return tokens
    sent: dict[str, Any] = {"model": identity.model}
    sent |= {"prompt": text} if chat is None else {"messages": chat}
    if identity.kind == "multiturn" and chat is None:
        sent["parse_special"] = parse_special
    answer = await connection.post(f"{root}/tokenize", sent, seconds=_SECONDS)
    return cast(list[int], _part(answer, "tokens", list))


def _part(answer: object, name: str, kind: type) -> Any:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, kind):
        raise StreamInterruptedError(f"its answer about tokens has no {name!r}")
    return found


def _models(listed: object) -> dict[str, dict[str, Any]]:
    """The models of a model list by name; some servers send the bare list."""
    if isinstance(listed, dict):
        listed = listed.get("data") or listed.get("models")
    found: dict[str, dict[str, Any]] = {}
    for entry in listed if isinstance(listed, list) else ():
        entry = {"id": entry} if isinstance(entry, str) else entry
        if isinstance(entry, dict):
            name = entry.get("id") or entry.get("name") or entry.get("model")
            if isinstance(name, str) and name:
                found.setdefault(name, entry)
    return found


def _choose(wanted: str | None, known: dict[str, dict[str, Any]]) -> str:
    """The name of the model to request; a server that lists none may have any."""
    if wanted is not None:
        patterns = (
            name for name in known if "*" in name
        )  # a proxy lists all models of a provider as one pattern
        if not known or wanted in known or any(fnmatchcase(wanted, each) for each in patterns):
            return wanted
        if f"{wanted}:latest" in known:  # the tag that Ollama adds
            return f"{wanted}:latest"
        raise UnknownNameError("model of the server", wanted, known)
    if len(known) == 1:
        return next(iter(known))
    if not known:
        raise InputError(
            "the server does not list its models", fix="name the model, after # in the address"
        )
    raise InputError(
        "the server has several models",
        allowed=", ".join(sorted(known)),
        fix="name one, after # in the address",
    )


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def identity_difference(first: Identity, other: Identity) -> str | None:
    """In what two servers differ that must be alike; None where they do not."""
    for what, ours, theirs in (
        ("kind", first.kind, other.kind),
        ("model", first.model, other.model),
        ("chat template", first.chat_template, other.chat_template),
        ("way to count tokens", first.tokenizes, other.tokenizes),
    ):
        if ours != theirs:
            return f"its {what} is {str(theirs)[:60]!r}, that of the others {str(ours)[:60]!r}"
    return None


def common_identity(identities: list[Identity]) -> Identity:
    """The identity that all servers share.

    Raises:
        EngineError: they differ.
    """
    first = identities[0]
    for other in identities[1:]:
        if difference := identity_difference(first, other):
            raise EngineError(
                f"the servers are not alike: of one {difference}",
                fix="give all of them the same model, or open one engine for each",
            )
    return first
