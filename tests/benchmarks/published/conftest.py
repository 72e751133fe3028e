"""Problem files of the published format: where real ones are, and an odd one of this project's.

Nothing here uses the code under test: problems are plain mappings, as `json.loads` gives them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Line = dict[str, Any]

SHARED = Path(__file__).parents[4] / "shared" / "data"
FULL_FILE = "MULTITURN_MTPB_FILE"
"""The environment variable that names the published file, all 115 problems of it."""


def _plain(n: int) -> Line:
    cases = [{"a": n + at} for at in range(5)]
    return {
        "prompts": ['Assign {a} to a variable named "a".', "Print a times {a}."],
        "inputs": cases,
        "outputs": [case["a"] ** 2 for case in cases],
    }


def _text(*golds: str) -> Callable[[int], Line]:
    return lambda n: {
        "prompts": ['Assign "{s}" to "s".', "Print it."],
        "inputs": [{"s": f"{gold}{n}"} for gold in golds],
        "outputs": [f"{gold}{n}" if gold else "" for gold in golds],
    }


def _values(*golds: object) -> Callable[[int], Line]:
    return lambda n: {
        "prompts": [f"Take case {{k}} of {n}.", "Print the value."],
        "inputs": [{"k": at} for at in range(len(golds))],
        "outputs": list(golds),
    }


def _with(maker: Callable[[int], Line], **more: Any) -> Callable[[int], Line]:
    return lambda n: maker(n) | more


def _surplus_outputs(n: int) -> Line:
    line = _plain(n)
    return line | {"outputs": [*line["outputs"], n, None]}


def _surplus_inputs(n: int) -> Line:
    line = _plain(n)
    return line | {"inputs": [*line["inputs"], {"a": "of no case"}]}


def _one_input_twice(n: int) -> Line:
    line = _plain(n)
    inputs, outputs = line["inputs"], line["outputs"]
    return line | {
        "inputs": [*inputs[:4], inputs[1]],
        "outputs": [*outputs[:4], outputs[1]],
    }


def _one_input_two_answers(n: int) -> Line:
    line = _plain(n)
    return line | {"inputs": [{"a": 1}] * 3 + line["inputs"][3:], "outputs": [7, 8, 7, n, 5]}


def _prompts(*prompts: str, **variables: object) -> Callable[[int], Line]:
    return lambda n: {
        "prompts": list(prompts),
        "inputs": [{"n": n + at, **variables} for at in range(5)],
        "outputs": [n + at for at in range(5)],
    }


KINDS: dict[str, Callable[[int], Line]] = {
    "plain": _plain,
    "surplus outputs": _surplus_outputs,
    "surplus inputs": _surplus_inputs,
    "one input twice": _one_input_twice,
    "one input, two answers": _one_input_two_answers,
    "comment lines": _prompts("Write f(n).\n# f(1) = 1\n# \n#f(2) = 2\n#", "Print f({n}).\n# Now."),
    "blanks": _prompts(" Set n to {n}. ", "\tKeep it.\t", "Print n.  "),
    "braces": _prompts("Make {{{n}}} a set, {{}} a dict.", "}}{{ Print {n} of {{ {{x}} }}."),
    "formats": _prompts(
        "Set {n!r:>6} {s!a} {y:.2f} {y:+09.3f} {n:{w}d} {l[1]} {m[k]} {s:*^7}|", "Print {n:d}.",
        s="é", y=2.5, w=4, l=[1, "two"], m={"k": True},
    ),
    "odd characters": _prompts(
        "Set \"n\" to {n}\\ % $ ``` ''' \"\"\" | 東京 🐍 \u2028 \u2029 é",
        "Print {s}.", s="\u2028é\\n",
    ),
    "control characters": _prompts("Set n\x0c to {n}\x85.", "Print {s}.", s="\x0b\x1b\x7f"),
    "one prompt": _prompts("Print {n}."),
    "many prompts": _prompts(*[f"Step {number}." for number in range(9)], "Print {n}."),
    "unused variables": _prompts("Print n.", unused=[None, {"a": 1}], class_="x"),
    "null": _values(None, 1, None, "None", [None]),
    "dict": _values({"1": ["a"]}, {}, {"a": {"b": None}}, [{"a": 1}], {"k": 1.5}),
    "bool": _values(True, False, True, [True, False], "True"),
    "float": _values(0.1 + 0.2, -1.5, 1e22, 5e-324, 0.0),
    "whole": _values(10**30, -7, 0, 2**63, -(10**12)),
    "list": _values([], [0.1 + 0.2, 1], [["a", None], []], [1e-05, False], [[[1]]]),
    "text": _text("", "a", "it's", 'say "x" \\ ', "x\ty"),
    "unicode text": _text("東京", "é", "🐍", "\u2028", "ß"),
    "lines of text": _values("a\nb", " a ", "\n", "'a'", "[1, 2]"),
    "no length": _with(_plain, max_gen_length=None),
    "length as text": _with(_plain, max_gen_length="128"),
    "real length": _with(_plain, max_gen_length=512.0),
    "odd fields": _with(_plain, category=None, name=7, description=["a", {"b": 1}], licence="x"),
    "another category": _with(_plain, category="geometry", tags=["a"]),
}  # fmt: skip

WITHOUT_LENGTH = ("plain", "null", "blanks")


def odd_problems() -> list[Line]:
    """115 problems of every kind, in no order; half of the ids are numbers."""
    found = []
    names = list(KINDS)
    for number in range(1, 116):
        name = names[number % len(names)]
        line = {
            "id": number if number % 2 else str(number),
            "name": name,
            "description": f"{name}, {number}",
            "category": "math",
            "max_gen_length": 128,
        }
        line |= KINDS[name](number)
        if name in WITHOUT_LENGTH:
            del line["max_gen_length"]
        found.append(line)
    return found[60:] + found[:60]


def write_odd(path: Path, lines: list[Line]) -> Path:
    """The lines with a byte order mark, blank lines, and both kinds of line end."""
    texts = [json.dumps(line, ensure_ascii=number % 2 == 0) for number, line in enumerate(lines)]
    ends = ["\n", "\r\n", "\n\n", "\n \r\n"]
    text = "".join(text + ends[number % len(ends)] for number, text in enumerate(texts))
    path.write_bytes(b"\xef\xbb\xbf" + text.rstrip().encode())
    return path


@pytest.fixture(scope="session")
def odd() -> list[Line]:
    """115 odd problems, as plain data."""
    return odd_problems()


@pytest.fixture
def odd_file(odd: list[Line], tmp_path: Path) -> Path:
    """Their file, as odd as they are."""
    return write_odd(tmp_path / "problems.jsonl", odd)


@pytest.fixture(params=["sample", "published_shape", "odd", "full"])
def problem_file(request: pytest.FixtureRequest, odd: list[Line], tmp_path: Path) -> Path:
    """Each available file: the 15 sample problems, the odd shapes, ours, the complete one."""
    if request.param == "odd":
        return write_odd(tmp_path / "problems.jsonl", odd)
    if request.param == "full":
        named = os.environ.get(FULL_FILE)
        if not named:
            pytest.skip(
                f"SKIPPED OVER ALL 115 PROBLEMS: set {FULL_FILE} to the path of the published file"
            )
        return Path(named)
    at = {
        "sample": SHARED / "mtpb_sample.jsonl",
        "published_shape": SHARED / "faults" / "samples" / "published_shape.jsonl",
    }
    path = at[request.param]
    if not path.exists():
        pytest.skip(f"the file is not at {path}")
    return path


@pytest.fixture
def plain_problems(problem_file: Path) -> list[Line]:
    """The problems of the file as `json.loads` gives them."""
    text = problem_file.read_bytes().decode("utf-8-sig")
    return [json.loads(line) for line in text.split("\n") if line.strip()]


@pytest.fixture(scope="session")
def sampled() -> Callable[[Line, Mapping[str, object], list[str]], list[str]]:
    """How the published sampler lays a program out, written anew from its description.

    Given a problem, the variables of a case, and what a model writes for each prompt (already
    truncated), the texts that it continues, and finally the complete program.
    """

    def texts(problem: Line, variables: Mapping[str, object], solution: list[str]) -> list[str]:
        history, found = "# Import libraries.\n\nimport numpy as np\n\n", []
        for template, completion in zip(problem["prompts"], solution, strict=True):
            history += "# " + template.format(**variables) + "\n"
            found.append(history)
            history += completion + "\n\n"
        return [*found, history]

    return texts
