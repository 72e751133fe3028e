"""The configuration of a decoder: its sizes, and the choices in which CodeGen and Llama differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import wraps
from typing import Any, Literal, ParamSpec

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.core.records import key_of, stored_as

__all__ = [
    "CODEGEN_SIZES",
    "CODEGEN_STAGES",
    "DecoderConfig",
    "RopePairs",
    "Rotary",
    "codegen_config",
    "codegen_names",
    "llama_config",
    "named_config",
]


def _check(name: str, value: object, good: bool, allowed: str) -> None:
    if not good:
        raise InputError(f"{name} is out of range", got=value, allowed=allowed)


class RopePairs(Enum):
    """Which dimensions of a head rotate together; the values are those of saved configs."""

    INTERLEAVED = "adjacent"
    """0 with 1, 2 with 3: CodeGen and GPT-J."""
    HALF_SPLIT = "halves"
    """0 with size/2: Llama and Phi."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotary:
    """Rotary position embedding, RoPE (Su et al., arXiv 2104.09864).

    Attributes:
        size: how many leading dimensions of each head are rotated; even.
        pairs: see `RopePairs`.
        base: the wavelengths run from 2 pi to 2 pi * base.
        scaling: positions are divided by it (linear RoPE scaling); 1 is off.
    """

    size: int
    pairs: RopePairs
    base: float = 10_000.0
    scaling: float = field(default=1.0, metadata=stored_as("stretch"))

    def __post_init__(self) -> None:
        _check("rotary size", self.size, self.size > 0 and self.size % 2 == 0, "an even number")
        _check("rotary base", self.base, self.base > 1, "above 1")
        _check("rotary scaling", self.scaling, self.scaling > 0, "above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """A decoder-only transformer; `codegen_config` and `llama_config` make the usual ones.

    Attributes:
        vocab_size: rows of the embedding; may exceed the tokenizer's number of tokens.
        max_seq_len: maximum sequence length, in tokens.
        layers: number of blocks.
        d_model: width of the residual stream.
        heads: number of query heads.
        kv_heads: number of key and value heads; a divisor of `heads`.
        head_dim: dimensions of each head.
        rotary: the position embedding.
        mlp_dim: width of the MLP's hidden layer.
        parallel_residual: attention and MLP read the same normed input, and their outputs are
            added together (CodeGen); otherwise one after the other, each with its own norm.
        norm: ``layer`` has a scale and a bias, ``rms`` a scale.
        norm_eps: added to the variance in each norm.
        feed_forward: ``gelu`` (tanh form) or ``swiglu`` (a gated pair of projections).
        qkv_bias: whether the query, key and value projections have biases.
        feed_forward_bias: whether the MLP's projections have biases.
        tie_embeddings: the output head is the embedding.
        head_bias: whether the output head has a bias; not if it is tied.

    Raises:
        InputError: a size is out of range.
    """

    vocab_size: int
    max_seq_len: int = field(metadata=stored_as("context"))
    layers: int
    d_model: int = field(metadata=stored_as("width"))
    heads: int
    kv_heads: int
    head_dim: int = field(metadata=stored_as("head_size"))
    mlp_dim: int = field(metadata=stored_as("feed_forward_width"))
    rotary: Rotary
    norm: Literal["layer", "rms"]
    norm_eps: float
    feed_forward: Literal["gelu", "swiglu"]
    parallel_residual: bool = field(metadata=stored_as("parallel"))
    qkv_bias: bool
    feed_forward_bias: bool
    tie_embeddings: bool = field(metadata=stored_as("tied_head"))
    head_bias: bool

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int) and not isinstance(value, bool):
                # By its key, which is what a person sets.
                _check(key_of(each), value, value >= 1, "1 or more")
        _check(
            "kv_heads",
            self.kv_heads,
            self.heads % self.kv_heads == 0,
            f"a divisor of the {self.heads} heads",
        )
        _check(
            "rotary size",
            self.rotary.size,
            self.rotary.size <= self.head_dim,
            f"up to the head size {self.head_dim}",
        )
        _check("norm_eps", self.norm_eps, 0 < self.norm_eps < 1, "between 0 and 1")
        _check(
            "head_bias",
            self.head_bias,
            not (self.tie_embeddings and self.head_bias),
            "none when tied",
        )

    @property
    def family(self) -> Literal["codegen", "llama"]:
        """Which of the two known families the block's order belongs to."""
        return "codegen" if self.parallel_residual else "llama"


_P = ParamSpec("_P")

_FORMER_NAMES = {
    "context": "max_seq_len",
    "width": "d_model",
    "head_size": "head_dim",
    "feed_forward_width": "mlp_dim",
    "rotary_stretch": "rope_scaling",
    "tied_head": "tie_embeddings",
}


def _accepts_former_names(make: Callable[_P, DecoderConfig]) -> Callable[_P, DecoderConfig]:
    """Recipes are config files too: those written for 0.1 keep working."""

    @wraps(make)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> DecoderConfig:
        renamed: Any = {_FORMER_NAMES.get(name, name): value for name, value in kwargs.items()}
        return make(*args, **renamed)

    return wrapped


@_accepts_former_names
def codegen_config(
    *,
    layers: int,
    heads: int,
    head_dim: int,
    rotary_size: int,
    vocab_size: int = 51_200,
    max_seq_len: int = 2_048,
    mlp_dim: int | None = None,
    norm_eps: float = 1e-5,
) -> DecoderConfig:
    """A CodeGen model (arXiv 2203.13474): parallel branches under one LayerNorm.

    Args:
        layers: number of blocks.
        heads: number of heads; `d_model` is ``heads * head_dim``.
        head_dim: dimensions of each head.
        rotary_size: how many leading dimensions of each head are rotated; even.
        vocab_size: rows of the embedding.
        max_seq_len: maximum sequence length, in tokens.
        mlp_dim: width of the MLP's hidden layer; by default four times `d_model`.
        norm_eps: added to the variance in each norm.

    Raises:
        InputError: a size is out of range.
    """
    d_model = heads * head_dim
    return DecoderConfig(
        vocab_size=vocab_size,
        max_seq_len=max_seq_len,
        layers=layers,
        d_model=d_model,
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        mlp_dim=4 * d_model if mlp_dim is None else mlp_dim,
        rotary=Rotary(size=rotary_size, pairs=RopePairs.INTERLEAVED),
        norm="layer",
        norm_eps=norm_eps,
        feed_forward="gelu",
        parallel_residual=True,
        qkv_bias=False,
        feed_forward_bias=True,
        tie_embeddings=False,
        head_bias=True,
    )


@_accepts_former_names
def llama_config(
    *,
    vocab_size: int,
    layers: int,
    d_model: int,
    heads: int,
    mlp_dim: int,
    kv_heads: int | None = None,
    head_dim: int | None = None,
    max_seq_len: int = 2_048,
    rotary_base: float = 10_000.0,
    rope_scaling: float = 1.0,
    norm_eps: float = 1e-6,
    qkv_bias: bool = False,
    tie_embeddings: bool = False,
) -> DecoderConfig:
    """A Llama-family model: RMSNorm, SwiGLU, grouped queries; Qwen2 with `qkv_bias`.

    Args:
        vocab_size: rows of the embedding.
        layers: number of blocks.
        d_model: width of the residual stream.
        heads: number of query heads.
        mlp_dim: width of the MLP's hidden layer.
        kv_heads: number of key and value heads; by default `heads`.
        head_dim: dimensions of each head; by default ``d_model // heads``.
        max_seq_len: maximum sequence length, in tokens.
        rotary_base: see `Rotary.base`.
        rope_scaling: see `Rotary.scaling`.
        norm_eps: added to the variance in each norm.
        qkv_bias: whether the query, key and value projections have biases.
        tie_embeddings: the output head is the embedding.

    Raises:
        InputError: a size is out of range.
    """
    if head_dim is None:
        divides = heads >= 1 and d_model % heads == 0
        _check("width", d_model, divides, f"a multiple of {heads} heads")
        head_dim = d_model // heads
    return DecoderConfig(
        vocab_size=vocab_size,
        max_seq_len=max_seq_len,
        layers=layers,
        d_model=d_model,
        heads=heads,
        kv_heads=heads if kv_heads is None else kv_heads,
        head_dim=head_dim,
        mlp_dim=mlp_dim,
        rotary=Rotary(
            size=head_dim, pairs=RopePairs.HALF_SPLIT, base=rotary_base, scaling=rope_scaling
        ),
        norm="rms",
        norm_eps=norm_eps,
        feed_forward="swiglu",
        parallel_residual=False,
        qkv_bias=qkv_bias,
        feed_forward_bias=False,
        tie_embeddings=tie_embeddings,
        head_bias=False,
    )


CODEGEN_SIZES: dict[str, DecoderConfig] = {
    "350m": codegen_config(layers=20, heads=16, head_dim=64, rotary_size=32),
    "2b": codegen_config(layers=32, heads=32, head_dim=80, rotary_size=64),
    "6b": codegen_config(layers=33, heads=16, head_dim=256, rotary_size=64),
    "16b": codegen_config(layers=34, heads=24, head_dim=256, rotary_size=64),
}
"""The four published sizes; each was released at three stages of training."""

CODEGEN_STAGES = ("nl", "multi", "mono")

_SMALL: dict[str, DecoderConfig] = {
    "codegen-nano": codegen_config(
        layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=256, max_seq_len=256
    ),
    "codegen-micro": codegen_config(
        layers=4, heads=4, head_dim=32, rotary_size=16, vocab_size=1_024, max_seq_len=512
    ),
}


def codegen_names() -> list[str]:
    """Every name that `named_config` knows, published sizes first."""
    published = [f"codegen-{size}-{stage}" for size in CODEGEN_SIZES for stage in CODEGEN_STAGES]
    return published + list(_SMALL)


def named_config(name: str) -> DecoderConfig:
    """The configuration of a CodeGen model.

    Args:
        name: such as ``codegen-350m-mono``, in upper or lower case.

    Raises:
        UnknownNameError: there is no such model.

    Example:
        >>> named_config("codegen-16B-mono").d_model
        6144
    """
    folded = name.casefold()
    if folded not in codegen_names():
        raise UnknownNameError("CodeGen model", name, codegen_names())
    return _SMALL[folded] if folded in _SMALL else CODEGEN_SIZES[folded.split("-")[1]]
