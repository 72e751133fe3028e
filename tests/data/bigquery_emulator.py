"""A local server that speaks BigQuery's jobs API and runs what it is asked.

Queries are parsed in BigQuery's dialect by sqlglot, translated, and run by DuckDB over small
tables of the public data set's columns; a query that BigQuery would refuse is refused with an
answer of BigQuery's shape. Bytes are counted as BigQuery counts them: of whole columns, at
their logical sizes. Exports are written to a folder that stands for the bucket.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

COLUMNS = {
    "files": "repo_name VARCHAR, ref VARCHAR, path VARCHAR, mode BIGINT, id VARCHAR, "
    "symlink_target VARCHAR",
    "contents": 'id VARCHAR, size BIGINT, content VARCHAR, "binary" BOOLEAN, copies BIGINT',
    "licenses": "repo_name VARCHAR, license VARCHAR",
}


class Emulator:
    """The service: its tables, its bucket, and what it billed."""

    def __init__(self, bucket: Path) -> None:
        self.bucket = bucket
        self.billed = 0
        self.jobs: dict[str, dict[str, Any]] = {}
        self.database = duckdb.connect()
        self.database.execute("ATTACH ':memory:' AS \"bigquery-public-data\"")
        self.database.execute('CREATE SCHEMA "bigquery-public-data".github_repos')
        for table, columns in COLUMNS.items():
            self.database.execute(f"CREATE TABLE {self._table(table)} ({columns})")

    @staticmethod
    def _table(name: str) -> str:
        return f'"bigquery-public-data".github_repos.{name}'

    def add(self, table: str, *row: object) -> None:
        marks = ", ".join("?" * len(row))
        self.database.execute(f"INSERT INTO {self._table(table)} VALUES ({marks})", row)

    def insert(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """jobs.insert: returns the status and the answer."""
        settings = body["configuration"]
        query = settings["query"]
        dry_run = settings.get("dryRun", False)
        if query.get("useLegacySql", True):
            return _refusal(400, "invalidQuery", "legacy SQL is not spoken here")
        try:
            parsed = sqlglot.parse_one(query["query"], read="bigquery")
            selected = parsed.this if isinstance(parsed, exp.Export) else parsed
            scanned = self._bytes(selected)
            self.database.execute("EXPLAIN " + selected.sql("duckdb"))
        except (sqlglot.errors.SqlglotError, duckdb.Error) as error:
            return _refusal(400, "invalidQuery", f"Syntax error: {str(error).splitlines()[0]}")
        reference = body.get("jobReference") or {"projectId": "p", "jobId": f"j{len(self.jobs)}"}
        job: dict[str, Any] = {
            "kind": "bigquery#job",
            "id": f"p:US.{reference['jobId']}",
            "jobReference": {"projectId": "p", "location": "US", **reference},
            "configuration": settings,
            "status": {"state": "DONE"},
            "statistics": {
                "totalBytesProcessed": str(scanned),
                "query": {"totalBytesProcessed": str(scanned), "totalBytesBilled": "0"},
            },
        }
        if dry_run:
            return 200, job
        limit = query.get("maximumBytesBilled")
        if limit is not None and scanned > int(limit):
            reason = (
                f"Query exceeded limit for bytes billed: {limit}. {scanned} or higher required."
            )
            job["status"] |= {
                "errorResult": {"reason": "bytesBilledLimitExceeded", "message": reason}
            }
        else:
            self.billed += scanned
            job["statistics"]["query"]["totalBytesBilled"] = str(scanned)
            if isinstance(parsed, exp.Export):
                self._export(parsed, selected)
        self.jobs[reference["jobId"]] = job
        return 200, job

    def _bytes(self, selected: exp.Expression) -> int:
        """Logical bytes of every column that the query touches, whole."""
        total = 0
        for table in selected.find_all(exp.Table):
            if table.catalog != "bigquery-public-data":
                continue
            if table.name not in COLUMNS:
                raise sqlglot.errors.SqlglotError(f"no table {table.name}")
            names = {column.split()[0].strip('"') for column in COLUMNS[table.name].split(", ")}
            used = {
                column.name
                for column in selected.find_all(exp.Column)
                if column.table == table.alias and column.name in names
            }
            for name in sorted(used):
                found = self.database.execute(
                    f"SELECT sum(CASE WHEN typeof(\"{name}\") = 'VARCHAR' "
                    f'THEN 2 + octet_length(encode("{name}"::VARCHAR)) ELSE 8 END) '
                    f"FROM {self._table(table.name)}"
                ).fetchone()
                total += int((found and found[0]) or 0)
        return total

    def _export(self, parsed: exp.Export, selected: exp.Expression) -> None:
        options = {p.name.lower(): p for p in parsed.args["options"].expressions}
        uri = next(p.args["value"].name for n, p in options.items() if n == "uri")
        folder = self.bucket / uri.removeprefix("gs://").rpartition("/")[0]
        folder.mkdir(parents=True)
        target = folder / "000000000000.parquet"
        self.database.execute(f"COPY ({selected.sql('duckdb')}) TO '{target}' (FORMAT PARQUET)")


def _refusal(status: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    error = {"message": message, "domain": "global", "reason": reason}
    return status, {"error": {"code": status, "message": message, "errors": [error]}}


@contextmanager
def serving(emulator: Emulator) -> Iterator[str]:
    """The address of a server of the emulator."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.split("?")[0] != "/bigquery/v2/projects/p/jobs":
                self._answer(*_refusal(404, "notFound", f"Not found: {self.path}"))
                return
            self._answer(*emulator.insert(body))

        def do_GET(self) -> None:
            path = self.path.split("?")[0].strip("/").split("/")
            job = emulator.jobs.get(path[-1])
            if job is None:
                self._answer(*_refusal(404, "notFound", f"Not found: Job {path[-1]}"))
            elif path[-2] == "jobs":
                self._answer(200, job)
            elif "errorResult" in job["status"]:
                error = job["status"]["errorResult"]
                self._answer(*_refusal(400, error["reason"], error["message"]))
            else:
                self._answer(
                    200,
                    {
                        "kind": "bigquery#getQueryResultsResponse",
                        "jobReference": job["jobReference"],
                        "jobComplete": True,
                        "totalRows": "0",
                        "schema": {"fields": []},
                    },
                )

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
