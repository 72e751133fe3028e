"""The checker finds what is wrong, and finds nothing wrong with the set."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace

import pytest

from multiturn.benchmarks import trials
from multiturn.benchmarks.problem_set import (
    BIOINFORMATICS,
    INCLUDED_SETS,
    OWN,
    IncludedSet,
    ProblemTurn,
    to_lines,
)
from multiturn.sandbox.protocol import Limits, Sandbox
from tools.problem_set import build, check
from tools.problem_set.authored import AuthoredProblem, Mutation, of_set
from tools.problem_set.check import check_behaviour, check_repeats, check_set, check_text

pytestmark = pytest.mark.real

SAMPLE = 12
SETS = pytest.mark.parametrize("included", INCLUDED_SETS.values(), ids=INCLUDED_SETS)


@pytest.fixture
def sound(authored: dict[str, AuthoredProblem]) -> AuthoredProblem:
    return authored["seat_rows"]


def with_turn(problem: AuthoredProblem, number: int, **changes: object) -> AuthoredProblem:
    turns = list(problem.turns)
    turns[number - 1] = replace(turns[number - 1], **changes)
    return replace(problem, turns=tuple(turns))


def test_nothing_is_wrong_with_the_texts(authored: dict[str, AuthoredProblem]) -> None:
    findings = [f for name, problem in authored.items() for f in check_text(name, problem)]
    assert [*findings, *check_repeats(authored)] == []


@SETS
def test_a_set_has_enough_problems(
    authored: dict[str, AuthoredProblem], included: IncludedSet
) -> None:
    assert check_set(of_set(authored, included), included) == []


@SETS
def test_nothing_is_wrong_with_a_sample(
    authored: dict[str, AuthoredProblem], sandbox: Sandbox, included: IncludedSet
) -> None:
    names = sorted(of_set(authored, included))
    for name in random.Random("sample").sample(names, SAMPLE):
        assert check_behaviour(sandbox, name, authored[name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_wrong_with_any_problem(
    authored: dict[str, AuthoredProblem], sandbox: Sandbox, seed: int
) -> None:
    findings = [
        finding
        for name in sorted(authored)
        for finding in check_behaviour(sandbox, name, authored[name], seed=seed)
    ]
    assert findings == []


@SETS
def test_the_built_file_is_up_to_date(
    authored: dict[str, AuthoredProblem], sandbox: Sandbox, included: IncludedSet
) -> None:
    built = to_lines(build.build(sandbox, of_set(authored, included)))
    assert built == included.path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, cases=p.cases[:4]), "has 4 cases"),
        (lambda p: replace(p, cases=(*p.cases, p.cases[0])), "same case twice"),
        (lambda p: replace(p, cases=(*p.cases, {"width": 2})), "a case has the variables"),
        (lambda p: replace(p, wrong=p.wrong[:4], mutated=()), "has 4 wrong programs"),
        (lambda p: replace(p, turns=p.turns[2:]), "has 2 turns"),
        (
            lambda p: replace(p, single=p.single + " Add 7."),
            "only the single specification names 7",
        ),
        (lambda p: replace(p, single=p.single.replace('"aisle"', "it")), 'only the turns name "ai'),
        (lambda p: replace(p, description="Caf\u00e9s."), "odd characters"),
        (lambda p: with_turn(p, 4, leaves=("gone",)), 'leaves "gone"'),
        (lambda p: with_turn(p, 4, reference="print(hash(aisle[0]))"), "uses hash"),
        (lambda p: with_turn(p, 4, reference="import os\nprint(aisle)"), "imports os"),
        (lambda p: with_turn(p, 4, reference="# last\nprint(aisle)"), "cut turn 4 at its comment"),
        (lambda p: with_turn(p, 4, reference="print(aisle)" + " " * 100 + "# x"), "a line over"),
    ],
)
def test_faults_of_the_text_are_found(sound: AuthoredProblem, change, message: str) -> None:
    findings = [str(finding) for finding in check_text("seats", change(sound))]
    assert any(message in finding for finding in findings), findings


@pytest.mark.parametrize(
    ("turn", "reference", "message"),
    [
        (3, "aisle = rows[9]", "the reference fails on"),
        (4, "print(tuple(aisle))", "no plain answer"),
        (3, "aisle = 1\nprint(aisle)", "prints 2 times"),
        (4, "print(1)", "same for all fixed cases"),
        (4, "print(len(aisle) or 0.5)", "a float in another"),
        (4, "print(aisle or None)", "is None or a dict"),
        (3, "ends = [row[-1] for row in rows]\naisle = ends\ndel rows", "not leave rows"),
        # Runs as a turn of its own, but not below other code.
        (3, "from __future__ import annotations\naisle = rows[-1:]", "SyntaxError"),
    ],
)
def test_faults_of_the_reference_are_found(
    sound: AuthoredProblem, sandbox: Sandbox, turn: int, reference: str, message: str
) -> None:
    changed = with_turn(sound, turn, reference=reference)
    if "del rows" in reference:
        changed = with_turn(changed, turn, leaves=("rows", "aisle"))
    changed = replace(changed, wrong=(Mutation(turn=4, by="print('wrong')"),))
    findings = [str(finding) for finding in check_behaviour(sandbox, "seats", changed)]
    assert any(message in finding for finding in findings), findings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Mutation(turn=4, by="print(list(aisle))"), "wrong program 12 passes every case"),
        (
            Mutation(turn=4, by="print(nothing)"),
            "wrong program 12 never runs to its end: NameError",
        ),
        (
            Mutation(turn=1, by="while True: pass"),
            "wrong program 12 never runs to its end: used up",
        ),
        (Mutation(replace="row[-1]", by="row[0]"), "two wrong programs are the same"),
        (Mutation(replace="zz", by="y"), "a change changes nothing"),
    ],
)
def test_faults_of_wrong_programs_are_found(
    sound: AuthoredProblem,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    change: Mutation,
    message: str,
) -> None:
    monkeypatch.setattr(trials, "LIMITS", Limits(cpu_seconds=1.0, wall_seconds=60.0))
    assert len(sound.wrong) == 11
    assert sound.mutated == ()
    changed = replace(sound, mutated=(change,))
    findings = [str(finding) for finding in check_behaviour(sandbox, "seats", changed)]
    assert len(findings) == 1
    assert message in findings[0]


@pytest.mark.parametrize(
    ("generate", "message"),
    [("return {}", "names no variable"), ("return 1 / 0", "its generator raised")],
)
def test_faults_of_the_generator_are_found(
    sound: AuthoredProblem, sandbox: Sandbox, generate: str, message: str
) -> None:
    (finding,) = check_behaviour(sandbox, "seats", replace(sound, generate=generate))
    assert message in str(finding)


def test_a_repeated_problem_is_found(authored: dict[str, AuthoredProblem]) -> None:
    original = authored["seat_rows"]
    copy = replace(
        original,
        turns=tuple(
            ProblemTurn(
                prompt=turn.prompt.replace('"people"', '"guests"'),
                reference=turn.reference.replace("people", "guests").replace("aisle", "ends"),
            )
            for turn in original.turns
        ),
    )
    findings = [str(finding) for finding in check_repeats({**authored, "copy": copy})]
    assert len(findings) == 1
    assert "too like" in findings[0]


def test_too_small_a_set_is_found(authored: dict[str, AuthoredProblem]) -> None:
    few = {name: problem for name, problem in authored.items() if problem.category == "array"}
    findings = [str(finding) for finding in check_set(few, OWN)]
    assert f"own: has {len(few)} problems, needs 120" in findings
    assert "own: has 0 problems in class" in findings
    assert "bioinformatics: has 0 problems, needs 40" in map(str, check_set({}, BIOINFORMATICS))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("print(<<people>>[:<<width>>])", "the other program 1 says"),
        ("print(nothing)", "the other program 1 fails on"),
        ("print(tuple((<<people>> + <<people>>[-1:] * 9)[<<width>> - 1::<<width>>]))", "says"),
        (
            "print(tuple(n for i, n in enumerate(<<people>>, 1)"
            " if i % <<width>> == 0 or i == len(<<people>>)))",
            None,
        ),
    ],
)
def test_another_program_must_agree(
    sound: AuthoredProblem, sandbox: Sandbox, other: str, message: str | None
) -> None:
    findings = list(map(str, check_behaviour(sandbox, "seats", replace(sound, others=(other,)))))
    assert [message in finding for finding in findings] == [True] * bool(message)


def test_a_problem_of_the_domain_needs_another_program(
    authored: dict[str, AuthoredProblem],
) -> None:
    alone = replace(authored["six_frames"], others=())
    findings = [finding.what for finding in check_text("six_frames", alone)]
    assert findings == ["has 0 other programs, needs 1"]


def test_answers_do_not_depend_on_the_order_of_hashes() -> None:
    script = (
        "import contextlib, io, json, sys\n"
        "for source in json.load(sys.stdin):\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "        exec(source, {})\n"
        "    print(json.dumps(out.getvalue()))\n"
    )
    programs = [
        "\n\n".join([problem.header, *problem.fill(table).references])
        for included in INCLUDED_SETS.values()
        for problem in included.problems()
        if not problem.packages
        for table in problem.inputs
    ]
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(programs),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) == len(programs) > 500


def test_the_command_checks_one_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["seat_rows"]) == 0
    assert "1 problems, 11 wrong programs, 0 findings" in capsys.readouterr().out


def test_the_command_knows_its_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["seat_row"]) == 2
    assert "did you mean seat_rows" in capsys.readouterr().err


def test_the_build_writes_the_file(
    tmp_path, monkeypatch: pytest.MonkeyPatch, authored: dict[str, AuthoredProblem]
) -> None:
    few = {"seats": authored["seat_rows"], "gaps": authored["cigar_spans"]}
    monkeypatch.setattr(build, "read_authored", lambda _paths: few)
    assert build.main(["--output", str(tmp_path)]) == 0
    lines = [json.loads((tmp_path / f"{name}.jsonl").read_text("utf-8")) for name in INCLUDED_SETS]
    assert [(line["id"], line["outputs"][0]) for line in lines] == [
        ("seats", ["Bo", "Di", "Ed"]),
        ("gaps", [52, 147]),
    ]
