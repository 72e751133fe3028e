"""Cells as steps of a program, and values that go to the sandbox; no IPython is needed."""

from __future__ import annotations

import ast
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.apps.notebook.arguments import read_manage, read_turn
from multiturn.apps.notebook.carried import MAX_BYTES, CarriedValues, CarryingSandbox
from multiturn.apps.notebook.cells import (
    OWN_PROMPT,
    cell_text,
    python_of,
    split_cell,
    stand_in,
    stands_for,
)
from multiturn.apps.notebook.variables import describe_variables
from multiturn.core.errors import InputError
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Program
from multiturn.synthesis.program_text import as_comment


def with_magics(source: str) -> str:
    """What IPython makes of lines that begin with % or !."""
    lines = source.split("\n")
    return "\n".join(
        f"get_ipython().run_line_magic({line[1:]!r})" if line[:1] in ("%", "!") else line
        for line in lines
    )


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("x = 1", "x = 1"),
        ("%matplotlib inline\nx = 1", "x = 1"),
        ("!pip list\n%time", ""),
        ("%%bash\nls", ""),
        ("df", ""),
        ("df.shape\n'text'", ""),
        ("prices.append(4)", "prices.append(4)"),
        ("print(x)", "print(x)"),
        ("# only a comment", ""),
        ("", ""),
        ("x = (1,\n     2)\n%time\ny = 2", "x = (1,\n     2)\n\ny = 2"),
        ("this is no Python", ""),
        ("x = 'nul \x00'", ""),
    ],
)
def test_the_python_of_a_cell(source: str, python: str) -> None:
    assert python_of(source, with_magics) == python


@pytest.mark.parametrize(
    ("code", "split"),
    [
        ("x = 1", (OWN_PROMPT, "x = 1")),
        ("# Set x.\nx = 1", ("Set x.", "x = 1")),
        ("# Set x.\n# To one.\nx = 1\n# done", ("Set x.\nTo one.", "x = 1\n# done")),
        ("#!shebang\nx = 1", (OWN_PROMPT, "#!shebang\nx = 1")),
        ("#\nx = 1", (OWN_PROMPT, "#\nx = 1")),
    ],
)
def test_the_comment_above_a_cell_is_its_prompt(code: str, split: tuple[str, str]) -> None:
    assert split_cell(code) == split


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1))
def test_a_cell_under_its_prompt_is_recognized(prompt: str) -> None:
    text = cell_text(prompt.strip() or "p", "x = 1")
    assert text.startswith(as_comment(prompt.strip() or "p")) and text.endswith("x = 1")
    ast.parse(text)


def test_what_stands_in_for_a_cell_gives_plain_values_and_names_the_others() -> None:
    cell = (
        "import csv\nrate = fetch()\ntable = load('x.csv')\nrows.append(rate)\ndef f():\n    pass"
    )
    namespace = {"rate": 1.5, "table": object(), "rows": [1], "f": lambda: None, "csv": ast}
    code, carried = stand_in(cell, namespace)
    assert code.startswith("import csv\n# rate = fetch()\n") and carried == ["table", "f"]
    assert "rate = 1.5" in code and "rows = [1]" in code
    ast.parse(code)
    assert stands_for(code, cell) and stands_for(cell, cell)
    assert not stands_for(code, "rate = other()")
    without, more = stand_in(cell, namespace, imports=False)
    assert "# import csv" in without and "csv" in more and stands_for(without, cell)


class Forged(list):  # type: ignore[type-arg]
    """Text that would run code."""

    def __repr__(self) -> str:
        return "__import__('os').system('false')"


@pytest.mark.parametrize(
    "value", [Forged(), [Forged()], {"a": Forged()}, float("nan"), "x" * 5000, object(), ["\n"]]
)
def test_a_value_that_is_not_plain_is_not_written_as_code(value: object) -> None:
    code, carried = stand_in("x = load()", {"x": value})
    if value == ["\n"]:
        assert "x = ['\\n']" in code
    else:
        assert code == "# x = load()" and carried == ["x"]


class Refuses:
    def __reduce__(self) -> str:
        raise RuntimeError("no\npickle")


def test_carried_values_arrive_and_others_are_named() -> None:
    carried = CarriedValues()
    space = {"data": {"a": (1, 2)}, "no": Refuses(), "big": bytearray(1), "ast": ast}
    space["big"] = __import__("os").urandom(MAX_BYTES)
    carried.take([*space, "absent"], space)
    assert carried.names == ["data"] and set(carried.left_out) == {"no", "big"}
    program = carried.before("# A step.\nx = data['a']\nraise ValueError")
    assert program.count("\n") == 2  # the lines of errors stay
    found: dict[str, object] = {}
    with pytest.raises(ValueError) as raised:
        exec(program, found)
    assert found["x"] == (1, 2) and found["ast"] is ast
    assert raised.tb.tb_next is not None and raised.tb.tb_next.tb_lineno == 3
    found = {}
    exec(carried.before("def f():\n    return data"), found)
    assert "f" in found
    carried.take(["data"], {"data": 3})
    exec(carried.before("# x\ny = data"), found)
    assert found["y"] == 3
    carried.drop("data")
    carried.drop("ast")
    assert carried.before("x = 1") == "x = 1"


@pytest.mark.real
def test_a_table_arrives_in_the_sandbox() -> None:
    pd = pytest.importorskip("pandas")
    carried = CarriedValues()
    carried.take(["table"], {"table": pd.DataFrame({"price": [1.5, 2.5]})})
    with CarryingSandbox(open_sandbox(workers=1), carried) as sandbox:
        found = sandbox.run(Program(source="# Add up.\nprint(table.price.sum())"))
        assert found.stdout == b"4.0\n", found
        found = sandbox.run(Program(source="# Fail.\n\nraise ValueError"))
        assert found.outcome.line == 3


def test_what_the_notebook_defines_itself_is_not_carried() -> None:
    carried = CarriedValues()
    function = types.FunctionType((lambda: 1).__code__, {"__name__": "__main__"})
    carried.take(["f"], {"f": function})
    assert "defined in the notebook" in carried.left_out["f"]


def test_variables_are_short_text() -> None:
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    shown = dict(
        describe_variables(
            {
                "x": [1, 2],
                "_private": 1,
                "In": [],
                "array": np.zeros((2, 3)),
                "frame": pd.DataFrame({"a": [1], "b": ["x"]}),
                "long": "y" * 9999,
                "refuses": type("R", (), {"__repr__": lambda self: 1 / 0})(),
            },
            hidden=["In"],
        )
    )
    assert shown["x"] == "[1, 2]" and "_private" not in shown and "In" not in shown
    assert shown["array"] == "ndarray of 2 x 3 float64"
    assert shown["frame"].startswith("DataFrame of 1 x 2: a (int64), b (")
    assert len(shown["long"]) < 300 and shown["refuses"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--n x", "invalid int"),
        ("--modle a", "did you mean --model"),
        ("--retry --pick 2", "exclude each other"),
        ("don't", "no closing quotation"),
        ("--pick", "expected one argument"),
    ],
)
def test_a_wrong_line_of_turn_is_one_clear_line(line: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        read_turn(line)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_the_lines_are_read() -> None:
    found = read_turn("--n 3 --expect 'x == 2' Set x --run to 2. --expect 3")
    assert found.words == "Set x to 2." and found.n == 3 and found.run
    assert found.expect == ["x == 2", "3"]
    assert read_turn("--no-run").run is False and read_turn("").run is None
    assert read_manage("").command == "status"
    assert list(read_manage("save a.py").arguments) == ["a.py"]
    for wrong in ("sav x", "undo 3", "open", "save a b"):
        with pytest.raises(InputError):
            read_manage(wrong)
