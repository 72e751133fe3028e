"""What is text at all."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.drop_log import DropLog
from multiturn.data.documents.record import Document

__all__ = ["ValidText"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidText:
    """Drops what is not UTF-8, holds control characters, or is too short or long.

    It comes first: the steps after it may take content for valid UTF-8. A byte order mark is
    taken off, and lines end with a newline alone; both are counted.

    Attributes:
        least_bytes: of a document.
        most_bytes: of a document.
    """

    name: ClassVar[str] = "text"

    least_bytes: int = 32
    most_bytes: int = 8 << 20

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield the documents that are text."""
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
        if len(content) < self.least_bytes:
            return "an empty file" if not content.strip() else "a very short text"
        if len(content) > self.most_bytes:
            return "a text too long"
        if content.translate(None, _NO_TEXT) != content:
            return "control characters"
        if not content.isascii():
            try:
                content.decode("utf-8")
            except UnicodeDecodeError:
                return "not UTF-8"
        return None


_NO_TEXT = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b") + b"\x7f"
"""Control characters no text has; form feeds and escapes occur in old sources."""
