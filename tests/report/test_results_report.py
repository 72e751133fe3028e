"""The report in the repository is what its command makes of the records beside it."""

from __future__ import annotations

from pathlib import Path

from multiturn.apps.cli.main import run

FOLDER = Path(__file__).parents[2] / "docs" / "results" / "report"


def test_one_command_rebuilds_every_number(tmp_path: Path) -> None:
    assert run(["report", str(FOLDER / "runs"), "-o", str(tmp_path)]) == 0
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(made) > 10
    for name in sorted(made - {Path("index.html")}):
        assert (tmp_path / name).read_text("utf-8") == (FOLDER / name).read_text("utf-8"), name
    assert {path.name for path in (FOLDER / "data").iterdir()} == {
        name.name for name in made if name.parent.name == "data"
    }
    assert (FOLDER / "index.html").exists()
