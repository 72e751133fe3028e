"""What this project's own engines check when they load a model, and read beside its weights."""

from __future__ import annotations

import json
from pathlib import Path

from multiturn.core.errors import InputError, ModelFileError
from multiturn.engines.notices import NoticeListener
from multiturn.engines.protocol import EngineInfo, Feature
from multiturn.hub.formats.gguf import read_gguf_header
from multiturn.hub.resolve_model import model_tokenizer
from multiturn.models.config import DecoderConfig
from multiturn.text.tokenizers import Tokenizer

__all__ = ["MAX_SLOTS", "check_in_range", "context_window", "engine_info", "open_tokenizer"]

MAX_SLOTS = 1024
"""Continuations that an engine may decode at once."""


def context_window(config: DecoderConfig, asked: int | None) -> int:
    """Tokens of the context window: as asked, or else the model's own.

    Raises:
        InputError: it is out of range.
    """
    longest = config.max_seq_len
    context = longest if asked is None else asked
    check_in_range("the context window", context, min(64, longest), longest)
    return context


def check_in_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse a setting outside [low, high].

    Raises:
        InputError: it is.
    """
    if not low <= value <= high:
        raise InputError(f"{name} is out of range", got=value, allowed=f"{low} to {high}")


def open_tokenizer(path: Path, listen: NoticeListener) -> Tokenizer:
    """The tokenizer of a model.

    Args:
        path: a GGUF file, or a checkpoint's directory.
        listen: called with a notice where the tokenizer changes prompts.

    Raises:
        ModelFileError: the model has no readable tokenizer.
    """
    tokenizer = model_tokenizer(path)
    if tokenizer.changes:
        listen(
            "the model's tokenizer changes a prompt before the model reads it: "
            + "; ".join(tokenizer.changes)
        )
    return tokenizer


def engine_info(
    path: Path,
    tokenizer: Tokenizer,
    *,
    engine: str,
    context: int,
    slots: int,
    adapter: Path | None,
    weights_sha256: str | None,
    kernels: str = "",
    features: frozenset[Feature] = frozenset(),
) -> EngineInfo:
    """What results record about an engine that loaded the files at `path`.

    Raises:
        ModelFileError: a file that describes the tokenizer cannot be read.
    """
    if path.is_dir():
        name, template = path.resolve().name, _hub_template(path)
    else:
        header = read_gguf_header(path)
        name, template = header.name or path.stem, header.chat_template
    bos_text = tokenizer.bos_text
    return EngineInfo(
        engine=engine,
        model=name if adapter is None else f"{name}+{adapter.name}",
        weights_sha256=weights_sha256,
        context_window=context,
        chat_template=template,
        bos_token=_text(tokenizer, tokenizer.before) if bos_text is None else bos_text,
        eos_token=_text(tokenizer, tokenizer.end_of_text),
        slots=slots,
        kernels=kernels,
        features=features,
    )


def _hub_template(directory: Path) -> str | None:
    file = directory / "tokenizer_config.json"
    try:
        said = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{file.name} cannot be read: {error}") from error
    template = said.get("chat_template") if isinstance(said, dict) else None
    return template if isinstance(template, str) else None


def _text(tokenizer: Tokenizer, tokens: tuple[int, ...]) -> str:
    """The text of the first token."""
    return tokenizer.decode(tokens[:1])
