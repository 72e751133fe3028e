"""A saved run in the format of Inspect's logs, for its viewer and analyses.

The format is `inspect_ai.log.EvalLog`, version 2, as JSON. It is written here by hand, so that
Inspect need not be installed; tests validate it with the schema from Inspect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multiturn.benchmarks.runner.directory import CONFIG
from multiturn.benchmarks.runner.results import SavedRun
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.solver import Generate
from multiturn.benchmarks.task import EARLIER_TRUNCATIONS, Task
from multiturn.core.files import write_atomically
from multiturn.core.records import to_plain
from multiturn.sandbox.oracles.verdicts import Judgement

__all__ = ["eval_log", "write_eval_log"]

_VERSION = 2
_STOP_REASONS = {"length": "max_tokens"}
_VALUES = {Judgement.PASSED: "C", Judgement.UNDECIDED: "N"}
"""Inspect's letters for correct and no answer; incorrect is "I"."""


def write_eval_log(run: SavedRun, path: Path, *, task: Task | None = None) -> None:
    """Write the log of a run. `path` must end in ``.json`` for Inspect to know the format.

    Raises:
        StorageError: the file cannot be written; an earlier file is unchanged.
    """
    write_atomically(path, json.dumps(eval_log(run, task=task), allow_nan=False, indent=1) + "\n")


def eval_log(run: SavedRun, *, task: Task | None = None) -> dict[str, Any]:
    """The log of a run as plain data.

    Args:
        run: as read from its directory, complete or not.
        task: the task of the run, for the first prompt of each sample; without it the input of
            a sample is the id of its item.
    """
    config = run.config
    record = to_plain(config)
    identity = _identity(record)
    began = datetime.fromtimestamp((run.path / CONFIG).stat().st_mtime, UTC)
    created = began.isoformat(timespec="seconds")
    items = list(dict.fromkeys(sample.item.id for sample in run.samples))
    settings: dict[str, Any] = {
        "temperature": config.sampling.temperature,
        "top_p": config.sampling.top_p,
        "seed": config.sampling.seed,
    }
    log = {
        "version": _VERSION,
        "status": "success" if run.complete else "started",
        "eval": {
            "eval_id": identity,
            "run_id": identity,
            "created": created,
            "task": f"multiturn/{config.task}",
            "task_id": f"{config.task}-{config.arm}",
            "task_version": config.schema,
            "task_args": {"arm": config.arm, **to_plain(config.settings)},
            "task_args_passed": {"arm": config.arm},
            "dataset": {
                "name": config.task,
                "samples": config.items,
                "sample_ids": items,
                "shuffled": False,
            },
            "model": config.model,
            "model_generate_config": settings,
            "config": {"epochs": config.sampling.n},
            "packages": dict(config.versions),
            "metadata": record,
        },
        "plan": {
            "name": config.arm,
            "steps": [{"solver": config.arm, "params": to_plain(config.settings)}],
            "config": settings,
        },
        "results": _results(run),
        "stats": {"started_at": created, "completed_at": created},
        "samples": [_sample(sample, run, task) for sample in run.samples],
    }
    clean: dict[str, Any] = _without_surrogates(log)
    return clean


def _identity(record: Mapping[str, Any]) -> str:
    """The same id in every version: a truncation counts by its first name."""
    first = {new: old for old, new in EARLIER_TRUNCATIONS.items()}
    settings = record["settings"]
    truncation = first.get(settings["truncation"], settings["truncation"])
    named = {**record, "settings": {**settings, "truncation": truncation}}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:22]


def _results(run: SavedRun) -> dict[str, Any]:
    scores = []
    for oracle in run.config.oracles:
        judged = [sample.verdicts[oracle] for sample in run.samples if oracle in sample.verdicts]
        decided = [v for v in judged if v.judgement is not Judgement.UNDECIDED]
        metrics = {}
        if decided:  # undefined without decided samples
            share = sum(verdict.passed for verdict in decided) / len(decided)
            metrics["accuracy"] = {"name": "accuracy", "value": share}
        scores.append({"name": oracle, "scorer": oracle, "params": {}, "metrics": metrics})
    return {
        "total_samples": run.expected,
        "completed_samples": len(run.samples),
        "scores": scores,
    }


def _sample(sample: Sample, run: SavedRun, task: Task | None) -> dict[str, Any]:
    prompt = sample.item.id
    if task is not None:
        first = next(task.solver(sample.item, run.config.settings))
        prompt = first.prompt if isinstance(first, Generate) else prompt
    model = run.config.model
    answers = [{"role": "assistant", "content": step.text, "model": model} for step in sample.steps]
    last = sample.steps[-1] if sample.steps else None
    choices = []
    if last is not None:
        reason = _STOP_REASONS.get(last.finish_reason, "stop")
        choices = [{"message": answers[-1], "stop_reason": reason}]
    read, new = (
        sum(step.prompt_tokens for step in sample.steps),
        sum(step.new_tokens for step in sample.steps),
    )
    usage = {"input_tokens": read, "output_tokens": new, "total_tokens": read + new}
    return {
        "id": sample.item.id,
        "epoch": sample.sample + 1,
        "input": prompt,
        "target": "",
        "messages": [{"role": "user", "content": prompt}, *answers],
        "output": {"model": model, "choices": choices, "usage": usage},
        "scores": {
            oracle: {
                "value": _VALUES.get(verdict.judgement, "I"),
                "answer": sample.program,
                "explanation": verdict.describe(),
            }
            for oracle, verdict in sample.verdicts.items()
        },
        "metadata": {**to_plain(sample.item), "steps": to_plain(sample.steps)},
        "model_usage": {model: usage},
    }


def _without_surrogates(data: Any) -> Any:
    """The data with question marks for lone surrogates, which Inspect refuses to read."""
    if isinstance(data, str):
        return data.encode("utf-8", "replace").decode("utf-8")
    if isinstance(data, Mapping):
        return {key: _without_surrogates(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_surrogates(value) for value in data]
    return data
