"""The chat in a real browser: what a person sees, and what the page asks of the network."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from chromium import listening
from conftest import SMALL_TEXT, HashingEncoder, serving, wait_for_suggestions
from playwright.sync_api import Browser, expect
from visiting import (
    IN_A_BROWSER,
    PHONE,
    ScriptedAssistant,
    Visit,
    plain_quotes,
    served,
    shown_quotes,
    visit,
)

from b12qa import rendering
from b12qa.answering import MAX_QUOTES, Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.feedback import Feedback, read_feedback
from b12qa.index import open_index
from b12qa.retrieval import Retriever
from b12qa.safety import DISCLAIMER
from b12qa.web import replies
from b12qa.web.live import LiveAssistant
from b12qa.web.page import KEEPS_NOTHING, KEEPS_RATED, THUMB_KEPT, build_app
from b12qa.web.replies import REBUILT_WORDS
from b12qa.web.suggestions import MAX_SUGGESTIONS
from b12qa.web.texts import languages

pytestmark = IN_A_BROWSER


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


def test_start_over_begins_at_the_top_of_the_page(browser: Browser, address: str) -> None:
    with visit(browser, address, **PHONE) as chat:
        chat.ask("how much b12 in clams")
        chat.ask("tablets or injections?")
        chat.start_over()
        expect(chat.page.locator("h1")).to_be_in_viewport(ratio=1)
        assert chat.page.evaluate("scrollY") == 0


def test_start_over_asks_first_and_then_says_that_all_is_gone(browser: Browser, address: str) -> None:
    with visit(browser, address, **PHONE) as chat:
        again = chat.page.locator("#again")
        said = chat.page.locator("#b12qa-said")
        chat.ask("how much b12 in clams")
        again.tap()
        expect(again).to_have_text("Delete all? Press again")
        expect(said).to_have_text("Delete all? Press again")
        chat.page.get_by_role("button", name="Deutsch").click()  # the focus leaves
        expect(again).to_have_text("Neu anfangen")
        chat.page.get_by_role("button", name="English").click()
        again.dblclick()
        expect(again).to_have_text("Delete all? Press again")
        chat.page.wait_for_timeout(500)
        expect(chat.answers).to_have_count(1)  # a double click is one press
        expect(again).to_have_text("Start over")  # after some seconds
        again.focus()
        chat.page.keyboard.press("Enter")
        expect(again).to_be_focused()
        chat.page.keyboard.press("Enter")
        expect(chat.answers).to_have_count(0)
        expect(said).to_have_text("All deleted. You can ask a new question.")
        expect(chat.page.get_by_label("Your question")).to_be_focused()
        expect(chat.page.get_by_label("Your question")).to_be_in_viewport()
        expect(again).to_have_text("Start over")
        assert chat.page.evaluate("scrollY") == 0


def test_a_key_that_is_held_down_does_not_start_over(chat: Visit) -> None:
    chat.ask("how much b12 in clams")
    chat.page.locator("#again").focus()
    for _ in range(3):
        chat.page.keyboard.down("Enter")
    chat.page.keyboard.up("Enter")
    chat.page.wait_for_timeout(500)
    expect(chat.answers).to_have_count(1)


def test_a_page_that_is_pulled_down_is_not_loaded_anew(chat: Visit) -> None:
    chat.ask("how much b12 in clams")
    pulled = chat.page.evaluate("getComputedStyle(document.documentElement).overscrollBehaviorY")
    assert pulled == "contain"


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
    chat.page.get_by_label("Your question").fill("and clams with")  # not asked yet
    chat.page.get_by_role("button", name="Deutsch").click()
    expect(chat.page.locator("html")).to_have_attribute("lang", "de")
    kept = chat.page.evaluate(KEPT)
    assert "clams" not in f"{kept} {chat.page.url}"
    assert {name: what for name, what in kept.items() if what and name != "state"} == {}
    assert chat.page.context.cookies() == []
    assert chat.page.context.service_workers == []


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
        box, left = chat.page.get_by_label("Your question"), chat.page.locator("#asking .left")
        expect(box).to_have_value(question.strip())
        assert scripted.calls == []
        expect(left).to_have_text("Characters too many: 3")
        box.fill("y" * 400)
        expect(left).to_be_hidden()
        box.press("End")
        box.press_sequentially("😀yy")
        expect(left).to_have_text("Characters left: 97")
        expect(chat.page.locator("#b12qa-said")).to_have_text("Characters left: 97")
        chat.page.get_by_role("button", name="Deutsch").click()
        expect(left).to_have_text("Noch frei: 97 Zeichen")
        chat.page.get_by_role("button", name="English").click()
        expect(chat.ask("y" * 500)).to_have_count(1)
        expect(left).to_be_hidden()
        assert scripted.calls == [("y" * 500, ())]


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


def test_what_was_found_is_one_press_away_where_its_company_stands_before_it(
    browser: Browser, address: str
) -> None:
    with visit(browser, address, **PHONE) as chat:
        answer = chat.ask("how much b12 do adults need")
        found = answer.locator(".noted.found")
        expect(found).to_have_count(1)
        expect(found).not_to_be_in_viewport()
        answer.get_by_role("button", name="Go to what was found").click()
        expect(found.locator("p.role")).to_be_in_viewport()
        expect(found).to_be_focused()
        expect(chat.ask("how much b12 in clams").locator("button.to-found")).to_have_count(0)


def test_one_step_back_from_the_box_leads_to_the_newest_answer(chat: Visit) -> None:
    skip = chat.page.get_by_role("button", name="Go to the newest answer")
    expect(skip).to_have_count(0)
    chat.ask("how much b12 in clams")
    answer = chat.ask("can heartburn pills cause low b12?")
    expect(chat.page.get_by_label("Your question")).to_be_focused()
    chat.page.keyboard.press("Shift+Tab")
    expect(skip).to_be_focused()
    box = skip.bounding_box()
    assert box
    assert box["height"] >= 44, "it is seen where it has the focus"
    chat.page.keyboard.press("Enter")
    expect(answer.locator("p.outcome")).to_be_focused()
    expect(answer.locator("p.outcome")).to_be_in_viewport()
    chat.page.keyboard.press("Tab")
    expect(answer.locator("a.open").first).to_be_focused()
    chat.start_over()
    expect(skip).to_have_count(0)


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


def test_way_back_on_a_phone_closes_the_sheet_and_leaves_the_page_only_then(
    browser: Browser, address: str
) -> None:
    with visit(browser, address, **PHONE) as chat:
        link = chat.ask("how much b12 in clams").locator("a.open").first
        sheet = chat.page.get_by_role("dialog", name="The article")
        for leave in (chat.page.go_back, lambda: chat.page.keyboard.press("Escape")):
            for _ in range(2):
                link.click()
                expect(sheet).to_be_visible()
                chat.page.locator("#reading .contents summary").click()
                chat.page.locator("#reading .contents a").last.click()  # a place within opens nothing more
                leave()
                expect(sheet).to_be_hidden()
                expect(link).to_be_focused()
                chat.page.wait_for_function("!(history.state || {}).b12qa")
        expect(chat.answers).to_have_count(1)
        chat.page.go_back()
        assert chat.page.url == "about:blank"
        chat.page.go_forward()
        expect(chat.answers).to_have_count(1)


def test_way_forward_on_a_phone_leads_back_into_the_sheet(browser: Browser, address: str) -> None:
    with visit(browser, address, **PHONE) as chat:
        link = chat.ask("how much b12 in clams").locator("a.open").first
        sheet = chat.page.get_by_role("dialog", name="The article")
        place = chat.page.locator("#articles .place.opened")
        for opener, reached in (
            (link, place),
            (chat.page.get_by_role("button", name="Read the article"), place),
        ):
            opener.click()
            expect(sheet).to_be_visible()
            chat.page.go_back()
            expect(sheet).to_be_hidden()
            chat.page.go_forward()
            expect(sheet).to_be_visible()
            expect(reached).to_be_focused()
            expect(reached).to_be_in_viewport()
            chat.page.evaluate("document.activeElement.blur()")  # as after a tap on nothing
            chat.page.keyboard.press("Escape")
            expect(sheet).to_be_hidden()
            expect(opener).to_be_focused()


def test_contents_make_room_for_what_is_found_on_a_phone(browser: Browser, address: str) -> None:
    with visit(browser, address, **PHONE) as chat:
        chat.page.get_by_role("button", name="Read the article").click()
        contents = chat.page.locator("#reading .contents nav")
        chat.page.locator("#reading .contents summary").click()
        expect(contents).to_be_visible()
        chat.page.get_by_label("Find in the article").fill("clams")
        expect(contents).to_be_hidden()
        expect(chat.page.locator("mark.found.current")).to_be_in_viewport()


# The article beside the conversation.


def test_first_quoted_passage_comes_into_sight_and_nothing_else_moves(
    chat: Visit, assistant: Assistant
) -> None:
    quote = assistant.ask("how much b12 in clams").found[0]
    passage = chat.page.locator(f'[id="{rendering.passage_anchor(quote.document, quote)}"]')
    expect(passage).not_to_be_in_viewport()
    chat.ask("how much b12 in clams")
    expect(passage).to_be_in_viewport(ratio=1)
    expect(chat.page.get_by_label("Your question")).to_be_focused()
    assert chat.page.evaluate("scrollY") == 0


def test_an_article_that_is_being_read_stays_where_it_is(chat: Visit) -> None:
    where = "document.getElementById('articles').scrollTop"
    panel = chat.page.locator("#articles")
    box = chat.page.get_by_label("Your question")
    box.fill("how much b12 in clams")
    panel.hover()
    chat.page.mouse.wheel(0, 300)
    chat.page.wait_for_function(f"{where} === 300")
    box.press("Enter")
    expect(chat.answers).to_have_count(1)
    assert chat.page.evaluate(where) == 300
    chat.page.get_by_label("Find in the article").fill("homocysteine")
    expect(chat.page.locator("#reading .count")).to_contain_text("Match 1 of")
    found = chat.page.evaluate(where)
    chat.page.wait_for_timeout(3500)  # it is looked for in it, though the wheel has been at rest
    chat.ask("how much b12 in oysters")
    assert chat.page.evaluate(where) == found


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


WITHOUT_NOTES = """e => { const copy = e.cloneNode(true);
    copy.querySelectorAll("aside.note").forEach(note => note.remove()); return copy.textContent; }"""


SHARE_OF_NOTES = """e => { const height = (part) => part.getBoundingClientRect().height;
    const notes = [...e.querySelectorAll("aside.note")].reduce((sum, note) => sum + height(note), 0);
    return notes / height(e.querySelector("article")); }"""


def test_flagged_sentences_stand_in_the_article_with_their_notes_and_apart_from_them(
    chat: Visit, assistant: Assistant
) -> None:
    index = assistant.retriever.index
    pane = chat.page.locator("#articles")
    assert len(index.notes) > 40
    for noted in index.notes:
        sentence = index.sentences[noted.sentence]
        anchor = rendering.section_anchor(index.documents[sentence.document].name, sentence.start)
        described = chat.page.locator(f'[id="{anchor}"].has-note').get_attribute("aria-describedby")
        expect(chat.page.locator(f'[id="{described}"]')).to_contain_text(noted.note.text)
        expect(chat.page.locator(f'[id="{described}"]')).to_be_visible()
    # Each is folded behind a line that says what it is; together they leave the room to the article.
    note = chat.page.locator(f'[id="{described}"]')
    flagged = chat.page.locator(f'[aria-describedby="{described}"]')
    expect(flagged).to_have_accessible_description(re.compile(f"^{rendering.NOTE_NAME} "))
    expect(note.locator("p").first).to_be_hidden()
    assert pane.evaluate(SHARE_OF_NOTES) < 0.2
    note.locator("summary").click()
    expect(note.locator("p").first).to_be_visible()
    expect(pane.get_by_role("note", name=rendering.NOTE_HEADING)).to_have_count(
        pane.locator("aside.note").count()
    )
    assert pane.locator(".passage aside, .sentence aside").count() == 0
    words = index.notes[0].note.text
    chat.page.get_by_label("Find in the article").fill(words[:30])
    expect(chat.page.locator("#reading .count")).to_have_text("Not found")
    selected = pane.evaluate(
        "e => { getSelection().selectAllChildren(e); return getSelection().toString(); }"
    )
    assert "stocking-glove" in selected
    assert words not in selected
    assert rendering.NOTE_HEADING not in selected
    chat.page.get_by_role("button", name="Deutsch").click()
    heading = "Anmerkung der Redaktion, nicht Teil des Artikels"
    expect(pane.get_by_role("note", name=heading)).to_have_count(pane.locator("aside.note").count())
    expect(pane.locator(f'[id="{described}"] .source')).to_contain_text("Noch nicht klinisch geprüft")


def test_words_are_found_in_the_article_and_leave_no_trace(chat: Visit) -> None:
    before = chat.page.locator("#articles").text_content() or ""
    of_the_article = chat.page.locator("#articles").evaluate(WITHOUT_NOTES)
    whole = chat.page.locator("#articles").inner_html()
    field = chat.page.get_by_label("Find in the article")
    count = chat.page.locator("#reading .count")
    words = "best overall balance for most patients"  # runs out of strong letters into plain ones
    expected = of_the_article.lower().count("nerve symptoms")
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
    wait_for_suggestions()
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
    question = next(q for q in questions if assistant.ask_with_more(q, further=replies.MAX_FURTHER_QUOTES)[1])
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
    assert quote.notes
    assert lines[3:5] == ["", rendering.NOTE_HEADING], "apart from the article's words"
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


def test_saved_conversation_fits_a_phone(browser: Browser, address: str, tmp_path: Path) -> None:
    with visit(browser, address, **PHONE) as chat:
        chat.ask("tablets or injections? " + "w" * 300)
        chat.ask("nerve damage")
        with chat.page.expect_download() as download:
            chat.page.get_by_role("button", name="Save this conversation").click()
        download.value.save_as(tmp_path / "saved.html")
        page = chat.page.context.new_page()
        page.goto((tmp_path / "saved.html").as_uri())
        assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [390, 390]
        expect(page.get_by_role("heading", name="nerve damage")).to_be_visible()
        expect(page.locator("figure.quote").last).to_be_visible()
        expect(page.get_by_text("Details", exact=True)).to_have_count(0)
        chat.requests[:] = [url for url in chat.requests if not url.startswith("file:")]


def test_printed_page_is_the_conversation_alone(chat: Visit) -> None:
    answer = chat.ask("how much b12 in clams")
    chat.page.emulate_media(media="print")
    expect(answer.locator(".version").first).to_be_visible()
    for hidden in ("#asking", "#reading", "#below", ".b12qa.answer button"):
        expect(chat.page.locator(hidden).first).to_be_hidden()


def test_printed_page_has_all_passages_and_names_sections_in_plain_words(chat: Visit) -> None:
    chat.ask("nerve damage")
    more = chat.answers.first.locator("details.more")
    expect(more.locator("figure").first).to_be_hidden()
    nearest = chat.ask("what is the capital of France?").locator(".nearest_sections a")
    chat.page.emulate_media(media="print")
    for figure in more.locator("figure").all():
        expect(figure).to_be_visible()
    expect(more.locator("summary")).to_be_hidden()
    expect(nearest.first).to_be_visible()
    assert nearest.first.evaluate("e => getComputedStyle(e).borderTopStyle") == "none"
    chat.page.emulate_media(media="screen")
    expect(more.locator("figure").first).to_be_hidden()
    expect(more.locator("summary")).to_be_visible()
    more.locator("summary").click()
    chat.page.emulate_media(media="print")
    chat.page.emulate_media(media="screen")
    expect(more.locator("figure").first).to_be_visible()  # opened by hand, it stays open


# Languages.


def test_question_runs_as_its_letters_do(chat: Visit) -> None:
    runs = "e => getComputedStyle(e).direction"
    for question, direction in (("ما هو فيتامين؟", "rtl"), ("מה זה?", "rtl"), ("what is b12?", "ltr")):
        box = chat.page.get_by_label("Your question")
        box.fill(question)
        assert box.evaluate(runs) == direction
        chat.ask(question)
        asked = chat.page.locator("#conversation .b12qa.question").last
        expect(asked).to_have_text(question)
        assert asked.evaluate(runs) == direction


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
        expect(chat.page).to_have_title("Fragen Sie den Artikel")
        note = chat.answers.locator("aside.note").first
        expect(note).to_contain_text("Behauptet zu viel. Zu Natural B12 occurs")
        expect(note.locator("q")).to_have_attribute("lang", "en")
        expect(note.locator(".source")).to_have_text("Quelle: PMC4042564 · Noch nicht klinisch geprüft")
        chat.page.get_by_role("button", name="English").click()
        expect(chat.page).to_have_title("Ask the article")


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
        chat.page.get_by_role("button", name="Not helpful").last.click()
        expect(chat.page.locator("#conversation .thumbed")).to_have_text(THUMB_KEPT)
        expect(chat.page.locator("#b12qa-said")).to_have_text(THUMB_KEPT)
    assert read_feedback(file) == [Feedback("what is the capital of France?", "not_covered", False)]


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_thumbs_have_words_that_everybody_sees_and_the_one_up_comes_first(
    browser: Browser, assistant: Assistant, tmp_path: Path, language: str
) -> None:
    file = tmp_path / "feedback.jsonl"
    say = languages()[language[:2]]
    names = [say(words).words for words in ("Helpful", "Not helpful")]
    app = build_app(serving(assistant), file)
    with listening(app) as address, visit(browser, address, locale=language, **PHONE) as chat:
        box = chat.page.locator("#question textarea")
        for question in ("how much b12 in clams", "how much b12 in oysters"):
            box.fill(question)
            box.press("Enter")
            expect(chat.page.locator("#conversation .b12qa.question").last).to_have_text(question)
        thumbs = chat.page.locator("#conversation .message-buttons").last.get_by_role("button")
        expect(thumbs).to_have_text(names)
        for thumb, name in zip(thumbs.all(), names, strict=True):
            assert name in thumb.aria_snapshot()
        left = "all => all.map(one => one.getBoundingClientRect().left)"
        assert thumbs.evaluate_all(left) == sorted(thumbs.evaluate_all(left))
        thumbs.first.click()
        expect(chat.page.locator("#conversation .thumbed")).to_have_count(1)
        expect(thumbs).to_have_text(names[:1])  # what was kept cannot be changed
        assert f'- button "{names[0]}" [disabled] [pressed]' in thumbs.first.aria_snapshot()
    assert read_feedback(file) == [Feedback("how much b12 in oysters", "answered", True)]


def test_an_answer_is_rated_once_also_where_the_page_is_loaded_again(
    browser: Browser, assistant: Assistant, tmp_path: Path
) -> None:
    file = tmp_path / "feedback.jsonl"
    with listening(build_app(serving(assistant), file)) as address, visit(browser, address) as chat:
        chat.ask("how much b12 in clams")
        chat.ask("how much b12 in oysters")
        first = chat.page.locator("#conversation .message-buttons").first
        thumb = first.get_by_role("button", name="Not helpful")
        expect(thumb).to_have_attribute("aria-pressed", "false")
        for _ in range(2):
            thumb.click(force=True)
            expect(first.locator(".thumbed")).to_have_text(THUMB_KEPT)
            expect(thumb).to_have_attribute("aria-pressed", "true")
            thumb.click(force=True)
            chat.page.wait_for_timeout(500)
            expect(first.locator(".thumbed")).to_have_text(THUMB_KEPT)
            chat.page.reload()
            expect(chat.answers).to_have_count(2)
        expect(chat.page.locator("#conversation .thumbed")).to_have_count(1)
        second = chat.page.locator("#conversation .message-buttons").last
        second.get_by_role("button", name="Helpful", exact=True).click()
        expect(second.locator(".thumbed")).to_have_text(THUMB_KEPT)
    oysters = Feedback("how much b12 in oysters", "answered", True)
    assert read_feedback(file) == [Feedback("how much b12 in clams", "answered", False), oysters]


def test_thumbs_stand_where_something_can_be_rated_and_never_on_the_box(
    browser: Browser, assistant: Assistant, tmp_path: Path
) -> None:
    app = build_app(serving(assistant), tmp_path / "feedback.jsonl")
    with listening(app) as address, visit(browser, address, **PHONE) as chat:
        thumbs = chat.page.locator("#conversation .message-buttons button:visible")
        expect(thumbs).to_have_count(0)
        chat.ask("I have chest pain")
        expect(thumbs).to_have_count(0)
        chat.start_over()
        chat.ask("are you a doctor?")
        expect(thumbs).to_have_count(0)
        chat.ask("how much b12 in clams")
        expect(thumbs).to_have_count(2)
        box = chat.page.locator("#question textarea").bounding_box()
        thumb = thumbs.first.bounding_box()
        assert box
        assert thumb
        chat.page.mouse.wheel(0, thumb["y"] - box["y"])  # to where the one lies on the other
        chat.page.wait_for_timeout(300)
        covers = """(thumbs) => thumbs.some((thumb) => {
          const { x, y, width, height } = thumb.getBoundingClientRect();
          const top = document.getElementById("asking").getBoundingClientRect().top;
          return y + height > top && thumb.contains(document.elementFromPoint(x + width / 2, y + height / 2));
        })"""
        assert not thumbs.evaluate_all(covers)


def test_what_became_of_a_thumb_stands_beside_it_and_covers_nothing(
    browser: Browser, assistant: Assistant, tmp_path: Path
) -> None:
    app = build_app(serving(assistant), tmp_path / "feedback.jsonl")
    with listening(app) as address, visit(browser, address, locale="de-DE", **PHONE) as chat:
        box = chat.page.get_by_label("Ihre Frage")
        box.fill("how much b12 in clams")
        box.press("Enter")
        thumb = chat.page.locator("#conversation .message-buttons button").first
        thumb.click()
        told = chat.page.locator("#conversation .message-buttons .thumbed")
        expect(told).to_have_text("Danke. Ihre Frage und Ihr Daumen wurden für die Redaktion aufgehoben.")
        place, beside = told.bounding_box(), thumb.bounding_box()
        assert place
        assert beside
        middle, other = (one["y"] + one["height"] / 2 for one in (place, beside))
        assert abs(middle - other) < 12  # in one row
        assert place["x"] > beside["x"] + beside["width"]
        assert chat.page.locator(".toast-body").filter(visible=True).count() == 0
        chat.page.get_by_role("button", name="English").click()
        expect(told).to_have_text(THUMB_KEPT)


def test_nobody_is_asked_to_rate_unless_the_operator_wants_it(chat: Visit) -> None:
    expect(chat.page.locator(".b12qa.privacy")).to_have_text(KEEPS_NOTHING)
    chat.ask("how much b12 in clams")
    assert chat.page.get_by_role("button", name=re.compile("like|helpful", re.IGNORECASE)).count() == 0
