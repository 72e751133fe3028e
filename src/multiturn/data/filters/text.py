"""The filter for valid text."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.fingerprint import formerly
from multiturn.data.documents.record import Document

__all__ = ["ValidText"]


@formerly(min_bytes="least_bytes", max_bytes="most_bytes")
@dataclass(frozen=True, slots=True, kw_only=True)
class ValidText:
    """Drops documents that are not UTF-8, hold control characters, or are too short or long.

    The filter comes first, so that the other steps get valid UTF-8. It removes a byte order mark
    and makes all lines end with a newline alone; both changes are counted.

    Attributes:
        min_bytes: of a document.
        max_bytes: of a document.
    """

    name: ClassVar[str] = "text"

    min_bytes: int = 32
    max_bytes: int = 8 << 20

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield the documents that are valid text."""
        for document in documents:
            reason = self._judge(document.content)
            if reason is not None:
                drop_log.drop(self.name, document, reason)
                continue
            content = document.content
            if content.startswith(codecs.BOM_UTF8):
                content = content.removeprefix(codecs.BOM_UTF8)
                drop_log.count(self.name, "byte order marks taken off")
            if b"\r" in content:
                content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                drop_log.count(self.name, "line ends changed")
            document.content = content
            yield document

    def _judge(self, content: bytes) -> str | None:
        if len(content) < self.min_bytes:
            return "an empty file" if not content.strip() else "a very short text"
        if len(content) > self.max_bytes:
            return "a text too long"
        if content.translate(None, _CONTROL) != content:
            return "control characters"
        if not content.isascii():
            try:
                content.decode("utf-8")
            except UnicodeDecodeError:
                return "not UTF-8"
        return None


_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b") + b"\x7f"
"""Control characters that text does not have; form feeds and escapes occur in old sources."""
