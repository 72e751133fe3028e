"""Exports programs: source, notebook, Markdown, or the format of the published benchmark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError, nearest
from multiturn.core.files import write_atomically
from multiturn.synthesis.published_format import PublishedProblem, published_line, published_prompt
from multiturn.synthesis.records import ProgramRun, Session
from multiturn.synthesis.specification import Specification
from multiturn.text.languages import LANGUAGES, Language

__all__ = [
    "EXPORTERS",
    "export_formats",
    "export_session",
    "export_text",
    "to_markdown",
    "to_notebook",
    "to_published",
    "to_source",
    "write_specifications",
]


def to_source(session: Session) -> str:
    """The program so far, exactly as it ran, with the turns as comments."""
    return session.program()


def to_notebook(session: Session) -> str:
    """A Jupyter notebook (nbformat 4.5): for each turn a Markdown cell and a code cell with output.

    The output of a cell is what the program printed beyond its output one turn before.
    """
    cells = []
    if session.header.strip():
        cells.append(_code_cell("header", session.header.strip(), []))
    for turn, printed in _steps_with_output(session):
        cells.append(
            {
                "cell_type": "markdown",
                "id": f"turn-{turn.id}",
                "metadata": {},
                "source": _markdown_quoted(turn.prompt),
            }
        )
        outputs = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
        cells.append(_code_cell(f"code-{turn.id}", turn.code, outputs))
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def to_markdown(session: Session) -> str:
    """A document: each turn, its code, and the new output of the program."""
    parts = [f"# {session.name}\n", f"Written with {session.model}.\n"]
    if session.header.strip():
        parts.append(_block(session.header.strip(), session.language.key))
    for number, (turn, printed) in enumerate(_steps_with_output(session), start=1):
        parts.append(f"## Turn {number}\n")
        parts.append(_markdown_quoted(turn.prompt) + "\n")
        parts.append(_block(turn.code, session.language.key))
        run = turn.choice.run
        if printed:
            parts.append("Printed:\n\n" + _block(printed.rstrip("\n"), "text"))
        if run is not None and not run.outcome.finished:
            parts.append(f"The program {run.outcome.describe()}.\n")
    return "\n".join(parts)


def to_published(session: Session) -> str:
    """One line of the format of the published benchmark.

    The turns become prompts with doubled braces. There is one case without variables; its output is
    the last line that the program printed.

    Raises:
        InputError: the program failed, so its output is unknown.
    """
    turns = session.path()
    run = turns[-1].choice.run
    if run is None or not run.outcome.finished:
        raise InputError(
            "the program does not run without an error, so its output cannot be exported",
            fix="fix the last turn, or export it as .py",
        )
    sample = PublishedProblem(
        prompts=tuple(
            published_prompt(turn.prompt).replace("{", "{{").replace("}", "}}") for turn in turns
        ),
        inputs=({},),
        outputs=(run.stdout.rstrip().split("\n")[-1],),
        id=session.id,
        name=session.name,
        max_gen_length=session.settings.sampling.max_tokens,
    )
    return published_line(sample)


EXPORTERS: dict[str, Callable[[Session], str]] = {
    **{suffix: to_source for entry in LANGUAGES.values() for suffix in entry.extensions},
    ".ipynb": to_notebook,
    ".md": to_markdown,
    ".jsonl": to_published,
}
"""By the suffix of the file."""

_OF_PYTHON = (".ipynb", ".jsonl")
"""The formats that have Python programs only."""


def export_formats(entry: Language) -> tuple[str, ...]:
    """The suffixes of the files that a program of a language can become."""
    allowed = (*entry.extensions, ".ipynb", ".md", ".jsonl")
    return tuple(each for each in allowed if entry.inspects or each not in _OF_PYTHON)


def export_text(session: Session, path: Path) -> str:
    """The current path of a session in the format of `path`'s suffix.

    Raises:
        InputError: there is no such format for the program's language, or nothing to export.
    """
    entry, suffix = session.language, path.suffix.lower()
    allowed = export_formats(entry)
    if suffix not in allowed:
        near = [] if suffix in EXPORTERS else nearest(path.suffix, allowed, max_count=1)
        programs = "programs" if entry.inspects else f"{entry.name} programs"
        raise InputError(
            f"{programs} cannot be exported in this format",
            got=path.name,
            allowed=", ".join(allowed),
            fix=f"did you mean {path.with_suffix(near[0]).name!r}?" if near else "use one of these",
        )
    if session.current is None:
        raise InputError("there is no program yet", fix="say what the first step should do")
    return EXPORTERS[suffix](session)


def export_session(session: Session, path: Path) -> None:
    """Write the current path of a session in the format of `path`'s suffix, atomically.

    Args:
        session: the session.
        path: ends in an extension of the program's language, or in .md; for Python also in .ipynb
            or .jsonl.

    Raises:
        InputError: there is no such format for the program's language, or nothing to export.
        StorageError: the file cannot be written.
    """
    write_atomically(path, export_text(session, path))


def write_specifications(path: Path, specifications: tuple[Specification, ...]) -> None:
    """Write specifications in the format of the published benchmark, one per line; atomic.

    Raises:
        InputError: a specification uses something that the format lacks.
        StorageError: the file cannot be written.
    """
    lines = [published_line(PublishedProblem.from_specification(item)) for item in specifications]
    write_atomically(path, "".join(lines))


def _steps_with_output(session: Session) -> list[tuple[Any, str]]:
    """The turns, each with its output beyond that of the run before."""
    found, before = [], ""
    for turn in session.path():
        printed = _stdout(turn.choice.run)
        new = printed.removeprefix(before) if printed.startswith(before) else printed
        found.append((turn, new))
        before = printed
    return found


def _stdout(run: ProgramRun | None) -> str:
    return "" if run is None else run.stdout


def _code_cell(name: str, source: str, outputs: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": outputs,
        "source": source,
    }


def _markdown_quoted(text: str) -> str:
    """The words of a person as a quotation, with all markup escaped."""
    escaped = re.sub(r"([\\`*_{}\[\]<>()#+\-.!|$~])", r"\\\1", text)
    return "\n".join(f"> {line}".rstrip() for line in escaped.split("\n"))


def _block(text: str, language: str) -> str:
    """A fenced block; the fence is longer than any in the text."""
    lengths = [len(fence) for fence in re.findall(r"`{3,}", text)]
    fence = "`" * (max(lengths, default=2) + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"
