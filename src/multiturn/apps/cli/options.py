"""The options that several commands share, each declared once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Context",
    "CpuSeconds",
    "Engine",
    "Header",
    "History",
    "Json",
    "MaxTokens",
    "MemoryMib",
    "Model",
    "N",
    "Retries",
    "Seed",
    "Style",
    "Temperature",
    "Threads",
    "TopP",
    "Unsafe",
    "WallSeconds",
]

# None stands for "not said here": the environment, config.toml and the defaults follow.
# Values are checked where all of them meet, in `settings`.

Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="NAME|PATH", help="A known model, a GGUF file, or a checkpoint."
    ),
]
Style = Annotated[
    str | None,
    typer.Option(
        metavar="auto|comment|chat",
        help="How turns are put to the model: as comments in a growing program, or as a chat.",
    ),
]
N = Annotated[
    int | None,
    typer.Option("--n", "-n", metavar="COUNT", help="Candidates for each turn; the best is taken."),
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", "-t", metavar="NUMBER", help="0 always writes the likeliest."),
]
TopP = Annotated[
    float | None,
    typer.Option("--top-p", metavar="SHARE", help="The share of likely tokens sampled from."),
]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", metavar="COUNT", help="Most tokens written for one turn."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", "-s", metavar="NUMBER", help="Where sampling starts."),
]
Retries = Annotated[
    int | None,
    typer.Option(
        "--retries",
        metavar="COUNT",
        help="How often a turn whose program fails is written again, told what went wrong.",
    ),
]
Header = Annotated[
    str | None,
    typer.Option(metavar="auto|numpy|none", help="What stands before the first turn."),
]
History = Annotated[
    str | None,
    typer.Option(
        metavar="whole|drop-oldest",
        help="When the program outgrows the model's window: refuse, or show it the newest turns.",
    ),
]
Context = Annotated[
    int | None,
    typer.Option("--context", metavar="TOKENS", help="The model's window; less takes less memory."),
]
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="auto|llama.cpp|jax",
        help="What runs the model: auto takes llama.cpp for GGUF files, jax for checkpoints.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="COUNT", help="Threads to compute with."),
]
CpuSeconds = Annotated[
    float | None,
    typer.Option("--cpu-seconds", metavar="SECONDS", help="CPU time for one run of the program."),
]
WallSeconds = Annotated[
    float | None,
    typer.Option("--wall-seconds", metavar="SECONDS", help="Time on the clock for one run."),
]
MemoryMib = Annotated[
    int | None,
    typer.Option("--memory-mib", metavar="MIB", help="Memory for one run of the program."),
]
Unsafe = Annotated[
    bool | None,
    typer.Option(
        "--unsafe",
        help="Where programs cannot be isolated here, run them with limits only: they can then "
        "read your files and use your network.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
