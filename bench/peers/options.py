"""What the command lines of the speed benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from peers.drive import chosen_peers, named_part
from peers.hub_directory import prepared_place
from peers.processor_cap import CAPS
from peers.roster import PEERS


def common_options(documentation: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every one of them takes."""
    parser = argparse.ArgumentParser(description=(documentation or "").partition("\n")[0])
    parser.add_argument("--model", help="name, GGUF file, or codegen-350m-random")
    parser.add_argument("--peers", default=",".join(PEERS), type=chosen_peers)
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        type=named_part,
        help="PEER=PART: try only its settings with this in their name; may be repeated",
    )
    parser.add_argument("--repeats", type=int, help="rounds; the median of them counts")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=float, default=300, help="seconds for one run of a peer")
    parser.add_argument("--cap", choices=CAPS, help="hide the instructions beyond these")
    parser.add_argument("--fast", action="store_true", help="a small model, little work, one round")
    parser.add_argument("--prepared", type=Path, default=prepared_place())
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    return parser


def numbers(text: str) -> list[int]:
    """Integers separated by commas.

    Raises:
        argparse.ArgumentTypeError: something else.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: whole numbers such as 1,16,64")
    return found


def fill_in(options: argparse.Namespace, usual: dict[str, Any], fast: dict[str, Any]) -> None:
    """Give the options that were not given their values, which depend on ``--fast``."""
    for name, value in (fast if options.fast else usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def say(line: str) -> None:
    """Progress, beside the results."""
    print(line, file=sys.stderr, flush=True)


def save(result: dict[str, Any], out: Path | None) -> None:
    """Write the results so far, atomically."""
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(f".{out.name}.part")
        part.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
        part.replace(out)
