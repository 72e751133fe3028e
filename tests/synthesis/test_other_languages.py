"""Programs in turns in other languages than Python: a real sandbox, real compilers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from multiturn.core.errors import InputError
from multiturn.core.records import read_record, to_plain
from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.compiled import runner
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Program, Sandbox
from multiturn.synthesis.events import TurnSaved
from multiturn.synthesis.execution import READS_INPUT
from multiturn.synthesis.expectations import read_expectation
from multiturn.synthesis.export import export_session
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.prompts import CommentStyle, FinishedTurn, choose_style
from multiturn.synthesis.records import Example, Sampling, Session, SessionSettings
from multiturn.synthesis.specification import Specification, TurnTemplate
from multiturn.synthesis.store import SessionStore
from multiturn.synthesis.trimming import strip_repeated_steps
from multiturn.text.languages import LANGUAGES, language

pytest.importorskip("tree_sitter", reason="needs the extra `languages`")

from multiturn.text.assembly import assemble

HERE = {each.language.key: each.works for each in available_languages()}
OTHERS = [key for key in LANGUAGES if key != "python"]

PRINT = {
    "javascript": "console.log({});",
    "java": "System.out.println({});",
    "c": 'printf("%d\\n", {});',
    "cpp": "cout << {} << endl;",
    "go": "fmt.Println({})",
}
SET = {"javascript": "let n = 4;", "go": "n := 4"}
TWICE = {
    "javascript": "function twice(a) {\n  return 2 * a;\n}",
    "java": "public static int twice(int a) {\n    return 2 * a;\n}",
    "c": "int twice(int a) {\n    return 2 * a;\n}",
    "cpp": "template <class T>\nT twice(T a) {\n    return 2 * a;\n}",
    "go": "func twice(a int) int {\n\treturn 2 * a\n}",
}
ALL = {
    "javascript": "{}",
    "java": "public class Main {{\n    public static void main(String[] args) {{\n"
    "        {}\n    }}\n}}",
    "c": "#include <stdio.h>\n\nint main() {{\n    {}\n    return 0;\n}}",
    "cpp": "#include <iostream>\nusing namespace std;\n\nint main() {{\n    {}\n}}",
    "go": 'package main\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nfunc main() {{\n\t{}\n}}',
}
READS = {
    "javascript": 'console.log(require("fs").readFileSync(0, "utf8").length);',
    "java": "System.out.println(new Scanner(System.in).hasNext());",
    "c": 'int x = 0;\nscanf("%d", &x);\nprintf("%d\\n", x);',
    "cpp": "int x = 0;\ncin >> x;\ncout << x << endl;",
    "go": "var x int\nfmt.Scan(&x)\nfmt.Println(x)",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox(workers=1) as opened:
        yield opened


def take(
    sandbox: Sandbox, path: Path, key: str, steps: Sequence[tuple[str, str, Sequence[Example]]]
) -> Session:
    if not HERE[key]:
        pytest.skip(f"{key} is not installed")
    # Of the last one what no language writes otherwise.
    engine = ScriptedEngine({prompt.partition(" \\")[0]: code for prompt, code, _ in steps})
    with SessionStore(path) as store:
        synthesizer = Synthesizer(engine, sandbox, store)
        settings = SessionSettings(language=key, sampling=Sampling(n=1))
        session = synthesizer.new_session(settings)
        for prompt, _, examples in steps:
            *_, last = synthesizer.take_turn(session, prompt, examples=examples)
            assert isinstance(last, TurnSaved)
            session = last.session
        assert store.load(session.id) == session
    return session


@pytest.mark.real
@pytest.mark.parametrize("key", OTHERS)
def test_a_program_in_four_turns(sandbox, tmp_path, key):
    printed = PRINT[key].format("twice(n)")
    session = take(
        sandbox,
        tmp_path / "sessions.sqlite3",
        key,
        [
            ("Set n to 4.", SET.get(key, "int n = 4;"), ()),
            ("Write twice.", TWICE[key], ()),
            ("Print it.", ALL[key].format(printed), [Example(expected="8")]),
            ("Ends with \\ and \\u000a", PRINT[key].format("n"), [Example(expected="8\n4")]),
        ],
    )
    for turn in session.path():
        assert turn.choice.good, (turn.choice.run, session.program(turn.id))
        assert turn.choice.run is not None and turn.choice.run.values is None
    assert session.language.key == key
    # A step has no `main` of its own, and the file that is exported runs as it is.
    assert session.path()[2].code.strip().endswith(printed)
    suffix = language(key).extensions[0]
    export_session(session, tmp_path / f"program{suffix}")
    source = (tmp_path / f"program{suffix}").read_text()
    assert "// Write twice." in source
    assert sandbox.run(Program(source=source, language=key)).stdout == b"8\n4\n"
    export_session(session, tmp_path / "program.md")
    assert f"```{key}" in (tmp_path / "program.md").read_text()
    with pytest.raises(InputError, match="cannot be exported"):
        export_session(session, tmp_path / "program.py")


@pytest.mark.real
@pytest.mark.parametrize("key", OTHERS)
def test_a_wrong_step_has_one_line_of_error(sandbox, tmp_path, key):
    code = PRINT[key].format("absent")
    session = take(sandbox, tmp_path / "sessions.sqlite3", key, [("Print absent.", code, ())])
    turn = session.path()[-1]
    words = turn.choice.describe()
    assert "absent" in words and "\n" not in words
    assert not turn.choice.finished
    assert turn.choice.run is not None and turn.choice.run.outcome.line is not None
    at = session.assembly().step_at(turn.choice.run.outcome.line)
    assert at == 0


@pytest.mark.real
@pytest.mark.parametrize(("key", "shown"), [("c", "at `printf"), ("go", "at `fmt.Println")])
def test_the_error_of_the_compiler_is_in_the_next_prompt(sandbox, tmp_path, key, shown):
    prompts = []

    def answer(request, index):
        prompts.append(request.prompt)
        return PRINT[key].format("absent" if len(prompts) == 1 else 5)

    if not HERE[key]:
        pytest.skip(f"{key} is not installed")
    with SessionStore(tmp_path / "sessions.sqlite3") as store:
        synthesizer = Synthesizer(ScriptedEngine(answer), sandbox, store)
        settings = SessionSettings(language=key, retries=1, sampling=Sampling(n=1))
        *_, last = synthesizer.take_turn(synthesizer.new_session(settings), "Print five.")
    assert isinstance(last, TurnSaved) and last.turn.choice.finished
    assert "does not compile" in prompts[1] and "absent" in prompts[1].split("Corrected:")[0]
    assert shown in prompts[1]


@pytest.mark.real
@pytest.mark.parametrize("key", OTHERS)
def test_a_program_that_reads_input_is_noted(sandbox, tmp_path, key):
    session = take(sandbox, tmp_path / "sessions.sqlite3", key, [("Read.", READS[key], ())])
    run = session.path()[-1].choice.run
    assert run is not None and READS_INPUT in run.notes


FLOODS = {
    "c": "".join(f'#warning "{number} {"x" * 200}"\n' for number in range(6000)),
    "cpp": "".join(f'#warning "{number} {"x" * 200}"\n' for number in range(6000)),
    "javascript": f"/* {'x' * (1 << 20)} */ ) // {'y' * 1000}",
}
"""Programs about which a tool prints a megabyte."""


@pytest.mark.real
@pytest.mark.parametrize("key", ["c", "cpp"])
def test_a_megabyte_of_the_compilers_output_is_one_line(sandbox, key):
    if not HERE[key]:
        pytest.skip(f"{key} is not installed")
    flood = FLOODS[key]
    for source, said in ((f"int x = absent;\n{flood}", "absent"), (flood, "too much")):
        outcome = sandbox.run(Program(source=f"{source}int main(void) {{}}", language=key)).outcome
        assert outcome.status is Status.SYNTAX_ERROR
        words = outcome.describe()
        assert "does not compile" in words and "\n" not in words and len(words) < 300
        if "x = absent" not in source:
            assert said in words


@pytest.mark.real
def test_a_megabyte_in_the_error_of_an_interpreter_is_one_line(sandbox):
    if not HERE["javascript"]:
        pytest.skip("javascript is not installed")
    run = sandbox.run(Program(source=FLOODS["javascript"], language="javascript"))
    words = run.outcome.describe()
    assert not run.outcome.finished and "\n" not in words and len(words) < 2100


@pytest.mark.parametrize(
    ("key", "package"), [("go", "golang-go"), ("java", "default-jdk-headless")]
)
def test_a_missing_compiler_is_one_line(sandbox, monkeypatch, tmp_path, key, package):
    monkeypatch.setattr(runner, "SEARCH_PATH", str(tmp_path))
    with SessionStore(tmp_path / "sessions.sqlite3") as store:
        synthesizer = Synthesizer(ScriptedEngine({}), sandbox, store)
        with pytest.raises(InputError, match=f"apt-get install {package}") as caught:
            synthesizer.new_session(SessionSettings(language=key))
        assert "\n" not in str(caught.value) and not store.list()


def test_sessions_of_before_are_in_python():
    plain = to_plain(SessionSettings())
    assert read_record(plain, SessionSettings, where="settings").language == "python"
    del plain["language"]
    assert read_record(plain, SessionSettings, where="settings").language == "python"
    assert SessionSettings(language="JS").language == "javascript"


def test_only_what_is_printed_can_be_expected():
    entry = language("java")
    assert read_expectation("[1, 2]", entry) == Example(expected=[1, 2])
    assert read_expectation("'a == b'", entry) == Example(expected="a == b")
    with pytest.raises(InputError, match="only what the program prints"):
        read_expectation("total == 42", entry)
    with pytest.raises(InputError, match="only what it prints"):
        Example(expected=1, expression="x").check_language(entry)
    turn = TurnTemplate(prompt="Set x.", examples={"x": 1})
    with pytest.raises(InputError, match="only what it prints"):
        Specification(turns=(turn,), language="go")
    assert Specification(turns=("Set x.",), language="c++").language == "cpp"


def test_the_prompt_is_the_steps_in_order():
    style = CommentStyle(written_in=language("c"))
    history = [FinishedTurn("Write f.", TWICE["c"]), FinishedTurn("Set n.", "int n = 4;")]
    text = style.render("#include <stdio.h>\n\n", history, "Print it.")
    assert text == (
        f"#include <stdio.h>\n\nint main(void) {{\n    // Write f.\n"
        f"{textwrap.indent(TWICE['c'], '    ')}\n\n"
        "    // Set n.\n    int n = 4;\n\n    // Print it.\n"
    )
    assert text.startswith(style.render("#include <stdio.h>\n\n", history[:1], "Set n."))


@pytest.mark.parametrize("key", OTHERS)
def test_what_continues_the_steps_ends_where_the_next_begins(key):
    """As CodeGen-Multi writes: statements in `main`, and perhaps functions behind it."""
    entry = language(key)
    style = choose_style(ScriptedEngine({}).info, "comment", written_in=entry)
    text = style.render("", [FinishedTurn("Set n.", "n = 4;")], "Print it.")
    indent = entry.step_indent
    written = f"{indent}{PRINT[key].format('n')}\n\n{indent}"
    more = f"{written}{entry.comment} Print it again.\n{written}"
    cut = style.stop.find(more)
    assert cut is not None and cut.reason == "own step"
    assert style.clean(more[: cut.position], []) == PRINT[key].format("n")
    assert text.endswith(f"{indent}{entry.comment} Print it.\n")


def test_an_answer_that_repeats_the_program_is_the_new_step():
    entry = language("javascript")
    answer = "let n = 4;\nfunction f(a) {\n    return a;\n}\nconsole.log(f(n));"
    history = ["let n = 4;\nconsole.log(n);", "function f(a) { return a; }"]
    assert strip_repeated_steps(entry, answer, history) == "console.log(f(n));"
    assert strip_repeated_steps(entry, "n = 5;", history) == "n = 5;"


@pytest.mark.real
@pytest.mark.parametrize("key", OTHERS)
def test_any_prompt_is_a_comment(sandbox, key):
    if not HERE[key]:
        pytest.skip(f"{key} is not installed")
    prompts = ["\\", "C:\\users", "\\u000a}", "a\u2028}", "b\ufeff", "\n//go:embed x\n*/", "??/"]
    steps = [(prompt, PRINT[key].format(at)) for at, prompt in enumerate(prompts)]
    result = sandbox.run(Program(source=assemble(key, language(key).header, steps), language=key))
    assert result.stdout.decode().split() == [str(at) for at in range(len(prompts))], result
