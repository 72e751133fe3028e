"""Exports of a run for other programs: the merged model, or the adapter alone.

Every export is read back and its logits are compared with those of the run. The certificate
records the difference; an export outside the tolerance is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    gptj_layout,
    llama_layout,
)
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.certificate import (
    LLAMA_TOLERANCE,
    TOLERANCE,
    check_with_llama_cpp,
    compare_logits,
    require_agreement,
)
from multiturn.hub.exports.configs import codegen_json, gptj_json, llama_json
from multiturn.hub.exports.export import CERTIFICATE, Certificate
from multiturn.hub.exports.files import atomic_directory, write_hub_checkpoint, write_json
from multiturn.hub.exports.gguf import gguf_layout, write_gguf
from multiturn.hub.formats.gguf import read_gguf_header
from multiturn.hub.formats.tensors import numpy_dtype
from multiturn.hub.resolve_model import model_tokenizer, resolve_model
from multiturn.jaxformer.config import MeshConfig, TrainConfig
from multiturn.jaxformer.lora.checkpoint import load_lora_run
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.run.weights import load_initial_parameters, load_run
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import forward
from multiturn.models.lora import merge
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer

__all__ = ["EXPORT_DTYPES", "RUN_FORMATS", "export_run", "best_format", "gguf_file", "how_to_use"]

RUN_FORMATS = ("hub", "gguf", "peft", "gguf-lora")
"""``hub`` and ``gguf`` hold the model with adapters merged, the others the adapter alone."""

EXPORT_DTYPES = ("float32", "float16", "bfloat16")
"""Types in which the merged model is written. Training holds it in float32."""

_TOLERANCES = {
    "float32": (TOLERANCE, LLAMA_TOLERANCE),
    "float16": (0.05, 0.1),
    "bfloat16": (0.4, 0.8),
}
"""The greatest difference of a logit, and of a log-probability from llama.cpp, which rounds the
inputs of its products to the type of the weights. That the values themselves are the run's, rounded
once, is checked exactly."""

_LARGEST = {"float16": 65504.0}
"""The greatest value of a type that has a smaller range than float32."""

_ROWS, _LENGTH = 2, 32

_Written = tuple[TrainConfig, Parameters, Parameters, int]
"""The run's config, its weights, the weights read back, and the number written."""


def export_run(run: Path, out: Path, to: str, *, dtype: str = "float32") -> Certificate:
    """Write the weights of a run's newest checkpoint.

    Args:
        run: the run's directory.
        out: an empty directory, or one that does not exist yet.
        to: one of `RUN_FORMATS`.
        dtype: of the weights, one of `EXPORT_DTYPES`; an adapter alone is in float32. In a GGUF
            file vectors stay in float32.

    Returns:
        The certificate, which is also written to ``certificate.json`` in `out`.

    Raises:
        UnknownNameError: no such format or type.
        InputError: `out` is not empty, the run has no checkpoint or no adapter, or the format
            or the type cannot hold the model.
        HubError: the export differs from the run; it was deleted.
        StorageError: the disk is full, or `out` cannot be written.
    """
    if to not in RUN_FORMATS:
        raise UnknownNameError("format of a run's export", to, RUN_FORMATS)
    if dtype not in EXPORT_DTYPES:
        raise UnknownNameError("type of an export", dtype, EXPORT_DTYPES)
    write = {"hub": _write_hub, "gguf": _write_gguf}.get(to, _write_adapter)
    if write is _write_adapter and dtype != "float32":
        raise InputError(
            "an adapter is written in float32",
            got=dtype,
            fix="leave the type out, or export the merged model: --to gguf",
        )
    with atomic_directory(out) as work:
        config, wanted, written, count = write(run, work, to, dtype)
        if write is not _write_adapter:
            _require_rounded(wanted, written, dtype)
        tokens = (
            np.random.default_rng(0)
            .integers(0, config.model.vocab_size, (_ROWS, min(_LENGTH, config.model.max_seq_len)))
            .astype(np.int32)
        )
        source = partial(_logits, wanted, config.model)
        tolerance, llama_tolerance = _TOLERANCES[dtype]
        agreements = [
            compare_logits(
                "multiturn, from the written files",
                source,
                partial(_logits, written, config.model),
                tokens,
                tolerance=tolerance,
            )
        ]
        if to == "gguf":
            by_llama = check_with_llama_cpp(
                gguf_file(run, work), source, tokens, tolerance=llama_tolerance
            )
            agreements += [by_llama] if by_llama else []
        require_agreement(agreements, to=to, source="the run", report="run's config.json")
        certificate = Certificate(
            schema="multiturn.export-certificate/1",
            source=run.resolve().name,
            format=to,
            dtype=dtype,
            parameters=count,
            agreements=tuple(agreements),
            note="The written files were read back; a program that computes in half precision, "
            "or with a quantized base model, gives other low digits than this.",
            written_by=f"multiturn {__version__}",
        )
        write_json(work / CERTIFICATE, to_plain(certificate))
    return certificate


def gguf_file(run: Path, out: Path) -> Path:
    """The GGUF file in the export directory of a run."""
    return out / f"{run.resolve().name}.gguf"


def best_format(config: TrainConfig) -> str:
    """The export format of the merged model that the most programs read."""
    model = config.model
    narrow = model.family == "codegen" and model.mlp_dim != 4 * model.d_model
    return "hub" if narrow else "gguf"


def how_to_use(run: Path, out: Path, to: str) -> str:
    """The value of ``--model`` for an export of a run."""
    if to == "hub":
        return str(out)
    if to == "gguf":
        return str(gguf_file(run, out))
    adapter = out if to == "peft" else gguf_file(run, out)
    return f"{load_lora_run(run)[1].start}+{adapter}"


def _load_for(run: Path, dtype: str) -> tuple[Parameters, TrainConfig]:
    """The run's weights, all of which a type can hold."""
    parameters, config = load_run(run)
    greatest = max(float(np.abs(np.asarray(leaf)).max()) for leaf in jax.tree.leaves(parameters))
    if np.isfinite(greatest) and greatest > _LARGEST.get(dtype, greatest):
        raise InputError(
            f"{dtype} cannot hold the run's weights",
            got=f"{greatest:.3g}",
            allowed=f"up to {_LARGEST[dtype]:g}",
            fix="choose float32 or bfloat16",
        )
    return parameters, config


def _require_rounded(run: Parameters, written: Parameters, dtype: str) -> None:
    """Check that each value is the run's, or the nearest one of a type."""
    for wanted, got in zip(jax.tree.leaves(run), jax.tree.leaves(written), strict=True):
        exact, found = np.asarray(wanted, np.float32), np.asarray(got, np.float32)
        rounded = exact.astype(numpy_dtype(dtype)).astype(np.float32)
        if not np.all((found == exact) | (found == rounded) | np.isnan(exact)):
            raise HubError(
                "the written weights are not the run's",
                fix="the export was deleted; please report it with the run's config.json",
            )


def _write_gguf(run: Path, work: Path, to: str, dtype: str) -> _Written:
    del to
    parameters, config = _load_for(run, dtype)
    model = config.model
    if best_format(config) != "gguf":
        raise InputError(
            "programs that read GGUF need an MLP of 4 times the model's width",
            got=f"{model.mlp_dim} for {model.d_model}",
            fix="export to hub",
        )
    file = gguf_file(run, work)
    write_gguf(
        file,
        parameters,
        model,
        _tokenizer(run, config),
        dtype,
        name=config.name,
        like=_like(config),
    )
    written = load_parameters(open_checkpoint(file), "float32")
    return config, parameters, written, sum(leaf.size for leaf in jax.tree.leaves(parameters))


def _like(config: TrainConfig) -> Mapping[str, object] | None:
    """The metadata of the GGUF file that the run was initialized from, if any."""
    if config.start is None or (Path(config.start).expanduser() / "checkpoints").is_dir():
        return None
    place = resolve_model(config.start)
    return None if place.is_dir() else read_gguf_header(place).metadata


def _write_hub(run: Path, work: Path, to: str, dtype: str) -> _Written:
    del to
    parameters, config = _load_for(run, dtype)
    tokenizer = _tokenizer(run, config)
    end = tokenizer.document_end or 0
    layout, describe = _hub_layout(config.model)
    described = describe(config.model, dtype, end)
    write_hub_checkpoint(work, parameters, layout, described, dtype)
    tokenizer.save(work)
    written = load_parameters(open_checkpoint(work), "float32")
    return config, parameters, written, sum(leaf.size for leaf in jax.tree.leaves(parameters))


def _write_adapter(run: Path, work: Path, to: str, dtype: str) -> _Written:
    del dtype
    factors, config = load_lora_run(run)
    lora, start = config.lora, config.start
    if lora is None or start is None:
        raise InputError("the run is not a LoRA run", got=str(run), fix="export it with --to gguf")
    base = load_initial_parameters(
        start, config.model, make_mesh(MeshConfig(data=1), jax.devices()[:1])
    )
    if to == "peft":
        adapter = work
        pairs = pairs_of(factors, lora.scale, _hub_layout(config.model)[0])
        write_peft(work, pairs, rank=lora.rank, alpha=lora.alpha, base=Path(start).name)
    else:
        adapter = gguf_file(run, work)
        architecture, layout = gguf_layout(config.model)
        pairs = pairs_of(factors, lora.scale, layout)
        write_gguf_adapter(adapter, pairs, architecture=architecture, name=config.name)
    written = merge_adapter(base, config.model, adapter)
    count = sum(leaf.size for leaf in jax.tree.leaves(factors))
    return config, merge(base, factors, lora.scale), written, count


def _hub_layout(config: DecoderConfig) -> tuple[Layout, Any]:
    if config.family == "llama":
        return llama_layout(config), llama_json
    if config.heads % 4:
        # Readers of the CodeGen layout expect 4 groups of heads; GPT-J computes the same.
        return gptj_layout(config), gptj_json
    return codegen_layout(config, 4), codegen_json


def _tokenizer(run: Path, config: TrainConfig) -> Tokenizer:
    """The tokenizer of the run's data: trained for the run, of its packed corpus, or named."""
    named, own = config.data.tokenizer, run / "tokenizer"
    trained = not named or named.startswith("train:")
    if not own.is_dir() and not trained:
        return model_tokenizer(resolve_model(named))
    place = own
    if not own.is_dir() and config.data.kind == "packed":
        place = Path(config.data.path).expanduser() / "tokenizer"
    if not place.is_dir():
        raise InputError(
            "the tokenizer of the run is not there",
            got=str(place),
            fix="run the command in the directory in which the run was trained, or copy the "
            f"tokenizer to {own}",
        )
    return model_tokenizer(place)


def _logits(parameters: Parameters, config: DecoderConfig, tokens: Any) -> Any:
    return np.asarray(jax.jit(forward, static_argnums=2)(parameters, tokens, config))
