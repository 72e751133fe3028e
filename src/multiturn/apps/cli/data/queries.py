"""`multiturn data bigquery`: price and export of a query for GitHub's code."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from multiturn.apps.cli.extras import require_extra
from multiturn.core.errors import InputError
from multiturn.hub.progress import human_size

__all__ = ["bigquery"]


def bigquery(
    language: Annotated[
        list[str] | None,
        typer.Option("--language", help="May be repeated (default: the paper's six)."),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", help="The project to bill (default: that of gcloud).")
    ] = None,
    export_to: Annotated[
        str | None,
        typer.Option(
            "--export", metavar="gs://BUCKET/FOLDER", help="Run the query and export Parquet files."
        ),
    ] = None,
    max_dollars: Annotated[
        str | None,
        typer.Option(
            "--spend-at-most", metavar="DOLLARS", help="The most to spend; required for --export."
        ),
    ] = None,
    price: Annotated[
        str, typer.Option("--price", metavar="DOLLARS", help="Price per TiB scanned.")
    ] = "6.25",
    sql: Annotated[bool, typer.Option("--sql", help="Print the query without sending it.")] = False,
) -> None:
    """Estimate the cost of querying GitHub's permissively licensed code, or export it.

    Without --export the command spends nothing, since BigQuery's dry run is free.
    """
    with require_extra("bigquery", purpose="querying BigQuery"):
        from multiturn.data.sources import bigquery as source
    query = source.github_query(language) if language else source.github_query()
    if sql:
        print(query, end="")
        return
    dollars_per_tib = _dollars(price, "--price")
    limit = None if max_dollars is None else _dollars(max_dollars, "--spend-at-most")
    if export_to is not None and limit is None:
        raise InputError(
            "an export costs money",
            fix="see the price without --export first, then add --spend-at-most DOLLARS",
        )
    client = source.open_client(project)
    if export_to is None or limit is None:
        expected = source.estimate(client, query, dollars_per_tib=dollars_per_tib)
        print(
            f"would scan {human_size(expected.bytes)}, ${expected.dollars:.2f} "
            f"at ${dollars_per_tib} per TiB; nothing was spent"
        )
        return
    billed = source.export(
        client, query, export_to, max_dollars=limit, dollars_per_tib=dollars_per_tib
    )
    print(f"{export_to}: billed for {human_size(billed.bytes)}, ${billed.dollars:.2f}")


def _dollars(text: str, option: str) -> Decimal:
    try:
        dollars = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        dollars = Decimal(-1)
    if not dollars.is_finite() or dollars <= 0:
        raise InputError(f"{option} is not an amount", got=text, allowed="dollars, e.g. 2.50")
    return dollars
