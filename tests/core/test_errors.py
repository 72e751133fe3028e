"""Every message is one line that says what, what it got, what is allowed and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import (
    InputError,
    MultiturnError,
    StorageError,
    UnknownNameError,
    storage_errors,
    truncate_repr,
)


@given(st.text(), st.text(), st.text())
def test_a_message_is_always_one_printable_line(what: str, got: str, fix: str) -> None:
    line = str(MultiturnError("x" + what, got=got, fix=fix))
    assert len(line.splitlines()) <= 1
    assert "\x1b" not in str(MultiturnError("x", got=got + "\x1b[2J"))


@given(st.text(max_size=500), st.integers(10, 100))
def test_a_truncated_repr_is_short_and_printable(text: str, max_length: int) -> None:
    assert len(truncate_repr(text, max_length=max_length)) <= max_length
    assert truncate_repr(text, max_length=max_length).isprintable()


def test_an_unknown_name_suggests_the_nearest_and_lists_all() -> None:
    error = UnknownNameError("model", "smolm2", ["smollm2-135m", "qwen2.5-coder-0.5b"])
    assert "did you mean smollm2-135m?" in str(error)
    assert "qwen2.5-coder-0.5b" in str(error)


def test_storage_faults_become_one_error_with_a_fix(tmp_path: Path) -> None:
    path = tmp_path / "no" / "file"
    fix = "fix: create the directory first"
    with pytest.raises(StorageError, match=fix), storage_errors(path, "saving"):
        path.write_text("")


def test_every_error_of_a_person_exits_with_2() -> None:
    assert InputError("x").exit_code == 2
