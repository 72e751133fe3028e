"""Fields of a document that come from the columns or keys of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multiturn.core.errors import UnknownNameError
from multiturn.data.document import Document

__all__ = ["check_fields", "set_field"]

_FIELDS = ("source", "path", "revision", "licence", "language")
_METADATA = "metadata."


def check_fields(fields: Iterable[str]) -> None:
    """Raise where a name is no field of a document.

    Raises:
        UnknownNameError: the message suggests the nearest.
    """
    for field in fields:
        if field not in _FIELDS and not field.startswith(_METADATA):
            raise UnknownNameError("document field", field, (*_FIELDS, f"{_METADATA}*"))


def set_field(
    document: Document, field: str, value: object, *, label: str, licences: Mapping[str, str]
) -> None:
    """Set a field from a table's value; None leaves it as it is.

    Args:
        document: to change.
        field: one that `check_fields` lets pass.
        value: of the table.
        label: goes before the value where it is the document's source.
        licences: what the values of a licence column mean, as SPDX.
    """
    if value is None:
        return
    text = str(value)
    if field == "source":
        document.source = f"{label}:{text}"
    elif field == "licence":
        document.licence = licences.get(text, text)
    elif field.startswith(_METADATA):
        document.metadata[field.removeprefix(_METADATA)] = text
    else:
        setattr(document, field, text)
