"""Public names that are imported on first use, so that importing a package is quick.

The sandbox's fork servers import this package too, so this module imports nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["lazy_exports"]


def lazy_exports(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a package from the stub beside its file.

    ``__init__.pyi`` lists the public names and their modules, for type checkers, the API
    reference and this function.

    Args:
        package: the ``__name__`` of the package.
        file: its ``__file__``.

    Raises:
        MissingDependencyError: (from the returned ``__getattr__``) the name needs an optional
            package that is not installed; the message names the extra.
    """
    attached: list[Any] = []

    def attach() -> Any:
        if not attached:
            import lazy_loader

            attached.extend(lazy_loader.attach_stub(package, file))
        return attached

    def get(name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        load, _, names = attach()
        if name == "__all__":
            return names
        try:
            return load(name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in ("", "multiturn"):
                raise
            from multiturn.core.errors import MissingDependencyError

            raise MissingDependencyError(
                missing, extra=_extra_with(missing), purpose=f"{package}.{name}"
            ) from error

    return get, lambda: list(attach()[1]())


def _extra_with(module: str) -> str:
    """The extra of this distribution that installs a module; several extras if none is found.

    A module matches the name of its distribution or a prefix of it (``orbax-checkpoint``
    installs ``orbax``).
    """
    from importlib.metadata import metadata, requires

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wanted = canonicalize_name(module)
    for line in requires("multiturn") or ():
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if requirement.marker is None or not (name == wanted or name.startswith(f"{wanted}-")):
            continue
        for extra in metadata("multiturn").get_all("Provides-Extra") or ():
            if requirement.marker.evaluate({"extra": extra}):
                return str(extra)
    return "jax,train,data"
