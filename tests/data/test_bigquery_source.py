"""BigQuery, against a local service that parses, prices and runs the queries."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

pytest.importorskip("google.cloud.bigquery")
pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.data.build.source import SourceError
from multiturn.data.sources import bigquery
from multiturn.data.sources.parquet import Parquet

pytestmark = pytest.mark.real


def _load_emulator() -> Any:
    path = Path(__file__).with_name("bigquery_emulator.py")
    spec = importlib.util.spec_from_file_location("bigquery_emulator", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Any]:
    module = _load_emulator()
    service = module.Emulator(tmp_path / "buckets")
    go = "package main\n\nfunc main() {}\n"
    service.add("licenses", "a/mit", "mit")
    service.add("licenses", "b/gpl", "gpl-3.0")
    service.add("licenses", "c/apache", "apache-2.0")
    for repo, path, key in (
        ("a/mit", "main.go", "1"),
        ("c/apache", "copy/main.go", "1"),
        ("b/gpl", "main.go", "2"),
        ("a/mit", "README.md", "3"),
        ("a/mit", "src/x.py", "4"),
        ("c/apache", "big.c", "5"),
        ("c/apache", "data.c", "6"),
        ("c/apache", "notgo", "7"),
    ):
        service.add("files", repo, "refs/heads/main", path, 33188, key, None)
    for key, content, size, binary in (
        ("1", go, len(go), False),
        ("2", "package gpl\n", 12, False),
        ("3", "# read me\n", 10, False),
        ("4", "print('é')\n", 12, False),
        ("5", None, 5_000_000, False),
        ("6", None, 100, True),
        ("7", "go", 2, False),
    ):
        service.add("contents", key, size, content, binary, 1)
    with module.serving(service) as address:
        service.address = address
        yield service


@pytest.fixture
def client(service: Any) -> Iterator[Any]:
    from google.auth.credentials import AnonymousCredentials

    opened = bigquery.open_client(
        "p", credentials=AnonymousCredentials(), client_options={"api_endpoint": service.address}
    )
    yield opened
    opened.close()


def test_the_dry_run_says_bytes_and_dollars_and_spends_nothing(client: Any, service: Any) -> None:
    expected = bigquery.estimate(client, bigquery.github_query(), dollars_per_tib=Decimal(1024**2))
    assert expected.bytes > 200
    assert expected.dollars == Decimal(expected.bytes) / 1024**2
    assert service.billed == 0
    assert not service.jobs


def test_columns_that_are_not_needed_are_not_paid_for(client: Any, service: Any) -> None:
    everything = (
        "SELECT f.*, c.* FROM `bigquery-public-data.github_repos.files` f "
        "JOIN `bigquery-public-data.github_repos.contents` c ON c.id = f.id"
    )
    before = bigquery.estimate(client, bigquery.github_query()).bytes
    # The whole text of files that are not wanted does count: BigQuery scans whole columns.
    service.add("contents", "9", 1000, "x" * 1000, False, 1)
    assert bigquery.estimate(client, bigquery.github_query()).bytes >= before + 1000
    with pytest.raises(SourceError, match="BigQuery says"):
        bigquery.estimate(client, everything + " WHERE no_such_column = 1")


def test_what_is_exported_comes_back_as_documents(client: Any, service: Any, read_all: Any) -> None:
    billed = bigquery.export(
        client,
        bigquery.github_query(),
        "gs://bucket/github",
        max_dollars=Decimal(1),
        dollars_per_tib=Decimal(1024),
    )
    assert billed.bytes == service.billed > 0
    (exported,) = (service.bucket / "bucket" / "github").glob("*.parquet")
    # The tests of the recipe `bigquery` write files of this shape.
    columns = ["repo_name", "ref", "path", "license", "content"]
    assert pyarrow.parquet.read_schema(exported).names == columns
    source = Parquet(
        paths=(str(service.bucket / "bucket" / "github"),),
        fields=bigquery.GITHUB_FIELDS,
        licences=bigquery.GITHUB_LICENCES,
        label="github",
    )
    documents, drop_log = read_all(source)
    assert {(d.id, d.licence, d.text) for d in documents} == {
        ("github:a/mit@refs/heads/main:main.go", "MIT", "package main\n\nfunc main() {}\n"),
        ("github:a/mit@refs/heads/main:src/x.py", "MIT", "print('é')\n"),
    }
    assert not drop_log.counts.drops


def test_a_query_that_would_cost_more_than_allowed_is_not_run(client: Any, service: Any) -> None:
    with pytest.raises(InputError, match="nothing was run"):
        bigquery.export(
            client,
            bigquery.github_query(),
            "gs://bucket/github",
            max_dollars=Decimal("0.01"),
            dollars_per_tib=Decimal(10) ** 12,
        )
    assert service.billed == 0
    assert not service.jobs


def test_bigquery_itself_stops_at_the_limit(
    client: Any, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The estimate was right when it was made, and the tables have grown since.
    monkeypatch.setattr(
        bigquery, "estimate", lambda *_, **__: bigquery.Estimate(1, Decimal("0.001"))
    )
    with pytest.raises(SourceError, match="exceeded limit for bytes billed"):
        bigquery.export(
            client,
            bigquery.github_query(),
            "gs://bucket/github",
            max_dollars=Decimal("0.01"),
            dollars_per_tib=Decimal(10) ** 9,
        )
    assert service.billed == 0


@pytest.mark.parametrize(
    "query",
    ["SELEC 1", "SELECT x FROM `bigquery-public-data.github_repos.nothing`", "SELECT (1"],
)
def test_a_refused_query_is_one_clear_line(client: Any, query: str) -> None:
    with pytest.raises(SourceError, match=r"^BigQuery says: Syntax error"):
        bigquery.estimate(client, query)


def test_names_that_could_change_the_query_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean python"):
        bigquery.github_query(["pyhton"])
    with pytest.raises(UnknownNameError):
        bigquery.github_query(["python"], ["gpl-3.0"])
    with pytest.raises(InputError):
        bigquery.github_query(dataset="a.b` WHERE 1; DROP TABLE `x")
    with pytest.raises(InputError):
        bigquery.export_query("SELECT 1", "gs://b/'); DROP TABLE x; --")


def test_each_language_asks_for_its_own_endings() -> None:
    assert r"\.(go)$" in bigquery.github_query(["go"])
    assert r"\.(c|h|cc|cpp|cxx|hh|hpp|hxx|go|java|js|mjs|cjs|py)$" in bigquery.github_query()


def test_without_a_login_the_fix_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(SourceError, match="gcloud auth application-default login"):
        bigquery.open_client("p")
