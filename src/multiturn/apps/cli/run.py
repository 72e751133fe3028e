"""`multiturn run`: run one program in the sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from multiturn import __version__
from multiturn.apps.cli import options
from multiturn.apps.cli.error_report import say
from multiturn.apps.cli.session_settings import limits_of
from multiturn.apps.cli.settings import resolve_settings
from multiturn.apps.cli.terminal import neutralize
from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program
from multiturn.text.languages import language_of_file

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

SCHEMA = "multiturn.run/1"
MAX_SOURCE_BYTES = 16 << 20


@app.command()
def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The program; - for standard input.")],
    stdin: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="FILE", help="The program's standard input."),
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="NAME", help="By default from the file's suffix.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", "-s", metavar="NUMBER", help="Seed of its random numbers."),
    ] = None,
    cpu_seconds: options.CpuSeconds = None,
    wall_seconds: options.WallSeconds = None,
    memory_mib: options.MemoryMib = None,
    unsafe: options.Unsafe = None,
    as_json: options.Json = False,
) -> None:
    """Run one program in the sandbox.

    Its output goes to standard output and standard error. A last line on standard error gives
    the outcome and the isolation level. The exit code is 0 if the program finished, else 1.
    """
    settings = resolve_settings(
        {
            "cpu_seconds": cpu_seconds,
            "wall_seconds": wall_seconds,
            "memory_mib": memory_mib,
            "unsafe": unsafe,
        }
    ).settings
    if file == "-" and stdin == "-":
        raise InputError(
            "the program and its input cannot both come from standard input",
            fix="put one of them into a file",
        )
    source = _text(_read(file))
    program = Program(
        source=source,
        language=language or _language_of(file),
        stdin=_read(stdin) if stdin else b"",
        seed=seed,
    )
    limits = limits_of(settings)
    with open_sandbox(unsafe=settings.unsafe, workers=1) as sandbox:
        result = sandbox.run(program, limits)
    if as_json:
        print(json.dumps(_document(program, limits, result), indent=2))
    else:
        _show(result)
    if not result.outcome.finished:
        raise typer.Exit(1)


def _read(name: str) -> bytes:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_SOURCE_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"the file cannot be read ({(error.strerror or str(error)).lower()})",
            got=name,
            fix="check its name and permissions",
        ) from error
    if len(data) > MAX_SOURCE_BYTES:
        raise InputError("the file is too large", got=name, allowed="up to 16 MiB")
    return data


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"the program is not UTF-8 text (byte {error.start})", fix="save it as UTF-8"
        ) from error


def _language_of(name: str) -> str:
    return "python" if name == "-" else language_of_file(name).key


def _show(result: RunResult) -> None:
    _pass_on(result.stdout, sys.stdout.isatty(), 1)
    _pass_on(result.stderr, sys.stderr.isatty(), 2)
    words = result.outcome.describe()
    details = f"{result.cpu_seconds:.2f} s of CPU, {result.isolation.value}"
    say(f"{words}; {details}", label=None)
    for note in result.notes:
        say(note, label="note")


def _pass_on(data: bytes, to_terminal: bool, descriptor: int) -> None:
    """Pass output on: made safe for a terminal, unchanged to anything else."""
    if to_terminal:
        data = neutralize(data.decode("utf-8", errors="replace")).encode()
        if data and not data.endswith(b"\n"):
            data += b"\n"
    (sys.stdout if descriptor == 1 else sys.stderr).flush()
    while data:
        data = data[os.write(descriptor, data) :]


def _document(program: Program, limits: Limits, result: RunResult) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "version": __version__,
        "source_sha256": hashlib.sha256(program.source.encode()).hexdigest(),
        "language": program.language,
        "seed": program.seed,
        "limits": to_plain(limits),
        "outcome": to_plain(result.outcome),
        "rung": result.isolation.value,
        "stdout": result.stdout_text,
        "stderr": result.stderr_text,
        "cpu_seconds": result.cpu_seconds,
        "wall_seconds": result.wall_seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "retries": result.retries,
        "notes": list(result.notes),
    }
