"""The default sampling of candidates, in one place.

docs/decisions/0007-prompt-styles.md has the measurements.
"""

from __future__ import annotations

__all__ = ["CANDIDATES", "OTHER_TEMPERATURE", "RETRY_TEMPERATURE", "TEMPERATURE"]

CANDIDATES = 1
"""Candidates per turn."""

TEMPERATURE = 0.2
"""Of the first candidate: the likely text, but for what is a toss-up."""

OTHER_TEMPERATURE = 0.8
"""At least, of the other candidates: at 0.2 a model mostly repeats the first."""

RETRY_TEMPERATURE = 0.6
"""At least, of a step that a person wants written again."""
