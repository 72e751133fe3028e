"""A benchmark as one call, for programs and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event as Flag

from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.runner.config import SampleSettings, Selection
from multiturn.benchmarks.runner.grid import Grid
from multiturn.benchmarks.runner.progress import ProgressListener, unwatched
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.benchmarks.runner.run import run_specs
from multiturn.benchmarks.task import ArmSettings
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox

__all__ = ["run_benchmark"]


def run_benchmark(
    benchmark: str,
    engine: Engine,
    sandbox: Sandbox,
    *,
    model: str,
    out: Path = Path("runs"),
    arms: Sequence[str] = (),
    language: str | None = None,
    settings: ArmSettings | None = None,
    sampling: SampleSettings | None = None,
    selection: Selection | None = None,
    file: Path | None = None,
    any_hash: bool = False,
    progress: ProgressListener = unwatched,
    cancel: Flag | None = None,
) -> tuple[SavedRun, ...]:
    """Run a benchmark, or the missing samples of an earlier run.

    Every finished sample is on disk; after an interruption the same call continues.

    Args:
        benchmark: ``own``, this project's problems; ``bioinformatics``, those of one domain;
            ``mtpb``, the published ones; ``humaneval``; ``multipl-e``.
        engine: generates text.
        sandbox: runs the programs.
        model: names the model in the records and in the directory below `out`.
        out: the directory of runs.
        arms: ways of prompting, from `multiturn.benchmarks.arms.registry.ARMS`; by default the
            usual arm of the benchmark.
        language: of the programs of ``own`` (Python by default) or ``multipl-e``.
        settings: truncation, header and budgets.
        sampling: samples per item, temperature, nucleus and seed.
        selection: which cases and problems to run; all by default.
        file: the problem file of ``mtpb`` or ``humaneval``; downloaded by default.
        any_hash: accept a `file` that is not the published one.
        progress: called about four times a second.
        cancel: set it from another thread to stop soon.

    Returns:
        One run for each arm, read back from its directory; complete unless cancelled.

    Raises:
        UnknownNameError: no benchmark or arm has this name.
        InputError: the problems lack what an arm needs, or a directory belongs to another run.
        ContextOverflowError: a prompt does not fit the model's window; nothing was written.
        EngineError, SandboxUnavailableError: the engine or the sandbox failed repeatedly. Finished
            samples are saved.
        NetworkError, HashMismatchError, StorageError: a file is not available, is not the
            published one, or cannot be read or written.

    Example:
        ::

            from multiturn import Selection, open_engine, open_sandbox, run_benchmark

            with open_engine("smollm2-135m") as engine, open_sandbox() as sandbox:
                [run] = run_benchmark(
                    "own",
                    engine,
                    sandbox,
                    model="smollm2-135m",
                    selection=Selection(cases=1, limit=5),
                )
                print(sum(sample.verdicts["strict"].passed for sample in run.samples))
    """
    tasks = tuple(
        open_task(benchmark, arm=arm, language=language, path=file, any_hash=any_hash)
        for arm in (arms or (None,))
    )
    grid = Grid(
        tasks=tasks,
        settings=(settings or ArmSettings(),),
        samplings=(sampling or SampleSettings(),),
        selection=selection or Selection(),
    )
    specs = list(grid.specs(out, model, engine.info, sandbox))
    run_specs(specs, engine, sandbox, listen=progress, cancel=cancel)
    return tuple(read_run(spec.place) for spec in specs)
