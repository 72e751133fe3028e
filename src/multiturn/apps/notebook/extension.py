"""Registers the commands with IPython."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

from multiturn.apps.notebook.arguments import MANAGE_HELP, TURN_HELP, read_manage, read_turn
from multiturn.apps.notebook.cells import ExecutedCell
from multiturn.apps.notebook.program import NotebookProgram
from multiturn.apps.notebook.shell import Shell
from multiturn.core.errors import MultiturnError

__all__ = ["NotebookError", "load_ipython_extension", "unload_ipython_extension"]

_loaded: dict[int, _Extension] = {}
"""By the id of the shell."""


class NotebookError(Exception):
    """Shown as one line, and stops "run all" as any error of a cell does."""

    def _render_traceback_(self) -> list[str]:
        """Tells IPython what to show in place of a traceback."""
        return [f"error: {self}"]


class _Extension:
    """The commands and callbacks of one shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._program = NotebookProgram(shell)
        self._cell_ids: list[str | None] = []
        """Of the cells that are running: a step runs within the cell of its `%%turn`."""
        for source in list(shell.user_ns.get("In", []))[1:]:
            self._program.executed(ExecutedCell(source))

    def load(self) -> None:
        self._shell.events.register("pre_run_cell", self._before)
        self._shell.events.register("post_run_cell", self._after)
        self._shell.register_magic_function(self.turn, "line_cell", "turn")
        self._shell.register_magic_function(self.multiturn, "line", "multiturn")
        atexit.register(self._program.close)

    def unload(self) -> None:
        self._shell.events.unregister("pre_run_cell", self._before)
        self._shell.events.unregister("post_run_cell", self._after)
        for kind, name in (("line", "turn"), ("cell", "turn"), ("line", "multiturn")):
            self._shell.magics_manager.magics[kind].pop(name, None)
        atexit.unregister(self._program.close)
        self._program.close()

    def _before(self, info: Any = None) -> None:
        self._cell_ids.append(getattr(info, "cell_id", None))

    def _after(self, result: Any = None) -> None:
        cell_id = self._cell_ids.pop() if self._cell_ids else None
        info = getattr(result, "info", None)
        if info is None or info.silent or self._cell_ids:
            return
        self._program.executed(ExecutedCell(info.raw_cell, cell_id, bool(result.success)))

    def turn(self, line: str, cell: str | None = None) -> None:
        with_cell = self._cell_ids[-1] if self._cell_ids and cell is not None else None
        _in_one_line(lambda: self._program.turn(read_turn(line), cell or "", with_cell))

    def multiturn(self, line: str) -> None:
        _in_one_line(lambda: self._program.manage(read_manage(line)))

    turn.__doc__ = TURN_HELP
    multiturn.__doc__ = MANAGE_HELP


def _in_one_line(command: Callable[[], None]) -> None:
    try:
        command()
    except MultiturnError as error:
        raise NotebookError(str(error)) from None
    except KeyboardInterrupt:
        raise NotebookError("interrupted") from None


def load_ipython_extension(ipython: Shell) -> None:
    """Add `%%turn` and `%multiturn` to IPython: what ``%load_ext multiturn`` calls.

    Args:
        ipython: the shell.
    """
    if id(ipython) not in _loaded:
        extension = _Extension(ipython)
        extension.load()
        _loaded[id(ipython)] = extension


def unload_ipython_extension(ipython: Shell) -> None:
    """Free the model and the sandbox: what ``%unload_ext multiturn`` calls.

    Args:
        ipython: the shell.
    """
    extension = _loaded.pop(id(ipython), None)
    if extension is not None:
        extension.unload()
