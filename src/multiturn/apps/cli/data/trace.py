"""`multiturn data trace`: the file that a token of a packed corpus came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli.optional import needing
from multiturn.apps.cli.terminal import one_line

__all__ = ["trace"]

_AROUND = 12
"""Tokens shown before the one asked for, and behind it."""


def trace(
    shard: Annotated[int, typer.Argument(help="The number of the shard, from 0.")],
    index: Annotated[
        int, typer.Argument(help="The token: its row times the rows' length, plus its place.")
    ],
    corpus: Annotated[
        Path, typer.Option("--corpus", help="The folder that `build` wrote.")
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Name the file that a token came from, with its revision, licence and hash."""
    with needing("data", purpose="reading a corpus"):
        from multiturn.data.loader.corpus import PackedCorpus
        from multiturn.text.tokenizers_files import from_hub_files

        packed = PackedCorpus(corpus)
        origin = packed.trace(shard, index)
    if as_json:
        print(json.dumps(None if origin is None else {"id": origin.id, **asdict(origin)}))
        return
    if origin is None:
        print("this token fills up the last row and is of no document")
        return
    tokenizer = from_hub_files(packed.folder / "tokenizer")
    tokens = packed.shard_tokens(shard)
    row = index - index % packed.length
    before = tokens[max(row, index - _AROUND) : index]
    after = tokens[index : min(row + packed.length, index + _AROUND)]
    around = f"{tokenizer.decode(map(int, before))}\u2192{tokenizer.decode(map(int, after))}"
    print(one_line(origin.id, most=400))
    for name, value in (
        ("licence", origin.licence or "unknown"),
        ("language", origin.language or "unknown"),
        ("sha256", origin.sha256),
        ("token", f"{origin.offset} of {origin.tokens}"),
        ("around", one_line(around, most=200)),
    ):
        print(f"  {name:<9} {one_line(value, most=200)}")
