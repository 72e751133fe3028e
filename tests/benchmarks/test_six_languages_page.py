"""The page of the own problems in six languages is what its script makes of saved runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.apps.cli.main import run
from multiturn.sandbox.compiled.runner import available_languages

pytest.importorskip("tree_sitter")

SCRIPT = Path(__file__).parents[2] / "docs" / "results" / "languages.py"


@pytest.mark.real
def test_a_page_is_made_of_saved_runs(tmp_path):
    here = {each.language.key for each in available_languages() if each.works}
    if "javascript" not in here:
        pytest.skip("javascript is not installed")
    model = tmp_path / "any.jsonl"
    answers = {"answers": ["print(7)", "printJson(7);"]}
    model.write_text(json.dumps({"settings": {"slots": 1}}) + "\n" + json.dumps(answers) + "\n")
    out = tmp_path / "runs"
    for key in ("python", "javascript"):
        command = ["bench", "own", "--language", key, "-a", "turns,concat", "-o", str(out / key)]
        command += ["-m", f"scripted:{model}", "--truncation", "next_prompt", "--cases", "1"]
        assert run([*command, "--problem", "garden_fence,turnstile"]) == 0
    (named,) = {record.parent.parent.name for record in out.rglob("run.json")}
    page = tmp_path / "page.md"
    command = [sys.executable, str(SCRIPT), "--table", "--out", str(out), "--model", named]
    subprocess.run([*command, "--split", "all", "--write", str(page)], check=True)
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Six languages"
    rows = [line.split(" | ") for line in lines if line.startswith(("| Python", "| JavaScript"))]
    assert [(row[0], row[1]) for row in rows[:2]] == [("| Python", "2"), ("| JavaScript", "2")]
    # Python has no row of its own in the table of differences from Python.
    assert rows[2][0] == "| JavaScript" and len(rows) == 3
    assert "Without a run: Java, C" in lines[-1]
