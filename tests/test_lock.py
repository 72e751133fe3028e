"""The lock pins what is installed, and says nothing of where it comes from."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def version(requirement: Requirement) -> str:
    match = re.fullmatch(r"==(\S+)", str(requirement.specifier))
    assert match, f"{requirement} is not pinned to one version"
    return match[1]


def declared() -> list[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    groups = PROJECT["dependency-groups"].values()
    return [
        *PROJECT["project"]["dependencies"],
        *(line for group in (*extras, *groups) for line in group),
    ]


@pytest.mark.parametrize("line", declared())
def test_each_declared_requirement_has_a_pin_that_satisfies_it(line: str) -> None:
    requirement = Requirement(line)
    for pin in pins()[canonicalize_name(requirement.name)]:
        assert requirement.specifier.contains(version(pin), prereleases=True)


def test_everything_that_multiturn_needs_here_is_pinned() -> None:
    known, queue, seen = pins(), ["multiturn"], set()
    while queue:
        name = canonicalize_name(queue.pop())
        if name in seen:
            continue
        seen.add(name)
        for line in importlib.metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            assert canonicalize_name(requirement.name) in known, f"{name} needs {line}"
            queue.append(requirement.name)


def test_the_lock_names_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text, re.MULTILINE)
