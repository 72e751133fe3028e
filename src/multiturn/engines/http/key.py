"""The API key of a server, from the environment; it is never shown or saved."""

from __future__ import annotations

import os

from multiturn.core.errors import InputError
from multiturn.engines.http.address import Address

__all__ = ["Key", "read_key"]

DEFAULT_VARIABLE = "OPENAI_API_KEY"


class Key:
    """A key, or none. Its text leaves this object only in the header of a request."""

    __slots__ = ("_text", "variable")

    def __init__(self, text: str | None, variable: str) -> None:
        self._text = text
        self.variable = variable

    def headers(self) -> dict[str, str]:
        """The headers that carry the key."""
        return {"Authorization": f"Bearer {self._text}"} if self._text else {}

    def redact(self, text: str) -> str:
        """A server's text without the key, which it may repeat."""
        return text.replace(self._text, "(the key)") if self._text else text

    def __bool__(self) -> bool:
        return self._text is not None

    def __repr__(self) -> str:
        return f"Key(variable={self.variable!r}, set={self._text is not None})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key is not to be copied or saved")


def read_key(variable: str | None, address: Address) -> Key:
    """The key for a server.

    Args:
        variable: the environment variable that a person named; None for the default one. The
            default key belongs to another server, so it is not sent in clear text.
        address: of the server.

    Raises:
        InputError: the named variable is not set, or its value cannot be a key.
    """
    name = variable or DEFAULT_VARIABLE
    text = os.environ.get(name, "").strip()
    if variable and not text:
        raise InputError(
            "the variable for the key is not set", got=variable, fix=f"export {variable}=..."
        )
    if variable is None and not address.private:
        return Key(None, name)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InputError(
            f"the value of {name} cannot be a key: it has spaces, control characters or letters "
            "outside ASCII",
            fix="set it again, without what does not belong to it",
        )
    return Key(text or None, name)
