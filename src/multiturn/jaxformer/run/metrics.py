"""Where a run's figures go: JSON lines always; TensorBoard and wandb where asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from multiturn.core.errors import MissingDependencyError, storage_errors
from multiturn.core.records import to_plain
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.run.directory import RunDirectory

__all__ = ["Record", "open_metrics_writers"]

Record = Callable[[int, Mapping[str, Any]], None]
"""Takes a step and its figures, by name; texts among them go to the JSON lines alone."""


@contextmanager
def open_metrics_writers(
    directory: RunDirectory, config: TrainConfig, *, first: bool
) -> Iterator[Record]:
    """Open every place that the config asks for; only the run's first process writes.

    Raises:
        MissingDependencyError: the package of an optional place is not installed.
        StorageError: the lines cannot be written.
    """
    if not first:
        yield lambda _step, _figures: None
        return
    with ExitStack() as stack:
        places = [_json_lines(directory, stack)]
        if config.watch.tensorboard:
            places.append(_tensorboard(directory, stack))
        if config.watch.wandb:
            places.append(_wandb(config, stack))

        def record(step: int, figures: Mapping[str, Any]) -> None:
            for place in places:
                place(step, figures)

        yield record


def _json_lines(directory: RunDirectory, stack: ExitStack) -> Record:
    # Unbuffered: nothing is left over that closing the file could fail to write.
    with storage_errors(directory.metrics, "opening the metrics"):
        file = stack.enter_context(directory.metrics.open("ab", buffering=0))

    def write(step: int, figures: Mapping[str, Any]) -> None:
        line = (json.dumps({"step": step, **figures}) + "\n").encode("utf-8")
        with storage_errors(directory.metrics, "writing the metrics"):
            while line:
                line = line[file.write(line) :]

    return write


def _tensorboard(directory: RunDirectory, stack: ExitStack) -> Record:
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "tensorboardX", extra="watch", purpose="writing TensorBoard files"
        ) from error
    writer = SummaryWriter(str(directory.path / "tensorboard"))
    stack.callback(writer.close)

    def write(step: int, figures: Mapping[str, Any]) -> None:
        for name, value in _numbers(figures).items():
            writer.add_scalar(name, value, step)

    return write


def _wandb(config: TrainConfig, stack: ExitStack) -> Record:
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "wandb", extra="watch", purpose="sending metrics to wandb"
        ) from error
    run = wandb.init(
        project=config.watch.wandb, name=config.name, config=to_plain(config), resume="allow"
    )
    stack.callback(run.finish)

    def write(step: int, figures: Mapping[str, Any]) -> None:
        run.log(_numbers(figures), step=step)

    return write


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}
