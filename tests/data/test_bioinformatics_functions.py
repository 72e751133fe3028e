"""The recipe that makes training records of the functions of a corpus."""

from __future__ import annotations

import ast
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


def test_a_completion_is_the_same_function_cut_after_its_docstring() -> None:
    (found,) = functions_of(GC)
    turn = found.turn(completion=True)
    assert turn["prompt"] == ""
    assert turn["begun"] == (
        "import re\n\ndef gc_content(sequence, digits=2):\n"
        '    """Return the share of G and C in ``sequence``,\n    rounded.\n\n'
        '    :param sequence: upper-case letters.\n    """\n'
    )
    assert ast.dump(ast.parse(turn["begun"] + turn["code"]).body[1].body[1]) == (
        ast.dump(ast.parse(found.code).body[1].body[0])
    )
    assert turn["code"].startswith('    found = re.findall("[GC]", sequence)\n    # A comment.\n')
    # What cannot be moved as it stands is written anew.
    odd = GC.replace('"[GC]"', '"""\n  [GC]"""').replace("\n    ", "\n        ")
    (moved,) = functions_of(odd)
    assert moved.body.startswith("    found = re.findall('\\n  [GC]', sequence)\n    return")
    long = GC.replace("upper-case letters.", "letters. " * 100)
    assert (
        '    """Return the share of G and C in sequence, rounded."""\n'
        in next(functions_of(long)).begun
    )


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
    other = GC.replace("gc_content", "share").replace("GC]", "AT]")
    documents.append(
        Document(content=other.encode(), source="pypi:second", path="c.py", licence="MIT")
    )
    documents.append(Document(content=b"\x00 no Python", source="pypi:third", path="b.py"))
    write_documents(stage / "part-00000.parquet", documents)
    out = tmp_path / "out" / "functions.jsonl"
    command = [sys.executable, str(RECIPE), str(tmp_path / "corpus"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "2 functions of 2 projects\n"
    request, completion = read_records(out)
    assert {request.id, completion.id} == {"pypi:first/a.py:gc_content", "pypi:second/c.py:share"}
    assert request.turns[0].prompt and not request.turns[0].begun
    assert completion.turns[0].begun.endswith('"""\n') and not completion.turns[0].prompt
    sources = list(map(json.loads, out.with_suffix(".sources.jsonl").read_text().splitlines()))
    source = next(each for each in sources if each["source"] == "pypi:first")
    assert (source["licence"], source["revision"], source["path"]) == ("MIT", "1", "a.py")


def test_a_corpus_that_is_not_built_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(RECIPE), str(tmp_path / "mine"), str(tmp_path / "out.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: no built corpus in {tmp_path / 'mine'}; fix: multiturn data build mine\n"
    )
