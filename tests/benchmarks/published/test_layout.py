"""Every prompt beside an independent rendering of the published layout, to the character."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multiturn.benchmarks.arms.registry import ARMS
from multiturn.benchmarks.interchange.replay import as_completion
from multiturn.benchmarks.loaders.published import MTPB, read_published
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import Action, Generate, Reply, Solution, run_solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError
from multiturn.engines.protocol import Request
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.fake import FakeSandbox
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import SessionSettings
from multiturn.synthesis.specification_files import read_specifications
from multiturn.synthesis.specification_runner import SpecificationDone, run_specification
from multiturn.synthesis.store import SessionStore

HEADER = "# Import libraries.\n\nimport numpy as np\n\n"
SETTINGS = ArmSettings(truncation="none")
WRITTEN = ["x = 1", "\ny = 2\n", "", "if x:\n    z = 3\n\n", "print(x)  ", "q", "r", "s", "t", "u"]

Line = dict[str, Any]
Sampled = Callable[[Line, Mapping[str, object], list[str]], list[str]]


def lead(
    problem: Problem, case: int, arm: str, *, turn: int | None = None
) -> tuple[list[str], Solution]:
    """What an arm asks for, and the program, where the model writes `WRITTEN`."""
    asked: list[str] = []

    def reply(action: Action) -> Reply:
        if not isinstance(action, Generate):
            return FakeSandbox.printed("1\n")
        asked.append(action.prompt)
        return as_completion(WRITTEN[len(asked) - 1], action.stop)

    solver = ARMS[arm].solver(problem, case, SETTINGS, turn=turn)
    return asked, run_solver(solver, reply)


def cases_of(file: Path, lines: list[Line]) -> list[tuple[Problem, Line, int, dict[str, object]]]:
    """Each case of each problem, as read here and as plain data."""
    by_id = {str(line["id"]): line for line in lines}
    problems, _ = read_published(file, any_hash=True)
    assert [problem.id for problem in problems] == sorted(by_id, key=int)
    found = []
    for problem in problems:
        line = by_id[problem.id]
        pairs = list(zip(line["inputs"], line["outputs"], strict=False))
        assert [(dict(i), o) for i, o in zip(problem.inputs, problem.outputs, strict=True)] == pairs
        found += [(problem, line, case, pairs[case][0]) for case in range(len(pairs))]
    return found


def filled(line: Line, variables: Mapping[str, object]) -> list[str]:
    return [template.format(**variables) for template in line["prompts"]]


def test_every_prompt_of_every_file_is_the_samplers_to_the_character(
    problem_file: Path, plain_problems: list[Line], sampled: Sampled
) -> None:
    for problem, line, case, variables in cases_of(problem_file, plain_problems):
        *asked, program = sampled(line, variables, WRITTEN[: len(line["prompts"])])
        ours, solution = lead(problem, case, "turns")
        assert ours == asked, problem.id
        assert solution.program == program, problem.id


def test_the_other_arms_strip_nothing_and_add_nothing(
    problem_file: Path, plain_problems: list[Line]
) -> None:
    for problem, line, case, variables in cases_of(problem_file, plain_problems):
        prompts = filled(line, variables)
        (asked,), _ = lead(problem, case, "concat")
        assert asked == f"{HEADER}# {' '.join(prompts)}\n"
        (asked,), _ = lead(problem, case, "listed")
        number_samples = [f"# {number}. {prompt}\n" for number, prompt in enumerate(prompts, 1)]
        assert asked == HEADER + "".join(number_samples)

        program = HEADER
        expected = []
        for number, prompt in enumerate(prompts):
            if number:
                program += "# The program so far printed:\n# 1\n\n"
            program += f"# {prompt}\n"
            expected.append(program)
            program += WRITTEN[number] + "\n\n"
        assert lead(problem, case, "feedback")[0] == expected

        if len(prompts) > 1:
            order = ARMS["shuffled"].order(problem, SETTINGS.seed)  # type: ignore[attr-defined]
            asked_last = lead(problem, case, "shuffled")[0][-1]
            assert asked_last.startswith(f"{HEADER}# {prompts[order[0]]}\n{WRITTEN[0]}\n\n")
            assert asked_last.endswith(f"{WRITTEN[len(prompts) - 2]}\n\n# {prompts[order[-1]]}\n")


def test_arms_that_need_more_than_prompts_lay_them_out_alike(
    problem_file: Path, plain_problems: list[Line]
) -> None:
    """With references and a single specification put in: published problems have none."""
    for problem, line, case, variables in cases_of(problem_file, plain_problems):
        prompts = filled(line, variables)
        turns = tuple(
            replace(turn, reference=f"x{number} = 1") for number, turn in enumerate(problem.turns)
        )
        ours = replace(problem, turns=turns, single=" ".join(line["prompts"]))
        (asked,), _ = lead(ours, case, "prose")
        assert asked == f"{HEADER}# {' '.join(prompts)}\n"
        last = len(prompts) - 1
        (asked,), _ = lead(ours, case, "gold_prefix", turn=last)
        before = [f"# {prompt}\nx{number} = 1\n\n" for number, prompt in enumerate(prompts[:-1])]
        assert asked == f"{HEADER}{''.join(before)}# {prompts[-1]}\n"


def test_synth_lays_out_published_lines_alike(
    problem_file: Path, plain_problems: list[Line], sampled: Sampled, tmp_path: Path
) -> None:
    asked: list[str] = []

    def answer(request: Request, index: int) -> str:
        del index
        asked.append(request.prompt)
        return f"x{len(asked)} = {len(asked)}\n"

    engine = ScriptedEngine(answer, settings=ScriptSettings(context_window=1_000_000))
    sandbox = FakeSandbox(lambda _program: FakeSandbox.printed(""))
    settings = SessionSettings(style="comment", header="numpy")
    with SessionStore(tmp_path / "sessions.sqlite") as store, engine:
        synthesizer = Synthesizer(engine, sandbox, store, model="scripted:test")
        for line in plain_problems:
            one = tmp_path / "one.jsonl"
            one.write_text(json.dumps(line))
            if line["name"] == "control characters":
                with pytest.raises(InputError, match="control character"):
                    read_specifications(one)
                continue
            (specification,) = read_specifications(one)
            assert specification.id == str(line["id"])
            assert [(case.variables, case.expect) for case in specification.cases] == list(
                zip(line["inputs"], line["outputs"], strict=False)
            )
            variables = line["inputs"][0]
            asked.clear()
            *_, last = run_specification(synthesizer, specification, settings=settings)
            assert isinstance(last, SpecificationDone)
            code = [f"x{number} = {number}" for number in range(1, len(line["prompts"]) + 1)]
            *expected, program = sampled(line, variables, code)
            assert asked == expected
            assert last.result.program == program.removesuffix("\n")
            loaded = store.load(last.result.session.id)
            assert loaded.program() == last.result.program


def test_the_full_file_is_the_published_one(problem_file: Path) -> None:
    data = problem_file.read_bytes()
    if str(problem_file) != os.environ.get("MULTITURN_MTPB_FILE"):
        assert len(data) != MTPB.size
        return
    assert hashlib.sha256(data).hexdigest() == MTPB.sha256
    problems, _ = read_published(problem_file)
    assert len(problems) == 115
    assert sum(len(problem.inputs) for problem in problems) == 575
