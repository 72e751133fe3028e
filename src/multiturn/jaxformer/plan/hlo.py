"""Counting in the text of a compiled module, each loop's body as often as it runs.

XLA's own cost analysis counts a body once, whatever the number of turns, and a model whose
layers stand in a loop would seem to have one of them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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
    """All collectives of one kind in a step.

    Attributes:
        count: how many.
        bytes: of their larger side, on one device: the result of a gather, what goes into
            a reduction.
    """

    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """What one device does in one run of a module.

    Attributes:
        flops: of matrix products, two for a multiplication with its addition.
        traffic: by kind of collective.
    """

    flops: float
    traffic: Mapping[str, Traffic]


@dataclass
class _Computation:
    lines: list[str] = field(default_factory=list)
    shapes: dict[str, str] = field(default_factory=dict)


def count_work(text: str) -> Work:
    """Count products and collectives, from the entry on.

    An all-reduce of which only a part is used, each device its own, is counted as the
    reduce-scatter that compilers for accelerators make of it.

    Args:
        text: of a module after its partitioning.

    Raises:
        ValueError: the text has no entry, or a loop whose number of turns is not in it.
    """
    computations, entry = _parsed(text)
    if entry is None:
        raise ValueError("the module has no entry")
    flops = 0.0
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
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
                counts[kind] += times
                into = sum(_size(computation.shapes.get(o, "")) for o in _operands(rest))
                sizes[kind] += times * max(_size(shape), into)
    return Work(flops, {kind: Traffic(counts[kind], sizes[kind]) for kind in sorted(counts)})


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
    """Each computation that is reached, with how often it runs."""
    computation = computations[name]
    yield computation, times
    for line in computation.lines:
        match = _LINE.match(line)
        if match is None or match[3] not in ("while", "call", "fusion", "conditional"):
            continue
        turns = _turns(computations, line) if match[3] == "while" else 1
        for called in _CALLED.findall(line):
            yield from _runs(computations, called, times * turns)


def _turns(computations: Mapping[str, _Computation], line: str) -> int:
    condition = _CONDITION.search(line)
    if condition is not None:
        found = _CONSTANT.findall("\n".join(computations[condition[1]].lines))
        if len(found) == 1:
            return int(found[0])
    raise ValueError("a loop of the module does not say how often it turns")


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
