"""The project's own problems in other languages than Python.

``data/own_languages/LANGUAGE.EXTENSION`` has the reference code of every problem that is in the
language. It is a file of the language itself: ``//// NAME`` begins a problem, and ``////`` its next
turn. The part named ``header`` is the function that prints a value as JSON; it stands above every
program. Prompts, inputs and gold values are those of the Python problems.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from multiturn.benchmarks.problem_set import Problem, own_problems, own_problems_path
from multiturn.core.errors import InputError, storage_errors
from multiturn.text.languages import LANGUAGES, Language, language

__all__ = [
    "own_languages",
    "own_problems_in",
    "own_sha256",
    "prompt_in_other_words",
    "references_in",
]

_HEADER = "header"
_MARK = re.compile(r"^////(?: (\w+))?\n", re.MULTILINE)
_WORDS = {"True": "true", "False": "false"}
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b")


def own_languages() -> tuple[str, ...]:
    """The keys of the languages other than Python in which there are references."""
    return tuple(key for key, entry in LANGUAGES.items() if _path(entry) is not None)


def own_problems_in(key: str) -> tuple[Problem, ...]:
    """The problems that have references in a language, in the order of the set.

    Args:
        key: of the table of languages; all problems for Python.

    Raises:
        UnknownNameError: there is no such language.
        InputError: there are no references in it, or their file is invalid.
        StorageError: it cannot be read.
    """
    every = {problem.id: problem for problem in own_problems()}
    path = _path(language(key))
    if language(key).grammar is None:
        return tuple(every.values())
    if path is None:
        raise InputError(
            f"the own problems have no references in {language(key).name} yet",
            allowed=", ".join(("python", *own_languages())),
        )
    references = dict(references_in(path))
    helper = "\n\n".join(references.pop(_HEADER, ()))
    for name, turns in references.items():
        if name not in every:
            raise InputError(f"{path.name}: there is no such problem", got=name)
        if len(turns) != len(every[name].turns):
            raise InputError(
                f"{path.name}: {name} has another number of turns",
                got=len(turns),
                allowed=str(len(every[name].turns)),
            )
    return tuple(
        _translated(problem, language(key).key, helper, references[name])
        for name, problem in every.items()
        if name in references
    )


def own_sha256(key: str) -> str:
    """The SHA-256 of the problems in a language: of their file, and of its references."""
    paths = [own_problems_path(), _path(language(key))]
    digest = hashlib.sha256()
    for path in paths:
        if path is not None:
            with storage_errors(path, "reading the problem set"):
                digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def references_in(path: Path) -> dict[str, tuple[str, ...]]:
    """The reference code of every problem in a file, turn by turn.

    Raises:
        InputError: the file does not begin with a problem, or has one twice.
        StorageError: it cannot be read.
    """
    with storage_errors(path, "reading the references"):
        text = path.read_text(encoding="utf-8")
    before, *parts = _MARK.split(text)
    if before.strip():
        raise InputError(f"{path.name} does not begin with a problem", got=before[:80])
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for mark, code in zip(parts[::2], parts[1::2], strict=True):
        if mark is not None and mark in found:
            raise InputError(f"{path.name} has a problem twice", got=mark)
        name = mark or name
        found[name] = (*found.get(name, ()), code.strip("\n"))
    return found


def prompt_in_other_words(prompt: str) -> str:
    """A prompt template of the set without the names of Python.

    Example:
        >>> prompt_in_other_words('Let "valid" be True if it is so.')
        'Let "valid" be true if it is so.'
    """
    return _WORD.sub(lambda match: _WORDS[match[1]], prompt)


def _path(entry: Language) -> Path | None:
    """The file of references; None for Python, whose references are in the set itself."""
    directory = Path(str(files("multiturn.benchmarks") / "data" / "own_languages"))
    found = sorted(directory.glob(f"{entry.key}.*"))
    return found[0] if found else None


def _translated(problem: Problem, key: str, helper: str, references: tuple[str, ...]) -> Problem:
    turns = tuple(
        replace(turn, prompt=prompt_in_other_words(turn.prompt), reference=reference)
        for turn, reference in zip(problem.turns, references, strict=True)
    )
    return replace(
        problem,
        language=key,
        helper=helper,
        turns=turns,
        single=prompt_in_other_words(problem.single),
    )
