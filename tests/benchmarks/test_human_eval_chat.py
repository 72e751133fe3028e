"""HumanEval in chat form: the published prompts, and the function in an answer."""

from __future__ import annotations

import pytest

from multiturn.benchmarks.arms.chat_functions import aligned_program, definitions
from multiturn.benchmarks.loaders.human_eval import (
    HumanEvalProblem,
    fetch_human_eval,
    read_human_eval,
)
from multiturn.benchmarks.loaders.tasks import HUMAN_EVAL_ARMS, HumanEvalTask
from multiturn.benchmarks.runner.config import SampleSettings, Selection, describe_run
from multiturn.benchmarks.runner.results import read_run
from multiturn.benchmarks.runner.run import run_specs
from multiturn.benchmarks.runner.run_spec import RunSpec
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.open import open_sandbox

pytestmark = pytest.mark.real

QWEN = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a model.<|im_end|>\n"
    "{% endif %}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{{ '<|im_start|>assistant\n' }}"
)
PROMPT = (
    "import math\nfrom typing import List\n\n\ndef helper(x: int) -> int:\n    return x + 1\n\n\n"
    'def area(r: float) -> float:\n    """ Area of a circle.\n    """\n'
)
PROBLEM = HumanEvalProblem(
    task_id="HumanEval/0",
    prompt=PROMPT,
    entry_point="area",
    canonical_solution="    return math.pi * helper(r - 1) ** 2\n",
    test="def check(candidate):\n    assert abs(candidate(2) - 12.566) < 0.01\n",
)
BODY = "return math.pi * r ** 2"
RIGHT = {
    "the function": f"def area(r: float) -> float:\n    {BODY}\n",
    "all of the prompt": f"{PROMPT}    {BODY}\n",
    "the body": f"    {BODY}\n",
    "a body with a comment": f"    # Squared.\n    {BODY}\n",
    "another name": f"def circle(r):\n    {BODY}\n",
    "another name and a helper": f"def helper(x):\n    return x\n\ndef circle(r):\n    {BODY}\n",
    "a helper after it": "def area(r):\n    return square(r) * math.pi\n\n"
    "def square(x):\n    return x * x\n",
    "an example that fails": f"def area(r):\n    {BODY}\n\nprint(area('x'))\nassert area(1) == 3\n",
    "a main part": f"def area(r):\n    {BODY}\n\nif __name__ == '__main__':\n    area()\n",
    "a constant": "PI = 3.14159\n\ndef area(r):\n    return PI * r * r\n",
    "an end that does not parse": f"def area(r):\n    {BODY}\n\nprint(area(\n",
    "a lambda": "area = lambda r: math.pi * r * r\n",
}


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox() as opened:
        yield opened


@pytest.mark.parametrize("answer", RIGHT.values(), ids=RIGHT)
def test_a_right_answer_in_any_form_passes(sandbox, answer):
    task = HumanEvalTask([PROBLEM], sha256="", arm="chat")
    program = aligned_program(PROMPT, "area", answer) + "\n"
    assert task.judge(task.items()[0], program, sandbox)["strict"].passed, program


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot do that.",
        "def area(r):\n    return r\n",
        "def one(r):\n    return 1\n\ndef two(r):\n    return 2\n",  # which one?
        "x = 3\n",
    ],
)
def test_a_wrong_answer_fails(sandbox, answer):
    task = HumanEvalTask([PROBLEM], sha256="", arm="chat")
    program = aligned_program(PROMPT, "area", answer) + "\n"
    assert not task.judge(task.items()[0], program, sandbox)["strict"].passed


def test_definitions_as_written():
    code = "import re\n@cache\ndef f():\n    # why\n    return 1\nprint(f())\nX = 1  # one\n"
    assert definitions(code) == "import re\n@cache\ndef f():\n    # why\n    return 1\nX = 1  # one"
    assert definitions("x = = 1") == "x = = 1"


def run(arm, truncation, answer, place, sandbox):
    prompts = []

    def write(request, index):
        prompts.append(request)
        return answer

    with ScriptedEngine(write, settings=ScriptSettings(chat_template=QWEN)) as engine:
        task = HumanEvalTask([PROBLEM], sha256="0" * 64, arm=arm)
        config = describe_run(
            task,
            model="scripted",
            engine=engine.info,
            sandbox=sandbox,
            settings=ArmSettings(truncation=truncation),
            sampling=SampleSettings(temperature=0),
            selection=Selection(),
        )
        spec = RunSpec(label="", task=task, config=config, place=place)
        run_specs([spec], engine, sandbox)
    return read_run(place).samples[0], prompts[0]


ANSWER = f"def area(r):\n    {BODY}\n```\nIt squares the radius.<|im_end|>"


def test_the_form_of_the_authors(tmp_path, sandbox):
    sample, request = run("chat", "published", ANSWER, tmp_path, sandbox)
    assert request.prompt == (
        "<|im_start|>system\nYou are an intelligent programming assistant to produce Python "
        "algorithmic solutions<|im_end|>\n<|im_start|>user\nCan you complete the following Python "
        f"function?\n```python\n{PROMPT.strip()}\n```<|im_end|>\n<|im_start|>assistant\n```python\n"
    )
    assert request.parse_special
    assert request.max_tokens == 1024
    assert sample.verdicts["strict"].passed
    assert sample.steps[0].cut_by == "closing fence"


def test_the_form_of_evalplus(tmp_path, sandbox):
    sample, request = run("chat_evalplus", "published", ANSWER, tmp_path, sandbox)
    assert request.prompt.startswith("<|im_start|>system\nYou are a model.<|im_end|>\n")
    assert request.prompt.endswith("passes corresponding tests:\n```python\n")
    assert sample.verdicts["strict"].passed


def test_without_extraction_the_answer_is_judged_as_it_is(tmp_path, sandbox):
    sample, _ = run("chat", "none", ANSWER, tmp_path, sandbox)
    assert not sample.verdicts["strict"].passed
    assert "It squares the radius." in sample.program


def test_what_is_refused(tmp_path, sandbox):
    with pytest.raises(UnknownNameError, match="arm"):
        HumanEvalTask([PROBLEM], sha256="", arm="turns")
    task = HumanEvalTask([PROBLEM], sha256="0" * 64, arm="chat")
    with ScriptedEngine({"": "x"}) as engine, pytest.raises(InputError, match="no chat template"):
        config = describe_run(
            task,
            model="scripted",
            engine=engine.info,
            sandbox=sandbox,
            settings=ArmSettings(),
            sampling=SampleSettings(),
            selection=Selection(),
        )
        run_specs([RunSpec(label="", task=task, config=config, place=tmp_path)], engine, sandbox)
    assert HUMAN_EVAL_ARMS == ("completion", "chat", "chat_evalplus")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["with the prompt", "the body", "another name, alone"])
def test_every_reference_passes_as_an_answer(sandbox, form):
    problems, _ = read_human_eval(fetch_human_eval())
    task = HumanEvalTask(problems, sha256="", arm="chat")
    failed = []
    for item, problem in zip(task.items(), problems, strict=True):
        name, full = problem.entry_point, problem.prompt + problem.canonical_solution
        answer = f"{full}\nprint({name}(1, 2, 3, 4, 5, 6))\n"
        if form == "the body":
            answer = problem.canonical_solution
        elif form == "another name, alone":
            head = f"def {name}("
            answer = full[full.index(head) :].replace(head, "def solution_(")
            if f"{name}(" in answer:
                continue  # it calls itself
        program = aligned_program(problem.prompt, name, answer) + "\n"
        if not task.judge(item, program, sandbox)["strict"].passed:
            failed.append(problem.task_id)
    assert not failed
