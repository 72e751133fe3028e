"""What a specification's file shows is what its turns say, or one line names the place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.core.yaml_scalars import quoted, read_plain, read_plain_1_2
from multiturn.core.yaml_text import read_yaml
from multiturn.synthesis.specification import FilledCase
from multiturn.synthesis.specification_files import parse_specifications, read_specifications

FAULTS = Path(__file__).parents[3] / "shared" / "data" / "faults" / "specs"
PAGE = Path(__file__).parents[2] / "docs" / "specifications.md"

DIFFERENT = (
    "NO", "no", "No", "yes", "Yes", "YES", "on", "On", "ON", "off", "Off", "OFF",
    "12:30", "1:2", "12:30:45", "-12:30", "190:20:30.15",
    "0123", "0089", "007", "00", "-0123", "+0123", "0o17", "0b1", "0b_", "-0x1F", "0x_1",
    "1_000", "1__0", "1_000.5", "0_1", "1e3", "1E3", "1e+3", "1e-3", "1.0e3", ".5e3", "1e400",
    "2024-01-01", "2001-12-14 21:59:43.10 -5", "2001-12-14t21:59:43Z", "=", "<<",
)  # fmt: skip
"""Readers of YAML differ about each of these."""

ALIKE = {
    "14": 14, "-3": -3, "+1": 1, "3.5": 3.5, "1.50": 1.5, ".5": 0.5, "1.": 1.0, "1.5e+3": 1500.0,
    "0x1F": 31, "0": 0, "-0": 0, "true": True, "True": True, "FALSE": False, "null": None,
    "~": None, "Null": None, "y": "y", "N": "N", "08:30": "08:30", "12:61": "12:61",
    "1.2.3": "1.2.3", "None": "None", "1,000": "1,000", "a:b": "a:b", "a#b": "a#b", "--": "--",
    "_1": "_1", "inf": "inf", "nan": "nan", "1e": "1e", "http://a.b/c#d": "http://a.b/c#d",
}  # fmt: skip


def only_case(text: str, suffix: str = ".yaml") -> FilledCase:
    [found] = parse_specifications(text, suffix=suffix, where=f"spec{suffix}")
    return found.fill()[0]


def refusal(text: str, suffix: str = ".yaml") -> str:
    with pytest.raises(InputError) as caught:
        parse_specifications(text, suffix=suffix, where=f"spec{suffix}")
    assert str(caught.value).startswith(f"spec{suffix}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("scalar", DIFFERENT)
@pytest.mark.parametrize(
    "place",
    [
        "turns:\n  - {}\n",
        "turns:\n  - prompt: {}\n",
        "turns: [{}, b]\n",
        "turns: [a]\nexpect: {}\n",
        "turns: [a]\nexpect: [1, {}]\n",
        "turns: [a]\nexpect: {{k: {}}}\n",
        "turns: [a]\nexpect: {{? {} : 1}}\n",
        "turns: ['{{c}}']\nvariables: {{c: {}}}\n",
        "turns: ['{{c}}']\nvariables:\n  c:\n    - {}\n",
        "turns: [a]\nname: {}\n",
        "turns: [a]\nmax_tokens: {}\n",
        "turns: [{{prompt: a, expect: {}}}]\n",
        "turns: [{{prompt: a, examples: {{len(a): {}}}}}]\n",
        "turns: ['{{c}}']\ncases:\n  - variables: {{c: {}}}\n",
        "turns: [a]\n---\nturns: [b]\nexpect: {}\n",
        "turns: [a]\r\nexpect: {}\r\n",
        "\ufeffturns: [a]\nexpect: {}\n",
    ],
)
def test_what_readers_take_differently_is_refused_everywhere(scalar: str, place: str) -> None:
    text = place.format(scalar)
    message = refusal(text)
    number = next(n for n, line in enumerate(text.splitlines(), 1) if scalar in line)
    assert f"line {number}, column " in message
    assert f'write "{scalar}" for the text' in message
    # What the message tells to write is read as the file shows it.
    [[again]] = read_yaml(f"- {quoted(scalar)}", where="again")
    assert again == scalar


@pytest.mark.parametrize(("scalar", "value"), ALIKE.items())
def test_what_all_readers_take_alike_is_read(scalar: str, value: object) -> None:
    found = only_case(f"turns: [a]\nexpect: {scalar}\n").expect
    assert found == value
    assert type(found) is type(value)


@given(st.text(st.sampled_from("0123456789_.:-+eExXob~=<naflrtuysoNOY Tt"), min_size=1, max_size=9))
def test_an_unquoted_scalar_means_one_thing_or_is_refused(text: str) -> None:
    try:
        old = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, KeyError):
        return
    if not isinstance(old, str | int | float | bool | None) or " " in text.strip():
        return
    try:
        value = read_plain(text.strip())
    except InputError as error:
        assert quoted(text.strip()) in str(error)
        return
    assert type(value) is type(old)
    assert value == old == read_plain_1_2(text.strip())


@given(st.text(max_size=40))
def test_quoted_text_is_read_back(text: str) -> None:
    text = "".join(c for c in text if c.isprintable() or c in "\n\t")
    [[again]] = read_yaml(f"- {quoted(text)}", where="again")
    assert again == text


@pytest.mark.parametrize(
    ("turn", "line", "form"),
    [
        ("Print this: the sum", 2, "Print this: the sum"),
        ("Print this:", 2, "Print this:"),
        ("Print this:\n      the sum", 2, "Print this: the sum"),
        ("Print item #3 of the list", 2, "Print item #3 of the list"),
        ("prompt: Print item #3", 2, "Print item #3"),
        ('Print "a # b"', 2, 'Print "a # b"'),
        ("Print item\n    #3 of the list", 2, "Print item #3 of the list"),
        ("Print item\n\n    #3 of the list", 2, "Print item #3 of the list"),
        ("Print item\n    #3 of\n    the list", 2, "Print item #3 of"),
        ("|\n      Print item\n     #3 of it", 2, "Print item #3 of it"),
        ("prompt: Print this: x", 2, "Print this: x"),
        ("Print: this: x", 2, "Print: this: x"),
        ("[a, b]", 2, "[a, b]"),
        ("{c}", 2, "{c}"),
        ("{c} is", 2, "{c} is"),
        ("- x", 2, "- x"),
        ("? x", 2, "? x"),
        ("5", 2, "5"),
        ("true", 2, "true"),
        ("~", 2, "~"),
        ('"a" b', 2, '"a" b'),
        ("*b* c", 2, "*b* c"),
        ("%d c", 2, "%d c"),
        ("@c", 2, "@c"),
        ("`c`", 2, "`c`"),
        ("a\tb", 2, "a\\tb"),
        ("prompt: [a]", 2, "[a]"),
    ],
)
def test_a_turn_that_yaml_takes_apart_is_refused(turn: str, line: int, form: str) -> None:
    message = refusal(f"turns:\n  - {turn}\n  - last\n")
    assert f"line {line}" in message
    assert f'"{form}"' in message or f"'{form}'" in message


@pytest.mark.parametrize(
    ("turn", "text"),
    [
        ("Print it, twice - or more: no", None),
        ("Print a:b and it's a#b", "Print a:b and it's a#b"),
        ("'Print item #3: the sum'", "Print item #3: the sum"),
        ('"Print item #3"  # a comment', "Print item #3"),
        ("Print it\n    twice", "Print it twice"),
        ("|\n    Print item #3: x\n    # and on", "Print item #3: x\n# and on"),
        (">\n    Print item #3\n    twice", "Print item #3 twice"),
        ("Print it.\n  # a comment on the next turn", "Print it."),
        ("Print [1, 2] and {{x}}", "Print [1, 2] and {x}"),
        ("y", "y"),
    ],
)
def test_a_turn_is_the_text_that_stands_in_the_file(turn: str, text: str | None) -> None:
    if text is None:
        refusal(f"turns:\n  - {turn}\n")
    else:
        assert only_case(f"turns:\n  - {turn}\n").turns[0].prompt == text


@pytest.mark.parametrize("number", ["1.50", ".5", "1.", "+1", "-0", "0x1F", "1.0e+3", "~", "NULL"])
def test_a_variable_is_printed_as_it_is_written(number: str) -> None:
    for place in ("{{c: {}}}", "{{c: [{}]}}", "{{c: {{k: {}}}}}"):
        message = refusal(f"turns: ['Print {{c}}.']\nvariables: {place.format(number)}\n")
        assert "line 2" in message
        assert f'write "{number}" for the text' in message
    assert only_case("turns: ['{c}']\nvariables: {c: 5.0}").turns[0].prompt == "5.0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("turns: [a]\nexpect: #3\n", r'line 2, column 8: .*begins a comment; fix: write "#3"'),
        ("turns: [a]\nexpect: 3 #4\n", r'line 2, column 9: .*cuts this text.*write "3 #4"'),
        ("turns: [a]\nexpect: item #3\n", r'line 2, column 9: .*cuts this text.*"item #3"'),
        ("turns: [a]\nexpect:\n", "line 2, column 8: nothing stands after the key 'expect'"),
        ("turns: [a]\nvariables: {country:NO}", "line 2.*nothing stands after.*'country:NO'"),
        ("turns: [a]\nvariables: {a: x, b}", "line 2.*nothing stands after the key 'b'"),
        ("turns: [{prompt: a, examples: {f(1, 2): 3}}]", "nothing stands after the key 'f\\(1'"),
        ("turns: [a]\n---\nturns: [a]\nturns: [b]", "line 4, column 1: not YAML, the key 'turns'"),
        ("<<: {turns: [a]}", "line 1, column 1: readers of YAML differ"),
        ("turns: [a, ! b]", "line 1, column 12: the tag ! is not read"),
        ("turns: [!!float 1]", "line 1, column 9: the tag .*float is not read"),
        ("turns: [a]\nexpect: &x 1", "line 2, column 9: anchors and aliases"),
        ("turns:\n\t- a", "line 2, column 1: not YAML"),
        ("turns:\n - a\x85b", r"line 2: a line separator .*U\+0085"),
        ("turns:\n - a\u2028b", r"line 2: a line separator .*U\+2028"),
        ("turns:\n - a\x07b", r"line 2: a character that cannot stand in YAML, U\+0007"),
        ('turns: ["\\ud83d\\ude00"]', "line 1, column 9: a text contains a lone surrogate"),
        (f"turns: [a]\nexpect: {'9' * 5000}", "line 2, column 9: .*too many digits"),
        ("turns: [a]\nexpect: -.inf", "line 2, column 9: a number is not finite"),
        ("turns: " + "[" * 300, "more than 100 levels of nesting"),
        ("turns: " + "[" * 50_000, "more than 100 levels of nesting"),
        ("turns: [a]\nexpect: {true: 1, True: 2}", "stands twice"),
    ],
)
def test_other_places_where_yaml_is_not_what_it_looks(text: str, message: str) -> None:
    assert re.search(message, refusal(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"turns": ["{c}"], "variables": {"c": 1.50}}', "would say 1.5 where the file says '1.50"),
        ('{"turns": ["{c}"], "variables": {"c": [1e3]}}', r"variables.c\[0\]: .*1000.0"),
        ('{"turns": ["a"], "expect": 1e999}', "a number is not finite"),
        ('{"turns": ["a"], "expect": -Infinity}', "-Infinity is not a JSON number"),
        (f'{{"turns": ["a"], "expect": {"9" * 5000}}}', "5,000 digits, allowed are 4,300"),
        ('{"turns": ["a\\ud83d"]}', "half a character"),
        ('{"turns": ["a"], "expect": {"a": 1, "a": 2}}', "the key 'a' occurs twice"),
        ('{"turns": ["a"]} {"turns": ["b"]}', "not JSON, extra data"),
    ],
)
def test_json_is_read_as_it_is_written_too(text: str, message: str) -> None:
    for suffix in (".json", ".jsonl"):
        with pytest.raises(InputError, match=message):
            parse_specifications(text, suffix=suffix, where="spec")


def test_json_numbers_come_through_as_plain_ones() -> None:
    case = only_case(
        '{"turns": ["{c}"], "variables": {"c": [1, 2.5, 7e-09]}, "expect": 1e3}', ".json"
    )
    assert case.turns[0].prompt == "[1, 2.5, 7e-09]"
    assert type(case.expect) is float
    published = '{"prompts": ["{c}"], "inputs": [{"c": 1.50}], "outputs": [1e3]}'
    assert only_case(published, ".json").turns[0].prompt == "1.5"


@pytest.mark.skipif(not FAULTS.is_dir(), reason="the inputs that fail are not beside us")
@pytest.mark.parametrize("path", sorted(FAULTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_files_that_were_misread(path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_specifications(path)
    line = next(
        number
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"Print this|#3|\{(country|c|t): ", line)
    )
    assert f"line {line}" in str(caught.value)
    assert re.search(r'write "[^"]+"', str(caught.value))


def test_the_table_on_the_page_is_true() -> None:
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    table = [row for row in rows if row[1] in ("read", "refused")]
    assert len(table) > 30
    for written, outcome, says in table:
        text = f"turns: [a]\nexpect: {written}\n"
        if outcome == "refused":
            refusal(text)
        else:
            value = json.loads(says.strip("`"))
            assert only_case(text).expect == value, written
