"""The page of a tuned model is what its script makes of the records in the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def test_the_page_is_made_from_the_records(tmp_path: Path) -> None:
    made = tmp_path / "page.md"
    command = [sys.executable, str(RESULTS / "domain.py"), "--table", "--write", str(made)]
    command += ["--out", str(RESULTS / "domain" / "runs")]
    subprocess.run(command, check=True, capture_output=True)
    assert made.read_text("utf-8") == RESULTS.joinpath("domain.md").read_text("utf-8")
    assert "| bioinformatics | test | turns | 84 |" in made.read_text("utf-8")
