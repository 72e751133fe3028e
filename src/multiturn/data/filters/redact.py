"""The redaction of secrets and personal data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.fingerprint import formerly
from multiturn.data.documents.record import Document
from multiturn.data.filters.personal_shapes import addresses_in, emails_in
from multiturn.data.filters.secret_shapes import secrets_in

__all__ = ["PLACEHOLDERS", "Redact", "redacted"]

PLACEHOLDERS = {
    "key": b"<KEY>",
    "private key": b"\n<PRIVATE_KEY>\n",
    "password": b"<PASSWORD>",
    "email": b"<EMAIL>",
    "ip address": b"<IP_ADDRESS>",
}
"""The placeholder of each kind."""


@formerly(min_entropy="least_disorder", max_redactions="most")
@dataclass(frozen=True, slots=True, kw_only=True)
class Redact:
    """Replaces keys, tokens, passwords, e-mail addresses and IP addresses by placeholders.

    Redactions are counted by kind, and for each document in `metadata["redacted"]`.

    Attributes:
        secrets: redact keys, tokens and passwords.
        personal: redact e-mail and IP addresses.
        min_entropy: see `secret_shapes.secrets_in`.
        max_redactions: a document with more is a list of secrets and is dropped.
    """

    name: ClassVar[str] = "redact"

    secrets: bool = True
    personal: bool = True
    min_entropy: float = 2.8
    max_redactions: int = 100

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield the redacted documents."""
        for document in documents:
            content, kinds = redacted(
                document.content,
                secrets=self.secrets,
                personal=self.personal,
                min_entropy=self.min_entropy,
            )
            if kinds:
                if len(kinds) > self.max_redactions:
                    drop_log.drop(self.name, document, "a list of addresses or secrets")
                    continue
                for kind in kinds:
                    drop_log.count(self.name, kind)
                document.content = content
                document.metadata["redacted"] = str(len(kinds))
            yield document


def redacted(
    content: bytes, *, secrets: bool = True, personal: bool = True, min_entropy: float = 2.8
) -> tuple[bytes, list[str]]:
    """A redacted text, and the kind of each redaction.

    Example:
        >>> redacted(b"mail me@somewhere.io from 8.8.8.8")
        (b'mail <EMAIL> from <IP_ADDRESS>', ['email', 'ip address'])
    """
    spans: list[tuple[int, int, str]] = []
    if secrets:
        spans += secrets_in(content, min_entropy=min_entropy)
    if personal:
        spans += emails_in(content)
        spans += addresses_in(content)
    if not spans:
        return content, []
    spans.sort()
    pieces, kinds, place = [], [], 0
    for begin, end, kind in spans:
        if end <= place:
            continue
        if begin >= place:
            pieces += [content[place:begin], PLACEHOLDERS[kind]]
            kinds.append(kind)
        # A span that begins inside the one before only extends it.
        place = end
    pieces.append(content[place:])
    return b"".join(pieces), kinds
