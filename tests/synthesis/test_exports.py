"""Exports: each format is complete, valid, and equal to the session."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from multiturn.core.errors import InputError, StorageError
from multiturn.synthesis.events import TurnSaved
from multiturn.synthesis.export import export_session
from multiturn.synthesis.program_text import as_comment
from multiturn.synthesis.records import SessionSettings
from multiturn.synthesis.specification_files import read_specifications


@pytest.fixture
def session(synthesizer):
    made = synthesizer.new_session(
        SessionSettings(style="comment", header="import math"), name="Doubling"
    )
    for prompt in ("Set x to {2}.\n*Now*", "Double x.", "Double x, again."):
        *_, last = synthesizer.take_turn(made, prompt)
        assert isinstance(last, TurnSaved)
        made = last.session
    return made


def test_python_runs_and_carries_the_turns(session, tmp_path):
    path = tmp_path / "program.py"
    export_session(session, path)
    assert path.read_text().startswith("import math\n\n# Set x to {2}.\n# *Now*\nx = 2\n\n")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    assert done.stdout == "5\n11\n" == session.turn.choice.run.stdout


def test_notebook_is_nbformat_4_5(session, tmp_path):
    path = tmp_path / "program.ipynb"
    export_session(session, path)
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds == ["code"] + ["markdown", "code"] * 3
    printed = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert printed == [
        [],
        [],
        [{"output_type": "stream", "name": "stdout", "text": "5\n"}],
        [{"output_type": "stream", "name": "stdout", "text": "11\n"}],
    ]
    code = "\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "code")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "5\n11\n"


def test_markdown_shows_code_and_output_and_no_markup_of_the_persons(
    session, synthesizer, tmp_path
):
    *_, last = synthesizer.edit(session, "s = '''\n```\n'''\nboom")
    path = tmp_path / "program.md"
    export_session(last.session, path)
    text = path.read_text()
    assert "> Set x to \\{2\\}\\.\n> \\*Now\\*\n" in text
    assert "Printed:\n\n```text\n5\n```\n" in text
    assert "````python\ns = '''\n```\n'''\nboom\n````\n" in text
    assert "The program raised NameError: name 'boom' is not defined (line 15)." in text


def test_sample_format_comes_back_as_a_specification(session, tmp_path):
    path = tmp_path / "program.jsonl"
    export_session(session, path)
    [again] = read_specifications(path)
    [case] = again.fill()
    # There the second line of a prompt brings its own comment sign; the program is the same.
    assert case.turns[0].prompt == "Set x to {2}.\n# *Now*"
    assert [as_comment(t.prompt) for t in case.turns] == [
        as_comment(t.prompt) for t in session.path()
    ]
    assert case.expect == "11"
    assert (again.id, again.name, again.max_tokens) == (session.id, "Doubling", 256)


def test_a_program_that_fails_has_no_output_to_export(session, synthesizer, tmp_path):
    *_, last = synthesizer.take_turn(session, "Break.")
    path = tmp_path / "program.jsonl"
    with pytest.raises(InputError, match="does not run without an error"):
        export_session(last.session, path)
    assert not path.exists()


def test_what_cannot_be_exported_leaves_nothing(session, tmp_path):
    with pytest.raises(InputError, match=r"program.ipyn'; allowed: \.py, .*'program.ipynb'"):
        export_session(session, tmp_path / "program.ipyn")
    with pytest.raises(InputError, match="there is no program yet"):
        export_session(replace(session, current=None), tmp_path / "program.py")
    with pytest.raises(StorageError, match="fix:"):
        export_session(session, tmp_path / "gone" / "program.py")
    assert list(tmp_path.glob("program*")) == []
