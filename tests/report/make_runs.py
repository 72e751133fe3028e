"""Makes runs as a benchmark would save them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

RUN: dict[str, Any] = {
    "schema": "multiturn.bench/1",
    "task": "own",
    "problems_sha256": "0" * 64,
    "items": 0,
    "items_sha256": "0" * 64,
    "selection": {"cases": None, "limit": None, "problems": []},
    "oracles": ["strict", "legacy"],
    "model": "small-1b",
    "engine": {"engine": "test", "model": "w", "weights_sha256": None, "context_window": 100},
    "arm": "turns",
    "settings": {
        "truncation": "published", "max_new_tokens": None, "budget": None, "header": "published",
        "seed": 0,
    },
    "sampling": {"n": 1, "temperature": 0.2, "top_p": 0.95, "seed": 0},
    "rung": "limits-only",
    "limits": {},
    "versions": {"multiturn": "0.1.0", "oracle strict": "2"},
}  # fmt: skip


def sample(
    problem: str,
    case: int = 0,
    number: int = 0,
    *,
    passed: bool = False,
    judgement: str | None = None,
    difference: str | None = "got 1, expected 2",
    outcome: Mapping[str, Any] | None = None,
    steps: Iterable[Mapping[str, Any]] = (),
    program: str = "print(1)\n",
    turn: int | None = None,
    **item: Any,
) -> dict[str, Any]:
    """One line of a file of samples."""
    found = judgement or ("passed" if passed else "wrong_answer")
    verdict = {
        "judgement": found,
        "difference": None if found != "wrong_answer" else difference,
        "outcome": {"status": "finished", "error": None, "line": None, "signal": None,
                    "exit_code": None, **(outcome or {})},
    }  # fmt: skip
    name = f"{problem}/{case}" + ("" if turn is None else f"/{turn}")
    return {
        "item": {"id": name, "problem": problem, "case": case, "turn": turn, "category": "array",
                 "turns": 3, "difficulty": "easy", **item},
        "sample": number,
        "verdicts": {"strict": verdict, "legacy": verdict},
        "steps": [step(**each) for each in steps] or [step(text=program)],
        "program": program,
    }  # fmt: skip


def step(
    text: str = "",
    raw_text: str | None = None,
    cut_by: str | None = None,
    finish_reason: str = "stop",
    prompt_tokens: int = 10,
    new_tokens: int = 5,
) -> dict[str, Any]:
    return {
        "text": text, "raw_text": text if raw_text is None else raw_text, "cut_by": cut_by,
        "finish_reason": finish_reason, "prompt_tokens": prompt_tokens, "new_tokens": new_tokens,
    }  # fmt: skip


def write_run(
    place: Path,
    samples: Iterable[Mapping[str, Any]],
    *,
    file: str = "samples.jsonl",
    expected: int | None = None,
    settings: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    edit: Callable[[bytes], bytes] = lambda data: data,
    **changes: Any,
) -> Path:
    """Write a run; `edit` may damage its file of samples."""
    place.mkdir(parents=True, exist_ok=True)
    lines = list(samples)
    items = {line["item"]["id"] for line in lines}
    n = 1 + max((line["sample"] for line in lines), default=0)
    record = {
        **RUN,
        "items": len(items) if expected is None else expected,
        "settings": {**RUN["settings"], **(settings or {})},
        "sampling": {**RUN["sampling"], "n": n, **(sampling or {})},
        **changes,
    }
    (place / "run.json").write_text(json.dumps(record))
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    if lines or edit(data):
        (place / file).write_bytes(edit(data))
    return place
