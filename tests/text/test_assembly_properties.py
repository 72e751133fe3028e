"""Where the parts of steps go, for whatever steps there are."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.text.languages import LANGUAGES, language

pytest.importorskip("tree_sitter", reason="needs the extra `languages`")

from multiturn.text.assembly import (
    assemble,
    assemble_program,
    shown_steps,
    steps_in_order,
    tidy_step,
)
from multiturn.text.grammar import step_parses
from multiturn.text.step_parts import divide

OTHERS = [key for key, entry in LANGUAGES.items() if entry.grammar is not None]
LAID_OUT = [key for key in OTHERS if language(key).layout is not None]

# The same parts in each language, with a number in every name that does not come twice.
PARTS = {
    "c": {
        "import": "#include <time.h>",
        "function": "int f{n}(int a) {{\n    return a + {n};\n}}",
        "type": "struct T{n} {{\n    int a;\n}};",
        "variable": "int v{n} = {n};",
        "print": 'printf("said {n}\\n");',
        "loop": 'for (int i = 0; i < 3; i++) {{\n    printf("said {n}\\n");\n}}',
    },
    "java": {
        "import": "import java.time.Duration;",
        "function": "static int f{n}(int a) {{\n    return a + {n};\n}}",
        "type": "static class T{n} {{\n    int a;\n}}",
        "variable": "int v{n} = {n};",
        "print": 'System.out.println("said {n}");',
        "loop": 'for (int i = 0; i < 3; i++) {{\n    System.out.println("said {n}");\n}}',
    },
    "go": {
        "import": 'import "os"',
        "function": "func f{n}(a int) int {{\n\treturn a + {n}\n}}",
        "type": "type T{n} struct {{\n\ta int\n}}",
        "variable": "v{n} := {n}",
        "print": 'fmt.Println("said {n}")',
        "loop": 'for i := 0; i < 3; i++ {{\n\tfmt.Println("said {n}")\n}}',
    },
    "javascript": {
        "import": 'import fs from "node:fs";',
        "function": "function f{n}(a) {{\n  return a + {n};\n}}",
        "type": "class T{n} {{\n  a = 0;\n}}",
        "variable": "const v{n} = {n};",
        "print": 'console.log("said {n}");',
        "loop": 'for (let i = 0; i < 3; i++) {{\n  console.log("said {n}");\n}}',
    },
}
PARTS["cpp"] = PARTS["c"]
OUTSIDE = ("function", "type")

kinds = st.sampled_from([*PARTS["c"]])
steps_of_kinds = st.lists(st.lists(kinds, min_size=1, max_size=4), min_size=1, max_size=5)
# Any text, and text with what ends a line, a comment or a program somewhere.
ends = [
    "\n",
    "\r",
    "\r\n",
    "\u2028",
    "\x85",
    "\x0c",
    "\0",
    "\\",
    "\\\n",
    "*/",
    "/*",
    "\ufeff",
    "??/",
]
prompts = st.one_of(
    st.text(max_size=60),
    st.lists(st.one_of(st.sampled_from([*ends, "x();", "//", "#"]), st.text(max_size=5))).map(
        "".join
    ),
)
# Pieces of code of all languages, closed and not, and any text.
pieces = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            *("{", "}", "(", ")", "/*", "*/", "//", '"', "'", "`", "\\", "\n", "\r", "\t", "\0"),
            *("int main() {", "func main() {", "class Main {", "package main", "import (", "#if 1"),
            *("return 0;", "else {", "x := 1", "int x = 1;", "let x = 1;", "case 1:", "é = 'ü';"),
            *("public static void main(String[] a) {", "template <class T>", "#define X(", "=> {"),
        ]
    ),
)
mess = st.lists(pieces, max_size=8).map("\n".join)


def written(key: str, steps: list[list[str]]) -> tuple[list[str], list[str], list[str]]:
    """The code of steps; what stands outside `main`, and the statements, in order."""
    number, codes, outside, statements = 0, [], [], []
    for step in steps:
        parts = []
        for kind in step:
            number += 1
            part = PARTS[key][kind].format(n=number)
            parts.append(part)
            if kind != "import":
                (outside if kind in OUTSIDE else statements).append(part.partition("\n")[0])
        codes.append("\n".join(parts))
    return codes, outside, statements


def places(text: str, parts: list[str]) -> list[int]:
    lines = [line.strip() for line in text.split("\n")]
    for part in set(parts):
        assert lines.count(part.strip()) == parts.count(part), part
    found, at = [], 0
    for part in parts:
        at = lines.index(part.strip(), at) + 1
        found.append(at)
    return found


@pytest.mark.parametrize("key", LAID_OUT)
@given(steps=steps_of_kinds)
def test_each_part_is_there_once_in_its_place_and_in_order(key, steps):
    entry = language(key)
    codes, outside, statements = written(key, steps)
    program = assemble(key, entry.header, [("", code) for code in codes])
    assert step_parses(entry, program)
    assert entry.layout is not None
    lines = program.split("\n")
    main = lines.index(entry.layout.main_around[0].split("\n")[0])
    before, within = places(program, outside), places(program, statements)
    assert before == sorted(before) and within == sorted(within)
    assert all(at <= main for at in before) and all(at > main for at in within)
    imported = PARTS[key]["import"].removeprefix("import ")
    # Go leaves out what nothing uses; the others have an import once.
    wanted = any("import" in step for step in steps) and key != "go"
    assert program.count(imported) == int(wanted)
    assert assemble(key, "", [("", program)]) == program


@given(steps=steps_of_kinds)
def test_in_javascript_all_stays_in_order(steps):
    codes, _, _ = written("javascript", steps)
    program = assemble("javascript", "", [("", code) for code in codes])
    assert [line for line in program.split("\n") if line] == [
        line for code in codes for line in code.split("\n")
    ]


# Where a line ends, for the compiler; a comment ends there too.
LINE_ENDS = {
    "c": "\n",
    "cpp": "\n",
    "go": "\n",
    "java": "\r\n|\r|\n",
    "javascript": "\r\n|[\r\n\u2028\u2029]",
    "python": "\r\n|\r|\n",
}


@pytest.mark.parametrize("key", [*OTHERS, "python"])
@given(prompt=prompts)
def test_every_line_of_a_prompt_is_a_comment(key, prompt):
    entry = language(key)
    *lines, last = re.split(LINE_ENDS[key], entry.as_comment(prompt))
    assert last == "" and all(line.startswith(entry.comment) for line in lines)


@pytest.mark.parametrize("key", OTHERS)
@given(prompt=prompts, kind=st.sampled_from(["variable", "print", "loop", "function", "type"]))
def test_a_prompt_adds_no_code(key, prompt, kind):
    entry = language(key)
    code = PARTS[key][kind].format(n=1)
    parts = divide(entry, entry.as_comment(prompt) + code)
    assert parts is not None
    alone = divide(entry, code)
    assert alone is not None
    kinds = [node.type for node in parts.tree.nodes if "comment" not in node.type]
    assert kinds == [node.type for node in alone.tree.nodes]


@pytest.mark.parametrize("key", [*OTHERS, "python"])
@given(steps=st.lists(st.tuples(prompts, mess), max_size=4), header=mess)
def test_any_text_becomes_a_program_whose_lines_know_their_steps(key, steps, header):
    entry = language(key)
    program = assemble_program(entry, header, steps)
    assert len(program.steps) == program.text.count("\n")
    assert {step for step in program.steps if step is not None} <= set(range(len(steps)))
    assert steps_in_order(entry, header, steps).startswith(header)
    # A prompt only grows, so that what was read of it before stays useful.
    shown = [shown_steps(entry, header, steps[:count]) for count in range(len(steps) + 1)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))


@pytest.mark.parametrize("key", OTHERS)
@given(answer=mess)
def test_a_tidy_step_is_tidy(key, answer):
    step = tidy_step(language(key), answer)
    if step_parses(language(key), answer):
        assert step_parses(language(key), step)


@pytest.mark.parametrize("key", LAID_OUT)
@given(steps=steps_of_kinds)
def test_a_main_that_a_model_writes_around_its_step_changes_nothing(key, steps):
    entry = language(key)
    assert entry.layout is not None
    codes, _, _ = written(key, steps)
    plain = assemble(key, entry.header, [("", code) for code in codes])
    wrapped = [("", tidy_step(entry, assemble(key, "", [("", code)]))) for code in codes]
    # In Go each wrapped step uses its own variables in a line of its own.
    assert without_uses(assemble(key, entry.header, wrapped)) == without_uses(plain)


def without_uses(program: str) -> list[str]:
    lines = (line.strip() for line in program.split("\n"))
    return [line for line in lines if line and not line.startswith("_")]
