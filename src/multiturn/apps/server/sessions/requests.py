"""What the session API is asked."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from multiturn.apps.server.sessions.settings_models import SamplingChange, SettingsChange
from multiturn.synthesis.storable import check_storable

__all__ = [
    "Body",
    "EditRequest",
    "ExampleRequest",
    "FollowRequest",
    "MoveRequest",
    "NewSessionRequest",
    "PickRequest",
    "RepairRequest",
    "ReplayRequest",
    "RetryRequest",
    "RunRequest",
    "SessionChangeRequest",
    "NextTurnRequest",
]


class Body(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _is_storable(cls, data: object) -> object:
        """Refuse what a store cannot hold, such as NaN, before it becomes something else.

        Raises:
            InputError: there is such a value; it is no fault of validation, so it ends it.
        """
        check_storable(data, "the body")
        return data

    def arguments(self) -> dict[str, Any]:
        """What was given, as plain data."""
        found: dict[str, Any] = self.model_dump(mode="json", exclude_unset=True)
        return found


class NewSessionRequest(Body):
    """A new session."""

    name: str | None = None
    """By default made from the date."""
    settings: SettingsChange | None = None  # type: ignore[valid-type]
    """What differs from the settings of the server."""


class SessionChangeRequest(Body):
    """A change of a session, but not of its turns."""

    name: str | None = None
    """Another name."""
    settings: SettingsChange | None = None  # type: ignore[valid-type]
    """Settings for what is written from now on; the style and the header stay."""


class ExampleRequest(Body):
    """What a step must give: as words, or as a value."""

    words: str | None = None
    """As after ``/expect`` at the prompt: ``42``, ``total == 42`` or ``len(names) > 2``."""
    expected: Any = None
    """Without words: the value, or what the output ends with."""
    expression: str | None = Field(default=None, max_length=10_000)
    """Without words: the Python expression that must have the value; null for the output."""


class NextTurnRequest(Body):
    """The next step."""

    prompt: str
    """What it should do, in plain language."""
    examples: list[ExampleRequest] = Field(default_factory=list, max_length=100)
    """What it must give: they choose among candidates."""
    sampling: SamplingChange | None = None  # type: ignore[valid-type]
    """For this turn only."""


class RetryRequest(Body):
    """More candidates of a step."""

    count: int | None = None
    """How many."""
    temperature: float | None = None
    """Of all of them."""


class RepairRequest(Body):
    """A step again, with what is wrong in the prompt."""

    message: str | None = Field(default=None, max_length=4000)
    """What is wrong; by default how it failed."""


class EditRequest(Body):
    """Other code, or another prompt, or both."""

    code: str | None = None
    """Of the step."""
    prompt: str | None = None
    """With no code, the model writes the step again."""


class PickRequest(Body):
    """The choice of a candidate."""

    candidate: int
    """Its number, from 1."""


class ReplayRequest(Body):
    """A candidate to repeat."""

    candidate: int | None = None
    """Its number, from 1; by default the chosen one."""


class MoveRequest(Body):
    """A turn to go to."""

    turn: int | None
    """The next step follows it; null for the beginning."""


class FollowRequest(Body):
    """How the stale turns follow the current one."""

    write: bool = False
    """The model writes each again; otherwise the code that they have runs."""


class RunRequest(Body):
    """A program to run."""

    turn: int | None = None
    """The last turn of the program; by default the current one."""
