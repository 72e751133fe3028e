"""Training, from a config to a trained model: read `main` from top to bottom.

A run is deterministic: stopped and resumed, it gives the same weights as in one go, bit for bit on
a CPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
from jax.sharding import Mesh

from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.datasets.open import open_data
from multiturn.jaxformer.datasets.protocol import Split
from multiturn.jaxformer.datasets.shuffle import IndexShuffle
from multiturn.jaxformer.lora.partition import make_partition, place_frozen_parameters
from multiturn.jaxformer.parallel.distributed import init_distributed, is_main_process
from multiturn.jaxformer.parallel.mesh import batch_sharding, make_mesh
from multiturn.jaxformer.run.checkpoints import CheckpointMetadata, Checkpoints, checkpoint_bytes
from multiturn.jaxformer.run.directory import RunDirectory, open_run_directory
from multiturn.jaxformer.run.loss_spikes import DivergenceError, LossSpike, LossSpikeDetector
from multiturn.jaxformer.run.metrics import MetricsWriter, open_metrics_writers
from multiturn.jaxformer.run.preemption import Preemption
from multiturn.jaxformer.run.prefetch import prefetch_batches
from multiturn.jaxformer.run.progress import ProgressReporter, StepValues
from multiturn.jaxformer.run.resume import restore_latest
from multiturn.jaxformer.run.validation import evaluate
from multiturn.jaxformer.run.weights import load_initial_parameters
from multiturn.jaxformer.step.state import ParameterPartition, TrainState, init_state
from multiturn.jaxformer.step.train_step import StepMetrics, TrainStep, make_train_step
from multiturn.models.generate import generate_reference
from multiturn.models.parameters import Parameters

__all__ = ["TrainResult", "main"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes:
        status: ``finished``; or ``preempted`` or ``interrupted``, saved and resumable.
        step: completed steps in total.
        loss: of the last step; None if this call completed none.
    """

    status: Literal["finished", "preempted", "interrupted"]
    step: int
    loss: float | None


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    del line


def main(
    config: TrainConfig,
    *,
    data: Split | None = None,
    say: Say = _to_stderr,
    doing: Say = _silent,
) -> TrainResult:
    """Train, or resume the run in `config.out` from its newest checkpoint.

    Args:
        config: of the run.
        data: to train on, instead of the config's data.
        say: called with each line of progress.
        doing: called with the name of each activity as it begins.

    Raises:
        InputError: the config, the data, the mesh or the checkpoints do not fit together,
            raised before the first step; or no token of the data counts in the loss.
        DivergenceError: the loss is not finite, or spiked.
        StorageError: the disk is full or cannot be written, or no checkpoint of the run can
            be read.
    """
    # --- Devices and the train step, which checks what the mesh must divide --------------
    init_distributed(config.hosts)
    is_main = is_main_process()
    say = say if is_main else _silent
    mesh = make_mesh(config.mesh)
    partition = make_partition(config)
    step = make_train_step(
        partition,
        mesh,
        batch=config.batch,
        schedule=config.schedule,
        optimizer=config.optimizer,
        precision=config.precision,
    )

    with open_run_directory(config.directory, is_main=is_main) as directory:
        # --- Data -----------------------------------------------------------------------
        doing("reading the data")
        split = data or open_data(
            config.data,
            length=config.batch.length,
            vocab_size=config.model.vocab_size,
            run_directory=directory.path,
        )
        shuffle = IndexShuffle(
            split.train.count, config.batch.sequences, config.data.seed, config.data.skip
        )

        with Checkpoints(directory.checkpoints, config.checkpoint) as checkpoints:
            # --- State: resumed, or initialized from other weights or a seed ------------
            doing("reading the weights" if config.start else "making the weights")
            newest: int | None = None
            if found := restore_latest(
                checkpoints, step.state, config, split.train.fingerprint, say
            ):
                saved, state = found
                newest, next_batch = saved.step, saved.next_batch
                spike_detector = LossSpikeDetector(
                    config.watch.spike,
                    saved.loss_mean,
                    saved.losses_seen,
                    saved.loss_variance,
                )
                say(f"resumed at step {newest} of {config.steps}")
            else:
                checkpoints.check_disk_space(
                    checkpoint_bytes(step.state), config.checkpoint.keep_last
                )
                state = init_state(
                    partition,
                    step.optimizer,
                    mesh,
                    config.seed,
                    parameters=None if config.lora else _load_start(config, mesh),
                )
                next_batch, spike_detector = 0, LossSpikeDetector(config.watch.spike)
            # The frozen weights of a LoRA run are not in its checkpoints.
            base = _load_start(config, mesh) if config.lora else None
            frozen_parameters = (
                None if base is None else place_frozen_parameters(base, config, mesh)
            )
            del base
            if is_main:
                directory.trim_metrics(newest or 0)
                directory.write_json("config.json", config)
                directory.loss_spike_report.unlink(missing_ok=True)

            # --- Train ------------------------------------------------------------------
            with (
                open_metrics_writers(directory, config, is_main=is_main) as write_metrics,
                prefetch_batches(split.train, shuffle, next_batch, batch_sharding(mesh)) as batches,
                Preemption() as preemption,
            ):
                doing("")
                loop = _TrainLoop(
                    config,
                    partition,
                    frozen_parameters,
                    step,
                    split,
                    directory,
                    write_metrics,
                    say,
                    spike_detector,
                )
                reporter = ProgressReporter(config, mesh, done=newest or 0, native=step.native)
                say(reporter.heading(split))
                if newest is None and config.start is not None and config.watch.evaluate_every:
                    doing("evaluating")
                    with reporter.paused():
                        loop.evaluate(state, mesh, 0)
                for number in range((newest or 0) + 1, config.steps + 1):
                    first_step = number == (newest or 0) + 1
                    doing("compiling the first step" if first_step else f"step {number}")
                    batch_number, batch = next(batches)
                    with _profiled(config, directory, number):
                        state, metrics = step.train(state, batch, frozen_parameters)
                    loop.pending.append((number, batch_number, metrics))
                    loop.throttle()
                    next_batch = batch_number + 1

                    leaving = preemption.requested(number)
                    last = leaving or number == config.steps
                    saving = last or number % config.checkpoint.every == 0
                    if saving or number % config.watch.log_every == 0:
                        reporter.report(loop.flush_metrics(), write_metrics, say)
                    if saving:
                        checkpoints.save(state, loop.metadata(number, next_batch))
                    if leaving:
                        checkpoints.wait()
                        say(f"saved at step {number}; the same command resumes the run")
                        return TrainResult(
                            "interrupted" if preemption.by_keyboard else "preempted",
                            number,
                            loop.last_loss,
                        )
                    if _due(number, config.watch.evaluate_every) or number == config.steps:
                        doing("evaluating")
                        with reporter.paused():
                            loop.evaluate(state, mesh, number)
    return TrainResult("finished", max(config.steps, newest or 0), loop.last_loss)


_MAX_MASKED_STEPS = 1000
"""A run without a single counted token stops after this many steps, or one epoch if shorter."""
_MAX_QUEUED_STEPS = 2
"""Steps queued on the devices beyond the running one."""


def _load_start(config: TrainConfig, mesh: Mesh) -> Parameters | None:
    """The weights that `config.start` names, if any."""
    return (
        None if config.start is None else load_initial_parameters(config.start, config.model, mesh)
    )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


@dataclass
class _TrainLoop:
    """The loop's bookkeeping between steps."""

    config: TrainConfig
    partition: ParameterPartition
    frozen_parameters: Any
    step: TrainStep
    split: Split
    directory: RunDirectory
    write_metrics: MetricsWriter
    say: Say
    spike_detector: LossSpikeDetector
    pending: list[tuple[int, int, StepMetrics]] = field(default_factory=list)
    """Steps and batches whose metrics are still on the device."""
    last_loss: float | None = None
    _masked: list[tuple[int, int]] = field(default_factory=list)
    """Steps and batches without a counted token that were not reported yet."""
    _last_batch: int | None = None

    def throttle(self) -> None:
        """Limit the steps queued on the devices.

        Steps are dispatched asynchronously. With a full logging interval in the queue, a
        preempted run would not have time to save.
        """
        if len(self.pending) > _MAX_QUEUED_STEPS:
            self.pending[-1 - _MAX_QUEUED_STEPS][2].loss.block_until_ready()

    def flush_metrics(self) -> list[tuple[int, StepValues]]:
        """Read the metrics of all pending steps and check them for loss spikes.

        A batch without a counted token has no loss; it is reported and left out of the mean.

        Raises:
            DivergenceError: the loss of a step is not finite or spiked; the step is never saved.
            InputError: no token has counted so far.
        """
        finished = []
        for number, batch, metrics in self.pending:
            read = metrics.read()
            values: StepValues = dict(read)
            loss = read["loss"]
            found = self.spike_detector.check(
                number, batch, self._last_batch, loss, read["gradient_norm"]
            )
            if found:
                raise self._divergence(found)
            if read["tokens"] > 0:
                self.spike_detector = self.spike_detector.updated(loss)
                self.last_loss = loss
            else:
                values |= {"loss": None, "total": None}
                self._masked.append((number, batch))
            self._last_batch = batch
            finished.append((number, values))
        self.pending.clear()
        self._report_masked()
        return finished

    def _report_masked(self) -> None:
        """Report batches without a counted token; stop a run that has only such batches."""
        if not self._masked:
            return
        number, batch = self._masked[-1]
        count = len(self._masked)
        self._masked.clear()
        which = f"batch {batch}" if count == 1 else f"{count} batches, the last of them {batch},"
        self.say(
            f"step {number}: no token of {which} counts in the loss; left out of the mean loss"
        )
        one_epoch = -(-self.split.train.count // self.config.batch.sequences)
        if not self.spike_detector.seen and number >= min(
            one_epoch, self.config.steps, _MAX_MASKED_STEPS
        ):
            raise InputError(
                f"no token counted in the loss in {number} steps",
                got=self.config.data.path,
                allowed="data with some targets whose loss mask is above 0",
                fix="check data.kind and the targets of the data",
            )

    def metadata(self, number: int, next_batch: int) -> CheckpointMetadata:
        """The metadata of a checkpoint after step `number`."""
        return CheckpointMetadata(
            step=number,
            next_batch=next_batch,
            fingerprint=self.split.train.fingerprint,
            loss_mean=self.spike_detector.mean,
            losses_seen=self.spike_detector.seen,
            loss_variance=self.spike_detector.variance,
            config=to_plain(self.config),
        )

    def evaluate(self, state: TrainState, mesh: Any, number: int) -> None:
        """Validate, continue the prompts, and report and write the results."""
        watch, batch = self.config.watch, self.config.batch
        values: dict[str, Any] = {}
        found = evaluate(
            self.step,
            state.parameters,
            self.split.validation,
            mesh,
            rows=batch.sequences // batch.accumulate,
            max_sequences=watch.evaluate_sequences,
            frozen_parameters=self.frozen_parameters,
        )
        for group, metrics in found.items():
            values |= metrics.named(group)
            bits = metrics.bits_per_byte
            self.say(
                f"step {number}  validation, {group}: loss {metrics.loss:.4f}, "
                f"perplexity {metrics.perplexity:.2f}"
                + ("" if bits is None else f", {bits:.4f} bits per byte")
            )
        for group in self.split.validation.keys() - found.keys():
            self.say(f"step {number}  validation, {group}: no token counts in the loss")
        texts = dict(self._continue_prompts(state))
        for prompt, text in texts.items():
            self.say(f"step {number}  {prompt!r} -> {text!r}")
        if values or texts:
            self.write_metrics(number, {**values, **({"samples": texts} if texts else {})})

    def _continue_prompts(self, state: TrainState) -> Iterator[tuple[str, str]]:
        tokenizer, watch = self.split.tokenizer, self.config.watch
        # One process cannot run a model that is sharded over several.
        if tokenizer is None or jax.process_count() > 1:
            return
        for prompt in watch.prompts:
            generated = generate_reference(
                self.partition.assemble(state.parameters, self.frozen_parameters),
                self.config.model,
                tokenizer.encode(prompt),
                max_tokens=watch.prompt_tokens,
            )
            yield prompt, tokenizer.decode(generated)

    def _divergence(self, spike: LossSpike) -> DivergenceError:
        dataset, data = self.split.train, self.config.data
        shuffle = IndexShuffle(dataset.count, self.config.batch.sequences, data.seed)
        origins = list(
            dict.fromkeys(
                name
                for batch in spike.batches
                for index in shuffle.sequences(batch)
                for name in dataset.origins(index)
            )
        )
        if is_main_process():
            self.directory.write_json("trouble.json", {**to_plain(spike), "origins": origins})
        return DivergenceError(spike, origins, str(self.directory.loss_spike_report))


@contextmanager
def _profiled(config: TrainConfig, directory: RunDirectory, number: int) -> Iterator[None]:
    """Record a profiler trace from the first to the last step that the config names."""
    window = config.watch.profile
    if window and number == window[0]:
        jax.profiler.start_trace(str(directory.profile))
    yield
    if window and number == min(window[1], config.steps) and number >= window[0]:
        stop: Any = jax.profiler.stop_trace
        stop()
