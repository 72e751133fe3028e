"""`multiturn data bigquery`: what the query for GitHub's code would cost, and its export."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from multiturn.apps.cli.optional import needing
from multiturn.core.errors import InputError
from multiturn.hub.progress import human_size

__all__ = ["bigquery"]


def bigquery(
    language: Annotated[
        list[str] | None, typer.Option("--language", help="Again for several (the paper's six).")
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", help="That is billed (the default of gcloud).")
    ] = None,
    export_to: Annotated[
        str | None,
        typer.Option("--export", metavar="gs://BUCKET/FOLDER", help="Run it, as Parquet to here."),
    ] = None,
    spend_at_most: Annotated[
        str | None,
        typer.Option("--spend-at-most", metavar="DOLLARS", help="Needed for --export."),
    ] = None,
    price: Annotated[
        str, typer.Option("--price", metavar="DOLLARS", help="Of a TiB that is scanned.")
    ] = "6.25",
    sql: Annotated[bool, typer.Option("--sql", help="Print the query and ask nobody.")] = False,
) -> None:
    """Say what the query for permissive GitHub code would scan and cost; export it if allowed.

    Without --export nothing is spent: BigQuery's dry run is free.
    """
    with needing("bigquery", purpose="asking BigQuery"):
        from multiturn.data.sources import bigquery as source
    query = source.github_query(language) if language else source.github_query()
    if sql:
        print(query, end="")
        return
    dollars_per_tib = _dollars(price, "--price")
    limit = None if spend_at_most is None else _dollars(spend_at_most, "--spend-at-most")
    if export_to is not None and limit is None:
        raise InputError(
            "an export costs money",
            fix="see the price without --export first, then give --spend-at-most DOLLARS",
        )
    client = source.open_client(project)
    if export_to is None or limit is None:
        expected = source.estimate(client, query, dollars_per_tib=dollars_per_tib)
        print(
            f"would scan {human_size(expected.bytes)}, ${expected.dollars:.2f} "
            f"at ${dollars_per_tib} a TiB; nothing was spent"
        )
        return
    billed = source.export(
        client, query, export_to, spend_at_most=limit, dollars_per_tib=dollars_per_tib
    )
    print(f"{export_to}: billed for {human_size(billed.bytes)}, ${billed.dollars:.2f}")


def _dollars(text: str, option: str) -> Decimal:
    try:
        dollars = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        dollars = Decimal(-1)
    if not dollars.is_finite() or dollars <= 0:
        raise InputError(f"{option} is no amount", got=text, allowed="dollars, as 2.50")
    return dollars
