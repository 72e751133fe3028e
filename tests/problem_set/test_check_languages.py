"""The checker of the problems in other languages, and what it finds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from multiturn.benchmarks.own_languages import own_languages, own_problems_in
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.protocol import Sandbox
from multiturn.text.languages import LANGUAGES

pytest.importorskip("tree_sitter")

from tools.problem_set.batches import Ended, batch, read_batch
from tools.problem_set.check_languages import (
    MIN_WRONG,
    check_language,
    check_prompts,
    edited,
    program_of,
    run_all,
    wrong_programs,
)

HERE = {each.language.key for each in available_languages() if each.works}


@pytest.mark.parametrize("key", own_languages())
def test_every_problem_has_wrong_programs_and_words_for_every_language(key):
    wrong = wrong_programs(key)
    for problem in own_problems_in(key):
        assert not list(check_prompts(problem))
        edits = wrong[problem.id]
        assert len({edited(problem, edit) for edit in edits}) >= MIN_WRONG


def test_a_report_names_what_ended_and_what_did_not():
    text = "\x1e0\n7\n\x1f\x1e1\n\x1dError: no\n\x1e2\nhalf"
    assert read_batch(text, 4) == [
        Ended("7\n", None),
        Ended("", "Error: no"),
        Ended("half", "it ended the process"),
        None,
    ]


def test_words_of_python_and_reserved_names_are_found():
    (problem, *_) = own_problems_in("javascript")
    first, *others = problem.turns
    turns = (replace(first, prompt="Use a tuple.", leaves=("func", "absent")), *others)
    found = list(check_prompts(replace(problem, turns=turns)))
    assert len(found) == 4 and "tuple" in found[0] and "reserves" in found[1]


@pytest.mark.real
@pytest.mark.parametrize("key", own_languages())
def test_a_program_that_ends_the_process_ends_no_other(key, sandbox: Sandbox):
    if key not in HERE:
        pytest.skip(f"{key} is not installed")
    (problem, *_) = own_problems_in(key)
    right = program_of(problem, problem.inputs[0])
    programs = [right, "process.exit(3);", right] if key == "javascript" else [right, right]
    ended = run_all(sandbox, key, programs)
    assert [json.loads(each.printed) for each in (ended[0], ended[-1])] == [[3, 2], [3, 2]]
    assert batch(key, programs)


@pytest.mark.real
@pytest.mark.parametrize("key", own_languages())
def test_problems_pass_and_their_wrong_programs_fail(key, sandbox: Sandbox):
    if key not in HERE:
        pytest.skip(f"{key} is not installed")
    names = ["garden_fence", "turnstile"]
    assert not check_language(sandbox, key, names=names, new=1)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("key", own_languages())
def test_every_problem_passes_and_its_wrong_programs_fail(key, sandbox: Sandbox):
    if key not in HERE:
        pytest.skip(f"{LANGUAGES[key].name} is not installed")
    assert not check_language(sandbox, key, seed=11)
