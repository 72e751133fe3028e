"""A model by name or path, as arrays in memory: for experiments with the decoder itself."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.resolve_model import model_tokenizer, resolve_model
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer

__all__ = ["LoadedModel", "load_model"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A decoder with its weights, as `multiturn.models.decoder.forward` takes them.

    Attributes:
        config: layers, heads and sizes.
        parameters: the arrays; their axes are described in `multiturn.models`.
        tokenizer: from text to the ids that the model reads, and back.
    """

    config: DecoderConfig
    parameters: Parameters
    tokenizer: Tokenizer


def load_model(name_or_path: str, *, dtype: str | None = None) -> LoadedModel:
    """Load the weights of a model into memory.

    Args:
        name_or_path: a name that ``multiturn models`` lists, a GGUF file, or the directory of a
            checkpoint. A known name is downloaded first if it is not on this machine.
        dtype: ``float32``, ``bfloat16`` or ``float16``; the checkpoint's own by default
            (float32 for quantized files).

    Raises:
        UnknownNameError, HubError, StorageError: the model's files are not available.
        ModelFileError: a file is missing or broken, or the model has no tokenizer.
        InputError: no such dtype.

    Example:
        ::

            from multiturn import load_model
            from multiturn.models.decoder import forward

            model = load_model("family-1m-mono", dtype="float32")
            tokens = jnp.asarray([model.tokenizer.encode("def main():")])  # (B, T)
            logits = forward(model.parameters, tokens, model.config)  # (B, T, V)
    """
    path = resolve_model(name_or_path)
    checkpoint = open_checkpoint(path)
    return LoadedModel(checkpoint.config, load_parameters(checkpoint, dtype), model_tokenizer(path))
