"""Two generations → what an edit does to the answers, question by question.

Asked are the questions of both banks and of evaluation sets. A passage is known by its words: offsets
move with every edit. One that was reworded counts as the same passage, edited. What stands around the first
quote is compared as well: a reader who loses a warning has lost more than a few words.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from b12qa import rendering
from b12qa.answering import Assistant
from b12qa.building import prepare_index
from b12qa.changes import Wordings, may_be_now, most_alike, reworded_a_little
from b12qa.corpus import Corpus, Problem, Severity
from b12qa.embedding import Encoder, RememberingEncoder
from b12qa.evaluation import Kind, PlainDocument, QuestionRow, gold_words, read_question_sets
from b12qa.generations import CURRENT, PREVIOUS, named_in
from b12qa.index import Index, check_model, open_index, open_previous
from b12qa.markdown import plain_text_of
from b12qa.notes import read_notes
from b12qa.plain import one_line
from b12qa.progress import Progress, no_progress
from b12qa.questions import read_banks
from b12qa.records import (
    Answer,
    Chunk,
    Document,
    Outcome,
    Passage,
    Question,
    QuoteRole,
    Sentence,
    Span,
    whole_question,
)
from b12qa.retrieval import Retriever

BANK = "bank"  # where a question comes from that is in no evaluation set


class Change(StrEnum):
    """What an edit does to a question, the gravest first."""

    LOST = "lost"  # it was treated rightly, or shown as related what answers it, and is not any more
    BARE = "bare"  # it is shown without a note, a partner or a warning that it had
    GAINED = "gained"  # it was not treated rightly, and is now
    OUTCOME = "outcome"  # another outcome, as right or as wrong as before
    PASSAGE = "passage"  # another passage is quoted first
    WORDING = "wording"  # the same passage, edited
    HIGHLIGHT = "highlight"  # the same passage, with another sentence marked in it
    OTHERS = "others"  # other quotes follow the first, or another order of them
    NOTE = "note"  # other notes on the same quotes
    PLACE = "place"  # the same quotes under another heading or title
    SAID = "said"  # the same quotes, and other words of ours: what is missing, which sections are near


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
    section_path: tuple[str, ...]  # of the first quote that was found; empty without one
    passage: str  # words of that quote
    sentence: str  # words of its highlight
    quotes: tuple[str, ...] = ()  # words of all that is shown, in that order, with what stands above a quote
    notes: tuple[str, ...] = ()  # on any of them
    places: tuple[str, ...] = ()  # title and headings of each
    said: tuple[str, ...] = ()  # our words but the disclaimer


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
    hanging: tuple[Problem, ...]  # of banks and notes: whose sentence or section is gone, and errors
    reworded: tuple[tuple[str, str], ...]  # sentences with bank questions that are gone, what they may be now
    hanging_evidence: tuple[str, ...]  # ids of evaluation questions of which a gold sentence is gone

    @property
    def lost(self) -> int:
        """How many questions are no longer treated rightly, or not even shown what answers them."""
        return self._count(Change.LOST)

    @property
    def bare(self) -> int:
        """How many are shown without a note, a partner or a warning that they had."""
        return self._count(Change.BARE)

    def to_json(self) -> str:
        """All of it."""
        record: dict[str, Any] = asdict(self) | {"lost": self.lost, "bare": self.bare}
        return json.dumps(record, ensure_ascii=False, indent=1)

    def _count(self, change: Change) -> int:
        return sum(reviewed.change is change for reviewed in self.touched)


def review_edit(
    index_dir: Path,
    corpus: Corpus | None,
    encoder: Encoder,
    questions: Iterable[Path],
    shown: Callable[[str], AbstractContextManager[Progress]],
) -> Review | None:
    """Compare the current generation with the one that a build would make, or with the one before.

    Args:
        corpus: as edited; none for the generation before.
        questions: files of evaluation questions, asked beside those of the banks.
        shown: for what is being done, where its progress goes.

    Returns:
        None if the two are one, or if there are no answers yet that could change.
    """
    rows = read_question_sets(questions)
    if corpus is not None and named_in(index_dir / CURRENT) is None:
        return None
    current = open_index(index_dir)
    if corpus is None:
        return _compared(open_previous(index_dir), current, encoder, rows, (), shown)
    with _where_to_build(index_dir) as folder:
        with shown("Embedding") as on_progress:
            after = prepare_index(corpus, encoder, folder, on_progress)
        return _compared(current, after, encoder, rows, _left_hanging(corpus, after), shown)


@contextmanager
def _where_to_build(index_dir: Path) -> Iterator[Path]:
    """The folder of an index, or one that passes for it for a while where whoever asks may only read."""
    if os.access(index_dir, os.W_OK):
        yield index_dir
        return
    with TemporaryDirectory(prefix="b12qa-", ignore_cleanup_errors=True) as temporary:
        for file in (CURRENT, PREVIOUS):
            name = named_in(index_dir / file)
            if name is not None:
                shutil.copy(index_dir / file, temporary)
                with suppress(FileExistsError):  # both may name one
                    (Path(temporary) / name).symlink_to(index_dir.resolve() / name)
        yield Path(temporary)


def _left_hanging(corpus: Corpus, edited: Index) -> Sequence[Problem]:
    """What an edit left in banks and notes, and why a build would refuse them, each once."""
    banks, notes = read_banks(corpus, edited.sentences), read_notes(corpus, edited.sentences)
    errors = (p for p in (*banks.problems, *notes.problems) if p.severity is Severity.ERROR)
    return tuple(dict.fromkeys([*banks.hanging, *notes.hanging, *errors]))


def _compared(
    before: Index,
    after: Index,
    encoder: Encoder,
    rows: Sequence[QuestionRow],
    hanging: Sequence[Problem],
    shown: Callable[[str], AbstractContextManager[Progress]],
) -> Review | None:
    """`review` of two generations, or nothing if they are one."""
    if before.generation == after.generation:
        return None
    for generation in (before, after):
        check_model(generation, encoder)
    with shown("Asking") as on_progress:
        return review(Retriever(before, encoder), Retriever(after, encoder), rows, hanging, on_progress)


def review(
    before: Retriever,
    after: Retriever,
    rows: Iterable[QuestionRow],
    hanging: Sequence[Problem],
    on_progress: Progress = no_progress,
) -> Review:
    """Ask two generations the same questions.

    Args:
        rows: evaluation questions; those that tell of an emergency are left out, no edit touches them.
        hanging: what an edit left in the banks and notes of the later generation.
        on_progress: called with the number of questions asked so far, and of all.
    """
    old, new = before.index, after.index
    evaluated = [row for row in rows if row.kind != Kind.URGENT]
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
        hanging=tuple(sorted(hanging, key=lambda problem: problem.severity is not Severity.ERROR)),
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
    """Every question of the banks once, with the sentence that answers it first in each of them."""
    answered: dict[str, tuple[Question, list[str]]] = {}
    for index in (old, new):
        firsts: dict[str, Question] = {}
        for question in index.questions:
            firsts.setdefault(whole_question(question), question)
        for whole, question in firsts.items():
            sentences = answered.setdefault(whole, (question, []))[1]
            sentences.append(_words(index, index.sentences[question.sentence]))
    for question, sentences in answered.values():
        yield Expected(question.text, BANK, question.after, (tuple(dict.fromkeys(sentences)),))
    known = set(answered)
    for index in (old, new):
        for open_question in index.open_questions:
            if (whole := whole_question(open_question)) not in known:
                known.add(whole)
                yield Expected(open_question.text, BANK, open_question.after)


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
        yield whole_question(question), index.question_vectors.reconstruct(row)
    for row, open_question in enumerate(index.open_questions):
        yield whole_question(open_question), index.open_question_vectors.reconstruct(row)


# What changed.


class _Versions:
    """Which passages and sentences of two generations are versions of one another."""

    def __init__(self, old: Index, new: Index) -> None:
        self.before = [_words(old, chunk) for chunk in old.chunks]
        self.after = [_words(new, chunk) for chunk in new.chunks]
        was, now = set(self.before), set(self.after)
        gone = [text for text in dict.fromkeys(self.before) if text not in now]
        fresh = [text for text in dict.fromkeys(self.after) if text not in was]
        self.edited = dict(_versions(gone, fresh))  # words before → words after
        was, now = ({_words(index, sentence) for sentence in index.sentences} for index in (old, new))
        self._gone, self._fresh = sorted(was - now), sorted(now - was)
        reworded = reworded_a_little(self._gone, Wordings(self._fresh))
        self._reworded = {self._gone[before]: self._fresh[after] for before, after in reworded.items()}

    def gone(self, evidence: str) -> bool:
        """Whether words were there before and are not now."""
        return any(evidence in text for text in self.before) and not any(
            evidence in text for text in self.after
        )

    def is_edited(self, before: Seen, after: Seen) -> bool:
        """Whether the first quote is another version of the one before."""
        return bool(before.passage) and self.edited.get(before.passage) == after.passage

    def holding(self, evidence: str) -> set[str]:
        """The later passages with a piece of evidence, or with what it may have become."""
        now = self._reworded.get(evidence, evidence)
        found = {text for text in self.after if evidence in text or now in text}
        return found or {
            edited
            for text, edited in self.edited.items()
            if evidence in text and self._may_have_become_part_of(edited, evidence)
        }

    def _may_have_become_part_of(self, passage: str, evidence: str) -> bool:
        """Whether an edited passage has new words for a sentence that it held, rather than that one less."""
        if evidence not in self._gone:
            return True  # more or less than a sentence: the passage stands for it
        fresh = [sentence for sentence in self._fresh if sentence in passage]
        no_other = set(fresh).difference(self._reworded.values())
        return bool(no_other or may_be_now(evidence, Wordings(fresh)))


def _reworded(old: Index, new: Index) -> Iterator[tuple[str, str]]:
    asked = dict.fromkeys(_words(old, old.sentences[question.sentence]) for question in old.questions)
    was = {_words(old, sentence) for sentence in old.sentences}
    now = dict.fromkeys(_words(new, sentence) for sentence in new.sentences)
    gone, fresh = [text for text in asked if text not in now], [text for text in now if text not in was]
    for before, after in sorted(reworded_a_little(gone, Wordings(fresh)).items()):
        yield gone[before], fresh[after]


def _versions(gone: Iterable[str], fresh: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The texts that are gone, each with the most alike of the fresh ones, if any is alike."""
    texts = Wordings(fresh, str.split)
    for text in gone:
        version = most_alike(text, texts)
        if version is not None:
            yield text, fresh[version]


@dataclass(frozen=True, slots=True)
class _Shown:
    """An answer as the review compares it."""

    seen: Seen
    found: frozenset[str]  # words of the quotes that were found
    company: frozenset[str]  # words of the partners and warnings
    warnings: frozenset[str]  # words of the warnings, those that were found among them
    noted: Counter[str]  # how many notes each sentence has, by its words
    notes_on_first: int


def _shown(assistant: Assistant, answer: Answer) -> _Shown:
    document_of = assistant.retriever.index.document_of

    def words(passage: Passage) -> str:
        return one_line(plain_text_of(document_of(passage.document), passage))

    def with_lead_in(passage: Passage) -> str:
        document = document_of(passage.document)
        above = [plain_text_of(document, Span(part.start, part.end)) for part in passage.context]
        return one_line(" ".join([*above, plain_text_of(document, passage)]))

    shown, first = rendering.in_order(answer), answer.found[0] if answer.found else None
    marked = [plain_text_of(document_of(first.document), s) for s in first.highlights] if first else []
    seen = Seen(
        outcome=answer.outcome,
        section_path=() if first is None else first.section_path,
        passage="" if first is None else words(first),
        sentence=one_line(" ".join(marked)),
        quotes=tuple(map(with_lead_in, answer.quotes)),
        notes=tuple(
            f"{rendering.note_words(sentence, note)} {rendering.note_source(note)}"
            for quote in answer.quotes
            for side in rendering.notes_around(quote)
            for sentence, note in side
        ),
        places=tuple(rendering.section_words(quote.section_path, quote.title) for quote in answer.quotes),
        said=tuple(
            words
            for notice in (*shown.above, *shown.below)
            for words in (notice.text, *rendering.section_names(notice.sections))
        ),
    )
    return _Shown(
        seen,
        found=frozenset(map(words, answer.found)),
        company=frozenset(words(quote) for quote in answer.quotes if quote not in answer.found),
        warnings=frozenset(words(quote) for quote in answer.quotes if quote.role is QuoteRole.WARNING),
        noted=Counter(
            one_line(plain_text_of(document_of(quote.document), Span(note.start, note.end)))
            for quote in answer.quotes
            for note in quote.notes
        ),
        notes_on_first=0 if first is None else len(first.notes),
    )


class _Treated(IntEnum):
    """How well a question is treated."""

    WRONGLY = 0
    CAREFULLY = 1  # its evidence is quoted, as what may not answer
    RIGHTLY = 2  # answered with its evidence, or not answered where nothing answers it


def _reviewed(expected: Expected, before: _Shown, after: _Shown, versions: _Versions) -> Reviewed | None:
    was = _treated(expected, before, lambda words: {t for t in versions.before if words in t})
    now = _treated(expected, after, versions.holding)
    if now < was:
        change: Change | None = Change.LOST
    elif _is_bare(before, after, versions):
        change = Change.BARE
    else:
        is_gained = now is _Treated.RIGHTLY is not was
        change = Change.GAINED if is_gained else _change(before.seen, after.seen, versions)
    if change is None:
        return None
    return Reviewed(
        question=expected.question,
        origin=expected.origin,
        history=expected.history,
        answerable=bool(expected.evidence),
        change=change,
        before=before.seen,
        after=after.seen,
    )


def _is_bare(before: _Shown, after: _Shown, versions: _Versions) -> bool:
    """Whether quotes are shown with less than what had to stand beside them.

    A sentence that is shown before and after must keep its notes, wherever it stands. Fewer partners and
    warnings count where the same passage comes first; where another does, only that no warning is left.
    """
    shown = after.seen.quotes
    if not shown:
        return False

    def is_shown(words: str, quotes: Sequence[str]) -> bool:
        return any(words in quote for quote in quotes)

    if any(after.noted[words] < count for words, count in before.noted.items() if is_shown(words, shown)):
        return True
    if before.warnings and not after.warnings:
        return any(not is_shown(words, shown) for words in before.warnings)
    is_edited = versions.is_edited(before.seen, after.seen)
    if is_edited and after.notes_on_first < before.notes_on_first:
        return True
    gone = {words for words in before.company if not is_shown(words, shown)}
    come = {words for words in after.company if not is_shown(words, before.seen.quotes)}
    return (is_edited or before.seen.passage == after.seen.passage) and len(gone) > len(come)


def _change(before: Seen, after: Seen, versions: _Versions) -> Change | None:
    """How what is shown differs, where it is as right as before."""
    if before.outcome is not after.outcome:
        return Change.OUTCOME
    if before.passage != after.passage:
        return Change.WORDING if versions.is_edited(before, after) else Change.PASSAGE
    differences = {
        Change.HIGHLIGHT: before.sentence != after.sentence,
        Change.OTHERS: before.quotes != after.quotes,
        Change.NOTE: before.notes != after.notes,
        Change.PLACE: before.places != after.places,
        Change.SAID: before.said != after.said,
    }
    return next((change for change, differs in differences.items() if differs), None)


def _treated(expected: Expected, shown: _Shown, holding: Callable[[str], AbstractSet[str]]) -> _Treated:
    answered = shown.seen.outcome is Outcome.ANSWERED
    if not expected.evidence:
        return _Treated.WRONGLY if answered else _Treated.RIGHTLY
    has_evidence = all(
        any(shown.found & holding(words) for words in alternatives) for alternatives in expected.evidence
    )
    if not has_evidence:
        return _Treated.WRONGLY
    return _Treated.RIGHTLY if answered else _Treated.CAREFULLY


def _words(index: Index, row: Chunk | Sentence) -> str:
    return one_line(index.plain_text(row))
