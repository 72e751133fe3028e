from .http.open import open_http as open_http
from .http.settings import HttpSettings as HttpSettings
from .http.settings import HttpTimeouts as HttpTimeouts
from .jax.loader import open_jax as open_jax
from .llama_cpp import open_llama_cpp as open_llama_cpp
from .native.loader import open_native as open_native
from .open import open_engine as open_engine
from .protocol import (
    ENGINES as ENGINES,
)
from .protocol import (
    Completion as Completion,
)
from .protocol import (
    Delta as Delta,
)
from .protocol import (
    Engine as Engine,
)
from .protocol import (
    EngineInfo as EngineInfo,
)
from .protocol import (
    EngineName as EngineName,
)
from .protocol import (
    FinishReason as FinishReason,
)
from .protocol import (
    Request as Request,
)
from .protocol import (
    Score as Score,
)
from .protocol import (
    Scorer as Scorer,
)
from .protocol import (
    generate as generate,
)
from .scripted import ScriptedEngine as ScriptedEngine

__all__ = [
    "Completion",
    "Delta",
    "Engine",
    "EngineInfo",
    "EngineName",
    "ENGINES",
    "FinishReason",
    "generate",
    "HttpSettings",
    "HttpTimeouts",
    "open_engine",
    "open_http",
    "open_jax",
    "open_llama_cpp",
    "open_native",
    "Request",
    "Score",
    "Scorer",
    "ScriptedEngine",
]
