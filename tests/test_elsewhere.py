"""Messages in the other languages of the page: what they tell of, and that they are known as such."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SMALL_TEXT, assistant_for

from b12qa.answering import ASK_IN_ENGLISH
from b12qa.elsewhere import load_elsewhere, read_elsewhere
from b12qa.errors import YamlError
from b12qa.records import CareLevel, NoticeKind, Outcome
from b12qa.redflags import load_red_flags
from b12qa.rendering import answer_html
from b12qa.safety import care_card
from b12qa.web.texts import ENGLISH, languages

ELSEWHERE = load_elsewhere()
FIXTURES = Path(__file__).parent / "fixtures"
FILE = """\
xx:
  words: [für]
  emergency: Hilfe!
  ask: Auf Englisch!
  not: [kein]
  flags:
    chest-pain: [brust tut weh]
"""


@pytest.mark.parametrize(
    ("message", "concept"),
    [
        ("Ich habe Brustschmerzen", "chest-pain"),
        ("seit einer stunde druck auf der brust und übelkeit", "chest-pain"),
        ("Ich habe keine Brustschmerzen, nur kalte Füße", None),
        ("ich krieg keine luft", "breathlessness"),
        ("meine Mutter ist nicht ansprechbar!!", "person-in-danger"),
        ("Mein Fuß ist kalt und weiß", "bad-circulation"),
        ("mein fuss ist kalt und weiss", "bad-circulation"),
        ("ploetzlich blind auf einem Auge", "fast-weakness"),
        ("ich will nicht mehr leben", "self-harm"),
        ("ist das ein Schlaganfall?", "stroke"),
        ("Warum sind meine Füße taub?", None),
        ("Druck seit einer Stunde auf meiner Brust", "chest-pain"),  # words between
        ("die Wunde am Fuß ist vereitert, eitert stark", "infected-wound"),
        ("me duele mucho el pecho", "chest-pain"),
        ("no tengo dolor en el pecho", None),
        ("No puedo respirar", "breathlessness"),
        ("se me cierra la garganta después de la inyección", "allergic-reaction"),
        ("mi hijo se tragó las pastillas", "overdose"),
        ("quiero morirme", "self-harm"),
        ("¿Por qué tengo los pies dormidos?", None),
        ("a mi madre se le torció de repente la boca", "stroke"),
    ],
)
def test_red_flags_in_other_languages_of_the_page_get_their_card(message: str, concept: str | None) -> None:
    card = care_card(message)
    assert (card.concept if card else None) == concept


@pytest.mark.parametrize(
    ("message", "concepts"),
    [
        ("Druck auf der Brust", {"chest-pain"}),
        ("Druck habe ich keinen auf der Brust", set()),
        ("Druck auf der Arbeit und zu Hause und auch sonst, Brust frei", set()),  # too far
        ("la lengua hinchada", {"allergic-reaction"}),
        ("la lengua no está hinchada", set()),
        ("wunde eitrig", set()),
        ("wunde eiternd", {"infected-wound"}),
    ],
)
def test_words_may_stand_in_a_gap_of_a_phrase_unless_they_deny_it(message: str, concepts: set[str]) -> None:
    assert ELSEWHERE.flags_in(message) == concepts


def test_an_emergency_counts_once_more_and_then_no_longer() -> None:
    history = ["me duele el pecho"]
    assert care_card("¿es grave?", history) is not None
    assert care_card("¿y ahora?", [*history, "¿es grave?"]) is None
    assert care_card("¿es grave?", ["herida infectada"]) is None  # not an emergency


def test_what_is_told_in_two_languages_gets_the_more_severe_card() -> None:
    card = care_card("my wound is infected and hot, y no puedo respirar")
    assert card is not None
    assert card.concept == "breathlessness"


def test_every_language_of_the_page_has_phrases_for_every_emergency() -> None:
    assert set(ELSEWHERE.languages) == set(languages()) - {ENGLISH}
    concepts = {concept.id: concept.level.value for concept in load_red_flags().concepts}
    for language in ELSEWHERE.languages.values():
        told = {concept for of_word in language.phrases.values() for _, concept in of_word}
        assert told <= set(concepts)
        assert {name for name, level in concepts.items() if level == "emergency"} <= told


def test_english_is_taken_for_no_other_language() -> None:
    lines = [
        line
        for file in ("harmless-others.txt", "harmless.txt", "red-flags-others.txt", "red-flags.txt")
        for line in (FIXTURES / file).read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert len(lines) > 20_000
    taken = [line for line in lines if ELSEWHERE.language_of(line)]
    assert len(taken) <= 3, taken  # they are German or Spanish in part
    others = [line for line in lines if ELSEWHERE.is_another(line)]
    assert len(others) <= 7, others  # French, Polish and Portuguese


@pytest.mark.parametrize(
    ("message", "language"),
    [
        ("Welche Lebensmittel enthalten B12?", "de"),
        ("Welche Nebenwirkungen hat B12?", "de"),
        ("Nebenwirkungen?", "de"),
        ("Ist B12 sicher?", "de"),
        ("Wirkt B12 bei Neuropathie?", "de"),
        ("efectos secundarios", "es"),
        ("me hormiguean los pies", "es"),
        ("¿Es segura la B12?", "es"),
        ("alimentos con b12", "es"),
        ("metformin", ""),
        ("B12 dosage", ""),
        ("vitamin B12 symptoms", ""),
        ("sublingual?", ""),
    ],
)
def test_short_questions_are_known_by_their_language(message: str, language: str) -> None:
    assert ELSEWHERE.language_of(message) == language


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("у меня болит грудь", True),
        ("我胸口很痛", True),
        ("J'ai mal à la poitrine et je ne peux pas respirer", True),
        ("quelle est la meilleure forme", True),
        ("minha mãe não consegue respirar", True),
        ("nie mogę oddychać", True),  # "nie" is German as well
        ("B12 vitamini nedir", True),
        ("Welche Lebensmittel enthalten B12?", False),
        ("metformin", False),
        ("ｃｈｅｓｔ ｐａｉｎ", False),
        ("сhest pаin", False),
        ("💊?", False),
    ],
)
def test_other_languages_are_told_from_english(message: str, expected: bool) -> None:
    assert ELSEWHERE.is_another(message) is expected
    if expected:
        assert not ELSEWHERE.language_of(message)


def test_whoever_writes_in_another_language_is_told_whom_to_call_and_to_ask_in_english(
    tmp_path: Path,
) -> None:
    answer = assistant_for(SMALL_TEXT, tmp_path, "tea").ask("у меня болит грудь")
    call, ask, *_ = answer.notices
    assert call.text.endswith("In an emergency, call your local emergency number.")
    assert ask.text == ASK_IN_ENGLISH
    assert (answer.outcome, answer.quotes) == (Outcome.NOT_COVERED, ())


def test_a_wrong_region_keeps_nobody_from_being_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B12QA_REGION", "nowhere")
    call, *_ = assistant_for(SMALL_TEXT, tmp_path, "tea").ask("у меня болит грудь").notices
    assert call.text.endswith("In an emergency, call your local emergency number.")


def test_messages_by_another_hand_are_known_by_their_language() -> None:
    lines = (Path(__file__).parents[1] / "evals" / "elsewhere.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 60
    assert sum(ELSEWHERE.language_of(row["message"]) == row["language"] for row in rows) >= 58


def test_half_of_the_dangers_by_another_hand_have_a_card_and_few_other_messages() -> None:
    """For counting: nothing is learnt from them."""
    lines = (Path(__file__).parents[1] / "evals" / "elsewhere-second.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    cards = [(row["label"], care_card(row["message"])) for row in rows]
    carded = [label for label, card in cards if card and card.level is not CareLevel.SOON]
    assert len(rows) == 260
    assert carded.count("urgent") >= 70
    assert carded.count("harmless") <= 4


def test_a_question_in_another_language_is_told_to_ask_in_english(tmp_path: Path) -> None:
    tea = assistant_for(SMALL_TEXT, tmp_path, "tea")
    answer = tea.ask("Wie lange soll ich warten?")
    assert answer.outcome is Outcome.NOT_COVERED
    told = [notice.text for notice in answer.notices if notice.kind is NoticeKind.ABOUT]
    german = ELSEWHERE.languages["de"]
    assert told == [german.emergency, german.ask]
    assert f'<p lang="de">{german.ask}</p>' in answer_html(answer)
    assert answer.query == ""  # no word of it is mended into English
    assert tea.ask("Wie lange soll ich warten?", literal=True).query


def test_a_document_in_another_language_is_searched_in_it(tmp_path: Path) -> None:
    tea = assistant_for(f"---\nlanguage: de\n---\n{SMALL_TEXT}", tmp_path, "tea")
    assert tea.ask("Wie lange soll ich warten?").query


@pytest.mark.parametrize(
    ("wrong", "by", "message"),
    [
        (FILE, "- a\n", r"f.yaml:1: expected languages by tag here"),
        ("    chest-pain: [brust tut weh]", "    - brust", r"f.yaml:7: expected phrases by concept here"),
        ("  not: [kein]\n", "", r"f.yaml:2: expected ask, emergency, flags, not and words here"),
    ],
)
def test_a_file_of_another_form_is_refused_by_line(wrong: str, by: str, message: str) -> None:
    assert read_elsewhere(FILE.encode(), "f.yaml")["xx"]["words"] == ["fuer", "fur"]
    with pytest.raises(YamlError, match=message):
        read_elsewhere(FILE.replace(wrong, by).encode(), "f.yaml")
