"""What a truncation is: a stop rule, and a cut of the complete text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from multiturn.text.truncation import StopRule

__all__ = ["StopRuleOnly", "TruncationRule"]


class TruncationRule(Protocol):
    """Ends one piece of generated text."""

    @property
    def stop(self) -> StopRule:
        """Ends the text as it arrives."""
        ...

    def finish(self, text: str) -> tuple[str, str | None]:
        """The final text, given the text after the stop rule, and the reason of a further cut."""
        ...


@dataclass(frozen=True, slots=True)
class StopRuleOnly:
    """A stop rule without a further cut."""

    stop: StopRule

    def finish(self, text: str) -> tuple[str, str | None]:
        """The text unchanged."""
        return text, None
