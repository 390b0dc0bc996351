"""Index, evaluation and feedback → one HTML page for the editor of a corpus.

The page is one file that asks for nothing else. Every text of a document, a bank, an evaluation or a
reader goes into it as text: the template escapes it, and the map's data are JSON without angle brackets.
"""

from __future__ import annotations

import hashlib
import statistics
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from b12qa import comparing
from b12qa.answering import ANSWERED_FROM, Assistant
from b12qa.chunking import long_blocks
from b12qa.comparing import Pair
from b12qa.embedding import Encoder, FloatMatrix
from b12qa.evaluation import QuestionRow, Result, ask_all, passages_with_gold, worst_results
from b12qa.feedback import Feedback
from b12qa.index import Index
from b12qa.lexical import words
from b12qa.markdown import Lines
from b12qa.progress import Progress, no_progress
from b12qa.records import Chunk, Document, Outcome, Sentence, whole_question
from b12qa.rendering import OUTCOME_WORDS
from b12qa.retrieval import Reading

MAX_PAIRS = 50
MAX_WORST = 25
# A passage this many times as long as the middle one stands out.
LONG_FACTOR = 2.5
# Questions this near to each other are one question, worded twice; this near, they are alike.
SAME_FEEDBACK_COSINE = 0.85
LIKE_COSINE = 0.75
MAX_ASKED = 500
# More points than this are hard to tell apart, and slow to place.
MAX_POINTS = 12_000  # as many as a document may have to learn from
# On the article these keep as many neighbours in their section as a thousand steps do, in a tenth of the
# time: 51 % of the ten nearest, against 24 % with the two first principal components and 54 % before.
TSNE_SETTINGS = {
    "perplexity": 10,
    "early_exaggeration": 4,
    "max_iter": 350,
    "angle": 0.8,
    "random_state": 0,
}
COMPONENTS = 50
MAP_SIZE = 10_000

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Citation:
    """A text of a document, and where an editor finds it."""

    text: str
    document: str
    line: int
    section: str  # the section path in words


@dataclass(frozen=True, slots=True)
class SentenceReport:
    """One sentence and what the bank holds for it."""

    text: str
    line: int
    questions: int


@dataclass(frozen=True, slots=True)
class SectionReport:
    """One section, and what it lacks."""

    document: str
    path: str
    line: int
    sentences: tuple[SentenceReport, ...]
    open_questions: int
    has_bank: bool  # the document has a bank, so that a sentence without questions is a gap
    reached: bool | None  # by the evaluation; None without one

    @property
    def size(self) -> int:
        """How many sentences stand in it."""
        return len(self.sentences)

    @property
    def questions(self) -> int:
        """Bank questions that its sentences answer."""
        return sum(sentence.questions for sentence in self.sentences)

    @property
    def unasked(self) -> int:
        """Sentences for which the bank holds no question."""
        return sum(not sentence.questions for sentence in self.sentences) if self.has_bank else 0


@dataclass(frozen=True, slots=True)
class PairReport:
    """Two texts side by side, and why."""

    first: Citation
    second: Citation
    reason: str


@dataclass(frozen=True, slots=True)
class LongText:
    """A text that is long, and by what measure."""

    place: Citation
    reason: str


@dataclass(frozen=True, slots=True)
class WorstQuestion:
    """A question of the evaluation: what was asked, what was wanted, what came."""

    id: str
    kind: str
    question: str
    history: tuple[str, ...]
    expected: tuple[tuple[str, ...], ...]  # pieces of evidence, each with its alternatives
    outcome: str
    confidence: float
    nearest: str  # sentence that was highlighted first, shown or not
    section: str  # where it stands

    @property
    def nothing_shown(self) -> bool:
        """Whether the reader saw no quote."""
        return self.outcome in (OUTCOME_WORDS[Outcome.NOT_COVERED], OUTCOME_WORDS[Outcome.URGENT])


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that readers left, with all the wordings of it."""

    text: str  # the most frequent wording
    count: int
    others: tuple[str, ...]
    notes: tuple[str, ...]
    proposal: str


@dataclass(frozen=True, slots=True)
class AskedSection:
    """Unanswered questions of readers that are nearest to one section."""

    document: str
    path: str
    questions: tuple[AskedQuestion, ...]  # the most frequent first

    @property
    def count(self) -> int:
        """How often they were asked, all together."""
        return sum(question.count for question in self.questions)


@dataclass(frozen=True, slots=True)
class Point:
    """A text on the map."""

    x: int  # 0 to MAP_SIZE
    y: int
    kind: int  # position in KINDS
    section: int  # position in `Map.sections`
    text: str


KINDS = ("sentence", "bank question", "open question")


@dataclass(frozen=True, slots=True)
class Map:
    """Sentences and questions in the plane: what means the same lies close together."""

    sections: tuple[str, ...]
    points: tuple[Point, ...]
    total: int  # texts that could be drawn

    def counts(self) -> list[tuple[int, ...]]:
        """For each section, how many points there are of each kind."""
        counted = Counter((point.section, point.kind) for point in self.points)
        return [
            tuple(counted[section, kind] for kind in range(len(KINDS)))
            for section in range(len(self.sections))
        ]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows."""

    generation: str
    model_name: str
    documents: tuple[str, ...]
    sections: tuple[SectionReport, ...]
    copies: tuple[PairReport, ...]
    disagreements: tuple[PairReport, ...]
    long_texts: tuple[LongText, ...]
    map: Map
    evaluated: int  # questions of the evaluation; 0 without one
    worst: tuple[WorstQuestion, ...]
    left: int | None  # questions that readers left, answered or not; None without feedback
    unanswered: int  # of these
    asked: tuple[AskedSection, ...]


def make_report(
    assistant: Assistant,
    rows: Sequence[QuestionRow] = (),
    feedback: Sequence[Feedback] | None = None,
    on_progress: Progress = no_progress,
) -> Report:
    """Look at a corpus from all sides.

    Args:
        rows: questions of an evaluation; all of them are asked.
        feedback: questions that readers left.
        on_progress: called with the number of evaluation questions asked so far, and of all.

    Raises:
        QueryError: a gold sentence of the evaluation is in no document.
    """
    index = assistant.retriever.index
    results = ask_all(assistant, rows, on_progress)
    return Report(
        generation=index.generation,
        model_name=index.model_name,
        documents=tuple(document.name for document in index.documents),
        sections=section_reports(index, reached_sections(index, rows, results) if rows else None),
        copies=_pair_reports(index, comparing.copies(index)),
        disagreements=_pair_reports(index, comparing.disagreements(index)),
        long_texts=long_texts(index, assistant.retriever.encoder),
        map=make_map(index),
        evaluated=len(rows),
        worst=worst_questions(index, rows, results),
        left=None if feedback is None else len(feedback),
        unanswered=len(unanswered(feedback or ())),
        asked=asked_sections(assistant, feedback or ()),
    )


# Sections and their sentences.


def section_reports(index: Index, reached: set[tuple[int, int]] | None) -> tuple[SectionReport, ...]:
    """All sections in reading order.

    Args:
        reached: see `reached_sections`.
    """
    asked = Counter(question.sentence for question in index.questions)
    left_open = Counter((question.document, question.section) for question in index.open_questions)
    lines_of = _lines(index)
    sentences: dict[tuple[int, int], list[SentenceReport]] = {}
    for row, sentence in enumerate(index.sentences):
        line = lines_of(sentence.document).number_at(sentence.start)
        sentences.setdefault(_section(index, sentence), []).append(
            SentenceReport(index.plain_text(sentence), line, asked[row])
        )
    return tuple(
        SectionReport(
            document=document.name,
            path=_path_words(document, section.path),
            line=lines_of(d).number_at(section.start),
            sentences=tuple(sentences.get((d, s), ())),
            open_questions=left_open[d, s],
            has_bank=d in index.bank_models,
            reached=None if reached is None else (d, s) in reached,
        )
        for d, document in enumerate(index.documents)
        for s, section in enumerate(document.sections)
    )


def reached_sections(
    index: Index, rows: Iterable[QuestionRow], results: Iterable[Result]
) -> set[tuple[int, int]]:
    """Document and section of every gold sentence, and of every passage that came first."""
    starts = _chunks_by_start(index)
    first = [starts[result.first_passage] for result in results if result.first_passage]
    gold = [index.chunks[position] for position in passages_with_gold(index, rows)]
    return {(chunk.document, chunk.section) for chunk in (*first, *gold)}


# Pairs and long texts.


def _pair_reports(index: Index, pairs: Iterable[Pair]) -> tuple[PairReport, ...]:
    lines_of = _lines(index)
    return tuple(
        PairReport(
            _citation(index, pair.first, lines_of), _citation(index, pair.second, lines_of), pair.reason
        )
        for pair in pairs
    )


def long_texts(index: Index, encoder: Encoder) -> tuple[LongText, ...]:
    """Blocks that the model cannot read whole, then passages much longer than the others."""
    lines_of = _lines(index)
    blocks = [
        (number, block, tokens)
        for number, document in enumerate(index.documents)
        for block, tokens in long_blocks(document, encoder.count_tokens, encoder.max_tokens)
    ]
    cut = [
        LongText(
            _citation(index, Chunk(number, block.start, block.end, block.kind, block.section), lines_of),
            f"{tokens} tokens; the model reads {encoder.max_tokens}, so it is cut at sentence borders.",
        )
        for number, block, tokens in blocks
    ]
    lengths = [len(words(index.plain_text(chunk))) for chunk in index.chunks]
    middle = statistics.median(lengths)
    whole = [
        (length, chunk)
        for length, chunk in zip(lengths, index.chunks, strict=True)
        if length > LONG_FACTOR * middle
        and not any(d == chunk.document and b.start <= chunk.start < b.end for d, b, _ in blocks)
    ]
    long = [
        LongText(_citation(index, chunk, lines_of), f"{length} words; the middle passage has {middle:g}.")
        for length, chunk in sorted(whole, key=lambda pair: -pair[0])
    ]
    return (*cut, *long)


# The map.


def make_map(index: Index, max_points: int = MAX_POINTS) -> Map:
    """Place sentences and questions in the plane.

    Of more than `max_points` texts, as many are drawn at even distances: the sentences in reading order,
    then the bank questions and the open questions in the order of the banks.
    """
    names = [
        _path_words(document, section.path) + (f" ({document.name})" if len(index.documents) > 1 else "")
        for document in index.documents
        for section in document.sections
    ]
    before = np.cumsum([0, *(len(document.sections) for document in index.documents)])
    texts = [
        *((0, _section(index, s), index.plain_text(s)) for s in index.sentences),
        *((1, _section(index, index.sentences[q.sentence]), whole_question(q)) for q in index.questions),
        *((2, (q.document, q.section), whole_question(q)) for q in index.open_questions),
    ]
    rows = np.unique(np.linspace(0, len(texts) - 1, min(max_points, len(texts))).astype(int))
    places = projected(_embeddings(index)[rows])
    points = [
        Point(int(x), int(y), kind, int(before[document]) + section, text)
        for (x, y), (kind, (document, section), text) in zip(places, (texts[r] for r in rows), strict=True)
    ]
    return Map(tuple(names), tuple(points), len(texts))


def projected(embeddings: FloatMatrix) -> npt.NDArray[np.int64]:
    """Places in the plane, 0 to `MAP_SIZE`, shape (n_rows, 2); the same input gives the same places.

    Source: van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 9, 2008; begun at the first two
    principal components, so that the picture does not depend on chance.
    """
    components = _principal_components(embeddings)
    places = components[:, :2]
    spread = places[:, 0].std()
    if len(embeddings) > 3 * TSNE_SETTINGS["perplexity"] and spread > 0:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits

        # Several threads wait for each other at every one of many short steps: on a busy machine that
        # takes ten times as long as one thread does.
        with threadpool_limits(limits=1):
            places = TSNE(2, init=places / spread * 1e-4, **TSNE_SETTINGS).fit_transform(components)
    lowest, highest = places.min(axis=0), places.max(axis=0)
    extent = max(float((highest - lowest).max()), 1e-9)
    centred = (places - (lowest + highest) / 2) / extent + 0.5
    whole: npt.NDArray[np.int64] = np.rint(centred * MAP_SIZE).astype(np.int64)
    return whole


def _principal_components(embeddings: FloatMatrix) -> FloatMatrix:
    """The first components, shape (n_rows, at least 2), each with the sign that makes its peak positive."""
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    components = centred @ directions[:, ::-1][:, :COMPONENTS]
    peaks = components[np.abs(components).argmax(axis=0), np.arange(components.shape[1])]
    signed: FloatMatrix = (components * np.where(peaks < 0, -1, 1)).astype(np.float32)
    return signed


def _embeddings(index: Index) -> FloatMatrix:
    _, *parts = index.vectors
    return np.concatenate([vectors.reconstruct_n(0, vectors.ntotal) for vectors in parts])


# The evaluation.


def worst_questions(
    index: Index, rows: Iterable[QuestionRow], results: Iterable[Result]
) -> tuple[WorstQuestion, ...]:
    """The questions that were not handled as wanted, the worst first; at most `MAX_WORST`."""
    of_result = {(row.id, row.kind, row.question): row for row in rows}
    starts = _chunks_by_start(index)
    found = []
    for result in worst_results(results, MAX_WORST):
        row = of_result[result.id, result.kind, result.question]
        chunk = starts[result.first_passage] if result.first_passage else None
        found.append(
            WorstQuestion(
                id=row.id,
                kind=row.kind.replace("_", ", "),
                question=row.question,
                history=row.history,
                expected=row.gold,
                outcome=OUTCOME_WORDS[result.outcome],
                confidence=result.confidence,
                nearest=result.nearest,
                section=_section_name(index, (chunk.document, chunk.section)) if chunk else "",
            )
        )
    return tuple(found)


# What readers left.


def unanswered(feedback: Iterable[Feedback]) -> list[Feedback]:
    """Questions without an answer, or with one that did not help."""
    return [row for row in feedback if row.outcome != Outcome.ANSWERED or row.helpful is False]


def asked_sections(assistant: Assistant, feedback: Iterable[Feedback]) -> tuple[AskedSection, ...]:
    """What `unanswered` gives, by nearest section, the most asked first; at most `MAX_ASKED` questions.

    Wordings that mean the same are one question: the most frequent wording takes in those near to it.
    """
    wordings: dict[str, list[Feedback]] = {}
    for row in unanswered(feedback):
        wordings.setdefault(" ".join(row.question.casefold().split()), []).append(row)
    groups = _merged(sorted(wordings.values(), key=len, reverse=True), assistant.retriever.encoder)
    groups = sorted(groups, key=len, reverse=True)[:MAX_ASKED]
    rankings = assistant.retriever.rank_all([[Reading(group[0].question)] for group in groups])
    index = assistant.retriever.index
    sections: dict[tuple[int, int], list[AskedQuestion]] = {}
    for group, ranking in zip(groups, rankings, strict=True):
        known = next((found for found, cosine in ranking.open_questions if cosine >= LIKE_COSINE), None)
        # An open question of the bank stands where an editor put it; without one, the search must tell.
        best = index.sentences[ranking.best]
        place = (known.document, known.section) if known else _section(index, best)
        proposal = _proposal(group, _section_name(index, place), known.text if known else "")
        sections.setdefault(place, []).append(_asked(group, proposal))
    found = [
        AskedSection(
            index.documents[place[0]].name,
            _section_name(index, place),
            tuple(sorted(questions, key=lambda question: -question.count)),
        )
        for place, questions in sections.items()
    ]
    return tuple(sorted(found, key=lambda section: -section.count))


def _merged(groups: Sequence[Sequence[Feedback]], encoder: Encoder) -> list[list[Feedback]]:
    """Join groups whose first questions are near to each other, into the earlier one."""
    if not groups:
        return []
    embeddings = encoder.encode([group[0].question for group in groups])
    merged: dict[int, list[Feedback]] = {}
    leads = np.zeros(len(groups), dtype=bool)
    for number, cosines in enumerate(_cosines_to_earlier(embeddings)):
        near = np.flatnonzero(leads[:number] & (cosines >= SAME_FEEDBACK_COSINE))
        if near.size:
            merged[int(near[cosines[near].argmax()])] += groups[number]
        else:
            leads[number] = True
            merged[number] = list(groups[number])
    return list(merged.values())


def _cosines_to_earlier(embeddings: FloatMatrix) -> Iterator[FloatMatrix]:
    """Of each row in turn its cosines to all rows before it."""
    for start in range(0, len(embeddings), comparing.ROWS_AT_ONCE):
        some = embeddings[start : start + comparing.ROWS_AT_ONCE]
        for number, cosines in enumerate(some @ embeddings[: start + len(some)].T, start=start):
            yield cosines[:number]


def _asked(group: Sequence[Feedback], proposal: str) -> AskedQuestion:
    texts = dict.fromkeys(row.question for row in group)
    first, *others = texts
    notes = tuple(dict.fromkeys(row.note for row in group if row.note.strip()))
    return AskedQuestion(first, len(group), tuple(others), notes, proposal)


def _proposal(group: Sequence[Feedback], section: str, known: str) -> str:
    if all(row.outcome == Outcome.ANSWERED for row in group):
        return (
            f"It was answered, and the answer did not help: read what is shown, in “{section}” or elsewhere."
        )
    if known:
        return f"Write an answer into “{section}”. The bank has an open question like it: “{known}”"
    return f"Write an answer into “{section}”, or add an open question to the bank."


# The page.


def report_html(report: Report) -> str:
    """The page as one HTML text that asks for nothing else."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = ((TEMPLATES / name).read_text("utf-8") for name in ("report.css", "report.js"))
    return environment.get_template("report.html").render(
        report=report,
        kinds=KINDS,
        max_pairs=MAX_PAIRS,
        long_factor=LONG_FACTOR,
        map_counts=report.map.counts(),
        answered_from=ANSWERED_FROM,
        map_data=_map_data(report.map),
        colours=_colours(len(report.map.sections)),
        style=style,
        script=script,
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
    )


def _map_data(drawn: Map) -> dict[str, object]:
    """What the script draws; short, since there are thousands of points."""
    return {
        "size": MAP_SIZE,
        "kinds": KINDS,
        "sections": drawn.sections,
        "points": [[point.x, point.y, point.kind, point.section, point.text] for point in drawn.points],
    }


def _colours(count: int) -> list[str]:
    """One colour for each section on light and on dark paper; neighbours differ in lightness too."""
    return [
        f"light-dark(hsl({hue} 75% {40 + lighter}%), hsl({hue} 75% {55 + lighter}%))"
        for hue, lighter in ((360 * n // count, 14 * (n % 2)) for n in range(count))
    ]


def _policy_hash(text: str) -> str:
    """How a Content-Security-Policy names an inline style or script that may be used."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# Where a row stands.


def _section(index: Index, row: Chunk | Sentence) -> tuple[int, int]:
    chunk = index.chunks[row.chunk] if isinstance(row, Sentence) else row
    return chunk.document, chunk.section


def _section_name(index: Index, place: tuple[int, int]) -> str:
    document = index.documents[place[0]]
    return _path_words(document, document.sections[place[1]].path)


def _path_words(document: Document, path: tuple[str, ...]) -> str:
    """A section path in one line, without the title that all sections of a document stand under."""
    below_title = path[1:] if len(path) > 1 and path[0] == document.title else path
    return " › ".join(below_title) or document.title


def _lines(index: Index) -> Callable[[int], Lines]:
    """What gives the lines of a document by its position, counted once."""
    return cache(lambda number: Lines(index.documents[number].text))


def _citation(index: Index, row: Chunk | Sentence, lines_of: Callable[[int], Lines]) -> Citation:
    name, line = index.documents[row.document].name, lines_of(row.document).number_at(row.start)
    return Citation(index.plain_text(row), name, line, _section_name(index, _section(index, row)))


def _chunks_by_start(index: Index) -> dict[tuple[str, int], Chunk]:
    return {(index.documents[chunk.document].name, chunk.start): chunk for chunk in index.chunks}
