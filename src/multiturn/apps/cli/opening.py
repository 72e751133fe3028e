"""Everything a session needs, opened in the order in which faults are cheapest to find."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from multiturn.apps.cli.faults import note
from multiturn.apps.cli.interrupts import answering_ctrl_c, unseen_keys
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.settings import Settings
from multiturn.apps.cli.working import working
from multiturn.core.errors import InputError
from multiturn.engines.model_name import Weights, read_model_name
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Engine
from multiturn.hub.progress import human_size
from multiturn.hub.pull import pull
from multiturn.hub.registry import REGISTRY, ModelEntry
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.store import SessionStore

__all__ = ["Workshop", "open_model", "open_workshop"]


class Workshop:
    """The store, the sandbox and the engine, and what puts them to work.

    Attributes:
        store: where sessions are kept.
        sandbox: what runs programs.
        synthesizer: what takes turns with them; its engine changes with the model.
        model: the name or path of the model that is loaded.
    """

    def __init__(self, store: SessionStore, sandbox: Sandbox, engine: Engine, model: str) -> None:
        self.store = store
        self.sandbox = sandbox
        self.model = model
        self._engine = engine
        self.synthesizer = Synthesizer(engine, sandbox, store, model=model)

    @property
    def engine(self) -> Engine:
        """The engine of the model that is loaded."""
        return self._engine

    def use_model(self, model: str, open_model: Callable[[str], Engine]) -> None:
        """Load another model in place of this one; if that fails, this one stays."""
        engine = open_model(model)
        self._engine.close()
        self._engine, self.model = engine, model
        self.synthesizer = Synthesizer(engine, self.sandbox, self.store, model=model)

    def close(self) -> None:
        """Free the model. Store and sandbox belong to who opened them."""
        self._engine.close()


@contextmanager
def open_workshop(settings: Settings, console: Console, *, ask: bool = False) -> Iterator[Workshop]:
    """Open store, sandbox and engine; a model that is not here is fetched.

    Args:
        settings: which model, which isolation.
        console: where progress is shown.
        ask: whether a person is there to agree to a download.
    """
    with SessionStore() as store, open_sandbox(unsafe=settings.unsafe) as sandbox:
        workshop = Workshop(
            store, sandbox, open_model(settings, settings.model, console, ask=ask), settings.model
        )
        try:
            yield workshop
        finally:
            workshop.close()


def open_model(settings: Settings, model: str, console: Console, *, ask: bool = False) -> Engine:
    """Load a model, fetching it first where it is not here.

    Raises:
        InputError: the person did not want it fetched, or no model is called so.
    """
    name = read_model_name(model)
    if isinstance(name, Weights) and name.place is None:
        _fetch(REGISTRY[str(name.model)], console, ask=ask)
    with (
        answering_ctrl_c("the model is loaded"),
        working(f"loading {model}"),
        unseen_keys(),
    ):
        return open_engine(
            model,
            context=settings.context,
            threads=settings.threads,
            engine=settings.engine,
            listen=note,
        )


def _fetch(entry: ModelEntry, console: Console, *, ask: bool) -> None:
    size = f"{human_size(entry.bytes)}, " if entry.bytes else ""
    console.print(f"The model {entry.name} is not on this machine yet ({size}{entry.licence}).")
    if ask and not _agreed("Fetch it now? [Y/n] "):
        raise InputError(
            f"the model {entry.name} is not on this machine",
            fix=f"multiturn models pull {entry.name}, or name a file with --model",
        )
    with pull_display() as display:
        pull(entry.name, progress=display)


def _agreed(question: str) -> bool:
    print(question, end="", flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() in ("", "y", "yes")
