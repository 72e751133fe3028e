"""Steps that belong together, in the order in which they cost least."""

from __future__ import annotations

from multiturn.data.filters.generated import Generated
from multiturn.data.filters.harmful import Harmful
from multiturn.data.filters.language import KeepLanguages
from multiturn.data.filters.licence import AllowedLicence
from multiturn.data.filters.lines import LineStatistics
from multiturn.data.filters.python_syntax import PythonSyntax
from multiturn.data.filters.redact import Redact
from multiturn.data.filters.text import ValidText
from multiturn.data.languages import ENGLISH, PAPER_LANGUAGES
from multiturn.data.step import Step

__all__ = ["code_steps", "prose_steps"]


def code_steps(languages: tuple[str, ...] = PAPER_LANGUAGES) -> tuple[Step, ...]:
    """The paper's filters for code, and those it does without: licence, harm, secrets, syntax."""
    return (
        ValidText(),
        KeepLanguages(languages=languages),
        LineStatistics(),
        Generated(),
        AllowedLicence(),
        Harmful(),
        PythonSyntax(),
        Redact(),
    )


def prose_steps() -> tuple[Step, ...]:
    """For English prose from documentation: one paragraph may be one line there."""
    return (
        ValidText(least_bytes=200),
        KeepLanguages(languages=(ENGLISH,)),
        LineStatistics(most_average=1000, most_longest=10_000),
        Generated(),
        AllowedLicence(),
        Harmful(),
        Redact(),
    )
