"""Many small programs of one language as one program, so that one compilation serves them all.

Each program keeps its own names: in a namespace, in a class, or with a number after them. It runs
to its end before the next one begins, and what it prints stands between two marks. A program that
ends the process ends the batch; the results of those before it are there, and the caller runs the
rest again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Ended", "batch", "read_batch"]

_BEGIN, _END, _FAILED = "\x1e", "\x1f", "\x1d"
_REPORT = re.compile(rf"{_BEGIN}(\d+)\n(.*?)(?:{_END}|{_FAILED}([^\n]*)\n|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one program of a batch ended.

    Attributes:
        printed: its standard output.
        error: why it failed; None if it ran to its end.
    """

    printed: str
    error: str | None


def batch(language: str, programs: Sequence[str]) -> str:
    """One program that runs all, in order.

    Args:
        language: a key of the table of languages.
        programs: complete programs, as `multiturn.text.assembly.assemble` gives them.
    """
    return _BATCHES[language](programs)


def read_batch(stdout: str, count: int) -> list[Ended | None]:
    """How each of `count` programs ended; None for those that did not begin.

    The last one that began has no end if it ended the process.
    """
    found: list[Ended | None] = [None] * count
    for match in _REPORT.finditer(stdout):
        ended = match[0].endswith(_END)
        error = None if ended else match[3] or "it ended the process"
        found[int(match[1])] = Ended(match[2], error)
    return found


def _javascript(programs: Sequence[str]) -> str:
    return f"""
const vm = require("node:vm");
for (const [number, source] of {json.dumps(programs)}.entries()) {{
  console.log("\\x1e" + number);
  try {{
    vm.runInNewContext(source, {{ console, require, process }}, {{ timeout: 2000 }});
    process.stdout.write("\\x1f");
  }} catch (error) {{
    console.log("\\x1d" + String(error).split("\\n")[0]);
  }}
}}
"""


def _java(programs: Sequence[str]) -> str:
    imports: dict[str, None] = {}
    classes, calls = [], []
    for number, program in enumerate(programs):
        head, _, body = program.partition("class Main {")
        imports |= dict.fromkeys(re.findall(r"^import [\w.*]+;", head, re.MULTILINE))
        classes.append(re.sub(r"\bMain\b", f"Main{number}", f"class Main {{{body}"))
        calls.append(f"        run({number}, () -> Main{number}.main(arguments));\n")
    return (
        "\n".join(imports)
        + "\n"
        + "\n".join(classes)
        + """
class Main {
    interface Program { void run() throws Exception; }

    static void run(int number, Program program) {
        System.out.println("\\u001e" + number);
        try {
            program.run();
            System.out.print("\\u001f");
        } catch (Throwable error) {
            System.out.println("\\u001d" + error.toString().split("\\n")[0]);
        }
        System.out.flush();
    }

    public static void main(String[] arguments) {
"""
        + "".join(calls)
        + "    }\n}\n"
    )


def _c(programs: Sequence[str]) -> str:
    return '#pragma GCC optimize ("O0")\n' + _renamed(
        programs,
        top=r"^#include .*\n",
        names=r"^(?:static )?(?!return\b|else\b)[A-Za-z_][\w ]*?[ *]+(\w+)\([^;{]*\{"
        r"|^typedef (?:struct|enum) ?\w* ?\{[^}]*\} (\w+);|^#define (\w+)",
        call='    printf("\\x1e%d\\n", {number});\n    fflush(stdout);\n    main_{number}();\n'
        '    printf("\\x1f");\n    fflush(stdout);\n',
        main="int main(void) {{\n{calls}    return 0;\n}}\n",
    )


def _cpp(programs: Sequence[str]) -> str:
    includes: dict[str, None] = {}
    spaces, calls = [], []
    for number, program in enumerate(programs):
        includes |= dict.fromkeys(re.findall(r"^#include .*$", program, re.MULTILINE))
        body = re.sub(r"^#include .*$", "", program, flags=re.MULTILINE)
        spaces.append(f"namespace program_{number} {{\n{body}\n}}\n")
        calls.append(f"    run({number}, program_{number}::main_);\n")
    text = "".join(spaces).replace("int main() {", "int main_() {")
    return (
        "\n".join(
            ('#pragma GCC optimize ("O0")', *includes, "#include <iostream>", "#include <string>")
        )
        + f"\n{text}"
        + """
void run(int number, int (*program)()) {
    std::cout << "\\x1e" << number << std::endl;
    try {
        program();
        std::cout << "\\x1f" << std::flush;
    } catch (const std::exception& error) {
        std::cout << "\\x1d" << error.what() << std::endl;
    }
}

int main() {
"""
        + "".join(calls)
        + "}\n"
    )


def _go(programs: Sequence[str]) -> str:
    runner = """
func runProgram(number int, program func()) {
	defer func() {
		if fault := recover(); fault != nil {
			fmt.Printf("\\x1d%v\\n", fault)
		} else {
			fmt.Print("\\x1f")
		}
	}()
	fmt.Printf("\\x1e%d\\n", number)
	program()
}
"""
    imports: dict[str, None] = {'"fmt"': None}
    for program in programs:
        for group in re.findall(r"^import \((.*?)^\)", program, re.MULTILINE | re.DOTALL):
            imports |= dict.fromkeys(line.strip() for line in group.splitlines() if line.strip())
        imports |= dict.fromkeys(re.findall(r'^import ("[\w/]+")', program, re.MULTILINE))
    bare = [
        re.sub(r"^package main$|^import \(.*?^\)|^import \".*$", "", program, flags=re.M | re.S)
        for program in programs
    ]
    listed = "".join(f"\t{each}\n" for each in imports)
    text = _renamed(
        bare,
        top=r"\Z(?!\Z)",
        names=r"^func (\w+)\(|^type (\w+) ",
        call="\trunProgram({number}, main_{number})\n",
        main="func main() {{\n{calls}}}\n",
    )
    return f"package main\n\nimport (\n{listed})\n{runner}{text}"


def _renamed(programs: Sequence[str], *, top: str, names: str, call: str, main: str) -> str:
    """Programs whose names at the top level get the number of the program."""
    lines: dict[str, None] = {}
    bodies, calls = [], []
    for number, program in enumerate(programs):
        lines |= dict.fromkeys(re.findall(top, program, re.MULTILINE))
        body = re.sub(top, "", program, flags=re.MULTILINE)
        found = {
            name
            for match in re.finditer(names, body, re.MULTILINE)
            for name in match.groups()
            if name is not None
        }
        found.add("main")
        own = re.compile(r'("(?:[^"\\\n]|\\.)*")|(?<![.\w])(' + "|".join(sorted(found)) + r")\b")
        bodies.append(
            own.sub(lambda m, n=number: m[1] or f"{m[2]}_{n}", body)  # type: ignore[misc]
        )
        calls.append(call.format(number=number))
    return "".join(lines) + "\n".join(bodies) + "\n" + main.format(calls="".join(calls))


_BATCHES: Mapping[str, Callable[[Sequence[str]], str]] = {
    "javascript": _javascript,
    "java": _java,
    "c": _c,
    "cpp": _cpp,
    "go": _go,
}
