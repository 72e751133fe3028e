"""BigQuery's public GitHub data: the query, its cost, and its export.

The query runs once and exports its result as Parquet to a bucket of yours, which `parquet.Parquet`
reads as often as you like, free of charge; BigQuery's row interface is not used. Nothing that costs
money runs before its price is known, and BigQuery itself enforces the price that you allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from multiturn.core.errors import InputError, MissingDependencyError, UnknownNameError
from multiturn.data.build.source import SourceError

if TYPE_CHECKING:
    from google.cloud import bigquery

__all__ = [
    "DOLLARS_PER_TIB",
    "GITHUB_FIELDS",
    "GITHUB_LICENCES",
    "Estimate",
    "estimate",
    "export",
    "export_query",
    "github_query",
    "open_client",
]

DOLLARS_PER_TIB = Decimal("6.25")
"""On-demand price of scanned bytes in the US as published in 2023; your contract may differ."""

GITHUB_LICENCES = MappingProxyType(
    {
        "apache-2.0": "Apache-2.0",
        "bsd-2-clause": "BSD-2-Clause",
        "bsd-3-clause": "BSD-3-Clause",
        "cc0-1.0": "CC0-1.0",
        "isc": "ISC",
        "mit": "MIT",
        "unlicense": "Unlicense",
    }
)
"""Permissive licences: their names in the table `licenses`, and in SPDX."""

GITHUB_FIELDS = MappingProxyType(
    {"path": "path", "source": "repo_name", "revision": "ref", "licence": "license"}
)
"""The columns of the query's result for the fields of a document."""

_ENDINGS = {
    "c": ("c", "h"),
    "cpp": ("cc", "cpp", "cxx", "hh", "hpp", "hxx"),
    "go": ("go",),
    "java": ("java",),
    "javascript": ("js", "mjs", "cjs"),
    "python": ("py",),
}
_TABLES = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a query.

    Attributes:
        bytes: that BigQuery would bill.
        dollars: at the given price per TiB, without free allowance.
    """

    bytes: int
    dollars: Decimal


def github_query(
    languages: Iterable[str] = tuple(_ENDINGS),
    licences: Iterable[str] = tuple(GITHUB_LICENCES),
    *,
    dataset: str = "bigquery-public-data.github_repos",
    max_bytes: int = 1 << 20,
) -> str:
    """SQL for the files of some languages in repositories under permissive licences.

    Each content comes once, at its first place in the order of repository and path, so exact
    duplicates of the data set are neither exported nor stored.

    Args:
        languages: keys out of c, cpp, go, java, javascript, python.
        licences: as the table `licenses` names them.
        dataset: with the tables `files`, `contents` and `licenses`.
        max_bytes: of a file.

    Raises:
        UnknownNameError: a language or licence is unknown.
        InputError: the name of the data set could change the query.
    """
    languages, licences = tuple(languages), tuple(licences)
    for language in languages:
        if language not in _ENDINGS:
            raise UnknownNameError("language", language, _ENDINGS)
    for licence in licences:
        if licence not in GITHUB_LICENCES:
            raise UnknownNameError("licence", licence, GITHUB_LICENCES)
    if not _TABLES.fullmatch(dataset):
        raise InputError("not the name of a data set", got=dataset, allowed="project.dataset")
    endings = "|".join(ending for language in languages for ending in _ENDINGS[language])
    names = ", ".join(f"'{licence}'" for licence in licences)
    return f"""\
WITH places AS (
  SELECT
    f.id, f.repo_name, f.ref, f.path, l.license,
    ROW_NUMBER() OVER (PARTITION BY f.id ORDER BY f.repo_name, f.path, f.ref) AS place
  FROM `{dataset}.files` AS f
  JOIN `{dataset}.licenses` AS l ON l.repo_name = f.repo_name
  WHERE l.license IN ({names})
    AND REGEXP_CONTAINS(f.path, r'\\.({endings})$')
)
SELECT p.repo_name, p.ref, p.path, p.license, c.content
FROM places AS p
JOIN `{dataset}.contents` AS c ON c.id = p.id
WHERE p.place = 1
  AND NOT c.binary
  AND c.content IS NOT NULL
  AND c.size <= {int(max_bytes)}
"""


def export_query(query: str, bucket: str) -> str:
    """SQL that writes a query's result as Parquet files to a bucket.

    Args:
        query: what to export.
        bucket: a folder of Google's storage: ``gs://bucket/folder``.

    Raises:
        InputError: the bucket has another form.
    """
    if not re.fullmatch(r"gs://[a-z0-9._/-]+", bucket):
        raise InputError("not a storage folder", got=bucket, allowed="gs://BUCKET/FOLDER")
    uri = f"{bucket.rstrip('/')}/*.parquet"
    return f"EXPORT DATA OPTIONS (uri = '{uri}', format = 'PARQUET', overwrite = false) AS\n{query}"


def open_client(project: str | None = None, **options: Any) -> bigquery.Client:
    """A client with the credentials of this machine (`gcloud auth application-default login`).

    Args:
        project: the project to bill; None for the default one.
        options: passed to `google.cloud.bigquery.Client`.

    Raises:
        MissingDependencyError: google-cloud-bigquery is not installed.
        SourceError: there are no credentials, or no project.
    """
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import bigquery
    except ImportError as error:
        raise MissingDependencyError(
            "google-cloud-bigquery", extra="bigquery", purpose="querying BigQuery"
        ) from error
    try:
        return bigquery.Client(project=project, **options)
    except (GoogleAuthError, OSError) as error:
        raise SourceError(
            "no credentials for BigQuery on this machine",
            fix="run `gcloud auth application-default login`, and name a --project",
        ) from error


def estimate(
    client: bigquery.Client, query: str, *, dollars_per_tib: Decimal = DOLLARS_PER_TIB
) -> Estimate:
    """The cost of a query, by BigQuery's own dry run, which is free.

    Raises:
        SourceError: BigQuery refuses the query, or does not answer.
    """
    scanned = _run(client, query, dry_run=True).total_bytes_processed
    if scanned is None:
        raise SourceError("BigQuery's dry run returned no number of bytes")
    return Estimate(int(scanned), _price(int(scanned), dollars_per_tib))


def export(
    client: bigquery.Client,
    query: str,
    bucket: str,
    *,
    max_dollars: Decimal,
    dollars_per_tib: Decimal = DOLLARS_PER_TIB,
) -> Estimate:
    """Run a query and write its result to a bucket, if it costs no more than allowed.

    Args:
        client: of BigQuery.
        query: what to export.
        bucket: ``gs://bucket/folder``, new or empty.
        max_dollars: the limit, without free allowance. BigQuery gets the same limit in bytes and
            refuses to bill more.
        dollars_per_tib: the price of scanned bytes.

    Raises:
        InputError: the query would cost more; nothing was run.
        SourceError: BigQuery refuses the query, or fails.
    """
    statement = export_query(query, bucket)
    expected = estimate(client, query, dollars_per_tib=dollars_per_tib)
    if expected.dollars > max_dollars:
        raise InputError(
            f"the query would cost ${expected.dollars:.2f}; nothing was run",
            got=f"--spend-at-most {max_dollars}",
            fix=f"allow {expected.dollars:.2f}, or select fewer languages",
        )
    limit = int(max_dollars / dollars_per_tib * (1 << 40))
    job = _run(client, statement, maximum_bytes_billed=limit)
    billed = int(job.total_bytes_billed or 0)
    return Estimate(billed, _price(billed, dollars_per_tib))


def _run(client: bigquery.Client, query: str, **settings: Any) -> bigquery.QueryJob:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery

    config = bigquery.QueryJobConfig(use_legacy_sql=False, use_query_cache=False, **settings)
    try:
        job = client.query(query, job_config=config)
        if not config.dry_run:
            job.result()
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        raise SourceError(f"BigQuery says: {_message(error)}") from error
    return job


def _message(error: Exception) -> str:
    """BigQuery's message, without the address and the number of the job."""
    for entry in getattr(error, "errors", None) or ():
        if isinstance(entry, dict) and entry.get("message"):
            return str(entry["message"])
    return str(getattr(error, "message", None) or error)


def _price(scanned: int, dollars_per_tib: Decimal) -> Decimal:
    return Decimal(scanned) / (1 << 40) * dollars_per_tib
