"""Models of several files, against a server with the hub's own routes and answers."""

from __future__ import annotations

import hashlib
import json
import random

import pytest

from multiturn.core.errors import HashMismatchError, ModelFileError, NetworkError
from multiturn.hub.downloads import locate, model_state, pull_entry
from multiturn.hub.registry import REGISTRY
from multiturn.hub.store import FileState, ModelStore

pytestmark = pytest.mark.real

ENTRY = REGISTRY["codegen-350M-mono"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = random.Random(3).randbytes(700_000)
CONFIG = b'{"model_type": "codegen"}\n'
FILES = {"config.json": CONFIG, "pytorch_model.bin": WEIGHTS, "vocab.json": b"{}"}


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def listed(path: str, content: bytes, *, lfs: bool) -> dict[str, object]:
    item = {"type": "file", "oid": git_blob(content), "size": len(content), "path": path}
    if lfs:
        sha256 = hashlib.sha256(content).hexdigest()
        item["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
    return item


@pytest.fixture
def repository(server):
    """The hub with one repository; its list of files comes in two pages."""
    base = "/api/models/Salesforce/codegen-350M-mono"
    tree = f"{base}/tree/{COMMIT}"
    first = [
        {"type": "directory", "oid": "0" * 40, "size": 0, "path": "onnx"},
        listed("README.md", b"# card", lfs=False),
        listed("config.json", CONFIG, lfs=False),
    ]
    second = [
        listed("pytorch_model.bin", WEIGHTS, lfs=True),
        listed("vocab.json", b"{}", lfs=False),
    ]
    server.files[f"{base}/revision/main"] = json.dumps({"sha": COMMIT}).encode()
    server.files[tree] = json.dumps(first).encode()
    server.links[tree] = f'<{server.url}{tree}?cursor=2>; rel="next"'
    server.files[f"{tree}?cursor=2"] = json.dumps(second).encode()
    for path, content in FILES.items():
        server.files[f"/Salesforce/codegen-350M-mono/resolve/{COMMIT}/{path}"] = content
    return server


@pytest.fixture
def fetch(tiny, models, no_pip):
    return lambda **options: pull_entry(ENTRY, store=ModelStore(models), hub=tiny.hub, **options)


def test_the_wanted_files_come_and_are_pinned(repository, fetch, models):
    path = fetch()
    assert path == models / "codegen-350M-mono"
    assert {name: (path / name).read_bytes() for name in FILES} == FILES
    assert not (path / "README.md").exists()
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["commit"] == COMMIT
    pins = {file["path"]: file["checksum"] for file in manifest["files"]}
    assert pins["pytorch_model.bin"] == {
        "kind": "sha256",
        "value": hashlib.sha256(WEIGHTS).hexdigest(),
    }
    assert pins["config.json"] == {"kind": "git-blob-sha1", "value": git_blob(CONFIG)}


def test_afterwards_nobody_is_asked(repository, fetch, models):
    assert locate(ENTRY.name, directory=models) is None
    path = fetch()
    repository.requests.clear()
    assert fetch() == path == locate(ENTRY.name, directory=models)
    assert repository.requests == []
    assert model_state(ENTRY, directory=models).state is FileState.VERIFIED


def test_later_pulls_keep_to_the_commit_of_the_first(repository, fetch, fault):
    weights = f"/Salesforce/codegen-350M-mono/resolve/{COMMIT}/pytorch_model.bin"
    repository.faults[weights] = [fault(status=404)]
    with pytest.raises(NetworkError, match=r"pytorch_model\.bin"):
        fetch()
    # The branch moves on between the two.
    repository.files["/api/models/Salesforce/codegen-350M-mono/revision/main"] = json.dumps(
        {"sha": "f" * 40}
    ).encode()
    repository.requests.clear()
    assert (fetch() / "pytorch_model.bin").read_bytes() == WEIGHTS
    assert weights in [path for path, _ in repository.requests]
    assert all(COMMIT in path and "/api/" not in path for path, _ in repository.requests)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "config.json"])
def test_other_bytes_than_the_hub_reported(repository, fetch, name, models):
    repository.files[f"/Salesforce/codegen-350M-mono/resolve/{COMMIT}/{name}"] = bytes(
        len(FILES[name])
    )
    with pytest.raises(HashMismatchError, match=name):
        fetch()
    assert not (models / ENTRY.name / name).exists()


@pytest.mark.parametrize("name", ["pytorch_model/../../evil.bin", "pytorch_model\\x.bin"])
def test_names_that_lead_out_are_refused(repository, fetch, name, tmp_path):
    tree = f"/api/models/Salesforce/codegen-350M-mono/tree/{COMMIT}"
    repository.files[tree] = json.dumps([listed(name, b"x", lfs=False)]).encode()
    with pytest.raises(NetworkError, match="plain file name"):
        fetch()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"<html>", "not JSON"),
        (b"{}", "names no commit"),
        (b'{"sha": "../../x"}', "names no commit"),
        (b"[]", "names no commit"),
    ],
)
def test_nonsense_about_the_revision(repository, fetch, answer, reason):
    repository.files["/api/models/Salesforce/codegen-350M-mono/revision/main"] = answer
    with pytest.raises(NetworkError, match=reason):
        fetch()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"{}", "is invalid"),
        (b"[1]", "is invalid"),
        (b'[{"type": "file", "path": "config.json"}]', "is invalid"),
        (b'[{"type": "file", "path": "config.json", "size": 1, "oid": "zz"}]', "checksum"),
        (
            b'[{"type": "file", "path": "config.json", "size": -1, "oid": "%040d"}]' % 0,
            "negative",
        ),
    ],
)
def test_nonsense_about_the_files(repository, fetch, answer, reason):
    repository.files[f"/api/models/Salesforce/codegen-350M-mono/tree/{COMMIT}"] = answer
    with pytest.raises(NetworkError, match=reason):
        fetch()


def test_an_empty_repository(repository, fetch):
    tree = f"/api/models/Salesforce/codegen-350M-mono/tree/{COMMIT}"
    repository.files[tree] = b"[]"
    del repository.links[tree]
    with pytest.raises(NetworkError, match="none of the files"):
        fetch()


def test_the_list_may_not_go_on_at_another_host(repository, fetch):
    tree = f"/api/models/Salesforce/codegen-350M-mono/tree/{COMMIT}"
    repository.links[tree] = '<https://elsewhere.invalid/tree>; rel="next"'
    with pytest.raises(NetworkError, match="another host"):
        fetch()


def test_no_such_repository(server, fetch):
    with pytest.raises(NetworkError, match=r"HTTP 404"):
        fetch()


@pytest.mark.parametrize("text", ["{", "[]", '{"repository": "a", "commit": "b"}', "\0"])
def test_a_broken_manifest(repository, fetch, models, text):
    directory = models / ENTRY.name
    directory.mkdir(parents=True)
    (directory / "manifest.json").write_text(text)
    with pytest.raises(ModelFileError, match="manifest"):
        fetch()


def test_a_single_file_is_pinned_by_what_the_hub_reports(tiny, models, no_pip, server):
    entry = REGISTRY["qwen2.5-coder-3b"]
    base, content = f"/api/models/{entry.repository.repository}", WEIGHTS[:5000]
    others = [listed(name, b"other", lfs=True) for name in ("q8_0.gguf", f"{entry.file}.part")]
    server.files[f"{base}/revision/main"] = json.dumps({"sha": COMMIT}).encode()
    server.files[f"{base}/tree/{COMMIT}"] = json.dumps(
        [*others, listed(entry.file, content, lfs=True)]
    ).encode()
    address = f"/{entry.repository.repository}/resolve/{COMMIT}/{entry.file}"
    server.files[address] = content

    path = pull_entry(entry, store=ModelStore(models), hub=tiny.hub)
    assert path == models / entry.name / entry.file
    assert path.read_bytes() == content
    assert model_state(entry, directory=models).state is FileState.VERIFIED
    assert locate(entry.name, directory=models) == path

    # Another file there later, as after a change on the hub, is refused: the first pull decides.
    server.files[address] = content[::-1]
    with pytest.raises(HashMismatchError):
        pull_entry(entry, store=ModelStore(models), hub=tiny.hub, force=True)
    assert path.read_bytes() == content
