"""Taking secrets and personal data out of documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.drop_log import DropLog
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
"""What stands in place of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redact:
    """Puts placeholders in place of keys, tokens, passwords, e-mail addresses and IP addresses.

    What was redacted is counted by its kind, and by document in `metadata["redacted"]`.

    Attributes:
        secrets: whether keys, tokens and passwords are.
        personal: whether e-mail and IP addresses are.
        least_disorder: see `secret_shapes.secrets_in`.
        most: redactions in one document. More is no code with a secret in it but a list of
            them, and is dropped.
    """

    name: ClassVar[str] = "redact"

    secrets: bool = True
    personal: bool = True
    least_disorder: float = 2.8
    most: int = 100

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield the documents with placeholders in them."""
        for document in documents:
            content, kinds = redacted(
                document.content,
                secrets=self.secrets,
                personal=self.personal,
                least_disorder=self.least_disorder,
            )
            if kinds:
                if len(kinds) > self.most:
                    drop_log.drop(self.name, document, "a list of addresses or secrets")
                    continue
                for kind in kinds:
                    drop_log.count(self.name, kind)
                document.content = content
                document.metadata["redacted"] = str(len(kinds))
            yield document


def redacted(
    content: bytes, *, secrets: bool = True, personal: bool = True, least_disorder: float = 2.8
) -> tuple[bytes, list[str]]:
    """A text with placeholders in it, and the kind of each.

    Example:
        >>> redacted(b"mail me@somewhere.io from 8.8.8.8")
        (b'mail <EMAIL> from <IP_ADDRESS>', ['email', 'ip address'])
    """
    spans: list[tuple[int, int, str]] = []
    if secrets:
        spans += secrets_in(content, least_disorder=least_disorder)
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
        # One that begins inside the one before only makes it longer.
        place = end
    pieces.append(content[place:])
    return b"".join(pieces), kinds
