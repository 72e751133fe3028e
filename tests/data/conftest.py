"""Helpers of the tests of corpora."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from multiturn.data.document import Document
from multiturn.data.ledger import Ledger
from multiturn.data.source import Source
from multiturn.data.step import Step

ReadAll = Callable[[Source], tuple[list[Document], Ledger]]


@pytest.fixture
def read_all(tmp_path: Path) -> ReadAll:
    """Reads all parts of a source; returns the documents and the account."""

    def read(source: Source) -> tuple[list[Document], Ledger]:
        ledger = Ledger()
        downloads = tmp_path / "downloads"
        documents = [
            document
            for part in source.parts(downloads)
            for document in source.read(part, ledger, downloads)
        ]
        return documents, ledger

    return read


@pytest.fixture
def pass_step() -> Callable[..., tuple[list[Document], Ledger]]:
    """Runs contents through a step; returns what passed and the account."""

    def run(
        step: Step, *contents: bytes, path: str = "a.py", **fields: str
    ) -> tuple[list[Document], Ledger]:
        ledger = Ledger()
        documents = [
            Document(content=content, source="test", path=path, **fields) for content in contents
        ]
        return list(step.run(documents, ledger)), ledger

    return run
