"""Assembles a program from the code of its steps.

A step may mix imports, functions, types and statements, or be a complete program. Its parts are
found by the language's grammar and go where the language wants them: imports to the top, functions
and types outside `main`, statements into it. What does not parse goes to the statements as it is,
so that the compiler says what is wrong.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from multiturn.text.grammar import Query, longest_parsing_step
from multiturn.text.languages import Grammar, Language, ProgramLayout, language
from multiturn.text.shared_variables import shared_variables
from multiturn.text.step_parts import (
    Edit,
    StepPart,
    StepParts,
    descendants,
    divide,
    identifiers,
    queries_of,
)

__all__ = [
    "Assembly",
    "assemble",
    "assemble_program",
    "completed_step",
    "shown_steps",
    "steps_in_order",
    "tidy_step",
]

_LAST_RETURN = re.compile(r"\s*\breturn( 0)?;?$")
_CLOSED_MAIN = re.compile(r"\s*(?:\}[ \t]*(?://.*)?\n\s*){1,2}")


def assemble(name: str, header: str, steps: Sequence[tuple[str, str]]) -> str:
    r"""The program of some steps.

    Args:
        name: the language.
        header: the beginning of the program: imports, and whatever else a step may have.
        steps: the prompt of each, which becomes a comment, or nothing; and its code.

    Raises:
        UnknownNameError: there is no such language.
        MissingDependencyError: the package of its grammar is not installed.
    """
    return assemble_program(language(name), header, steps).text


def steps_in_order(entry: Language, header: str, steps: Sequence[tuple[str, str]]) -> str:
    """The steps one after the other below the header, each with its prompt as a comment."""
    return _in_order(entry, header, steps).text


def shown_steps(entry: Language, header: str, steps: Sequence[tuple[str, str]]) -> str:
    """The steps in order, as a model sees and continues them.

    In Python that is the program itself. Where statements belong into `main`, it is opened above
    the first step and stays open: below functions alone a model writes further functions, or
    nothing but comments.
    """
    if entry.layout is None:
        return steps_in_order(entry, header, steps)
    plain = [(prompt, textwrap.dedent(code)) for prompt, code in steps]
    below = textwrap.indent(steps_in_order(entry, "", plain), entry.step_indent)
    return f"{header}{entry.main_opened}{below}"


def completed_step(entry: Language, text: str) -> str:
    r"""The step at the beginning of a text that continues the steps of a program.

    That is the longest beginning that parses, and functions and types behind a `main` that the
    text closes.

    Example:
        >>> from multiturn.text.languages import language
        >>> completed_step(language("c"), "    f(1);\n}\n\nint g(void) { return 2; }\n\nint h(")
        '    f(1);\n\nint g(void) { return 2; }'

    Raises:
        MissingDependencyError: the grammar's package is not installed.
    """
    return _completion(entry, text)[0]


def _completion(entry: Language, text: str) -> tuple[str, str]:
    """The step, and what is left of the text."""
    step = longest_parsing_step(entry, text)
    rest = text[len(step) :]
    if entry.layout is None or not rest.lstrip().startswith("}"):
        return step, rest
    step = _LAST_RETURN.sub("", step)  # it would end the steps that follow
    closed = _CLOSED_MAIN.match(rest)
    if closed is None:
        return step, rest
    behind = longest_parsing_step(entry, rest[closed.end() :])
    parts = divide(entry, behind)
    if parts is None or not parts.parts or parts.statements:
        return step, rest
    return f"{step}\n\n{behind}", rest[closed.end() + len(behind) :]


@dataclass(frozen=True, slots=True)
class Assembly:
    """A program and where its lines come from."""

    text: str
    steps: tuple[int | None, ...]
    """For each line the index of its step, or None."""
    in_order: bool = False
    """Whether the program is its steps one after the other."""

    def step_at(self, line: int) -> int | None:
        """The index of the step of a line, from 1; None if it is of no step."""
        return self.steps[line - 1] if 1 <= line <= len(self.steps) else None


def assemble_program(entry: Language, header: str, steps: Sequence[tuple[str, str]]) -> Assembly:
    """Like `assemble`, with the lines of each step.

    Raises:
        MissingDependencyError: the package of the grammar is not installed.
    """
    if entry.grammar is None:
        return _in_order(entry, header, steps)
    program = _program(entry, entry.grammar, header, steps, frozenset())
    shared = shared_variables(entry, program.parts()) if entry.layout is not None else None
    if shared:
        program = _program(entry, entry.grammar, header, steps, shared)
    if entry.layout is not None:
        return program.laid_out(entry.layout)
    edited = [(prompt, program.edited(number)) for number, (prompt, _) in enumerate(steps)]
    return _in_order(entry, header, edited)


def _program(
    entry: Language,
    grammar: Grammar,
    header: str,
    steps: Sequence[tuple[str, str]],
    shared: AbstractSet[str],
) -> _Program:
    program = _Program(entry, grammar, shared)
    program.add(None, "", header)
    for number, (prompt, code) in enumerate(steps):
        program.add(number, entry.as_comment(prompt) if prompt else "", code)
    return program


def tidy_step(entry: Language, code: str) -> str:
    """The step in a model's answer: what is in a `main` that it wrote around it.

    Where only a brace is missing at the end of that `main`, or is too many, the step is what it
    would be with the right ones.

    Raises:
        MissingDependencyError: the package of the grammar is not installed.
    """
    if entry.grammar is None or entry.layout is None:
        return code
    for ending in ("", "\n}", "\n}\n}"):
        parts = divide(entry, code + ending)
        if parts is not None and parts.unwrapped:
            return parts.flat()
        if parts is not None and not ending:
            return code
    completed, rest = _completion(entry, code)
    if not rest.strip():
        return completed
    shorter = code.rstrip()
    while shorter.endswith("}"):
        shorter = shorter[:-1].rstrip()
        if divide(entry, shorter) is not None:
            return _LAST_RETURN.sub("", shorter)
    return code


def _in_order(entry: Language, header: str, steps: Sequence[tuple[str, str]]) -> Assembly:
    text = header
    lines: list[int | None] = [None] * header.count("\n")
    for number, (prompt, code) in enumerate(steps):
        comment = entry.as_comment(prompt) if prompt else ""
        part = f"{comment}{code.rstrip()}\n" if number == 0 else f"\n{comment}{code.rstrip()}\n"
        text += part
        lines += [number] * part.count("\n")
    return Assembly(text, tuple(lines), in_order=True)


@dataclass(slots=True)
class _Step:
    """A step of a program; the header has no number."""

    number: int | None
    comment: str
    code: str
    parts: StepParts | None


@dataclass(slots=True)
class _Placed:
    """A part at its place in a program."""

    step: _Step
    text: str
    part: StepPart | None = None
    movable: bool = True


@dataclass(frozen=True, slots=True)
class _Declaration:
    """The first declaration of a variable by a statement."""

    type: str | None
    step: StepParts
    edit: Edit | None


class _Program:
    """The steps of a program, and where their parts go."""

    def __init__(self, entry: Language, grammar: Grammar, shared: AbstractSet[str]) -> None:
        self._grammar = grammar
        self._shared = shared
        self._queries = queries_of(entry)
        self._entry = entry
        self._steps: list[_Step] = []
        self._declared: dict[str, _Declaration] = {}

    def add(self, number: int | None, comment: str, code: str) -> None:
        """Add a step; None is the header."""
        parts = divide(self._entry, code, self._shared - self._declared.keys())
        self._steps.append(_Step(number, comment, code, parts))
        if parts is None or self._grammar.redeclared is None:
            return
        for node in (*parts.shared, *parts.statements):
            self._let_redeclare(parts, node, self._grammar.redeclared)

    def parts(self) -> list[StepParts]:
        """The parts of the steps that parse."""
        return [step.parts for step in self._steps if step.parts is not None]

    def edited(self, number: int) -> str:
        """The code of a step with its edits."""
        step = next(each for each in self._steps if each.number == number)
        return step.code if step.parts is None or not step.parts.edits else step.parts.flat()

    def laid_out(self, layout: ProgramLayout) -> Assembly:
        """The program with its parts in their places."""
        imports: dict[str, str] = {}
        outside: dict[tuple[str, ...], _Placed] = {}
        main: list[_Placed] = []
        for step in self._steps:
            if step.parts is None:
                main.append(_Placed(step, step.code.strip("\n")))
                continue
            shown = False
            for part in step.parts.parts:
                placed = _Placed(step, step.parts.text(part), part, step.parts.movable(part))
                shown |= part.kind != "import"
                if part.kind == "import":
                    imports.setdefault(part.name[0], placed.text)
                elif part.kind in ("outside", "shared"):
                    if part.name not in outside or outside[part.name].text != placed.text:
                        outside[part.name] = placed
                elif main and main[-1].step is step:
                    main[-1].text += f"\n{placed.text}"
                    main[-1].movable &= placed.movable
                else:
                    main.append(placed)
            if not shown and step.comment:
                main.append(_Placed(step, ""))  # its prompt alone
        if self._grammar.import_uses:
            imports = self._used_imports(imports, layout)
        lines = _Lines()
        first, between, last = layout.imports
        if layout.package:
            lines.add(None, f"{layout.package}\n")
        if imports:
            lines.add(None, f"{first}{between.join(imports.values())}{last}\n")
        before, after = layout.outside_around
        if before:
            lines.add(None, before)
        lines.add_parts(_shared_before_use(outside.values()), layout.outside_indent)
        if outside:
            lines.add(None, "")
        lines.add(None, layout.main_around[0])
        lines.add_parts(main, layout.main_indent)
        unread = self._unread() if layout.use else []
        if unread:
            blanks = ", ".join("_" for _ in unread)
            use = layout.use.format(blanks=blanks, names=", ".join(unread))
            lines.add(None, f"{layout.main_indent}{use}")
        lines.add(None, layout.main_around[1])
        if after:
            lines.add(None, after)
        return lines.assembly()

    def _let_redeclare(self, parts: StepParts, node: Any, replacement: str) -> None:
        """Let a statement set a variable that is declared already, instead of declaring it."""
        matches = list(self._queries.declared.matches(node))
        names = {each.text.decode() for match in matches for each in match["name"]}
        known = names & self._declared.keys()
        edits = {_edit(parts, match, replacement) for match in matches}
        edit = edits.pop() if len(edits) == 1 else None
        kind = matches[0]["type"][0].text.decode() if matches and "type" in matches[0] else None
        for name in names - known:
            self._declared[name] = _Declaration(kind, parts, edit)
        if edit is None or not known:
            return
        if self._grammar.redeclare_all:
            parts.edits.append(edit)
            for first in (self._declared[name] for name in known):
                if first.edit is not None and first.edit not in first.step.edits:
                    first.step.edits.append(first.edit)
            return
        same = all(self._declared[name].type == kind for name in known)
        values = {each.type for each in descendants(node)}
        if known == names and same and not values & self._grammar.unset:
            parts.edits.append(edit)

    def _used_imports(self, imports: dict[str, str], layout: ProgramLayout) -> dict[str, str]:
        """The imports that are used, and those that are used and were forgotten."""
        variables = self._names(self._queries.written, "name")
        used = self._names(self._queries.import_uses, "use").keys() - variables.keys()
        named = {_imported_name(item): text for item, text in imports.items()}
        forgotten = layout.known_imports.keys() & used - named.keys()
        found = {name: text for name, text in named.items() if name in used or name in ("_", ".")}
        found |= {name: layout.known_imports[name] for name in forgotten}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def _unread(self) -> list[str]:
        """The variables of the statements that nothing reads, as far as names tell."""
        names = self._names(Query(self._entry, "(identifier) @name"), "name")
        written = self._names(self._queries.written, "name")
        new = self._names(self._queries.written, "new")
        return [
            name
            for name in self._declared
            # A variable of the same name elsewhere may be the one that is read.
            if name != "_"
            and name not in self._shared
            and (names[name] <= written[name] or new[name] > 1)
        ]

    def _names(self, query: Query, capture: str) -> Counter[str]:
        """How often each name is captured in all steps."""
        return Counter(
            node.text.decode()
            for step in self._steps
            if step.parts is not None
            for root in step.parts.tree.nodes
            for match in query.matches(root, inside=True)
            for node in match.get(capture, ())
        )


def _shared_before_use(outside: Iterable[_Placed]) -> list[_Placed]:
    """The parts outside `main`, each variable before the functions of earlier steps that use it."""
    found: list[_Placed] = []
    for placed in outside:
        at = len(found)
        if placed.part is not None and placed.part.kind == "shared":
            users = (
                number
                for number, each in enumerate(found)
                if each.part is not None
                and not identifiers(each.part.node).isdisjoint(placed.part.name)
            )
            at = next(users, at)
        found.insert(at, placed)
    return found


class _Lines:
    """The lines of a program as they are added."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._steps: list[int | None] = []

    def add(self, step: int | None, text: str) -> None:
        """Add lines of a step, or of none."""
        lines = text.split("\n")
        self._lines += lines
        self._steps += [step] * len(lines)

    def add_parts(self, parts: Sequence[_Placed], indent: str) -> None:
        """Add parts, each below the prompt of its step, with empty lines between."""
        for number, part in enumerate(parts):
            if number:
                self.add(None, "")
            text = part.text
            if part.movable:
                text = textwrap.indent(text, indent)
            if not number or parts[number - 1].step is not part.step:
                text = textwrap.indent(part.step.comment, indent) + text
            self.add(part.step.number, text.rstrip("\n"))

    def assembly(self) -> Assembly:
        """The program."""
        return Assembly("".join(f"{line}\n" for line in self._lines), tuple(self._steps))


def _edit(parts: StepParts, match: dict[str, list[Any]], replacement: str) -> Edit | None:
    """What takes the place of the words that make a statement a declaration."""
    if "cut" not in match:
        return None
    cut = match["cut"][0]
    if replacement:
        return (cut.start_byte, cut.end_byte, replacement)
    if cut.start_byte != cut.parent.start_byte:
        return None  # a constant, for example
    after = parts.tree.source[cut.end_byte :]
    return (cut.start_byte, cut.end_byte + len(after) - len(after.lstrip()), "")


def _imported_name(item: str) -> str:
    """The name of an import: its own, or the last part of its path."""
    name, _, path = item.rpartition(" ")
    return name or path.strip('"`').rpartition("/")[2]
