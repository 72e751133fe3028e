"""What this package uses of IPython's shell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Shell", "clear_output", "in_kernel"]


class Events(Protocol):
    """The callbacks around the run of a cell."""

    def register(self, event: str, function: Callable[..., None]) -> None:
        """Call `function` at each `event`."""
        ...

    def unregister(self, event: str, function: Callable[..., None]) -> None:
        """Call it no longer."""
        ...


class Shell(Protocol):
    """`IPython.core.interactiveshell.InteractiveShell`, in a terminal or in a kernel."""

    user_ns: dict[str, Any]
    """The variables of the kernel."""
    user_ns_hidden: dict[str, Any]
    """Those of IPython itself."""
    magics_manager: Any
    """Has the commands by kind and name in `magics`."""

    @property
    def events(self) -> Events:
        """The callbacks around the run of a cell."""
        ...

    def register_magic_function(
        self, func: Callable[..., None], magic_kind: str, magic_name: str
    ) -> None:
        """Add a command: of a ``line``, a ``cell``, or both (``line_cell``)."""
        ...

    def set_next_input(self, s: str, replace: bool = False) -> None:
        """Put text into a new cell below, or into the next line of a terminal."""
        ...

    def run_cell(self, raw_cell: str, store_history: bool = False) -> Any:
        """Run code in the kernel and show its output; the result has `success`."""
        ...

    def transform_cell(self, raw_cell: str) -> str:
        """A cell as Python: its magics become calls of ``get_ipython()``."""
        ...


def in_kernel(shell: Shell) -> bool:
    """Whether the shell is a kernel's, and no terminal's."""
    return getattr(shell, "kernel", None) is not None


def clear_output(shell: Shell) -> None:
    """Replace what the cell has shown so far by what it shows next; not in a terminal."""
    if in_kernel(shell):
        from IPython.display import clear_output

        clear_output(wait=True)  # type: ignore[no-untyped-call]
