"""Writers of a run's metrics: JSON lines always, TensorBoard and wandb on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from multiturn.core.errors import MissingDependencyError, storage_errors
from multiturn.core.records import to_plain
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.run.directory import RunDirectory

__all__ = ["MetricsWriter", "open_metrics_writers"]

MetricsWriter = Callable[[int, Mapping[str, Any]], None]
"""Writes the metrics of a step, by name; texts go only to the JSON lines."""


@contextmanager
def open_metrics_writers(
    directory: RunDirectory, config: TrainConfig, *, is_main: bool
) -> Iterator[MetricsWriter]:
    """Open the writers of a config; only the main process writes.

    Raises:
        MissingDependencyError: the package of an optional writer is not installed.
        StorageError: the metrics cannot be written.
    """
    if not is_main:
        yield lambda _step, _metrics: None
        return
    with ExitStack() as stack:
        writers = [_json_lines(directory, stack)]
        if config.watch.tensorboard:
            writers.append(_tensorboard(directory, stack))
        if config.watch.wandb:
            writers.append(_wandb(config, stack))

        def write_all(step: int, metrics: Mapping[str, Any]) -> None:
            for write in writers:
                write(step, metrics)

        yield write_all


def _json_lines(directory: RunDirectory, stack: ExitStack) -> MetricsWriter:
    # Unbuffered, so closing the file cannot fail to write.
    with storage_errors(directory.metrics, "opening the metrics"):
        file = stack.enter_context(directory.metrics.open("ab", buffering=0))

    def write(step: int, metrics: Mapping[str, Any]) -> None:
        line = (json.dumps({"step": step, **metrics}) + "\n").encode("utf-8")
        with storage_errors(directory.metrics, "writing the metrics"):
            while line:
                line = line[file.write(line) :]

    return write


def _tensorboard(directory: RunDirectory, stack: ExitStack) -> MetricsWriter:
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "tensorboardX", extra="watch", purpose="writing TensorBoard files"
        ) from error
    writer = SummaryWriter(str(directory.path / "tensorboard"))
    stack.callback(writer.close)

    def write(step: int, metrics: Mapping[str, Any]) -> None:
        for name, value in _numbers(metrics).items():
            writer.add_scalar(name, value, step)

    return write


def _wandb(config: TrainConfig, stack: ExitStack) -> MetricsWriter:
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

    def write(step: int, metrics: Mapping[str, Any]) -> None:
        run.log(_numbers(metrics), step=step)

    return write


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}
