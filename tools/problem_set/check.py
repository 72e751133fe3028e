"""Checks that the problems of all sets are sound. Run ``python -m tools.problem_set.check``.

For every problem, by running programs in the sandbox:

- the reference runs turn by turn, leaves the variables that each turn asks for, and prints once,
  at its end, the same plain answer as when all turns run as one program;
- it does so on the fixed cases and on new ones, with different answers; no answer has an int where
  that of another case has a float;
- other programs for the same task give the same answers, in all of these cases;
- every wrong program finishes on some case, and fails at least one fixed case.

Without running anything: numbers of cases, turns and wrong programs; turns and single
specification name the same quantities; imports; characters; the published truncation rule cuts no
turn of the reference; and no problem repeats another.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from multiturn.benchmarks.problem_set import (
    BIOINFORMATICS,
    INCLUDED_SETS,
    OWN,
    IncludedSet,
    Problem,
)
from multiturn.benchmarks.trials import (
    Attempt,
    Trial,
    generate_cases,
    run_trials,
)
from multiturn.core.errors import MultiturnError, UnknownNameError
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.compare import values_equal
from multiturn.sandbox.protocol import Sandbox
from multiturn.text.truncation import PublishedRule
from tools.problem_set.authored import AuthoredProblem, of_set, problems_directory, read_authored
from tools.problem_set.quantities import quantities
from tools.problem_set.similarity import code_shingles, overlap, prompt_shingles

__all__ = ["Finding", "check_behaviour", "check_repeats", "check_set", "check_text", "main"]

MIN_CASES = 5
MIN_WRONG = 10
MIN_WRITTEN = 5
"""How many of the wrong programs a person must have written."""
TURNS = range(3, 10)
NEW_CASES = 20
MAX_PROMPT_CHARACTERS = 400
MAX_LINE_CHARACTERS = 100
ALLOWED_MODULES = {
    "bisect",
    "collections",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "math",
} | {
    "operator",
    "re",
    "statistics",
    "string",
}
REFUSED_BUILTINS = {"open", "input", "hash", "id", "eval", "exec", "__import__"}
"""Builtins that make an answer depend on files, on the process or on its input."""
MAX_PROMPT_OVERLAP = 0.25
MAX_CODE_OVERLAP = 0.25
"""Maximum overlap of the shingles of two problems; 1 is a copy with other names and numbers."""


@dataclass(frozen=True, slots=True)
class Minima:
    """What a set needs at least."""

    problems: int
    per_category: int
    others: int
    """Other programs for each problem."""


MINIMA = {
    OWN.name: Minima(problems=120, per_category=8, others=0),
    BIOINFORMATICS.name: Minima(problems=40, per_category=5, others=1),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a problem."""

    problem: str
    what: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.what}"


def check_text(identity: str, authored: AuthoredProblem) -> list[Finding]:
    """Findings without running anything."""
    problem = authored.problem(identity)
    return [Finding(identity, what) for what in _faults_of_text(problem, authored)]


def _minima_of(authored: AuthoredProblem) -> Minima:
    return next(
        MINIMA[included.name]
        for included in INCLUDED_SETS.values()
        if authored.category in included.categories
    )


def _faults_of_text(problem: Problem, authored: AuthoredProblem) -> Iterator[str]:
    for what, count, minimum in (
        ("cases", len(problem.inputs), MIN_CASES),
        ("wrong programs", len(authored.wrong) + len(authored.mutated), MIN_WRONG),
        ("wrong programs written by hand", len(authored.wrong), MIN_WRITTEN),
        ("other programs", len(authored.others), _minima_of(authored).others),
    ):
        if count < minimum:
            yield f"has {count} {what}, needs {minimum}"
    if len(problem.turns) not in TURNS:
        yield f"has {len(problem.turns)} turns"
    if len({str(table) for table in problem.inputs}) < len(problem.inputs):
        yield "has the same case twice"
    prompts = [turn.prompt for turn in problem.turns]
    named = frozenset().union(*map(quantities, prompts))
    single = quantities(problem.single)
    if named - single:
        yield f"only the turns name {', '.join(sorted(named - single))}"
    if single - named:
        yield f"only the single specification names {', '.join(sorted(single - named))}"
    variables = {item[1:-1] for item in named if item.startswith("{")}
    for table in problem.inputs:
        if set(table) != variables:
            yield f"a case has the variables {sorted(table)}, the prompts {sorted(variables)}"
    for number, turn in enumerate(problem.turns, 1):
        for name in turn.leaves:
            if f'"{name}"' not in turn.prompt:
                yield f'turn {number} leaves "{name}", which its prompt does not name'
    for text in (problem.description, problem.single, *prompts):
        if not text.isascii() or text != " ".join(text.split()):
            yield f"odd characters or spaces in {text[:40]!r}"
    for text in prompts:
        if len(text) > MAX_PROMPT_CHARACTERS:
            yield f"a prompt has {len(text)} characters"
    yield from _faults_of_code(problem)


def _faults_of_code(problem: Problem) -> Iterator[str]:
    for number, turn in enumerate(problem.turns, 1):
        if not turn.reference.isascii():
            yield f"turn {number} has characters beyond ASCII"
        if max(map(len, turn.reference.splitlines()), default=0) > MAX_LINE_CHARACTERS:
            yield f"turn {number} has a line over {MAX_LINE_CHARACTERS} characters"
    for number, turn in enumerate(problem.turns, 1):
        if cut := PublishedRule().find(f"{turn.reference}\n"):
            yield f"the published rule would cut turn {number} at its {cut.reason}"
    code = problem.fill(problem.inputs[0]).references
    for node in ast.walk(ast.parse("\n".join(code))):
        if isinstance(node, ast.Import):
            modules = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules = {str(node.module)}
        elif isinstance(node, ast.Name) and node.id in REFUSED_BUILTINS:
            yield f"uses {node.id}"
            continue
        else:
            continue
        if modules - ALLOWED_MODULES:
            yield f"imports {', '.join(sorted(modules - ALLOWED_MODULES))}"


def check_behaviour(
    sandbox: Sandbox, identity: str, authored: AuthoredProblem, *, seed: int = 0
) -> list[Finding]:
    """Findings from running the programs of a problem.

    Raises:
        SandboxUnavailableError: the sandbox itself failed.
    """
    problem = authored.problem(identity)
    try:
        new_cases = generate_cases(sandbox, problem, seed=seed, count=NEW_CASES)
        programs = authored.wrong_programs()
        tables = [*problem.inputs, *new_cases]
        trials = [Trial.of(problem, tables), Trial.of(problem, tables, joined=True)]
        trials += [Trial.of(problem, tables, turns=(other,)) for other in authored.others]
        trials += [Trial.of(problem, problem.inputs, turns=turns) for turns in programs]
    except MultiturnError as error:
        return [Finding(identity, str(error))]
    stepwise, joined, *more = run_trials(sandbox, trials)
    others, wrong = more[: len(authored.others)], more[len(authored.others) :]
    faults = itertools.chain(
        _faults_of_reference(problem, tables, stepwise, joined),
        _faults_of_others(tables, joined, others),
        _faults_of_wrong(joined[: len(problem.inputs)], programs, wrong),
    )
    return [Finding(identity, what) for what in faults]


def _faults_of_reference(
    problem: Problem,
    tables: Sequence[Mapping[str, object]],
    stepwise: Sequence[Attempt],
    joined: Sequence[Attempt],
) -> Iterator[str]:
    for table, step, one in zip(tables, stepwise, joined, strict=True):
        if error := step.error or one.error:
            yield f"the reference fails on {table}: {error}"
            continue
        if not (step.plain and one.plain and values_equal(step.answer, one.answer)):
            yield f"no plain answer on {table}: {step.answer!r}, as one program {one.answer!r}"
        if step.printed != 1:
            yield f"the reference prints {step.printed} times"
        for number, (turn, left) in enumerate(zip(problem.turns, step.left, strict=True), 1):
            if missing := set(turn.leaves) - set(left):
                yield f"turn {number} does not leave {', '.join(sorted(missing))}"
    yield from _faults_of_answers([attempt.answer for attempt in joined if not attempt.error])
    if len({str(attempt.answer) for attempt in joined[: len(problem.inputs)]}) < 2:
        yield "the answer is the same for all fixed cases"
    if len({str(attempt.answer) for attempt in joined[len(problem.inputs) :]}) < 2:
        yield "the answer is the same for all new cases"


def _faults_of_others(
    tables: Sequence[Mapping[str, object]],
    joined: Sequence[Attempt],
    others: Sequence[Sequence[Attempt]],
) -> Iterator[str]:
    for number, attempts in enumerate(others, 1):
        for table, other, right in zip(tables, attempts, joined, strict=True):
            if other.error:
                yield f"the other program {number} fails on {table}: {other.error}"
            elif not values_equal(other.answer, right.answer):
                yield (
                    f"the other program {number} says {other.answer!r} on {table}, "
                    f"the reference {right.answer!r}"
                )
            else:
                continue
            break


def _faults_of_answers(answers: Sequence[object]) -> Iterator[str]:
    kinds: dict[str, set[type]] = {}
    for answer in answers:
        _gather_kinds(answer, "", kinds)
    for place, found in kinds.items():
        if found & {dict, type(None)}:
            yield f"an answer{place} is None or a dict, which the published scorer never passes"
        if {int, float} <= found:
            yield f"an answer{place} is an int in one case and a float in another"


def _gather_kinds(value: object, place: str, kinds: dict[str, set[type]]) -> None:
    kinds.setdefault(place, set()).add(type(value))
    if isinstance(value, list):
        for index, item in enumerate(value):
            _gather_kinds(item, f"{place}[{index}]", kinds)


def _faults_of_wrong(
    gold: Sequence[Attempt],
    programs: Sequence[tuple[str, ...]],
    wrong: Sequence[tuple[Attempt, ...]],
) -> Iterator[str]:
    if len(set(programs)) < len(programs):
        yield "two wrong programs are the same"
    for number, attempts in enumerate(wrong, 1):
        if all(attempt.error for attempt in attempts):
            yield f"wrong program {number} never runs to its end: {attempts[0].error}"
        elif all(
            attempt.error is None and values_equal(attempt.answer, right.answer)
            for attempt, right in zip(attempts, gold, strict=True)
        ):
            yield f"wrong program {number} passes every case"


def check_set(problems: Mapping[str, AuthoredProblem], included: IncludedSet) -> list[Finding]:
    """Findings about the counts of a set."""
    found = []
    minima = MINIMA[included.name]
    if len(problems) < minima.problems:
        what = f"has {len(problems)} problems, needs {minima.problems}"
        found.append(Finding(included.name, what))
    counts = Counter(problem.category for problem in problems.values())
    found += [
        Finding(included.name, f"has {counts[category]} problems in {category}")
        for category in included.categories
        if counts[category] < minima.per_category
    ]
    return found


def check_repeats(problems: Mapping[str, AuthoredProblem]) -> list[Finding]:
    """Problems that repeat another, in their own set or in any."""
    found = []
    shingles = {
        identity: (
            prompt_shingles([turn.prompt for turn in problem.turns]),
            code_shingles("\n".join(turn.reference for turn in problem.turns)),
        )
        for identity, problem in problems.items()
    }
    for one, other in itertools.combinations(shingles, 2):
        prompts = overlap(shingles[one][0], shingles[other][0])
        code = overlap(shingles[one][1], shingles[other][1])
        if prompts > MAX_PROMPT_OVERLAP or code > MAX_CODE_OVERLAP:
            found.append(
                Finding(one, f"is too like {other}: prompts {prompts:.2f}, code {code:.2f}")
            )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Check all problems, or the named ones; returns 1 if there are findings."""
    parser = argparse.ArgumentParser(description="Check the problems of all sets.")
    parser.add_argument("names", nargs="*", help="problem files without .yaml (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the generated cases")
    options = parser.parse_args(arguments)
    try:
        problems = read_authored(problems_directory().glob("*/*.yaml"))
        findings = check_repeats(problems)
        for included in INCLUDED_SETS.values():
            findings += check_set(of_set(problems, included), included)
        names = options.names or sorted(problems)
        for name in names:
            if name not in problems:
                raise UnknownNameError("problem", name, problems)
        with open_sandbox() as sandbox:
            for name in names:
                found = check_text(name, problems[name])
                found += check_behaviour(sandbox, name, problems[name], seed=options.seed)
                print("F" if found else ".", end="", flush=True)
                findings += found
    except MultiturnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    wrong = sum(len(problems[name].wrong) + len(problems[name].mutated) for name in names)
    print(f"\n{len(names)} problems, {wrong} wrong programs, {len(findings)} findings")
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
