"""The browser of results in the page: a failure is found, read and replayed, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multiturn.apps.server.runs.library import RunLibrary
from multiturn.benchmarks.problem_set import own_problems
from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.page_person import opened, photograph, shown, until
from tests.apps.server.test_runs_api import runs
from tests.report.test_browser import AXE, NARROW, WIDE, browser

pytestmark = pytest.mark.real

__all__ = ["browser", "runs"]


@pytest.fixture(scope="module")
def server(
    runs: Path, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with (
        SessionStore(path) as store,
        ScriptedEngine({"": "x = 1\n"}) as engine,
        RunLibrary(runs) as library,
        running(engine, sandbox, store, library) as server,
    ):
        yield server


@pytest.fixture(params=[NARROW, WIDE], ids=["phone", "desk"])
def page(browser: Any, server: RunningServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    context, page = opened(browser, server.url, width=request.param, token=server.token)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.locator("#show-runs").wait_for()
    yield page
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    context.close()
    assert faults == [] and overflow <= 0


def follow(page: Any, name: str) -> None:
    """Follow a link by keyboard."""
    page.get_by_role("link", name=name).first.focus()
    page.keyboard.press("Enter")


def test_a_failure_is_found_read_and_replayed(page: Any) -> None:
    problem = own_problems()[0]
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    page.locator("#view td", has_text="0.0% (0 of 2)").wait_for()
    page.locator("#view td", has_text="25.1% (63 of 251)").wait_for()
    photograph(page, "runs")
    follow(page, "turns")
    page.locator("#samples li", has_text="NameError").first.wait_for()
    follow(page, "NameError")
    page.locator("#view .error", has_text="went wrong in turn").wait_for()
    shown(page.locator("#view")).to_contain_text(repr(problem.outputs[0]))
    shown(page.locator("#view .turn")).to_have_count(len(problem.turns))
    photograph(page, "sample")
    page.get_by_role("button", name="Replay as a session").focus()
    page.keyboard.press("Enter")
    page.locator("#rename", has_text=f"turns {problem.id}/0").wait_for()
    page.locator("#turns > .turn").nth(len(problem.turns) - 1).wait_for()
    shown(page.locator("#turns")).to_contain_text("NameError")
    page.evaluate("history.back()")
    page.locator("#view .error").wait_for()


def test_samples_are_filtered(page: Any) -> None:
    page.goto(page.url.partition("#")[0] + "#runs")
    follow(page, "deep/concat")
    page.get_by_text("The first 50 samples that match.").wait_for()
    page.get_by_role("button", name="More").focus()
    page.keyboard.press("Enter")
    page.get_by_text("The first 100 samples that match.").wait_for()
    page.locator("#filter-problem").select_option("p1")
    page.locator("#filter-verdict").select_option("passed")
    page.get_by_text("21 samples match.").wait_for()
    page.locator("#filter-verdict").select_option("all")
    page.locator("#filter-text").fill("x = 100")
    page.get_by_text("1 sample matches.").wait_for()
    # The filter stays when a sample was read.
    follow(page, "p1/100")
    page.locator("#view .turn .prompt", has_text="Set x.").wait_for()
    page.evaluate("history.back()")
    page.get_by_text("1 sample matches.").wait_for()
    shown(page.locator("#filter-text")).to_have_value("x = 100")


def test_a_script_in_a_sample_is_text(page: Any) -> None:
    page.goto(page.url.partition("#")[0] + "#runs")
    follow(page, "deep/concat")
    page.locator("#filter-text").fill("onerror")
    page.get_by_text("1 sample matches.").wait_for()
    follow(page, "p0/999")
    page.locator("#view .turn .prompt", has_text="<script>").wait_for()
    assert page.locator("#view img, #view script").count() == 0
    until(page, "document.title.startsWith('Runs')")


CLICK_AS_THE_FIRST_SESSION_IS_MADE = """
const original = Response.prototype.json;
Response.prototype.json = async function () {
  const answer = await original.call(this);
  if (this.url.endsWith("/api/sessions?limit=1")) return { sessions: [] };
  if (this.url.endsWith("/api/sessions")) document.getElementById("show-runs").click();
  return answer;
};
"""


def test_the_first_session_does_not_take_the_place_of_a_view(
    browser: Any, server: RunningServer
) -> None:
    """The answer comes after the click and before the page hears of the new address."""
    context, page = opened(browser, server.url, width=WIDE, token=server.token)
    try:
        page.add_init_script(CLICK_AS_THE_FIRST_SESSION_IS_MADE)
        page.goto(f"{server.url}/?token={server.token}")
        page.locator("#view td", has_text="63 of 251").wait_for()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("location.hash") == "#runs"
    finally:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["list", "run", "sample"])
def test_no_view_of_results_has_a_serious_fault(
    browser: Any, server: RunningServer, view: str, scheme: str
) -> None:
    context, page = opened(browser, server.url, width=WIDE, token=server.token, bypass_csp=True)
    try:
        page.emulate_media(color_scheme=scheme)
        page.locator("#show-runs").click()
        page.locator("#view td", has_text="63 of 251").wait_for()
        if view != "list":
            follow(page, "turns")
            page.locator("#samples li").first.wait_for()
        if view == "sample":
            follow(page, "NameError")
            page.locator("#view .turn").first.wait_for()
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("axe.run()")
        assert [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ] == []
    finally:
        context.close()
