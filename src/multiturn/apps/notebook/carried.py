"""Values of the kernel that the sandbox gets as they are.

A cell that reads a file or the network does not run in the sandbox. What it left in its variables
is then handed to each run: pickled here, from the person's own kernel, and read in there, so
nothing that a program made is ever read out here.
"""

from __future__ import annotations

import base64
import pickle
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from multiturn.core.closing import Closing
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program, ProgramSession, Sandbox
from multiturn.sandbox.supervisor.pool import HEAVY_MODULES

__all__ = ["MAX_BYTES", "CarriedValues", "CarryingSandbox"]

MAX_BYTES = 8 << 20
"""Of all carried values together, as they are sent."""

_LOADER = """
import base64, importlib, pickle, zlib
for name, text in values.items():
    try:
        space[name] = pickle.loads(zlib.decompress(base64.b85decode(text)))
    except Exception:
        pass
for name, module in modules.items():
    try:
        space[name] = importlib.import_module(module)
    except Exception:
        pass
"""


class CarriedValues:
    """The values that are handed to each run, by name."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._modules: dict[str, str] = {}
        self._packages: dict[str, list[str]] = {}
        self.left_out: dict[str, str] = {}
        """The names whose values cannot be handed over, with the reason."""

    @property
    def names(self) -> list[str]:
        """The names of the values, without those of modules."""
        return list(self._values)

    def take(self, names: Iterable[str], namespace: Mapping[str, Any]) -> None:
        """Take the values that some names have now, in place of earlier ones."""
        for name in names:
            self.drop(name)
            if name not in namespace:
                continue
            value = namespace[name]
            if isinstance(value, ModuleType):
                self._modules[name] = value.__name__
                continue
            try:
                text, self._packages[name] = _pickled(value)
            except Exception as error:  # a value may refuse in any way
                self.left_out[name] = _why(error)
                continue
            if self._size + len(text) > MAX_BYTES:
                self.left_out[name] = f"more than {MAX_BYTES >> 20} MiB"
                continue
            self._values[name] = text

    def drop(self, name: str) -> None:
        """Hand a value over no longer."""
        for each in (self._values, self._modules, self._packages, self.left_out):
            each.pop(name, None)

    @property
    def _size(self) -> int:
        return sum(map(len, self._values.values()))

    def before(self, source: str) -> str:
        """A program that begins with these values; the numbers of its lines stay."""
        if not self._values and not self._modules:
            return source
        names = {"space": "globals()", "values": self._values, "modules": self._modules}
        given = ", ".join(f"{key!r}: {value}" for key, value in names.items())
        # The sandbox takes a process that has numpy and pandas loaded for a program that names one.
        packages = sorted({name for each in self._packages.values() for name in each})
        first = f"__import__('builtins').exec({_LOADER!r}, {{{given}}})  # {' '.join(packages)}"
        return f"{first} {source}" if source.startswith("#") else f"{first}\n{source}"


def _pickled(value: object) -> tuple[str, list[str]]:
    """A value as text, and the packages with slow imports that it needs."""
    if "__main__" in (getattr(value, "__module__", None), type(value).__module__):
        raise ValueError("its class or function is defined in the notebook")
    data = pickle.dumps(value, protocol=4)
    text = base64.b85encode(zlib.compress(data, 1)).decode("ascii")
    return text, [name for name in HEAVY_MODULES if name.encode() in data]


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


class CarryingSandbox(Closing):
    """A sandbox whose programs begin with carried values.

    Args:
        sandbox: runs them. This class does not own it; `close` closes it all the same.
        carried: the values.
    """

    def __init__(self, sandbox: Sandbox, carried: CarriedValues) -> None:
        self._sandbox = sandbox
        self._carried = carried

    @property
    def isolation(self) -> IsolationLevel:
        """How strongly programs are isolated."""
        return self._sandbox.isolation

    def run(self, program: Program, limits: Limits = Limits()) -> RunResult:  # noqa: B008
        """Run one program to its end."""
        return self._sandbox.run(self._with_values(program), limits)

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        """Run programs side by side."""
        return self._sandbox.run_many(
            (self._with_values(program), limits) for program, limits in programs
        )

    def open_session(
        self,
        program: Program,
        limits: Limits = Limits(),  # noqa: B008
    ) -> ProgramSession:
        """Run the top level of a program and keep its process."""
        return self._sandbox.open_session(self._with_values(program), limits)

    def _with_values(self, program: Program) -> Program:
        return replace(program, source=self._carried.before(program.source))

    def close(self) -> None:
        """Close the sandbox."""
        self._sandbox.close()
