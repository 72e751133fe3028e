"""Licences by the phrases of their texts.

Each rule names phrases that are in every copy of a licence, whatever its line breaks, quotes and
copyright line, and in no other licence. A text with several licences counts as under all of them,
so that a copyleft licence among them is never missed. docs/decisions/0021-licences-by-phrases.md
says why this is our own table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import re2

from multiturn.data.licences.expressions import canonical, joined

__all__ = ["BIOPYTHON", "licence_of_header", "licence_of_text"]

BIOPYTHON = "LicenseRef-Biopython-License-Agreement"
"""What Biopython's metadata call its licence, which SPDX does not list."""

_MAX_BYTES = 512 << 10
_HEADER_BYTES = 4096
_SPDX = re.compile(rb"SPDX-License-Identifier:[ \t]*([A-Za-z0-9 .+()-]+)")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_MENTION = re2.compile(rb"(?i)licen[cs]e|permission|redistribution|public domain")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A licence that a text holds if it has one of `any_of`, all of `all_of`, none of `none_of`."""

    licence: str
    any_of: tuple[str, ...]
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


_BSD = "redistribution and use in source and binary forms with or without modification"
_MIT = "permission is hereby granted free of charge to any person obtaining a copy of"
_MIT_NOTICE = "this permission notice"
_ENDORSE = ("neither the name", "to endorse or promote products", "names of its contributors")
_ADVERTISING = "all advertising materials mentioning features"
_ISC = "permission to use copy modify and or distribute this software for any purpose with or"
_PYTHON = ("psf license agreement for python", "python software foundation license version 2")
_LATER = "or at your option any later version"

_RULES = (
    _Rule(
        "MIT",
        (_MIT,),
        (_MIT_NOTICE,),
        ("used for good not evil", "cmu", "boost software license"),
    ),
    _Rule("MIT", ("license mit", "the mit license mit", "licensed under the mit license",
                  "mit license http", "mit license https", "under the terms of the mit license",
                  "released under the mit license"), (), (_MIT,)),
    _Rule("MIT-0", (_MIT,), (), (_MIT_NOTICE, "boost software license", "font")),
    _Rule("JSON", ("used for good not evil",)),
    _Rule("BSL-1.0", ("boost software license version 1 0",)),
    _Rule("Apache-2.0", ("apache license version 2 0", "apache license 2 0",
                         "apache org licenses license 2 0", "apache software license version 2 0")),
    _Rule("BSD-4-Clause", (_BSD,), (_ADVERTISING,)),
    *(_Rule("BSD-3-Clause", (_BSD,), (words,), (_ADVERTISING,)) for words in _ENDORSE),
    _Rule("BSD-2-Clause", (_BSD,), ("redistributions in binary form",), (*_ENDORSE, _ADVERTISING)),
    _Rule("BSD-1-Clause", (_BSD,), (), (*_ENDORSE, _ADVERTISING, "redistributions in binary form")),
    _Rule("ISC", (_ISC, _ISC.replace("and or", "and")),
          ("provided that the above copyright notice",)),
    _Rule("0BSD", (_ISC,), (), ("provided that the above copyright notice",)),
    _Rule("HPND", ("permission to use copy modify and distribute this software and its "
                   "documentation for any purpose",)),
    _Rule(BIOPYTHON, ("permission to use copy modify and distribute this software and its "
                      "documentation with or without modifications and for any purpose",)),
    _Rule("Python-2.0", _PYTHON),
    _Rule("Zlib", ("altered source versions must be plainly marked as such",)),
    _Rule("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    _Rule("CC0-1.0", ("cc0 1 0 universal", "creativecommons org publicdomain zero 1 0")),
    _Rule("PostgreSQL", ("in no event shall the university of california be liable to any party",)),
    _Rule("NCSA", ("university of illinois ncsa open source license",)),
    _Rule("curl", ("curl and libcurl are licensed under", "see copying for license curl"),),
    _Rule("WTFPL", ("do what the fuck you want to public license",)),
    _Rule("ZPL-2.1", ("zope public license zpl version 2 1",)),
    _Rule("OFL-1.1", ("sil open font license version 1 1",)),
    _Rule("Artistic-2.0", ("the artistic license 2 0", "artistic license version 2 0")),
    _Rule("MPL-2.0", ("mozilla public license version 2 0", "mozilla public license v 2 0",
                      "mozilla org mpl 2 0")),
    _Rule("MPL-1.1", ("mozilla public license version 1 1",)),
    _Rule("EPL-2.0", ("eclipse public license v 2 0", "eclipse public license version 2 0")),
    _Rule("EPL-1.0", ("eclipse public license v 1 0", "eclipse public license version 1 0")),
    _Rule("CDDL-1.0", ("common development and distribution license",)),
    _Rule("EUPL-1.2", ("european union public licence",)),
    _Rule("AGPL-3.0-or-later", ("gnu affero general public license",)),
    _Rule("LGPL-2.1-or-later", ("gnu lesser general public license",
                                "gnu library general public license",
                                "gnu lgpl", "license lgpl")),
    _Rule("GPL-3.0-or-later", ("gnu general public license",), ("version 3",)),
    _Rule("GPL-2.0-or-later", ("gnu general public license",), (_LATER,), ("version 3",)),
    # The licence of Python mentions the GPL.
    _Rule("GPL-2.0-only", ("gnu general public license", "gnu gpl", "license gpl"), (),
          (_LATER, "version 3", *_PYTHON)),
    _Rule("CC-BY-SA-4.0", ("creativecommons org licenses by sa", "attribution sharealike 4 0")),
    _Rule("CC-BY-NC-4.0", ("creativecommons org licenses by nc", "attribution noncommercial 4 0")),
    _Rule("CC-BY-4.0", ("creativecommons org licenses by 4", "attribution 4 0 international")),
    _Rule("BUSL-1.1", ("business source license 1 1",)),
    _Rule("SSPL-1.0", ("server side public license",)),
    _Rule("Elastic-2.0", ("elastic license 2 0",)),
    _Rule("LicenseRef-Commons-Clause", ("commons clause license condition",)),
    _Rule("LicenseRef-Non-Commercial", ("for non commercial use only", "noncommercial use only",
                                        "non commercial purposes only")),
)  # fmt: skip


def licence_of_text(text: bytes) -> str:
    """The SPDX expression of a LICENSE file or a longer notice; empty where it is unknown.

    Example:
        >>> licence_of_text(b"Licensed under the Apache License, Version 2.0 (the 'License')")
        'Apache-2.0'
    """
    words = _NO_WORD.sub(" ", text[:_MAX_BYTES].decode("utf-8", errors="replace").lower())
    return joined(
        rule.licence
        for rule in _RULES
        if any(phrase in words for phrase in rule.any_of)
        and all(phrase in words for phrase in rule.all_of)
        and not any(phrase in words for phrase in rule.none_of)
    )


def licence_of_header(content: bytes) -> tuple[str, bool]:
    """What the first 4 KiB of a file state about its own licence.

    Returns:
        the expression, empty without one; and whether it is an SPDX line, which decides alone. An
        SPDX line that is not an expression gives ``LicenseRef-Unreadable``, which permits nothing.
    """
    head = content[:_HEADER_BYTES]
    if lines := _SPDX.findall(head):
        return joined(canonical(line.decode()) or "LicenseRef-Unreadable" for line in lines), True
    if _MENTION.search(head) is None:
        return "", False
    # Comment signs and line breaks vanish with everything else between the words.
    return licence_of_text(head), False
