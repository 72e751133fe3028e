"""One declaration for each array; the abstract tree and the first values follow from it."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

__all__ = [
    "ParameterSpec",
    "Constant",
    "Initializer",
    "Normal",
    "abstract",
    "initialize",
    "path_name",
]

Tree = TypeVar("Tree")


@dataclass(frozen=True, slots=True)
class Normal:
    """First values drawn from a normal distribution around zero."""

    deviation: float


@dataclass(frozen=True, slots=True)
class Constant:
    """First values all the same."""

    value: float


Initializer = Normal | Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """What one array is, before it exists.

    Attributes:
        shape: its sizes.
        axes: a logical name for each dimension: ``layers``, ``vocab``, ``embed``, ``heads``,
            ``kv_heads``, ``head``, ``ff``. The sharding table speaks of these.
        dtype: of the elements.
        initializer: how a fresh model fills it.
        decay: whether the optimizer's weight decay applies to it.
        keep_float32: whether it stays float32 when training computes in a narrower type.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: DTypeLike
    initializer: Initializer
    decay: bool = False
    keep_float32: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.axes):
            raise ValueError(f"{len(self.shape)} dimensions but {len(self.axes)} axes")

    @property
    def size(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.size * jnp.dtype(self.dtype).itemsize


def abstract(declared: Tree) -> Tree:
    """The tree with a `jax.ShapeDtypeStruct` for each `ParameterSpec`: shapes, and no memory."""
    shaped: Tree = jax.tree.map(lambda info: _shaped(info), declared)
    return shaped


def _shaped(info: ParameterSpec) -> Any:
    make: Any = jax.ShapeDtypeStruct
    return make(info.shape, jnp.dtype(info.dtype))


def initialize(declared: Tree, seed: int, *, shardings: Any = None) -> Tree:
    """The tree with an array for each `ParameterSpec`.

    Each array draws from a key made of the seed and its own name, so that adding an array
    to a model leaves the others as they were.

    Args:
        declared: a tree of `ParameterSpec`.
        seed: of `jax.random`.
        shardings: a tree of shardings like `declared`; each part of an array is then made
            on the device that keeps it.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(declared)

    def make() -> Any:
        root = jax.random.key(seed)
        return jax.tree.unflatten(
            structure,
            [
                _first_values(info, jax.random.fold_in(root, zlib.crc32(path_name(path).encode())))
                for path, info in leaves
            ],
        )

    made: Tree = jax.jit(make, out_shardings=shardings)()
    return made


def path_name(path: tuple[Any, ...]) -> str:
    """A leaf's path as ``layers.query``."""
    return ".".join(str(getattr(key, "name", getattr(key, "key", key))) for key in path)


def _first_values(info: ParameterSpec, key: Array) -> Array:
    match info.initializer:
        case Normal(deviation):
            drawn = jax.random.normal(key, info.shape, jnp.float32) * deviation
            return drawn.astype(info.dtype)
        case Constant(value):
            return jnp.full(info.shape, value, info.dtype)
