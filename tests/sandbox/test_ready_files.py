"""What compilers have ready: it saves time, and changes nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.compiled.ready import ReadyFiles
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.languages import LANGUAGES, Language, Preparation, language

CPP = language("cpp")
LIMITS = Limits(cpu_seconds=20, wall_seconds=300)
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


def with_path(entry: Language) -> dict[str, str]:
    return PATH


needs_cpp = pytest.mark.skipif(shutil.which("g++") is None, reason="C++ is not installed")
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(params=["NAMESPACES", "LANDLOCK"])
def sandbox(request, home, monkeypatch) -> Iterator[Sandbox]:
    monkeypatch.setenv("MULTITURN_HOME", str(home))
    try:
        opened = open_sandbox(isolation=IsolationLevel[request.param], workers=1)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


def test_what_takes_the_place_of_the_text_has_no_more_lines():
    for entry in LANGUAGES.values():
        made = entry.preparation
        if made is None:
            continue
        (first, *_) = made.commands
        assert made.file_name in first and entry.compile_command[0] == first[0]
        assert made.begins.count("\n") <= made.text.count("\n")
        if made.begins:
            assert entry.header.startswith(made.text)


@needs_cpp
@pytest.mark.real
def test_a_program_with_the_header_is_compiled_with_what_is_ready(sandbox):
    source = CPP.header + "int main() {\n    cout << __LINE__ << endl;\n}\n"
    line = CPP.header.count("\n") + 2
    run = sandbox.run(Program(source=source, language="cpp"), LIMITS)
    assert run.outcome.status is Status.FINISHED, run.stderr_text
    assert run.stdout == f"{line}\n".encode()
    wrong = CPP.header + "int main() {\n    return nothing;\n}\n"
    outcome = sandbox.run(Program(source=wrong, language="cpp"), LIMITS).outcome
    assert (outcome.status, outcome.line) == (Status.SYNTAX_ERROR, line)
    ready = sandbox._languages._ready
    if ready is None:
        pytest.skip("programs could not reach the cache at this level")
    place = ready.of(CPP)
    assert place is not None and (place / "header.hpp.gch").stat().st_size > 1 << 20
    # A header of ours in its place shows that it is read, and an empty cache breaks nothing.
    kept = (place / "header.hpp").read_text()
    asks = CPP.header + "#ifdef OURS\nint x = 1;\n#else\nint x = 0;\n#endif\n"
    asks += "int main() { cout << x << endl; }\n"
    (place / "header.hpp.gch").rename(place / "away")
    try:
        (place / "header.hpp").write_text(f"#define OURS\n{kept}")
        assert sandbox.run(Program(source=asks, language="cpp"), LIMITS).stdout == b"1\n"
        (place / "header.hpp").unlink()
        assert sandbox.run(Program(source=asks, language="cpp"), LIMITS).stdout == b"0\n"
    finally:
        (place / "header.hpp").write_text(kept)
        (place / "away").rename(place / "header.hpp.gch")


@needs_cpp
@pytest.mark.real
def test_a_program_without_the_header_gets_none_of_it(sandbox):
    source = "#include <cstdio>\nint main() { std::vector<int> v; }\n"
    outcome = sandbox.run(Program(source=source, language="cpp"), LIMITS).outcome
    assert outcome.status is Status.SYNTAX_ERROR and outcome.line == 2


@pytest.mark.real
def test_java_reads_its_classes(sandbox):
    if shutil.which("javac") is None:
        pytest.skip("java is not installed")
    source = 'class Main { public static void main(String[] a) { System.out.println("7"); } }'
    run = sandbox.run(Program(source=source, language="java"), LIMITS)
    assert (run.stdout, run.stderr) == (b"7\n", b""), run.outcome
    if (ready := sandbox._languages._ready) is not None:
        assert ready.of(language("java")) is not None


GO = """package main

import (
	"fmt"
	"os"
)

func main() {
	place := os.Getenv("GOCACHE")
	written := os.WriteFile(place+"/ours", nil, 0o644)
	fmt.Println(place, written == nil)
}
"""
"""Prints its cache."""


@needs_go
@pytest.mark.real
def test_go_builds_with_packages_that_are_not_ready(sandbox):
    """Go finds a package by the index of its cache, and opens many files for some."""
    names = ("testing", "html/template", "archive/zip", "go/parser", "encoding/gob")
    uses = "".join(f'import _ "{name}"\n' for name in names)
    source = f"package main\n\n{uses}\nfunc main() {{\n\tprintln(7)\n}}\n"
    run = sandbox.run(Program(source=source, language="go"), LIMITS)
    assert (run.outcome.status, run.stderr) == (Status.FINISHED, b"7\n"), run.stderr_text


@needs_go
@pytest.mark.real
def test_go_reads_a_cache_that_programs_cannot_change(sandbox):

    def printed() -> list[str]:
        run = sandbox.run(Program(source=GO, language="go"), LIMITS)
        assert run.outcome.status is Status.FINISHED, run.stderr_text
        return run.stdout_text.split()

    place, written = printed()
    ready = sandbox._languages._ready
    if ready is None:
        pytest.skip("programs could not reach the cache at this level")
    made = ready.of(language("go"))
    assert made is not None and place.endswith(f"{made}/.cache") and written == "false"
    assert not list(made.rglob("ours"))
    # Without it, as when the cache of the account is emptied, each program has its own again.
    made.rename(made.with_name("away"))
    try:
        own, written = printed()
        assert own.endswith("/program/.cache") and written == "true"
    finally:
        made.with_name("away").rename(made)


@pytest.mark.real
def test_only_java_looks_for_libraries_in_its_own_place(sandbox):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    source = "console.log(process.env.LD_LIBRARY_PATH, process.env.JAVA_HOME)"
    run = sandbox.run(Program(source=source, language="javascript"), LIMITS)
    assert run.stdout == b"undefined undefined\n", run.stderr_text


def test_a_tool_that_fails_or_is_missing_leaves_nothing(tmp_path):
    for command in (("false",), ("no-such-tool",)):
        made = Preparation(text="x", file_name="x", commands=(command,), makes="y")
        files = ReadyFiles(tmp_path / "cache", with_path)
        assert files._make("any", made, PATH) is None
        assert not list(files.directory.iterdir())


def test_an_odd_name_is_not_used(tmp_path):
    files = ReadyFiles(tmp_path / 'a "quoted" place', with_path)
    assert not files.usable and files.of(CPP) is None


def test_the_cache_is_one_that_can_be_made_again(monkeypatch, tmp_path):
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path))
    assert app_dirs().toolchains == tmp_path / "toolchains"
