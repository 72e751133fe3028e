"""What a training run is: one tree of frozen dataclasses, checked when made.

A recipe is a Python file that makes a `TrainConfig`; ``key=value`` on the command line
changes single values of it (`apply_overrides`), and every checkpoint carries it as JSON.
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
    """The learning rate: linear warm-up from 0, cosine from `peak` to `end`, then flat.

    Attributes:
        peak: the greatest rate, reached after `warmup_steps`.
        end: the rate from `decay_steps` on.
        warmup_steps: steps of the warm-up.
        decay_steps: the step, counted from the start, at which the cosine arrives.
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
    """AdamW and the clip in front of it; the paper's figures are the defaults.

    Attributes:
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        epsilon: added to the root of the squares.
        decay: decoupled weight decay, of the arrays whose `ParameterSpec.decay` is true.
        clip: the greatest global norm of a gradient.
        z_loss: the factor of logZ^2 in the loss.
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
    """One step's data, over all devices and hosts together.

    Attributes:
        sequences: in the global batch.
        length: tokens that each sequence predicts.
        accumulate: in how many parts, one after the other, the batch is computed; the
            gradient is that of the whole.
        inside_documents: attention stays inside a document of a packed sequence.
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
        """Tokens of one step."""
        return self.sequences * self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionConfig:
    """Numbers and memory.

    Attributes:
        compute: of activations and of the weights that products read; the master weights,
            the gradient's sum and the optimizer's state are float32 always.
        remat: what the backward pass computes again instead of keeping: ``none``; ``full``,
            each block but its input; ``dots``, each block but its matrix products.
        loss_bytes: most memory for the logits of one slice of the loss, on one device.
        kernels: what computes products and attention: ``xla``; ``native``, this project's
            own on one CPU device, compiled at first use; ``auto``, native for bfloat16 on
            one CPU device where a compiler is found.
    """

    compute: Dtype = "bfloat16"
    remat: Remat = "none"
    loss_bytes: int = 2**27
    kernels: Kernels = "auto"

    def __post_init__(self) -> None:
        _check(("loss_bytes", self.loss_bytes, self.loss_bytes >= 1, "1 or more"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshConfig:
    """Devices along each axis of the mesh; one of them may be -1: all that are left.

    Attributes:
        data: copies of the model, each with its part of the batch.
        fsdp: parts of the batch that also share the weights and the optimizer's state.
        tensor: parts of each matrix, by heads and feed-forward columns.
        sequence: parts of each sequence.
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
                fix="only one can take all devices that are left",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsConfig:
    """Several processes, each with its devices, as one run; JAX's own runtime joins them.

    Attributes:
        processes: 1 is alone; None asks SLURM, Kubernetes or Open MPI what there is, and is
            alone where none of them started this process.
        process: the number of this one, where `processes` is given by hand.
        coordinator: ``host:port`` of process 0, where `processes` is given by hand.
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
                "several processes given by hand need hosts.process and hosts.coordinator",
                fix="give both, or hosts.processes=null to ask the scheduler",
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
    """Where the training sequences come from.

    Attributes:
        path: a directory of text files, a JSONL file of multi-turn records, or a directory
            of packed shards.
        kind: which of these.
        pattern: the text files below the directory.
        exclude: patterns of names below it that are left out.
        tokenizer: a directory with ``tokenizer.json``, a GGUF file, or the name of a known
            model; or ``train:N``, a new vocabulary of N tokens, trained on the training files
            and kept with the run.
        held_out: the share of files, chosen by their names, that is kept for evaluation.
        held_out_path: packed shards or records for evaluation, instead of a share.
        most_bytes: larger text files are left out.
        seed: of the order of sequences.
        skip: batches never trained on, by number from 0: ``(first, last)`` pairs.
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
    """What is kept of a run.

    Attributes:
        every: steps between checkpoints; the last step always makes one.
        keep_last: how many of the newest stay.
        keep_every: checkpoints at multiples of this step stay for good; 0 keeps none.
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
class WatchConfig:
    """What is told of a run while it goes.

    Attributes:
        log_every: steps between lines of metrics.
        evaluate_every: steps between evaluations on held-out data; 0 is never.
        evaluate_sequences: most sequences of one evaluation.
        prompts: texts continued at every evaluation.
        prompt_tokens: length of such a continuation.
        spike: a loss above this many times the running mean stops the run; 0 is off. A
            loss that is no number stops it always.
        profile: the first and last step of a profiler trace, written to ``profile/``.
        peak_flops: of one device, for the utilisation; None looks the device up, or
            measures a matrix product on it.
        tensorboard: write event files as well.
        wandb: the project to send metrics to as well.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A whole run.

    Attributes:
        name: of the run, in logs.
        out: directory of checkpoints, metrics and the config itself.
        model: the decoder.
        data: where sequences come from.
        batch: of one step.
        steps: how many.
        schedule: of the learning rate.
        optimizer: AdamW.
        precision: types of parameters and computation.
        mesh: devices along each axis.
        hosts: how several processes find each other.
        checkpoint: when checkpoints are saved.
        watch: logging and the detection of loss spikes.
        start: weights to begin with: a run's directory (its newest checkpoint), a
            checkpoint in the hub's layout, a GGUF file, or the name of a known model; the
            optimizer is fresh and the step 0. None draws new weights from `seed`.
        lora: train small factors beside the matrices of `start`, which stay as they are;
            None trains every array.
        seed: of first weights, and with the step's number of everything drawn later.
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
    watch: WatchConfig = WatchConfig()
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
        """`out`, with ``~`` read."""
        return Path(self.out).expanduser()


def apply_overrides(config: TrainConfig, assignments: Iterable[str]) -> TrainConfig:
    """The config with ``key=value`` changes, each key a dotted path.

    A value is read as its key needs it: text as it stands, so that ``**/*.py`` needs no quotes
    of YAML's, and anything else as YAML 1.2.

    Raises:
        InputError: no ``=``, a key that is not there (with the nearest ones) or stands twice, a
            value of the wrong type, or one that the config refuses.

    Example:
        >>> overridden(config, ["schedule.peak=1e-3", "steps=200"])  # doctest: +SKIP
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
