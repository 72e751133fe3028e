"""The matrix products of every variant of the kernels, for each number of rows, on one thread.

    python bench/gemm.py --out bench/results/gemm.json
    python bench/gemm.py --variants avx2 --rows 1 16 --types Q8_0

Shapes are those of Qwen2.5-Coder-0.5B. The variants take turns within a round, and the minimum of
all rounds in CPU time of the thread is reported, beside what the machine's memory and vector units
allow: so other load on the machine matters little, though not nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from multiturn.models.native.arrays import GGML_TYPES
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.variants import runnable_variants

HERE = Path(__file__).parent
FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-Wno-psabi", "-pthread")
SHAPES = {"up": (896, 4864), "down": (4864, 896)}
PRECISIONS = ("float32", "bfloat16", "int8", "int4")
TYPES = {each.name: number for number, each in GGML_TYPES.items()}
CASES = (
    ("float32", "F32"),
    ("bfloat16", "BF16"),
    ("int8", "Q8_0"),
    ("int8", "Q5_0"),
    ("int4", "Q4_0"),
    ("int4", "Q4_K"),
)


def main() -> None:
    """Measure, print and save."""
    options = _options()
    with tempfile.TemporaryDirectory() as room:
        programs = _programs(Path(room), options.variants)
        best: dict[tuple[Any, ...], dict[str, float]] = {}
        for turn in range(options.rounds):
            for precision, type_name in options.cases:
                for shape in options.shapes:
                    for variant, program in programs.items():
                        for line in _run(program, precision, type_name, shape, options):
                            key = (precision, type_name, shape, int(line["rows"]), variant)
                            if key not in best or line["ms"] < best[key]["ms"]:
                                best[key] = line
            print(f"round {turn + 1} of {options.rounds}", flush=True)
    rows = [
        {
            "precision": precision,
            "type": type_name,
            "shape": shape,
            "variant": variant,
            **{name: line[name] for name in ("rows", "ms", "gop_s", "gb_s")},
        }
        for (precision, type_name, shape, _, variant), line in sorted(best.items())
    ]
    for row in rows:
        print(
            f"{row['precision']:9} {row['type']:5} {row['shape']:5} {row['rows']:4} rows "
            f"{row['variant']:12} {row['ms']:9.3f} ms {row['gop_s']:7.1f} GOP/s "
            f"{row['gb_s']:6.1f} GB/s"
        )
    if options.out:
        result = {
            "command": "python bench/gemm.py",
            "processor": platform.processor() or platform.machine(),
            "load_average": os.getloadavg()[0],
            "bound": _bound(),
            "products": rows,
        }
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def _programs(room: Path, names: list[str] | None) -> dict[str, Path]:
    """One program for each variant that runs here, compiled."""
    compiler = find_compiler()
    if compiler is None:
        raise SystemExit("no C++ compiler here")
    programs = {}
    for variant in runnable_variants():
        if names and variant.name not in names:
            continue
        programs[variant.name] = program = room / variant.name
        command = [*compiler.command, *FLAGS, *variant.flags(), str(HERE / "gemm.cc")]
        subprocess.run([*command, "-o", str(program)], check=True)
    return programs


def _run(
    program: Path, precision: str, type_name: str, shape: str, options: argparse.Namespace
) -> list[dict[str, float]]:
    inputs, outputs = SHAPES[shape]
    arguments = [PRECISIONS.index(precision), TYPES[type_name], inputs, outputs]
    command = [program, *arguments, options.seconds, *options.rows]
    ran = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def _bound() -> dict[str, float]:
    """Of one thread: what it reads and multiplies at most; see roofline.cc."""
    compiler = find_compiler()
    if compiler is None:
        return {}
    with tempfile.TemporaryDirectory() as room:
        program = Path(room) / "roofline"
        command = [*compiler.command, "-std=c++20", "-O3", "-march=native", "-pthread"]
        source = str(HERE / "roofline.cc")
        subprocess.run([*command, source, "-o", str(program)], check=True)
        ran = subprocess.run([str(program), "1"], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", help="by default all that run here")
    parser.add_argument("--types", nargs="+", default=[type_name for _, type_name in CASES])
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 256, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.05, help="for each measurement")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.cases = [case for case in CASES if case[1] in options.types]
    return options


if __name__ == "__main__":
    main()
