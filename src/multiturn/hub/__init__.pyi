from .checkpoints.reading import (
    Checkpoint as Checkpoint,
)
from .checkpoints.reading import (
    load_parameters as load_parameters,
)
from .checkpoints.reading import (
    open_checkpoint as open_checkpoint,
)
from .downloads import pull as pull
from .exports.export import (
    EXPORT_FORMATS as EXPORT_FORMATS,
)
from .exports.export import (
    Certificate as Certificate,
)
from .exports.export import (
    export as export,
)
from .loader import LoadedModel as LoadedModel
from .loader import load_model as load_model
from .registry import REGISTRY as REGISTRY
from .registry import ModelEntry as ModelEntry
from .registry import find_model as find_model

__all__ = [
    "Certificate",
    "Checkpoint",
    "export",
    "EXPORT_FORMATS",
    "find_model",
    "load_model",
    "load_parameters",
    "LoadedModel",
    "ModelEntry",
    "open_checkpoint",
    "pull",
    "REGISTRY",
]
