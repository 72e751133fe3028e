"""Journeys through the page in a browser, by keyboard alone, at a phone's width and a desk's."""

from __future__ import annotations

import shutil

import pytest

from tests.apps.server.page_person import (
    Person,
    browser,
    person,
    photograph,
    server,
    session,
    shown,
    until,
)
from tests.apps.server.session_client import SessionClient

pytestmark = pytest.mark.real

__all__ = ["browser", "person", "server", "session"]


def test_a_first_program(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.write("Add 1.")
    person.sees_turns("Set x to 2.", "Double x.", "Add 1.")
    person.sees_outputs("5", "now 6")
    shown(person.page.locator("#announcer")).to_contain_text("Printed: now 6")
    person.press("Escape", "k")
    person.activate(person.page.locator("#turns > .turn details.values summary").last)
    cells = person.page.locator("#turns > .turn table tbody").last.locator("th, td")
    shown(cells).to_have_text(["x", "6", "changed"])
    photograph(person.page, "first-program")


def test_the_program_is_beside_the_turns(person: Person) -> None:
    person.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    person.write("Set x to 2.")
    person.write("Add 1.")
    person.press("Escape", "p")
    aside = person.page.locator("#program")
    aside.locator("pre.code").wait_for()
    for line in ("x = 2", "print('now', x)"):
        shown(aside.locator("pre.code")).to_contain_text(line)
    person.activate(aside.get_by_role("button", name="Run"))
    person.wait_for_text("#program pre.output", "now 3")
    person.activate(aside.get_by_role("button", name="Copy"))
    person.wait_for_text("#notes", "Copied")
    assert "print('now', x)" in person.page.evaluate("navigator.clipboard.readText()")
    for suffix in ("py", "ipynb", "md"):
        person.tab_to(aside.get_by_role("link", name=f".{suffix}", exact=True))
        with person.page.expect_download() as download:
            person.press("Enter")
        assert download.value.suggested_filename == f"sums.{suffix}"
        assert "print('now', x)" in download.value.path().read_text()
    photograph(person.page, "program")


def test_candidates_side_by_side_retry_and_pick(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.press("Escape", "r")
    person.answer("2", "Enter")
    person.wait_for_text("#turns .actions", "Candidates (3)")
    person.press("Escape", "c")
    articles = person.dialog().locator("article")
    shown(articles).to_have_count(3)
    shown(articles.nth(0).locator("pre").nth(1)).to_contain_text("5")
    shown(articles.nth(2)).to_contain_text("name 'y' is not defined")
    shown(articles.locator(".differs").first).to_be_visible()
    photograph(person.page, "candidates")
    person.activate(person.dialog().locator("button[data-pick='1']"))
    person.wait_for_text("#turns > .turn pre.code", "x = x + x + 1")
    person.sees_outputs("5")


def test_an_early_turn_is_edited_and_the_later_ones_run_again(person: Person) -> None:
    for prompt in ("Set x to 2.", "Double x.", "Add 1."):
        person.write(prompt)
    person.press("Escape", "j", "e")
    person.page.locator("dialog .cm-content").wait_for()  # the editor, and no plain field
    photograph(person.page, "editor")
    person.answer("x = 10")
    person.wait_for_text("#stale", "2 later turns are stale")
    person.sees_turns("Set x to 2.")
    shown(person.page.locator("#stale .prompt")).to_have_text(["Double x.", "Add 1."])
    photograph(person.page, "stale")
    person.press("Escape", "a")
    person.wait_for_text("#turns > .turn pre.output", "now 22")
    person.sees_turns("Set x to 2.", "Double x.", "Add 1.")
    shown(person.page.locator("#stale")).to_be_hidden()


def test_a_prompt_is_edited_and_the_later_turn_written_again(person: Person) -> None:
    for prompt in ("Set x to 2.", "Double x.", "Add 1."):
        person.write(prompt)
    person.press("Escape", "j", "j", "w")
    person.answer("Now: Add 1.")
    person.wait_for_text("#stale", "1 later turn is stale")
    person.sees_outputs("now 3")
    person.activate(person.page.get_by_role("button", name="Write them again"))
    person.wait_for_text("#turns > .turn pre.output", "now 4")


def test_branches_are_compared_by_program_and_output(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.press("Escape", "j", "g")
    until(person.page, "document.querySelectorAll('#turns > .turn').length === 1")
    person.write("Add 1.")
    person.press("Escape", "b")
    person.activate(person.dialog().get_by_role("button", name="Compare"))
    person.wait_for_text("dialog .diff .left", "5")
    for title in ("Programs", "Outputs", "Variables that differ"):
        shown(person.dialog()).to_contain_text(title)
    photograph(person.page, "branches")
    person.activate(person.dialog().locator("button[data-branch='2']"))
    person.wait_for_text("#turns > .turn .prompt", "Double x.")
    person.press("Escape", "u")
    until(person.page, "document.querySelectorAll('#turns > .turn').length === 1")


def test_an_example_that_fails_is_repaired(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Double x.")
    person.press("Escape", "x")
    person.answer("x == 4", "Enter")
    person.wait_for_text("#turns .examples .bad", "x == 4")
    photograph(person.page, "example-fails")
    person.press("Escape", "f")
    person.wait_for_text("#turns .examples .good", "x == 4")
    person.sees_outputs("4")
    person.press("Escape", "o")
    person.wait_for_text("#turns .examples .good", "the output ends with 4")
    photograph(person.page, "example-repaired")


def test_examples_of_the_next_step_choose_among_its_candidates(
    person: Person, session: SessionClient
) -> None:
    person.write("Set x to 2.")
    person.activate(person.page.locator("#add-example"))
    person.answer("x == 4", "Enter")
    person.wait_for_text("#next-examples", "x == 4")
    person.tab_to(person.page.locator("#count"))
    person.press("Control+A")
    person.type("3")
    person.write("Double x.")
    person.wait_for_text("#turns .examples .good", "x == 4")
    assert session.view()["path"][1]["candidates"] == 3
    shown(person.page.locator("#next-examples li")).to_have_count(0)


def test_a_turn_is_replayed_from_its_record(person: Person) -> None:
    person.write("Set x to 2.")
    person.write("Add 1.")
    person.press("Escape", "i")
    person.wait_for_text("dialog th", "Seed")
    shown(person.dialog()).to_contain_text("Isolation")
    person.activate(person.dialog().get_by_role("button", name="Replay candidate 1"))
    person.wait_for_text("dialog .examples", "the program ended and printed as recorded")
    shown(person.dialog().locator(".examples li")).to_have_text(
        [
            "✓ the model is the recorded one",
            "✓ its prompt is the recorded one",
            "✓ the model wrote the same code",
            "✓ the program ended and printed as recorded",
        ]
    )
    photograph(person.page, "record")


def test_sessions_are_renamed_found_deleted_and_restored(
    person: Person, session: SessionClient
) -> None:
    person.write("Set x to 2.")
    person.press("Escape", "F2")
    name = f"renamed {session.id}"
    person.answer(name, "Enter")
    person.wait_for_text("#rename", name)
    person.dialog().wait_for(state="detached")
    person.press("s")
    person.page.locator("dialog #search:focus").wait_for()
    person.type(session.id)
    until(person.page, "document.querySelectorAll('dialog > .list li').length === 1")
    person.wait_for_text("dialog .list li", name)
    photograph(person.page, "sessions")
    person.activate(person.dialog().get_by_role("button", name=f"Rename {name}"))
    person.page.locator("dialog #asked").wait_for()
    person.press("End")
    person.type(" again")
    person.press("Enter")
    name += " again"
    person.wait_for_text("dialog .list li", name)
    person.page.locator("dialog #search:focus").wait_for()
    shown(person.page.locator("#rename")).to_have_text(name)
    person.activate(person.dialog().get_by_role("button", name="Delete"))
    undo = person.dialog().get_by_role("button", name="Undo")
    undo.wait_for()
    assert session.http.get(session.path).status_code == 404
    person.activate(undo)
    person.wait_for_text("dialog .notes", "Restored")
    assert session.http.get(session.path).status_code == 200


def test_the_model_and_the_settings(person: Person, session: SessionClient) -> None:
    person.press("Escape", ",")
    for text in ("scripted", "Programs run in the sandbox:"):
        shown(person.dialog()).to_contain_text(text)
    person.tab_to(person.dialog().locator("input[name=temperature]"))
    person.press("Control+A")
    person.type("0.7")
    person.tab_to(person.dialog().locator("select[name=choose]"))
    person.press("ArrowDown", "ArrowDown")
    person.tab_to(person.dialog().locator("input[name=align]"))
    person.press("Space")
    person.tab_to(person.dialog().locator("input[name=memory_bytes]"))
    person.press("Control+A")
    person.type("256")
    photograph(person.page, "settings")
    person.press("Enter")
    person.dialog().wait_for(state="detached")
    before = session.view()["settings"]
    with session.events(after=0) as events:  # the first says the version, after each change
        while (settings := session.view()["settings"])["sampling"]["temperature"] != 0.7:
            next(events)
    assert settings["strategy"]["choose"] == "values" and settings["strategy"]["align"]
    assert settings["limits"]["memory_bytes"] == 256 << 20
    for untouched in ("cpu_seconds", "wall_seconds", "open_files"):
        assert settings["limits"][untouched] == before["limits"][untouched]


def test_a_setting_that_cannot_be_is_refused_in_words(person: Person) -> None:
    person.press("Escape", ",")
    person.tab_to(person.dialog().locator("input[name=agree]"))
    person.press("Control+A")
    person.type("2")
    person.press("Enter")
    person.wait_for_text("dialog .error", "candidates agree in what they print or in values")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_program_in_another_language(person: Person, session: SessionClient) -> None:
    name = session.view()["name"]
    person.press("Escape", "s")
    person.page.locator("dialog #search:focus").wait_for()
    person.tab_to(person.dialog().get_by_label("Language of a new session"))
    person.press("J")
    assert person.page.evaluate("document.activeElement.value") == "javascript"
    person.activate(person.dialog().get_by_role("button", name="New session"))
    person.wait_for_text("#language", "JavaScript")
    shown(person.page.locator("#rename")).not_to_have_text(name)
    person.write("Say hello.")
    person.sees_outputs("hello you")
    turn = person.page.locator("#turns > .turn pre.code")
    shown(turn.locator(".h-word")).to_have_text(["const"])
    shown(turn.locator(".h-comment")).to_have_text(["// two"])
    shown(turn.locator(".h-string")).to_have_text(["'hello'", "'you'", "' '"])
    person.press("Escape", "p")
    aside = person.page.locator("#program")
    aside.locator("pre.code").wait_for()
    shown(aside.get_by_role("link")).to_have_text([".js", ".md", ".json"])
    person.tab_to(aside.get_by_role("link", name=".js", exact=True))
    with person.page.expect_download() as download:
        person.press("Enter")
    assert "console.log" in download.value.path().read_text()
    photograph(person.page, "javascript")
    person.press("Escape", "e")  # a comment is one piece in the grammar of JavaScript alone
    person.dialog().locator(".cm-line span").get_by_text("// two", exact=True).wait_for()


def test_the_help_lists_every_key(person: Person) -> None:
    person.press("Escape", "?")
    person.wait_for_text("dialog th", "?")
    cells = person.dialog().locator("th").all_text_contents()
    listed = {key for cell in cells for key in ([","] if cell == "," else cell.split(", "))}
    keys = person.page.evaluate(
        "[...document.querySelectorAll('[aria-keyshortcuts]')]"
        ".map((each) => each.getAttribute('aria-keyshortcuts'))"
    )
    assert len(keys) > 5
    assert set(keys) <= listed
    photograph(person.page, "help")


def test_dark_and_light(person: Person) -> None:
    def paper() -> str:
        return str(person.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = paper()
    person.press("Escape", "t")
    until(person.page, f"getComputedStyle(document.body).backgroundColor !== '{light}'")
    dark = paper()
    person.page.reload()
    person.page.locator("#rename", has_text="sums").wait_for()
    until(person.page, f"getComputedStyle(document.body).backgroundColor === '{dark}'")
    photograph(person.page, "dark")


def test_a_view_takes_the_place_of_the_notebook(person: Person) -> None:
    page = person.page
    page.evaluate(
        "import('/page/views.js').then(({ addView }) => addView({ name: 'views', title: 'Views',"
        " key: 'V', show(place, rest) { place.append('at ' + rest); return () => {"
        " window.left = (window.left ?? 0) + 1; }; } }))"
    )
    person.press("Escape", "V")
    page.locator("#view", has_text="at").wait_for()
    assert page.url.endswith("#views")
    shown(page.locator("#prompt")).to_be_hidden()
    shown(page.get_by_role("button", name="Views")).to_have_attribute("aria-pressed", "true")
    page.evaluate("location.hash = 'views/a%20b'")
    page.locator("#view", has_text="at a b").wait_for()
    person.press("V")
    page.locator("#prompt").wait_for()
    until(page, "window.left === 2")
    until(page, "document.title.startsWith('sums')")
