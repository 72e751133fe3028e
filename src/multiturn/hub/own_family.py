"""The models that this project trained itself: the CodeGen architecture at three small sizes.

One of them is small enough to be a part of this package. The others are trained on the user's own
machine by `multiturn models build`; docs/results/family.md has what they can do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from multiturn.hub.entries import InstalledFile, ModelEntry, TrainedHere

__all__ = ["OWN_FAMILY"]

_STAGES = {"nl": "prose", "multi": "six programming languages", "mono": "Python"}
_FILE_BYTES = {"1m": 4_200_000, "3m": 10_600_000, "10m": 27_700_000}
"""About, of each size in float16."""

_INSTALLED = "family-1m-mono"
_INSTALLED_BYTES = 4_238_304
_INSTALLED_SHA256 = "2c1c0672e2b0ea3b86fd741f8518e24722a30e1398ce5143da313814017b50d7"


def _entry(size: str, stage: str) -> ModelEntry:
    name = f"family-{size}-{stage}"
    file = f"{name}.gguf"
    entry = ModelEntry(
        name=name,
        description=f"CodeGen architecture, {size.upper()} parameters without embeddings, last "
        f"trained on {_STAGES[stage]}: for tests and teaching, too small to write programs",
        licence="Apache-2.0",
        file=file,
        trained=TrainedHere(f"family-{size}", stage),
        approximate_bytes=_FILE_BYTES[size],
    )
    if name != _INSTALLED:
        return entry
    return replace(
        entry,
        bytes=_INSTALLED_BYTES,
        sha256=_INSTALLED_SHA256,
        installed=InstalledFile(Path(__file__).parent / "weights" / file),
    )


OWN_FAMILY = tuple(_entry(size, stage) for size in _FILE_BYTES for stage in _STAGES)
"""The nine models, the smallest first."""
