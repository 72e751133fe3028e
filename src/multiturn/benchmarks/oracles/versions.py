"""The version of each oracle; part of the record of every run.

Incremented with every change that may change a verdict. `strict` covers both oracles of that name:
for printed answers, and for tests that call a function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["ORACLE_VERSIONS", "oracle_versions_of", "version_key"]

ORACLE_VERSIONS: Mapping[str, str] = {"strict": "2", "legacy": "1"}

_UNSAID = "1"
"""The version in records without versions."""


def version_key(oracle: str) -> str:
    """The key of an oracle's version in the versions of a run."""
    return f"oracle {oracle}"


def oracle_versions_of(versions: Mapping[str, str], oracles: Iterable[str]) -> dict[str, str]:
    """The version of each oracle in the versions of a run.

    Example:
        >>> oracle_versions_of({"python": "3.11.7", "oracle strict": "2"}, ("strict", "legacy"))
        {'strict': '2', 'legacy': '1'}
    """
    return {oracle: versions.get(version_key(oracle), _UNSAID) for oracle in oracles}
