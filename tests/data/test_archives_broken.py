"""Archives that break anywhere: what is given is right, and what is lost is said."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import struct
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from multiturn.data.build.drop_log import DropLog
from multiturn.data.documents.record import Document
from multiturn.data.sources.archives import Archives

pytestmark = pytest.mark.real

CONTENTS = {
    "p/LICENSE": b"Licensed under the MIT license.\n",
    "p/a.py": b"print('first')\n" * 20,
    "p/long/" + "d" * 120 + "/b.py": b"x = 1\n" * 100,
    "p/c.py": bytes(random.Random(5).choices(b"abcdefgh \n", k=700)),
    "p/e.py": b"",
    "p/last.py": b"print('last')\n",
}


def plain_tar(contents: dict[str, bytes] = CONTENTS, kind: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def plain_zip(contents: dict[str, bytes] = CONTENTS, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in contents.items():
            file.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def streamed_zip() -> bytes:
    """As a program writes it that cannot go back: sizes stand behind each member."""

    class Forward(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any, /) -> int:
            self.data += bytes(data)
            return len(data)

    out = Forward()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:  # type: ignore[arg-type]
        for name, content in CONTENTS.items():
            file.writestr(name, content)
    return bytes(out.data)


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


KINDS = {
    "tar": plain_tar(),
    "gnu.tar": plain_tar(kind=tarfile.GNU_FORMAT),
    "tar.gz": gzip.compress(plain_tar(), mtime=0),
    "two.tar.gz": gzip.compress(plain_tar()[:3000], mtime=0)
    + gzip.compress(plain_tar()[3000:], mtime=0),
    "tar.bz2": bz2.compress(plain_tar()),
    "tar.xz": lzma.compress(plain_tar()),
    "tar.zst": zst(plain_tar()),
    "two.tar.zst": zst(plain_tar()[:3000]) + zst(plain_tar()[3000:]),
    "zip": plain_zip(),
    "stored.zip": plain_zip(method=zipfile.ZIP_STORED),
    "streamed.zip": streamed_zip(),
}


def read(path: Path) -> tuple[list[Document], DropLog]:
    drop_log = DropLog()
    source = Archives(paths=(path,))
    (part,) = source.parts(path)
    return list(source.read(part, drop_log, path)), drop_log


def contents_of(documents: list[Document]) -> dict[str, bytes]:
    found = {document.path: document.content for document in documents}
    assert len(found) == len(documents)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_whole_archives_are_read_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    path.write_bytes(KINDS[kind])
    documents, drop_log = read(path)
    assert contents_of(documents) == CONTENTS
    assert {document.licence for document in documents} == {"MIT"}
    assert not drop_log.counts.drops


EVERY = [pytest.param(41, id="some"), pytest.param(1, id="every byte", marks=pytest.mark.slow)]


@pytest.mark.parametrize("step", EVERY)
@pytest.mark.parametrize("kind", KINDS)
def test_cut_anywhere_it_keeps_what_came_before_and_says_so(
    tmp_path: Path, kind: str, step: int
) -> None:
    path, whole = tmp_path / f"x.{kind}", KINDS[kind]
    names = list(CONTENTS)
    last_kept = -1
    for cut in sorted({*range(0, len(whole), step), *range(0, len(whole), 512), len(whole) - 1}):
        path.write_bytes(whole[:cut])
        documents, drop_log = read(path)
        found = contents_of(documents)
        assert found == {name: CONTENTS[name] for name in list(CONTENTS)[: len(found)]}
        assert names[: len(found)] == list(found)
        if kind.endswith("tar") and cut % 512 == 0 and not whole[cut - 1024 : cut].strip(b"\0"):
            continue  # both blocks of its end are there: nobody can tell, and nothing is lost
        assert drop_log.counts.drops, cut
        assert "a broken archive" in {reason for _, reason in drop_log.counts.drops}
        last_kept = max(last_kept, len(found))
    assert last_kept >= (4 if "zip" in kind or kind.endswith(("tar", "gz")) else 0)


@pytest.mark.parametrize("step", EVERY)
@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_bit_never_gives_another_content_without_a_word(
    tmp_path: Path, kind: str, step: int
) -> None:
    path, whole = tmp_path / f"x.{kind}", KINDS[kind]
    rng = random.Random(kind)
    lost_alone = 0
    for place in range(0, len(whole), step):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        documents, drop_log = read(path)
        found = contents_of(documents)
        drops = drop_log.counts.drops.total()
        if kind.endswith("tar"):
            # Nothing vouches for contents in a tar, and for names in its extended headers.
            right = [name for name in found if name in CONTENTS]
            assert len(right) + drops >= len(CONTENTS) - 1, place
            continue
        wrong = {n: c for n, c in found.items() if CONTENTS.get(n) != c}
        assert not wrong, place
        assert found == CONTENTS or drops, place
        lost_alone += len(found) == len(CONTENTS) - 1
    if "zip" in kind:
        assert lost_alone > len(whole) // step // 3


def test_one_bad_header_loses_its_own_member(tmp_path: Path) -> None:
    path, content = tmp_path / "x.tar", bytearray(plain_tar())
    place = content.index(b"p/c.py")
    content[place] ^= 1
    path.write_bytes(content)
    documents, drop_log = read(path)
    assert contents_of(documents) == {n: c for n, c in CONTENTS.items() if n != "p/c.py"}
    assert drop_log.counts.drops == {("archive", "a broken archive"): 1}
    assert drop_log.counts.drop_bytes["archive", "a broken archive"] == 512 + 1024


def test_one_bad_member_of_a_zip_loses_itself_alone(tmp_path: Path) -> None:
    path, content = tmp_path / "x.zip", bytearray(plain_zip(method=zipfile.ZIP_STORED))
    content[content.index(b"print('last')")] ^= 1
    path.write_bytes(content)
    documents, drop_log = read(path)
    assert contents_of(documents) == {n: c for n, c in CONTENTS.items() if n != "p/last.py"}
    assert drop_log.counts.drops == {("archive", "a broken member of an archive"): 1}


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_tars_one_behind_the_other_are_read_both(tmp_path: Path, ending: str) -> None:
    first, second = plain_tar({"a.py": b"a = 1\n"}), plain_tar({"b.py": b"b = 1\n"})
    path = tmp_path / f"x.{ending}"
    pack = gzip.compress if ending == "tar.gz" else bytes
    path.write_bytes(pack(first) + pack(second))
    documents, drop_log = read(path)
    assert contents_of(documents) == {"a.py": b"a = 1\n", "b.py": b"b = 1\n"}
    assert not drop_log.counts.drops


def test_zips_one_behind_the_other_are_said(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(plain_zip({"a.py": b"a = 1\n"}) + plain_zip({"b.py": b"b = 1\n"}))
    documents, drop_log = read(path)
    assert contents_of(documents) == {"b.py": b"b = 1\n"}
    assert drop_log.counts.drops == {("archive", "a broken archive"): 1}
    path.write_bytes(b"#!/bin/sh\nexit\n" + plain_zip({"b.py": b"b = 1\n"}))  # unpacks itself
    assert not read(path)[1].counts.drops


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "tar", "zip"])
def test_bytes_behind_the_end_lose_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    path.write_bytes(KINDS[kind] + b"something else" * 9)
    documents, drop_log = read(path)
    assert contents_of(documents) == CONTENTS
    assert drop_log.counts.drops or kind == "zip"
    path.write_bytes(KINDS[kind] + bytes(1024))
    documents, drop_log = read(path)
    assert contents_of(documents) == CONTENTS


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.TAR.GZ", gzip.compress), ("b.TGZ", gzip.compress), ("c.tbz2", bz2.compress),
        ("d.txz", lzma.compress), ("e.Tar.Zst", zst), ("f.tzst", zst), ("g.TAR", bytes),
        ("h.tar.gz", bytes), ("i.tgz", bz2.compress), ("j.GZ", gzip.compress),
        ("k.bz2", bz2.compress), ("l.xz", lzma.compress),
        ("m.tar.lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    ],
)  # fmt: skip
def test_any_ending_in_any_case_by_what_is_in_it(tmp_path: Path, name: str, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(plain_tar()))
    documents, drop_log = read(tmp_path)
    assert contents_of(documents) == CONTENTS
    assert not drop_log.counts.drops


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(50), "an archive of a kind that is not read"),
        ("b.RAR", b"Rar!\x1a\x07\x01\x00" + bytes(50), "an archive of a kind that is not read"),
        ("c.tar.Z", b"\x1f\x9d\x90" + bytes(50), "an archive of a kind that is not read"),
        ("d.tar.lz", b"LZIP\x01" + bytes(50), "an archive of a kind that is not read"),
        ("e.zip", b"7z\xbc\xaf\x27\x1c" + bytes(50), "an archive of a kind that is not read"),
        ("f.py.gz", gzip.compress(b"x = 1\n" * 500), "a compressed file that is no tar"),
        ("g.BZ2", bz2.compress(b"x = 1\n" * 500), "a compressed file that is no tar"),
        ("h.tar", b"x = 1\n" * 500, "a broken archive"),
        ("i.ZIP", b"", "a broken archive"),
        ("j.tar", b"", "a broken archive"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    documents, drop_log = read(tmp_path)
    assert not documents
    assert drop_log.counts.drops == {("archive", reason): 1}
    assert drop_log.counts.drop_bytes["archive", reason] == len(content)


def test_members_of_every_odd_kind_lose_themselves_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    good = b"x = 'good'\n" * 9
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("good.py", good)
        for name in ("method.py", "locked.py", "inner.zip", "huge.py"):
            file.writestr(name, good)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")

    def change(name: bytes, local: int, central: int, value: bytes) -> None:
        in_local = content.index(name) - 30
        in_central = content.index(name, directory) - 46
        content[in_local + local : in_local + local + len(value)] = value
        content[in_central + central : in_central + central + len(value)] = value

    change(b"method.py", 8, 10, struct.pack("<H", 9))  # Deflate64
    change(b"locked.py", 6, 8, struct.pack("<H", 1))
    change(b"huge.py", 22, 24, struct.pack("<L", 0xFFFFFFF0))
    path.write_bytes(content)
    documents, drop_log = read(path)
    assert contents_of(documents) == {"good.py": good}
    assert {reason for _, reason in drop_log.counts.drops} == {
        "a compression that is not read",
        "an encrypted file",
        "a packed file in an archive",
        "a file too large",
    }
    assert drop_log.counts.drops.total() == 4


def test_a_tar_member_with_a_lying_size_is_said(tmp_path: Path) -> None:
    info = tarfile.TarInfo("huge.py")
    info.size = 1 << 40
    path = tmp_path / "x.tar"
    path.write_bytes(plain_tar({"a.py": b"a = 1\n"})[:1024] + info.tobuf() + bytes(2048))
    documents, drop_log = read(path)
    assert list(contents_of(documents)) == ["a.py"]
    assert drop_log.counts.drops == {
        ("archive", "a file too large"): 1,
        ("archive", "a broken archive"): 1,
    }


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_backslashes_are_folders_and_double_members_have_ids_of_their_own(
    tmp_path: Path, kind: str
) -> None:
    members = [
        ("src\\a.py", b"a = 1\n"), ("src/a.py", b"a = 2\n"), ("./src//a.py", b"a = 3\n"),
        ("src/#2/a.py", b"a = 4\n"), ("..\\out.py", b"a = 5\n"), ("\\root.py", b"a = 6\n"),
    ]  # fmt: skip
    path = tmp_path / f"x.{kind}"
    if kind == "tar":
        with tarfile.open(path, "w") as tar:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        with zipfile.ZipFile(path, "w") as file:
            for name, content in members:
                file.writestr(zipfile.ZipInfo(name), content)
    documents, drop_log = read(path)
    assert [(d.path, d.content) for d in documents] == [
        ("src/a.py", b"a = 1\n"),
        ("src/#2/a.py", b"a = 2\n"),
        ("src/#3/a.py", b"a = 3\n"),
        ("src/#2/#2/a.py", b"a = 4\n"),
    ]
    assert len({document.id for document in documents}) == 4
    assert drop_log.counts.drops == {("archive", "a path that leads out of the archive"): 2}


def test_archives_of_one_name_have_sources_of_their_own(tmp_path: Path, read_all: Any) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.zip").write_bytes(plain_zip({"a.py": folder.encode()}))
    documents, _ = read_all(Archives(paths=(tmp_path,)))
    assert len({document.id for document in documents}) == 2
    documents, _ = read_all(Archives(paths=(tmp_path / "one" / "x.zip", tmp_path / "one")))
    assert len({document.id for document in documents}) == 2


@pytest.mark.parametrize(
    ("raw", "flag", "extra", "shown"),
    [
        ("é.py".encode("cp437"), 0, b"", "é.py"),
        ("é漢.py".encode(), 0, b"", "é漢.py"),  # UTF-8 whose flag was forgotten
        ("é漢.py".encode(), 1 << 11, b"", "é漢.py"),
        (b"\x82x.py", 0, "漢.py".encode(), "漢.py"),  # the name in Info-ZIP's extra field
    ],
)
def test_names_beyond_ascii(
    tmp_path: Path, raw: bytes, flag: int, extra: bytes, shown: str
) -> None:
    import zlib

    field = b""
    if extra:
        body = b"\x01" + struct.pack("<L", zlib.crc32(raw)) + extra
        field = struct.pack("<2H", 0x7075, len(body)) + body
    data, place = b"x = 1\n", 0
    fixed = struct.pack("<4H3L2H", flag, 0, 0, 0, zlib.crc32(data), 6, 6, len(raw), len(field))
    local = b"PK\x03\x04" + struct.pack("<H", 20) + fixed + raw + field
    central = (
        b"PK\x01\x02" + struct.pack("<2H", 20, 20) + fixed + struct.pack("<3H2L", 0, 0, 0, 0, place)
        + raw + field
    )  # fmt: skip
    begin = len(local) + len(data)
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(central), begin, 0)
    for number, content in enumerate((local + data + central + end, local + data)):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(content)
        documents, _ = read(path)
        assert contents_of(documents) == {shown: data}


@given(st.binary(max_size=3000), st.sampled_from(["x.tar", "x.zip", "x.tar.gz", "x.tar.zst"]))
def test_any_bytes_are_read_or_refused_in_words(data: bytes, name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        documents, drop_log = read(path)
        assert documents or drop_log.counts.drops or not data.strip(b"\0")


@given(st.data())
def test_headers_that_are_made_up_break_nothing(data: st.DataObject) -> None:
    """Blocks with right checksums and any fields, among whole members."""
    import tempfile

    blocks = []
    for number in range(data.draw(st.integers(1, 5))):
        block = bytearray(plain_tar({f"{number}.py": b"x"})[:1024])
        for _ in range(data.draw(st.integers(0, 4))):
            place = data.draw(st.integers(0, 511))
            block[place] = data.draw(st.integers(0, 255))
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block[:512])
        blocks.append(bytes(block))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tar"
        path.write_bytes(b"".join(blocks) + bytes(1024))
        documents, drop_log = read(path)
        assert len(documents) + drop_log.counts.drops.total() >= 1


def test_what_unpacks_to_far_too_much_is_left(tmp_path: Path) -> None:
    for name, pack in (
        ("x.tar.gz", gzip.compress),
        ("x.tar.xz", partial(lzma.compress, preset=0)),
        ("x.tar.zst", zst),
    ):
        info = tarfile.TarInfo("bomb.bin")
        info.size = 80 << 20
        first = plain_tar({"a.py": b"a = 1\n"})[:1024]
        path = tmp_path / name
        path.write_bytes(pack(first + info.tobuf() + bytes(info.size) + bytes(1024)))
        documents, drop_log = read(path)
        assert list(contents_of(documents)) == ["a.py"]
        assert ("archive", "an archive that unpacks to far too much") in drop_log.counts.drops


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root opens everything")
    path = tmp_path / "x.zip"
    path.write_bytes(plain_zip())
    path.chmod(0)
    assert read(path)[1].counts.drops
