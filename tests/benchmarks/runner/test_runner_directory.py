"""What is on the disk, after everything that can happen to it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runner_toy import ToyTask, toy_engine, toy_spec

from multiturn.benchmarks.runner.config import RunConfig
from multiturn.benchmarks.runner.directory import (
    COMPLETE,
    CONFIG,
    PARTIAL,
    TIMINGS,
    BenchmarkDirectory,
)
from multiturn.benchmarks.runner.results import find_runs, read_run
from multiturn.benchmarks.runner.run_spec import sample_keys
from multiturn.benchmarks.runner.samples import Sample, SampleKey, read_sample, sample_of, to_line
from multiturn.benchmarks.solver import Generation, Solution
from multiturn.core.errors import InputError, StorageError
from multiturn.sandbox.fake import FakeSandbox
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.outcomes import Outcome, Status

CELL = toy_spec(Path("unused"), toy_engine(), FakeSandbox(), ToyTask(problems=2), n=2)
CONFIGURED: RunConfig = CELL.config
KEYS = sample_keys(CELL)
ITEMS = {item.id: item for item in CELL.items()}


def made(key: SampleKey) -> Sample:
    step = Generation(
        text="é\udc80\n",
        raw_text="é\udc80\n#",
        cut_by="comment line",
        finish_reason="stop",
        prompt_tokens=3,
        new_tokens=4,
    )
    passed = Judgement.PASSED if key.sample else Judgement.NO_OUTPUT
    verdicts = {"strict": Verdict(passed), "legacy": Verdict(Judgement.PASSED)}
    solution = Solution(program=f"x = '{key.item}'\u2028\n", steps=(step,))
    return sample_of(ITEMS[key.item], key.sample, solution, verdicts)


SAMPLES = {key: made(key) for key in KEYS}
LINES = [to_line(sample) for sample in SAMPLES.values()]
WHOLE = "".join(LINES).encode()


def opened(path: Path, config: RunConfig = CONFIGURED, **options: Any) -> BenchmarkDirectory:
    return BenchmarkDirectory.open(path, config, KEYS, **options)


def complete(path: Path) -> None:
    """Make what is missing, as the runner does."""
    with opened(path) as directory:
        for key in reversed(directory.missing()):
            directory.append([SAMPLES[key]])
        directory.finish()


def test_the_complete_file_is_in_the_tasks_order(tmp_path):
    complete(tmp_path / "run")
    assert (tmp_path / "run" / COMPLETE).read_bytes() == WHOLE
    assert not (tmp_path / "run" / PARTIAL).exists()
    run = read_run(tmp_path / "run")
    assert run.complete
    assert run.config == CONFIGURED
    assert [sample.key for sample in run.samples] == KEYS
    assert run.expected == len(KEYS)
    assert run.samples[1].verdicts["strict"].passed
    assert run.samples[0].steps[0].text == "é\udc80\n"


def test_what_passes_is_counted_before_and_after_a_restart(tmp_path):
    with opened(tmp_path) as directory:
        directory.append([SAMPLES[key] for key in KEYS[:3]])
        first = dict(directory.passed)
    with opened(tmp_path) as directory:
        assert dict(directory.passed) == first == {"legacy": 3, "strict": 1}
        assert directory.missing() == KEYS[3:]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, len(WHOLE)))
def test_torn_at_any_byte(tmp_path_factory, cut):
    place = tmp_path_factory.mktemp("torn")
    with opened(place):
        pass
    (place / PARTIAL).write_bytes(WHOLE[:cut])
    with opened(place) as directory:
        assert len(directory.found) == WHOLE[:cut].count(b"\n")
        assert (place / PARTIAL).read_bytes() == WHOLE[: WHOLE.rfind(b"\n", 0, cut) + 1]
    complete(place)
    assert (place / COMPLETE).read_bytes() == WHOLE


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(start=st.integers(0, len(WHOLE)), junk=st.binary(max_size=200))
def test_damaged_anywhere(tmp_path_factory, start, junk):
    """A page that a power cut left wrong, in the middle too, costs samples and nothing else."""
    place = tmp_path_factory.mktemp("damaged")
    with opened(place):
        pass
    (place / PARTIAL).write_bytes(WHOLE[:start] + junk + WHOLE[start + len(junk) :])
    with opened(place) as directory:
        saved = (place / PARTIAL).read_bytes().splitlines(keepends=True)
        assert len(saved) == len(directory.found)
        for each in saved:
            read_sample(each, where="kept")
    with opened(place) as directory:
        directory.append([SAMPLES[key] for key in directory.missing()])
        directory.finish()
    assert sorted(s.key for s in read_run(place).samples) == sorted(KEYS)


@pytest.mark.parametrize(
    "bad",
    [
        b"\n",
        b"null\n",
        b"[]\n",
        b'{"item": {"id": "toy/0/0"}, "sample": 99, "verdicts": {}}\n',
        b'{"item": {"id": "toy/0/0"}, "sample": [], "verdicts": {}}\n',
        b'{"item": {"id": "toy/0/0"}, "sample": 0, "verdicts": []}\n',
        b"\0" * 4096,
        b"\xff\xfe\n",
    ],
)
def test_lines_that_are_no_samples_of_the_run_are_dropped(tmp_path, bad):
    with opened(tmp_path):
        pass
    (tmp_path / PARTIAL).write_bytes(bad + WHOLE[: WHOLE.index(b"\n") + 1] + bad)
    complete(tmp_path)
    assert (tmp_path / COMPLETE).read_bytes() == WHOLE


def test_a_sample_that_is_there_twice_counts_once(tmp_path):
    with opened(tmp_path):
        pass
    (tmp_path / PARTIAL).write_bytes(WHOLE + WHOLE)
    with opened(tmp_path) as directory:
        assert directory.passed["legacy"] == len(KEYS)
        assert directory.complete
        directory.finish()
    assert (tmp_path / COMPLETE).read_bytes() == WHOLE


def test_killed_between_the_complete_files_name_and_the_partial_ones_end(tmp_path):
    complete(tmp_path)
    (tmp_path / PARTIAL).write_bytes(WHOLE)
    (tmp_path / f".{COMPLETE}.abc").write_bytes(WHOLE[:50])
    (tmp_path / f".{CONFIG}.abc").write_bytes(b"{")
    complete(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lock", CONFIG, COMPLETE]
    assert (tmp_path / COMPLETE).read_bytes() == WHOLE


def test_killed_before_the_record_was_there(tmp_path):
    (tmp_path / f".{CONFIG}.abc").write_bytes(b"{")
    complete(tmp_path)
    assert read_run(tmp_path).complete


def test_a_complete_file_that_lost_lines_is_not_taken_for_complete(tmp_path):
    complete(tmp_path)
    (tmp_path / COMPLETE).write_bytes(WHOLE[: WHOLE.index(b"\n") + 1])
    with pytest.raises(InputError, match=r"has 1 of 8 samples.*--fresh"):
        opened(tmp_path)
    with opened(tmp_path, fresh=True) as directory:
        assert directory.missing() == KEYS


def test_another_run_is_refused_with_what_differs(tmp_path):
    complete(tmp_path)
    other = replace(
        CONFIGURED, sampling=replace(CONFIGURED.sampling, temperature=0.2, seed=7), arm="concat"
    )
    with pytest.raises(InputError) as refused:
        opened(tmp_path, other)
    message = str(refused.value)
    assert 'arm is "turns" there and "concat" here' in message
    assert "sampling.temperature is 0.8 there and 0.2 here" in message
    assert "sampling.seed is 0 there and 7 here" in message
    assert "--fresh" in message
    assert (tmp_path / COMPLETE).read_bytes() == WHOLE


def test_another_version_of_a_package_is_another_run(tmp_path):
    complete(tmp_path)
    versions = {**CONFIGURED.versions, "numpy": "1.0"}
    with pytest.raises(InputError, match=r"versions.numpy is .* there and .1.0. here"):
        opened(tmp_path, replace(CONFIGURED, versions=versions))


def test_many_differences_are_not_all_listed(tmp_path):
    complete(tmp_path)
    other = replace(CONFIGURED, versions={}, arm="x", model="y", rung="z", task="w")
    with pytest.raises(InputError, match=r"and \d+ more"):
        opened(tmp_path, other)


@pytest.mark.parametrize("record", [b"{", b"[]", b"\xff"])
def test_a_record_that_cannot_be_read_is_refused(tmp_path, record):
    complete(tmp_path)
    (tmp_path / CONFIG).write_bytes(record)
    with pytest.raises(InputError, match="--fresh"):
        opened(tmp_path)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_directory_of_something_else_is_left_alone(tmp_path, fresh):
    (tmp_path / COMPLETE).write_bytes(b"somebody's samples")
    with pytest.raises(InputError, match="not that of a run"):
        opened(tmp_path, fresh=fresh)
    assert (tmp_path / COMPLETE).read_bytes() == b"somebody's samples"


def test_fresh_throws_away_what_another_run_left(tmp_path):
    complete(tmp_path)
    other = replace(CONFIGURED, arm="concat")
    with opened(tmp_path, other, fresh=True) as directory:
        assert directory.missing() == KEYS
    assert not (tmp_path / COMPLETE).exists()
    assert read_run(tmp_path).config == other


def test_a_second_runner_is_refused_and_the_first_goes_on(tmp_path):
    with opened(tmp_path) as first:
        with pytest.raises(StorageError, match="another process is working"):
            opened(tmp_path)
        with pytest.raises(StorageError, match="another process is working"):
            opened(tmp_path, fresh=True)
        first.append([SAMPLES[KEYS[0]]])
    complete(tmp_path)


def failing(function: Callable[..., Any], after: int, part: int = 0) -> Callable[..., Any]:
    """`function`, which says that the disk is full from call number `after` on."""
    calls = 0

    def call(descriptor: int, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            if part:
                function(descriptor, bytes(arguments[0][:part]))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(descriptor, *arguments)

    return call


@pytest.mark.parametrize("name", ["write", "fsync"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_full_disk_leaves_what_was_kept(tmp_path, monkeypatch, name, after):
    with opened(tmp_path) as directory:
        directory.append([SAMPLES[KEYS[0]]])
        part = 17 if name == "write" else 0
        with monkeypatch.context() as patched:
            patched.setattr(os, name, failing(getattr(os, name), after, part))
            with pytest.raises(StorageError, match="no space left"):
                for key in KEYS[1:]:
                    directory.append([SAMPLES[key]])
        assert len(directory.found) == after + 1
        assert (tmp_path / PARTIAL).read_bytes() == "".join(LINES[: after + 1]).encode()
    complete(tmp_path)
    assert (tmp_path / COMPLETE).read_bytes() == WHOLE


def test_a_disk_that_is_full_at_the_last_step(tmp_path, monkeypatch):
    with opened(tmp_path) as directory:
        directory.append(list(SAMPLES.values()))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", failing(os.fsync, 0))
            with pytest.raises(StorageError, match="no space left"):
                directory.finish()
    assert not (tmp_path / COMPLETE).exists()
    complete(tmp_path)
    assert (tmp_path / COMPLETE).read_bytes() == WHOLE


def test_a_run_under_way_can_be_read(tmp_path):
    with opened(tmp_path) as directory:
        directory.append([SAMPLES[KEYS[2]]])
        with (tmp_path / PARTIAL).open("ab") as file:
            file.write(b'{"item": {"id"')
        run = read_run(tmp_path)
    assert not run.complete
    assert [sample.key for sample in run.samples] == [KEYS[2]]
    assert find_runs(tmp_path) == (tmp_path,)


def test_where_no_run_is_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no saved run"):
        find_runs(tmp_path / "nothing")
    with pytest.raises(StorageError, match="reading the record"):
        read_run(tmp_path)


def test_notes_may_be_torn(tmp_path):
    with opened(tmp_path) as directory:
        directory.note(TIMINGS, [{"item": "a"}, {"item": "b"}])
    assert [json.loads(each) for each in (tmp_path / TIMINGS).read_text().splitlines()] == [
        {"item": "a"},
        {"item": "b"},
    ]


def test_addresses_do_not_stand_in_samples():
    error = "KeyError: <object object at 0x7f2b8c0d>"
    verdict = Verdict(
        Judgement.PREVENTED,
        difference="got <A at 0x55D0deadbeef>, expected 0x1F",
        outcome=Outcome(Status.RAISED, error=error, line=1),
    )
    item = ITEMS[KEYS[0].item]
    saved = sample_of(item, 0, Solution(program="", steps=()), {"strict": verdict})
    found = saved.verdicts["strict"]
    assert found.outcome is not None
    assert found.outcome.error == "KeyError: <object object at 0x...>"
    assert found.difference == "got <A at 0x...>, expected 0x1F"
