"""Parses addresses of servers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from multiturn.core.errors import InputError

__all__ = ["Address", "read_addresses"]

_EXAMPLE = "http://HOST:PORT/v1, several with commas between, then #MODEL if need be"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server.

    Attributes:
        base: up to and including ``/v1``, without a slash at the end.
    """

    base: str

    @property
    def root(self) -> str:
        """The address of endpoints outside OpenAI's API."""
        return self.base.removesuffix("/v1")

    @property
    def private(self) -> bool:
        """Whether traffic cannot be read on the way: TLS, or this machine."""
        parts = urlsplit(self.base)
        host = parts.hostname or ""
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        return parts.scheme == "https" or loopback

    def __str__(self) -> str:
        return self.base


def read_addresses(written: str | Iterable[str]) -> tuple[tuple[Address, ...], str | None]:
    """Parse addresses, and the model if one is named after ``#``.

    An address without a path gets ``/v1``.

    Raises:
        InputError: one is invalid, has a password or a query, or appears twice.

    Example:
        >>> read_addresses("http://a:8000,http://b:8000/v1#qwen")
        ((Address(base='http://a:8000/v1'), Address(base='http://b:8000/v1')), 'qwen')
    """
    texts = written.split(",") if isinstance(written, str) else list(written)
    found: list[Address] = []
    models: set[str] = set()
    for text in texts:
        address, model = _read_address(text.strip())
        if address in found:
            raise InputError("an address comes twice", got=str(address), fix="name it once")
        found.append(address)
        if model:
            models.add(model)
    if not found:
        raise InputError("no address of a server", allowed=_EXAMPLE)
    if len(models) > 1:
        raise InputError(
            "the addresses name different models",
            got=", ".join(sorted(models)),
            fix="open one engine for each model",
        )
    return tuple(found), next(iter(models), None)


def _read_address(text: str) -> tuple[Address, str]:
    try:
        parts = urlsplit(text)
        port = parts.port  # read for its check
        secret = parts.username is not None or parts.password is not None or bool(parts.query)
    except ValueError as error:
        raise InputError(f"not an address ({error})", allowed=_EXAMPLE) from error
    if secret:
        # The message does not repeat what may be a password.
        raise InputError(
            "an address has a user name, a password or a query in it",
            allowed=_EXAMPLE,
            fix="put the key in OPENAI_API_KEY, or in a variable that you name",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InputError("not an address of a server", got=text, allowed=_EXAMPLE)
    path = parts.path.rstrip("/") or "/v1"
    for ending in ("/completions", "/chat", "/models"):  # people paste the full endpoint
        path = path.removesuffix(ending)
    # Normalized, so that one server is not named twice.
    path = re.sub("/{2,}", "/", path).rstrip("/")
    return Address(f"{parts.scheme}://{parts.netloc.lower()}{path}"), unquote(parts.fragment)
