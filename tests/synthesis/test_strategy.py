"""How candidates are written and chosen, with a scripted engine."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from multiturn.core.errors import InputError
from multiturn.core.records import read_record, to_plain
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.synthesis.checks import checks_from
from multiturn.synthesis.demonstration import DEMONSTRATION, NEW_PROGRAM
from multiturn.synthesis.events import CandidateWritten, Retrying, TurnSaved
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.program_text import program_text
from multiturn.synthesis.records import Sampling, SessionSettings
from multiturn.synthesis.strategy import Strategy

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


class Recorder:
    """An engine that remembers its requests."""

    def __init__(self, engine):
        self._engine = engine
        self.info = engine.info
        self.requests = []

    def stream(self, request, *, cancel=None):
        self.requests.append(request)
        return self._engine.stream(request, cancel=cancel)

    def count_tokens(self, text, *, parse_special=False):
        return self._engine.count_tokens(text, parse_special=parse_special)


@pytest.fixture
def write(sandbox, store):
    """Takes turns with a script; returns the last turn, the events and the requests."""

    def write(script, prompts, *, n=1, retries=0, chat=False, examples=(), **strategy):
        settings = ScriptSettings(chat_template=CHATML if chat else None)
        engine = Recorder(ScriptedEngine(script, settings=settings))
        synthesizer = Synthesizer(engine, sandbox, store, model="scripted:test")
        session = synthesizer.new_session(
            SessionSettings(
                header="none",
                sampling=Sampling(n=n, temperature=0.2, other_temperature=0.8),
                retries=retries,
                strategy=Strategy(**strategy),
            )
        )
        events = []
        for prompt in prompts:
            for event in synthesizer.take_turn(session, prompt, examples=examples):
                events.append(event)
                if isinstance(event, TurnSaved):
                    session = event.session
        return session.turn, events, engine.requests

    return write


ANSWERS = ["x = 1\n", "x = 2\n", "x = 3 - 1\n", "x = y\n"]


def test_the_value_that_most_continuations_leave_is_chosen(write):
    turn, _, _ = write({"Set": ANSWERS}, ["Set x."], n=4, choose="values")
    assert turn.code in ("x = 2", "x = 3 - 1")
    # By output alone all that ran agree: nothing was printed.
    turn, _, _ = write({"Set": ANSWERS}, ["Set x."], n=4, choose="output")
    assert turn.choice.finished


def test_output_decides_among_prints(write):
    answers = ["print(1)\n", "print(2)\n", "print(1 + 1)\n"]
    turn, _, _ = write({"Print": answers}, ["Print it."], n=3, choose="output")
    assert turn.choice.run.stdout == "2\n"


def test_equal_code_counts_as_often_as_it_was_written(write):
    answers = ["print(1)\n", "print(2)\n", "print(2)\n"]
    turn, _, _ = write({"Print": answers}, ["Print it."], n=3, choose="output")
    assert (turn.code, turn.choice.copies) == ("print(2)", 2)


def test_candidates_come_several_at_a_time_until_as_many_agree(write):
    answers = ["print(2)\n", "print(3)\n", "print(1 + 1)\n", "print(4)\n", "print(5)\n"]
    turn, events, requests = write({"Print": answers}, ["Print it."], n=5, choose="output", agree=2)
    assert [request.n for request in requests] == [2, 2]
    assert [request.temperature_of(0) for request in requests] == [0.2, 0.8]
    assert requests[0].temperature_of(1) == requests[1].temperature_of(1) == 0.8
    written = sorted(event.index for event in events if isinstance(event, CandidateWritten))
    assert written == [0, 1, 2, 3]
    assert turn.choice.run.stdout == "2\n"
    # Where the first ones agree they are enough.
    _, _, requests = write(
        {"Print": ["print(2)\n", "print(1 + 1)\n"]},
        ["Print it."], n=5, choose="output", agree=2,
    )  # fmt: skip
    assert [request.n for request in requests] == [2]
    # Without an agreement all are written, each with a seed of its own.
    _, _, requests = write(
        {"Print": [f"print({k})\n" for k in range(5)]}, ["Print it."], n=5, choose="output", agree=2
    )
    assert [request.n for request in requests] == [2, 2, 1]
    seeds = [request.seed + index for request in requests for index in range(request.n)]
    assert len(set(seeds)) == 5


def test_a_failure_is_resampled_without_feedback(write):
    script = {"Set": ["x = undefined\n", "x = 4\n"]}
    turn, events, requests = write(script, ["Set x."], retries=1, retry="resample")
    assert turn.code == "x = 4"
    assert sum(isinstance(event, Retrying) for event in events) == 1
    assert requests[0].prompt == requests[1].prompt
    _, _, requests = write(script, ["Set x."], retries=1)
    assert "undefined" in requests[1].prompt.removeprefix(requests[0].prompt)


def test_a_step_that_lacks_what_was_asked_for_is_written_again(write):
    script = {"Store": ["total = 1\n", "y = 2\n"], "Print": ["z = 3\n", "print(3)\n"]}
    prompts = ['Store it in "y".', "Print it."]
    turn, events, requests = write(script, prompts, retries=1, asked=True)
    assert [e.failure for e in events if isinstance(e, Retrying)] == [
        "it does not make y",
        "it does not print what it should",
    ]
    assert "y = 2" in requests[2].prompt
    assert (turn.code, turn.choice.lacks) == ("print(3)", ())
    turn, events, _ = write(script, prompts, retries=1)
    assert turn.code == "z = 3"
    assert not any(isinstance(event, Retrying) for event in events)


def test_a_result_that_was_not_computed_is_written_again(write):
    script = {"Make": "x = [2, 3]\n", "Store": ["total = 5\n", "total = sum(x)\n"]}
    prompts = ["Make x.", 'Store the sum of "x" in "total".']
    turn, events, _ = write(script, prompts, retries=1, asked=True)
    assert [e.failure for e in events if isinstance(e, Retrying)] == ["it does not use x"]
    assert turn.code == "total = sum(x)"


def test_a_candidate_that_lacks_what_was_asked_for_ranks_behind(write):
    answers = ["x = 1\n", "x = 1 + 0\n", "y = 2\n"]
    options = {"n": 3, "choose": "values", "asked": True}
    turn, _, _ = write({"Store": answers}, ['Store it in "y".'], **options)
    assert turn.code == "y = 2"
    assert [candidate.lacks for candidate in turn.candidates] == [("y",), ("y",), ()]


@pytest.mark.parametrize("chat", [False, True])
def test_the_prompt_shows_a_recap_or_the_values(write, chat):
    script = {"Set x": "x = [1, 2]\n", "Print": "print(x)\n"}
    turns = ["Set x to two numbers.", "Print x."]
    plain = write(script, turns, chat=chat)[2][1].prompt
    assert "steps so far" not in plain
    recap = write(script, turns, chat=chat, shown="recap")[2][1].prompt
    assert recap.rindex("1. Set x to two numbers.") < recap.rindex("Print x.")
    values = write(script, turns, chat=chat, shown="values")[2][1].prompt
    assert "x = [1, 2]" in values[values.index("The variables now:") :]
    assert "The variables now" not in write(script, turns, chat=chat, shown="values")[2][0].prompt


@pytest.mark.parametrize("chat", [False, True])
def test_a_demonstration_stands_before_the_session(write, chat):
    script = {"Set x": "x = 1\n", "Print": "print(x)\n"}
    turns = ["Set x.", "Print x."]
    requests = write(script, turns, chat=chat, demonstrate=True)[2]
    first, second = (request.prompt for request in requests)
    places = [first.index(part) for part in (DEMONSTRATION[0][0], NEW_PROGRAM, "Set x.")]
    assert places == sorted(places)
    shared = first[: places[-1] + len("Set x.")]
    assert second.startswith(shared)  # so the engine has it in its cache
    turn, _, requests = write(script, turns, chat=chat)
    assert NEW_PROGRAM not in requests[0].prompt
    assert turn.choice.run.stdout == "1\n"


def test_the_demonstration_runs_and_does_what_it_says():
    names: dict[str, object] = {}
    exec(program_text("", DEMONSTRATION), names)
    assert (names["days"], names["place"]) == ([14, 25, 9], 2)


def test_an_import_that_a_step_forgets_is_added(write):
    turn, _, _ = write({"Set": "y = math.sqrt(4)\n"}, ["Set y."], align=True)
    assert turn.code == "import math\ny = math.sqrt(4)"
    assert turn.choice.aligned
    assert turn.choice.finished


def test_notes_are_no_part_of_the_history(write):
    script = {"Set x": "x = 1\n", "Set y": "y = 2\n", "Print": "print(x)\n"}
    turns = ["Set x.", "Set y.", "Print x."]
    requests = write(script, turns, shown="values")[2]
    assert requests[2].prompt.count("The variables now:") == 1


def test_checks_that_the_model_writes_rank_candidates(write):
    script = {
        "assert statements": "assert double(2) == 4\nassert double(0) == 0\nprint(1)\n",
        "Define": ["def double(n):\n    return n + 3\n", "def double(n):\n    return 2 * n\n"],
    }
    turn, _, requests = write(script, ["Define double of n."], n=2, checks=2)
    assert "return 2 * n" in turn.code
    assert turn.choice.checks_passed == 2
    assert "2 short assert statements" in requests[0].prompt
    # A check that fails is no failure of the step.
    turn, events, _ = write(
        {"assert statements": "assert x == 5\n", "Set": "x = 1\n"}, ["Set x."], checks=1, retries=1
    )
    assert turn.choice.good
    assert not any(isinstance(event, Retrying) for event in events)


def test_checks_that_are_no_checks():
    assert checks_from("", 3) == checks_from("x = = 1", 3) == checks_from("assert True", 3) == ()
    assert len(checks_from("assert a\nassert a\nassert b\nassert c", 2)) == 2


def test_alignment_and_extraction(write):
    script = {"Define": "def double(n):\n    return 2 * n\n"}
    turn, _, _ = write(script, ['Define "twice" of n.'], align=True)
    assert turn.code.endswith("twice = double")
    assert turn.choice.aligned
    fenced = {"Set": "```python\nx = 1\n```\n"}
    assert write(fenced, ["Set x."], comment_stop="next_comment")[0].code == "x = 1"
    raw = write(fenced, ["Set x."], comment_stop="next_comment", extract=False)[0]
    assert not raw.choice.finished


def test_two_prints_are_one_step_without_the_published_rule(write):
    script = {"Print": "print(1)\nprint(2)\n\n# Next, print 3.\nprint(3)\n"}
    assert write(script, ["Print 1 and 2."])[0].code == "print(1)"
    assert write(script, ["Print 1 and 2."], comment_stop="next_comment")[0].code == (
        "print(1)\nprint(2)"
    )


def test_a_strategy_is_part_of_the_session(write, store):
    write({"Set": ANSWERS}, ["Set x."], choose="values")
    saved = store.latest()
    assert saved.settings.strategy == Strategy(choose="values")
    assert dict(saved.turn.choice.run.values) == {"x": "1"}
    # Sessions of earlier versions have none.
    plain = to_plain(SessionSettings())
    del plain["strategy"]
    assert read_record(plain, SessionSettings, where="old").strategy == Strategy()
    candidate = json.loads(json.dumps(to_plain(saved.turn.choice)))
    del candidate["run"]["values"]
    assert read_record(candidate, type(saved.turn.choice), where="old").run.values is None


@pytest.mark.parametrize("wrong", [{"agree": -1}, {"agree": 2}, {"checks": 9}, {"checks": -1}])
def test_what_a_strategy_refuses(wrong):
    with pytest.raises(InputError):
        replace(Strategy(), **wrong)
