"""docs/json.md names every key that the commands print."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from multiturn.apps.cli import run, synth_report
from multiturn.apps.cli.doctor import command as doctor
from multiturn.apps.cli.doctor.check import Check
from multiturn.sandbox.outcomes import Outcome, Status

PAGE = (Path(__file__).parents[3] / "docs" / "json.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", [synth_report, run, doctor], ids=lambda module: module.__name__)
def test_every_key_is_described(module: object) -> None:
    keys = set(re.findall(r'^\s+"(\w+)":', inspect.getsource(module), re.MULTILINE))  # type: ignore[arg-type]
    assert len(keys) >= 4
    settings = {"cpu_seconds", "wall_seconds", "memory_mib", "unsafe"}
    assert {key for key in keys - settings - {"schema"} if f"`{key}`" not in PAGE} == set()


def test_every_status_and_field_is_described() -> None:
    names = [status.value for status in Status]
    names += [field.name for kind in (Outcome, Check) for field in dataclasses.fields(kind)]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_every_schema_is_named() -> None:
    for schema in (synth_report.SCHEMA, run.SCHEMA, doctor.SCHEMA):
        assert f"`{schema}`" in PAGE
