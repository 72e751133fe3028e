"""Fields of a document from the columns or keys of a table.

Tables differ: a missing value is None, NaN or a word for it, a licence is one name or a list of
names, a text is a string or bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from multiturn.core.errors import UnknownNameError
from multiturn.data.documents.languages import language_key
from multiturn.data.documents.record import Document
from multiturn.data.licences.expressions import canonical, joined
from multiturn.data.licences.packages import licence_of_words

__all__ = ["FieldError", "check_fields", "fill_fields", "is_missing"]

_FIELDS = ("source", "path", "revision", "licence", "language")
_METADATA = "metadata."
_NOTHING = frozenset({"", "nan", "none", "null", "<na>", "n/a", "na", "nil"})
"""Words that programs write for a missing value, in lower case."""
_LICENCE_KEYS = ("spdx_id", "spdx", "expression", "type", "license", "licence", "key", "name", "id")
"""Keys of a licence object, as hubs and package managers write them."""
_SEPARATORS = re.compile(r"\s*[,;|]\s*")


class FieldError(ValueError):
    """The value of a field is not text; the document is dropped. Says why."""


def check_fields(fields: Iterable[str]) -> None:
    """Refuse names that are not fields of a document.

    Raises:
        UnknownNameError: the message suggests the nearest name.
    """
    for field in fields:
        if field not in _FIELDS and not field.startswith(_METADATA):
            raise UnknownNameError("document field", field, (*_FIELDS, f"{_METADATA}*"))


def fill_fields(
    document: Document,
    values: Iterable[tuple[str, object]],
    *,
    label: str,
    licences: Mapping[str, str],
) -> None:
    """Set fields from the values of a table; a missing value leaves its field unchanged.

    Args:
        document: to change.
        values: each field, checked by `check_fields`, with its value.
        label: goes before the value of the field `source`.
        licences: SPDX expressions for values of a licence column, in any case. Other values are
            read as SPDX, or as the words that packages use; several licences apply together.

    Raises:
        FieldError: a value is not text.
    """
    for field, value in values:
        if field == "licence":
            document.licence = _licence_of(value, licences) or document.licence
        elif field == "language":
            document.language = _language_of(value) or document.language
        elif is_missing(value):
            continue
        elif field == "source":
            document.source = f"{label}:{_text(value, field)}"
        elif field.startswith(_METADATA):
            document.metadata[field.removeprefix(_METADATA)] = _text(value, field)
        else:
            setattr(document, field, _text(value, field) or getattr(document, field))


def is_missing(value: object) -> bool:
    """Whether a value is missing: None, or the NaN of data frames."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: object, field: str) -> str:
    """A value as text.

    Raises:
        FieldError: the value is bytes that are not UTF-8, or holds half of a surrogate pair.
    """
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FieldError(f"a {field} that is not UTF-8") from error
    if isinstance(value, Mapping | list | tuple):
        try:
            text = json.dumps(value, ensure_ascii=False, default=_plain)
        except (TypeError, ValueError, RecursionError):
            text = str(value)
    else:
        text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FieldError("half of a surrogate pair") from error
    return text


def _plain(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _word(value: object, field: str) -> str:
    """A name; empty where the value stands for a missing one."""
    if is_missing(value):
        return ""
    word = _text(value, field).strip()
    return "" if word.casefold() in _NOTHING else word


def _licence_of(value: object, licences: Mapping[str, str]) -> str:
    """The SPDX expression of a value; several licences apply together."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in _LICENCE_KEYS if not is_missing(value.get(key))), None)
    if isinstance(value, list | tuple | set):
        return joined(_licence_of(each, licences) for each in value)
    word = _word(value, "licence")
    if not word:
        return ""
    if word.startswith("["):
        try:
            listed = json.loads(word.replace("'", '"'))
        except ValueError:
            listed = None
        if isinstance(listed, list):
            return _licence_of(listed, licences)
    if found := _known(word, licences):
        return found
    parts = [part for part in _SEPARATORS.split(word) if part]
    known = [_known(part, licences) for part in parts]
    return joined(known) if len(parts) > 1 and all(known) else word


def _known(word: str, licences: Mapping[str, str]) -> str:
    for name in (word, word.casefold()):
        if name in licences:
            return licences[name]
    folded = {name.casefold(): meant for name, meant in licences.items()}
    return folded.get(word.casefold()) or canonical(word) or licence_of_words(word)


def _language_of(value: object) -> str:
    """The key of a language; empty for several languages, so that the language is detected."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        keys = {_language_of(each) for each in value} - {""}
        return keys.pop() if len(keys) == 1 else ""
    return language_key(_word(value, "language"))
