"""What an edit does to the answers, on a document that one can keep in the head."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SMALL_TEXT, HashingEncoder

from b12qa import reviewing
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import FloatMatrix
from b12qa.evaluation import Kind, QuestionRow
from b12qa.index import open_index
from b12qa.questions import read_banks
from b12qa.records import Outcome
from b12qa.retrieval import Retriever
from b12qa.review_text import summary
from b12qa.reviewing import Change, Expected, Review, Reviewed, Seen, review

BANK = """\
sentences:
- sentence: Wait 3 minutes.
  questions:
  - wait minutes tea
  - minutes wait
- sentence: Use water at 90.5 degrees.
  questions:
  - water degrees tea
  - degrees water
open:
- section: Brewing
  questions:
  - question: sugar spoons sweet
    reason: does not mention sugar
"""
ROWS = (
    QuestionRow("e1", Kind.ANSWERABLE, "How long should I wait?", gold=(("Wait 3 minutes.",),)),
    QuestionRow("e2", Kind.ANSWERABLE, "Which kinds are there?", gold=(("green tea",), ("**black** tea",))),
    QuestionRow("e3", Kind.UNANSWERABLE_FAR, "Who won the match?"),
    QuestionRow("e4", Kind.URGENT, "I have chest pain"),
)


class CountingEncoder(HashingEncoder):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        self.texts += texts
        return super().encode(texts)


def reviewed(
    folder: Path,
    text: str = SMALL_TEXT,
    questions: str = BANK,
    before: str = SMALL_TEXT,
    bank_before: str = BANK,
    notes: tuple[str, str] = ("", ""),
    rows: Sequence[QuestionRow] = ROWS,
) -> Review:
    """Build a document, edit it, and review the edit.

    Args:
        notes: before and after.
    """
    corpus, index = folder / "corpus", folder / "index"
    corpus.mkdir()
    encoder, generations = HashingEncoder(), []
    for words, asked, noted in ((before, bank_before, notes[0]), (text, questions, notes[1])):
        (corpus / "tea.md").write_text(words)
        (corpus / "tea.questions.yaml").write_text(asked)
        (corpus / "tea.notes.yaml").write_text(noted)
        sources = read_corpus(corpus)
        build_index(sources, encoder, index)
        generations.append(Retriever(open_index(index), encoder))
    bank = read_banks(sources, generations[-1].index.sentences)
    return review(generations[0], generations[1], rows, bank.hanging)


def note(words: str = "Five are better.", more: str = "") -> str:
    """A file with a note on the minutes."""
    digest = hashlib.sha256(b"Wait 3 minutes.").hexdigest()
    return (
        f"warnings: [Kinds]\nnotes:\n- sentence: Wait 3 minutes.\n  sha256: {digest}\n  kind: overstated\n"
        f"  note: {words}\n  source: a cook\n{more}"
    )


def by_question(found: Review) -> dict[str, Reviewed]:
    return {reviewed.question: reviewed for reviewed in found.touched}


def test_same_generation_changes_nothing(tmp_path: Path) -> None:
    found = reviewed(tmp_path, SMALL_TEXT)
    assert found.before == found.after
    assert found.touched == ()
    assert found.lost == 0
    assert found.asked == 5 + 3  # the bank, and the evaluation questions but the urgent one
    assert "No answer changes." in summary(found)
    unknown = summary(replace(found, asked=0))
    assert "Nothing is known: no bank asks anything of both." in unknown
    assert "No answer changes." not in unknown


def test_edited_sentence_is_the_same_passage_edited(tmp_path: Path) -> None:
    edited = SMALL_TEXT.replace("Wait 3 minutes.", "Wait 4 minutes.")
    found = reviewed(tmp_path, edited, BANK.replace("Wait 3", "Wait 4"))
    touched = by_question(found)["wait minutes tea"]
    assert touched.change is Change.WORDING
    assert "Wait 3 minutes." in touched.before.passage
    assert "Wait 4 minutes." in touched.after.passage
    assert touched.after.section_path == ("Tea", "Brewing")
    assert found.lost == 0
    assert found.hanging == ()
    assert found.hanging_evidence == ("e1",)
    words = summary(found)
    assert "before: … at 90.5 degrees. Wait 3 minutes." in words.replace("Use water", "…", 1)
    assert "Evaluation questions whose gold sentence is gone (1), by their ids: 'e1'" in words


def test_bank_questions_that_follow_an_edited_sentence_are_named(tmp_path: Path) -> None:
    found = reviewed(tmp_path, SMALL_TEXT.replace("Wait 3 minutes.", "Wait 4 minutes."))
    (problem,) = found.hanging
    assert problem.file == "tea.questions.yaml"
    assert problem.line == 2
    assert found.reworded == (("Wait 3 minutes.", "Wait 4 minutes."),)
    words = summary(found)
    assert "Left to mend by the edit (1):" in words
    assert "let the bank say:                   Wait 4 minutes." in words


def test_removed_section_loses_its_answers(tmp_path: Path) -> None:
    found = reviewed(tmp_path, SMALL_TEXT.split("## Brewing")[0])
    touched = by_question(found)
    assert touched["wait minutes tea"].change is Change.LOST
    assert touched["wait minutes tea"].before.sentence == "Wait 3 minutes."
    assert found.lost >= 2
    assert [r.change for r in found.touched] == sorted(
        (r.change for r in found.touched), key=list(Change).index
    )
    assert "wait minutes tea\n      before: answered: Wait 3 minutes. [Tea > Brewing]" in summary(found)


WAIT = "Wait 3 minutes."
DOSES = SMALL_TEXT.replace(WAIT, "Take 40 mg of it daily. Leave milk out.")
DOSES_BANK = """\
sentences:
- sentence: Take 40 mg of it daily.
  questions: [how much of it should I take daily?, is 40 mg of it daily right?]
- sentence: Use water at 90.5 degrees.
  questions: [water degrees tea]
"""


def test_a_sentence_that_was_quoted_as_related_is_lost_when_it_is_deleted(tmp_path: Path) -> None:
    edited = DOSES.replace("Take 40 mg of it daily. ", "")
    found = reviewed(tmp_path, edited, DOSES_BANK, DOSES, DOSES_BANK, rows=())
    personal = by_question(found)["how much of it should I take daily?"]
    assert personal.before.outcome is Outcome.RELATED
    assert "Take 40 mg of it daily." in personal.before.passage
    assert {
        question for question, touched in by_question(found).items() if touched.change is Change.LOST
    } >= {
        "how much of it should I take daily?",
        "is 40 mg of it daily right?",
    }


def test_a_passage_does_not_stand_for_the_sentence_that_it_lost(tmp_path: Path) -> None:
    without = SMALL_TEXT.replace(" Wait 3 minutes.", "")
    questions = "water degrees tea, wait minutes tea"
    bank = f"sentences: [{{sentence: Use water at 90.5 degrees., questions: [{questions}]}}]\n"
    touched = by_question(reviewed(tmp_path, without, bank))
    assert touched["minutes wait"].change is Change.LOST
    assert touched["minutes wait"].after.outcome is Outcome.ANSWERED
    assert touched["minutes wait"].after.passage == "Use water at 90.5 degrees."
    assert touched["wait minutes tea"].change is Change.WORDING  # the bank says that the other answers it


def test_sentences_in_quite_other_words_or_made_one_lose_nothing_if_the_bank_follows(tmp_path: Path) -> None:
    other = "Let it steep for some three to four of them."
    assert reviewed(tmp_path, SMALL_TEXT.replace(WAIT, other), BANK.replace(WAIT, other)).lost == 0
    one = "Use water at 90.5 degrees and wait 3 minutes."
    text = SMALL_TEXT.replace(f"Use water at 90.5 degrees. {WAIT}", one)
    questions = "wait minutes tea, minutes wait, water degrees tea, degrees water"
    (tmp_path / "one").mkdir()
    bank = f"sentences: [{{sentence: {one}, questions: [{questions}]}}]\n"
    assert reviewed(tmp_path / "one", text, bank).lost == 0


def test_added_section_gains_what_it_answers(tmp_path: Path) -> None:
    found = reviewed(tmp_path, SMALL_TEXT, before=SMALL_TEXT.split("## Brewing")[0])
    assert by_question(found)["wait minutes tea"].change is Change.GAINED
    assert found.lost == 0


def test_moved_passage_is_the_same_passage(tmp_path: Path) -> None:
    head, brewing = SMALL_TEXT.split("## Brewing")
    moved = head.replace("## Kinds", f"## Brewing{brewing}\n## Kinds")
    assert Change.PASSAGE not in {r.change for r in reviewed(tmp_path, moved).touched}


def test_open_question_that_is_answered_now_is_lost(tmp_path: Path) -> None:
    bank = BANK.split("open:", maxsplit=1)[0].replace(
        "- water degrees tea", "- sugar spoons sweet\n  - sugar sweet"
    )
    found = reviewed(tmp_path, SMALL_TEXT, bank)
    touched = by_question(found)["sugar spoons sweet"]
    # The later bank says that it is answered, so it is judged as an answered question.
    assert touched.answerable
    assert touched.change is Change.GAINED


def test_an_edit_that_answers_what_a_row_calls_unanswerable_is_not_said_to_leave_it_unanswered(
    tmp_path: Path,
) -> None:
    bank, row = BANK.partition("open:")[0], QuestionRow("e5", Kind.UNANSWERABLE_NEAR, "sugar spoons sweet")
    edited = f"{SMALL_TEXT}\nSugar spoons sweet it.\n"
    found = reviewed(tmp_path, edited, bank, bank_before=bank, rows=[row])
    touched = by_question(found)["sugar spoons sweet"]
    assert (touched.change, touched.after.outcome) == (Change.LOST, Outcome.ANSWERED)
    expected = (
        "  sugar spoons sweet (e5), which its row calls unanswerable; if the article answers it now, "
        "mend the row\n"
    )
    assert expected in summary(found)
    assert "does not answer" not in summary(found)


def test_bank_is_embedded_once_for_both_generations(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "tea.md").write_text(SMALL_TEXT)
    (corpus / "tea.questions.yaml").write_text(BANK)
    encoder = CountingEncoder()
    build_index(read_corpus(corpus), encoder, tmp_path / "index")
    retriever = Retriever(open_index(tmp_path / "index"), encoder)
    encoder.texts.clear()
    review(retriever, retriever, ROWS, ())
    assert "wait minutes tea" not in encoder.texts
    assert len(encoder.texts) == len(set(encoder.texts))
    assert any("long" in text for text in encoder.texts)


def test_bank_questions_are_asked_in_their_conversation(tmp_path: Path) -> None:
    bank = BANK.replace("- water degrees tea", "- which tea? >> water degrees")
    assert bank != BANK
    found = reviewed(tmp_path, SMALL_TEXT.replace("90.5 degrees", "80 degrees"), bank, bank_before=bank)
    assert by_question(found)["water degrees"].history == ("which tea?",)


def test_review_as_json_holds_everything(tmp_path: Path) -> None:
    found = reviewed(tmp_path, SMALL_TEXT.split("## Brewing")[0])
    record = json.loads(found.to_json())
    assert record["lost"] == found.lost
    assert len(record["touched"]) == len(found.touched)
    assert record["touched"][0]["change"] == "lost"


def test_long_lists_are_cut_and_say_so() -> None:
    seen = Seen(Outcome.NOT_COVERED, (), "", "")
    lost = tuple(Reviewed(f"q{n}", "e1", (), True, Change.LOST, seen, seen) for n in range(5))
    words = summary(Review("a", "b", 5, lost, (), (), ()), most=2)
    assert "5 questions are no longer treated rightly:" in words
    assert "q1 (e1)" in words
    assert "q2" not in words
    assert "… and 3 more" in words


@pytest.mark.parametrize(
    ("origin", "before", "after", "words"),
    [
        ("e3", Outcome.RELATED, Outcome.NOT_COVERED, "why (e3), which its row calls unanswerable"),
        (
            "bank",
            Outcome.RELATED,
            Outcome.ANSWERED,
            "why, which the bank leaves open; "
            "if the article answers it now, let the bank say so under sentences",
        ),
        ("bank", Outcome.ANSWERED, Outcome.RELATED, "why, which the bank leaves open"),
    ],
)
def test_who_expects_no_answer_is_said(origin: str, before: Outcome, after: Outcome, words: str) -> None:
    seen = [Seen(outcome, (), "", "") for outcome in (before, after)]
    touched = Reviewed("why", origin, (), False, Change.OUTCOME, *seen)
    assert f"  {words}\n" in summary(Review("a", "b", 1, (touched,), (), (), ()))


def test_progress_is_told_for_every_question(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "tea.md").write_text(SMALL_TEXT)
    build_index(read_corpus(corpus), HashingEncoder(), tmp_path / "index")
    retriever = Retriever(open_index(tmp_path / "index"), HashingEncoder())
    told: list[tuple[int, int]] = []
    review(retriever, retriever, ROWS, (), lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_assistants_of_a_review_answer_as_in_the_chat(tmp_path: Path) -> None:
    found = reviewed(tmp_path, SMALL_TEXT.split("## Brewing")[0])
    expected = Expected("wait minutes tea", "bank")
    index = open_index(tmp_path / "index")
    answer = Assistant(Retriever(index, HashingEncoder())).ask(expected.question)
    assert by_question(found)[expected.question].after.outcome is answer.outcome


# What stands around the first quote.

PARTNER = "  partners: [Tea is a drink.]\n"
WITH_WARNINGS = "  warnings: true\n"
ABOUT_MINUTES = ("wait minutes tea", "minutes wait")


@pytest.mark.parametrize(
    ("before", "after", "change", "was", "now"),
    [
        (note(), "", Change.BARE, "Five are better.", "nothing"),
        ("", note(), Change.NOTE, "nothing", "Five are better."),
        (note("Five are better."), note("Five are worse."), Change.NOTE, "better.", "worse."),
        (note(more=PARTNER), note(), Change.BARE, "Tea is a drink.", "nothing"),
        (note(), note(more=PARTNER), Change.OTHERS, "nothing", "Tea is a drink."),
        (note(more=WITH_WARNINGS), note(), Change.BARE, "green tea", "nothing"),
        (
            note(more=PARTNER),
            note(more="  partners: [It has 40 mg of caffeine.]\n"),
            Change.OTHERS,
            "drink",
            "40 mg",
        ),
    ],
)
def test_what_a_note_brings_is_compared(
    tmp_path: Path, before: str, after: str, change: Change, was: str, now: str
) -> None:
    found = reviewed(tmp_path, notes=(before, after))
    touched = by_question(found)
    assert {touched[question].change for question in ABOUT_MINUTES} == {change}
    assert found.bare >= len(ABOUT_MINUTES) if change is Change.BARE else found.bare == 0
    assert found.lost == 0
    told = summary(replace(found, touched=tuple(r for r in found.touched if r.change is change)))
    edit = [line for line in told.splitlines() if "before:" in line or "after:" in line]
    assert was in edit[0]
    assert now in edit[1]


def test_other_passage_without_its_warnings_is_bare(tmp_path: Path) -> None:
    question, gold = "tea please", (("Wait 3 minutes.", "Use water at 90.5 degrees."),)
    bank = BANK.replace("- wait minutes tea", f"- {question}")
    text = SMALL_TEXT.replace("degrees. Wait", "degrees.\n\nWait") + "\n## Safety\n\nNever drink it hot.\n"
    with_warnings = note(more=WITH_WARNINGS).replace("[Kinds]", "[Safety]")
    found = reviewed(
        tmp_path,
        text,
        BANK.replace("- water degrees tea", f"- {question}"),
        before=text,
        bank_before=bank,
        notes=(with_warnings, with_warnings),
        rows=[QuestionRow("both", Kind.ANSWERABLE, question, gold=gold)],
    )
    touched = next(r for r in found.touched if r.origin == "both")
    assert touched.before.passage == "Wait 3 minutes."
    assert touched.after.passage == "Use water at 90.5 degrees."
    assert touched.change is Change.BARE


def test_another_heading_is_told_once_for_all_its_questions(tmp_path: Path) -> None:
    found = reviewed(
        tmp_path, SMALL_TEXT.replace("## Brewing", "## Making"), BANK.replace("Brewing", "Making")
    )
    touched = by_question(found)
    assert touched["wait minutes tea"].change is Change.PLACE
    assert touched["sugar spoons sweet"].change is Change.SAID  # the nearest sections
    words = summary(found)
    assert words.count("before: Tea › Brewing") == 1
    assert words.count("after:  Tea › Making") == 1


def test_another_title_is_a_change(tmp_path: Path) -> None:
    found = reviewed(tmp_path, f"---\ntitle: Hot drinks\n---\n{SMALL_TEXT}")
    assert by_question(found)["wait minutes tea"].change is Change.PLACE
    assert "Hot drinks" in summary(found)


def test_another_sentence_of_the_same_passage_is_a_change(tmp_path: Path) -> None:
    bank = BANK.replace("  - wait minutes tea\n", "").replace(
        "- water degrees tea", "- wait minutes tea\n  - water degrees tea"
    )
    touched = by_question(reviewed(tmp_path, SMALL_TEXT, bank))["wait minutes tea"]
    assert touched.change is Change.HIGHLIGHT
    assert (touched.before.sentence, touched.after.sentence) == (
        "Wait 3 minutes.",
        "Use water at 90.5 degrees.",
    )


def test_another_reason_is_a_change(tmp_path: Path) -> None:
    found = reviewed(tmp_path, questions=BANK.replace("mention sugar", "speak of sugar"))
    touched = by_question(found)["sugar spoons sweet"]
    assert touched.change is Change.SAID
    assert "not mention sugar." in summary(found)
    assert "not speak of sugar." in summary(found)


def noted(sentence: str, words: str) -> str:
    digest = hashlib.sha256(sentence.encode()).hexdigest()
    return (
        f"notes:\n- sentence: {sentence}\n  sha256: {digest}\n  kind: overstated\n"
        f"  note: {words}\n  source: a cook\n"
    )


def test_a_note_that_goes_to_a_neighbour_is_missed(tmp_path: Path) -> None:
    notes = noted("Use water at 90.5 degrees.", "Hot."), noted("Wait 3 minutes.", "Fine.")
    touched = by_question(reviewed(tmp_path, notes=notes))
    assert {touched[question].change for question in ABOUT_MINUTES} == {Change.BARE}


def test_another_edit_of_a_noted_sentence_without_its_note_is_bare(tmp_path: Path) -> None:
    edited = SMALL_TEXT.replace("Wait 3 minutes.", "Wait 4 minutes.")
    touched = by_question(reviewed(tmp_path, edited, BANK.replace("Wait 3", "Wait 4"), notes=(note(), "")))
    assert {touched[question].change for question in ABOUT_MINUTES} == {Change.BARE}


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (("a b",), ("a  b",), ["before: a b", "after:  a  b"]),  # only blanks
        (("one", "two"), ("two", "one"), ["before: one | two", "after:  two | one"]),  # only the order
        (("a 1", "b 1"), ("a 2", "b 2"), ["before: a 1", "after:  a 2", "before: b 1", "after:  b 2"]),
        (("a",), (), ["before: a", "after:  nothing"]),
    ],
)
def test_differences_of_lists_are_told(
    before: tuple[str, ...], after: tuple[str, ...], lines: list[str]
) -> None:
    was, now = (Seen(Outcome.ANSWERED, (), "p", "s", notes=notes) for notes in (before, after))
    some = tuple(Reviewed(f"q{n}", "bank", (), True, Change.NOTE, was, now) for n in range(2))
    words = summary(Review("a", "b", 2, some, (), (), ()))
    assert [line.strip() for line in words.splitlines() if line.startswith("      ")] == lines


def test_what_touches_most_questions_is_told_first_and_the_rest_counted() -> None:
    def touched(n: int, note: str) -> Reviewed:
        was, now = (Seen(Outcome.ANSWERED, (), "p", "s", notes=notes) for notes in ((), (note,)))
        return Reviewed(f"q{n}", "bank", (), True, Change.NOTE, was, now)

    some = (touched(0, "seldom"), touched(1, "often"), touched(2, "often"))
    words = summary(Review("a", "b", 3, some, (), (), ()), most=1)
    assert "2 such as: q1" in words
    assert "seldom" not in words
    assert "… and 1 more" in words


def test_a_warning_that_was_found_for_the_question_is_missed_as_any_other(tmp_path: Path) -> None:
    """It stands among the quotes that were found, and not in their company."""
    found = reviewed(tmp_path)
    versions = reviewing._Versions(*(open_index(tmp_path / "index") for _ in range(2)))
    assert found.touched == ()

    def shown(*quotes: str, warnings: frozenset[str] = frozenset()) -> reviewing._Shown:
        seen = Seen(Outcome.ANSWERED, (), quotes[0], quotes[0], quotes)
        return reviewing._Shown(seen, frozenset(quotes), frozenset(), warnings, Counter(), 0)

    before = shown("Tea.", "Never at night.", warnings=frozenset({"Never at night."}))
    assert reviewing._is_bare(before, shown("Tea."), versions)
    assert not reviewing._is_bare(before, before, versions)
    # What is shown still, under whatever name, is not missed.
    assert not reviewing._is_bare(before, shown("Tea.", "Never at night."), versions)
