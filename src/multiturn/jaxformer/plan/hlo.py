"""Counts of matrix products and collectives in a compiled module, with loops multiplied out.

XLA's own cost analysis counts a loop body once, so a model that loops over its layers would seem
to have one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Traffic", "Work", "count_work"]

COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
_BYTES |= {"s64": 8, "u64": 8, "f64": 8, "s16": 2, "u16": 2}
_HEAD = re.compile(r"^(ENTRY )?%([\w.\-]+) \(.*\{$")
_LINE = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.+?) ([a-z][a-z\-]*)\((.*)$")
_ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
_OPERAND = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(r"\b(?:body|to_apply|calls)=%([\w.\-]+)")
_CONDITION = re.compile(r"\bcondition=%([\w.\-]+)")
_CONSTANT = re.compile(r"s32\[\] constant\((\d+)\)")
_CONTRACTED = re.compile(r"lhs_contracting_dims=\{([\d,]*)\}")


@dataclass(frozen=True, slots=True)
class Traffic:
    """The collectives of one kind and group shape in a step.

    Attributes:
        kind: one of `COLLECTIVES`.
        group: devices in each group.
        span: devices from the first to the last of a group, inclusive. A group fits in a node
            that has at least this many.
        count: how many.
        bytes: of their larger side on one device: the result of a gather, the input of a
            reduction.
    """

    kind: str
    group: int
    span: int
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one device in one run of a module.

    Attributes:
        flops: of matrix products; a multiply-add counts as two.
        traffic: the collectives.
    """

    flops: float
    traffic: tuple[Traffic, ...]


@dataclass
class _Computation:
    lines: list[str] = field(default_factory=list)
    shapes: dict[str, str] = field(default_factory=dict)


def count_work(text: str) -> Work:
    """Count matrix products and collectives from the module's entry.

    An all-reduce whose every use takes a slice counts as a reduce-scatter, which compilers for
    accelerators turn it into.

    Args:
        text: of a partitioned module.

    Raises:
        ValueError: the text has no entry, or a loop without a known trip count.
    """
    computations, entry = _parsed(text)
    if entry is None:
        raise ValueError("the module has no entry")
    flops = 0.0
    counts: Counter[tuple[str, int, int]] = Counter()
    sizes: Counter[tuple[str, int, int]] = Counter()
    for computation, times in _runs(computations, entry):
        cut = _only_sliced(computation)
        for line in computation.lines:
            match = _LINE.match(line)
            if match is None:
                continue
            name, shape, operation, rest = match.groups()
            operation = operation.removesuffix("-start")
            if operation == "dot":
                flops += times * _product_flops(shape, rest, computation)
            elif operation in COLLECTIVES:
                kind = "reduce-scatter" if name in cut else operation
                key = (kind, *_group(rest))
                counts[key] += times
                into = sum(_size(computation.shapes.get(o, "")) for o in _operands(rest))
                sizes[key] += times * max(_size(shape), into)
    traffic = (Traffic(*key, counts[key], sizes[key]) for key in sorted(counts))
    return Work(flops, tuple(found for found in traffic if found.group > 1))


def _parsed(text: str) -> tuple[dict[str, _Computation], str | None]:
    computations: dict[str, _Computation] = {}
    entry, current = None, _Computation()
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head is not None:
            current = computations.setdefault(head[2], _Computation())
            entry = head[2] if head[1] else entry
            continue
        match = _LINE.match(line)
        if match is not None:
            current.lines.append(line)
            current.shapes[match[1]] = match[2]
    return computations, entry


def _runs(
    computations: Mapping[str, _Computation], name: str, times: int = 1
) -> Iterator[tuple[_Computation, int]]:
    """Each computation that runs, with how many times."""
    computation = computations[name]
    yield computation, times
    for line in computation.lines:
        match = _LINE.match(line)
        if match is None or match[3] not in ("while", "call", "fusion", "conditional"):
            continue
        trips = _trip_count(computations, line) if match[3] == "while" else 1
        for called in _CALLED.findall(line):
            yield from _runs(computations, called, times * trips)


def _trip_count(computations: Mapping[str, _Computation], line: str) -> int:
    condition = _CONDITION.search(line)
    if condition is not None:
        found = _CONSTANT.findall("\n".join(computations[condition[1]].lines))
        if len(found) == 1:
            return int(found[0])
    raise ValueError("a loop of the module has no known trip count")


def _only_sliced(computation: _Computation) -> set[str]:
    """The all-reduces whose every use takes a slice."""
    users: dict[str, list[str]] = {}
    reduced = set()
    for line in computation.lines:
        match = _LINE.match(line)
        if match is None:
            continue
        if match[3] == "all-reduce":
            reduced.add(match[1])
        for operand in _operands(match[4]):
            users.setdefault(operand, []).append(match[3])
    return {name for name in reduced if set(users.get(name, [])) == {"dynamic-slice"}}


def _group(rest: str) -> tuple[int, int]:
    """The size and span of the widest group of a collective."""
    groups = _groups(rest)
    spans = [int(max(group) - min(group)) + 1 for group in groups]
    return max(len(group) for group in groups), max(spans)


def _groups(rest: str) -> list[list[int]]:
    """The device groups of a collective, in any of XLA's notations."""
    pairs = re.search(r"source_target_pairs=\{(\{.*?\})\}", rest)
    listed = re.search(r"replica_groups=\{(\{.*?\})\}", rest) or pairs
    if listed is not None:
        return [
            [int(device) for device in group.split(",")]
            for group in re.findall(r"\{([\d,]+)\}", listed[1])
        ]
    iota = re.search(r"replica_groups=\[([\d,]+)\]<=(\[[\d,]+\](?:T\([\d,]+\))?)", rest)
    if iota is not None:
        found: list[list[int]] = _ids(iota[2]).reshape(_numbers(iota[1])).tolist()
        return found
    mesh = re.search(r"replica_groups=mesh\[(.*?)\](.*?)\{([^}]*)\}", rest)
    if mesh is None:
        raise ValueError("a collective has no device groups")
    axes = dict(re.findall(r"'(\w+)'=(\d+)", mesh[1]))
    sizes = [int(size) for size in axes.values()]
    order = re.search(r"(\[[\d,]+\](?:T\([\d,]+\))?)", mesh[2])
    ids = _ids(order[1]) if order else np.arange(math.prod(sizes))
    over = [list(axes).index(name) for name in re.findall(r"'(\w+)'", mesh[3])]
    last = np.moveaxis(ids.reshape(sizes), over, range(-len(over), 0))
    grouped: list[list[int]] = last.reshape(-1, math.prod(sizes[axis] for axis in over)).tolist()
    return grouped


def _ids(text: str) -> np.ndarray[Any, Any]:
    """Device numbers of an iota such as ``[4,2]T(1,0)``: reshaped, then transposed."""
    sizes, _, transposed = text.partition("T")
    shape = _numbers(sizes.strip("[]"))
    ids = np.arange(math.prod(shape)).reshape(shape)
    return (ids.transpose(_numbers(transposed.strip("()"))) if transposed else ids).reshape(-1)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _operands(rest: str) -> list[str]:
    return _OPERAND.findall(rest.split("), ", 1)[0])


def _product_flops(shape: str, rest: str, computation: _Computation) -> float:
    contracted = _CONTRACTED.search(rest)
    left = _ARRAY.search(computation.shapes.get(_operands(rest)[0], ""))
    if contracted is None or left is None:
        return 0.0
    sizes = [int(size) for size in left[2].split(",") if size]
    inner = math.prod(sizes[int(axis)] for axis in contracted[1].split(",") if axis)
    result = _ARRAY.search(shape)
    out = math.prod(int(size) for size in result[2].split(",") if size) if result else 0
    return 2.0 * out * inner


def _size(shape: str) -> int:
    return sum(
        _BYTES.get(kind, 4) * math.prod(int(size) for size in sizes.split(",") if size)
        for kind, sizes in _ARRAY.findall(shape)
    )
