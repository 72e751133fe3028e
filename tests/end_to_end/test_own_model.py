"""From a folder of one's own to a prompt: the page's commands, run in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs" / "own-model.md"
BIN = Path(sys.executable).parent


def in_a_shell(commands: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **env},
        capture_output=True,
        text=True,
        timeout=1500,
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_page_from_a_folder_to_a_prompt(empty: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    outputs = []
    for block in blocks:
        done = in_a_shell(block, empty)
        assert done.returncode == 0, block + done.stdout + done.stderr
        outputs.append(done)
    trained, exported, prompted = outputs[2], outputs[4], outputs[5]
    last = trained.stderr.splitlines()[-1]
    assert last == (
        "trained to step 60; use it: multiturn export runs/mine --to gguf "
        "&& multiturn --model runs/mine-gguf/mine.gguf"
    )
    assert "use it: multiturn --model runs/mine-gguf/mine.gguf" in exported.stdout
    # Both engines opened the file and wrote a turn.
    assert prompted.stdout.count("1> Print a number.") == 2
    assert prompted.stdout.count("exit code 2") == 0
    # What the last line of `train` says works as it stands, a second time too.
    pasted = last.partition("use it: ")[2]
    again = in_a_shell(f"{pasted} --max-tokens 8 < turns.txt || test $? = 1", empty)
    assert again.returncode == 0, again.stderr
    assert "1> Print a number." in again.stdout


@pytest.mark.slow
@pytest.mark.timeout(1500)  # starts JAX four times: half a minute of work, on a busy machine more
def test_a_folder_is_trained_on_and_exported(empty: Path) -> None:
    """The same in small: each step says the next, and what it says works when it is pasted."""
    (empty / "code").mkdir()
    for number in range(40):
        body = "".join(f"    total += values[{n}] * {n + number}\n" for n in range(30))
        text = f"def weigh_{number}(values):\n    total = 0\n{body}    return total\n"
        (empty / "code" / f"weigh_{number}.py").write_text(text)
    done = in_a_shell(
        "multiturn train nano out='runs/my model' data.path=code data.pattern=**/*.py "
        "data.tokenizer=train:300 model.vocab_size=300 steps=2 schedule.warmup_steps=1 "
        "schedule.decay_steps=2 batch.sequences=2 batch.length=32 watch.evaluate_every=0",
        empty,
    )
    assert done.returncode == 0, done.stderr
    last = done.stderr.splitlines()[-1]
    export, _, use = last.partition("use it: ")[2].partition(" && ")
    assert export == "multiturn export 'runs/my model' --to gguf"
    done = in_a_shell(export, empty)
    assert done.returncode == 0, done.stderr
    assert f"use it: {use}" in done.stdout
    assert use == "multiturn --model 'runs/my model-gguf/my model.gguf'"
    done = in_a_shell(f"echo 'Print it' | {use} --engine jax --max-tokens 4 || test $? = 1", empty)
    assert done.returncode == 0, done.stderr
    assert "1> Print it" in done.stdout
    # An export of ours makes room for the next; a folder that is none stays.
    assert in_a_shell(export, empty).returncode == 0
    in_a_shell("rm 'runs/my model-gguf/certificate.json'", empty)
    done = in_a_shell(export, empty)
    assert done.returncode == 2
    assert "output directory is not empty" in done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train nanoo", "no such recipe: got 'nanoo'; allowed: .*micro, nano.*did you mean nano"),
        ("train nowhere/nano.py", "no such recipe: got 'nowhere/nano.py'"),
        ("data build local-pythn", "allowed: .*local-python.*did you mean local-python"),
        ("data build problem-records", "no such recipe"),
        ("train nano data.pattern= a.py b.py", "the shell expanded a pattern to file names"),
        ("train nano data.pattern=**/*.{py,md}", "data.pattern was given twice"),
        ("train nano data.path=nothing-here", "nothing-here"),
        ("export nothing-here --to gguf", "no such model"),
    ],
)
def test_a_mistake_on_the_way_is_one_line(empty: Path, command: str, message: str) -> None:
    for name in ("a.py", "b.py"):
        (empty / name).touch()
    done = in_a_shell(f"multiturn {command}", empty)
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_recipes_are_found_by_name_from_any_folder(empty: Path) -> None:
    for name in ("nano", "micro", "codegen_350m:nl", "codegen-350m:nl"):
        done = in_a_shell(f"multiturn train run {name} --show", empty)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("{")
    done = in_a_shell("multiturn data records records --cases 1", empty)
    assert done.returncode == 0, done.stderr
    assert (empty / "records" / "train.jsonl").stat().st_size > 10_000


def test_recipes_are_in_the_wheel() -> None:
    """Where the checkout is not beside the package, they are in it."""
    import tomllib

    page = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text())
    wheel = page["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"recipes": "multiturn/recipes"}
