"""Records drawn from templates, with the answer that each must print."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from multiturn.benchmarks.problem_set import header
from multiturn.core.errors import InputError
from recipes.data.bioinformatics_turns.drawing import Draw
from recipes.data.bioinformatics_turns.template import Filled, Template

__all__ = ["HEADER", "Drafted", "draw_records"]

HEADER = header(["numpy"])
"""That of the published benchmark: a record is laid out under it (see `NUMPY_HEADER`)."""

_TRIES = 50
"""How often a template is drawn anew for a record that repeats no other, nor a name."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A record and what its program must print."""

    id: str
    template: str
    turns: tuple[tuple[str, str], ...]
    """Prompt and code of each turn."""
    answer: object

    @property
    def program(self) -> str:
        """All code of the record."""
        return "\n\n".join([HEADER, *(code for _, code in self.turns)]) + "\n"

    @property
    def words(self) -> str:
        """All prompts, then all code: the text that is compared with benchmarks."""
        return "\n".join([*(prompt for prompt, _ in self.turns), *(code for _, code in self.turns)])

    def to_plain(self) -> dict[str, object]:
        """The line of a file of records."""
        turns = [{"prompt": prompt, "code": code} for prompt, code in self.turns]
        return {"id": self.id, "header": HEADER, "turns": turns}


def draw_records(templates: Iterable[Template], *, variants: int, seed: int) -> list[Drafted]:
    """Records of each template; no two have the same program.

    Raises:
        InputError: a template has too few different programs.
    """
    records: list[Drafted] = []
    programs: set[str] = set()
    for template in templates:
        for variant in range(variants):
            for attempt in range(_TRIES):
                filled = template.fill(Draw(f"{seed}/{template.name}/{variant}/{attempt}"))
                record = Drafted(
                    f"{template.name}/{variant}", template.name, filled.turns, filled.answer
                )
                if record.program not in programs and not _binds_twice(filled):
                    break
            else:
                raise InputError(f"the template {template.name} repeats itself", got=variants)
            programs.add(record.program)
            records.append(record)
    return records


def _binds_twice(filled: Filled) -> bool:
    """Whether a turn binds a drawn name of an earlier turn without being asked to.

    A loop variable or a parameter counts too: the words of a later turn mean the first one.
    """
    known: set[str] = set()
    for prompt, code in filled.turns:
        bound = {name for node in ast.walk(ast.parse(code)) for name in _bound(node)}
        if bound & known & filled.names - set(re.findall(r"\w+", prompt)):
            return True
        known |= bound
    return False


def _bound(node: ast.AST) -> list[str]:
    """The names that a node binds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.alias(name=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
    return []
