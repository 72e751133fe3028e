"""A program of MultiPL-E as the sandbox runs it.

MultiPL-E runs some languages in their own ways: Java by a class ``Problem`` with assertions enabled
and a library of tuples, Go by its test tool. The sandbox builds one file and runs it, so such a
program gets what that needs. Its own text stays as it is, but for the lines named below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType

__all__ = ["runnable"]

_TUPLES = re.compile(r"^import org\.javatuples\.[\w.*]+;[ \t]*$", re.MULTILINE)
_JAVA_MAIN = """
class Main {
    public static void main(String[] arguments) throws Throwable {
        Main.class.getClassLoader().setDefaultAssertionStatus(true);
        Problem.main(arguments);
    }
}
"""
_GO_PACKAGE = re.compile(r"^package[ \t]+\w+", re.MULTILINE)
_GO_TEST = re.compile(r"^func[ \t]+(Test\w*)\(\w+[ \t]+\*testing\.T\)", re.MULTILINE)
_GO_MAIN = """
func main() {{
\ttesting.Main(func(string, string) (bool, error) {{ return true, nil }},
\t\t[]testing.InternalTest{{{tests}}}, nil, nil)
}}
"""


def runnable(language: str, program: str) -> str:
    """The program with what it needs to run as one file.

    Args:
        language: a key of the table of languages.
        program: prompt, completion and tests.
    """
    return _RUNNABLE.get(language, _unchanged)(program)


def _unchanged(program: str) -> str:
    return program


def _java(program: str) -> str:
    """With a main class, and with its own tuples in place of the import of the library."""
    text, imported = _TUPLES.subn("", program)
    tuples = (files("multiturn.benchmarks") / "data" / "multipl_e_tuples.java").read_text("utf-8")
    return text + _JAVA_MAIN + (tuples if imported else "")


def _go(program: str) -> str:
    """As package main, which runs the tests that the file has."""
    tests = ", ".join(f'{{"{name}", {name}}}' for name in _GO_TEST.findall(program))
    return _GO_PACKAGE.sub("package main", program, count=1) + _GO_MAIN.format(tests=tests)


_RUNNABLE: Mapping[str, Callable[[str], str]] = MappingProxyType({"java": _java, "go": _go})
