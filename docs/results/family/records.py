"""The records of the family: where they are, and what a line of each says.

windows.jsonl   a held-out window: set, document, its hash, first token, bytes
bits.jsonl      a checkpoint: size, stage, step, and bits per byte of each set
files.jsonl     the last checkpoint of a stage: the bits of each window of a set, in the order
                of windows.jsonl
losses.jsonl    the training loss of every tenth step: size, stage, step, loss
rate_test.jsonl the training loss of the 10M's Multi, continued from step 750 with twice its rate
speed.jsonl     tokens per second of a size, written by bench/train.py --size
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from multiturn.core.files import write_atomically

HERE = Path(__file__).parent
LANGUAGES = ("python", "c", "cpp", "go", "java", "javascript")
SETS = ("prose", *LANGUAGES)

Row = dict[str, Any]


def read(name: str, folder: Path = HERE) -> list[Row]:
    """The lines of one file of records; none where it is not there yet."""
    path = folder / f"{name}.jsonl"
    return (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )


def write(name: str, rows: Iterable[Row], folder: Path = HERE) -> None:
    """Replace one file of records."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(folder / f"{name}.jsonl", text)
