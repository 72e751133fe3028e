"""Where a run goes on from: its newest checkpoint that is whole."""

from __future__ import annotations

from collections.abc import Callable

from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.run.checkpoints import (
    Checkpoints,
    DamagedCheckpointError,
    Progress,
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
) -> tuple[Progress, TrainState] | None:
    """The newest checkpoint that can be read; None where there is none at all.

    Damaged ones that are newer are set aside, and that is said.

    Args:
        checkpoints: of the run.
        shapes: the state's shapes and where it is to lie.
        config: of the run.
        fingerprint: of its data.
        say: is told of changed settings and damaged checkpoints.

    Raises:
        InputError: the run cannot go on under this config or with these data.
        StorageError: there are checkpoints, and none can be read.
    """
    faults: list[DamagedCheckpointError] = []
    for step in checkpoints.steps():
        try:
            checkpoints.check(step)
            saved = checkpoints.progress(step)
            changes = check_resumable(saved, config, fingerprint)
            state = checkpoints.restore(step, shapes)
        except DamagedCheckpointError as error:
            faults.append(error)
            continue
        for fault in faults:
            aside = checkpoints.set_aside(fault.step)
            say(f"{fault.what}; it is set aside as {aside}, and step {step} is taken instead")
        for change in changes:
            say(f"changed since step {saved.step}: {change}")
        return saved, state
    if faults:
        raise no_valid_checkpoint(checkpoints.directory, faults)
    return None
