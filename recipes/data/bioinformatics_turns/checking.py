"""What is wrong with records: their programs run, and their text is read."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence

from multiturn.benchmarks.oracles.answers import judge_answer
from multiturn.sandbox.protocol import Sandbox
from multiturn.text.truncation import PublishedRule
from recipes.data.bioinformatics_turns.records import Drafted

__all__ = ["faults_of_run", "faults_of_text", "unvaried"]

MAX_LINE_CHARACTERS = 100


def faults_of_run(sandbox: Sandbox, record: Drafted) -> Iterator[str]:
    """Whether the program prints the answer, by the strict oracle of the benchmarks."""
    verdict = judge_answer(sandbox, record.program, record.answer)["strict"]
    if not verdict.passed:
        yield verdict.describe()


def faults_of_text(record: Drafted) -> Iterator[str]:
    """Whether the turns have the form of the benchmarks' references."""
    if not 3 <= len(record.turns) <= 6:
        yield f"has {len(record.turns)} turns"
    for number, (prompt, code) in enumerate(record.turns, 1):
        if not (prompt + code).isascii() or "\n" in prompt or not prompt.strip():
            yield f"turn {number} has odd characters"
        if cut := PublishedRule().find(f"{code}\n"):
            yield f"the published rule would cut turn {number} at its {cut.reason}"
        tokens = tokenize.generate_tokens(io.StringIO(f"{code}\n").readline)
        if any(token.type == tokenize.COMMENT for token in tokens):
            yield f"turn {number} has a comment"
        if prints(code) != (number == len(record.turns)):
            yield f"turn {number} prints too early, too often or not at all"
        # The line of a value is as long as the value.
        if number > 1 and max(map(len, code.splitlines())) > MAX_LINE_CHARACTERS:
            yield f"turn {number} has a long line"


def prints(code: str) -> int:
    """How many calls of ``print`` are in some code."""
    return sum(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for node in ast.walk(ast.parse(code))
    )


def unvaried(records: Sequence[Drafted]) -> Iterable[str]:
    """Templates of several records that all have the same answer."""
    answers: dict[str, list[str]] = {}
    for record in records:
        answers.setdefault(record.template, []).append(repr(record.answer))
    return [name for name, found in answers.items() if len(found) > 1 and len(set(found)) == 1]
