"""Prompts for models that were trained to fill in the middle: text before and after a gap."""

from __future__ import annotations

from multiturn.core.errors import InputError
from multiturn.data.packing.fim import FillInTheMiddle, Sentinels, sentinels_of
from multiturn.text.tokenizers import Tokenizer

__all__ = ["MIDDLE_STOPS", "middle_prompt"]

_SPELLINGS = (
    FillInTheMiddle(),
    FillInTheMiddle(prefix="<fim_prefix>", suffix="<fim_suffix>", middle="<fim_middle>"),
    FillInTheMiddle(prefix="<fim-prefix>", suffix="<fim-suffix>", middle="<fim-middle>"),
    FillInTheMiddle(
        prefix="<\uff5cfim\u2581begin\uff5c>",
        suffix="<\uff5cfim\u2581hole\uff5c>",
        middle="<\uff5cfim\u2581end\uff5c>",
    ),
)
"""Of Qwen and this project, StarCoder, SantaCoder, and DeepSeek."""

MIDDLE_STOPS = (
    "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>",
    "<|file_sep|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>",
)  # fmt: skip
"""Special tokens with which models end a middle besides those that end any text."""


def middle_prompt(tokenizer: Tokenizer, before: str, after: str) -> tuple[int, ...]:
    """The tokens after which the model writes what belongs between two texts.

    Special tokens within the texts are ordinary text.

    Raises:
        InputError: the model was not trained for it.
    """
    sentinels = _sentinels(tokenizer)
    # In DeepSeek's order the gap stands where the suffix begins, which is the same sequence.
    return (
        *tokenizer.before,
        sentinels.prefix,
        *tokenizer.encode(before),
        sentinels.suffix,
        *tokenizer.encode(after),
        sentinels.middle,
    )


def _sentinels(tokenizer: Tokenizer) -> Sentinels:
    for spelling in _SPELLINGS:
        try:
            return sentinels_of(tokenizer, spelling)
        except InputError:
            continue
    raise InputError(
        "the model has no tokens to fill in the middle, so it takes no suffix",
        fix="leave the suffix out, or serve a model that was trained for it",
    )
