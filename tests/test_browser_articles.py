"""Several articles in a real browser: each is fetched when it is opened, as its answer saw it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe import violations
from chromium import listening
from conftest import HashingEncoder
from playwright.sync_api import Browser, Page, Route, expect
from visiting import IN_A_BROWSER, PHONE, TOO_WIDE, Visit, visit

from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.index import open_index
from b12qa.rendering import NOTE_HEADING
from b12qa.retrieval import Retriever
from b12qa.web.articles import ALL, INVITATION, SHOW_ALL
from b12qa.web.live import LiveAssistant
from b12qa.web.page import build_app
from b12qa.web.settings import Settings
from b12qa.web.texts import languages

pytestmark = IN_A_BROWSER

TEXTS = {
    "mate": "# Mate\n\nMate is drunk from a gourd through a metal straw.\n",
    "tea-2": "# Tea\n\nGreen leaves are dried in a pan.\n\n## Brewing\n\nUse cool water. Wait 3 minutes.\n",
    "coffee & cake": "# Coffee\n\nRoasted beans smell of caramel.\n",
}
STRAW, LEAVES, BEANS = "a gourd through a metal straw", "green leaves in a pan", "beans smell of caramel"
FAILED = "The article cannot be loaded now. Wait a little or check your connection, then try again."
GONE = "This article has changed or is gone. Ask again to see what it says now."


@dataclass
class Shop:
    """A chat on several articles, which can be edited while it is open."""

    folder: Path
    address: str = ""

    def build(self, **texts: str) -> Assistant:
        """Write the articles and build; some of them in other words."""
        corpus = self.folder / "corpus"
        corpus.mkdir(exist_ok=True)
        for name, text in {**TEXTS, **texts}.items():
            (corpus / f"{name}.md").write_text(text)
        encoder = HashingEncoder(dimension=1024)
        build_index(read_corpus(corpus), encoder, self.folder / "index")
        return Assistant(Retriever(open_index(self.folder / "index"), encoder))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@contextmanager
def running(shop: Shop, settings: Settings | None = None) -> Iterator[LiveAssistant]:
    live = LiveAssistant(shop.build(), shop.folder / "index", lambda words: None)
    app = build_app(live, settings=settings)
    live.on_new = app.state.begin_with
    with listening(app) as address:
        shop.address = address
        yield live


def fetched(chat: Visit) -> list[str]:
    return [url.partition("/articles?")[2] for url in chat.requests if "/articles?" in url]


def articles(page: Page) -> list[str]:
    shown: list[str] = page.locator("#articles article").evaluate_all("all => all.map(one => one.id)")
    return [name.rpartition("~")[0] for name in shown]


def is_inside(page: Page) -> bool:
    inside = "document.getElementById('reading').contains(document.activeElement)"
    return bool(page.evaluate(inside))


def test_beside_the_conversation_each_answer_brings_its_own_article_alone(
    browser: Browser, shop: Shop
) -> None:
    with running(shop), visit(browser, shop.address, contents=False) as chat:
        expect(chat.page.locator("#articles")).to_contain_text(INVITATION)
        assert fetched(chat) == []
        box = chat.page.locator("#reading").bounding_box()
        for question, name in (
            (LEAVES, "tea-2"),
            (STRAW, "mate"),
            ("beans smell of caramel", "coffee & cake"),
        ):
            chat.ask(question)
            expect(chat.page.locator("#articles .used").first).to_be_in_viewport()
            assert articles(chat.page) == [name]
            expect(chat.page.get_by_label("Your question")).to_be_focused()
            assert chat.page.locator("#reading").bounding_box() == box, "nothing jumps"
        expect(chat.page.locator("#reading .contents a")).to_have_text(["Coffee"])
        assert len(fetched(chat)) == 3
        # What was there is at hand, and the server need not be asked again.
        chat.answers.first.locator("a.open").first.click()
        opened = chat.page.locator("#articles .place.opened")
        expect(opened).to_have_text("Green leaves are dried in a pan.")
        expect(opened).to_be_focused()
        assert articles(chat.page) == ["tea-2"]
        assert len(fetched(chat)) == 3


def note(shop: Shop) -> None:
    """Write an editor's note on one of the articles."""
    sentence = "Mate is drunk from a gourd through a metal straw."
    digest = hashlib.sha256(sentence.encode()).hexdigest()
    (shop.folder / "corpus").mkdir()
    (shop.folder / "corpus" / "mate.notes.yaml").write_text(
        f"notes:\n- sentence: {sentence}\n  sha256: {digest}\n  kind: dated\n"
        "  note: Straws of wood are in use too.\n  source: Nobody\n"
    )


def test_an_article_that_is_fetched_comes_with_its_notes(browser: Browser, shop: Shop) -> None:
    note(shop)
    with running(shop), visit(browser, shop.address, contents=False) as chat:
        chat.ask(STRAW)
        pane = chat.page.locator("#articles")
        expect(pane.get_by_role("note", name=NOTE_HEADING)).to_contain_text("Straws of wood are in use too.")
        expect(pane.locator(".has-note")).to_have_attribute("aria-describedby", re.compile("^mate-.+-note$"))
        chat.page.get_by_role("button", name="Español").click()
        expect(pane.get_by_role("note", name="Nota de la redacción")).to_contain_text("Desactualizado")


def test_on_a_phone_an_article_is_fetched_when_it_is_opened_and_the_way_back_and_forward_leads_to_it(
    browser: Browser, shop: Shop
) -> None:
    with running(shop), visit(browser, shop.address, contents=False, **PHONE) as chat:
        link = chat.ask(STRAW).locator("a.open").first
        assert fetched(chat) == []
        link.click()
        sheet = chat.page.get_by_role("dialog", name="The article")
        place = chat.page.locator("#articles .place.opened")
        expect(place).to_be_focused()
        expect(place).to_have_text("Mate is drunk from a gourd through a metal straw.")
        expect(chat.page.locator("#articles .passage.chosen")).to_have_count(1)
        assert [name for name in fetched(chat) if name.startswith("name=mate&version=")] == fetched(chat)
        chat.page.go_back()
        expect(sheet).to_be_hidden()
        expect(link).to_be_focused()
        chat.page.go_forward()
        expect(sheet).to_be_visible()
        expect(place).to_be_focused()
        chat.page.keyboard.press("Escape")
        expect(link).to_be_focused()
        assert len(fetched(chat)) == 1


def test_all_articles_can_be_read_without_a_question(browser: Browser, shop: Shop) -> None:
    with running(shop), visit(browser, shop.address, contents=False, **PHONE) as chat:
        read = chat.page.get_by_role("button", name="Read the article")
        read.click()
        titles = chat.page.locator("#articles ul.list a")
        expect(titles).to_have_text(["Coffee", "Mate", "Tea"])
        expect(chat.page.locator("#articles")).to_contain_text(ALL)
        expect(chat.page.locator("#articles")).to_be_focused()
        chat.page.get_by_label("Find in this list").fill("mate")
        expect(chat.page.locator("#reading .count")).to_have_text("Match 1 of 1")
        titles.nth(2).click()
        expect(chat.page.locator("#articles")).to_contain_text("Green leaves")
        expect(chat.page.locator("#articles")).to_be_focused()
        assert articles(chat.page) == ["tea-2"]
        expect(chat.page.get_by_label("Find in this article")).to_have_value("")
        expect(chat.page.locator("#reading .contents a")).to_have_count(2)
        chat.page.get_by_role("button", name=SHOW_ALL).click()
        expect(titles).to_have_count(3)
        assert is_inside(chat.page)
        chat.page.keyboard.press("Escape")
        expect(read).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_state_of_the_pane(
    browser: Browser, shop: Shop, scheme: str
) -> None:
    found = {}
    note(shop)
    with running(shop) as live, visit(browser, shop.address, contents=False, color_scheme=scheme) as chat:
        pane = chat.page.locator("#articles")
        told, show_all = pane.locator(".told"), pane.get_by_role("button", name=SHOW_ALL)

        def look(state: str, *words: str) -> None:
            for shown in words:
                expect(pane).to_contain_text(shown)
            for width in (390, 1280):
                chat.page.set_viewport_size({"width": width, "height": 800})
                against = violations(chat.page, scheme)
                if against:
                    found[state, width] = against

        look("invitation", INVITATION)
        show_all.click()
        look("list", ALL)
        held: list[Route] = []
        chat.page.context.route("**/articles?*", lambda route: held.append(route))
        pane.get_by_role("link", name="Mate").click()
        look("loading", "Loading the article …")
        held[0].continue_()
        look("article", "Mate is drunk", "Straws of wood")
        chat.page.context.unroute("**/articles?*")
        chat.page.context.route("**/articles*", lambda route: route.abort())
        show_all.click()
        expect(told).to_have_text(FAILED)
        look("failed", "Try again")
        chat.page.context.unroute("**/articles*")
        chat.page.set_viewport_size({"width": 390, "height": 800})  # there no article is fetched by itself
        chat.page.get_by_role("button", name="Close the article").click()
        link = chat.ask(LEAVES).locator("a.open").first
        shop.build(**{"tea-2": TEXTS["tea-2"].replace("Wait 3", "Wait 4")})
        live.look()
        link.click()
        look("gone", GONE)
        chat.complaints.clear()
    assert found == {}


@pytest.mark.parametrize("language", ["en-GB", "de-DE", "es-ES"])
def test_words_beside_the_box_say_what_is_looked_through(browser: Browser, shop: Shop, language: str) -> None:
    say = languages()[language[:2]]
    phone = {**PHONE, "viewport": {"width": 320, "height": 844}}
    with running(shop), visit(browser, shop.address, contents=False, locale=language, **phone) as chat:
        field = chat.page.locator("#find")
        for opener, words in (
            ("button.read", "Find in this list"),
            ("#articles ul.list a", "Find in this article"),
            ("#articles button.all", "Find in this list"),
        ):
            chat.page.locator(opener).first.click()
            expect(field).to_have_attribute("placeholder", say(words).words)
            expect(field).to_have_accessible_name(say(words).words)
            assert field.evaluate(TOO_WIDE) <= 0


def test_place_of_an_edited_article_is_not_shown_and_the_person_is_told(browser: Browser, shop: Shop) -> None:
    edited = TEXTS["mate"].replace("# Mate\n", "# Mate\n\nIt is a drink.\n")
    with running(shop) as live, visit(browser, shop.address, contents=False, **PHONE) as chat:
        chat.ask(STRAW)
        chat.ask(LEAVES)
        mate, tea = (chat.answers.nth(number).locator("a.open").first for number in range(2))
        shop.build(mate=edited)
        live.look()
        mate.click()
        told = chat.page.locator("#articles .told")
        expect(told).to_have_text(GONE)
        expect(chat.page.locator("#b12qa-said")).to_have_text(GONE)
        expect(chat.page.locator("#articles .place")).to_have_count(0)
        assert is_inside(chat.page)
        assert all("404" in words for words in chat.complaints)
        chat.complaints.clear()
        chat.page.keyboard.press("Escape")
        # What was not edited is the text that the answer was cut from.
        tea.click()
        expect(chat.page.locator("#articles .place.opened")).to_have_text("Green leaves are dried in a pan.")
        chat.page.keyboard.press("Escape")
        chat.ask(STRAW).locator("a.open").first.click()
        expect(chat.page.locator("#articles .place.opened")).to_contain_text("Mate is drunk")
        expect(chat.page.locator("#articles")).to_contain_text("It is a drink.")


def test_text_that_was_fetched_before_an_edit_is_still_the_one_of_its_answer(
    browser: Browser, shop: Shop
) -> None:
    edited = TEXTS["mate"].replace("# Mate\n", "# Mate\n\nIt is a drink.\n")
    with running(shop) as live, visit(browser, shop.address, contents=False) as chat:
        chat.ask(STRAW)
        mate = chat.answers.first.locator("a.open").first
        expect(chat.page.locator("#articles .used")).to_have_count(1)
        chat.ask(LEAVES)
        expect(chat.page.locator("#articles")).to_contain_text("Green leaves")
        shop.build(mate=edited)
        live.look()
        mate.click()
        expect(chat.page.locator("#articles .place.opened")).to_have_text(
            "Mate is drunk from a gourd through a metal straw."
        )
        expect(chat.page.locator("#articles")).not_to_contain_text("It is a drink.")
        new = chat.ask(STRAW)
        expect(chat.page.locator("#articles")).to_contain_text("It is a drink.")
        expect(chat.page.locator("#articles .used")).to_have_count(1)
        expect(new.locator("a.open").first).to_be_visible()
        expect(chat.answers.first.locator("a.open")).to_have_count(0)


@pytest.mark.parametrize("phone", [False, True])
def test_whoever_cannot_reach_the_server_is_told_and_may_try_again(
    browser: Browser, shop: Shop, phone: bool
) -> None:
    with (
        running(shop),
        visit(browser, shop.address, contents=False, locale="de-DE", **(PHONE if phone else {})) as chat,
    ):
        chat.page.get_by_role("button", name="English").click()
        expect(chat.page.locator("html")).to_have_attribute("lang", "en")
        chat.page.context.route("**/articles?*", lambda route: route.abort())
        link = chat.ask(STRAW).locator("a.open").first
        told = chat.page.locator("#articles .told")
        if not phone:  # nobody asked for the article
            expect(told).to_have_text(FAILED)
            expect(chat.page.locator("#b12qa-said")).not_to_contain_text("loaded")
            expect(chat.page.get_by_label("Your question")).to_be_focused()
        link.click()
        expect(told).to_have_text(FAILED)
        expect(chat.page.locator("#b12qa-said")).to_have_text(FAILED)
        assert not phone or is_inside(chat.page)
        chat.page.context.unroute("**/articles?*")
        chat.page.get_by_role("button", name="Try again").click()
        expect(chat.page.locator("#articles .place.opened")).to_be_focused()
        assert [words for words in chat.complaints if "ERR_FAILED" not in words] == []
        chat.complaints.clear()


def test_what_failed_is_said_in_the_language_of_the_reader(browser: Browser, shop: Shop) -> None:
    with running(shop), visit(browser, shop.address, contents=False) as chat:
        chat.page.context.route("**/articles?*", lambda route: route.fulfill(status=429))
        chat.ask(STRAW)
        chat.page.get_by_role("button", name="Deutsch").click()
        expect(chat.page.locator("#articles .told")).to_contain_text("lässt sich gerade nicht laden")
        expect(chat.page.locator("#articles .again")).to_have_text("Noch einmal versuchen")
        chat.page.context.unroute("**/articles?*")
        chat.page.locator("#articles .again").click()
        expect(chat.page.locator("#articles .all")).to_have_text("Alle Artikel zeigen")
        chat.complaints.clear()


def test_an_article_that_comes_late_takes_no_focus_from_whoever_went_on(browser: Browser, shop: Shop) -> None:
    with running(shop), visit(browser, shop.address, contents=False, **PHONE) as chat:
        link = chat.ask(STRAW).locator("a.open").first
        held: list[Route] = []
        chat.page.context.route("**/articles?*", lambda route: held.append(route))
        link.click()
        expect(chat.page.locator("#articles .told")).to_have_text("Loading the article …")
        expect(chat.page.locator("#articles")).to_be_focused()
        chat.page.keyboard.press("Escape")
        expect(link).to_be_focused()
        chat.page.get_by_label("Your question").focus()
        held[0].continue_()
        expect(chat.page.locator("#articles .place.opened")).to_have_count(1)
        expect(chat.page.get_by_label("Your question")).to_be_focused()
        chat.page.go_forward()
        expect(chat.page.locator("#articles .place.opened")).to_be_focused()


def test_an_article_that_comes_late_beside_the_conversation_takes_no_focus_from_whoever_types(
    browser: Browser, shop: Shop
) -> None:
    with running(shop), visit(browser, shop.address, contents=False) as chat:
        chat.ask(STRAW)
        chat.ask(LEAVES)
        expect(chat.page.locator("#articles")).to_contain_text("Green leaves")
        chat.ask("what is the capital of France?")
        held: list[Route] = []
        chat.page.context.route("**/articles?*", lambda route: held.append(route))
        chat.page.locator("#conversation .nearest_sections a", has_text="Coffee").last.click()
        expect(chat.page.locator("#articles .told")).to_have_text("Loading the article …")
        expect(chat.page.locator("#b12qa-said")).to_have_text("Loading the article …")
        box = chat.page.get_by_label("Your question")
        box.focus()
        held[0].continue_()
        expect(chat.page.locator("#articles .place.opened")).to_have_text("Coffee")
        expect(chat.page.locator("#articles .place.opened")).to_be_in_viewport()
        expect(box).to_be_focused()


def test_link_to_an_answer_fetches_the_articles_that_it_names(browser: Browser, shop: Shop) -> None:
    with running(shop):
        with visit(browser, shop.address, contents=False) as chat:
            hrefs = [
                chat.ask(question).locator("a.share").get_attribute("href") or ""
                for question in (STRAW, LEAVES)
            ]
        first, second = (href.removeprefix("#quote=").partition("&")[0] for href in hrefs)
        unknown = re.sub("^mate", "milk", first)
        stands = "This passage stands as it did when the link was made."
        with visit(browser, f"{shop.address}/#quote={first}&{second}", contents=False) as chat:
            expect(chat.page.locator("#reading .from-link")).to_have_text(stands)
            expect(chat.page.locator("#articles .passage.chosen")).to_contain_text("metal straw")
            assert articles(chat.page) == ["mate"]
            assert fetched(chat) == ["name=mate", "name=tea-2"]
            chat.requests[:] = [url for url in chat.requests if not url.startswith(f"{shop.address}/")]
        with visit(browser, f"{shop.address}/#quote={unknown}&{second}", contents=False) as chat:
            expect(chat.page.locator("#reading .from-link")).to_have_text(
                "Passage 1: This passage was edited or removed since the link was made. "
                f"Passage 2: {stands} Other parts of the article have changed."
            )
            assert articles(chat.page) == ["tea-2"]
            chat.complaints.clear()
            chat.requests[:] = [url for url in chat.requests if not url.startswith(f"{shop.address}/")]


def test_an_article_that_is_being_read_stays(browser: Browser, shop: Shop) -> None:
    with running(shop), visit(browser, shop.address, contents=False) as chat:
        chat.ask(STRAW)
        expect(chat.page.locator("#articles .used")).to_have_count(1)
        chat.page.get_by_label("Find in this article").fill("metal")
        expect(chat.page.locator("#reading .count")).to_have_text("Match 1 of 1")
        chat.ask(LEAVES)
        chat.page.wait_for_timeout(500)
        assert articles(chat.page) == ["mate"]


def test_offsets_mark_nothing_in_another_text(browser: Browser, shop: Shop) -> None:
    with running(shop), visit(browser, shop.address, contents=False) as chat:
        chat.ask(STRAW)
        used = chat.page.locator("#articles .used")
        expect(used).to_have_count(1)
        chat.page.get_by_label("Find in this article").fill("metal")  # it is being read, and stays
        expect(chat.page.locator("#reading .count")).to_have_text("Match 1 of 1")
        chat.page.locator("#articles article").evaluate("one => { one.id = 'mate~00000000'; }")
        chat.ask(STRAW)
        expect(used).to_have_count(0)


def test_articles_are_behind_the_password(browser: Browser, shop: Shop) -> None:
    credentials = {"username": "any", "password": "a long password"}
    with (
        running(shop, Settings(password=credentials["password"])),
        visit(browser, shop.address, contents=False, http_credentials=credentials) as chat,
    ):
        chat.ask(STRAW)
        expect(chat.page.locator("#articles .used")).to_have_count(1)


def test_conversation_is_saved_and_printed_without_the_articles(browser: Browser, shop: Shop) -> None:
    with running(shop), visit(browser, shop.address, contents=False) as chat:
        chat.ask(LEAVES)
        expect(chat.page.locator("#articles")).to_contain_text("Wait 3 minutes.")
        with chat.page.expect_download() as download:
            chat.page.get_by_role("button", name="Save this conversation").click()
        saved = Path(download.value.path()).read_text("utf-8")
        assert "Green leaves" in saved
        assert "Wait 3 minutes." not in saved
        chat.page.emulate_media(media="print")
        expect(chat.page.locator("#reading")).to_be_hidden()
