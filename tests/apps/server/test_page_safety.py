"""No view has a serious fault of accessibility, and no text of others becomes markup."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.apps.server.conftest import RunningServer
from tests.apps.server.page_person import (
    Person,
    browser,
    opened,
    person,
    server,
    session,
    shown,
    until,
)
from tests.apps.server.session_client import SessionClient
from tests.report.test_browser import NARROW, WIDE, serious_faults

pytestmark = pytest.mark.real

__all__ = ["browser", "person", "server", "session"]

PAGE = Path(__file__).parents[3] / "src" / "multiturn" / "apps" / "server" / "page"

VIEWS = {
    "e": "dialog .cm-content",
    "c": "dialog article",
    "i": "dialog article",
    "b": "dialog select",
    "s": "dialog .list li",
    ",": "dialog input",
    "?": "dialog table",
    "x": "dialog #asked",
}
"""The key of each view that is a window, and what shows that it is there."""


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_no_view_has_a_serious_fault(
    browser: Any, server: RunningServer, session: SessionClient, width: int, scheme: str
) -> None:
    session.turn("Set x to 2.", sampling={"n": 2})
    session.turn("Double x.", sampling={"n": 3})
    session.turn("Add 1.", examples=[{"words": "x == 3"}])
    session.do("turns/2/edit", {"code": "x = 7\nprint(x)  # 'seven'"})
    context, page = opened(browser, server.url, width=width, token=server.token, bypass_csp=True)
    try:
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{server.url}/#{session.id}")
        page.locator("#stale > ol > .turn").first.wait_for()
        page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true })"
        )
        found = {"notebook": serious_faults(page)}
        for key, sign in VIEWS.items():
            page.keyboard.press(key)
            page.locator(sign).first.wait_for()
            found[key] = page.evaluate("axe.run()")["violations"]
            page.keyboard.press("Escape")
            page.locator("dialog").wait_for(state="detached")
        page.keyboard.press("p")
        page.locator("#program pre.code").wait_for()
        found["p"] = serious_faults(page)
        page.evaluate(f"location.hash = '{SessionClient(session.http).id}'")
        until(page, "document.querySelectorAll('#turns > .turn').length === 0")
        Person(page).begin("The script has no such line, so this fails.")
        page.locator("#job", has_text="failed").wait_for()
        found["job"] = serious_faults(page)
    finally:
        context.close()
    assert {
        view: [
            fault if isinstance(fault, str) else f"{fault['id']}: {fault['nodes'][0]['html'][:200]}"
            for fault in faults
            if isinstance(fault, str) or fault["impact"] in ("serious", "critical")
        ]
        for view, faults in found.items()
        if faults
    } == {}


def test_a_button_says_what_it_does_and_a_field_what_it_is_for(
    person: Person, session: SessionClient
) -> None:
    """By the names that a screen reader says; of things that look the same, each is another."""
    session.turn("Set x to 2.", sampling={"n": 2})
    session.turn("Double x.", sampling={"n": 3})
    person.wait_for_text("#turns > .turn .prompt", "Double x.")
    first = person.page.get_by_role("listitem", name="Set x to 2.")
    shown(first.get_by_role("button", name="Candidates (1)")).to_have_count(1)
    shown(first.get_by_role("region", name="Code of turn 1")).to_have_count(1)
    person.press("Escape", "c")
    buttons = person.page.get_by_role("dialog", name="Candidates").get_by_role(
        "button", name="Pick"
    )
    shown(buttons).to_have_count(3)
    names = buttons.evaluate_all("found => found.map((each) => each.getAttribute('aria-label'))")
    assert len(set(names)) == 3


def test_scripts_in_a_turn_an_output_and_a_name_do_nothing(
    person: Person, session: SessionClient
) -> None:
    hostile = "<script>window.broken=1</script><img src=x onerror='window.broken=1'>"
    session.turn("Set x to 2.")
    session.do("turns/1/edit", {"code": f"x = 2\nprint({hostile!r})", "prompt": hostile})
    session.http.patch(session.path, json={"name": hostile})
    person.wait_for_text("#rename", "<script>")
    person.wait_for_text("#turns > .turn pre.output", "<script>")
    for key, sign in VIEWS.items():
        person.press("Escape", key)
        person.page.locator(sign).first.wait_for()
        person.press("Escape")
        person.dialog().wait_for(state="detached")
    assert person.page.evaluate("window.broken") is None
    assert person.page.locator("main img, main script, dialog img").count() == 0


def test_the_policy_allows_no_script_that_is_not_of_the_page(person: Person) -> None:
    # The browser says what it refused, in words that depend on its version.
    person.expected_faults = ("Content Security Policy", "TrustedScript")
    person.page.evaluate(
        "() => { window.refused = []; document.addEventListener('securitypolicyviolation',"
        " (event) => window.refused.push(event.effectiveDirective));"
        " const script = document.createElement('script');"
        " try { script.textContent = 'window.broken = 1'; } catch {}"
        " document.body.append(script); document.body.setAttribute('style', 'color: red');"
        " fetch('https://example.org/').catch(() => {}); }"
    )
    until(person.page, "window.refused.length >= 2")
    assert person.page.evaluate("window.broken") is None


def own_files() -> list[Path]:
    return sorted(each for each in PAGE.iterdir() if each.is_file())


def test_the_page_brings_nothing_from_elsewhere_and_makes_no_markup() -> None:
    index = (PAGE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*src=)|style=|\son\w+=", index)
    for file in own_files():
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
        if file.suffix == ".js":
            assert f"/page/{file.name}" in index  # it is loaded at once, not after another module


def test_the_editor_is_the_one_that_was_bundled() -> None:
    """`tools/page_editor/make.py` writes it, its hash, and the licences of what is in it."""
    vendor = PAGE / "vendor"
    sums = dict(reversed(line.split()) for line in (vendor / "SHA256SUMS").read_text().splitlines())
    scripts = sorted(vendor.glob("*.js"))
    assert [each.name for each in scripts] == sorted(sums)
    for each in scripts:
        assert hashlib.sha256(each.read_bytes()).hexdigest() == sums[each.name]
    licences = (vendor / "LICENSE.txt").read_text()
    for package in ("@codemirror/view", "@lezer/python", "style-mod"):
        assert package in licences
    assert "MIT License" in licences


def test_only_files_of_the_page_are_served(server: RunningServer) -> None:
    with server.client() as http:
        assert (
            http.get("/page/vendor/codemirror.js").headers["content-type"].startswith("text/java")
        )
        for path in (
            "vendor",
            "vendor/",
            "vendor/SHA256SUMS",
            "..%2Faccess.py",
            "vendor/../main.js/",
        ):
            assert http.get(f"/page/{path}").status_code == 404, path
