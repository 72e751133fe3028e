"""The names of truncation rules in settings and records."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

__all__ = ["EARLIER_TRUNCATIONS", "Truncation"]

Truncation = Literal["published", "parse", "next_prompt", "none"]

EARLIER_TRUNCATIONS: Mapping[str, Truncation] = MappingProxyType(
    {"fair": "parse", "asked": "next_prompt"}
)
"""Names in records and settings of earlier versions, and what they are called now."""
