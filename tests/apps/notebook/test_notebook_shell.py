"""Steps in a real IPython shell, with the real sandbox."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from running_notebook import Notebook

from multiturn.apps.notebook.cells import OWN_PROMPT
from multiturn.synthesis.store import SessionStore

pytestmark = pytest.mark.real

PRICES = "prices = [2, 4, 6]"
MEAN = "mean = sum(prices) / len(prices)\nprint(mean)"
MEAN_CELL = f"# Compute the mean of prices.\n{MEAN}"


def test_a_step_goes_into_the_next_cell_under_its_prompt(notebook: Notebook) -> None:
    notebook.run(PRICES)
    shown = notebook.run("%%turn --n 2\nCompute the mean of prices.")
    assert notebook.cells == [MEAN_CELL]
    assert "ran, not checked" in shown and "│ 4.0" in shown and "2. ran" in shown
    assert "mean" not in notebook.shell.user_ns  # the step ran in the sandbox only
    assert notebook.steps == [(OWN_PROMPT, PRICES), ("Compute the mean of prices.", MEAN)]
    notebook.run(notebook.cells[0])
    notebook.run("%turn Double it.")
    assert len(notebook.steps) == 3 and notebook.session.program().endswith("print(mean)\n")
    run = notebook.session.path()[-1].choice.run
    assert run is not None and run.stdout == "4.0\n8.0\n"


def test_run_is_for_steps_that_passed_the_sandbox(notebook: Notebook) -> None:
    notebook.run(PRICES)
    shown = notebook.run("%%turn --run\nCompute the mean of prices.")
    assert notebook.shell.user_ns["mean"] == 4.0 and shown.count("4.0") == 2  # value and output
    shown = notebook.run("%%turn --run\nBreak it.")
    assert "not run in the kernel" in shown and "NameError" in shown
    assert notebook.shell.user_ns["prices"] == [2, 4, 6]
    notebook.run("%turn --repair --run")
    assert notebook.shell.user_ns["mean"] == 7 and len(notebook.steps) == 3


def test_a_step_is_retried_picked_and_must_meet_what_is_expected(notebook: Notebook) -> None:
    notebook.run(PRICES)
    notebook.run("%%turn\nCompute the mean of prices.")
    notebook.run("%turn --retry --n 3")
    candidates = notebook.session.path()[-1].candidates
    assert len(candidates) == 2
    notebook.run("%turn --pick 2")
    assert notebook.cells[-1].endswith("mean = 4\nprint(mean)")
    notebook.run("%turn --pick 1")
    assert notebook.cells[-1] == MEAN_CELL
    shown = notebook.run('%turn --expect "mean == 5"')
    assert "not as expected (0 of 1)" in shown
    notebook.run("%%turn --n 4 --expect 'mean == 8' --expect 'type(mean) is float'\nDouble it.")
    assert notebook.session.path()[-1].choice.examples_passed == (True, True)
    assert "error: there is no such candidate" in notebook.fails("%turn --pick 9")


def test_a_cell_that_is_run_again_changes_its_step_and_the_later_ones_follow(
    notebook: Notebook,
) -> None:
    notebook.run(PRICES, "a")
    notebook.run("%%turn\nCompute the mean of prices.", "b")
    notebook.run("%%turn\nDouble it.", "c")
    shown = notebook.run("%%turn\nDouble it.", "c")
    assert "as before" in shown and len(notebook.cells) == 2 and len(notebook.steps) == 3
    notebook.run("%%turn\nDouble it.", "another cell")
    assert len(notebook.steps) == 4
    # The person's own cell, another prompt, and code that the person changed.
    notebook.run("prices = [10]", "a")
    notebook.run("%%turn\nHalve it.", "c")
    assert [prompt for prompt, _ in notebook.steps] == [
        OWN_PROMPT, "Compute the mean of prices.", "Halve it.", "Double it."
    ]  # fmt: skip
    run = notebook.session.path()[-1].choice.run
    assert run is not None and run.stdout == "10.0\n10.0\n"
    notebook.run("# Compute the mean of prices.\nmean = 100", "d")
    notebook.run("%%turn\nDouble it once more.", "e")
    assert notebook.steps[1] == ("Compute the mean of prices.", "mean = 100")
    assert notebook.session.path()[1].edited and len(notebook.steps) == 5
    # A cell of an earlier version is no step of its own; one of another candidate chooses it.
    notebook.run("# Double it.\nmean *= 2\nprint(mean)")
    notebook.run(MEAN_CELL)
    notebook.run("%%turn\nHalve it again.")
    assert len(notebook.steps) == 6 and notebook.steps[1][1] == MEAN


def test_what_a_cell_read_from_a_file_is_known_to_the_model_and_the_sandbox(
    notebook: Notebook, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("aba")
    cell = (
        "from collections import Counter\nfrom pathlib import Path\n"
        f"table = Counter(Path('{tmp_path}/text').read_text())"
    )
    notebook.run(cell)
    shown = notebook.run("%%turn --run\nCount the rows of the table.")
    assert "steps get the value of table from the kernel" in shown
    assert notebook.shell.user_ns["rows"] == 2
    assert "Path\n# table = Counter(" in notebook.steps[0][1]
    # The model sees the value: the script answers to it.
    notebook.run("%%turn\nWhat is it?")
    assert notebook.steps[-1] == ("What is it?", "seen = 'counts'")
    # With --no-values it does not.
    notebook.run("%turn --no-values Set x.")
    assert notebook.steps[-1][1] == "x = 2\nprint(x)"
    # Reading it again is no other step, and takes the new value.
    (tmp_path / "text").write_text("abc")
    notebook.run(cell)
    count = len(notebook.steps)
    notebook.run("%turn Count the rows again.")
    assert len(notebook.steps) == count + 1
    run = notebook.session.path()[-1].choice.run
    assert run is not None and run.stdout.endswith("3\n")


def test_a_value_that_cannot_be_handed_over_is_named(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("secret")
    notebook.run(f"stream = open('{tmp_path}/text')\ntext = stream.read()")
    shown = notebook.run("%turn Set x.")
    assert "stream cannot be handed to the sandbox" in shown
    assert "text = 'secret'" in notebook.steps[0][1]
    notebook.run("class Point:\n    pass\npoint = Point()\n%time")
    notebook.run("%turn Set x again.")
    assert "class Point" in notebook.session.program()


def test_cells_before_the_extension_and_failing_ones(
    new_notebook: Callable[[], Notebook], model: str
) -> None:
    notebook = new_notebook()
    notebook.run(PRICES)
    notebook.run("%load_ext multiturn")
    assert "ZeroDivisionError" in notebook.fails("broken = 1 / 0")
    notebook.run("prices")
    notebook.run(f"%%turn --model {model}\nCompute the mean of prices.")
    assert [prompt for prompt, _ in notebook.steps] == [OWN_PROMPT, "Compute the mean of prices."]


def test_a_session_is_continued_in_another_kernel(
    new_notebook: Callable[[], Notebook], model: str, tmp_path: Path
) -> None:
    cells = [
        PRICES,
        f"%load_ext multiturn\n%multiturn --model {model} --session sums",
        "%%turn\nCompute the mean of prices.",
        MEAN_CELL,
        "%%turn\nDouble it.",
    ]
    first = new_notebook()
    for cell in cells:
        first.run(cell)
    before = first.session
    assert before.name == "sums"
    # "Restart and run all" with the same cells writes nothing again and adds no cell.
    second = new_notebook()
    for cell in cells:
        second.run(cell)
    assert second.session.turns == before.turns and second.cells == []
    second.run("%%turn\nDouble it.")
    assert len(second.steps) == 4 and len(second.cells) == 1
    # `multiturn` opens it.
    command = [sys.executable, "-m", "multiturn", "sessions", "show", "sums", "--code"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "mean = sum(prices) / len(prices)" in shown
    second.run(f"%multiturn save {tmp_path}/out.py")
    ran = subprocess.run([sys.executable, tmp_path / "out.py"], capture_output=True, text=True)
    assert ran.stdout == "4.0\n8.0\n16.0\n"


def test_the_commands(notebook: Notebook) -> None:
    assert "scripted" in notebook.run("%multiturn") and "new" in notebook.run("%multiturn status")
    notebook.run("%turn Set x.", "a")
    assert "x = 2" in notebook.run("%multiturn program")
    assert "Set x." in notebook.run("%multiturn turns")
    assert "undid: Set x." in notebook.run("%multiturn undo")
    assert notebook.session.path() == () and len(notebook.session.turns) == 1
    first = notebook.session
    notebook.run("%multiturn new")
    notebook.run("%turn --session other Set x.")
    assert notebook.session.name == "other"
    assert first.name in notebook.run("%multiturn sessions")
    notebook.run(f"%multiturn open {first.id[:6]}")
    notebook.run("%multiturn --n 3 --temperature 0.9 --run")
    notebook.run("%turn Set x.")
    assert notebook.session.id == first.id and notebook.shell.user_ns["x"] == 2
    assert notebook.session.settings.sampling.n == 3


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%turn\n   ", "the turn is empty"),
        ("%turn --retry", "there is no turn yet"),
        ("%turn --nn 2 Set x.", "unrecognized arguments"),
        ("%turn --n 0 Set x.", "n is out of range"),
        ("%turn --model nothing-like-it Set x.", "unknown model"),
        ("%multiturn save x.doc", "there is no turn yet"),
        ("%multiturn open nothing", "unknown session"),
        ("%multiturn undoo", "did you mean 'undo'"),
        ("%multiturn --style odd", "style"),
        ("%%turn\nThe script has no answer to this.", "error: "),
    ],
)
def test_a_mistake_is_one_line(notebook: Notebook, cell: str, words: str) -> None:
    shown = notebook.fails(cell).strip()
    assert words in shown and shown.startswith("error: ") and "\n" not in shown
    with SessionStore() as store:
        assert store.list() == ()  # an empty session is not left


def test_importing_multiturn_imports_no_ipython() -> None:
    text = (
        "import multiturn, sys; multiturn.load_ipython_extension; print('IPython' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_unloading_ends_the_sandbox(notebook: Notebook) -> None:
    notebook.run("%turn Set x.")
    notebook.run("%reload_ext multiturn")
    notebook.run("%unload_ext multiturn")
    assert "not found" in notebook.fails("%turn Set x.")
