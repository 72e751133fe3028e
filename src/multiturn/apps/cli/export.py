"""`multiturn export`: a checkpoint or a training run in the format of another program."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.command_line import command_line
from multiturn.apps.cli.extras import require_extra
from multiturn.apps.cli.status_line import working
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.records import to_plain

__all__ = ["app", "new_export"]

app = typer.Typer(rich_markup_mode=None)

_CERTIFICATE = "certificate.json"
"""Every export has this file."""


@app.command()
def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="A checkpoint directory, a GGUF file, or a training run."
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="codegen, gptj, phi or gguf; for a run gguf or hub (the full model, adapters "
            "merged), peft or gguf-lora (only the adapter).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OUT]",
            help="The new directory; by default beside SRC, with the format in its name.",
        ),
    ] = None,
    groups: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help="Groups of queries, keys and values in SRC, if its config does not say: "
            "8 for CodeGen2-1B and -3.7B, 4 for others.",
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="Type of the weights of a run's gguf or hub export: float32 (the default), "
            "float16 or bfloat16. A checkpoint keeps its own.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Export a CodeGen checkpoint or a training run to another format, and check the result.

    The same prompts go through the source and through the exported files. The command prints
    the differences and saves them in OUT/certificate.json; if they are too large, it deletes
    the export.
    """
    if out is None:
        out = new_export(source, to)
    is_run = (source / "checkpoints").is_dir()
    # Importing JAX is slow, and `--help` must be fast.
    if is_run:
        with require_extra("train", purpose="exporting a run"):
            from multiturn.jaxformer.lora.export import export_run, how_to_use

        with working(f"exporting and checking {source}"):
            certificate = export_run(source, out, to, dtype=dtype or "float32")
        model = how_to_use(source, out, to)
    else:
        if dtype is not None:
            raise InputError("only the export of a training run takes a type", got=dtype)
        with require_extra("jax", purpose="exporting a checkpoint"):
            from multiturn.hub.exports.export import export as write_export

        with working(f"exporting and checking {source}"):
            certificate = write_export(source, out, to, groups=groups)
        model = str(next(out.glob("*.gguf"), out))
    if as_json:
        print(json.dumps(to_plain(certificate), indent=1))
        return
    print(
        f"{out}: {certificate.format}, {certificate.parameters:,} parameters, {certificate.dtype}"
    )
    for agreement in certificate.agreements:
        print(
            f"checked with {agreement.computed_by}: {agreement.compared} of "
            f"{agreement.positions} positions differ by at most "
            f"{agreement.greatest_difference:.1e} (allowed {agreement.tolerance:.0e}), "
            f"same most likely token at {agreement.argmax_agreement:.1%}"
        )
    print(f"use it: {command_line('--model', model)}")


def new_export(source: Path, to: str) -> Path:
    """A directory for an export, beside its source. Deletes an earlier export there."""
    name = source.resolve().stem if source.is_file() else source.resolve().name
    out = source.parent / f"{name}-{to}" if source.name else Path(f"{name}-{to}")
    if (out / _CERTIFICATE).is_file():
        with storage_errors(out, "replacing the earlier export"):
            shutil.rmtree(out)
    return out
