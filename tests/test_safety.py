from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import SMALL_TEXT, HashingEncoder
from reading_grade import grade

from b12qa import answering, rendering, safety
from b12qa.answering import Assistant
from b12qa.cli import app
from b12qa.errors import QueryError, YamlError
from b12qa.records import CareLevel, NoticeKind, Outcome
from b12qa.redflags import load_red_flags
from b12qa.safety import DISCLAIMER, care_card, care_card_and_about, care_notice, help_lines
from b12qa.web import replies, server

MAX_GRADE = 6
CHEST = "I have chest pain, is it B12?"
SORE = "the ulcer on my ankle won't heal"  # level soon


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    folder = tmp_path_factory.mktemp("tea")
    (folder / "corpus").mkdir()
    (folder / "corpus" / "tea.md").write_bytes(SMALL_TEXT.encode())
    with pytest.MonkeyPatch.context() as patch:
        for function in ("find_model", "load_encoder"):
            patch.setattr(answering, function, lambda *_, **__: HashingEncoder())
        return Assistant.load(folder / "index", build=True)


@pytest.fixture(autouse=True)
def no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(safety.REGION_VARIABLE, raising=False)


# Plain words.


def test_the_grade_of_a_text_is_measured_as_it_is_defined() -> None:
    assert grade("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    assert grade("Neuropathy necessitates individualised pharmacological evaluation.") > 20


@pytest.mark.parametrize("region", sorted(safety.load_regions()))
def test_cards_can_be_read_by_almost_everybody(region: str) -> None:
    grades = {}
    for concept in load_red_flags().concepts:
        card = care_card(concept.match[0], region=region)
        assert card is not None
        grades[concept.id] = grade("\n".join([card.title, card.text, *card.steps]))
    assert {name: round(g, 1) for name, g in grades.items() if g > MAX_GRADE} == {}


def test_our_own_words_can_be_read_by_almost_everybody() -> None:
    assert grade(DISCLAIMER) <= MAX_GRADE
    assert grade(safety.ABOUT) <= MAX_GRADE


def test_the_disclaimer_says_what_this_is_what_it_is_not_and_what_to_do() -> None:
    parts = (safety.WHAT_THIS_IS, safety.WHAT_IT_IS_NOT, safety.WHAT_TO_DO)
    assert " ".join(parts) == DISCLAIMER
    assert "machine" in parts[0]
    assert "what an article says" in parts[0]
    for word in ("not a person", "no advice", "no diagnosis"):
        assert word in parts[1]
    for word in ("pharmacist", "doctor", "emergency number"):
        assert word in parts[2]


# Cards.


def test_a_card_names_its_level_its_steps_and_whom_to_call() -> None:
    card = care_card(CHEST, region="UK")
    assert card is not None
    assert (card.level, card.concept) == (CareLevel.EMERGENCY, "chest-pain")
    assert card.steps[0] == "Call 999 now if you have chest pain, tightness or pressure."
    assert [(line.name, line.number) for line in card.numbers] == [("emergency", "999")]
    assert "NHS: Chest pain" in card.source
    assert care_notice(card).kind is NoticeKind.CARE
    assert care_notice(card).text.startswith("Emergency: get help now\nChest pain can be an emergency\n")


@pytest.mark.parametrize(
    ("region", "question", "shown"),
    [
        ("UK", CHEST, "Call 999 now"),
        ("gb", CHEST, "Call 999 now"),
        ("UK", "my left calf is swollen and hot", "call NHS 111 now"),
        ("US", CHEST, "Call 911 now"),
        ("US", "I took too many pills", "call Poison Help on 1-800-222-1222 now"),
        ("US", "I want to die", "contact the 988 Lifeline"),
        ("CA", "I want to die", "9-8-8"),
        ("AU", CHEST, "Call 000 now"),
        ("AU", "I want to die", "Lifeline on 13 11 14"),
        ("NZ", CHEST, "Call 111 now"),
        ("IE", CHEST, "Call 112 or 999 now"),
        ("IN", CHEST, "Call 112 now"),
        ("EU", CHEST, "Call 112 now"),
        (None, CHEST, "Call your local emergency number now"),
        (None, "I want to die", "a crisis line in your country"),
    ],
)
def test_numbers_are_those_of_the_region(region: str | None, question: str, shown: str) -> None:
    card = care_card(question, region=region)
    assert card is not None
    assert shown in " ".join(card.steps)


def test_the_region_is_a_setting_and_a_wrong_one_hides_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(safety.REGION_VARIABLE, "us")
    assert help_lines()["emergency"].number == "911"
    monkeypatch.setenv(safety.REGION_VARIABLE, "Mars")
    with pytest.raises(QueryError, match=r"Expected one of AU, .* as region, got 'Mars'\. Set B12QA_REGION"):
        help_lines()
    card = care_card(CHEST)
    assert card is not None
    assert "your local emergency number" in card.steps[0]


def test_the_chat_does_not_start_with_a_wrong_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(safety.REGION_VARIABLE, "Mars")
    with pytest.raises(QueryError, match="got 'Mars'"):
        server.serve(index=tmp_path / "nothing here", port=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"- x", "regions.yaml:1: expected regions by name here"),
        (
            b"UK:\n  name: x\n",
            "regions.yaml:2: expected advice, crisis, emergency, name and poison here",
        ),
        (
            b"Mars: {name: Mars, advice: a, crisis: c, emergency: e, poison: p}\n",
            f"regions.yaml:1: no region is named {safety.DEFAULT_REGION!r}. Add it.",
        ),
    ],
)
def test_a_mistake_in_the_regions_is_named_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        safety.read_regions(data, "regions.yaml")
    assert str(caught.value).startswith(message)


def test_rules_and_regions_are_read_without_index_model_and_network(tmp_path: Path) -> None:
    code = (
        "import sys; from b12qa.safety import care_card; print(care_card('I cannot breathe').concept);"
        "print(sorted({'faiss', 'torch', 'sentence_transformers', 'socket'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["breathlessness", "[]"]


# Who is speaking.


@pytest.mark.parametrize(
    "question",
    [
        "Are you a doctor?",
        "are you a real doctor",
        "r u human",
        "am I talking to a human?",
        "Am I speaking with a nurse?",
        "is this a real person?",
        "are you chatgpt",
        "are you an AI",
        "is this an ai?",
        "are you a bot or a person?",
        "who am I talking to?",
        "who are you?",
        "what are you",
        "hello, who is this?",
        "Is there a human on the other end, is anyone there?",
        "are you medically qualified?",
        "do you have a medical degree",
        "is someone reading this",
        "are u a robot",
        "is it a machine that answers?",
        "Are you a language model?",
        "are you real?",
        "you are not a doctor, are you?",
        "arE yOu a PhArMaCiSt",
        "who made this?",
        "who built this page",
        "who is behind this site",
        "which company made you",
        "who programmed you",
        "what is this site?",
        "what model are you",
        "do you use AI?",
        "does chatgpt write this",
        "is this the NHS",
        "are you from the hospital",
        "what's your name",
        "can i talk to a real person",
        "is a human reading my messages",
        "are these answers written by a human",
        "did a doctor write these answers?",
        "did a doctor check this",
        "is anybody checking these answers",
        "who checks what you say",
        "is there a doctor here",
        "do you make things up",
        "can I trust you",
        "how do you know all this",
        "is this chat automated",
        "u real?",
        "whos replying to me",
    ],
)
def test_who_asks_for_a_person_is_told_that_this_is_a_machine(question: str, tea: Assistant) -> None:
    answer = tea.ask(question)
    assert [notice.kind for notice in answer.notices] == [NoticeKind.ABOUT, NoticeKind.DISCLAIMER]
    assert answer.quotes == ()
    assert "This is a machine, not a person, and not a doctor" in answer.notices[0].text
    assert "No doctor checks" in answer.notices[0].text


@pytest.mark.parametrize(
    "question",
    [
        "what does my doctor need to know?",
        "Should I ask a nurse for the injection?",
        "how do I talk to a doctor about this?",
        "is this safe for humans?",
        "can a person live without B12?",
        "who should take B12?",
        "is this dose OK for a person of 80?",
        "who wrote the article",
        "what are you supposed to eat",
        "how does this work on nerves",
        "did a doctor run the trial",
        "can I trust the evidence",
        "is the nasal spray approved by the NHS",
        "should someone with diabetes ask a real doctor about tablets?",
    ],
)
def test_a_question_that_names_a_person_is_answered(question: str) -> None:
    _, about = care_card_and_about(question)
    assert about is None


# Before everything else.


def test_an_emergency_is_answered_with_its_card_and_nothing_is_searched(tea: Assistant) -> None:
    answer = tea.ask(CHEST)
    assert answer.outcome is Outcome.URGENT
    assert (answer.query, answer.quotes, answer.confidence) == ("", (), 0.0)
    assert [notice.kind for notice in answer.notices] == [NoticeKind.CARE, NoticeKind.DISCLAIMER]
    assert answer.care_card == care_card(CHEST)


def test_what_should_be_seen_soon_comes_before_the_normal_answer(tea: Assistant) -> None:
    answer = tea.ask(f"{SORE}. How hot is the water?")
    assert answer.care_card is not None
    assert answer.care_card.level is CareLevel.SOON
    assert answer.outcome is not Outcome.URGENT
    assert answer.notices[0].kind is NoticeKind.CARE
    assert answer.query


def test_a_red_flag_after_400_harmless_words_is_met(tea: Assistant) -> None:
    answer = tea.ask(
        "I like tea and my cat sleeps. " * 60 + "Since this morning my chest hurts. How long to brew?"
    )
    assert answer.outcome is Outcome.URGENT


def test_an_earlier_red_flag_still_counts_for_what_hangs_on_it(tea: Assistant) -> None:
    assert tea.ask("should i take b12 for it", ["I have chest pain"]).outcome is Outcome.URGENT
    # Twice more, whatever is asked; then no longer.
    assert tea.ask("how long does black tea brew?", ["I have chest pain"]).outcome is Outcome.URGENT
    asked = ["I have chest pain", "how long does black tea brew?"]
    assert tea.ask("is green tea from the same plant?", asked).outcome is Outcome.URGENT
    asked.append("is green tea from the same plant?")
    assert tea.ask("and white tea?", asked).care_card is None


# On every surface.


def test_a_card_has_a_region_of_its_own_before_the_rest(tea: Assistant) -> None:
    html = rendering.answer_html(tea.ask(CHEST))
    assert '<section class="care emergency" aria-label="Emergency: get help now"><div role="alert">' in html
    assert html.index("<section") < html.index("notice disclaimer")
    assert html.count("Chest pain can be an emergency") == 1
    soon = rendering.answer_html(tea.ask(SORE))
    assert soon.index('class="care soon"') < soon.index('class="outcome"')


def test_a_card_is_shown_in_a_terminal_and_in_a_notebook(tea: Assistant) -> None:
    answer = tea.ask(CHEST)
    assert str(answer).startswith(
        "Get help first\n\nEmergency: get help now\nChest pain can be an emergency\n"
    )
    assert 'class="care emergency"' in answer._repr_html_()
    assert json.loads(json.dumps(answer.to_dict()))["care_card"]["concept"] == "chest-pain"


def test_a_fault_hides_no_card(tea: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Assistant, "ask_with_more", fail)
    html = replies.turn_for(tea, CHEST, []).reply
    assert html.index('class="care emergency"') < html.index(replies.FAULT_WORDS)
    assert "care" not in replies.turn_for(tea, "Wait 3 minutes.", []).reply
    assert 'class="care emergency"' in replies.turn_for(tea, "is it bad?", [CHEST]).reply


def test_a_message_too_long_to_be_searched_is_read_for_red_flags() -> None:
    long = "I like tea. " * 60 + CHEST
    html = replies.refused(long).reply
    assert html.index('class="care emergency"') < html.index("Too long")
    assert "care" not in replies.refused("I like tea. " * 60).reply


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_line_shows_the_card_where_there_is_no_index(tmp_path: Path, as_json: bool) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "tea.md").write_text(SMALL_TEXT)
    arguments = ["ask", CHEST, "--index", str(tmp_path / "index"), *(["--json"] if as_json else [])]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    place = result.stderr if as_json else result.stdout
    assert "Chest pain can be an emergency" in place
    assert "no diagnosis" in " ".join(place.split())
    assert result.stdout == "" or not as_json
    assert "b12qa build" in result.stderr
    assert "emergency" not in CliRunner().invoke(app, ["ask", "tea?", *arguments[2:]]).stdout


QUESTIONS = {
    "urgent": CHEST,
    "soon": SORE,
    "about": "are you a doctor?",
    "answered": "Wait 3 minutes.",
    "not covered": "zebra",
    "no words": "?!",
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_the_disclaimer_is_on_every_outcome_of_every_surface(question: str, tea: Assistant) -> None:
    answer = tea.ask(question)
    assert answer.notices[-1] == safety.disclaimer()
    assert DISCLAIMER in json.dumps(answer.to_dict(), ensure_ascii=False)
    assert str(answer).endswith(DISCLAIMER)
    for turn in (replies.turn_for(tea, question, []), replies.refused(question)):
        assert DISCLAIMER in turn.reply
        assert DISCLAIMER in turn.unlinked
    assert DISCLAIMER in answer._repr_html_()


def test_card_for_what_was_told_before_says_so() -> None:
    chest = "I have crushing chest pain right now"
    told = {text: care_card(text, [chest]) for text in ("is it bad?", chest)}
    assert {text: card and card.told_before for text, card in told.items()} == {
        "is it bad?": True,
        chest: False,
    }
    again = told["is it bad?"]
    assert again is not None
    assert care_notice(again).text.endswith(f"\n{safety.TOLD_BEFORE}")
    assert safety.TOLD_BEFORE in rendering.care_html(again)
