"""A notebook in the process of a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from multiturn.synthesis.records import Session
from multiturn.synthesis.store import SessionStore


@dataclass
class Notebook:
    """Cells that run one after the other."""

    shell: Any
    capture: Any
    cells: list[str] = field(default_factory=list)
    """What was put into new cells."""

    def run(self, source: str, cell_id: str | None = None) -> str:
        """Run a cell and return what it showed; it must end without an error."""
        self.capture.readouterr()
        result = self.shell.run_cell(source, store_history=True, cell_id=cell_id)
        shown = self.capture.readouterr()
        assert result.success, shown.out + shown.err
        return str(shown.out)

    def fails(self, source: str) -> str:
        """Run a cell that ends with an error and return what it showed."""
        self.capture.readouterr()
        assert not self.shell.run_cell(source, store_history=True).success
        shown = self.capture.readouterr()
        return str(shown.out + shown.err)

    @property
    def session(self) -> Session:
        """The session that was used last, as any program finds it in the store."""
        with SessionStore() as store:
            found = store.latest()
        assert found is not None
        return found

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The prompts and the code of the program so far."""
        return [(turn.prompt, turn.code) for turn in self.session.path()]
