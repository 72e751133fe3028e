"""Which decoder: the sizes and the few choices in which CodeGen and Llama models differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from multiturn.core.errors import InputError, UnknownNameError

__all__ = [
    "CODEGEN_SIZES",
    "CODEGEN_STAGES",
    "DecoderConfig",
    "Rotary",
    "codegen_config",
    "codegen_names",
    "llama_config",
    "named_config",
]


def _check(name: str, value: object, good: bool, allowed: str) -> None:
    if not good:
        raise InputError(f"{name} is out of range", got=value, allowed=allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotary:
    """Rotary positions (Su et al., arXiv 2104.09864).

    Attributes:
        size: how many leading dimensions of each head are rotated; even.
        pairs: which dimensions turn together: ``adjacent`` (0 with 1, 2 with 3; CodeGen and
            GPT-J) or ``halves`` (0 with size/2; Llama, Phi).
        base: the wave lengths run from 2 pi to 2 pi * base.
        stretch: positions are divided by it (linear scaling); 1 is off.
    """

    size: int
    pairs: Literal["adjacent", "halves"]
    base: float = 10_000.0
    stretch: float = 1.0

    def __post_init__(self) -> None:
        _check("rotary size", self.size, self.size > 0 and self.size % 2 == 0, "an even number")
        _check("rotary base", self.base, self.base > 1, "above 1")
        _check("rotary stretch", self.stretch, self.stretch > 0, "above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """A decoder-only transformer; `codegen_config` and `llama_config` make the usual ones.

    Attributes:
        vocab_size: rows of the embedding, which may be more than the tokenizer has tokens.
        context: the longest sequence it was made for.
        parallel: attention and feed-forward read the same normed input and are added
            together (CodeGen); otherwise one after the other, each with its own norm.
        norm: ``layer`` has a scale and a bias, ``rms`` a scale.
        feed_forward: ``gelu`` (tanh form) or ``swiglu`` (a gated pair of projections).
        tied_head: the output head is the embedding.
    """

    vocab_size: int
    context: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    feed_forward_width: int
    rotary: Rotary
    norm: Literal["layer", "rms"]
    norm_eps: float
    feed_forward: Literal["gelu", "swiglu"]
    parallel: bool
    qkv_bias: bool
    feed_forward_bias: bool
    tied_head: bool
    head_bias: bool

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "context", "layers", "width", "heads", "kv_heads", "head_size")
        for name in (*sizes, "feed_forward_width"):
            value = getattr(self, name)
            _check(name, value, value >= 1, "1 or more")
        _check(
            "kv_heads",
            self.kv_heads,
            self.heads % self.kv_heads == 0,
            f"a divisor of the {self.heads} heads",
        )
        _check(
            "rotary size",
            self.rotary.size,
            self.rotary.size <= self.head_size,
            f"up to the head size {self.head_size}",
        )
        _check("norm_eps", self.norm_eps, 0 < self.norm_eps < 1, "between 0 and 1")
        _check(
            "head_bias", self.head_bias, not (self.tied_head and self.head_bias), "none when tied"
        )

    @property
    def family(self) -> Literal["codegen", "llama"]:
        """Which of the two known families the block's order belongs to."""
        return "codegen" if self.parallel else "llama"


def codegen_config(
    *,
    layers: int,
    heads: int,
    head_size: int,
    rotary_size: int,
    vocab_size: int = 51_200,
    context: int = 2_048,
    feed_forward_width: int | None = None,
    norm_eps: float = 1e-5,
) -> DecoderConfig:
    """A CodeGen model (arXiv 2203.13474): parallel branches under one LayerNorm.

    The feed-forward is four times as wide as the stream where its width is None.
    """
    width = heads * head_size
    return DecoderConfig(
        vocab_size=vocab_size,
        context=context,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=heads,
        head_size=head_size,
        feed_forward_width=4 * width if feed_forward_width is None else feed_forward_width,
        rotary=Rotary(size=rotary_size, pairs="adjacent"),
        norm="layer",
        norm_eps=norm_eps,
        feed_forward="gelu",
        parallel=True,
        qkv_bias=False,
        feed_forward_bias=True,
        tied_head=False,
        head_bias=True,
    )


def llama_config(
    *,
    vocab_size: int,
    layers: int,
    width: int,
    heads: int,
    feed_forward_width: int,
    kv_heads: int | None = None,
    head_size: int | None = None,
    context: int = 2_048,
    rotary_base: float = 10_000.0,
    rotary_stretch: float = 1.0,
    norm_eps: float = 1e-6,
    qkv_bias: bool = False,
    tied_head: bool = False,
) -> DecoderConfig:
    """A Llama-family model: RMSNorm, SwiGLU, grouped queries; Qwen2 with `qkv_bias`."""
    if head_size is None:
        _check("width", width, heads >= 1 and width % heads == 0, f"a multiple of {heads} heads")
        head_size = width // heads
    return DecoderConfig(
        vocab_size=vocab_size,
        context=context,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=heads if kv_heads is None else kv_heads,
        head_size=head_size,
        feed_forward_width=feed_forward_width,
        rotary=Rotary(size=head_size, pairs="halves", base=rotary_base, stretch=rotary_stretch),
        norm="rms",
        norm_eps=norm_eps,
        feed_forward="swiglu",
        parallel=False,
        qkv_bias=qkv_bias,
        feed_forward_bias=False,
        tied_head=tied_head,
        head_bias=False,
    )


CODEGEN_SIZES: dict[str, DecoderConfig] = {
    "350m": codegen_config(layers=20, heads=16, head_size=64, rotary_size=32),
    "2b": codegen_config(layers=32, heads=32, head_size=80, rotary_size=64),
    "6b": codegen_config(layers=33, heads=16, head_size=256, rotary_size=64),
    "16b": codegen_config(layers=34, heads=24, head_size=256, rotary_size=64),
}
"""The four published sizes; each was released at three stages of training."""

CODEGEN_STAGES = ("nl", "multi", "mono")

_SMALL: dict[str, DecoderConfig] = {
    "codegen-nano": codegen_config(
        layers=2, heads=4, head_size=8, rotary_size=4, vocab_size=256, context=256
    ),
    "codegen-micro": codegen_config(
        layers=4, heads=4, head_size=32, rotary_size=16, vocab_size=1_024, context=512
    ),
}


def codegen_names() -> list[str]:
    """Every name that `named_config` knows, published sizes first."""
    published = [f"codegen-{size}-{stage}" for size in CODEGEN_SIZES for stage in CODEGEN_STAGES]
    return published + list(_SMALL)


def named_config(name: str) -> DecoderConfig:
    """The architecture behind a name such as ``codegen-350m-mono``, upper or lower case.

    Raises:
        UnknownNameError: no such model.

    Example:
        >>> named_config("codegen-16B-mono").width
        6144
    """
    folded = name.casefold()
    if folded not in codegen_names():
        raise UnknownNameError("CodeGen model", name, codegen_names())
    return _SMALL[folded] if folded in _SMALL else CODEGEN_SIZES[folded.split("-")[1]]
