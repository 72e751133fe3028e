"""The text of a program written in turns: each prompt as a comment above its code."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.text.assembly import assemble_program
from multiturn.text.languages import Language, language

__all__ = ["PYTHON", "as_comment", "program_text", "verbatim_comment"]

PYTHON = language("python")


def as_comment(prompt: str) -> str:
    r"""A prompt as Python comment lines; see `Language.as_comment`.

    Example:
        >>> as_comment("Read the file.\nCount its lines. ")
        '# Read the file.\n# Count its lines. \n'
    """
    return PYTHON.as_comment(prompt)


def verbatim_comment(prompt: str) -> str:
    r"""A prompt as the published sampler writes it: ``# `` before its first character alone.

    Example:
        >>> verbatim_comment("Sort it. \n# Print it.")
        '# Sort it. \n# Print it.\n'
    """
    return f"# {prompt}\n"


def program_text(
    header: str, steps: Sequence[tuple[str, str]], written_in: Language = PYTHON
) -> str:
    """The program of some (prompt, code) steps.

    Raises:
        MissingDependencyError: the package of the language's grammar is not installed.
    """
    return assemble_program(written_in, header, steps).text
