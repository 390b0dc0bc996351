"""A person who visits the chat in a browser, and an assistant that says what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from chromium import CHROMIUM, listening
from conftest import serving
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from b12qa import rendering
from b12qa.answering import MAX_QUOTES, Assistant
from b12qa.records import (
    Answer,
    Document,
    Excerpt,
    Notice,
    NoticeKind,
    Outcome,
    Quote,
    Sentence,
)
from b12qa.safety import disclaimer
from b12qa.web.page import build_app

WAIT_MILLISECONDS = 30_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
expect.set_options(timeout=WAIT_MILLISECONDS)

# How much wider what stands in a field is than the field.
TOO_WIDE = """e => {
  const style = getComputedStyle(e);
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${style.fontSize} ${style.fontFamily}`;
  return pen.measureText(e.placeholder).width + parseFloat(style.paddingLeft) * 2 - e.clientWidth;
}"""

IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.skipif(
        not CHROMIUM.exists(),
        reason=f"THE CHAT IS NOT TESTED: {CHROMIUM} is missing. Run: apt-get install chromium",
    ),
]


@dataclass(frozen=True)
class PatientAssistant(Assistant):
    """Answers once it may, and notes what it was asked after what."""

    may_answer: threading.Event = field(default_factory=threading.Event)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def ask_with_more(
        self, question: str, history: Any = (), *args: Any, **named: Any
    ) -> tuple[Answer, tuple[Quote, ...]]:
        self.calls.append((*history, question))
        self.may_answer.wait(60)
        return Assistant.ask_with_more(self, question, history, *args, **named)


def served(assistant: Assistant) -> AbstractContextManager[str]:
    """The address of a chat that runs while the block does."""
    return listening(build_app(serving(assistant)))


@dataclass
class Visit:
    """A page of the chat, and everything that it asked of the network or complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def ask(self, question: str) -> Locator:
        """Type a question, press Enter and wait for one more answer."""
        answers = self.answers
        before = answers.count()
        box = self.page.get_by_label("Your question")
        box.fill(question)
        box.press("Enter")
        answers.nth(before).wait_for()  # looks at every frame; `expect` soon looks but once a second
        expect(answers).to_have_count(before + 1)
        return answers.last

    def start_over(self) -> None:
        self.page.get_by_role("button", name="Start over").click()
        self.page.get_by_role("button", name="Delete all? Press again").click()
        expect(self.page.locator("#conversation .b12qa.welcome")).to_be_visible()

    @property
    def answers(self) -> Locator:
        return self.page.locator("#conversation .b12qa.answer")


@contextmanager
def visit(browser: Browser, address: str, **settings: Any) -> Iterator[Visit]:
    """Open the chat in a fresh browser profile, and afterwards check that it kept to itself.

    Args:
        settings: of the browser; and `contents`, whether an article stands there from the beginning, as one
            alone does.
    """
    contents = settings.pop("contents", True)
    context: BrowserContext = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **settings})
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    visit = Visit(page)
    context.on("request", lambda request: visit.requests.append(request.url))
    page.on("websocket", lambda connection: visit.requests.append(connection.url))
    page.on("console", lambda m: visit.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("response", lambda r: visit.complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.goto(address)
    expect(page.locator("#conversation .b12qa.welcome")).to_be_visible()
    expect(page.locator("#articles .pane")).to_be_attached()
    expect(page.locator("#reading .contents a" if contents else "#reading .tools").first).to_be_attached()
    yield visit
    elsewhere = [url for url in visit.requests if not url.startswith((f"{address}/", "data:"))]
    assert elsewhere == [], "the page may only talk to its own server"
    assert visit.complaints == []
    context.close()


def plain_quotes(answer: Answer) -> list[str]:
    return [rendering.plain(quote) for quote in answer.quotes]


def shown_quotes(answer: Locator) -> list[str]:
    """The text content of each quote, blanks and line breaks included."""
    at_once = "all => all.filter(one => !one.closest('details')).map(one => one.textContent)"
    shown: list[str] = answer.locator("figure.quote .words").evaluate_all(at_once)
    return shown


def words_of(document: Document, sentence: Sentence) -> str:
    start, end = sentence.start, sentence.end
    return rendering.plain(Excerpt(document.text[start:end], start, end, document.markup.within(start, end)))


@dataclass(frozen=True)
class ScriptedAssistant(Assistant):
    """Gives a fixed outcome for some questions, fails for one, and notes what it was asked."""

    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def ask_with_more(
        self,
        question: str,
        history: Sequence[str] = (),
        max_quotes: int = MAX_QUOTES,
        further: int = 0,
        *,
        literal: bool = False,
    ) -> tuple[Answer, tuple[Quote, ...]]:
        if further:  # asked by a person, and not to see what may be suggested
            self.calls.append((question, tuple(history)))
        if question == "fail":
            raise RuntimeError("a secret detail")
        asked = partial(Assistant.ask_with_more, self)
        try:
            outcome = Outcome(question)
        except ValueError:
            return asked(question, history, max_quotes, further, literal=literal)
        quotes = asked("how much b12 in clams")[0].quotes
        if outcome in (Outcome.NOT_COVERED, Outcome.URGENT):
            quotes = ()
        notices = (Notice(NoticeKind.OUTCOME, f"What there is to say: {outcome}."), disclaimer())
        return Answer(question, question, outcome, 0.5, quotes, notices), ()
