"""`multiturn serve` and llama.cpp's own server: throughput and time to first token.

Both serve the same weights on the same number of threads, each in a process of its own; a third
process is the engine behind `multiturn serve` alone, so that the cost of serving shows. Clients
send completions one after another and read them as streams. In each round all three get the same
prompts, in another order each time, and their ratios are those of one round: other work on the
machine meets all of them. The prompts of a round are new, so nothing of them is in a cache.

    python bench/server.py --out bench/results/server.json
    python bench/server.py --cap avx2 --out bench/results/server-avx2.json

The wheel of llama.cpp is compiled for AVX2 on every machine. Processor seconds say more than
seconds where the machine does other work.
"""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from peers.llama_server import instructions
from peers.machine import describe_machine, machine_line
from peers.options import common_options, fill_in, numbers, save, say
from peers.processor_cap import capped_environment
from serving.contestants import ENGINE, LLAMA, NAMES, OURS, contestant
from serving.load import Load, Measured

from multiturn.hub.downloads import pull


def main() -> None:
    """Measure, print and save."""
    options = _options()
    model = pull(options.model)
    result: dict[str, Any] = {
        "schema": "multiturn.bench-server/1",
        "machine": describe_machine(options.cap),
        "llama.cpp": instructions(),
        "model": options.model,
        "threads": options.threads,
        "prompt_tokens": "about 120",
        "new_tokens": options.tokens,
        "requests_per_client": options.requests,
        "rounds": options.repeats,
        "rows": [],
    }
    environment = capped_environment(options.cap, options.prepared)
    for clients in options.clients:
        rounds = measure(clients, model, options, environment)
        result["rows"].append(row(clients, rounds))
        result["load_average_after"] = os.getloadavg()
        save(result, options.out)
    print(table(result))


def measure(
    clients: int, model: Path, options: Any, environment: dict[str, str]
) -> list[dict[str, Measured]]:
    """All rounds with so many clients."""
    rounds = []
    with ExitStack() as stack:
        contestants = {
            name: stack.enter_context(
                contestant(
                    name, model, clients=clients, threads=options.threads, environment=environment
                )
            )
            for name in NAMES
        }
        load = Load(clients=clients, requests=1, tokens=options.tokens, first=0)
        for each in contestants.values():
            each.answer(load)  # what is loaded or compiled at first use
        for number in range(options.repeats):
            load = Load(
                clients=clients, requests=options.requests, tokens=options.tokens, first=load.next
            )
            shift = number % len(NAMES)
            found = {name: contestants[name].answer(load) for name in NAMES[shift:] + NAMES[:shift]}
            rounds.append(found)
            rates = ", ".join(f"{name} {found[name].tokens_per_second:.1f}" for name in NAMES)
            say(f"{clients} clients, round {number + 1}, tokens per second: {rates}")
    return rounds


def row(clients: int, rounds: list[dict[str, Measured]]) -> dict[str, Any]:
    """The medians of all rounds, and the medians of the ratios within a round."""
    found: dict[str, Any] = {"clients": clients}
    for name in NAMES:
        records = [each[name].as_record() for each in rounds]
        found[name] = {
            key: round(statistics.median(record[key] for record in records), 5)
            for key in records[0]
        }
    for other in (LLAMA, ENGINE):
        found[f"ratios to {other}"] = {
            key: round(
                statistics.median(
                    each[OURS].as_record()[key] / each[other].as_record()[key] for each in rounds
                ),
                3,
            )
            for key in ("tokens_per_second", "first_token_median", "cpu_seconds_per_token")
        }
    found["rounds"] = [{name: each[name].as_record() for name in NAMES} for each in rounds]
    return found


def table(result: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = [
        f"{result['model']}, {result['threads']} threads; load {result['machine']['load_average']}",
        machine_line(result["machine"]),
        "",
        "| clients | | tokens/s | first token, s (median, 95 %) | CPU ms a token |",
        "|---|---|---|---|---|",
    ]
    for each in result["rows"]:
        for name in NAMES:
            found = each[name]
            lines.append(
                f"| {each['clients']} | {name} | {found['tokens_per_second']:.1f} | "
                f"{found['first_token_median']:.2f}, {found['first_token_p95']:.2f} | "
                f"{found['cpu_seconds_per_token'] * 1000:.2f} |"
            )
        for other in (LLAMA, ENGINE):
            ratios = each[f"ratios to {other}"]
            lines.append(
                f"| {each['clients']} | {OURS} to {other}, within a round | "
                f"{ratios['tokens_per_second']:.2f} | {ratios['first_token_median']:.2f} | "
                f"{ratios['cpu_seconds_per_token']:.2f} |"
            )
    return "\n".join(lines)


def _options() -> Any:
    parser = common_options(__doc__)
    parser.add_argument("--clients", type=numbers, help="at once, such as 1,8,32")
    parser.add_argument("--requests", type=int, help="of each client in a round")
    parser.add_argument("--tokens", type=int, help="new ones of each request")
    options = parser.parse_args()
    usual = {"model": "qwen2.5-coder-0.5b", "clients": [1, 8, 32], "repeats": 5}
    fast = {"model": "smollm2-135m", "clients": [1, 8], "repeats": 1}
    fill_in(options, {**usual, "requests": 4, "tokens": 64}, {**fast, "requests": 1, "tokens": 16})
    return options


if __name__ == "__main__":
    main()
