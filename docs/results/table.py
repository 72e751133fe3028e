"""The table of a folder of runs, from their records alone.

    python docs/results/table.py docs/results/multi-turn

Pass rates with 95 % intervals from 10,000 resamples of whole problems, since the cases of a
problem are not independent. Where no sample passes, or all do, resamples are all alike and say
nothing; there the exact interval of Clopper and Pearson stands, as if each problem were one
draw. Then how far the strict rate lies above that of the arm `turns` under
the same truncation, resampled together; and the mean tokens of a sample, read and written.
"""

from __future__ import annotations

import json
import lzma
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

FORMER_NAMES = {"fair": "parse", "asked": "next_prompt"}

RESAMPLES = 10_000

Passed = dict[str, list[bool]]


def samples_of(path: Path) -> list[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def by_problem(samples: list[dict[str, Any]], oracle: str) -> Passed:
    found: Passed = defaultdict(list)
    for sample in samples:
        passed = sample["verdicts"][oracle]["judgement"] == "passed"
        found[sample["item"]["problem"]].append(passed)
    return found


def rate(passed: Passed, problems: list[str]) -> float:
    drawn = [each for problem in problems for each in passed[problem]]
    return 100 * sum(drawn) / len(drawn)


def rate_and_interval(passed: Passed, problems: list[str]) -> str:
    figure = rate(passed, problems)
    if 0 < figure < 100:
        return interval(lambda drawn: rate(passed, drawn), problems)
    farthest = 100 * (1 - 0.025 ** (1 / len(problems)))
    low, high = (0, farthest) if figure == 0 else (100 - farthest, 100)
    return f"{figure:.1f} ({low:.1f} to {high:.1f})"


def interval(figure: Any, problems: list[str]) -> str:
    chance = random.Random(0)
    drawn = sorted(figure(chance.choices(problems, k=len(problems))) for _ in range(RESAMPLES))
    low, high = drawn[RESAMPLES // 40], drawn[-RESAMPLES // 40]
    return f"{figure(problems):.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    runs = {}
    for path in sorted(Path(sys.argv[1]).rglob("samples.jsonl.xz")):
        record = json.loads((path.parent / "run.json").read_text())
        truncation = record["settings"]["truncation"]
        truncation = FORMER_NAMES.get(truncation, truncation)
        key = (record["task"], record["model"], truncation, record["arm"])
        runs[key] = samples_of(path)
    for task, model, truncation, arm in list(runs):
        # For an arm with a single prompt `next_prompt` equals `parse`, so these samples are both.
        if truncation == "parse" and arm in ("concat", "prose"):
            runs[task, model, "next_prompt", arm] = runs[task, model, truncation, arm]
    print("| set | model | truncation | arm | n | strict, % | legacy, % | minus turns | tokens |")
    print("|---|---|---|---|---|---|---|---|---|")
    for key, samples in sorted(runs.items(), key=lambda run: run[0]):
        task, model, truncation, arm = key
        strict = by_problem(samples, "strict")
        problems = sorted(strict)
        cells = [rate_and_interval(strict, problems)]
        if "legacy" in samples[0]["verdicts"]:
            legacy = by_problem(samples, "legacy")
            cells.append(rate_and_interval(legacy, problems))
        else:
            cells.append("")
        turns = runs.get((task, model, truncation, "turns"))
        if turns is None or arm == "turns":
            cells.append("")
        else:
            other = by_problem(turns, "strict")

            def difference(drawn: list[str], ours: Passed = strict, turns: Passed = other) -> float:
                return rate(ours, drawn) - rate(turns, drawn)

            cells.append(interval(difference, problems))
        read, written = (
            sum(step[name] for sample in samples for step in sample["steps"]) / len(samples)
            for name in ("prompt_tokens", "new_tokens")
        )
        cells.append(f"{read:.0f}, {written:.0f}")
        print(f"| {task} | {model} | {truncation} | {arm} | {len(samples)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
