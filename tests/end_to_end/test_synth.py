"""`multiturn synth`: run specification files without interaction."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from multiturn.sandbox.compiled.runner import available_languages
from multiturn.text.languages import language

pytestmark = pytest.mark.real

SPECIFICATION = """\
name: three numbers
turns:
  - Make the list of {values}
  - prompt: Sort it
    examples: {numbers: [1, 2, 3]}
  - Add it up
variables: {values: [3, 1, 2]}
"""
OPTIONS = ("--header", "none", "--style", "comment")


@pytest.fixture
def specification(tmp_path: Path) -> Path:
    return write(tmp_path / "numbers.yaml", f"{SPECIFICATION}expect: 6\n")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_turns_are_shown_and_the_program_written(
    call: Any, script: str, specification: Path, tmp_path: Path
) -> None:
    out = tmp_path / "program.py"
    done = call("synth", specification, "--model", script, *OPTIONS, "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1/3> Make the list of [3, 1, 2]" in done.stdout
    assert "│ [1, 2, 3]" in done.stdout
    assert "✓ the program printed the expected output: 6" in done.stdout
    assert "\x1b" not in done.stdout
    program = out.read_text()
    again = subprocess.run(["python3", "-"], input=program, capture_output=True, text=True)
    assert again.stdout == "[3, 1, 2]\n[1, 2, 3]\n6\n"


def test_what_is_not_met_is_said_and_exits_1(call: Any, script: str, tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong.yaml", f"{SPECIFICATION}expect: 7\n")
    out = tmp_path / "program.py"
    done = call("synth", wrong, "--model", script, *OPTIONS, "--out", out)
    assert done.returncode == 1
    assert "✗" in done.stdout
    assert "turn 3: expected" in done.stdout
    assert out.exists()  # a person may want to see it
    assert done.stderr == ""


def test_several_candidates_are_chosen_by_the_examples(
    call: Any, tmp_path: Path, specification: Path
) -> None:
    lines = [
        {"when": "Make the list", "answers": ["numbers = [3, 1, 2]"]},
        {"when": "Sort it", "answers": ["numbers.reverse()", "numbers.sort()", "nonsense"]},
        {"when": "Add it up", "answers": ["print(sum(numbers))"]},
    ]
    script = write(tmp_path / "s.jsonl", "\n".join(map(json.dumps, lines)))
    one = call("synth", specification, "--model", f"scripted:{script}", *OPTIONS)
    assert one.returncode == 1
    done = call("synth", specification, "--model", f"scripted:{script}", *OPTIONS, "--n", "3")
    assert done.returncode == 0, done.stdout
    assert "the best of 3 candidates, 3 different; 1 passed the examples" in done.stdout


def test_the_document_for_machines(call: Any, script: str, specification: Path) -> None:
    done = call("synth", specification, "--model", script, *OPTIONS, "--json", "--seed", "4")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["schema"] == "multiturn.synth/1"
    assert (document["met"], document["of"]) == (1, 1)
    assert document["settings"]["seed"] == 4
    assert document["engine"]["engine"] == "scripted"
    (program,) = document["programs"]
    assert program["met"] is True
    assert program["expected"] == 6
    assert program["why_not"] is None
    assert program["run"]["outcome"]["status"] == "finished"
    assert program["run"]["rung"] not in ("fake", "rlimits-only")
    assert [turn["prompt"] for turn in program["turns"]][1:] == ["Sort it", "Add it up"]
    assert len(document["file_sha256"]) == 64
    shown = call("sessions", "show", program["session"], "--code")
    assert shown.stdout == program["program"]


def test_many_specifications_give_a_line_each_and_a_sum(
    call: Any, script: str, tmp_path: Path
) -> None:
    problems = [
        {
            "id": "1",
            "name": "Sum it",
            "description": "",
            "category": "math",
            "prompts": ["Make the list of {values}", "Add it up"],
            "inputs": [{"values": [3, 1, 2]}, {"values": [1]}],
            "outputs": [6, 1],
            "max_gen_length": 64,
        }
    ]
    file = write(tmp_path / "problems.jsonl", "\n".join(map(json.dumps, problems)))
    out = tmp_path / "programs"
    done = call("synth", file, "--model", script, *OPTIONS, "--out", out)
    assert done.returncode == 1
    assert "✓ Sum it, case 1" in done.stdout
    assert "✗ Sum it, case 2: turn 2" in done.stdout
    assert "1 of 2 programs gave the expected output" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["Sum-it-case1.py", "Sum-it-case2.py"]
    first = call("synth", file, "--model", script, *OPTIONS, "--case", "1")
    assert first.returncode == 0, first.stdout
    none = call("synth", file, "--model", script, *OPTIONS, "--case", "3")
    assert none.returncode == 2
    assert "1 to 2" in none.stderr


def test_attempts_begin_again_with_other_seeds_and_say_so(call: Any, tmp_path: Path) -> None:
    specification = write(tmp_path / "one.yaml", "turns: [Say yes]\nexpect: 'yes'\n")
    # Seed 0 says no. The next attempt has another seed, and 1 to 6 modulo 7 all say yes.
    lines = [{"when": "Say yes", "answers": ["print('no')", *["print('yes')"] * 6]}]
    script = write(tmp_path / "s.jsonl", "\n".join(map(json.dumps, lines)))
    options = ("synth", specification, "--model", f"scripted:{script}", *OPTIONS, "--n", "1")
    assert call(*options).returncode == 1
    done = call(*options, "--attempts", "2")
    assert done.returncode == 0, done.stdout
    assert "Attempt 2 of 2" in done.stdout


def test_the_demonstration_says_what_it_does_and_what_next(
    call: Any, script: str, specification: Path
) -> None:
    done = call("synth", specification, "--model", script, *OPTIONS, "--demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("A program in 3 turns")
    assert "candidates" in done.stdout
    assert "The finished program" in done.stdout
    assert "What to try next" in done.stdout


def test_an_interruption_leaves_what_was_saved(
    terminal: Any, slow_script: str, specification: Path, home: Path
) -> None:
    person = terminal("synth", str(specification), "--model", slow_script, *OPTIONS)
    person.wait_for("2/3> Sort it")
    time.sleep(0.3)
    person.process.kill(signal.SIGINT)
    assert person.ended() == 130
    assert "stopped" in person.seen
    assert "Traceback" not in person.seen


DEMO = Path(__file__).parents[2] / "examples" / "languages" / "demo.yaml"
LOOP = "for (int i = 1; i <= 5; i++) total += i;"
STEPS = {
    "js": (
        "let total = 12;\nconsole.log(total);",
        "function triple(n) { return 3 * n; }",
        "console.log(triple(total));",
        "for (let i = 1; i <= 5; i++) total += i;\nconsole.log(total);",
        "console.log('The total is', total);",
    ),
    "java": (
        "int total = 12;\nSystem.out.println(total);",
        "static int triple(int n) { return 3 * n; }",
        "System.out.println(triple(total));",
        f"{LOOP}\nSystem.out.println(total);",
        'System.out.println("The total is " + total);',
    ),
    "c": (
        'int total = 12;\nprintf("%d\\n", total);',
        "int triple(int n) { return 3 * n; }",
        'printf("%d\\n", triple(total));',
        f'{LOOP}\nprintf("%d\\n", total);',
        'printf("The total is %d\\n", total);',
    ),
    "cpp": (
        "int total = 12;\ncout << total << endl;",
        "int triple(int n) { return 3 * n; }",
        "cout << triple(total) << endl;",
        f"{LOOP}\ncout << total << endl;",
        'cout << "The total is " << total << endl;',
    ),
    "go": (
        "total := 12\nfmt.Println(total)",
        "func triple(n int) int { return 3 * n }",
        "fmt.Println(triple(total))",
        "for i := 1; i <= 5; i++ { total += i }\nfmt.Println(total)",
        'fmt.Println("The total is", total)',
    ),
}
"""What a model answers to the prompts of the demonstration in other languages."""
PROMPTS = ("the value 12", "triple(n)", "Print triple", "With a loop", "in one line")


@pytest.mark.parametrize("key", STEPS)
def test_the_demonstration_in_each_language(call: Any, tmp_path: Path, key: str) -> None:
    pytest.importorskip("tree_sitter", reason="needs the extra `languages`")
    entry = language(key)
    if not next(each.works for each in available_languages() if each.language is entry):
        pytest.skip(f"{entry.name} is not installed")
    answers = zip(PROMPTS, STEPS[key], strict=True)
    lines = [{"when": when, "answers": [answer]} for when, answer in answers]
    script = write(tmp_path / "s.jsonl", "\n".join(map(json.dumps, lines)))
    out = tmp_path / f"program{entry.extensions[0]}"
    options = ("--language", key, "--demo", "--out", out)
    done = call("synth", DEMO, "--model", f"scripted:{script}", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout.partition("Its output")[2]
    assert output.splitlines()[1:5] == ["  │ 12", "  │ 36", "  │ 27", "  │ The total is 27"]
    # What it says to try next is for this language.
    assert f"--language {entry.key} --demo --seed 7" in output and out.exists()
