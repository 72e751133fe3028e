"""Files that an earlier version wrote open unchanged: sessions, settings, runs, checkpoints.

``earlier_versions/0.1.0.tar.xz`` was written by the code as it was before its names were
changed to the field's own: a home with sessions and settings, runs under three truncations, a
packed corpus, and a training run killed after its first checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

MULTITURN = Path(sys.executable).with_name("multiturn")
ARCHIVE = Path(__file__).with_name("earlier_versions") / "0.1.0.tar.xz"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, kernels: Path) -> Path:
    """What the earlier version left, in a directory of its own."""
    place = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    (place / "home" / "native").symlink_to(kernels)
    return place


def multiturn(files: Path, *arguments: str, stdin: str = "", status: int = 0) -> str:
    """Run a command there, with the home that the earlier version left; what it printed."""
    environment = {**os.environ, "MULTITURN_HOME": str(files / "home"), "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [MULTITURN, *arguments],
        cwd=files,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout


def test_settings_are_read(files: Path) -> None:
    shown: dict[str, Any] = json.loads(multiturn(files, "config", "--json"))["settings"]
    assert {name: shown[name]["value"] for name in ("model", "style", "n", "seed", "context")} == {
        "model": "smollm2-135m",
        "style": "comment",
        "n": 2,
        "seed": 7,
        "context": 1024,
    }
    later = {"other_temperature", "language"}  # unknown to that version
    assert all("config.toml" in shown[name]["from"] for name in shown.keys() - later)


def test_sessions_are_listed_exported_and_continued(files: Path, tmp_path: Path) -> None:
    multiturn(files, "sessions", "check")
    listed = [line.split()[0] for line in multiturn(files, "sessions", "list").splitlines()]
    assert len(listed) == 3
    first = listed[-1]
    for ending in ("py", "ipynb", "md", "jsonl"):
        multiturn(files, "sessions", "export", first, str(tmp_path / f"program.{ending}"))
    program = (tmp_path / "program.py").read_text()
    assert "# Set x." in program and "# Print values." in program
    # Turn 2 was taken back, and is still there to be gone back to.
    shown = multiturn(
        files, "-m", "scripted:script.jsonl", stdin=f"/open {first}\n/branch 2\n/show turns\n"
    )
    assert "Print x." in shown


def test_runs_are_read_under_the_names_of_their_truncations(files: Path) -> None:
    shown = json.loads(multiturn(files, "bench", "show", "runs", "--json", "--k", "1,2"))
    runs = shown["runs"] if isinstance(shown, dict) else shown
    assert len(runs) == 6
    for run in (files / "runs").rglob("run.json"):
        saved = json.loads(run.read_text())
        assert saved["settings"]["truncation"] == run.parent.name.split(".")[1]


def test_corpora_are_described_and_traced(files: Path) -> None:
    assert "Apache-2.0" in multiturn(files, "data", "stats", "corpus")
    shown = multiturn(files, "data", "show", "corpus", "--language", "python")
    assert len(shown.splitlines()) == 5
    assert "def " in multiturn(files, "data", "show", "corpus", shown.split()[0])


def test_a_corpus_is_continued_from_its_tasks(files: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(files / "corpus", corpus)
    # The sources are gone, so nothing can be read again. The markers of two stages are gone too,
    # as if the build had been killed; the tasks within them are finished.
    for name in ("deduplicated/complete.json", "packed/complete.json", "packed/packed.json"):
        (corpus / name).unlink()
    multiturn(files, "data", "build", "corpus.py", "--out", str(corpus), "--keep-drops")
    for path in (files / "corpus").rglob("*"):
        if path.is_file():
            assert (corpus / path.relative_to(files / "corpus")).read_bytes() == path.read_bytes()


def test_a_killed_training_run_is_resumed(files: Path) -> None:
    pytest.importorskip("jax")
    multiturn(files, "train", "train.py")
    metrics = (files / "run" / "metrics.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in metrics]
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert sorted(losses) == [1, 2, 3, 4, 5, 6]
    # The last three steps were done by the code as it is now, perhaps on another processor.
    assert losses[6] == pytest.approx(5.8035, abs=0.01)


def test_an_exported_checkpoint_opens(files: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    multiturn(files, "export", "exported", str(tmp_path / "gguf"), "--to", "gguf")
    assert list((tmp_path / "gguf").glob("*.gguf"))
