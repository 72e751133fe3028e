"""Changes of earlier turns, and what they leave stale."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.synthesis.events import LoopEvent, TurnSaved
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.operations import Operations
from multiturn.synthesis.records import Sampling, Session
from multiturn.synthesis.store import SessionStore


def last(events: Iterable[LoopEvent]) -> Session:
    *_, end = events
    assert isinstance(end, TurnSaved)
    return end.session


@pytest.fixture
def operations(synthesizer: Synthesizer) -> Operations:
    return Operations(synthesizer)


@pytest.fixture
def session(synthesizer: Synthesizer, operations: Operations) -> Session:
    """Three turns: x = 2, then doubled wrongly, then doubled rightly."""
    session = synthesizer.new_session()
    session = last(operations.take_turn(session, "Set x to 2."))
    session = last(operations.take_turn(session, "Double x.", sampling=Sampling(n=2)))
    return last(operations.take_turn(session, "Double x once more.", sampling=Sampling(n=2)))


def prompts(turns: Iterable[object]) -> list[str]:
    return [turn.prompt for turn in turns]  # type: ignore[attr-defined]


def test_later_turns_are_stale_until_they_follow(
    session: Session, operations: Operations, store: SessionStore
) -> None:
    assert session.stale == ()
    session = last(operations.edit(session, code="x = 10", turn_id=1))
    assert prompts(session.path()) == ["Set x to 2."]
    assert prompts(session.stale) == ["Double x.", "Double x once more."]
    assert store.load(session.id) == session
    session = last(operations.follow_again(session))
    assert prompts(session.path()) == ["Set x to 2.", "Double x."]
    assert prompts(session.stale) == ["Double x once more."]
    # Another change on the way leaves stale what was stale.
    session = last(operations.edit(session, code="x = 11", turn_id=session.path()[0].id))
    assert prompts(session.stale) == ["Double x.", "Double x once more."]
    session = last(operations.follow_again(session, write=True))
    session = last(operations.follow_again(session, write=True))
    assert session.stale == () and len(session.path()) == 3
    assert store.load(session.id) == session
    with pytest.raises(InputError, match="no turn is stale"):
        operations.follow_again(session)


def test_a_turn_that_is_written_instead_ends_it(session: Session, operations: Operations) -> None:
    session = last(operations.edit(session, code="x = 10", turn_id=1))
    session = last(operations.take_turn(session, "Set x to 3."))
    assert session.stale == () and prompts(session.path()) == ["Set x to 2.", "Set x to 3."]


def test_picking_and_repairing_an_earlier_turn_leave_the_later_ones_stale(
    session: Session, operations: Operations
) -> None:
    chosen = session.turns[2].chosen
    picked = operations.pick(session, 2 - chosen, turn_id=2)
    assert prompts(picked.stale) == ["Double x once more."]
    assert operations.pick(session, chosen + 1, turn_id=2).current == session.current


def test_an_expectation_that_changes_no_choice_leaves_nothing_stale(
    session: Session, operations: Operations, store: SessionStore
) -> None:
    found = last(operations.expect(session, "x == 4", turn_id=2))
    assert found.current == session.current and found.stale == ()
    assert found.turns[2].examples and store.load(session.id) == found
    other = last(operations.expect(found, "x == 5", turn_id=2))
    assert other.current == session.current  # no candidate gives both
    only = last(operations.expect_no_longer(other, 1, turn_id=2))
    assert prompts(only.stale) == ["Double x once more."]  # x == 5 has chosen another one
    with pytest.raises(InputError, match="no such example"):
        operations.expect_no_longer(only, 2)


def test_a_retry_that_repeats_every_candidate_changes_nothing(
    session: Session, operations: Operations
) -> None:
    found = last(operations.retry(session, turn_id=1))
    assert found.current == session.current and found.stale == ()
    assert found.turns[1].choice.copies == 2


def test_a_prompt_is_written_again_or_keeps_the_persons_code(
    session: Session, operations: Operations
) -> None:
    found = last(operations.edit(session, prompt="Set x to 7.", turn_id=1))
    assert found.path()[0].prompt == "Set x to 7." and len(found.stale) == 2
    found = last(operations.edit(found, prompt="Seven.", code="x = 7"))
    assert (found.path()[0].prompt, found.path()[0].code) == ("Seven.", "x = 7")
    assert len(found.stale) == 2
    for same in ({}, {"code": " x = 7\n"}, {"prompt": "Seven."}):
        with pytest.raises(InputError, match="nothing is changed"):
            operations.edit(found, **same)


def test_only_turns_of_the_program_are_changed(session: Session, operations: Operations) -> None:
    found = last(operations.edit(session, code="x = 10", turn_id=1))
    with pytest.raises(InputError, match="not part of the program so far"):
        operations.edit(found, code="x = 1", turn_id=2)
    with pytest.raises(InputError, match="temperature 0 would give the same"):
        operations.retry(found, temperature=0)
    with pytest.raises(InputError, match="before the first turn"):
        operations.retry(found.at(None))


def test_a_marked_session_is_gone_until_it_is_restored(
    session: Session, store: SessionStore
) -> None:
    store.mark_deleted(session.id)
    assert store.list() == () and store.latest() is None and store.search("Double") == ()
    for gone in (store.load, store.find, store.mark_deleted):
        with pytest.raises(UnknownNameError):
            gone(session.id)
    assert [each.id for each in store.list(deleted=True)] == [session.id]
    store.restore(session.id)
    assert store.load(session.id).turns == session.turns
    store.mark_deleted(session.id)
    assert store.purge("2000") == 0 and store.purge("9999") == 1
    with pytest.raises(UnknownNameError):
        store.restore(session.id)


def test_search_ignores_case_and_sees_names_prompts_and_code(
    session: Session, store: SessionStore
) -> None:
    for words in ("double X ONCE", "X *=", session.name):
        (match,) = store.search(words)
        assert match.session.id == session.id
    assert store.search("double x once")[0].turn == 3
    assert store.search("%") == () and store.search("_") == () and store.search("x = y") == ()
