"""What `import multiturn` gives, and that it costs nothing until it is used."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import pkgutil
import subprocess
import sys
import textwrap

import pytest

NAMES = "benchmarks data engines hub jaxformer models sandbox synthesis text"
PACKAGES = ("multiturn", *(f"multiturn.{name}" for name in NAMES.split()))

# Refuses the named packages like an environment in which they are not installed.
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import multiturn
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_loads(package: str) -> None:
    module = importlib.import_module(package)
    names = module.__all__
    assert names and len(set(names)) == len(names)
    for name in names:
        assert getattr(module, name) is not None
    assert set(names) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_is_also_a_module(package: str) -> None:
    """An imported module takes its name in the package, in place of a function of that name."""
    module = importlib.import_module(package)
    modules = {found.name for found in pkgutil.iter_modules(module.__path__)}
    assert not modules & set(module.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import multiturn

    with pytest.raises(AttributeError, match="no_such_name"):
        multiturn.no_such_name  # noqa: B018


def undocumented(public: object) -> list[str]:
    """Arguments of a function and fields of a dataclass that its documentation leaves out."""
    doc = public.__doc__ or ""
    if inspect.isfunction(public):
        return [name for name in inspect.signature(public).parameters if f"{name}:" not in doc]
    if not dataclasses.is_dataclass(public):
        return []
    names = {field.name for field in dataclasses.fields(public) if f"{field.name}:" not in doc}
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(public))).body  # type: ignore[arg-type]
    assert isinstance(tree, ast.ClassDef)
    for node, following in itertools.pairwise(tree.body):
        if isinstance(node, ast.AnnAssign) and isinstance(following, ast.Expr):
            names.discard(ast.unparse(node.target))
    return sorted(names)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_documented(package: str) -> None:
    """The reference pages show what has a docstring: each name, argument and field."""
    module = importlib.import_module(package)
    missing = {}
    for name in module.__all__:
        public = getattr(module, name)
        if not (inspect.isclass(public) or inspect.isfunction(public)):
            continue
        own = inspect.getdoc(public) or ""
        if not own or own.startswith(f"{name}("):
            missing[name] = ["it has no docstring"]
        elif found := undocumented(public):
            missing[name] = found
    assert missing == {}


def run(text: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_importing_loads_no_engine_and_no_optional_package() -> None:
    loaded = run("import multiturn, sys; print(*sorted(sys.modules))").split()
    for name in ("jax", "numpy", "httpx", "typer", "lazy_loader", "multiturn.engines"):
        assert name not in loaded


@pytest.mark.parametrize(
    ("name", "absent", "extra"),
    [("train", "optax", "train"), ("load_model", "jax", "jax"), ("train", "jax", "jax")],
)
def test_a_missing_package_is_named_with_its_extra(name: str, absent: str, extra: str) -> None:
    text = (
        WITHOUT
        + f"""
try:
    multiturn.{name}
except multiturn.MultiturnError as error:
    print(error)
"""
    )
    said = run(text, absent)
    assert repr(absent) in said and f"multiturn[{extra}]" in said
