"""Reads YAML without its surprises.

YAML that may mean something else than it shows is refused, with the line and the form to write:
ambiguous scalars (`yaml_scalars`), text cut by `` #``, duplicate keys, keys and items without a
value, anchors, aliases, tags, and line separators that do not end a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from multiturn.core.errors import InputError, truncate_repr
from multiturn.core.yaml_scalars import quoted, read_plain

__all__ = ["Check", "NodePath", "YamlText", "is_plain", "read_yaml"]

NodePath = tuple[str | int, ...]
"""The path of a value in its document: keys as text, and list indices."""

MAX_DEPTH = 100

_TEXT_TAG = "tag:yaml.org,2002:str"
_PLAIN = "plain"
_PREFIX = re.compile(r"((?:[ ]*-[ ]+)*[ ]*)(?:([A-Za-z_][\w-]*|\"[^\"]*\"|'[^']*'):[ ]+)?")
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")
_NOT_PRINTABLE = yaml.reader.Reader.NON_PRINTABLE


@dataclass(frozen=True, slots=True)
class YamlText:
    """The text of a YAML file, for errors that name a position in it."""

    text: str
    where: str
    lines: tuple[str, ...]
    scalar: Callable[[str], object]

    @classmethod
    def of(cls, text: str, where: str, scalar: Callable[[str], object] = read_plain) -> YamlText:
        """Split a text into lines."""
        return cls(text, where, tuple(text.splitlines()), scalar)

    def fault(
        self,
        mark: Any,
        what: str,
        *,
        got: object = None,
        allowed: str | None = None,
        fix: str | None = None,
    ) -> InputError:
        """An error at a position of the text."""
        place = f"{self.where}: line {mark.line + 1}, column {mark.column + 1}"
        return InputError(f"{place}: {what}", got=got, allowed=allowed, fix=fix)

    def read_plain(self, node: yaml.ScalarNode) -> object:
        """The value of an unquoted scalar; an error names its position."""
        try:
            return self.scalar(node.value)
        except InputError as error:
            raise self.fault(
                node.start_mark, error.what, got=error.got, allowed=error.allowed, fix=error.fix
            ) from error

    def line(self, number: int) -> str:
        """A line without its line feed, counted from 0; empty beyond the last."""
        return self.lines[number] if number < len(self.lines) else ""

    def written(self, node: yaml.Node) -> str:
        """The source of a node, on one line."""
        return " ".join(self.text[node.start_mark.index : node.end_mark.index].split())


Check = Callable[[YamlText, NodePath, yaml.Node], None]
"""Checks a node before it is read, and raises `InputError` to refuse it."""


def read_yaml(
    text: str,
    *,
    where: str,
    check: Check | None = None,
    free: Callable[[NodePath], bool] | None = None,
    scalar: Callable[[str], object] = read_plain,
) -> list[Any]:
    """The non-empty documents of a YAML text as plain data.

    Args:
        text: the content of a file.
        where: the name of the file, for errors.
        check: checks every node first, from the outside inwards.
        free: whether a comment may follow the text at a path on the same line.
        scalar: reads unquoted scalars.

    Raises:
        InputError: the text is not YAML, or may mean something else than it shows; the message
            names the line and what to write.

    Example:
        >>> read_yaml("{turns: [Print it.], expect: 3}", where="a.yaml")
        [{'turns': ['Print it.'], 'expect': 3}]
    """
    source = YamlText.of(text, where, scalar)
    _refuse_odd_characters(source)
    reader = _Reader(source, check, free)
    try:
        # If a comment cuts a text so that the rest is not YAML, report the comment.
        documents = list(yaml.compose_all(text, Loader=_Nodes))
    except _NotReadError as error:
        raise source.fault(error.problem_mark, error.what, fix=error.fix) from error
    except yaml.MarkedYAMLError as error:
        raise reader.syntax_fault(error) from error
    except yaml.YAMLError as error:
        raise InputError(f"{where}: not YAML, {error}") from error
    except RecursionError as error:
        raise InputError(f"{where}: not YAML, it is nested too deeply") from error
    return [reader.value(node, ()) for node in documents if not _is_empty(node)]


class _NotReadError(yaml.MarkedYAMLError):
    """A feature of YAML that is not supported."""

    def __init__(self, mark: Any, what: str, fix: str) -> None:
        super().__init__(problem=what, problem_mark=mark)
        self.what, self.fix = what, fix


class _Nodes(yaml.SafeLoader):
    """Composes nodes, and marks unquoted scalars without reading them."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _NotReadError(
                event.start_mark, "anchors and aliases are not read here", "put text in quotes"
            )
        tag = getattr(event, "tag", None)
        if tag not in (None, _TEXT_TAG):
            raise _NotReadError(
                event.start_mark,
                f"the tag {tag} is not read here: text that begins with ! needs quotes",
                "put the text in quotes",
            )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _NotReadError(
                event.start_mark, f"more than {MAX_DEPTH} levels of nesting", "nest less"
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Converts nodes to plain data."""

    source: YamlText
    check: Check | None
    free: Callable[[NodePath], bool] | None

    def value(self, node: yaml.Node, path: NodePath) -> Any:
        if self.check is not None:
            self.check(self.source, path, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        assert isinstance(node, yaml.ScalarNode)  # there is no other kind
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: NodePath) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.source.fault(
                    key_node.start_mark, "a key is not plain text", fix="put text in quotes"
                )
            key = self._scalar(key_node, (*path, "?"))
            if key in found:
                raise self.source.fault(
                    key_node.start_mark,
                    f"not YAML, the key {truncate_repr(key)} stands twice",
                    fix="remove one of them",
                )
            if _is_empty(value_node) and self.check is not None:
                self.check(self.source, (*path, str(key)), value_node)
            if _is_empty(value_node):
                raise self._empty(value_node, f"nothing stands after the key {truncate_repr(key)}")
            found[key] = self.value(value_node, (*path, str(key)))
        return found

    def _scalar(self, node: yaml.ScalarNode, path: NodePath) -> object:
        if _is_empty(node):
            raise self._empty(node, "an item has no value")
        if any(0xD800 <= ord(character) < 0xE000 for character in node.value):
            raise self.source.fault(
                node.start_mark,
                "a text contains a lone surrogate (\\ud800 to \\udfff)",
                fix="write the character itself, or \\U and eight digits",
            )
        if node.tag != _PLAIN:
            if node.style in ("|", ">"):
                self._refuse_cut(node, node.value.rstrip("\n"))
            return node.value
        value = self.source.read_plain(node)
        if isinstance(value, str):
            if self.free is None or not self.free(path):
                self._refuse_cut(node, value)
        elif re.match(r"[ \t]+#[^\s#]", self._rest_of_line(node)):
            self._refuse_cut(node, node.value)
        return value

    def _empty(self, node: yaml.Node, what: str) -> InputError:
        rest = self._rest_of_line(node).strip()
        if rest.startswith("#"):
            what += ": a '#' after a space begins a comment"
            fix = f"write {quoted(rest)} for the text, or null"
        else:
            fix = "write null, \"\" for empty text, or quotes around text with ',' or ':' in it"
        return self.source.fault(node.start_mark, what, fix=fix)

    def _rest_of_line(self, node: yaml.Node) -> str:
        mark = node.end_mark
        return self.source.line(mark.line)[mark.column :]

    def _refuse_cut(self, node: yaml.ScalarNode, value: str) -> None:
        cut = _comment_that_cuts(self.source, node.start_mark, node.end_mark, node.style)
        if cut is None:
            return
        raise self.source.fault(
            node.start_mark,
            "a '#' after a space begins a comment and cuts this text",
            got=value,
            fix=f"write {quoted(f'{value} {cut}')}, "
            "or put the comment on a line of its own before it",
        )

    def syntax_fault(self, error: yaml.MarkedYAMLError) -> InputError:
        """The error for a text that is not YAML, with the line in quoted form if it may be text."""
        for token in _plain_tokens(self.source.text):
            cut = _comment_that_cuts(self.source, token.start_mark, token.end_mark, None)
            if cut is not None:
                node = yaml.ScalarNode(_PLAIN, token.value, token.start_mark, token.end_mark)
                try:
                    self._refuse_cut(node, token.value)
                except InputError as found:
                    return found
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "it cannot be read"
        if "could not find expected ':'" in problem and error.context_mark:
            mark = error.context_mark
        if mark is None:
            return InputError(f"{self.source.where}: not YAML, {problem}")
        line = self.source.line(mark.line)
        match = _PREFIX.match(line)
        prefix = match[0] if match else ""
        text = line[len(prefix) :].strip()
        fix = "correct that line; text with ': ', ' #', a brace or a bracket in it needs quotes"
        if text and (prefix.strip() or mark.column):
            fix = f"correct that line; as text it is {(prefix + quoted(text)).strip()}"
            dashes = match[1] if match else ""
            if dashes.strip() and match and match[2]:
                fix += f" or {dashes.strip()} {quoted(line[len(dashes) :].strip())}"
        return self.source.fault(mark, f"not YAML, {problem}", fix=fix)


def _plain_tokens(text: str) -> Iterator[Any]:
    """The unquoted scalars before the first syntax error."""
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.ScalarToken) and token.plain:
                yield token
    except yaml.YAMLError:
        return


def _comment_that_cuts(source: YamlText, start: Any, end: Any, style: str | None) -> str | None:
    """The comment that follows a text at a position where the text could continue."""
    number = end.line
    if style not in ("|", ">"):
        rest = source.line(end.line)[end.column :].strip()
        if rest.startswith("#"):
            return rest
        if rest:
            return None
        number += 1
    # A comment below that is indented like a next line of the text looks like one.
    indent = _indent_above(source.line(start.line)[: start.column])
    for line in source.lines[number:]:
        stripped = line.strip()
        if stripped:
            deeper = len(line) - len(line.lstrip(" ")) > indent
            return stripped if deeper and stripped.startswith("#") else None
    return None


def _indent_above(prefix: str) -> int:
    """The column of the dash or key of a value, from the text before it."""
    if not prefix.strip():
        return len(prefix) - 1
    if prefix.rstrip().endswith("-"):
        return prefix.rindex("-")
    dashes = re.match(r"(?:[ ]*-[ ]+)*[ ]*", prefix)
    return dashes.end() if dashes else 0


def is_plain(node: yaml.Node) -> bool:
    """Whether a node is an unquoted scalar without a tag."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN


def _is_empty(node: yaml.Node) -> bool:
    return is_plain(node) and node.value == ""


def _refuse_odd_characters(source: YamlText) -> None:
    for pattern, what in (
        (_ODD_BREAKS, "a line separator that readers of YAML take differently"),
        (_NOT_PRINTABLE, "a character that cannot stand in YAML"),
    ):
        match = pattern.search(source.text)
        if match:
            number = source.text.count("\n", 0, match.start()) + 1
            code = f"U+{ord(match[0]):04X}"
            escape = f"\\u{ord(match[0]):04x}"
            raise InputError(
                f"{source.where}: line {number}: {what}, {code}",
                fix=f"remove it, or write {escape} inside double quotes",
            )
