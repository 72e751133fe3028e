"""Somebody at the page, in a real browser, who has a keyboard and no mouse."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.session_client import SCRIPT, SessionClient
from tests.apps.server.stepping import SteppingEngine
from tests.report.test_browser import NARROW, WIDE, browser

__all__ = [
    "WAIT_SECONDS",
    "WIDTHS",
    "Person",
    "browser",
    "opened",
    "person",
    "photograph",
    "server",
    "session",
    "shown",
    "stepping",
    "until",
    "visit",
]

SCREENSHOTS = os.environ.get("MULTITURN_SCREENSHOTS")
"""A directory for the screenshots of docs/web.md."""

WAIT_SECONDS = 120
"""Of anything: a busy machine may take minutes."""

_TAB_STOPS = 150

WIDTHS = [pytest.param(NARROW, id="phone"), pytest.param(WIDE, id="desk")]


def until(page: Any, condition: str) -> None:
    """Wait for an expression; the page's policy lets it evaluate no text by itself."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def shown(place: Any) -> Any:
    """What a place is expected to show; waits for it, since a page draws in its own time."""
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT_SECONDS * 1000)
    return expect(place)


class Person:
    """Uses a page by its keyboard alone."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.expected_faults: tuple[str, ...] = ()
        """What errors of the console are allowed to say."""

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def tab_to(self, place: Any) -> None:
        """Press Tab until the focus is there."""
        place.wait_for()
        for _ in range(_TAB_STOPS):
            if place.evaluate("each => each === document.activeElement"):
                return
            self.press("Tab")
        raise AssertionError("Tab does not lead there")

    def activate(self, place: Any) -> None:
        """Go to a button, and press it."""
        self.tab_to(place)
        self.press("Enter")

    def begin(self, prompt: str) -> None:
        """Send the next step."""
        self.press("Escape", "n")
        self.type(prompt)
        self.press("Control+Enter")

    def write(self, prompt: str) -> None:
        """Send the next step and wait for it."""
        count = self.page.locator("#turns > .turn").count()
        self.begin(prompt)
        until(self.page, f"document.querySelectorAll('#turns > .turn').length > {count}")

    def read(self, characters: int = 10) -> str:
        """Wait until the step that is being written has shown some text; that text."""
        until(
            self.page,
            f"document.querySelector('#job pre')?.textContent.trim().length >= {characters}",
        )
        text: str = self.page.locator("#job pre").text_content()
        return text.strip()

    def answer(self, text: str, send: str = "Control+Enter") -> None:
        """Fill the open window, where the focus is."""
        self.page.locator("dialog #asked").wait_for()
        self.press("Control+A")
        self.page.keyboard.insert_text(text)
        self.press(send)

    def sees_turns(self, *prompts: str) -> None:
        """Wait until exactly these are the turns."""
        shown(self.page.locator("#turns > .turn .prompt")).to_have_text(list(prompts))

    def sees_outputs(self, *outputs: str) -> None:
        """Wait until the turns that printed something printed this."""
        shown(self.page.locator("#turns > .turn pre.output")).to_have_text(list(outputs))

    def wait_for_text(self, selector: str, text: str) -> None:
        from playwright.sync_api import TimeoutError as WaitedTooLong

        try:
            self.page.locator(selector, has_text=text).first.wait_for()
        except WaitedTooLong as error:
            shown = self.page.locator(selector).all_text_contents()
            raise AssertionError(f"{selector} never said {text!r}; it says {shown}") from error

    def dialog(self) -> Any:
        return self.page.locator("dialog")


def opened(browser: Any, url: str, *, width: int, token: str, **options: Any) -> tuple[Any, Any]:
    """A page at the start-up link, and its context."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="light", **options
    )
    context.set_default_timeout(WAIT_SECONDS * 1000)
    page = context.new_page()
    page.goto(f"{url}/?token={token}")
    return context, page


@contextmanager
def visit(
    browser: Any, server: RunningServer, session: SessionClient, width: int
) -> Iterator[Person]:
    """Somebody who has opened a session.

    Afterwards the page had no error, asked only the server, and does not overflow.
    """
    context, page = opened(browser, server.url, width=width, token=server.token)
    faults: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if _is_fault(said) else None)
    page.on("request", lambda asked: requests.append(asked.url))
    try:
        page.goto(f"{server.url}/#{session.id}")
        page.locator("#rename", has_text=session.view()["name"]).wait_for()
        person = Person(page)
        yield person
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    finally:
        context.close()
    faults = [each for each in faults if not any(one in each for one in person.expected_faults)]
    assert not faults, faults
    assert [url for url in requests if not url.startswith((server.url, "data:"))] == []
    assert overflow <= 0


def photograph(page: Any, name: str) -> None:
    """Take a screenshot; written where MULTITURN_SCREENSHOTS names a directory."""
    where = "phone" if page.viewport_size["width"] == NARROW else "desk"
    taken = page.screenshot(animations="disabled")
    if SCREENSHOTS:
        Path(SCREENSHOTS, f"web-{name}-{where}.png").write_bytes(taken)


def _is_fault(said: Any) -> bool:
    """Whether a message of the console is one; the page tells refusals to the person itself."""
    is_refusal = "Failed to load resource" in said.text and "/api/" in said.location["url"]
    return said.type == "error" and not is_refusal


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a script for a model."""
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT, settings=ScriptSettings(slots=8)) as engine,
        running(engine, sandbox, store) as server,
    ):
        yield server


@pytest.fixture
def session(server: RunningServer) -> Iterator[SessionClient]:
    """A session of its own for a test."""
    with server.client() as http:
        yield SessionClient(http, name="sums")


@pytest.fixture
def stepping(sandbox: Sandbox, tmp_path: Path) -> Iterator[tuple[SteppingEngine, RunningServer]]:
    """A server whose model writes when the test lets it."""
    engine = SteppingEngine(piece="x = 1\n")
    with (
        SessionStore(tmp_path / "sessions.sqlite3") as store,
        engine,
        running(engine, sandbox, store) as server,
    ):
        yield engine, server


@pytest.fixture(params=WIDTHS)
def person(
    browser: Any, server: RunningServer, session: SessionClient, request: pytest.FixtureRequest
) -> Iterator[Person]:
    """Somebody who has opened the session, at a phone and at a desk."""
    with visit(browser, server, session, request.param) as person:
        yield person
