"""Opens a benchmark by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from multiturn.benchmarks.arms.registry import arm_named
from multiturn.benchmarks.loaders.human_eval import fetch_human_eval, read_human_eval
from multiturn.benchmarks.loaders.published import fetch_published, read_published
from multiturn.benchmarks.loaders.task_names import (
    language_of_option,
    read_task_name,
    task_name,
)
from multiturn.benchmarks.loaders.tasks import (
    HUMAN_EVAL_ARMS,
    HUMAN_EVAL_LIMITS,
    HumanEvalTask,
    ProblemTask,
)
from multiturn.benchmarks.multipl_e.problems import fetch_multipl_e, read_multipl_e
from multiturn.benchmarks.multipl_e.task import COMPLETION, MULTIPL_E_LIMITS, MultiplETask
from multiturn.benchmarks.oracles.observation import LIMITS
from multiturn.benchmarks.own_languages import own_problems_in, own_sha256
from multiturn.benchmarks.problem_set import INCLUDED_SETS, OWN
from multiturn.benchmarks.task import Task
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.core.files import sha256_file
from multiturn.hub.progress import ProgressListener, silent

__all__ = ["BENCHMARKS", "open_task"]

BENCHMARKS = (*INCLUDED_SETS, "mtpb", "humaneval", "multipl-e")


def open_task(
    name: str,
    *,
    arm: str | None = None,
    language: str | None = None,
    path: Path | None = None,
    any_hash: bool = False,
    limits: Mapping[str, Any] | None = None,
    progress: ProgressListener = silent,
) -> Task:
    """The task of a benchmark under an arm.

    Args:
        name: ``own``, this project's problems; ``bioinformatics``, those of one domain; ``mtpb``,
            the published ones; ``humaneval``; ``multipl-e``, HumanEval in other languages. Or the
            name of a task in a language, as in records: ``multipl-e-go``.
        arm: one of `multiturn.benchmarks.arms.registry.ARMS`; ``turns`` by default.
            HumanEval has its own: ``completion``, ``chat``, ``chat_evalplus``. MultiPL-E has
            ``completion`` alone.
        language: of the programs of ``own`` (Python by default) or ``multipl-e``: a name of the
            table of languages, such as ``js``.
        path: the file of ``mtpb``, ``humaneval`` or ``multipl-e``; downloaded by default.
        any_hash: accept a file at `path` other than the published one. MultiPL-E has several
            published files, so any is accepted; its hash is part of the record of a run.
        limits: fields of `Limits` that replace those of the benchmark.
        progress: receives the progress of the download.

    Raises:
        UnknownNameError: no benchmark, arm or language has this name.
        InputError: the problems lack what the arm needs, or the file contains no problems.
        NetworkError: the file could not be downloaded.
        HashMismatchError: the file is not the published one.
        StorageError: a file cannot be read or written.
    """
    name, named = read_task_name(name)
    if name not in BENCHMARKS:
        raise UnknownNameError("benchmark", name, BENCHMARKS)
    chosen_language = language_of_option(name, language or named)
    if name == "humaneval":
        if arm is not None and arm not in HUMAN_EVAL_ARMS:
            raise InputError(
                "HumanEval has no such arm", got=arm, allowed=", ".join(HUMAN_EVAL_ARMS)
            )
        file = path or fetch_human_eval(progress=progress)
        functions, sha256 = read_human_eval(file, any_hash=any_hash)
        return HumanEvalTask(
            functions,
            sha256=sha256,
            arm=arm or HUMAN_EVAL_ARMS[0],
            limits=replace(HUMAN_EVAL_LIMITS, **(limits or {})),
        )
    if name == "multipl-e":
        if arm not in (None, COMPLETION):
            raise InputError("MultiPL-E has no such arm", got=arm, allowed=COMPLETION)
        assert chosen_language is not None
        file = path or fetch_multipl_e(chosen_language, progress=progress)
        translated, sha256 = read_multipl_e(file, chosen_language)
        return MultiplETask(
            translated,
            language=chosen_language,
            sha256=sha256,
            limits=replace(MULTIPL_E_LIMITS, **(limits or {})),
        )
    chosen = arm_named(arm or "turns")
    judged = replace(LIMITS, **(limits or {}))
    if name == "mtpb":
        file = path or fetch_published(progress=progress)
        problems, sha256 = read_published(file, any_hash=any_hash)
        return ProblemTask(problems, chosen, name=name, sha256=sha256, limits=judged)
    if path is not None:
        raise InputError(
            f"the problems of {name} come with the package", got=path, fix="leave out path"
        )
    if name == OWN.name:
        assert chosen_language is not None
        problems, sha256 = own_problems_in(chosen_language), own_sha256(chosen_language)
        name = task_name(name, chosen_language)
    else:
        included = INCLUDED_SETS[name]
        problems, sha256 = included.problems(), sha256_file(included.path)
    return ProblemTask(problems, chosen, name=name, sha256=sha256, limits=judged)
