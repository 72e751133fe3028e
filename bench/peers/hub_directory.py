"""The weights of a model in the files that peers read: a directory in the hub's layout.

Made by this project's own readers and writers; `check` holds it against transformers.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.app_dirs import app_dirs
from multiturn.hub.checkpoints.layouts import codegen_layout, llama_layout
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.downloads import pull
from multiturn.hub.exports.configs import codegen_json, llama_json
from multiturn.hub.exports.files import write_hub_checkpoint
from multiturn.hub.exports.gguf import write_gguf
from multiturn.hub.formats.gguf import ArrayInfo, read_array, read_gguf_header
from multiturn.models.arrays import initialize
from multiturn.models.config import DecoderConfig, named_config
from multiturn.models.decoder import forward
from multiturn.models.parameters import named_arrays, parameter_specs
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_gguf import from_gguf_metadata
from peers.jobs import Model

RANDOM = "-random"
"""``codegen-350m-random``: CodeGen's shape with random weights, for speed alone."""
TOLERANCE = 2e-3
"""Greatest difference of a logit between transformers on the directory and our decoder."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a directory is made from."""

    config: DecoderConfig
    parameters: Any
    tokenizer: Tokenizer


def prepared_place() -> Path:
    """The directory of prepared models, beside the downloaded ones."""
    return app_dirs().models.parent / "bench"


def prepare(name: str, place: Path) -> Model:
    """The model in all layouts that need none of the peers' packages.

    Args:
        name: of the registry, a GGUF file's path, or a CodeGen size with ``-random``.
        place: the directory of prepared models.
    """
    random = name.endswith(RANDOM)
    gguf = place / f"{name}.gguf" if random else pull(name)
    directory = place / (name if random else gguf.stem)
    if not (directory / "config.json").exists():
        source = _random_source(name) if random else _gguf_source(gguf)
        place.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=place))
        try:
            write_directory(work, source)
            if random:
                write_gguf(
                    gguf, source.parameters, source.config, source.tokenizer, "float16", name=name
                )
            work.rename(directory)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    config = open_checkpoint(directory).config
    return Model(
        name=name,
        directory=directory,
        gguf=gguf,
        parameters=multiplied_weights(config),
        matrix=(config.d_model, config.mlp_dim),
        vocab_size=config.vocab_size,
        context=config.max_seq_len,
    )


def multiplied_weights(config: DecoderConfig) -> int:
    """The weights that each token is multiplied with: all matrices, an untied embedding not."""
    count = sum(
        info.size for name, info in named_arrays(parameter_specs(config)) if name != "embedding"
    )
    return count + (config.vocab_size * config.d_model if config.tie_embeddings else 0)


def tokenizer_of(gguf: Path) -> Tokenizer:
    """The tokenizer inside a GGUF file."""
    header = read_gguf_header(gguf)
    return from_gguf_metadata(
        {
            key: read_array(header, key) if isinstance(value, ArrayInfo) else value
            for key, value in header.metadata.items()
        }
    )


def check(model: Model) -> float:
    """The greatest difference of a logit between transformers and our decoder, float32.

    Raises:
        ValueError: it is beyond `TOLERANCE`: the peers would run another model.
    """
    import jax
    import torch
    import transformers

    tokens = np.random.default_rng(1).integers(0, model.vocab_size, (2, 24))
    reference = transformers.AutoModelForCausalLM.from_pretrained(
        model.directory, dtype=torch.float32
    )
    with torch.no_grad():
        theirs = reference(torch.from_numpy(tokens)).logits.numpy()
    del reference
    checkpoint = open_checkpoint(model.directory)
    parameters = load_parameters(checkpoint, "float32")
    ours = np.asarray(jax.jit(forward, static_argnums=2)(parameters, tokens, checkpoint.config))
    difference = float(np.abs(ours - theirs).max())
    if difference > TOLERANCE:
        raise ValueError(f"transformers differs by {difference:.1e} on {model.directory.name}")
    return difference


def _gguf_source(gguf: Path) -> Source:
    checkpoint = open_checkpoint(gguf)
    return Source(checkpoint.config, load_parameters(checkpoint, "float32"), tokenizer_of(gguf))


def _random_source(name: str) -> Source:
    # A tokenizer of real words, so that text engines run; rows beyond it stay unused.
    config = named_config(name.removesuffix(RANDOM) + "-mono")
    tokenizer = tokenizer_of(pull("smollm2-135m"))
    return Source(config, initialize(parameter_specs(config), 0), tokenizer)


def write_directory(directory: Path, source: Source) -> None:
    """Write weights, configuration and tokenizer as float32 in the hub's layout."""
    codegen = source.config.family == "codegen"
    layout = codegen_layout(source.config, groups=4) if codegen else llama_layout(source.config)
    describe = codegen_json if codegen else llama_json
    described = describe(source.config, "float32", source.tokenizer.end_of_text[0])
    source.tokenizer.save(directory)
    names = {"eos_token": source.tokenizer.vocabulary[source.tokenizer.end_of_text[0]]}
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names}), "utf-8"
    )
    write_hub_checkpoint(directory, source.parameters, layout, described, "float32")
