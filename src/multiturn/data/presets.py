"""Steps and stages that belong together, in the order in which they cost least."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multiturn.data.build.stage import CorpusStage
from multiturn.data.build.transform import DocumentTransform
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.documents.languages import ENGLISH, PAPER_LANGUAGES
from multiturn.data.filters.generated import Generated
from multiturn.data.filters.harmful import Harmful
from multiturn.data.filters.language import KeepLanguages
from multiturn.data.filters.licence import AllowedLicence
from multiturn.data.filters.lines import LineStatistics
from multiturn.data.filters.python_syntax import PythonSyntax
from multiturn.data.filters.redact import Redact
from multiturn.data.filters.text import ValidText
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer

__all__ = ["code_steps", "corpus_stages", "prose_steps"]


def code_steps(languages: tuple[str, ...] = PAPER_LANGUAGES) -> tuple[DocumentTransform, ...]:
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


def prose_steps() -> tuple[DocumentTransform, ...]:
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


def corpus_stages(
    problems: Sequence[Path] = (),
    *,
    tokenizer: Path | NewTokenizer | None = None,
    header: bool = False,
) -> tuple[CorpusStage, ...]:
    """One of each document, none with the text of a benchmark, packed into shards.

    Args:
        problems: files of the benchmarks' problems; none leaves that stage out.
        tokenizer: a directory with ``tokenizer.json``; None trains one on the corpus.
        header: whether documents begin with a line that names their language.
    """
    look = (Decontaminate(problems=tuple(problems)),) if problems else ()
    pack = Pack(tokenizer=NewTokenizer() if tokenizer is None else tokenizer, header=header)
    return (Deduplicate(), *look, pack)
