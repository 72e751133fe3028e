"""A build on datatrove's own executor for one machine: real tasks in real processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.core.errors import InputError, MultiturnError
from multiturn.data.build.executors.datatrove import Datatrove
from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.pipeline import build
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.directory import Directory

local = pytest.importorskip("datatrove.executor.local")

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    from datatrove.utils.logging import logger

    logger.remove()
    yield


def one_machine(pipeline: list, tasks: int, logs: str):
    return local.LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=logs)


def where(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def refuse(number: int) -> int:
    if number == 2:
        raise InputError("no twos", got=number, allowed="1 or 3")
    return number


def break_down(number: int) -> float:
    return 1 / number


class Idle:
    """A scheduler that loses every task."""

    def run(self) -> None:
        return


def test_results_come_from_other_processes(tmp_path: Path) -> None:
    found = dict(Datatrove(one_machine, tmp_path).map(where, [1, 2, 3]))
    assert {index: value for index, (value, _) in found.items()} == {0: 1, 1: 4, 2: 9}
    assert os.getpid() not in {process for _, process in found.values()}
    assert list(Datatrove(one_machine, tmp_path).map(where, [])) == []


def test_errors_come_back_as_they_were(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no twos: got 2; allowed: 1 or 3"):
        list(Datatrove(one_machine, tmp_path).map(refuse, [1, 2, 3]))
    with pytest.raises(MultiturnError, match="ZeroDivisionError"):
        list(Datatrove(one_machine, tmp_path).map(break_down, [1, 0]))


def test_lost_tasks_are_told(tmp_path: Path) -> None:
    executor = Datatrove(lambda *_: Idle(), tmp_path, timeout=0.1)
    with pytest.raises(MultiturnError, match="2 of 2 tasks gave no result"):
        list(executor.map(where, [1, 2]))


def test_a_build_gives_the_bytes_of_a_build_in_one_process(tmp_path: Path) -> None:
    for project in range(2):
        folder = tmp_path / "tree" / f"p{project}"
        folder.mkdir(parents=True)
        for number in range(6):
            text = "".join(f"x{number}_{i} = {project * i}\n" for i in range(50))
            (folder / f"m{number}.py").write_text(text)
    recipe = CorpusRecipe(
        name="small",
        sources=tuple(Directory(path=path) for path in sorted((tmp_path / "tree").iterdir())),
        steps=(),
        stages=(Deduplicate(), Pack(tokenizer=NewTokenizer(size=310), length=64)),
    )
    found = []
    for name, executor in (
        ("here", SequentialExecutor()),
        ("datatrove", Datatrove(one_machine, tmp_path / "tasks")),
    ):
        build(recipe, tmp_path / name, executor=executor, downloads=tmp_path)
        found.append(
            {
                path.relative_to(tmp_path / name): path.read_bytes()
                for path in sorted((tmp_path / name).rglob("*"))
                if path.is_file() and path.name != ".lock"
            }
        )
    assert found[0] == found[1]
