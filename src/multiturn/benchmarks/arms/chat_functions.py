r"""HumanEval in chat form: the prompts of two published harnesses, and the function in an answer.

An instruct model is scored in chat form everywhere: it gets the function as a request, its answer
is forced to begin with a code fence, and the function is taken from the fenced code.

`AUTHORS` is the form of the Qwen2.5-Coder authors (QwenLM/Qwen2.5-Coder,
``qwencoder-eval/instruct/eval_plus/convert_data.py``), `EVALPLUS` that of the EvalPlus harness
(``evalplus/provider/utility.py``).
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from multiturn.synthesis.chat_template import ChatTemplate, Message
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.trimming import longest_parsing_prefix

__all__ = ["AUTHORS", "EVALPLUS", "ChatForm", "aligned_program", "definitions"]

FENCE = "```"


@dataclass(frozen=True, slots=True)
class ChatForm:
    """How a function is asked for.

    Attributes:
        name: of the arm.
        system: the system message; None for that of the template.
        request: the message, with ``{function}`` for the prompt without space at its ends.
        answer: the beginning of the answer, which the model continues.
    """

    name: str
    system: str | None
    request: str
    answer: str

    def render(self, template: ChatTemplate, function: str) -> str:
        """The conversation and the beginning of the answer."""
        messages: list[Message] = [] if self.system is None else [("system", self.system)]
        messages.append(("user", self.request.format(function=function.strip())))
        return template.render(messages) + self.answer


AUTHORS = ChatForm(
    name="chat",
    system="You are an intelligent programming assistant to produce Python algorithmic solutions",
    request="Can you complete the following Python function?\n```python\n{function}\n```",
    answer="```python\n",
)

EVALPLUS = ChatForm(
    name="chat_evalplus",
    system=None,
    request="Please provide a self-contained Python script that solves the following problem in "
    "a markdown code block:\n```\n{function}\n```\n",
    answer="Below is a Python script with a self-contained function that solves the problem and "
    "passes corresponding tests:\n```python\n",
)


def aligned_program(prompt: str, entry_point: str, answer: str) -> str:
    r"""The program to judge: what stands before the function in the prompt, then the answer.

    Imports and helpers of the prompt precede the answer, which often leaves them out. Statements
    of the answer that define nothing, such as an example call, are dropped. An answer that is the
    body of the function follows its head. A function under another name, if it is the only one
    besides the prompt's helpers, is called by both names.

    Args:
        prompt: imports, helpers, the head of the function and its docstring.
        entry_point: the name of the function.
        answer: the fenced code.

    Example:
        >>> print(aligned_program("import re\ndef f(x):\n    '''Double x.'''\n", "f",
        ...     "def double(x):\n    return 2 * x\n\nprint(double(3))"))
        import re
        def double(x):
            return 2 * x
        f = double
    """
    answer = answer.rstrip()
    indented = next((line for line in answer.split("\n") if line.strip()), "").startswith(" ")
    if indented and parse_module(f"{prompt}{answer}\n") is not None:
        return f"{prompt}{answer}\n"
    if parse_module(answer) is None:
        answer = longest_parsing_prefix("", answer)
    preamble = _preamble(prompt, entry_point)
    code = definitions(answer)
    program = "\n".join(part for part in (preamble, code) if part)
    names = _function_names(code)
    if entry_point not in names:
        helpers = _function_names(preamble)
        others = [name for name in names if name not in helpers]
        if len(others) == 1:
            program += f"\n{entry_point} = {others[0]}"
    return program


def definitions(code: str) -> str:
    """The imports, definitions and assignments at the top level of some code, as written.

    Code that does not parse is returned unchanged.
    """
    tree = parse_module(code)
    if tree is None:
        return code
    lines = code.split("\n")
    return "\n".join(
        "\n".join(lines[_first_line(statement) - 1 : statement.end_lineno])
        for statement in tree.body
        if _defines(statement)
    )


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr | ast.Assert):
        return False
    if isinstance(statement, ast.If):
        return "__name__" not in ast.unparse(statement.test)
    return True


def _first_line(statement: ast.stmt) -> int:
    decorators: Sequence[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _preamble(prompt: str, entry_point: str) -> str:
    """The part of a prompt before its function."""
    tree = parse_module(prompt)
    if tree is None:
        tree = parse_module(f"{prompt}    pass\n")
    if tree is None:
        return ""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == entry_point:
            return "\n".join(prompt.split("\n")[: _first_line(statement) - 1]).rstrip()
    return ""


def _function_names(code: str) -> list[str]:
    tree = parse_module(code)
    found = [] if tree is None else tree.body
    return [each.name for each in found if isinstance(each, ast.FunctionDef)]
