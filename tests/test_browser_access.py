"""The chat in a real browser: it can be read, heard and used by everybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from axe import violations
from chromium import with_large_text
from playwright.sync_api import Browser, expect
from visiting import (
    IN_A_BROWSER,
    PHONE,
    TOO_WIDE,
    Visit,
    visit,
)

from b12qa import rendering
from b12qa.records import (
    CareLevel,
    Outcome,
)
from b12qa.safety import DISCLAIMER, IN_EMERGENCY, LEVEL_WORDS, care_card, help_lines
from b12qa.web import page as chat_page
from b12qa.web import replies
from b12qa.web.clients import RateLimit
from b12qa.web.settings import STATIC
from b12qa.web.texts import languages

pytestmark = IN_A_BROWSER


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


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_card_is_shown_on_a_phone_also_where_the_question_is_refused(
    browser: Browser, scripted_address: str, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    settings: dict[str, Any] = {**PHONE, "locale": language}
    context = browser.new_context(**settings)
    page = context.new_page()
    page.goto(scripted_address)
    expect(page.locator("#reading .contents a").first).to_be_attached()
    waits = [0.0, 1.0]  # for a card, after that for a question
    monkeypatch.setattr(RateLimit, "seconds_to_wait", lambda *asked: waits.pop() if 1 in asked else 0.0)
    box = page.locator("#question textarea")
    box.fill("I have chest pain")
    box.press("Enter")
    told = page.locator("#asking [role=alert]")
    card = told.locator("section.care.emergency")
    say = languages()[language[:2]]
    expect(card.locator(".level")).to_have_text(say(LEVEL_WORDS[CareLevel.EMERGENCY]).words)
    expected = care_card("I have chest pain")
    assert expected is not None
    shown = [say(words).words for words in (expected.title, expected.text, *expected.steps)]
    assert card.locator("h2, p:not(.level, .unreviewed), li").all_text_contents() == shown
    assert card.locator(".unreviewed").count() == (language != "en-GB")
    expect(card).to_be_in_viewport(ratio=1)
    assert card.locator("h2").evaluate(CONTRAST) >= 4.5
    expect(told.locator("> p")).to_be_visible()
    expect(box).to_have_value("I have chest pain")
    waits[:] = [0.0]
    box.press("Enter")
    expect(page.locator("#conversation .b12qa.answer.urgent")).to_be_visible()
    expect(told).to_have_count(0)
    context.close()


LOW_SCREENS = [(320, 568), (390, 664), (844, 390), (1366, 600)]


@pytest.mark.parametrize(("width", "height"), LOW_SCREENS)
def test_first_step_of_an_emergency_is_on_a_low_screen(
    browser: Browser, address: str, width: int, height: int
) -> None:
    with visit(browser, address, viewport={"width": width, "height": height}) as chat:
        check_emergency_is_seen(chat)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 860), (1366, 600)])
def test_first_step_of_an_emergency_is_on_the_screen_in_large_letters(
    browser: Browser, address: str, width: int, height: int
) -> None:
    size: Any = {"width": width, "height": height}
    with with_large_text(browser) as other, visit(other, address, viewport=size) as chat:
        assert chat.page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
        check_emergency_is_seen(chat)
        assert chat.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
@pytest.mark.parametrize("message", ["i have chest pain", "i took 20 tablets at once"])
def test_first_step_is_on_the_screen_where_letters_are_enlarged_and_the_style_sheet_does_not_know(
    browser: Browser, address: str, message: str, language: str
) -> None:
    size: Any = {"width": 390, "height": 844}
    with visit(browser, address, viewport=size, locale=language) as chat:
        chat.page.evaluate("document.documentElement.style.fontSize = '200%'")
        chat.page.locator("#question textarea").fill(message)
        chat.page.locator("#question textarea").press("Enter")
        card = chat.answers.locator("section.care.emergency")
        step = card.locator("li").first
        for part in (card.locator(".level"), step):
            expect(part).to_be_in_viewport(ratio=1)
            assert part.evaluate(ON_TOP)
        chat.page.set_viewport_size({"width": 360, "height": 640})
        for again, longest in enumerate(("he is unconscious", message), 2):
            chat.page.locator("#question textarea").fill(longest)
            chat.page.locator("#question textarea").press("Enter")
            expect(chat.answers).to_have_count(again)
            step = card.last.locator("li").first
            expect(step).to_be_in_viewport(ratio=1)
            assert step.evaluate(ON_TOP)


ON_TOP = """e => { const box = e.getBoundingClientRect(); return [box.top + 1, box.bottom - 1].every(
    (y) => y > 0 && y < innerHeight && e.contains(document.elementFromPoint(box.left + 5, y))); }"""


def check_emergency_is_seen(chat: Visit) -> None:
    """The level, the title and the first step, and nothing over them."""
    chat.ask("can heartburn pills cause low b12?")
    card = chat.ask("i have chest pain").locator("section.care.emergency")
    for part in (card.locator(".level"), card.locator("h2"), card.locator("li").first):
        expect(part).to_be_in_viewport(ratio=1)
        assert part.evaluate(ON_TOP)


@pytest.mark.parametrize(
    "message",
    [
        "i have chest pain",
        "i took 20 tablets at once",
        "my left calf is swollen and hot",
        "the ulcer on my ankle won't heal",
    ],
)
def test_card_follows_the_language_that_is_chosen_after_it(
    browser: Browser, address: str, message: str
) -> None:
    card = care_card(message)
    assert card is not None
    with visit(browser, address, **PHONE) as chat:
        reply = chat.ask(message)
        shown = reply.locator("section.care")
        for name in ("Deutsch", "Español", "English", "Español"):
            chat.page.get_by_role("button", name=name).click()
            say = next(texts for texts in languages().values() if texts.name == name)
            said = [say(words) for words in (LEVEL_WORDS[card.level], card.title, card.text, *card.steps)]
            expect(shown.locator("div :is(p, h2, li)")).to_have_text([one.words for one in said])
            expect(shown.locator("h2")).to_have_attribute("lang", say.language)
            expect(shown.locator(".unreviewed:visible")).to_have_text(
                [say(rendering.UNREVIEWED).words] if name != "English" else []
            )
            if card.level is not CareLevel.SOON:
                expect(reply.locator("p.outcome")).to_have_text(say("Get help first").words)
                expect(reply.locator(".notice.disclaimer p")).to_have_text(say(DISCLAIMER).words)
    with visit(browser, address, locale="de-DE", **PHONE) as chat:
        chat.page.locator("#question textarea").fill(message)
        chat.page.locator("#question textarea").press("Enter")
        shown = chat.answers.locator("section.care")
        expect(shown.locator("h2")).to_have_text(languages()["de"](card.title).words)
        chat.page.get_by_role("button", name="English").click()
        # The page was never given the English words.
        expect(shown.locator("h2, li")).to_have_text([card.title, *card.steps])
        chat.page.reload()  # the page that comes back never spoke the language of the card
        expect(shown.locator("h2, li")).to_have_text([card.title, *card.steps])


def test_page_names_the_levels_of_cards_as_they_are() -> None:
    script = (STATIC / "unasked.js").read_text("utf-8")
    levels = re.search(r"const LEVELS = \{ (.+?) \};", script)
    assert levels
    assert dict(re.findall(r'(\w+): "([^"]+)"', levels[1])) == {str(k): v for k, v in LEVEL_WORDS.items()}
    assert f'"{rendering.UNREVIEWED}"' in (STATIC / "care.js").read_text("utf-8")


# For everybody.

WIDTHS = {"light": (320, 390, 1280), "dark": (390,)}
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

    def look(chat: Visit, state: str, widths: Sequence[int] = WIDTHS[scheme]) -> None:
        for width in widths:
            chat.page.set_viewport_size({"width": width, "height": 800})
            chat.page.evaluate("scrollTo(0, document.body.scrollHeight)")  # the box covers what is below it
            exclude = [] if state == "panel open" else [["#articles"]]
            against = violations(chat.page, scheme, exclude)
            if against:
                found[state, width] = against

    with visit(browser, scripted_address, color_scheme=scheme) as chat:
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
            look(chat, state, WIDTHS[scheme][:1])
        chat.page.route("**/queue/join*", lambda route: route.fulfill(status=429, json={"detail": "No."}))
        chat.page.get_by_label("Your question").fill("and now?")
        chat.page.get_by_role("button", name="Ask", exact=True).click()
        expect(chat.page.locator("#asking [role=alert]")).to_be_visible()
        look(chat, "refused", WIDTHS[scheme][:1])
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
    waiting = "Looking in the article"  # said only where an answer takes longer than a second
    said = [words for words in chat.page.evaluate("window.said") if words.strip() and waiting not in words]
    assert said == ["From the article: Food sources of B12", "Not in the article"]


def test_parts_of_the_conversation_can_be_told_apart_by_ear(chat: Visit) -> None:
    answer = chat.ask("can heartburn pills cause low b12?")
    heard = chat.page.locator("#conversation [role=log]").aria_snapshot()
    assert heard.index("You asked") < heard.index("can heartburn pills cause low b12?")
    expect(answer.get_by_role("heading", name="From the article", exact=True)).to_be_visible()
    expect(chat.page.get_by_role("textbox", name="Your question", exact=True)).to_be_visible()
    figures = answer.locator("figure.quote").filter(visible=True)
    assert figures.count() > 1
    for figure in figures.all():
        leaf = figure.locator(".leaf").text_content() or ""
        expect(figure.get_by_role("link", name=f"Open in the article {leaf}", exact=True)).to_be_visible()
        expect(figure.get_by_role("button", name=f"Copy {leaf}", exact=True)).to_be_visible()
        name = figure.aria_snapshot().splitlines()[0]
        assert leaf in name
        assert not re.search("Copy|Open in", name)


def test_quotes_of_one_section_can_be_told_apart_by_ear(chat: Visit) -> None:
    answer = chat.ask("Does B12 clash with many other medicines?")
    figures = answer.locator("figure.quote").filter(visible=True).all()
    leaves = [figure.locator(".leaf").text_content() for figure in figures]
    assert len(set(leaves)) < len(leaves)
    names = [figure.aria_snapshot().splitlines()[0] for figure in figures]
    assert len(set(names)) == len(names)
    for number, (figure, leaf) in enumerate(zip(figures, leaves, strict=True), start=1):
        expect(figure.get_by_role("button", name=f"Copy {leaf} {number}", exact=True)).to_be_visible()


def test_a_person_hears_our_notice_first(chat: Visit) -> None:
    answer = chat.ask("I am pregnant, how much should I take?")
    notice = answer.locator(".notice.personal p").text_content() or ""
    assert "cannot tell you your dose" in notice
    expect(chat.page.locator("#b12qa-said")).to_contain_text(notice)


STROKE = "my dad's face droops and he cant speak"


@pytest.mark.parametrize("question", [STROKE, f"{'we sat down to eat. ' * 15}{STROKE}. {'what now? ' * 29}"])
def test_of_an_emergency_is_heard_what_it_is_and_what_to_do_first(chat: Visit, question: str) -> None:
    card = care_card(question)
    assert card is not None
    reply = chat.ask(question)
    expect(reply).to_have_class(re.compile(r"\burgent\b" if question == STROKE else r"\brefused\b"))
    said = f"{LEVEL_WORDS[card.level]}. {card.title}. {card.steps[0]}"
    expect(chat.page.locator("#b12qa-said")).to_have_text(said if question == STROKE else f"{said} Too long")


def test_of_a_card_above_quotes_both_are_heard(chat: Visit) -> None:
    question = "the ulcer on my ankle won't heal"
    card = care_card(question)
    assert card is not None
    label = chat.ask(question).locator("p.outcome").text_content() or ""
    said = chat.page.locator("#b12qa-said")
    expect(said).to_contain_text(f"{LEVEL_WORDS[card.level]}. {card.title}. {card.steps[0]} {label}")


def test_from_heading_to_heading_one_comes_to_each_question_and_then_to_what_it_got(chat: Visit) -> None:
    chat.ask("how much b12 in clams")
    chat.ask("y" * 501)  # is not shown
    chat.ask(STROKE)
    headings = chat.page.locator("#conversation").get_by_role("heading")
    # Playwright names the level of an h2 by its tag, whatever else it says of itself.
    levels = "all => all.map((one) => [one.textContent, one.ariaLevel])"
    assert headings.evaluate_all(levels) == [
        ["how much b12 in clams", "2"],
        ["From the article", "3"],
        ["Too long", "2"],
        [STROKE, "2"],
        ["Get help first", "3"],
        ["These can be signs of a stroke", "3"],
    ]


def test_targets_are_large_enough_and_nothing_moves(browser: Browser, address: str) -> None:
    with visit(browser, address, reduced_motion="reduce", **PHONE) as chat:
        for question in ("can heartburn pills cause low b12?", "tablets or injections?", "nerve damage"):
            chat.ask(question)
        assert chat.page.locator("#conversation summary").count()
        targets = "#chat :is(button:not(.skip), a, summary, textarea), header button"
        small = """all => all.map(one => [one.textContent, one.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && Math.min(box.width, box.height) < 44)"""
        assert chat.page.locator(targets).evaluate_all(small) == []
        chat.page.get_by_role("button", name="Read the article").click()
        chat.page.locator("#reading .contents summary").click()
        tools = chat.page.locator("#reading .tools :is(button, input, summary, a)")
        assert tools.evaluate_all(small) == []
        moving = "document.getAnimations().filter(one => one.effect.getTiming().duration > 0).length"
        assert chat.page.evaluate(moving) == 0


# A phone whose letters are twice as large, one on its side, and one as most people hold it.
@pytest.mark.parametrize("size", [(195, 422), (844, 390), (390, 844)])
def test_the_box_is_one_press_away_where_it_cannot_be_seen(
    browser: Browser, address: str, size: tuple[int, int]
) -> None:
    with visit(browser, address, viewport={"width": size[0], "height": size[1]}) as chat:
        box = chat.page.locator("#question textarea")
        jump = chat.page.get_by_role("button", name="Ask a question")
        chat.ask("can heartburn pills cause low b12?")
        if size == (390, 844):
            expect(box).to_be_in_viewport()
            expect(jump).to_have_count(0)
            return
        expect(box).not_to_be_in_viewport()
        expect(jump).to_be_in_viewport(ratio=1)
        jump.click()
        expect(box).to_be_in_viewport()
        expect(box).to_be_focused()
        chat.ask("i have crushing chest pain")
        expect(chat.page.locator("#conversation section.care.emergency")).to_be_in_viewport()
        expect(jump).to_have_count(0)


FLOATING = """() => [...document.querySelectorAll("button, #asking")].filter((part) =>
  part.checkVisibility() && ["fixed", "sticky"].includes(getComputedStyle(part).position))
  .map((part) => part.id || part.textContent)"""


@pytest.mark.parametrize(("width", "height", "letters"), [(320, 256, 16), (390, 844, 32), (1280, 860, 32)])
def test_nothing_floats_over_the_words_where_there_is_little_room(
    browser: Browser, address: str, width: int, height: int, letters: int
) -> None:
    size: Any = {"width": width, "height": height}
    with with_large_text(browser, letters) as other, visit(other, address, viewport=size) as chat:
        jump = chat.page.get_by_role("button", name="Ask a question")
        expect(jump).to_have_count(1)  # at the top of the page, as long as nothing was asked
        jump.click()
        expect(chat.page.locator("#question textarea")).to_be_focused()
        chat.ask("can heartburn pills cause low b12?")
        expect(jump).to_have_count(1)
        assert chat.page.evaluate(FLOATING) == []
        assert chat.page.evaluate("document.documentElement.scrollWidth") == width


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


# Whether a word is broken in two.
TITLE_LINES = """e => { const range = document.createRange(); range.selectNodeContents(e);
    return range.getClientRects().length; }"""


@pytest.mark.parametrize("language", ["en-GB", "de-DE", "es-ES"])
@pytest.mark.parametrize(("width", "letters"), [(320, 16), (390, 16), (320, 32), (390, 32)])
def test_words_above_the_article_follow_the_letters_and_are_not_cut(
    browser: Browser, address: str, language: str, width: int, letters: int
) -> None:
    settings: Any = {"viewport": {"width": width, "height": 844}, "locale": language}
    with with_large_text(browser, letters) as other, visit(other, address, **settings) as chat:
        chat.page.locator("button.read").click()
        title = chat.page.locator("#reading-title")
        expect(title).to_be_in_viewport(ratio=1)
        sizes = chat.page.locator("#reading-title, #reading .find label, #find").evaluate_all(
            "all => all.map((one) => parseFloat(getComputedStyle(one).fontSize))"
        )
        assert min(sizes) >= letters
        assert title.evaluate(TITLE_LINES) == 1
        label = chat.page.locator("#reading .find label")
        if (label.bounding_box() or {"width": 0})["width"] <= 1:  # the words stand in the field alone
            assert chat.page.locator("#find").evaluate(TOO_WIDE) <= 0
        chat.page.locator("#find").fill("clams")
        expect(chat.page.locator("#reading .next")).to_be_in_viewport(ratio=1)
        assert chat.page.evaluate("document.documentElement.scrollWidth") == width


SMALL_WORDS = """() => {
  const small = new Set();
  for (const place of document.querySelectorAll("#top, #chat")) {
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { data, parentElement: part } = walker.currentNode;
      if (!data.trim() || !part.checkVisibility() || part.closest(".sr-only, svg")) continue;
      if (parseFloat(getComputedStyle(part).fontSize) < 25) small.add(data.trim());
    }
  }
  return [...small];
}"""


def test_all_words_follow_the_letters_that_the_reader_chose(browser: Browser, address: str) -> None:
    with with_large_text(browser) as other, visit(other, address) as chat:
        for question in ("what is the capital of France?", "will it help my hair?", "tablets or injections?"):
            chat.ask(question)
        assert chat.page.evaluate(SMALL_WORDS) == []


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_says_what_it_needs_where_no_script_runs(
    browser: Browser, address: str, language: str, scheme: Any
) -> None:
    context = browser.new_context(java_script_enabled=False, locale=language, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    say = languages()[language[:2]]
    emergency = IN_EMERGENCY.format(number=help_lines()["emergency"].number)
    lines = page.locator("noscript p")
    expect(lines).to_have_text([say(words).words for words in (chat_page.NO_SCRIPTS, emergency)])
    for line in lines.all():
        expect(line).to_be_in_viewport(ratio=1)
        shown = line.evaluate(
            "e => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor]"
        )
        brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in shown]
        assert abs(brightness[0] - brightness[1]) > 400
    context.close()


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
