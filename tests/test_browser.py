"""The chat in a real browser: what a person sees, and what the page asks of the network."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from conftest import SMALL_TEXT, HashingEncoder, serving
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from b12qa import answering, rendering
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.feedback import Feedback, read_feedback
from b12qa.index import open_index
from b12qa.records import (
    Answer,
    BlockKind,
    CareLevel,
    Document,
    Excerpt,
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

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
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


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The address of an app that runs while the block does."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, access_log=False, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


@pytest.fixture(scope="module")
def address(assistant: Assistant) -> Iterator[str]:
    with served(assistant) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


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
    expect(page.locator("#articles .b12qa.document").first).to_be_visible()
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
    return answer.locator("figure.quote .words").all_text_contents()


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
    example = chat.page.locator("#conversation .option").first
    question = example.text_content() or ""
    example.click()
    expect(chat.page.locator("#conversation .b12qa.question")).to_have_text(question)
    expect(chat.answers).to_have_count(1)
    expect(chat.answers).to_have_class(re.compile(r"\banswered\b"))
    expect(chat.page.get_by_label("Your question")).to_be_focused()


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


def test_nothing_is_left_in_the_browser(chat: Visit) -> None:
    chat.ask("how much b12 in clams")
    stored = chat.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert "clams" not in stored


# An assistant that says what a test wants.


@dataclass(frozen=True)
class ScriptedAssistant(Assistant):
    """Gives a fixed outcome for some questions, fails for one, and notes what it was asked."""

    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def ask(self, question: str, history: Sequence[str] = (), max_quotes: int = 3) -> Answer:
        self.calls.append((question, tuple(history)))
        if question == "fail":
            raise RuntimeError("a secret detail")
        try:
            outcome = Outcome(question)
        except ValueError:
            return Assistant.ask(self, question, history, max_quotes)
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


def test_phone_shows_the_chat_first_then_the_article_without_sideways_scrolling(
    browser: Browser, address: str
) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with visit(browser, address, **phone) as chat:
        for question in ("can heartburn pills cause low b12?", "what is the capital of France?", "w" * 300):
            chat.ask(question)
        widths = chat.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert widths == [390, 390]
        conversation = chat.page.locator("#conversation").bounding_box()
        article = chat.page.locator("#articles").bounding_box()
        assert conversation is not None
        assert article is not None
        assert conversation["y"] + conversation["height"] <= article["y"]
        link = chat.answers.first.get_by_role("link", name="Open in the article").first
        link.click()
        expect(chat.page.locator("#articles .place.opened")).to_be_in_viewport()
        chat.page.get_by_role("button", name="Back to the conversation").click()
        expect(link).to_be_focused()
        expect(link).to_be_in_viewport()


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
        contrasts = {"option": chat.page.locator(".option").first.evaluate(CONTRAST)}
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
        "I have chest pain": CareLevel.EMERGENCY,
        "my left calf is swollen and hot": CareLevel.URGENT,
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
        expect(old.locator("a")).not_to_have_count(0)
        build(SMALL_TEXT.replace("Wait 3 minutes.", "Wait 4 minutes."))
        live.look()

        new = chat.ask("wait minutes")
        expect(new).to_contain_text("Wait 4 minutes.")
        expect(chat.page.locator("#articles")).to_contain_text("Wait 4 minutes.")
        expect(chat.page.locator("#articles")).not_to_contain_text("Wait 3 minutes.")
        # The old answer stands as it was given, but no longer leads anywhere.
        expect(chat.answers.first).to_contain_text("Wait 3 minutes.")
        expect(chat.answers.first.locator("a")).to_have_count(0)
        expect(chat.page.locator("#conversation .b12qa.rebuilt")).to_have_text(REBUILT_WORDS)
        new.locator("a").first.click()
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
    assert chat.page.get_by_role("button", name="like", exact=False).count() == 0
