"""Training, from a config to a trained model: `main` reads from top to bottom."""

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
from multiturn.jaxformer.run.checkpoints import Checkpoints, Progress, checkpoint_bytes
from multiturn.jaxformer.run.directory import RunDirectory, open_run_directory
from multiturn.jaxformer.run.loss_spikes import DivergenceError, LossSpike, LossSpikeDetector
from multiturn.jaxformer.run.metrics import Record, open_metrics_writers
from multiturn.jaxformer.run.preemption import Preemption
from multiturn.jaxformer.run.prefetch import prefetch_batches
from multiturn.jaxformer.run.progress import Figures, ProgressReporter
from multiturn.jaxformer.run.resume import restore_latest
from multiturn.jaxformer.run.validation import evaluate
from multiturn.jaxformer.run.weights import load_initial_parameters
from multiturn.jaxformer.step.state import ParameterPartition, TrainState, init_state
from multiturn.jaxformer.step.train_step import Metrics, TrainStep, make_train_step
from multiturn.models.generate import generate_reference
from multiturn.models.parameters import Parameters

__all__ = ["TrainResult", "main"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes:
        status: ``finished``; or ``preempted`` or ``interrupted``, saved and to be resumed.
        step: steps done in all.
        loss: of the last step; None where none was done.
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
    """Train, or go on training: a run's directory with checkpoints in it is resumed.

    Args:
        config: of the run.
        data: to train on instead of what the config names.
        say: is told each line of progress.
        doing: is told what is done from now on, for a line that shows that work goes on.

    Raises:
        InputError: the config, the data, the mesh and the checkpoints do not fit together,
            raised before the first step; or no token of the data counts in the loss.
        DivergenceError: the loss is no number or leapt up.
        StorageError: the disk is full, or cannot be written; or no checkpoint of the run can
            be read.
    """
    # --- Devices, and the step, which finds what the mesh does not divide ---------------
    init_distributed(config.hosts)
    first = is_main_process()
    say = say if first else _silent
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

    with open_run_directory(config.directory, first=first) as directory:
        # --- Data -----------------------------------------------------------------------
        doing("reading the data")
        split = data or open_data(
            config.data,
            length=config.batch.length,
            vocab_size=config.model.vocab_size,
            kept=directory.path,
        )
        order = IndexShuffle(
            split.train.count, config.batch.sequences, config.data.seed, config.data.skip
        )

        with Checkpoints(directory.checkpoints, config.checkpoint) as checkpoints:
            # --- State: resumed, begun from other weights, or fresh ---------------------
            doing("reading the weights" if config.start else "making the weights")
            newest: int | None = None
            if found := restore_latest(
                checkpoints, step.state, config, split.train.fingerprint, say
            ):
                saved, state = found
                newest, next_batch = saved.step, saved.next_batch
                guard = LossSpikeDetector(config.watch.spike, saved.loss_mean, saved.losses_seen)
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
                    parameters=None if config.lora else _initial_parameters(config, mesh),
                )
                next_batch, guard = 0, LossSpikeDetector(config.watch.spike)
            # Of a LoRA run the starting weights are no part of the state: read at every start.
            base = _initial_parameters(config, mesh) if config.lora else None
            kept = None if base is None else place_frozen_parameters(base, config, mesh)
            del base
            if first:
                directory.trim_metrics(newest or 0)
                directory.write_json("config.json", config)
                directory.trouble.unlink(missing_ok=True)

            # --- Train ------------------------------------------------------------------
            with (
                open_metrics_writers(directory, config, first=first) as record,
                prefetch_batches(split.train, order, next_batch, batch_sharding(mesh)) as batches,
                Preemption() as preemption,
            ):
                doing("")
                loop = _TrainLoop(
                    config, partition, kept, step, split, directory, record, say, guard
                )
                reporter = ProgressReporter(config, mesh, done=newest or 0)
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
                        state, metrics = step.train(state, batch, kept)
                    loop.pending.append((number, batch_number, metrics))
                    loop.throttle()
                    next_batch = batch_number + 1

                    leaving = preemption.wanted(number)
                    last = leaving or number == config.steps
                    saving = last or number % config.checkpoint.every == 0
                    if saving or number % config.watch.log_every == 0:
                        reporter.tell(loop.flush_metrics(), record, say)
                    if saving:
                        checkpoints.save(state, loop.progress(number, next_batch))
                    if leaving:
                        checkpoints.wait()
                        say(f"saved at step {number}; the same command goes on from there")
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


_MAX_UNCOUNTED = 1000
"""Steps without a single counted token after which a long pass is not waited for."""
_AHEAD = 2
"""Steps queued on the devices beyond the one that runs."""


def _initial_parameters(config: TrainConfig, mesh: Mesh) -> Parameters | None:
    """The weights that the config begins with, if it names some."""
    return (
        None if config.start is None else load_initial_parameters(config.start, config.model, mesh)
    )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


@dataclass
class _TrainLoop:
    """What the loop does beside its steps."""

    config: TrainConfig
    partition: ParameterPartition
    kept: Any
    step: TrainStep
    split: Split
    directory: RunDirectory
    record: Record
    say: Say
    guard: LossSpikeDetector
    pending: list[tuple[int, int, Metrics]] = field(default_factory=list)
    """Steps whose figures are still on their way from the device, with their batches."""
    last_loss: float | None = None
    _uncounted: list[tuple[int, int]] = field(default_factory=list)
    """Steps and batches without a counted token that were not told yet."""
    _last_batch: int | None = None

    def throttle(self) -> None:
        """Wait until the device is a few steps behind at most.

        Steps are queued without waiting for their results; with a whole log interval in the
        queue, a run that is told to go would not have time to save.
        """
        if len(self.pending) > _AHEAD:
            self.pending[-1 - _AHEAD][2].loss.block_until_ready()

    def flush_metrics(self) -> list[tuple[int, Figures]]:
        """Read the figures of all pending steps, and see that they are healthy.

        A batch of which no token counts has no loss: it is said, and left out of the mean.

        Raises:
            DivergenceError: one is not; nothing that came of it is ever saved.
            InputError: no token has counted so far, and none is to be expected.
        """
        settled = []
        for number, batch, metrics in self.pending:
            read = {name: float(value) for name, value in vars(metrics).items()}
            figures: Figures = dict(read)
            loss = read["loss"]
            found = self.guard.check(number, batch, self._last_batch, loss, read["gradient_norm"])
            if found:
                raise self._divergence(found)
            if read["tokens"] > 0:
                self.guard = self.guard.after(loss)
                self.last_loss = loss
            else:
                figures |= {"loss": None, "total": None}
                self._uncounted.append((number, batch))
            self._last_batch = batch
            settled.append((number, figures))
        self.pending.clear()
        self._tell_uncounted()
        return settled

    def _tell_uncounted(self) -> None:
        """Say which batches had nothing to learn from; stop a run that has none other."""
        if not self._uncounted:
            return
        number, batch = self._uncounted[-1]
        count = len(self._uncounted)
        self._uncounted.clear()
        which = f"batch {batch}" if count == 1 else f"{count} batches, the last of them {batch},"
        self.say(
            f"step {number}: no token of {which} counts in the loss; left out of the mean loss"
        )
        one_pass = -(-self.split.train.count // self.config.batch.sequences)
        if not self.guard.seen and number >= min(one_pass, self.config.steps, _MAX_UNCOUNTED):
            raise InputError(
                f"no token counted in the loss in {number} steps",
                got=self.config.data.path,
                allowed="data of which some targets have a weight above 0",
                fix="look at data.kind, and at what the data give as targets",
            )

    def progress(self, number: int, next_batch: int) -> Progress:
        """What a checkpoint after step `number` says."""
        return Progress(
            step=number,
            next_batch=next_batch,
            fingerprint=self.split.train.fingerprint,
            loss_mean=self.guard.mean,
            losses_seen=self.guard.seen,
            config=to_plain(self.config),
        )

    def evaluate(self, state: TrainState, mesh: Any, number: int) -> None:
        """Held-out figures and continued prompts, told and recorded."""
        watch, batch = self.config.watch, self.config.batch
        figures: dict[str, Any] = {}
        found = evaluate(
            self.step,
            state.parameters,
            self.split.held_out,
            mesh,
            rows=batch.sequences // batch.accumulate,
            most=watch.evaluate_sequences,
            kept=self.kept,
        )
        for group, held_out in found.items():
            figures |= held_out.figures(group)
            bits = held_out.bits_per_byte
            self.say(
                f"step {number}  held out, {group}: loss {held_out.loss:.4f}, "
                f"perplexity {held_out.perplexity:.2f}"
                + ("" if bits is None else f", {bits:.4f} bits a byte")
            )
        for group in self.split.held_out.keys() - found.keys():
            self.say(f"step {number}  held out, {group}: no token counts in the loss")
        texts = dict(self._continued(state))
        for prompt, text in texts.items():
            self.say(f"step {number}  {prompt!r} -> {text!r}")
        if figures or texts:
            self.record(number, {**figures, **({"samples": texts} if texts else {})})

    def _continued(self, state: TrainState) -> Iterator[tuple[str, str]]:
        tokenizer, watch = self.split.tokenizer, self.config.watch
        # One process cannot compute with arrays that lie on several.
        if tokenizer is None or jax.process_count() > 1:
            return
        for prompt in watch.prompts:
            written = generate_reference(
                self.partition.assemble(state.parameters, self.kept),
                self.config.model,
                tokenizer.encode(prompt),
                max_tokens=watch.prompt_tokens,
            )
            yield prompt, tokenizer.decode(written)

    def _divergence(self, trouble: LossSpike) -> DivergenceError:
        samples, data = self.split.train, self.config.data
        order = IndexShuffle(samples.count, self.config.batch.sequences, data.seed)
        origins = list(
            dict.fromkeys(
                name
                for batch in trouble.batches
                for index in order.sequences(batch)
                for name in samples.origins(index)
            )
        )
        if is_main_process():
            self.directory.write_json("trouble.json", {**to_plain(trouble), "origins": origins})
        return DivergenceError(trouble, origins, str(self.directory.trouble))


@contextmanager
def _profiled(config: TrainConfig, directory: RunDirectory, number: int) -> Iterator[None]:
    """A trace from the first to the last step that the config names."""
    window = config.watch.profile
    if window and number == window[0]:
        jax.profiler.start_trace(str(directory.profile))
    yield
    if window and number == min(window[1], config.steps) and number >= window[0]:
        stop: Any = jax.profiler.stop_trace
        stop()
