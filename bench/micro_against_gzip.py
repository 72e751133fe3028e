"""Bits a byte of a trained model on each file it has not seen, beside ``gzip -9``.

    python bench/micro_against_gzip.py [RUN] [--out FILE.json]

RUN is the directory of a run that trained on text files, runs/micro by default. Each
held-out file is read on its own, in windows that overlap by half, so that a token is
predicted from at least half a window of the same file. ``gzip`` is Python's zlib at level 9
with gzip's header and trailer, its bits counted whole.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path

from multiturn.jaxformer.run.compression import text_bits
from multiturn.jaxformer.run.weights import load_run
from multiturn.jaxformer.samples.text_files import chosen, find_text_files
from multiturn.text.tokenizers_files import from_hub_files


def main() -> None:
    """Print the table; write the figures where asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=Path("runs/micro"))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    parameters, config = load_run(arguments.run)
    tokenizer = from_hub_files(arguments.run / "tokenizer")
    files = find_text_files(
        Path(config.data.path),
        config.data.pattern,
        exclude=config.data.exclude,
        most_bytes=config.data.most_bytes,
    )
    rows = []
    for file in files:
        if not chosen(file.name, config.data.held_out):
            continue
        content = file.text.encode("utf-8")
        bits = text_bits(parameters, config.model, tokenizer, file.text, window=config.batch.length)
        packed = 8 * len(gzip.compress(content, 9))
        rows.append({"file": file.name, "bytes": len(content), "model": bits, "gzip": packed})
        print(
            f"{file.name:50} {len(content):8} bytes  model {bits / len(content):6.3f}  "
            f"gzip -9 {packed / len(content):6.3f}",
            flush=True,
        )
    size = sum(row["bytes"] for row in rows)
    summary = {
        "files": len(rows),
        "fewer_bits_than_gzip": sum(row["model"] < row["gzip"] for row in rows),
        "model_bits_per_byte": sum(row["model"] for row in rows) / size,
        "gzip_bits_per_byte": sum(row["gzip"] for row in rows) / size,
    }
    print(json.dumps(summary, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps({**summary, "rows": rows}, indent=1) + "\n")
    sys.exit(0 if summary["fewer_bits_than_gzip"] == len(rows) else 1)


if __name__ == "__main__":
    main()
