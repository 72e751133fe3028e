"""`ParameterSpec` declares an array once; abstract shapes and initial values follow from it."""

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
    """Initial values from a normal distribution around zero."""

    stddev: float


@dataclass(frozen=True, slots=True)
class Constant:
    """Initial values that are all the same."""

    value: float


Initializer = Normal | Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """The declaration of one parameter array.

    Attributes:
        shape: of the array.
        axes: a logical name for each dimension: ``layers``, ``vocab``, ``embed``, ``heads``,
            ``kv_heads``, ``head``, ``ff``. Sharding rules refer to these.
        dtype: of the elements.
        initializer: of its initial values.
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
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.size * jnp.dtype(self.dtype).itemsize


def abstract(specs: Tree) -> Tree:
    """The tree with a `jax.ShapeDtypeStruct` for each `ParameterSpec`; allocates nothing."""
    shaped: Tree = jax.tree.map(lambda spec: _shaped(spec), specs)
    return shaped


def _shaped(spec: ParameterSpec) -> Any:
    make: Any = jax.ShapeDtypeStruct
    return make(spec.shape, jnp.dtype(spec.dtype))


def initialize(specs: Tree, seed: int, *, shardings: Any = None) -> Tree:
    """The tree with an array for each `ParameterSpec`.

    The key of each array is derived from the seed and its name, so adding an array to a model
    does not change the others.

    Args:
        specs: a tree of `ParameterSpec`.
        seed: of `jax.random`.
        shardings: a tree of shardings like `specs`; each shard is then created on its device.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(specs)

    def make() -> Any:
        root = jax.random.key(seed)
        return jax.tree.unflatten(
            structure,
            [
                _initial_values(
                    spec, jax.random.fold_in(root, zlib.crc32(path_name(path).encode()))
                )
                for path, spec in leaves
            ],
        )

    made: Tree = jax.jit(make, out_shardings=shardings)()
    return made


def path_name(path: tuple[Any, ...]) -> str:
    """The dotted path of a leaf, such as ``layers.query``."""
    return ".".join(str(getattr(key, "name", getattr(key, "key", key))) for key in path)


def _initial_values(spec: ParameterSpec, key: Array) -> Array:
    match spec.initializer:
        case Normal(stddev):
            drawn = jax.random.normal(key, spec.shape, jnp.float32) * stddev
            return drawn.astype(spec.dtype)
        case Constant(value):
            return jnp.full(spec.shape, value, spec.dtype)
