from .open import ENGINES as ENGINES
from .open import EngineName as EngineName
from .open import open_engine as open_engine
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

__all__ = [
    "Completion",
    "Delta",
    "Engine",
    "EngineInfo",
    "EngineName",
    "ENGINES",
    "FinishReason",
    "generate",
    "open_engine",
    "Request",
    "Score",
    "Scorer",
]
