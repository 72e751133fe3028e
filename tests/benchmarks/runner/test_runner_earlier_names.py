"""Runs that were recorded under the earlier names of truncations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runner_toy import ToyTask, toy_engine

from multiturn.benchmarks.interchange.inspect.log import eval_log
from multiturn.benchmarks.runner.config import SampleSettings, Selection
from multiturn.benchmarks.runner.directory import COMPLETE, CONFIG, PARTIAL
from multiturn.benchmarks.runner.grid import Grid
from multiturn.benchmarks.runner.results import read_run
from multiturn.benchmarks.runner.run import Invocation, run_specs
from multiturn.benchmarks.task import EARLIER_TRUNCATIONS, ArmSettings
from multiturn.core.records import read_record, to_plain
from multiturn.sandbox.protocol import Sandbox


@pytest.mark.parametrize(("earlier", "now"), EARLIER_TRUNCATIONS.items())
def test_earlier_names_are_read_and_todays_are_written(earlier: str, now: str) -> None:
    settings = read_record({"truncation": earlier}, ArmSettings, where="run.json")
    assert settings == ArmSettings(truncation=now) == ArmSettings(truncation=earlier)  # type: ignore[arg-type]
    assert to_plain(settings)["truncation"] == now


def run(place: Path, sandbox: Sandbox, *, n: int = 1) -> tuple[Path, Invocation]:
    with toy_engine() as engine:
        grid = Grid(
            tasks=(ToyTask(problems=3),),
            settings=(ArmSettings(truncation="parse"),),
            samplings=(SampleSettings(n=n, temperature=0.8),),
            selection=Selection(),
        )
        [spec] = grid.specs(place, "scripted", engine.info, sandbox)
        return spec.place, run_specs([spec], engine, sandbox)


def as_earlier(path: Path) -> Path:
    """The run as an earlier version would have written it."""
    earlier = path.rename(path.with_name(path.name.replace("parse", "fair")))
    record = earlier / CONFIG
    record.write_text(record.read_text().replace('"truncation": "parse"', '"truncation": "fair"'))
    written = json.loads(record.read_text())
    assert written["settings"]["truncation"] == "fair"
    assert written["selection"].pop("split") == "all"  # no earlier version parted a set
    record.write_text(json.dumps(written, indent=1) + "\n")
    return earlier


def test_a_run_of_before_continues_in_its_directory(tmp_path: Path, sandbox: Sandbox) -> None:
    place, _ = run(tmp_path, sandbox)
    assert place.name == "turns.parse.t0.8"
    identity = eval_log(read_run(place))["eval"]["eval_id"]
    samples = (place / COMPLETE).read_bytes()
    earlier = as_earlier(place)
    assert eval_log(read_run(earlier))["eval"]["eval_id"] == identity
    lines = samples.splitlines(keepends=True)
    (earlier / COMPLETE).unlink()
    (earlier / PARTIAL).write_bytes(b"".join(lines[:4]))
    record = (earlier / CONFIG).read_bytes()

    again, invocation = run(tmp_path, sandbox)
    assert (again, invocation.new) == (earlier, len(lines) - 4)
    assert (earlier / COMPLETE).read_bytes() == samples
    assert (earlier / CONFIG).read_bytes() == record

    extended, invocation = run(tmp_path, sandbox, n=2)
    assert (extended, invocation.new, invocation.total) == (earlier, len(lines), 2 * len(lines))
    assert read_run(earlier).config.settings.truncation == "parse"
