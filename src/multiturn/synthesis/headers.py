"""The header of the programs of a session."""

from __future__ import annotations

from multiturn.core.errors import InputError
from multiturn.sandbox.protocol import Program, Sandbox
from multiturn.synthesis.records import StyleName
from multiturn.synthesis.turn_text import validate_code

__all__ = ["NUMPY_HEADER", "resolve_header"]

NUMPY_HEADER = "# Import libraries.\n\nimport numpy as np\n\n"
"""The header of the published benchmark. Source: Nijkamp et al., the sampler of the benchmark."""


def resolve_header(wanted: str, style: StyleName, sandbox: Sandbox) -> str:
    """The text of a header setting: ``auto``, ``numpy``, ``none`` or Python text.

    ``auto`` is the paper's header in the comment style, if programs can import numpy in this
    sandbox, and nothing otherwise: a failing header would make every step fail.

    Raises:
        InputError: the header does not run.
        SandboxUnavailableError: the header could not be tried.
    """
    if wanted == "none" or (wanted == "auto" and style == "chat"):
        return ""
    header = NUMPY_HEADER if wanted in ("auto", "numpy") else f"{validate_code(wanted)}\n\n"
    outcome = sandbox.run(Program(source=header)).outcome
    if outcome.finished:
        return header
    if wanted == "auto":
        return ""
    raise InputError(
        f"the header does not run ({outcome.describe()})",
        got=wanted,
        fix="install what it imports, or give --header none",
    )
