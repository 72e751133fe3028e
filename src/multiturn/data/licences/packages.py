"""Licences that packages declare: Python's METADATA, npm's package.json."""

from __future__ import annotations

import json
import re
from email.message import Message
from email.parser import BytesHeaderParser

from multiturn.data.licences.expressions import canonical, joined
from multiturn.data.licences.texts import licence_of_text

__all__ = [
    "declared_expression",
    "licence_of_npm_package",
    "licence_of_python_package",
    "licence_of_words",
]

_CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zope Public License": "ZPL-2.1",
    "zlib/libpng License": "Zlib",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "University of Illinois/NCSA Open Source License": "NCSA",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU General Public License (GPL)": "GPL-2.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.1-or-later",
    "Other/Proprietary License": "LicenseRef-Proprietary",
}
"""Licences by the classifiers of the package index, the name after ``License ::``.

"BSD License" does not name a form; all forms that packages use are permissive."""

_WORDS = {
    "mit": "MIT",
    "expat": "MIT",
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache20": "Apache-2.0",
    "apachev2": "Apache-2.0",
    "apachelicensev20": "Apache-2.0",
    "apachelicense20": "Apache-2.0",
    "apachelicenseversion20": "Apache-2.0",
    "apachesoftwarelicense": "Apache-2.0",
    "apachesoftwarelicense20": "Apache-2.0",
    "asl20": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd2clause": "BSD-2-Clause",
    "bsd3": "BSD-3-Clause",
    "bsd3clause": "BSD-3-Clause",
    "3clausebsd": "BSD-3-Clause",
    "newbsd": "BSD-3-Clause",
    "newbsdlicense": "BSD-3-Clause",
    "modifiedbsd": "BSD-3-Clause",
    "simplifiedbsd": "BSD-2-Clause",
    "isc": "ISC",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "pythonsoftwarefoundationlicense": "PSF-2.0",
    "unlicense": "Unlicense",
    "zpl21": "ZPL-2.1",
    "zlib": "Zlib",
}
"""Licences by authors' own words, without spaces and signs."""

_MAX_BYTES = 1 << 20
_NO_LETTER = re.compile(r"[^a-z0-9]+")


def declared_expression(metadata: bytes) -> str:
    """The `License-Expression` of a METADATA or PKG-INFO file (PEP 639); empty without one."""
    headers = BytesHeaderParser().parsebytes(metadata[:_MAX_BYTES])
    return canonical(_first(headers, "License-Expression"))


def licence_of_python_package(metadata: bytes) -> str:
    """The licence that a METADATA or PKG-INFO file declares; empty where it declares none.

    The expression counts first, then the classifiers, then the free field.
    """
    if expression := declared_expression(metadata):
        return expression
    headers = BytesHeaderParser().parsebytes(metadata[:_MAX_BYTES])
    classified = [
        _CLASSIFIERS.get(line.rpartition("::")[2].strip(), "")
        for line in (str(value) for value in headers.get_all("Classifier") or ())
        if line.startswith("License ::")
    ]
    if any(classified):
        return joined(classified)
    return licence_of_words(_first(headers, "License"))


def licence_of_npm_package(package_json: bytes) -> str:
    """The licence that a package.json declares; empty where it declares none."""
    try:
        package = json.loads(package_json[:_MAX_BYTES])
    except (ValueError, RecursionError):
        return ""
    match package:
        case {"license": str(name)} | {"license": {"type": str(name)}}:
            return licence_of_words(name)
        case {"licenses": [*entries]}:
            names = [
                entry["type"] for entry in entries if isinstance(entry, dict) and "type" in entry
            ]
            return canonical(" OR ".join(licence_of_words(str(name)) or "?" for name in names))
    return ""


def _first(headers: Message, name: str) -> str:
    # A header with bytes that are not ASCII is an object of another type than text.
    return str(headers.get(name) or "").strip()


def licence_of_words(words: str) -> str:
    """The licence that words name, or whose text they are; empty where it is unknown.

    Example:
        >>> licence_of_words("The Apache License, Version 2.0"), licence_of_words("ours alone")
        ('Apache-2.0', '')
    """
    if len(words) > 200 or "\n" in words:
        return licence_of_text(words.encode("utf-8", errors="replace"))
    squeezed = _NO_LETTER.sub("", words.lower())
    short = squeezed.removeprefix("the").removesuffix("license").removesuffix("licence")
    return canonical(words) or _WORDS.get(squeezed) or _WORDS.get(short, "")
