"""Steps and stages for common corpora, in the cheapest order."""

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
    """The paper's filters for code, and further ones for licences, harm, secrets and syntax."""
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
    """Steps for English prose from documentation, where a paragraph may be one line."""
    return (
        ValidText(min_bytes=200),
        KeepLanguages(languages=(ENGLISH,)),
        LineStatistics(max_average=1000, max_longest=10_000),
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
    """Deduplication, decontamination and packing into shards.

    Args:
        problems: files of benchmark problems; without any, the corpus is not decontaminated.
        tokenizer: a directory with ``tokenizer.json``; None trains one on the corpus.
        header: begin documents with a line that names their language.
    """
    decontaminate = (Decontaminate(problems=tuple(problems)),) if problems else ()
    pack = Pack(tokenizer=NewTokenizer() if tokenizer is None else tokenizer, header=header)
    return (Deduplicate(), *decontaminate, pack)
