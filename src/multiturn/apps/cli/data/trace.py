"""`multiturn data trace`: the provenance of a token of a packed corpus."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli.extras import require_extra
from multiturn.apps.cli.terminal import one_line

__all__ = ["trace"]

_AROUND = 12
"""Tokens of context before and after the traced one."""


def trace(
    shard: Annotated[int, typer.Argument(help="The shard's number, from 0.")],
    index: Annotated[
        int,
        typer.Argument(help="The token's index: its row times the row length, plus its position."),
    ],
    corpus: Annotated[
        Path, typer.Option("--corpus", help="The directory that `build` wrote.")
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the file that a token came from, with its revision, licence and hash."""
    with require_extra("data", purpose="reading a corpus"):
        from multiturn.data.loader.corpus import PackedCorpus
        from multiturn.text.tokenizers_files import from_hub_files

        packed = PackedCorpus(corpus)
        origin = packed.trace(shard, index)
    if as_json:
        print(json.dumps(None if origin is None else {"id": origin.id, **asdict(origin)}))
        return
    if origin is None:
        print("this token is padding and belongs to no document")
        return
    tokenizer = from_hub_files(packed.folder / "tokenizer")
    tokens = packed.shard_tokens(shard)
    row = index - index % packed.length
    before = tokens[max(row, index - _AROUND) : index]
    after = tokens[index : min(row + packed.length, index + _AROUND)]
    around = f"{tokenizer.decode(map(int, before))}\u2192{tokenizer.decode(map(int, after))}"
    print(one_line(origin.id, max_length=400))
    for name, value in (
        ("licence", origin.licence or "unknown"),
        ("language", origin.language or "unknown"),
        ("sha256", origin.sha256),
        ("token", f"{origin.offset} of {origin.tokens}"),
        ("around", one_line(around, max_length=200)),
    ):
        print(f"  {name:<9} {one_line(value, max_length=200)}")
