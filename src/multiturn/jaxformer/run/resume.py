"""Resume: the newest undamaged checkpoint of a run."""

from __future__ import annotations

from collections.abc import Callable

from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.run.checkpoints import (
    CheckpointMetadata,
    Checkpoints,
    DamagedCheckpointError,
    no_valid_checkpoint,
)
from multiturn.jaxformer.run.directory import check_resumable
from multiturn.jaxformer.step.state import TrainState

__all__ = ["restore_latest"]


def restore_latest(
    checkpoints: Checkpoints,
    shapes: TrainState,
    config: TrainConfig,
    fingerprint: str,
    say: Callable[[str], None],
) -> tuple[CheckpointMetadata, TrainState] | None:
    """Restore the newest undamaged checkpoint; None if the run has no checkpoint.

    Damaged newer checkpoints are set aside and reported.

    Args:
        checkpoints: of the run.
        shapes: the state's shapes and shardings.
        config: of the run.
        fingerprint: of its data.
        say: called with changed settings and damaged checkpoints.

    Raises:
        InputError: the run cannot resume with this config or data.
        StorageError: no checkpoint can be read.
    """
    faults: list[DamagedCheckpointError] = []
    for step in checkpoints.steps():
        try:
            checkpoints.check(step)
            saved = checkpoints.metadata(step)
            changes = check_resumable(saved, config, fingerprint)
            state = checkpoints.restore(step, shapes)
        except DamagedCheckpointError as error:
            faults.append(error)
            continue
        for fault in faults:
            aside = checkpoints.set_aside(fault.step)
            say(f"{fault.what}; it was set aside as {aside}; resuming from step {step} instead")
        for change in changes:
            say(f"changed since step {saved.step}: {change}")
        return saved, state
    if faults:
        raise no_valid_checkpoint(checkpoints.directory, faults)
    return None
