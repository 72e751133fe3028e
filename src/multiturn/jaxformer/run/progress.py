"""How fast a run goes, and the line that tells of it."""

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
from multiturn.jaxformer.run.metrics import Record
from multiturn.models.plan import plan_of

__all__ = ["Figures", "ProgressReporter"]

Figures = dict[str, float | None]
"""Of one step, by name; None for a mean over nothing."""


class ProgressReporter:
    """Tells loss, tokens a second, model FLOPs utilisation and the time left.

    Args:
        config: of the run.
        mesh: whose devices are counted.
        done: steps done before.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        config: TrainConfig,
        mesh: Mesh,
        *,
        done: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._clock = config, clock
        self._devices = mesh.devices.size
        device = jax.local_devices()[0]
        peak = config.watch.peak_flops or peak_flops(device, config.precision.compute)
        # Virtual devices of one CPU share it: what was measured on one is there but once.
        shares = len(jax.local_devices()) if device.platform == "cpu" else 1
        self._peak = peak * self._devices / shares
        self._per_token = flops_per_token(config.model, config.batch.length)
        self._told_at, self._told_step = clock(), done
        self._initial_parameters = False

    def heading(self, split: Split) -> str:
        """The run in one line."""
        config = self._config
        parameters = plan_of(config.name, config.model).parameters
        return (
            f"{config.name}: {parameters / 1e6:.1f}M parameters, {split.train.count:,} sequences "
            f"of {config.batch.length}, {config.batch.tokens:,} tokens a step, "
            f"{config.steps:,} steps, "
            f"{self._devices} {jax.devices()[0].platform} device(s), "
            f"{jax.process_count()} process(es), to {config.directory}"
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time that is not training."""
        begin = self._clock()
        yield
        self._told_at += self._clock() - begin

    def tell(
        self,
        settled: list[tuple[int, Figures]],
        record: Record,
        say: Callable[[str], None],
    ) -> None:
        """Record the newest of some finished steps and say its line."""
        if not settled:
            return
        number, figures = settled[-1]
        now = self._clock()
        seconds = max(now - self._told_at, 1e-9) / (number - self._told_step)
        self._told_at, self._told_step = now, number
        rate = self._config.batch.tokens / seconds
        utilisation = rate * self._per_token / self._peak
        record(
            number,
            {**figures, "tokens_per_second": rate, "model_flops_utilisation": utilisation},
        )
        # The first line's time is mostly that of compiling.
        left = timedelta(seconds=round(seconds * (self._config.steps - number)))
        speed = f"{rate:,.0f} tokens/s  MFU {utilisation:.1%}  left {left}"
        # Of a batch in which nothing counts there is no loss: that of the newest other is told.
        losses = [loss for _, each in settled if (loss := each["loss"]) is not None]
        told = f"{losses[-1]:.4f}" if losses else "of nothing"
        say(
            f"step {number}/{self._config.steps}  loss {told}  "
            + (speed if self._initial_parameters else "(compiled)")
        )
        self._initial_parameters = True
