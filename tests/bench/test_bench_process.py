"""Peers in processes of their own: real ones that work, raise, hang and die."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

MISCHIEF = """
import os, signal, sys, time
from peers.jobs import Setting

TITLE, PACKAGES = "mischief", ()

def settings(model, count):
    return [Setting(name=name, options={"name": name}) for name in ("slow", "quick", "dies")]

def environment(setting):
    return {"MISCHIEF": setting.name}

def instructions():
    return "none to speak of"

def prepare(model):
    return {}

def load(model, setting, threads):
    print("noise on standard output")
    return Mischief(setting.options["name"])

class Mischief:
    def __init__(self, name):
        self.name = name

    def run(self, job):
        if self.name == "raises":
            raise ValueError("first line\\nsecond line")
        if self.name == "hangs":
            time.sleep(60)
        if self.name == "dies":
            print("last words", file=sys.stderr)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2 if self.name == "slow" else 0.01)
        assert os.environ["MISCHIEF"] == self.name
        return [job.new_tokens] * len(job.prompts)
"""


@pytest.fixture
def mischief(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "mischief").mkdir()
    (tmp_path / "mischief" / "peer.py").write_text(MISCHIEF)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield "mischief.peer"
    sys.modules.pop("mischief.peer", None)


@pytest.fixture
def model(tmp_path: Path) -> Any:
    from peers.jobs import Model

    return Model(
        name="m",
        directory=tmp_path,
        gguf=tmp_path / "m.gguf",
        parameters=1000,
        matrix=(8, 16),
        vocab_size=10,
        context=64,
    )


def ask(name: str, kind: str, model: Any, log: Path, limit: float = 20.0) -> dict[str, Any]:
    from dataclasses import asdict

    from peers.process import PeerProcess

    plain = {**asdict(model), "directory": str(model.directory), "gguf": str(model.gguf)}
    setting = {"name": kind, "options": {"name": kind}}
    load = {"do": "load", "model": plain, "setting": setting, "threads": 1}
    job = {"prompts": [[1], [2, 3]], "new_tokens": 5, "sample": True}
    with PeerProcess(name, threads=1, log=log, environment={"MISCHIEF": kind}) as process:
        process.ask(load, limit=20)
        process.pause()
        process.resume()
        return process.ask({"do": "run", "job": job}, limit=limit)


def test_a_peer_works_though_it_prints(mischief: str, model: Any, tmp_path: Path) -> None:
    answer = ask(mischief, "quick", model, tmp_path / "log")
    assert answer["new_tokens"] == [5, 5]
    assert answer["seconds"] >= 0.01
    assert answer["peak_bytes"] > 1_000_000
    assert "noise" in (tmp_path / "log").read_text()


def test_what_a_peer_raises_is_one_line(mischief: str, model: Any, tmp_path: Path) -> None:
    from peers.process import PeerFailedError

    with pytest.raises(PeerFailedError, match=r"^ValueError: first line$"):
        ask(mischief, "raises", model, tmp_path / "log")


def test_a_peer_that_dies_is_told_with_its_last_words(
    mischief: str, model: Any, tmp_path: Path
) -> None:
    from peers.process import PeerFailedError

    with pytest.raises(PeerFailedError, match="killed by SIGKILL: last words"):
        ask(mischief, "dies", model, tmp_path / "log")


def test_a_peer_that_hangs_is_killed(mischief: str, model: Any, tmp_path: Path) -> None:
    from peers.process import PeerFailedError

    begun = time.monotonic()
    with pytest.raises(PeerFailedError, match="no answer within 1 s"):
        ask(mischief, "hangs", model, tmp_path / "log", limit=1.0)
    assert time.monotonic() - begun < 40


def test_a_race_takes_the_fastest_setting_and_records_failures(mischief: str, model: Any) -> None:
    from peers.drive import Case, Race
    from peers.jobs import Job

    job = Job(prompts=[[1], [2]], new_tokens=3, sample=True)
    race = Race(
        model, [mischief, "not.there"][:1], 1, 20.0, lambda _, n, s: sum(n) / s, lambda _: None
    )
    race.prepare()
    race.run(Case("two", 2, job, {"sampled": job}), repeats=3)
    (case,) = race.peers[mischief]["cases"]
    assert case["setting"] == "quick"
    assert "SIGKILL" in case["tried"][2]["failed"]
    found = case["jobs"]["sampled"]
    assert len(found["all"]) == 3
    assert found["ratio_to_first"] == 1.0
    assert 0 < found["tokens_per_second"] < 6 / 0.01


def test_a_peer_whose_package_is_missing_is_left_out(model: Any) -> None:
    from peers import with_ctranslate2
    from peers.drive import Race

    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(with_ctranslate2, "PACKAGES", ("no-such-distribution",))
        race = Race(model, ["ctranslate2"], 1, 20.0, lambda *_: 1.0, said.append)
        race.prepare()
    assert race.names == []
    assert said == ["CTranslate2 is left out: not installed: no-such-distribution"]


@pytest.mark.parametrize("text", ["vllm", "jax,vllm", "jax;openvino"])
def test_an_unknown_peer_is_one_line(text: str) -> None:
    from peers.drive import chosen_peers

    with pytest.raises(SystemExit, match=r"no such peer: got .*; allowed: native"):
        chosen_peers(text)


def test_peers_keep_their_order() -> None:
    from peers.drive import chosen_peers

    assert chosen_peers("openvino, native,my.own") == ["native", "openvino", "my.own"]


def test_nothing_of_a_peer_is_imported_by_looking_at_the_roster() -> None:
    import subprocess

    code = (
        "import sys; from peers.roster import PEERS, find\n"
        "for name in PEERS:\n"
        "    if name not in ('native', 'jax', 'llama'): find(name)\n"
        "print([m for m in ('torch','ctranslate2','openvino','transformers') if m in sys.modules])"
    )
    bench = str(Path(__file__).parents[2] / "bench")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": bench},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
