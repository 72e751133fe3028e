"""The shapes of e-mail addresses and IP addresses.

Each search begins at a rare sign (an at sign, three numbers with dots between) and looks around it,
which is many times as fast as a try at every character, and no text makes it slow.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

__all__ = ["addresses_in", "emails_in"]

_AFTER_AT = re.compile(
    rb"@(?P<host>[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24})(?![\w-])"
)
_BEFORE_AT = re.compile(rb"[A-Za-z0-9._%+-]{1,64}\Z")
_MAX_NAME = 64
_PLACEHOLDER_HOST = re.compile(
    rb"(?:.*\.)?(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost)", re.IGNORECASE
)
_FUNCTIONS = frozenset(map(str.encode, ("git", "svn", "hg", "noreply", "no-reply", "nobody")))
# Endings that are files or attributes, as in ``decorator@module.name`` and ``icon@2x.png``.
_NO_DOMAINS = frozenset(
    b"png jpg jpeg gif svg webp py js ts jsx tsx css scss html json md txt xml yaml yml so dll "
    b"lib java cpp self setter getter deleter property".split()
)
_INNER_V4 = re.compile(rb"\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\.?\w)")
_V6 = re.compile(rb":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,40}+")
_V6_SIGNS = frozenset(b"0123456789abcdefABCDEF:")
_MAX_V6 = 39


def emails_in(content: bytes) -> Iterator[tuple[int, int, str]]:
    """The spans of e-mail addresses, placeholders excepted (example.com, git@, noreply@)."""
    if b"@" not in content:
        return
    for match in _AFTER_AT.finditer(content):
        at = match.start()
        name = _BEFORE_AT.search(content, max(0, at - _MAX_NAME), at)
        if name is None:
            continue
        host = match["host"]
        if (
            _PLACEHOLDER_HOST.fullmatch(host)
            or name[0].lower() in _FUNCTIONS
            or host.rpartition(b".")[2].lower() in _NO_DOMAINS
        ):
            continue
        yield name.start(), match.end(), "email"


def addresses_in(content: bytes) -> Iterator[tuple[int, int, str]]:
    """The spans of public IP addresses, without private, local and documentation ranges."""
    for match in _INNER_V4.finditer(content):
        begin = match.start()
        while begin and match.start() - begin < 4 and content[begin - 1 : begin].isdigit():
            begin -= 1
        if begin and (content[begin - 1 : begin].isalnum() or content[begin - 1] in b"._-"):
            continue
        if _is_public(content[begin : match.end()]):
            yield begin, match.end(), "ip address"
    if b":" not in content:
        return
    for match in _V6.finditer(content):
        begin = match.start()
        while begin and match.start() - begin < _MAX_V6 and content[begin - 1] in _V6_SIGNS:
            begin -= 1
        # Public addresses begin with 2 or 3; C++ has `a::b` everywhere.
        if content[begin : begin + 1] not in (b"2", b"3") or content[begin - 1 : begin].isalnum():
            continue
        found = content[begin : match.end()].rstrip(b":")
        if _is_public(found) and found.count(b":") > 1:
            yield begin, begin + len(found), "ip address"


def _is_public(text: bytes) -> bool:
    try:
        return ipaddress.ip_address(text.decode("ascii")).is_global
    except ValueError:
        return False
