"""The table of languages: file names and commands for each.

The entries are plain data. Commands are argument lists, not shell text; ``{python}`` stands for
the interpreter and ``{memory_mib}`` for the memory limit in MiB. The sandbox runs the commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from multiturn.core.errors import UnknownNameError

__all__ = ["LANGUAGES", "Language", "language", "language_of_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How programs in one language are stored, compiled and run.

    Attributes:
        key: the language's name in configurations and results.
        name: its display name.
        extensions: the extensions of its files with their dots, the usual one first.
        comment: the start of a line comment.
        file_name: the file that a program is written to.
        compile_command: the compiler's command line; empty if nothing is compiled.
        run_command: the program's command line, in the directory of the file.
        tools: the programs that must be installed.
        package: the Debian package of the tools.
        cpu_factor: multiplies the CPU time limit, to allow for the runtime's own work.
        limits_address_space: whether the memory limit applies to the address space. Some runtimes
            reserve far more address space than they use; for them it applies to the data segment.
    """

    key: str
    name: str
    extensions: tuple[str, ...]
    comment: str
    file_name: str
    compile_command: tuple[str, ...] = ()
    run_command: tuple[str, ...]
    tools: tuple[str, ...]
    package: str
    cpu_factor: float = 1.0
    limits_address_space: bool = True


_TABLE = (
    Language(
        key="python",
        name="Python",
        extensions=(".py",),
        comment="#",
        file_name="program.py",
        run_command=("{python}", "-I", "program.py"),
        tools=("{python}",),
        package="python3",
    ),
    Language(
        key="javascript",
        name="JavaScript",
        extensions=(".js", ".mjs", ".cjs"),
        comment="//",
        file_name="program.js",
        # The heap limit gives a clear message before the kernel kills the process.
        run_command=("node", "--max-old-space-size={memory_mib}", "program.js"),
        tools=("node",),
        package="nodejs",
        cpu_factor=1.5,
        limits_address_space=False,
    ),
    Language(
        key="java",
        name="Java",
        extensions=(".java",),
        comment="//",
        # Java requires the file name of the public class, and judges agree on `Main`.
        file_name="Main.java",
        compile_command=(
            "javac",
            # The source must not make the compiler run code.
            "-proc:none",
            "-J-Xmx512m",
            "-J-XX:+UseSerialGC",
            "-encoding",
            "UTF-8",
            "-d",
            ".",
            "Main.java",
        ),
        run_command=(
            "java",
            "-Xmx{memory_mib}m",
            "-Xss16m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-XX:-UsePerfData",
            "-cp",
            ".",
            "Main",
        ),
        tools=("javac", "java"),
        package="default-jdk-headless",
        cpu_factor=2.0,
        limits_address_space=False,
    ),
    Language(
        key="c",
        name="C",
        extensions=(".c", ".h"),
        comment="//",
        file_name="program.c",
        compile_command=("gcc", "-std=gnu17", "-O2", "-o", "program", "program.c", "-lm"),
        run_command=("./program",),
        tools=("gcc",),
        package="gcc libc6-dev",
    ),
    Language(
        key="cpp",
        name="C++",
        extensions=(".cpp", ".cc", ".cxx", ".hpp"),
        comment="//",
        file_name="program.cpp",
        compile_command=("g++", "-std=gnu++17", "-O2", "-o", "program", "program.cpp"),
        run_command=("./program",),
        tools=("g++",),
        package="g++",
    ),
    Language(
        key="go",
        name="Go",
        extensions=(".go",),
        comment="//",
        file_name="program.go",
        compile_command=("go", "build", "-o", "program", "program.go"),
        run_command=("./program",),
        tools=("go",),
        package="golang-go",
        cpu_factor=1.5,
        limits_address_space=False,
    ),
)

LANGUAGES = MappingProxyType({entry.key: entry for entry in _TABLE})
"""Every language, by key."""


def language(key: str) -> Language:
    """The entry of a language.

    Args:
        key: see `Language.key`.

    Raises:
        UnknownNameError: there is no such language; the message suggests the nearest.

    Example:
        >>> language("cpp").file_name
        'program.cpp'
    """
    try:
        return LANGUAGES[key]
    except KeyError:
        raise UnknownNameError("language", key, LANGUAGES) from None


def language_of_file(name: str) -> Language:
    """The language of a file, by its extension.

    Raises:
        UnknownNameError: no language has this extension.

    Example:
        >>> language_of_file("src/Main.java").name
        'Java'
    """
    for entry in _TABLE:
        if name.endswith(entry.extensions):
            return entry
    ending = "." + name.rpartition(".")[2] if "." in name else name
    known = [extension for entry in _TABLE for extension in entry.extensions]
    raise UnknownNameError("file ending", ending, known)
