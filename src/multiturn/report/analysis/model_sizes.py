"""Parameters and training tokens of models, as far as their names or publications give them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Known", "ModelSizes", "codegen_tokens", "family_of", "parameters_of"]

_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Known:
    """A number and where it is from; None if it is unknown, and why."""

    value: float | None
    source: str


_STEPS = {"nl": 350_000, "multi": 150_000, "mono": 150_000}
_BATCHES = {"350M": 524_288, "2.7B": 1_048_576, "6.1B": None, "16.1B": 2_097_152}
"""Tokens of a batch. Public configuration and paper disagree about 6.1B."""


def codegen_tokens(size: str, corpus: str) -> Known:
    """The training tokens of a model of the paper, over all its stages: steps times batch.

    Example:
        >>> codegen_tokens("350M", "mono").value
        340787200000
        >>> codegen_tokens("6.1B", "nl").value is None
        True
    """
    batch = _BATCHES[size]
    if batch is None:
        return Known(None, "sources disagree about the batch")
    stages = list(_STEPS)[: list(_STEPS).index(corpus) + 1]
    checked = "public configuration" if size == "350M" else "recalled and not checked"
    return Known(sum(_STEPS[stage] for stage in stages) * batch, f"steps times batch, {checked}")


_QWEN_CODER = Known(
    23.5e12, "18e12 (arXiv 2412.15115) and 5.5e12 of code (arXiv 2409.12186), second-hand"
)
_PUBLISHED_TOKENS: tuple[tuple[str, Known], ...] = (
    (r"qwen2\.5-coder", _QWEN_CODER),
    (r"smollm2-135m", Known(2e12, "its model card, second-hand")),
    (r"smollm2-360m", Known(4e12, "its model card, second-hand")),
    (r"smollm2-1\.7b", Known(11e12, "arXiv 2502.02737")),
    *(
        (f"codegen-{name}-{corpus}", codegen_tokens(size, corpus))
        for name, size in (("350m", "350M"), ("2b", "2.7B"), ("6b", "6.1B"), ("16b", "16.1B"))
        for corpus in _STEPS
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizes:
    """What is known of models.

    Attributes:
        parameters: given by a person, by name of the model.
        tokens: likewise.
    """

    parameters: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, float] = field(default_factory=dict)

    def parameters_of(self, model: str) -> float | None:
        """The number of parameters: given, or stated by the name; None if unknown."""
        return self.parameters.get(model, parameters_of(model))

    def tokens_of(self, model: str) -> Known:
        """The number of training tokens: given, or published."""
        if model in self.tokens:
            return Known(self.tokens[model], "given")
        for pattern, known in _PUBLISHED_TOKENS:
            if re.search(pattern, model.lower()):
                return known
        return Known(None, "unknown")


def parameters_of(model: str) -> float | None:
    """The number of parameters that a model's name states; None if it states none.

    Example:
        >>> parameters_of("qwen2.5-coder-0.5b"), parameters_of("smollm2-135m")
        (500000000.0, 135000000.0)
        >>> parameters_of("my-model") is None
        True
    """
    found = _SIZE.search(model)
    if found is None:
        return None
    return float(found[1]) * (1e9 if found[2].lower() == "b" else 1e6)


def family_of(model: str) -> str:
    """A model's name without its size: models of one family differ in size alone.

    Example:
        >>> family_of("qwen2.5-coder-0.5b"), family_of("codegen-350M-mono"), family_of("mine")
        ('qwen2.5-coder', 'codegen-mono', 'mine')
    """
    parts = [part.strip("-_. ") for part in _SIZE.split(model)[::3]]
    return "-".join(part for part in parts if part) or model
