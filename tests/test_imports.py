"""Every name that tests, benchmarks, tools and recipes take from this repository is there.

A slow test, or a program in a string that a test starts, is not run for days; a name that it
imports may have moved long since. Reading the sources shows that in seconds, and loads nothing.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACES = ["bench", "docs", "recipes", "tests", "tools"]  # mypy reads src
OWN = {"multiturn": ROOT / "src" / "multiturn"} | {
    name: ROOT / name for name in ("bench", "tests", "tools")
}
"""Packages of this repository, by the first part of a module's name."""


def file_of(module: str, importer: Path) -> Path | None:
    """The file or directory of a module of this repository; None if it is of another one.

    Raises:
        LookupError: a package of this repository has no such module.
    """
    first, *rest = module.split(".")
    place = OWN.get(first)
    if place is None:
        beside = importer.parent / f"{first}.py"  # tests put their own directory on the path
        return beside if not rest and beside.exists() else None
    found = place.joinpath(*rest)
    if found.is_dir():
        return found
    if found.with_suffix(".py").exists():
        return found.with_suffix(".py")
    raise LookupError(module)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def names_in(module: Path) -> frozenset[str] | None:
    """The names that a module has; None where it makes them as they are asked for."""
    names: set[str] = {"__name__", "__file__", "__doc__"}
    sources = [module]
    if module.is_dir():
        names |= {each.stem for each in module.iterdir() if each.suffix == ".py" or each.is_dir()}
        stub = module / "__init__.pyi"
        sources = [each for each in (module / "__init__.py", stub) if each.exists()]
        lazy = not stub.exists()
    else:
        lazy = True
    for source in sources:
        for statement in statements(tree_of(source).body):
            names |= bound_by(statement)
    return None if lazy and "__getattr__" in names else frozenset(names)


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements outside functions and classes, these included."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from statements(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from statements(handler.body)


def bound_by(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {statement.name}
        case ast.Import() | ast.ImportFrom():
            return {each.asname or each.name.partition(".")[0] for each in statement.names}
        case ast.Assign(targets=targets):
            bound: list[ast.expr] = targets
        case ast.AnnAssign(target=target) | ast.For(target=target):
            bound = [target]
        case ast.With(items=items):
            bound = [each.optional_vars for each in items if each.optional_vars is not None]
        case _:
            return set()
    return {node.id for each in bound for node in ast.walk(each) if isinstance(node, ast.Name)}


def faults_in(tree: ast.AST, path: Path) -> Iterator[str]:
    """What a source takes from modules of this repository that do not have it."""
    nodes = list(ast.walk(tree))
    modules: dict[str, Path] = {}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from faults_of_import(node, path, modules)
    for node in nodes:  # a name that is also something else says nothing
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            modules.pop(node.id, None)
        elif isinstance(node, ast.arg):
            modules.pop(node.arg, None)
    for node in nodes:
        yield from faults_of_attribute(node, path, modules)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for fault in faults_of_program(node.value, path):
                yield f"{fault} (in the string at line {node.lineno})"


def faults_of_import(
    node: ast.Import | ast.ImportFrom, path: Path, modules: dict[str, Path]
) -> Iterator[str]:
    """Modules and names that do not exist. Adds the modules that do, by their names in the file."""
    for each in node.names:
        module = each.name if isinstance(node, ast.Import) else node.module
        if module is None or (isinstance(node, ast.ImportFrom) and node.level):
            continue
        try:
            file = file_of(module, path)
        except LookupError:
            yield f"{path}:{node.lineno}: there is no module {module}"
            continue
        if file is None or each.name == "*":
            continue
        if isinstance(node, ast.Import):
            if each.asname is not None:
                modules[each.asname] = file
            continue
        names = names_in(file)
        if names is not None and each.name not in names:
            yield f"{path}:{node.lineno}: {module} has no {each.name}"
        elif file.is_dir() and (file / f"{each.name}.py").exists():
            modules[each.asname or each.name] = file / f"{each.name}.py"


def faults_of_attribute(node: ast.AST, path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """An attribute of an imported module, or one that a test replaces, that does not exist."""
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name, ctx=ast.Load()):
            pass
        case ast.Call(
            func=ast.Attribute(attr="setattr"),
            args=[ast.Name(id=module), ast.Constant(value=str(name)), _],
            keywords=[],
        ):
            pass
        case _:
            return
    names = names_in(modules[module]) if module in modules else None
    if names is not None and name not in names:
        yield f"{path}:{node.lineno}: {module} has no {name}"


def faults_of_program(text: str, path: Path) -> Iterator[str]:
    """Faults of a program in a string."""
    if "import " in text and any(name in text for name in OWN):
        try:
            program = ast.parse(textwrap.dedent(text))
        except (SyntaxError, ValueError):
            return  # prose, or a part of a program
        yield from faults_in(program, path)


@pytest.mark.parametrize("place", PLACES)
def test_every_imported_name_is_there(place: str) -> None:
    paths = [path for path in sorted((ROOT / place).rglob("*.py")) if path != Path(__file__)]
    faults = [fault for path in paths for fault in faults_in(tree_of(path), path)]
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    "source",
    [
        "from multiturn.models.native.build import gone",
        "import multiturn.models.gone",
        "from multiturn.gone import anything",
        "def late():\n    from multiturn.engines import gone",
        "from multiturn.models.native import build\nbuild.gone()",
        "import multiturn.core.files as files\nfiles.gone",
        "from multiturn.core import files\nmonkeypatch.setattr(files, 'gone', 1)",
        "from test_docs import gone",
        "PROGRAM = '''\n    from multiturn.core.files import gone\n    print(gone)\n'''",
    ],
)
def test_a_name_that_has_moved_is_found(source: str) -> None:
    (fault,) = faults_in(ast.parse(source), Path(__file__))
    assert "gone" in fault


@pytest.mark.parametrize(
    "source",
    [
        "from multiturn import SessionStore, Synthesizer, core",
        "from multiturn.engines import open_native, native",
        "from multiturn.models.native import build\nbuild.built_library()",
        "from multiturn.core import files\ndef f(files):\n    return files.gone",
        "from multiturn.core import files\nmonkeypatch.setattr(files, 'gone', 1, raising=False)",
        "import numpy\nnumpy.anything\nfrom somewhere import anything",
        "TEXT = 'we import multiturn, and more'",
    ],
)
def test_a_name_that_is_there_is_none(source: str) -> None:
    assert list(faults_in(ast.parse(source), Path(__file__))) == []
