"""The page's words in several languages."""

from __future__ import annotations

import json
import re

import pytest

from b12qa import caution, rendering, safety
from b12qa.answering import ASK_IN_ENGLISH, NEAREST_WORDS
from b12qa.courtesy import load_courtesies
from b12qa.notes import NOT_REVIEWED
from b12qa.redflags import load_red_flags
from b12qa.rendering import Said
from b12qa.web import articles, page, replies
from b12qa.web.texts import LOCALES, Texts, languages, texts_for

FILES = sorted(LOCALES.glob("*.json"))
PHRASES = {path.stem: json.loads(path.read_text("utf-8"))["phrases"] for path in FILES}
TRANSLATED = sorted(set(PHRASES) - {"en"})


def test_page_speaks_english_german_and_spanish() -> None:
    assert [texts.name for texts in languages().values()] == ["English", "Deutsch", "Español"]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_language_has_the_phrases_of_the_english_file_with_the_same_places_to_fill(
    language: str,
) -> None:
    assert list(PHRASES[language]) == list(PHRASES["en"])
    for english, words in PHRASES[language].items():
        assert words.strip()
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", english)), english


def test_every_word_of_ours_is_in_the_files() -> None:
    ours = {
        *rendering.OUTCOME_WORDS.values(),
        *rendering.MORE.values(),
        *rendering.ROLE_WORDS.values(),
        *(f"{words}." for words in rendering.KIND_WORDS.values()),
        *(rendering.NOTE_HEADING, rendering.NOTE_NAME, rendering.ON, rendering.SOURCE, rendering.REVIEWED),
        NOT_REVIEWED.capitalize(),
        *(rendering.FOUND, rendering.TO_FOUND),
        *(rendering.OPEN, rendering.COPY, rendering.LINK, rendering.LITERAL, rendering.FOLLOWING),
        *(rendering.VERSION, rendering.UNREVIEWED),
        *(page.TITLE, page.WELCOME, ASK_IN_ENGLISH, NEAREST_WORDS, page.BEGIN_WITH, safety.IN_EMERGENCY),
        *(safety.WHOM_TO_CALL, safety.WHOM_TO_CONTACT),
        page.NO_SCRIPTS,
        *(page.KEEPS_NOTHING, page.KEEPS_RATED),
        *(page.THUMB_KEPT, page.THUMB_AGAIN, page.THUMB_LOST, page.NOT_RATED),
        *(
            replies.FAULT_WORDS,
            replies.TOO_LONG_WORDS,
            replies.REBUILT_WORDS,
            replies.GONE_WORDS,
            replies.LOST_WORDS,
        ),
        replies.ASKED,
        *(articles.INVITATION, articles.ALL, articles.SHOW_ALL),
        *(
            caution.NO_DOSE,
            caution.NOT_ABOUT_YOU,
            caution.KEEP_MEDICINES,
            caution.TEST_FIRST,
            caution.NO_ANIMAL,
        ),
        *(caution.NO_RESULT, caution.NO_DIAGNOSIS, caution.SEE_SOMEONE, rendering.OUR_WORDS),
        *filter(None, load_courtesies().replies.values()),
        *(safety.DISCLAIMER, safety.ABOUT, safety.TOLD_BEFORE, *safety.LEVEL_WORDS.values()),
    }
    scripts = (LOCALES.parent / "static").glob("*.js")
    for script in scripts:
        code = script.read_text("utf-8")
        ours |= set(re.findall(r'say\("([^"]+)"', code))
        ours |= set(re.findall(r'state(?: =|:) "([^"]+)"', code))
        ours |= set(re.findall(r'className: "[^"]*\bsay",.*?textContent: "([^"]+)"', code))
    assert ours - set(PHRASES["en"]) == set()


@pytest.mark.parametrize("language", TRANSLATED)
def test_care_cards_are_translated_with_the_numbers_of_the_region(language: str) -> None:
    texts = languages()[language]
    for concept in load_red_flags().concepts:
        for region in ("default", "UK", "US"):
            lines = {name: line.number for name, line in safety.help_lines(region).items()}
            said = [texts(words) for words in (concept.title, concept.text)]
            said += [texts(step.format_map(lines)) for step in concept.steps]
            assert {one.language for one in said} == {language}, concept.id
    steps = [texts(step.format_map({"emergency": "999"})).words for step in ("Call {emergency} now.",)]
    assert "999" in steps[0]


def test_phrase_with_a_place_keeps_what_stands_there() -> None:
    texts = Texts("de", "Deutsch", {"No {word} here.": "Hier kein {word}.", "tea": "Tee", "All": "Alle"})
    assert texts("No {x} here.") == Said("Hier kein {x}.", "de")
    assert texts("No tea here.") == Said("Hier kein Tee.", "de")
    assert texts("All") == Said("Alle", "de")


def test_unknown_words_stay_english_and_say_so() -> None:
    assert texts_for("de", None)("The article gives no dose of this.") == Said(
        "The article gives no dose of this.", "en"
    )


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        (None, None, "en"),
        ("de", "es", "de"),
        ("DE-at", None, "de"),
        ("xx", "fr, es;q=0.5, de;q=0.8", "de"),
        (None, "es-MX,es;q=0.9,en;q=0.8", "es"),
        (None, "de;q=0, en", "en"),
        ("../de", "de;q=x", "de"),
        ("", "*", "en"),
    ],
)
def test_language_is_the_one_chosen_or_the_browsers(
    wanted: str | None, accepted: str | None, language: str
) -> None:
    assert texts_for(wanted, accepted).language == language
