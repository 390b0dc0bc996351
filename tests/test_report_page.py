"""The editor's report in a real browser: what an editor sees, and that the page keeps to itself."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM
from conftest import SMALL_TEXT, HashingEncoder
from playwright.sync_api import Browser, Page, expect
from test_reporting import BANK, COFFEE, EVALUATION, assistant_for

from b12qa.evaluation import Kind, QuestionRow
from b12qa.feedback import Feedback
from b12qa.reporting import MAP_SIZE, Report, make_report, report_html

WAIT_SECONDS = 30.0
expect.set_options(timeout=WAIT_SECONDS * 1000)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'&amp; {{ 7 * 7 }} \u202eback"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(),
        reason=f"THE REPORT IS NOT TESTED: {CHROMIUM} is missing. Run: apt-get install chromium",
    ),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Two documents, of which one has a bank."""
    files = {"coffee.md": COFFEE, "tea.md": SMALL_TEXT, "tea.questions.yaml": BANK}
    return make_report(assistant_for(tmp_path_factory.mktemp("tea"), files), EVALUATION)


@contextmanager
def opened(browser: Browser, page: str, folder: Path, **settings: Any) -> Iterator[Page]:
    """Open a report as a file, and afterwards check that it kept to itself."""
    file = folder / "report.html"
    file.write_text(page, "utf-8")
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **settings})
    visit = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    visit.on("dialog", lambda dialog: complaints.append(dialog.message))
    visit.on("console", lambda message: complaints.append(message.text))
    visit.on("pageerror", lambda error: complaints.append(str(error)))
    visit.goto(file.as_uri())
    yield visit
    assert set(requests) == {file.as_uri()}
    assert complaints == []
    context.close()


DRAWN = """() => {
  const canvas = document.getElementById("map");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""


def drawn(page: Page) -> int:
    """How many pixels of the map are not empty, once it has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return int(page.evaluate(DRAWN))


def test_hostile_texts_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    text = f"# Tea {HOSTILE}\n\nTea {HOSTILE} has 40 mg.\n\n<script>alert(3)</script>\n"
    quoted = json.dumps(f"Tea {HOSTILE} has 40 mg.")
    question = json.dumps(f"is it {HOSTILE}?")
    bank = f"sentences:\n- sentence: {quoted}\n  questions: [{question}]\n"
    assistant = assistant_for(
        tmp_path, {"tea.md": text, "tea.questions.yaml": bank}, HashingEncoder(max_tokens=256)
    )
    rows = [QuestionRow(HOSTILE, Kind.UNANSWERABLE_FAR, HOSTILE, (HOSTILE,))]
    left = [Feedback(HOSTILE, "not_covered", None, HOSTILE)]
    page = report_html(make_report(assistant, rows, left))
    with opened(browser, page, tmp_path) as visit:
        for summary in visit.locator("summary").all():
            summary.click()
        sentence = visit.locator("#sections tbody tr").first.locator("bdi")
        assert sentence.text_content() == f"Tea {HOSTILE} has 40 mg."
        assert visit.locator("#worst h3").text_content() == HOSTILE
        assert visit.locator("#asked strong").text_content() == HOSTILE
        assert (visit.locator("#asked li").text_content() or "").count(HOSTILE) >= 2
        assert visit.locator("img").count() == 0
        assert visit.locator("script").count() == 2
        visit.locator("#map").focus()
        visit.keyboard.press("ArrowRight")
        expect(visit.locator("#point bdi").last).to_contain_text("alert(1)")
        assert visit.locator("#point *").evaluate_all("all => all.map((e) => e.tagName)") == [
            "P",
            "BDI",
            "P",
            "BDI",
        ]


def until(reached: Callable[[], bool]) -> None:
    """Wait here: the page's policy lets nobody wait inside it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_the_map_shows_texts_and_can_be_filtered_zoomed_and_moved(
    browser: Browser, report: Report, tmp_path: Path
) -> None:
    with opened(browser, report_html(report), tmp_path) as visit:
        map_, point = visit.locator("#map"), visit.locator("#point")
        map_.focus()
        visit.keyboard.press("ArrowRight")
        expect(point).to_contain_text("sentence, Coffee (coffee)")
        expect(point).to_contain_text("Coffee is roasted.")
        shown = drawn(visit)
        assert shown > 0
        visit.get_by_label("Coffee (coffee)").uncheck()
        expect(point).not_to_contain_text("Coffee")
        visit.get_by_role("button", name="None").click()
        assert drawn(visit) == 0
        visit.get_by_role("button", name="All", exact=True).click()
        whole = drawn(visit)
        assert 0 < whole < shown  # no point is chosen any more
        visit.get_by_label("open question").uncheck()
        assert 0 < drawn(visit) < whole
        visit.get_by_role("button", name="Zoom in").click()
        assert drawn(visit) != whole
        visit.get_by_role("button", name="Show all").click()
        visit.get_by_label("open question").check()
        assert drawn(visit) == whole
        before = visit.evaluate("scrollY")
        map_.hover()
        visit.mouse.wheel(0, -300)  # the map has lost the focus: the page moves
        until(lambda: visit.evaluate("scrollY") != before)
        assert drawn(visit) == whole
        map_.focus()
        visit.mouse.wheel(0, -300)
        until(lambda: drawn(visit) != whole)


def test_the_pointer_finds_a_point(browser: Browser, report: Report, tmp_path: Path) -> None:
    target = report.map.points[0]
    with opened(browser, report_html(report), tmp_path, has_touch=True) as visit:
        map_ = visit.locator("#map")
        map_.scroll_into_view_if_needed()
        box = map_.bounding_box()
        assert box
        scale = (min(box["width"], box["height"]) - 48) / MAP_SIZE
        x = (target.x - MAP_SIZE / 2) * scale + box["width"] / 2
        y = (target.y - MAP_SIZE / 2) * scale + box["height"] / 2
        map_.hover(position={"x": x + 3, "y": y - 3})
        expect(visit.locator("#point")).to_contain_text(target.text)
        visit.reload()
        map_.tap(position={"x": x, "y": y})
        expect(visit.locator("#point")).to_contain_text(target.text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(browser: Browser, report: Report, tmp_path: Path, scheme: str) -> None:
    settings: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    with opened(browser, report_html(report), tmp_path, **settings) as visit:
        for summary in visit.locator("summary").all():
            summary.click()
        assert visit.evaluate("document.documentElement.scrollWidth") == 390
        paper = visit.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
        brightness = sum(int(part) for part in re.findall(r"\d+", paper)[:3])
        assert (brightness < 200) is (scheme == "dark")
