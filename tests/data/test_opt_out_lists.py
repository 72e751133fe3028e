"""Opt-out lists as people and programs write them: understood, or refused by their line."""

from __future__ import annotations

import base64
import codecs
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.data.build.fingerprint import fingerprint
from multiturn.data.dedup.opt_out import OptOut
from multiturn.data.dedup.opt_out_lines import read_repository
from multiturn.data.documents.record import Document

CONTENT = b"theirs\n"
HASH = hashlib.sha256(CONTENT).hexdigest()


def document(source: str = "git:x/y", content: bytes = b"another\n") -> Document:
    return Document(content=content, source=source, path="a.py")


def read(tmp_path: Path, content: bytes) -> OptOut:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    return OptOut.from_file(path)


@pytest.mark.parametrize(
    "line",
    [
        HASH,
        HASH.upper(),
        f"{HASH}  a.py",
        f"{HASH} *a.py",
        f"\\{HASH}  a\\nb.py",
        f"{HASH}\ta.py",
        f"{HASH},a.py",
        f'"{HASH}"',
        f"{HASH}  my file # 2.py",
        f"SHA256 (a.py) = {HASH}",
        f"SHA256 (a (b) = c.py) = {HASH.upper()}",
        f"SHA256(a.py)= {HASH}",
        f"SHA2-256(a.py)= {HASH}",
        f"sha256:{HASH}",
        f"SHA256          {HASH.upper()}       C:\\a.py",
        f"a.py: {HASH}",
        f"sha256-{base64.b64encode(bytes.fromhex(HASH)).decode()}",
        f"  {HASH}   # asked on Monday",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
def test_hashes_as_programs_print_them(tmp_path: Path, line: str, end: str) -> None:
    step = read(tmp_path, f"# a list{end or chr(10)}{line}{end}".encode())
    assert step.hashes == {HASH}
    assert not step.repositories
    assert step.judge(document(content=CONTENT)) == "opted out by hash"
    assert step.judge(document()) is None


@pytest.mark.parametrize(
    "program", [("sha256sum",), ("sha256sum", "-b"), ("sha256sum", "--tag"), ("openssl", "sha256")]
)
def test_what_the_programs_of_this_machine_print(tmp_path: Path, program: tuple[str, ...]) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"no {program[0]} here")
    for name in ("a.py", "two words (1).py", "back\\slash.py", "new\nline.py"):
        (tmp_path / name).write_bytes(CONTENT)
        if program[0] == "openssl" and "\n" in name:
            continue
        told = subprocess.run([*program, name], cwd=tmp_path, capture_output=True, check=True)
        assert read(tmp_path, told.stdout).hashes == {HASH}


@pytest.mark.parametrize(
    "line",
    [
        "owner/repo",
        "Owner/Repo",
        "owner/repo.git",
        "owner/repo/",
        "https://github.com/owner/repo",
        "http://www.github.com/Owner/Repo/",
        "https://github.com/owner/repo.git",
        "https://github.com/owner/repo/tree/main/src?tab=readme#top",
        "https://user:secret@github.com/owner/repo.git",
        "<https://github.com/owner/repo>",
        "git://github.com/owner/repo.git",
        "git+https://github.com/owner/repo.git",
        "ssh://git@github.com/owner/repo.git",
        "ssh://git@github.com:22/owner/repo.git",
        "git@github.com:owner/repo.git",
        "github.com:owner/repo",
        "github.com/owner/repo",
        "www.github.com/owner/repo/blob/main/a.py",
        "https://raw.githubusercontent.com/owner/repo/main/a.py",
        "https://api.github.com/repos/owner/repo",
        "owner/repo#readme",
        "owner/repo   # all of it",
    ],
)
def test_repositories_as_people_write_them(tmp_path: Path, line: str) -> None:
    step = read(tmp_path, f"{line}\r\n".encode())
    for source in (
        "bigquery:owner/repo",
        "hub:Owner/Repo",
        "git:https://github.com/owner/repo.git",
        "git:git@github.com:owner/repo",
        "owner/repo",
    ):
        assert step.judge(document(source)) == "opted out by repository", source
    for source in (
        "bigquery:owner/repo2",
        "bigquery:other/repo",
        "git:https://github.com/owner/repo-fork",
        "pypi:repo",
        "git:repo",
    ):
        assert step.judge(document(source)) is None, source
    elsewhere = step.judge(document("git:https://gitlab.com/owner/repo"))
    assert (elsewhere is None) == ("github" in line)


@pytest.mark.parametrize(
    ("line", "goes", "stays"),
    [
        ("requests", ("pypi:requests", "npm:requests"), ("pypi:requests2", "npm:@a/requests")),
        ("pypi:requests", ("pypi:requests", "pypi:Requests"), ("npm:requests",)),
        ("https://pypi.org/project/Flask_Login/", ("pypi:flask-login",), ("npm:flask-login",)),
        ("flask_login", ("pypi:Flask.Login",), ("pypi:flask",)),
        ("https://www.npmjs.com/package/@scope/name", ("npm:@scope/name",), ("npm:name",)),
        ("@scope/name", ("npm:@scope/name",), ("npm:name",)),
        ("npm:left-pad", ("npm:left-pad",), ("pypi:left-pad",)),
        ("debian:zlib", ("debian:zlib",), ("pypi:zlib",)),
        ("directory:My Folder", ("directory:My Folder",), ("directory:My",)),
        (
            "https://gitlab.com/group/sub/name/-/blob/main/a.py",
            ("git:https://gitlab.com/group/sub/name.git", "hub:group/sub/name"),
            ("git:https://gitlab.com/group/sub", "git:https://example.org/group/sub/name"),
        ),
        (
            "https://huggingface.co/datasets/owner/name",
            ("hub:owner/name",),
            ("hub:datasets/owner",),
        ),
        ("git@forge:team/name.git", ("git:git@forge:team/name",), ("git:team/other",)),
    ],
)
def test_packages_and_other_places(
    tmp_path: Path, line: str, goes: tuple[str, ...], stays: tuple[str, ...]
) -> None:
    step = read(tmp_path, line.encode())
    assert [step.judge(document(source)) for source in goes] == ["opted out by repository"] * len(
        goes
    )
    assert [step.judge(document(source)) for source in stays] == [None] * len(stays)


@pytest.mark.parametrize(
    "line",
    [
        "please remove my code",
        HASH[:-1],
        HASH + "0",
        hashlib.sha1(CONTENT).hexdigest(),
        hashlib.md5(CONTENT).hexdigest(),
        hashlib.sha512(CONTENT).hexdigest(),
        f"MD5 (a.py) = {hashlib.md5(CONTENT).hexdigest()}",
        f"{hashlib.sha1(CONTENT).hexdigest()}  a.py",
        f"sha1:{hashlib.sha1(CONTENT).hexdigest()}",
        "https://github.com/",
        "https://github.com/owner",
        "github.com",
        "github.com/owner",
        "https:/github.com/owner/repo",
        "me@example.org",
        "mailto:me@example.org",
        "owner/",
        "/repo",
        "owner//repo",
        "owner/*",
        "C:\\Users\\me\\code",
        "- owner/repo",
        "owner/repo, other/repo",
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"^line 3 of list\.txt is neither") as caught:
        read(tmp_path, f"# first\nowner/name\n{line}\n".encode())
    told = str(caught.value)
    assert "\n" not in told
    assert repr(line)[1:20] in told
    assert "SHA-256" in told
    assert "#" in told


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "utf-8"),
    ],
)
def test_byte_order_marks(tmp_path: Path, mark: bytes, encoding: str) -> None:
    text = f"owner/first\r\n\ufeff{HASH}  a.py\r\n\r\n \t\r\n# é\r\nowner/second\x1a"
    step = read(tmp_path, mark + text.encode(encoding))
    assert step.repositories == {"owner/first", "owner/second"}
    assert step.hashes == {HASH}


def test_what_is_no_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="opt-out list cannot be read") as caught:
        read(tmp_path, b"owner/caf\xe9\n")
    assert "\n" not in str(caught.value)


def test_the_same_wish_in_other_words_is_the_same_step() -> None:
    first = OptOut(repositories=frozenset({"https://github.com/A/B.git"}))
    second = OptOut(repositories=frozenset({"git@github.com:a/b"}))
    assert fingerprint(first) == fingerprint(second)
    with pytest.raises(InputError, match="not a repository"):
        OptOut(repositories=frozenset({"all of it"}))


@given(st.text(max_size=60))
def test_a_repository_is_read_as_itself_again(line: str) -> None:
    found = read_repository(line)
    if found is not None:
        again = read_repository(str(found))
        assert again is not None
        assert again.matches(found)
