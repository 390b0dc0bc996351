"""What a question on treatment brings along, and what a person is not told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from conftest import HashingEncoder

from b12qa import caution
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import Corpus, parse_document
from b12qa.index import open_index
from b12qa.records import Answer, NoticeKind, Outcome, Quote, QuoteRole
from b12qa.retrieval import Retriever
from b12qa.treatment import Asked, load_rules, names_dose

FIXTURES = Path(__file__).parent / "fixtures"
WARNINGS = "Contraindications and warnings"
TONIC = """# Tonic

## Doses

Adults take 20 mg of the tonic daily. The tonic tablets are small and round.

## Warnings

People with gout should not take the tonic. The tonic weakens warfarin.

Tablets of the tonic may upset an empty stomach.

Never take the tonic at night. It keeps many awake.

## Taste

The tonic tastes of plums.
"""


def tonic_in(folder: Path, notes: str = "warnings:\n- Warnings\n") -> Assistant:
    encoder = HashingEncoder(dimension=1024)
    beside = {"tonic.notes.yaml": notes.encode()} if notes else {}
    build_index(Corpus((parse_document("tonic", TONIC),), beside), encoder, folder)
    return Assistant(Retriever(open_index(folder), encoder))


@pytest.fixture(scope="module")
def tonic(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return tonic_in(tmp_path_factory.mktemp("tonic"))


def kinds(answer: Answer) -> list[NoticeKind]:
    return [notice.kind for notice in answer.notices]


def roles(answer: Answer) -> list[QuoteRole]:
    return [quote.role for quote in answer.quotes]


def test_a_question_on_treatment_brings_the_warnings_right_after_the_first_quote(tonic: Assistant) -> None:
    answer = tonic.ask("Adults take 20 mg of the tonic daily?")
    assert answer.outcome is Outcome.ANSWERED
    assert answer.quotes[0].text.startswith("Adults take 20 mg")
    assert answer.quotes[1].role is QuoteRole.WARNING
    assert answer.quotes[1].section_path[-1] == "Warnings"
    assert 1 <= roles(answer).count(QuoteRole.WARNING) <= caution.MAX_WARNINGS
    assert answer.found[0] == answer.quotes[0]


def test_the_warnings_are_those_that_fit_the_question(tonic: Assistant) -> None:
    def first_warning(question: str) -> str:
        return next(q.text for q in tonic.ask(question).quotes if q.role is QuoteRole.WARNING)

    assert first_warning("The tonic tablets are small and round tablets on an empty stomach?").startswith(
        "Tablets of the tonic may upset"
    )
    assert first_warning("Adults take 20 mg of the tonic daily, at night?").startswith("Never take the tonic")


def test_other_questions_bring_none(tonic: Assistant) -> None:
    answer = tonic.ask("The tonic tastes of plums")
    assert answer.outcome is Outcome.ANSWERED
    assert QuoteRole.WARNING not in roles(answer)


@pytest.mark.parametrize("question", ["the tonic is small and round", "it keeps many awake"])
def test_what_stands_under_a_heading_on_treatment_brings_them_whatever_was_asked(
    question: str, tonic: Assistant
) -> None:
    assert not load_rules().asked(question).treatment
    answer = tonic.ask(question)
    assert answer.found[0].section_path[-1] in ("Doses", "Warnings")
    assert QuoteRole.WARNING in roles(answer)


def test_a_section_that_the_notes_name_brings_them_whatever_its_heading_says(tmp_path: Path) -> None:
    named = tonic_in(tmp_path, "warnings: [Warnings]\ntreatments: [Taste]\n")
    assert QuoteRole.WARNING in roles(named.ask("The tonic tastes of plums?"))


def test_a_warning_that_answers_is_marked_and_counts_as_found(tonic: Assistant) -> None:
    answer = tonic.ask("Never take the tonic at night")
    assert answer.quotes[0].text.startswith("Never take the tonic at night.")
    assert (answer.quotes[0].role, answer.quotes[0].also_answers) == (QuoteRole.WARNING, True)
    assert answer.found[0] == answer.quotes[0]


def test_questions_on_treatment_carry_warnings_even_where_the_article_does_not_say(tonic: Assistant) -> None:
    answer = tonic.ask("any tonic side effects in winter?")
    assert answer.outcome is Outcome.RELATED
    assert set(roles(answer)) == {QuoteRole.WARNING}
    assert answer.confidence < 0.45
    # What the documents are not about stays as it was.
    other = tonic.ask("is paracetamol safe with ibuprofen?")
    assert (other.outcome, other.quotes) == (Outcome.NOT_COVERED, ())


@pytest.mark.model
@pytest.mark.parametrize("question", ["can I take b12 with warfarin", "is b12 ok with kidney failure"])
def test_what_reassures_is_not_brought_along_as_a_warning(question: str, assistant: Assistant) -> None:
    quotes = [q for q in assistant.ask(question).quotes if q.role is QuoteRole.WARNING and not q.also_answers]
    marked = [q.text[start - q.start : end - q.start] for q in quotes for start, end in q.highlights[:1]]
    assert marked
    assert not any("safe for most patients" in text for text in marked)


def test_without_notes_there_are_no_warnings_and_everything_works(tmp_path: Path) -> None:
    answer = tonic_in(tmp_path, notes="").ask("Adults take 20 mg of the tonic daily?")
    assert answer.outcome is Outcome.ANSWERED
    assert set(roles(answer)) == {QuoteRole.ANSWER}


# A person.


@pytest.mark.parametrize(
    ("question", "history"),
    [
        ("how much of the tonic should I take daily, 20 mg?", ()),
        ("my son is 6, adults take 20 mg of the tonic daily", ("what dose?",)),
        ("Adults take 20 mg of the tonic daily: and I am pregnant, is it safe?", ()),
        ("Adults take 20 mg of the tonic daily, should I with my gout?", ()),
        ("should I stop the warfarin, the tonic weakens warfarin", ()),
    ],
)
def test_a_dose_for_a_person_is_never_an_answer(
    question: str, history: tuple[str, ...], tonic: Assistant
) -> None:
    answer = tonic.ask(question, history)
    assert answer.outcome is not Outcome.ANSWERED or not any(
        names_dose(quote.text) for quote in answer.quotes if quote.role is QuoteRole.ANSWER
    )
    assert kinds(answer)[0] is NoticeKind.PERSONAL
    assert answer.quotes[0].role is QuoteRole.WARNING


@pytest.mark.parametrize(
    ("earlier", "last"),
    [
        ("How many mg of the tonic should I take?", "thanks"),
        ("How many mg of the tonic should I take?", "and tablets?"),
        ("how much should my husband take of the tonic", "and?"),
        ("How much of the tonic do people take?", "and me?"),
        ("can I switch to the tonic tablets?", "daily?"),
    ],
)
def test_what_goes_on_from_a_personal_question_gets_no_dose_either(
    tonic: Assistant, earlier: str, last: str
) -> None:
    for question, history in ((earlier, []), (last, [earlier])):
        answer = tonic.ask(question, history)
        answered = answer.found if answer.outcome is Outcome.ANSWERED else ()
        assert not any(names_dose(quote.text) for quote in answered)


def test_what_goes_on_from_a_personal_question_is_answered_where_no_dose_answers_it(tonic: Assistant) -> None:
    answer = tonic.ask("it tastes of plums?", ["I weigh 60 kg, what dose of the tonic?"])
    assert answer.outcome is Outcome.ANSWERED
    assert "plums" in answer.quotes[0].text
    assert NoticeKind.PERSONAL not in kinds(answer)


PREGNANT = ["I am pregnant"]
ROUND = "The tonic tablets are small and round."


def test_a_person_is_answered_by_the_sentence_beside_a_dose_alone(tonic: Assistant) -> None:
    answer = tonic.ask(ROUND, PREGNANT)
    assert answer.outcome is Outcome.ANSWERED
    assert answer.found[0].text == ROUND
    assert not caution.names_any_dose(answer.quotes)
    assert QuoteRole.WARNING in roles(answer)
    # Who has told of nobody sees the whole passage.
    assert tonic.ask(ROUND).found[0].text == f"Adults take 20 mg of the tonic daily. {ROUND}"
    # Where the sentence itself is the dose, it is no answer.
    assert tonic.ask("Adults take 20 mg of the tonic daily", PREGNANT).outcome is Outcome.RELATED


def test_a_sentence_that_brings_a_dose_along_is_no_answer_for_a_person(tmp_path: Path) -> None:
    digest = hashlib.sha256(ROUND.encode()).hexdigest()
    note = (
        f"warnings: [Warnings]\nnotes:\n- sentence: {ROUND}\n  sha256: {digest}\n  kind: unsafe alone\n"
        "  note: Not all are.\n  source: a tester\n  partners: [Adults take 20 mg of the tonic daily.]\n"
    )
    answer = tonic_in(tmp_path, note).ask(ROUND, PREGNANT)
    assert answer.outcome is Outcome.RELATED
    assert NoticeKind.PERSONAL in kinds(answer)


@pytest.mark.parametrize(
    ("heading", "text", "expected"),
    [
        ("Doses", "Adults take 20 mg of the tonic daily.", True),
        ("Foods with the tonic", "A cup of milk holds 20 mg of the tonic.", False),
        ("Doses", "The tonic tastes of plums.", False),
    ],
)
def test_what_is_in_a_food_is_no_dose_to_take(heading: str, text: str, expected: bool) -> None:
    quote = Quote(text, 0, len(text), section_path=("Tonic", heading))
    assert caution.names_dose_to_take([quote], load_rules()) is expected


def test_what_the_article_says_in_general_may_stand_below_the_warnings(tonic: Assistant) -> None:
    answer = tonic.ask("how much of the tonic should I take daily, do adults take 20 mg?")
    assert answer.outcome is Outcome.RELATED
    assert answer.notices[0].text == caution.NO_DOSE
    assert roles(answer)[0] is QuoteRole.WARNING
    assert answer.quotes[-1].text.startswith("Adults take 20 mg")


def test_a_warning_may_answer_whether_something_is_safe_for_a_person(tonic: Assistant) -> None:
    answer = tonic.ask("I have gout. People with gout should not take the tonic?")
    assert answer.outcome is Outcome.ANSWERED
    assert answer.quotes[0].text.startswith("People with gout should not take the tonic.")
    assert answer.notices[0].text == caution.NOT_ABOUT_YOU


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("should I stop the tonic?", caution.NOT_ABOUT_YOU),
        ("I have gout, should I double the tonic?", caution.NO_DOSE),
        ("how much of the tonic should I take?", caution.NO_DOSE),
    ],
)
def test_what_is_said_fits_whether_an_amount_is_asked(tonic: Assistant, question: str, said: str) -> None:
    answer = tonic.ask(question)
    assert answer.outcome is not Outcome.ANSWERED
    assert [notice.text for notice in answer.notices if notice.kind is NoticeKind.PERSONAL] == [said]


def test_a_medicine_must_be_spoken_of_by_what_answers(tonic: Assistant) -> None:
    spoken_of = tonic.ask("I take warfarin. The tonic weakens warfarin?")
    assert spoken_of.outcome is Outcome.ANSWERED
    another = tonic.ask("I take omeprazole. Never take the tonic at night?")
    assert another.outcome is Outcome.RELATED


def test_a_person_who_asks_what_is_so_is_answered_as_anybody_and_told_whom_to_ask(tonic: Assistant) -> None:
    question = "I have gout, are tonic tablets of plums, the tonic tastes of plums?"
    asked = load_rules().asked(question)
    assert asked.personal
    assert not asked.decides
    answer = tonic.ask(question)
    assert answer.outcome is Outcome.ANSWERED
    assert "plums" in answer.quotes[0].text
    assert answer.notices[0].text == caution.NOT_ABOUT_YOU
    assert roles(answer)[1] is QuoteRole.WARNING
    # Where it is to be decided, no more than what is close.
    decides = tonic.ask("I have gout, should I take tonic tablets, the tonic tastes of plums?")
    assert decides.outcome is Outcome.RELATED


def test_what_stands_below_a_dose_is_no_answer_without_it(tonic: Assistant) -> None:
    asked, index = Asked(treatment=True, personal=True), tonic.retriever.index
    dose, plums = (
        Quote(text, 0, len(text), document="tonic", section_path=("Tonic", "Taste"))
        for text in ("Adults take 20 mg of the tonic daily.", "The tonic tastes of plums.")
    )

    def fit(*answers: Quote) -> list[Quote]:
        return caution.answers_for_a_person(asked, answers, index, load_rules())

    assert fit(plums, dose) == [plums]
    assert fit(dose, plums) == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("milk every morning is my only dairy. how much b12 does it give", Outcome.ANSWERED),
        ("my son is 6, milk is his only dairy. how much b12 does it give", Outcome.RELATED),
        ("how many mg should I take daily? a cup of milk holds 5", Outcome.RELATED),
    ],
)
def test_how_much_is_in_a_food_is_told_whoever_asks(question: str, expected: Outcome, tmp_path: Path) -> None:
    encoder = HashingEncoder(dimension=1024)
    milk = "A cup of milk, a dairy food, holds 5 mg of the tonic. It does give b12 every morning."
    text = f"{TONIC}\n## Foods\n\n{milk}\n"
    build_index(
        Corpus((parse_document("tonic", text),), {"tonic.notes.yaml": b"warnings: [Warnings]\n"}),
        encoder,
        tmp_path,
    )
    foods = Assistant(Retriever(open_index(tmp_path), encoder))
    assert load_rules().asked(question).personal
    answer = foods.ask(question)
    assert answer.outcome is expected
    assert (answer.quotes[0].section_path[-1] == "Foods") is (expected is Outcome.ANSWERED)
    assert (NoticeKind.PERSONAL in kinds(answer)) is (expected is Outcome.RELATED)


@pytest.mark.parametrize(
    ("question", "history"),
    [
        ("do adults take 20 mg of the tonic daily, what dose?", ("my baby is 6 months old",)),
        ("I am pregnant, how much of the tonic, do adults take 20 mg daily?", ()),
    ],
)
def test_what_adults_take_is_not_shown_where_doses_differ(
    question: str, history: tuple[str, ...], tonic: Assistant
) -> None:
    answer = tonic.ask(question, history)
    assert answer.outcome is Outcome.RELATED
    assert set(roles(answer)) == {QuoteRole.WARNING}
    assert answer.notices[0].text == caution.NO_DOSE


# Our words.


def test_who_names_a_medicine_is_told_to_keep_it(tonic: Assistant) -> None:
    for question in ("does the tonic weaken warfarin?", "can I stop my heart pills?", "zebra omeprazole"):
        notices = [n for n in tonic.ask(question).notices if n.kind is NoticeKind.MEDICINE]
        assert [n.text for n in notices] == [caution.KEEP_MEDICINES]
    assert NoticeKind.MEDICINE not in kinds(tonic.ask("The tonic tastes of plums"))


def test_who_tells_of_a_complaint_is_told_whom_to_see(tonic: Assistant) -> None:
    for question in ("my elbows are burning", "The tonic tastes of plums, my elbows ache"):
        assert [n.text for n in tonic.ask(question).notices][:1] == [caution.SEE_SOMEONE]
    assert caution.SEE_SOMEONE not in {n.text for n in tonic.ask("why do elbows ache").notices}


def test_no_word_of_ours_hints_at_changing_a_medicine() -> None:
    ours = (caution.NO_DOSE, caution.NOT_ABOUT_YOU, caution.KEEP_MEDICINES, caution.TEST_FIRST)
    for words in ours:
        assert "stop" not in words or "Do not stop" in words
    assert all("Ask " in words for words in ours)  # each says whom to ask, or what to ask for


# The article itself.

SAMPLE = 8


@pytest.mark.parametrize("name", ["dose-1.jsonl", "dose-2.jsonl", "dose-3.jsonl"])
def test_the_article_answers_with_warnings_and_gives_nobody_a_dose(name: str, assistant: Assistant) -> None:
    rows = [json.loads(line) for line in (FIXTURES / name).read_text("utf-8").splitlines()]
    for label in ("treatment", "personal"):
        for row in [row for row in rows if row["label"] == label][::SAMPLE]:
            answer = assistant.ask(row["message"], row["history"])
            if answer.outcome is Outcome.URGENT:
                continue
            assert any(WARNINGS in q.section_path for q in answer.quotes), row["message"]
            if label == "personal":
                assert answer.outcome is not Outcome.ANSWERED or not any(
                    names_dose(q.text) for q in answer.quotes if q.role is QuoteRole.ANSWER
                ), row["message"]
                assert NoticeKind.PERSONAL in kinds(answer), row["message"]
