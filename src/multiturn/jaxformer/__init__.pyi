from .api import train as train
from .config import (
    BatchConfig as BatchConfig,
)
from .config import (
    CheckpointConfig as CheckpointConfig,
)
from .config import (
    DataConfig as DataConfig,
)
from .config import (
    HostsConfig as HostsConfig,
)
from .config import (
    LoggingConfig as LoggingConfig,
)
from .config import (
    MeshConfig as MeshConfig,
)
from .config import (
    OptimizerConfig as OptimizerConfig,
)
from .config import (
    PrecisionConfig as PrecisionConfig,
)
from .config import (
    ScheduleConfig as ScheduleConfig,
)
from .config import (
    TrainConfig as TrainConfig,
)
from .config import (
    WatchConfig as WatchConfig,
)
from .lora.export import export_run as export_run
from .plan.estimate import Plan as Plan
from .plan.estimate import plan_run as plan_run
from .recipes import load_recipe as load_recipe
from .run.loss_spikes import DivergenceError as DivergenceError
from .run.train import TrainResult as TrainResult
from .training_chain import chain as chain

__all__ = [
    "BatchConfig",
    "chain",
    "CheckpointConfig",
    "DataConfig",
    "DivergenceError",
    "export_run",
    "HostsConfig",
    "load_recipe",
    "LoggingConfig",
    "MeshConfig",
    "OptimizerConfig",
    "Plan",
    "plan_run",
    "PrecisionConfig",
    "ScheduleConfig",
    "train",
    "TrainConfig",
    "TrainResult",
    "WatchConfig",
]
