"""What `import multiturn` gives, and that it costs nothing until it is used."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

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
