"""Training throughput on this machine, compared with a plain torch loop on the same decoder.

    python bench/train.py --torch-python PYTHON --out bench/results/train.json
    python bench/train.py --size 1m --torch-python PYTHON --records docs/results/family
    python bench/train.py --size 1m --cap avx2 --torch-python PYTHON --records docs/results/family
    python bench/train.py --fast

This trainer runs twice, with its native kernels for one CPU device and with XLA. The decoder has
the widths of CodeGen 350M, with fewer layers and a smaller vocabulary; with --size it is a model
of the family (docs/results/family.md), with the batch that it is trained with. All sides train on
the same number of random tokens with AdamW and gradient clipping, in separate processes that take
turns. The throughput is also given as a share of what one matrix product reaches in the same run,
on the fastest side, and the peak memory of each side's process. Without --torch-python only this
trainer runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peers.hub_directory import prepared_place
from peers.machine import describe_machine, machine_line
from peers.processor_cap import CAPS, capped_environment

HERE = Path(__file__).resolve().parent
SHAPE = {
    "layers": 4,
    "heads": 16,
    "head_size": 64,
    "rotary_size": 32,
    "vocab_size": 8192,
    "length": 256,
}
FAST = SHAPE | {"layers": 1, "vocab_size": 1024, "length": 64}

Json = dict[str, Any]


def train_here(job: Json) -> Json:
    """Run a job in this process with this project's train step."""
    os.environ.pop("LD_PRELOAD", None)  # a compiler would not survive the cap
    from multiturn.core.memory import retain_freed_memory, share_one_heap

    # As `multiturn train` does where memory is ample.
    share_one_heap()
    retain_freed_memory()
    import jax
    import numpy as np

    from multiturn.jaxformer.config import (
        BatchConfig,
        MeshConfig,
        OptimizerConfig,
        PrecisionConfig,
        ScheduleConfig,
    )
    from multiturn.jaxformer.parallel.mesh import make_mesh
    from multiturn.jaxformer.run.flops import peak_flops
    from multiturn.jaxformer.step.state import Batch, full_partition, init_state
    from multiturn.jaxformer.step.train_step import make_train_step
    from multiturn.models.config import codegen_config

    shape, rows = dict(job["shape"]), job["rows"]
    length, head_dim = shape.pop("length"), shape.pop("head_size")
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    partition = full_partition(codegen_config(max_seq_len=length, head_dim=head_dim, **shape))
    step = make_train_step(
        partition,
        mesh,
        batch=BatchConfig(sequences=rows, length=length),
        schedule=ScheduleConfig(peak=1e-4, end=1e-5, warmup_steps=1, decay_steps=1000),
        optimizer=OptimizerConfig(z_loss=0.0),
        precision=PrecisionConfig(compute=job["dtype"], kernels=job["kernels"]),
    )
    state = init_state(partition, step.optimizer, mesh, 0)
    data = np.random.default_rng(0).integers(0, shape["vocab_size"], (rows, length + 1))
    tokens = data.astype(np.int32)
    nothing = np.zeros((rows, length), np.int32)
    batch = Batch(tokens[:, :-1], tokens[:, 1:], np.ones((rows, length), np.float32), nothing)
    seconds, loss = [], math.nan
    for _ in range(job["steps"] + 1):
        begin = time.perf_counter()
        state, metrics = step.train(state, batch, None)
        loss = float(metrics.loss)
        seconds.append(time.perf_counter() - begin)
    native = job["kernels"] == "native"
    product = peak_flops(jax.devices()[0], job["dtype"], native=native)
    return {
        "seconds": seconds[1:],
        "product_flops": product,
        "loss": loss,
        "version": jax.__version__,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def shape_of(size: str) -> tuple[Json, int]:
    """The shape of a model of the family, and the sequences of a batch."""
    from multiturn.jaxformer.family import family_chain

    config = family_chain(size)["nl"]
    model = config.model
    shape = {
        "layers": model.layers,
        "heads": model.heads,
        "head_size": model.head_dim,
        "rotary_size": model.rotary.size,
        "vocab_size": model.vocab_size,
        "length": config.batch.length,
    }
    return shape, config.batch.sequences


def write_records(folder: Path, size: str, result: Json) -> None:
    """Replace the lines of what was measured, with or without a cap, in the family's records."""
    path = folder / "speed.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    mark = {"size": size, "capped_to": result["machine"]["capped_to"]}
    measured = [
        mark | {"dtype": dtype, "side": side}
        for dtype, sides in result["figures"].items()
        for side in sides
    ]
    others = [
        line
        for line in lines
        if not any(each.items() <= json.loads(line).items() for each in measured)
    ]
    names = ("tokens_per_second", "share_of_product_bound", "peak_memory_mb", "version")
    mine = [
        json.dumps(
            mark
            | {"dtype": dtype, "side": side, "machine": machine_line(result["machine"])}
            | {"threads": result["threads"], "load_average": result["machine"]["load_average"][0]}
            | {name: found[name] for name in names}
        )
        for dtype, sides in result["figures"].items()
        for side, found in sides.items()
        if side != "product_gflops"
    ]
    path.write_text("".join(f"{line}\n" for line in [*others, *mine]), "utf-8")


def run(command: list[str], job: Json, environment: dict[str, str]) -> Json:
    """One turn of a side, in a separate process with some more variables."""
    done = subprocess.run(
        [*command, json.dumps(job)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if done.returncode:
        raise SystemExit(f"{command[-1]} failed: {done.stderr.strip().rpartition(chr(10))[2]}")
    answer: Json = json.loads(done.stdout.strip().rpartition("\n")[2])
    return answer


def flops_per_token(shape: Json) -> float:
    """Like `jaxformer.run.flops`, which is not imported here because it imports JAX."""
    width = shape["heads"] * shape["head_size"]
    weights = shape["layers"] * 12 * width**2 + width * shape["vocab_size"]
    return 6 * weights + 6 * shape["layers"] * width * shape["length"]


def main() -> None:
    """Run the sides in turns, and print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch-python", help="of an environment with torch")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4, help="timed, in each turn")
    parser.add_argument("--rows", type=int, help="sequences in a batch (4, or those of the size)")
    parser.add_argument("--size", help="a model of the family: 1m, 3m or 10m")
    parser.add_argument("--records", type=Path, help="folder of the family's records to write to")
    parser.add_argument("--cap", choices=CAPS, help="hide the instructions beyond these")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="only this one")
    parser.add_argument("--without-xla", action="store_true", help="leave out a slow side")
    parser.add_argument("--fast", action="store_true", help="small shapes, for a quick check")
    parser.add_argument("--child", metavar="JOB", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(train_here(json.loads(arguments.child))))
        return
    if arguments.records and not arguments.size:
        parser.error("--records needs --size")
    shape, rows = (FAST if arguments.fast else SHAPE), 4
    if arguments.size:
        shape, rows = shape_of(arguments.size)
    rows = arguments.rows or rows
    here = [sys.executable, __file__, "--child"]
    sides = {"native": here} if arguments.without_xla else {"native": here, "xla": here}
    if arguments.torch_python:
        sides["torch"] = [arguments.torch_python, str(HERE / "train_torch.py")]
    environment = capped_environment(arguments.cap, prepared_place())
    threads = len(os.sched_getaffinity(0))
    tokens = rows * shape["length"]
    figures: Json = {}
    for dtype in [arguments.dtype] if arguments.dtype else ["float32", "bfloat16"]:
        job = {
            "shape": shape,
            "dtype": dtype,
            "rows": rows,
            "steps": arguments.steps,
            "threads": threads,
        }
        turns: dict[str, list[Json]] = {side: [] for side in sides}
        for _ in range(arguments.rounds):
            for side, command in sides.items():
                turns[side].append(run(command, job | {"kernels": side}, environment))
        bound = max(turn["product_flops"] for side in turns.values() for turn in side)
        figures[dtype] = {"product_gflops": bound / 1e9}
        for side, found in turns.items():
            step = statistics.median(second for turn in found for second in turn["seconds"])
            rate = tokens / step
            share = rate * flops_per_token(shape) / bound
            figures[dtype][side] = {
                "step_seconds": step,
                "tokens_per_second": rate,
                "share_of_product_bound": share,
                "own_product_gflops": max(turn["product_flops"] for turn in found) / 1e9,
                "peak_memory_mb": max(turn["peak_memory_mb"] for turn in found),
                "loss": found[-1]["loss"],
                "version": found[-1]["version"],
            }
            print(
                f"{dtype:9} {side:10} {rate:8.0f} tokens/s, {share:.0%} of the product bound "
                f"({bound / 1e9:.0f} GFLOP/s), "
                f"peak {figures[dtype][side]['peak_memory_mb']:.0f} MB",
                flush=True,
            )
    result = {
        "command": " ".join(["python", *sys.argv]).replace(str(HERE.parent) + "/", ""),
        "shape": shape,
        "rows": rows,
        "threads": threads,
        "machine": describe_machine(arguments.cap),
        "figures": figures,
    }
    if arguments.torch_python:
        result["command"] = result["command"].replace(arguments.torch_python, "PYTHON_WITH_TORCH")
    if arguments.records:
        write_records(arguments.records, arguments.size, result)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
