r"""Measures single turns of the dev problems, each after the reference's own earlier turns.

    python docs/results/single_turns.py qwen2.5-coder-0.5b --out runs/turns.jsonl
    python docs/results/single_turns.py qwen2.5-coder-0.5b --out runs/forms.jsonl -n 1 \
        --forms chat,comment,listed,program,plain

A whole program hides where a loop loses: one wrong step spoils what follows. Here each turn is
asked by itself, and a candidate is right if the reference's later turns, run after it, print what
is expected. For each form of the prompt the table has the share of right turns, of the first
candidate, of one drawn at random, of the choices that the loop knows, and of a choice that knows
the answer. ``--judge`` also asks the model of each candidate whether it is right.

The records hold every candidate; a run that was interrupted goes on. Nothing of ``test`` is read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.benchmarks.arms.layout import fill_case
from multiturn.benchmarks.oracles.observation import LIMITS
from multiturn.benchmarks.problem_set import Problem, own_problems
from multiturn.benchmarks.split import part_of
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Completion, Engine, Request, generate
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.alignment import (
    align_step,
    asks_to_print,
    missing_names,
    names_made,
    unused_names,
)
from multiturn.synthesis.execution import output_matches, run_programs
from multiturn.synthesis.missing_imports import add_imports
from multiturn.synthesis.program_text import as_comment, program_text
from multiturn.synthesis.prompts import FinishedTurn, chat_template_of, choose_style
from multiturn.synthesis.strategy import Strategy
from multiturn.synthesis.trimming import longest_parsing_prefix, parses
from multiturn.text.truncation import FenceEnd, NextComment, StopRule

Candidate = dict[str, Any]
Record = dict[str, Any]
Form = Callable[[Engine, str, Sequence[FinishedTurn], str], tuple[str, StopRule, bool]]

SHORT = replace(LIMITS, cpu_seconds=1.0, wall_seconds=8.0)  # no reference needs as much
ASSISTANT = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."  # its own
REVIEWER = (
    "You review Python programs that are written step by step. Answer with one word, Yes or No."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--forms", default="chat,comment")
    parser.add_argument("-n", type=int, default=8, help="candidates; 1 is greedy")
    parser.add_argument("--judge", action="store_true")
    said = parser.parse_args()
    forms = said.forms.split(",")
    records = read(said.out)
    known = {(each["problem"], each["turn"], each["style"]) for each in records}
    turns = [
        (problem, turn, form)
        for problem in own_problems()
        if part_of(problem.id) == "dev"
        for turn in range(len(problem.turns))
        for form in forms
        if (problem.id, turn, form) not in known
    ]
    if turns or said.judge:
        engine, sandbox = open_engine(said.model), open_sandbox()
        with said.out.open("a", encoding="utf-8") as file, ThreadPoolExecutor(24) as pool:
            jobs = [pool.submit(measure, engine, sandbox, *turn, said.n) for turn in turns]
            for job in as_completed(jobs):
                records.append(job.result())
                file.write(json.dumps(records[-1]) + "\n")
        if said.judge:
            judge_all(engine, records)
            said.out.write_text("".join(json.dumps(each) + "\n" for each in records))
    print(table([each for each in records if each["style"] in forms]))


def read(path: Path) -> list[Record]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(
    engine: Engine, sandbox: Sandbox, problem: Problem, turn: int, form: str, n: int
) -> Record:
    """The candidates of a turn, and which of them are right."""
    filled = fill_case(problem, 0)
    steps = list(zip(filled.prompts, filled.references, strict=True))
    header, prompt = f"{problem.header}\n\n", filled.prompts[turn]
    before, after = steps[:turn], steps[turn + 1 :]
    base = program_text(header, before)
    history = [FinishedTurn(*step) for step in before]
    text, stop, special = FORMS[form](engine, header, history, prompt)
    request = Request(
        prompt=text, n=n, temperature=0.8 if n > 1 else 0.0, max_tokens=256, stop=stop, seed=1,
        first_temperature=0.2 if n > 1 else None, logprobs=True, parse_special=special,
        session=f"{problem.id}/{form}",
    )  # fmt: skip
    found: dict[str, Candidate] = {}
    for done in generate(engine, request):
        code = step_of(done, prompt, base)
        first = {"text": code, "copies": 0, "lp": done.mean_logprob, "first": done.index == 0}
        found.setdefault(code.strip(), first)["copies"] += 1
    candidates = list(found.values())
    printed = printed_by(sandbox, base)
    for index, run in runs(
        sandbox, [program_text(header, [*before, (prompt, each["text"])]) for each in candidates]
    ):
        each = candidates[index]
        each.update(ok=run.outcome.finished, out=run.stdout, values=run.values)
        each["lacks"] = [
            *missing_names(prompt, each["text"], names_made(base)),
            *unused_names(prompt, each["text"], names_made(base)),
            *(["print"] if asks_to_print(prompt) and run.stdout == printed else []),
        ]
    whole = [program_text(header, [*before, (prompt, each["text"]), *after]) for each in candidates]
    for index, run in runs(sandbox, whole):
        right = run.outcome.finished and output_matches(run.stdout, problem.outputs[0])
        candidates[index]["right"] = right
    return {
        "problem": problem.id, "turn": turn, "turns": len(steps), "style": form, "prompt": prompt,
        "before": base, "candidates": candidates,
    }  # fmt: skip


def step_of(done: Completion, prompt: str, base: str) -> str:
    """The step in a completion, without a fence and an unfinished end, and aligned."""
    code = done.text.split("\n```")[0].rstrip().lstrip("\n")
    if not parses(f"{base}\n{code}"):
        code = longest_parsing_prefix(f"{base}\n", code) or code
    return add_imports(align_step(prompt, code, names_made(base)), base)


def runs(sandbox: Sandbox, programs: Sequence[str]) -> Iterable[tuple[int, Any]]:
    return ((each.index, each.run) for each in run_programs(sandbox, programs, [], SHORT))


def printed_by(sandbox: Sandbox, program: str) -> str:
    return next(run.stdout for _, run in runs(sandbox, [program]))


# The forms of the prompt: those of the loop, and three others.


def chat(
    engine: Engine, header: str, history: Sequence[FinishedTurn], prompt: str
) -> tuple[str, StopRule, bool]:
    del header
    style = choose_style(engine.info, "chat")
    return style.render("", history, prompt), style.stop, True


def comment(
    engine: Engine, header: str, history: Sequence[FinishedTurn], prompt: str
) -> tuple[str, StopRule, bool]:
    style = choose_style(engine.info, "comment", Strategy(comment_stop="next_comment"))
    return style.render(header, history, prompt), style.stop, False


def listed(
    engine: Engine, header: str, history: Sequence[FinishedTurn], prompt: str
) -> tuple[str, StopRule, bool]:
    """All steps so far as a list, and the program so far as the beginning of the answer."""
    del header
    prompts = [*(each.prompt for each in history), prompt]
    items = "\n".join(f"{number}. {each}" for number, each in enumerate(prompts, 1))
    asked = f"Write a Python program that does these steps, one after the other:\n{items}"
    done = "".join(f"{as_comment(each.prompt)}{each.code}\n\n" for each in history)
    return f"{opened(engine, asked)}{done}{as_comment(prompt)}", NextComment(), True


def program(
    engine: Engine, header: str, history: Sequence[FinishedTurn], prompt: str
) -> tuple[str, StopRule, bool]:
    """The program so far and the step in one message."""
    del header
    done = program_text("", [(each.prompt, each.code) for each in history]).strip()
    asked = f"Write the first step of a Python program: {prompt}\nAnswer with the code only."
    if done:
        asked = (
            f"This is a Python program so far:\n```python\n{done}\n```\nWrite the code that comes "
            f"next, which does this: {prompt}\nAnswer with the new code only."
        )
    return opened(engine, asked), FenceEnd(), True


def plain(
    engine: Engine, header: str, history: Sequence[FinishedTurn], prompt: str
) -> tuple[str, StopRule, bool]:
    """Chat without instructions."""
    del header
    messages = [("system", ASSISTANT)]
    for each in history:
        messages += [("user", each.prompt), ("assistant", f"```python\n{each.code}\n```")]
    text = chat_template_of(engine.info).render([*messages, ("user", prompt)])
    return f"{text}```python\n", FenceEnd(), True


FORMS: dict[str, Form] = {
    "chat": chat, "comment": comment, "listed": listed, "program": program, "plain": plain
}  # fmt: skip


def opened(engine: Engine, asked: str) -> str:
    messages = [("system", ASSISTANT), ("user", asked)]
    return f"{chat_template_of(engine.info).render(messages)}```python\n"


def judge_all(engine: Engine, records: Sequence[Record]) -> None:
    """Ask the model of each candidate, where some are right and some are not."""
    with ThreadPoolExecutor(24) as pool:
        mixed = [each for each in records if len({one["right"] for one in each["candidates"]}) > 1]
        for _ in pool.map(lambda record: judge(engine, record), mixed):
            pass


def judge(engine: Engine, record: Record) -> None:
    template = chat_template_of(engine.info)
    before = record["before"].strip() or "# nothing yet"
    for each in record["candidates"]:
        if "judge" in each or not usable(each):
            continue
        asked = (
            f"The program so far:\n```python\n{before}\n```\nThe next step: {record['prompt']}\n\n"
            f"The code of the step:\n```python\n{each['text']}\n```\n"
            "Is the code of the step right, so that it does exactly what the step says?"
        )
        prompt = template.render([("system", REVIEWER), ("user", asked)])
        request = Request(
            prompt=prompt, temperature=0.0, max_tokens=1, logprobs=True, top_logprobs=20,
            parse_special=True, session=f"judge {record['problem']} {record['turn']}",
        )  # fmt: skip
        (done,) = generate(engine, request)
        share = Counter({"yes": 1e-9, "no": 1e-9})
        for token, logprob in (done.top_logprobs or [()])[0]:
            share[engine.tokenizer.decode([token]).strip().lower()] += math.exp(logprob)  # type: ignore[attr-defined]
        each["judge"] = math.log(share["yes"] / share["no"])


# The table.


def usable(candidate: Candidate) -> bool:
    return bool(candidate["ok"] and candidate["text"].strip())


def left(candidate: Candidate) -> str:
    return json.dumps([candidate["out"], sorted(map(list, candidate["values"] or []))])


def good(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that ran and lack least; all of them where none ran."""
    ran = [each for each in candidates if usable(each)]
    least = min((len(each["lacks"]) for each in ran), default=0)
    return [each for each in ran if len(each["lacks"]) == least] or list(candidates)


def likeliest(candidates: Sequence[Candidate]) -> Candidate:
    return max(good(candidates), key=lambda each: each["lp"] or -math.inf)


def by_values(candidates: Sequence[Candidate]) -> Candidate:
    votes: Counter[str] = Counter()
    for each in good(candidates):
        votes[left(each)] += each["copies"]
    return max(good(candidates), key=lambda each: (votes[left(each)], each["lp"] or -math.inf))


def judged(candidates: Sequence[Candidate]) -> Candidate:
    return max(good(candidates), key=lambda each: each.get("judge", 0.0))


def random_share(candidates: Sequence[Candidate]) -> float:
    return float(
        np.average(
            [each["right"] for each in candidates], weights=[each["copies"] for each in candidates]
        )
    )


CHOICES: dict[str, Callable[[Sequence[Candidate]], float]] = {
    "the first": lambda found: next(each["right"] for each in found if each["first"]),
    "one at random": random_share,
    "the likeliest that runs and lacks nothing": lambda found: likeliest(found)["right"],
    "most agree by values": lambda found: by_values(found)["right"],
    "the model's own judgement": lambda found: judged(found)["right"],
    "ceiling: a right one, if there is any": lambda found: any(each["right"] for each in found),
}


def table(records: Sequence[Record]) -> str:
    """Shares of right turns, and of problems with every turn right, for each form and choice."""
    by_form: dict[str, dict[tuple[str, int], list[Candidate]]] = {}
    for each in records:
        by_form.setdefault(each["style"], {})[each["problem"], each["turn"]] = each["candidates"]
    forms = list(by_form.items())
    if len(forms) == 2:
        both = {turn: [*forms[0][1][turn], *forms[1][1][turn]] for turn in forms[0][1]}
        forms.append((" and ".join(by_form), both))
    lines = ["| form | choice | turns | right | every turn of a problem |", "|---|---|---|---|---|"]
    for form, turns in forms:
        has_judgements = any("judge" in each for found in turns.values() for each in found)
        for name, choice in CHOICES.items():
            if name == "the model's own judgement" and not has_judgements:
                continue
            right = {turn: choice(found) for turn, found in turns.items()}
            whole = [
                math.prod(right[turn] for turn in each)
                for _, each in itertools.groupby(sorted(right), key=lambda turn: turn[0])
            ]
            share, every = np.mean(list(right.values())), np.mean(whole)
            lines.append(f"| {form} | {name} | {len(right)} | {share:.3f} | {every:.3f} |")
    lines.append("")
    for name, what in (("judge", "the model's own judgement"), ("lp", "the log-probability")):
        lines.append(f"A right candidate has the higher figure by {what}: {auc(records, name)}.")
    return "\n".join(lines)


def auc(records: Sequence[Record], name: str) -> str:
    """How often a right candidate has the higher figure than a wrong one of the same turn."""
    wins: list[float] = []
    for record in records:
        found = [each for each in record["candidates"] if each.get(name) is not None]
        for right, wrong in itertools.product(found, found):
            if right["right"] and not wrong["right"] and usable(wrong):
                wins.append(float(np.sign(right[name] - wrong[name]) / 2 + 0.5))
    return f"{np.mean(wins):.3f} of {len(wins)} pairs" if wins else "not measured"


if __name__ == "__main__":
    main()
