"""Who a server is: its kind, its model, its window; and how it counts tokens."""

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
"""What servers call the window of a model in the list of their models."""

_OWNERS: dict[str, ServerKind] = {"llamacpp": "llama.cpp", "vllm": "vllm", "sglang": "sglang"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a server says of itself. Servers of one engine must agree on kind and model."""

    kind: ServerKind
    version: str | None
    model: str
    context: int | None
    slots: int | None
    tokenizes: bool
    """Whether it counts the tokens of a text."""
    chat_template: str | None = None
    bos_token: str = ""
    eos_token: str = ""

    @property
    def name(self) -> str:
        """Kind and version."""
        return f"{self.kind} {self.version}" if self.version else self.kind


async def identify(connection: Connection, settings: HttpSettings) -> Identity:
    """Ask a server who it is.

    Raises:
        StreamInterruptedError: it does not answer, or says that it is not ready.
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
        props = await _beside(connection.get(f"{root}/props", seconds=_SECONDS))
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
    version = tokens = None
    if kind in ("vllm", "sglang"):
        found = await _beside(connection.get(f"{root}/version", seconds=_SECONDS))
        version = found.get("version") if isinstance(found, dict) else None
        body = {"model": model, "prompt": "a"}
        tokens = await _beside(connection.post(f"{root}/tokenize", body, seconds=_SECONDS))
    elif context is None and settings.context is None:
        # Text generation inference says there what it was started with.
        found = await _beside(connection.get(f"{root}/info", seconds=_SECONDS))
        context = _positive(found.get("max_total_tokens")) if isinstance(found, dict) else None
    return Identity(
        kind=kind,
        version=version,
        model=model,
        context=context,
        slots=None,
        tokenizes=isinstance(tokens, dict) and isinstance(tokens.get("tokens"), list),
    )


async def _beside(question: Awaitable[Any]) -> Any:
    """The answer to what only tells more; None where the server does not give it.

    Raises:
        StreamInterruptedError: the server says that it is not ready.
    """
    try:
        return await question
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
    """The ids of the tokens that `text` takes as a prompt, those of a chat's template included.

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
        told = await connection.post(f"{root}/tokenize", body, seconds=_SECONDS)
        tokens = cast(list[int], _part(told, "tokens", list))
        # A template that writes the start token itself gets it twice otherwise.
        doubled = parse_special and bool(identity.bos_token) and text.startswith(identity.bos_token)
        if doubled and len(tokens) > 1 and tokens[0] == tokens[1]:
            del tokens[0]
        return tokens
    body = {"model": identity.model}
    body |= {"prompt": text} if chat is None else {"messages": chat}
    told = await connection.post(f"{root}/tokenize", body, seconds=_SECONDS)
    return cast(list[int], _part(told, "tokens", list))


def _part(answer: object, name: str, kind: type) -> Any:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, kind):
        raise StreamInterruptedError(f"its answer about tokens has no {name!r}")
    return found


def _models(listed: object) -> dict[str, dict[str, Any]]:
    """The models of a list, by the name to ask for; some servers give the bare list."""
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
    """The model to ask for; a server that lists none is believed to have the one named."""
    if wanted is not None:
        patterns = (name for name in known if "*" in name)  # a proxy's, for a whole provider
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
    """Why two servers cannot stand in for each other; None where they can."""
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
    """What servers have in common.

    Raises:
        EngineError: they are not the same.
    """
    first = identities[0]
    for other in identities[1:]:
        if difference := identity_difference(first, other):
            raise EngineError(
                f"the servers are not alike: of one {difference}",
                fix="give all of them the same model, or open one engine for each",
            )
    return first
