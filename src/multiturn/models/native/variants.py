"""The variants of the native kernels: one for each set of vector instructions.

A library is compiled for one variant with flags that name its instructions, never for "this
machine", so that it may be compiled on one machine and run on another. At run time the best
variant that the processor can run is chosen. All variants give the same bits in the integer
precisions; see cpp/gemm.h.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from multiturn.core.errors import InputError
from multiturn.models.native.processor import Processor, this_processor

__all__ = [
    "CPU_VARIABLE",
    "VARIANTS",
    "Variant",
    "chosen_variant",
    "runnable_variants",
    "variant_reason",
    "variant_named",
    "variants_of",
]

CPU_VARIABLE = "MULTITURN_CPU"
"""The environment variable that names the variant to use in place of the best one."""

_AUTO = "native"
_OLD_NAMES = {"x86-64-v2": "portable", "x86-64-v3": "avx2", "x86-64-v4": "avx512"}
"""Names that `CPU_VARIABLE` had before: levels of the x86-64 psABI."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The kernels for one set of instructions.

    Attributes:
        name: for people, for `CPU_VARIABLE` and for the names of files.
        architecture: of the processors that run it.
        needs: the processor's features that it uses, by their names in /proc/cpuinfo.
        options: of the compiler, one for each feature beyond the architecture's first version.
    """

    name: str
    architecture: str
    needs: frozenset[str]
    options: tuple[str, ...]

    def runs_on(self, processor: Processor) -> bool:
        """Whether the processor has every instruction that this variant uses."""
        return self.architecture == processor.architecture and self.needs <= processor.features

    def flags(self, *, zig: bool = False) -> tuple[str, ...]:
        """The compiler's flags.

        Args:
            zig: whether the compiler is the one of ``ziglang``, which has its own names for
                processors and otherwise compiles for the machine it runs on.
        """
        define = f'-DMT_VARIANT="{self.name}"'
        if self.architecture == "x86_64":
            first = "-march=x86_64" if zig else "-march=x86-64"
            return (first, *(f"-m{option}" for option in self.options), define)
        if self.architecture == "aarch64":
            # g++ has the intrinsics of dot products from the second revision on.
            revision = "armv8.2-a" if self.options else "armv8-a"
            first = "-mcpu=generic" if zig else f"-march={revision}"
            return ("+".join((first, *self.options)), define)
        return (define,)


_AVX2 = {"avx2": "avx2", "fma": "fma", "f16c": "f16c"}
_AVX_VNNI = _AVX2 | {"avxvnni": "avx_vnni"}
_AVX512 = _AVX2 | {
    "avx512f": "avx512f",
    "avx512bw": "avx512bw",
    "avx512dq": "avx512dq",
    "avx512vl": "avx512vl",
}
_AVX512_VNNI = _AVX512 | {"avx512vnni": "avx512_vnni"}
_AVX512_BF16 = _AVX512_VNNI | {"avx512bf16": "avx512_bf16"}
_AMX = _AVX512_BF16 | {
    "amx-tile": "amx_tile",
    "amx-int8": "amx_int8",
    "amx-bf16": "amx_bf16",
}
_NEON_DOTPROD = {"lse": "atomics", "dotprod": "asimddp"}


def _variant(name: str, architecture: str, features: dict[str, str]) -> Variant:
    return Variant(name, architecture, frozenset(features.values()), tuple(features))


VARIANTS: tuple[Variant, ...] = (
    _variant("amx", "x86_64", _AMX),
    _variant("avx512-bf16", "x86_64", _AVX512_BF16),
    _variant("avx512-vnni", "x86_64", _AVX512_VNNI),
    _variant("avx512", "x86_64", _AVX512),
    _variant("avx-vnni", "x86_64", _AVX_VNNI),
    _variant("avx2", "x86_64", _AVX2),
    _variant("portable", "x86_64", {}),
    _variant("neon-i8mm", "aarch64", _NEON_DOTPROD | {"i8mm": "i8mm"}),
    _variant("neon-dotprod", "aarch64", _NEON_DOTPROD),
    _variant("portable", "aarch64", {}),
)
"""All variants; those of one architecture from the best to the plainest."""


def variants_of(architecture: str) -> tuple[Variant, ...]:
    """The variants of an architecture, best first; a plain one where it is not known."""
    found = tuple(each for each in VARIANTS if each.architecture == architecture)
    return found or (Variant("portable", architecture, frozenset(), ()),)


def runnable_variants(processor: Processor | None = None) -> tuple[Variant, ...]:
    """The variants that a processor can run, best first; by default this machine's."""
    processor = processor or this_processor()
    return tuple(each for each in variants_of(processor.architecture) if each.runs_on(processor))


def chosen_variant(processor: Processor | None = None) -> Variant:
    """The variant to use: the one that `CPU_VARIABLE` names, or the best that runs here.

    Raises:
        InputError: the name is unknown, or the processor lacks instructions of that variant.
    """
    named = os.environ.get(CPU_VARIABLE, "").strip()
    return variant_named(named or _AUTO, processor)


def variant_named(name: str, processor: Processor | None = None) -> Variant:
    """The variant of a name, on a processor that can run it.

    Args:
        name: of a variant, one of the older names such as ``x86-64-v3``, or ``native`` for the
            best one.
        processor: by default this machine's.

    Raises:
        InputError: the name is unknown, or the processor lacks instructions of that variant.
    """
    runnable = runnable_variants(processor)
    if name == _AUTO:
        return runnable[0]
    wanted = _OLD_NAMES.get(name, name)
    for each in runnable:
        if each.name == wanted and (name == wanted or each.architecture == "x86_64"):
            return each
    known = any(each.name == wanted for each in VARIANTS)
    raise InputError(
        f"{CPU_VARIABLE} names a processor that "
        + ("has instructions which this one lacks" if known else "is not known"),
        got=name,
        allowed=", ".join((_AUTO, *(each.name for each in runnable))),
        fix=f"unset {CPU_VARIABLE}, or name one of these",
    )


def variant_reason(variant: Variant, processor: Processor | None = None) -> str:
    """Why a variant runs on a processor, by default this machine's, and not a better one."""
    processor = processor or this_processor()
    named = os.environ.get(CPU_VARIABLE, "").strip()
    if named and named != _AUTO:
        return f"{CPU_VARIABLE}={named} asks for {variant.name}"
    better = []
    for each in variants_of(processor.architecture):
        if each == variant:
            break
        better.append(f"{each.name} ({', '.join(sorted(each.needs - processor.features))})")
    if not better:
        return f"{variant.name} is the best variant, and {processor.model} runs it"
    return f"{variant.name} is the best of {processor.model}, which lacks {'; '.join(better)}"
