"""Commands that need an optional extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from multiturn.core.errors import MissingDependencyError

__all__ = ["require_extra"]


@contextmanager
def require_extra(extra: str, *, purpose: str) -> Iterator[None]:
    """Name the extra to install if an import in the block fails.

    Example:
        >>> with require_extra("jax", purpose="planning a model"):
        ...     import no_such_package
        Traceback (most recent call last):
        ...
        multiturn.core.errors.MissingDependencyError: planning a model needs the package \
'no_such_package', which is not installed; fix: pip install 'multiturn[jax]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "multiturn"):
            raise
        raise MissingDependencyError(package, extra=extra, purpose=purpose) from error
