"""The recipe that makes training records of the functions of a corpus."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from multiturn.data.documents.files import write_documents
from multiturn.data.documents.record import Document
from multiturn.jaxformer.datasets.records import read_records
from recipes.data import bioinformatics_functions
from recipes.data.bioinformatics_functions import functions_of

RECIPE = Path(bioinformatics_functions.__file__)


GC = '''
import re
from math import floor
import pysam

LIMIT = 3


def gc_content(sequence, digits=2):
    """Return the share of G and C in ``sequence``,
    rounded.

    :param sequence: upper-case letters.
    """
    found = re.findall("[GC]", sequence)
    # A comment.
    return round(len(found) / len(sequence), digits)
'''


def test_a_function_becomes_a_request_and_its_code() -> None:
    (found,) = functions_of(GC)
    assert found.prompt == (
        "Define a function gc_content(sequence, digits=2). Return the share of G and C in "
        "sequence, rounded."
    )
    assert found.code.startswith("import re\n\ndef gc_content(sequence, digits=2):\n")
    namespace: dict[str, Any] = {}
    exec(found.code, namespace)
    assert namespace["gc_content"]("GATC") == 0.5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("found = re", "found = LIMIT and re"),  # a name of the module
        ("found = re.", "found = pysam.re."),  # a package that is not allowed
        ("found = re", "global LIMIT; found = re"),
        ("def gc_content(", "@cached\ndef gc_content("),
        ("def gc_content(", "def _gc_content("),
        ("def gc_content(", "def test_gc_content("),
        ("(sequence, digits", "(self, sequence, digits"),
        ("def gc_content", "def gc content"),
    ],
)
def test_what_does_not_stand_by_itself_is_left_out(before: str, after: str) -> None:
    text = GC.replace(before, after, 1)
    assert text != GC
    assert list(functions_of(text)) == []


def test_inner_functions_and_local_names_are_its_own() -> None:
    text = '''
def count(lines):
    """Count the records of each name in some lines."""
    def name(line):
        return line[1:].split()[0]
    totals = {}
    for line in lines:
        try:
            totals[name(line)] = totals.get(name(line), 0) + 1
        except IndexError as error:
            print(error)
    return {key: value for key, value in totals.items()}
'''
    assert [each.name for each in functions_of(text)] == ["count"]


def test_the_records_of_a_corpus_name_their_sources(tmp_path: Path) -> None:
    stage = tmp_path / "corpus" / "decontaminated"
    documents = [
        Document(content=GC.encode(), source=source, path="a.py", licence="MIT", revision="1")
        for source in ("pypi:first", "pypi:second")
    ]
    documents.append(Document(content=b"\x00 no Python", source="pypi:third", path="b.py"))
    write_documents(stage / "part-00000.parquet", documents)
    out = tmp_path / "out" / "functions.jsonl"
    command = [sys.executable, str(RECIPE), str(tmp_path / "corpus"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1 functions of 1 projects\n"
    (record,) = read_records(out)
    assert record.id == "pypi:first/a.py:gc_content"
    (source,) = map(json.loads, out.with_suffix(".sources.jsonl").read_text().splitlines())
    assert (source["licence"], source["revision"], source["path"]) == ("MIT", "1", "a.py")


def test_a_corpus_that_is_not_built_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(RECIPE), str(tmp_path / "mine"), str(tmp_path / "out.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: no built corpus in {tmp_path / 'mine'}; fix: multiturn data build mine\n"
    )
