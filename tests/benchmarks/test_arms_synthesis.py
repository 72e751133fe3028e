"""The arms that write programs with the loop of `synth`: the same code, through the runner."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag

import pytest

from multiturn.benchmarks.arms.options import LoopOptions, label_of, read_options, with_options
from multiturn.benchmarks.arms.registry import ARMS
from multiturn.benchmarks.arms.synthesis import CHAT, LOOP
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import Problem, ProblemTurn
from multiturn.benchmarks.runner.config import SampleSettings, Selection
from multiturn.benchmarks.runner.directory import COMPLETE
from multiturn.benchmarks.runner.grid import Grid
from multiturn.benchmarks.runner.results import read_run
from multiturn.benchmarks.runner.run import run_specs
from multiturn.benchmarks.solver import DescribeRun, run_solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.open import open_sandbox
from multiturn.synthesis.events import TurnSaved
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Sampling, SessionSettings
from multiturn.synthesis.store import SessionStore
from multiturn.synthesis.strategy import Strategy

pytestmark = pytest.mark.real

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


def problem(name: str = "doubling") -> Problem:
    return Problem(
        id=name,
        name=name,
        description="Doubles a number.",
        category="math",
        difficulty="easy",
        packages=(),
        max_gen_length=64,
        turns=(
            ProblemTurn(prompt='Set "x" to {x}.', reference="x = <<x>>", leaves=("x",)),
            ProblemTurn(prompt='Double it into "y".', reference="y = 2 * x", leaves=("y",)),
            ProblemTurn(prompt="Print the result.", reference="print(y)"),
        ),
        single="",
        generate="",
        inputs=({"x": 3}, {"x": 5}),
        outputs=(6, 10),
    )


SCRIPT = {
    'Set "x" to 3.': "x = 3\n",
    'Set "x" to 5.': "x = 5\n",
    "Double it": ["y = x + 3\n", "y = x * 2\n", "y = undefined\n", "y = x + x\n"],
    "Print the result": ["print(y)\n", "print('y')\n"],
}


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox() as opened:
        yield opened


def engine(**settings) -> ScriptedEngine:
    return ScriptedEngine(SCRIPT, settings=ScriptSettings(slots=4, **settings))


def specs(place: Path, opened, sandbox, arm=LOOP, *, n=1, problems=2, loops=({},), **settings):
    task = ProblemTask(
        [problem(f"doubling-{number}") for number in range(problems)],
        arm,
        name="own",
        sha256="0" * 64,
    )
    grid = Grid(
        tasks=(task,),
        settings=(ArmSettings(header="packages", **settings),),
        samplings=(SampleSettings(n=n, temperature=0.2),),
        selection=Selection(),
        loops=loops,
    )
    return list(grid.specs(place, "scripted", opened.info, sandbox))


def run(place: Path, sandbox, arm=LOOP, **options):
    with engine() as opened:
        found = specs(place, opened, sandbox, arm, **options)
        run_specs(found, opened, sandbox)
        return [read_run(each.place) for each in found]


def test_the_program_is_the_one_of_a_session(tmp_path, sandbox):
    """Greedy, so that the seeds of the runner make no difference."""
    with engine() as opened, SessionStore.in_memory() as store:
        task = ProblemTask([problem()], LOOP, name="own", sha256="0" * 64)
        grid = Grid(
            tasks=(task,),
            settings=(ArmSettings(header="packages"),),
            samplings=(SampleSettings(temperature=0),),
            selection=Selection(cases=1),
        )
        (spec,) = grid.specs(tmp_path, "scripted", opened.info, sandbox)
        run_specs([spec], opened, sandbox)
        (sample,) = read_run(spec.place).samples
        synthesizer = Synthesizer(opened, sandbox, store)
        session = synthesizer.new_session(
            SessionSettings(header="none", sampling=Sampling(temperature=0, max_tokens=64))
        )
        for prompt in ('Set "x" to 3.', 'Double it into "y".', "Print the result."):
            for event in synthesizer.take_turn(session, prompt):
                if isinstance(event, TurnSaved):
                    session = event.session
        assert sample.program == session.program()
        assert sample.verdicts["strict"].passed  # 3 + 3


def test_candidates_and_attempts_are_recorded(tmp_path, sandbox):
    (found,) = run(tmp_path, sandbox, loops=({"n": 3, "retries": 1},), n=2)
    assert found.complete
    assert found.path.name == "loop.n=3,retries=1.t0.2"
    assert found.config.settings.loop == LoopOptions(n=3, retries=1, max_tokens=256)
    assert len(found.samples) == 8
    for sample in found.samples:
        turns = {step.turn for step in sample.steps}
        assert turns == {0, 1, 2}
        for turn in turns:
            steps = [step for step in sample.steps if step.turn == turn]
            assert len(steps) in (3, 6)
            (chosen,) = [step for step in steps if step.chosen]
            assert chosen.text.strip() in sample.program
            assert all(step.new_tokens > 0 for step in steps)


def test_an_interrupted_run_has_the_bytes_of_an_uninterrupted_one(tmp_path, sandbox):
    options = {"n": 2, "loops": ({"n": 2, "retries": 1, "choose": "values"},)}
    (whole,) = run(tmp_path / "whole", sandbox, **options)
    cancel = Flag()

    def listen(progress):
        if progress.output.turns >= 3:
            cancel.set()

    with engine(seconds_per_token=0.02) as opened:
        found = specs(tmp_path / "parts", opened, sandbox, **options)
        invocation = run_specs(found, opened, sandbox, listen=listen, cancel=cancel)
        assert invocation.cancelled
        assert not invocation.complete
    (again,) = run(tmp_path / "parts", sandbox, **options)
    assert (again.path / COMPLETE).read_bytes() == (whole.path / COMPLETE).read_bytes()


def test_the_reference_chooses_as_an_upper_bound(tmp_path, sandbox):
    """With the values of every turn, a candidate that leaves the right ones is always found."""
    loops = ({"n": 4}, {"n": 4, "examples": "answer"}, {"n": 4, "examples": "turns"})
    found = run(tmp_path, sandbox, loops=loops, n=4)
    rates = [sum(each.verdicts["strict"].passed for each in one.samples) for one in found]
    assert rates[2] == 16
    assert rates[0] <= rates[2]


def test_gold_values_need_references(sandbox):
    published = replace(
        problem(), turns=tuple(replace(turn, reference="") for turn in problem().turns)
    )
    settings = ArmSettings(loop=LoopOptions(examples="turns"))
    with pytest.raises(InputError, match="no reference solutions"):
        LOOP.solver(published, 0, settings)


def test_a_budget_ends_the_sample(tmp_path, sandbox):
    (found,) = run(tmp_path, sandbox, budget=6, problems=1)
    for sample in found.samples:
        assert sum(step.new_tokens for step in sample.steps) <= 7
        assert len(sample.steps) < 3


def test_chat_is_one_sample_in_chat_form(tmp_path, sandbox):
    assert CHAT.options == LoopOptions(style="chat", n=1, retries=0)
    with ScriptedEngine(SCRIPT, settings=ScriptSettings(slots=2, chat_template=CHATML)) as opened:
        (spec,) = specs(tmp_path, opened, sandbox, CHAT, problems=1)
        run_specs([spec], opened, sandbox)
    (first, _) = read_run(spec.place).samples
    assert len(first.steps) == 3
    assert "import" not in first.program.partition("\n")[0]  # a chat has no header
    with engine() as opened, pytest.raises(InputError, match="no chat template"):
        (spec,) = specs(tmp_path / "none", opened, sandbox, CHAT, problems=1)
        run_specs([spec], opened, sandbox)


def test_a_dropped_sample_leaves_no_thread_behind():
    import threading

    before = threading.active_count()
    solver = LOOP.solver(problem(), 0, ArmSettings())

    def reply(action):
        assert isinstance(action, DescribeRun)
        raise RuntimeError("the engine is gone")

    with pytest.raises(RuntimeError, match="gone"):
        run_solver(solver, reply)
    for thread in threading.enumerate():
        if thread.name == "multiturn-solver":
            thread.join(10)
    assert threading.active_count() <= before


def test_a_failure_of_the_work_is_raised():
    def reply(action):
        raise AssertionError(action)

    with pytest.raises(AssertionError):
        run_solver(LOOP.solver(problem(), 0, ArmSettings()), reply)


class TestOptions:
    def test_they_are_read_and_named(self):
        changes = read_options("n=4, choose=output,agree=2,extract=false,other_temperature=1")
        options = with_options(LoopOptions(), changes)
        assert options == LoopOptions(
            n=4, other_temperature=1.0, strategy=Strategy(choose="output", agree=2, extract=False)
        )
        label = label_of(options, LoopOptions())
        assert label == "n=4,other_temperature=1.0,choose=output,agree=2,extract=false"
        assert with_options(LoopOptions(), read_options(label)) == options
        assert label_of(LoopOptions(), LoopOptions()) == ""

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("m=4", "unknown option"),
            ("n", "has no value"),
            ("n=many", "whole number"),
            ("n=0", "out of range"),
            ("choose=best", "unknown choice"),
            ("extract=yes", "true or false"),
            ("agree=2", "agree in what they print"),
            ("other_temperature=warm", "is a number"),
            ("retries=11", "out of range"),
            ("max_tokens=0", "out of range"),
        ],
    )
    def test_what_is_refused(self, text, message):
        with pytest.raises((InputError, UnknownNameError), match=message):
            read_options(text)

    def test_other_arms_have_none_and_their_records_stay(self, tmp_path, sandbox):
        (found,) = run(tmp_path, sandbox, ARMS["turns"], problems=1)
        record = json.loads((found.path / "run.json").read_text())
        assert "loop" not in record["settings"]
        line = json.loads((found.path / COMPLETE).read_text().splitlines()[0])
        assert "turn" not in line["steps"][0]
        assert "chosen" not in line["steps"][0]
