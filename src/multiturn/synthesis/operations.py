"""What a person does with a session at the prompt and in the page, by the words they use there.

The rules are here: which turn is meant, what is refused, and what a change makes of later turns.
`Synthesizer` executes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Event as Flag

from multiturn.core.errors import InputError
from multiturn.synthesis.events import LoopEvent
from multiturn.synthesis.expectations import read_expectation
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Example, Sampling, Session, Turn
from multiturn.synthesis.turn_text import validate_turn

__all__ = ["Operations", "retry_sampling", "turn_in_program"]


class Operations:
    """The operations on the turns of a session.

    Those that yield events end with `TurnSaved`, or with `TurnCancelled` once `cancel` is set. A
    change of an earlier turn leaves the turns after it `Session.stale`; `follow_again` lets them
    follow it.

    Args:
        synthesizer: executes the operations.
    """

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer

    def take_turn(
        self,
        session: Session,
        prompt: str,
        *,
        examples: Sequence[Example] = (),
        sampling: Sampling | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write the next step."""
        return self._synthesizer.take_turn(
            session, prompt, examples=examples, sampling=sampling, cancel=cancel
        )

    def append(
        self,
        session: Session,
        prompt: str,
        code: str,
        *,
        examples: Sequence[Example] = (),
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Add a step with the person's own code.

        Raises:
            InputError: a text is empty, too long, or has control characters.
        """
        return self._synthesizer.append(session, prompt, code, examples=examples, cancel=cancel)

    def retry(
        self,
        session: Session,
        count: int | None = None,
        temperature: float | None = None,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write a step again, with `count` more candidates at another temperature.

        Raises:
            InputError: the turn is not part of the program so far, a value is out of range, or all
                candidates would be the same again.
        """
        turn = turn_in_program(session, turn_id)
        sampling = retry_sampling(session, count, temperature)
        return self._synthesizer.retry(session, turn_id=turn.id, sampling=sampling, cancel=cancel)

    def repair(
        self,
        session: Session,
        message: str | None = None,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write a step again with what is wrong in the prompt.

        Without a message, an earlier step is repaired by the error of the current one.

        Raises:
            InputError: the turn is not part of the program so far.
        """
        turn = turn_in_program(session, turn_id)
        last = turn_in_program(session)
        message = None if message is None else validate_turn(message)
        if message is None and turn.id != last.id and not last.choice.finished:
            message = f"after it, a later step {last.choice.describe()}"
        elif message is None and turn.choice.good:
            message = "it runs, but it does not do what was asked for"
        return self._synthesizer.repair(session, message, turn_id=turn.id, cancel=cancel)

    def expect(
        self,
        session: Session,
        expected: Example | str,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Add an example, or words that stand for one, to a step; choose by it.

        Raises:
            InputError: the turn is not part of the program so far, or there are no words.
        """
        turn = turn_in_program(session, turn_id)
        entry = session.language
        example = read_expectation(expected, entry) if isinstance(expected, str) else expected
        return self._synthesizer.expect(session, example, turn_id=turn.id, cancel=cancel)

    def expect_no_longer(
        self,
        session: Session,
        number: int,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Remove example `number`, from 1, of a step; choose by the others.

        Raises:
            InputError: the turn is not part of the program so far, or has no such example.
        """
        turn = turn_in_program(session, turn_id)
        return self._synthesizer.expect_no_longer(session, number, turn_id=turn.id, cancel=cancel)

    def pick(self, session: Session, number: int, *, turn_id: int | None = None) -> Session:
        """Choose candidate `number`, from 1, of a step.

        Raises:
            InputError: the turn is not part of the program so far, or has no such candidate.
        """
        turn = turn_in_program(session, turn_id)
        return self._synthesizer.pick(session, number, turn_id=turn.id)

    def edit(
        self,
        session: Session,
        *,
        code: str | None = None,
        prompt: str | None = None,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Replace the code of a step, or its prompt, or both.

        Where only the prompt is another, the model writes the code again.

        Raises:
            InputError: the turn is not part of the program so far, nothing is another, or a text
                is empty, too long or has control characters.
        """
        turn = turn_in_program(session, turn_id)
        if code is not None and code.strip() == turn.code.strip():
            code = None if prompt is None or prompt.strip() == turn.prompt else code
        if prompt is not None and prompt.strip() == turn.prompt:
            prompt = None
        if prompt is not None and code is not None:
            return self._synthesizer.reword(session, prompt, code, turn_id=turn.id, cancel=cancel)
        if prompt is not None:
            return self._synthesizer.rewrite(session, prompt, turn_id=turn.id, cancel=cancel)
        if code is not None:
            return self._synthesizer.edit(session, code, turn_id=turn.id, cancel=cancel)
        raise InputError("nothing is changed", fix="give other code, or another prompt")

    def follow_again(
        self, session: Session, *, write: bool = False, cancel: Flag | None = None
    ) -> Iterator[LoopEvent]:
        """Let the first stale turn follow the current one.

        Args:
            session: the latest record.
            write: the model writes the step again; otherwise the code that it has runs.
            cancel: stops the model.

        Raises:
            InputError: no turn is stale.
        """
        stale = session.stale
        if not stale:
            raise InputError("no turn is stale", fix="edit an earlier turn first")
        turn, later = stale[0], [each.id for each in stale[1:]]
        if not write:
            return self._synthesizer.apply_again(session, [turn], later=later, cancel=cancel)
        return self._synthesizer.take_turn(
            session, turn.prompt, examples=turn.examples, later=later, cancel=cancel
        )


def turn_in_program(session: Session, turn_id: int | None = None) -> Turn:
    """A turn of the program so far; without an id the current one.

    Raises:
        InputError: there is no turn yet, or the turn is not part of the program.
    """
    path = session.path()
    if not path:
        raise InputError(
            "this is the beginning, before the first turn"
            if session.turns
            else "there is no turn yet",
            fix="describe what the program should do, or go to a turn"
            if session.turns
            else "describe what the program should do",
        )
    if turn_id is None:
        return path[-1]
    for each in path:
        if each.id == turn_id:
            return each
    raise InputError(
        "this turn is not part of the program so far",
        got=turn_id,
        allowed=", ".join(str(each.id) for each in path),
        fix="go to it first",
    )


def retry_sampling(session: Session, count: int | None, temperature: float | None) -> Sampling:
    """How more candidates are sampled.

    Raises:
        InputError: a value is out of range, or all candidates would be the same again.
    """
    sampling = session.settings.sampling.for_retry()
    if count is not None:
        sampling = replace(sampling, n=count)
    if temperature is not None:
        sampling = sampling.with_one_temperature(temperature)
    if sampling.repeats:
        raise InputError(
            "temperature 0 would give the same code again",
            fix="use a higher one, or rephrase the step",
        )
    return sampling
