"""The kinds of errors, on a failure of each kind; and safety, scaling and pages."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.report.analysis.error_rules import KINDS, classify, turn_of_line
from multiturn.report.analysis.errors import classified_failures
from multiturn.report.analysis.labels import agreement, read_labels, write_label_sample
from multiturn.report.analysis.safety import check_programs
from multiturn.report.make import make_report
from multiturn.report.pages.render import to_html, to_markdown, write_report
from multiturn.report.problem_texts import CaseTexts
from multiturn.report.records.read import read_records
from multiturn.report.records.sample_lines import full_line
from tests.report.make_runs import sample, step, write_run

CASE = CaseTexts(
    prompts=('Assign [1, 2] to "xs".', 'Store the sum of "xs" in "total".', 'Print "total".'),
    gold=3,
    inputs={"xs": [1, 2]},
    references=("xs = [1, 2]", "total = sum(xs)", "print(total)"),
    names=(("xs",), ("total",), ()),
)

RIGHT = "xs = [1, 2]\ntotal = sum(xs)\nprint(total)\n"


def raised(error: str, line: int | None = None, status: str = "raised") -> dict[str, Any]:
    return {
        "judgement": "prevented",
        "outcome": {"status": status, "error": error, "line": line},
    }


OTHER_LANGUAGES = {
    "syntax": [
        "error: expected expression before ';' token",
        "error: illegal start of expression",
        "syntax error: unexpected }, expecting expression",
        "error: reached end of file while parsing",
    ],
    "import": [
        "fatal error: nope.h: No such file or directory",
        "error: package foo.bar does not exist",
        "program.go:4:2: package nope is not in GOROOT (/usr/lib/go/src/nope)",
    ],
    "name": [
        "error: 'x' undeclared (first use in this function)",
        "undefined reference to `f'",
        "error: 'foo' was not declared in this scope",
        "error: unknown type name 'list'",
        "error: cannot find symbol: method foo()",
        "undefined: foo",
        "error: variable y might not have been initialized",
    ],
    "type": [
        "error: incompatible types: String cannot be converted to char",
        "missing return",
        "error: no match for 'operator<<' (operand types are 'A' and 'B')",
        'cannot use "a" (untyped string constant) as int value in variable declaration',
        "x.foo undefined (type []int has no field or method foo)",
        "error: int cannot be dereferenced",
        "error: 'class std::vector<int>' has no member named 'foo'",
    ],
    "other": ["i declared but not used", "error: redefinition of 'values'"],
}
RUNTIMES = {
    "name": ["ReferenceError: foo is not defined"],
    "type": [
        "TypeError: Cannot read properties of null (reading 'x')",
        'java.lang.NullPointerException: Cannot invoke "String.length()"',
        "java.lang.ClassCastException: class A cannot be cast to class B",
        "panic: runtime error: invalid memory address or nil pointer dereference",
    ],
    "index_or_key": [
        "java.lang.ArrayIndexOutOfBoundsException: Index 5 out of bounds for length 2",
        "java.util.NoSuchElementException",
        "panic: runtime error: index out of range [5] with length 1",
        "std::out_of_range: vector::_M_range_check: __n (which is 3) >= this->size() (which is 0)",
    ],
    "value": [
        "SyntaxError: Unexpected token } in JSON at position 9",
        "RangeError: Invalid array length",
        "java.lang.ArithmeticException: / by zero",
        "panic: runtime error: integer divide by zero",
        'java.lang.NumberFormatException: For input string: "x"',
        "std::invalid_argument: stoi",
    ],
    "syntax": ["SyntaxError: Unexpected token ';'"],
    "import": ["Error: Cannot find module 'nope'"],
    "recursion": [
        "RangeError: Maximum call stack size exceeded",
        "java.lang.StackOverflowError",
        "fatal error: stack overflow",
    ],
    "other": [
        "panic: own",
        "java.lang.RuntimeException: own",
        "Error: own",
        "std::runtime_error: own",
    ],
}


@pytest.mark.parametrize(
    ("kind", "error", "compiling"),
    [(kind, each, True) for kind, found in OTHER_LANGUAGES.items() for each in found]
    + [(kind, each, False) for kind, found in RUNTIMES.items() for each in found],
)
def test_errors_of_other_languages_have_the_same_kinds(
    kind: str, error: str, compiling: bool
) -> None:
    failure = raised(error, status="syntax_error" if compiling else "raised")
    failure["outcome"]["compiling"] = compiling
    line = full_line(json.dumps(sample("p", **failure)).encode())
    assert classify(line, line.verdicts["strict"], None).kind == kind


FAILURES: dict[str, list[dict[str, Any]]] = {
    "syntax": [raised("SyntaxError: invalid syntax", 1, "syntax_error")],
    "import": [raised("ModuleNotFoundError: No module named 'x'"), raised("ImportError: x")],
    "name": [raised("NameError: name 'x' is not defined"), raised("UnboundLocalError: x")],
    "type": [raised("TypeError: x"), raised("AttributeError: x")],
    "index_or_key": [raised("IndexError: x"), raised("KeyError: 'x'")],
    "value": [
        raised("ValueError: x"), raised("ZeroDivisionError: x"),
        raised("numpy.exceptions.AxisError: axis 1 is out of bounds"),
    ],
    "recursion": [raised("RecursionError: maximum recursion depth exceeded")],
    "time": [raised("", status="timed_out_cpu"), raised("", status="timed_out_wall")],
    "memory": [raised("MemoryError", status="out_of_memory"), raised("MemoryError")],
    "other": [raised("EOFError: x"), raised("", status="killed"), {"judgement": "undecided"}],
    "nothing_printed": [
        {"judgement": "no_output", "steps": [step(text="total = 3", finish_reason="end_of_text")]}
    ],
    "cut": [
        {
            "judgement": "no_output",
            "steps": [step(text="", raw_text="# 2. x", cut_by="comment line")],
        },
        {
            **raised("NameError: name 'f' is not defined"),
            "steps": [step(text="f()", raw_text="f()\ndef f():\n    pass", cut_by="second def")],
        },
        {
            **raised("SyntaxError: '(' was never closed", 2, "syntax_error"),
            "steps": [step(text="x = 1\nprint((x", finish_reason="length")],
            "program": "x = 1\nprint((x",
        },
    ],
    "generated_on": [
        {"judgement": "no_output", "steps": [step(text="x = 1\n" * 9, finish_reason="length")]},
        {
            "difference": "got 9, expected 3", "program": RIGHT,
            "steps": [step(text=RIGHT, finish_reason="length")],
        },
    ],
    "wrong_form": [
        {"difference": "got 'total: 3', expected 3", "program": RIGHT},
        {"difference": "got 'The sum is 3.', expected 3", "program": RIGHT},
    ],
    "misread_prompt": [{"program": "xs = [1, 3]\ntotal = sum(xs)\nprint(total)\n"}],
    "redefined_variable": [{"program": "xs = [1, 2]\nxs = [4]\ntotal = sum(xs)\nprint(total)\n"}],
    "ignored_turn": [{"program": "xs = [1, 2]\nprint(xs[0])\n"}],
    "wrong_type": [{"difference": "got [1, 2], expected 3", "program": RIGHT}],
    "wrong_value": [{"difference": "got 4, expected 3", "program": RIGHT}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "failure"), [(kind, each) for kind, those in FAILURES.items() for each in those]
)
def test_each_kind_is_recognized(kind: str, failure: dict[str, Any]) -> None:
    line = full_line(json.dumps(sample("p", **failure)).encode())
    found = classify(line, line.verdicts["strict"], CASE)
    assert found.kind == kind, found.evidence
    assert found.evidence


def test_each_kind_has_a_test() -> None:
    assert FAILURES.keys() == KINDS.keys()


def test_rules_do_without_the_texts_of_problems() -> None:
    for failures in FAILURES.values():
        for failure in failures:
            line = full_line(json.dumps(sample("p", **failure)).encode())
            assert classify(line, line.verdicts["strict"], None).kind in KINDS


@pytest.mark.parametrize(
    "text", ["", "got", "got 1, expected ", "got [1, 2, expected (((", "x" * 9999]
)
def test_rules_survive_any_difference(text: str) -> None:
    line = full_line(json.dumps(sample("p", difference=text, program="(" * 3000)).encode())
    assert classify(line, line.verdicts["strict"], CASE).kind in KINDS


def test_a_line_belongs_to_its_turn() -> None:
    program = "# a\nx = 1\n\n# b\nx = 1\ny = 2\n"
    steps = [step(text="x = 1"), step(text="x = 1\ny = 2")]
    line = full_line(json.dumps(sample("p", program=program, steps=steps)).encode())
    assert [turn_of_line(line, n) for n in (1, 2, 4, 5, 6, None)] == [None, 0, None, 1, 1, None]


def test_dangerous_programs_are_found() -> None:
    found = check_programs(
        [
            "x = eval(input())\n", "import subprocess\nsubprocess.call('ls', shell=True)\n",
            "password = 'hunter22'\n", "print(1)\n", "assert True\n", "def f(:\n",
            "print('\ud800')",
        ]
    )  # fmt: skip
    rules = [None if each is None else {one.rule.split()[0] for one in each} for each in found]
    assert rules[0] == {"B307"}
    assert rules[1] is not None
    assert "B602" in rules[1]
    assert rules[2:] == [{"B105"}, set(), set(), None, set()]


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_a_report_of_any_size_is_written(tmp_path: Path, count: int, passed: bool) -> None:
    for arm in ("turns", "concat"):
        lines = [sample(f"p{n}", passed=passed) for n in range(count)]
        write_run(tmp_path / "runs" / arm, lines, arm=arm, expected=count or 4)
    document = make_report(read_records([tmp_path / "runs"]), {}, safety=False)
    files = write_report(document, tmp_path / "out")
    assert all(file.stat().st_size for file in files)
    page = to_html(document)
    assert not re.search(r"\b(nan|inf|None)\b", re.sub(r"(?s)<script>.*</script>", "", page))
    if not count:
        assert "no samples" in page
        assert "cannot be compared" not in page


def test_texts_of_records_are_escaped_everywhere(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script> | `x` $\\frac{1}{0}$"
    lines = [sample(bad, program=bad, difference=bad), sample("b", passed=True)]
    write_run(tmp_path, lines, model=bad)
    document = make_report(read_records([tmp_path]), {}, safety=False)
    assert "<script>alert" not in to_html(document)
    assert "<script>" not in to_markdown(document).replace("\\<script\\>", "")


def test_a_report_is_the_same_each_time(tmp_path: Path) -> None:
    write_run(tmp_path, [sample(f"p{n}", passed=n % 2 == 0) for n in range(9)])
    first, second = (
        to_html(make_report(read_records([tmp_path]), {}, safety=False)) for _ in range(2)
    )
    assert first == second
    assert "https:" not in first
    assert "http:" not in first.replace("http://www.w3.org", "")


def test_labels_of_a_person_are_compared_with_the_rules(tmp_path: Path) -> None:
    lines = [sample(f"p{n}", difference="got 4, expected 3", program=RIGHT) for n in range(10)]
    write_run(tmp_path / "run", lines)
    records = read_records([tmp_path / "run"])
    file = tmp_path / "labels.jsonl"
    assert write_label_sample(records, 6, file) == 6
    with pytest.raises(InputError, match="may have labels"):
        write_label_sample(records, 6, file)
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert "kind" not in written[0]
    assert read_labels(file) == {}
    for number, line in enumerate(written[:5]):
        line["label"] = "wrong_value" if number < 4 else "cut"
    file.write_text("".join(json.dumps(line) + "\n" for line in written))
    found = agreement(records, classified_failures(records, {}), read_labels(file))
    assert (found.labelled, found.share.estimate) == (5, 0.8)
    assert found.pairs == {("wrong_value", "wrong_value"): 4, ("cut", "wrong_value"): 1}
    assert found.elsewhere == 0
    file.write_text(json.dumps({**written[0], "label": "typo"}))
    with pytest.raises(UnknownNameError, match="typo"):
        read_labels(file)


def test_a_label_is_of_one_program_and_not_of_its_place_in_a_run(tmp_path: Path) -> None:
    """Another run with the same settings has other programs under the same names."""
    write_run(tmp_path / "run", [sample("p", difference="got 4, expected 3", program=RIGHT)])
    file = tmp_path / "labels.jsonl"
    write_label_sample(read_records([tmp_path / "run"]), 1, file)
    (line,) = map(json.loads, file.read_text().splitlines())
    file.write_text(json.dumps({**line, "label": "cut"}))
    other = f"{RIGHT}# another\n"
    write_run(tmp_path / "later", [sample("p", difference="got 4, expected 3", program=other)])
    records = read_records([tmp_path / "later"])
    found = agreement(records, classified_failures(records, {}), read_labels(file))
    assert (found.labelled, found.elsewhere, found.pairs) == (0, 1, {})
    by_hash = {**line, "label": "cut", "program_sha256": sha256(other.encode()).hexdigest()}
    del by_hash["program"]
    file.write_text(json.dumps(by_hash))
    found = agreement(records, classified_failures(records, {}), read_labels(file))
    assert (found.labelled, found.elsewhere) == (1, 0)


def test_the_labels_in_the_repository_agree_as_the_page_says() -> None:
    """docs/report.md has these numbers; 160 labels are more than the 150 that were asked for."""
    from multiturn.apps.cli.report.problems import problem_texts

    results = Path(__file__).parents[2] / "docs" / "results"
    records = read_records([results / "multi-turn"])
    labels = read_labels(results / "report" / "labels.jsonl")
    found = agreement(records, classified_failures(records, problem_texts(records)), labels)
    assert found.labelled == len(labels) == 160
    assert found.share.estimate == pytest.approx(0.83125)
    assert found.kappa == pytest.approx(0.793, abs=1e-3)
