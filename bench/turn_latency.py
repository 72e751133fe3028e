"""How long a person waits for a turn: with one candidate of llama.cpp, and with several.

Each way takes the same eight turns in a session of its own, with the real loop and the real
sandbox; they take turns in turns, so that other work on the machine meets all of them. Measured
from the prompt to the first token, to the code of the first candidate, to its output, and to the
end of the turn, when every candidate has run.

    python bench/turn_latency.py --out bench/results/turn_latency.json
    python bench/turn_latency.py --model smollm2-135m --cap avx2 --ways llama.cpp:1,native:4

The first way is the one that the others are held against.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from peers.hub_directory import prepared_place
from peers.machine import describe_machine, machine_line
from peers.options import save, say
from peers.processor_cap import CAPS, capped_environment

from multiturn.engines.open import open_engine
from multiturn.sandbox.open import open_sandbox
from multiturn.synthesis.defaults import CANDIDATES, TEMPERATURE, other_temperature
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateRepeated,
    CandidateWritten,
    TextWritten,
    TurnSaved,
)
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Candidate, Sampling, Session, SessionSettings
from multiturn.synthesis.store import SessionStore

TURNS = (
    "Make a list named temperatures with twelve numbers between -5 and 30",
    "Compute the mean of temperatures and keep it in a variable named mean",
    "Make a list named warm with the temperatures above the mean",
    "Write a function named to_fahrenheit that turns Celsius into Fahrenheit",
    "Use to_fahrenheit on every number of warm and keep the result in warm_fahrenheit",
    "Make a dictionary from each number of warm to its value in Fahrenheit",
    "Sort the dictionary by its values, the highest first",
    "Print each pair of the dictionary on a line of its own with one decimal",
)
CONTEXT = 4096
REST = 1.0
"""Seconds between a turn and the next: a person reads, and llama.cpp prefills what it wrote."""

WAYS = f"llama.cpp:1,native:1,native:{CANDIDATES},native:4,llama.cpp:4"


def main() -> None:
    """Measure, print, save."""
    options = _options()
    if options.cap and "LD_PRELOAD" not in os.environ:
        capped = capped_environment(options.cap, prepared_place())
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **capped})
    os.environ.pop("LD_PRELOAD", None)  # a compiler would not survive the cap
    result: dict[str, Any] = {
        "schema": "multiturn.bench-turn-latency/2",
        "model": options.model,
        "max_tokens": options.max_tokens,
        "style": options.style,
        "turns": len(TURNS),
        "sessions": options.sessions,
        "machine": describe_machine(options.cap),
        "ways": {},
    }
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        store = stack.enter_context(SessionStore(Path(directory) / "sessions.sqlite3"))
        sandbox = stack.enter_context(open_sandbox())
        engines: dict[str, Synthesizer] = {}
        for engine, _ in options.ways:
            if engine not in engines:
                started = time.perf_counter()
                opened = stack.enter_context(
                    open_engine(
                        options.model, context=CONTEXT, threads=options.threads, engine=engine
                    )
                )
                say(f"{opened.info.engine}: loaded in {time.perf_counter() - started:.1f} s")
                engines[engine] = Synthesizer(opened, sandbox, store)
        for engine, count in options.ways:
            info = engines[engine].engine.info
            engine_name = f"{info.engine}, {info.kernels}" if info.kernels else info.engine
            way = {"engine": engine_name, "candidates": count, "turns": []}
            result["ways"][_name(engine, count)] = way
        for number in range(options.sessions):
            _take_sessions(options, engines, result, seed=1000 * number)
            save(result, options.out)
    result["load_average_after"] = os.getloadavg()
    save(result, options.out)
    print(table(result))


def _take_sessions(
    options: argparse.Namespace,
    engines: dict[str, Synthesizer],
    result: dict[str, Any],
    *,
    seed: int,
) -> None:
    """One session of each way, turn by turn."""
    sessions: dict[str, Session] = {}
    for engine, count in options.ways:
        sampling = Sampling(
            n=count,
            temperature=TEMPERATURE,
            other_temperature=other_temperature(TEMPERATURE),
            max_tokens=options.max_tokens,
            seed=seed,
        )
        settings = SessionSettings(style=options.style, sampling=sampling)
        sessions[_name(engine, count)] = engines[engine].new_session(settings)
    for words in TURNS:
        for engine, count in options.ways:
            name = _name(engine, count)
            sessions[name], record = measure_turn(engines[engine], sessions[name], words)
            result["ways"][name]["turns"].append(record)
            time.sleep(REST)
        say(f"{words}: " + ", ".join(
            f"{name} {way['turns'][-1]['seconds']['turn']:.2f} s"
            for name, way in result["ways"].items()
        ))  # fmt: skip


def measure_turn(
    synthesizer: Synthesizer, session: Session, words: str
) -> tuple[Session, dict[str, Any]]:
    """Take a turn.

    Returns:
        The session after it, and what was measured: seconds from the prompt on.
    """
    started = time.perf_counter()
    seconds: dict[str, float] = {}
    ran: list[tuple[float, Candidate]] = []
    for event in synthesizer.take_turn(session, words):
        now = time.perf_counter() - started
        match event:
            case TextWritten():
                seconds.setdefault("first_token", now)
            case CandidateWritten() | CandidateRepeated() if event.index == 0:
                seconds["first_code"] = now
            case CandidateRan():
                ran.append((now, event.candidate))
            case TurnSaved():
                session = event.session
                seconds["turn"] = now
    turn = session.turn
    assert turn is not None  # it was saved
    # Its code may have run before, as another candidate's.
    at = next(at for at, candidate in ran if candidate.same_code(turn.candidates[0]))
    seconds["first_output"] = max(at, seconds["first_code"])
    seconds.setdefault("first_token", seconds["first_code"])
    return session, {
        "seconds": seconds,
        "tokens": sum(each.tokens for each in turn.candidates),
        "first_tokens": turn.candidates[0].tokens,
        "different": len(turn.candidates),
        "prompt_tokens": turn.choice.prompt_tokens,
        "cached_tokens": turn.choice.cached_tokens,
    }


def table(result: dict[str, Any]) -> str:
    """The medians in Markdown; in brackets the ratio of medians to the first way."""
    kinds = ("first_token", "first_code", "first_output", "turn")
    lines = [
        f"{result['model']}, seconds of a turn, medians of "
        f"{result['turns'] * result['sessions']} (of the first way)",
        machine_line(result["machine"]),
        "",
        "| engine, candidates | first token | first code | its output | the turn | tokens |",
        "|---|---|---|---|---|---|",
    ]
    first: dict[str, float] = {}
    for name, way in result["ways"].items():
        medians = {
            kind: statistics.median(turn["seconds"][kind] for turn in way["turns"])
            for kind in kinds
        }
        first = first or medians
        cells = [f"{medians[kind]:.2f} ({medians[kind] / first[kind]:.2f})" for kind in kinds]
        tokens = statistics.median(turn["first_tokens"] for turn in way["turns"])
        lines.append(f"| {name} ({way['engine']}) | {' | '.join(cells)} | {tokens:.0f} |")
    return "\n".join(lines)


def _name(engine: str, count: int) -> str:
    return f"{engine}, {count}"


def _ways(text: str) -> list[tuple[str, int]]:
    found: dict[tuple[str, int], None] = {}
    for part in text.split(","):
        engine, _, count = part.rpartition(":")
        if engine not in ("native", "llama.cpp", "jax", "auto") or not count.isdecimal():
            raise argparse.ArgumentTypeError(f"got {part!r}; allowed: ENGINE:CANDIDATES")
        found[engine, int(count)] = None
    return list(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b", help="name or path")
    parser.add_argument("--ways", type=_ways, default=_ways(WAYS), help="ENGINE:CANDIDATES,...")
    parser.add_argument("--style", default="auto", choices=("auto", "comment", "chat"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--sessions", type=int, default=1, help="of eight turns each")
    parser.add_argument("--max-tokens", type=int, default=256, help="of each candidate")
    parser.add_argument("--cap", choices=CAPS, help="hide the instructions beyond these")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
