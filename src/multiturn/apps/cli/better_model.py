"""Says which model is the best for this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import StorageError
from multiturn.core.files import write_atomically
from multiturn.core.memory import available_memory
from multiturn.hub.downloads import model_state
from multiturn.hub.fitting import ModelFit, better_model, largest_fit
from multiturn.hub.progress import human_size
from multiturn.hub.store import FileState

__all__ = ["best_model_line", "better_model_hint"]


def best_model_line() -> str:
    """The best model for the memory of this machine, in one line."""
    memory = available_memory()
    if memory is None:
        return "the best model for this machine is unknown, as is its free memory"
    free = f"{human_size(memory)} of free memory"
    best = largest_fit(memory, bandwidth=_bandwidth())
    if best is None:
        return f"no model that writes useful programs fits the {free}"
    return f"the best model for the {free} is {best.entry.name} ({_details(best)})"


def better_model_hint(model: str) -> str | None:
    """How to take a better model that fits; None if there is none, or this was shown before.

    Args:
        model: the name of the model in use.
    """
    memory = available_memory()
    seen = app_dirs().data / "better_model"
    if better_model(model, memory) is None or _is_recent(seen):
        return None  # known without measuring
    fit = better_model(model, memory, bandwidth=_bandwidth())
    if fit is None:
        return None
    with suppress(OSError, StorageError):
        seen.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(seen, f"{fit.entry.name}\n")
    here = model_state(fit.entry).state in (FileState.VERIFIED, FileState.UNCHECKED)
    does = "changes to it" if here else "downloads it and changes to it"
    return (
        f"A better model fits this machine: {fit.entry.name} ({_details(fit)}). "
        f"/model {fit.entry.name} {does}."
    )


def _is_recent(seen: Path) -> bool:
    """Whether a better model was named before."""
    with suppress(OSError):
        return seen.is_file()
    return False


def _bandwidth() -> float | None:
    """Bytes that this machine reads from memory in a second; None without numpy."""
    try:
        from multiturn.models.native.speed import read_bandwidth
    except ModuleNotFoundError:
        return None
    return read_bandwidth()


def _details(fit: ModelFit) -> str:
    entry = fit.entry
    size = f"{human_size(entry.expected_bytes)} file, " if entry.expected_bytes else ""
    speed = ""
    if fit.tokens_per_second is not None:
        speed = f", up to {fit.tokens_per_second:.0f} tokens a second"
    return f"{size}{human_size(fit.memory_needed)} of memory{speed}, {entry.licence}"
