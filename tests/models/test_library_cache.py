"""The directory of compiled kernels: what is used stays, the rest goes, whoever looks meanwhile."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from filelock import FileLock

from multiturn.models.native.build import Sources, built_library
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.library_cache import UNUSED_DAYS, find, prune, store

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

DAY = 24 * 3600
PROGRAM = """
import ctypes, pathlib, sys
from multiturn.models.native.build import Sources, built_library

source = pathlib.Path(sys.argv[1])
path = built_library(Sources("kernels", (source,), (source.parent,)), announce=print)
library = ctypes.CDLL(str(path))
print("loaded", library.answer(), flush=True)
sys.stdin.readline()
print("still", library.answer(), flush=True)
"""


@pytest.fixture(autouse=True)
def own_kernels(home: Path) -> Path:
    (home / "native").unlink()
    (home / "native").mkdir()
    return home / "native"


class Version:
    """A version of the project: its kernels' source."""

    def __init__(self, directory: Path, answer: int) -> None:
        directory.mkdir()
        self.source = directory / "quick.cc"
        self.source.write_text(f'extern "C" int answer() {{ return {answer}; }}\n')

    def built(self) -> Path:
        return built_library(Sources("kernels", (self.source,), (self.source.parent,)))

    def started(self, **environment: str) -> subprocess.Popen[str]:
        """A process that loads the kernels, and uses them again after a line of input."""
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )


@pytest.fixture
def old(tmp_path: Path) -> Version:
    return Version(tmp_path / "old", 41)


@pytest.fixture
def new(tmp_path: Path) -> Version:
    return Version(tmp_path / "new", 42)


def unused_for(days: float, *paths: Path) -> None:
    then = time.time() - days * DAY
    for path in paths:
        os.utime(path, (then, then))


def files_of(library: Path) -> list[Path]:
    return [library, library.with_suffix(".sha256")]


def test_a_library_that_nobody_uses_goes_when_another_is_compiled(
    old: Version, new: Version, own_kernels: Path
) -> None:
    first = old.built()
    lock = own_kernels / f"{first.name}.lock"  # of an earlier version
    lock.touch()
    unused_for(UNUSED_DAYS + 1, *files_of(first), lock)
    second = new.built()
    left = {path.name for path in own_kernels.iterdir()}
    assert left == {"compiling.lock", *(path.name for path in files_of(second))}
    assert ctypes.CDLL(str(old.built())).answer() == 41


def test_two_versions_in_use_keep_their_libraries(old: Version, new: Version) -> None:
    first = old.built()
    unused_for(UNUSED_DAYS - 1, *files_of(first))
    second = new.built()
    assert first.exists()
    unused_for(UNUSED_DAYS + 1, *files_of(first), *files_of(second))
    assert old.built() == first  # used again: from now on it is young
    prune(first.parent, keep=first.parent / "kernels-none.so")
    assert find(first)
    assert not second.exists()


def test_the_note_of_use_is_written_once_a_day(old: Version) -> None:
    library = old.built()
    checksum = library.with_suffix(".sha256")
    unused_for(0.5, *files_of(library))
    before = checksum.stat().st_mtime
    assert find(library)
    assert checksum.stat().st_mtime == before
    unused_for(2, *files_of(library))
    assert find(library)
    assert time.time() - checksum.stat().st_mtime < DAY


def test_a_reader_of_an_earlier_version_is_known_by_the_last_access(old: Version) -> None:
    library = old.built()
    unused_for(UNUSED_DAYS + 1, *files_of(library))
    checksum = library.with_suffix(".sha256")
    os.utime(checksum, (time.time(), checksum.stat().st_mtime))
    prune(library.parent, keep=library.parent / "kernels-none.so")
    assert find(library)


def test_a_process_that_has_loaded_a_library_keeps_it(old: Version, new: Version) -> None:
    running = old.started()
    assert running.stdout is not None
    assert "compiling" in running.stdout.readline()
    assert running.stdout.readline() == "loaded 41\n"
    library = old.built()
    unused_for(UNUSED_DAYS + 1, *files_of(library))
    new.built()
    assert not library.exists()
    said, _ = running.communicate("\n", timeout=200)
    assert said == "still 41\n"


def test_who_comes_while_a_library_is_removed_compiles_it_again(
    old: Version, own_kernels: Path
) -> None:
    """The state in which a process finds it between the two halves of its removal."""
    library = old.built()
    with FileLock(own_kernels / "compiling.lock"):
        library.with_suffix(".sha256").rename(library.with_suffix(".removed"))
        coming = old.started()
        assert coming.stdout is not None
        assert "waiting for another process" in coming.stdout.readline()
        library.with_suffix(".removed").unlink()
        library.unlink()
    said, _ = coming.communicate("\n", timeout=200)
    assert said.splitlines()[-2:] == ["loaded 41", "still 41"]
    assert find(library)


def test_a_library_that_is_found_while_it_is_removed_stays(
    old: Version, own_kernels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = old.built()
    unused_for(UNUSED_DAYS + 1, *files_of(library))
    rename = Path.rename

    def found_before(path: Path, target: Path) -> Path:
        if path.suffix == ".sha256":
            assert find(library)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", found_before)
    prune(own_kernels, keep=own_kernels / "kernels-none.so")
    assert find(library)


def test_processes_that_load_and_compile_at_once_all_get_theirs(
    old: Version, new: Version, tmp_path: Path
) -> None:
    for version in (old, new):
        unused_for(UNUSED_DAYS + 1, *files_of(version.built()))
    latest = Version(tmp_path / "latest", 43)
    running = [version.started() for version in (latest, old, new) * 2]
    answers = [each.communicate("\n", timeout=200)[0].splitlines()[-1] for each in running]
    assert answers == ["still 43", "still 41", "still 42"] * 2


def test_what_a_killed_compilation_leaves_goes_after_a_day(
    old: Version, new: Version, own_kernels: Path, tmp_path: Path
) -> None:
    hanging = tmp_path / "hanging-compiler"
    hanging.write_text(
        textwrap.dedent("""\
            #!/bin/sh
            [ "$1" = --version ] && { echo hanging; exit 0; }
            echo half > "$(dirname "$0")/reached"
            exec sleep 600
        """)
    )
    hanging.chmod(0o755)
    compiling = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(old.source)],
        env={**os.environ, "CXX": str(hanging)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (tmp_path / "reached").exists():
        assert compiling.poll() is None
        time.sleep(0.05)
    os.killpg(compiling.pid, signal.SIGKILL)
    compiling.wait()
    (left,) = own_kernels.glob(".building-*")
    half = own_kernels / ".kernels-avx2-0123-4567.so.k2x_9"
    half.write_text("half")
    old.built()
    assert left.exists()
    assert half.exists()
    unused_for(2, left, half)
    new.built()
    assert not left.exists()
    assert not half.exists()


def test_what_belongs_to_others_stays(own_kernels: Path) -> None:
    others = [own_kernels / name for name in (".hidden", "notes.txt", "compiling.lock")]
    measured = own_kernels / "measured" / "precision-1.json"
    measured.parent.mkdir()
    for path in (*others, measured):
        path.write_text("")
        unused_for(999, path)
    unused_for(999, measured.parent)
    store(own_kernels / "kernels-a.so", b"")
    prune(own_kernels, keep=own_kernels / "kernels-a.so")
    assert all(path.exists() for path in (*others, measured, own_kernels / "kernels-a.so"))
