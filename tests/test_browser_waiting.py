"""The chat in a real browser while a question waits for its answer, and after the server was out of reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from chromium import CHROMIUM, listening
from conftest import SMALL_TEXT, assistant_for, serving
from playwright.sync_api import Browser, Dialog, Locator, Page, Route, expect
from visiting import PatientAssistant

from b12qa.web.page import build_app
from b12qa.web.replies import LOST_WORDS

expect.set_options(timeout=30_000)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing"),
]

QUESTION = "wait 3 minutes"
NEXT = "is tea a drink"
BACK = "The server is back. Please ask again."


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> PatientAssistant:
    return PatientAssistant(assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea").retriever)


@pytest.fixture(autouse=True)
def _quick(tea: PatientAssistant) -> Iterator[None]:
    tea.may_answer.set()
    tea.calls.clear()
    yield
    tea.may_answer.set()


@contextmanager
def opened(browser: Browser, address: str, *, clock: bool = False) -> Iterator[Page]:
    """The chat on a phone, whose time a test may turn on."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    page = context.new_page()
    if clock:
        page.clock.install()
    page.goto(address)
    expect(page.locator("#reading .contents a").first).to_be_attached()
    yield page
    context.close()


def box(page: Page) -> Locator:
    return page.locator("#question textarea")


def answers(page: Page) -> Locator:
    return page.locator("#conversation .b12qa.answer")


def ask(page: Page, question: str = QUESTION) -> None:
    box(page).fill(question)
    box(page).press("Enter")


def ask_all(page: Page, questions: Sequence[str]) -> None:
    """Each after the answer to the one before it."""
    for number, question in enumerate(questions, 1):
        ask(page, question)
        expect(answers(page)).to_have_count(number)


def start_over(page: Page) -> None:
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Delete all? Press again").click()


# While a question waits.

SAID = """() => {
  window.said = [];
  new MutationObserver(() => {
    const words = document.getElementById("b12qa-said")?.textContent;
    if (words && words !== window.said.at(-1)) window.said.push(words);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def test_question_stands_there_at_once_and_is_said_to_be_looked_up(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        page.evaluate(SAID)
        tea.may_answer.clear()
        ask(page)
        awaiting = page.locator("#conversation .awaiting")
        expect(awaiting.locator(".asked")).to_have_text(QUESTION, timeout=2_000)
        expect(awaiting.locator(".looking")).to_have_text("Looking in the article …")
        expect(awaiting).to_be_in_viewport(ratio=1)
        expect(awaiting.locator(".looking")).to_contain_text("This takes longer")
        page.wait_for_function("window.said.length === 2")
        tea.may_answer.set()
        expect(answers(page)).to_have_count(1)
        expect(awaiting).to_have_count(0)
        said = page.evaluate("window.said")
        assert said[0] == "Looking in the article …"
        assert said[1].startswith("This takes longer than it should.")
        assert said[2].startswith("From the article")


def request(page: Page, held: Sequence[Route], number: int) -> Route:
    """A request that is held back, once the page has sent it."""
    for _ in range(100):
        if len(held) > number:
            break
        page.wait_for_timeout(100)
    return held[number]


def test_question_stands_there_while_the_server_does_not_even_take_it(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        held: list[Route] = []
        page.route("**/queue/join*", lambda route: held.append(route))
        page.locator("#conversation button.ask").first.click()
        example = page.locator("#conversation button.ask").first.text_content() or ""
        expect(page.locator("#conversation .awaiting .asked")).to_have_text(example, timeout=2_000)
        box(page).press_sequentially("is")
        request(page, held, 0).continue_()
        expect(answers(page)).to_have_count(1)
        page.wait_for_timeout(300)
        expect(box(page)).to_be_focused()  # who types keeps the focus
        ask(page, NEXT)  # at once, so that the end of the first does not end the waiting of the next
        page.wait_for_timeout(1500)
        expect(page.locator("#conversation .awaiting .asked")).to_have_text(NEXT, timeout=1_000)
        request(page, held, 1).continue_()
        expect(answers(page)).to_have_count(2)
        expect(page.locator("#conversation .b12qa.question")).to_have_text([example, NEXT])
        expect(page.locator("#conversation .awaiting")).to_have_count(0)


def test_start_over_is_not_undone_by_the_answer_that_was_under_way(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        ask_all(page, [QUESTION])
        tea.may_answer.clear()
        ask(page, NEXT)
        ask(page, "and milk?")  # is to be asked next, and never is
        expect(page.locator("#conversation .awaiting")).to_have_count(2)
        start_over(page)
        tea.may_answer.set()
        expect(page.locator("#conversation .b12qa.welcome")).to_be_visible()
        expect(answers(page)).to_have_count(0)
        tea.calls.clear()
        ask(page)
        expect(answers(page)).to_have_count(1)
        assert tea.calls == [(QUESTION,)]  # after nothing


def test_a_button_that_is_pressed_twice_asks_once(browser: Browser, tea: PatientAssistant) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        tea.may_answer.clear()
        tea.calls.clear()
        page.locator("#conversation button.ask").first.dblclick()
        expect(page.locator("#conversation .awaiting")).to_have_count(1)
        tea.may_answer.set()
        expect(answers(page)).to_have_count(1)
        page.wait_for_timeout(1000)
        expect(answers(page)).to_have_count(1)
        assert len(tea.calls) == 1


def test_blanks_ask_nothing(browser: Browser, tea: PatientAssistant) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        ask(page, "   ")
        ask(page)
        expect(answers(page)).to_have_count(1)
        expect(page.locator("#conversation .b12qa.question")).to_have_text([QUESTION])


def test_what_is_typed_while_waiting_stays_and_can_be_asked_at_once(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        tea.may_answer.clear()
        ask(page)
        expect(page.locator("#conversation .awaiting")).to_be_visible()
        expect(box(page)).to_have_value("")
        box(page).press_sequentially("is tea")
        tea.may_answer.set()
        expect(answers(page)).to_have_count(1)
        page.wait_for_timeout(500)
        expect(box(page)).to_have_value("is tea")
        expect(box(page)).to_be_focused()
        tea.may_answer.clear()
        box(page).press_sequentially(" hot")
        box(page).press("Enter")
        expect(page.locator("#conversation .awaiting")).to_contain_text("is tea hot")
        ask(page, NEXT)  # before the answer to the one before it is there
        expect(box(page)).to_have_value("")
        box(page).press_sequentially("and a half qu")  # is not asked with it
        tea.may_answer.set()
        expect(answers(page)).to_have_count(3)
        expect(box(page)).to_have_value("and a half qu")
        assert tea.calls[-1] == (QUESTION, "is tea hot", NEXT)


def test_what_is_asked_while_another_question_waits_is_asked_after_it_as_it_was_sent(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        example = page.locator("#conversation button.ask").first
        pressed = example.text_content() or ""
        tea.may_answer.clear()
        box(page).fill(QUESTION)
        button = page.locator("#question .submit-button")
        button.click()
        button.click()  # twice, as people do
        example.click()
        ask(page, NEXT)
        ask(page, "is it hot")
        waiting = page.locator("#conversation .awaiting")
        expect(waiting.locator(".asked")).to_have_text([QUESTION, pressed, NEXT, "is it hot"])
        queued = page.locator("#conversation .queued .looking")
        expect(queued).to_have_text(["Will be asked next."] * 3)
        box(page).press_sequentially("hal")
        tea.may_answer.set()
        expect(answers(page)).to_have_count(4)
        questions = [QUESTION, pressed, NEXT, "is it hot"]
        expect(page.locator("#conversation .b12qa.question")).to_have_text(questions)
        expect(waiting).to_have_count(0)
        expect(box(page)).to_have_value("hal")
        assert tea.calls[-1] == tuple(questions)


def test_what_was_to_be_asked_next_is_offered_again_where_there_is_no_answer(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        held: list[Route] = []
        page.route("**/queue/join*", lambda route: held.append(route))
        ask(page)
        ask(page, NEXT)
        request(page, held, 0).fulfill(status=503, json={"detail": "Queue is full."})
        told = page.locator("#asking [role=alert]")
        expect(told).to_be_visible()
        expect(box(page)).to_have_value(QUESTION)
        expect(page.locator("#conversation .awaiting")).to_have_count(0)
        page.unroute("**/queue/join*")
        told.get_by_role("button", name=NEXT).click()
        expect(answers(page)).to_have_count(1)
        assert tea.calls[-1] == (NEXT,)


def test_what_is_typed_stays_where_the_question_before_it_is_refused(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        held: list[Route] = []
        page.route("**/queue/join*", lambda route: held.append(route))
        ask(page)
        expect(page.locator("#conversation .awaiting")).to_be_visible()
        box(page).fill(NEXT)
        request(page, held, 0).fulfill(status=503, json={"detail": "Queue is full."})
        told = page.locator("#asking [role=alert]")
        expect(told).to_be_visible()
        expect(box(page)).to_have_value(NEXT)
        expect(told.get_by_role("button", name=QUESTION)).to_be_visible()


CALL = "In an emergency, call your local emergency number. If you think of harming yourself, contact"
LATE = "The server takes too long, so there is no answer. Wait a little, then ask again."


def check_given_up(page: Page) -> None:
    """It is said, nothing says otherwise, and the question can be asked again."""
    expect(page.locator("#asking [role=alert]")).to_contain_text(f"{LATE} {CALL}")
    expect(page.locator("#conversation .awaiting")).to_have_count(0)
    expect(page.locator("#b12qa-said")).to_have_text("")
    expect(box(page)).to_have_value(QUESTION)


@pytest.mark.parametrize("what", ["join", "data"])
def test_whoever_waits_for_a_server_that_says_nothing_is_told_and_may_ask_again(
    browser: Browser, tea: PatientAssistant, what: str
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address, clock=True) as page:
        held: list[Route] = []
        page.route(f"**/queue/{what}*", lambda route: held.append(route))
        ask(page)
        request(page, held, 0)
        page.clock.fast_forward(9_000)
        expect(page.locator("#conversation .awaiting .looking")).to_contain_text("This takes longer")
        expect(page.locator("#conversation .awaiting .help")).to_contain_text(CALL)
        expect(page.locator("#b12qa-said")).to_contain_text(CALL)
        page.clock.fast_forward(22_000)
        check_given_up(page)
        page.unroute(f"**/queue/{what}*")
        box(page).press("Enter")
        expect(page.locator("#conversation .b12qa.question")).to_have_text([QUESTION])  # once
        expect(page.locator("#asking [role=alert]")).to_have_count(0)


def test_whoever_waits_for_an_answer_that_never_comes_is_told_and_may_ask_again(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address, clock=True) as page:
        tea.may_answer.clear()
        with page.expect_response("**/gradio_api/queue/data*"):
            ask(page)
        page.wait_for_timeout(500)
        page.clock.fast_forward(31_000)  # no word of the server came in that time
        check_given_up(page)
        tea.may_answer.set()
        box(page).press("Enter")
        expect(page.locator("#conversation .b12qa.question")).to_have_text([QUESTION])
        ask(page, QUESTION)  # what was answered and is asked again stands there twice
        expect(page.locator("#conversation .b12qa.question")).to_have_text([QUESTION, QUESTION])


# After the server was out of reach.


def test_whoever_was_offline_goes_on_without_loading_the_page(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        ask(page)
        expect(answers(page)).to_have_count(1)
        page.context.set_offline(True)
        ask(page, NEXT)
        told = page.locator("#asking [role=alert]")
        expect(told).to_contain_text("The server cannot be reached")
        page.wait_for_timeout(500)  # Gradio has its say a little later
        page.context.set_offline(False)
        expect(told).to_have_text(BACK)
        expect(box(page)).to_have_value(NEXT)
        box(page).press("Enter")
        expect(answers(page)).to_have_count(2)
        expect(told).to_have_count(0)
        assert (QUESTION, NEXT) in tea.calls


CHEST = "i have crushing chest pain"


def test_a_server_that_was_started_again_takes_the_conversation_up_where_it_was(
    browser: Browser, tea: PatientAssistant
) -> None:
    with ExitStack() as pages:
        with listening(build_app(serving(tea))) as address:
            port = int(address.rpartition(":")[2])
            page = pages.enter_context(opened(browser, address))
            ask_all(page, (QUESTION, CHEST))
        with listening(build_app(serving(tea)), port):
            ask(page, "what should i do now")
            expect(answers(page)).to_have_count(3)
            shown = page.locator("#conversation .b12qa.question")
            expect(shown).to_have_text([QUESTION, CHEST, "what should i do now"])
            expect(page.locator("#conversation section.care.emergency")).to_have_count(2)
            start_over(page)
            expect(answers(page)).to_have_count(0)
        with listening(build_app(serving(tea)), port):
            ask(page, "what should i do now")
            expect(answers(page)).to_have_count(1)  # what was begun anew stays so
            expect(page.locator("#conversation section.care")).to_have_count(0)


@contextmanager
def started_again(browser: Browser, tea: PatientAssistant, questions: Sequence[str]) -> Iterator[Page]:
    """A page on which something was asked, and whose server was started again since."""
    with ExitStack() as pages:
        with listening(build_app(serving(tea))) as address:
            page = pages.enter_context(opened(browser, address))
            ask_all(page, questions)
        with listening(build_app(serving(tea)), int(address.rpartition(":")[2])):
            yield page


def test_of_a_long_conversation_that_a_server_has_forgotten_the_end_is_answered_again(
    browser: Browser, tea: PatientAssistant
) -> None:
    questions = [f"{QUESTION}, {number}" for number in range(8)]
    with started_again(browser, tea, questions) as page:
        ask(page, NEXT)
        expect(page.locator("#conversation .b12qa.question")).to_have_text([*questions[-6:], NEXT])
        expect(page.locator("#conversation .rebuilt")).to_contain_text("Older answers are gone")
        assert tea.calls[-1] == (*questions[-6:], NEXT)


def test_whoever_waited_while_the_server_ended_goes_on_with_the_next_one(
    browser: Browser, tea: PatientAssistant
) -> None:
    with ExitStack() as pages:  # the page outlives the server
        with listening(build_app(serving(tea))) as address:
            port = int(address.rpartition(":")[2])
            page = pages.enter_context(opened(browser, address))
            tea.may_answer.clear()
            with page.expect_response("**/gradio_api/queue/data*"):
                ask(page)
        told = page.locator("#asking [role=alert]")
        expect(told).to_contain_text("there is no answer")
        tea.may_answer.set()
        for question in (QUESTION, NEXT):
            with listening(build_app(serving(tea)), port):
                ask(page, question)
                expect(page.locator("#conversation .b12qa.question").last).to_have_text(question)
                expect(answers(page).last).to_be_visible()
                expect(told).to_have_count(0)


# After the page was loaded again, as a phone does with one that was out of sight.


def come_back(page: Page) -> None:
    page.reload()
    expect(page.locator("#reading .contents a").first).to_be_attached()


def test_whoever_loads_the_page_again_goes_on_where_they_were(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        ask_all(page, (QUESTION, CHEST))
        for _ in range(2):
            come_back(page)
            shown = page.locator("#conversation .b12qa.question")
            expect(shown).to_have_text([QUESTION, CHEST])
            expect(page.locator("#conversation section.care.emergency")).to_be_in_viewport()
        expect(page.locator("#b12qa-said")).to_contain_text("Emergency: get help now.")
        tea.calls.clear()
        ask(page, NEXT)
        expect(answers(page)).to_have_count(3)
        come_back(page)
        expect(answers(page)).to_have_count(3)
        ask(page, "what should i do now")
        expect(answers(page)).to_have_count(4)
        expect(page.locator("#conversation section.care")).not_to_have_count(0)
        assert tea.calls[0] == (QUESTION, CHEST, NEXT)
        start_over(page)
        expect(answers(page)).to_have_count(0)
        come_back(page)
        page.wait_for_timeout(1000)
        expect(page.locator("#conversation .b12qa.welcome")).to_be_visible()
        ask(page)
        expect(answers(page)).to_have_count(1)
        assert tea.calls[-1] == (QUESTION,)


def test_nobody_else_comes_back_to_a_conversation(browser: Browser, tea: PatientAssistant) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        ask_all(page, [QUESTION])
        other = page.context.new_page()
        other.goto(address)
        page.goto("about:blank")
        page.goto(address)  # typed anew
        for fresh in (page, other):
            expect(fresh.locator("#reading .contents a").first).to_be_attached()
            fresh.wait_for_timeout(1000)
            expect(fresh.locator("#conversation .b12qa.welcome")).to_be_visible()


def test_what_is_asked_before_the_conversation_is_back_is_asked_after_it(
    browser: Browser, tea: PatientAssistant
) -> None:
    with listening(build_app(serving(tea))) as address, opened(browser, address) as page:
        ask_all(page, [QUESTION])
        held: list[Route] = []
        page.route("**/queue/join*", lambda route: held.append(route))
        come_back(page)
        back = request(page, held, 0)
        ask(page, NEXT)
        expect(page.locator("#conversation .queued .looking")).to_have_text("Will be asked next.")
        back.continue_()
        request(page, held, 1).continue_()
        expect(page.locator("#conversation .b12qa.question")).to_have_text([QUESTION, NEXT])
        assert tea.calls[-1] == (QUESTION, NEXT)
        # What is begun anew before it is back does not come back, and what is asked meanwhile is asked then.
        come_back(page)
        back = request(page, held, 2)
        before = page.evaluate("history.state")
        start_over(page)
        ask(page, "is it hot")
        back.continue_()
        request(page, held, 3).continue_()
        request(page, held, 4).continue_()
        expect(page.locator("#conversation .b12qa.question")).to_have_text(["is it hot"])
        assert ("is it hot",) in tea.calls
        page.unroute("**/queue/join*")
        page.evaluate("state => history.replaceState(state, '')", before)
        come_back(page)
        page.wait_for_timeout(1000)
        # The server has forgotten it too.
        expect(page.locator("#conversation .b12qa.welcome")).to_be_visible()


def test_a_page_that_comes_back_after_the_server_was_started_again_begins_anew(
    browser: Browser, tea: PatientAssistant
) -> None:
    with started_again(browser, tea, [QUESTION]) as page:
        box(page).press_sequentially("is it")  # a draft is kept nowhere, so the browser asks first
        asked = []

        def leave(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.accept()

        page.once("dialog", leave)
        come_back(page)
        assert asked == ["beforeunload"]
        expect(page.locator("#conversation .rebuilt")).to_have_text(LOST_WORDS)
        expect(page.locator("#b12qa-said")).to_have_text(LOST_WORDS)
        page.get_by_role("button", name="Deutsch").click()
        expect(page.locator("#conversation .rebuilt")).to_contain_text(
            "kann nicht noch einmal gezeigt werden"
        )
        ask(page, NEXT)
        expect(answers(page)).to_have_count(1)
        expect(page.locator("#conversation .rebuilt")).to_have_count(0)
        assert tea.calls[-1] == (NEXT,)
