"""The texts of the problems that saved runs name, as far as they are on this machine."""

from __future__ import annotations

from multiturn.benchmarks.own_languages import own_languages, own_problems_in, own_sha256
from multiturn.benchmarks.problem_set import INCLUDED_SETS, Problem
from multiturn.core.files import sha256_file
from multiturn.report.problem_texts import CaseTexts, ProblemTexts
from multiturn.report.records.columns import Records

__all__ = ["problem_texts"]


def problem_texts(records: Records) -> ProblemTexts:
    """The texts of the included problems, where runs have the same file of problems.

    Published sets are not in the package, and a report downloads nothing: their pages lack prompts
    and expected values.
    """
    named = {sha256 for _, sha256 in records.problem_sets}
    found = [
        (sha256, included.problems())
        for included in INCLUDED_SETS.values()
        if (sha256 := sha256_file(included.path)) in named
    ] + [
        (sha256, own_problems_in(key))
        for key in own_languages()
        if (sha256 := own_sha256(key)) in named
    ]
    return {
        (sha256, problem.id, number): _case(problem, number)
        for sha256, problems in found
        for problem in problems
        for number in range(len(problem.inputs))
    }


def _case(problem: Problem, number: int) -> CaseTexts:
    filled = problem.fill(problem.inputs[number])
    return CaseTexts(
        prompts=filled.prompts,
        gold=problem.outputs[number],
        inputs=problem.inputs[number],
        references=filled.references,
        names=tuple(turn.leaves for turn in problem.turns),
    )
