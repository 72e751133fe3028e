"""Debian's copyright files: stanzas, globs, short names, texts; and what holds beside notices."""

from __future__ import annotations

import fnmatch
import gzip
import io
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.data.licences.debian import DebianCopyright, _as_expression, _spdx
from multiturn.data.licences.expressions import PERMISSIVE, permits
from multiturn.data.licences.projects import ProjectLicences
from multiturn.data.sources.debian_packaging import copyright_file

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
COPYRIGHT = f"""{FORMAT}Upstream-Name: thing
License: GPL-3+
 Of the package as a whole: says nothing about a file.

Files: *
Copyright: 2020 Somebody
License: Expat

Files: src/*
 lib/old-?.c
Copyright: 2021 Somebody
License: GPL-2+ or Zlib

Files: src/vendored/*
License: their-own
 Permission to use, copy, modify, and/or distribute this software for any purpose with or
 without fee is hereby granted, provided that the above copyright notice appear.
 .
 The rest of it.

Files: src/vendored/worse.c
License: Friendly
\t
License: friendly
 All rights reserved, as it happens.
"""


@pytest.mark.parametrize(
    ("path", "licence", "by_name"),
    [
        ("README", "MIT", False),
        ("deep/down/a.c", "MIT", False),
        ("src/a.c", "GPL-2.0-or-later OR Zlib", True),
        ("src/deep/a.c", "GPL-2.0-or-later OR Zlib", True),  # a star goes over slashes
        ("lib/old-1.c", "GPL-2.0-or-later OR Zlib", True),
        ("lib/old-12.c", "MIT", False),
        ("src/vendored/a.c", "ISC", True),  # by its text, for nobody knows that name
        ("src/vendored/worse.c", "LicenseRef-Friendly", True),
        ("src/vendored/worse.c~", "ISC", True),
        ("src/caf\udce9.c", "GPL-2.0-or-later OR Zlib", True),  # a path that is no text
    ],
)
def test_the_last_stanza_that_matches_counts(path: str, licence: str, by_name: bool) -> None:
    copyright = DebianCopyright.parse(COPYRIGHT.encode())
    assert copyright is not None
    stated = copyright.of(path)
    assert stated is not None
    assert (stated.licence, stated.by_name) == (licence, by_name)


def test_windows_line_ends_and_marks_change_nothing() -> None:
    plain = DebianCopyright.parse(COPYRIGHT.encode())
    odd = DebianCopyright.parse(b"\xef\xbb\xbf" + COPYRIGHT.replace("\n", "\r\n").encode())
    assert plain is not None
    assert odd is not None
    assert [s.stated for s in plain.stanzas] == [s.stated for s in odd.stanzas]


def test_a_file_that_no_stanza_names_is_nobody_s() -> None:
    copyright = DebianCopyright.parse(f"{FORMAT}\nFiles: a.c\nLicense: MIT\n".encode())
    assert copyright is not None
    assert copyright.of("b.c") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"This package was debianized by somebody.\n\nLicense: MIT\nFiles: *\n",
        FORMAT.encode(),
        f"{FORMAT}\nLicense: MIT\n".encode(),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_not_machine_readable_says_nothing(content: bytes) -> None:
    assert DebianCopyright.parse(content) is None


@pytest.mark.parametrize(
    ("name", "licence", "permitted"),
    [
        ("Expat", "MIT", True),
        ("BSD-3-clause", "BSD-3-Clause", True),
        ("Apache-2.0 with LLVM exception", "Apache-2.0", True),
        ("GPL-2+ with OpenSSL exception", "GPL-2.0-or-later", False),
        ("LGPL-2.1+", "LGPL-2.1-or-later", False),
        ("GPL-3", "GPL-3.0-only", False),
        ("AGPLv3", "AGPL-3.0-only", False),
        ("Apache-2.0 or GPL-2+", "Apache-2.0 OR GPL-2.0-or-later", True),
        ("Apache-2.0 and GPL-2+", "Apache-2.0 AND GPL-2.0-or-later", False),
        ("MIT and/or GPL-2+", "GPL-2.0-or-later AND MIT", False),
        ("MIT, GPL-2+", "GPL-2.0-or-later AND MIT", False),
        ("GPL-2+ or Expat, and BSD-3-clause", "(GPL-2.0-or-later OR MIT) AND BSD-3-Clause", True),
        ("Expat or GPL-2+ and GPL-3", "MIT OR GPL-2.0-or-later AND GPL-3.0-only", True),
        ("Expat or Zlib, and GPL-2 or GPL-3", None, False),
        ("public-domain", "LicenseRef-public-domain", False),
        ("", "", False),
        ("!!", "LicenseRef-Unnamed", False),
        ("MIT or", None, False),
    ],
)
def test_short_names(name: str, licence: str | None, permitted: bool) -> None:
    found = _spdx(name, {})
    assert licence is None or found == licence
    assert permits(found, PERMISSIVE) is permitted


@given(st.text(max_size=80))
@settings(deadline=None)
def test_no_text_breaks_the_names(name: str) -> None:
    _spdx(name, {})


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_bytes_break_the_reader(content: bytes) -> None:
    copyright = DebianCopyright.parse(FORMAT.encode() + content)
    if copyright is not None:
        copyright.of("a/b.c")


@given(st.text(alphabet="ab/.*?+(", min_size=1, max_size=8), st.text(alphabet="ab/.+(", max_size=8))
@settings(deadline=None)
def test_globs_are_those_of_a_plain_matcher(glob: str, path: str) -> None:
    # Without brackets and backslashes, fnmatch has the same two wildcards over slashes.
    expected = fnmatch.fnmatchcase(path, glob)
    assert (re.fullmatch(_as_expression(glob), path, re.DOTALL) is not None) is expected


def test_many_stars_cost_no_time() -> None:
    glob = "a*" * 200 + "b"
    copyright = DebianCopyright.parse(f"{FORMAT}\nFiles: {glob}\nLicense: MIT\n".encode())
    assert copyright is not None
    assert copyright.of("a" * 5000) is None


def test_more_globs_than_can_be_held_are_as_none_at_all(capfd: pytest.CaptureFixture[str]) -> None:
    globs = "\n ".join(f"folder-{number}/*/some-file-?.c" for number in range(30_000))
    assert DebianCopyright.parse(f"{FORMAT}\nFiles: {globs}\nLicense: MIT\n".encode()) is None
    assert capfd.readouterr() == ("", "")


def test_what_is_said_by_name_stands_above_notices_and_the_rest_below_those_deeper() -> None:
    licences = ProjectLicences(copyright=DebianCopyright.parse(COPYRIGHT.encode()))
    licences.add("thing-1/LICENSE", b"GNU General Public License version 3 of the License")
    licences.add("thing-1/src/LICENSE", b"Licensed under the Apache License, Version 2.0")
    licences.add("thing-1/tools/LICENSE", b"Licensed under the Apache License, Version 2.0")
    found = {
        path: licences.of(f"thing-1/{path}", top="thing-1")
        for path in ("a.c", "src/a.c", "tools/a.c", "docs/a.c")
    }
    assert found == {
        "a.c": "MIT",
        "src/a.c": "GPL-2.0-or-later OR Zlib",
        "tools/a.c": "Apache-2.0",
        "docs/a.c": "MIT",
    }


def packed(path: Path, name: str) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for member in ("debian/control", name, "deep/er/debian/copyright"):
            info = tarfile.TarInfo(member)
            content = COPYRIGHT.encode() if member == name else b"no\n"
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_the_copyright_file_is_found_in_every_kind_of_packaging(tmp_path: Path) -> None:
    separate = packed(tmp_path / "thing_1-1.debian.tar.xz", "debian/copyright")
    native = packed(tmp_path / "thing_1.tar.xz", "thing-1/debian/copyright")
    diff = tmp_path / "thing_1-1.diff.gz"
    added = "".join(f"+{line}\n" for line in COPYRIGHT.splitlines())
    diff.write_bytes(
        gzip.compress(
            (
                "--- thing-1.orig/debian/control\n+++ thing-1/debian/control\n@@ -0,0 +1 @@\n+x\n"
                f"--- thing-1.orig/debian/copyright\n+++ thing-1/debian/copyright\n@@\n{added}"
                "--- thing-1.orig/debian/rules\n+++ thing-1/debian/rules\n@@ -0,0 +1 @@\n+y\n"
            ).encode()
        )
    )
    for path in (separate, native, diff):
        assert copyright_file(path).strip() == COPYRIGHT.encode().strip()


def test_broken_packaging_has_no_copyright_file(tmp_path: Path) -> None:
    for name in ("a.debian.tar.xz", "a.diff.gz"):
        path = tmp_path / name
        path.write_bytes(b"not packed at all")
        assert copyright_file(path) == b""
