"""The words of the source: one vocabulary, that of the field.

GLOSSARY.md defines the few words that are ours. Each word below once stood in the source beside or
instead of the field's own, so that a reader who searched for the field's word found nothing.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "multiturn"

PACKAGES = sorted(each.name for each in SOURCE.iterdir() if (each / "__init__.py").exists())

PROSE = re.compile(
    r"""\b(?:
    told | nobody | lies | whosesoever | mend(?:s|ed|ing)? | kept
    | (?:go|goes|gone|going|went)[ ]on | be[ ]had | had[ ]better
    | whole(?![ ]number)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words of comments, documentation and messages."""

PARTS = frozenset({"told", "nobody", "lies", "mend", "mended", "kept", "whole", "most", "least"})
"""Words that no name has as a part: ``most_tokens`` is ``max_tokens``."""

NAMES = frozenset(
    """
    Ticket PrefixPool prefixes Written Orders would_save rearranged seamless LONGEST_BLOCK
    take_in Fleet Patience patience rests_until BrokenOffError
    logits_of generate_naively a_turned Adapted Factors choose_rows log_total head_size
    feed_forward_width tied_head
    Team panel_product
    Rung enclosure fly Tried lifeline Called complaints overran
    Places reporting_storage Wanted model_place
    likeness keepers hung Signing Tokenizing Sharding Here Ledger Tally
    Trainee Guard Trouble Meter inside_documents catch_up join_hosts is_first
    Dialogue converse Ask Leader Lead patiently Sitting Effort EngineGauge Fill Cell
    what_went_wrong Workshop
    """.split()  # noqa: SIM905
)
"""Names of classes, functions and modules that the field calls otherwise: docs/decisions/0031."""

ON_DISK: frozenset[str] = frozenset({"inside_documents", "most_bytes"})
"""Names that stay because they are keys of records and files, which must open as before."""

STRINGS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Comments and strings, each with its line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        for match in re.finditer(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"", text, re.DOTALL):
            yield text.count("\n", 0, match.start()) + 1, match.group()
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        # A string of one word is a key of a record, not a sentence.
        if token.type in STRINGS and not token.string.strip("\"'").isidentifier():
            yield token.start[0], re.sub(r"\s+", " ", token.string)


def names_of(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        bare = re.sub(r"//.*|\"[^\"\n]*\"", "", text)
        for match in re.finditer(r"\b[A-Za-z_]\w*", bare):
            yield bare.count("\n", 0, match.start()) + 1, match.group()
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def faults_in(path: Path) -> Iterator[str]:
    for part in path.relative_to(SOURCE).with_suffix("").parts:
        if part in NAMES or PARTS & set(part.split("_")):
            yield f"{path.relative_to(SOURCE)}: the file name has {part!r}"
    for line, text in texts_of(path):
        for match in PROSE.finditer(text):
            yield f"{path.relative_to(SOURCE)}:{line}: the text has {match.group()!r}"
    for line, name in names_of(path):
        if name not in ON_DISK and (name in NAMES or PARTS & set(name.lower().split("_"))):
            yield f"{path.relative_to(SOURCE)}:{line}: the name {name!r}"


def faults_of(package: str) -> list[str]:
    place = SOURCE / package
    files = (
        each for suffix in ("py", "pyi", "cc", "h") for each in sorted(place.rglob(f"*.{suffix}"))
    )
    return [fault for path in files for fault in faults_in(path)]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_words_are_the_fields(package: str) -> None:
    faults = faults_of(package)
    assert not faults, "\n" + "\n".join(faults)


LANDMARKS = {
    "prefill": "engines/jax/prefill.py",
    "prefix cache": "engines/jax/prefix_cache.py",
    "continuous batching": "engines/jax/scheduler.py",
    "KV cache": "engines/jax/kv_cache.py",
    "nucleus": "models/sampling.py",
    "gradient accumulation": "jaxformer/step/train_step.py",
    "deterministic": "jaxformer/run/train.py",
    "throughput": "jaxformer/run/progress.py",
    "hyperparameter": "jaxformer/training_chain.py",
    "shard": "data/packing/shards.py",
    "provenance": "data/documents/record.py",
    "isolation": "sandbox/isolation.py",
}
"""Words that a reader searches for, and a file where each must be found."""


@pytest.mark.parametrize(("word", "file"), LANDMARKS.items(), ids=list(LANDMARKS))
def test_a_search_for_the_fields_word_finds_its_file(word: str, file: str) -> None:
    assert word.lower() in (SOURCE / file).read_text("utf-8").lower()


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(SOURCE)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_a_banned_word_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(faults_in.__globals__, "SOURCE", tmp_path)
    path = tmp_path / "a.py"
    path.write_text('"""Nobody lies."""\nmost_tokens = 1  # a whole number, and the whole\n')
    found = [fault.partition(": ")[2] for fault in faults_in(path)]
    assert found == [
        "the text has 'Nobody'", "the text has 'lies'", "the text has 'whole'",
        "the name 'most_tokens'",
    ]  # fmt: skip


if __name__ == "__main__":  # python tests/test_words.py PACKAGE: what is left in a package
    import sys

    print("\n".join(faults_of(sys.argv[1])))
