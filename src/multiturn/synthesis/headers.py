"""The header of the programs of a session."""

from __future__ import annotations

from multiturn.core.errors import InputError
from multiturn.sandbox.protocol import Program, Sandbox
from multiturn.synthesis.program_text import PYTHON, program_text
from multiturn.synthesis.records import StyleName
from multiturn.synthesis.turn_text import validate_code
from multiturn.text.languages import Language

__all__ = ["NUMPY_HEADER", "resolve_header"]

NUMPY_HEADER = "# Import libraries.\n\nimport numpy as np\n\n"
"""The header of the published benchmark. Source: Nijkamp et al., the sampler of the benchmark."""


def resolve_header(
    wanted: str, style: StyleName, sandbox: Sandbox, written_in: Language = PYTHON
) -> str:
    """The text of a header setting: ``auto``, ``numpy``, ``none`` or a text of the language.

    In Python ``auto`` is the paper's header in the comment style, if programs can import numpy in
    this sandbox, and nothing otherwise: a failing header would make every step fail. In another
    language it is that of the table.

    Raises:
        InputError: the header does not run, or the language's tools are not installed.
        MissingDependencyError: the package of the language's grammar is not installed.
        SandboxUnavailableError: the header could not be tried.
    """
    if wanted == "numpy" and not written_in.inspects:
        raise InputError(
            "the header imports a package of Python",
            got="numpy",
            allowed=f"auto, none for {written_in.name}",
        )
    named = {"none": "", "numpy": NUMPY_HEADER, "auto": written_in.header}
    if written_in.inspects:
        if wanted == "none" or (wanted == "auto" and style == "chat"):
            return ""
        named["auto"] = NUMPY_HEADER
    header = named[wanted] if wanted in named else f"{validate_code(wanted)}\n\n"
    program = program_text(header, [], written_in)
    outcome = sandbox.run(Program(source=program, language=written_in.key)).outcome
    if outcome.finished:
        return header
    if wanted == "auto" and written_in.inspects:
        return ""
    raise InputError(
        f"the header does not run ({outcome.describe()})",
        got=wanted,
        fix="install what it imports, or give --header none",
    )
