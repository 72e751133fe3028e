"""Which variant of the kernels a processor gets, by what its /proc/cpuinfo lists."""

from __future__ import annotations

import pytest

from multiturn.core.errors import InputError
from multiturn.models.native import processor as processors
from multiturn.models.native.processor import Processor, parse_cpuinfo, this_processor
from multiturn.models.native.variants import (
    CPU_VARIABLE,
    VARIANTS,
    chosen_variant,
    runnable_variants,
    variant_named,
)

V3 = "fpu sse sse2 ssse3 fma movbe popcnt avx f16c bmi1 avx2 bmi2 abm"
V4 = f"{V3} avx512f avx512dq avx512cd avx512bw avx512vl"
ICE_LAKE = f"{V4} avx512vbmi avx512_vbmi2 avx512_vnni avx512_bitalg"
SAPPHIRE_RAPIDS = f"{ICE_LAKE} avx_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_tile amx_int8"
ARM = "fp asimd evtstrm aes crc32 atomics"

# The processor, its architecture, its features, and the variants that it runs.
KNOWN = {
    "laptop with AVX2": ("x86_64", V3, "avx2 portable"),
    "Alder Lake": ("x86_64", f"{V3} avx_vnni", "avx-vnni avx2 portable"),
    "Skylake-X": ("x86_64", V4, "avx512 avx2 portable"),
    "Ice Lake": ("x86_64", ICE_LAKE, "avx512-vnni avx512 avx2 portable"),
    "Cooper Lake": (
        "x86_64",
        f"{V4} avx512_vnni avx512_bf16",
        "avx512-bf16 avx512-vnni avx512 avx2 portable",
    ),
    "Sapphire Rapids": (
        "x86_64",
        SAPPHIRE_RAPIDS,
        "amx avx512-bf16 avx512-vnni avx512 avx-vnni avx2 portable",
    ),
    "Sapphire Rapids without AMX": (
        "x86_64",
        SAPPHIRE_RAPIDS.replace("amx_tile", ""),
        "avx512-bf16 avx512-vnni avx512 avx-vnni avx2 portable",
    ),
    "Zen 2": ("x86_64", V3, "avx2 portable"),
    "Zen 4": (
        "x86_64",
        f"{ICE_LAKE} avx512_bf16",
        "avx512-bf16 avx512-vnni avx512 avx2 portable",
    ),
    "Zen 5": (
        "x86_64",
        f"{ICE_LAKE} avx512_bf16 avx_vnni",
        "avx512-bf16 avx512-vnni avx512 avx-vnni avx2 portable",
    ),
    "Sandy Bridge": ("x86_64", "fpu sse sse2 ssse3 sse4_2 popcnt avx", "portable"),
    "AVX2 without FMA": ("x86_64", "sse2 avx avx2 f16c", "portable"),
    "first aarch64": ("aarch64", ARM, "portable"),
    "aarch64 with dot products": ("aarch64", f"{ARM} asimddp", "neon-dotprod portable"),
    "Graviton 3": ("aarch64", f"{ARM} asimddp sve i8mm bf16", "neon-i8mm neon-dotprod portable"),
    "riscv64": ("riscv64", "", "portable"),
}


def cpuinfo(architecture: str, *cores: str) -> str:
    """The text of the file: the flags of each core."""
    name, key = ("Features", "CPU part") if architecture == "aarch64" else ("flags", "model name")
    return "\n\n".join(
        f"processor\t: {number}\n{key}\t: A processor\n{name}\t\t: {flags}"
        for number, flags in enumerate(cores)
    )


@pytest.mark.parametrize(("architecture", "features", "expected"), KNOWN.values(), ids=list(KNOWN))
def test_a_processor_runs_these_variants(
    monkeypatch: pytest.MonkeyPatch, architecture: str, features: str, expected: str
) -> None:
    monkeypatch.delenv(CPU_VARIABLE, raising=False)
    here = parse_cpuinfo(cpuinfo(architecture, features, features), architecture)
    assert " ".join(each.name for each in runnable_variants(here)) == expected
    assert chosen_variant(here).name == expected.split()[0]
    for each in runnable_variants(here):
        assert variant_named(each.name, here) == each
    lacking = {each.name for each in VARIANTS} - set(expected.split())
    for name in lacking:
        with pytest.raises(InputError, match="instructions which this one lacks") as caught:
            variant_named(name, here)
        assert "\n" not in str(caught.value)


def test_only_what_every_core_has_counts() -> None:
    mixed = parse_cpuinfo(cpuinfo("x86_64", f"{V3} avx_vnni", V3), "x86_64")
    assert runnable_variants(mixed)[0].name == "avx2"
    assert mixed.model == "A processor"


@pytest.mark.parametrize("text", ["", "\0\0", "flags", "flags:", "processor : 0\n\n", "::\n:"])
def test_an_unreadable_list_of_features_leaves_the_portable_variant(text: str) -> None:
    assert runnable_variants(parse_cpuinfo(text, "x86_64"))[0].name == "portable"


@pytest.mark.parametrize(
    ("old", "name"), [("x86-64-v2", "portable"), ("x86-64-v3", "avx2"), ("x86-64-v4", "avx512")]
)
def test_the_older_names_continue_to_work(old: str, name: str) -> None:
    zen4 = parse_cpuinfo(cpuinfo("x86_64", KNOWN["Zen 4"][1]), "x86_64")
    assert variant_named(old, zen4).name == name
    assert variant_named("native", zen4).name == "avx512-bf16"
    arm = Processor("aarch64", "", frozenset({"asimd"}))
    with pytest.raises(InputError, match="which this one lacks"):
        variant_named(old, arm)


@pytest.mark.parametrize("name", ["pentium", "x86-64-v9", "-O0", "avx2 -O0", "AVX2", "avx2;ls"])
def test_a_name_that_is_not_known_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(CPU_VARIABLE, name)
    with pytest.raises(InputError, match=r"MULTITURN_CPU.*not known.*allowed: native") as caught:
        chosen_variant()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "native"])
def test_no_name_is_the_best_variant(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(CPU_VARIABLE, name)
    assert chosen_variant() == runnable_variants()[0]


def test_amx_counts_only_where_linux_grants_its_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Text:
        def read_text(self, **options: str) -> str:
            return cpuinfo("x86_64", SAPPHIRE_RAPIDS)

    monkeypatch.setattr(processors, "_CPUINFO", Text())
    monkeypatch.setattr(processors.platform, "machine", lambda: "AMD64")
    for granted, best in ((True, "amx"), (False, "avx512-bf16")):
        monkeypatch.setattr(processors, "_request_amx", lambda granted=granted: granted)
        this_processor.cache_clear()
        assert chosen_variant().name == best
    this_processor.cache_clear()


def test_flags_name_every_instruction_set_and_no_machine() -> None:
    flags = {(each.architecture, each.name): each.flags() for each in VARIANTS}
    assert flags["x86_64", "portable"] == ("-march=x86-64", '-DMT_VARIANT="portable"')
    assert flags["x86_64", "avx-vnni"][:-1] == (
        "-march=x86-64", "-mavx2", "-mfma", "-mf16c", "-mavxvnni",
    )  # fmt: skip
    assert flags["aarch64", "neon-dotprod"][0] == "-march=armv8.2-a+lse+dotprod"
    assert flags["aarch64", "portable"][0] == "-march=armv8-a"
    assert flags["aarch64", "neon-i8mm"][0] == "-march=armv8.2-a+lse+dotprod+i8mm"
    assert not any("native" in flag for each in flags.values() for flag in each)
    zig = {(each.architecture, each.name): each.flags(zig=True) for each in VARIANTS}
    assert zig["x86_64", "avx2"][:2] == ("-march=x86_64", "-mavx2")
    assert zig["aarch64", "neon-dotprod"][0] == "-mcpu=generic+lse+dotprod"
