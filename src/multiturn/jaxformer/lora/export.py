"""A run's weights for other programs: its adapter alone, or the whole model merged.

Whatever is written is read back, and its logits are held against those of the run; the
certificate says how near they are, and what is farther than the tolerance is not kept.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from multiturn import __version__
from multiturn.core.errors import HubError, InputError, UnknownNameError
from multiturn.core.records import to_plain
from multiturn.hub.adapters.gguf import write_gguf_adapter
from multiturn.hub.adapters.merging import merge_adapter
from multiturn.hub.adapters.pairs import pairs_of
from multiturn.hub.adapters.peft import write_peft
from multiturn.hub.checkpoints.layouts import (
    Layout,
    codegen_layout,
    gguf_llama_layout,
    gguf_phi2_layout,
    llama_layout,
)
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.certificate import compare_logits
from multiturn.hub.exports.configs import codegen_json, llama_json
from multiturn.hub.exports.export import CERTIFICATE, Certificate
from multiturn.hub.exports.files import whole_directory, write_hub_checkpoint, write_json
from multiturn.hub.model_place import model_place, model_tokenizer
from multiturn.jaxformer.config import MeshConfig, TrainConfig
from multiturn.jaxformer.lora.run import load_lora_run
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.run.weights import load_run, start_weights
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import forward
from multiturn.models.lora import merge
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer

__all__ = ["RUN_FORMATS", "export_run"]

RUN_FORMATS = ("hub", "peft", "gguf-lora")
"""``hub`` is the whole model in the hub's layout, merged; the others are the adapter alone."""

_ROWS, _LENGTH = 2, 32


def export_run(run: Path, out: Path, to: str) -> Certificate:
    """Write the newest weights of a run.

    Args:
        run: its directory.
        out: a directory that does not exist yet or is empty.
        to: one of `RUN_FORMATS`.

    Returns:
        The certificate, which is also written to ``certificate.json`` in `out`.

    Raises:
        UnknownNameError: no such format.
        InputError: `out` is not free, or the run has no checkpoint or no adapter.
        HubError: what was written differs from the run; nothing is kept.
        StorageError: the disk is full, or the place cannot be written.
    """
    if to not in RUN_FORMATS:
        raise UnknownNameError("format of a run's export", to, RUN_FORMATS)
    with whole_directory(out) as work:
        write = _write_model if to == "hub" else _write_adapter
        config, wanted, written, count = write(run, work, to)
        tokens = np.random.default_rng(0).integers(
            0, config.model.vocab_size, (_ROWS, min(_LENGTH, config.model.context))
        )
        agreement = compare_logits(
            "multiturn, from the written files",
            partial(_logits, wanted, config.model),
            partial(_logits, written, config.model),
            tokens.astype(np.int32),
        )
        if not agreement.within:
            raise HubError(
                f"the export to {to} differs from the run",
                got=f"{agreement.greatest_difference:.2e}",
                allowed=f"{agreement.tolerance:.0e}",
                fix="nothing was kept; please report it with the run's config.json",
            )
        certificate = Certificate(
            schema="multiturn.export-certificate/1",
            source=run.resolve().name,
            format=to,
            dtype="float32",
            parameters=count,
            agreements=(agreement,),
            note="The written files were read back; a program that computes in half precision, "
            "or with a quantized base model, gives other low digits than this.",
            written_by=f"multiturn {__version__}",
        )
        write_json(work / CERTIFICATE, to_plain(certificate))
    return certificate


def _write_model(run: Path, work: Path, to: str) -> tuple[TrainConfig, Parameters, Parameters, int]:
    del to
    parameters, config = load_run(run)
    tokenizer = _tokenizer(run, config)
    end = next(iter(tokenizer.end_of_text), 0)
    layout, describe = _hub_layout(config.model)
    described = describe(config.model, "float32", end)
    write_hub_checkpoint(work, parameters, layout, described, "float32")
    tokenizer.save(work)
    written = load_parameters(open_checkpoint(work), "float32")
    return config, parameters, written, sum(leaf.size for leaf in jax.tree.leaves(parameters))


def _write_adapter(
    run: Path, work: Path, to: str
) -> tuple[TrainConfig, Parameters, Parameters, int]:
    factors, config = load_lora_run(run)
    lora, start = config.lora, config.start
    if lora is None or start is None:
        raise InputError("the run is no LoRA run", got=str(run), fix="export it with --to hub")
    base = start_weights(start, config.model, make_mesh(MeshConfig(data=1), jax.devices()[:1]))
    if to == "peft":
        adapter = work
        pairs = pairs_of(factors, lora.scale, _hub_layout(config.model)[0])
        write_peft(work, pairs, rank=lora.rank, alpha=lora.alpha, base=Path(start).name)
    else:
        adapter = work / f"{run.resolve().name}.gguf"
        architecture, layout = _gguf_layout(config.model)
        pairs = pairs_of(factors, lora.scale, layout)
        write_gguf_adapter(adapter, pairs, architecture=architecture, name=config.name)
    written = merge_adapter(base, config.model, adapter)
    count = sum(leaf.size for leaf in jax.tree.leaves(factors))
    return config, merge(base, factors, lora.scale), written, count


def _hub_layout(config: DecoderConfig) -> tuple[Layout, Any]:
    if config.family == "llama":
        return llama_layout(config), llama_json
    return codegen_layout(config, 4), codegen_json


def _gguf_layout(config: DecoderConfig) -> tuple[str, Layout]:
    if config.family == "llama":
        architecture = "qwen2" if config.qkv_bias else "llama"
        return architecture, gguf_llama_layout(config, architecture)
    return "phi2", gguf_phi2_layout(config)


def _tokenizer(run: Path, config: TrainConfig) -> Tokenizer:
    """Of the run's data: its own, where one was trained for it."""
    if (run / "tokenizer").is_dir():
        return model_tokenizer(run / "tokenizer")
    return model_tokenizer(model_place(config.data.tokenizer))


def _logits(parameters: Parameters, config: DecoderConfig, tokens: Any) -> Any:
    return np.asarray(jax.jit(forward, static_argnums=2)(parameters, tokens, config))
