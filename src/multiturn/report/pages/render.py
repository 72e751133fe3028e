"""Writes a report: one HTML page without anything from the network, Markdown, and CSV."""

from __future__ import annotations

import base64
import re
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from multiturn.core.errors import storage_errors
from multiturn.core.files import write_atomically
from multiturn.report.pages.document import DataTable, ReportDocument

__all__ = ["to_html", "to_markdown", "write_report"]


def write_report(document: ReportDocument, out: Path) -> tuple[Path, ...]:
    """Write ``index.html``, ``report.md`` and ``data/*.csv``.

    Args:
        document: the report.
        out: a directory, which is made; files of an earlier report in it are replaced.

    Returns:
        The files.

    Raises:
        StorageError: a file cannot be written.
    """
    with storage_errors(out, "writing the report"):
        (out / "data").mkdir(parents=True, exist_ok=True)
        for old in (out / "data").glob("*.csv"):
            old.unlink()
    written = [out / "index.html", out / "report.md"]
    write_atomically(written[0], to_html(document))
    write_atomically(written[1], to_markdown(document))
    for table in document.tables:
        file = out / "data" / f"{table.name}.csv"
        write_atomically(file, _clean(table.csv()))
        written.append(file)
    return tuple(written)


def to_html(document: ReportDocument) -> str:
    """The page, with style, script, figures and data inside."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["data_uri"] = _data_uri
    page = environment.from_string(_asset("page.html.j2")).render(
        document=document,
        style=Markup(_asset("report.css")),
        script=Markup(_asset("report.js")),
        figures={
            figure.name: Markup(figure.svg)
            for section in document.sections
            for figure in section.figures
        },
    )
    return _clean(page)


def to_markdown(document: ReportDocument) -> str:
    """The report without its figures and failures, for a repository or a paper's appendix."""
    lines = [f"# {_inline(document.title)}", ""]
    lines += [f"- {_inline(sentence)}" for sentence in document.summary]
    if document.notices:
        lines += ["", "## Notes on the records", ""]
        lines += [f"- {_inline(notice)}" for notice in document.notices]
    for section in document.sections:
        lines += ["", f"## {section.title}"]
        for paragraph in section.paragraphs:
            lines += ["", _inline(paragraph)]
        for table in section.tables:
            lines += ["", f"{table.caption}:", "", *_markdown_table(table)]
        for figure in section.figures:
            lines += ["", f"Figure, {_inline(figure.title)}: {_inline(figure.description)}"]
    return _clean("\n".join(lines) + "\n")


def _markdown_table(table: DataTable) -> list[str]:
    head = [_inline(column) for column in table.columns]
    rules = ["--:" if table.numeric(n) else "---" for n in range(len(head))]
    body = [[_inline(cell) for cell in row] for row in table.rows]
    return [f"| {' | '.join(row)} |" for row in (head, rules, *body)]


def _inline(text: str) -> str:
    """Text as part of a line of Markdown."""
    text = " ".join(text.split())
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", text)


def _data_uri(text: str) -> str:
    data = base64.b64encode(_clean(text).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{data}"


def _asset(name: str) -> str:
    return (files("multiturn.report.pages") / "assets" / name).read_text("utf-8")


def _clean(text: str) -> str:
    """Text that UTF-8 can represent."""
    return text.encode("utf-8", errors="replace").decode()
