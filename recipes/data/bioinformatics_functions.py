"""Functions of the corpus `bioinformatics` as training records: what is asked for, and the code.

    multiturn data build bioinformatics
    python recipes/data/bioinformatics_functions.py corpora/bioinformatics runs/functions.jsonl

A record has one turn. Every second one is a request: the prompt is the signature and the first
paragraph of the docstring, the code is the function without the docstring, behind the imports that
it needs. The others are completions: the imports, the signature and the docstring are given, and
the code is the body. A function is taken if
it stands by itself: it uses nothing but its arguments, builtins, and modules of the standard
library or numpy. The documents were filtered by licence and searched for the benchmarks' problems
when the corpus was built. Beside the records, `NAME.sources.jsonl` has the project, version, path,
licence and hash of the document that each is from.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import copy
import hashlib
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.files import write_atomically
from multiturn.data.build.stage import document_files
from multiturn.data.documents.files import read_documents
from multiturn.data.documents.record import Document
from multiturn.synthesis.parsing import bound_names, parse_module

MODULES = frozenset(sys.stdlib_module_names) | {"numpy"}
LINES = range(2, 31)
"""Lines of a function's code: neither empty nor long."""
PROMPT_CHARACTERS = range(25, 401)
DOCSTRING_CHARACTERS = 700
_MARKUP = re.compile(r":\w+:`~?([^`]*)`|``([^`]*)``|`([^`]*)`")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that stands by itself.

    Attributes:
        name: of the function.
        prompt: a request for it.
        code: all of it, without the docstring.
        begun: its beginning up to the docstring.
        body: what follows that.
        key: a hash of the code without its comments.
    """

    name: str
    prompt: str
    code: str
    begun: str
    body: str
    key: str

    def turn(self, *, completion: bool) -> dict[str, str]:
        """The one turn of its record."""
        if completion:
            return {"prompt": "", "begun": self.begun, "code": self.body}
        return {"prompt": self.prompt, "code": self.code}


def functions_of(text: str) -> Iterator[Function]:
    """The functions of a module that can be records; none if it is no Python."""
    module = parse_module(text)
    if module is None:
        return
    imports = _imports(module)
    lines = text.splitlines()
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            found = _function(node, imports, lines)
            if found is not None:
                yield found


def _imports(module: ast.Module) -> dict[str, str]:
    """The statement behind each name that is imported from an allowed module."""
    statements: dict[str, str] = {}
    for node in module.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in MODULES:
                    name = alias.asname or alias.name.partition(".")[0]
                    statements[name] = ast.unparse(ast.Import([alias]))
        elif (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").partition(".")[0] in MODULES - {"__future__"}
        ):
            for alias in node.names:
                statement = ast.ImportFrom(node.module, [alias], 0)
                statements[alias.asname or alias.name] = ast.unparse(statement)
    return statements


def _function(node: ast.FunctionDef, imports: dict[str, str], lines: list[str]) -> Function | None:
    docstring = ast.get_docstring(node)
    arguments = [each.arg for each in node.args.args]
    if not docstring or node.name.startswith(("test", "_")) or arguments[:1] == ["self"]:
        return None
    request = _request(docstring)
    bare = copy.deepcopy(node)
    bare.body = bare.body[1:]
    if not bare.body:
        return None
    code = ast.unparse(bare)
    head, _, plain = code.partition("\n")
    body = _with_comments(node, lines) or plain
    signature = head.removeprefix("def ").removesuffix(":")
    prompt = f"Define a function {signature}. {request}"
    if len(prompt) not in PROMPT_CHARACTERS or code.count("\n") not in LINES:
        return None
    if any(isinstance(each, ast.Global | ast.Nonlocal) for each in ast.walk(bare)):
        return None
    read = {each.id for each in ast.walk(bare) if isinstance(each, ast.Name)}
    used = read - bound_names(bare)
    if not used <= imports.keys() | set(dir(builtins)):
        return None
    needed = "".join(f"{line}\n" for line in sorted({imports[n] for n in used & imports.keys()}))
    before = f"{needed}\n" if needed else ""
    bare.body = [ast.Expr(ast.Constant(_shown(docstring, request)))]
    begun = f"{before}{ast.unparse(bare)}\n"
    key = hashlib.sha256((before + code).encode()).hexdigest()
    return Function(node.name, prompt, f"{before}{head}\n{body}", begun, body, key)


def _with_comments(node: ast.FunctionDef, lines: list[str]) -> str | None:
    """The lines behind the docstring as they were written; None if they cannot be moved.

    A model whose data have no comments stops to write them, and what it writes in one line instead
    of five commented ones is more often wrong (docs/results/domain.md).
    """
    first, last = node.body[0].end_lineno, node.end_lineno
    written = textwrap.dedent("\n".join(lines[first:last])).strip("\n")
    moved = textwrap.indent(written, "    ")
    alone = copy.deepcopy(node)
    alone.body = alone.body[1:]
    try:
        again = ast.parse(f"{ast.unparse(alone).partition(chr(10))[0]}\n{moved}")
    except SyntaxError:
        return None
    # A text of several lines would change if it was moved.
    return moved if ast.dump(again.body[0]) == ast.dump(alone) else None


def _shown(docstring: str, request: str) -> str:
    """The docstring of a completion: all of it, if that is not long."""
    if len(docstring) > DOCSTRING_CHARACTERS:
        return request
    first, _, rest = docstring.partition("\n")
    return f"{first}\n{textwrap.indent(rest, '    ')}\n    " if rest else first


def _request(docstring: str) -> str:
    """The first paragraph of a docstring as one line without markup."""
    paragraph = textwrap.dedent(docstring).strip().partition("\n\n")[0]
    plain = _MARKUP.sub(lambda match: next(filter(None, match.groups()), ""), paragraph)
    request = " ".join(plain.split())
    return request if request.endswith((".", ":", "?", "!")) else f"{request}."


def _drawn(corpus: Path, count: int, per_project: int) -> list[tuple[Document, Function]]:
    """The functions with the smallest hashes, not too many of one project, each code once."""
    found: dict[str, tuple[Document, Function]] = {}
    files = document_files(corpus / "decontaminated")
    if not files:
        raise SystemExit(
            f"error: no built corpus in {corpus}; fix: multiturn data build {corpus.name}"
        )
    for path in files:
        for document in read_documents(path):
            for function in functions_of(document.content.decode()):
                found.setdefault(function.key, (document, function))
    drawn: list[tuple[Document, Function]] = []
    of_project: Counter[str] = Counter()
    for key in sorted(found):
        project = found[key][0].source
        if len(drawn) < count and of_project[project] < per_project:
            of_project[project] += 1
            drawn.append(found[key])
    return drawn


def main() -> None:
    """Write the records and their sources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="the folder of the built corpus")
    parser.add_argument("out", type=Path, help="the JSONL file to write")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--per-project", type=int, default=60)
    arguments = parser.parse_args()
    drawn = _drawn(arguments.corpus, arguments.count, arguments.per_project)
    records: list[dict[str, object]] = []
    sources: list[dict[str, object]] = []
    for number, (document, function) in enumerate(drawn):
        name = f"{document.source}/{document.path}:{function.name}"
        turn = function.turn(completion=number % 2 == 1)
        records.append({"id": name, "header": "", "turns": [turn]})
        sources.append(
            {
                "id": name,
                "source": document.source,
                "revision": document.revision,
                "path": document.path,
                "licence": document.licence,
                "sha256": document.sha256,
            }
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    _write(arguments.out, records)
    _write(arguments.out.with_suffix(".sources.jsonl"), sources)
    projects = Counter(document.source for document, _ in drawn)
    print(f"{len(drawn)} functions of {len(projects)} projects")


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    write_atomically(path, "".join(f"{json.dumps(row)}\n" for row in rows))


if __name__ == "__main__":
    main()
