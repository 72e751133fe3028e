"""Licences: expressions, texts, packages, and the nearest notice."""

from __future__ import annotations

from importlib.metadata import distribution

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.data.licences.expressions import PERMISSIVE, canonical, joined, permits
from multiturn.data.licences.packages import licence_of_npm_package, licence_of_python_package
from multiturn.data.licences.projects import ProjectLicences, is_licence_evidence
from multiturn.data.licences.texts import licence_of_text

ALLOWED = frozenset({"MIT", "Apache-2.0"})
_expressions = st.recursive(
    st.sampled_from(["MIT", "Apache-2.0", "GPL-3.0-only", "MPL-2.0"]).map(
        lambda x: (x, x in ALLOWED)
    ),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(
        lambda t: (
            f"({t[0][0]}) {t[1]} ({t[2][0]})",
            (t[0][1] and t[2][1]) if t[1] == "AND" else (t[0][1] or t[2][1]),
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(_expressions)
def test_permits_is_what_and_and_or_mean(case: tuple[str, bool]) -> None:
    expression, allowed = case
    assert permits(expression, ALLOWED) == allowed
    assert permits(canonical(expression), ALLOWED) == allowed


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT OR GPL-3.0-only AND MPL-2.0", True),  # AND binds first
        ("GPL-3.0-only AND MPL-2.0 OR MIT", True),
        ("MIT AND GPL-3.0-only OR MPL-2.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("Apache-2.0+", True),
        ("", False), ("(MIT", False), ("MIT)", False), ("MIT MIT", False), ("AND", False),
        ("MIT AND", False), ("()", False),
    ],
)  # fmt: skip
def test_permits(expression: str, allowed: bool) -> None:
    assert permits(expression, ALLOWED) == allowed


@given(st.text(max_size=60))
def test_no_text_breaks_the_expressions(text: str) -> None:
    assert isinstance(permits(text, ALLOWED), bool)
    assert isinstance(canonical(text), str)
    licence_of_text(text.encode("utf-8", "surrogatepass"))
    licence_of_python_package(text.encode("utf-8", "surrogatepass"))
    licence_of_npm_package(text.encode("utf-8", "surrogatepass"))


def test_joined() -> None:
    assert joined([]) == joined([""]) == ""
    assert joined(["MIT", "", "MIT"]) == "MIT"
    assert joined(["MIT OR ISC", "Zlib"]) == "(MIT OR ISC) AND Zlib"


# Texts that the packages of this environment bring, by what is known of them.
INSTALLED = {
    "rich": "MIT", "pytest": "MIT", "click": "BSD-3-Clause", "httpx": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause", "pygments": "BSD-2-Clause", "pexpect": "ISC", "mdurl": "MIT",
    "certifi": "MPL-2.0", "hypothesis": None,
    "typing_extensions": "Python-2.0",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_texts_of_real_packages(name: str) -> None:
    files = distribution(name).files or []
    notices = [f for f in files if is_licence_evidence(str(f)) and f.name not in ("METADATA",)]
    found = {licence_of_text(f.locate().read_bytes()) for f in notices if ".dist-info" in str(f)}
    expected = INSTALLED[name]
    if expected is None:
        # A bundle with copyleft in it must never read as permissive.
        assert not any(permits(each, PERMISSIVE) for each in found if each)
    elif expected:
        assert any(expected in each for each in found)


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (b"", ""),
        (b"All rights reserved. No part of this may be copied.", ""),
        (b"Permission is hereby granted, free of charge, to any person obtaining a copy of\n * this"
         b" software ... the above copyright notice and this\n * permission notice shall", "MIT"),
        (b"This program is free software: you can redistribute it under the terms of the GNU\n"
         b"General Public License as published by the FSF, either version 3", "GPL-3.0-or-later"),
        (b"GNU LESSER GENERAL PUBLIC LICENSE Version 2.1", "LGPL-2.1-or-later"),
        (b"Redistribution and use in source and binary forms, with or without modification, are"
         b" permitted provided ... Redistributions in binary form must ...", "BSD-2-Clause"),
        (b"Mozilla Public License, v. 2.0", "MPL-2.0"),
        (b"Boost Software License - Version 1.0", "BSL-1.0"),
        (b"licensed under the MIT license, for non-commercial use only",
         "LicenseRef-Non-Commercial AND MIT"),
        (b"Permission to use, copy, modify, and distribute this software and its documentation\n"
         b"with or without modifications and for any purpose and without fee is hereby granted",
         "LicenseRef-Biopython-License-Agreement"),
        (b"Permission to use, copy, modify and distribute this software and its documentation for"
         b" any purpose and without fee is hereby granted", "HPND"),
    ],
)  # fmt: skip
def test_texts(text: bytes, licence: str) -> None:
    assert licence_of_text(text) == licence


def test_a_copyleft_text_beside_a_permissive_one_is_not_overlooked() -> None:
    both = b"Licensed under the Apache License, Version 2.0 or the GNU General Public License v2"
    assert not permits(licence_of_text(both), PERMISSIVE)


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: mit or apache-2.0\nLicense: GPL\n", "MIT OR Apache-2.0"),
        ("Classifier: License :: OSI Approved :: MIT License\nLicense: GPL\n", "MIT"),
        ("License: BSD 3-Clause\n", "BSD-3-Clause"),
        ("License: The MIT License\n", "MIT"),
        ("License: Apache License, Version 2.0\n", "Apache-2.0"),
        ("License: do as you like\n", ""),
        ("Classifier: License :: Other/Proprietary License\n", "LicenseRef-Proprietary"),
        ("Name: x\n", ""),
    ],
)
def test_python_packages(metadata: str, licence: str) -> None:
    assert licence_of_python_package(metadata.encode()) == licence


@pytest.mark.parametrize(
    ("package", "licence"),
    [
        (b'{"license": "MIT"}', "MIT"),
        (b'{"license": "(MIT OR Apache-2.0)"}', "(MIT OR Apache-2.0)"),
        (b'{"license": {"type": "ISC"}}', "ISC"),
        (b'{"licenses": [{"type": "MIT"}, {"type": "ISC"}]}', "MIT OR ISC"),
        (b'{"licenses": [{"type": "MIT"}, {"type": "own"}]}', ""),
        (b'{"license": "SEE LICENSE IN x"}', ""),
        (b"[]", ""), (b"{", ""),
    ],
)  # fmt: skip
def test_npm_packages(package: bytes, licence: str) -> None:
    assert licence_of_npm_package(package) == licence


def test_the_nearest_notice_counts() -> None:
    licences = ProjectLicences("ISC")
    assert licences.of("a.py") == "ISC"
    licences.add("pkg-1.0/LICENSE", b"Licensed under the MIT license")
    licences.add("pkg-1.0/vendor/gpl/COPYING", b"GNU General Public License, version 3")
    licences.add("pkg-1.0/pkg.egg-info/PKG-INFO", b"License: Apache 2.0\n")
    assert licences.of("pkg-1.0/src/a.py") == "Apache-2.0 AND MIT"
    assert licences.of("pkg-1.0/vendor/gpl/src/a.py") == "GPL-3.0-or-later"
    assert licences.of("pkg-1.0/vendor/other/a.py") == "Apache-2.0 AND MIT"
    licences.add("pkg-1.0/PKG-INFO", b"License-Expression: MIT\n")
    assert licences.of("pkg-1.0/src/a.py") == "MIT"


@pytest.mark.parametrize(
    ("path", "evidence"),
    [
        ("LICENSE", True), ("a/license.txt", True), ("LICENCE-APACHE", True), ("COPYING", True),
        ("COPYING.LESSER", True), ("package.json", True), ("x.dist-info/METADATA", True),
        ("UNLICENSE", True), ("a/licenses/MIT.txt", False), ("license.py", False),
        ("LicenseChecker.java", False), ("copying.c", False), ("a/metadata", True),
    ],
)  # fmt: skip
def test_what_says_a_licence(path: str, evidence: bool) -> None:
    assert is_licence_evidence(path) == evidence
