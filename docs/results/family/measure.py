"""Measures the checkpoints of the family on text that it was not trained on.

    python docs/results/family/measure.py RUNS CORPORA

RUNS is the folder of the runs of `multiturn train chain family-1m` and the other sizes; CORPORA has
family-held-out-prose and family-held-out-code. Checkpoints that have a record are not measured
again, so the command can be repeated while training goes on.

From each held-out document at most one window of 513 tokens is read, at a place that its hash
decides; the first token is context alone. Bits per byte is the sum of -log2 p of the other tokens
over the bytes that they stand for. The same windows serve all models, since they share a tokenizer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from records import HERE, LANGUAGES, SETS, Row, read, write

from multiturn.core.errors import EngineError
from multiturn.data.build.stage import document_files
from multiturn.data.documents.files import read_documents
from multiturn.data.documents.record import Document
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.family import FAMILY_SIZES, family_chain
from multiturn.jaxformer.run.checkpoints import Checkpoints
from multiturn.jaxformer.run.weights import load_run
from multiturn.jaxformer.step.loss import token_losses
from multiturn.models.decoder import hidden_states
from multiturn.models.native.training.library import load_training_kernels
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_files import from_hub_files

WINDOWS = 128
"""Of each set."""
LENGTH = 512
MIN_TOKENS = 64
ROWS = 8
HELD_OUT = {"prose": "family-held-out-prose"} | dict.fromkeys(LANGUAGES, "family-held-out-code")


def main() -> None:
    """Measure what has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--records", type=Path, default=HERE, help="folder of the records")
    arguments = parser.parse_args()
    tokenizer = from_hub_files(arguments.corpora / "family-tokenizer" / "packed" / "tokenizer")
    windows, tokens = draw_windows(arguments.corpora, tokenizer)
    before = read("windows", arguments.records)
    if before and before != windows:
        raise SystemExit(
            "error: the held-out windows are not those of the records; "
            f"remove {arguments.records}/*.jsonl to measure everything again"
        )
    write("windows", windows, arguments.records)
    runs = [
        (size, stage, config)
        for size in FAMILY_SIZES
        for stage, config in family_chain(size, runs=str(arguments.runs)).items()
    ]
    for size, stage, config in runs:
        copy_losses(size, stage, config, arguments.records)
    # The ends first: most of the page is about them.
    for last in (True, False):
        for size, stage, config in runs:
            measure_run(size, stage, config, windows, tokens, arguments.records, only_last=last)


def draw_windows(corpora: Path, tokenizer: Tokenizer) -> tuple[list[Row], dict[str, Any]]:
    """The windows of all sets, and their tokens, int32 [windows, LENGTH + 1] with -1 at the end."""
    rows: list[Row] = []
    tokens: dict[str, Any] = {}
    for held_out_set in SETS:
        found = np.full((WINDOWS, LENGTH + 1), -1, np.int32)
        count = 0
        for document in in_turns(documents_of(held_out_set, corpora)):
            ids = tokenizer.encode(document.text)
            if len(ids) < MIN_TOKENS:
                continue
            spare = len(ids) - LENGTH - 1
            first = int(document.sha256[-12:], 16) % (spare + 1) if spare > 0 else 0
            ids = ids[first : first + LENGTH + 1]
            found[count, : len(ids)] = ids
            rows.append(
                {
                    "set": held_out_set,
                    "document": document.id,
                    "licence": document.licence,
                    "sha256": document.sha256,
                    "first": first,
                    "tokens": len(ids) - 1,
                    "bytes": sum(len(tokenizer.token_bytes(token)) for token in ids[1:]),
                }
            )
            count += 1
            if count == WINDOWS:
                break
        tokens[held_out_set] = found[:count]
    return rows, tokens


def documents_of(held_out_set: str, corpora: Path) -> dict[str, list[Document]]:
    """The documents of a set by project, in the order of their hashes."""
    found: dict[str, list[Document]] = defaultdict(list)
    for path in document_files(corpora / HELD_OUT[held_out_set] / "unseen"):
        for document in read_documents(path):
            # The Python in archives of other languages is older than the corpus.
            old = held_out_set == "python" and document.source.startswith(("debian:", "npm:"))
            if held_out_set in ("prose", document.language) and not old:
                found[document.source].append(document)
    return {
        source: sorted(documents, key=lambda document: document.sha256)
        for source, documents in sorted(found.items())
    }


def in_turns(by_project: dict[str, list[Document]]) -> list[Document]:
    """A document of each project in turn, so that no project is most of a set."""
    rounds = itertools.zip_longest(*by_project.values())
    return [document for each in rounds for document in each if document is not None]


def copy_losses(size: str, stage: str, config: TrainConfig, records: Path) -> None:
    """Copy the training loss out of the log of a run."""
    path = config.directory / "metrics.jsonl"
    if not path.exists():
        return
    others = [
        row for row in read("losses", records) if (row["size"], row["stage"]) != (size, stage)
    ]
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    mine = [
        {"size": size, "stage": stage, "step": line["step"], "loss": round(line["loss"], 4)}
        for line in lines
        if line.get("loss") is not None
    ]
    write("losses", [*others, *mine], records)


def measure_run(
    size: str,
    stage: str,
    config: TrainConfig,
    windows: list[Row],
    tokens: dict[str, Any],
    records: Path,
    *,
    only_last: bool,
) -> None:
    """Measure the checkpoints of a run that have no record, or the one at its end alone."""
    if not (config.directory / "checkpoints").is_dir():
        return
    with Checkpoints(config.directory / "checkpoints", read_only=True) as checkpoints:
        steps = sorted(checkpoints.steps())
    done = {r["step"] for r in read("bits", records) if (r["size"], r["stage"]) == (size, stage)}
    every = config.checkpoint.keep_every
    for step in steps:
        # Others are there for resuming alone, and are gone at the next one.
        if step in done or step % every or (only_last and step != config.steps):
            continue
        parameters, saved = load_run(config.directory, step)
        bits = {
            name: window_bits(parameters, saved, each) for name, each in tokens.items() if len(each)
        }
        sizes = {name: sum(w["bytes"] for w in windows if w["set"] == name) for name in bits}
        row = {
            "size": size,
            "stage": stage,
            "step": step,
            "bits_per_byte": {n: round(float(b.sum()) / sizes[n], 5) for n, b in bits.items()},
        }
        write("bits", [*read("bits", records), row], records)
        if step == config.steps:
            rows = [
                {
                    "size": size,
                    "stage": stage,
                    "set": name,
                    "bits": [round(float(b), 1) for b in each],
                }
                for name, each in bits.items()
            ]
            write("files", [*read("files", records), *rows], records)
        print(f"{config.name} step {step}: {row['bits_per_byte']}", flush=True)


def window_bits(parameters: Any, config: TrainConfig, tokens: Any) -> Any:
    """The bits of each window, float64 [windows]."""
    native = has_kernels()
    bits = np.zeros(len(tokens))
    for first in range(0, len(tokens), ROWS):
        part = np.zeros((ROWS, LENGTH + 1), np.int32)
        real = tokens[first : first + ROWS]
        part[: len(real)] = np.maximum(real, 0)
        losses = np.asarray(nats(parameters, part, config.model, native), np.float64)
        bits[first : first + ROWS] = (losses[: len(real)] * (real[:, 1:] >= 0)).sum(1)
    return bits / math.log(2)


@partial(jax.jit, static_argnames=("config", "native"))
def nats(parameters: Any, tokens: Any, config: Any, native: bool) -> Any:
    """The loss of each token but the first, [rows, LENGTH]."""
    hidden = hidden_states(parameters, tokens[:, :-1], config, native=native)
    return token_losses(parameters, hidden, tokens[:, 1:], native=native)


def has_kernels() -> bool:
    """Whether the native kernels work here; without them measuring takes longer."""
    try:
        load_training_kernels()
    except EngineError:
        return False
    return True


if __name__ == "__main__":
    main()
