"""Which version of each oracle judges; part of the record of every run.

Counted up with every change after which a program may get another verdict. `strict` stands for
both oracles of that name: what a program prints, and tests that call a function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["ORACLE_VERSIONS", "oracle_versions_of", "version_key"]

ORACLE_VERSIONS: Mapping[str, str] = {"strict": "2", "legacy": "1"}

_UNSAID = "1"
"""The version in records from before versions were kept."""


def version_key(oracle: str) -> str:
    """The key of an oracle's version among the versions of a run."""
    return f"oracle {oracle}"


def oracle_versions_of(versions: Mapping[str, str], oracles: Iterable[str]) -> dict[str, str]:
    """The version of each oracle in the versions of a run.

    Example:
        >>> oracle_versions_of({"python": "3.11.7", "oracle strict": "2"}, ("strict", "legacy"))
        {'strict': '2', 'legacy': '1'}
    """
    return {oracle: versions.get(version_key(oracle), _UNSAID) for oracle in oracles}
