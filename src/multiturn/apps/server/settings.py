"""The settings of a server."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field

from multiturn.core.errors import InputError
from multiturn.core.ranges import Range, check_ranges

__all__ = ["ServerSettings", "is_loopback"]

_RANGES = {
    "port": Range(0, 65535, low_means="any free one"),
    "max_body_bytes": Range(1024, 1 << 30),
    "max_waiting": Range(0, 100_000),
    "max_connections": Range(1, 100_000),
    "max_choices": Range(1, 1024),
    "max_sessions": Range(1, 1_000_000),
    "max_buffered_bytes": Range(1024, 1 << 30),
    "requests_per_second": Range(0, 1_000_000, above=True),
    "request_burst": Range(1, 1_000_000),
    "read_seconds": Range(0, 86400, above=True),
    "write_seconds": Range(0, 86400, above=True),
    "stop_seconds": Range(0, 86400),
}

_MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a server listens, who may use it, and its limits.

    Attributes:
        token: what every client must send; by default a random one.
        host: the address to listen at.
        port: 0 takes a free one.
        host_names: further names or addresses in the URL by which clients reach the server.
        origins: pages elsewhere that may use the server, each as ``https://name:port``.
        max_body_bytes: size of the body of a request.
        max_waiting: requests that wait for the engine; further ones are refused with 429.
        max_connections: open connections; a new one then closes the one that is idle longest.
        max_choices: continuations that one request may ask for.
        max_sessions: sessions that are stored.
        max_buffered_bytes: text that waits for a client to read it; the generation of a client
            that reads more slowly than that is cancelled.
        requests_per_second: of one client's address, averaged.
        request_burst: how many may come at once.
        read_seconds: how long a client may take to send a request.
        write_seconds: how long a client may read nothing before it is disconnected.
        stop_seconds: how long requests may take to finish when the server is stopped.

    Raises:
        InputError: a setting is out of range, or the token is too short.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    host_names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    max_body_bytes: int = 1 << 20
    max_waiting: int = 64
    max_connections: int = 512
    max_choices: int = 128
    max_sessions: int = 10_000
    max_buffered_bytes: int = 1 << 20
    requests_per_second: float = 100.0
    request_burst: int = 400
    read_seconds: float = 30.0
    write_seconds: float = 60.0
    stop_seconds: float = 30.0

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, what="the setting ")
        if len(self.token) < _MIN_TOKEN_CHARACTERS or not _is_plain(self.token):
            raise InputError(
                "the token is too easy to guess, or has other characters",
                allowed=f"{_MIN_TOKEN_CHARACTERS} or more letters, digits, - and _",
                fix="leave it out to get a random one",
            )
        for origin in self.origins:
            scheme, _, name = origin.partition("://")
            if scheme not in ("http", "https") or not name or set("/*? ") & set(name):
                raise InputError(
                    "a page's origin is a scheme, a name and a port",
                    got=origin,
                    allowed="such as http://localhost:3000",
                )


def _is_plain(token: str) -> bool:
    return all(each.isascii() and (each.isalnum() or each in "-_") for each in token)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
