"""One file, or one text, of a corpus, with where it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["Document"]


@dataclass(slots=True, kw_only=True)
class Document:
    """A text and its provenance.

    The content is bytes, not a string: the filters, hashes and regular expressions run on
    bytes several times as fast, a bound in bytes is a bound of memory, and only the tokenizer
    needs a string. A document that has passed `filters.text.ValidText` is valid UTF-8.

    Steps may rewrite `content`, `licence`, `language` and `metadata`; what says where the
    document came from stays as the source gave it.

    Attributes:
        content: the text, as UTF-8.
        source: the collection it belongs to, with its kind: ``pypi:requests``,
            ``git:https://...``, ``pile:Github``.
        path: its place in that collection, with forward slashes.
        revision: version, commit or snapshot of the collection; empty where there is none.
        licence: an SPDX expression; empty where nothing is known.
        language: a key of `languages.LANGUAGES`; empty until it is detected.
        sha256: of the content as the source gave it, in lower-case hexadecimal; worked out
            where it is not given. Redaction does not change it, so an opt-out by hash holds.
        metadata: whatever else a source knows, as text by name.
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
        """Its name in every record: the collection, its revision, and the place in it.

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
            UnicodeDecodeError: it has not passed `filters.text.ValidText`.
        """
        return self.content.decode("utf-8")
