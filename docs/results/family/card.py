"""Writes the model cards of the family from its records.

    python docs/results/family/card.py OUT

OUT/family-1m-nl.md and so on, one for each model whose last checkpoint is measured; the others are
named as not trained. docs/results/family/cards has them. Give the card to an export as its
README.md:

    multiturn export runs/family-1m-mono --to hub models/family-1m-mono
    cp docs/results/family/cards/family-1m-mono.md models/family-1m-mono/README.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml
from page import STAGE_NAMES, parameters, runs, table
from records import HERE, SETS, Row, read

from multiturn.core.files import write_atomically
from multiturn.hub.registry import REGISTRY
from multiturn.jaxformer.config import TrainConfig
from multiturn.models.config import CODEGEN_STAGES
from multiturn.models.plan import plan_of

LICENCE = "apache-2.0"
DATA = {"nl": ("local-nl",), "multi": ("local-multi", "local-python"), "mono": ("local-python",)}
DATA_TEXT = {
    "nl": "the documentation of Python and Debian packages",
    "multi": "C, C++, Go, Java, JavaScript and Python of Debian, npm and Python packages",
    "mono": "Python of the standard library and of packages",
}
LICENCES_SHOWN = 8

INSTALLED = """The model is installed with Multiturn:

    multiturn --model {name}

`multiturn models build {name}` trains it again; the bits differ between processors."""
TRAINED = """The model is trained on your own machine, or goes on where it was stopped:

    multiturn models build {name}
    multiturn --model {name}"""

CARD = """---
{head}---

# Model Card for {name}

## Model Details

A decoder of the CodeGen architecture (arXiv 2203.13474) with {blocks_size:,} parameters without
embeddings and {full_size:,} with them: {layers} blocks of width {width}, {heads} heads, and a
vocabulary of {vocabulary:,}. The last stage of its training is {stage}.

- **Developed by:** the Multiturn project
- **Model type:** text generation, code
- **License:** {licence}

## Uses

For tests, teaching and experiments with training.

## Bias, Risks, and Limitations

The model is a few million parameters, trained for hours on two cores: it continues text in the
style of its data, and is not made to write programs. It has seen rows of 512 tokens and no
longer text. It was not tuned to follow instructions or to be safe; what it writes may repeat its
data, and reflects their biases. Secrets and personal data were redacted from the data by patterns,
which miss some. Run what it writes in a sandbox alone.

## How to Get Started with the Model

{start}

## Training Details

### Training Data

{data}

The documents have these licences, all of them permissive. The packed corpus names the licence of
each document.

{licences}

### Training Procedure

{procedure}

## Evaluation

Bits per byte on text of projects that are not in the training data, one window of up to 512 tokens
from a document. The Python is newer than the training data. Curves and comparisons are in
docs/results/family.md.

{scores}

## Environmental Impact

docs/results/family/plan.md has the hours, on two cores of a shared machine.
"""


def main() -> None:
    """Write the cards that the records allow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--records", type=Path, default=HERE, help="folder of the records")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured = {
        (row["size"], row["stage"], row["step"]): row["bits_per_byte"]
        for row in read("bits", arguments.records)
    }
    windows = read("windows", arguments.records)
    for size, stage, config in runs():
        bits = measured.get((size, stage, config.steps))
        if bits is None:
            print(f"{config.name}: not trained to its end and measured yet")
            continue
        path = arguments.out / f"{config.name}.md"
        write_atomically(path, card(size, stage, config, bits, windows))
        print(path)


def card(
    size: str, stage: str, config: TrainConfig, bits: dict[str, float], windows: list[Row]
) -> str:
    """The card of one model, in the form of the hub's template."""
    model = config.model
    stages = CODEGEN_STAGES[: CODEGEN_STAGES.index(stage) + 1]
    counts = {name: sum(window["set"] == name for window in windows) for name in SETS}
    scores = [[name, counts[name], f"{value:.3f}"] for name, value in bits.items()]
    return CARD.format(
        head=yaml.safe_dump(front_matter(config.name, bits), sort_keys=False),
        name=config.name,
        start=(INSTALLED if REGISTRY[config.name].installed else TRAINED).format(name=config.name),
        stage=STAGE_NAMES[stage],
        licence=LICENCE,
        blocks_size=parameters(size),
        full_size=plan_of(size, model).parameters,
        layers=model.layers,
        width=model.d_model,
        heads=model.heads,
        vocabulary=model.vocab_size,
        data="\n".join(f"- {STAGE_NAMES[each]}: {DATA_TEXT[each]}" for each in stages),
        licences=licences({corpus for each in stages for corpus in DATA[each]}),
        procedure=procedure(size, stages),
        scores=table(["set", "windows", "bits per byte"], scores),
    )


def front_matter(name: str, bits: dict[str, float]) -> dict[str, Any]:
    """The head that the hub reads."""
    metrics = [
        {"type": "bits_per_byte", "name": f"bits per byte, {n}", "value": round(b, 4)}
        for n, b in bits.items()
    ]
    result = {
        "task": {"type": "text-generation", "name": "Language modelling"},
        "dataset": {"name": "Held-out text of the family", "type": "family-held-out"},
        "metrics": metrics,
    }
    return {
        "language": ["en", "code"],
        "license": LICENCE,
        "tags": ["code", "multiturn", "codegen"],
        "model-index": [{"name": name, "results": [result]}],
    }


def licences(corpora: set[str]) -> str:
    """The most frequent licences of some corpora."""
    rows = []
    for corpus in sorted(corpora):
        path = HERE / "corpora" / f"{corpus}.json"
        found = json.loads(path.read_text("utf-8"))["tables"]["Licences"]
        rows += [
            [corpus, row["name"], f"{row['documents']:,}", f"{row['bytes'] / 1e6:.1f}"]
            for row in found[:LICENCES_SHOWN]
        ]
        rest = found[LICENCES_SHOWN:]
        if rest:
            size = sum(row["bytes"] for row in rest) / 1e6
            documents = sum(row["documents"] for row in rest)
            rows.append([corpus, f"{len(rest)} others", f"{documents:,}", f"{size:.1f}"])
    return table(["corpus", "licence", "documents", "MB"], rows)


def procedure(size: str, stages: tuple[str, ...]) -> str:
    """The stages with their tokens and rates."""
    rows = [
        [
            STAGE_NAMES[stage],
            f"{config.steps:,}",
            f"{config.steps * config.batch.tokens / 1e6:.1f}M",
            f"{config.schedule.peak:g}",
            config.precision.compute,
        ]
        for of_size, stage, config in runs()
        if of_size == size and stage in stages
    ]
    return table(["stage", "steps", "tokens", "peak rate", "precision"], rows)


if __name__ == "__main__":
    main()
