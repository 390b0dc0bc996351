"""Every outcome of every surface carries the disclaimer, and our own words are easy to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import SMALL_TEXT, HashingEncoder
from reading_grade import grade

from b12qa import answering, caution, rendering, safety
from b12qa.answering import Assistant
from b12qa.cli import app
from b12qa.courtesy import load_courtesies
from b12qa.errors import DamagedIndexError
from b12qa.records import NoticeKind, Outcome
from b12qa.web import desk, page, problems, programs, replies
from b12qa.web.mcp import _refusal_words
from b12qa.web.programs import AskRequest, SearchRequest
from b12qa.web.texts import texts_for

MAX_GRADE = 6
WARNINGS = """
## Warnings

Tea keeps some people awake. Hot tea can hurt your mouth.
"""
NOTES = "warnings:\n- Warnings\n"
QUESTIONS = {
    "answered": "Wait 3 minutes.",
    "related": "should I take the tea tablets for my kidneys",
    "not covered": "zebra",
    "urgent": "I have chest pain, is it tea?",
    "soon": "the ulcer on my ankle won't heal",
    "about": "are you a doctor?",
    "no words": "?!",
    "empty": "",
    "personal": "how much tea should I take? I am pregnant",
    "with a medicine": "can I take tea tablets with warfarin",
    "treatment": "are tea tablets safe?",
}


def tea_at(folder: Path, text: str = SMALL_TEXT + WARNINGS, notes: str = NOTES) -> Assistant:
    (folder / "corpus").mkdir()
    (folder / "corpus" / "tea.md").write_text(text)
    if notes:
        (folder / "corpus" / "tea.notes.yaml").write_text(notes)
    with pytest.MonkeyPatch.context() as patch:
        for function in ("find_model", "load_encoder"):
            patch.setattr(answering, function, lambda *_, **__: HashingEncoder(dimension=1024))
        return Assistant.load(folder / "index", build=True)


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return tea_at(tmp_path_factory.mktemp("tea"))


def through_the_command_line(*options: str) -> Callable[[Assistant, str], str]:
    def shown(tea: Assistant, question: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("b12qa.cli._load", lambda *_: tea)
            result = CliRunner().invoke(app, ["ask", *options, "--", question])
        assert result.exit_code == 0
        return " ".join(result.stdout.split())

    return shown


def over_mcp(tea: Assistant, question: str) -> str:
    return json.dumps(programs.ask(tea, AskRequest(question=question)), ensure_ascii=False)


SURFACES: dict[str, Callable[[Assistant, str], str]] = {
    "text": lambda tea, question: str(tea.ask(question)),
    "notebook": lambda tea, question: tea.ask(question)._repr_html_(),
    "JSON": lambda tea, question: json.dumps(tea.ask(question).to_dict(), ensure_ascii=False),
    "command line": through_the_command_line(),
    "command line, JSON": through_the_command_line("--json"),
    "chat": lambda tea, question: replies.turn_for(tea, question, []).reply,
    "chat after a rebuild": lambda tea, question: replies.turn_for(tea, question, []).unlinked,
    "chat, too long": lambda tea, question: replies.refused(question * 600).reply,
    "HTTP and MCP": over_mcp,
    "search for programs": lambda tea, question: str(
        programs.search(tea, SearchRequest(question=question or "x"))
    ),
    "search in a notebook": lambda tea, question: tea.search(question)._repr_html_(),
    "search as text": lambda tea, question: str(tea.search(question)),
}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("outcome", QUESTIONS)
def test_the_disclaimer_is_on_every_outcome_of_every_surface(
    outcome: str, surface: str, tea: Assistant
) -> None:
    shown = SURFACES[surface](tea, QUESTIONS[outcome])
    for part in (safety.WHAT_THIS_IS, safety.WHAT_IT_IS_NOT, safety.WHAT_TO_DO):
        assert part in shown


def test_the_outcomes_are_what_their_names_say(tea: Assistant) -> None:
    found = {name: tea.ask(question) for name, question in QUESTIONS.items()}
    kinds = {name: {notice.kind for notice in answer.notices} for name, answer in found.items()}
    assert found["answered"].outcome is Outcome.ANSWERED
    assert found["related"].outcome is Outcome.RELATED
    assert found["not covered"].outcome is Outcome.NOT_COVERED
    assert found["urgent"].outcome is Outcome.URGENT
    assert found["soon"].care_card is not None
    assert NoticeKind.ABOUT in kinds["about"]
    assert NoticeKind.PERSONAL in kinds["personal"]
    assert NoticeKind.MEDICINE in kinds["with a medicine"]
    assert all(list(answer.notices)[-1] == safety.disclaimer() for answer in found.values())


# What goes wrong.


def failing(*_: object, **__: object) -> Any:
    raise DamagedIndexError("The index is damaged. Run: b12qa build")


def test_a_fault_in_the_chat_carries_it(tea: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Assistant, "ask", failing)
    assert safety.DISCLAIMER in replies.turn_for(tea, "Wait 3 minutes.", []).reply


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_fault_on_the_command_line_carries_it(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b12qa.cli._load", failing)
    result = CliRunner().invoke(app, ["ask", "how long?", *options])
    assert result.exit_code == 2
    assert safety.DISCLAIMER in " ".join(result.stderr.split())
    assert "The index is damaged" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, 503])
def test_a_refusal_over_http_carries_it(status: int) -> None:
    body = json.loads(bytes(problems.problem(status, "No.").body))
    assert body["disclaimer"] == safety.DISCLAIMER


def test_a_refusal_over_mcp_carries_it() -> None:
    assert _refusal_words(desk.Refusal(503, problems.BUSY_WORDS, None)).endswith(safety.DISCLAIMER)


# First contact.


def test_first_contact_says_that_it_is_automated_and_what_the_article_is(
    tea: Assistant, tmp_path: Path
) -> None:
    introduced = rendering.introduction(tea.documents)
    assert introduced == (
        "The answers are automated. They quote: Tea. This article gives no author, date or source."
    )
    assert introduced in through_the_command_line()(tea, "zebra")
    for shown in (tea._repr_html_(), str(tea)):
        assert introduced in shown
        assert safety.DISCLAIMER in shown
    header = page.served_by(tea).header(texts_for(None, None))
    for words in ("Tea", "This article gives no author, date or source.", safety.DISCLAIMER):
        assert words in header
    reviewed = tea_at(tmp_path, "---\nreviewed: 2025-03-01\n---\n" + SMALL_TEXT, notes="")
    assert "Reviewed: 1 March 2025" in rendering.introduction(reviewed.documents)


def test_several_articles_are_introduced_by_their_titles(tea: Assistant) -> None:
    assert rendering.introduction(tea.documents * 6).endswith(
        "They quote: Tea; Tea; Tea; Tea; and 2 more. These articles give no author, date or source."
    )


# Plain words.


def our_words() -> dict[str, str]:
    named = {
        safety: ("DISCLAIMER", "ABOUT"),
        caution: (
            "NO_DOSE",
            "NOT_ABOUT_YOU",
            "KEEP_MEDICINES",
            "TEST_FIRST",
            "NO_RESULT",
            "NO_DIAGNOSIS",
            "SEE_SOMEONE",
        ),
        answering: ("HELD_BACK", "ASK_IN_ENGLISH"),
        rendering: ("NOTE_HEADING", "UNREVIEWED"),
        replies: ("FAULT_WORDS", "LOST_WORDS", "REBUILT_WORDS", "TOO_LONG_WORDS"),
        page: ("WELCOME", "KEEPS_NOTHING", "KEEPS_RATED"),
        problems: ("PROGRAM_FAULT_WORDS", "BUSY_WORDS"),
        desk: ("FORM_WORDS",),
    }
    words = {f"{m.__name__}.{n}": getattr(m, n) for m, names in named.items() for n in names}
    words |= {f"courtesy {said}": reply for said, reply in load_courtesies().replies.items() if reply}
    for table in (rendering.OUTCOME_WORDS, rendering.ROLE_WORDS, rendering.KIND_WORDS, safety.LEVEL_WORDS):
        words |= {f"{key}": f"{text}." for key, text in table.items()}
    return words


def test_our_own_words_can_be_read_by_almost_everybody() -> None:
    hard = {name: round(grade(text), 1) for name, text in our_words().items() if grade(text) > MAX_GRADE}
    # Labels of a few words have no grade worth the name.
    assert {name: g for name, g in hard.items() if len(our_words()[name].split()) > 6} == {}


def test_notices_of_an_answer_can_be_read_by_almost_everybody(tea: Assistant) -> None:
    for question in QUESTIONS.values():
        # Together: a line that only repeats a hard word of the question has no grade worth the name.
        words = "\n".join(notice.text for notice in tea.ask(question).notices)
        assert grade(words) <= MAX_GRADE, words


def test_an_answer_is_not_flooded_with_notices(tea: Assistant) -> None:
    elsewhere = (NoticeKind.CARE, NoticeKind.DISCLAIMER)
    for question in QUESTIONS.values():
        assert len([n for n in tea.ask(question).notices if n.kind not in elsewhere]) <= 4
