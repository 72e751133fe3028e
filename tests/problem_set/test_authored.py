"""Problem files and the mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiturn.core.errors import InputError
from tools.problem_set.authored import Mutation, problems_directory, read_authored

TURNS = ("a = 1", "b = a + 1", "print(a + b)")


def test_a_change_applies_to_all_turns_or_one() -> None:
    assert Mutation(replace="a", by="c").apply(TURNS) == ("c = 1", "b = c + 1", "print(c + b)")
    assert Mutation(replace="1", by="2", turn=2).apply(TURNS) == ("a = 1", "b = a + 2", TURNS[2])
    assert Mutation(by="print(b)", turn=3).apply(TURNS)[2] == "print(b)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Mutation(replace="zzz", by="y"), "changes nothing"),
        (Mutation(replace="a", by="a"), "changes nothing"),
        (Mutation(replace="print", by="x", turn=1), "changes nothing"),
        (Mutation(by="x", turn=4), "no such turn"),
    ],
)
def test_a_change_that_does_not_apply_is_refused(change: Mutation, message: str) -> None:
    with pytest.raises(InputError, match=message):
        change.apply(TURNS)


def test_a_change_must_say_where() -> None:
    with pytest.raises(InputError, match="neither a text nor a turn"):
        Mutation(by="x")


def test_a_faulty_file_is_named(tmp_path: Path) -> None:
    original = (problems_directory() / "array" / "seat_rows.yaml").read_text(encoding="utf-8")
    path = tmp_path / "seats.yaml"
    path.write_text(original, encoding="utf-8")
    assert list(read_authored([path])) == ["seats"]
    path.write_text(original.replace("category: array", "category: arrays"), encoding="utf-8")
    with pytest.raises(InputError, match=r"seats\.yaml: category"):
        read_authored([path])
    path.write_text(original.replace("reference:", "referense:", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"turns\[0\].*did you mean 'reference'"):
        read_authored([path])
    path.write_text("turns: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"seats\.yaml: line 1, column 9: not YAML"):
        read_authored([path])


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    one = problems_directory() / "array" / "seat_rows.yaml"
    other = tmp_path / "seat_rows.yaml"
    other.write_text(one.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(InputError, match="same file name"):
        read_authored([one, other])


def test_each_file_lies_in_the_folder_of_its_category() -> None:
    for path in problems_directory().glob("*/*.yaml"):
        (problem,) = read_authored([path]).values()
        assert path.parent.name == problem.category.replace(" ", "_")


def test_lines_of_the_files_are_short_enough_to_review() -> None:
    long = [
        f"{path.name}:{number}"
        for path in problems_directory().glob("*/*.yaml")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert len(long) == 0, long
