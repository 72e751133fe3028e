"""Multi-turn records of bioinformatics: right, repeatable, and free of the benchmarks."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.core.errors import InputError
from multiturn.jaxformer.datasets.records import read_records
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.headers import NUMPY_HEADER
from recipes.data.bioinformatics_turns.checking import faults_of_run, faults_of_text, unvaried
from recipes.data.bioinformatics_turns.contamination import Contamination
from recipes.data.bioinformatics_turns.drawing import Draw
from recipes.data.bioinformatics_turns.every import THEMES, every_template, is_general
from recipes.data.bioinformatics_turns.records import HEADER, Drafted, draw_records
from recipes.data.bioinformatics_turns.template import Template, literal
from recipes.data.bioinformatics_turns.writing import part_of, write_records

TEMPLATES = every_template()


@pytest.fixture(scope="module")
def records() -> list[Drafted]:
    """Three of each template."""
    return draw_records(TEMPLATES, variants=3, seed=7)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox(workers=1) as sandbox:
        yield sandbox


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """A file of a problem that no record repeats."""
    path = tmp_path / "problems.jsonl"
    path.write_text('{"id": "other", "prompts": ["a b c d e f g h i j k l"]}\n')
    return path


def template(name: str) -> Template:
    return next(each for each in TEMPLATES if each.name == name)


def test_the_templates_are_many_and_mostly_of_the_domain() -> None:
    general = sum(map(is_general, TEMPLATES))
    assert len(TEMPLATES) >= 100
    assert 0.2 <= general / len(TEMPLATES) <= 0.3
    assert len({each.theme for each in TEMPLATES}) == len(THEMES)


@pytest.mark.real
def test_a_record_of_each_template_prints_its_answer(
    records: list[Drafted], sandbox: Sandbox
) -> None:
    faults = {each.id: [*faults_of_run(sandbox, each)] for each in records[::3]}
    assert {identity: found for identity, found in faults.items() if found} == {}


@pytest.mark.real
def test_a_wrong_answer_is_a_fault(records: list[Drafted], sandbox: Sandbox) -> None:
    record = records[0]
    wrong = Drafted(record.id, record.template, record.turns, answer="none of this")
    assert not [*faults_of_run(sandbox, record)]
    assert [*faults_of_run(sandbox, wrong)]


def test_the_text_of_records_has_the_form_of_the_benchmarks(records: list[Drafted]) -> None:
    faults = {each.id: [*faults_of_text(each)] for each in records}
    assert {identity: found for identity, found in faults.items() if found} == {}
    assert {len(each.turns) for each in records} == {3, 4, 5}


@pytest.mark.parametrize(
    ("turns", "fault"),
    [
        ([("Set x.", "x = 1"), ("Print it.", "print(x)")], "2 turns"),
        ([("a", "x = 1  # one"), ("b", "y = 2"), ("c", "print(x)")], "comment"),
        ([("a", "print(1)"), ("b", "y = 2"), ("c", "print(y)")], "prints too early"),
        ([("a", "x = 1"), ("b", "y = 2"), ("c", "x")], "prints too early"),
        ([("a", "x = 1"), ("b", f"y = {'1 + ' * 40}1"), ("c", "print(x)")], "long line"),
        ([("a", "x = 1\n\n\ny = 2"), ("b", "z = 2"), ("c", "print(x)")], "three newlines"),
        ([("Nä", "x = 1"), ("b", "z = 2"), ("c", "print(x)")], "odd characters"),
    ],
)
def test_faults_of_text_are_found(turns: list[tuple[str, str]], fault: str) -> None:
    assert fault in " ".join(faults_of_text(Drafted("a/0", "a", tuple(turns), 1)))


def test_the_same_seed_gives_the_same_records(records: list[Drafted]) -> None:
    assert draw_records(TEMPLATES, variants=3, seed=7) == records
    assert draw_records(TEMPLATES[:3], variants=3, seed=8) != records[:9]
    # A record depends on its own template alone.
    assert draw_records(TEMPLATES[5:6], variants=2, seed=7) == records[15:17]


def test_drawing_leaves_the_common_source_of_random_numbers_alone() -> None:
    before = random.getstate()
    draw_records(TEMPLATES[:2], variants=2, seed=0)
    assert random.getstate() == before


def test_no_two_records_are_the_same(records: list[Drafted]) -> None:
    assert max(Counter(each.id for each in records).values()) == 1
    assert max(Counter(each.program for each in records).values()) == 1
    assert not [*unvaried(draw_records(TEMPLATES, variants=12, seed=0))]


def test_a_template_that_repeats_itself_is_refused() -> None:
    constant = Template("same", "test", ((("Print 1.",), "print(1)"),), {}, lambda: 1)
    assert len(draw_records([constant], variants=1, seed=0)) == 1
    with pytest.raises(InputError, match="same repeats itself"):
        draw_records([constant], variants=2, seed=0)


def test_a_later_turn_does_not_bind_the_name_of_an_earlier_one() -> None:
    turns = ((("Set $a.",), "$a = $x"), (("Print squares.",), "print([i * i for i in range($a)])"))
    draws = {"x": lambda draw: draw.randint(0, 10**6), "a": "i|n"}
    drawn = draw_records([Template("t", "test", turns, draws, lambda x: x)], variants=9, seed=0)
    assert {each.turns[0][1].split()[0] for each in drawn} == {"n"}


def test_the_held_out_templates_are_others(records: list[Drafted]) -> None:
    parts: dict[str, set[str]] = {"train": set(), "held_out": set()}
    for record in records:
        parts[part_of(record.template, 0.1)].add(record.template)
    assert not parts["train"] & parts["held_out"]
    assert 0.05 <= len(parts["held_out"]) / len(TEMPLATES) <= 0.15


def test_a_record_that_repeats_a_problem_goes_with_its_template(
    records: list[Drafted], tmp_path: Path
) -> None:
    by_prompt, by_code = records[0], records[-1]
    path = tmp_path / "problems.jsonl"
    shouted = " ,".join(prompt.upper() for prompt, _ in by_prompt.turns)
    references = [code for _, code in by_code.turns]
    rows = [{"id": "one", "prompts": [shouted]}, {"id": "two", "references": references}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    clean, dropped = Contamination([path]).split(records)
    assert dropped[by_prompt.id] == ["problems.jsonl one"]
    assert dropped[by_code.id] == ["problems.jsonl two"]
    gone = {by_prompt.template, by_code.template}
    assert {each.template for each in records} - {each.template for each in clean} == gone
    assert {identity.partition("/")[0] for identity in dropped} == gone
    assert len(clean) + len(dropped) == len(records)


@pytest.mark.real
def test_what_is_written_is_read_as_training_data(
    tmp_path: Path, sandbox: Sandbox, problems: Path
) -> None:
    out = tmp_path / "turns"
    chosen = [template("wallace"), next(t for t in TEMPLATES if part_of(t.name, 0.1) != "train")]
    report = write_records(out, chosen, sandbox, Contamination([problems]), variants=2)
    assert json.loads((out / "recipe.json").read_text()) == report
    assert (report["drawn"], report["refused"], report["dropped"]) == (4, {}, {})
    train = list(read_records(out / "train.jsonl"))
    assert [each.id for each in train] == ["wallace/0", "wallace/1"]
    assert len(list(read_records(out / "held_out.jsonl"))) == 2
    first = train[0]
    assert first.header == HEADER
    assert f"# Import libraries.\n\n{first.header}\n\n" == NUMPY_HEADER
    assert [(turn.prompt, turn.code) for turn in first.turns] == [
        *draw_records(chosen[:1], variants=1, seed=0)[0].turns
    ]
    again = write_records(out, chosen, sandbox, Contamination([problems]), variants=2)
    assert again == report


def test_names_have_one_style_and_values_are_literals() -> None:
    prompts: set[str] = set()
    for seed in range(60):
        filled = template("wallace").fill(Draw(f"{seed}"))
        prompts.add(filled.turns[3][0].replace("melting", "tm").replace("temperature ", ""))
        name = filled.turns[0][1].split(" = ")[0]
        assert name in filled.turns[0][0]
        # In a formula a name is bare.
        assert f'"{name}"(' not in filled.turns[0][0]
    assert any('"' in prompt for prompt in prompts)
    assert any('"' not in prompt for prompt in prompts)
    assert literal({"a": (1,)}) == '{"a": (1,)}'
    assert literal(["a", 'b"'], single=True) == "['a', 'b\"']"
