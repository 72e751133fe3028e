"""Opens an `HttpEngine` at the addresses of servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from multiturn.core.errors import EngineError, InputError, MultiturnError
from multiturn.engines.http.address import Address, read_addresses
from multiturn.engines.http.connection import Connection, open_client
from multiturn.engines.http.dialects import returns_token_ids
from multiturn.engines.http.engine import HttpEngine
from multiturn.engines.http.errors import StreamInterruptedError
from multiturn.engines.http.event_loop import BackgroundLoop
from multiturn.engines.http.identity import Identity, common_identity, identify, identity_difference
from multiturn.engines.http.key import read_key
from multiturn.engines.http.parameters import ServerParameters
from multiturn.engines.http.server_pool import ServerPool
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.notices import NoticeListener, ignore_notice
from multiturn.engines.protocol import EngineInfo

__all__ = ["open_http"]

_SLOTS = 16
"""For each server that does not report how many continuations it generates at once."""


def open_http(
    addresses: str | Iterable[str],
    *,
    settings: HttpSettings | None = None,
    listen: NoticeListener = ignore_notice,
) -> HttpEngine:
    """Identify the servers at some addresses, and open an engine over them.

    At least one must answer; the others are used as soon as they do. Servers that are still
    loading the model are waited for if no other answers.

    Args:
        addresses: ``http://HOST:PORT/v1``, several as a list or separated by commas, all with
            the same model; ``#MODEL`` at the end of one names the model.
        settings: see `HttpSettings`.
        listen: called with a notice when requests wait for a server, and for each parameter that
            a server refuses.

    Raises:
        InputError: an address or setting is invalid, or a missing setting is not reported by
            the servers.
        EngineError: no server answers, one refuses the key, or they differ.
    """
    settings = settings or HttpSettings()
    found, named = read_addresses(addresses)
    if named and settings.model and named != settings.model:
        raise InputError(
            "the address names one model and the settings another",
            got=f"{named} and {settings.model}",
            fix="name one of them",
        )
    settings = replace(settings, model=settings.model or named)
    background = BackgroundLoop("http-engine")
    try:
        pool, identity, answering = background.run(_meet(found, settings, listen))
        info = _info(identity, answering, len(found), settings)
    except BaseException:
        background.close()
        raise
    return HttpEngine(background, pool, identity, settings, info, ServerParameters(listen))


async def _meet(
    addresses: tuple[Address, ...], settings: HttpSettings, listen: NoticeListener
) -> tuple[ServerPool, Identity, list[Identity]]:
    """Identify every server."""
    keys = [read_key(settings.key_variable, address) for address in addresses]
    client = open_client(settings.timeouts, tls=any(a.base.startswith("https") for a in addresses))
    connections = [
        Connection(client, address, key) for address, key in zip(addresses, keys, strict=True)
    ]
    answers = await _ask_all(connections, settings, listen)
    known: list[Identity] = []
    absent: list[tuple[int, StreamInterruptedError]] = []
    for place, answer in enumerate(answers):
        match answer:
            case StreamInterruptedError():
                absent.append((place, answer))
            case MultiturnError():
                kind = InputError if isinstance(answer, InputError) else EngineError
                raise kind(
                    f"{addresses[place]}: {answer.what}",
                    got=answer.got,
                    allowed=answer.allowed,
                    fix=answer.fix,
                ) from answer
            case BaseException():
                raise answer
            case Identity():
                known.append(answer)
    if not known:
        reasons = "; ".join(f"{addresses[place]}: {fault.reason}" for place, fault in absent)
        raise EngineError(
            f"no server answers ({reasons})",
            fix="start one, wait until it has loaded, or check the address and the port",
        )
    identity = common_identity(known)

    async def check(connection: Connection) -> str | None:
        return identity_difference(identity, await identify(connection, settings))

    pool = ServerPool(connections, settings.retry, check, listen)
    for place, fault in absent:
        pool.report_failure(pool.servers[place], fault)
    return pool, identity, known


async def _ask_all(
    connections: list[Connection], settings: HttpSettings, listen: NoticeListener
) -> list[Identity | BaseException]:
    """The identity of each server; waits for servers that load until one is ready."""
    retry = settings.retry
    answers: list[Identity | BaseException] = []
    for attempt in range(retry.attempts):
        answers = await asyncio.gather(
            *(identify(connection, settings) for connection in connections), return_exceptions=True
        )
        waits = [
            max(each.after or 0.0, retry.backoff(attempt + 1))
            for each in answers
            if isinstance(each, StreamInterruptedError) and each.not_ready
        ]
        permanent = any(not isinstance(each, StreamInterruptedError) for each in answers)
        wait = min(waits, default=None)
        if permanent or wait is None or wait > retry.longest_wait:
            break
        if attempt + 1 < retry.attempts:
            for connection, each in zip(connections, answers, strict=True):
                if isinstance(each, StreamInterruptedError):
                    listen(f"{connection.address}: {each.reason}; asking again in {wait:.1f} s")
            await asyncio.sleep(wait)
    return answers


def _info(
    identity: Identity, answering: list[Identity], servers: int, settings: HttpSettings
) -> EngineInfo:
    windows = [one.context for one in answering if one.context is not None]
    window = min(windows, default=None)
    if window is None and settings.context is None:
        raise InputError(
            "the server does not report its context window",
            fix="say how many tokens it has, with --context (in Python: HttpSettings.context)",
        )
    if window is not None and settings.context is not None and settings.context > window:
        raise InputError(
            "the context window is out of range", got=settings.context, allowed=f"1 to {window}"
        )
    slots = sum(one.slots or _SLOTS for one in answering)
    return EngineInfo(
        engine=f"http {settings.api} {identity.name}",
        model=identity.model,
        weights_sha256=None,
        context_window=settings.context or window or 0,
        chat_template=identity.chat_template,
        bos_token=identity.bos_token,
        eos_token=identity.eos_token,
        slots=settings.slots or slots * servers // len(answering),
        exact_counts=identity.tokenizes,
        token_ids=returns_token_ids(identity.kind),
    )
