"""Multi-turn records of bioinformatics, for fine-tuning.

    python -m recipes.data.bioinformatics_turns runs/turns

Writes train.jsonl, held_out.jsonl and recipe.json (see `writing`). The records are drawn from
templates that were written for this recipe; a quarter of these are about programs in general.
Each program has run in the sandbox and printed an answer that was computed in another way. No
record shares ten words in a row with a problem of the included sets or of HumanEval, so a model
tuned on them may be scored on both.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from multiturn.benchmarks.problem_files import problem_files
from multiturn.core.errors import MultiturnError
from multiturn.sandbox.open import open_sandbox
from recipes.data.bioinformatics_turns.contamination import Contamination
from recipes.data.bioinformatics_turns.every import every_template
from recipes.data.bioinformatics_turns.writing import PARTS, write_records


def main() -> int:
    """Write the files; returns 1 if a record was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--variants", type=int, default=12, help="records of each template")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--held-out", type=float, default=0.1, help="share of the templates")
    arguments = parser.parse_args()
    try:
        with open_sandbox(workers=1) as sandbox:
            write_records(
                arguments.out,
                every_template(),
                sandbox,
                Contamination(problem_files()),
                variants=arguments.variants,
                seed=arguments.seed,
                held_out=arguments.held_out,
            )
    except MultiturnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    report = json.loads((arguments.out / "recipe.json").read_text("utf-8"))
    files = ", ".join(f"{part} {report['files'][part]['records']}" for part in PARTS)
    print(
        f"{report['drawn']} records of {report['templates']} templates: {files}; "
        f"{len(report['refused'])} refused, {report['repeated']} repeated, "
        f"{len(report['dropped'])} dropped with {len(report['dropped_templates'])} templates, "
        f"of which {report['repeating_a_problem']} have the text of a benchmark"
    )
    for identity, faults in report["refused"].items():
        print(f"refused {identity}: {'; '.join(faults)}", file=sys.stderr)
    return 1 if report["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
