"""How a model is asked for the next step: the paper's comments, or the model's chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from multiturn.engines.protocol import EngineInfo
from multiturn.synthesis.session import StyleName
from multiturn.text.truncation import StopRule

__all__ = ["Failure", "PromptStyle", "Step", "choose_style"]


@dataclass(frozen=True, slots=True)
class Step:
    """A turn that is done: what was asked for, and its code."""

    prompt: str
    code: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A try at the step that did not do: its code, and what went wrong in a line or a few."""

    code: str
    message: str


class PromptStyle(Protocol):
    """Puts a history and a turn into the text a model continues.

    The text of a history is a prefix, to the character, of the text of every longer history
    that begins with it, so that an engine's cache is used from turn to turn.
    """

    @property
    def name(self) -> StyleName:
        """The name in settings and records."""
        ...

    @property
    def parse_special(self) -> bool:
        """Whether the text has special tokens of the model's in it."""
        ...

    @property
    def stop(self) -> StopRule:
        """Where the step ends."""
        ...

    def render(
        self, header: str, history: Sequence[Step], prompt: str, failure: Failure | None = None
    ) -> str:
        """The text to continue."""
        ...

    def clean(self, text: str, history: Sequence[Step]) -> str:
        """The code in what the model wrote (after the stop rule)."""
        ...


def choose_style(
    info: EngineInfo, wanted: Literal["auto", "comment", "chat"] = "auto"
) -> PromptStyle:
    """The style by that name; ``auto`` goes by what measured better (docs/decisions/0007).

    Raises:
        InputError: ``chat`` for a model that has no chat template, or a broken one.
    """
    raise NotImplementedError
