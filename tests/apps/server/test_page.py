"""Journeys through the page in a real browser, by keyboard, at a phone's width and a desk's."""

from __future__ import annotations

import gzip
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.session_client import SCRIPT, SessionClient
from tests.apps.server.test_session_kill import TOKEN, process, script
from tests.report.test_browser import AXE, NARROW, WIDE, browser

pytestmark = pytest.mark.real

__all__ = ["browser"]

SCREENSHOTS = os.environ.get("MULTITURN_SCREENSHOTS")
"""A directory for the screenshots of docs/web.md."""

PAGE = Path(__file__).parents[3] / "src" / "multiturn" / "apps" / "server" / "page"

SLOW = ScriptSettings(seconds_per_token=0.004, slots=8)


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT, settings=SLOW) as engine,
        running(engine, sandbox, store) as server,
    ):
        yield server


@pytest.fixture
def session(server: RunningServer) -> Iterator[SessionClient]:
    with server.client() as http:
        yield SessionClient(http, name="sums")


def until(page: Any, condition: str) -> None:
    """Wait for an expression; the page's policy lets it evaluate no text by itself."""
    deadline = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


class Person:
    """Somebody at the page, who uses the keyboard."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, prompt: str) -> None:
        """Send the next step and wait for it."""
        count = self.page.locator("#turns > .turn").count()
        self.press("Escape", "n")
        self.page.keyboard.type(prompt)
        self.press("Control+Enter")
        until(self.page, f"document.querySelectorAll('#turns > .turn').length > {count}")

    def answer(self, text: str, send: str = "Control+Enter") -> None:
        """Fill the open window."""
        self.page.locator("dialog #asked").wait_for()
        self.press("Control+A")
        self.page.keyboard.insert_text(text)
        self.press(send)

    def turns(self) -> list[str]:
        found: list[str] = self.page.locator("#turns > .turn .prompt").all_text_contents()
        return found

    def outputs(self) -> list[str]:
        found: list[str] = self.page.locator("#turns > .turn pre.output").all_text_contents()
        return found

    def wait_for_text(self, selector: str, text: str) -> None:
        self.page.locator(selector, has_text=text).first.wait_for()


def opened(browser: Any, url: str, *, width: int, token: str, **options: Any) -> tuple[Any, Any]:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="light", **options
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}/?token={token}")
    return context, page


def is_fault(said: Any) -> bool:
    """Whether a message of the console is one; refusals of the server are told to the person."""
    is_refusal = "Failed to load resource" in said.text and "/api/" in said.location["url"]
    return said.type == "error" and not is_refusal


@pytest.fixture(params=[NARROW, WIDE], ids=["phone", "desk"])
def person(
    browser: Any, server: RunningServer, session: SessionClient, request: pytest.FixtureRequest
) -> Iterator[Person]:
    context, page = opened(browser, server.url, width=request.param, token=server.token)
    faults: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if is_fault(said) else None)
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto(f"{server.url}/#{session.id}")
    page.locator("#rename", has_text="sums").wait_for()
    yield Person(page)
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    context.close()
    assert faults == []
    assert [url for url in requests if not url.startswith((server.url, "data:"))] == []
    assert overflow <= 0


def photograph(page: Any, name: str) -> None:
    if SCREENSHOTS:
        width = page.viewport_size["width"]
        where = "phone" if width == NARROW else "desk"
        page.screenshot(path=str(Path(SCREENSHOTS) / f"web-{name}-{where}.png"))


def test_a_first_program(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.write("Add 1.")
    assert person.turns() == ["Set x to 2.", "Double x.", "Add 1."]
    assert person.outputs() == ["5\n", "now 6\n"]
    person.page.locator("#turns > .turn details.values summary").last.focus()
    person.press("Enter")
    assert "x" in person.page.locator("#turns > .turn table tbody").last.inner_text()
    person.press("Escape", "p")
    person.page.locator("#program pre.code").wait_for()
    assert "print('now', x)" in person.page.locator("#program pre.code").inner_text()
    photograph(person.page, "program")


def test_candidates_side_by_side_retry_and_pick(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.press("Escape", "r")
    person.answer("2", "Enter")
    person.wait_for_text("#turns .actions", "Candidates (3)")
    person.press("Escape", "c")
    dialog = person.page.locator("dialog")
    dialog.locator("article").nth(2).wait_for()
    assert dialog.locator("article").count() == 3
    assert dialog.locator(".differs").count() > 0
    photograph(person.page, "candidates")
    dialog.locator("button[data-pick='1']").focus()
    person.press("Enter")
    person.wait_for_text("#turns > .turn pre.code", "x = x + x + 1")
    assert person.outputs() == ["5\n"]


def test_an_early_turn_is_edited_and_the_later_ones_run_again(person: Person) -> None:
    for prompt in ("Set x to 2.", "Double x.", "Add 1."):
        person.write(prompt)
    person.press("Escape", "j", "e")
    person.answer("x = 10")
    person.wait_for_text("#stale", "2 later turns are stale")
    assert person.turns() == ["Set x to 2."]
    photograph(person.page, "stale")
    person.press("Escape", "a")
    person.wait_for_text("#turns > .turn pre.output", "now 22")
    assert person.turns() == ["Set x to 2.", "Double x.", "Add 1."]
    assert not person.page.locator("#stale").is_visible()


def test_branches_are_compared_by_program_and_output(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.press("Escape", "j", "g")
    until(person.page, "document.querySelectorAll('#turns > .turn').length === 1")
    person.write("Add 1.")
    person.press("Escape", "b")
    person.page.locator("dialog").get_by_role("button", name="Compare").focus()
    person.press("Enter")
    person.wait_for_text("dialog .diff .left", "5")
    text = person.page.locator("dialog").inner_text()
    assert "Programs" in text and "Outputs" in text and "Variables that differ" in text
    photograph(person.page, "branches")
    person.page.locator("dialog button[data-branch='2']").focus()
    person.press("Enter")
    person.wait_for_text("#turns > .turn .prompt", "Double x.")


def test_an_example_that_fails_chooses_or_is_repaired(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.press("Escape", "x")
    person.answer("x == 4", "Enter")
    person.wait_for_text("#turns .examples .bad", "x == 4")
    person.press("Escape", "f")
    person.wait_for_text("#turns .examples .good", "x == 4")
    assert person.outputs() == ["4\n"]
    person.press("Escape", "o")
    person.wait_for_text("#turns .examples .good", "the output ends with 4")


def test_a_reload_in_mid_generation_loses_nothing(person: Person) -> None:
    person.press("n")
    person.page.keyboard.type("Long.")
    person.press("Control+Enter")
    until(person.page, "document.querySelector('#job pre')?.textContent.length > 60")
    before = person.page.locator("#job pre").text_content().rstrip("▍")
    person.page.reload()
    until(person.page, "document.querySelector('#job pre, #turns > .turn')")
    text = person.page.locator("#job pre, #turns > .turn pre.code").first.text_content()
    assert text.strip().startswith(before.strip()[:60])
    person.page.locator("#turns > .turn").wait_for()
    code = person.page.locator("#turns > .turn pre.code").text_content()
    assert code.startswith(before[:60])


def test_a_turn_is_cancelled_and_retried(person: Person) -> None:
    person.press("n")
    person.page.keyboard.type("Long.")
    person.press("Control+Enter")
    until(person.page, "document.querySelector('#job pre')?.textContent.length > 20")
    person.press("Escape")
    person.wait_for_text("#job", "was cancelled")
    person.page.locator("#job").get_by_role("button", name="Retry").focus()
    person.press("Enter")
    person.page.locator("#turns > .turn").wait_for()


def test_an_answer_may_be_slower_than_its_events(person: Person, session: SessionClient) -> None:
    """The turn is saved before the page hears that it was begun."""

    def answer_late(route: Any) -> None:
        answer = route.fetch()
        session.ended(answer.json()["id"])
        until(person.page, "document.querySelectorAll('#turns > .turn').length > 0")
        route.fulfill(response=answer)

    person.page.route("**/turns", answer_late)
    person.write("Set x to 2.")
    person.page.unroute("**/turns")
    person.write("Double x.")
    assert person.outputs() == ["5\n"]
    assert not person.page.locator("#job").is_visible()


def test_what_was_written_survives_a_reload_and_a_refusal(
    person: Person, session: SessionClient
) -> None:
    person.press("n")
    person.page.keyboard.type("Set x to 2.")
    person.page.reload()
    until(person.page, "document.querySelector('#prompt').value === 'Set x to 2.'")
    person.press("n", "Control+Enter")
    person.page.locator("#turns > .turn").wait_for()
    assert person.page.locator("#prompt").input_value() == ""
    person.press("Escape", "e")
    person.page.locator("dialog #asked").wait_for()
    person.page.route("**/edit", lambda route: route.fulfill(
        status=503, json={"error": {"message": "the server is stopping"}},
    ))  # fmt: skip
    person.press("Control+A")
    person.page.keyboard.insert_text("x = 8")
    person.press("Control+Enter")
    person.wait_for_text("dialog .error", "the server is stopping")
    person.page.unroute("**/edit")
    assert person.page.locator("dialog #asked").input_value() == "x = 8"
    person.press("Control+Enter")
    person.wait_for_text("#turns > .turn pre.code", "x = 8")


def test_a_view_takes_the_place_of_the_notebook(person: Person) -> None:
    page = person.page
    page.evaluate(
        "import('/page/views.js').then(({ addView }) => addView({ name: 'runs', title: 'Runs',"
        " key: 'v', show(place, rest) { place.append('at ' + rest); return () => {"
        " window.left = (window.left ?? 0) + 1; }; } }))"
    )
    person.press("Escape", "v")
    page.locator("#view", has_text="at").wait_for()
    assert page.url.endswith("#runs")
    assert not page.locator("#prompt").is_visible()
    assert page.get_by_role("button", name="Runs").get_attribute("aria-pressed") == "true"
    page.evaluate("location.hash = 'runs/a%20b'")
    page.locator("#view", has_text="at a b").wait_for()
    person.press("v")
    page.locator("#prompt").wait_for()
    assert page.evaluate("window.left") == 2
    assert page.title().startswith("sums")


def test_two_tabs_show_the_same(person: Person, session: SessionClient) -> None:
    other = Person(person.page.context.new_page())
    other.page.goto(person.page.url)
    other.page.locator("#rename", has_text="sums").wait_for()
    person.write("Set x to 2.")
    other.wait_for_text("#turns > .turn .prompt", "Set x to 2.")
    session.http.patch(session.path, json={"name": "products"})
    for each in (person, other):
        each.wait_for_text("#rename", "products")


def test_sessions_are_renamed_found_deleted_and_restored(
    person: Person, session: SessionClient
) -> None:
    person.write("Set x to 2.")
    person.press("Escape", "F2")
    name = f"renamed {session.id}"
    person.answer(name, "Enter")
    person.wait_for_text("#rename", name)
    person.press("s")
    person.page.locator("dialog #search").wait_for()
    person.page.keyboard.type(session.id)
    person.wait_for_text("dialog .list li", name)
    until(person.page, "document.querySelectorAll('dialog > .list li').length === 1")
    person.page.locator("dialog").get_by_role("button", name="Delete").first.focus()
    person.press("Enter")
    undo = person.page.locator("#notes").get_by_role("button", name="Undo")
    undo.wait_for()
    assert session.http.get(session.path).status_code == 404
    person.press("Escape")
    undo.focus()
    person.press("Enter")
    person.wait_for_text("#notes", "Restored")
    assert session.http.get(session.path).status_code == 200


def test_scripts_in_a_turn_an_output_and_a_name_do_nothing(
    person: Person, session: SessionClient
) -> None:
    hostile = "<script>window.broken=1</script><img src=x onerror='window.broken=1'>"
    session.turn("Set x to 2.")
    session.do("turns/1/edit", {"code": f"x = 2\nprint({hostile!r})", "prompt": hostile})
    session.http.patch(session.path, json={"name": hostile})
    person.wait_for_text("#rename", "<script>")
    person.wait_for_text("#turns > .turn pre.output", "<script>")
    for key in ("c", "b", "s"):
        person.press("Escape", key)
        person.page.locator("dialog").wait_for()
        person.page.wait_for_timeout(100)
        person.press("Escape")
        person.page.locator("dialog").wait_for(state="detached")
    assert person.page.evaluate("window.broken") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["notebook", "c", "b", "s", ",", "?", "p", "x"])
def test_no_view_has_a_serious_fault(
    browser: Any, server: RunningServer, session: SessionClient, view: str, scheme: str
) -> None:
    session.turn("Set x to 2.", sampling={"n": 2})
    session.turn("Double x.", sampling={"n": 3})
    session.turn("Add 1.", examples=[{"words": "x == 3"}])
    session.do("turns/2/edit", {"code": "x = 7"})
    context, page = opened(browser, server.url, width=WIDE, token=server.token, bypass_csp=True)
    try:
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{server.url}/#{session.id}")
        page.locator("#turns > .turn").first.wait_for()
        if view != "notebook":
            page.keyboard.press(view)
            page.locator("#program pre.code" if view == "p" else "dialog").wait_for()
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("axe.run()")
        assert [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ] == []
    finally:
        context.close()


def test_a_server_that_is_killed_in_mid_turn(browser: Any, home: Path, tmp_path: Path) -> None:
    model = script(tmp_path)
    with process(home, model) as (server, http):
        session = SessionClient(http)
        context, page = opened(browser, str(http.base_url).rstrip("/"), width=WIDE, token=TOKEN)
        page.goto(f"{http.base_url}#{session.id}")
        page.locator("#prompt").fill("Set the numbers.")
        page.keyboard.press("Control+Enter")
        until(page, "document.querySelector('#job pre')?.textContent.length > 30")
        server.kill()
        server.wait()
        shown = page.locator("#job pre").text_content()
        context.close()
    with process(home, model) as (_server, http):
        context, page = opened(browser, str(http.base_url).rstrip("/"), width=WIDE, token=TOKEN)
        try:
            page.goto(f"{http.base_url}#{session.id}")
            page.locator("#job", has_text="was interrupted").wait_for()
            assert page.locator("#job pre").text_content().startswith(shown)
            photograph(page, "interrupted")
            page.locator("#job").get_by_role("button", name="Retry").click()
            page.locator("#turns > .turn").wait_for()
        finally:
            context.close()


def test_two_hundred_turns_scroll_without_long_tasks(
    browser: Any, server: RunningServer, session: SessionClient
) -> None:
    document = {
        "schema": "multiturn.sessions/1",
        "session": {
            "id": "x", "name": "long", "model": "m", "style": "comment", "header": "",
            "settings": {}, "current": 200,
            "turns": [
                {
                    "id": number, "parent": number - 1 or None, "prompt": f"Turn {number}.",
                    "chosen": 0,
                    "candidates": [{"text": "\n".join(f"x{n} = {n} + 1" for n in range(20))}],
                }
                for number in range(1, 201)
            ],
        },
    }  # fmt: skip
    made = session.http.post("/api/sessions/import", json=document).json()["id"]
    context, page = opened(browser, server.url, width=WIDE, token=server.token)
    try:
        page.goto(f"{server.url}/#{made}")
        page.locator("#turns > .turn").nth(199).wait_for(state="attached")
        page.evaluate(
            "window.long = []; new PerformanceObserver((list) => {"
            " window.long.push(...list.getEntries().map((each) => each.duration)); })"
            ".observe({ type: 'longtask' })"
        )
        for _ in range(40):
            page.mouse.wheel(0, 900)
            page.wait_for_timeout(16)
        # A busy machine makes tasks longer; what must not be is one for each step.
        assert len(page.evaluate("window.long")) < 20
    finally:
        context.close()


def test_the_page_is_small_and_brings_nothing_from_elsewhere() -> None:
    files = sorted(PAGE.iterdir())
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 300_000
    for file in files:
        text = file.read_text()
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), file.name
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ):
            assert forbidden not in text, file.name
    index = (PAGE / "index.html").read_text()
    for file in PAGE.glob("*.js"):
        assert f"/page/{file.name}" in index  # it is loaded at once, not after another module
    assert not re.search(r"<script(?![^>]*src=)|style=|\son\w+=", index)
