"""What a step did, which step an error comes from, and what a person expects."""

from __future__ import annotations

import pytest

from multiturn.core.errors import InputError
from multiturn.engines.scripted import ScriptedEngine
from multiturn.synthesis.candidates import failure_feedback
from multiturn.synthesis.diagnosis import error_source, step_effects
from multiturn.synthesis.events import TurnSaved
from multiturn.synthesis.expectations import (
    MAX_CHARACTERS,
    absent_name,
    describe_example,
    read_expectation,
)
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Example, Sampling, SessionSettings


def last(events):
    ended = None
    for event in events:
        ended = event
    assert isinstance(ended, TurnSaved)
    return ended.session


@pytest.fixture
def write(sandbox, store):
    """Writes the steps with these prompts and codes."""

    def write(*steps, n=1):
        script = dict(steps)
        synthesizer = Synthesizer(ScriptedEngine(script), sandbox, store, model="scripted:test")
        session = synthesizer.new_session(SessionSettings(header="none", sampling=Sampling(n=n)))
        for prompt, _ in steps:
            session = last(synthesizer.take_turn(session, prompt))
        return synthesizer, session

    return write


class TestEffects:
    def effects(self, write, *steps):
        _, session = write(*steps)
        return step_effects(session, session.turn)

    def test_new_and_changed_values(self, write):
        found = self.effects(write, ("Set both.", "x = 1\ny = 2\n"), ("Double.", "y *= 2\nz = x\n"))
        assert found.changed == (("y", "4"), ("z", "1"))
        assert not found.idle

    def test_a_change_in_place(self, write):
        found = self.effects(write, ("Make it.", "x = [2, 1]\n"), ("Sort it.", "x.sort()\n"))
        assert found.changed == (("x", "[1, 2]"),)

    @pytest.mark.parametrize("code", ["x\n", "pass\n", "x + 1\n", "sorted([x])\n"])
    def test_a_step_that_does_nothing(self, write, code):
        assert self.effects(write, ("Set x.", "x = 1\n"), ("Go on.", code)).idle

    @pytest.mark.parametrize("code", ["print(x)\n", "import math\n", "y = x\n", "x = 1\n"])
    def test_a_step_that_does_something(self, write, code):
        assert not self.effects(write, ("Set x.", "x = 1\n"), ("Go on.", code)).idle

    def test_repeated_code(self, write):
        steps = [("One.", "x = 1\n"), ("Two.", "y = 2\n"), ("Three.", "x = 1\nz = x + y\n")]
        assert self.effects(write, *steps).repeated == (1,)
        steps[2] = ("Three.", "print(x)\nx + y\n")
        assert self.effects(write, *steps).repeated == ()

    def test_a_step_that_fails_says_nothing(self, write):
        found = self.effects(write, ("Set x.", "x = 1\n"), ("Fail.", "y = z\n"))
        assert found.changed == ()
        assert not found.idle


class TestErrorSource:
    def source(self, write, *steps):
        _, session = write(*steps)
        found = error_source(session, session.turn)
        return None if found is None else (found.turn.id, found.reason)

    def test_a_name_that_an_earlier_step_was_asked_for(self, write):
        found = self.source(
            write,
            ("Set x.", "x = [1]\n"),
            ('Store the sum of x in "total".', "result = sum(x)\n"),
            ("Print it.", "print(total)\n"),
        )
        assert found == (2, "it was asked for total, and does not set it")

    def test_a_function_that_a_step_replaced(self, write):
        found = self.source(
            write,
            ("Define gap.", "def gap(i):\n    return i\n"),
            ("Find it.", "gap = gap(3)\n"),
            ("Print it.", "print(gap(1))\n"),
        )
        assert found == (2, "it replaced gap, which could be called, by a value")

    @pytest.mark.parametrize(
        "code", ["print(undefined)\n", "x = = 1\n", "print([1][2])\n", "print(3())\n", "print(x)\n"]
    )
    def test_an_error_of_the_step_itself(self, write, code):
        assert self.source(write, ("Set x.", "x = 1\n"), ("Fail.", code)) is None


class TestRealLines:
    @pytest.mark.real
    def test_the_turn_of_the_line(self, store):
        from multiturn.sandbox.open import open_sandbox

        script = {"Define f": "def f(x):\n    return x / 0\n", "Call it": "print(f(1))\n"}
        with open_sandbox(workers=1) as sandbox:
            synthesizer = Synthesizer(ScriptedEngine(script), sandbox, store, model="scripted")
            session = synthesizer.new_session(SessionSettings(header="none"))
            for prompt in ("Define f.", "Call it."):
                session = last(synthesizer.take_turn(session, prompt))
        found = error_source(session, session.turn)
        assert (found.turn.id, found.reason) == (1, "the line that failed is part of it")


class TestExpectations:
    @pytest.mark.parametrize(
        ("words", "expected", "expression"),
        [
            ("42", 42, None),
            ("-1.5", -1.5, None),
            ("'it''s'", "its", None),
            ("[1, 'a', None]", [1, "a", None], None),
            ("total == 51.3", 51.3, "total"),
            ("names[0] == 'Ann'", "Ann", "names[0]"),
            ("len(x) > 2", True, "bool(len(x) > 2)"),
            ("not x", True, "bool(not x)"),
            ("a == b", True, "bool(a == b)"),
            ("Hello, world", "Hello, world", None),
            ("total", "total", None),
            ("3 apples", "3 apples", None),
            ("{1, 2}", "{1, 2}", None),  # a set would not survive JSON
            ("(1, 2)", "(1, 2)", None),
            ("nan", "nan", None),
        ],
    )
    def test_what_words_mean(self, words, expected, expression):
        assert read_expectation(words) == Example(expected=expected, expression=expression)

    @pytest.mark.parametrize("words", ["", "  ", "x" * (MAX_CHARACTERS + 1)])
    def test_what_is_refused(self, words):
        with pytest.raises(InputError):
            read_expectation(words)

    @pytest.mark.parametrize("words", ["(" * 5000, "1" * 9000, "lambda: 0", "a=3", "\ud800"])
    def test_odd_words_are_text_or_a_value(self, words):
        assert describe_example(read_expectation(words))

    def test_an_expectation_chooses_among_candidates_and_stays(self, write, store):
        answers = ["print(1)\n", "print(2)\n"]
        synthesizer, session = write(("Print it.", answers), n=2)
        wrong = next(k for k, each in enumerate(session.turn.candidates) if "1" in each.text)
        session = synthesizer.pick(session, wrong + 1)
        session = last(synthesizer.expect(session, read_expectation("2")))
        assert session.turn.choice.text == "print(2)"
        assert session.turn.choice.good
        assert store.load(session.id) == session
        # One that no candidate meets leaves the best, which is not good.
        session = last(synthesizer.expect(session, read_expectation("3")))
        assert not session.turn.choice.good
        assert [example.expected for example in store.load(session.id).turn.examples] == [2, 3]

    def test_the_choice_of_a_person_stays_where_it_is_right(self, write):
        synthesizer, session = write(("Set it.", ["x = 1\n", "x = 2 - 1\n"]), n=2)
        for number in (1, 2):
            session = synthesizer.pick(session, number)
            session = last(synthesizer.expect(session, read_expectation("x == 1")))
            assert session.turn.chosen == number - 1

    def test_feedback_names_what_the_program_lacks(self, write):
        synthesizer, session = write(("Define taxed.", "def tax(p):\n    return p\n"))
        session = last(synthesizer.expect(session, read_expectation("taxed(10) == 12")))
        choice, examples = session.turn.choice, session.turn.examples
        assert failure_feedback(choice, examples) == "it does not make taxed"
        assert (
            absent_name(read_expectation("all(x > len(str(x)) for x in [1])"), choice.run) is None
        )
        assert absent_name(read_expectation("tax(1) == 2"), choice.run) is None

    def test_the_code_of_a_turn_that_others_follow_is_not_changed(self, write, store):
        synthesizer, session = write(
            ("Set x.", ["x = 1\n", "x = 2\n"]), ("Print x.", "print(x)\n"), n=2
        )
        chosen = session.find(1).code
        value = int(chosen[-1])
        after = last(synthesizer.expect(session, read_expectation(f"x == {value}"), turn_id=1))
        assert after.find(1).examples == (Example(expected=value, expression="x"),)
        assert len(after.turns) == 2 and after.current == session.current
        assert store.load(session.id) == after
        other = last(synthesizer.expect(session, read_expectation(f"x == {3 - value}"), turn_id=1))
        assert len(other.turns) == 3
        assert other.find(1).code == chosen and other.turn.code != chosen
        assert store.load(session.id).turn == other.turn


class TestRepair:
    def test_a_repair_that_is_worse_is_not_chosen(self, write, store):
        answers = ["def tax(p):\n    return p\n", "print(undefined)\n"]
        synthesizer, session = write(("Define taxed.", answers))
        session = last(synthesizer.expect(session, read_expectation("taxed(1) == 1")))
        session = last(synthesizer.repair(session))
        assert session.turn.code == "def tax(p):\n    return p"
        assert len(session.turn.candidates) == 2
        assert store.load(session.id) == session

    def test_an_earlier_step_is_repaired_and_the_later_ones_follow(self, write):
        synthesizer, session = write(
            ("Define taxed.", ["def tax(p):\n    return p\n", "def taxed(p):\n    return p\n"]),
            ("Print it.", "print(taxed(3))\n"),
        )
        later = session.path()[1:]
        assert not later[0].choice.finished
        session = last(synthesizer.repair(session, "a later step failed", turn_id=1))
        assert session.turn.code == "def taxed(p):\n    return p"
        assert session.turn.choice.origin == "repair"
        session = last(synthesizer.apply_again(session, later))
        assert [turn.prompt for turn in session.path()] == ["Define taxed.", "Print it."]
        assert session.turn.choice.finished
        assert session.turn.choice.run.stdout == "3\n"
        # The failed program is still there.
        assert any(not turn.choice.finished for turn in session.turns.values())

    def test_the_prompt_has_the_code_and_the_message(self, write):
        synthesizer, session = write(("Set x.", ["x = y\n", "x = 1\n"]))
        seen = []
        engine = synthesizer.engine
        original = engine.stream

        def stream(request, *, cancel=None):
            seen.append(request.prompt)
            return original(request, cancel=cancel)

        engine.stream = stream
        session = last(synthesizer.repair(session))
        assert "This was wrong (raised NameError" in seen[0]
        assert "x = y" in seen[0]
        assert session.turn.choice.finished
