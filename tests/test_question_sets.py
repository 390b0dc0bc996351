"""The evaluation questions and the question bank of the article: whole, of the agreed size, kept apart."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import ROOT
from rapidfuzz import fuzz, process

from b12qa.chunking import Chunks, chunk_documents
from b12qa.corpus import Corpus, read_corpus
from b12qa.embedding import find_model, token_counter
from b12qa.evaluation import Kind, QuestionRow, read_questions
from b12qa.markdown import plain_text
from b12qa.questions import QuestionBank, bank_file, read_banks
from b12qa.records import BlockKind, OpenQuestion, Question, whole_question

FILES = ("dev.jsonl", "test.jsonl")  # one set, split
SETS = (
    *FILES,
    "visitors.jsonl",
    "short.jsonl",
    "told.jsonl",
    "conversations.jsonl",
    "mixed.jsonl",
    "people.jsonl",
    "beside.jsonl",
)
# A question of fewer words says too little to be a copy without the one that it hangs on.
WORDS_OF_A_COPY = 6
NEAR_COPY = 88  # rapidfuzz.fuzz.ratio, 0 to 100, of lower-case words joined by blanks


class Asked(NamedTuple):
    """One row, as read and as written, and the file it stands in."""

    file: str
    row: QuestionRow
    record: dict[str, Any]


class Bank(NamedTuple):
    """The article's question bank, and the sentences and passages that it is about."""

    corpus: Corpus
    rows: Chunks
    bank: QuestionBank


@cache
def asked(files: tuple[str, ...] = FILES) -> tuple[Asked, ...]:
    return tuple(
        Asked(file, row, json.loads(line))
        for file in files
        for row, line in zip(
            read_questions(ROOT / "evals" / file),
            (ROOT / "evals" / file).read_text("utf-8").removesuffix("\n").split("\n"),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def article() -> Bank:
    corpus = read_corpus(ROOT / "corpus")
    rows = chunk_documents(corpus.documents, *token_counter(find_model()))
    return Bank(corpus, rows, read_banks(corpus, rows.sentences))


def of_kind(kind: str) -> list[QuestionRow]:
    return [row for _, row, _ in asked() if row.kind == kind]


def normalized(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


# The rows.


def test_every_row_has_the_same_form() -> None:
    required = {"id", "kind", "style", "history", "question", "gold", "sections"}
    optional = {"conversation", "why", "absent", "buried"}
    for file, row, record in asked(SETS):
        where = f"{file} {row.id}"
        assert required <= record.keys() <= required | optional, where
        assert isinstance(record["id"], str), where
        assert row.style, where
        assert normalized(row.question) or row.kind == "unanswerable_far", where
        assert all(text.strip() for text in row.history), where
        assert all(alternatives for alternatives in row.gold), where
        assert bool(row.sections) == bool(row.gold), where


def test_ids_are_unique_over_all_files() -> None:
    counts = Counter(row.id for _, row, _ in asked(SETS))
    assert [id_ for id_, count in counts.items() if count > 1] == []


def test_no_question_is_asked_twice_in_the_same_conversation() -> None:
    counts = Counter((row.history, row.question) for _, row, _ in asked(SETS))
    assert [key for key, count in counts.items() if count > 1] == []


def conversation_of(row: QuestionRow) -> str:
    return row.id.rsplit("-", 1)[0]


def test_no_conversation_is_split_over_both_files() -> None:
    files: dict[str, set[str]] = {}
    first_questions: dict[str, set[str]] = {}
    for file, row, record in asked():
        if "conversation" in record:
            assert record["conversation"] == conversation_of(row)
            files.setdefault(record["conversation"], set()).add(file)
        if row.history:
            first_questions.setdefault(normalized(row.history[0]), set()).add(file)
    assert files
    assert [name for name, found in files.items() if len(found) > 1] == []
    assert [name for name, found in first_questions.items() if len(found) > 1] == []


def test_turns_of_a_conversation_follow_each_other() -> None:
    turns: dict[str, list[QuestionRow]] = {}
    for _, row, record in asked():
        if "conversation" in record:
            turns.setdefault(record["conversation"], []).append(row)
    for name, rows in turns.items():
        longest = max(rows, key=lambda row: len(row.history))
        said = (*longest.history, longest.question)
        for row in rows:
            assert (*row.history, row.question) == said[: len(row.history) + 1], name


def stand_alone(row: QuestionRow) -> bool:
    return not row.history


COUNTS: dict[str, tuple[int, Callable[[QuestionRow], bool]]] = {
    "answerable, stand-alone": (
        300,
        lambda row: row.kind == "answerable" and stand_alone(row) and len(row.gold) == 1,
    ),
    "answerable in two places": (100, lambda row: row.kind == "answerable" and len(row.gold) > 1),
    "answerable follow-ups": (150, lambda row: row.kind == "answerable" and 1 <= len(row.history) <= 5),
    "near misses": (250, lambda row: row.kind == "unanswerable_near"),
    "far-off": (80, lambda row: row.kind == "unanswerable_far"),
    "urgent": (100, lambda row: row.kind == "urgent"),
    "look-alikes of urgent ones": (100, lambda row: row.id.startswith("look-") and row.kind != "urgent"),
}


@pytest.mark.parametrize("name", COUNTS)
def test_there_are_enough_questions(name: str) -> None:
    least, wanted = COUNTS[name]
    assert sum(wanted(row) for _, row, _ in asked()) >= least


def test_conversations_have_two_to_six_turns() -> None:
    turns = {len(row.history) + 1 for _, row, record in asked() if "conversation" in record}
    assert turns <= {1, 2, 3, 4, 5, 6}
    assert max(turns) >= 4


def test_half_of_the_written_near_misses_swap_one_thing() -> None:
    styles = Counter(row.style for row in of_kind("unanswerable_near") if row.id.startswith("near-"))
    assert 2 * styles["swap"] >= styles.total() > 0


def test_both_files_hold_every_kind() -> None:
    for kind in Kind:
        assert {file for file, row, _ in asked() if row.kind == kind} == set(FILES)


# Gold sentences.


def gold_sentences(files: tuple[str, ...] = FILES) -> list[tuple[str, str]]:
    return [
        (row.id, sentence)
        for _, row, _ in asked(files)
        for alternatives in row.gold
        for sentence in alternatives
    ]


def test_every_gold_sentence_is_an_exact_slice_of_the_article(article: Bank) -> None:
    text = article.corpus.documents[0].text
    missing = [(id_, sentence) for id_, sentence in gold_sentences(SETS) if sentence not in text]
    assert gold_sentences(SETS)
    assert missing == []


def test_every_paragraph_of_the_article_is_asked_for(article: Bank) -> None:
    document = article.corpus.documents[0]
    gold = {sentence for _, sentence in gold_sentences()}
    paragraphs = [block for block in document.blocks if block.kind is BlockKind.PARAGRAPH]
    assert paragraphs
    texts = [document.text[block.start : block.end] for block in paragraphs]
    assert [text for text in texts if not any(sentence in text for sentence in gold)] == []


def test_sections_of_a_row_are_those_of_its_gold(article: Bank) -> None:
    document = article.corpus.documents[0]
    for _, row, _ in asked(SETS):
        sections = set()
        for sentence in (sentence for alternatives in row.gold for sentence in alternatives):
            start = document.text.index(sentence)
            sections.add(next(s for s in reversed(document.sections) if s.start <= start).path[-1])
        assert set(row.sections) == sections, row.id


# The question bank.


def test_bank_has_no_problem(article: Bank) -> None:
    assert [str(problem) for problem in article.bank.problems] == []


def test_bank_has_ten_questions_for_every_sentence(article: Bank) -> None:
    counts = Counter(question.sentence for question in article.bank.answered)
    few = {
        plain_text(
            article.corpus.documents[0].text, sentence.start, sentence.end, article.corpus.documents[0].markup
        ): counts[row]
        for row, sentence in enumerate(article.rows.sentences)
        if counts[row] < 10
    }
    assert few == {}


def test_bank_has_open_questions_with_reasons_that_complete_a_sentence(article: Bank) -> None:
    assert len(article.bank.open) >= 600
    for question in article.bank.open:
        # Shown as "The article ...."
        assert re.match(r"[a-z]", question.reason), question
        assert not question.reason.endswith("."), question


def near_copies(of: Sequence[str], among: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of texts that are nearly the same."""
    scores = process.cdist(
        [normalized(text) for text in of],
        [normalized(text) for text in among],
        scorer=fuzz.ratio,
        score_cutoff=NEAR_COPY,
        workers=1,
        dtype=np.uint8,
    )
    return [(of[i], among[j]) for i, j in np.argwhere(scores >= NEAR_COPY)]


def test_near_copies_are_recognized() -> None:
    bank = ["How much B12 is in a cup of milk?", "is tea safe?"]
    questions = ["how much b12 is in a cup of milk", "How much B12 is in one cup of milk?", "is it safe?"]
    assert near_copies(questions, bank) == [(questions[0], bank[0]), (questions[1], bank[0])]


@pytest.mark.parametrize("file", SETS)
def test_no_question_of_the_bank_is_a_near_copy_of_an_evaluation_question(article: Bank, file: str) -> None:
    bank: list[Question | OpenQuestion] = [*article.bank.answered, *article.bank.open]
    rows = [row for _, row, _ in asked((file,))]
    questions = sorted({row.question for row in rows})
    assert near_copies(questions, [question.text for question in bank if not question.after]) == []
    leaning = [question for question in bank if question.after]
    in_full = {" ".join([*row.history[-turns:], row.question]) for row in rows for turns in (1, 2)}
    in_bank = [whole_question(question) for question in leaning]
    assert near_copies(sorted({*in_full, *questions}), in_bank) == []
    long = [question for question in questions if len(question.split()) >= WORDS_OF_A_COPY]
    assert near_copies(long, [question.text for question in leaning]) == []


def test_bank_is_the_file_beside_the_article(article: Bank) -> None:
    assert [document.name for document in article.corpus.documents] == ["vitamin-b12"]
    assert bank_file("vitamin-b12") in article.corpus.beside


@pytest.mark.parametrize("name", ["gout", "iron", "library"])
def test_sets_on_documents_of_strangers_are_whole_and_cut_from_them(name: str) -> None:
    folder = ROOT / "evals" / "strangers" / name
    (document,) = read_corpus(folder).documents
    rows = read_questions(folder / "questions.jsonl")
    assert Counter(row.kind for row in rows) == {
        Kind.ANSWERABLE: 70,
        Kind.UNANSWERABLE_NEAR: 70,
        Kind.UNANSWERABLE_FAR: 20,
    }
    gold = [evidence for row in rows if row.kind is Kind.ANSWERABLE for (evidence,) in row.gold]
    assert [sentence for sentence in gold if sentence not in document.text] == []
    assert len({row.question for row in rows}) == len(rows)
