"""`/api/runs`: saved benchmark runs, read only, and their samples as sessions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.resources import ServerResources, resources_of
from multiturn.apps.server.runs.library import OpenRun, RunLibrary
from multiturn.apps.server.runs.views import (
    RunList,
    RunSummary,
    SamplePage,
    SampleView,
    run_entry,
    run_summary,
    sample_entry,
    sample_program,
    sample_view,
)
from multiturn.apps.server.sessions.http import NOT_FOUND, Service, answer, session_answer
from multiturn.apps.server.sessions.views import SessionView, session_view
from multiturn.benchmarks.runner.sample_index import IndexEntry, matches_text
from multiturn.core.errors import UnknownNameError
from multiturn.synthesis.records import Example

__all__ = ["router"]

router = APIRouter(prefix="/api/runs", tags=["runs"])

_MAX_SEARCHED_BYTES = 32 << 20
"""Of samples that one request reads for its words; the next one reads on."""

_MISSING: dict[int | str, dict[str, Any]] = {
    404: {**NOT_FOUND[404], "description": "There is no such run or sample."}
}

Resources = Annotated[ServerResources, Depends(resources_of)]
RunId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="The id of a run.")]
SampleNumber = Annotated[int, Path(ge=0, lt=2**31, description="The number of a sample.")]


def _library(resources: Resources) -> RunLibrary:
    if resources.runs is None:
        raise ApiError(404, "the server was started without --runs", code="no_runs")
    return resources.runs


Library = Annotated[RunLibrary, Depends(_library)]


@router.get("", response_model=RunList)
def list_runs(
    resources: Resources,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """List the runs of the directory that the server was started with."""
    if resources.runs is None:
        return answer(RunList(directory=None, runs=[], total=0))
    found = resources.runs.list()
    shown = [run_entry(run) for run in found[offset : offset + limit]]
    return answer(RunList(directory=resources.runs.root.name, runs=shown, total=len(found)))


@router.get("/{run_id}", response_model=RunSummary, responses=_MISSING)
def get_run(library: Library, run_id: RunId) -> Response:
    """The results of a run so far, with the ways in which its samples failed."""
    return answer(run_summary(library.open(run_id)))


@router.get("/{run_id}/samples", response_model=SamplePage, responses=_MISSING)
def list_samples(
    library: Library,
    run_id: RunId,
    oracle: Annotated[str, Query(max_length=100, description="By default the first.")] = "",
    verdict: Annotated[Literal["all", "passed", "failed"], Query()] = "all",
    label: Annotated[str, Query(max_length=100, description="Why it failed.")] = "",
    problem: Annotated[str, Query(max_length=200, description="The id of a problem.")] = "",
    text: Annotated[
        str, Query(max_length=200, description="Words of the program, a text or a verdict.")
    ] = "",
    after: Annotated[int, Query(ge=0, lt=2**31, description="The number to begin with.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """List the samples of a run that match; in parts."""
    run = library.open(run_id)
    if oracle and oracle not in run.config.oracles:
        raise UnknownNameError("oracle", oracle, run.config.oracles)
    at = run.config.oracles.index(oracle) if oracle else 0

    def matches(entry: IndexEntry) -> bool:
        found = entry.labels[at]
        return (
            (verdict == "all" or (verdict == "passed") == (not found))
            and (not label or label == found)
            and (not problem or problem == entry.problem)
        )

    found, next_number = _page(run, matches, text.strip(), after, limit)
    return answer(SamplePage(samples=[sample_entry(each, at) for each in found], next=next_number))


@router.get("/{run_id}/samples/{number}", response_model=SampleView, responses=_MISSING)
def get_sample(library: Library, run_id: RunId, number: SampleNumber) -> Response:
    """A sample: prompts and code of each turn, verdicts, and where it went wrong."""
    run = library.open(run_id)
    _check_number(run, number)
    return answer(sample_view(run, number, run.index.read(number)))


@router.post(
    "/{run_id}/samples/{number}/session",
    status_code=201,
    response_model=SessionView,
    responses=_MISSING,
)
def replay_sample(
    library: Library, service: Service, run_id: RunId, number: SampleNumber
) -> Response:
    """Make a session of a sample: its turns with their code, each of which runs again."""
    run = library.open(run_id)
    _check_number(run, number)
    sample = run.index.read(number)
    program, problem = sample_program(run, sample), run.problem(sample)
    gold = None if problem is None else Example(expected=problem.outputs[sample.item.case])
    session = service.add_written(
        f"{run.config.arm} {sample.item.id} sample {sample.sample}",
        program.header,
        [(turn.prompt or sample.item.problem, turn.code) for turn in program.turns],
        language=run.language.key,
        expected=gold,
    )
    _, last_event, job = service.look(session.id)
    view = session_view(session, last_event=last_event, job=job)
    return session_answer(view, session, status=201, location=True)


def _check_number(run: OpenRun, number: int) -> None:
    if number >= len(run.index.entries):
        raise ApiError(404, "there is no such sample", code="no_sample")


def _page(
    run: OpenRun, matches: Any, text: str, after: int, limit: int
) -> tuple[list[IndexEntry], int | None]:
    """The first samples from `after` on that match, and where the next part begins."""
    found: list[IndexEntry] = []
    left = _MAX_SEARCHED_BYTES
    entries = run.index.entries
    for number in range(after, len(entries)):
        entry = entries[number]
        if not matches(entry):
            continue
        if len(found) == limit or left <= 0:
            return found, number
        if text:
            left -= entry.length
            if not matches_text(run.index.line(entry), text):
                continue
        found.append(entry)
    return found, None
