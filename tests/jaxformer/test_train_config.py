"""Configs and recipes: what is refused, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from multiturn.core.errors import InputError, MultiturnError
from multiturn.core.records import read_record, to_plain
from multiturn.jaxformer.config import MeshConfig, TrainConfig, apply_overrides
from multiturn.jaxformer.parallel.mesh import resolve_axis_sizes
from multiturn.jaxformer.recipes import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes" / "train"


def test_a_config_survives_json(tiny: TrainConfig) -> None:
    assert read_record(to_plain(tiny), TrainConfig, where="test") == tiny


def test_settings_are_changed_by_dotted_keys(tiny: TrainConfig) -> None:
    changed = apply_overrides(
        tiny,
        [
            "schedule.peak=1e-2",
            "model.rotary.base=500",
            "steps=7",
            "out=a=b",
            "data.skip=[[3,5]]",
            "watch.prompts=['def ', x]",
            "hosts.processes=null",
            "watch.peak_flops=1e12",
        ],
    )
    assert changed.schedule.peak == 0.01
    assert changed.model.rotary.base == 500.0
    assert (changed.steps, changed.out) == (7, "a=b")
    assert changed.data.skip == ((3, 5),)
    assert changed.watch.prompts == ("def ", "x")
    assert changed.hosts.processes is None
    assert changed.watch.peak_flops == 1e12


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("data.pattern=**/*.py", "**/*.py"),
        ("data.pattern=*.py", "*.py"),
        ("data.pattern=!x", "!x"),
        ("data.pattern=a: b #c", "a: b #c"),
        ("data.pattern='**/*.py'", "**/*.py"),
        ('data.pattern="*.md"', "*.md"),
        ("data.path=NO", "NO"),
        ("data.path=2024-01-01", "2024-01-01"),
        ("data.path=123", "123"),
        ("data.path=&x", "&x"),
        ("data.path=null", "null"),
        ("data.held_out_path=null", None),
        ("data.held_out_path=~/x", "~/x"),
        ("data.held_out=1e-3", 0.001),
        ("data.most_bytes=1_000", 1000),
        ("data.seed=0123", 123),
        ('data.exclude=["*.md", NO]', ("*.md", "NO")),
        ("data.tokenizer=train:2048", "train:2048"),
    ],
)
def test_a_value_is_what_was_typed(tiny: TrainConfig, assignment: str, value: object) -> None:
    changed = apply_overrides(tiny, [assignment])
    assert getattr(changed.data, assignment.partition("=")[0].removeprefix("data.")) == value


def test_what_a_shell_makes_of_a_pattern_is_told(
    tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").touch()
    with pytest.raises(
        InputError, match=r"shell expanded a pattern to file names.*'data.pattern=\*\*/\*.py'"
    ):
        apply_overrides(tiny, ["data.pattern=", "a.py"])
    with pytest.raises(InputError, match=r"data.pattern was given twice: got '\*.py and \*.md'"):
        apply_overrides(tiny, ["data.pattern=*.py", "data.pattern=*.md"])
    with pytest.raises(InputError, match=r"cannot be read.*'data.exclude=\[\"\*.py\"\]'"):
        apply_overrides(tiny, ["data.exclude=[*.py]"])


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("schedule.pek=1", "unknown setting: got 'schedule.pek'.*did you mean schedule.peak"),
        ("peak=1", "did you mean schedule.peak"),
        ("sequences=1", "did you mean batch.sequences"),
        ("schedule=1", "unknown setting"),
        ("steps", "not key=value"),
        ("steps=many", "steps: expected a whole number, got text 'many'"),
        ("steps=1.5", "steps: expected a whole number"),
        ("steps=[", "the value of steps cannot be read"),
        ("steps=0", "steps is out of range: got 0; allowed: 1 or more"),
        ("batch.accumulate=3", "batch: accumulate is out of range.*a divisor of the 8"),
        ("batch.length=64", "batch.length is out of range: got 64.*context, 32"),
        ("schedule.end=1", "end is out of range"),
        ("schedule.warmup_steps=12", "decay_steps is out of range"),
        ("precision.compute=float8", "unknown choice.*float32, bfloat16"),
        ("mesh.fsdp=-1", "two mesh axes are -1"),
        ("mesh.tensor=0", "mesh axis tensor is out of range"),
        ("hosts.processes=2", "needs hosts.process and hosts.coordinator"),
        ("data.skip=[[5,3]]", "data.skip is out of range"),
        ("model.kv_heads=3", "kv_heads is out of range"),
        ("watch.spike=0.5", "spike is out of range"),
    ],
)
def test_a_bad_setting_is_one_clear_line(tiny: TrainConfig, assignment: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        apply_overrides(tiny, [assignment])
    assert "\n" not in str(caught.value)


def test_meshes_take_the_devices_there_are() -> None:
    assert resolve_axis_sizes(MeshConfig(), 8).data == 8
    assert resolve_axis_sizes(MeshConfig(fsdp=2, tensor=2), 8).data == 2
    assert resolve_axis_sizes(MeshConfig(data=1, fsdp=-1), 4).fsdp == 4
    for mesh in (MeshConfig(tensor=3), MeshConfig(data=2), MeshConfig(data=16)):
        with pytest.raises(InputError, match="does not fit the 8 devices"):
            resolve_axis_sizes(mesh, 8)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.py")), ids=lambda path: path.stem)
def test_recipes_load_and_say_what_they_are(path: Path) -> None:
    try:
        configs = [load_recipe(str(path))]
    except InputError as error:
        assert "several configs" in str(error)
        names = str(error.allowed).split(", ")
        configs = [load_recipe(name, ["seed=3"]) for name in names]
    assert all(isinstance(config, TrainConfig) for config in configs)
    docstring = path.read_text().split('"""')[1]
    for word in ("multiturn train", "Hardware:", "Expected:"):
        assert word in docstring


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "defines no config"),
        ("config = 3", "defines no config"),
        ("1 / 0", "the recipe failed, ZeroDivisionError"),
        ("def", "the recipe failed, SyntaxError"),
        ("import nothing_of_this_name", "the recipe failed, ModuleNotFoundError"),
    ],
)
def test_a_bad_recipe_is_one_clear_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(MultiturnError, match=told):
        load_recipe(str(path))


def test_a_recipe_is_found_by_name_and_a_wrong_name_shows_near_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(RECIPES.parents[1])
    assert load_recipe("nano").name == "nano"
    with pytest.raises(InputError, match=r"no such recipe: got 'nanoo'.*did you mean nano"):
        load_recipe("nanoo")
    with pytest.raises(InputError, match="has one config"):
        load_recipe("nano:mono")
    assert replace(load_recipe("nano"), steps=3) == load_recipe("nano", ["steps=3"])
