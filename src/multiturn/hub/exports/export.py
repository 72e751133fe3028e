"""Exports CodeGen checkpoints to the layouts of other programs, and verifies them.

`export` reads a checkpoint, writes it in another layout, computes the logits of the same prompts
from the source and from the written files, and adds a certificate with the difference. An export
outside the tolerance is deleted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from multiturn import __version__
from multiturn.core.errors import (
    InputError,
    MissingDependencyError,
    ModelFileError,
    UnknownNameError,
    storage_errors,
)
from multiturn.core.records import to_plain
from multiturn.hub.checkpoints.layouts import Layout, codegen_layout, gptj_layout, phi_layout
from multiturn.hub.checkpoints.reading import (
    Checkpoint,
    load_parameters,
    open_checkpoint,
    read_hub_tensors,
)
from multiturn.hub.exports.certificate import (
    Agreement,
    check_with_llama_cpp,
    compare_logits,
    require_agreement,
)
from multiturn.hub.exports.configs import codegen_json, gptj_json, phi_json
from multiturn.hub.exports.files import atomic_directory, write_hub_checkpoint, write_json
from multiturn.hub.exports.gguf import write_gguf
from multiturn.hub.exports.reference import (
    codegen_reference,
    gptj_reference,
    phi2_gguf_reference,
    phi_reference,
)
from multiturn.hub.formats.gguf import GGUFHeader
from multiturn.hub.formats.gguf_tensors import read_gguf_tensors
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.hub.llama_options import ServerOptions, quantized_cache_fits
from multiturn.hub.llama_trial import find_fault, loading_error
from multiturn.hub.resolve_model import model_tokenizer
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import forward
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_files import from_hub_files

__all__ = ["EXPORT_FORMATS", "Certificate", "export"]

CERTIFICATE = "certificate.json"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
)
_PROMPTS, _PROMPT_TOKENS = 4, 32
_CODE = (
    "# Import libraries.\n\nimport numpy as np\n\n# Assign the list [1, 2, 3] to x\nx = ",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) +",
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _HubFormat:
    """A layout of the hub: how to write it, and the reference to verify it with."""

    title: str
    layout: Callable[[DecoderConfig], Layout]
    describe: Callable[[DecoderConfig, str, int | list[int]], Json]
    reference: Callable[..., np.ndarray[Any, Any]]
    runs_in: str


_HUB_FORMATS = {
    "codegen": _HubFormat(
        "CodeGen",
        partial(codegen_layout, groups=4),
        codegen_json,
        codegen_reference,
        "transformers, CTranslate2",
    ),
    "gptj": _HubFormat(
        "GPT-J", gptj_layout, gptj_json, gptj_reference, "transformers, vLLM, MLX, CTranslate2"
    ),
    "phi": _HubFormat("Phi", phi_layout, phi_json, phi_reference, "transformers, vLLM, MLX"),
}

EXPORT_FORMATS = (*_HUB_FORMATS, "gguf")
"""The formats that `export` writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The record of an export and of its agreement with the source."""

    schema: str
    """Version of this record."""
    source: str
    """Path of the source checkpoint."""
    format: str
    """One of `EXPORT_FORMATS`."""
    dtype: str
    """Type of the written weights."""
    parameters: int
    """Number of parameters."""
    agreements: tuple[Agreement, ...]
    """How closely each comparison agrees with the source."""
    note: str
    """Remarks about the format."""
    written_by: str
    """Version of Multiturn."""


def export(source: Path, out: Path, to: str, *, groups: int | None = None) -> Certificate:
    """Write a CodeGen checkpoint in another layout, and verify it.

    Args:
        source: a checkpoint of the CodeGen family, in any supported layout.
        out: an empty directory, or one that does not exist yet.
        to: one of `EXPORT_FORMATS`.
        groups: as in `open_checkpoint`.

    Returns:
        The certificate, which is also written to ``certificate.json`` in `out`.

    Raises:
        UnknownNameError: no such format.
        InputError: `out` is not empty, or the format cannot hold the source.
        ModelFileError: the source is broken.
        HubError: the export differs from its source by more than the tolerance.
        EngineError: llama.cpp does not load the export.
        StorageError: the disk is full, or `out` cannot be written. After any error `out` is as
            it was before.
    """
    if to not in EXPORT_FORMATS:
        raise UnknownNameError("export format", to, EXPORT_FORMATS)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            "the output directory is not empty", got=str(out), fix="name another directory"
        )
    checkpoint = open_checkpoint(source, groups=groups)
    tokenizer = _tokenizer_of(checkpoint)
    _check_exportable(checkpoint, tokenizer, to)
    parameters = load_parameters(checkpoint)
    with atomic_directory(out) as work:
        return _write_and_check(work, checkpoint, parameters, tokenizer, to)


def _check_exportable(checkpoint: Checkpoint, tokenizer: Tokenizer | None, to: str) -> None:
    config = checkpoint.config
    if config.family != "codegen":
        raise InputError(
            "only models of the CodeGen family are exported", got=checkpoint.layout.name
        )
    if to == "codegen" and config.heads % 4:
        raise InputError(
            "programs that read the CodeGen layout need its heads in 4 groups",
            got=f"{config.heads} heads", allowed="a multiple of 4",
            fix="export to gptj, phi or gguf, which take any number",
        )  # fmt: skip
    if to in ("phi", "gguf") and config.mlp_dim != 4 * config.d_model:
        raise InputError(
            f"programs that read {to} need an MLP of 4 times the model's width",
            got=f"{config.mlp_dim} for {config.d_model}",
            fix="export to codegen or gptj",
        )
    if to == "gguf" and config.head_dim % 2:
        # llama.cpp copies the dimensions without rotary embeddings two at a time, so it overwrites
        # the first one of the next head.
        raise InputError(
            "llama.cpp computes heads of an odd size wrongly",
            got=config.head_dim,
            allowed="an even size",
            fix="export to gptj or phi",
        )
    if to == "gguf" and tokenizer is None:
        raise InputError(
            "a GGUF file needs a tokenizer, and the source has none",
            got=str(checkpoint.path),
            fix="put tokenizer.json, or vocab.json and merges.txt, next to the weights",
        )


def _write_and_check(
    work: Path,
    checkpoint: Checkpoint,
    parameters: Parameters,
    tokenizer: Tokenizer | None,
    to: str,
) -> Certificate:
    config, dtype = checkpoint.config, checkpoint.dtype
    source = partial(_source_logits, parameters, config)
    tokens = _check_tokens(config, tokenizer)
    if to == "gguf":
        agreements = _export_gguf(work, checkpoint, parameters, tokenizer, source, tokens)
    else:
        agreements = [_export_hub(work, checkpoint, parameters, tokenizer, to, source, tokens)]
    certificate = Certificate(
        schema="multiturn.export-certificate/1",
        source=checkpoint.path.name,
        format=to,
        dtype=dtype,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(parameters)),
        agreements=tuple(agreements),
        note="Both sides computed in float32 from the stored values; a program that computes "
        "in half precision gives other low digits than this.",
        written_by=f"multiturn {__version__}",
    )
    require_agreement(agreements, to=to, source="its source", report="checkpoint's name")
    write_json(work / CERTIFICATE, to_plain(certificate))
    return certificate


def _export_hub(
    work: Path,
    checkpoint: Checkpoint,
    parameters: Parameters,
    tokenizer: Tokenizer | None,
    to: str,
    source: Callable[..., Any],
    tokens: Any,
) -> Agreement:
    kind, config, dtype = _HUB_FORMATS[to], checkpoint.config, checkpoint.dtype
    described = kind.describe(config, dtype, _end_of_text(tokenizer))
    write_hub_checkpoint(work, parameters, kind.layout(config), described, dtype)
    has_tokenizer = _copy_tokenizer(checkpoint.path, work)
    _write_card(work, checkpoint, f"{kind.title} layout; read by {kind.runs_in}", has_tokenizer)
    written = read_hub_tensors(work)
    read_config = json.loads((work / "config.json").read_text("utf-8"))
    target = partial(kind.reference, written, read_config)
    open_checkpoint(work)  # as the native engine will
    return compare_logits("numpy, from the written files", source, target, tokens)


def _export_gguf(
    work: Path,
    checkpoint: Checkpoint,
    parameters: Parameters,
    tokenizer: Tokenizer | None,
    source: Callable[..., Any],
    tokens: Any,
) -> list[Agreement]:
    if tokenizer is None:
        raise ValueError("a GGUF file needs a tokenizer")
    name = checkpoint.path.resolve().name
    file = work / f"{name}-{checkpoint.dtype}.gguf"
    write_gguf(file, parameters, checkpoint.config, tokenizer, checkpoint.dtype, name=name)
    _write_card(work, checkpoint, "GGUF, architecture phi2; read by llama.cpp", True)
    header, written = read_gguf_tensors(file)
    open_checkpoint(file)  # as the native engine will
    model_tokenizer(file)
    _try_in_llama_cpp(file, header)
    target = partial(phi2_gguf_reference, written, header.metadata)
    found = [compare_logits("numpy, from the written file", source, target, tokens)]
    if checkpoint.dtype == "float32":
        # In half precision llama.cpp also rounds the inputs of each product.
        by_llama = check_with_llama_cpp(file, source, tokens)
        found += [by_llama] if by_llama else []
    return found


def _try_in_llama_cpp(file: Path, header: GGUFHeader) -> None:
    """Load the file and generate with it, with the options of the llama.cpp engine.

    Raises:
        EngineError: llama.cpp does not load it; the message is llama.cpp's.
    """
    try:
        import_xllamacpp()
    except MissingDependencyError:
        return
    options = ServerOptions(context=512, threads=1, quantized_cache=quantized_cache_fits(header))
    fault = find_fault(file, options)
    if fault:
        raise loading_error(file, fault)


def _source_logits(parameters: Parameters, config: DecoderConfig, tokens: Any) -> Any:
    wide = jax.tree.map(lambda array: array.astype(np.float32), parameters)
    return np.asarray(jax.jit(forward, static_argnums=2)(wide, tokens, config))


def _check_tokens(config: DecoderConfig, tokenizer: Tokenizer | None) -> np.ndarray[Any, Any]:
    """Rows of random ids; with a tokenizer, the first rows begin with code."""
    length = min(_PROMPT_TOKENS, config.max_seq_len)
    rows = np.random.default_rng(0).integers(0, config.vocab_size, (_PROMPTS, length))
    if tokenizer is not None and tokenizer.size <= config.vocab_size:
        for row, text in zip(rows, _CODE, strict=False):
            ids = tokenizer.encode(text)[:length]
            row[: len(ids)] = ids
    return rows.astype(np.int32)


def _tokenizer_of(checkpoint: Checkpoint) -> Tokenizer | None:
    """The tokenizer next to hub weights, or None."""
    path = checkpoint.path
    if not path.is_dir():
        return None
    if not any((path / name).exists() for name in ("tokenizer.json", "vocab.json")):
        return None
    tokenizer = from_hub_files(path)
    if tokenizer.size > checkpoint.config.vocab_size:
        raise ModelFileError(
            "the tokenizer has more tokens than the embedding has rows",
            got=f"{tokenizer.size}",
            allowed=f"up to {checkpoint.config.vocab_size}",
        )
    return tokenizer


def _end_of_text(tokenizer: Tokenizer | None) -> int | list[int]:
    ends = list(tokenizer.end_of_text) if tokenizer else []
    return ends if len(ends) > 1 else next(iter(ends), 50256)


def _copy_tokenizer(source: Path, work: Path) -> bool:
    present = [source / name for name in _TOKENIZER_FILES if (source / name).is_file()]
    if not source.is_dir():
        return False
    with storage_errors(work, "copying the tokenizer"):
        for file in present:
            shutil.copyfile(file, work / file.name)
    return bool(present)


def _write_card(work: Path, checkpoint: Checkpoint, layout: str, tokenizer: bool) -> None:
    c = checkpoint.config
    name = checkpoint.path.resolve().name
    card = f"""# {name}

A decoder of the CodeGen family (Nijkamp et al., [arXiv 2203.13474](https://arxiv.org/abs/2203.13474)),
written by Multiturn {__version__}.

| | |
|---|---|
| layout | {layout} |
| layers, heads x head size | {c.layers}, {c.heads} x {c.head_dim} |
| context | {c.max_seq_len} |
| embedding rows | {c.vocab_size} |
| weights | {checkpoint.dtype} |
| tokenizer | {"in this directory" if tokenizer else "not part of this export"} |

The weights are those of the source, in another order. `{CERTIFICATE}` has the measured difference
between the two. Licence, intended use and limits are those of the source.
"""
    with storage_errors(work, "writing the model card"):
        (work / "README.md").write_text(card, "utf-8")
