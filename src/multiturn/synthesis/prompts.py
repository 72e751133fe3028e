"""Prompt styles for the next step: the paper's comments, or the model's chat template."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from multiturn.core.errors import InputError
from multiturn.engines.protocol import EngineInfo
from multiturn.synthesis.chat_template import ChatTemplate
from multiturn.synthesis.defaults import loop_defaults
from multiturn.synthesis.demonstration import DEMONSTRATION, NEW_PROGRAM
from multiturn.synthesis.program_text import PYTHON
from multiturn.synthesis.records import StyleName
from multiturn.synthesis.strategy import Strategy
from multiturn.synthesis.trimming import strip_repeated_history, strip_repeated_steps
from multiturn.text.assembly import shown_steps, steps_in_order
from multiturn.text.languages import Language
from multiturn.text.truncation import FenceEnd, NextComment, PublishedRule, StopRule

__all__ = [
    "ChatStyle",
    "CommentStyle",
    "FailedAttempt",
    "PromptStyle",
    "FinishedTurn",
    "chat_template_of",
    "choose_style",
]

FENCE = "```"


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    """A finished turn: its prompt and its code."""

    prompt: str
    code: str


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failed attempt at the step: its code, and a short description of what went wrong."""

    code: str
    message: str


class PromptStyle(Protocol):
    """Formats a history and a turn as the text that a model continues.

    The text of a history is an exact prefix of the text of every longer history that starts with
    it, so that the prefix cache of an engine is used from turn to turn.
    """

    @property
    def name(self) -> StyleName:
        """The name in settings and records."""
        ...

    @property
    def parse_special(self) -> bool:
        """Whether the text contains special tokens of the model."""
        ...

    @property
    def stop(self) -> StopRule:
        """The rule that ends the step."""
        ...

    def render(
        self,
        header: str,
        history: Sequence[FinishedTurn],
        prompt: str,
        failure: FailedAttempt | None = None,
        notes: str = "",
    ) -> str:
        """The text to continue. `notes` precede the prompt, and are not part of any history."""
        ...

    def clean(self, text: str, history: Sequence[FinishedTurn]) -> str:
        """The code in the generated text (after the stop rule)."""
        ...


@dataclass(frozen=True, slots=True)
class CommentStyle:
    r"""The paper's format: the program so far, then the turn as a comment.

    Source: Nijkamp et al., section 4. A turn of several lines is a comment of several lines.
    The text is never parsed for special tokens, so a turn cannot contain any.

    Example:
        >>> CommentStyle().render("", [FinishedTurn("Set x to 1.", "x = 1")], "Print x.")
        '# Set x to 1.\nx = 1\n\n# Print x.\n'
    """

    name: StyleName = "comment"
    parse_special: bool = False
    stop: StopRule = field(default_factory=PublishedRule)
    demonstrate: bool = False
    written_in: Language = PYTHON

    def render(
        self,
        header: str,
        history: Sequence[FinishedTurn],
        prompt: str,
        failure: FailedAttempt | None = None,
        notes: str = "",
    ) -> str:
        """The program so far and the turn; a failed attempt follows as a comment."""

        def as_comment(said: str) -> str:
            return textwrap.indent(self.written_in.as_comment(said), self.written_in.step_indent)

        steps = [(step.prompt, step.code) for step in history]
        text = shown_steps(self.written_in, header, steps) + ("\n" if history else "")
        if self.demonstrate:
            shown = steps_in_order(self.written_in, "", DEMONSTRATION)
            text = f"{shown}\n\n{as_comment(NEW_PROGRAM)}\n{text}"
        text += as_comment(notes) if notes else ""
        text += as_comment(prompt)
        if failure is not None:
            text += as_comment(
                f"This was wrong ({failure.message}):\n{_indented(failure.code)}\nCorrected:"
            )
        return text

    def clean(self, text: str, history: Sequence[FinishedTurn]) -> str:
        """The text without surrounding blank lines; if it has a code fence, only its content.

        The published format has no fences, but instruct models write them anyway.
        """
        del history
        lines = text.split("\n")
        fences = [at for at, line in enumerate(lines) if line.startswith(FENCE)]
        if fences:
            opening = fences[0]
            if any(line.strip() for line in lines[:opening]) and len(fences) == 1:
                lines = lines[:opening]  # code, then a closing fence without an opening one
            else:
                closing = fences[1] if len(fences) > 1 else len(lines)
                lines = lines[opening + 1 : closing]
        code = "\n".join(lines).rstrip().lstrip("\n")
        return code if self.written_in.layout is None else textwrap.dedent(code)


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """The model's chat template; each step is an answer in a Markdown code fence.

    The prompt opens the fence, so that the answer is code from the first token and ends at the
    closing fence.
    """

    template: ChatTemplate
    name: StyleName = "chat"
    parse_special: bool = True
    stop: StopRule = field(default_factory=FenceEnd)
    demonstrate: bool = False
    written_in: Language = PYTHON

    def render(
        self,
        header: str,
        history: Sequence[FinishedTurn],
        prompt: str,
        failure: FailedAttempt | None = None,
        notes: str = "",
    ) -> str:
        """The conversation so far and an open answer; it includes a failed attempt and feedback."""
        fenced = self._fenced
        messages = [("system", self._instructions(header))]
        steps = [(step.prompt, step.code) for step in history]
        requests = [*(request for request, _ in steps), f"{notes}\n{prompt}" if notes else prompt]
        if self.demonstrate:
            requests[0] = f"{NEW_PROGRAM}\n{requests[0]}"
            for request, code in DEMONSTRATION:
                messages += [("user", request), ("assistant", fenced(code))]
        for request, (_, code) in zip(requests, steps, strict=False):
            messages += [("user", request), ("assistant", fenced(code))]
        messages.append(("user", requests[-1]))
        if failure is not None:
            messages += [
                ("assistant", fenced(failure.code)),
                (
                    "user",
                    f"That was wrong: {failure.message}\n"
                    "Write the code of this step again, corrected. "
                    "It takes the place of your last answer.",
                ),
            ]
        return self.template.render(messages) + f"{FENCE}{self.written_in.key}\n"

    def clean(self, text: str, history: Sequence[FinishedTurn]) -> str:
        """The text without surrounding blank lines and without repeating the program so far."""
        code = text.rstrip().lstrip("\n")
        done = [step.code for step in history]
        if self.written_in.grammar is not None:
            return strip_repeated_steps(self.written_in, code, done)
        return strip_repeated_history(code, done)

    def _instructions(self, header: str) -> str:
        name, place = self.written_in.name, self.written_in.place
        text = (
            f"You write a {name} program step by step. Each message asks for the next step. "
            f"Answer with the code of that step only, in one {name} code block. "
            "It is added to the end of the program so far, so use its variables and functions and "
            "do not repeat its code. Print only what the step asks to print."
        )
        if place:
            text += f" {place}"
        if header:
            text += f" The program begins with:\n{self._fenced(header.strip())}"
        return text

    def _fenced(self, code: str) -> str:
        return f"{FENCE}{self.written_in.key}\n{code}\n{FENCE}"


def choose_style(
    info: EngineInfo,
    wanted: Literal["auto", "comment", "chat"] = "auto",
    strategy: Strategy | None = None,
    written_in: Language = PYTHON,
) -> PromptStyle:
    """The style of that name; ``auto`` is what was best for the model (`loop_defaults`).

    Where nothing was measured, it is chat if the model has a template, else comment.

    docs/decisions/0007-prompt-styles.md has the measurements.

    Raises:
        InputError: ``chat`` for a model without a valid chat template.
    """
    if wanted == "auto":
        wanted = loop_defaults(info.model).style or "auto"
    strategy = strategy or Strategy()
    demonstrate = strategy.demonstrate and written_in.inspects  # what it shows is Python
    if wanted == "comment" or (wanted == "auto" and not info.chat_template):
        # The published rule is for Python: it knows `print` and `def`.
        published = strategy.comment_stop == "published" and written_in.inspects
        stop = (
            PublishedRule()
            if published
            else NextComment(mark=written_in.comment, indent=written_in.step_indent)
        )
        return CommentStyle(stop=stop, demonstrate=demonstrate, written_in=written_in)
    return ChatStyle(chat_template_of(info), demonstrate=demonstrate, written_in=written_in)


def chat_template_of(info: EngineInfo) -> ChatTemplate:
    """The chat template of a model.

    Raises:
        InputError: it has none.
    """
    if not info.chat_template:
        raise InputError(
            f"the model {info.model} has no chat template",
            fix="use the comment style, or an instruct model",
        )
    return ChatTemplate(info.chat_template, info.bos_token, info.eos_token)


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.split("\n"))
