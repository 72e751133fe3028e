"""How many programs of each class were tried at each isolation level, and got through.

python tests/conformance/table.py --record    runs the suite at every level, as root and as an
                                              ordinary account, and saves the results
python tests/conformance/table.py             writes the table into docs/sandbox.md
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import expectations

import conftest
from multiturn.sandbox.isolation import IsolationLevel

__all__ = ["digests", "recorded", "render", "table_of"]

HERE = Path(__file__).parent
RECORD = HERE / "tried.json"
PAGE = HERE.parents[1] / "docs" / "sandbox.md"
BEGIN, END = "<!-- tried: begin -->", "<!-- tried: end -->"
LEVELS = (IsolationLevel.NAMESPACES, IsolationLevel.SHARED_NAMESPACES, IsolationLevel.LANDLOCK)

CLASSES = {
    "files": "reading what is not its own: homes, passwords, /proc, descriptors, locks",
    "disk": "writing what is not its own, and filling the disk",
    "network": "sockets: the network, named sockets, options, buffers",
    "process": "processes and threads: bombs, daemons, other programs, other accounts",
    "signal": "signals to others, timers, tracing",
    "memory": "memory, its own and the kernel's",
    "kernel": "rare and dangerous system calls",
    "interp": "the interpreter: crashes, endless loops, patched builtins",
    "source": "its own text: nesting, odd bytes",
    "stream": "its streams and the harness's messages",
    "supervisor": "the supervisor's memory and time",
    "forge": "forging an oracle's verdict",
}
"""By the first word of a program's name."""


def digests() -> dict[str, str]:
    """Each program that attacks something, and the hash of its file."""
    return {
        program.name: hashlib.sha256(
            (expectations.PROGRAMS / f"{program.name}{expectations.ENDING}").read_bytes()
        ).hexdigest()[:16]
        for program in expectations.load_all()
        if program.kind in ("hostile", "forgery")
    }


def recorded() -> dict[str, Any]:
    """What `--record` saved."""
    saved: dict[str, Any] = json.loads(RECORD.read_text())
    return saved


def record() -> dict[str, Any]:
    """Run the suite everywhere. As root, which can become an ordinary account."""
    runs = []
    for level in LEVELS:
        for account in ("root", "ordinary") if os.getuid() == 0 else ("ordinary",):
            command = [sys.executable, str(HERE / "suite.py"), "--level", level.name, "--json"]
            if account == "ordinary" and os.getuid() == 0:
                command = conftest.ordinary_account(command)
            ended = subprocess.run(command, capture_output=True, text=True)
            if not ended.stdout.strip().startswith("{"):
                raise SystemExit(f"{level.name} as {account}: {ended.stdout}{ended.stderr[-500:]}")
            report = json.loads(ended.stdout.strip().splitlines()[-1])
            found = {line.split(":")[0] for line in report["violations"]}
            through = sorted(found | set(report["gaps_seen"]))
            print(f"{level.name} as {account}: {report['ran']} runs; {report['violations']}")
            runs.append({"level": level.name, "account": account, "through": through})
    return {"programs": digests(), "runs": runs}


def table_of(saved: dict[str, Any]) -> list[str]:
    """The table, as lines of Markdown: tried, and got through by any account."""
    through: dict[str, set[str]] = {level.name: set() for level in LEVELS}
    for run in saved["runs"]:
        through[run["level"]] |= set(run["through"])
    lines = [
        "| class of attack | programs | "
        + " | ".join(f"`{level.value}`" for level in LEVELS)
        + " |",
        "|---|---|" + "---|" * len(LEVELS),
    ]
    names = list(saved["programs"])
    for prefix, words in CLASSES.items():
        lines.append(_row(words, [n for n in names if n.split("_")[0] == prefix], through))
    lines.append(_row("**all**", names, through))
    return lines


def _row(words: str, names: list[str], through: dict[str, set[str]]) -> str:
    cells = [_cell(name for name in names if name in through[level.name]) for level in LEVELS]
    return f"| {words} | {len(names)} | " + " | ".join(cells) + " |"


def _cell(names: Iterable[str]) -> str:
    found = list(names)
    return f"{len(found)} ({', '.join(f'`{name}`' for name in found)})" if found else "0"


def render(page: str, saved: dict[str, Any]) -> str:
    """The page, with the table of the saved runs."""
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    accounts = sorted({run["account"] for run in saved["runs"]})
    note = f"Got through, of the programs tried; run as {' and as '.join(accounts)}."
    return "\n".join([head + BEGIN, note, "", *table_of(saved), END]) + tail


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    if parser.parse_args().record:
        RECORD.write_text(json.dumps(record(), indent=1) + "\n")
    PAGE.write_text(render(PAGE.read_text(), recorded()))


if __name__ == "__main__":
    main()
