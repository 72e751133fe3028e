"""The options that several commands share, each declared once."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from multiturn.apps.cli import settings
from multiturn.engines.protocol import EngineName
from multiturn.text.languages import LANGUAGES

__all__ = [
    "Context",
    "CpuSeconds",
    "Engine",
    "Header",
    "History",
    "Json",
    "Language",
    "MaxTokens",
    "MemoryMib",
    "Model",
    "N",
    "OtherTemperature",
    "Retries",
    "Seed",
    "Style",
    "Temperature",
    "Threads",
    "TopP",
    "Unsafe",
    "WallSeconds",
]

# None means not given: the environment, config.toml and the defaults follow.
# `settings` checks the values.


def _numeric(setting: str, *flags: str, metavar: str, help: str) -> Any:
    """The option of a number, described with the range that `settings` allows."""
    allowed = settings.SETTING_RANGES[setting]
    return typer.Option(*flags, metavar=metavar, help=f"{help} Range: {allowed}.")


Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="NAME|PATH", help="A model name, a GGUF file, or a checkpoint."
    ),
]
Style = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(get_args(settings.Style)),
        help="How the model sees the turns: as comments in a growing program, or as a chat.",
    ),
]
N = Annotated[
    int | None,
    _numeric("n", "--n", "-n", metavar="COUNT", help="Candidates per turn; the best one is used."),
]
Temperature = Annotated[
    float | None,
    _numeric(
        "temperature",
        "--temperature",
        "-t",
        metavar="NUMBER",
        help="Sampling temperature of the first candidate; 0 is greedy.",
    ),
]
OtherTemperature = Annotated[
    float | None,
    _numeric(
        "other_temperature",
        "--other-temperature",
        metavar="NUMBER",
        help="Sampling temperature of the other candidates; by default at least 0.8.",
    ),
]
TopP = Annotated[
    float | None,
    _numeric("top_p", "--top-p", metavar="SHARE", help="Nucleus sampling: total probability."),
]
MaxTokens = Annotated[
    int | None,
    _numeric(
        "max_tokens",
        "--max-tokens",
        metavar="COUNT",
        help="Maximum number of new tokens per turn.",
    ),
]
Seed = Annotated[
    int | None,
    _numeric("seed", "--seed", "-s", metavar="NUMBER", help="Random seed of the sampler."),
]
Retries = Annotated[
    int | None,
    typer.Option(
        "--retries",
        metavar="COUNT",
        help="How often to rewrite a turn whose program fails, with the error in the prompt.",
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        "--language",
        "-l",
        metavar="|".join(LANGUAGES),
        help="What the program is written in; also js, c++ and the like.",
    ),
]
Header = Annotated[
    str | None,
    typer.Option(metavar="|".join(get_args(settings.Header)), help="Code before the first turn."),
]
History = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(get_args(settings.History)),
        help="If the program outgrows the context window: refuse, or drop the oldest turns.",
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        "--context", metavar="TOKENS", help="Context window; a smaller one needs less memory."
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(get_args(EngineName)),
        help="The inference engine: auto uses native on a CPU, jax on an accelerator.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="COUNT", help="Number of compute threads."),
]
CpuSeconds = Annotated[
    float | None,
    typer.Option("--cpu-seconds", metavar="SECONDS", help="CPU time limit of a run."),
]
WallSeconds = Annotated[
    float | None,
    typer.Option("--wall-seconds", metavar="SECONDS", help="Wall-clock time limit of a run."),
]
MemoryMib = Annotated[
    int | None,
    typer.Option("--memory-mib", metavar="MIB", help="Memory limit of a run."),
]
Unsafe = Annotated[
    bool | None,
    typer.Option(
        "--unsafe",
        help="If this machine cannot isolate programs, run them with limits only: they can then "
        "read your files and use your network.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
