"""Held-out documents that share lines with the training data are dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiturn.core.errors import InputError
from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.pipeline import build
from multiturn.data.build.stage import document_files
from multiturn.data.dedup.unseen import Unseen
from multiturn.data.documents.files import read_columns
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.directory import Directory

SEEN = [f"the_training_data_has_line = number_{number}" for number in range(20)]
NEW = [f"nobody_has_ever_seen_line = number_{number}" for number in range(20)]
SHORT = ["return None", "pass", "", "else:", "}"]


def corpus(out: Path, files: dict[str, list[str]], *stages: Unseen) -> Path:
    source = out.with_name(f"{out.name}-files")
    for name, lines in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes("\n".join(lines).encode())
    recipe = CorpusRecipe(
        name=out.name,
        sources=(Directory(path=source, label="files", licence="MIT"),),
        steps=(),
        stages=stages,
    )
    build(recipe, out, executor=SequentialExecutor(), downloads=out, keep_drops=True)
    return out


def left(out: Path) -> set[str]:
    return {
        path for file in document_files(out / "unseen") for (path,) in read_columns(file, ["path"])
    }


def test_what_shares_more_lines_than_allowed_goes(tmp_path: Path) -> None:
    trained = corpus(tmp_path / "trained", {"a.py": SEEN[:10], "b.py": SEEN[10:] + SHORT})
    held_out = {
        "same.py": SEEN[:10],
        # Moved, reindented, with other line ends, and from two files.
        "moved.py": [f"    {line}\r" for line in (*NEW[:5], *SEEN[15:], *SEEN[:3])],
        "little.py": [*NEW, *SEEN[:5]],
        "new.py": [*NEW[3:], "# new"],
        # Short lines stand everywhere, and a file of them alone is no copy.
        "short.py": [*NEW[:2], *SHORT * 9],
        "only_short.py": SHORT * 3,
    }
    out = corpus(tmp_path / "held", held_out, Unseen(corpora=(trained,)))
    assert left(out) == {"little.py", "new.py", "short.py", "only_short.py"}
    counts = json.loads((out / "unseen" / "complete.json").read_text())["tally"]
    assert counts["drops"] == [["unseen", "lines of the training data", 2]]
    # Nothing may be shared, then half may.
    strict = corpus(tmp_path / "strict", held_out, Unseen(corpora=(trained,), max_share=0))
    assert left(strict) == {"new.py", "short.py", "only_short.py"}
    loose = corpus(tmp_path / "loose", held_out, Unseen(corpora=(trained,), max_share=0.99))
    assert "moved.py" in left(loose)
    assert "same.py" not in left(loose)


def test_other_training_data_are_another_recipe(tmp_path: Path) -> None:
    first = corpus(tmp_path / "first" / "trained", {"a.py": SEEN})
    again = corpus(tmp_path / "again" / "trained", {"a.py": SEEN})
    other = corpus(tmp_path / "other" / "trained", {"a.py": NEW})
    assert Unseen(corpora=(first,)).corpora_hash == Unseen(corpora=(again,)).corpora_hash
    assert Unseen(corpora=(first,)).corpora_hash != Unseen(corpora=(other,)).corpora_hash
    held_out = {"new.py": NEW}
    out = corpus(tmp_path / "held", held_out, Unseen(corpora=(first,)))
    assert left(out) == {"new.py"}
    assert left(corpus(out, held_out, Unseen(corpora=(other,)))) == set()


def test_a_corpus_that_is_not_built_and_odd_numbers_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished stage 'documents'"):
        Unseen(corpora=(tmp_path / "none",))
    for wrong in ({"min_line": 0}, {"max_share": 1.0}, {"max_share": -0.1}):
        with pytest.raises(InputError, match=r"too small|out of range"):
            Unseen(corpora=(), **wrong)
