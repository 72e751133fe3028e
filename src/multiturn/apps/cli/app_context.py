"""Opens the store, the sandbox and the engine, in the order that finds faults soonest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from multiturn.apps.cli.error_report import note
from multiturn.apps.cli.interrupts import answering_ctrl_c, unseen_keys
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.settings import Settings
from multiturn.apps.cli.status_line import working
from multiturn.core.errors import InputError
from multiturn.engines.model_name import LocalModel, read_model_name
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Engine
from multiturn.hub.downloads import pull
from multiturn.hub.progress import human_size
from multiturn.hub.registry import REGISTRY, ModelEntry
from multiturn.hub.trained import not_trained_yet
from multiturn.sandbox.compiled.runner import require_tools
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.store import SessionStore
from multiturn.text.grammar import require_grammar
from multiturn.text.languages import language

__all__ = ["AppContext", "open_model", "open_app_context"]


class AppContext:
    """The open store, sandbox and engine of one command, and the synthesizer over them.

    Attributes:
        store: saves sessions.
        sandbox: runs programs.
        synthesizer: takes turns; replaced when the model changes.
        model: the name or path of the loaded model.
    """

    def __init__(self, store: SessionStore, sandbox: Sandbox, engine: Engine, model: str) -> None:
        self.store = store
        self.sandbox = sandbox
        self.model = model
        self._engine = engine
        self.synthesizer = Synthesizer(engine, sandbox, store, model=model)

    @property
    def engine(self) -> Engine:
        """The engine of the loaded model."""
        return self._engine

    def use_model(self, model: str, open_model: Callable[[str], Engine]) -> None:
        """Replace the model. If the new one fails to load, the old one stays."""
        engine = open_model(model)
        self._engine.close()
        self._engine, self.model = engine, model
        self.synthesizer = Synthesizer(engine, self.sandbox, self.store, model=model)

    def close(self) -> None:
        """Free the model. The caller closes the store and the sandbox."""
        self._engine.close()


@contextmanager
def open_app_context(
    settings: Settings, console: Console, *, ask: bool = False
) -> Iterator[AppContext]:
    """Open the store, the sandbox and the engine. A missing model is downloaded.

    Args:
        settings: which model, which isolation.
        console: shows progress.
        ask: ask before a download.

    Raises:
        InputError: the tools of the language are not installed.
        MissingDependencyError: its grammar is not.
    """
    entry = language(settings.language)
    if entry.grammar is not None:
        require_tools(entry)
        require_grammar(entry)
    with SessionStore() as store, open_sandbox(unsafe=settings.unsafe) as sandbox:
        app = AppContext(
            store, sandbox, open_model(settings, settings.model, console, ask=ask), settings.model
        )
        try:
            yield app
        finally:
            app.close()


def open_model(settings: Settings, model: str, console: Console, *, ask: bool = False) -> Engine:
    """Load a model, and download it first if it is missing.

    Raises:
        InputError: the user declined the download, or no model has this name.
    """
    name = read_model_name(model)
    if isinstance(name, LocalModel) and name.place is None:
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
    if entry.trained is not None:
        raise not_trained_yet(entry)
    size = f"{human_size(entry.expected_bytes)}, " if entry.expected_bytes else ""
    console.print(f"The model {entry.name} has not been downloaded yet ({size}{entry.licence}).")
    if ask and not _confirmed("Download it now? [Y/n] "):
        raise InputError(
            f"the model {entry.name} has not been downloaded",
            fix=f"multiturn models pull {entry.name}, or name a file with --model",
        )
    with pull_display() as display:
        pull(entry.name, progress=display)


def _confirmed(question: str) -> bool:
    print(question, end="", flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() in ("", "y", "yes")
