"""Specifications: files, variables, and every mistake in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.synthesis.export import write_specifications
from multiturn.synthesis.records import Example
from multiturn.synthesis.specification import (
    ABSENT,
    Case,
    PublishedSpecification,
    Specification,
    TurnTemplate,
)
from multiturn.synthesis.specification_files import parse_specifications, read_specifications

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "mtpb_sample.jsonl"

FULL = """
name: all of it
description: Every key.
category: text
id: "7"
language: python
header: import math
max_tokens: 99
variables: {a: 1, b: [x, null, true]}
turns:
  - Set a to {a}.
  - prompt: Set b to {b}, not to {{b}}.
    expect: done
    examples: {"len(b)": 3, b: [x, null, true]}
expect: 4
"""


def parse(text: str, suffix: str = ".yaml"):
    return parse_specifications(text, suffix=suffix, where=f"spec{suffix}")


def test_every_key_of_yaml():
    [found] = parse(FULL)
    assert (found.name, found.header, found.max_tokens) == ("all of it", "import math", 99)
    [case] = found.fill()
    assert [turn.prompt for turn in case.turns] == [
        "Set a to 1.",
        "Set b to ['x', None, True], not to {b}.",
    ]
    assert case.turns[1].examples == (
        Example(expression="len(b)", expected=3),
        Example(expression="b", expected=["x", None, True]),
        Example(expected="done"),
    )
    assert case.expect == 4


def test_the_one_in_the_documentation():
    page = Path(__file__).parents[2] / "docs" / "specifications.md"
    text = page.read_text().split("```yaml\n")[1].split("```")[0]
    [found] = parse(text)
    [case] = found.fill()
    assert case.turns[0].prompt.startswith("The rain of some days in millimetres was [0, 2, 0,")
    assert case.turns[1].examples == (Example(expression="longest_dry([0, 0, 1])", expected=2),)


def test_what_is_not_said_is_absent_and_null_is_a_value():
    assert parse("turns: [a]")[0].fill()[0].expect is ABSENT
    assert parse("turns: [a]\nexpect: null")[0].fill()[0].expect is None


def test_several_cases_share_and_override_variables():
    [found] = parse(
        "turns: ['{a} and {b}']\nvariables: {a: 1, b: 2}\n"
        "cases: [{variables: {b: 3}, expect: x}, {expect: y}]"
    )
    assert [case.turns[0].prompt for case in found.fill()] == ["1 and 3", "1 and 2"]
    assert [case.expect for case in found.fill()] == ["x", "y"]


def test_several_documents_lists_and_lines():
    assert len(parse("turns: [a]\n---\nturns: [b]\n---\n")) == 2
    assert len(parse('[{"turns": ["a"]}, {"turns": ["b"]}]', ".json")) == 2
    assert len(parse('{"turns": ["a"]}\n\n{"turns": ["b"]}\n', ".jsonl")) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("turns: [a]\nexpct: 3", r"spec.yaml: unknown key: got 'expct'.*did you mean 'expect'"),
        ("name: x", r"the key 'turns' is missing; fix: add it"),
        ("turns: []", "has no turns"),
        ("turns: ['use {numbrs}']\nvariables: {numbers: 1}", "did you mean {numbers}"),
        ("turns: [a, 'use {x}']", "turn 2: the variable 'x' has no value"),
        ("turns: [a]\nvariables: {x: 1}", "no turn uses the variable 'x'"),
        ("turns: [a, '']", "turn 2: the turn is empty"),
        ("turns: ['{x}']\nvariables: {x: ''}", "turn 1: the turn is empty"),
        (f"turns: ['{'x' * 20_000}']", r"turn 1: the turn is too long"),
        ('turns: ["a\\x07"]', r"turn 1: .*control character U\+0007"),
        ("turns: ['{']", "the brace at character 1 is not paired"),
        ("turns: ['{x.__class__}']\nvariables: {x: 1}", "the brace at character 1 is not paired"),
        ("turns: ['{x!r}']\nvariables: {x: 1}", "is not paired"),
        ("turns: [3]", r"turns\[0\]: expected text or a mapping, got a whole number 3"),
        ("turns: x", "turns: expected a list, got text"),
        ("turns: [a]\nlanguage: rust", "unknown language"),
        ("turns: [a]\nmax_tokens: 0", "max_tokens is out of range"),
        ("turns: [a]\nmax_tokens: many", "max_tokens: expected a whole number"),
        ("turns: [a]\nexpect: 1\ncases: [{expect: 1}]", "'expect' and 'cases' exclude each other"),
        (
            "turns: [a]\nexpect: 2024-01-01",
            'line 2, column 9: readers of YAML differ.*fix: write "2024-01-01" for the text',
        ),
        ("turns: [a]\nexpect: .nan", "a number is not finite"),
        ("turns: [a]\nturns: [b]", "line 2, column 1: not YAML, the key 'turns' stands twice"),
        ("turns: &x [a]\nname: *x", "anchors and aliases"),
        (
            "turns: !!python/object:os.system {}",
            "line 1, column 8: the tag .*os.system is not read here",
        ),
        ("turns: [a", "line 1, column 10: not YAML"),
        ("", "there is no specification in it"),
        ("turns: [{prompt: a, examples: {'1 +': 2}}]", "no Python expression: got '1 \\+'"),
        (
            "turns: [{prompt: a, expect: 1}]\ncases: [{expect: 1}, {expect: 2}]",
            "cannot hold for several cases",
        ),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(text, fault):
    with pytest.raises(InputError, match=fault) as caught:
        parse(text)
    assert str(caught.value).startswith("spec.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"turns": ["a"]}\n{"turns": ', r"spec.jsonl:2: not JSON, .*line 1, column 11"),
        ('{"turns": ["a"], "turns": ["b"]}', "the key 'turns' occurs twice"),
        ('{"turns": ["a"], "expect": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "not JSON"),
        ('{"prompts": ["a"], "inputs": [{}], "outputs": []}', "no case.*: got '1 inputs and 0 out"),
        ('{"prompts": [], "inputs": [{}], "outputs": [1]}', "there are no prompts"),
        ('{"prompts": [" \\n"], "inputs": [{}], "outputs": [1]}', "the turn is empty"),
        ('{"prompts": ["{x.real}"], "inputs": [{"x": 1}], "outputs": [1]}', "an attribute"),
        ('{"prompts": ["{x:>9999}"], "inputs": [{"x": 1}], "outputs": [1]}', "width of a field"),
        ('{"prompts": ["a"], "inputs": [{}], "outputs": [1], "max_gen_len": 1}', "max_gen_length"),
        ('{"prompts": ["{x}"], "inputs": [{"y": 1}], "outputs": [1]}', "'x' has no value"),
        ('{"prompts": ["a"], "inputs": [{}], "outputs": [1], "output": 1}', "unknown key"),
    ],
)
def test_mistakes_in_json_lines(text, fault):
    with pytest.raises(InputError, match=fault) as caught:
        parse(text, ".jsonl")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read, no such file"):
        read_specifications(tmp_path / "gone.yaml")
    with pytest.raises(InputError, match="cannot be read, is a directory"):
        read_specifications(tmp_path)
    odd = tmp_path / "spec.txt"
    odd.write_text("turns: [a]")
    with pytest.raises(InputError, match=r"unknown format.*\.yaml, \.yml, \.json, \.jsonl"):
        read_specifications(odd)
    binary = tmp_path / "spec.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_specifications(binary)


def test_export_to_the_published_format_and_back(tmp_path):
    found = (
        Specification(
            turns=("Set {x}.", "Print it."),
            name="a",
            description="b",
            category="c",
            id="1",
            max_tokens=128,
            cases=(
                Case(variables={"x": [1, None]}, expect={"1": True}),
                Case(variables={"x": ""}, expect=None),
            ),
            unused_variables=True,
        ),
    )
    path = tmp_path / "out.jsonl"
    write_specifications(path, found)
    [again] = read_specifications(path)
    assert isinstance(again, PublishedSpecification)
    assert to_plain(again) == to_plain(found[0])
    write_specifications(path, (again,))
    for bad, fault in (
        (Specification(turns=("a",)), "does not say what is expected"),
        (Specification(turns=(TurnTemplate(prompt="a", expect=1),), expect=1), "does not have"),
    ):
        with pytest.raises(InputError, match=fault):
            write_specifications(path, (bad,))
    assert read_specifications(path) == (again,)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published samples are not beside us")
def test_the_published_samples_come_through_unchanged(tmp_path):
    found = read_specifications(PUBLISHED)
    lines = PUBLISHED.read_text().splitlines()
    assert len(found) == len(lines) == 15
    path = tmp_path / "again.jsonl"
    write_specifications(path, found)
    for before, after in zip(lines, path.read_text().splitlines(), strict=True):
        # The format says that an absent length means 256.
        assert {"max_gen_length": 256, **json.loads(before)} == json.loads(after)
