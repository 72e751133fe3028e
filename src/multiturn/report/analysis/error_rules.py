"""Why programs fail: one kind for each failure, assigned by rules, with the evidence.

The rules are tried in the order of `KINDS`' documentation in docs/report.md; the first that holds
gives the kind. What the program did (it raised, it ran out of time) comes before what its text
suggests (a name was redefined), and a cut by the truncation before both, because a program that was
cut is not the model's.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from multiturn.report.problem_texts import CaseTexts
from multiturn.report.records.sample_lines import FullLine, OutcomePart, VerdictPart

__all__ = ["KINDS", "ClassifiedError", "classify", "turn_of_line"]

KINDS: dict[str, str] = {
    "cut": "cut by the rules of truncation",
    "syntax": "does not parse",
    "import": "a module or name cannot be imported",
    "name": "a name is not defined",
    "type": "an operation on the wrong type, or an unknown attribute",
    "index_or_key": "an index or key that does not exist",
    "value": "an impossible value, such as a division by zero",
    "recursion": "endless recursion",
    "time": "did not end in time",
    "memory": "ran out of memory",
    "nothing_printed": "printed nothing",
    "wrong_form": "the right value in the wrong form",
    "misread_prompt": "a value of the prompt was misread",
    "redefined_variable": "a variable of an earlier turn was redefined",
    "ignored_turn": "a turn was ignored",
    "generated_on": "continued to generate beyond the task",
    "wrong_type": "a value of the wrong type",
    "wrong_value": "a wrong value",
    "other": "another error",
}
"""All kinds, each in words."""

_EXCEPTIONS = {
    "SyntaxError": "syntax", "IndentationError": "syntax", "TabError": "syntax",
    "ImportError": "import", "ModuleNotFoundError": "import",
    "NameError": "name", "UnboundLocalError": "name",
    "TypeError": "type", "AttributeError": "type",
    "IndexError": "index_or_key", "KeyError": "index_or_key",
    "ValueError": "value", "ZeroDivisionError": "value", "OverflowError": "value",
    "AxisError": "value", "LinAlgError": "value", "ArithmeticError": "value",
    "RecursionError": "recursion",
    "MemoryError": "memory", "_ArrayMemoryError": "memory",
}  # fmt: skip

_COMPILER_MESSAGES = (
    ("import", r"No such file or directory|package \S+ does not exist|could not import"
        r"|is not in (?:GOROOT|std)|no required module"),
    ("type", r"incompatible|cannot be (?:converted|applied|dereferenced)|invalid conversion"
        r"|conversion from|cannot convert|cannot use|no match|no suitable|no viable"
        r"|invalid (?:operand|operation|type argument)|mismatched types|bad operand|no member"
        r"|no field or method|too (?:many|few) arguments|not enough arguments|not applicable"
        r"|too many return values|not enough return values|missing return|non-void|array type"
        r"|storage size|not a (?:function|pointer)|cannot call|lossy conversion|incomparable"
        r"|actual and formal argument lists|cannot range over|cannot index|cannot assign"
        r"|from a static context|discards|no instance|could not convert|cannot bind|ambiguous"
        r"|invalid (?:initialization|use of void|method reference|argument)|void value|read-only"
        r"|declared void|in something not a|non-class type|cannot be used as a function"
        r"|return-statement with|assignment mismatch|used as value"),
    ("name", r"undeclared|not declared|cannot find symbol|^undefined: |undefined reference"
        r"|unknown type name|does not name a type|might not have been initialized"),
    ("syntax", r"syntax error|expected|illegal|unclosed|unterminated|missing terminating|stray"
        r"|reached end of file|not a statement|without 'try'|orphaned"),
)  # fmt: skip
"""Of gcc, javac and go; the first that is found gives the kind."""

_RUNTIME_MESSAGES = (
    ("memory", r"OutOfMemoryError|bad_alloc|out of memory"),
    ("recursion", r"StackOverflowError|Maximum call stack|stack overflow"),
    ("import", r"Cannot find (?:module|package)|ClassNotFound"),
    ("name", r"^ReferenceError"),
    ("value", r"\bin JSON\b|ArithmeticException|NumberFormat|IllegalArgument|InputMismatch"
        r"|divide by zero|invalid_argument|domain_error|length_error|NegativeArraySize"),
    ("index_or_key", r"IndexOutOfBounds|index out of range|slice bounds out of range|out_of_range"
        r"|NoSuchElement|EmptyStack"),
    ("type", r"NullPointer|ClassCast|nil pointer|nil map|bad_cast|bad_function_call"
        r"|bad_optional_access|interface conversion|UnsupportedOperation|ArrayStore"),
    ("value", r"^RangeError"),
)  # fmt: skip
"""Of the runtimes of JavaScript, Java, Go and C++."""

_STATUSES = {
    "syntax_error": "syntax",
    "timed_out_cpu": "time",
    "timed_out_wall": "time",
    "out_of_memory": "memory",
}

_PRINTS = re.compile(r"print|\bPrint(?:ln|f)?\(|console\.log|\bcout\b|\bput(?:s|char)\(|\.write\(")

_PART_OF_RULE = ("comment line", "second print", "second def", "three newlines", "triple quote")


@dataclass(frozen=True, slots=True)
class ClassifiedError:
    """The kind of a failure.

    Attributes:
        kind: a key of `KINDS`.
        evidence: what the rule saw, in one line.
        turn: where it shows, from 0; None if the records do not say.
    """

    kind: str
    evidence: str
    turn: int | None = None


def classify(line: FullLine, verdict: VerdictPart, case: CaseTexts | None) -> ClassifiedError:
    """The kind of a failed sample.

    Args:
        line: the sample.
        verdict: of the oracle by which it failed.
        case: the texts of its problem; without them some rules are not tried.
    """
    outcome = verdict.outcome
    if verdict.judgement == "no_output":
        return _printed_nothing(line)
    if verdict.judgement == "prevented" and outcome is not None:
        return _prevented(line, outcome)
    if verdict.judgement == "wrong_answer":
        return _wrong_answer(line, verdict.difference or "", case)
    return ClassifiedError("other", verdict.judgement.replace("_", " "))


def turn_of_line(line: FullLine, number: int | None) -> int | None:
    """The generation that wrote a line of the program, from 0; None if none did.

    Args:
        line: the sample.
        number: of the line, from 1.
    """
    if number is None:
        return None
    begin = 0
    for turn, step in enumerate(line.steps):
        found = line.program.find(step.text, begin) if step.text else -1
        if found < 0:
            continue
        first = line.program.count("\n", 0, found) + 1
        begin = found + len(step.text)
        if first <= number <= line.program.count("\n", 0, begin) + 1:
            return turn
    return None


def _prevented(line: FullLine, outcome: OutcomePart) -> ClassifiedError:
    turn = turn_of_line(line, outcome.line)
    error = outcome.error or outcome.signal or outcome.status.replace("_", " ")
    kind = _kind_of(outcome, error)
    if kind in ("syntax", "name"):
        cut = _cut_behind(line, kind, error, turn)
        if cut is not None:
            return cut
    return ClassifiedError(kind, _short(error), turn)


def _kind_of(outcome: OutcomePart, error: str) -> str:
    """The kind by Python's name of the exception, or by the words of another language's tools."""
    compiled = outcome.compiling and outcome.status == "syntax_error"
    if outcome.status in _STATUSES and not compiled:
        return _STATUSES[outcome.status]
    name = error.partition(":")[0].rpartition(".")[2]
    if name in _EXCEPTIONS and not compiled and " in JSON" not in error:
        return _EXCEPTIONS[name]
    words = _COMPILER_MESSAGES if compiled else _RUNTIME_MESSAGES
    return next((kind for kind, pattern in words if re.search(pattern, error)), "other")


def _cut_behind(line: FullLine, kind: str, error: str, turn: int | None) -> ClassifiedError | None:
    """A cut that explains a syntax or name error."""
    if kind == "name":
        found = re.search(r"name '(\w+)' is not defined", error)
        if found is None:
            return None
        binds = re.compile(rf"(?m)^\s*(?:def |class )?{found[1]}\b\s*[=(:]")
        for number, step in enumerate(line.steps):
            if step.cut_by and binds.search(step.raw_text.removeprefix(step.text)):
                return ClassifiedError(
                    "cut", f"{found[1]} is defined behind the cut at {step.cut_by}", number
                )
        return None
    last = len(line.steps) - 1 if turn is None else turn
    if 0 <= last < len(line.steps):
        step = line.steps[last]
        reason = step.cut_by or ("the maximum length" if step.finish_reason == "length" else None)
        # Only text at its very end can be broken by a cut.
        if reason and _parses_without_its_end(step.text):
            return ClassifiedError("cut", f"the text ends in the middle, at {reason}", last)
    return None


def _parses_without_its_end(text: str) -> bool:
    """Whether a text is broken in its last statement alone."""
    lines = text.rstrip().split("\n")
    for drop in range(1, min(len(lines), 4) + 1):
        if _parsed("\n".join(lines[:-drop])) is not None:
            return not _parsed(text)
    return False


def _printed_nothing(line: FullLine) -> ClassifiedError:
    for turn in reversed(range(len(line.steps))):
        step = line.steps[turn]
        if step.cut_by and any(part in step.cut_by for part in _PART_OF_RULE):
            if not _PRINTS.search(step.text):
                left = "nothing" if not step.text.strip() else "no print"
                return ClassifiedError("cut", f"the cut at {step.cut_by} left {left}", turn)
        elif step.finish_reason == "length" and turn == len(line.steps) - 1:
            return ClassifiedError(
                "generated_on", f"{step.new_tokens} tokens, the maximum, without a print", turn
            )
        if turn < len(line.steps) - 1:
            break
    return ClassifiedError("nothing_printed", "it ended without output")


def _wrong_answer(line: FullLine, difference: str, case: CaseTexts | None) -> ClassifiedError:
    got, expected = _sides(difference)
    if case is not None:
        expected = repr(case.gold)
    value, gold = _value_of(got), _value_of(expected)
    if isinstance(value, str) and not isinstance(gold, str) and _same_tokens(value, gold):
        return ClassifiedError("wrong_form", _short(difference))
    if isinstance(gold, str) and not isinstance(value, str) and str(value) == gold.strip():
        return ClassifiedError("wrong_form", _short(difference))
    if isinstance(gold, str) and isinstance(value, str):
        plain = re.sub(r"[\W_]+", "", value).lower()
        if plain and plain == re.sub(r"[\W_]+", "", gold).lower():
            return ClassifiedError("wrong_form", _short(difference))
        if gold.strip() and gold.strip() in value.split(": ", 1)[-1].split("\n"):
            return ClassifiedError("wrong_form", _short(difference))
    tree = _parsed(line.program)
    if tree is not None:
        for rule in (_misread, _redefined, _ignored):
            found = rule(line, tree, case)
            if found is not None:
                return found
    last = line.steps[-1] if line.steps else None
    if last is not None and last.finish_reason == "length" and last.cut_by is None:
        return ClassifiedError(
            "generated_on", f"{last.new_tokens} tokens, the maximum", len(line.steps) - 1
        )
    if got and expected and _type_of(value) != _type_of(gold):
        text = f"{_type_of(value)} in place of {_type_of(gold)}: {difference}"
        return ClassifiedError("wrong_type", _short(text))
    return ClassifiedError("wrong_value", _short(difference))


def _misread(line: FullLine, tree: ast.Module, case: CaseTexts | None) -> ClassifiedError | None:
    """A variable of the case that the program gives another value."""
    if case is None:
        return None
    first: set[str] = set()
    for name, value, number in _literals(tree):
        if name not in case.inputs or name in first:
            continue
        first.add(name)
        given = case.inputs[name]
        if type(given) is type(value) and given != value and given not in ([], "", 0):
            text = f"{name} is {given!r} in the prompt and {value!r} in the program"
            return ClassifiedError("misread_prompt", _short(text), turn_of_line(line, number))
    return None


def _redefined(line: FullLine, tree: ast.Module, case: CaseTexts | None) -> ClassifiedError | None:
    """A variable of the case that the program gives its value and later another literal."""
    if case is None:
        return None
    right: set[str] = set()
    for name, value, number in _literals(tree):
        if name in case.inputs and case.inputs[name] == value:
            right.add(name)
        elif name in right:
            text = f"{name} becomes {value!r} in line {number}"
            return ClassifiedError("redefined_variable", _short(text), turn_of_line(line, number))
    return None


def _ignored(_line: FullLine, tree: ast.Module, case: CaseTexts | None) -> ClassifiedError | None:
    """A name that a turn asks for and that the program never binds."""
    if case is None or not case.names:
        return None
    bound = set(_bound(tree))
    for turn, names in enumerate(case.names):
        for name in names:
            if name not in bound:
                return ClassifiedError("ignored_turn", f"turn {turn + 1} asks for {name}", turn)
    return None


def _literals(tree: ast.Module) -> Iterator[tuple[str, object, int]]:
    """Assignments of literals at the top level."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                try:
                    yield target.id, ast.literal_eval(node.value), node.lineno
                except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                    continue


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _sides(difference: str) -> tuple[str, str]:
    """The value and the expected one, as the oracle shows them; they may be abbreviated."""
    found = re.match(r"got (.*?), expected (.*?)(?:; they part at .*)?$", difference, re.DOTALL)
    return (found[1], found[2]) if found else ("", "")


_ARRAY = re.compile(r"^ArrayData\(.*?items=\((.*)\)\)$", re.DOTALL)
_SCALAR = re.compile(r"ScalarData\(dtype='[^']*', value=([^)]*)\)")


def _value_of(shown: str) -> object:
    shown = _SCALAR.sub(r"\1", shown)
    array = _ARRAY.match(shown)
    if array:
        shown = f"[{array[1]}]"
    try:
        return ast.literal_eval(shown)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return shown


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple() | set():
            return "a list"
        case dict():
            return "a mapping"
        case None:
            return "nothing"
    return type(value).__name__


def _same_tokens(text: str, gold: object) -> bool:
    """Whether a text has the values of the gold value in order, and no other number."""
    leaves = [str(leaf) for leaf in _leaves(gold)]
    if not leaves:
        return False
    found = re.findall(r"-?\d+(?:\.\d+)?|[^\W\d]\w*", text)
    numbers = [each for each in leaves if re.fullmatch(r"-?\d+(?:\.\d+)?", each)]
    if numbers:
        there = [each for each in found if re.fullmatch(r"-?\d+(?:\.\d+)?", each)]
        if [float(each) for each in there] != [float(each) for each in numbers]:
            return False
    rest = iter(re.findall(r"\w+", text))
    words = [part for each in leaves if each not in numbers for part in re.findall(r"\w+", each)]
    return all(word in rest for word in words)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _short(text: str, length: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
