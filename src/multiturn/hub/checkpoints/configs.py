"""A checkpoint's description of its architecture, as a config and a layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError, ModelFileError
from multiturn.hub.checkpoints.layouts import (
    Layout,
    codegen_layout,
    gguf_llama_layout,
    gguf_phi2_layout,
    gptj_layout,
    llama_layout,
    phi_layout,
)
from multiturn.hub.formats.gguf import GGUFHeader
from multiturn.hub.formats.tensors import Tensors
from multiturn.models.config import DecoderConfig, codegen_config, llama_config

__all__ = ["DescribedModel", "describe_gguf", "describe_hub"]

_GELU_TANH = ("gelu_new", "gelu_pytorch_tanh")
_STOCK_GROUPS = 4


@dataclass(frozen=True, slots=True)
class DescribedModel:
    """The architecture of a model, before its weights are read.

    Attributes:
        config: of the model.
        layout: of its tensors.
        tied: the head shares the embedding's matrix but has its own bias, so `Parameters` has
            both; files have one of the two tensors, or both.
    """

    config: DecoderConfig
    layout: Layout
    tied: bool = False


class _Entries:
    """Typed access to a config file, with errors that name the key and the file."""

    def __init__(self, file: str, values: Mapping[str, Any]) -> None:
        self.file = file
        self.values = values

    def number(self, *names: str, default: float | None = None) -> float:
        """The first of the keys that exists and is not null."""
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ModelFileError(f"{self.file}: {name!r} is not a number", got=value)
            return value
        if default is None:
            raise ModelFileError(
                f"{self.file}: {names[0]!r} is missing", fix="fetch the file again"
            )
        return default

    def integer(self, *names: str, default: int | None = None) -> int:
        """Like `number`, for a positive integer."""
        value = self.number(*names, default=default)
        if value != int(value) or not 0 < value < 2**40:
            raise ModelFileError(
                f"{self.file}: {names[0]!r} is out of range", got=value, allowed="1 or more"
            )
        return int(value)

    def flag(self, name: str) -> bool:
        """A boolean; false if missing."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise ModelFileError(f"{self.file}: {name!r} is not true or false", got=value)
        return bool(value)

    def one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """A choice among the ones that this decoder supports."""
        value = self.values.get(name, default)
        if value not in allowed:
            raise ModelFileError(
                f"{self.file}: {name!r} is not supported by this decoder",
                got=value,
                allowed=", ".join(allowed),
            )
        return str(value)


def describe_hub(values: Mapping[str, Any], directory: Path, groups: int | None) -> DescribedModel:
    """The model of a `config.json`.

    Args:
        values: of the file.
        directory: where it is, for the messages.
        groups: as in `open_checkpoint`.

    Raises:
        ModelFileError: an unsupported architecture or setting, a missing key, or a CodeGen
            checkpoint whose groups are ambiguous.
        InputError: `groups` makes no sense for this checkpoint.
    """
    entries = _Entries(f"{directory.name}/config.json", values)
    kind = entries.one_of(
        "model_type", ("codegen", "gptj", "phi", "llama", "mistral", "qwen2"), default=""
    )
    if groups is not None and kind != "codegen":
        raise InputError("groups is only for CodeGen checkpoints", got=f"groups for {kind}")
    try:
        if kind in ("llama", "mistral", "qwen2"):
            config = _llama(entries, kind)
            return DescribedModel(config, llama_layout(config))
        config = _phi(entries) if kind == "phi" else _gptj(entries)
    except InputError as error:
        raise ModelFileError(f"{entries.file}: {error}") from error
    if kind == "phi":
        layout = phi_layout(config)
    elif kind == "gptj":
        layout = gptj_layout(config)
    else:
        layout = codegen_layout(config, _groups(entries, config, groups))
    return DescribedModel(config, layout, tied=entries.flag("tie_word_embeddings"))


def _gptj(entries: _Entries) -> DecoderConfig:
    """CodeGen and GPT-J use the same keys."""
    entries.one_of("activation_function", _GELU_TANH, "gelu_new")
    width, heads = entries.integer("n_embd"), entries.integer("n_head")
    if width % heads:
        raise ModelFileError(
            f"{entries.file}: 'n_embd' is not a multiple of 'n_head'", got=f"{width} and {heads}"
        )
    return codegen_config(
        layers=entries.integer("n_layer"),
        heads=heads,
        head_dim=width // heads,
        rotary_size=_rotary_dim(entries),
        vocab_size=entries.integer("vocab_size"),
        max_seq_len=entries.integer("n_positions", "n_ctx", default=2048),
        mlp_dim=entries.integer("n_inner", default=4 * width),
        norm_eps=entries.number("layer_norm_epsilon", default=1e-5),
    )


def _rotary_dim(entries: _Entries) -> int:
    """Transformers uses 64 if the key is missing, and fails on null."""
    if "rotary_dim" in entries.values and entries.values["rotary_dim"] is None:
        raise ModelFileError(
            f"{entries.file}: 'rotary_dim' is null",
            fix="set the number of rotary dimensions of a head",
        )
    return entries.integer("rotary_dim", default=64)


def _groups(entries: _Entries, config: DecoderConfig, said: int | None) -> int:
    """The number of groups of queries, keys and values.

    The stock loader supports only 4. CodeGen2 ships its own code (`auto_map`), with 4 groups in
    some sizes and 8 in others, and its config does not say which. A wrong number loads without
    an error and generates nonsense.
    """
    stored = entries.integer("mp_num", default=said or _STOCK_GROUPS)
    if said is not None and said != stored:
        raise InputError(
            "groups contradicts the checkpoint", got=said, allowed=f"{stored}, by its config.json"
        )
    if said is None and "mp_num" not in entries.values and "auto_map" in entries.values:
        raise ModelFileError(
            f"{entries.file}: the number of qkv groups is ambiguous, since the checkpoint "
            "brings its own code",
            got="auto_map and no mp_num",
            fix='add "mp_num": 8 to config.json for CodeGen2-1B and -3.7B, 4 for the others',
        )
    if config.heads % stored:
        raise ModelFileError(
            f"{entries.file}: {config.heads} heads do not divide into {stored} qkv groups",
            fix="give the right number of groups",
        )
    return stored


def _phi(entries: _Entries) -> DecoderConfig:
    entries.one_of("hidden_act", _GELU_TANH, "gelu_new")
    rope = _rope(entries)
    width, heads = entries.integer("hidden_size"), entries.integer("num_attention_heads")
    kv_heads = entries.integer("num_key_value_heads", default=heads)
    if entries.flag("qk_layernorm") or kv_heads != heads or width % heads:
        raise ModelFileError(f"{entries.file}: only Phi exports of CodeGen models are read")
    factor = rope.number("partial_rotary_factor", default=0.5)
    if rope.number("rope_theta", default=10_000) != 10_000 or _stretch(rope) != 1:
        raise ModelFileError(f"{entries.file}: only Phi exports of CodeGen models are read")
    return codegen_config(
        layers=entries.integer("num_hidden_layers"),
        heads=heads,
        head_dim=width // heads,
        rotary_size=int(width // heads * factor),
        vocab_size=entries.integer("vocab_size"),
        max_seq_len=entries.integer("max_position_embeddings"),
        mlp_dim=entries.integer("intermediate_size"),
        norm_eps=entries.number("layer_norm_eps", default=1e-5),
    )


def _llama(entries: _Entries, kind: str) -> DecoderConfig:
    entries.one_of("hidden_act", ("silu",), "silu")
    for name in ("attention_bias", "mlp_bias", "use_sliding_window"):
        if entries.flag(name):
            raise ModelFileError(f"{entries.file}: {name!r} is not supported by this decoder")
    if kind == "mistral" and entries.values.get("sliding_window") is not None:
        raise ModelFileError(f"{entries.file}: a sliding window is not supported by this decoder")
    rope = _rope(entries)
    if rope.number("partial_rotary_factor", default=1.0) != 1:
        raise ModelFileError(f"{entries.file}: partial rotary embeddings are not supported")
    return llama_config(
        vocab_size=entries.integer("vocab_size"),
        layers=entries.integer("num_hidden_layers"),
        d_model=entries.integer("hidden_size"),
        heads=entries.integer("num_attention_heads"),
        kv_heads=entries.integer(
            "num_key_value_heads", default=entries.integer("num_attention_heads")
        ),
        head_dim=entries.integer("head_dim") if entries.values.get("head_dim") else None,
        mlp_dim=entries.integer("intermediate_size"),
        max_seq_len=entries.integer("max_position_embeddings", default=2048),
        rotary_base=rope.number("rope_theta", default=10_000.0),
        rope_scaling=_stretch(rope),
        norm_eps=entries.number("rms_norm_eps", default=1e-6),
        qkv_bias=kind == "qwen2",
        tie_embeddings=entries.flag("tie_word_embeddings"),
    )


def _rope(entries: _Entries) -> _Entries:
    """Rotary settings, combined like in transformers.

    They are in `rope_parameters` since transformers 5, and before in `rope_scaling` and flat
    keys. If both mappings exist, the older one applies.
    """
    for name in ("rope_scaling", "rope_parameters"):
        if not isinstance(entries.values.get(name) or {}, Mapping):
            raise ModelFileError(
                f"{entries.file}: {name!r} is not a mapping", got=entries.values[name]
            )
    own = dict(entries.values.get("rope_scaling") or entries.values.get("rope_parameters") or {})
    if any(isinstance(value, Mapping) for value in own.values()):
        raise ModelFileError(
            f"{entries.file}: rotary settings for each kind of layer are not supported",
            got=", ".join(own),
        )
    names = ("rope_theta", "partial_rotary_factor")
    flat = {
        name: values[name]
        for values in (entries.values.get("rope_parameters") or {}, entries.values)
        for name in names
        if values.get(name) is not None
    }
    kinds = [own[name] for name in ("rope_type", "type") if own.get(name) is not None]
    if len(kinds) == 2 and kinds[0] != kinds[1]:
        # transformers 4 uses the second of them, transformers 5 the first.
        raise ModelFileError(
            f"{entries.file}: 'rope_type' and 'type' of the rotary scaling contradict each other",
            got=f"{kinds[0]} and {kinds[1]}",
            fix="remove one of them",
        )
    own["rope_type"] = kinds[0] if kinds else "default"
    return _Entries(entries.file, {**flat, **own})


def _stretch(rope: _Entries) -> float:
    """The linear RoPE scaling factor.

    Raises:
        ModelFileError: a scaling that this decoder does not support (``dynamic``, ``yarn``,
            ``llama3``, ``longrope`` ...).
    """
    if rope.one_of("rope_type", ("default", "linear"), "default") == "default":
        return 1.0
    return rope.number("factor")


def describe_gguf(header: GGUFHeader, tensors: Tensors) -> DescribedModel:
    """The model of a GGUF file.

    Raises:
        ModelFileError: an architecture that this decoder does not support, or a missing key.
    """
    file, arch = header.path.name, header.architecture
    if arch not in ("llama", "qwen2", "phi2"):
        raise ModelFileError(
            f"{file}: an architecture that this decoder does not support",
            got=arch,
            allowed="llama, qwen2, phi2",
            fix="run it with the llama.cpp engine",
        )
    prefix = f"{arch}."
    entries = _Entries(
        file,
        {
            key.removeprefix(prefix): value
            for key, value in header.metadata.items()
            if key.startswith(prefix)
        },
    )
    embedding = tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise ModelFileError(f"{file}: the tensor 'token_embd.weight' is missing")
    try:
        config = (_gguf_phi2 if arch == "phi2" else _gguf_llama)(entries, tensors)
    except InputError as error:
        raise ModelFileError(f"{file}: {error}") from error
    layout = gguf_phi2_layout(config) if arch == "phi2" else gguf_llama_layout(config, arch)
    return DescribedModel(config, layout)


def _gguf_llama(entries: _Entries, tensors: Tensors) -> DecoderConfig:
    if entries.number("expert_count", default=0):
        raise ModelFileError(f"{entries.file}: mixtures of experts are not supported")
    heads = entries.integer("attention.head_count")
    head_dim = entries.integer(
        "attention.key_length", default=entries.integer("embedding_length") // heads
    )
    if entries.integer("rope.dimension_count", default=head_dim) != head_dim:
        raise ModelFileError(f"{entries.file}: partial rotary embeddings are not supported")
    return llama_config(
        vocab_size=tensors["token_embd.weight"].shape[0],
        layers=entries.integer("block_count"),
        d_model=entries.integer("embedding_length"),
        heads=heads,
        kv_heads=entries.integer("attention.head_count_kv", default=heads),
        head_dim=head_dim,
        mlp_dim=entries.integer("feed_forward_length"),
        max_seq_len=entries.integer("context_length"),
        rotary_base=entries.number("rope.freq_base", default=10_000.0),
        rope_scaling=_gguf_stretch(entries, tensors),
        norm_eps=entries.number("attention.layer_norm_rms_epsilon"),
        qkv_bias="blk.0.attn_q.bias" in tensors,
        tie_embeddings="output.weight" not in tensors,
    )


_ROTARY_TENSORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")


def _gguf_stretch(entries: _Entries, tensors: Tensors) -> float:
    """The linear RoPE scaling factor, as llama.cpp reads it.

    A factor without a type is ``linear``; the older key is ``rope.scale_linear``; a factor of 0
    and the type ``none`` both mean no scaling.

    Raises:
        ModelFileError: a scaling that this decoder does not support.
    """
    for name in _ROTARY_TENSORS:
        if name in tensors:
            raise ModelFileError(
                f"{entries.file}: rotary factors for each frequency are not supported",
                got=name,
                fix="run it with the llama.cpp engine",
            )
    if entries.number("rope.scaling.attn_factor", default=1.0) != 1:
        raise ModelFileError(
            f"{entries.file}: a rotary attention factor is not supported",
            got=entries.values["rope.scaling.attn_factor"],
            fix="run it with the llama.cpp engine",
        )
    kind = entries.one_of("rope.scaling.type", ("none", "linear"), "linear")
    factor = entries.number("rope.scaling.factor", "rope.scale_linear", default=0.0)
    return 1.0 if kind == "none" or factor == 0 else factor


def _gguf_phi2(entries: _Entries, tensors: Tensors) -> DecoderConfig:
    heads = entries.integer("attention.head_count")
    if _gguf_stretch(entries, tensors) != 1 or entries.number("rope.freq_base", default=1e4) != 1e4:
        raise ModelFileError(f"{entries.file}: only Phi exports of CodeGen models are read")
    return codegen_config(
        layers=entries.integer("block_count"),
        heads=heads,
        head_dim=entries.integer("embedding_length") // heads,
        rotary_size=entries.integer(
            "rope.dimension_count", default=entries.integer("embedding_length") // heads
        ),
        vocab_size=tensors["token_embd.weight"].shape[0],
        max_seq_len=entries.integer("context_length"),
        mlp_dim=entries.integer("feed_forward_length"),
        norm_eps=entries.number("attention.layer_norm_epsilon"),
    )
