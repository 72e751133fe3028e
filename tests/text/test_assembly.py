"""Programs from steps: where the parts of a step go in each language."""

from __future__ import annotations

import pytest

from multiturn.core.errors import UnknownNameError
from multiturn.text.languages import LANGUAGES, language

pytest.importorskip("tree_sitter", reason="needs the extra `languages`")

from multiturn.text.assembly import (
    assemble,
    assemble_program,
    completed_step,
    shown_steps,
    tidy_step,
)
from multiturn.text.grammar import longest_parsing_step, step_parses
from multiturn.text.step_parts import divide
from tests.text.shared_steps import SHARED

OTHERS = [key for key, entry in LANGUAGES.items() if entry.grammar is not None]

MIXED = {
    "c": "#include <time.h>\nint twice(int a) { return 2 * a; }\nint main(void) {\n"
    '    printf("%d\\n", twice(n));\n    return 0;\n}',
    "cpp": "#include <bitset>\nint twice(int a) { return 2 * a; }\n"
    "int main() {\n  cout << twice(n) << endl;\n}",
    "java": "import java.util.List;\npublic class Main {\n    int twice(int a) { return 2 * a; }\n"
    "    public static void main(String[] args) {\n        System.out.println(twice(n));\n    }\n}",
    "go": 'package main\n\nimport "fmt"\n\nfunc twice(a int) int { return 2 * a }\n\n'
    "func main() {\n\tfmt.Println(twice(n))\n}",
    "javascript": "function twice(a) { return 2 * a; }\nconsole.log(twice(n));",
}
FIRST = {
    "c": "int n = 4;",
    "cpp": "int n = 4;",
    "java": "int n = 4;",
    "go": "n := 4",
    "javascript": "const n = 4;",
}


def test_a_step_that_is_a_complete_program_is_divided():
    program = assemble(
        "c", "#include <stdio.h>\n", [("Set n.", FIRST["c"]), ("Go on.", MIXED["c"])]
    )
    assert program == (
        "#include <stdio.h>\n#include <time.h>\n\n// Go on.\nint twice(int a) { return 2 * a; }\n\n"
        "int main(void) {\n    // Set n.\n    int n = 4;\n\n    // Go on.\n"
        '    printf("%d\\n", twice(n));\n    return 0;\n}\n'
    )


@pytest.mark.parametrize("key", OTHERS)
def test_a_program_is_one_step_again(key):
    entry = language(key)
    steps = [("Set n.", FIRST[key]), ("Print twice n.", MIXED[key])]
    program = assemble(key, entry.header, steps)
    assert step_parses(entry, program)
    assert program.count("// Set n.\n") == 1
    if entry.layout is not None:
        assert assemble(key, "", [("", program)]) == program


@pytest.mark.parametrize("key", OTHERS)
def test_each_line_knows_its_step(key):
    steps = [("Set n.", FIRST[key]), ("Print twice n.", MIXED[key])]
    program = assemble_program(language(key), language(key).header, steps)
    lines = program.text.split("\n")
    assert len(program.steps) == len(lines) - 1
    wanted = next(n for n, line in enumerate(lines, 1) if "twice(n)" in line)
    assert program.step_at(wanted) == 1
    assert program.step_at(lines.index(next(each for each in lines if "Set n" in each)) + 1) == 0
    assert program.step_at(0) is None and program.step_at(10_000) is None


def test_python_is_its_steps_in_order():
    program = assemble(
        "python", "import math\n\n", [("Set n.\nTo 4.", "n = 4\n\n"), ("Print.", "n")]
    )
    assert program == "import math\n\n# Set n.\n# To 4.\nn = 4\n\n# Print.\nn\n"


def test_what_is_declared_again_is_set():
    go = assemble("go", "", [("", "x := 1"), ("", "x := 2\nprintln(x)")])
    assert "x := 1" in go and "x = 2" in go
    java = assemble("java", "", [("", "int x = 1;"), ("", "int x = 2;")])
    assert "    x = 2;" in java
    javascript = assemble("javascript", "", [("", "const x = 1;"), ("", "let x = 2;")])
    assert "var x = 1;" in javascript and "var x = 2;" in javascript
    # Another type, or a value that only a declaration can have: the compiler says so.
    assert "String x" in assemble("java", "", [("", "int x = 1;"), ("", 'String x = "a";')])
    assert "int[] x" in assemble("java", "", [("", "int[] x = {1};"), ("", "int[] x = {2};")])


def test_what_a_main_declares_again_is_set():
    first, again = "func main() {\n\tx := 1\n}", "func main() {\n\tx := 2\n\tprintln(x)\n}"
    assert assemble("go", "", [("", first), ("", again)]).count(":=") == 1


@pytest.mark.parametrize(
    ("key", "main", "statement"),
    [
        ("go", "func main() {\n\tprintln(1)\n} // 1", "println(1)"),
        ("go", "func main() {\n\tprintln(1)\n\treturn // 1\n}", "println(1)"),
        ("c", 'int main() {\n    puts("1");\n    return 0;\n} // 1', 'puts("1");'),
        ("c", 'int main() {\n    puts("1");\n    return 0; // 1\n}', 'puts("1");'),
        ("cpp", "int main() {\n    f(1);\n    /* 1 */ return 0;\n} /* 1 */", "f(1);"),
        ("java", "public static void main(String[] a) {\n    f(1);\n} // 1", "f(1);"),
        ("java", "class A {\n  static void main() {\n    f(1);\n  } // 1\n}", "f(1);"),
        ("java", "class A {\n  static void main() {\n    f(1);\n  }\n} // 1", "f(1);"),
    ],
)  # fmt: skip
def test_a_comment_behind_a_main_ends_no_step(key, main, statement):
    entry = language(key)
    program = assemble(key, entry.header, [("", main), ("", main)])
    assert step_parses(entry, program)
    assert entry.layout is not None
    assert program.count(f"{entry.layout.main_indent}{statement}\n") == 2
    assert "return // 1" not in program and "return 0; //" not in program


@pytest.mark.parametrize("key", SHARED)
def test_a_function_sees_the_variables_of_the_steps(key):
    entry = language(key)
    steps = [("Store.", SHARED[key][0]), ("Sum up.", SHARED[key][1]), ("Print.", SHARED[key][2])]
    program = assemble(key, entry.header, steps)
    assert entry.layout is not None
    above, _, main = program.partition(entry.layout.main_around[0])
    assert above.index(" sizes") < above.index("total(") and " last" in above
    assert "4, 5" not in main and "total()" in main
    assert assemble(key, "", [("", program)]) == program
    # The function may come first, and the variable be set again later.
    turned = assemble(key, entry.header, [steps[1], steps[0], steps[2]])
    above, _, main = turned.partition(entry.layout.main_around[0])
    assert above.index(" sizes") < above.index("total(")


@pytest.mark.parametrize(
    ("key", "variable", "function"),
    [
        # The value depends on the program, or cannot be written outside.
        ("c", "int n = f();", "int g(void) { return n; }"),
        ("c", "int m = 2;\nint n = m;", "int g(void) { return n; }"),
        ("c", "int n = f(sizeof(n));", "int g(void) { return n; }"),
        ("c", "int n = sizeof(m);\nint m = sizeof(n) + f();", "int g(void) { return n; }"),
        ("cpp", "int m = 2;\nint n = m;", "int g() { return n; }"),
        ("java", "var n = 2;", "static int g() { return n; }"),
        ("go", "m := 2\nn := m", "func g() int { return n }"),
        # A function of the same name is there already.
        ("cpp", "int g = 2;", "int g() { return f(g); }"),
        # It is the function's own.
        ("c", "int n = 2;", "int g(int n) { return n; }"),
        ("c", "int n = 2;", "int g(int *n) { return *n; }"),
        ("c", "int n = 2;", "int g(void) { for (int n = 0;;) return n; }"),
        ("cpp", "int n = 2;", "int g(const int &n) { return n; }"),
        ("cpp", "int n = 2;", "int g(vector<int> v) { for (auto n : v) return n; }"),
        ("java", "int n = 2;", "static int g(int n) { return n; }"),
        ("java", "int n = 2;", "static int g(List<Integer> v) { for (int n : v) return n; }"),
        ("java", "int n = 2;", "static void g(List<Integer> v) { v.forEach(n -> f(n)); }"),
        ("go", "n := 2", "func g(n int) int { return n }"),
        ("go", "n := 2", "func g() int { for n := range f() { return n } }"),
    ],
)
def test_other_variables_stay_in_main(key, variable, function):
    entry = language(key)
    program = assemble(key, entry.header, [("", variable), ("", function)])
    assert entry.layout is not None
    main = program.partition(entry.layout.main_around[0])[2]
    for line in variable.split("\n"):
        assert line in main


def test_a_later_function_takes_the_place_of_an_earlier():
    one, two = "int f(int a) { return 1; }", "int f(int b) { return 2; }"
    assert one not in assemble("c", "", [("", one), ("", two)])
    other = "int f(int[] b) { return 2; }"
    both = assemble("java", "", [("", one), ("", other)])
    assert one in both and other in both


def test_go_imports_what_is_used():
    program = assemble(
        "go", 'package main\n\nimport "fmt"\n', [("", 'import "os"\ns := strings.ToUpper("a")')]
    )
    assert '"strings"' in program and '"os"' not in program and '"fmt"' not in program
    assert "_ = s" in program


def test_a_text_of_several_lines_stays_as_it_is():
    code = 'String t = """\n  a\n  b\n  """;'
    assert code in assemble("java", "", [("Say it.", code)])


def test_what_does_not_parse_is_there_for_the_compiler():
    assert "int x = ;" in assemble("c", "", [("", "int x = ;")])


@pytest.mark.parametrize(
    ("key", "answer", "step"),
    [
        ("c", "int main() {\n    int x = 5;", "int x = 5;"),
        ("c", "int x = 5;\nreturn 0;\n}", "int x = 5;"),
        ("java", "class A {\n  public static void main(String[] a) {\n    f();\n", "f();"),
        ("go", "package main\nfunc main() {\n\tx := 5\n}", "x := 5"),
        ("c", "if (x) {\n    y();\n}", "if (x) {\n    y();\n}"),
        ("c", "if (x) {", "if (x) {"),
        ("javascript", "function main() { }\nmain();", "function main() { }\nmain();"),
    ],
)
def test_a_main_around_a_step_is_taken_off(key, answer, step):
    assert tidy_step(language(key), answer) == step


BEHIND = {
    "c": "int f(int a) {\n    return a;\n}",
    "cpp": "int f(int a) {\n    return a;\n}",
    "java": "static int f(int a) {\n    return a;\n}",
    "go": "func f(a int) int {\n\treturn a\n}",
}


@pytest.mark.parametrize("key", BEHIND)
def test_functions_behind_a_main_that_closes_are_part_of_the_step(key):
    entry = language(key)
    call = "f(1)" if key == "go" else "f(1);"
    assert entry.layout is not None
    step = f"{entry.step_indent}{call}"
    for brace in ("}", "} // main", "}\n}" if key == "java" else "}\n"):
        text = f"{step}\n{brace}\n\n{BEHIND[key]}"
        assert completed_step(entry, text) == f"{step}\n\n{BEHIND[key]}"
        assert divide(entry, tidy_step(entry, text)) is not None
        program = assemble(key, "", [("", tidy_step(entry, text))])
        assert program.index("f(1)") > program.index("return a")
        assert completed_step(entry, f"{text}\n\n{BEHIND[key][:-8]}") == completed_step(entry, text)
    # What is behind it and is no function, is not of the program.
    assert completed_step(entry, f"{step}\n}}\n{call}\n") == step
    assert completed_step(entry, f"{step}\n}}\n") == step
    assert completed_step(entry, f"{step}\n}}") == step
    returns = "return 0;" if key in ("c", "cpp") else "return"
    assert completed_step(entry, f"{step}\n{returns}\n}}") == step


def test_a_model_sees_the_steps_in_an_open_main():
    steps = [("Set n.", "int n = 4;"), ("Wait.", "if (n) {\n    f();\n}")]
    assert shown_steps(language("java"), "import java.util.*;\n\n", steps) == (
        "import java.util.*;\n\npublic static void main(String[] args) throws Exception {\n"
        "    // Set n.\n    int n = 4;\n\n    // Wait.\n    if (n) {\n        f();\n    }\n"
    )
    assert shown_steps(language("javascript"), "", [("Set n.", "let n = 4;")]) == (
        "// Set n.\nlet n = 4;\n"
    )


def test_the_longest_beginning_that_parses():
    code = "int x = 5;\nfor (int i = 0; i < x; i++) {\n    f(i);\n}\nif (x) {\n    g("
    assert longest_parsing_step(language("c"), code) == code[: code.index("\nif")]
    assert longest_parsing_step(language("go"), "x := (") == ""


def test_languages_have_other_names():
    assert language("JS").key == "javascript"
    assert language("c++").key == "cpp"
    with pytest.raises(UnknownNameError):
        assemble("rust", "", [])


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize(
    "prompt", ["ends with \\", "C:\\users \\u000a", "a\u2028b", "\ufeffc", "a\n//go:x"]
)
def test_a_prompt_is_a_comment_whatever_it_says(key, prompt):
    parts = divide(language(key), language(key).as_comment(prompt) + FIRST[key])
    assert parts is not None and len(parts.statements) == 1
