"""A document: one file or text of a corpus, with its provenance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["PROVENANCE", "Document"]

PROVENANCE = ("source", "path", "revision", "licence", "language", "sha256")
"""The fields of a document that a packed corpus records."""


@dataclass(slots=True, kw_only=True)
class Document:
    """A text and its provenance.

    The content is bytes, because filters, hashes and regular expressions run several times as fast
    on bytes, a limit in bytes is a limit of memory, and only the tokenizer needs a string. A
    document that has passed `filters.text.ValidText` is valid UTF-8.

    Steps may rewrite `content`, `licence`, `language` and `metadata`. The provenance (`source`,
    `path`, `revision`, `sha256`) stays as the source gave it.

    Attributes:
        content: the text, as UTF-8.
        source: its collection, with the kind of the source: ``pypi:requests``,
            ``git:https://...``, ``pile:Github``.
        path: in the collection, with forward slashes.
        revision: version, commit or snapshot of the collection; empty where it has none.
        licence: an SPDX expression; empty where it is unknown.
        language: a key of `languages.LANGUAGES`; empty until it is detected.
        sha256: of the content as the source gave it, in lower-case hexadecimal; computed where
            it is not given. Redaction does not change it, so an opt-out by hash holds.
        metadata: other facts from the source, as text by name.
    """

    content: bytes
    source: str
    path: str
    revision: str = ""
    licence: str = ""
    language: str = ""
    sha256: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sha256:
            self.sha256 = hashlib.sha256(self.content).hexdigest()

    @property
    def id(self) -> str:
        """The name of the document in records: its collection, revision and path.

        Example:
            >>> Document(content=b"", source="pypi:six", revision="1.17.0", path="six.py").id
            'pypi:six@1.17.0:six.py'
        """
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.source}{revision}:{self.path}"

    @property
    def text(self) -> str:
        """The content as a string, decoded at each call.

        Raises:
            UnicodeDecodeError: the document has not passed `filters.text.ValidText`.
        """
        return self.content.decode("utf-8")
