"""The config of a training run: a tree of frozen dataclasses, validated when made.

A recipe is a Python file that makes a `TrainConfig`. ``key=value`` on the command line overrides
single values (`apply_overrides`), and every checkpoint saves the config as JSON. The field names
are the keys of those files and of the command line, so they stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

from multiturn.core.errors import InputError, nearest
from multiturn.core.records import key_of, read_record, to_plain
from multiturn.jaxformer.overrides import parse_overrides, parse_value
from multiturn.models.config import DecoderConfig
from multiturn.models.lora import LoraConfig

__all__ = [
    "BatchConfig",
    "CheckpointConfig",
    "DataConfig",
    "HostsConfig",
    "LoggingConfig",
    "MeshConfig",
    "OptimizerConfig",
    "PrecisionConfig",
    "ScheduleConfig",
    "TrainConfig",
    "WatchConfig",
    "apply_overrides",
]

Dtype = Literal["float32", "bfloat16"]
Remat = Literal["none", "full", "dots"]
Kernels = Literal["auto", "xla", "native"]


def _check(*rules: tuple[str, Any, bool, str]) -> None:
    for name, value, good, allowed in rules:
        if not good:
            raise InputError(f"{name} is out of range", got=value, allowed=allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """The learning rate schedule: linear warm-up from 0, cosine decay to `end`, then constant.

    Attributes:
        peak: the maximum learning rate, reached after `warmup_steps`.
        end: the learning rate from step `decay_steps`.
        warmup_steps: steps of the warm-up.
        decay_steps: the step, counted from 0, at which the cosine decay ends.
    """

    peak: float
    end: float
    warmup_steps: int
    decay_steps: int

    def __post_init__(self) -> None:
        _check(
            ("peak", self.peak, self.peak > 0, "above 0"),
            ("end", self.end, 0 <= self.end <= self.peak, f"0 to the peak, {self.peak}"),
            ("warmup_steps", self.warmup_steps, self.warmup_steps >= 0, "0 or more"),
            (
                "decay_steps",
                self.decay_steps,
                self.decay_steps > self.warmup_steps,
                f"more than the warm-up's {self.warmup_steps}",
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """AdamW and gradient clipping; the defaults are the hyperparameters of the paper.

    Attributes:
        b1: decay of the first moment.
        b2: decay of the second moment.
        epsilon: added to the root of the second moment.
        decay: decoupled weight decay, of the arrays whose `ParameterSpec.decay` is true.
        clip: the maximum global norm of the gradient.
        z_loss: the coefficient of logZ^2 in the loss.
    """

    b1: float = 0.9
    b2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.1
    clip: float = 1.0
    z_loss: float = 1e-4

    def __post_init__(self) -> None:
        _check(
            ("b1", self.b1, 0 <= self.b1 < 1, "0 to below 1"),
            ("b2", self.b2, 0 <= self.b2 < 1, "0 to below 1"),
            ("epsilon", self.epsilon, self.epsilon > 0, "above 0"),
            ("decay", self.decay, self.decay >= 0, "0 or more"),
            ("clip", self.clip, self.clip > 0, "above 0"),
            ("z_loss", self.z_loss, self.z_loss >= 0, "0 or more"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """The global batch of one step, over all devices and hosts.

    Attributes:
        sequences: in the global batch.
        length: target tokens of each sequence.
        accumulate: gradient accumulation steps. The batch is computed in this many
            microbatches, one after another; the gradient is that of the full batch.
        inside_documents: intra-document masking, which keeps attention inside each document of
            a packed sequence.
    """

    sequences: int
    length: int
    accumulate: int = 1
    inside_documents: bool = False

    def __post_init__(self) -> None:
        _check(
            ("sequences", self.sequences, self.sequences >= 1, "1 or more"),
            ("length", self.length, self.length >= 1, "1 or more"),
            (
                "accumulate",
                self.accumulate,
                self.accumulate >= 1 and self.sequences % max(self.accumulate, 1) == 0,
                f"a divisor of the {self.sequences} sequences",
            ),
        )

    @property
    def tokens(self) -> int:
        """Target tokens of one step."""
        return self.sequences * self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionConfig:
    """Precision, memory and kernels.

    Attributes:
        compute: the dtype of activations and of weights in matrix products. Master weights,
            accumulated gradients and optimizer state are always float32.
        remat: rematerialization, what the backward pass recomputes: ``none``; ``full``, each
            block from its input; ``dots``, each block except its matrix products.
        loss_bytes: maximum memory for the logits of one chunk of the loss, on one device.
        kernels: what computes matrix products and attention: ``xla``; ``native``, this project's
            kernels for one CPU device, compiled at first use; ``auto``, the faster of them on
            one CPU device, measured once on each machine (always XLA for small float32 models).
    """

    compute: Dtype = "bfloat16"
    remat: Remat = "none"
    loss_bytes: int = 2**27
    kernels: Kernels = "auto"

    def __post_init__(self) -> None:
        _check(("loss_bytes", self.loss_bytes, self.loss_bytes >= 1, "1 or more"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshConfig:
    """Devices along each mesh axis; one axis may be -1 and takes all remaining devices.

    Attributes:
        data: data parallelism: replicas of the model, each with its share of the batch.
        fsdp: fully sharded data parallelism, which also shards weights and optimizer state.
        tensor: tensor parallelism over heads and MLP columns.
        sequence: sequence parallelism.
    """

    data: int = -1
    fsdp: int = 1
    tensor: int = 1
    sequence: int = 1

    def __post_init__(self) -> None:
        sizes = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, size in sizes.items():
            _check((f"mesh axis {name}", size, size >= 1 or size == -1, "1 or more, or -1"))
        if sum(size == -1 for size in sizes.values()) > 1:
            raise InputError(
                "two mesh axes are -1",
                got=", ".join(name for name, size in sizes.items() if size == -1),
                fix="only one axis can take the remaining devices",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsConfig:
    """Distributed training: several processes, each with its devices, as one run.

    Attributes:
        processes: how many. None detects them from SLURM, Kubernetes or Open MPI, and is 1
            if none of these started this process.
        process: the index of this process; only with `processes` above 1.
        coordinator: ``host:port`` of process 0; only with `processes` above 1.
    """

    processes: int | None = 1
    process: int | None = None
    coordinator: str | None = None

    def __post_init__(self) -> None:
        if self.processes is None or self.processes == 1:
            return
        _check(("hosts.processes", self.processes, self.processes >= 1, "1 or more"))
        if self.process is None or self.coordinator is None:
            raise InputError(
                "hosts.processes above 1 needs hosts.process and hosts.coordinator",
                fix="set both, or hosts.processes=null to detect them from the scheduler",
            )
        _check(
            (
                "hosts.process",
                self.process,
                0 <= self.process < self.processes,
                f"0 to {self.processes - 1}",
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The training and validation data.

    Attributes:
        path: a directory of text files, a JSONL file of multi-turn records, or a directory
            of packed shards.
        kind: which of these.
        pattern: glob of the text files in the directory.
        exclude: globs of text files to leave out.
        tokenizer: a directory with ``tokenizer.json``, a GGUF file, or the name of a known
            model; or ``train:N``, a new vocabulary of N tokens, trained on the training files
            and saved with the run.
        held_out: the validation share of the files, selected by a hash of their names.
        held_out_path: packed shards or records for validation, instead of a share.
        most_bytes: the maximum size of a text file; larger ones are left out.
        seed: of the shuffle.
        skip: batches to leave out, as ``(first, last)`` pairs of batch numbers from 0.
    """

    path: str
    kind: Literal["text", "records", "packed"] = "text"
    pattern: str = "**/*.py"
    exclude: tuple[str, ...] = ()
    tokenizer: str = ""
    held_out: float = 0.05
    held_out_path: str | None = None
    most_bytes: int = 2**20
    seed: int = 0
    skip: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        _check(
            ("held_out", self.held_out, 0 <= self.held_out < 1, "0 to below 1"),
            ("most_bytes", self.most_bytes, self.most_bytes >= 1, "1 or more"),
            ("data.seed", self.seed, 0 <= self.seed < 2**32, "0 to 4294967295"),
        )
        for first, last in self.skip:
            _check(("data.skip", f"{first}-{last}", 0 <= first <= last, "first to last"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    """When checkpoints are written and how long they are retained.

    Attributes:
        every: steps between checkpoints; the last step always writes one.
        keep_last: how many of the newest checkpoints to retain.
        keep_every: retain checkpoints at multiples of this step for good; 0 is off.
    """

    every: int = 1_000
    keep_last: int = 2
    keep_every: int = 0

    def __post_init__(self) -> None:
        _check(
            ("checkpoint.every", self.every, self.every >= 1, "1 or more"),
            ("keep_last", self.keep_last, self.keep_last >= 1, "1 or more"),
            ("keep_every", self.keep_every, self.keep_every >= 0, "0 or more"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingConfig:
    """Logging, validation, loss-spike detection and profiling during a run.

    Attributes:
        log_every: steps between logged metrics.
        evaluate_every: steps between validations; 0 validates only at the end.
        evaluate_sequences: maximum sequences of each validation group.
        prompts: texts to continue at every validation.
        prompt_tokens: tokens of each continuation.
        spike: a loss above this multiple of the running mean, and more than 5 standard deviations
            above it, is a loss spike and stops the run; 0 is off. A loss that is not finite always
            stops it.
        profile: the first and last step of a profiler trace, written to ``profile/``.
        peak_flops: of one device, for model FLOPs utilization; None looks the device up, or
            measures a matrix product on it.
        tensorboard: also write TensorBoard event files.
        wandb: also send metrics to this wandb project.
    """

    log_every: int = 10
    evaluate_every: int = 0
    evaluate_sequences: int = 64
    prompts: tuple[str, ...] = ()
    prompt_tokens: int = 48
    spike: float = 2.0
    profile: tuple[int, int] | None = None
    peak_flops: float | None = None
    tensorboard: bool = False
    wandb: str | None = None

    def __post_init__(self) -> None:
        _check(
            ("log_every", self.log_every, self.log_every >= 1, "1 or more"),
            ("evaluate_every", self.evaluate_every, self.evaluate_every >= 0, "0 or more"),
            ("evaluate_sequences", self.evaluate_sequences, self.evaluate_sequences >= 1, "1 on"),
            ("spike", self.spike, self.spike == 0 or self.spike > 1, "above 1, or 0"),
        )


WatchConfig = LoggingConfig
"""The earlier name of `LoggingConfig`, which recipes import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A training run.

    Attributes:
        name: of the run, in logs.
        out: the run's directory, with checkpoints, metrics and the config.
        model: the decoder's architecture.
        data: training and validation data.
        batch: of one step.
        steps: how many to train.
        schedule: of the learning rate.
        optimizer: AdamW.
        precision: dtypes, rematerialization and kernels.
        mesh: devices along each axis.
        hosts: processes of a distributed run.
        checkpoint: when to write checkpoints and which to retain.
        watch: logging and validation.
        start: initial weights (init from): a run's directory (its newest checkpoint), a
            checkpoint in the hub's layout, a GGUF file, or the name of a known model. The
            optimizer state is new and the step 0. None initializes the weights from `seed`.
        lora: train LoRA factors beside the matrices of `start`, which are frozen; None trains
            every array.
        seed: of the initial weights and, with the step, of everything drawn later.
    """

    name: str
    out: str
    model: DecoderConfig
    data: DataConfig
    batch: BatchConfig
    steps: int
    schedule: ScheduleConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: PrecisionConfig = PrecisionConfig()
    mesh: MeshConfig = MeshConfig()
    hosts: HostsConfig = HostsConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    watch: LoggingConfig = LoggingConfig()
    start: str | None = None
    lora: LoraConfig | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _check(
            ("steps", self.steps, self.steps >= 1, "1 or more"),
            ("seed", self.seed, 0 <= self.seed < 2**31, "0 to 2147483647"),
            (
                "batch.length",
                self.batch.length,
                self.batch.length <= self.model.max_seq_len,
                f"up to the model's context, {self.model.max_seq_len}",
            ),
        )

    @property
    def directory(self) -> Path:
        """`out`, with ``~`` expanded."""
        return Path(self.out).expanduser()


def apply_overrides(config: TrainConfig, assignments: Iterable[str]) -> TrainConfig:
    """The config with ``key=value`` overrides, each key a dotted path.

    The type of the setting decides how a value is parsed: text is taken literally, so
    ``**/*.py`` needs no YAML quotes, and anything else is YAML 1.2.

    Raises:
        InputError: no ``=``, an unknown key (with the nearest ones) or a repeated one, a value of
            the wrong type, or one that the config refuses.

    Example:
        >>> apply_overrides(config, ["schedule.peak=1e-3", "steps=200"])  # doctest: +SKIP
    """
    plain = to_plain(config)
    known = _keys(config)
    for key, text in parse_overrides(assignments).items():
        if key not in known:
            raise _unknown_key(key, known)
        *parents, last = key.split(".")
        place = plain
        for parent in parents:
            place = place[parent]
        place[last] = parse_value(key, text, known[key])
    return read_record(plain, TrainConfig, where="config")


def _keys(record: Any, prefix: str = "") -> Mapping[str, Any]:
    """The dotted keys of all settings, with the types of their values."""
    found: dict[str, Any] = {}
    kinds = get_type_hints(type(record))
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            found |= _keys(value, f"{prefix}{key_of(field)}.")
        else:
            found[prefix + key_of(field)] = kinds[field.name]
    return found


def _unknown_key(key: str, known: Iterable[str]) -> InputError:
    last = key.rpartition(".")[2]
    near = [name for name in known if name.rpartition(".")[2] == last] or nearest(key, known)
    return InputError(
        "unknown setting",
        got=key,
        allowed="the keys that --show prints",
        fix=f"did you mean {' or '.join(near[:3])}?" if near else None,
    )
