from .cache import KVCache as KVCache
from .config import (
    DecoderConfig as DecoderConfig,
)
from .config import (
    RopePairs as RopePairs,
)
from .config import (
    Rotary as Rotary,
)
from .config import (
    codegen_config as codegen_config,
)
from .config import (
    llama_config as llama_config,
)
from .config import (
    named_config as named_config,
)
from .decoder import forward as forward
from .decoder import hidden_states as hidden_states
from .generate import generate_reference as generate_reference
from .lora import LoraConfig as LoraConfig
from .parameters import Layers as Layers
from .parameters import Parameters as Parameters
from .plan import ModelPlan as ModelPlan
from .plan import plan_of as plan_of

__all__ = [
    "codegen_config",
    "DecoderConfig",
    "forward",
    "generate_reference",
    "hidden_states",
    "KVCache",
    "Layers",
    "llama_config",
    "LoraConfig",
    "ModelPlan",
    "named_config",
    "Parameters",
    "plan_of",
    "RopePairs",
    "Rotary",
]
