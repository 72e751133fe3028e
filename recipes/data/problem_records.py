"""Multi-turn records out of the project's own problem set, for fine-tuning.

    python recipes/data/problem_records.py runs/records

does what `multiturn data records runs/records` does. Writes train.jsonl and held_out.jsonl. A
problem is in one of them with all of its cases: the hash of its id decides, so that what is held
out is unseen work and not seen work with other numbers. A model tuned on these records must not
be scored on this problem set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from multiturn.benchmarks.training_records import write_training_records


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=2, help="most cases of each problem")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of the problems")
    arguments = parser.parse_args()
    written = write_training_records(
        arguments.out, cases=arguments.cases, held_out=arguments.held_out
    )
    for part in written:
        print(f"{part.file.name}: {part.records} records of {part.problems} problems")


if __name__ == "__main__":
    main()
