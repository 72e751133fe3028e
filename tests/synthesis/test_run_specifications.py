"""Specifications run without a person, with scripted text."""

from __future__ import annotations

import threading

import pytest

from multiturn.core.errors import InputError
from multiturn.engines.scripted import ScriptedEngine
from multiturn.synthesis.events import TurnCancelled
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Sampling, SessionSettings
from multiturn.synthesis.specification import ABSENT, Case, Specification, TurnTemplate
from multiturn.synthesis.specification_runner import (
    AttemptBegun,
    SpecificationDone,
    TurnBegun,
    run_specification,
)

DOUBLING = ("Set x.", "Double x.")


def run(synthesizer, specification, **options):
    settings = options.pop("settings", SessionSettings(style="comment", header="none"))
    *events, last = run_specification(synthesizer, specification, settings=settings, **options)
    assert isinstance(last, SpecificationDone)
    return events, last.result


def test_met(synthesizer):
    events, result = run(synthesizer, Specification(turns=DOUBLING, name="doubling", expect=5))
    assert (result.met, result.why_not) == (True, None)
    assert result.program == "# Set x.\nx = 2\n\n# Double x.\nx = x + x + 1\nprint(x)\n"
    assert result.run.stdout == "5\n"
    assert [event for event in events if isinstance(event, TurnBegun)] == [
        TurnBegun(1, 2, "Set x."),
        TurnBegun(2, 2, "Double x."),
    ]
    assert synthesizer.store.load(result.session.id) == result.session
    assert result.session.name == "doubling"


def test_nothing_expected_is_met_by_running(synthesizer):
    _, result = run(synthesizer, Specification(turns=DOUBLING))
    assert result.met and result.expected is ABSENT


@pytest.mark.parametrize(
    ("specification", "why_not"),
    [
        (
            Specification(turns=DOUBLING, expect=4),
            "turn 2: expected '4' at the end of the output, which ends with '5'",
        ),
        (
            Specification(turns=("Break.", "Set x."), expect=4),
            "turn 1: the program raised NameError: name 'undefined' is not defined (line 2)",
        ),
        (
            Specification(turns=(TurnTemplate(prompt="Set x.", examples={"x": 3}), "Double x.")),
            "turn 1: x is not 3",
        ),
    ],
)
def test_not_met_says_why(specification, why_not, synthesizer):
    _, result = run(synthesizer, specification)
    assert (result.met, result.why_not) == (False, why_not)


def test_what_is_expected_chooses_among_candidates(synthesizer):
    settings = SessionSettings(style="comment", header="none", sampling=Sampling(n=3))
    _, result = run(synthesizer, Specification(turns=DOUBLING, expect=4), settings=settings)
    assert result.met
    assert result.turns[1].chosen == 1


def test_attempts_have_seeds_of_their_own_and_end_when_met(sandbox, store):
    def answer(request, index):
        return f"print({request.seed})\n"

    synthesizer = Synthesizer(ScriptedEngine(answer), sandbox, store)
    events, result = run(synthesizer, Specification(turns=("Go.",), expect=2000), attempts=5)
    begun = [event for event in events if isinstance(event, AttemptBegun)]
    assert [(event.attempt, event.seed) for event in begun] == [(1, 0), (2, 1000), (3, 2000)]
    assert result.met and result.attempt == 3
    assert len(store.list()) == 3
    _, result = run(synthesizer, Specification(turns=("Go.",), expect=-1), attempts=2)
    assert not result.met and result.attempt == 2


def test_cases_are_programs_of_their_own(sandbox, store):
    def answer(request, index):
        return f"print({request.prompt.count('!')})\n"

    synthesizer = Synthesizer(ScriptedEngine(answer), sandbox, store)
    specification = Specification(
        turns=("Say {x}.",),
        cases=(
            Case(variables={"x": "!"}, expect=1),
            Case(variables={"x": "!!"}, expect=2),
        ),
    )
    for case in (1, 2):
        _, result = run(synthesizer, specification, case=case)
        assert result.met and result.case == case
    with pytest.raises(InputError, match="no such case: got 3; allowed: 1 to 2"):
        run(synthesizer, specification, case=3)


def test_header_and_tokens_of_the_specification_win(synthesizer):
    specification = Specification(turns=("Set x.",), header="import math", max_tokens=50)
    _, result = run(synthesizer, specification)
    assert result.program.startswith("import math\n\n# Set x.")
    assert result.session.settings.sampling.max_tokens == 50


def test_cancelled(synthesizer):
    cancel = threading.Event()
    seen = []
    for event in run_specification(
        synthesizer, Specification(turns=DOUBLING), cancel=cancel, attempts=3
    ):
        seen.append(event)
        if isinstance(event, TurnBegun) and event.number == 2:
            cancel.set()
    assert isinstance(seen[-1], TurnCancelled)
    assert len(synthesizer.store.latest().turns) == 1


def test_attempts_at_temperature_zero_make_no_sense(synthesizer):
    with pytest.raises(InputError, match="at temperature 0 every attempt writes the same"):
        run_specification(
            synthesizer,
            Specification(turns=DOUBLING),
            settings=SessionSettings(sampling=Sampling(temperature=0)),
            attempts=2,
        )
