"""The filter for licences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from multiturn.data.build.drop_log import DropLog
from multiturn.data.documents.record import Document
from multiturn.data.licences.expressions import PERMISSIVE, canonical, joined, permits
from multiturn.data.licences.texts import licence_of_header

__all__ = ["AllowedLicence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedLicence:
    """Drops documents whose licence is unknown or not on the list.

    An SPDX line in the file decides alone. A licence text in the header of the file counts in
    addition to the licence of its project: both must be allowed.

    Attributes:
        allowed: SPDX identifiers, in any case.
        keep_unknown: let documents without a known licence pass.
    """

    name: ClassVar[str] = "licence"

    allowed: frozenset[str] = PERMISSIVE
    keep_unknown: bool = False

    def __post_init__(self) -> None:
        # Frozen: the only way to normalize a field.
        object.__setattr__(self, "allowed", frozenset(map(_in_canon, self.allowed)))

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield the documents whose licence is allowed."""
        for document in documents:
            document.licence = _in_canon(document.licence)
            stated, settled = licence_of_header(document.content)
            if stated and settled:
                document.licence = stated
            elif stated and stated != document.licence:
                document.licence = joined([document.licence, stated])
            if permits(document.licence, self.allowed):
                yield document
            elif document.licence:
                drop_log.count(self.name, document.licence)
                drop_log.drop(self.name, document, "a licence not allowed", detail=document.licence)
            elif self.keep_unknown:
                yield document
            else:
                drop_log.drop(self.name, document, "an unknown licence")


@lru_cache(maxsize=4096)
def _in_canon(expression: str) -> str:
    """The expression as SPDX writes it; one that is not SPDX unchanged."""
    return canonical(expression) or expression
