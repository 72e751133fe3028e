"""`multiturn report`: pages from saved runs."""

from __future__ import annotations

import math
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli.bench.grid import numbers
from multiturn.apps.cli.error_report import note
from multiturn.apps.cli.extras import require_extra
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically

__all__ = ["report"]


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Runs, or directories of runs."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Directory of the report.")
    ] = Path("report"),
    title: Annotated[str, typer.Option("--title", help="Title of the page.")] = "Benchmark report",
    k: Annotated[
        list[str] | None,
        typer.Option("--k", "-k", metavar="COUNT", help="k of pass@k; separate several by commas."),
    ] = None,
    failures: Annotated[
        int,
        typer.Option("--failures", metavar="COUNT", help="Failures that the page shows, at most."),
    ] = 200,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", metavar="FILE", help="Failures labelled by hand: show how the rules agree."
        ),
    ] = None,
    label_sample: Annotated[
        Path | None,
        typer.Option(
            "--label-sample", metavar="FILE", help="Only write a file of failures to label by hand."
        ),
    ] = None,
    label_count: Annotated[
        int, typer.Option("--label-count", metavar="COUNT", help="How many failures to label.")
    ] = 150,
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus",
            metavar="DIR",
            help="A corpus (`multiturn data build`): search it for the generated code.",
        ),
    ] = None,
    overlap_tokens: Annotated[
        int,
        typer.Option(
            "--overlap-tokens",
            metavar="COUNT",
            help="Tokens from which an overlap with the corpus counts.",
        ),
    ] = 40,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameters",
            metavar="MODEL=COUNT",
            help="Parameters of a model whose name does not state them. May be repeated.",
        ),
    ] = None,
    training_tokens: Annotated[
        list[str] | None,
        typer.Option(
            "--training-tokens",
            metavar="MODEL=COUNT",
            help="Tokens that a model was trained on. May be repeated.",
        ),
    ] = None,
    cards: Annotated[
        bool, typer.Option("--cards", help="Also write a model card for each model, into cards/.")
    ] = False,
    safety: Annotated[
        bool, typer.Option("--safety/--no-safety", help="Check programs with bandit's rules.")
    ] = True,
) -> None:
    """Report on saved runs: one HTML page, Markdown and CSV.

    Everything comes from the records; nothing is run again, and the page loads nothing from
    the network. The page says what the records lack.
    """
    if failures < 0:
        raise InputError("--failures is out of range", got=failures, allowed="0 or more")
    ks = [int(each) for each in numbers(k or ["1,10,100"], "--k")]
    sizes = {
        option: _counts(given or [], option)
        for option, given in (("--parameters", parameters), ("--training-tokens", training_tokens))
    }
    if any(each < 1 for each in ks):
        raise InputError("--k is out of range", got=min(ks), allowed="whole numbers from 1")
    with require_extra("report", purpose="a report"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bandit's libraries about each other
            import bandit  # noqa: F401 - fail before the records are read
        import matplotlib  # noqa: F401
        import statsmodels  # noqa: F401

        from multiturn.apps.cli.report.problems import problem_texts
        from multiturn.report.analysis.labels import read_labels, write_label_sample
        from multiturn.report.analysis.model_sizes import ModelSizes
        from multiturn.report.analysis.overlaps import MIN_TOKENS, OverlapFindings, find_overlaps
        from multiturn.report.make import make_model_cards, make_report
        from multiturn.report.pages.render import write_report
        from multiturn.report.records.read import read_records

    if overlap_tokens < MIN_TOKENS:
        raise InputError(
            "--overlap-tokens is out of range", got=overlap_tokens, allowed=f"{MIN_TOKENS} or more"
        )

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    records = read_records(runs, listen=lambda count: progress(f"{count:,} samples"))
    if label_sample is not None:
        count = write_label_sample(records, label_count, label_sample)
        print(f'{label_sample}: {count} failures; write a kind of error into each "label"')
        return
    texts = problem_texts(records)
    overlaps: OverlapFindings | None = None
    if corpus is not None:
        with require_extra("data", purpose="searching a corpus"):
            import pyarrow  # noqa: F401 - fail before the report is made

        overlaps = find_overlaps(
            records, corpus, texts, threshold=overlap_tokens,
            listen=lambda count: progress(f"{count:,} documents"),
        )  # fmt: skip
    document = make_report(
        records, texts, title=title, ks=ks, failures=failures, safety=safety,
        labels=None if labels is None else read_labels(labels),
        sizes=ModelSizes(parameters=sizes["--parameters"], tokens=sizes["--training-tokens"]),
        overlaps=overlaps, listen=progress,
    )  # fmt: skip
    written = write_report(document, out)
    if cards:
        with storage_errors(out / "cards", "writing the model cards"):
            (out / "cards").mkdir(exist_ok=True)
        for name, text in make_model_cards(records).items():
            write_atomically(out / "cards" / name, text)
    progress("")
    for notice in document.notices:
        note(notice)
    print(
        f"{written[0]}: {len(records.run):,} samples of {len(records.runs):,} runs; also "
        f"{written[1].name} and {len(written) - 2} tables in data/"
    )


def _counts(given: list[str], option: str) -> dict[str, float]:
    """The counts of models, as in ``MODEL=1.5e9``.

    Raises:
        InputError: an entry is not of that form.
    """
    found = {}
    for entry in given:
        model, sign, text = entry.rpartition("=")
        try:
            count = float(text)
        except ValueError:
            count = math.nan
        if not sign or not model or not 0 < count < math.inf:
            raise InputError(f"{option} is not of its form", got=entry, allowed="MODEL=COUNT")
        found[model] = count
    return found
