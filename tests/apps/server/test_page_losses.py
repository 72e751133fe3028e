"""Nothing that the page has shown is lost: by a reload, a lost connection, a killed server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.apps.server.conftest import RunningServer
from tests.apps.server.page_person import (
    WIDTHS,
    Person,
    browser,
    opened,
    person,
    photograph,
    server,
    session,
    shown,
    stepping,
    until,
    visit,
)
from tests.apps.server.session_client import SessionClient
from tests.apps.server.stepping import SteppingEngine
from tests.apps.server.test_session_kill import TOKEN, process, script
from tests.report.test_browser import NARROW, WIDE

pytestmark = pytest.mark.real

__all__ = ["browser", "person", "server", "session", "stepping"]


Stepping = tuple[SteppingEngine, RunningServer]


def written(tokens: int) -> str:
    """What the page shows of so many tokens of the stepping engine."""
    return ("x = 1\n" * tokens).strip()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_reload_in_mid_generation(browser: Any, stepping: Stepping, width: int) -> None:
    engine, server = stepping
    with server.client() as http, visit(browser, server, SessionClient(http), width) as person:
        person.begin("Long.")
        engine.release(12)
        before = person.read(len(written(12)))
        photograph(person.page, "writing")
        person.page.reload()
        assert person.read(len(before)) == before
        photograph(person.page, "reloaded")
        engine.release(1000)
        person.page.locator("#turns > .turn").wait_for()
        shown(person.page.locator("#turns > .turn pre.code")).to_contain_text(before)


def test_a_turn_is_cancelled_and_retried(browser: Any, stepping: Stepping) -> None:
    engine, server = stepping
    with server.client() as http, visit(browser, server, SessionClient(http), NARROW) as person:
        person.begin("Long.")
        engine.release(5)
        before = person.read()
        person.press("Escape")
        person.wait_for_text("#job", "was cancelled")
        shown(person.page.locator("#job pre")).to_contain_text(before)
        shown(person.page.locator("#announcer")).to_contain_text("cancelled")
        engine.release(1000)
        person.activate(person.page.locator("#job").get_by_role("button", name="Retry"))
        person.page.locator("#turns > .turn").wait_for()


class Proxy:
    """Passes connections on to a server, until they are cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._is_cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and each further one."""
        self._is_cut.set()
        for each in list(self._open):
            _end(each)

    def repair(self) -> None:
        """Pass on further connections."""
        self._is_cut.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut.is_set():
                client.close()
                continue
            upstream = socket.create_connection(("127.0.0.1", self._to))
            self._open += [client, upstream]
            for ends in ((client, upstream), (upstream, client)):
                threading.Thread(target=_pump, args=ends, daemon=True).start()


def _end(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return  # it was cut
    finally:
        _end(target)


@contextmanager
def proxied(server: RunningServer) -> Iterator[Proxy]:
    proxy = Proxy(int(server.url.rpartition(":")[2]))
    try:
        yield proxy
    finally:
        proxy.close()


def test_a_connection_that_is_lost_in_mid_generation(browser: Any, stepping: Stepping) -> None:
    engine, server = stepping
    with server.client() as http, proxied(server) as proxy:
        session = SessionClient(http)
        url = f"http://127.0.0.1:{proxy.port}"
        context, page = opened(browser, url, width=WIDE, token=server.token)
        try:
            page.goto(f"{url}/#{session.id}")
            until(page, "document.title !== 'Multiturn'")
            person = Person(page)
            person.begin("Long.")
            engine.release(5)
            before = person.read(len(written(5)))
            proxy.cut()
            engine.release(10)
            person.wait_for_text("#connection", "connection lost")
            shown(page.locator("#job pre")).to_have_text(before)
            person.type("Add 1.")  # meanwhile, one writes on
            proxy.repair()
            page.locator("#connection").wait_for(state="hidden")
            assert person.read(len(written(10))) == written(10)
            engine.release(1000)
            page.locator("#turns > .turn").wait_for()
            shown(page.locator("#prompt")).to_have_value("Add 1.")
        finally:
            context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_server_that_is_killed_in_mid_turn(
    browser: Any, home: Path, tmp_path: Path, width: int
) -> None:
    """The page stays open meanwhile, and finds the server that is started again."""
    model = script(tmp_path, seconds_per_token=1.0)
    with process(home, model) as (killed, http):
        session = SessionClient(http)
        url = str(http.base_url).rstrip("/")
        context, page = opened(browser, url, width=width, token=TOKEN)
        page.goto(f"{url}/#{session.id}")
        until(page, "document.title !== 'Multiturn'")
        person = Person(page)
        person.begin("Set the numbers.")
        person.read()
        killed.kill()
        killed.wait()
        person.wait_for_text("#connection", "connection lost")
        before = page.locator("#job pre").text_content().strip()
    with process(home, model, port=int(url.rpartition(":")[2])):
        try:
            person.wait_for_text("#job", "was interrupted")
            shown(page.locator("#job pre")).to_contain_text(before)
            page.locator("#connection").wait_for(state="hidden")
            photograph(page, "interrupted")
            page.reload()
            person.wait_for_text("#job", "was interrupted")
            shown(page.locator("#job pre")).to_contain_text(before)
            person.activate(page.locator("#job").get_by_role("button", name="Retry"))
            person.wait_for_text("#job", "is being written")
        finally:
            context.close()


def test_two_tabs_show_the_same(person: Person, session: SessionClient) -> None:
    other = Person(person.page.context.new_page())
    other.page.goto(person.page.url)
    other.page.locator("#rename", has_text="sums").wait_for()
    person.write("Set x to 2.")
    other.wait_for_text("#turns > .turn .prompt", "Set x to 2.")
    other.write("Double x.")
    person.wait_for_text("#turns > .turn .prompt", "Double x.")
    for each in (person, other):
        each.sees_outputs("5")
    session.http.patch(session.path, json={"name": "products"})
    for each in (person, other):
        each.wait_for_text("#rename", "products")
    photograph(other.page, "two-tabs")


SEND_ONE_CHANGE_AS = """version => {
    const send = window.fetch;
    window.fetch = (path, options) => {
        if (options.method === "POST") {
            options.headers["If-Match"] = version;
            window.fetch = send;
        }
        return send(path, options);
    };
}"""
"""In the page, and not by Playwright: to stop intercepting may lose the requests that follow."""


def test_a_change_for_an_older_state_is_refused_and_the_newer_one_shown(
    person: Person, session: SessionClient
) -> None:
    person.write("Set x to 2.")
    person.press("Escape", "e")
    person.page.locator("dialog #asked").wait_for()
    person.press("Control+A")
    person.page.keyboard.insert_text("x = 8")
    # Another window was faster, and this one has not heard of it yet.
    version = session.view()["version"]
    person.page.evaluate(SEND_ONE_CHANGE_AS, f'"{version - 1}"')
    person.press("Control+Enter")
    person.wait_for_text("dialog .error", "changed in another window")
    person.press("Control+Enter")  # what was written is still there
    person.wait_for_text("#turns > .turn pre.code", "x = 8")


def test_an_answer_may_be_slower_than_its_events(person: Person, session: SessionClient) -> None:
    """The turn is saved before the page hears that it was begun.

    What is written until then stays.
    """

    def answer_late(route: Any) -> None:
        if answered:
            route.continue_()
            return
        answer = route.fetch()
        session.ended(answer.json()["id"])
        until(person.page, "document.querySelectorAll('#turns > .turn').length > 0")
        person.press("Escape", "n", "Control+End")
        person.type("Double")
        route.fulfill(response=answer)
        answered.append(True)

    answered: list[bool] = []
    person.page.route("**/turns", answer_late)
    person.write("Set x to 2.")
    while not answered:
        person.page.wait_for_timeout(20)
    until(person.page, "document.querySelector('#prompt').value === 'Double'")
    person.write(" x.")
    person.sees_turns("Set x to 2.", "Double x.")
    person.sees_outputs("5")
    shown(person.page.locator("#job")).to_be_hidden()


def test_what_was_written_survives_a_reload_and_a_refusal(person: Person) -> None:
    person.press("n")
    person.type("Set x to 2.")
    person.page.reload()
    until(person.page, "document.querySelector('#prompt').value === 'Set x to 2.'")
    person.press("n", "Control+Enter")
    person.page.locator("#turns > .turn").wait_for()
    shown(person.page.locator("#prompt")).to_have_value("")
    person.press("Escape", "w")
    is_stopping = True

    def refuse(route: Any) -> None:
        if is_stopping:
            message = "the server is stopping"
            route.fulfill(status=503, json={"error": {"message": message}})
        else:
            route.continue_()

    person.page.route("**/edit", refuse)
    person.answer("Double x.")
    person.wait_for_text("dialog .error", "the server is stopping")
    is_stopping = False
    shown(person.page.locator("dialog #asked")).to_have_value("Double x.")
    person.press("Control+Enter")
    person.wait_for_text("#turns > .turn .prompt", "Double x.")
