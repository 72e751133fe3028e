"""The chat template of a model: a Jinja program from its files, rendered in a sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from multiturn.core.errors import ModelFileError

__all__ = ["ChatTemplate", "escape_control_tokens"]

Message = tuple[str, str]
"""(role, content); the role is system, user or assistant."""

_BARRED = re.compile(r"<\|[^|<>\n]{1,80}\|>|<\uff5c[^\uff5c<>\n]{1,80}\uff5c>")
"""Tokens such as ``<|im_end|>``, with plain or full-width bars; no other text has this form."""

_OTHERS = re.compile(r"</?\w{1,40}>|\[/?[A-Z_]{2,40}\]|<</?SYS>>")
"""Tokens such as ``<start_of_turn>`` or ``[INST]``; only if the template contains them, because
HTML has the same form."""


def escape_control_tokens(text: str, tokens: Iterable[str] = ()) -> str:
    """`text` without control tokens: a space is inserted after the first character of each.

    The space is visible on purpose: the model reads nearly the same text, and nothing invisible
    gets into a program.

    Args:
        text: the words of a person, a program or a model.
        tokens: control tokens besides those of the form ``<|...|>``.

    Example:
        >>> escape_control_tokens("Stop at <|im_end|>, not at <b>.")
        'Stop at < |im_end|>, not at <b>.'
    """
    for token in tokens:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return _BARRED.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


class ChatTemplate:
    """Renders a conversation in the format that the model was trained on.

    The template comes from the files of a model, so it runs in Jinja's sandbox for untrusted code
    and has access to the messages only. Control tokens in the words of people and programs are
    escaped, so that a turn cannot end itself and continue as another role. Templates get no date:
    the same history gives the same text on any day.

    Args:
        source: the Jinja text.
        bos_token: the token that templates may put at the start.
        eos_token: the token that templates may put after an answer.

    Raises:
        ModelFileError: the template is invalid.
    """

    def __init__(self, source: str, bos_token: str = "", eos_token: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        environment.filters["tojson"] = _to_json
        named = {token for token in (bos_token, eos_token) if len(token) > 1}
        self._tokens = sorted(named | set(_OTHERS.findall(source)))
        self._names = {"bos_token": bos_token, "eos_token": eos_token}
        probe = [("system", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")]
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise _broken(error) from error
        # Some model families have no system role: its text then precedes the first request.
        self._has_system_role = True
        try:
            self._has_system_role = '"a"' in self._render(
                [(role, f'"{content}"') for role, content in probe]
            )
        except ModelFileError:
            self._has_system_role = False
        if not self._has_system_role:
            self._render(self._without_system(probe))

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation as text, up to the start of the next answer.

        Raises:
            ModelFileError: the template fails.
        """
        clean = [(role, escape_control_tokens(content, self._tokens)) for role, content in messages]
        return self._render(clean if self._has_system_role else self._without_system(clean))

    def _render(self, messages: Sequence[Message]) -> str:
        plain = [{"role": role, "content": content} for role, content in messages]
        try:
            return self._template.render(
                messages=plain, add_generation_prompt=True, tools=None, **self._names
            )
        except (TemplateError, SecurityError, TypeError, ValueError, LookupError) as error:
            raise _broken(error) from error

    @staticmethod
    def _without_system(messages: Sequence[Message]) -> list[Message]:
        if messages[0][0] != "system":
            return list(messages)
        (_, instructions), (role, first), *rest = messages
        return [(role, f"{instructions}\n\n{first}"), *rest]


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _broken(error: Exception) -> ModelFileError:
    return ModelFileError(
        f"the model's chat template cannot be used ({error})", fix="use the comment style"
    )
