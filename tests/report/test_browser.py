"""The page of a report in a real browser: Debian's chromium, at a phone's width and a desk's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.make_runs import sample, step, write_run

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SCREENSHOTS = os.environ.get("MULTITURN_SCREENSHOTS")
"""A directory for the screenshots of docs/report.md."""

NARROW, WIDE = 375, 1280


def missing(what: str, fix: str) -> None:
    """Skip; where a browser is required, as in CI, fail."""
    text = f"the page was not opened in a browser: {what}; {fix}"
    if os.environ.get("MULTITURN_TEST_BROWSER") == "required":
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        missing("there is no chromium", "apt-get install chromium brings it")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed", "make setup brings it")
        raise
    # A sandbox of its own needs a user; CI runs as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the saved runs, and of programs that try to break a page."""
    pytest.importorskip("statsmodels", reason="the extra `report` is not installed")
    pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
    from multiturn.apps.cli.report.problems import problem_texts
    from multiturn.report.make import make_report
    from multiturn.report.pages.render import write_report
    from multiturn.report.records.read import read_records

    place = tmp_path_factory.mktemp("report")
    hostile = (
        "</pre></details><script>window.broken = 1</script><img src=x onerror='window.broken=1'>"
        + "x" * 3000
        + "\n</script><!-- \x00\x1b[31m \u202e {{ 7 * 7 }} {% raw %}"
    )
    text = {"difference": hostile[:500], "steps": [step(text=hostile)]}
    lines = [sample(f"<b>p{n}</b>", program=hostile, **text) for n in range(3)]
    write_run(
        place / "runs" / "hostile", lines, model="<script>window.broken=1</script>" + "model-" * 15
    )
    header = {"schema": "multiturn.bench-variables/1"}
    differing = [
        {"item": f"<b>p{n}</b>/0", "sample": 0, "turn": n, "reason": "value",
         "name": hostile[:60], "detail": hostile}
        for n in range(3)
    ]  # fmt: skip
    (place / "runs" / "hostile" / "variables.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [header, *differing])
    )
    own = ROOT / "docs" / "results" / "multi-turn" / "own" / "qwen2.5-coder-0.5b"
    records = read_records([own, place / "runs"], max_failures=400)
    document = make_report(records, problem_texts(records), failures=40, safety=False)
    return write_report(document, place / "out")[0]


@pytest.fixture(params=[NARROW, WIDE], ids=["phone", "desk"])
def page(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(
        viewport={"width": request.param, "height": 800}, bypass_csp=True, color_scheme="light"
    )
    # A busy machine may take minutes; a page that never loads ends with the time of the test.
    context.set_default_timeout(600_000)
    opened = context.new_page()
    faults: list[str] = []
    requests: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda asked: requests.append(asked.url))
    opened.goto(report.as_uri())
    yield opened
    context.close()
    assert faults == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def overflow(page: Any) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return width


def open_failures(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")


def serious_faults(page: Any) -> list[str]:
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("axe.run()")
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_the_page_does_not_overflow(page: Any) -> None:
    assert overflow(page) == 0
    open_failures(page)
    assert overflow(page) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_serious_fault(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    open_failures(page)
    assert serious_faults(page) == []


def test_texts_of_records_stay_texts(page: Any) -> None:
    assert page.evaluate("window.broken") is None
    assert "{{ 7 * 7 }}" in page.content()


def test_text_of_figures_is_readable(page: Any) -> None:
    """At least nine pixels high, also on a phone, and inside its figure."""
    heights = page.evaluate(
        "[...document.querySelectorAll('svg text')].map((t) => {"
        " const box = t.ownerSVGElement.getBoundingClientRect();"
        " const scale = box.width / t.ownerSVGElement.viewBox.baseVal.width;"
        " return parseFloat(getComputedStyle(t).fontSize) * scale; })"
    )
    assert heights
    assert min(heights) >= 9
    outside = page.evaluate(
        "[...document.querySelectorAll('svg')].flatMap((svg) => {"
        " const box = svg.getBoundingClientRect();"
        " return [...svg.querySelectorAll('text')].filter((t) => {"
        "  const r = t.getBoundingClientRect();"
        "  return r.left < box.left - 2 || r.right > box.right + 2; }).map((t) => t.textContent)})"
    )
    assert outside == []


def test_figures_have_names_and_words(page: Any) -> None:
    named = page.evaluate(
        "[...document.querySelectorAll('svg')].map((svg) =>"
        " document.getElementById(svg.getAttribute('aria-labelledby'))?.textContent)"
    )
    assert named
    assert all(named)
    words = page.locator(".plot details p").first
    assert "%" in words.text_content() or "to" in words.text_content()


def test_a_table_sorts_by_number_and_with_the_keyboard(page: Any) -> None:
    table = page.locator("#rates table").first
    button = table.get_by_role("button", name="Passed, %")
    button.focus()
    page.keyboard.press("Enter")

    def values() -> list[float]:
        found = table.locator("tbody tr td:nth-child(9)").evaluate_all(
            "cells => cells.map((each) => Number(each.dataset.value))"
        )
        return [float(each) for each in found]

    assert values() == sorted(values())
    page.keyboard.press("Enter")
    assert values() == sorted(values(), reverse=True)
    assert table.locator("th[aria-sort=descending]").count() == 1


def test_failures_are_filtered(page: Any) -> None:
    every = page.locator("details.failure:visible").count()
    page.locator("select[name=kind]").select_option("name")
    some = page.locator("details.failure:visible").count()
    assert 0 < some < every
    assert page.locator("#shown").text_content() == f"{some} shown"
    page.locator("input[name=text]").fill("no such text anywhere")
    assert page.locator("details.failure:visible").count() == 0


def test_the_theme_changes(page: Any) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    before = paper()
    page.get_by_role("button", name="Dark or light").click()
    assert paper() != before
    page.get_by_role("button", name="Dark or light").click()
    assert paper() == before


def test_data_can_be_downloaded(page: Any) -> None:
    with page.expect_download() as download:
        page.locator("a[download='pass-rates.csv']").click()
    text = Path(download.value.path()).read_text("utf-8")
    assert text.startswith("Set,Model,Arm,Truncation")


def test_the_page_is_complete_without_scripts(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(600_000)
    opened = context.new_page()
    opened.goto(report.as_uri())
    assert opened.locator("details.failure").count() > 10
    assert opened.locator("#filter").is_visible() is False
    context.close()


def test_print_is_light_and_leaves_closed_failures_out(page: Any) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("details.failure:visible").count() == 0
    assert page.locator("#rates table").first.is_visible()


def test_screenshots(page: Any) -> None:
    """Written into docs/ where MULTITURN_SCREENSHOTS names it; else they are only taken."""
    width = page.viewport_size["width"]
    taken = page.screenshot()
    assert len(taken) > 10_000
    if SCREENSHOTS:
        name = "phone" if width == NARROW else "desk"
        Path(SCREENSHOTS, f"report-{name}.png").write_bytes(taken)
