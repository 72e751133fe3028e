"""The project's own problems in six languages: prompts, arms, truncation and verdicts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from multiturn.apps.cli.main import run
from multiturn.benchmarks.arms.truncation import truncation_for
from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.own_languages import own_languages, own_problems_in, references_in
from multiturn.benchmarks.problem_set import own_problems
from multiturn.benchmarks.solver import Generate
from multiturn.benchmarks.task import ArmSettings, Truncation
from multiturn.core.errors import InputError
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.oracles.verdicts import Judgement
from multiturn.text.languages import LANGUAGES
from multiturn.text.literals import fill_code_in, literal

pytest.importorskip("tree_sitter")

OTHERS = own_languages()
HERE = {each.language.key for each in available_languages() if each.works}
ARMS = ["turns", "concat", "listed", "prose", "shuffled", "gold_prefix"]


@pytest.mark.parametrize("key", OTHERS)
def test_sixty_problems_have_the_inputs_and_gold_values_of_python(key):
    in_python = {problem.id: problem for problem in own_problems()}
    problems = own_problems_in(key)
    assert len(problems) >= 60
    for problem in problems:
        original = in_python[problem.id]
        assert (problem.inputs, problem.outputs) == (original.inputs, original.outputs)
        for case in problem.inputs:
            filled = problem.fill(case)
            text = " ".join((*filled.prompts, filled.single))
            assert not re.search(r"\b(True|False|None)\b", text)


def test_a_prompt_shows_values_as_the_language_writes_them():
    (spare,) = [each for each in own_problems_in("javascript") if each.id == "spare_parts"]
    filled = spare.fill(spare.inputs[0])
    assert filled.prompts[0].startswith('Assign ["bolt", "bolt", "nut"] to "needed"')
    assert 'const needed = ["bolt", "bolt", "nut"];' in filled.references[0]


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("javascript", {"a": [1, None, True]}, '{"a": [1, null, true]}'),
        ("java", [2**31, -1.5], "{2147483648L, -1.5}"),
        ("c", [["a"], []], '{{"a"}, {}}'),
        ("cpp", {"a": 1, "b": 2}, '{{"a", 1}, {"b", 2}}'),
        ("go", 'a "quoted"\\ line\n', '"a \\"quoted\\"\\\\ line\\n"'),
        ("python", [True, "a"], "[True, 'a']"),
    ],
)
def test_a_value_is_a_literal(key, value, text):
    assert literal(key, value) == text


@pytest.mark.parametrize(
    ("key", "value"),
    [("c", {"a": 1}), ("java", {"a": 1}), ("go", None), ("c", "\0"), ("cpp", float("inf"))],
)
def test_a_value_without_a_literal_is_refused(key, value):
    with pytest.raises(InputError):
        literal(key, value)


def test_a_place_for_a_value_may_ask_for_its_size():
    template = "int xs[<<xs.length>>][<<xs.width>>] = <<xs>>;"
    assert fill_code_in("c", template, {"xs": [[1], [2, 3]]}) == "int xs[2][2] = {{1}, {2, 3}};"
    with pytest.raises(InputError, match="no length"):
        fill_code_in("c", "<<x.length>>", {"x": 3})
    with pytest.raises(InputError, match="names no variable"):
        fill_code_in("c", "<<y>>", {"x": 3})


def test_a_file_of_references_is_read_strictly(tmp_path):
    path = tmp_path / "go.go"
    path.write_text("//// a\nx := 1\n////\ny := 2\n\n//// b\nz := 3\n")
    assert references_in(path) == {"a": ("x := 1", "y := 2"), "b": ("z := 3",)}
    twice = tmp_path / "twice.go"
    twice.write_text("//// a\nx\n//// a\ny\n")
    with pytest.raises(InputError, match="twice"):
        references_in(twice)
    headless = tmp_path / "headless.go"
    headless.write_text("x := 1\n//// a\ny\n")
    with pytest.raises(InputError, match="begin"):
        references_in(headless)


def written(task: ProblemTask, number: int, settings: ArmSettings) -> str:
    """The program of a model that writes the reference."""
    item = task.items()[number]
    problem = task.problems[item.problem]
    references = problem.fill(problem.inputs[item.case]).references
    answers: Iterator[str]
    if item.turn is not None:
        answers = iter([references[item.turn]])
    elif task.arm == "turns":
        answers = iter(references)
    else:
        answers = iter(["\n\n".join(references)])
    return replay(task.solver(item, settings), lambda _: next(answers)).program


@pytest.mark.real
@pytest.mark.parametrize("arm", ["turns", "prose", "gold_prefix"])
@pytest.mark.parametrize("key", OTHERS)
def test_the_reference_passes_in_every_arm_and_a_wrong_one_fails(key, arm, sandbox):
    if key not in HERE:
        pytest.skip(f"{key} is not installed")
    task = open_task("own", arm=arm, language=key)
    assert isinstance(task, ProblemTask)
    assert (task.name, task.oracles) == (f"own-{key}", ("strict",))
    program = written(task, 0, ArmSettings(truncation="next_prompt"))
    assert task.judge(task.items()[0], program, sandbox)["strict"].judgement is Judgement.PASSED
    wrong = program.replace("[3, 2]", "[]").replace("best, gap", "best, 7 + gap")
    verdict = task.judge(task.items()[0], wrong, sandbox)["strict"]
    assert verdict.judgement in (Judgement.WRONG_ANSWER, Judgement.PREVENTED)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("key", OTHERS)
def test_every_prompt_is_in_the_comments_of_the_language(key, arm):
    task = open_task("own", arm=arm, language=key)
    action = next(task.solver(task.items()[0], ArmSettings()))
    assert isinstance(action, Generate)
    assert action.prompt.startswith(LANGUAGES[key].header)
    last = action.prompt.rstrip("\n").rpartition("\n")[2]
    assert last.lstrip().startswith("// ") and not re.search(r"<<\w+>>", action.prompt)


@pytest.mark.parametrize("name", ["published", "next_prompt"])
@pytest.mark.parametrize("key", OTHERS)
def test_a_turn_ends_where_the_model_writes_the_next(key, name):
    """In the place where the turns stand: in `main`, if the language has one."""
    task = open_task("own", arm="turns", language=key)
    solver = task.solver(task.items()[0], ArmSettings(truncation=name))
    action = next(solver)
    assert isinstance(action, Generate)
    last = action.prompt.rstrip("\n").rpartition("\n")[2]
    indent = last[: -len(last.lstrip())]
    assert bool(indent) == (LANGUAGES[key].layout is not None)
    cut = action.stop.find(f"{indent}f(1)\n\n{last}\n{indent}f(2)")
    assert cut is not None and cut.position == len(f"{indent}f(1)\n\n")


@pytest.mark.parametrize("arm", ["feedback", "loop", "chat"])
def test_arms_of_python_alone_refuse(arm):
    with pytest.raises(InputError, match="Python alone"):
        open_task("own", arm=arm, language="js")


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("published", "let x = 1;\n// Now print it.\nprint(x);", "let x = 1;\n"),
        ("published", "let x = 1;\n\n\n\nlet y;", "let x = 1;"),
        ("parse", "let x = 1;\n// Then\nx *= 2;\nlet y = (", "let x = 1;\n// Then\nx *= 2;"),
        ("next_prompt", "// first\nlet x;\n\n// Print it.\nprint(x);", "// first\nlet x;"),
        ("parse", "```js\nlet x = 1;\n```\nThis sets x.", "let x = 1;"),
        ("parse", "let x = 1;\n// Set x.\nlet y;", "let x = 1;"),
        ("parse", "let x = 1;<|endoftext|>more", "let x = 1;"),
        ("none", "let x = (", "let x = ("),
    ],
)  # fmt: skip
def test_an_answer_ends(name: Truncation, text, kept):
    step = re.compile("(?<=\n\n)// ")
    rule = truncation_for(name, "", "// Set x.\n", step, language="javascript")
    cut = rule.stop.find(text)
    found, _ = rule.finish(text if cut is None else text[: cut.position])
    assert found.rstrip() == kept.rstrip()


@pytest.mark.real
@pytest.mark.parametrize("key", OTHERS)
def test_a_run_is_recorded_and_resumed(key, tmp_path):
    if key not in HERE:
        pytest.skip(f"{key} is not installed")
    model = tmp_path / "any.jsonl"
    answers = {"answers": ["printJson(7);", "let x = 1;"]}
    model.write_text(json.dumps({"settings": {"slots": 1}}) + "\n" + json.dumps(answers) + "\n")
    out = tmp_path / "runs"
    command = ["bench", "own", "--language", key, "-a", "turns,prose", "-m", f"scripted:{model}"]
    command += ["-o", str(out), "--limit", "2", "--cases", "1", "--split", "dev"]
    assert run(command) == 0
    records = sorted(out.rglob("run.json"))
    assert [record.parent.name for record in records] == [
        "prose.published.t0.2", "turns.published.t0.2",
    ]  # fmt: skip
    assert json.loads(records[0].read_text())["task"] == f"own-{key}"
    assert run(command) == 0
    assert run(["bench", "rejudge", str(out)]) == 0
    assert run(["bench", "show", str(out)]) == 0
    pytest.importorskip("statsmodels", reason="the extra `report` is not installed")
    assert run(["report", str(out), "-o", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "are not known here" not in page
