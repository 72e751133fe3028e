"""The complete run (generate, execute, score) compared with a plain loop over the same engine.

The loop generates one sample after the other and judges each program before the next; the runner
does everything at once. Both give the same samples, and the bench fails if a byte differs.

    python bench/harness.py --out bench/results/harness.json
    python bench/harness.py --quick

Loading and compiling are not timed: a first run over other problems does both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.runner.config import SampleSettings, Selection, describe_run
from multiturn.benchmarks.runner.directory import COMPLETE
from multiturn.benchmarks.runner.run import Concurrency, Invocation, run_specs
from multiturn.benchmarks.runner.run_spec import RunSpec
from multiturn.benchmarks.runner.samples import sample_of, to_line
from multiturn.benchmarks.runner.seeds import generation_seed
from multiturn.benchmarks.solver import Action, Generate, Reply, run_solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.engines.open import ENGINES, open_engine
from multiturn.engines.protocol import Engine, Request, generate
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Program, Sandbox


def main() -> int:
    """Measure, print and save."""
    options = _options()
    problems = 4 if options.quick else options.problems
    task = open_task("own", arm=options.arm)
    known = list(dict.fromkeys(item.problem for item in task.items()))
    # Spread over the set, to include problems of every kind and length.
    measured = tuple(known[:: max(1, len(known) // problems)][:problems])
    others = tuple(name for name in known if name not in measured)[:: len(known) // 4][:4]
    settings = ArmSettings(
        truncation=options.truncation, max_new_tokens=32 if options.quick else None
    )
    concurrency = Concurrency(in_flight=options.in_flight)
    rounds = []
    with (
        open_engine(options.model, engine=options.engine, context=options.context) as engine,
        open_sandbox() as sandbox,
        tempfile.TemporaryDirectory() as scratch,
    ):

        def spec(
            name: str, problems: tuple[str, ...], n: int, settings: ArmSettings = settings
        ) -> RunSpec:
            config = describe_run(
                task,
                model=options.model,
                engine=engine.info,
                sandbox=sandbox,
                settings=settings,
                sampling=SampleSettings(n=n, temperature=options.temperature, seed=options.seed),
                selection=Selection(cases=1, problems=problems),
            )
            return RunSpec(label=name, task=task, config=config, place=Path(scratch) / name)

        short = ArmSettings(truncation=options.truncation, max_new_tokens=16)
        at_once = min(engine.info.slots, len(measured) * options.n)
        warm = spec("warm", others, max(1, at_once // len(others)), short)
        run_specs([warm], engine, sandbox, concurrency=concurrency)
        loop_over(spec("warm-loop", others[:1], 1, short), engine, sandbox)
        print("warm", flush=True)
        for number in range(1 if options.quick else options.rounds):
            measuring = spec(f"round{number}", measured, options.n)
            began = time.perf_counter()
            invocation = run_specs([measuring], engine, sandbox, concurrency=concurrency)
            runner_seconds = time.perf_counter() - began
            by_runner = (measuring.place / COMPLETE).read_bytes()
            began = time.perf_counter()
            by_loop = loop_over(measuring, engine, sandbox)
            loop_seconds = time.perf_counter() - began
            rounds.append(
                _round(runner_seconds, loop_seconds, invocation, same=by_loop == by_runner)
            )
            print(json.dumps(rounds[-1]), flush=True)
        report = {
            "command": "python bench/harness.py " + " ".join(sys.argv[1:]),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
            "engine": asdict(engine.info) | {"chat_template": None},
            "problems": len(measured),
            "samples": len(measured) * options.n,
            "in_flight": options.in_flight,
            "rounds": rounds,
            "ratio": statistics.median(each["ratio"] for each in rounds),
            "waiting_share": statistics.median(each["waiting_share"] for each in rounds),
            "same_bytes": all(each["same_bytes"] for each in rounds),
        }
    shown = {key: report[key] for key in ("samples", "ratio", "waiting_share", "same_bytes")}
    print(json.dumps(shown))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if report["same_bytes"] else 1


def loop_over(spec: RunSpec, engine: Engine, sandbox: Sandbox) -> bytes:
    """The samples of a run, generated one after the other."""
    config = spec.config
    lines = []
    for item in spec.items():
        for number in range(config.sampling.n):
            requests = 0

            def reply(action: Action, item: Any = item, number: int = number) -> Reply:
                nonlocal requests
                if not isinstance(action, Generate):
                    return sandbox.run(Program(source=action.source, seed=0), config.limits)
                request = Request(
                    prompt=action.prompt,
                    temperature=config.sampling.temperature,
                    top_p=config.sampling.top_p,
                    max_tokens=action.max_tokens,
                    stop=action.stop,
                    seed=generation_seed(config.sampling.seed, item.id, number, requests),
                    session=f"{spec.label}/loop/{item.id}/{number}",
                )
                requests += 1
                return generate(engine, request)[0]

            solution = run_solver(spec.task.solver(item, config.settings), reply)
            verdicts = spec.task.judge(item, solution.program, sandbox)
            lines.append(to_line(sample_of(item, number, solution, verdicts)))
    return "".join(lines).encode()


def _round(runner: float, loop: float, invocation: Invocation, *, same: bool) -> dict[str, Any]:
    utilization = invocation.utilization
    return {
        "runner_seconds": round(runner, 2),
        "loop_seconds": round(loop, 2),
        "ratio": round(loop / runner, 2),
        "waiting_share": round(utilization.waiting_share or 0.0, 4),
        "fill": round(utilization.busy_share or 0.0, 3),
        "requests": utilization.requests,
        "same_bytes": same,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--engine", default="jax", choices=ENGINES)
    parser.add_argument("--arm", default="turns")
    parser.add_argument("--truncation", default="published")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("-n", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--context", type=int, default=None)
    parser.add_argument("--in-flight", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="Few problems, short texts, one round."
    )
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
