"""A finished program taken away: Python, notebook, Markdown, or the benchmark's sample format."""

from __future__ import annotations

from pathlib import Path

from multiturn.synthesis.session import Session

__all__ = ["EXPORTERS", "export_session", "to_markdown", "to_notebook", "to_python", "to_sample"]


def to_python(session: Session) -> str:
    """The program so far; the turns are its comments."""
    raise NotImplementedError


def to_notebook(session: Session) -> str:
    """A Jupyter notebook (nbformat 4.5): for each turn a Markdown cell and its code with output."""
    raise NotImplementedError


def to_markdown(session: Session) -> str:
    """For reading: each turn, its code, and what the program printed then."""
    raise NotImplementedError


def to_sample(session: Session) -> str:
    """One line of the published benchmark's sample format: the turns as prompts, and what the
    program printed last as the output of the one case.
    """
    raise NotImplementedError


EXPORTERS = {".py": to_python, ".ipynb": to_notebook, ".md": to_markdown, ".jsonl": to_sample}
"""By the file's suffix."""


def export_session(session: Session, path: Path) -> None:
    """Write the current path of a session in the format of `path`'s suffix, whole or not at all.

    Raises:
        InputError: the suffix is none of `EXPORTERS`, or there is nothing to export.
        StorageError: the file cannot be written.
    """
    raise NotImplementedError
