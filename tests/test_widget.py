"""The chat on another site: one script tag, a frame of its own, and only where the operator allows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from chromium import CHROMIUM, WAIT_MILLISECONDS, listening
from conftest import SMALL_TEXT, assistant_for, serving
from playwright.sync_api import Browser, BrowserContext, Page, expect

from b12qa.web.page import build_app
from b12qa.web.settings import Settings

expect.set_options(timeout=WAIT_MILLISECONDS)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(),
        reason=f"THE WIDGET IS NOT TESTED: {CHROMIUM} is missing. Run: apt-get install chromium",
    ),
]


class Sites(NamedTuple):
    """Addresses of the clinic that may show the chat, of a site that may not, and of the chat."""

    clinic: str
    stranger: str
    chat: str


@contextmanager
def site(pages: dict[str, str]) -> Iterator[str]:
    """The address of a small site that runs while the block does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    tea = assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea")
    pages: dict[str, str] = {}
    with ExitStack() as running:
        clinic, stranger = (running.enter_context(site(pages)) for _ in range(2))
        app = build_app(serving(tea), None, Settings(embed_origins=(clinic,)))
        chat = running.enter_context(listening(app))
        pages["/"] = (
            '<!doctype html><html lang="en"><title>Clinic</title><h1>Clinic</h1><p>Our own words.</p>'
            f'<script src="{chat}/widget.js" data-label="Ask about tea" defer></script></html>'
        )
        yield Sites(clinic, stranger, chat)


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 390, "height": 760})
    context.set_default_timeout(WAIT_MILLISECONDS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, sites: Sites) -> Iterator[Page]:
    page = context.new_page()
    page.goto(sites.clinic)
    yield page
    page.close()


def test_chat_opens_answers_and_closes_on_a_site_that_is_allowed(page: Page, sites: Sites) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    button = page.get_by_role("button", name="Ask about tea")
    expect(button).to_have_attribute("aria-expanded", "false")
    assert page.locator("iframe").count() == 0  # nothing is loaded before somebody wants it
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("dialog", name="Ask about tea")).to_be_visible()

    frame = page.frame_locator('iframe[title="Ask about tea"]')
    box = frame.get_by_label("Your question")
    box.fill("Wait 3 minutes.")
    box.press("Enter")
    expect(frame.locator(".b12qa.answer")).to_contain_text("Wait 3 minutes.")
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {sites.chat.split("/")[2]}

    box.press("Escape")
    expect(page.get_by_role("dialog", name="Ask about tea")).to_be_hidden()
    expect(button).to_be_focused()
    button.press("Enter")
    expect(page.get_by_role("button", name="Close the chat")).to_be_focused()
    expect(frame.locator(".b12qa.answer")).to_contain_text("Wait 3 minutes.")  # the conversation goes on
    page.get_by_role("button", name="Close the chat").press("Escape")
    expect(button).to_be_focused()


def test_on_a_page_of_its_own_origin_the_chat_opens_in_a_window_of_its_own(
    context: BrowserContext, sites: Sites
) -> None:
    """No sandbox would part them there."""
    page = context.new_page()
    words = f'<h1>Clinic</h1><script src="{sites.chat}/widget.js" defer></script>'
    page.route(f"{sites.chat}/own", lambda route: route.fulfill(body=words, content_type="text/html"))
    page.goto(f"{sites.chat}/own")
    with context.expect_page() as opened:
        page.get_by_role("button", name="Ask the article").click()
    expect(opened.value.get_by_label("Your question")).to_be_visible()
    assert page.locator("iframe").count() == 0
    assert opened.value.evaluate("window.opener") is None
    opened.value.close()
    page.close()


def test_site_and_chat_cannot_reach_into_each_other(page: Page, context: BrowserContext) -> None:
    page.get_by_role("button", name="Ask about tea").click()
    expect(page.frame_locator("iframe").get_by_label("Your question")).to_be_visible()
    assert page.evaluate("document.querySelector('iframe').contentDocument") is None
    inner = page.frames[1]
    blocked = "() => { try { return window.parent.document.title } catch (error) { return error.name } }"
    assert inner.evaluate(blocked) == "SecurityError"
    leaving = "() => { try { window.top.location = 'about:blank' } catch (error) { return error.name } }"
    assert inner.evaluate(leaving) == "SecurityError"
    assert context.cookies() == []


def test_message_of_another_frame_closes_nothing(page: Page) -> None:
    page.get_by_role("button", name="Ask about tea").click()
    dialog = page.get_by_role("dialog", name="Ask about tea")
    expect(page.frame_locator("iframe").get_by_label("Your question")).to_be_visible()
    page.evaluate("window.postMessage({ b12qa: 'close' }, '*')")
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 50))")
    expect(dialog).to_be_visible()


def test_chat_stays_closed_on_a_site_that_is_not_allowed(context: BrowserContext, sites: Sites) -> None:
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(sites.stranger)
    page.get_by_role("button", name="Ask about tea").click()
    page.wait_for_function("() => true")
    for _ in range(100):
        if any("frame-ancestors" in complaint for complaint in complaints):
            break
        page.wait_for_timeout(100)
    assert any("frame-ancestors" in complaint for complaint in complaints), complaints
    assert page.frame_locator("iframe").get_by_label("Your question").count() == 0
    page.close()
