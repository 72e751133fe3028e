from .apps.notebook.extension import load_ipython_extension as load_ipython_extension
from .apps.notebook.extension import unload_ipython_extension as unload_ipython_extension
from .benchmarks.api import run_benchmark as run_benchmark
from .benchmarks.runner.config import SampleSettings as SampleSettings
from .benchmarks.runner.config import Selection as Selection
from .benchmarks.task import ArmSettings as ArmSettings
from .core.errors import MultiturnError as MultiturnError
from .data.api import build_corpus as build_corpus
from .data.recipe import CorpusRecipe as CorpusRecipe
from .engines.open import open_engine as open_engine
from .engines.protocol import Completion as Completion
from .engines.protocol import Engine as Engine
from .engines.protocol import Request as Request
from .hub.downloads import pull as pull
from .hub.exports.export import export as export
from .hub.loader import LoadedModel as LoadedModel
from .hub.loader import load_model as load_model
from .jaxformer.api import train as train
from .jaxformer.config import TrainConfig as TrainConfig
from .sandbox.open import open_sandbox as open_sandbox
from .sandbox.protocol import Limits as Limits
from .sandbox.protocol import Program as Program
from .sandbox.protocol import Sandbox as Sandbox
from .synthesis.events import TurnSaved as TurnSaved
from .synthesis.loop import Synthesizer as Synthesizer
from .synthesis.records import (
    Example as Example,
)
from .synthesis.records import (
    Sampling as Sampling,
)
from .synthesis.records import (
    SessionSettings as SessionSettings,
)
from .synthesis.store import SessionStore as SessionStore

__version__: str

__all__ = [
    "ArmSettings",
    "build_corpus",
    "Completion",
    "CorpusRecipe",
    "Engine",
    "Example",
    "export",
    "Limits",
    "load_ipython_extension",
    "load_model",
    "LoadedModel",
    "MultiturnError",
    "open_engine",
    "open_sandbox",
    "Program",
    "pull",
    "Request",
    "run_benchmark",
    "SampleSettings",
    "Sampling",
    "Sandbox",
    "Selection",
    "SessionSettings",
    "SessionStore",
    "Synthesizer",
    "train",
    "TrainConfig",
    "TurnSaved",
    "unload_ipython_extension",
]
