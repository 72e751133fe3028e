"""Verification of an export against its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import HubError, MissingDependencyError
from multiturn.hub.formats.gguf import read_gguf_header
from multiturn.hub.llama_cpp_library import import_xllamacpp

__all__ = [
    "LLAMA_TOLERANCE",
    "TOLERANCE",
    "Agreement",
    "check_with_llama_cpp",
    "compare_logits",
    "require_agreement",
]

Values = np.ndarray[Any, Any]
Reference = Callable[[Values], Values]
"""From tokens [rows, length] to logits [rows, length, vocabulary]."""

TOLERANCE = 2e-4
"""Maximum difference of any logit between a source and its export, in float32."""
LLAMA_TOLERANCE = 2e-3
"""The same for log-probabilities from llama.cpp, which sums in another order and prints few
digits."""
_MAX_LISTED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The agreement of an export with its source, as computed by one program.

    Attributes:
        computed_by: the program that read the export.
        compared: ``logits``, or ``log-probabilities`` of the top tokens.
        positions: number of next-token distributions compared.
        greatest_difference: the maximum difference of any value.
        argmax_agreement: share of positions with the same top token.
        tolerance: the maximum allowed `greatest_difference`.
    """

    computed_by: str
    compared: str
    positions: int
    greatest_difference: float
    argmax_agreement: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether the difference is within the tolerance."""
        return bool(self.greatest_difference <= self.tolerance)


def compare_logits(
    computed_by: str,
    source: Reference,
    target: Reference,
    tokens: Values,
    *,
    tolerance: float = TOLERANCE,
) -> Agreement:
    """Compare all logits after every token of every row."""
    wanted, got = source(tokens), target(tokens)
    # NaN on either side is a difference.
    difference = np.abs(wanted - got)
    greatest = float(difference.max()) if np.isfinite(difference).all() else float("inf")
    return Agreement(
        computed_by=computed_by,
        compared="logits",
        positions=int(np.prod(tokens.shape)),
        greatest_difference=greatest,
        argmax_agreement=float((wanted.argmax(-1) == got.argmax(-1)).mean()),
        tolerance=tolerance,
    )


def require_agreement(
    agreements: Iterable[Agreement], *, to: str, source: str, report: str
) -> None:
    """Refuse an export that differs from its source.

    Args:
        agreements: of the export.
        to: the format, for the message.
        source: the source, for the message: ``"its source"``.
        report: what a bug report should include.

    Raises:
        HubError: an agreement is not within its tolerance.
    """
    for agreement in agreements:
        if not agreement.within:
            raise HubError(
                f"the export to {to} differs from {source} ({agreement.computed_by})",
                got=f"{agreement.greatest_difference:.2e}",
                allowed=f"{agreement.tolerance:.0e}",
                fix=f"the export was deleted; please report it with the {report}",
            )


def check_with_llama_cpp(
    file: Path, source: Reference, tokens: Values, *, tolerance: float = LLAMA_TOLERANCE
) -> Agreement | None:
    """Compare with llama.cpp; None if `xllamacpp` is not installed.

    Args:
        file: the exported GGUF file.
        source: logits of the source, from (rows, length) token ids.
        tokens: the prompts, (rows, length); cut to leave one position of the model's context
            for the token that llama.cpp generates.
        tolerance: the greatest difference that is allowed.

    Raises:
        HubError: llama.cpp does not load the file, or returns no probabilities.
    """
    try:
        xllamacpp = import_xllamacpp()
    except MissingDependencyError:
        return None
    settings = xllamacpp.CommonParams()
    settings.model.path = str(file)
    settings.n_ctx = 512
    settings.n_parallel = 1
    settings.n_gpu_layers = 0
    settings.warmup = False
    settings.verbosity = -1
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    try:
        server = xllamacpp.Server(settings)
    except Exception as error:
        raise HubError(f"llama.cpp does not load the export: {error}", got=str(file)) from error
    metadata = read_gguf_header(file).metadata
    context = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    if isinstance(context, int):
        tokens = tokens[:, : max(1, context - 1)]
    wanted = _log_softmax(source(tokens))
    greatest, same, positions = 0.0, 0, 0
    for row, length in _prefixes(tokens):
        listed = _next_logprobs(server, tokens[row, :length].tolist(), wanted.shape[-1])
        if not listed:
            continue
        ours = wanted[row, length - 1]
        ids = np.array([token for token, _ in listed])
        theirs = np.array([logprob for _, logprob in listed])
        difference = np.abs(ours[ids] - theirs)
        if not np.isfinite(difference).all():
            difference = np.array([np.inf])
        greatest = max(greatest, float(difference.max()))
        same += int(ids[theirs.argmax()] == ours.argmax())
        positions += 1
    if positions == 0:
        raise HubError("llama.cpp gave no probabilities for the export", got=str(file))
    return Agreement(
        computed_by=f"llama.cpp in xllamacpp {xllamacpp.__version__}",
        compared="log-probabilities",
        positions=positions,
        greatest_difference=greatest,
        argmax_agreement=same / positions,
        tolerance=tolerance,
    )


def _log_softmax(logits: Values) -> Values:
    shifted: Values = logits - logits.max(-1, keepdims=True)
    logprobs: Values = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logprobs


def _prefixes(tokens: Values) -> Iterable[tuple[int, int]]:
    """A short prefix and the full length of each row."""
    rows, length = tokens.shape
    return [(row, cut) for row in range(rows) for cut in (max(1, length // 3), length)]


def _next_logprobs(server: Any, prompt: list[int], vocabulary: int) -> list[tuple[int, float]]:
    answer = server.handle_completions(
        {
            "prompt": prompt,
            "n_predict": 1,
            "temperature": 0.0,
            "n_probs": min(vocabulary, _MAX_LISTED),
            "cache_prompt": False,
        }
    )
    if "choices" not in answer:
        raise HubError("llama.cpp does not run the export", got=str(answer)[:400])
    # The list is empty if the top token ends the text or is part of a character.
    logprobs = answer["choices"][0]["logprobs"] or {"content": []}
    steps = logprobs["content"]
    return [(entry["id"], entry["logprob"]) for entry in steps[0]["top_logprobs"]] if steps else []
