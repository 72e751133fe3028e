"""Tables and JSON lines as other programs write them: missing values, types, names, characters."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.pipeline import build
from multiturn.data.build.source import SourceError
from multiturn.data.build.transform import run_transforms
from multiturn.data.documents.files import read_documents, write_documents
from multiturn.data.documents.record import Document
from multiturn.data.filters.language import KeepLanguages
from multiturn.data.filters.licence import AllowedLicence
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.json_lines import BREAKS, JsonLines, Pile
from multiturn.data.sources.parquet import Parquet

CODE = "x = 1\n" * 20
NAN = float("nan")


def table(tmp_path: Path, columns: dict[str, Any], **settings: Any) -> Parquet:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    return Parquet(paths=(str(path),), **settings)


@pytest.mark.parametrize(
    ("value", "licence"),
    [
        (["MIT"], "MIT"),
        (["mit", "apache-2.0"], "Apache-2.0 AND MIT"),
        (["MIT", None], "MIT"),
        ([], "ISC"),
        (None, "ISC"),
        ("nan", "ISC"),
        ("None", "ISC"),
        ("", "ISC"),
        (b"MIT", "MIT"),
        ("mit", "MIT"),
        ("MIT License", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("MIT, Apache-2.0", "Apache-2.0 AND MIT"),
        ("mit OR apache-2.0", "MIT OR Apache-2.0"),
        ('["mit", "isc"]', "ISC AND MIT"),
        ("['mit']", "MIT"),
        ({"key": "mit", "name": "MIT License"}, "MIT"),
        ({"spdx_id": "BSD-3-Clause", "key": "bsd-3-clause"}, "BSD-3-Clause"),
        ([{"type": "MIT"}, {"type": "ISC"}], "ISC AND MIT"),
        ("Ours", "LicenseRef-Ours"),
        ("OURS", "LicenseRef-Ours"),
        ("something else", "something else"),
        (["MIT", "something else"], "MIT AND (something else)"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "lines"])
def test_licences_however_a_table_has_them(
    tmp_path: Path, read_all: Any, value: Any, licence: str, kind: str
) -> None:
    settings: dict[str, Any] = {
        "content": "code", "fields": {"licence": "l"}, "licence": "ISC",
        "licences": {"ours": "LicenseRef-Ours"},
    }  # fmt: skip
    if kind == "parquet":
        source: Any = table(tmp_path, {"code": [CODE], "l": [value]}, **settings)
    else:
        if isinstance(value, bytes):
            value = value.decode()
        path = tmp_path / "x.jsonl"
        path.write_text(json.dumps({"code": CODE, "l": value}))
        source = JsonLines(paths=(str(path),), **settings)
    (document,), drop_log = read_all(source)
    assert document.licence == licence
    assert not drop_log.counts.drops


def test_nothing_in_every_form(tmp_path: Path, read_all: Any) -> None:
    columns = {
        "content": [CODE, CODE], "path": [None, "a.py"], "language": [None, "Python"],
        "stars": [NAN, 3.0], "licence": pa.array([None, None]),
    }  # fmt: skip
    fields = {
        "path": "path",
        "language": "language",
        "metadata.stars": "stars",
        "licence": "licence",
    }
    documents, drop_log = read_all(table(tmp_path, columns, fields=fields, licence="MIT"))
    assert [(d.path, d.language, d.metadata, d.licence) for d in documents] == [
        ("x.parquet:0:0", "", {}, "MIT"),
        ("a.py", "python", {"stars": "3.0"}, "MIT"),
    ]
    assert not drop_log.counts.drops
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a", "l": NaN, "s": NaN}\n{"text": NaN}\n{"text": "b", "s": 1e999}\n')
    lines = JsonLines(paths=(str(path),), fields={"licence": "l", "metadata.s": "s"})
    documents, drop_log = read_all(lines)
    assert [(d.text, d.licence, d.metadata) for d in documents] == [
        ("a", "", {}),
        ("b", "", {"s": "inf"}),
    ]
    assert drop_log.counts.drops == {("lines", "a record without text"): 1}


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(),
        pa.binary_view(), pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.binary()),
    ],
)  # fmt: skip
def test_texts_of_every_type(tmp_path: Path, read_all: Any, kind: pa.DataType) -> None:
    if pa.types.is_dictionary(kind):
        texts = pa.array([CODE, "é", None]).cast(kind.value_type).dictionary_encode().cast(kind)
    else:
        texts = pa.array([CODE, "é", None]).cast(kind)
    columns = {
        "content": texts,
        "repo": texts,
        "language": pa.array(["Python"] * 3).cast(pa.binary()),
    }
    fields = {"source": "repo", "language": "language"}
    documents, drop_log = read_all(table(tmp_path, columns, fields=fields, label="hub"))
    assert [(d.text, d.source, d.language) for d in documents] == [
        (CODE, f"hub:{CODE}", "python"),
        ("é", "hub:é", "python"),
    ]
    assert drop_log.counts.drops == {("parquet", "a row without text"): 1}


def test_columns_within_columns(tmp_path: Path, read_all: Any) -> None:
    columns = {
        "meta": [{"text": CODE, "about": {"repo": "a/b", "stars": 1}}, None],
        "dotted.name": ["p.py", "q.py"],
    }
    fields = {"source": "meta.about.repo", "path": "dotted.name", "metadata.about": "meta.about"}
    documents, _ = read_all(table(tmp_path, columns, content="meta.text", fields=fields))
    assert [(d.text, d.source, d.path) for d in documents] == [(CODE, "parquet:a/b", "p.py")]
    assert json.loads(documents[0].metadata["about"]) == {"repo": "a/b", "stars": 1}
    with pytest.raises(SourceError, match=r"no such column: got 'meta\.txt'"):
        read_all(table(tmp_path, columns, content="meta.txt"))
    with pytest.raises(SourceError, match=r"no such column"):
        read_all(table(tmp_path, columns, content="meta.text.deeper"))


def test_a_column_that_stands_twice(tmp_path: Path, read_all: Any) -> None:
    path = tmp_path / "x.parquet"
    twice = pa.Table.from_arrays([pa.array([CODE])] * 3, names=["content", "other", "other"])
    pq.write_table(twice, path)
    assert len(read_all(Parquet(paths=(str(path),)))[0]) == 1
    with pytest.raises(SourceError, match=r"two columns of one name.*other"):
        read_all(Parquet(paths=(str(path),), content="other"))
    with pytest.raises(SourceError, match="two columns of one name"):
        read_all(Parquet(paths=(str(path),), fields={"path": "other"}))
    # One column for several fields is a wish like another.
    fields = {"path": "id", "metadata.id": "id", "revision": "content"}
    source = table(tmp_path, {"content": ["v1"], "id": ["7"]}, fields=fields)
    (document,), _ = read_all(source)
    assert (document.path, document.metadata, document.revision) == ("7", {"id": "7"}, "v1")


@pytest.mark.parametrize("column", [[1, 2], [["a"], ["b"]], [{"a": 1}, {"a": 2}], [1.5, 2.5]])
def test_a_text_column_that_is_no_text_is_one_line(
    tmp_path: Path, read_all: Any, column: list[Any]
) -> None:
    with pytest.raises(SourceError, match=r"is not text.*allowed: string or binary"):
        read_all(table(tmp_path, {"content": column}))


def test_a_field_that_is_no_utf8_loses_its_row_alone(tmp_path: Path, read_all: Any) -> None:
    columns = {"content": [CODE, CODE], "repo": pa.array([b"caf\xe9", b"good"])}
    documents, drop_log = read_all(table(tmp_path, columns, fields={"source": "repo"}))
    assert [d.source for d in documents] == ["parquet:good"]
    assert drop_log.counts.drops == {("parquet", "a source that is not UTF-8"): 1}


@pytest.mark.parametrize("language", ["Python", "PYTHON", " python ", "py", "python3"])
def test_languages_and_licences_in_any_case(tmp_path: Path, language: str) -> None:
    documents = [
        Document(content=CODE.encode(), source="s", path="p", language=language, licence="mit"),
        Document(content=CODE.encode(), source="s", path="q", language="Rust", licence="MIT"),
    ]
    drop_log = DropLog()
    steps = (KeepLanguages(languages=("PYTHON",)), AllowedLicence(allowed=frozenset({"Mit"})))
    (kept,) = run_transforms(documents, steps, drop_log)
    assert (kept.language, kept.licence) == ("python", "MIT")
    assert drop_log.counts.drops == {("language", "another language (rust)"): 1}


def test_a_build_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    source = table(tmp_path, {"content": [None, None, CODE], "l": ["x", "y", "GPL-3.0-only"]},
                   fields={"licence": "l"})  # fmt: skip
    recipe = CorpusRecipe(name="x", sources=(source,), steps=(AllowedLicence(),))
    for _ in range(2):  # the parts are kept, and their end is the same
        with pytest.raises(
            SourceError, match="all 3 documents of the sources were dropped"
        ) as caught:
            build(recipe, tmp_path / "out", executor=SequentialExecutor(), downloads=tmp_path)
        assert "2 by parquet: a row without text; 1 by licence" in str(caught.value)
        assert "\n" not in str(caught.value)


SEPARATORS = "\u2028\u2029\x85\x1c\x1d\x1e\u000b\u000c\r"


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_end_at_line_feeds_only(
    tmp_path: Path, read_all: Any, ascii_only: bool, end: bytes
) -> None:
    texts = [f"a{sign}b" for sign in SEPARATORS]
    path = tmp_path / "x.jsonl"
    rows = [json.dumps({"text": text}, ensure_ascii=ascii_only).encode() for text in texts]
    path.write_bytes(b"\xef\xbb\xbf" + end.join(rows))
    documents, drop_log = read_all(JsonLines(paths=(str(path),)))
    assert [d.text for d in documents] == texts
    assert [d.path for d in documents] == [f"x.jsonl:{n}" for n in range(1, len(texts) + 1)]
    assert not drop_log.counts.drops


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (r'{"text": "\ud800"}', "half of a surrogate pair"),
        (r'{"text": "a\udc00b"}', "half of a surrogate pair"),
        (r'{"text": "\udc00\ud800"}', "half of a surrogate pair"),
        (r'{"text": "a", "path": "\ud800.py"}', "half of a surrogate pair"),
        (r'{"text": "a", "licence": ["\ud800"]}', "half of a surrogate pair"),
        (r'{"text": "a", "language": "\udfff"}', "half of a surrogate pair"),
        (r'{"text": "a", "deep": {"b": ["\ud800"]}}', "half of a surrogate pair"),
        (r'{"text": "a", "text": "b"}', "a key that stands twice"),
        (r'{"text": "a", "m": {"k": 1, "k": 1}}', "a key that stands twice"),
        (r'{"text": "a", "n": ' + "9" * 5000 + "}", "a line that is no JSON"),
        (r'{"text": "a"} {"text": "b"}', "a line that is no JSON"),
        ('{"text": "a\x00b"}', "a line that is no JSON"),
        ('{"text": "a\tb"}', "a line that is no JSON"),
        ("\x00", "a line that is no JSON"),
        (r'"text"', "a record without text"),
        (r"null", "a record without text"),
        (r'{"text": ["a"]}', "a record without text"),
    ],
)
def test_a_line_that_is_no_record_loses_itself_alone(
    tmp_path: Path, read_all: Any, line: str, reason: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{line}\n{{"text": "good \\ud83d\\ude00"}}\n', "utf-8")
    fields = {"path": "path", "licence": "licence", "language": "language", "metadata.d": "deep"}
    documents, drop_log = read_all(JsonLines(paths=(str(path),), fields=fields))
    assert [d.text for d in documents] == ["good 😀"]
    assert drop_log.counts.drops == {("lines", reason): 1}
    assert write_documents(tmp_path / "out.parquet", documents) == 1


def test_half_of_a_pair_in_the_pile(tmp_path: Path, read_all: Any) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"text": "\\ud800", "meta": {"pile_set_name": "A"}}\n'
        '{"text": "a", "meta": {"pile_set_name": "\\ud800"}}\n'
        '{"text": "a", "meta": {"pile_set_name": "A"}}\n'
    )
    documents, drop_log = read_all(Pile(paths=(str(path),)))
    assert [d.text for d in documents] == ["a"]
    assert drop_log.counts.drops == {("pile", "half of a surrogate pair"): 2}


@given(
    st.dictionaries(
        st.sampled_from(["text", "path", "licence", "language", "source", "m"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2)
            ),
            max_leaves=5,
        ),
    )
)
def test_any_record_becomes_a_document_or_a_drop(row: dict[str, Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_text(json.dumps(row))
        fields = {name: name for name in ("path", "licence", "language", "source")}
        source = JsonLines(paths=(str(path),), fields={**fields, "metadata.m": "m"})
        drop_log = DropLog()
        (part,) = source.parts(path)
        documents = list(source.read(part, drop_log, path))
        assert len(documents) + drop_log.counts.drops.total() == 1
        write_documents(Path(folder) / "out.parquet", documents)
        assert list(read_documents(Path(folder) / "out.parquet")) == documents


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        ("jsonl.gz", gzip.compress), ("JSONL.GZ", gzip.compress), ("jsonl.bz2", bz2.compress),
        ("jsonl.xz", lzma.compress), ("Jsonl.Zst", zstandard.compress), ("NDJSON", bytes),
        ("json.zstd", zstandard.compress),
    ],
)  # fmt: skip
def test_lines_packed_in_any_way(tmp_path: Path, read_all: Any, ending: str, pack: Any) -> None:
    rows = b"".join(b'{"text": "line %d"}\n' % number for number in range(500))
    path = tmp_path / f"x.{ending}"
    path.write_bytes(pack(rows) + pack(rows))
    for place in (path, tmp_path):
        documents, drop_log = read_all(JsonLines(paths=(str(place),)))
        assert len(documents) == 1000
        assert not drop_log.counts.drops
    if pack is not bytes:
        whole = path.read_bytes()
        for cut in (1, len(whole) // 3, len(whole) // 2 + 5, len(whole) - 1):
            path.write_bytes(whole[:cut])
            before, drop_log = read_all(JsonLines(paths=(str(path),)))
            assert before == documents[: len(before)]
            assert drop_log.counts.drops["lines", BREAKS] == 1
