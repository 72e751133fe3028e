"""The results of `multiturn synth`: programs in files, and a JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn import __version__
from multiturn.apps.cli.settings import Settings
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import sha256_file
from multiturn.core.records import to_plain
from multiturn.engines.protocol import EngineInfo
from multiturn.synthesis.export import export_session
from multiturn.synthesis.records import Turn
from multiturn.synthesis.specification import ABSENT, FilledCase, Specification
from multiturn.synthesis.specification_runner import SpecificationResult

__all__ = ["ProgramToWrite", "document", "programs_in", "write_programs"]

SCHEMA = "multiturn.synth/1"


@dataclass(frozen=True, slots=True)
class ProgramToWrite:
    """One case of one specification."""

    specification: Specification
    filled: FilledCase

    @property
    def case(self) -> int:
        """Its number, from 1."""
        return self.filled.number


def programs_in(
    specifications: Sequence[Specification], case: int | None, *, where: str
) -> list[ProgramToWrite]:
    """Every case of every specification, or one case of each.

    Raises:
        InputError: a variable is missing or wrong, or there is no such case.
    """
    programs = []
    for specification in specifications:
        cases = specification.fill()
        if case is not None and not 1 <= case <= len(cases):
            raise InputError(f"{where}: no such case", got=case, allowed=f"1 to {len(cases)}")
        programs += [
            ProgramToWrite(specification, filled)
            for filled in cases
            if case is None or filled.number == case
        ]
    if not programs:
        raise InputError(f"{where}: the file holds no specification", fix="write one")
    return programs


def write_programs(
    out: Path, results: Sequence[SpecificationResult], *, several: bool
) -> list[Path]:
    """Write the program of each result and return the files.

    Args:
        out: the file for a single program; for several, a directory, which is created.
        results: the programs to write.
        several: whether `out` is a directory. An existing directory always is.
    """
    if not several and not out.is_dir():
        export_session(results[0].session, out)
        return [out]
    with storage_errors(out, "making the directory"):
        out.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, result in enumerate(results, start=1):
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", result.name).strip("-.") or f"program-{number}"
        suffix = result.session.language.extensions[0]
        path = out / f"{name}-case{result.case}{suffix}"
        if path in paths:
            path = out / f"{name}-case{result.case}-{number}{suffix}"
        export_session(result.session, path)
        paths.append(path)
    return paths


def document(
    file: Path,
    settings: Settings,
    engine: EngineInfo,
    results: Sequence[SpecificationResult],
    *,
    attempts: int,
) -> str:
    """The results as one JSON document, with everything needed to reproduce them.

    docs/json.md describes it.
    """
    plain = {
        "schema": SCHEMA,
        "version": __version__,
        "file": str(file),
        "file_sha256": sha256_file(file),
        "engine": {
            "engine": engine.engine,
            "model": engine.model,
            "weights_sha256": engine.weights_sha256,
            "context_window": engine.context_window,
        },
        "settings": to_plain(settings),
        "attempts": attempts,
        "met": sum(result.met for result in results),
        "of": len(results),
        "programs": [_result(result) for result in results],
    }
    return json.dumps(plain, indent=2, default=str)


def _result(result: SpecificationResult) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": result.name,
        "case": result.case,
        "met": result.met,
        "why_not": result.why_not,
        "attempt": result.attempt,
        "seed": result.seed,
        "session": result.session.id,
        "style": result.session.style,
        "program": result.program,
        "run": to_plain(result.run),
        "turns": [_turn(turn) for turn in result.turns],
    }
    # Absent is not null: null would say that None was expected.
    if result.expected is not ABSENT:
        plain["expected"] = to_plain(result.expected)
    return plain


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "prompt": turn.prompt,
        "code": turn.code,
        "chosen": turn.chosen,
        "candidates": [to_plain(candidate) for candidate in turn.candidates],
    }
