"""The table of languages: how programs in each are written, stored, compiled and run.

The entries are plain data: no code elsewhere asks which language it has. Commands are argument
lists, not shell text; ``{python}`` stands for the interpreter and ``{memory_mib}`` for the memory
limit in MiB. The sandbox runs the commands.

`Grammar` says what the parts of a step are called in the grammar of tree-sitter, and
`ProgramLayout` where they go in a program; `assembly` puts them there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from multiturn.core.errors import UnknownNameError

__all__ = [
    "LANGUAGES",
    "Grammar",
    "Language",
    "Preparation",
    "ProgramLayout",
    "language",
    "language_of_file",
]


_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The parts of a step, by the names that a grammar of tree-sitter gives them.

    Queries are tree-sitter's.

    Attributes:
        package: the Python package of the grammar.
        around: text before and after a step, within which its statements parse.
        imports: the nodes that go to the top of a program, such as an include.
        import_item: the node of one item, where an import lists several.
        import_alone: an import of one such item.
        import_uses: a query for the uses (``@use``) of what is imported. It is given where the
            compiler refuses an import without a use: unused ones are then left out.
        dropped: the nodes that the layout writes itself, such as a package clause.
        outside: the nodes that go outside `main`, such as functions and types.
        outside_if: a query for a node that goes outside `main` for what it has (``@outside``).
        named: a query for the name (``@name``) of a function or a type, and for the parameters
            (``@parameters``) that it has its name together with. A later one takes the place of an
            earlier one.
        main: a query for the body (``@body``) of a `main` function, and for the class
            (``@class``) around it, if there is one. A step is what is in them.
        declared: a query for each variable that a statement declares: its name (``@name``) and
            what makes it a declaration (``@cut``), and its type (``@type``), where that is there.
        redeclared: what takes the place of ``@cut`` where a variable is declared again, or None
            where that is no error.
        redeclare_all: whether it does so in the first declaration too.
        unset: the nodes of values that only a declaration can have.
        written: a query for the variables (``@name``) that code sets without reading them, and
            for those that it makes (``@new``). It is given where the compiler refuses a variable
            that is never read.
        static: what a function outside `main` must begin with, if it does not.
        shared: what the declaration of a variable begins with outside `main`, where it goes if a
            function uses the variable; None if functions see the variables of the statements.
        shared_constants: whether only constants can be the values of such variables.
        local: a query for the variables (``@name``) that a function makes.
    """

    package: str
    around: tuple[str, str] = ("", "")
    imports: frozenset[str] = frozenset()
    import_item: str = ""
    import_alone: str = "{item}"
    import_uses: str = ""
    dropped: frozenset[str] = frozenset()
    outside: frozenset[str] = frozenset()
    outside_if: str = ""
    named: str = ""
    main: str = ""
    declared: str = ""
    redeclared: str | None = None
    redeclare_all: bool = False
    unset: frozenset[str] = frozenset()
    written: str = ""
    static: str = ""
    shared: str | None = None
    shared_constants: bool = False
    local: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramLayout:
    """Where the parts of the steps go in a program.

    Attributes:
        package: the first line.
        imports: text before, between and after the items of the imports.
        outside_around: text around functions and types; `main` is in it too.
        outside_indent: before each line of a function or a type.
        main_around: text around the statements.
        main_indent: before each line of a statement.
        use: a statement that uses variables, with ``{names}`` and as many ``{blanks}``. It is given
            where the compiler refuses a variable without a use.
        known_imports: imports by the name that the program uses, for those that a step forgets.
    """

    package: str = ""
    imports: tuple[str, str, str] = ("", "\n", "")
    outside_around: tuple[str, str] = ("", "")
    outside_indent: str = ""
    main_around: tuple[str, str]
    main_indent: str = "    "
    use: str = ""
    known_imports: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What a compiler has ready before it sees a program. Nothing but its time depends on it.

    Attributes:
        text: what the commands read.
        file_name: the file of the text.
        commands: the command lines, one after the other, in the directory of the file.
        makes: the file or directory that they make there.
        options: what a compiler's command line has after its first word, once that file is there;
            ``{ready}`` is the directory.
        begins: the lines that take the place of `text` at the beginning of a program, once that
            file is there; as many as the text has, or fewer. Empty where programs stay as they are.
        environment: variables that name a directory below ``{ready}``. The commands of a program
            have them while the directory is there.
    """

    text: str
    file_name: str
    commands: tuple[tuple[str, ...], ...]
    makes: str
    options: tuple[str, ...] = ()
    begins: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How programs in one language are written, stored, compiled and run.

    Attributes:
        key: the language's name in configurations and results.
        name: its display name.
        aliases: other names that people use for it.
        extensions: the extensions of its files with their dots, the usual one first.
        comment: the start of a line comment.
        comment_escapes: patterns that would end or change a line comment, each with what takes
            its place.
        header: the beginning of a program where a person wants none of their own.
        grammar: how a step is divided; None for Python, which parses itself.
        layout: where its parts go; None where a program is its steps one after the other.
        place: what an instruct model must know about the place of a step's code.
        inspects: whether values of variables can be read and steps are completed: in Python only.
        prints: a pattern for a statement that does nothing but print.
        reads_input: a pattern for what reads standard input, which is empty.
        file_name: the file that a program is written to.
        compile_command: the compiler's command line; empty if nothing is compiled.
        environment: variables of its tools and programs. ``{home}`` is the directory of the last
            tool's ``bin``, and ``.`` at the beginning that of the program.
        preparation: what the compiler has ready before it sees a program.
        run_command: the program's command line, in the directory of the file.
        error_line: a pattern for the line of the program that failed, in what it prints.
        error_text: a pattern for what names the error, where that is not the usual line: its
            groups if it has some, or all that it matches.
        tools: the programs that must be installed.
        package: the Debian package of the tools.
        cpu_factor: multiplies the CPU time limit, to allow for the runtime's own work.
        limits_address_space: whether the memory limit applies to the address space. Some runtimes
            reserve far more address space than they use; for them it applies to the data segment.
    """

    key: str
    name: str
    aliases: tuple[str, ...] = ()
    extensions: tuple[str, ...]
    comment: str
    comment_escapes: tuple[tuple[str, str], ...] = ()
    header: str = ""
    grammar: Grammar | None = None
    layout: ProgramLayout | None = None
    place: str = ""
    inspects: bool = False
    prints: str = ""
    reads_input: str = ""
    file_name: str
    compile_command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    preparation: Preparation | None = None
    run_command: tuple[str, ...]
    error_line: str = ""
    error_text: str = ""
    tools: tuple[str, ...]
    package: str
    cpu_factor: float = 1.0
    limits_address_space: bool = True

    @property
    def main_opened(self) -> str:
        """The line above the first step that opens `main`; empty where there is none."""
        layout = self.layout
        if layout is None:
            return ""
        return f"{layout.main_around[0].removeprefix(layout.outside_indent)}\n"

    @property
    def step_indent(self) -> str:
        """Before each line of a step below it."""
        layout = self.layout
        return "" if layout is None else layout.main_indent.removeprefix(layout.outside_indent)

    def as_comment(self, prompt: str) -> str:
        r"""A prompt as comment lines, each ending with a newline.

        Lines after the first that are comments already stay as they are, as in the prompts of the
        published benchmark; trailing blanks stay too. A carriage return ends a line, as it does for
        most compilers, and NUL, which is in no program, becomes a blank.

        Example:
            >>> language("python").as_comment("Read the file.\nCount its lines. ")
            '# Read the file.\n# Count its lines. \n'
            >>> language("python").as_comment("Write triple(n).\n# triple(2) = 6")
            '# Write triple(n).\n# triple(2) = 6\n'
            >>> language("c").as_comment("Keep the path C:\\")
            '// Keep the path C:\\ .\n'
        """
        first, *others = _LINE_END.split(prompt.replace("\0", " "))
        mark = self.comment
        marked = (
            line if line.startswith(mark) else f"{mark} {line}" if line else mark
            for line in others
        )  # fmt: skip
        return "".join(f"{self._one_line(line)}\n" for line in (f"{mark} {first}", *marked))

    def _one_line(self, comment: str) -> str:
        for pattern, replacement in self.comment_escapes:
            comment = re.sub(pattern, replacement, comment)
        return comment


_C_PARTS = frozenset(
    {
        "enum_specifier",
        "function_definition",
        "preproc_call",
        "preproc_def",
        "preproc_function_def",
        "preproc_if",
        "preproc_ifdef",
        "struct_specifier",
        "type_definition",
        "union_specifier",
    }
)
_C_MAIN = """
(function_definition
    declarator: (function_declarator declarator: (identifier) @main)
    body: (compound_statement) @body (#eq? @main "main"))
"""
_C_DECLARED = """
(declaration type: (_) @type @cut declarator: (init_declarator declarator: (identifier) @name))
(declaration type: (_) @type @cut declarator: (identifier) @name)
(declaration type: (_) @type declarator: (init_declarator
    declarator: (pointer_declarator declarator: (identifier) @name)))
(declaration type: (_) @type declarator: (init_declarator
    declarator: (array_declarator declarator: (identifier) @name)))
(declaration type: (_) @type declarator: (array_declarator declarator: (identifier) @name))
"""
_C_LOCAL = "(_ declarator: (identifier) @name)"
_C_PROTOTYPE = "(declaration declarator: (function_declarator)) @outside"
_C_BACKSLASH = ((r"\\\s*$", r"\\ ."),)
"""A backslash at the end of a line would join the next one to the comment."""

_C_PLACE = (
    "Statements are put into main, functions and types before it, so do not write main. "
    "End each line that is printed with a newline."
)

_CPP_INCLUDES = "".join(
    f"#include <{name}>\n"
    for name in (
        *("algorithm", "climits", "cmath", "deque", "functional", "iomanip", "iostream", "map"),
        *("numeric", "queue", "set", "sstream", "stack", "string", "tuple"),
        *("unordered_map", "unordered_set", "utility", "vector"),
    )
)

_CPP_OPTIONS = ("-std=gnu++17", "-O2")
"""A header that was compiled with others is not used."""

_JAVAC_OPTIONS = (
    # The source must not make the compiler run code.
    "-proc:none",
    "-J-Xmx512m",
    "-J-XX:+UseSerialGC",
    # The second compiler of the virtual machine does not pay in the time of one program.
    "-J-XX:TieredStopAtLevel=1",
    "-J-XX:-UsePerfData",
    "-encoding",
    "UTF-8",
    "-d",
    ".",
    "Main.java",
)
_JAVA_HEADER = "import java.util.*;\nimport java.util.function.*;\nimport java.util.stream.*;\n\n"

_GO_PACKAGES = (
    *("bufio", "bytes", "container/heap", "container/list", "errors", "fmt", "io", "math"),
    *("math/big", "math/bits", "math/rand", "os", "regexp", "sort", "strconv", "strings", "sync"),
    *("time", "unicode", "unicode/utf8"),
)
_GO_NEW_PACKAGES = ("cmp", "maps", "slices")
"""Not in every version that is in use."""
_GO_OTHER_PACKAGES = (
    *("container/ring", "context", "crypto/md5", "crypto/sha1", "crypto/sha256", "encoding/base64"),
    *("encoding/binary", "encoding/csv", "encoding/hex", "encoding/json", "hash/fnv"),
    *("math/cmplx", "reflect", "runtime", "sync/atomic", "text/tabwriter", "text/template"),
    "unicode/utf16",
)
"""Compiled ahead, and never imported for a program that forgets to."""

_TABLE = (
    Language(
        key="python",
        name="Python",
        aliases=("py",),
        extensions=(".py",),
        comment="#",
        inspects=True,
        file_name="program.py",
        run_command=("{python}", "-I", "program.py"),
        tools=("{python}",),
        package="python3",
    ),
    Language(
        key="javascript",
        name="JavaScript",
        aliases=("js", "node"),
        extensions=(".js", ".mjs", ".cjs"),
        comment="//",
        comment_escapes=(("[\u2028\u2029]", " "),),
        header="// JavaScript, run by Node.js.\n\n",
        grammar=Grammar(
            package="tree_sitter_javascript",
            imports=frozenset({"import_statement"}),
            declared="""
            (lexical_declaration kind: _ @cut (variable_declarator name: (identifier) @name))
            """,
            redeclared="var",
            redeclare_all=True,
        ),
        prints=r"(console\.log|process\.stdout\.write)\(",
        reads_input=r"process\.stdin|\breadFileSync\(\s*(0|['\"]/dev/stdin)|\breadline\b",
        error_line=r"program\.js:(\d+)",
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
        # Escapes of characters are read before comments are.
        comment_escapes=((r"\\u", r"\\ u"),),
        header=_JAVA_HEADER,
        grammar=Grammar(
            package="tree_sitter_java",
            imports=frozenset({"import_declaration"}),
            dropped=frozenset({"package_declaration"}),
            outside=frozenset(
                {
                    "annotation_type_declaration",
                    "class_declaration",
                    "enum_declaration",
                    "interface_declaration",
                    "method_declaration",
                    "record_declaration",
                }
            ),
            outside_if="""
            (local_variable_declaration (modifiers) @modifiers
                (#match? @modifiers "static|public|private|protected")) @outside
            """,
            named="""
            (method_declaration name: (identifier) @name
                parameters: (_) @parameters)
            (class_declaration name: (identifier) @name)
            (enum_declaration name: (identifier) @name)
            (interface_declaration name: (identifier) @name)
            (record_declaration name: (identifier) @name)
            """,
            main="""
            (class_declaration body: (class_body (method_declaration
                name: (identifier) @main body: (block) @body)) (#eq? @main "main")) @class
            (method_declaration name: (identifier) @main body: (block) @body (#eq? @main "main"))
            """,
            declared="""
            (local_variable_declaration type: (_) @type @cut
                declarator: (variable_declarator name: (identifier) @name))
            """,
            redeclared="",
            unset=frozenset({"array_initializer"}),
            static="static ",
            shared="static ",
            local="""
            (variable_declarator name: (identifier) @name)
            (formal_parameter name: (identifier) @name)
            (catch_formal_parameter name: (identifier) @name)
            (enhanced_for_statement name: (identifier) @name)
            (inferred_parameters (identifier) @name)
            (lambda_expression parameters: (identifier) @name)
            (resource name: (identifier) @name)
            """,
        ),
        layout=ProgramLayout(
            outside_around=("class Main {", "}"),
            outside_indent="    ",
            main_around=("    public static void main(String[] args) throws Exception {", "    }"),
            main_indent="        ",
        ),
        place="Statements are put into main of the class Main, methods and classes beside it, so "
        "write neither of the two.",
        prints=r"System\.out\.print",
        reads_input=r"\bSystem\.in\b",
        error_line=r"\(Main\.java:(\d+)\)",
        error_text=r'^Exception in thread "[^"]*" (.+)$',
        # Java requires the file name of the public class, and judges agree on `Main`.
        file_name="Main.java",
        compile_command=("javac", *_JAVAC_OPTIONS),
        # Where its own libraries are: it would ask /proc, which programs do not have.
        environment={"JAVA_HOME": "{home}", "LD_LIBRARY_PATH": "{home}/lib:{home}/lib/server"},
        preparation=Preparation(
            # Something of what most programs have, so that the classes for it are in the archive.
            text=_JAVA_HEADER
            + "class Main {\n    record Pair(int a, String b) {}\n    enum Kind { ONE, TWO }\n"
            + "    public static void main(String[] args) throws Exception {\n"
            + "        Map<String, List<Integer>> found = new TreeMap<>();\n"
            + "        for (int i = 0; i < 3; i++) {\n"
            + '            found.computeIfAbsent("" + i, key -> new ArrayList<>()).add(i * 2);\n'
            + "        }\n        int[] all = found.values().stream().flatMap(List::stream)\n"
            + "            .mapToInt(Integer::intValue).toArray();\n"
            + '        System.out.println(Arrays.toString(all) + new Pair(1, "a") + Kind.ONE);\n'
            + "    }\n}\n",
            file_name="Main.java",
            commands=(("javac", "-J-XX:ArchiveClassesAtExit=javac.jsa", *_JAVAC_OPTIONS),),
            makes="javac.jsa",
            options=("-J-XX:SharedArchiveFile={ready}/javac.jsa",),
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
        comment_escapes=_C_BACKSLASH,
        header="#include <ctype.h>\n#include <limits.h>\n#include <math.h>\n"
        "#include <stdbool.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n",
        grammar=Grammar(
            package="tree_sitter_c",
            around=("void step() {\n", "\n}\n"),
            imports=frozenset({"preproc_include"}),
            outside=_C_PARTS,
            outside_if=_C_PROTOTYPE,
            named="""
            (function_definition declarator: (function_declarator declarator: (identifier) @name))
            (function_definition declarator: (pointer_declarator
                declarator: (function_declarator declarator: (identifier) @name)))
            (preproc_def name: (identifier) @name)
            (preproc_function_def name: (identifier) @name)
            (struct_specifier name: (type_identifier) @name)
            (type_definition declarator: (type_identifier) @name)
            """,
            main=_C_MAIN,
            declared=_C_DECLARED,
            redeclared="",
            unset=frozenset({"initializer_list"}),
            shared="",
            shared_constants=True,
            local=_C_LOCAL,
        ),
        layout=ProgramLayout(main_around=("int main(void) {", "    return 0;\n}")),
        place=_C_PLACE,
        prints=r"(printf|puts|putchar)\(",
        reads_input=r"\bscanf\s*\(|\bgetchar\s*\(|\bstdin\b",
        file_name="program.c",
        compile_command=("gcc", "-std=gnu17", "-O2", "-o", "program", "program.c", "-lm"),
        run_command=("./program",),
        tools=("gcc",),
        package="gcc libc6-dev",
    ),
    Language(
        key="cpp",
        name="C++",
        aliases=("c++", "cc", "cxx"),
        extensions=(".cpp", ".cc", ".cxx", ".hpp"),
        comment="//",
        comment_escapes=_C_BACKSLASH,
        header=f"{_CPP_INCLUDES}using namespace std;\n\n",
        grammar=Grammar(
            package="tree_sitter_cpp",
            around=("void step() {\n", "\n}\n"),
            imports=frozenset({"preproc_include"}),
            outside=_C_PARTS
            | {
                "alias_declaration",
                "class_specifier",
                "concept_definition",
                "namespace_definition",
                "template_declaration",
                "using_declaration",
            },
            outside_if=_C_PROTOTYPE,
            named="""
            (function_definition declarator: (function_declarator
                declarator: (identifier) @name parameters: (_) @parameters))
            (template_declaration (function_definition declarator: (function_declarator
                declarator: (identifier) @name parameters: (_) @parameters)))
            (preproc_def name: (identifier) @name)
            (preproc_function_def name: (identifier) @name)
            (struct_specifier name: (type_identifier) @name)
            (class_specifier name: (type_identifier) @name)
            """,
            main=_C_MAIN,
            declared=_C_DECLARED,
            redeclared="",
            shared="",
            local=f"{_C_LOCAL} (reference_declarator (identifier) @name)",
        ),
        layout=ProgramLayout(main_around=("int main() {", "    return 0;\n}")),
        place=f"{_C_PLACE} Print with << endl at the end of each line.",
        prints=r"(std::)?cout\b|printf\(",
        reads_input=r"\bcin\b|\bscanf\s*\(|\bgetchar\s*\(|\bstdin\b",
        error_text=r"^terminate called after throwing an instance of '(.+)'"
        r"(?:\n  what\(\):  (.+))?",
        file_name="program.cpp",
        compile_command=("g++", *_CPP_OPTIONS, "-o", "program", "program.cpp"),
        preparation=Preparation(
            text=_CPP_INCLUDES,
            file_name="header.hpp",
            commands=(
                ("g++", *_CPP_OPTIONS, "-x", "c++-header", "-o", "header.hpp.gch", "header.hpp"),
            ),
            makes="header.hpp.gch",
            # Whoever empties the cache meanwhile breaks no program.
            begins='#if __has_include("{ready}/header.hpp")\n#include "{ready}/header.hpp"\n'
            "#else\n#include <bits/stdc++.h>\n#endif\n",
        ),
        run_command=("./program",),
        tools=("g++",),
        package="g++",
    ),
    Language(
        key="go",
        name="Go",
        aliases=("golang",),
        extensions=(".go",),
        comment="//",
        # A second line may not become a directive, nor the text have a byte order mark.
        comment_escapes=((r"^//(?=\S)", "// "), ("\ufeff", "")),
        header='package main\n\nimport "fmt"\n\n',
        grammar=Grammar(
            package="tree_sitter_go",
            around=("", "\n"),
            imports=frozenset({"import_declaration"}),
            import_item="import_spec",
            import_alone="import {item}",
            import_uses="""
            (selector_expression operand: (identifier) @use)
            (qualified_type package: (package_identifier) @use)
            """,
            dropped=frozenset({"package_clause"}),
            outside=frozenset(
                {
                    "const_declaration",
                    "function_declaration",
                    "method_declaration",
                    "type_declaration",
                }
            ),
            named="""
            (function_declaration name: (identifier) @name)
            (method_declaration receiver: (_) @parameters name: (field_identifier) @name)
            (type_declaration (type_spec name: (type_identifier) @name))
            (const_declaration (const_spec name: (identifier) @name))
            """,
            main="""
            (function_declaration name: (identifier) @main body: (block) @body
                (#eq? @main "main"))
            """,
            declared="""
            (short_var_declaration left: (expression_list (identifier) @name) ":=" @cut)
            (var_declaration (var_spec name: (identifier) @name))
            """,
            redeclared="=",
            written="""
            (short_var_declaration left: (expression_list (identifier) @name @new))
            (assignment_statement left: (expression_list (identifier) @name))
            (range_clause left: (expression_list (identifier) @name @new))
            (var_spec name: (identifier) @name @new)
            (parameter_declaration name: (identifier) @name @new)
            (inc_statement (identifier) @name)
            (dec_statement (identifier) @name)
            """,
            shared="var ",
            local="""
            (short_var_declaration left: (expression_list (identifier) @name))
            (range_clause left: (expression_list (identifier) @name))
            (receive_statement left: (expression_list (identifier) @name))
            (var_spec name: (identifier) @name)
            (const_spec name: (identifier) @name)
            (parameter_declaration name: (identifier) @name)
            (variadic_parameter_declaration name: (identifier) @name)
            (type_switch_statement alias: (expression_list (identifier) @name))
            """,
        ),
        layout=ProgramLayout(
            package="package main",
            imports=("import (\n\t", "\n\t", "\n)"),
            main_around=("func main() {", "}"),
            main_indent="\t",
            use="{blanks} = {names}",
            known_imports={
                path.rpartition("/")[2]: f'"{path}"' for path in (*_GO_PACKAGES, *_GO_NEW_PACKAGES)
            },
        ),
        place="Statements are put into main, functions and types before it, and imports to the "
        "top, so write neither main nor a package clause.",
        prints=r"fmt\.Print",
        reads_input=r"\bos\.Stdin\b|\bfmt\.(Scan|Scanln|Scanf)\(",
        error_line=r"program\.go:(\d+)",
        error_text=r"^(?:panic|fatal error): .*$",
        file_name="program.go",
        compile_command=("go", "build", "-o", "program", "program.go"),
        # No network, a cache of each program's own, and no C compiler, which could start programs.
        environment={
            "GOCACHE": "./.cache",
            "GOFLAGS": "-mod=mod",
            "GOPROXY": "off",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        },
        # The packages that programs use, compiled where Go brings only their source (from 1.20 on),
        # and the index of its tree.
        preparation=Preparation(
            text="package main\n\nimport (\n"
            + "".join(f'\t_ "{path}"\n' for path in (*_GO_PACKAGES, *_GO_OTHER_PACKAGES))
            + ")\n\nfunc main() {}\n",
            file_name="ready.go",
            commands=(
                ("go", "list", "-export", "-deps", "ready.go"),
                # Where the cache cannot be written, Go finds no package that its index lacks.
                ("go", "list", "std"),
            ),
            makes=".cache",
            environment={"GOCACHE": "{ready}/.cache"},
        ),
        run_command=("./program",),
        tools=("go",),
        package="golang-go",
        cpu_factor=1.5,
        limits_address_space=False,
    ),
)

LANGUAGES = MappingProxyType({entry.key: entry for entry in _TABLE})
"""Every language, by key."""

_BY_NAME = {name: entry for entry in _TABLE for name in (entry.key, *entry.aliases)}


def language(name: str) -> Language:
    """The entry of a language.

    Args:
        name: see `Language.key`; or one of `Language.aliases`, in any case.

    Raises:
        UnknownNameError: there is no such language; the message suggests the nearest.

    Example:
        >>> language("cpp").file_name, language("js").key, language("C++").key
        ('program.cpp', 'javascript', 'cpp')
    """
    try:
        return _BY_NAME[name.lower()]
    except KeyError:
        raise UnknownNameError("language", name, LANGUAGES) from None


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
