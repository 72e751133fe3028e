"""Multi-turn records out of the project's own problem set, for fine-tuning.

    python recipes/data/problem_records.py runs/records

Writes train.jsonl and held_out.jsonl. A problem is in one of them with all of its cases: the
hash of its id decides, so that what is held out is unseen work and not seen work with other
numbers. A model tuned on these records must not be scored on this problem set.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems
from multiturn.core.files import write_atomically
from multiturn.jaxformer.samples.text_files import chosen


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=2, help="most cases of each problem")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of the problems")
    arguments = parser.parse_args()
    parts: dict[str, list[str]] = {"train": [], "held_out": []}
    problems = {"train": 0, "held_out": 0}
    for problem in own_problems():
        part = "held_out" if chosen(problem.id, arguments.held_out) else "train"
        problems[part] += 1
        for case, variables in enumerate(problem.inputs[: arguments.cases]):
            filled = problem.fill(variables)
            turns = [
                {"prompt": prompt, "code": code}
                for prompt, code in zip(filled.prompts, filled.references, strict=True)
            ]
            record = {"id": f"{problem.id}/{case}", "header": problem.header, "turns": turns}
            parts[part].append(json.dumps(record) + "\n")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part, lines in parts.items():
        write_atomically(arguments.out / f"{part}.jsonl", "".join(lines))
        print(f"{part}.jsonl: {len(lines)} records of {problems[part]} problems")


if __name__ == "__main__":
    main()
