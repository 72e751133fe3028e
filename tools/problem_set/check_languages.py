"""Checks the references of the set in other languages than Python: `python -m` this module.

Every reference runs in the sandbox, turn by turn and whole, on the fixed cases and on new ones; it
must print the gold value. Every wrong program must run to its end in some case and fail a case.
Many programs share one compilation (`batches`).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.own_languages import own_languages, own_problems_in
from multiturn.benchmarks.problem_set import Problem, own_problems
from multiturn.benchmarks.trials import Trial, generate_cases, run_trials
from multiturn.core.errors import InputError, MultiturnError
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.printed import printed_matches
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.assembly import assemble
from multiturn.text.languages import LANGUAGES, language
from multiturn.text.literals import fill_code_in
from tools.problem_set.batches import Ended, batch, read_batch
from tools.problem_set.check import Finding

__all__ = [
    "MIN_PROBLEMS",
    "MIN_WRONG",
    "Job",
    "check_language",
    "check_prompts",
    "main",
    "program_of",
    "run_all",
    "wrong_programs",
]

MIN_PROBLEMS = 60
MIN_WRONG = 3
NEW_CASES = 3
LIMITS = Limits(cpu_seconds=30.0, wall_seconds=120.0, output_bytes=8 << 20)
_BATCH = 200
_PYTHON_WORDS = re.compile(
    r"\b(None|True|False|tuple|deque|Counter|lambda|module|__\w+__|Python|import)\b"
)
_RESERVED = frozenset(
    {
        *("abstract", "auto", "bool", "boolean", "break", "byte", "case", "catch", "char", "class"),
        *("const", "continue", "default", "defer", "delete", "do", "double", "else", "enum"),
        *("extern", "final", "float", "for", "func", "go", "goto", "if", "import", "inline", "int"),
        *("interface", "let", "long", "main", "map", "new", "package", "private", "public"),
        *("range", "return", "select", "short", "signed", "sizeof", "static", "string", "struct"),
        *("super", "switch", "template", "this", "throw", "try", "type", "typedef", "union"),
        *("unsigned", "using", "var", "virtual", "void", "volatile", "while"),
    }
)


@dataclass(frozen=True, slots=True)
class Job:
    """A program to run. `gold` is what it must print; None if it must only run to its end."""

    problem: str
    what: str
    program: str
    gold: object = None
    has_gold: bool = True


def program_of(
    problem: Problem, variables: Mapping[str, object], turns: Sequence[str] | None = None
) -> str:
    """The program of some turns with the variables of a case.

    Args:
        problem: in its language.
        variables: of the case.
        turns: templates of code; the references by default.
    """
    code = turns if turns is not None else [turn.reference for turn in problem.turns]
    header = f"{language(problem.language).header}{problem.helper}\n\n"
    steps = [("", fill_code_in(problem.language, part, variables)) for part in code]
    return assemble(problem.language, header, steps)


def run_all(sandbox: Sandbox, key: str, programs: Sequence[str]) -> list[Ended]:
    """Run programs of one language, many at a time.

    Raises:
        SandboxUnavailableError: the sandbox itself failed.
    """
    found: list[Ended] = []
    for at in range(0, len(programs), _BATCH):
        found += _run_batch(sandbox, key, programs[at : at + _BATCH])
    return found


def _run_batch(sandbox: Sandbox, key: str, programs: Sequence[str]) -> list[Ended]:
    if not programs:
        return []
    run = sandbox.run(Program(source=batch(key, programs), language=key), LIMITS)
    if run.outcome.status is Status.SYNTAX_ERROR:
        if len(programs) == 1:
            return [Ended("", run.outcome.describe())]
        half = len(programs) // 2
        return [
            *_run_batch(sandbox, key, programs[:half]),
            *_run_batch(sandbox, key, programs[half:]),
        ]
    found: list[Ended] = []
    for ended in read_batch(run.stdout_text, len(programs)):
        if ended is None:
            break
        found.append(ended)
    if not found:
        return [Ended("", run.outcome.describe())] * len(programs)
    # The last one that began ended the process, so the others have not run yet.
    return [*found, *_run_batch(sandbox, key, programs[len(found) :])]


def wrong_programs(key: str) -> dict[str, list[tuple[int, str, str]]]:
    """By problem the edits of wrong programs: the turn, the text, and what takes its place.

    Raises:
        InputError: the file is invalid.
    """
    path = Path(__file__).parent / "wrong" / f"{key}.jsonl"
    found: dict[str, list[tuple[int, str, str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        edit = json.loads(line)
        place = (edit["turn"], edit["replace"], edit["by"])
        found.setdefault(edit["problem"], []).append(place)
    return found


def edited(problem: Problem, edit: tuple[int, str, str]) -> tuple[str, ...]:
    """The reference with one edit; its text occurs in the turn, and the first one is replaced.

    Raises:
        InputError: the text is not in the turn.
    """
    turn, text, by = edit
    turns = [each.reference for each in problem.turns]
    if not 0 <= turn < len(turns) or text not in turns[turn]:
        raise InputError(f"{problem.id}: a wrong program edits what is not there", got=text)
    turns[turn] = turns[turn].replace(text, by, 1)
    return tuple(turns)


def check_prompts(problem: Problem) -> Iterator[str]:
    """What is wrong with the words of a problem in a language."""
    texts = [problem.single, *(turn.prompt for turn in problem.turns)]
    for text in texts:
        for word in _PYTHON_WORDS.findall(text):
            yield f"a prompt says {word!r}"
    for turn in problem.turns:
        for name in turn.leaves:
            if name in _RESERVED:
                yield f"a prompt asks for the name {name!r}, which some language reserves"
            if not re.search(rf"\b{re.escape(name)}\b", turn.reference):
                yield f"a turn does not have the name {name!r}"


def check_language(
    sandbox: Sandbox, key: str, *, names: Sequence[str] = (), seed: int = 0, new: int = NEW_CASES
) -> list[Finding]:
    """Check the problems of a language.

    Args:
        sandbox: runs the programs.
        key: the language.
        names: only these problems; all by default.
        seed: of the new cases.
        new: how many new cases of each problem.

    Raises:
        SandboxUnavailableError: the sandbox itself failed.
    """
    problems = own_problems_in(key)
    findings = []
    if len(problems) < MIN_PROBLEMS:
        findings.append(Finding(key, f"has {len(problems)} problems, needs {MIN_PROBLEMS}"))
    chosen = [problem for problem in problems if not names or problem.id in names]
    for problem in chosen:
        findings += [Finding(problem.id, what) for what in check_prompts(problem)]
    jobs = [*_reference_jobs(sandbox, chosen, seed, new)]
    for job, ended in zip(
        jobs, run_all(sandbox, key, [each.program for each in jobs]), strict=True
    ):
        if ended.error is not None:
            findings.append(Finding(job.problem, f"{job.what}: {ended.error}"))
        elif job.has_gold and not printed_matches(ended.printed, job.gold, None):
            said = ended.printed.strip()[:80]
            findings.append(Finding(job.problem, f"{job.what}: printed {said}, not {job.gold}"))
    return findings + _faults_of_wrong(sandbox, key, chosen)


def _reference_jobs(
    sandbox: Sandbox, problems: Sequence[Problem], seed: int, new: int
) -> Iterator[Job]:
    in_python = {problem.id: problem for problem in own_problems()}
    for problem in problems:
        for case, (variables, gold) in enumerate(zip(problem.inputs, problem.outputs, strict=True)):
            yield Job(problem.id, f"case {case}", program_of(problem, variables), gold)
        for count in range(1, len(problem.turns)):
            turns = [turn.reference for turn in problem.turns[:count]]
            program = program_of(problem, problem.inputs[0], turns)
            yield Job(problem.id, f"the first {count} turns", program, has_gold=False)
        if new:
            original = in_python[problem.id]
            tables = generate_cases(sandbox, original, seed=seed, count=new)
            (attempts,) = run_trials(sandbox, [Trial.of(original, tables, joined=True)])
            for variables, attempt in zip(tables, attempts, strict=True):
                program = program_of(problem, variables)
                yield Job(problem.id, f"the new case {variables}", program, attempt.answer)


@dataclass(slots=True)
class _Wrong:
    """What is known of a wrong program, and the cases in which it has not run, last one first."""

    problem: Problem
    edit: tuple[int, str, str]
    cases: list[int]
    ended: bool = False
    failed: bool = False

    @property
    def undecided(self) -> bool:
        return bool(self.cases) and not (self.ended and self.failed)


def _faults_of_wrong(sandbox: Sandbox, key: str, problems: Sequence[Problem]) -> list[Finding]:
    edits = wrong_programs(key)
    findings: list[Finding] = []
    wrong: list[_Wrong] = []
    for problem in problems:
        own = list(dict.fromkeys(edits.get(problem.id, [])))
        if len(own) < MIN_WRONG:
            findings.append(
                Finding(problem.id, f"has {len(own)} wrong programs, needs {MIN_WRONG}")
            )
        # The longest input first, in which most faults show: one case is enough for most.
        sizes = [len(json.dumps(each)) for each in problem.inputs]
        order = sorted(range(len(sizes)), key=sizes.__getitem__)
        wrong += [_Wrong(problem, edit, list(order)) for edit in own]
    while undecided := [each for each in wrong if each.undecided]:
        cases = [each.cases.pop() for each in undecided]
        programs = [
            program_of(each.problem, each.problem.inputs[case], edited(each.problem, each.edit))
            for each, case in zip(undecided, cases, strict=True)
        ]
        for each, case, ended in zip(
            undecided, cases, run_all(sandbox, key, programs), strict=True
        ):
            gold = each.problem.outputs[case]
            each.ended |= ended.error is None
            each.failed |= ended.error is not None or not printed_matches(ended.printed, gold, None)
    for each in wrong:
        if not each.ended:
            what = f"the wrong program {each.edit} never runs to its end"
            findings.append(Finding(each.problem.id, what))
        elif not each.failed:
            what = f"the wrong program {each.edit} passes every case"
            findings.append(Finding(each.problem.id, what))
    return findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Check languages; returns 1 if there are findings."""
    parser = argparse.ArgumentParser(description="Check the problems in other languages.")
    parser.add_argument("names", nargs="*", help="problems (default: all)")
    parser.add_argument("--language", "-l", action="append", help="default: all that are installed")
    parser.add_argument("--seed", type=int, default=0, help="of the new cases")
    parser.add_argument("--new", type=int, default=NEW_CASES, help="new cases of each problem")
    options = parser.parse_args(arguments)
    here = {each.language.key: each for each in available_languages()}
    keys = [language(name).key for name in options.language or LANGUAGES]
    findings = []
    try:
        with open_sandbox() as sandbox:
            for key in keys:
                if key not in own_languages():
                    continue
                if not here[key].works:
                    missing = ", ".join(here[key].missing)
                    print(f"{LANGUAGES[key].name}: not checked, {missing} not installed")
                    continue
                found = check_language(
                    sandbox, key, names=options.names, seed=options.seed, new=options.new
                )
                count = len(own_problems_in(key))
                print(f"{LANGUAGES[key].name}: {count} problems, {len(found)} findings", flush=True)
                findings += found
    except MultiturnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
