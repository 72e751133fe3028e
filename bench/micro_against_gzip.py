"""Bits per byte of a trained model on each validation file, compared with ``gzip -9``.

    python bench/micro_against_gzip.py [RUN] [--out FILE.json]

RUN is the directory of a run that trained on text files, runs/micro by default. Each validation
file is coded twice:

- still: with the trained model, in windows that overlap by half, so a token is predicted from at
  least half a window of the same file;
- adapting: like gzip, which adapts to a file as it reads it, the model takes a small training step
  after each 128 coded tokens (`text_bits.py`). Each file starts from the trained weights.

``gzip`` is Python's zlib at level 9 with gzip's header and trailer. The exit code is 0 if the
adapting model needs fewer bits for every file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

from text_bits import Adaptation, adaptive_text_bits, text_bits

from multiturn.core.errors import EngineError
from multiturn.jaxformer.datasets.text_files import find_text_files, in_validation_split
from multiturn.jaxformer.run.weights import load_run
from multiturn.models.native.training.library import load_training_kernels
from multiturn.text.tokenizers_files import from_hub_files

CODERS = ("still", "adapting")


def main() -> None:
    """Print the table, and write the figures on request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=Path("runs/micro"))
    parser.add_argument("--out", type=Path)
    # Tuned on files of the library's `test` package, which are not in the data.
    parser.add_argument("--rate", type=float, default=2e-3, help="of the adapting model")
    parser.add_argument("--fast", action="store_true", help="only files of up to 10,000 bytes")
    arguments = parser.parse_args()

    begin = time.monotonic()
    parameters, config = load_run(arguments.run)
    tokenizer = from_hub_files(arguments.run / "tokenizer")
    adaptation = Adaptation(rate=arguments.rate)
    native = kernels_there()
    files = find_text_files(
        Path(config.data.path),
        config.data.pattern,
        exclude=config.data.exclude,
        max_bytes=config.data.most_bytes,
    )
    how: dict[str, Any] = {"window": config.batch.length, "native": native}
    rows = []
    for file in files:
        content = file.text.encode("utf-8")
        if not in_validation_split(file.name, config.data.held_out):
            continue
        if arguments.fast and len(content) > 10_000:
            continue
        given = (parameters, config.model, tokenizer, file.text)
        row = {
            "file": file.name,
            "bytes": len(content),
            "still": text_bits(*given, **how),
            "adapting": sum(adaptive_text_bits(*given, adaptation=adaptation, **how)),
            "gzip": 8 * len(gzip.compress(content, 9)),
        }
        rows.append(row)
        line = "  ".join(f"{name} {row[name] / len(content):6.3f}" for name in (*CODERS, "gzip"))
        print(f"{file.name:42} {len(content):8} bytes  {line}", flush=True)
    size = sum(row["bytes"] for row in rows)
    summary = {
        "files": len(rows),
        "bits_per_byte": {
            name: sum(row[name] for row in rows) / size for name in (*CODERS, "gzip")
        },
        "files_with_fewer_bits_than_gzip": {
            name: sum(row[name] < row["gzip"] for row in rows) for name in CODERS
        },
        "adaptation": {"rate": adaptation.rate, "b2": adaptation.b2, "part": adaptation.part},
        "seconds": round(time.monotonic() - begin),
    }
    print(json.dumps(summary, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps({**summary, "rows": rows}, indent=1) + "\n")
    sys.exit(0 if all(row["adapting"] < row["gzip"] for row in rows) else 1)


def kernels_there() -> bool:
    """Whether the native kernels work here; without them coding takes longer."""
    try:
        load_training_kernels()
    except EngineError:
        return False
    return True


if __name__ == "__main__":
    main()
