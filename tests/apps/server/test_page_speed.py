"""What the page costs: bytes, its own time of the processor, and the elements that it makes."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.apps.server.conftest import RunningServer
from tests.apps.server.page_person import (
    WAIT_SECONDS,
    Person,
    browser,
    opened,
    server,
    session,
    until,
)
from tests.apps.server.session_client import SessionClient
from tests.report.test_browser import WIDE

pytestmark = pytest.mark.real

__all__ = ["browser", "server", "session"]

MAX_BYTES = 300_000
"""Compressed, of everything that the first load brings."""

MAX_SECONDS = 1.0
"""Of the page's main thread until one can write in it."""

MAX_TASK_SECONDS = 0.05
"""Of a task, beyond which a person sees that scrolling is held up."""

TURNS = 200


def processor_seconds(context: Any, page: Any) -> Any:
    """A function that says how long the page's main thread has worked.

    It counts what the thread used of the processor, not what passed on a busy machine.
    """
    client = context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def read(name: str = "TaskDuration") -> float:
        found = client.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in found if each["name"] == name))

    return read


def test_the_first_load_is_small_and_soon_interactive(
    browser: Any, server: RunningServer, session: SessionClient
) -> None:
    session.turn("Set x to 2.")
    context = browser.new_context(viewport={"width": WIDE, "height": 800})
    context.set_default_timeout(WAIT_SECONDS * 1000)
    try:
        page = context.new_page()
        asked: list[Any] = []
        page.on("request", lambda request: asked.append(request))
        worked = processor_seconds(context, page)
        before = worked()
        page.goto(f"{server.url}/?token={server.token}#{session.id}")
        page.locator("#turns > .turn").wait_for()
        spent = worked() - before
        answers = [each.response() for each in asked if "/events" not in each.url]
        files = [each.body() for each in answers if each.status == 200]
        assert len(files) > 20
        assert sum(len(gzip.compress(each)) for each in files) < MAX_BYTES
        assert 0 < spent < MAX_SECONDS
        # The editor loads when code is edited.
        assert not any("codemirror" in each.url for each in asked)
        Person(page).write("Double x.")
    finally:
        context.close()


def long_session(session: SessionClient) -> str:
    """A session of many turns, with code and output; its id."""
    document = {
        "schema": "multiturn.sessions/1",
        "session": {
            "id": "x", "name": "long", "model": "m", "style": "comment", "header": "",
            "settings": {}, "current": TURNS,
            "turns": [
                {
                    "id": number, "parent": number - 1 or None, "prompt": f"Turn {number}.",
                    "chosen": 0,
                    "candidates": [{"text": "\n".join(f"x{n} = {n} + 1" for n in range(20))}],
                }
                for number in range(1, TURNS + 1)
            ],
        },
    }  # fmt: skip
    answer = session.http.post("/api/sessions/import", json=document)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_many_turns_scroll_without_long_tasks(
    browser: Any, server: RunningServer, session: SessionClient
) -> None:
    made = long_session(session)
    context, page = opened(browser, server.url, width=WIDE, token=server.token)
    try:
        page.goto(f"{server.url}/#{made}")
        page.locator("#turns > .turn").nth(TURNS - 1).wait_for(state="attached")
        until(page, "document.readyState === 'complete'")
        # Of the turns that are not near the window, nothing is rendered.
        skipped = page.evaluate(
            "[...document.querySelectorAll('#turns > .turn pre')]"
            ".filter((each) => !each.checkVisibility({ contentVisibilityAuto: true })).length"
        )
        assert skipped > TURNS * 0.8
        worked = processor_seconds(context, page)
        steps = 60
        page.evaluate(
            "window.long = []; new PerformanceObserver((list) => {"
            " window.long.push(...list.getEntries().map((each) => each.duration)); })"
            ".observe({ type: 'longtask' })"
        )
        before, script = worked(), worked("ScriptDuration")
        for step in range(steps):
            page.mouse.wheel(0, 700)
            until(page, f"window.scrollY > {step * 300}")
        spent = worked() - before
        # On a machine that does other things, a task takes longer than the work in it.
        assert spent / steps < MAX_TASK_SECONDS
        assert worked("ScriptDuration") - script < MAX_TASK_SECONDS * 2  # no script of the page's
        assert len(page.evaluate("window.long")) < steps / 2
    finally:
        context.close()


def test_a_change_of_one_turn_makes_one_turn_again(
    browser: Any, server: RunningServer, session: SessionClient
) -> None:
    long = SessionClient(session.http, long_session(session))
    context, page = opened(browser, server.url, width=WIDE, token=server.token)
    try:
        page.goto(f"{server.url}/#{long.id}")
        page.locator("#turns > .turn").nth(TURNS - 1).wait_for(state="attached")
        page.evaluate(
            "() => { window.made = 0; new MutationObserver((changes) => {"
            " for (const each of changes) window.made += each.addedNodes.length; })"
            ".observe(document.querySelector('#turns'), { childList: true }); }"
        )
        long.do(f"turns/{TURNS}/edit", {"code": "x = 'edited'"})
        page.locator("#turns > .turn pre.code", has_text="edited").wait_for()
        assert page.evaluate("window.made") == 1
    finally:
        context.close()
