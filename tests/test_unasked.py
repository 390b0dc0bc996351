"""A question that gets no answer from the server: what a person sees, and what they can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from chromium import CHROMIUM, listening
from conftest import SMALL_TEXT, assistant_for, serving
from playwright.sync_api import Browser, Page, expect
from visiting import PatientAssistant

from b12qa.web import page as chat_page
from b12qa.web.clients import RateLimit
from b12qa.web.page import build_app
from b12qa.web.settings import Settings

expect.set_options(timeout=30_000)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing"),
]

QUESTION = "wait 3 minutes"
TOO_MUCH = "That was too much at once, so nothing was asked. Wait a few seconds, then ask again."
BUSY = "Many people are asking just now, so nothing was asked. Wait a few seconds, then ask again."
SOMETHING = "Something went wrong, so there is no answer. Ask again, or load this page again."
CALL = "In an emergency, call your local emergency number."
CONTACT = "If you think of harming yourself, contact a crisis line in your country now."
UNREACHABLE = "The server cannot be reached, so there is no answer. Check your connection, then ask again."


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> PatientAssistant:
    tea = PatientAssistant(assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea").retriever)
    tea.may_answer.set()
    return tea


@contextmanager
def opened(browser: Browser, address: str, language: str = "en-GB") -> Iterator[Page]:
    """The chat on a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale=language)
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#conversation .b12qa.welcome")).to_be_visible()
    expect(page.locator("#reading .contents a").first).to_be_attached()
    yield page
    context.close()


def ask(page: Page) -> None:
    box = page.locator("#question textarea")
    box.fill(QUESTION)
    box.press("Enter")


def check_told(page: Page, words: str) -> None:
    """What to do in sight, the question kept, and the conversation not covered."""
    expect(page.locator("#asking [role=alert]")).to_have_text(f"{words} {CALL} {CONTACT}")
    expect(page.locator("#asking [role=alert]")).to_be_in_viewport(ratio=1)
    expect(page.locator("#question textarea")).to_have_value(QUESTION)
    page.wait_for_timeout(500)  # Gradio has its say a little later
    expect(page.get_by_role("alert")).to_have_count(1)
    assert page.get_by_text("Error", exact=True).filter(visible=True).count() == 0
    assert page.locator(".toast-body").filter(visible=True).count() == 0
    on_top = """e => { const box = e.getBoundingClientRect();
        return e.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)); }"""
    assert page.locator("#conversation .b12qa").first.evaluate(on_top)


def test_whoever_asks_too_much_is_told_in_their_language_and_may_go_on_later(
    browser: Browser, tea: PatientAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(RateLimit, "seconds_to_wait", lambda *_: seconds[0])
    with listening(build_app(serving(tea))) as address, opened(browser, address, "es") as page:
        seconds[0] = 1.0
        ask(page)
        expect(page.locator("#asking [role=alert]")).to_contain_text("vuelva a preguntar")
        seconds[0] = 0.0
        page.get_by_role("button", name="English").click()
        check_told(page, TOO_MUCH)
        ask(page)
        expect(page.locator("#conversation .b12qa.answer")).to_have_count(1)
        expect(page.locator("#asking [role=alert]")).to_have_count(0)


def test_whoever_finds_the_queue_full_is_told(
    browser: Browser, tea: PatientAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_page, "LEAST_AT_ONCE", 1)
    app = build_app(serving(tea), settings=Settings(workers=1, max_waiting=1))
    with listening(app) as address, ExitStack() as stack:
        first, second, third = (stack.enter_context(opened(browser, address)) for _ in range(3))
        tea.may_answer.clear()
        try:
            for page in (first, second):
                with page.expect_response("**/gradio_api/queue/join*"):
                    ask(page)
                page.wait_for_timeout(300)  # the first is taken out of the queue
            ask(third)
            check_told(third, BUSY)
        finally:
            tea.may_answer.set()
        for page in (first, second):
            expect(page.locator("#conversation .b12qa.answer")).to_have_count(1)
        ask(third)
        expect(third.locator("#conversation .b12qa.answer")).to_have_count(1)
        expect(third.locator("#asking [role=alert]")).to_have_count(0)


def test_whoever_loses_the_connection_is_told(browser: Browser, tea: PatientAssistant) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        page.context.set_offline(True)
        ask(page)
        check_told(page, UNREACHABLE)
        page.context.set_offline(False)
        page.reload()
        expect(page.locator("#reading .contents a").first).to_be_attached()
        ask(page)
        expect(page.locator("#conversation .b12qa.answer")).to_have_count(1)
        expect(page.locator("#asking [role=alert]")).to_have_count(0)


@pytest.mark.parametrize(
    ("region", "language", "words"),
    [
        ("default", "en-GB", f"{CALL} {CONTACT}"),
        (
            "UK",
            "de-DE",
            "Im Notfall rufen Sie 999 an. "
            "Wenn Sie daran denken, sich etwas anzutun, wählen Sie jetzt: Samaritans on 116 123.",
        ),
    ],
)
def test_whoever_tells_of_an_emergency_offline_is_told_whom_to_call(
    browser: Browser,
    tea: PatientAssistant,
    monkeypatch: pytest.MonkeyPatch,
    region: str,
    language: str,
    words: str,
) -> None:
    monkeypatch.setenv("B12QA_REGION", region)
    with listening(build_app(serving(tea))) as address, opened(browser, address, language) as page:
        page.context.set_offline(True)
        box = page.locator("#question textarea")
        box.fill("my chest hurts and i cant breathe")
        box.press("Enter")
        told = page.locator("#asking [role=alert]")
        expect(told).to_contain_text(words)
        expect(told).to_be_in_viewport(ratio=1)


def test_whoever_waits_while_the_server_ends_is_told(browser: Browser, tea: PatientAssistant) -> None:
    try:
        with listening(build_app(serving(tea))) as address, ExitStack() as stack:
            page = stack.enter_context(opened(browser, address))
            kept = stack.pop_all()  # the page outlives the server
            tea.may_answer.clear()
            with page.expect_response("**/gradio_api/queue/data*"):
                ask(page)
        expect(page.locator("#asking [role=alert]")).to_be_visible()
        told = (
            (page.locator("#asking [role=alert]").text_content() or "")
            .strip()
            .removesuffix(f" {CALL} {CONTACT}")
        )
        assert told in (UNREACHABLE, SOMETHING)
        check_told(page, told)
        kept.close()
    finally:
        tea.may_answer.set()
