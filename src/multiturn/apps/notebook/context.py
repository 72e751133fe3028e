"""Opens the store, the sandbox and the model of a kernel, each when it is first needed."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.settings import Settings
from multiturn.apps.notebook.carried import CarriedValues, CarryingSandbox
from multiturn.engines.model_name import LocalModel, read_model_name
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Engine
from multiturn.hub.downloads import pull
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.store import SessionStore

__all__ = ["NotebookContext"]

Variables = Callable[[], tuple[tuple[str, str], ...] | None]


class NotebookContext:
    """The open parts of a kernel's notebook.

    Args:
        console: says what is being loaded.
        carried: the values that each program begins with.
        variables: what the prompts show of the kernel's variables.
    """

    def __init__(self, console: Console, carried: CarriedValues, variables: Variables) -> None:
        self._console = console
        self._carried = carried
        self._variables = variables
        self._store: SessionStore | None = None
        self._sandbox: Sandbox | None = None
        self._engine: Engine | None = None
        self._engine_key: tuple[object, ...] = ()
        self._model = ""

    @property
    def store(self) -> SessionStore:
        """The store of sessions, which the command line and the page have too."""
        if self._store is None:
            self._store = SessionStore()
        return self._store

    @property
    def loaded(self) -> Engine | None:
        """The engine, if a model is loaded."""
        return self._engine

    def sandbox(self, settings: Settings) -> Sandbox:
        """The sandbox."""
        if self._sandbox is None:
            self._sandbox = CarryingSandbox(open_sandbox(unsafe=settings.unsafe), self._carried)
        return self._sandbox

    def synthesizer(self, settings: Settings) -> Synthesizer:
        """The loop with the model of `settings`, which is loaded if it is not yet.

        If another one fails to load, the one before stays.
        """
        key = (settings.model, settings.context, settings.threads, settings.engine)
        if self._engine is None or key != self._engine_key:
            engine = self._open(settings)
            if self._engine is not None:
                self._engine.close()
            self._engine, self._engine_key, self._model = engine, key, settings.model
        return Synthesizer(
            self._engine,
            self.sandbox(settings),
            self.store,
            model=self._model,
            variables=self._variables,
        )

    def _open(self, settings: Settings) -> Engine:
        name = read_model_name(settings.model)
        if isinstance(name, LocalModel) and name.place is None:
            with pull_display() as display:
                pull(str(name.model), progress=display)
        return open_engine(
            settings.model,
            context=settings.context,
            threads=settings.threads,
            engine=settings.engine,
            listen=lambda line: self._console.print(line),
        )

    def close(self) -> None:
        """Free everything. Can be called twice; what is used later opens again."""
        engine, self._engine = self._engine, None
        sandbox, self._sandbox = self._sandbox, None
        store, self._store = self._store, None
        for each in (engine, sandbox, store):
            if each is not None:
                each.close()
