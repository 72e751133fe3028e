"""The key that a server wants: read from the environment, shown to nobody else."""

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
        """What to send with a request."""
        return {"Authorization": f"Bearer {self._text}"} if self._text else {}

    def redact(self, text: str) -> str:
        """`text`, a server's answer that may repeat the key, without it."""
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
        variable: the environment variable that a person named; None for the usual one, whose
            key was given for somebody else's server and so is not sent in clear text.
        address: of the server.

    Raises:
        InputError: the named variable is not set, or what it holds cannot be a key.
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
