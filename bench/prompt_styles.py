"""Compares prompt styles for a model: pass rates of each style on the examples.

    python bench/prompt_styles.py --model qwen2.5-coder-0.5b --seeds 3 --out result.json

Each case of each specification in `examples/` is generated once per seed and arm, with one
candidate per turn, no retries, and no choice by expected results. The arms alternate within a seed,
so that changes over time favour none. Intervals are 95% bootstrap intervals over specifications,
because the cases and seeds of one specification are not independent.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from multiturn.core.files import write_atomically
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Engine
from multiturn.sandbox.open import open_sandbox
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Sampling, SessionSettings
from multiturn.synthesis.specification import Specification
from multiturn.synthesis.specification_files import read_specifications
from multiturn.synthesis.specification_runner import SpecificationDone, run_specification
from multiturn.synthesis.store import SessionStore

EXAMPLES = Path(__file__).parents[1] / "examples"
ARMS = {
    "comment": SessionSettings(style="comment", header="none"),
    "comment+numpy": SessionSettings(style="comment", header="numpy"),
    "chat": SessionSettings(style="chat", header="none"),
}
RESAMPLES = 10_000


@dataclass(frozen=True)
class Result:
    """One generated program."""

    specification: str
    case: int
    seed: int
    arm: str
    met: bool
    why_not: str | None
    seconds: float
    program: str


def main() -> None:
    """Write all programs, print the table, save the results."""
    arguments = _arguments()
    specifications = [
        specification
        for path in sorted(arguments.specifications.glob("*.yaml"))
        for specification in read_specifications(path)
    ]
    with (
        open_engine(arguments.model) as engine,
        open_sandbox() as sandbox,
        tempfile.TemporaryDirectory() as place,
        SessionStore(Path(place) / "sessions.sqlite3") as store,
    ):
        arms = [
            arm for arm in arguments.arms if engine.info.chat_template or ARMS[arm].style != "chat"
        ]
        synthesizer = Synthesizer(engine, sandbox, store)
        report: dict[str, Any] = {}
        for results in _measure(synthesizer, specifications, arms, arguments):
            # Saved after each specification: a long run that is stopped still says something.
            report = _report(engine, arguments, arms, results)
            if arguments.out:
                write_atomically(arguments.out, json.dumps(report, indent=1) + "\n")
    print(_table(report))


def _measure(
    synthesizer: Synthesizer,
    specifications: Sequence[Specification],
    arms: Sequence[str],
    arguments: argparse.Namespace,
) -> Iterator[list[Result]]:
    results: list[Result] = []
    for seed in range(arguments.seeds):
        sampling = Sampling(temperature=arguments.temperature, seed=seed * 1000)
        for specification in specifications:
            for case in specification.fill()[: arguments.cases]:
                for arm in arms:
                    settings = ARMS[arm]
                    settings = SessionSettings(
                        style=settings.style, header=settings.header, sampling=sampling
                    )
                    started = time.perf_counter()
                    *_, last = run_specification(
                        synthesizer, specification, case=case.number, settings=settings
                    )
                    if not isinstance(last, SpecificationDone):
                        raise RuntimeError(f"the run ended with {last}")
                    results.append(
                        Result(
                            specification=specification.name,
                            case=case.number,
                            seed=seed,
                            arm=arm,
                            met=last.result.met,
                            why_not=last.result.why_not,
                            seconds=time.perf_counter() - started,
                            program=last.result.program,
                        )
                    )
            _progress(f"seed {seed}, {specification.name}", arms, results)
            yield results


def _progress(done: str, arms: Sequence[str], results: Sequence[Result]) -> None:
    rates = []
    for arm in arms:
        met = [result.met for result in results if result.arm == arm]
        rates.append(f"{arm} {sum(met)}/{len(met)}")
    print(f"{done}: {', '.join(rates)}", flush=True)


def _report(
    engine: Engine, arguments: argparse.Namespace, arms: Sequence[str], results: list[Result]
) -> dict[str, Any]:
    names = sorted({result.specification for result in results})
    by_arm = {
        arm: {
            name: [
                result.met
                for result in results
                if result.arm == arm and result.specification == name
            ]
            for name in names
        }
        for arm in arms
    }
    return {
        "schema": 1,
        "model": arguments.model if "/" not in arguments.model else engine.info.model,
        "weights_sha256": engine.info.weights_sha256,
        "engine": engine.info.engine,
        "temperature": arguments.temperature,
        "seeds": arguments.seeds,
        "cases": arguments.cases,
        "specifications": len(names),
        "arms": {
            arm: {
                "programs": sum(map(len, rates.values())),
                "rate": _mean(rates, names),
                "interval": _interval(lambda drawn, rates=rates: _mean(rates, drawn), names),
                "seconds_a_program": sum(r.seconds for r in results if r.arm == arm)
                / sum(map(len, rates.values())),
            }
            for arm, rates in by_arm.items()
        },
        "differences": {
            f"{one} - {other}": {
                "difference": _mean(by_arm[one], names) - _mean(by_arm[other], names),
                "interval": _interval(
                    lambda drawn, one=one, other=other: (
                        _mean(by_arm[one], drawn) - _mean(by_arm[other], drawn)
                    ),
                    names,
                ),
            }
            for at, one in enumerate(arms)
            for other in arms[:at]
        },
        "results": [asdict(result) for result in results],
    }


def _mean(rates: dict[str, list[bool]], names: Sequence[str]) -> float:
    """The mean over specifications of the share of its programs that met what was expected."""
    return sum(sum(rates[name]) / len(rates[name]) for name in names) / len(names)


def _interval(statistic: Callable[[Sequence[str]], float], names: Sequence[str]) -> list[float]:
    chance = random.Random(0)
    drawn = sorted(statistic(chance.choices(names, k=len(names))) for _ in range(RESAMPLES))
    return [drawn[int(RESAMPLES * 0.025)], drawn[int(RESAMPLES * 0.975)]]


def _table(report: dict[str, Any]) -> str:
    lines = [f"{report['model']}, {report['specifications']} specifications"]
    for arm, row in report["arms"].items():
        low, high = row["interval"]
        lines.append(
            f"{arm:>16}  {row['rate']:6.1%}  [{low:.1%}, {high:.1%}]  "
            f"{row['programs']} programs, {row['seconds_a_program']:.1f} s each"
        )
    for pair, row in report["differences"].items():
        low, high = row["interval"]
        lines.append(f"{pair:>24}  {row['difference']:+6.1%}  [{low:+.1%}, {high:+.1%}]")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="name, or path of a GGUF file")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--temperature", type=float, default=0.2)
    parser.add_argument("--cases", type=int, help="of each specification; all by default")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--specifications", type=Path, default=EXAMPLES)
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
