"""The progress report of a run: loss, throughput, utilization and remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import jax
from jax.sharding import Mesh

from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.datasets.protocol import Split
from multiturn.jaxformer.run.flops import flops_per_token, peak_flops
from multiturn.jaxformer.run.metrics import MetricsWriter
from multiturn.models.plan import plan_of

__all__ = ["StepValues", "ProgressReporter"]

StepValues = dict[str, float | None]
"""The metrics of one step, by name; None for a mean over no target."""


class ProgressReporter:
    """Reports loss, throughput in tokens per second, model FLOPs utilization and remaining time.

    Args:
        config: of the run.
        mesh: of the run.
        done: steps completed before.
        native: whether its step uses the native kernels.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        config: TrainConfig,
        mesh: Mesh,
        *,
        done: int,
        native: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._clock = config, clock
        self._devices = mesh.devices.size
        device = jax.local_devices()[0]
        peak = config.watch.peak_flops or peak_flops(
            device, config.precision.compute, native=native
        )
        # Virtual devices share one CPU, so its peak counts once.
        shares = len(jax.local_devices()) if device.platform == "cpu" else 1
        self._peak = peak * self._devices / shares
        self._per_token = flops_per_token(config.model, config.batch.length, config.lora)
        self._reported_at, self._reported_step = clock(), done
        self._compiled = False

    def heading(self, split: Split) -> str:
        """A description of the run in one line."""
        config = self._config
        parameters = plan_of(config.name, config.model).parameters
        return (
            f"{config.name}: {parameters / 1e6:.1f}M parameters, {split.train.count:,} sequences "
            f"of {config.batch.length}, {config.batch.tokens:,} tokens per step, "
            f"{config.steps:,} steps, "
            f"{self._devices} {jax.devices()[0].platform} device(s), "
            f"{jax.process_count()} process(es), to {config.directory}"
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Excludes the time inside its context from the throughput."""
        begin = self._clock()
        yield
        self._reported_at += self._clock() - begin

    def report(
        self,
        finished: list[tuple[int, StepValues]],
        write_metrics: MetricsWriter,
        say: Callable[[str], None],
    ) -> None:
        """Write the metrics of the newest finished step and print its line."""
        if not finished:
            return
        number, values = finished[-1]
        now = self._clock()
        seconds = max(now - self._reported_at, 1e-9) / (number - self._reported_step)
        self._reported_at, self._reported_step = now, number
        rate = self._config.batch.tokens / seconds
        utilization = rate * self._per_token / self._peak
        write_metrics(
            number,
            {**values, "tokens_per_second": rate, "model_flops_utilisation": utilization},
        )
        left = timedelta(seconds=round(seconds * (self._config.steps - number)))
        # The first interval is mostly compilation, so its speed is not shown.
        speed = f"{rate:,.0f} tokens/s  MFU {utilization:.1%}  left {left}"
        # A batch without counted targets has no loss; the newest other loss is shown.
        losses = [loss for _, each in finished if (loss := each["loss"]) is not None]
        loss_text = f"{losses[-1]:.4f}" if losses else "of nothing"
        say(
            f"step {number}/{self._config.steps}  loss {loss_text}  "
            + (speed if self._compiled else "(compiled)")
        )
        self._compiled = True
