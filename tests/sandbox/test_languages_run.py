"""Programs in other languages than Python, for real, at every available level."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from multiturn.core.errors import InputError, SandboxUnavailableError, UnknownNameError
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.assembly import assemble
from multiturn.text.languages import LANGUAGES
from tests.text.shared_steps import SHARED

pytestmark = pytest.mark.real

HERE = {each.language.key: each.works for each in available_languages()}
LIMITS = Limits(cpu_seconds=5, wall_seconds=30, memory_bytes=256 << 20, output_bytes=64 << 10)

DOUBLE = {
    "c": '#include <stdio.h>\nint main(void) { int n; scanf("%d", &n); printf("%d\\n", 2 * n); }\n',
    "cpp": "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n; }\n",
    "javascript": 'const n = Number(require("fs").readFileSync(0)); console.log(2 * n);\n',
    "java": "public class Main { public static void main(String[] a) {"
    " System.out.println(2 * new java.util.Scanner(System.in).nextInt()); } }\n",
    "go": 'package main\nimport "fmt"\n'
    "func main() { var n int; fmt.Scan(&n); fmt.Println(2 * n) }\n",
}
WRONG = {
    "c": "int main(void) {\n  return nothing;\n}\n",
    "cpp": "int main() {\n  return nothing;\n}\n",
    "java": "public class Main {\n  int f() { return nothing; }\n}\n",
    "go": "package main\nfunc main() {\n  nothing()\n}\n",
}


# The second level runs these programs just as the first does.
@pytest.fixture(scope="module", params=["NAMESPACES", "LANDLOCK"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    try:
        opened = open_sandbox(isolation=IsolationLevel[request.param], workers=2)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


def run(sandbox, source, language="c", limits=LIMITS, stdin=b""):
    if not HERE[language]:
        pytest.skip(f"{language} is not installed")
    return sandbox.run(Program(source=source, language=language, stdin=stdin), limits)


@pytest.mark.parametrize("language", DOUBLE)
def test_a_program_reads_and_prints(sandbox, language):
    result = run(sandbox, DOUBLE[language], language, stdin=b"21\n")
    assert (result.outcome.status, result.stdout.strip()) == (Status.FINISHED, b"42"), (
        result.stderr_text
    )
    assert result.isolation is sandbox.isolation


@pytest.mark.parametrize("language", ["c", "java"])
def test_a_compile_error_has_its_line(sandbox, language):
    outcome = run(sandbox, WRONG[language], language).outcome
    assert outcome.status is Status.SYNTAX_ERROR
    assert outcome.line == 2
    assert "nothing" in outcome.error or "symbol" in outcome.error


def test_an_error_is_reported(sandbox):
    outcome = run(sandbox, 'throw new RangeError("no");\n', "javascript").outcome
    assert (outcome.status, outcome.error) == (Status.RAISED, "RangeError: no")
    outcome = run(sandbox, "int main(void) { return 3; }\n").outcome
    assert (outcome.status, outcome.exit_code) == (Status.RAISED, 3)


IN_MAIN = {
    "java": "public class Main { public static void main(String[] a) { %s } }\n",
    "cpp": "#include <bits/stdc++.h>\nint main() { %s }\n",
    "go": 'package main\nimport "fmt"\nfunc main() { a := []int{1}; fmt.Println(a); %s }\n',
}
ERRORS = [
    ("java", "int[] b = {}; b[5] = 1;", "java.lang.ArrayIndexOutOfBoundsException: Index 5 out of"),
    ("java", "new java.util.ArrayDeque<Integer>().pop();", "java.util.NoSuchElementException"),
    ("cpp", "std::vector<int> v; v.at(3);", "std::out_of_range: vector::_M_range_check"),
    ("cpp", 'throw std::runtime_error("own");', "std::runtime_error: own"),
    ("cpp", "throw 1;", "int"),
    ("go", "i := 5; a[i] = 1", "panic: runtime error: index out of range [5] with length 1"),
]


@pytest.mark.parametrize(("language", "code", "error"), ERRORS)
def test_an_error_has_its_name_and_its_message(sandbox, language, code, error):
    outcome = run(sandbox, IN_MAIN[language] % code, language).outcome
    assert outcome.status is Status.RAISED
    assert outcome.error.startswith(error)


EXHAUSTING = [
    (
        "javascript",
        "const a = [];\nwhile (true) a.push(new Array(1e6).fill(1));\n",
        "JavaScript heap out of memory",
    ),
    (
        "java",
        IN_MAIN["java"] % "var m = new java.util.ArrayList<long[]>();"
        " while (true) m.add(new long[10000000]);",
        "java.lang.OutOfMemoryError",
    ),
    (
        "cpp",
        IN_MAIN["cpp"] % "std::vector<long> v; while (true) v.resize(v.size() * 2 + 1000);",
        "std::bad_alloc",
    ),
    ("go", IN_MAIN["go"] % "for { a = append(a, a...) }", "out of memory"),
]


@pytest.mark.parametrize(("language", "source", "words"), EXHAUSTING)
def test_a_runtime_without_memory_says_so(sandbox, language, source, words):
    limits = Limits(cpu_seconds=20, wall_seconds=120, memory_bytes=512 << 20)
    outcome = run(sandbox, source, language, limits).outcome
    assert outcome.status is Status.OUT_OF_MEMORY
    assert words in outcome.error


@pytest.mark.parametrize("language", SHARED)
def test_functions_see_the_variables_of_the_steps(sandbox, language):
    pytest.importorskip("tree_sitter", reason="needs the extra `languages`")
    steps = [("", code) for code in SHARED[language]]
    result = run(sandbox, assemble(language, LANGUAGES[language].header, steps), language)
    assert result.stdout == b"18", result.stderr_text


def test_limits_of_time_output_and_memory(sandbox):
    short = Limits(cpu_seconds=1, wall_seconds=60, memory_bytes=64 << 20, output_bytes=4096)
    spin = "int main(void) { for (volatile int i = 0;; i++); }\n"
    assert run(sandbox, spin, limits=short).outcome.status is Status.TIMED_OUT_CPU
    flood = '#include <stdio.h>\nint main(void) { for (;;) puts("flood"); }\n'
    flooded = run(sandbox, flood, limits=short)
    assert flooded.outcome.status is Status.TOO_MUCH_OUTPUT
    assert len(flooded.stdout) == 4096
    bomb = """#include <stdio.h>
        #include <stdlib.h>
        int main(void) {
            for (int i = 0; i < 256; i++) {
                char *p = malloc(1 << 20);
                if (!p) { puts("refused"); return 0; }
                for (int j = 0; j < 1 << 20; j += 4096) p[j] = 1;
            }
            puts("BREACH");
        }\n"""
    assert run(sandbox, bomb, limits=short).stdout == b"refused\n"


def test_sleeping_is_ended_by_the_wall_clock(sandbox):
    limits = Limits(cpu_seconds=5, wall_seconds=1)
    sleep = "#include <unistd.h>\nint main(void) { sleep(60); }\n"
    began = time.monotonic()
    assert run(sandbox, sleep, limits=limits).outcome.status is Status.TIMED_OUT_WALL
    assert time.monotonic() - began < 30


@contextmanager
def bystanders() -> Iterator[tuple[Path, int, int]]:
    """A file, a port that listens and a process; afterwards the last two were left alone."""
    secret = Path.home() / f".multiturn-test-{os.getpid()}"
    secret.write_text("CANARY")
    secret.chmod(0o644)
    sleeper = subprocess.Popen(["sleep", "60"])
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    try:
        yield secret, server.getsockname()[1], sleeper.pid
        assert sleeper.poll() is None
        with pytest.raises(TimeoutError):
            server.accept()
    finally:
        secret.unlink()
        server.close()
        sleeper.kill()
        sleeper.wait()


def test_a_hostile_program_reaches_nothing(sandbox, tmp_path):
    """Files, the network, other processes and new processes, from C."""
    with bystanders() as reachable:
        result = run(sandbox, HOSTILE % reachable)
        assert result.outcome.status is Status.FINISHED, result.outcome
        assert result.stdout == b"held\n"


HOSTILE = r"""
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    char found[100] = {0};
    int file = open("%s", O_RDONLY);
    if (file >= 0 && read(file, found, 99) > 0) printf("BREACH read %%s\n", found);
    if (open("/etc/shadow", O_RDONLY) >= 0) puts("BREACH shadow");
    if (open("/usr/mt-breach", O_WRONLY | O_CREAT, 0600) >= 0) puts("BREACH wrote");
    struct sockaddr_in to = {AF_INET, htons(%d), {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s >= 0 && connect(s, (struct sockaddr *)&to, sizeof to) == 0) puts("BREACH connected");
    if (kill(%d, SIGKILL) == 0) puts("BREACH killed");
    if (kill(getppid(), SIGKILL) == 0 && getppid() > 1) puts("BREACH killed its parent");
    if (ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0) puts("BREACH traced");
    if (setsid() >= 0) puts("BREACH a session of its own");
    int child = fork();
    if (child == 0) { sleep(30); _exit(0); }
    if (child > 0) puts("BREACH forked");
    if (syscall(SYS_unshare, 0x10000000) == 0) puts("BREACH unshared");
    puts("held");
}
"""


def test_a_hostile_script_reaches_nothing(sandbox):
    """The same from JavaScript, whose runtime has all of it ready."""
    with bystanders() as (secret, port, pid):
        source = HOSTILE_SCRIPT % {"secret": secret, "port": port, "pid": pid}
        result = run(sandbox, source, "javascript", Limits(wall_seconds=120))
        assert result.stdout == b"held\n", (result.outcome, result.stderr_text)


HOSTILE_SCRIPT = r"""
const fs = require("fs"), net = require("net"), processes = require("child_process");
function attempt(what, action) {
  try { action(); } catch (error) { return; }
  console.log("BREACH", what);
}
function started(done) { if (done.error) throw done.error; }
attempt("read a file", () => fs.readFileSync("%(secret)s"));
attempt("read the passwords", () => fs.readFileSync("/etc/shadow"));
attempt("read an environment", () => fs.readFileSync("/proc/1/environ"));
attempt("wrote a file", () => fs.writeFileSync("/usr/mt-breach", "x"));
attempt("wrote beside itself", () => fs.writeFileSync("../../mt-breach", "x"));
attempt("killed", () => process.kill(%(pid)d, "SIGKILL"));
attempt("signalled its parent", () => process.kill(process.ppid || 1, 0));
attempt("started a program", () => started(processes.spawnSync("/bin/true")));
attempt("became another user", () => process.setuid(0));
attempt("loaded the kernel's list", () => fs.readFileSync("/proc/kallsyms"));
process.on("exit", () => console.log("held"));
attempt("a socket", () => {
  net.connect(%(port)d, "127.0.0.1")
    .on("connect", () => console.log("BREACH connected")).on("error", () => {});
  throw new Error("what comes later says whether");
});
"""


def test_programs_do_not_see_each_other(sandbox):
    source = """#include <dirent.h>
        #include <stdio.h>
        int main(void) {
            int count = 0;
            DIR *above = opendir("..");
            struct dirent *each;
            while (above && (each = readdir(above))) count += each->d_name[0] != '.';
            FILE *file = fopen("left", "w");
            printf("%d\\n", file ? count : -1);
        }\n"""
    counts = {run(sandbox, source).stdout for _ in range(2)}
    # Where there are no namespaces it may not even look.
    assert counts <= {b"1\n", b"0\n"}


def test_compiling_reaches_nothing(sandbox):
    """The compiler reads what a source includes."""
    outcome = run(sandbox, '#include "/etc/shadow"\nint main(void) {}\n').outcome
    assert outcome.status is Status.SYNTAX_ERROR
    secret = Path.home() / f".multiturn-test-{os.getpid()}.h"
    secret.write_text("#error CANARY\n")
    secret.chmod(0o644)
    try:
        result = run(sandbox, f'#include "{secret}"\nint main(void) {{}}\n')
    finally:
        secret.unlink()
    assert result.outcome.status is Status.SYNTAX_ERROR
    assert "CANARY" not in result.stderr_text.replace(secret.name, "")


def test_nothing_is_left(sandbox, monkeypatch):
    sandbox.warm_languages()  # Its own directory is there until it is closed.
    # Not in tmp_path: another pytest that starts meanwhile closes its parent to other accounts.
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o777)
        monkeypatch.setattr("tempfile.tempdir", temporary)
        before = sum(1 for _ in Path("/proc/self/fd").iterdir())
        assert run(sandbox, DOUBLE["c"], stdin=b"1\n").stdout == b"2\n"
        assert run(sandbox, DEEP).outcome.status is Status.FINISHED
        assert not list(Path(temporary).iterdir())
        assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


DEEP = r"""
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    for (int depth = 0; depth < 1100; depth++) {
        if (mkdir("directory", 0700) || chdir("directory")) return 1;
    }
    close(open("at the bottom", O_CREAT | O_WRONLY, 0));
}
"""


def test_mistakes_are_reported(sandbox):
    with pytest.raises(UnknownNameError, match="javascript"):
        sandbox.run(Program(source="", language="javascrpt"))
    if HERE["c"]:
        with pytest.raises(InputError, match="prints"):
            sandbox.run(Program(source="", language="c", result="x"))
    absent = [key for key, works in HERE.items() if not works]
    for key in absent:
        with pytest.raises(InputError, match="apt-get install"):
            sandbox.run(Program(source="", language=key))


def test_python_and_other_programs_side_by_side(sandbox):
    if not HERE["c"]:
        pytest.skip("c is not installed")
    programs = [(Program(source="print(2)"), LIMITS)] * 3
    programs += [(Program(source=DOUBLE["c"], language="c", stdin=b"1"), LIMITS)] * 3
    assert {result.stdout for _, result in sandbox.run_many(programs)} == {b"2\n"}
