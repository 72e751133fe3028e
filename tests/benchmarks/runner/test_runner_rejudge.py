"""A run judged again: nothing is lost, whatever happens, and it says what changed."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from runner_toy import ToyTask, toy_engine, toy_spec

from multiturn.benchmarks.oracles.versions import ORACLE_VERSIONS, oracle_versions_of
from multiturn.benchmarks.runner import rejudge as rejudging
from multiturn.benchmarks.runner.config import installed_versions
from multiturn.benchmarks.runner.directory import COMPLETE, CONFIG, PARTIAL, REJUDGED, lock_of
from multiturn.benchmarks.runner.rejudge import PROGRESS, PassCounts, rejudge
from multiturn.benchmarks.runner.results import PACKED, read_run
from multiturn.benchmarks.runner.run import run_specs
from multiturn.benchmarks.task import Item
from multiturn.core.errors import InputError, SandboxUnavailableError, StorageError
from multiturn.core.records import to_plain
from multiturn.sandbox.fake import FakeSandbox
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.sandbox.protocol import Limits, Sandbox

SANDBOX = FakeSandbox(lambda program: FakeSandbox.printed("", value=ANSWER))
ANSWER = 42


@dataclass(frozen=True)
class Judge(ToyTask):
    """The toy problems, judged by this test."""

    strict: Judgement = Judgement.PASSED
    only: str = "toy/0"
    broken_after: int | None = None

    def judge(self, item: Item, program: str, sandbox: Sandbox) -> Mapping[str, Verdict]:
        calls.append(item.id)
        if self.broken_after is not None and len(calls) > self.broken_after:
            raise SandboxUnavailableError("it broke", fix="repair it")
        finished = Outcome(Status.FINISHED)
        other = Verdict(Judgement.NO_OUTPUT, outcome=finished)
        verdict = Verdict(self.strict, outcome=finished) if item.problem == self.only else other
        return {"strict": verdict, "legacy": other}


calls: list[str] = []


def run_toy(place: Path, task: Judge, *, fresh: bool = False) -> None:
    with toy_engine() as engine:
        spec = toy_spec(place, engine, SANDBOX, task, n=1)
        run_specs([spec], engine, SANDBOX, fresh=fresh)


@pytest.fixture(autouse=True)
def no_calls() -> Iterator[None]:
    calls.clear()
    yield


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A complete run whose record is as one was before oracles had versions."""
    place = tmp_path / "run"
    run_toy(place, Judge(strict=Judgement.WRONG_ANSWER))
    calls.clear()
    record = json.loads((place / CONFIG).read_text())
    record["versions"] = {
        name: version
        for name, version in record["versions"].items()
        if not name.startswith("oracle ")
    }
    (place / CONFIG).write_text(json.dumps(record))
    return place


def judgements(place: Path) -> list[str]:
    return [sample.verdicts["strict"].judgement.value for sample in read_run(place).samples]


def test_a_record_says_by_which_oracles_it_was_judged(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", Judge())
    versions = read_run(tmp_path / "run").config.versions
    assert oracle_versions_of(versions, ("strict", "legacy")) == ORACLE_VERSIONS
    assert oracle_versions_of({"python": "3.11.7"}, ("strict",)) == {"strict": "1"}


def test_old_records_keep_their_verdicts_until_they_are_judged_again(place: Path) -> None:
    assert set(judgements(place)) == {"wrong_answer", "no_output"}
    before = (place / COMPLETE).read_bytes()
    found = rejudge(place, Judge(), SANDBOX)
    assert found.versions_before == {"strict": "1", "legacy": "1"}
    assert found.versions_after == ORACLE_VERSIONS
    assert found.passed == {"strict": PassCounts(0, 2), "legacy": PassCounts(0, 0)}
    assert found.problems == {"toy/0": {"strict": PassCounts(0, 2), "legacy": PassCounts(0, 0)}}
    assert [(each.item, each.oracle) for each in found.changes] == [
        ("toy/0/0", "strict"),
        ("toy/0/1", "strict"),
    ]
    assert judgements(place)[:2] == ["passed", "passed"]
    old = [json.loads(line) for line in (place / "verdicts.0.jsonl").read_text().splitlines()]
    was = [json.loads(line) for line in before.splitlines()]
    assert [each["verdicts"] for each in old] == [each["verdicts"] for each in was]
    now = [json.loads(line) for line in (place / COMPLETE).read_text().splitlines()]
    for one, other in zip(was, now, strict=True):
        assert {**one, "verdicts": 0} == {**other, "verdicts": 0}
    assert not (place / PROGRESS).exists()
    (line,) = (place / REJUDGED).read_text().splitlines()
    assert json.loads(line)["changes"] == {"strict: wrong_answer to passed": 2}
    assert json.loads(line)["verdicts_before"] == "verdicts.0.jsonl"
    # The run is one of today's oracles now, and can be gone on with.
    assert oracle_versions_of(read_run(place).config.versions, ("strict",)) == {"strict": "2"}


def test_nothing_changed(place: Path) -> None:
    before = (place / COMPLETE).read_bytes()
    found = rejudge(place, Judge(strict=Judgement.WRONG_ANSWER), SANDBOX)
    assert found.changes == ()
    assert found.problems == {}
    assert (place / COMPLETE).read_bytes() == before
    assert not (place / "verdicts.0.jsonl").exists()
    assert rejudge(place, Judge(strict=Judgement.WRONG_ANSWER), SANDBOX).changes == ()


def test_each_rejudging_keeps_what_it_replaces(place: Path) -> None:
    rejudge(place, Judge(), SANDBOX)
    found = rejudge(place, Judge(strict=Judgement.PREVENTED), SANDBOX)
    assert found.passed["strict"] == PassCounts(2, 0)
    saved = [(place / f"verdicts.{number}.jsonl").read_text() for number in (0, 1)]
    assert '"wrong_answer"' in saved[0] and '"passed"' in saved[1]


def test_what_is_packed_stays_packed(place: Path) -> None:
    data = (place / COMPLETE).read_bytes()
    (place / PACKED).write_bytes(lzma.compress(data))
    (place / COMPLETE).unlink()
    assert read_run(place).complete
    rejudge(place, Judge(), SANDBOX)
    assert judgements(place)[:2] == ["passed", "passed"]
    assert not (place / COMPLETE).exists()
    assert b"wrong_answer" in lzma.decompress((place / "verdicts.0.jsonl.xz").read_bytes())


def test_a_run_that_is_not_complete(place: Path) -> None:
    lines = (place / COMPLETE).read_bytes().splitlines(keepends=True)
    (place / COMPLETE).unlink()
    (place / PARTIAL).write_bytes(b"".join(lines[:3]) + lines[3][:50])
    assert rejudge(place, Judge(), SANDBOX).samples == 3
    assert (place / PARTIAL).read_bytes().count(b"\n") == 3
    assert judgements(place)[:2] == ["passed", "passed"]


def test_it_goes_on_where_it_was_stopped(place: Path) -> None:
    before = (place / COMPLETE).read_bytes()
    with pytest.raises(SandboxUnavailableError):
        rejudge(place, Judge(broken_after=5), SANDBOX)
    assert (place / COMPLETE).read_bytes() == before
    done = len((place / PROGRESS).read_text().splitlines()) - 1
    assert 0 < done <= 5
    with (place / PROGRESS).open("a") as file:
        file.write('{"item": "torn')
    calls.clear()
    message: list[tuple[int, int]] = []
    found = rejudge(place, Judge(), SANDBOX, listen=lambda *both: message.append(both))
    assert len(calls) == 12 - done
    assert message[0] == (done, 12) and message[-1] == (12, 12)
    assert found.passed["strict"] == PassCounts(0, 2)


def test_progress_of_other_oracles_does_not_count(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SandboxUnavailableError):
        rejudge(place, Judge(broken_after=5), SANDBOX)
    versions = installed_versions() | {"oracle strict": "3"}
    monkeypatch.setattr(rejudging, "installed_versions", lambda: versions)
    calls.clear()
    rejudge(place, Judge(), SANDBOX)
    assert len(calls) == 12


@pytest.mark.parametrize("stop", range(4))
def test_a_kill_between_any_two_files_loses_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    solution: list[Path] = []
    real = rejudging.write_atomically

    def write(path: Path, data: bytes | str) -> None:
        if len(solution) > stop:
            raise KeyboardInterrupt
        solution.append(path)
        real(path, data)

    monkeypatch.setattr(rejudging, "write_atomically", write)
    try:
        rejudge(place, Judge(), SANDBOX)
        assert stop == 3
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    found = rejudge(place, Judge(), SANDBOX)
    if stop < 3:
        assert found.passed["strict"] == PassCounts(0, 2)
    assert judgements(place)[:2] == ["passed", "passed"]
    assert b'"wrong_answer"' in (place / "verdicts.0.jsonl").read_bytes()


def test_what_cannot_be_judged_again_is_refused(place: Path) -> None:
    with pytest.raises(InputError, match="other problems"):
        rejudge(place, replace(Judge(), problems_sha256="other"), SANDBOX)
    with pytest.raises(InputError, match="another arm"):
        rejudge(place, replace(Judge(), arm="concat"), SANDBOX)
    with pytest.raises(InputError, match="other limits"):
        rejudge(place, replace(Judge(), limits=Limits(cpu_seconds=1)), SANDBOX)
    lock = lock_of(place)
    try:
        with pytest.raises(StorageError, match="another process"):
            rejudge(place, Judge(), SANDBOX)
    finally:
        lock.release()


def test_a_run_of_other_oracles_is_not_gone_on_with_unjudged(place: Path) -> None:
    with pytest.raises(InputError, match="bench rejudge"):
        run_toy(place, Judge())
    rejudge(place, Judge(), SANDBOX)
    run_toy(place, Judge())


def test_fresh_throws_away_what_was_replaced(place: Path) -> None:
    rejudge(place, Judge(), SANDBOX)
    run_toy(place, Judge(), fresh=True)
    assert not (place / "verdicts.0.jsonl").exists()
    assert not (place / REJUDGED).exists()
    assert to_plain(read_run(place).config)["versions"] == installed_versions()
