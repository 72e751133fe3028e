"""The exact text that each arm puts before a model, and the program it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from multiturn.benchmarks.arms.registry import ARMS, arm_named
from multiturn.benchmarks.problem_set import Problem, ProblemTurn
from multiturn.benchmarks.solver import Action, Execute, Generate, Reply, Solution, run_solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.engines.protocol import Completion, FinishReason, Timings
from multiturn.sandbox.fake import FakeSandbox
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Program

PROBLEM = Problem(
    id="evens",
    name="Evens",
    description="Sums even numbers.",
    category="array",
    difficulty="easy",
    packages=(),
    max_gen_length=128,
    turns=(
        ProblemTurn(prompt='Assign the list {xs} to "xs".', reference="import re\nxs = <<xs>>"),
        ProblemTurn(
            prompt='Keep the even ones in "evens"', reference="evens = [x for x in xs if ~x & 1]"
        ),
        ProblemTurn(prompt="Print their sum.", reference="print(sum(evens))"),
    ),
    single='Given the list {xs} in "xs", print the sum\n# of its even numbers.',
    generate="",
    inputs=({"xs": [1, 2]}, {"xs": []}),
    outputs=(2, 0),
)
PUBLISHED = replace(
    PROBLEM,
    difficulty=None,
    packages=("numpy",),
    single="",
    turns=tuple(replace(turn, reference="") for turn in PROBLEM.turns),
)
HEADER = "# Import libraries.\n\nimport numpy as np\n\n"
PLAIN = ArmSettings(truncation="none")


def completion(text: str, *, raw: str | None = None, tokens: int = 5) -> Completion:
    """What an engine answers."""
    return Completion(
        index=0,
        text=text,
        raw_text=text if raw is None else raw,
        cut_by=None,
        finish_reason=FinishReason.STOP,
        tokens=tuple(range(tokens)),
        logprobs=None,
        text_tokens=tokens,
        prompt_tokens=11,
        cached_tokens=0,
        timings=Timings(0.0, 0.0),
    )


class Talk:
    """Leads a dialogue with written answers, cut by the stop rule as an engine does it."""

    def __init__(self, answers: list[str], run: Callable[[str], RunResult] | None = None) -> None:
        self.answers: Iterator[str] = iter(answers)
        self.run = run
        self.asks: list[Generate] = []
        self.executed: list[str] = []

    def __call__(self, action: Action) -> Reply:
        if isinstance(action, Execute):
            self.executed.append(action.source)
            assert self.run is not None
            return self.run(action.source)
        self.asks.append(action)
        raw = next(self.answers)
        cut = action.stop.find(raw)
        if cut is None:
            return completion(raw)
        return replace(completion(raw[: cut.position], raw=raw), cut_by=cut.reason)

    @property
    def prompts(self) -> list[str]:
        return [ask.prompt for ask in self.asks]


def lead(
    arm: str,
    answers: list[str],
    settings: ArmSettings = PLAIN,
    *,
    problem: Problem = PROBLEM,
    turn: int | None = None,
    run: Callable[[str], RunResult] | None = None,
) -> tuple[Talk, Solution]:
    talk = Talk(answers, run)
    solver = ARMS[arm].solver(problem, 0, settings, turn=turn)
    return talk, run_solver(solver, talk)


def test_turns_is_the_published_layout() -> None:
    talk, solution = lead("turns", ["xs = [1, 2]\n", "evens = [2]", "print(2)"])
    first = f'{HEADER}# Assign the list [1, 2] to "xs".\n'
    second = f'{first}xs = [1, 2]\n\n\n# Keep the even ones in "evens"\n'
    third = f"{second}evens = [2]\n\n# Print their sum.\n"
    assert talk.prompts == [first, second, third]
    assert solution.program == f"{third}print(2)\n\n"
    assert [ask.max_tokens for ask in talk.asks] == [128] * 3


def test_concat_is_one_line() -> None:
    talk, solution = lead("concat", ["print(2)"])
    asked = (
        f'{HEADER}# Assign the list [1, 2] to "xs". Keep the even ones in "evens" '
        "Print their sum.\n"
    )
    assert talk.prompts == [asked]
    assert solution.program == f"{asked}print(2)\n\n"
    assert talk.asks[0].max_tokens == 3 * 128


def test_listed_is_one_numbered_comment() -> None:
    talk, solution = lead("listed", ["print(2)"])
    asked = (
        f'{HEADER}# 1. Assign the list [1, 2] to "xs".\n# 2. Keep the even ones in "evens"\n'
        "# 3. Print their sum.\n"
    )
    assert talk.prompts == [asked]
    assert solution.program == f"{asked}print(2)\n\n"
    assert talk.asks[0].max_tokens == 3 * 128


def test_prose_is_the_single_specification() -> None:
    talk, _ = lead("prose", ["print(2)"])
    asked = f'{HEADER}# Given the list [1, 2] in "xs", print the sum\n# of its even numbers.\n'
    assert talk.prompts == [asked]
    assert talk.asks[0].max_tokens == 3 * 128


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_gold_prefix_puts_references_around_one_turn(turn: int) -> None:
    talk, solution = lead("gold_prefix", ["WRITTEN"], turn=turn)
    references = [
        "import re\nxs = [1, 2]",
        "evens = [x for x in xs if ~x & 1]",
        "print(sum(evens))",
    ]
    prompts = [
        '# Assign the list [1, 2] to "xs".\n',
        '# Keep the even ones in "evens"\n',
        "# Print their sum.\n",
    ]
    asked = HEADER
    for prompt, reference in list(zip(prompts, references, strict=True))[:turn]:
        asked += f"{prompt}{reference}\n\n"
    asked += prompts[turn]
    assert talk.prompts == [asked]
    # The import of the turn that was replaced stays, for the turns that follow.
    imported = "import re\n" + "\n\n" if turn == 0 else ""
    rest = "\n\n".join(references[turn + 1 :])
    assert solution.program == f"{asked}WRITTEN\n\n{imported}{rest}".removesuffix("\n\n\n\n")


def test_gold_prefix_has_an_item_a_turn_and_the_others_have_one() -> None:
    for name, arm in ARMS.items():
        assert list(arm.turns(PROBLEM)) == ([0, 1, 2] if name == "gold_prefix" else [None])


def test_shuffled_asks_the_same_prompts_in_an_order_that_is_never_right() -> None:
    right = lead("turns", ["a", "b", "c"])[0].prompts[-1].split("# ")[2:]
    orders = set()
    for seed in range(40):
        talk, _ = lead("shuffled", ["a", "b", "c"], replace(PLAIN, seed=seed))
        asked = [prompt.rpartition("# ")[2] for prompt in talk.prompts]
        plain = [prompt.partition("\n")[0] + "\n" for prompt in right]
        assert sorted(asked) == sorted(plain)
        assert asked != plain
        orders.add(tuple(asked))
        again, _ = lead("shuffled", ["a", "b", "c"], replace(PLAIN, seed=seed))
        assert again.prompts == talk.prompts
    assert len(orders) == 5  # every order of three but the right one


def test_feedback_shows_what_the_program_did() -> None:
    results = iter(
        [
            FakeSandbox.printed("1\n2\n"),
            RunResult(Outcome(Status.RAISED, error="NameError: x", line=7), IsolationLevel.FAKE),
        ]
    )
    talk, solution = lead(
        "feedback", ["print(1)", "x", "print(2)"], run=lambda _source: next(results)
    )
    first = f'{HEADER}# Assign the list [1, 2] to "xs".\n'
    second = (
        f"{first}print(1)\n\n# The program so far printed:\n# 1\n# 2\n\n"
        '# Keep the even ones in "evens"\n'
    )
    third = (
        f"{second}x\n\n# The program so far raised NameError: x (line 7).\n\n# Print their sum.\n"
    )
    assert talk.prompts == [first, second, third]
    assert talk.executed == [f"{first}print(1)\n\n", f"{second}x\n\n"]
    assert solution.program == f"{third}print(2)\n\n"


def test_feedback_of_nothing_and_of_too_much() -> None:
    results = iter([FakeSandbox.printed(""), FakeSandbox.printed("a" * 300 + "\n" + "b\n" * 12)])
    talk, _ = lead("feedback", ["", "", ""], run=lambda _source: next(results))
    assert "# The program so far ran and printed nothing.\n\n# Keep" in talk.prompts[1]
    assert "# ... (3 lines before)\n" + "# b\n" * 10 + "\n# Print" in talk.prompts[2]


@pytest.mark.parametrize(
    "printed", ["a\x00b", "a\rimport os", "a\x0cb", "a\u2028b", "\x1b[2J", "é"]
)
def test_feedback_leaves_the_program_whole(printed: str, sandbox) -> None:
    """Whatever was printed stands in comments, and nothing but the header is left to run."""
    talk, solution = lead(
        "feedback", ["", "", "print(5)"], run=lambda _source: FakeSandbox.printed(printed)
    )
    del talk
    lines = solution.program.replace("\r", "\n").split("\n")
    code = [line for line in lines if line and not line.startswith("#")]
    assert code == ["import numpy as np", "print(5)"]
    assert sandbox.run(Program(source=solution.program)).stdout_text == "5\n"


def test_steps_say_what_was_written_and_what_cut_it() -> None:
    _, solution = lead(
        "concat", ["x = 1\nprint(2)\n# and now\nprint(3)"], ArmSettings(truncation="published")
    )
    (step,) = solution.steps
    assert step.text == "x = 1\nprint(2)\n"
    assert step.raw_text == "x = 1\nprint(2)\n# and now\nprint(3)"
    assert (step.cut_by, step.finish_reason) == ("comment line", "stop")
    assert (step.prompt_tokens, step.new_tokens) == (11, 5)


@pytest.mark.parametrize("arm", [name for name in ARMS if name not in ("loop", "chat")])
def test_asked_ends_an_answer_where_the_arm_itself_would_go_on(arm: str) -> None:
    more = "\n\n# 4. Print it.\nprint(x)"
    _, solution = lead(
        arm,
        [f"x = 1{more}"] * 3,
        ArmSettings(truncation="next_prompt"),
        turn=1 if arm == "gold_prefix" else None,
        run=lambda _source: FakeSandbox.printed(""),
    )
    in_one_piece = arm in ("concat", "prose")
    for step in solution.steps:
        assert step.text == ("x = 1" + more if in_one_piece else "x = 1")
        assert step.cut_by == (None if in_one_piece else "own step")


def test_a_budget_is_shared_by_all_asks() -> None:
    talk, solution = lead("turns", ["a", "b", "c"], replace(PLAIN, budget=12, max_new_tokens=6))
    assert [ask.max_tokens for ask in talk.asks] == [6, 6, 2]
    talk, solution = lead("turns", ["a", "b", "c"], replace(PLAIN, budget=10))
    assert [ask.max_tokens for ask in talk.asks] == [10, 5]
    assert len(solution.steps) == 2
    assert solution.program.endswith("b\n\n")
    talk, _ = lead("concat", ["a"], replace(PLAIN, budget=10))
    assert [ask.max_tokens for ask in talk.asks] == [10]


@pytest.mark.parametrize(
    ("style", "packages", "header"),
    [
        ("published", (), HEADER),
        ("published", ("numpy",), HEADER),
        ("published", ("pandas",),
         "# Import libraries.\n\nimport numpy as np\nimport pandas as pd\n\n"),
        ("packages", (), ""),
        ("packages", ("pandas",), "# Import libraries.\n\nimport pandas as pd\n\n"),
        ("none", ("numpy",), ""),
    ],
)  # fmt: skip
def test_headers(style, packages, header) -> None:
    problem = replace(PROBLEM, packages=packages)
    talk, _ = lead("turns", ["", "", ""], replace(PLAIN, header=style), problem=problem)
    assert talk.prompts[0] == f'{header}# Assign the list [1, 2] to "xs".\n'


def test_a_value_of_several_lines_stands_as_it_does_for_the_published_sampler() -> None:
    problem = replace(PROBLEM, inputs=({"xs": "'a\nb = 2'"},))
    talk, _ = lead("turns", ["", "", ""], problem=problem)
    assert talk.prompts[0] == f"{HEADER}# Assign the list 'a\nb = 2' to \"xs\".\n"


@pytest.mark.parametrize("arm", ["prose", "gold_prefix"])
def test_arms_that_need_what_published_problems_lack_refuse_in_one_line(arm: str) -> None:
    for act in (
        lambda: ARMS[arm].turns(PUBLISHED),
        lambda: lead(arm, ["x"], problem=PUBLISHED, turn=0),
    ):
        with pytest.raises(InputError) as caught:
            act()
        assert "\n" not in str(caught.value)
        assert PUBLISHED.id in str(caught.value)
        assert arm in str(caught.value)


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(InputError, match="no such case"):
        run_solver(ARMS["turns"].solver(PROBLEM, 2, PLAIN), Talk([]))
    with pytest.raises(InputError, match="one turn"):
        ARMS["shuffled"].turns(replace(PROBLEM, turns=PROBLEM.turns[:1]))
    for turn in (None, 3, -1):
        with pytest.raises(InputError, match="takes one turn"):
            lead("gold_prefix", ["x"], turn=turn)
    with pytest.raises(InputError, match="need their imports"):
        lead("gold_prefix", ["x"], ArmSettings(header="none"),
             problem=replace(PROBLEM, packages=("numpy",)), turn=0)  # fmt: skip
    with pytest.raises(UnknownNameError, match="gold_prefix"):
        arm_named("gold-prefix")
    for name in ("budget", "max_new_tokens"):
        with pytest.raises(InputError, match=name):
            ArmSettings(**{name: 0})
