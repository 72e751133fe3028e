from .api import run_benchmark as run_benchmark
from .loaders.open_task import open_task as open_task
from .metrics import mean_pass_at_k as mean_pass_at_k
from .metrics import pass_at_k as pass_at_k
from .problem_set import Problem as Problem
from .problem_set import own_problems as own_problems
from .runner.config import (
    RunConfig as RunConfig,
)
from .runner.config import (
    SampleSettings as SampleSettings,
)
from .runner.config import (
    Selection as Selection,
)
from .runner.progress import BenchmarkProgress as BenchmarkProgress
from .runner.results import SavedRun as SavedRun
from .runner.results import find_runs as find_runs
from .runner.results import read_run as read_run
from .runner.samples import Sample as Sample
from .task import Arm as Arm
from .task import ArmSettings as ArmSettings
from .task import Item as Item
from .task import Task as Task

__all__ = [
    "Arm",
    "ArmSettings",
    "find_runs",
    "Item",
    "mean_pass_at_k",
    "open_task",
    "own_problems",
    "pass_at_k",
    "Problem",
    "BenchmarkProgress",
    "read_run",
    "run_benchmark",
    "RunConfig",
    "Sample",
    "SampleSettings",
    "SavedRun",
    "Selection",
    "Task",
]
