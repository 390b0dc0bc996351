"""Make the pictures of docs/gallery/: every state of the page, wide and narrow, light and dark.

It builds the index where it is stale, and needs Chromium and what `make test` installs:

    python docs/gallery.py
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from b12qa.answering import Assistant
from b12qa.web.page import build_app, served_by

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from chromium import launched, listening  # noqa: E402

FOLDER = ROOT / "docs" / "gallery"
SIZES = {"wide": (1280, 860), "narrow": (390, 844)}
COLOURS = 64  # enough for a page, and a fifth of the bytes


def ask(page: Page, question: str) -> None:
    """Begin anew and ask one question."""
    if page.locator("#conversation .b12qa.answer").count():
        page.get_by_role("button", name="Start over").click()
        page.get_by_role("button", name="Delete all? Press again").click()
        page.locator("#conversation .welcome").wait_for()
    box = page.locator("#question textarea")
    box.fill(question)
    box.press("Enter")
    page.locator("#conversation .b12qa.answer").last.wait_for()
    box.blur()


def open_article(page: Page) -> None:
    """Ask, and open the first quote in the article."""
    ask(page, "can heartburn pills cause low b12?")
    page.locator("#conversation a.open").first.click()


def ask_while_many_do(page: Page) -> None:
    """Ask once more, and find the queue full."""
    ask(page, "how much b12 in clams")
    page.route("**/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "Queue is full."}))
    box = page.locator("#question textarea")
    box.fill("and in oysters?")
    box.press("Enter")
    page.locator("#asking [role=alert]").wait_for()
    page.unroute("**/queue/join*")
    box.blur()


def change_what_was_asked(page: Page) -> None:
    """A follow-up with a word misspelt."""
    ask(page, "how much b12 in clams")
    box = page.locator("#question textarea")
    box.fill("and in oystrs?")
    box.press("Enter")
    page.locator("#conversation .b12qa.answer").nth(1).wait_for()
    box.blur()


STATES: dict[str, Callable[[Page], None]] = {
    "welcome": lambda page: None,
    "answered": lambda page: ask(page, "how much b12 in clams"),
    "noted": lambda page: ask(page, "are tablets under the tongue as good as injections?"),
    "company": lambda page: ask(page, "tablets or injections?"),
    "personal": lambda page: ask(page, "I am pregnant, how much should I take?"),
    "searched": change_what_was_asked,
    "related": lambda page: ask(page, "Does it ease the pain, or only the numb feeling?"),
    "not-covered": lambda page: ask(page, "will it help my hair?"),
    "urgent": lambda page: ask(page, "my left calf is swollen and hot"),
    "too-long": lambda page: ask(page, "why " * 126),
    "busy": ask_while_many_do,
    "article": open_article,
}


def make(page: Page, state: str, name: str) -> None:
    """Bring the page into a state, and keep a picture of what is on the screen."""
    STATES[state](page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    """Make all pictures."""
    FOLDER.mkdir(exist_ok=True)
    served = served_by(Assistant.load(ROOT / "index", corpus=ROOT / "corpus", build=True))
    with listening(build_app(lambda: served)) as address, launched() as browser:
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB"
                )
                page.goto(address)
                page.locator("#reading .contents a").first.wait_for(state="attached")
                for state in STATES:
                    make(page, state, f"{state}-{size}-{scheme}")
                page.close()


if __name__ == "__main__":
    main()
