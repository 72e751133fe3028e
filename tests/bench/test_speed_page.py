"""The page of speed is what its script makes of the records."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "results" / "speed.md"


def test_the_page_is_made_from_the_records(tmp_path: Path) -> None:
    made = tmp_path / "speed.md"
    script = ROOT / "docs" / "results" / "speed.py"
    subprocess.run([sys.executable, script, "--write", made], check=True)
    assert made.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
