"""The chat in a real browser: what a person sees, and what the page asks of the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from chromium import CHROMIUM, listening
from conftest import SMALL_TEXT, HashingEncoder, serving
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, expect

from b12qa import answering, rendering
from b12qa.answering import MAX_QUOTES, Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.feedback import Feedback, read_feedback
from b12qa.index import open_index
from b12qa.records import (
    Answer,
    BlockKind,
    CareLevel,
    Document,
    EditorNote,
    Excerpt,
    NoteKind,
    Notice,
    NoticeKind,
    Outcome,
    Passage,
    Sentence,
)
from b12qa.retrieval import Retriever
from b12qa.safety import DISCLAIMER, LEVEL_WORDS, disclaimer
from b12qa.web import replies
from b12qa.web.live import LiveAssistant
from b12qa.web.page import KEEPS_NOTHING, KEEPS_RATED, build_app
from b12qa.web.replies import REBUILT_WORDS
from b12qa.web.suggestions import MAX_SUGGESTIONS

WAIT_MILLISECONDS = 30_000
expect.set_options(timeout=WAIT_MILLISECONDS)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.skipif(
        not CHROMIUM.exists(),
        reason=f"THE CHAT IS NOT TESTED: {CHROMIUM} is missing. Run: apt-get install chromium",
    ),
]


# A server, a browser, and a person who uses them.


def served(assistant: Assistant) -> AbstractContextManager[str]:
    """The address of a chat that runs while the block does."""
    return listening(build_app(serving(assistant)))


@pytest.fixture(scope="module")
def address(assistant: Assistant) -> Iterator[str]:
    with served(assistant) as address:
        yield address


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
        expect(self.page.locator("#conversation .b12qa.welcome")).to_be_visible()

    @property
    def answers(self) -> Locator:
        return self.page.locator("#conversation .b12qa.answer")


@contextmanager
def visit(browser: Browser, address: str, **settings: Any) -> Iterator[Visit]:
    """Open the chat in a fresh browser profile, and afterwards check that it kept to itself."""
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
    expect(page.locator("#articles .b12qa.document").first).to_be_attached()
    expect(page.locator("#reading .contents a").first).to_be_attached()
    yield visit
    elsewhere = [url for url in visit.requests if not url.startswith((f"{address}/", "data:"))]
    assert elsewhere == [], "the page may only talk to its own server"
    assert visit.complaints == []
    context.close()


@pytest.fixture
def chat(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, address) as chat:
        yield chat


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


# Answers.


def test_question_on_heartburn_pills_shows_the_warnings(chat: Visit) -> None:
    answer = chat.ask("can heartburn pills cause low b12?")
    expect(
        answer.locator("figcaption .leaf", has_text="Contraindications and warnings").first
    ).to_be_visible()
    expect(answer).to_contain_text("Proton pump inhibitors")


def test_question_on_clams_highlights_the_sentence(chat: Visit) -> None:
    answer = chat.ask("how much b12 in clams")
    expect(answer).to_have_class(re.compile(r"\banswered\b"))
    expect(answer.locator("blockquote mark").first).to_have_text(
        "Seafood also excels, with clams providing 17 mcg and oysters 14.9 mcg per serving."
    )
    expect(answer.locator("figcaption .leaf").first).to_have_text("Food sources of B12")


def test_question_on_toes_shows_its_section(chat: Visit) -> None:
    answer = chat.ask("numb toes first, why?")
    leaf = answer.locator("figcaption .leaf", has_text="Connection between B12 and nerve symptoms")
    expect(leaf.first).to_be_visible()


def test_question_beyond_the_article_looks_different_and_names_the_nearest_sections(chat: Visit) -> None:
    answer = chat.ask("what is the capital of France?")
    expect(answer).to_have_class(re.compile(r"\bnot_covered\b"))
    expect(answer.locator("p.outcome")).to_have_text("Not in the article")
    expect(answer.locator("figure.quote")).to_have_count(0)
    sections = answer.locator(".nearest_sections a")
    expect(sections.first).to_be_visible()
    name = sections.first.text_content()
    sections.first.click()
    expect(chat.page.locator(".place.opened")).to_have_text(name or "")
    expect(chat.page.locator(".place.opened")).to_be_in_viewport()
    expect(chat.page.locator(".place.opened")).to_be_focused()


def test_every_sentence_asked_as_a_question_comes_back_as_its_own_quote(
    chat: Visit, assistant: Assistant
) -> None:
    index = assistant.retriever.index
    assert len(index.sentences) == 115
    for sentence in index.sentences:
        document = index.documents[sentence.document]
        words = words_of(document, sentence)
        answer = chat.ask(words)
        expected = assistant.ask(words)
        quotes = expected.quotes
        assert shown_quotes(answer) == plain_quotes(expected), words
        own = next(q for q in expected.found if q.start <= sentence.start and sentence.end <= q.end)
        assert own.text == document.text[own.start : own.end]
        figure = answer.locator("figure.quote").nth(quotes.index(own))
        assert words in figure.locator("mark").evaluate_all("all => all.map(one => one.textContent)"), words
        chat.start_over()


def test_article_panel_shows_every_sentence_exactly(chat: Visit, assistant: Assistant) -> None:
    shown = chat.page.locator("#articles .sentence").evaluate_all(
        "all => Object.fromEntries(all.map(one => [one.id, one.textContent]))"
    )
    index = assistant.retriever.index
    assert shown == {
        rendering.section_anchor(index.documents[s.document].name, s.start): words_of(
            index.documents[s.document], s
        )
        for s in index.sentences
    }


def test_quote_opens_its_sentence_in_the_article_even_when_the_address_has_a_query(
    browser: Browser, address: str
) -> None:
    with visit(browser, f"{address}/?__theme=light") as chat:
        chat.requests.clear()
        answer = chat.ask("how much b12 in clams")
        answer.get_by_role("link", name="Open in the article").first.click()
        opened = chat.page.locator("#articles .place.opened")
        expect(opened).to_have_text(answer.locator("mark").first.text_content() or "")
        expect(opened).to_be_in_viewport()
        expect(opened).to_be_focused()
        expect(answer).to_be_visible()  # the page was not loaded anew
        chat.requests[:] = [url for url in chat.requests if not url.startswith(address)]


def test_disclaimer_is_on_the_page_and_on_every_answer(chat: Visit) -> None:
    expect(chat.page.locator("header .disclaimer")).to_have_text(DISCLAIMER)
    expect(chat.page.locator("header .disclaimer")).to_be_in_viewport()
    for question in ("how much b12 in clams", "what is the capital of France?", "?", "x" * 501):
        expect(chat.ask(question).locator(".notice.disclaimer")).to_have_text(DISCLAIMER)


def test_example_is_asked_and_answered(chat: Visit) -> None:
    example = chat.page.locator("#conversation .welcome button.ask").first
    question = example.text_content() or ""
    example.click()
    expect(chat.page.locator("#conversation .b12qa.question")).to_have_text(question)
    expect(chat.answers).to_have_count(1)
    expect(chat.answers).to_have_class(re.compile(r"\banswered\b"))
    expect(chat.answers.locator("p.outcome")).to_be_focused()


def test_newest_answer_is_in_view_from_its_question_on(chat: Visit) -> None:
    for question in ("can heartburn pills cause low b12?", "how much b12 in clams", "nerve dose"):
        answer = chat.ask(question)
        expect(chat.page.locator("#conversation .b12qa.question").last).to_be_in_viewport(ratio=1)
        expect(answer.locator("p.outcome")).to_be_in_viewport(ratio=1)


def test_start_over_forgets_the_conversation(chat: Visit, assistant: Assistant) -> None:
    chat.ask("which foods have b12?")
    chat.start_over()
    expect(chat.answers).to_have_count(0)
    assert shown_quotes(chat.ask("and for vegans?")) == plain_quotes(assistant.ask("and for vegans?"))


def test_conversation_may_become_long(chat: Visit) -> None:
    for _ in range(25):
        chat.ask("can heartburn pills cause low b12?")
    expect(chat.answers).to_have_count(25)


KEPT = """
async () => {
  const names = async (all) => (await all).map((one) => one.name || one.scope || one);
  const files = [];
  for await (const name of (await navigator.storage.getDirectory()).keys()) files.push(name);
  return {
    local: { ...localStorage },
    session: { ...sessionStorage },
    cookie: document.cookie,
    databases: await names(indexedDB.databases()),
    caches: await names(caches.keys()),
    workers: await names(navigator.serviceWorker.getRegistrations()),
    files,
    state: JSON.stringify(history.state) || "",
  };
}
"""


def test_nothing_is_left_in_the_browser(chat: Visit) -> None:
    chat.ask("how much b12 in clams").locator("a.open").first.click()
    chat.page.get_by_label("Find in the article").fill("clams")
    chat.page.get_by_role("button", name="Deutsch").click()
    expect(chat.page.locator("html")).to_have_attribute("lang", "de")
    kept = chat.page.evaluate(KEPT)
    assert "clams" not in f"{kept} {chat.page.url}"
    assert {name: what for name, what in kept.items() if what and name != "state"} == {}
    assert chat.page.context.cookies() == []
    assert chat.page.context.service_workers == []


# An assistant that says what a test wants.


@dataclass(frozen=True)
class ScriptedAssistant(Assistant):
    """Gives a fixed outcome for some questions, fails for one, and notes what it was asked."""

    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def ask(
        self, question: str, history: Sequence[str] = (), max_quotes: int = 3, *, literal: bool = False
    ) -> Answer:
        if max_quotes == MAX_QUOTES:  # asked by a person, and not to see what may be suggested
            self.calls.append((question, tuple(history)))
        if question == "fail":
            raise RuntimeError("a secret detail")
        try:
            outcome = Outcome(question)
        except ValueError:
            return Assistant.ask(self, question, history, max_quotes, literal=literal)
        quotes = Assistant.ask(self, "how much b12 in clams").quotes
        if outcome in (Outcome.NOT_COVERED, Outcome.URGENT):
            quotes = ()
        notices = (Notice(NoticeKind.OUTCOME, f"What there is to say: {outcome}."), disclaimer())
        return Answer(question, question, outcome, 0.5, quotes, notices)


@pytest.fixture(scope="module")
def scripted(assistant: Assistant) -> ScriptedAssistant:
    return ScriptedAssistant(assistant.retriever)


@pytest.fixture(scope="module")
def scripted_address(scripted: ScriptedAssistant) -> Iterator[str]:
    with served(scripted) as address:
        yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_outcomes_look_different_and_not_by_colour_alone(
    browser: Browser, scripted_address: str, scheme: str
) -> None:
    looks = set()
    with visit(browser, scripted_address, color_scheme=scheme) as chat:
        for outcome in Outcome:
            answer = chat.ask(str(outcome))
            expect(answer.locator("p.outcome")).to_have_text(rendering.OUTCOME_WORDS[outcome])
            sign = answer.locator("p.outcome").evaluate("e => getComputedStyle(e, '::before').content")
            line = answer.evaluate("e => getComputedStyle(e.querySelector('figure') ?? e).borderLeftStyle")
            looks.add((sign, line))
        assert len({sign for sign, _ in looks}) == len({line for _, line in looks}) == len(Outcome)


def test_fault_shows_one_plain_sentence_and_no_detail(browser: Browser, scripted_address: str) -> None:
    with visit(browser, scripted_address) as chat:
        answer = chat.ask("fail")
        expect(answer.locator(".notice.outcome")).to_have_text(replies.FAULT_WORDS)
        expect(answer.locator(".notice.disclaimer")).to_have_text(DISCLAIMER)
        expect(chat.page.get_by_text("secret detail")).to_have_count(0)
        expect(chat.page.get_by_text("RuntimeError")).to_have_count(0)
        expect(chat.ask("answered").locator("figure.quote").first).to_be_visible()


def test_follow_up_is_asked_with_the_earlier_questions(
    browser: Browser, scripted_address: str, scripted: ScriptedAssistant
) -> None:
    scripted.calls.clear()
    with visit(browser, scripted_address) as chat:
        chat.ask("which foods have b12?")
        chat.ask("x" * 501)
        answer = chat.ask("and for vegans?")
        assert scripted.calls == [
            ("which foods have b12?", ()),
            ("and for vegans?", ("which foods have b12?",)),
        ]
        expected = Assistant.ask(scripted, "and for vegans?", ["which foods have b12?"])
        assert shown_quotes(answer) == plain_quotes(expected)


def test_two_people_do_not_see_each_other(
    browser: Browser, scripted_address: str, scripted: ScriptedAssistant
) -> None:
    scripted.calls.clear()
    with visit(browser, scripted_address) as one, visit(browser, scripted_address) as other:
        one.ask("which foods have b12?")
        other.ask("answered")
        assert scripted.calls[-1] == ("answered", ())
        expect(other.page.get_by_text("which foods have b12?")).to_have_count(0)


def test_over_long_question_is_refused_before_any_work_and_stays_in_the_box(
    browser: Browser, scripted_address: str, scripted: ScriptedAssistant
) -> None:
    scripted.calls.clear()
    with visit(browser, scripted_address) as chat:
        question = "why " * 126
        answer = chat.ask(question)
        expect(answer.locator("p.outcome")).to_have_text("Too long")
        expect(answer).to_contain_text("at most 500 characters; yours has 503")
        expect(chat.page.get_by_label("Your question")).to_have_value(question.strip())
        assert scripted.calls == []
        expect(chat.ask("y" * 500)).to_have_count(1)
        assert scripted.calls == [("y" * 500, ())]


@dataclass(frozen=True)
class NotedAssistant(Assistant):
    """Has an editor's note on every quote, in the words of the question."""

    def ask(
        self, question: str, history: Sequence[str] = (), max_quotes: int = 3, *, literal: bool = False
    ) -> Answer:
        answer = Assistant.ask(self, question, history, max_quotes, literal=literal)
        quotes = tuple(
            replace(
                quote, notes=(EditorNote(kind, question, question, question, "", quote.start, quote.end),)
            )
            for quote, kind in zip(answer.quotes, (*NoteKind, *NoteKind), strict=False)
        )
        return replace(answer, quotes=quotes)


# Text that a page might change.

HOSTILE = """# <b>Bold</b> & `code` $x$ {{title}}

A sentence with <script>alert(1)</script> in it. One with ![x](https://example.invalid/a.png) in it.
One with &amp; and &lt;b&gt; and &#65; in it. One with $$x$$ and \\(y\\) and `${1+1}` in it.

Plain _x_ and **bold** and ~~struck~~ and ~5~ in it. A smile 🙂 and a family 👩‍👩‍👧 and é in it.
Some {{braces}} and __i18n__ and [^1]: a note and https://example.invalid/ in it.

<img src="https://example.invalid/b.png" onerror="document.title='changed'">

```python
    leading = blanks

\tand\ttabs   with   gaps
if a < b and c > d: print("*not* emphasis")
```

> A quoted line with	a tab
> and a second line in it.

- an item with <i>marks</i> in it

| name | value |
|------|-------|
| <u>cell</u> | `two` |
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "corpus").mkdir()
    (folder / "corpus" / "hostile & <odd> name.md").write_bytes(HOSTILE.encode())
    (folder / "corpus" / "second.md").write_text("# Second\n\nAnother document stands here too.\n")
    with pytest.MonkeyPatch.context() as patch:
        for function in ("find_model", "load_encoder"):
            patch.setattr(
                answering, function, lambda *_, **__: HashingEncoder(dimension=1024, max_tokens=256)
            )
        return Assistant.load(folder / "index", corpus=folder / "corpus", build=True)


def test_hostile_document_is_shown_character_by_character(browser: Browser, hostile: Assistant) -> None:
    index = hostile.retriever.index
    with served(hostile) as address, visit(browser, address) as chat:
        panel = chat.page.locator("#articles")
        for sentence in index.sentences:
            document = index.documents[sentence.document]
            chunk = index.chunks[sentence.chunk]
            anchor = rendering.section_anchor(document.name, sentence.start)
            shown = panel.locator(".sentence").evaluate_all(
                "(all, id) => all.filter(one => one.id === id).map(one => one.textContent)", anchor
            )
            if chunk.kind is not BlockKind.TABLE_ROW:
                assert shown == [words_of(document, sentence)]
            words = words_of(document, sentence)
            answer = chat.ask(words)
            quotes: tuple[Passage, ...] = hostile.ask(words.strip()).quotes
            quotes = tuple(quote for quote in quotes if quote.kind is not BlockKind.TABLE_ROW)
            shown = answer.locator("figure.quote :not(tbody).words").all_text_contents()
            assert shown == [rendering.plain(quote) for quote in quotes]
            assert chat.page.locator("#conversation .b12qa.question").last.text_content() == words.strip()
            chat.start_over()
        code = (panel.locator("pre").nth(1).text_content() or "").split("\n")
        assert code[:3] == ["    leading = blanks", "", "\tand\ttabs   with   gaps"]
        assert panel.locator("td").evaluate_all("all => all.map(one => one.textContent)") == [
            "<u>cell</u>",
            "`two`",
        ]
        expect(panel.get_by_text("Another document stands here too.")).to_have_count(1)
        expect(panel.get_by_role("heading", name="<b>Bold</b> & `code` $x$ {{title}}")).to_have_count(1)
        expect(chat.page).to_have_title("Ask the article")
        expect(chat.page.locator("img, script[src*='invalid'], .katex")).to_have_count(0)


def test_hostile_question_is_shown_as_typed(chat: Visit) -> None:
    question = "<img src=x onerror=alert(1)> ![x](https://example.invalid/a.png)  _b12_ $$x$$ &amp; ${1}"
    chat.ask(question)
    assert chat.page.locator("#conversation .b12qa.question").text_content() == question
    expect(chat.page.locator("#conversation img")).to_have_count(0)


# Ways to use it.


def test_keyboard_alone_asks_and_opens_the_place(chat: Visit) -> None:
    keyboard = chat.page.keyboard
    box = chat.page.get_by_label("Your question")
    for _ in range(20):
        keyboard.press("Tab")
        if box.evaluate("e => e === document.activeElement"):
            break
    expect(box).to_be_focused()
    outline = chat.page.locator("#question .input-container").evaluate(
        "e => getComputedStyle(e).outlineStyle"
    )
    assert outline == "solid", "the focus must be seen"
    keyboard.type("how much b12 in clams")
    keyboard.press("Enter")
    expect(chat.answers).to_have_count(1)
    expect(box).to_be_focused()
    expect(box).to_have_value("")
    links = chat.answers.get_by_role("link", name="Open in the article")
    for _ in range(20):
        keyboard.press("Shift+Tab")
        if links.first.evaluate("e => e === document.activeElement"):
            break
    expect(links.first).to_be_focused()
    keyboard.press("Enter")
    expect(chat.page.locator("#articles .place.opened")).to_be_focused()
    expect(chat.page.locator("#articles .place.opened")).to_contain_text("clams")


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_phone_shows_the_article_as_a_sheet_and_returns_to_the_same_place(
    browser: Browser, address: str
) -> None:
    with visit(browser, address, **PHONE) as chat:
        expect(chat.page.locator("#reading")).to_be_hidden()
        for question in ("can heartburn pills cause low b12?", "what is the capital of France?", "w" * 300):
            chat.ask(question)
        widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        assert chat.page.evaluate(widths) == [390, 390]
        link = chat.answers.first.get_by_role("link", name="Open in the article").first
        link.scroll_into_view_if_needed()
        before = chat.page.evaluate("scrollY")
        link.click()
        sheet = chat.page.get_by_role("dialog", name="The article")
        expect(sheet).to_have_attribute("aria-modal", "true")
        opened = chat.page.locator("#articles .place.opened")
        expect(opened).to_be_in_viewport()
        expect(opened).to_be_focused()
        assert chat.page.evaluate("document.getElementById('chat').inert")
        for _ in range(8):  # the focus stays in the sheet
            chat.page.keyboard.press("Tab")
            assert chat.page.evaluate("document.getElementById('reading').contains(document.activeElement)")
        assert chat.page.evaluate(widths) == [390, 390]
        chat.page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        expect(link).to_be_focused()
        assert abs(chat.page.evaluate("scrollY") - before) < 5
        chat.page.get_by_role("button", name="Read the article").click()
        expect(sheet).to_be_visible()
        chat.page.get_by_role("button", name="Close the article").click()
        expect(chat.page.get_by_role("button", name="Read the article")).to_be_focused()


CONTRAST = """
(element) => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let behind = element;
  const isClear = (e) => (parse(getComputedStyle(e).backgroundColor)[3] ?? 1) === 0;
  while (isClear(behind)) behind = behind.parentElement;
  const lights = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
    .map((colour) => light(parse(colour)))
    .sort((a, b) => b - a);
  return (lights[0] + 0.05) / (lights[1] + 0.05);
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_dark(
    browser: Browser, scripted_address: str, scheme: str
) -> None:
    with visit(browser, scripted_address, color_scheme=scheme) as chat:
        contrasts = {"button": chat.page.locator("button.ask").first.evaluate(CONTRAST)}
        for question in (*Outcome, "fail", "y" * 501):
            answer = chat.ask(str(question))
            for selector in ("p.outcome", ".notice.disclaimer p", ".notice.outcome p"):
                contrasts[f"{question[:9]} {selector}"] = answer.locator(selector).evaluate(CONTRAST)
        quote = chat.page.locator("#conversation figure.quote").first
        for selector in ("mark", ".words", ".leaf", ".where", "a.open"):
            contrasts[selector] = quote.locator(selector).first.evaluate(CONTRAST)
        for selector in ("header h1", "header .disclaimer", "#articles p", "#articles h2", ".b12qa.question"):
            contrasts[selector] = chat.page.locator(selector).first.evaluate(CONTRAST)
        for selector in ("#question textarea", "#question button", "#again", ".b12qa.privacy p"):
            contrasts[selector] = chat.page.locator(selector).first.evaluate(CONTRAST)
        assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}
        paper = chat.page.locator(".gradio-container").evaluate("e => getComputedStyle(e).backgroundColor")
        brightness = sum(int(part) for part in re.findall(r"\d+", paper)[:3])
        assert (brightness < 200) is (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_care_card_is_announced_and_can_be_read(browser: Browser, scripted_address: str, scheme: str) -> None:
    cards = {
        "the ulcer on my ankle won't heal": CareLevel.SOON,
        "my left calf is swollen and hot": CareLevel.URGENT,
        "I have chest pain": CareLevel.EMERGENCY,
        "I have chest pain " + "y" * 500: CareLevel.EMERGENCY,
    }
    with visit(browser, scripted_address, color_scheme=scheme) as chat:
        for question, level in cards.items():
            answer = chat.ask(question)
            card = answer.locator(f"section.care.{level}")
            expect(card.get_by_role("alert")).to_be_visible()
            expect(card.get_by_role("heading")).to_be_visible()
            expect(card.locator(".level")).to_have_text(LEVEL_WORDS[level])
            for selector in (".level", "h2", "div > p:not(.level)", "li >> nth=1"):
                assert card.locator(selector).evaluate(CONTRAST) >= 4.5
            sizes = [
                place.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
                for place in (card.locator("h2"), answer.locator("p.outcome"))
            ]
            assert level is CareLevel.SOON or sizes[0] > sizes[1]
            assert answer.locator("figure.quote").count() == 0 or level is CareLevel.SOON


# What might run.

MARKS = (
    "<script>{run}</script>",
    "<img src=x onerror={run}>",
    "<svg onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<iframe srcdoc='<script>{run}</script>'></iframe>",
    "<iframe src=javascript:{run}></iframe>",
    "<a href=javascript:{run}>press</a>",
    "[press](javascript:{run})",
    "![x](https://example.invalid/{n}.png)",
    "<img src=//example.invalid/{n}.png>",
    "<link rel=stylesheet href=//example.invalid/{n}.css>",
    "<style>@import '//example.invalid/{n}.css';</style>",
    "<body onload={run}>",
    "<details open ontoggle={run}><summary>x</summary></details>",
    "<video><source onerror={run}></video>",
    "<input autofocus onfocus={run}>",
    "<form action=javascript:{run}><button>x</button></form>",
    "<math><mtext><table><mglyph><style><img src onerror={run}>",
    "<noscript><p title='</noscript><img src=x onerror={run}>'>",
    "<template><script>{run}</script></template>",
    "<object data=javascript:{run}></object>",
    "<embed src=//example.invalid/{n}>",
    "<base href=//example.invalid/>",
    "<meta http-equiv=refresh content='0;url=//example.invalid/'>",
    "'\"><img src=x onerror={run}>",
    "</textarea><script>{run}</script>",
    "</p></blockquote></figure><script>{run}</script>",
    "&lt;script&gt;{run}&lt;/script&gt;",
    "&#60;img src=x onerror={run}&#62;",
    "${{{run}}} {{{{{run}}}}} <%= {run} %>",
    "$$\\href{{javascript:{run}}}{{x}}$$",
    "<div style=background:url(//example.invalid/{n})>x</div>",
    "<span class='place sentence' id=b12qa-said onclick={run}>x</span>",
    "<button type=button class=ask onclick={run}>x</button>",
)
WAYS: tuple[Callable[[str], str], ...] = (str, str.upper, lambda mark: f"x {mark} y")
PAYLOADS = [
    way(mark.format(run=f"window.ran={number}", n=number))
    for number, (way, mark) in enumerate((way, mark) for way in WAYS for mark in MARKS)
][:100]


def test_a_hundred_payloads_run_nothing_and_fetch_nothing_wherever_they_stand(
    browser: Browser, tmp_path: Path
) -> None:
    """In a question, a paragraph, a heading, an editor's note and the name of a file."""
    assert len(PAYLOADS) == 100
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, payload in enumerate(PAYLOADS):
        name = f"{number} {payload.replace('/', ' ')}"
        sentence = f"Passage number{number} says {payload} here."
        (corpus / f"{name}.md").write_text(f"# Heading {payload}\n\n{sentence}\n")
    build_index(read_corpus(corpus), HashingEncoder(dimension=512, max_tokens=256), tmp_path / "index")
    encoder = HashingEncoder(dimension=512, max_tokens=256)
    assistant = NotedAssistant(Retriever(open_index(tmp_path / "index"), encoder))
    dialogs: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    with served(assistant) as address, visit(browser, address) as chat:
        chat.page.on("dialog", dismissed)
        expect(chat.page.locator("#articles article")).to_have_count(len(PAYLOADS))
        for first in range(0, len(PAYLOADS), 5):
            question = f"Passage number{first} says {' '.join(PAYLOADS[first : first + 5])}"[:500]
            chat.ask(question)
            assert chat.page.locator("#conversation .b12qa.question").last.text_content() == question.strip()
        chat.page.locator("#conversation button.copy").first.click()
        chat.page.get_by_label("Find in the article").fill("<img")
        expect(chat.page.locator("#reading .count")).to_contain_text("Match 1 of")
        with chat.page.expect_download() as download:
            chat.page.get_by_role("button", name="Save this conversation").click()
        assert chat.page.evaluate("window.ran") is None
        made = "#conversation, #articles, #reading"
        foreign = ":is(script, img, iframe, object, embed, style, link, base, video, form, svg)"
        assert chat.page.locator(made).locator(f".b12qa {foreign}").count() == 0
        saved = browser.new_page()
        saved.on("request", lambda request: chat.requests.append(request.url))
        download.value.save_as(tmp_path / "saved.html")
        saved.goto((tmp_path / "saved.html").as_uri())
        assert saved.evaluate("window.ran") is None
        chat.requests[:] = [url for url in chat.requests if not url.startswith("file:")]
        saved.close()
    assert dialogs == []


# The article beside the conversation.


def test_every_quoted_passage_is_outlined_and_the_chosen_one_marked_by_its_offsets(
    chat: Visit, assistant: Assistant
) -> None:
    question = "can heartburn pills cause low b12?"
    found = assistant.ask(question).found
    assert len(found) > 1
    anchors = {rendering.passage_anchor(quote.document, quote) for quote in found}
    second = rendering.passage_anchor(found[1].document, found[1])

    def used() -> set[str]:
        return set(chat.page.locator("#articles .used").evaluate_all("all => all.map(one => one.id)"))

    answer = chat.ask(question)
    assert anchors <= used()
    answer.locator(f'figure:has(blockquote[cite="#{second}"]) a.open').click()
    chosen = chat.page.locator("#articles .chosen")
    expect(chosen).to_have_attribute("id", second)
    assert chosen.text_content() == rendering.plain(found[1])
    assert anchors <= used()
    outlines = [
        chat.page.locator(place).first.evaluate("e => getComputedStyle(e).outlineStyle")
        for place in (".chosen", ".used:not(.chosen)")
    ]
    assert outlines == ["solid", "dashed"]


def test_article_panel_shows_every_passage_exactly(chat: Visit, assistant: Assistant) -> None:
    index = assistant.retriever.index
    shown = chat.page.locator("#articles .passage").evaluate_all(
        "all => Object.fromEntries(all.map(one => [one.id, one.textContent]))"
    )
    expected = {}
    for chunk in index.chunks:
        document = index.documents[chunk.document]
        excerpt = Excerpt(
            document.text[chunk.start : chunk.end],
            chunk.start,
            chunk.end,
            document.markup.within(chunk.start, chunk.end),
        )
        expected[rendering.passage_anchor(document.name, excerpt)] = rendering.plain(excerpt)
    assert shown == expected


def test_article_closes_and_the_focus_returns(chat: Visit) -> None:
    link = chat.ask("how much b12 in clams").locator("a.open").first
    link.click()
    expect(chat.page.locator(".place.opened")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(link).to_be_focused()
    expect(chat.page.get_by_role("region", name="The article")).to_be_visible()
    chat.page.get_by_role("button", name="Close the article").click()
    expect(chat.page.locator("#reading")).to_be_hidden()
    expect(link).to_be_focused()
    chat.page.get_by_role("button", name="Read the article").click()
    expect(chat.page.locator("#articles")).to_be_focused()


def test_contents_lead_to_every_heading(chat: Visit, assistant: Assistant) -> None:
    chat.page.locator("#reading .contents summary").click()
    names = chat.page.locator("#reading .contents a").all_text_contents()
    assert names == [s.path[-1] for d in assistant.documents for s in d.sections if s.path]
    chat.page.locator("#reading .contents a").last.click()
    expect(chat.page.locator("h3.place.opened")).to_have_text(names[-1])
    expect(chat.page.locator("h3.place.opened")).to_be_in_viewport()


def test_words_are_found_in_the_article_and_leave_no_trace(chat: Visit) -> None:
    before = chat.page.locator("#articles").text_content() or ""
    whole = chat.page.locator("#articles").inner_html()
    field = chat.page.get_by_label("Find in the article")
    count = chat.page.locator("#reading .count")
    words = "best overall balance for most patients"  # runs out of strong letters into plain ones
    expected = before.lower().count("nerve symptoms")
    field.fill("NERVE  symptoms")
    expect(count).to_have_text(f"Match 1 of {expected}")
    expect(chat.page.locator("mark.found.current").first).to_be_in_viewport()
    chat.page.get_by_role("button", name="Next match").click()
    expect(count).to_have_text(f"Match 2 of {expected}")
    chat.page.get_by_role("button", name="Previous match").click()
    chat.page.get_by_role("button", name="Previous match").click()
    expect(count).to_have_text(f"Match {expected} of {expected}")
    assert chat.page.locator("#articles").text_content() == before
    field.fill(words)
    expect(count).to_have_text("Match 1 of 1")
    assert "".join(chat.page.locator("mark.found").all_text_contents()) == words
    field.fill("no such words")
    expect(count).to_have_text("Not found")
    field.fill("")
    expect(count).to_have_text("")
    assert chat.page.locator("#articles").inner_html() == whole


# What can be asked by a button.


def test_suggested_questions_are_answered(chat: Visit) -> None:
    answer = chat.ask("how much b12 in clams")
    suggested = answer.locator("button.ask").all_text_contents()
    assert 1 <= len(suggested) <= MAX_SUGGESTIONS
    answer.locator("button.ask").first.click()
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last).to_have_class(re.compile(r"\banswered\b"))
    expect(chat.page.locator("#conversation .b12qa.question").last).to_have_text(suggested[0])
    assert suggested[0] not in chat.answers.last.locator("button.ask").all_text_contents()


def test_literal_words_can_be_searched_where_something_else_was(chat: Visit) -> None:
    assert chat.ask("how much b12 in clams").locator("button.literal").count() == 0
    answer = chat.ask("and in oystrs?")
    expect(answer.locator(".searched_for")).to_contain_text(
        "Searched for: how much b12 in clams and in oysters?"
    )
    answer.get_by_role("button", name="Search exactly what I typed").click()
    expect(chat.answers).to_have_count(3)
    expect(chat.page.locator("#conversation .b12qa.question").last).to_have_text("and in oystrs?")
    expect(chat.answers.last.locator(".searched_for")).to_have_text("Searched exactly what you typed.")


def test_further_passages_are_shown_on_request(chat: Visit, assistant: Assistant) -> None:
    most = MAX_QUOTES + replies.MAX_FURTHER_QUOTES
    questions = ("What does a lack of B12 do to nerves?", "homocysteine", "b12 tablets", "nerve damage")
    question = next(q for q in questions if len(assistant.ask(q, max_quotes=most).found) > MAX_QUOTES)
    at_once, further = assistant.ask(question), assistant.ask(question, max_quotes=most)
    answer = chat.ask(question)
    assert shown_quotes(answer) == plain_quotes(at_once)
    expect(answer.locator("details figure").first).to_be_hidden()
    answer.locator("summary").click()
    expect(answer.locator("details figure").first).to_be_visible()
    shown = answer.locator("figure.quote .words").all_text_contents()
    assert {rendering.plain(quote) for quote in further.found} <= set(shown)


# What a person may take along.


def test_copy_takes_quote_section_version_and_disclaimer_together(
    browser: Browser, address: str, assistant: Assistant
) -> None:
    quote = assistant.ask("how much b12 in clams").quotes[0]
    with visit(browser, address, permissions=["clipboard-read", "clipboard-write"]) as chat:
        chat.ask("how much b12 in clams").get_by_role("button", name="Copy").first.click()
        expect(chat.page.locator("#b12qa-said")).to_have_text("Copied")
        copied = chat.page.evaluate("navigator.clipboard.readText()")
    lines = copied.splitlines()
    assert lines[:3] == [
        f"“{rendering.plain(quote)}”",
        f"— {' › '.join(quote.section_path)}",
        f"Article version {assistant.documents[0].sha256[:8]}",
    ]
    assert lines[-1] == DISCLAIMER
    assert all(note.text in copied for note in quote.notes)


def test_link_to_an_answer_says_what_became_of_its_passage(browser: Browser, tmp_path: Path) -> None:
    tea = "# Tea\n\nTea is a drink.\n\n## Brewing\n\nUse water at 90 degrees. Wait 3 minutes.\n"
    texts = {
        "This passage stands as it did when the link was made.": tea,
        "This passage stands as it did when the link was made. Other parts of the article have changed.": (
            tea + "\n## Milk\n\nWith milk it is mild.\n"
        ),
        "The same words, but they have moved since the link was made. "
        "Other parts of the article have changed.": tea.replace("a drink", "a warm drink"),
        "This passage was edited or removed since the link was made. "
        "Other parts of the article have changed.": tea.replace("3 minutes", "4 minutes"),
    }
    link = ""
    for number, (said, text) in enumerate(texts.items()):
        folder = tmp_path / str(number)
        (folder / "corpus").mkdir(parents=True)
        (folder / "corpus" / "a tea.md").write_text(text)
        build_index(read_corpus(folder / "corpus"), HashingEncoder(), folder / "index")
        assistant = Assistant(Retriever(open_index(folder / "index"), HashingEncoder()))
        with served(assistant) as address:
            permissions = ["clipboard-read", "clipboard-write"]
            with visit(browser, address, permissions=permissions) as chat:
                if not link:
                    chat.ask("wait 3 minutes").locator("a.share").click()
                    expect(chat.page.locator("#b12qa-said")).to_have_text("Link copied")
                    copied = chat.page.evaluate("navigator.clipboard.readText()")
                    assert copied.startswith(f"{address}/#quote=")
                    assert "wait" not in copied.lower(), "the question is not in it"
                    link = copied[len(address) :]
            with visit(browser, f"{address}{link}") as again:
                expect(again.page.locator("#reading .from-link")).to_have_text(said)
                chosen = again.page.locator("#articles .passage.chosen")
                if "removed" in said:
                    expect(chosen).to_have_count(0)
                else:
                    expect(chosen).to_have_text("Use water at 90 degrees. Wait 3 minutes.")
                    expect(chosen).to_be_in_viewport()
                again.requests[:] = [url for url in again.requests if not url.startswith(f"{address}/")]


def test_conversation_is_saved_as_a_page_that_loads_nothing(chat: Visit, assistant: Assistant) -> None:
    chat.ask("how much b12 in <clams>")
    chat.ask("what is the capital of France?")
    with chat.page.expect_download() as download:
        chat.page.get_by_role("button", name="Save this conversation").click()
    saved = Path(download.value.path()).read_text("utf-8")
    assert download.value.suggested_filename == "conversation.html"
    plain = unescape(re.sub(r"<[^>]+>", "", saved))
    quote = assistant.ask("how much b12 in <clams>").quotes[0]
    for words in (
        "how much b12 in <clams>",
        rendering.plain(quote),
        quote.section_path[-1],
        f"Article version {assistant.documents[0].sha256[:8]}",
        "Not in the article",
        DISCLAIMER,
    ):
        assert words in plain
    assert re.search(r"<(script|img|iframe|link|button|a) ", saved) is None
    assert "default-src 'none'" in saved


def test_printed_page_is_the_conversation_alone(chat: Visit) -> None:
    answer = chat.ask("how much b12 in clams")
    chat.page.emulate_media(media="print")
    expect(answer.locator(".version").first).to_be_visible()
    for hidden in ("#asking", "#reading", "#below", ".b12qa.answer button"):
        expect(chat.page.locator(hidden).first).to_be_hidden()


# For everybody.

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN_AXE = """
async ([rules, exclude]) => {
  const where = exclude.length ? { exclude } : document;
  const found = await axe.run(where, { runOnly: rules, resultTypes: ["violations"] });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, ...one.nodes.map((node) => node.target.join(" "))]);
}
"""
STATES = {
    "answered": "can heartburn pills cause low b12?",
    "related": "related",
    "not covered": "not_covered",
    "urgent": "I have chest pain",
    "error": "fail",
}
MORE_STATES = {
    "company first": "tablets or injections?",
    "personal": "I am pregnant, how much should I take?",
    "card and quotes": "the ulcer on my ankle won't heal",
    "too long": "y" * 501,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_state(browser: Browser, scripted_address: str, scheme: str) -> None:
    found: dict[tuple[str, int], object] = {}

    def look(chat: Visit, state: str, widths: Sequence[int] = (320, 390, 1280)) -> None:
        for width in widths:
            chat.page.set_viewport_size({"width": width, "height": 800})
            chat.page.evaluate("scrollTo(0, document.body.scrollHeight)")  # the box covers what is below it
            exclude = [] if state == "panel open" else [["#articles"]]
            violations = chat.page.evaluate(RUN_AXE, [RULES, exclude])
            if violations:
                found[state, width] = violations

    with visit(browser, scripted_address, color_scheme=scheme) as chat:
        chat.page.evaluate(AXE)
        look(chat, "welcome")
        for state, question in STATES.items():
            chat.page.set_viewport_size({"width": 1280, "height": 800})
            chat.ask(question)
            look(chat, state)
            if state == "answered":
                chat.answers.first.locator("a.open").first.click()
                look(chat, "panel open")
                chat.page.get_by_role("button", name="Close the article").click()
            chat.start_over()
        for state, question in MORE_STATES.items():
            chat.ask(question)
            look(chat, state, [320])
        chat.page.route("**/queue/join*", lambda route: route.fulfill(status=429, json={"detail": "No."}))
        chat.page.get_by_label("Your question").fill("and now?")
        chat.page.get_by_role("button", name="Ask", exact=True).click()
        expect(chat.page.locator("#asking [role=alert]")).to_be_visible()
        look(chat, "refused", [320])
        assert all("429" in each for each in chat.complaints)
        chat.complaints.clear()
    assert found == {}


def test_answer_is_announced_once_and_politely(chat: Visit) -> None:
    chat.page.evaluate(
        """() => {
          window.said = [];
          const live = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]";
          new MutationObserver((all) => all.forEach(({ target }) => {
            const element = target.nodeType === 1 ? target : target.parentElement;
            const region = element && element.closest(live);
            if (region && region.getAttribute("aria-live") !== "off") window.said.push(region.textContent);
          })).observe(document.body, { childList: true, subtree: true, characterData: true });
        }"""
    )
    chat.ask("how much b12 in clams")
    chat.ask("what is the capital of France?")
    said = chat.page.evaluate("window.said.filter((words) => words.trim())")
    assert said == ["From the article: Food sources of B12", "Not in the article"]


def test_targets_are_large_enough_and_nothing_moves(browser: Browser, address: str) -> None:
    with visit(browser, address, reduced_motion="reduce", **PHONE) as chat:
        chat.ask("can heartburn pills cause low b12?")
        targets = "#chat :is(button, a, summary, textarea), header button"
        small = """all => all.map(one => [one.textContent, one.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && Math.min(box.width, box.height) < 24)"""
        assert chat.page.locator(targets).evaluate_all(small) == []
        chat.page.get_by_role("button", name="Read the article").click()
        assert chat.page.locator("#reading .tools :is(button, input, summary)").evaluate_all(small) == []
        moving = "document.getAnimations().filter(one => one.effect.getTiming().duration > 0).length"
        assert chat.page.evaluate(moving) == 0


def test_text_may_be_twice_as_large(browser: Browser, address: str) -> None:
    with visit(browser, address, **{**PHONE, "is_mobile": False}) as chat:
        chat.page.evaluate("document.documentElement.style.fontSize = '200%'")
        chat.ask("what is the capital of France?")
        answer = chat.ask("can heartburn pills cause low b12?")
        assert chat.page.evaluate("document.documentElement.scrollWidth") == 390
        size = answer.locator("blockquote p").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
        assert size > 32
        answer.locator("a.open").first.click()
        assert chat.page.evaluate("document.documentElement.scrollWidth") == 390
        expect(chat.page.locator(".place.opened")).to_be_in_viewport()


def test_marks_are_seen_where_the_system_chooses_the_colours(browser: Browser, address: str) -> None:
    with visit(browser, address, forced_colors="active") as chat:
        mark = chat.ask("how much b12 in clams").locator("mark").first
        plain, marked = (
            place.evaluate("e => getComputedStyle(e).backgroundColor")
            for place in (chat.page.locator("body"), mark)
        )
        assert plain != marked
        assert mark.evaluate("e => getComputedStyle(e).textDecorationLine") == "underline"
        company = chat.ask("tablets or injections?").locator(".noted.partner")
        letters = [
            place.evaluate("e => getComputedStyle(e).color")
            for place in (company.locator("mark").first, company.locator(".leaf").first)
        ]
        assert letters[0] == letters[1], "unmarked words must not have the colour of marked ones"


# Languages.


def test_page_speaks_the_language_of_the_browser_and_the_article_its_own(
    browser: Browser, address: str
) -> None:
    with visit(browser, address, locale="de-DE") as chat:
        expect(chat.page.locator("html")).to_have_attribute("lang", "de")
        expect(chat.page.locator("h1")).to_have_text("Fragen Sie den Artikel")
        expect(chat.page.get_by_text("Bitte fragen Sie auf Englisch")).to_be_visible()
        box = chat.page.get_by_label("Ihre Frage")
        box.fill("how much b12 in clams")
        chat.page.get_by_role("button", name="Fragen", exact=True).click()
        expect(chat.answers).to_have_count(1)
        expect(chat.answers.locator("p.outcome")).to_have_text("Aus dem Artikel")
        expect(chat.answers).to_have_attribute("lang", "de")
        expect(chat.answers.locator("blockquote").first).to_have_attribute("lang", "en")
        expect(chat.page.locator("#articles article")).to_have_attribute("lang", "en")


def test_language_can_be_chosen_without_losing_the_conversation(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/?lang=en") as chat:
        chat.requests.clear()
        chat.ask("how much b12 in clams")
        chat.page.get_by_role("button", name="Español").click()
        expect(chat.page.locator("h1")).to_have_text("Pregunte al artículo")
        expect(chat.answers).to_have_count(1)
        box = chat.page.get_by_label("Su pregunta")
        box.fill("I have chest pain")
        box.press("Enter")
        expect(chat.answers).to_have_count(2)
        card = chat.answers.last.locator("section.care")
        expect(card.locator("h2")).to_have_text("El dolor en el pecho puede ser una emergencia")
        expect(card.locator(".unreviewed")).to_be_visible()
        expect(chat.answers.last).to_have_attribute("lang", "es")
        chat.page.get_by_role("button", name="English").click()
        expect(chat.page.locator("h1")).to_have_text("Ask the article")
        expect(chat.page.locator("header .disclaimer")).to_have_text(DISCLAIMER)
        chat.requests[:] = [url for url in chat.requests if not url.startswith(f"{address}/")]


# While the index is rebuilt.


def test_open_page_goes_on_with_a_new_generation(browser: Browser, tmp_path: Path) -> None:
    corpus, index, encoder = tmp_path / "corpus", tmp_path / "index", HashingEncoder()
    corpus.mkdir()

    def build(text: str) -> Assistant:
        (corpus / "tea.md").write_text(text)
        build_index(read_corpus(corpus), encoder, index)
        return Assistant(Retriever(open_index(index), encoder))

    live = LiveAssistant(build(SMALL_TEXT), index, lambda words: None)
    page = build_app(live)
    live.on_new = page.state.begin_with
    with listening(page) as address, visit(browser, address) as chat:
        old = chat.ask("wait 3 minutes")
        expect(old).to_contain_text("Wait 3 minutes.")
        expect(old.locator("a.open")).not_to_have_count(0)
        build(SMALL_TEXT.replace("Wait 3 minutes.", "Wait 4 minutes."))
        live.look()

        new = chat.ask("wait minutes")
        expect(new).to_contain_text("Wait 4 minutes.")
        expect(chat.page.locator("#articles")).to_contain_text("Wait 4 minutes.")
        expect(chat.page.locator("#articles")).not_to_contain_text("Wait 3 minutes.")
        # The old answer stands as it was given, but no longer leads anywhere.
        expect(chat.answers.first).to_contain_text("Wait 3 minutes.")
        expect(chat.answers.first.locator("a.open")).to_have_count(0)
        expect(chat.page.locator("#conversation .b12qa.rebuilt")).to_have_text(REBUILT_WORDS)
        new.locator("a.open").first.click()
        expect(chat.page.locator("#articles .opened")).to_contain_text("Wait 4 minutes.")
        with visit(browser, address) as later:
            expect(later.page.locator("#articles")).to_contain_text("Wait 4 minutes.")
            expect(later.ask("wait minutes")).to_contain_text("Wait 4 minutes.")
            assert later.page.locator("#conversation .b12qa.rebuilt").count() == 0


# Feedback.


def test_rated_answer_is_kept_where_the_operator_wants_it_and_the_page_says_so(
    browser: Browser, assistant: Assistant, tmp_path: Path
) -> None:
    file = tmp_path / "feedback.jsonl"
    with listening(build_app(serving(assistant), file)) as address, visit(browser, address) as chat:
        expect(chat.page.locator(".b12qa.privacy")).to_have_text(KEEPS_RATED)
        chat.ask("how much b12 in clams")
        chat.ask("what is the capital of France?")
        assert not file.exists()
        chat.page.get_by_role("button", name="dislike", exact=False).last.click()
        expect(chat.page.get_by_text("Your question and your thumb were kept")).to_be_visible()
    assert read_feedback(file) == [Feedback("what is the capital of France?", "not_covered", False)]


def test_nobody_is_asked_to_rate_unless_the_operator_wants_it(chat: Visit) -> None:
    expect(chat.page.locator(".b12qa.privacy")).to_have_text(KEEPS_NOTHING)
    chat.ask("how much b12 in clams")
    assert chat.page.get_by_role("button", name=re.compile("^(dis)?like$", re.IGNORECASE)).count() == 0
