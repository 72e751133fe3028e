"""Files made to break whoever reads them: each is dropped with its reason, or the run says why."""

from __future__ import annotations

import gzip
import io
import os
import resource
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from multiturn.data.build.source import SourceError
from multiturn.data.documents.files import write_documents
from multiturn.data.filters.text import ValidText
from multiturn.data.sources.archives import Archives
from multiturn.data.sources.directory import Directory
from multiturn.data.sources.file_filter import FileFilter, unsafe_path
from multiturn.data.sources.json_lines import BREAKS, JsonLines, Pile
from multiturn.data.sources.parquet import Parquet

pytestmark = pytest.mark.real

GOOD = b"print('a good file among bad ones')\n"


def reasons(drop_log: Any) -> set[str]:
    return {reason for _, reason in drop_log.counts.drops}


def tar_with(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def snapshot(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_members_that_lead_out_of_a_tar_are_dropped_and_nothing_is_written(
    tmp_path: Path, read_all: Any
) -> None:
    inside = tmp_path / "deep" / "down"
    inside.mkdir(parents=True)
    archive = tar_with(
        inside / "bad.tar.gz",
        (member("../../escaped.py"), GOOD),
        (member("/absolute.py"), GOOD),
        (member("a\\..\\b.py"), GOOD),
        (member("link.py", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (member("hard.py", tarfile.LNKTYPE, "../../../etc/passwd"), b""),
        (member("device.py", tarfile.CHRTYPE), b""),
        (member("pipe.py", tarfile.FIFOTYPE), b""),
        (member("good.py"), GOOD),
    )
    before = snapshot(tmp_path)
    documents, drop_log = read_all(Archives(paths=(archive,)))
    assert [(d.path, d.content) for d in documents] == [("good.py", GOOD)]
    assert drop_log.counts.drops == {
        ("archive", "a path that leads out of the archive"): 3,
        ("archive", "a link"): 2,
        ("archive", "a device"): 2,
    }
    assert snapshot(tmp_path) == before


def test_members_that_lead_out_of_a_zip_are_dropped(tmp_path: Path, read_all: Any) -> None:
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../escaped.py", GOOD)
        file.writestr("C:/absolute.py", GOOD)
        link = zipfile.ZipInfo("link.py")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("good.py", GOOD)
    before = snapshot(tmp_path)
    documents, drop_log = read_all(Archives(paths=(archive,)))
    assert [d.path for d in documents] == ["good.py"]
    assert drop_log.counts.drops == {
        ("archive", "a path that leads out of the archive"): 2,
        ("archive", "a link"): 1,
    }
    assert snapshot(tmp_path) == before


@pytest.fixture
def little_memory() -> Any:
    """A gigabyte more than there is: who reads a bomb whole fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30), hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_tar_bomb_is_left_where_it_becomes_one(
    tmp_path: Path, read_all: Any, little_memory: None
) -> None:
    archive = tmp_path / "bomb.tar.gz"
    with (
        gzip.open(archive, "wb", compresslevel=9) as packed,
        tarfile.open(fileobj=packed, mode="w|") as tar,
    ):
        for name, size in (("first.py", len(GOOD)), ("bomb.py", 1 << 28), ("after.py", len(GOOD))):
            info = member(name)
            info.size = size
            tar.addfile(info, _Zeros(size) if name == "bomb.py" else io.BytesIO(GOOD))
    documents, drop_log = read_all(Archives(paths=(archive,)))
    assert [d.path for d in documents] == ["first.py"]
    assert "an archive that unpacks to far too much" in reasons(drop_log)
    assert "a file too large" in reasons(drop_log)


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        given = min(size, self._left)
        self._left -= given
        return bytes(given)


def test_a_zip_bomb_is_not_read(tmp_path: Path, read_all: Any, little_memory: None) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(12):
            file.writestr(f"{number}.py", bytes(8 << 20))
    documents, drop_log = read_all(Archives(paths=(archive,), wanted=FileFilter(max_bytes=1 << 30)))
    assert "an archive that unpacks to far too much" in reasons(drop_log)
    assert sum(len(d.content) for d in documents) <= (64 << 20) + archive.stat().st_size * 120


def test_a_zip_that_lies_about_sizes_gives_no_more_than_it_claims(
    tmp_path: Path, read_all: Any
) -> None:
    archive = tmp_path / "liar.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("liar.py", b"x" * 5_000_000)
    content = archive.read_bytes()
    claimed = (5_000_000).to_bytes(4, "little")
    assert content.count(claimed) == 2  # in the local and in the central header
    archive.write_bytes(content.replace(claimed, (100).to_bytes(4, "little")))
    documents, drop_log = read_all(Archives(paths=(archive,)))
    assert not documents
    assert reasons(drop_log) == {"a broken member of an archive"}


@pytest.mark.parametrize("ending", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst", "zip", "tar"])
def test_an_archive_that_breaks_off_keeps_what_came_before(
    tmp_path: Path, read_all: Any, ending: str
) -> None:
    whole = tmp_path / f"whole.{ending}"
    contents = [os.urandom(40_000).hex().encode() for _ in range(8)]
    if ending == "zip":
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
            for number, content in enumerate(contents):
                file.writestr(f"{number}.py", content)
    elif ending == "tar.zst":
        plain = tar_with(
            tmp_path / "x.tar", *((member(f"{n}.py"), c) for n, c in enumerate(contents)), mode="w"
        )
        whole.write_bytes(zstandard.compress(plain.read_bytes()))
        plain.unlink()
    else:
        mode = "w:" + ending.removeprefix("tar").removeprefix(".")
        tar_with(whole, *((member(f"{n}.py"), c) for n, c in enumerate(contents)), mode=mode)
    documents, drop_log = read_all(Archives(paths=(whole,)))
    assert [d.content for d in documents] == contents
    assert not drop_log.counts.drops
    broken = tmp_path / f"broken.{ending}"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    documents, drop_log = read_all(Archives(paths=(broken,)))
    assert [d.content for d in documents] == contents[: len(documents)]
    assert len(documents) < len(contents)
    assert reasons(drop_log) == {"a broken archive"}


def test_what_is_no_archive_is_a_drop_with_its_size(tmp_path: Path, read_all: Any) -> None:
    for name in ("empty.tar.gz", "text.zip", "noise.tar.xz", "noise.tar.zst"):
        (tmp_path / name).write_bytes(b"" if name.startswith("empty") else os.urandom(999))
    documents, drop_log = read_all(Archives(paths=(tmp_path,)))
    assert not documents
    assert drop_log.counts.drops == {("archive", "a broken archive"): 4}
    assert drop_log.counts.drop_bytes["archive", "a broken archive"] == 999 * 3


def test_folders_with_links_pipes_and_huge_files(
    tmp_path: Path, read_all: Any, little_memory: None
) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "good.py").write_bytes(GOOD)
    (root / "link.py").symlink_to("/etc/passwd")
    (root / "sub" / "loop").symlink_to(root, target_is_directory=True)
    os.mkfifo(root / "pipe.py")
    with (root / "huge.py").open("wb") as file:
        file.truncate(2 << 30)  # a line of two gigabytes, in a sparse file
    (root / os.fsdecode(b"caf\xe9.py")).write_bytes(GOOD)
    documents, drop_log = read_all(Directory(path=root))
    assert {d.path for d in documents} == {"good.py", "caf\\xe9.py"}
    assert drop_log.counts.drops == {
        ("directory", "a link"): 2,
        ("directory", "a device"): 1,
        ("directory", "a file too large"): 1,
    }
    assert drop_log.counts.drop_bytes["directory", "a file too large"] == 2 << 30


@pytest.mark.parametrize("compressed", [False, True])
def test_a_line_of_two_gigabytes_is_dropped_and_the_next_is_read(
    tmp_path: Path, read_all: Any, little_memory: None, compressed: bool
) -> None:
    path = tmp_path / ("big.jsonl.zst" if compressed else "big.jsonl")
    size = 2 << 30 if not compressed else 1 << 28
    row = b'{"text": "after", "meta": {"pile_set_name": "Github"}}\n'
    if compressed:
        with zstandard.open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
            file.write(b"\n" + row)
    else:
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(size)
            file.write(b"\n" + row)
    documents, drop_log = read_all(Pile(paths=(str(path),)))
    assert [d.text for d in documents] == ["after"]
    assert drop_log.counts.drops == {("pile", "a line too long"): 1}
    assert drop_log.counts.drop_bytes["pile", "a line too long"] == size


def test_lines_that_are_no_records_are_dropped(tmp_path: Path, read_all: Any) -> None:
    path = tmp_path / "rows.jsonl"
    deep, latin = b"[" * 100_000, b'{"text": "caf\xe9"}'
    half = b'{"text": "\\ud800"}'
    path.write_bytes(
        b"\n".join([b"{", b'{"text": 3}', b"[]", b'{"other": "x"}', deep, latin, half])
    )
    documents, drop_log = read_all(JsonLines(paths=(str(path),)))
    assert drop_log.counts.drops == {
        ("lines", "a line that is no JSON"): 3,
        ("lines", "a record without text"): 3,
        ("lines", "half of a surrogate pair"): 1,  # JSON, and no text
    }
    assert not documents


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.jsonl.zst"])
def test_an_empty_file_stops_the_run(tmp_path: Path, read_all: Any, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match="empty"):
        read_all(JsonLines(paths=(str(tmp_path / name),)))


@pytest.mark.parametrize("ending", ["zst", "gz"])
def test_compressed_lines_that_break_off_are_a_drop(
    tmp_path: Path, read_all: Any, ending: str
) -> None:
    rows = b"".join(b'{"text": "%s"}\n' % os.urandom(50).hex().encode() for _ in range(5000))
    pack = zstandard.compress if ending == "zst" else gzip.compress
    whole = pack(rows) + pack(rows)  # two frames, as parallel compressors write
    path = tmp_path / f"rows.jsonl.{ending}"
    path.write_bytes(whole)
    documents, _ = read_all(JsonLines(paths=(str(path),)))
    assert len(documents) == 10_000
    for cut in (len(whole) - 1, len(whole) // 2 + 100, 500):
        path.write_bytes(whole[:cut])
        before, drop_log = read_all(JsonLines(paths=(str(path),)))
        assert before == documents[: len(before)] and len(before) < 10_000
        assert list(drop_log.counts.drops) == [("lines", BREAKS)]
    path.write_bytes(b"\x00" * 100 + whole[100:])
    none, drop_log = read_all(JsonLines(paths=(str(path),)))
    assert none == [] and drop_log.counts.drops["lines", BREAKS] == 1


def test_broken_parquet_stops_the_run(tmp_path: Path, read_all: Any) -> None:
    good = tmp_path / "good.parquet"
    write_documents(good, [])
    with pytest.raises(SourceError, match="have no rows"):
        read_all(Parquet(paths=(str(good),)))
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "noise.parquet").write_bytes(b"PAR1" + os.urandom(500) + b"PAR1")
    for name in ("empty", "noise"):
        with pytest.raises(SourceError, match="Parquet file is broken"):
            read_all(Parquet(paths=(str(tmp_path / f"{name}.parquet"),)))


def test_parquet_broken_in_the_middle_stops_the_run(tmp_path: Path, read_all: Any) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "x.parquet"
    table = pyarrow.table({"content": [os.urandom(1000) for _ in range(1000)]})
    pyarrow.parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[5000:6000] = os.urandom(1000)
    content[:200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(SourceError, match="Parquet file is broken"):
        read_all(Parquet(paths=(str(path),)))


@pytest.mark.parametrize("large", [False, True])
def test_a_row_of_parquet_that_is_no_utf8_is_dropped_and_the_next_is_read(
    tmp_path: Path, read_all: Any, large: bool
) -> None:
    import pyarrow
    import pyarrow.parquet

    kind, wide = (pyarrow.large_string(), "q") if large else (pyarrow.string(), "i")
    # What claims to be text is not looked at when it is written, so anybody may have written it.
    latin = b"caf\xe9 " * 20
    ends = struct.pack(f"<3{wide}", 0, len(latin), len(latin) + len(GOOD))
    texts = pyarrow.Array.from_buffers(
        kind, 2, [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(latin + GOOD)]
    )
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"content": texts}), path)
    documents, drop_log = read_all(Parquet(paths=(str(path),)))
    assert [d.content for d in ValidText().run(documents, drop_log)] == [GOOD]
    assert drop_log.counts.drops == {("text", "not UTF-8"): 1}


def test_missing_and_empty_places_are_named(tmp_path: Path, read_all: Any) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="has no files"):
        read_all(Directory(path=tmp_path / "empty"))
    with pytest.raises(SourceError, match="no such folder"):
        read_all(Directory(path=tmp_path / "none"))
    with pytest.raises(SourceError, match="no archives in these folders"):
        read_all(Archives(paths=(tmp_path / "empty",)))
    with pytest.raises(SourceError, match="no such file"):
        read_all(JsonLines(paths=(str(tmp_path / "*.jsonl"),)))


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a\\b", "c:x", "C:\\x", "a\0b", "..", "a/.."]
)
def test_unsafe_paths(path: str) -> None:
    assert unsafe_path(path)


@pytest.mark.parametrize("path", ["a", "a/b..c", "...", "a/.b", "-x", " a ", "ab:c"])
def test_safe_paths(path: str) -> None:
    assert not unsafe_path(path)
