"""Helpers of the tests of corpora."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Source
from multiturn.data.build.transform import DocumentTransform
from multiturn.data.documents.record import Document

ReadAll = Callable[[Source], tuple[list[Document], DropLog]]


@pytest.fixture
def read_all(tmp_path: Path) -> ReadAll:
    """Reads all parts of a source; returns the documents and the account."""

    def read(source: Source) -> tuple[list[Document], DropLog]:
        drop_log = DropLog()
        downloads = tmp_path / "downloads"
        documents = [
            document
            for part in source.parts(downloads)
            for document in source.read(part, drop_log, downloads)
        ]
        return documents, drop_log

    return read


@pytest.fixture
def pass_step() -> Callable[..., tuple[list[Document], DropLog]]:
    """Runs contents through a step; returns what passed and the account."""

    def run(
        step: DocumentTransform, *contents: bytes, path: str = "a.py", **fields: str
    ) -> tuple[list[Document], DropLog]:
        drop_log = DropLog()
        documents = [
            Document(content=content, source="test", path=path, **fields) for content in contents
        ]
        return list(step.run(documents, drop_log)), drop_log

    return run
