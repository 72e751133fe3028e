"""The hub's settings beside a tokenizer: which tokens surround a prompt, and which end a text.

They work as in transformers:

- The template of ``tokenizer.json``'s post-processor surrounds a prompt. Tokenizers of the classes
  in `_OWN_TEMPLATE` use ``add_bos_token`` and ``add_eos_token`` of ``tokenizer_config.json``
  instead.
- A text ends at each ``eos_token_id`` of ``generation_config.json``, or else of ``config.json``,
  or else at ``eos_token`` of ``tokenizer_config.json``, or else at ``<|endoftext|>``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiturn.core.errors import ModelFileError

__all__ = ["HubSettings", "read_hub_settings"]

Ids = tuple[int, ...]
FindId = Callable[[str], int | None]

_OWN_TEMPLATE = {
    "Llama": True,
    "CodeLlama": True,
    "Gemma": True,
    "Cohere": True,
    "GPTNeoX": False,
}
"""Classes of tokenizers with their own template, and their default for ``add_bos_token``."""


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The content of the files beside a ``tokenizer.json``.

    Attributes:
        tokenizer: content of ``tokenizer_config.json``.
        model: content of ``config.json``.
        generation: content of ``generation_config.json``.
    """

    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    generation: Mapping[str, Any] = field(default_factory=dict)

    def token_text(self, name: str) -> str | None:
        """The text of ``bos_token`` or ``eos_token``; None if there is none."""
        value = self.tokenizer.get(name)
        if isinstance(value, Mapping):
            value = value.get("content")
        return value if isinstance(value, str) else None

    def ends(self, find_id: FindId) -> Ids:
        """The ids that end a text, in the order of the file."""
        for values in (self.generation, self.model):
            if found := _ids(values.get("eos_token_id")):
                return found
        end = self.token_text("eos_token")
        found_id = None if end is None else find_id(end)
        return () if found_id is None else (found_id,)

    def document_end(self) -> int | None:
        """The id after a document of training data, from ``config.json``; a chat may end with
        another one.
        """
        return next(iter(_ids(self.model.get("eos_token_id"))), None)

    def around(self, post_processor: Any, find_id: FindId) -> tuple[Ids, Ids]:
        """The ids before and after a prompt.

        Args:
            post_processor: the post-processor of ``tokenizer.json``.
            find_id: gives the id of a token by its text.

        Raises:
            ModelFileError: a token to add is not in the vocabulary.
        """
        kind = str(self.tokenizer.get("tokenizer_class") or "").removesuffix("Fast")
        default = _OWN_TEMPLATE.get(kind.removesuffix("Tokenizer"))
        if default is None:
            return _template(post_processor)
        sides: list[Ids] = []
        for name, token, usual in (
            ("add_bos_token", "bos_token", default),
            ("add_eos_token", "eos_token", False),
        ):
            wanted = self.tokenizer.get(name)
            if not (usual if wanted is None else wanted):
                sides.append(())
                continue
            text = self.token_text(token)
            found = None if text is None else find_id(text)
            if found is None:
                raise ModelFileError(
                    f"tokenizer_config.json: {name} is set, but the tokenizer has no such token",
                    got=text,
                    fix=f"set {token}, or set {name} to false",
                )
            sides.append((found,))
        return sides[0], sides[1]


def read_hub_settings(directory: Path) -> HubSettings:
    """Read those of the three files that exist.

    Raises:
        ModelFileError: a file is broken.
    """
    return HubSettings(
        _read(directory / "tokenizer_config.json"),
        _read(directory / "config.json"),
        _read(directory / "generation_config.json"),
    )


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{file.name} cannot be read: {error}", got=str(file), fix="download the file again"
        ) from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{file.name} is not a JSON object", fix="download the file again")
    return content


def _ids(value: Any) -> Ids:
    """An id or a list of ids, without invalid values."""
    each = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(token for token in each if type(token) is int and token >= 0))


def _template(post_processor: Any) -> tuple[Ids, Ids]:
    """The ids that a post-processor puts before and after a text."""
    before: list[int] = []
    after: list[int] = []
    for step in _steps(post_processor):
        match step.get("type"):
            case "TemplateProcessing":
                ids = {
                    name: [int(token) for token in special.get("ids", ())]
                    for name, special in (step.get("special_tokens") or {}).items()
                }
                front, back = _sides(step.get("single") or (), ids)
                before[:0] = front
                after += back
            case "BertProcessing" | "RobertaProcessing":
                before.insert(0, int(step["cls"][1]))
                after.append(int(step["sep"][1]))
    return tuple(before), tuple(after)


def _sides(
    pieces: Sequence[Mapping[str, Any]], ids: Mapping[str, list[int]]
) -> tuple[list[int], list[int]]:
    sides: tuple[list[int], list[int]] = ([], [])
    behind = 0
    for piece in pieces:
        if "Sequence" in piece:
            behind = 1
        elif "SpecialToken" in piece:
            sides[behind].extend(ids.get(piece["SpecialToken"].get("id"), ()))
    return sides


def _steps(part: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(part, Mapping):
        return
    if part.get("type") == "Sequence":
        for inner in part.get("processors") or ():
            yield from _steps(inner)
    else:
        yield part
