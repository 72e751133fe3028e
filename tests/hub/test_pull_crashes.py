"""Processes that are killed, that meet, and disks that fill up: all of them real."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from multiturn.core.errors import StorageError
from multiturn.hub.downloads import pull_entry
from multiturn.hub.store import ModelStore

pytestmark = pytest.mark.slow

# A process of its own that pulls one file from a hub; prints what it is told.
PULLER = """
import resource, sys
from pathlib import Path
from multiturn.core.errors import MultiturnError
from multiturn.hub.sources.retry import DownloadRetryPolicy
from multiturn.hub.downloads import pull_entry
from multiturn.hub.registry import HubFile, ModelEntry
from multiturn.hub.sources.source import Hub
from multiturn.hub.store import ModelStore

root, endpoint, sha256, size, file_limit = sys.argv[1:]
entry = ModelEntry(name="tiny", description="", licence="CC0-1.0", file="tiny.gguf",
                   bytes=int(size), sha256=sha256,
                   sources=(HubFile("org/tiny", "abc123", "tiny.gguf"),))
if file_limit != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_limit), int(file_limit)))
print("ready", flush=True)
seen = set()
def listen(progress):
    if progress.phase not in seen:
        seen.add(progress.phase)
        print(progress.phase.value, flush=True)
try:
    pull_entry(entry, store=ModelStore(Path(root)), progress=listen,
               hub=Hub(endpoint=endpoint, retries=DownloadRetryPolicy(attempts=2, first_wait=0.01)))
except MultiturnError as error:
    print("error", error, flush=True)
    sys.exit(error.exit_code)
"""


def start_puller(models: Path, server, content: bytes, file_limit: int = 0) -> subprocess.Popen:
    arguments = [str(models), server.url, hashlib.sha256(content).hexdigest(), str(len(content))]
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    return subprocess.Popen(
        [sys.executable, "-c", PULLER, *arguments, str(file_limit)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_a_kill_at_any_moment_leaves_no_half_file(tiny, models, server):
    server.pause = 0.006  # 3 MB take at least 0.3 s
    final = models / "tiny" / "tiny.gguf"
    choice = random.Random(1)
    survived = 0
    # Some die at any moment of the beginning, most while bytes come or just afterwards.
    for last_seen in ["ready\n"] + ["downloading\n"] * 6:
        with start_puller(models, server, tiny.content) as process:
            while process.stdout.readline() not in (last_seen, ""):
                pass
            time.sleep(choice.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        if final.exists():
            assert final.read_bytes() == tiny.content
            final.unlink()
            survived += 1
    with start_puller(models, server, tiny.content) as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert final.read_bytes() == tiny.content
    resumed = [headers for headers in server.asked(tiny.hub_path) if "range" in headers]
    assert resumed, "no pull went on where a killed one had stopped"
    assert survived < 7


def test_two_processes_at_once_fetch_it_once(tiny, models, server):
    server.pause = 0.03  # some 1.5 s: long enough for the second to meet the first
    processes = [start_puller(models, server, tiny.content) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert (models / "tiny" / "tiny.gguf").read_bytes() == tiny.content
    assert len(server.asked(tiny.hub_path)) == 1
    assert sorted("waiting" in output for output in outputs) == [False, True]
    assert sorted("downloading" in output for output in outputs) == [False, True]


def test_a_waiting_process_takes_over_from_a_killed_one(tiny, models, server):
    server.pause = 0.05
    with start_puller(models, server, tiny.content) as first:
        while first.stdout.readline() != "downloading\n":
            pass
        with start_puller(models, server, tiny.content) as second:
            while second.stdout.readline() != "waiting\n":
                pass
            first.send_signal(signal.SIGKILL)
            server.pause = 0
            second.communicate(timeout=300)
        first.communicate()
    assert second.returncode == 0
    assert (models / "tiny" / "tiny.gguf").read_bytes() == tiny.content


def test_a_write_that_fails_midway_is_one_clear_line(tiny, models, server):
    with start_puller(models, server, tiny.content, file_limit=1_000_000) as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "writing the partial file failed, file too large" in output
    assert not (models / "tiny" / "tiny.gguf").exists()
    # What came is kept, and a process without the limit goes on from there.
    with start_puller(models, server, tiny.content) as process:
        process.communicate(timeout=300)
    assert process.returncode == 0
    assert server.asked(tiny.hub_path)[-1]["range"] == "bytes=1000000-"


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 24 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a file system takes root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_up_midway(tiny, server, small_disk, fault):
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass

    server.faults[tiny.hub_path] = [fault(drop_after=1_000_000, on_drop=fill)]
    store = ModelStore(small_disk)
    with pytest.raises(StorageError, match="no space left on device") as caught:
        pull_entry(tiny.entry, store=store, hub=tiny.hub)
    assert "free some disk space" in str(caught.value)
    filler.unlink()
    assert pull_entry(tiny.entry, store=store, hub=tiny.hub).read_bytes() == tiny.content


def test_a_disk_without_room_is_refused_before_anything_is_fetched(tiny, server, small_disk):
    (small_disk / "filler").write_bytes(bytes(16 << 20))
    with pytest.raises(StorageError, match=r"not enough disk space for tiny\.gguf"):
        pull_entry(tiny.entry, store=ModelStore(small_disk), hub=tiny.hub)
    assert server.requests == []
