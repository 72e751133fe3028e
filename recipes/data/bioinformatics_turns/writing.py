"""Writes the records, and what is known of them, into a folder.

    train.jsonl, held_out.jsonl   a record on each line
    recipe.json                   settings, counts, hashes of the files, ids of dropped records

A template is in one of the two files with all of its records: what is held out is unseen work.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import sha256_file, write_atomically
from multiturn.jaxformer.datasets.text_files import in_validation_split
from multiturn.sandbox.protocol import Sandbox
from recipes.data.bioinformatics_turns.checking import faults_of_run, faults_of_text, unvaried
from recipes.data.bioinformatics_turns.contamination import Contamination
from recipes.data.bioinformatics_turns.every import is_general
from recipes.data.bioinformatics_turns.records import Drafted, draw_records
from recipes.data.bioinformatics_turns.template import TEMPLATES, Template

__all__ = ["part_of", "write_records"]

PARTS = ("train", "held_out")


def part_of(template: str, held_out: float) -> str:
    """The file of a template, by the hash of its name."""
    return "held_out" if in_validation_split(template, held_out) else "train"


def write_records(
    out: Path,
    templates: Sequence[Template],
    sandbox: Sandbox,
    contamination: Contamination,
    *,
    variants: int = 12,
    seed: int = 0,
    held_out: float = 0.1,
) -> dict[str, object]:
    """Draw, check and write records.

    Args:
        out: a folder, created if necessary.
        templates: to draw from.
        sandbox: runs the program of each record.
        contamination: knows the problems that no record may repeat.
        variants: records of each template, before any is dropped.
        seed: of all that is drawn.
        held_out: the share of templates for validation.

    Returns:
        What is in ``recipe.json``.

    Raises:
        InputError: a template repeats itself, or has the same answer in all records.
        StorageError: the folder cannot be written.
        SandboxUnavailableError: the sandbox itself failed.
    """
    drawn = draw_records(templates, variants=variants, seed=seed)
    if dull := list(unvaried(drawn)):
        raise InputError("records of a template all have the same answer", got=", ".join(dull))
    refused = {
        record.id: faults
        for record in drawn
        if (faults := [*faults_of_text(record), *faults_of_run(sandbox, record)])
    }
    clean, dropped = contamination.split([each for each in drawn if each.id not in refused])
    with storage_errors(out, "writing records"):
        out.mkdir(parents=True, exist_ok=True)
    files = {part: _write(out, part, clean, held_out) for part in PARTS}
    report = {
        "seed": seed,
        "variants": variants,
        "held_out": held_out,
        "templates": len(templates),
        "general_templates": sum(map(is_general, templates)),
        "drawn": len(drawn),
        "repeated": len(drawn) - len({record.program for record in drawn}),
        "refused": refused,
        "benchmarks": {
            "words": contamination.settings.words,
            "sha256": contamination.settings.problems_hash,
        },
        "repeating_a_problem": sum(map(bool, dropped.values())),
        "dropped_templates": sorted({identity.partition("/")[0] for identity in dropped}),
        "dropped": dropped,
        "dropped_by_problem": Counter(name for names in dropped.values() for name in names),
        "files": files,
    }
    write_atomically(out / "recipe.json", json.dumps(report, indent=1) + "\n")
    return report


def _write(out: Path, part: str, records: Sequence[Drafted], held_out: float) -> dict[str, object]:
    own = [record for record in records if part_of(record.template, held_out) == part]
    text = "".join(json.dumps(record.to_plain()) + "\n" for record in own)
    path = out / f"{part}.jsonl"
    write_atomically(path, text)
    names = {record.template for record in own}
    return {
        "records": len(own),
        "templates": len(names),
        "by_theme": Counter(TEMPLATES[name].theme for name in sorted(names)),
        "turns": sum(len(record.turns) for record in own),
        "characters": len(text),
        "sha256": sha256_file(path),
    }
