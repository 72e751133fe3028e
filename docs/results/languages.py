r"""Runs the own problems in six languages, in turns and as one text, and tabulates them.

    python docs/results/languages.py --out runs/languages --write docs/results/languages.md

An interrupted run resumes; ``--table`` only reads saved runs. Every language has the same problems:
those that have references in all. Each row has the strict pass rate in turns and as one text
(`concat`) with 95 % intervals clustered by problem, their paired difference with its p-value, by
Holm's method over all languages and models of the page, and how the programs failed. A second
table compares each language with Python, problem by problem. A language whose tools are not
installed is left out, and the page says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from right_programs import bench, clusters, ends, failures

from multiturn.benchmarks.own_languages import own_languages, own_problems_in
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.benchmarks.split import part_of
from multiturn.report.statistics.clusters import Clusters, clustered_interval
from multiturn.report.statistics.contrasts import Contrast, conclude, contrast, holm
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.outcomes import Status
from multiturn.text.languages import LANGUAGES

INTRODUCTION = """# Six languages

The project's own problems that have references in all six languages ({problems} of the half
`{split}`, {cases} cases each), written in turns and as one text of the same prompts (`concat`): the
paper's comparison, in each language. Temperature 0.2; an answer is cut where the model writes the
next prompt. Programs are assembled from the steps as [Languages](../languages.md) says, built and
run in the sandbox, and right if they print the gold value. Intervals are clustered by problem; the
difference is of turns from one text, paired by problem, with p-values adjusted by Holm's method.
The place of the turns in the prompt, inside an open `main`, and the types that the helper of C++
prints were changed after a first run on `test` had shown that hardly any program was complete
([decision 0046](../decisions/0046-where-code-goes.md)); nothing else was chosen by these figures.
The records are in docs/results/languages. One command makes the runs and this page, and with
`--table` it only rebuilds the page:

    python docs/results/languages.py --split {split} --cases {cases} --out runs/languages \\
        --write docs/results/languages.md"""

MODELS = ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")
ARMS = ("turns", "concat")
TRUNCATION = "next_prompt"
PYTHON = "python"

Runs = Mapping[str, Mapping[str, SavedRun]]
"""By language, then by arm."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append")
    parser.add_argument("--language", action="append", choices=LANGUAGES)
    parser.add_argument("--split", choices=("dev", "test", "all"), default="test")
    parser.add_argument("--cases", type=int, default=2)
    parser.add_argument("--problems", type=int, help="only the first ones, to try the command")
    parser.add_argument("--table", action="store_true", help="only read saved runs")
    parser.add_argument("--write", type=Path, help="write the page there")
    said, more = parser.parse_known_args()  # more: options of `multiturn bench own`
    names = shared_problems(said.split)[: said.problems]
    here = {each.language.key for each in available_languages() if each.works}
    languages = said.language or [PYTHON, *own_languages()]
    found: dict[str, Runs] = {}
    for model in said.model or MODELS:
        for key in languages:
            if not said.table and key in here:
                run(model, key, names, said, more)
        found[model] = {key: runs for key in languages if (runs := saved(said.out, model, key))}
    page = written(found, split=said.split, cases=said.cases, problems=len(names))
    missing = [
        LANGUAGES[key].name for key in languages if not any(key in r for r in found.values())
    ]
    if missing:
        page += f"\nWithout a run: {', '.join(missing)}.\n"
    if said.write:
        said.write.write_text(page, encoding="utf-8")
    print(page)


def shared_problems(split: str) -> list[str]:
    """The problems of a part that have references in every language."""
    shared = [{each.id for each in own_problems_in(key)} for key in own_languages()]
    return [
        problem.id
        for problem in own_problems_in(PYTHON)
        if all(problem.id in each for each in shared) and split in ("all", part_of(problem.id))
    ]


def run(
    model: str, key: str, names: Sequence[str], said: argparse.Namespace, more: list[str]
) -> None:
    """Run one language to its end, or the rest of it."""
    command = [
        "own",
        "--model",
        model,
        "--language",
        key,
        "--arm",
        ",".join(ARMS),
        "--truncation",
        TRUNCATION,
    ]
    command += ["--cases", str(said.cases), "--problem", ",".join(names)]
    bench(*command, "--out", str(said.out / key), *more)


def saved(out: Path, model: str, key: str) -> dict[str, SavedRun]:
    """The runs of one language by arm; empty unless both are complete, so that they pair."""
    found = {}
    for arm in ARMS:
        for record in sorted((out / key).glob(f"*/{model}/{arm}.{TRUNCATION}.*/run.json")):
            if (one := read_run(record.parent)).complete:
                found[arm] = one
    return found if len(found) == len(ARMS) else {}


def written(found: Mapping[str, Runs], *, split: str, cases: int, problems: int) -> str:
    """The page."""
    parts = [INTRODUCTION.format(split=split, cases=cases, problems=problems)]
    pairs = {
        (model, key): compared(clusters(runs["turns"]), clusters(runs["concat"]))
        for model, languages in found.items()
        for key, runs in languages.items()
    }
    adjusted = dict(zip(pairs, holm([each.p_value for each in pairs.values()]), strict=True))
    against = {
        (model, key, arm): compared(clusters(runs[arm]), clusters(languages[PYTHON][arm]))
        for model, languages in found.items()
        for key, runs in languages.items()
        for arm in ARMS
        if key != PYTHON and PYTHON in languages
    }
    of_python = dict(zip(against, holm([each.p_value for each in against.values()]), strict=True))
    for model, languages in found.items():
        if not languages:
            continue
        parts += [f"## {model}", turns_table(model, languages, pairs, adjusted)]
        if PYTHON in languages and len(languages) > 1:
            parts += [python_table(model, languages, against, of_python)]
    return "\n\n".join(parts) + "\n"


def turns_table(
    model: str,
    languages: Runs,
    pairs: Mapping[tuple[str, str], Contrast],
    adjusted: Mapping[tuple[str, str], float | None],
) -> str:
    """Turns against one text, a row for each language."""
    lines = [
        "| language | samples | turns % (95 %) | one text % (95 %) | difference (95 %) | p "
        "| turns are | did not compile, turns and one text % | failures in turns |",
        "|---" * 9 + "|",
    ]
    for key, runs in languages.items():
        turns, text = runs["turns"], runs["concat"]
        cells = [LANGUAGES[key].name, str(len(turns.samples)), rate(turns), rate(text)]
        cells += difference(pairs[model, key], adjusted[model, key])
        cells += [f"{uncompiled(turns):.1f} and {uncompiled(text):.1f}", failures(turns.samples)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def python_table(
    model: str,
    languages: Runs,
    against: Mapping[tuple[str, str, str], Contrast],
    adjusted: Mapping[tuple[str, str, str], float | None],
) -> str:
    """Each language against Python, in each arm."""
    lines = [
        "| language | turns, less Python's (95 %) | p | is | one text, less Python's (95 %) | p "
        "| is |",
        "|---" * 7 + "|",
    ]
    for key in languages:
        if key == PYTHON:
            continue
        cells = [LANGUAGES[key].name]
        for arm in ARMS:
            place = (model, key, arm)
            cells += difference(against[place], adjusted[place])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def compared(one: Clusters, other: Clusters) -> Contrast:
    """Their difference, paired by problem."""
    return contrast([one, other])


def rate(run: SavedRun) -> str:
    found = clustered_interval(clusters(run))
    return ends(found.estimate, found.low, found.high)


def difference(found: Contrast, p_value: float | None) -> list[str]:
    """The cells of a comparison: the difference, its adjusted p-value, and a word."""
    interval = found.interval
    said = "-" if p_value is None else "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    return [
        ends(interval.estimate, interval.low, interval.high, sign="+"),
        said,
        conclude(found, p_value).value,
    ]


def uncompiled(run: SavedRun) -> float:
    """The share of the programs that did not compile, in percent."""
    outcomes = [sample.verdicts["strict"].outcome for sample in run.samples]
    bad = sum(each is not None and each.status is Status.SYNTAX_ERROR for each in outcomes)
    return 100 * bad / max(1, len(outcomes))


if __name__ == "__main__":
    main()
