"""`multiturn bench` in this process: what it takes, what it refuses, what it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from multiturn.apps.cli.bench.engines import info_with_hash
from multiturn.apps.cli.bench.grid import label_of_runs, model_label, numbers, words
from multiturn.apps.cli.bench.view import progress_line
from multiturn.apps.cli.main import run
from multiturn.benchmarks.runner.output import GenerationCounts
from multiturn.benchmarks.runner.progress import BenchmarkProgress
from multiturn.benchmarks.runner.utilization import EngineUtilization
from multiturn.benchmarks.split import part_of
from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import InputError
from multiturn.engines.model_name import LocalModel, RemoteModel, ScriptedModel
from multiturn.engines.protocol import EngineInfo
from multiturn.engines.scripted import ScriptedEngine
from multiturn.hub.adapters.gguf import write_gguf_adapter
from multiturn.hub.adapters.pairs import pairs_of
from multiturn.hub.checkpoints.layouts import gguf_llama_layout
from multiturn.hub.checkpoints.reading import open_checkpoint
from multiturn.hub.weights_hash import weights_sha256, weights_sha256_with_adapter
from multiturn.models.lora import LoraConfig, lora_specs

pytestmark = pytest.mark.real

ANSWERS = ["x = 1\nprint(x)\n", "print('nothing')\n", "y = = 2\n", "# only words\n"]


@pytest.fixture
def model(tmp_path: Path) -> str:
    """An engine that answers anything."""
    path = tmp_path / "any.jsonl"
    lines: list[dict[str, Any]] = [{"settings": {"slots": 4}}, {"answers": ANSWERS}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"scripted:{path}"


def bench(model: str, out: Path, *more: str) -> list[str]:
    small = ["--limit", "2", "--cases", "1"]
    return ["bench", "own", "-m", model, "-o", str(out), *small, *more]


def test_a_part_of_the_problems_is_recorded_and_can_be_extended(model, tmp_path, capsys):
    out = tmp_path / "runs"
    assert run(bench(model, out, "--split", "dev")) == 0
    (record,) = out.rglob("run.json")
    assert json.loads(record.read_text())["selection"]["split"] == "dev"
    lines = (record.parent / "samples.jsonl").read_text().splitlines()
    names = {json.loads(line)["item"]["problem"] for line in lines}
    assert {part_of(name) for name in names} == {"dev"}
    capsys.readouterr()
    # The other part has none of these samples; both parts together have them all.
    assert run(bench(model, out, "--split", "test")) == 2
    assert "not requested now" in capsys.readouterr().err
    both = ["--problem", ",".join(names), "--problem", "garden_fence", "--split", "all"]
    assert run(["bench", "own", "-m", model, "-o", str(out), "--cases", "1", *both]) == 0
    assert "3 of 3 samples, 1 new" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("benchmark", "name", "message"),
    [
        ("own", "train", "unknown split"),
        ("mtpb", "dev", "the benchmark mtpb is not parted"),
        ("mtpb", "dev", "only own and bioinformatics have dev and test"),
        ("humaneval", "test", "the benchmark humaneval is not parted"),
    ],
)
def test_a_part_that_does_not_exist(model, tmp_path, capsys, benchmark, name, message):
    command = ["bench", benchmark, "-m", model, "-o", str(tmp_path), "--split", name]
    assert run(command) == 2
    assert message in capsys.readouterr().err


def test_a_grid_and_its_figures(model, tmp_path, capsys):
    out = tmp_path / "runs"
    grid = ("-a", "turns,concat", "-t", "0.2,0.8", "-n", "2")
    assert run(bench(model, out, *grid)) == 0
    printed = capsys.readouterr()
    assert "scripted-any: 16 of 16 samples, 16 new" in printed.out
    places = sorted(str(path.parent.relative_to(out)) for path in out.rglob("run.json"))
    assert places == [
        f"own/scripted-any/{arm}.published.t{t}" for arm in ("concat", "turns") for t in (0.2, 0.8)
    ]

    assert run(["bench", "show", str(out), "-k", "1,2,5", "--by", "category", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["schema"] == "multiturn.bench-figures/1"
    assert len(figures["runs"]) == 4
    for shown in figures["runs"]:
        assert shown["complete"]
        assert shown["samples"] == shown["expected"] == 4
        strict = shown["oracles"]["strict"]
        assert strict["pass_rate"] == strict["passed"] / 4
        assert strict["pass_at_k"]["1"] == strict["pass_rate"]
        assert strict["pass_at_k"]["5"] is None
        assert sum(count["samples"] for count in strict["by"]["category"].values()) == 4

    assert run(["bench", "show", str(out), "-k", "1,5", "--by", "problem"]) == 0
    text = capsys.readouterr().out
    assert "undefined" in text
    assert "best of 2 temperatures" in text
    assert "by problem" in text


def test_the_same_command_resumes_and_has_nothing_to_do(model, tmp_path, capsys):
    out = tmp_path / "runs"
    assert run(bench(model, out)) == 0
    (samples,) = out.rglob("samples.jsonl")
    before = samples.read_bytes()
    capsys.readouterr()
    assert run(bench(model, out)) == 0
    printed = capsys.readouterr().out
    assert "resuming: 2 of 2 samples are finished" in printed
    assert samples.read_bytes() == before


def test_runs_share_generations(model, tmp_path, capsys):
    file = tmp_path / "generations.sqlite"
    for out in ("first", "second"):
        assert run(bench(model, tmp_path / out, "--generations", str(file))) == 0
    first, second = (next((tmp_path / out).rglob("samples.jsonl")) for out in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    reused = [
        json.loads((each.parent / "sittings.jsonl").read_text())["reused"]
        for each in (first, second)
    ]
    assert reused[0] == 0 and reused[1] > 0
    file.write_text("nothing")
    assert run(bench(model, tmp_path / "third", "--generations", str(file))) != 0
    assert "cannot hold generations" in capsys.readouterr().err
    assert not (tmp_path / "third").exists()


def test_another_run_in_its_place_is_refused_until_fresh_is_said(model, tmp_path, capsys):
    out = tmp_path / "runs"
    assert run(bench(model, out)) == 0
    capsys.readouterr()
    assert run(bench(model, out, "--seed", "1")) == 2
    printed = capsys.readouterr().err
    assert "sampling.seed is 0 there and 1 here" in printed
    assert printed.count("\n") == 1
    assert run(bench(model, out, "--seed", "1", "--fresh")) == 0


def test_figures_for_machines_after_a_run(model, tmp_path, capsys):
    assert run(bench(model, tmp_path / "runs", "--json")) == 0
    printed = capsys.readouterr()
    (shown,) = json.loads(printed.out)["runs"]
    assert shown["config"]["engine"]["engine"] == "scripted"
    assert len(shown["config"]["engine"]["weights_sha256"] or "") in (0, 64)
    assert str(tmp_path) not in json.dumps(shown["config"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-a", "turn"), "unknown arm: got 'turn'"),
        (("--truncation", "publshed"), "did you mean published"),
        (("--header", "numpy"), "unknown header"),
        (("-t", "hot"), "--temperature is not a number: got 'hot'"),
        (("-t", "0", "-n", "3"), "at temperature 0 all samples of an item are the same"),
        (("-n", "0"), "n is out of range: got 0"),
        (("--limit", "0"), "limit is out of range"),
        (("--problem", "no_such"), "no such problem: got 'no_such'"),
        (("--budget", "0"), "budget is out of range"),
        (("--in-flight", "0"), "in_flight is out of range"),
        (("--file", "x.jsonl"), "the problems of own come with the package"),
        (("-m", "scripted:a/any.jsonl"), "two models have the same label"),
        (("--context", "80"), "more than the context window of 80"),
        (("-m", "no-such-model"), "no-such-model"),
        (("-m", "smollm2-135m+no-adapter"), "no such adapter: got 'no-adapter'"),
        (("-m", "http://user:key@host/v1"), "an address has a user name, a password"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(model, tmp_path, capsys, options, message):
    out = tmp_path / "runs"
    assert run(bench(model, out, *options)) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert not list(out.rglob("samples*"))


def test_mistakes_of_showing(tmp_path, capsys):
    for options, message in (
        ((str(tmp_path),), "no saved run"),
        ((str(tmp_path / "nothing"),), "no saved run"),
        ((str(tmp_path), "--by", "mood"), "unknown grouping: got 'mood'"),
        ((str(tmp_path), "-k", "0.5"), "--k is out of range"),
        ((str(tmp_path), "-k", "x"), "--k is not a number"),
    ):
        assert run(["bench", "show", *options]) == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.count("\n") == 1


def test_an_incomplete_run_is_shown_as_such(model, tmp_path, capsys):
    out = tmp_path / "runs"
    assert run(bench(model, out)) == 0
    (complete,) = out.rglob("samples.jsonl")
    first = complete.read_bytes().splitlines(keepends=True)[0]
    complete.with_name("samples.partial.jsonl").write_bytes(first + b'{"torn')
    complete.unlink()
    capsys.readouterr()
    assert run(["bench", "show", str(out), "-k", "1"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 2" in printed
    # Not all items are there, so the benchmark's own figure is not known.
    assert "undefined" in printed


def test_a_model_file_is_known_by_its_hash(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")
    with ScriptedEngine(["x"]) as engine:
        one = info_with_hash(engine, str(file)).weights_sha256
        several = info_with_hash(engine, str(tmp_path)).weights_sha256
        (tmp_path / "config.json").write_text("{}")
        more = info_with_hash(engine, str(tmp_path)).weights_sha256
        assert info_with_hash(engine, "smollm2-135m").weights_sha256 is None
    assert one == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    assert len({one, several, more}) == 3


@pytest.fixture
def adapter(smollm2: Path, tmp_path: Path) -> Path:
    """A small adapter of the small model, as a GGUF file."""
    config = open_checkpoint(smollm2).config
    lora = LoraConfig(rank=1, alpha=1.0, targets=("query",))
    draw = np.random.default_rng(0)
    factors = jax.tree.map(
        lambda info: draw.normal(0, 0.1, info.shape).astype("float32"), lora_specs(config, lora)
    )
    pairs = pairs_of(factors, lora.scale, gguf_llama_layout(config, "llama"))
    file = tmp_path / "my adapter.gguf"
    write_gguf_adapter(file, pairs, architecture="llama", name="an adapter")
    return file


def test_a_model_with_an_adapter_has_its_own_label(smollm2, adapter, tmp_path):
    out = tmp_path / "runs"
    short = ("--engine", "llama.cpp", "--limit", "1", "--max-new-tokens", "4")
    assert run(bench(f"{smollm2}+{adapter}", out, *short)) == 0
    (record,) = out.rglob("run.json")
    config = json.loads(record.read_text())
    assert config["model"] == f"{smollm2.stem}+my-adapter"
    assert record.parent.parent.name == config["model"]
    expected = weights_sha256_with_adapter(weights_sha256(smollm2), adapter)
    assert config["engine"]["weights_sha256"] == expected


def test_words_and_numbers_of_options():
    assert words(["a, b", "c,,a"]) == ("a", "b", "c")
    assert numbers(["0.2,0.8", "0.2"], "--t") == (0.2, 0.8)
    with pytest.raises(InputError, match="--t is not a number"):
        numbers(["0.2;0.8"], "--t")


@pytest.mark.parametrize(
    ("model", "label"),
    [
        (LocalModel("qwen2.5-coder-0.5b"), "qwen2.5-coder-0.5b"),
        (LocalModel(Path("/somewhere/else/qwen.gguf")), "qwen"),
        (LocalModel(Path("checkpoints/nl-350m/")), "nl-350m"),
        (LocalModel("smollm2-135m", Path("/somewhere/my adapter")), "smollm2-135m+my-adapter"),
        (LocalModel(Path("/somewhere/a.gguf"), Path("/somewhere/b.gguf")), "a+b"),
        (RemoteModel("https://user:key@host/v1#org/model name"), "model-name"),
        (RemoteModel("https://host:80/v1"), "v1"),
        (ScriptedModel(Path("/somewhere/any.jsonl")), "scripted-any"),
        (LocalModel(Path("..")), "model"),
    ],
)
def test_names_of_models_hold_no_path(model, label):
    assert model_label(model) == label


def test_progress_on_one_line():
    utilization = EngineUtilization(
        slots=4, seconds=10.0, waiting_seconds=0.1, busy_slots=3.9, requests=7
    )
    progress = BenchmarkProgress(
        done=30,
        total=100,
        new=20,
        seconds=10.0,
        label="turns",
        passed={"strict": 3, "legacy": 6},
        judged=12,
        utilization=utilization,
    )
    assert progress_line(progress, several=True) == (
        "30 of 100, 2/s, 35 s left, turns: strict 25.0 % legacy 50.0 %, engine 98 % full"
    )


def sampled(out: Path) -> dict[str, Any]:
    """What the only run's record says of the settings that can come from elsewhere."""
    (record,) = out.rglob("run.json")
    config = json.loads(record.read_text())
    return {
        **config["sampling"],
        "max_new_tokens": config["settings"]["max_new_tokens"],
        "header": config["settings"]["header"],
        **{name: config["limits"][name] for name in ("cpu_seconds", "wall_seconds")},
        "memory_mib": config["limits"]["memory_bytes"] >> 20,
    }


# A setting, its text elsewhere, what the run then has, and the same on the command line.
SETTINGS = [
    ("n", "3", 3, ("-n", "2"), 2),
    ("temperature", "0.7", 0.7, ("-t", "0.4"), 0.4),
    ("top_p", "0.5", 0.5, ("--top-p", "0.25"), 0.25),
    ("seed", "11", 11, ("--seed", "0"), 0),
    ("max_tokens", "77", 77, ("--max-new-tokens", "5"), 5),
    ("header", "none", "none", ("--header", "packages"), "packages"),
    ("cpu_seconds", "7", 7.0, ("--cpu-seconds", "6"), 6.0),
    ("wall_seconds", "33", 33.0, ("--wall-seconds", "32"), 32.0),
    ("memory_mib", "600", 600, ("--memory-mib", "500"), 500),
]
OTHERS = {"n": "2", "temperature": "0.9", "header": "numpy", "top_p": "0.75"}
"""Other values than those, for a file that the environment comes before; 64 for the rest."""


def test_settings_reach_a_benchmark_in_their_order(model, tmp_path, capsys, monkeypatch):
    """The command line before the environment, before config.toml, before the default."""

    def ran(name: str, *more: str) -> tuple[dict[str, Any], str]:
        small = ["bench", "own", "-m", model, "-o", str(tmp_path / name), "--limit", "1"]
        assert run([*small, "--cases", "1", *more]) == 0
        printed = capsys.readouterr().out.replace("\n", " ")
        return sampled(tmp_path / name), printed

    def wanted(column: int) -> dict[str, Any]:
        return {"max_new_tokens" if row[0] == "max_tokens" else row[0]: row[column]
                for row in SETTINGS}  # fmt: skip

    def write(values: dict[str, str]) -> None:
        lines = [f'{k} = "{v}"' if k == "header" else f"{k} = {v}" for k, v in values.items()]
        config.write_text("\n".join(lines))

    config = app_dirs().settings
    config.parent.mkdir(parents=True, exist_ok=True)
    usual, printed = ran("usual")
    assert usual == {
        "n": 1, "temperature": 0.2, "top_p": 0.95, "seed": 0, "max_new_tokens": None,
        "header": "published", "cpu_seconds": 20.0, "wall_seconds": 60.0, "memory_mib": 1024,
    }  # fmt: skip
    assert "settings" not in printed

    write({name: text for name, text, *_ in SETTINGS})
    found, printed = ran("file")
    assert found == wanted(2)
    for name, *_ in SETTINGS:
        assert f"{name} " in printed
    assert printed.replace(" ", "").count(f"({config})") == len(SETTINGS)

    write({name: OTHERS.get(name, "64") for name, *_ in SETTINGS})
    for name, text, *_ in SETTINGS:
        monkeypatch.setenv(f"MULTITURN_{name.upper()}", text)
    found, printed = ran("variable")
    assert found == wanted(2)
    for name, *_ in SETTINGS:
        assert f"(MULTITURN_{name.upper()})" in printed
    assert str(config) not in printed.replace(" ", "")

    found, printed = ran("option", *(word for row in SETTINGS for word in row[3]))
    assert found == wanted(4)
    assert "settings" not in printed


def test_a_variable_that_the_command_line_outdoes_is_not_read(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MULTITURN_TOP_P", "7")
    assert run(bench(model, tmp_path / "a", "--top-p", "0.5")) == 0
    assert run(bench(model, tmp_path / "b")) == 2
    assert "MULTITURN_TOP_P" in capsys.readouterr().err


def test_settings_that_a_benchmark_has_no_use_for_are_named(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MULTITURN_STYLE", "chat")
    monkeypatch.setenv("MULTITURN_RETRIES", "2")
    assert run(bench(model, tmp_path / "runs", "--json")) == 0
    printed = capsys.readouterr()
    assert "without effect on a benchmark: style, retries" in printed.err
    json.loads(printed.out)


def test_the_model_of_the_environment_is_named_with_its_origin(
    model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MULTITURN_MODEL", model)
    small = ["bench", "own", "--limit", "1", "--cases", "1", "-o", str(tmp_path / "runs")]
    assert run(small) == 0
    assert "(MULTITURN_MODEL)" in capsys.readouterr().out.replace("\n", "")


def test_progress_tells_turns_and_tokens_before_a_sample_is_there():
    utilization = EngineUtilization(
        slots=1, seconds=0.0, waiting_seconds=0.0, busy_slots=0.0, requests=1
    )
    early = BenchmarkProgress(
        done=0,
        total=2,
        new=0,
        seconds=10.0,
        label="turns",
        passed={},
        judged=0,
        utilization=utilization,
        output=GenerationCounts(turns=3, cached_turns=1, tokens=1200),
        all_turns=8,
    )
    assert progress_line(early, several=False) == (
        "0 of 2, turn 4 of 8, 1,200 tokens (120/s), 25 s left"
    )
    reading = replace(early, output=GenerationCounts())
    assert progress_line(reading, several=False) == "0 of 2, turn 1 of 8, reading the prompts"


def test_runs_of_a_server_are_stored_under_its_models_name(tmp_path):
    info = EngineInfo(
        engine="http", model="org/My coder", weights_sha256=None, context_window=9,
        chat_template=None,
    )  # fmt: skip
    server = RemoteModel("http://127.0.0.1:8000/v1")
    assert label_of_runs(tmp_path, ["own"], server, info) == "My-coder"
    named = RemoteModel("http://127.0.0.1:8000/v1#other")
    assert label_of_runs(tmp_path, ["own"], named, info) == "other"
    # What an older version began under a part of the address is gone on with.
    old = tmp_path / "own" / "v1" / "turns.published.t0.2"
    old.mkdir(parents=True)
    (old / "run.json").write_text(json.dumps({"engine": {"model": "org/My coder"}}))
    assert label_of_runs(tmp_path, ["own"], server, info) == "v1"
    (old / "run.json").write_text(json.dumps({"engine": {"model": "another"}}))
    assert label_of_runs(tmp_path, ["own"], server, info) == "My-coder"
