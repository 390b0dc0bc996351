"""Two generations → what an edit does to the answers, question by question.

Asked are the questions of both banks and of evaluation sets. A passage is known by its words: offsets
move with every edit. One that was reworded counts as the same passage, edited.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from b12qa.answering import Assistant
from b12qa.changes import most_alike
from b12qa.corpus import Problem
from b12qa.embedding import RememberingEncoder
from b12qa.evaluation import PlainDocument, QuestionRow, gold_words
from b12qa.index import Index
from b12qa.markdown import one_line, plain_text_of
from b12qa.records import Answer, Chunk, Document, Outcome, Sentence
from b12qa.retrieval import Retriever

WORDS_AROUND = 8  # an edit, in the summary
BANK = "bank"  # where a question comes from that is in no evaluation set

Progress = Callable[[int, int], None]


class Change(StrEnum):
    """What an edit does to a question, the gravest first."""

    LOST = "lost"  # it was treated rightly, and is not any more
    GAINED = "gained"  # the other way round
    OUTCOME = "outcome"  # another outcome, as right or as wrong as before
    PASSAGE = "passage"  # another passage is quoted first
    WORDING = "wording"  # the same passage, edited


@dataclass(frozen=True, slots=True)
class Expected:
    """A question, and what should come of it."""

    question: str
    origin: str  # BANK, or the id of an evaluation question
    history: tuple[str, ...] = ()
    evidence: tuple[tuple[str, ...], ...] = ()  # pieces needed, of each the alternatives; empty: no answer


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of it in one generation."""

    outcome: Outcome
    section_path: tuple[str, ...]  # of the first quote; empty without one
    passage: str  # words of the first quote
    sentence: str  # words of its highlight


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A question that an edit touches."""

    question: str
    origin: str
    history: tuple[str, ...]
    answerable: bool
    change: Change
    before: Seen
    after: Seen


@dataclass(frozen=True, slots=True)
class Review:
    """What an edit does to the answers."""

    before: str  # name of the generation
    after: str
    asked: int
    touched: tuple[Reviewed, ...]  # the gravest first
    hanging: tuple[Problem, ...]  # questions and notes whose sentence or section is no longer there
    reworded: tuple[tuple[str, str], ...]  # sentences with bank questions that are gone, what they may be now
    hanging_evidence: tuple[str, ...]  # ids of evaluation questions of which a gold sentence is gone

    @property
    def lost(self) -> int:
        """How many questions are no longer treated rightly."""
        return sum(reviewed.change is Change.LOST for reviewed in self.touched)

    def to_json(self) -> str:
        """All of it."""
        record: dict[str, Any] = asdict(self) | {"lost": self.lost}
        return json.dumps(record, ensure_ascii=False, indent=1)


def review(
    before: Retriever,
    after: Retriever,
    rows: Iterable[QuestionRow],
    hanging: Sequence[Problem],
    on_progress: Progress = lambda done, total: None,
) -> Review:
    """Ask two generations the same questions.

    Args:
        rows: evaluation questions; those that tell of an emergency are left out, no edit touches them.
        hanging: what an edit left in the banks and notes of the later generation.
        on_progress: called with the number of questions asked so far, and of all.
    """
    old, new = before.index, after.index
    evaluated = [row for row in rows if row.kind != "urgent"]
    asked = [*_bank(old, new), *_evaluation(evaluated, [*old.documents, *new.documents])]
    encoder = RememberingEncoder(after.encoder, dict(_embedded_questions(new)))
    then, now = (
        Assistant(Retriever(index, encoder)).embedding_ahead((e.question, e.history) for e in asked)
        for index in (old, new)
    )
    versions = _Versions(old, new)
    touched = []
    for done, expected in enumerate(asked, start=1):
        answers = [assistant.ask(expected.question, expected.history) for assistant in (then, now)]
        shown = [_shown(assistant, answer) for assistant, answer in zip((then, now), answers, strict=True)]
        reviewed = _reviewed(expected, shown[0], shown[1], versions)
        if reviewed:
            touched.append(reviewed)
        on_progress(done, len(asked))
    order = list(Change)
    return Review(
        before=old.generation,
        after=new.generation,
        asked=len(asked),
        touched=tuple(sorted(touched, key=lambda reviewed: order.index(reviewed.change))),
        hanging=tuple(hanging),
        reworded=tuple(_reworded(old, new)),
        hanging_evidence=tuple(
            expected.origin
            for expected in asked
            if expected.origin != BANK
            and any(versions.gone(words) for alternatives in expected.evidence for words in alternatives)
        ),
    )


# What is asked.


def _bank(old: Index, new: Index) -> Iterator[Expected]:
    """Every question of the banks once, with the sentence that answered it first."""
    known: set[str] = set()
    for index in (old, new):
        for question in index.questions:
            if question.text not in known:
                known.add(question.text)
                sentence = _words(index, index.sentences[question.sentence])
                yield Expected(question.text, BANK, evidence=((sentence,),))
    for index in (old, new):
        for open_question in index.open_questions:
            if open_question.text not in known:
                known.add(open_question.text)
                yield Expected(open_question.text, BANK)


def _evaluation(rows: Iterable[QuestionRow], documents: Iterable[Document]) -> Iterator[Expected]:
    texts = [PlainDocument(document) for document in documents]
    for row in rows:
        evidence = tuple(
            tuple(gold_words(sentence, texts) for sentence in alternatives) for alternatives in row.gold
        )
        yield Expected(row.question, row.id, row.history, evidence)


def _embedded_questions(index: Index) -> Iterator[tuple[str, Any]]:
    """The texts of the banks with their vectors, so that none is embedded again."""
    for row, question in enumerate(index.questions):
        yield question.text, index.question_vectors.reconstruct(row)
    for row, open_question in enumerate(index.open_questions):
        yield open_question.text, index.open_question_vectors.reconstruct(row)


# What changed.


class _Versions:
    """Which passages of two generations are versions of one another."""

    def __init__(self, old: Index, new: Index) -> None:
        self.before = [_words(old, chunk) for chunk in old.chunks]
        self.after = [_words(new, chunk) for chunk in new.chunks]
        was, now = set(self.before), set(self.after)
        gone = [text for text in dict.fromkeys(self.before) if text not in now]
        fresh = [text for text in dict.fromkeys(self.after) if text not in was]
        self.edited = dict(_versions(gone, fresh))  # words before → words after

    def gone(self, evidence: str) -> bool:
        """Whether words were there before and are not now."""
        return any(evidence in text for text in self.before) and not any(
            evidence in text for text in self.after
        )

    def holding(self, evidence: str) -> set[str]:
        """The later passages with a piece of evidence, or the versions of those that held it."""
        found = {text for text in self.after if evidence in text}
        return found or {self.edited[text] for text in self.edited if evidence in text}


def _reworded(old: Index, new: Index) -> Iterator[tuple[str, str]]:
    asked = dict.fromkeys(_words(old, old.sentences[question.sentence]) for question in old.questions)
    was = {_words(old, sentence) for sentence in old.sentences}
    now = dict.fromkeys(_words(new, sentence) for sentence in new.sentences)
    return _versions([text for text in asked if text not in now], [text for text in now if text not in was])


def _versions(gone: Iterable[str], fresh: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The texts that are gone, each with the most alike of the fresh ones, if any is alike."""
    for text in gone:
        version = most_alike(text, fresh)
        if version is not None:
            yield text, fresh[version]


@dataclass(frozen=True, slots=True)
class _Shown:
    """An answer as the review compares it."""

    first: Seen
    passages: frozenset[str]  # words of all quotes that were found


def _shown(assistant: Assistant, answer: Answer) -> _Shown:
    documents = {document.name: document for document in assistant.documents}
    words = [one_line(plain_text_of(documents[quote.document], quote)) for quote in answer.found]
    if not words:
        return _Shown(Seen(answer.outcome, (), "", ""), frozenset())
    first = answer.found[0]
    highlights = [one_line(plain_text_of(documents[first.document], span)) for span in first.highlights]
    seen = Seen(answer.outcome, first.section_path, words[0], " ".join(highlights))
    return _Shown(seen, frozenset(words))


def _reviewed(expected: Expected, before: _Shown, after: _Shown, versions: _Versions) -> Reviewed | None:
    was_right = _is_right(expected, before, lambda words: {t for t in versions.before if words in t})
    is_right = _is_right(expected, after, versions.holding)
    change = _change(before.first, after.first, was_right, is_right, versions)
    if change is None:
        return None
    return Reviewed(
        question=expected.question,
        origin=expected.origin,
        history=expected.history,
        answerable=bool(expected.evidence),
        change=change,
        before=before.first,
        after=after.first,
    )


def _change(before: Seen, after: Seen, was_right: bool, is_right: bool, versions: _Versions) -> Change | None:
    if was_right != is_right:
        return Change.GAINED if is_right else Change.LOST
    if before.outcome is not after.outcome:
        return Change.OUTCOME
    if before.passage == after.passage:
        return None
    return Change.WORDING if versions.edited.get(before.passage) == after.passage else Change.PASSAGE


def _is_right(expected: Expected, shown: _Shown, holding: Callable[[str], set[str]]) -> bool:
    """Whether an answerable question is answered with its evidence, or another one not at all."""
    answered = shown.first.outcome is Outcome.ANSWERED
    if not expected.evidence:
        return not answered
    return answered and all(
        any(shown.passages & holding(words) for words in alternatives) for alternatives in expected.evidence
    )


def _words(index: Index, row: Chunk | Sentence) -> str:
    return one_line(index.plain_text(row))


# What an editor reads.

_HEADINGS = {
    Change.LOST: ("question is no longer treated rightly", "questions are no longer treated rightly"),
    Change.GAINED: ("question is treated rightly now", "questions are treated rightly now"),
    Change.OUTCOME: ("question has another outcome", "questions have another outcome"),
    Change.PASSAGE: ("question gets another passage", "questions get another passage"),
    Change.WORDING: (
        "question gets the same passage, edited",
        "questions get the same passages, edited",
    ),
}


def summary(found: Review, most: int = 10) -> str:
    """The review as text.

    Args:
        most: how many questions to list of each kind.
    """
    lines = [f"Compared {found.after} with {found.before}: {found.asked} questions asked of both."]
    for change in Change:
        some = [reviewed for reviewed in found.touched if reviewed.change is change]
        if not some:
            continue
        one, several = _HEADINGS[change]
        lines += ["", f"{len(some)} {one if len(some) == 1 else several}:"]
        lines += _edited_passages(some, most) if change is Change.WORDING else _listed(some, most)
    if not found.touched:
        lines.append("No answer changes.")
    if found.hanging:
        lines += ["", f"Left hanging by the edit ({len(found.hanging)}):", *_some(found.hanging, most)]
        for was, now in found.reworded[:most]:
            lines += [
                f"  If this is the same sentence still: {was}",
                f"  let the bank say:                   {now}",
            ]
    if found.hanging_evidence:
        ids = ", ".join(found.hanging_evidence)
        lines += ["", f"Evaluation questions whose gold sentence is gone: {ids}"]
    return "\n".join(lines)


def _listed(some: Sequence[Reviewed], most: int) -> list[str]:
    lines = []
    for reviewed in some[:most]:
        where = "" if reviewed.origin == BANK else f" ({reviewed.origin})"
        wanted = "" if reviewed.answerable else ", which the article does not answer"
        lines += [
            f"  {' / '.join([*reviewed.history, reviewed.question])}{where}{wanted}",
            f"      before: {_seen_words(reviewed.before)}",
            f"      after:  {_seen_words(reviewed.after)}",
        ]
    return lines + _more(len(some) - most)


def _edited_passages(some: Sequence[Reviewed], most: int) -> list[str]:
    counts = Counter((reviewed.before.passage, reviewed.after.passage) for reviewed in some)
    paths = {reviewed.after.passage: reviewed.after.section_path for reviewed in some}
    lines = []
    for (before, after), count in counts.most_common(most):
        was, now = _difference(before, after)
        lines += [f"  {count} in {' > '.join(paths[after])}", f"      before: {was}", f"      after:  {now}"]
    return lines + _more(len(counts) - most)


def _difference(before: str, after: str) -> tuple[str, str]:
    """The stretch in which two texts differ, with a few words around it."""
    was, now = before.split(), after.split()
    blocks = SequenceMatcher(None, was, now, autojunk=False).get_opcodes()
    edits = [block for block in blocks if block[0] != "equal"]
    _, first_was, _, first_now, _ = edits[0]
    _, _, last_was, _, last_now = edits[-1]
    return _stretch(was, first_was, last_was), _stretch(now, first_now, last_now)


def _stretch(words: Sequence[str], first: int, last: int) -> str:
    start, end = max(0, first - WORDS_AROUND), last + WORDS_AROUND
    return ("… " if start else "") + " ".join(words[start:end]) + (" …" if end < len(words) else "")


def _seen_words(seen: Seen) -> str:
    words = seen.outcome.value.replace("_", " ")
    return f"{words}: {seen.sentence} [{' > '.join(seen.section_path)}]" if seen.passage else words


def _some(problems: Sequence[Problem], most: int) -> list[str]:
    return [f"  {problem}" for problem in problems[:most]] + _more(len(problems) - most)


def _more(count: int) -> list[str]:
    return [f"  … and {count} more; --show lists more, --json all"] if count > 0 else []
