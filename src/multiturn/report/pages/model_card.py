"""A model card in the form of the hub's template, from records.

Records say how a model was measured, not how it was made: what they do not say stays marked as
missing, in the template's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import yaml

from multiturn.report.analysis.rates import RunRates
from multiturn.report.pages.cells import interval_text
from multiturn.report.records.columns import Records

__all__ = ["card_file_names", "to_model_card"]

_MISSING = "[More Information Needed]"


def card_file_names(models: Iterable[str]) -> dict[str, str]:
    """The name of each model's card; no two are the same where case does not count.

    Example:
        >>> card_file_names(["a/b", "A b", "a/b"])
        {'a/b': 'a-b.md', 'A b': 'A-b-2.md'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for model in dict.fromkeys(models):
        stem = re.sub(r"[^\w.-]+", "-", model).strip(".-")[:100] or "model"
        name, number = f"{stem}.md", 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}.md"
        taken.add(name.lower())
        found[model] = name
    return found


def to_model_card(records: Records, rates: Sequence[RunRates], model: str) -> str:
    """The card of a model.

    Args:
        records: with runs of the model.
        rates: their figures.
        model: its name in the records.

    References:
        Mitchell et al., "Model Cards for Model Reporting", arXiv 1810.03993; the template and the
        key ``model-index`` of the hub.
    """
    mine = [each for each in rates if records.runs[each.run].model == model]
    weights = sorted({records.runs[e.run].weights for e in mine if records.runs[e.run].weights})
    hashes = sorted(
        {h for each in mine if (h := records.runs[each.run].weights_sha256) is not None}
    )
    engines = sorted({records.runs[each.run].engine for each in mine})
    head = yaml.safe_dump(_front_matter(records, mine, model), sort_keys=False, allow_unicode=True)
    lines = [
        "---", head.rstrip("\n"), "---", "", f"# Model Card for {_inline(model)}", "",
        "## Model Details", "",
        f"- **Developed by:** {_MISSING}",
        "- **Model type:** text generation, code",
        f"- **License:** {_MISSING}",
        f"- **Weights:** {_inline(', '.join(weights)) or _MISSING}",
        f"- **SHA-256 of the weights:** {', '.join(hashes) or _MISSING}",
        "", "## Uses", "",
        "Programs should run in a sandbox, and be read before they are used.",
        "", "## Bias, Risks, and Limitations", "", _MISSING,
        "", "## How to Get Started with the Model", "",
        "```sh", f"multiturn --model {model}", "```",
        "", "## Training Details", "", _MISSING,
        "", "## Evaluation", "", "### Testing Data, Factors & Metrics", "",
        "The metric is the share of samples that pass, with a 95 % interval clustered by problem. "
        f"Engines: {_inline('; '.join(engines)) or _MISSING}.",
        "", "### Results", "",
        "| Set | Arm | Truncation | Temperature | Oracle | Samples | Passed, % |",
        "|---|---|---|--:|---|--:|--:|",
    ]  # fmt: skip
    for each in mine:
        run = records.runs[each.run]
        cells = [
            run.task, run.arm, run.truncation, f"{run.temperature:g}", each.oracle,
            f"{each.samples:,}", interval_text(each.rate),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(_inline(cell) for cell in cells)} |")
    incomplete = sum(not records.complete[each.run] for each in mine)
    if incomplete:
        lines += ["", f"{incomplete} of these rows are of incomplete runs."]
    lines += ["", "## Environmental Impact", "", _MISSING]
    lines += ["", "## Technical Specifications", "", _MISSING]
    lines += ["", "## Citation", "", _MISSING, ""]
    return "\n".join(lines).encode("utf-8", "replace").decode()


def _front_matter(records: Records, mine: Sequence[RunRates], model: str) -> dict[str, object]:
    results = []
    for each in mine:
        run = records.runs[each.run]
        # A figure of a part of a benchmark is not one of the benchmark.
        if each.rate.estimate is None or not records.complete[each.run]:
            continue
        if each.oracle != run.oracles[0]:
            continue
        results.append(
            {
                "task": {"type": "text-generation", "name": "Program synthesis"},
                "dataset": {
                    "name": f"{run.task} ({run.arm}, {run.truncation})",
                    "type": run.task,
                },
                "metrics": [
                    {
                        "type": "pass@1",
                        "name": f"share that passes at temperature {run.temperature:g}",
                        "value": round(each.rate.estimate, 4),
                        "verified": False,
                    }
                ],
            }
        )
    card: dict[str, object] = {"language": ["en", "code"], "tags": ["code", "multiturn"]}
    if results:
        card["model-index"] = [{"name": model, "results": results}]
    return card


def _inline(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", " ".join(text.split()))
