"""The filter for Python that does not compile."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.drop_log import DropLog
from multiturn.data.documents.record import Document

__all__ = ["PythonSyntax"]


@dataclass(frozen=True, slots=True)
class PythonSyntax:
    """Drops Python files that the running Python cannot compile.

    Python 2 fails, as intended; syntax newer than the running Python fails too. Files are compiled
    and never run. docs/decisions/0022-python-syntax.md compares ways to check the syntax.
    """

    name: ClassVar[str] = "python syntax"

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield documents of other languages, and Python that compiles."""
        for document in documents:
            reason = self._judge(document) if document.language == "python" else None
            if reason is None:
                yield document
            else:
                drop_log.drop(self.name, document, reason)

    def _judge(self, document: Document) -> str | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(document.content, "document.py", "exec", dont_inherit=True, optimize=0)
        except SyntaxError:
            return "no valid syntax"
        except (ValueError, RecursionError, MemoryError, OverflowError):
            return "nested too deeply"
        return None
