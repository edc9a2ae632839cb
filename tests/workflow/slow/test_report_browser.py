"""report.html in a real browser: nothing is asked of a network, no error, and everything works."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright
from report_results import HOSTILE, make_results

from othink_mr1.report.page import write_report

CHROMIUM = shutil.which("chromium")
A4_BETWEEN_MARGINS = 718  # in CSS pixels, of Chromium's pages
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian's package)")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    plan = make_results(root, items=40, hostile=True, seeds=(42, 43, 44))
    write_report(plan, root, root / "report.html")
    return root / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Page]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(f"file://{file}")
    wait(opened, "document.querySelectorAll('#list .row').length > 0")
    yield opened
    assert opened.said == []
    assert {url for url in opened.asked if not url.startswith("blob:")} == {f"file://{file}"}
    assert "gone" not in opened.title()
    opened.context.close()


def wait(page: Page, condition: str) -> None:
    """Poll: Playwright's own wait_for_function needs eval, which the page forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {condition}")


def shown(page: Page) -> int:
    return int(page.inner_text("#count").split(" of ")[0])


def test_every_chart_is_drawn(page: Page) -> None:
    number = page.evaluate("document.querySelectorAll('.chart').length")
    assert number > 10
    for index in range(number):  # each is looked at: one that is only scrolled past need not be drawn
        chart = f"document.querySelectorAll('.chart')[{index}]"
        page.evaluate(f"{chart}.scrollIntoView()")
        wait(page, f"{chart}.querySelector('svg path, svg text') !== null")


def test_filters_search_and_links(page: Page, file: Path) -> None:
    everything = shown(page)
    assert everything == 80
    page.click("text=GRPO-D right, SFT wrong")
    wait(page, f"document.getElementById('count').textContent !== '{everything} of {everything} items'")
    some = shown(page)
    assert 0 < some < everything
    address = page.evaluate("location.href")  # page.url is told later
    assert "grpo-d=1" in address
    assert "sft=0" in address
    page.click("#clear")
    assert shown(page) == everything
    page.fill("#search", "no such text anywhere")
    wait(page, "document.getElementById('count').textContent.startsWith('0 ')")
    assert "No item is as asked." in page.inner_text("#item")
    page.goto("about:blank")
    page.goto(address)  # a link that somebody kept
    wait(page, "document.querySelectorAll('#list .row').length > 0")
    assert shown(page) == some


def test_the_keyboard(page: Page) -> None:
    page.focus("#list")
    first = page.inner_text("#item b")
    for _ in range(15):
        page.keyboard.press("ArrowDown")
    assert page.inner_text("#item b") != first
    assert page.evaluate("document.querySelector('#list [aria-selected=true]') !== null")


def test_harm_is_shown_as_text(page: Page) -> None:
    text = page.inner_text("#item")
    for part in ("<img src=x onerror=", "</script><script>", "{{7*7}}", "{% raw %}", "=1+1"):
        assert part in HOSTILE
        assert part in text


def test_eval_and_other_scripts_are_refused(browser: Any, file: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{file}")
    session = page.context.new_cdp_session(page)
    reply = session.send(
        "Runtime.evaluate", {"expression": "eval('1+1')", "allowUnsafeEvalBlockedByCSP": False}
    )
    assert "EvalError" in str(reply["exceptionDetails"])
    script = "Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'})"
    page.evaluate(f"document.body.append({script})")
    assert page.evaluate("window.ran") is None
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(browser: Any, file: Path, scheme: str) -> None:
    page = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme).new_page()
    page.goto(f"file://{file}")
    page.wait_for_timeout(800)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    # A claim's value, interval and level stand in one line here: "-1.8-5.0 to +1.595 %".
    small = "document.querySelectorAll('#claims td[data-label=ours] small')"
    apart = page.evaluate(f"[...{small}].map(each => getComputedStyle(each, '::before').content)")
    assert set(apart) == {'"; "'}
    page.close()


def test_print(browser: Any, file: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{file}")
    page.wait_for_timeout(500)
    assert len(re.findall(rb"/Type /Page\s", page.pdf(format="A4"))) >= 3
    # A claim was printed with two letters to a line, and the table of runs was cut.
    page.set_viewport_size({"width": A4_BETWEEN_MARGINS, "height": 1000})
    page.emulate_media(media="print")
    assert page.locator("#claims tbody tr:not(.group) td").first.bounding_box()["width"] > 150
    assert page.evaluate("document.documentElement.scrollWidth") == A4_BETWEEN_MARGINS
    page.close()
