"""Question sets → measures of what the assistant finds, shows, and leaves unanswered.

Rows are JSON objects, one a line: ``id``, ``kind`` (answerable, unanswerable_near, unanswerable_far,
urgent), ``history``, ``question``, ``gold`` (for each needed piece of evidence a list of alternative
sentences of the document, written exactly), ``sections`` and ``style``. Other keys are ignored. Of a row
without ``sections`` nothing is measured about sections.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from b12qa.answering import Assistant
from b12qa.errors import QueryError
from b12qa.index import Index
from b12qa.markdown import plain_text_of
from b12qa.plain import one_line, short, writable
from b12qa.progress import Progress, no_progress
from b12qa.records import Answer, Document, Outcome, Passage, Span

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RANKING_DEPTH = 5
# So many rows that do not fit the documents are named.
MAX_ROWS_NAMED = 10
BOOTSTRAP_SAMPLES = 1000
CALIBRATION_BINS = 10
Z_95 = 1.959964  # the normal quantile of 0.975
# The operating point at which false answers are counted.
COVERAGE = 0.9

Array = npt.NDArray[np.float64]


class Kind(StrEnum):
    """What should become of a question."""

    ANSWERABLE = "answerable"
    UNANSWERABLE_NEAR = "unanswerable_near"
    UNANSWERABLE_FAR = "unanswerable_far"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question of an evaluation set."""

    id: str
    kind: Kind
    question: str
    history: tuple[str, ...] = ()
    gold: tuple[tuple[str, ...], ...] = ()
    sections: tuple[str, ...] = ()
    style: str = ""
    where: str = field(default="", compare=False)  # "FILE:LINE" if it was read; for messages


@dataclass(frozen=True, slots=True)
class Result:
    """What the assistant did with one question."""

    id: str
    kind: Kind
    style: str
    question: str
    query: str  # as it was searched; empty if nothing was
    follow_up: bool
    outcome: Outcome
    confidence: float
    evidence_ranks: tuple[int, ...]  # per piece of evidence, rank of the first passage with it; 0 if none
    shown_ranks: tuple[int, ...]  # the same among the quotes that were found and shown
    section_first: bool | None  # the first passage stands in a right section; None if the row names none
    highlight_first: bool  # the first highlighted sentence is evidence
    highlight_precision: float  # share of the quotes whose first highlighted sentence is evidence
    highlight_recall: float  # share of the pieces of evidence that are highlighted
    first_quote_length: int  # characters; 0 without a quote
    shown: str  # what was highlighted first, or the title of a care card; empty if nothing was shown
    nearest: str = ""  # the sentence that ranks first, shown or not
    first_passage: tuple[str, int] | None = None  # document and start of the first passage

    @property
    def asked(self) -> str:
        """For people to read: as it was searched, or else as it was typed."""
        return self.query or self.question

    @property
    def as_wanted(self) -> bool:
        """Whether it was handled as such a question should be.

        An answer shows all evidence, and ranks it first if there is one piece. Of a question that the
        documents do not answer something close may be shown, since it says that it may not answer.
        """
        if self.kind == Kind.ANSWERABLE:
            first = len(self.evidence_ranks) > 1 or self.found(1)
            return self.outcome is Outcome.ANSWERED and all(self.shown_ranks) and first
        if self.kind == Kind.URGENT:
            return self.outcome is Outcome.URGENT
        return self.outcome not in (Outcome.ANSWERED, Outcome.URGENT)

    def found(self, k: int) -> bool:
        """Every piece of evidence lies in the first k passages."""
        return all(0 < rank <= k for rank in self.evidence_ranks)

    def shown_within(self, k: int) -> bool:
        """Every piece of evidence lies in the first k quotes."""
        return all(0 < rank <= k for rank in self.shown_ranks)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All measures of one run."""

    measures: Mapping[str, Measure]
    by_style: Mapping[str, Mapping[str, Measure]]
    outcomes: Mapping[str, Mapping[str, int]]  # kind → outcome → count
    risk_coverage: tuple[tuple[float, float], ...]
    results: tuple[Result, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read_question_sets(paths: Iterable[str | Path]) -> list[QuestionRow]:
    """Read several question sets as one.

    Raises:
        QueryError: as in `read_questions`, or a file is named twice: its questions would count twice.
    """
    named = list(map(Path, paths))
    seen: set[Path] = set()
    for path in named:
        if path.resolve() in seen:
            raise QueryError(f"{path} is named twice, and its questions would count twice. Name it once.")
        seen.add(path.resolve())
    return [row for path in named for row in read_questions(path)]


def read_questions(path: str | Path) -> list[QuestionRow]:
    """Read a question set. A byte order mark at its beginning is no part of it.

    Raises:
        QueryError: a line is not a row of the form above, or has the id of an earlier one, and the message
            names file and line; or there is none.
        OSError: the file cannot be read.
    """
    path = Path(path)
    rows: dict[str, QuestionRow] = {}
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = replace(_row(_record(line)), where=where)
        except QueryError as error:
            raise QueryError(f"{where}: {error} Mend the line.") from error
        if row.id in rows:
            raise QueryError(f"{where}: the id {row.id!r} is also that of {rows[row.id].where}. Change one.")
        rows[row.id] = row
    if not rows:
        raise QueryError(f"{path} holds no question: expected JSON objects, one a line. Name another file.")
    return list(rows.values())


def _record(line: bytes) -> dict[str, Any]:
    """The JSON object on a line."""
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        found = f"byte {line[error.start]:02x} at place {error.start + 1} of the line"
        raise QueryError(f"expected UTF-8, got {found}.") from error
    except json.JSONDecodeError as error:
        raise QueryError(
            f"expected a JSON object, got what is no JSON: {error.msg} at place {error.colno} of the line."
        ) from error
    except RecursionError as error:
        raise QueryError("expected a JSON object, got brackets that are nested too deep.") from error
    except ValueError as error:  # a number of more digits than Python reads
        raise QueryError("expected a JSON object, got a number that is too long.") from error
    if not isinstance(record, dict):
        raise QueryError(f"expected a JSON object, got {_in_json(record)}.")
    return record


def _row(record: Mapping[str, Any]) -> QuestionRow:
    """The question that an object stands for, if its fields are of their form."""
    missing = [name for name in ("id", "kind", "question") if name not in record]
    if missing:
        raise QueryError(f"expected the fields id, kind and question, missing: {', '.join(missing)}.")
    row = QuestionRow(
        id=_id(record["id"]),
        kind=_kind(record["kind"]),
        question=_text("question", record["question"]),
        history=_texts("history", record.get("history") or []),
        gold=_lists_of_texts("gold", record.get("gold") or []),
        sections=_texts("sections", record.get("sections") or []),
        style=_text("style", record.get("style") or ""),
    )
    if not row.question.strip():
        raise QueryError("expected words as question, got an empty text.")
    if any(not words.strip() for alternatives in row.gold for words in alternatives):
        raise QueryError("expected sentences of a document as gold, got an empty text.")
    if not all(row.gold):
        raise QueryError("expected at least one sentence for each piece of gold, got an empty list.")
    if (row.kind == Kind.ANSWERABLE) != bool(row.gold):
        raise QueryError("answerable questions, and only they, have gold.")
    return row


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise QueryError(f"expected a text or a whole number as id, got {_in_json(value)}.")
    return str(value)


def _kind(value: object) -> Kind:
    kinds = {kind.value: kind for kind in Kind}
    if not isinstance(value, str) or value not in kinds:
        raise QueryError(f"expected {', '.join(kinds)} as kind, got {_in_json(value)}.")
    return kinds[value]


def _text(field_name: str, value: object) -> str:
    if not isinstance(value, str):
        raise QueryError(f"expected a text as {field_name}, got {_in_json(value)}.")
    return value


def _texts(field_name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise QueryError(f"expected a list of texts as {field_name}, got {_in_json(value)}.")
    return tuple(value)


def _lists_of_texts(field_name: str, value: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list) or not all(isinstance(item, list) for item in value):
        raise QueryError(f"expected a list of lists of texts as {field_name}, got {_in_json(value)}.")
    return tuple(_texts(f"each list in {field_name}", item) for item in value)


def _in_json(value: object) -> str:
    """A value as it stands in the file, cut to what a message has room for."""
    try:
        return writable(short(json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        return "brackets that are nested too deep"


def with_typos(rows: Sequence[QuestionRow], seed: int) -> list[QuestionRow]:
    """The same questions, each with one typo: two letters swapped, or one dropped, doubled or replaced.

    Where that leaves a word as it was ("ll" swapped), so it stays, as does a question of short words.

    Args:
        seed: from 0; the same seed makes the same typos.

    Raises:
        QueryError: the seed is below 0.

    Source: the four edits of Damerau, 1964, doi:10.1145/363958.363994; words of four letters or more.
    """
    if seed < 0:
        raise QueryError(f"Expected a whole number from 0 as seed, got {seed}.")
    random = np.random.default_rng(seed)
    return [replace(row, question=_with_typo(row.question, random)) for row in rows]


def _with_typo(question: str, random: np.random.Generator) -> str:
    places = [match.span() for match in re.finditer(r"[^\W\d_]{4,}", question)]
    if not places:
        return question
    start, end = places[random.integers(len(places))]
    at = int(random.integers(start, end - 1))
    here, following = question[at], question[at + 1]
    letter = "abcdefghijklmnopqrstuvwxyz"[random.integers(26)]
    edits = (following + here, following, here + here + following, letter + following)
    return question[:at] + edits[random.integers(len(edits))] + question[at + 2 :]


def evaluate(
    assistant: Assistant,
    rows: Sequence[QuestionRow],
    on_progress: Progress = no_progress,
) -> Evaluation:
    """Ask every question and measure."""
    return summarize(ask_all(assistant, rows, on_progress))


def ask_all(
    assistant: Assistant,
    rows: Sequence[QuestionRow],
    on_progress: Progress = no_progress,
) -> list[Result]:
    """Ask every question.

    Raises:
        QueryError: a gold sentence is in no document, or a section of a row is a heading of none.
    """
    texts = {document.name: PlainDocument(document) for document in assistant.documents}
    _check_rows(rows, list(texts.values()))
    assistant = assistant.embedding_ahead((row.question, row.history) for row in rows)
    results = []
    for done, row in enumerate(rows, start=1):
        results.append(_result(assistant, row, texts))
        on_progress(done, len(rows))
    return results


def summarize(results: Sequence[Result]) -> Evaluation:
    """Measures of results, each with a 95 % interval: Wilson's for shares, a bootstrap for the others."""
    of = {kind: [r for r in results if r.kind == kind] for kind in Kind}
    answerable, near, far = of[Kind.ANSWERABLE], of[Kind.UNANSWERABLE_NEAR], of[Kind.UNANSWERABLE_FAR]
    measures = _Measures()
    _measure_places(measures, answerable)
    _measure_outcomes(measures, answerable, near, far, of[Kind.URGENT])
    curve = _measure_confidence(measures, [*answerable, *near, *far])
    outcomes: dict[str, dict[str, int]] = {}
    for r in results:
        counts = outcomes.setdefault(r.kind, {})
        counts[r.outcome] = counts.get(r.outcome, 0) + 1
    return Evaluation(measures.by_name, _by_style(answerable), outcomes, curve, tuple(results))


class _Measures:
    """Measures by name, in the order in which they are taken; there is none of no results."""

    def __init__(self) -> None:
        self.by_name: dict[str, Measure] = {}

    def share(self, name: str, group: Sequence[Result], is_so: Callable[[Result], bool]) -> None:
        if group:
            self.by_name[name] = proportion([is_so(r) for r in group])

    def average(self, name: str, group: Sequence[Result], value: Callable[[Result], float]) -> None:
        if group:
            self.by_name[name] = mean(np.array([float(value(r)) for r in group]))

    def two(
        self, name: str, a: Sequence[Result], b: Sequence[Result], of: Callable[[Array, Array], Measure]
    ) -> None:
        some, others = _searched(a), _searched(b)
        if some and others:
            self.by_name[name] = of(_confidences(some), _confidences(others))


def _searched(results: Sequence[Result]) -> list[Result]:
    """Without questions that were taken for an emergency: nothing was confident of anything."""
    return [r for r in results if r.outcome is not Outcome.URGENT]


def _measure_places(measures: _Measures, answerable: Sequence[Result]) -> None:
    """Whether passage, section and sentence are the right ones."""
    groups = {
        "stand-alone": [r for r in answerable if not r.follow_up and len(r.evidence_ranks) == 1],
        "follow-ups": [r for r in answerable if r.follow_up],
        "two places": [r for r in answerable if len(r.evidence_ranks) > 1],
    }
    for label, group in groups.items():
        for k in (1, 3, 5):
            measures.share(f"evidence success@{k}, {label}", group, partial(Result.found, k=k))
        for k in (1, 3):
            measures.share(f"shown success@{k}, {label}", group, partial(Result.shown_within, k=k))
        with_sections = [r for r in group if r.section_first is not None]
        measures.share(f"section@1, {label}", with_sections, lambda r: bool(r.section_first))
        measures.average(f"RR, {label}", group, _reciprocal_rank)
        measures.share(f"right sentence highlighted first, {label}", group, lambda r: r.highlight_first)
    measures.share("all evidence shown, two places", groups["two places"], lambda r: all(r.shown_ranks))
    quoted = [r for r in answerable if r.first_quote_length]
    measures.average("highlight precision", quoted, lambda r: r.highlight_precision)
    measures.average("highlight recall", answerable, lambda r: r.highlight_recall)
    measures.average("length of the first quote, characters", quoted, lambda r: r.first_quote_length)


def _measure_outcomes(
    measures: _Measures,
    answerable: Sequence[Result],
    near: Sequence[Result],
    far: Sequence[Result],
    urgent: Sequence[Result],
) -> None:
    """Whether what is answerable is told from what is not, and emergencies from both."""
    compare = partial(_compare, of=auroc)
    measures.two("AUROC of confidence, near misses", answerable, near, compare)
    measures.two("AUROC of confidence, far-off", answerable, far, compare)
    measures.two("false answers at 90 % coverage, near misses", answerable, near, _false_answers)
    measures.two("false answers at 90 % coverage, far-off", answerable, far, _false_answers)
    for label, group in (("answerable", answerable), ("near misses", near), ("far-off", far)):
        measures.share(f"{label} shown as answered", group, lambda r: r.outcome is Outcome.ANSWERED)
    measures.share("urgent recognized", urgent, lambda r: r.outcome is Outcome.URGENT)
    measures.share("false alarms", [*answerable, *near, *far], lambda r: r.outcome is Outcome.URGENT)


def _measure_confidence(measures: _Measures, judged: Sequence[Result]) -> tuple[tuple[float, float], ...]:
    """Whether confidence is what it says; the curve of risk over coverage."""
    searched = _searched(judged)
    if not searched:
        return ()
    confidences = _confidences(searched)
    right = np.array([r.kind == Kind.ANSWERABLE and r.found(3) for r in searched], dtype=float)
    measures.by_name["AURC"] = _bootstrap((confidences, right), risk_area)
    measures.by_name["expected calibration error"] = _bootstrap((confidences, right), calibration_error)
    return tuple(risk_coverage(confidences, right))


def _by_style(answerable: Sequence[Result]) -> dict[str, dict[str, Measure]]:
    styles = sorted({r.style for r in answerable if r.style})
    return {
        style: {
            f"evidence success@{k}": proportion([r.found(k) for r in answerable if r.style == style])
            for k in (1, 3)
        }
        for style in styles
    }


# What people read.


def report(evaluation: Evaluation, worst: int = 10) -> str:
    """All measures as text, with the questions that went worst and what was shown instead."""
    lines = [f"{name:52} {measure}" for name, measure in evaluation.measures.items()]
    lines += ["", "Evidence success@1 / @3 of answerable questions, by style"]
    for style, measures in evaluation.by_style.items():
        values = " / ".join(f"{measure.value:.3f}" for measure in measures.values())
        lines.append(f"  {style:24} {values}  n={next(iter(measures.values())).n}")
    lines += ["", "Outcomes"]
    for kind, counts in evaluation.outcomes.items():
        lines.append(f"  {kind:24} " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    if worst:
        listed = worst_results(evaluation.results, worst)
        lines += ["", "Worst questions" if listed else "All questions were handled as wanted."]
        for r in listed:
            lines.append(f"  {r.id} ({r.kind}, {r.outcome}, {r.confidence:.2f}): {r.asked}")
            lines.append(f"      shown: {_shown_words(r)}")
    return "\n".join(lines)


def _shown_words(result: Result) -> str:
    if result.outcome is Outcome.URGENT:
        return f"a care card, {result.shown}"
    return result.shown or (f"nothing; nearest: {result.nearest}" if result.nearest else "nothing")


def worst_results(results: Iterable[Result], count: int) -> list[Result]:
    """Those that were not handled as wanted and are furthest from it, the worst first; at most so many."""
    missed = [result for result in results if not result.as_wanted]
    return sorted(missed, key=_badness, reverse=True)[:count]


def _badness(result: Result) -> float:
    """How far a result is from what was wanted: 0 is right, 2 is confidently wrong."""
    if result.kind == Kind.ANSWERABLE:
        return (1 - result.confidence) + (not result.found(1) if len(result.evidence_ranks) == 1 else 0)
    if result.kind == Kind.URGENT:
        return float(result.outcome is not Outcome.URGENT) * 2
    return result.confidence * 2


def read_results(path: Path) -> list[Result]:
    """Read the results of an earlier run.

    Raises:
        QueryError: the file was not written by `b12qa evaluate --json`.
    """
    try:
        records = json.loads(path.read_text("utf-8"))["results"]
        return [
            Result(
                **{
                    **record,
                    "kind": Kind(record["kind"]),
                    "outcome": Outcome(record["outcome"]),
                    "evidence_ranks": tuple(record["evidence_ranks"]),
                    "shown_ranks": tuple(record["shown_ranks"]),
                    "first_passage": tuple(record.get("first_passage") or ()) or None,
                    **_shown_and_nearest(record),
                }
            )
            for record in records
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise QueryError(
            f"{path} is not the output of b12qa evaluate --json, or of another version. Name another file."
        ) from error


def _shown_and_nearest(record: Mapping[str, Any]) -> dict[str, str]:
    """What was shown and what ranked first; earlier versions called the second by the name of the first."""
    if "nearest" in record:
        return {"shown": record["shown"], "nearest": record["nearest"]}
    return {"shown": record["shown"] if record["first_quote_length"] else "", "nearest": record["shown"]}


def differences(before: Sequence[Result], after: Sequence[Result]) -> list[str]:
    """Gains, losses and flips of the outcome, question by question."""
    old = {_key(result): result for result in before}
    gains: list[str] = []
    losses: list[str] = []
    flips: list[str] = []
    for new in after:
        was = old.get(_key(new))
        if was is None:
            continue
        if new.kind == Kind.ANSWERABLE and new.found(1) != was.found(1):
            (gains if new.found(1) else losses).append(f"  {new.id}: {new.asked} → {new.nearest}")
        if new.outcome is not was.outcome:
            flips.append(f"  {new.id} ({new.kind}): {was.outcome} → {new.outcome}: {new.asked}")
    missing = len(old.keys() - {_key(result) for result in after})
    return [
        f"Gains: {len(gains)}, losses: {len(losses)}, flips: {len(flips)}"
        + (f", not asked again: {missing}" if missing else ""),
        *(["Found first now:", *gains] if gains else []),
        *(["No longer first:", *losses] if losses else []),
        *(["Other outcome:", *flips] if flips else []),
    ]


def _key(result: Result) -> tuple[str, str, str]:
    """What tells the questions of several files apart, where two files use the same id."""
    return (result.id, result.kind, result.question)


def blank_figure(path: Path) -> Figure:
    """What a plot is drawn on. What forbids the plot is known before any question is asked.

    Raises:
        QueryError: matplotlib is not installed, the file's ending names no picture format, or its folder
            is not there.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise QueryError("A plot needs matplotlib. Run: pip install 'b12qa[notebook]'") from error
    figure = Figure(figsize=(6, 4), layout="constrained")
    endings = figure.canvas.get_supported_filetypes()
    if path.suffix and path.suffix[1:].lower() not in endings:
        raise QueryError(f"{path} cannot be drawn: expected one of {', '.join(sorted(endings))} as ending.")
    if not path.parent.is_dir():
        raise QueryError(f"The folder {path.parent} is not there. Make it, or name another with --plot.")
    return figure


def plot_risk_coverage(evaluation: Evaluation, path: Path) -> None:
    """Draw the risk–coverage curve.

    Raises:
        QueryError: as `blank_figure`, or no question was asked that could be answered wrongly.
    """
    if not evaluation.risk_coverage:
        raise QueryError("There is nothing to draw: no question of the set can be answered wrongly.")
    figure = blank_figure(path)
    axes = figure.subplots()
    coverages, risks = zip(*evaluation.risk_coverage, strict=True)
    axes.step(coverages, risks, where="post")
    axes.set(xlabel="coverage: share of questions answered", ylabel="risk: share of these answered wrongly")
    axes.set(
        xlim=(0, 1), ylim=(0, None), title="Risk and coverage, as ever less confident questions are answered"
    )
    axes.grid(alpha=0.3)
    figure.savefig(path)


# Measures. Each takes plain arrays, so that a test can work it out by hand.


def proportion(hits: Sequence[bool]) -> Measure:
    """The share of some cases that are so, with the Wilson score interval.

    A bootstrap of two hits in two cases, or of a hundred in a hundred, only ever draws hits: it would give an
    interval without any width.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927,
    doi:10.1080/01621459.1927.10502953; its coverage near the borders: Brown, Cai and DasGupta, Interval
    Estimation for a Binomial Proportion, 2001, doi:10.1214/ss/1009213286.
    """
    n, share = len(hits), sum(hits) / len(hits)
    return Measure(share, *_wilson_interval(share, n), n)


def _wilson_interval(share: float, n: int) -> tuple[float, float]:
    """See `proportion`."""
    spread = Z_95**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z_95 * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # Rounding must not put the share itself outside.
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def mean(values: Array) -> Measure:
    """The mean of some values, with its interval; of differences in pairs, the interval of the difference."""
    return _bootstrap((values,), lambda v: float(v.mean()))


def auroc(positive: Array, negative: Array) -> float:
    """Probability that a positive scores above a negative; ties count half.

    Source: Mann and Whitney, 1947, doi:10.1214/aoms/1177730491.
    """
    order = np.sort(negative)
    below = np.searchsorted(order, positive, side="left")
    equal = np.searchsorted(order, positive, side="right") - below
    return float((below + equal / 2).mean() / len(negative))


def false_answer_rate(positive: Array, negative: Array, coverage: float = COVERAGE) -> float:
    """Share of negatives that score at least what the given share of positives reaches."""
    kept = int(np.ceil(coverage * len(positive)))
    threshold = np.sort(positive)[::-1][kept - 1]
    return float((negative >= threshold).mean())


def risk_coverage(confidences: Array, right: npt.NDArray[Any]) -> list[tuple[float, float]]:
    """Pairs of coverage and risk, as ever less confident questions are answered.

    Equal confidences are one step: no threshold can tell them apart.

    Source: El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification, JMLR 11, 2010.
    """
    order = np.argsort(-confidences, kind="stable")
    sorted_confidences = confidences[order]
    wrong = np.cumsum(1 - right[order].astype(float))
    n = len(order)
    return [
        ((i + 1) / n, float(wrong[i] / (i + 1)))
        for i in range(n)
        if i == n - 1 or sorted_confidences[i] != sorted_confidences[i + 1]
    ]


def risk_area(confidences: Array, right: Array) -> float:
    """Area under the risk–coverage curve: mean risk over all coverages; lower is better.

    Source: Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation, ICLR 2019.
    """
    area, before = 0.0, 0.0
    for coverage, risk in risk_coverage(confidences, right):
        area += (coverage - before) * risk
        before = coverage
    return area


def calibration_error(confidences: Array, right: Array) -> float:
    """Mean distance between confidence and the share that is right, over ten equal bins.

    Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning, AAAI 2015.
    """
    bins = np.minimum((confidences * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    error = 0.0
    for number in range(CALIBRATION_BINS):
        inside = bins == number
        if inside.any():
            error += inside.mean() * abs(confidences[inside].mean() - right[inside].mean())
    return float(error)


def _false_answers(positive: Array, negative: Array) -> Measure:
    """`false_answer_rate` with its interval.

    A bootstrap draws the threshold anew, which Wilson's interval takes for known; it has no width where no
    negative is near the threshold, which Wilson's has. The interval holds both.
    """
    found = _compare(positive, negative, false_answer_rate)
    low, high = _wilson_interval(found.value, len(negative))
    return replace(found, low=min(low, found.low), high=max(high, found.high))


def _reciprocal_rank(result: Result) -> float:
    """One over the rank of the first passage with evidence; 0 if none was found."""
    return max((1 / rank for rank in result.evidence_ranks if rank), default=0.0)


def _confidences(results: Iterable[Result]) -> Array:
    return np.array([r.confidence for r in results], dtype=float)


def _bootstrap(arrays: tuple[Array, ...], of: Callable[..., float]) -> Measure:
    """The value of some parallel arrays, and the 2.5 and 97.5 percentiles of resampled ones."""
    random = np.random.default_rng(0)
    n = len(arrays[0])
    samples = (random.integers(0, n, n) for _ in range(BOOTSTRAP_SAMPLES))
    values = [of(*(array[rows] for array in arrays)) for rows in samples]
    low, high = np.percentile(values, [2.5, 97.5])
    return Measure(of(*arrays), float(low), float(high), n)


def _compare(a: Array, b: Array, of: Callable[[Array, Array], float]) -> Measure:
    """The same for two groups that are resampled apart."""
    random = np.random.default_rng(0)
    values = [of(random.choice(a, len(a)), random.choice(b, len(b))) for _ in range(BOOTSTRAP_SAMPLES)]
    low, high = np.percentile(values, [2.5, 97.5])
    return Measure(of(a, b), float(low), float(high), len(a) + len(b))


# What was found, against the gold sentences.


class PlainDocument:
    """A document's words without marks and line breaks, so that gold sentences may be written either way."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.words = self.of(Span(0, len(document.text)))

    def of(self, span: Span) -> str:
        return one_line(plain_text_of(self.document, span))


def _result(assistant: Assistant, row: QuestionRow, texts: Mapping[str, PlainDocument]) -> Result:
    top_k = min(RANKING_DEPTH, assistant.retriever.most_passages)
    ranked = assistant.search(row.question, row.history, top_k)
    answer = assistant.ask(row.question, row.history)
    gold = [[gold_words(sentence, texts.values()) for sentence in alternatives] for alternatives in row.gold]
    # The first highlight is the sentence that was found; the others are what it leans on.
    highlighted = [texts[q.document].of(span) for q in answer.found for span in q.highlights[:1]]
    hits = [_same(sentence, gold) for sentence in highlighted]
    best = ranked[0] if ranked else None  # nothing is searched for a message without a word
    first = [texts[best.document].of(span) for span in best.highlights] if best else []
    in_section = bool(best and set(best.section_path) & set(row.sections))
    return Result(
        id=row.id,
        kind=row.kind,
        style=row.style,
        question=row.question,
        query=answer.query,
        follow_up=bool(row.history),
        outcome=answer.outcome,
        confidence=answer.confidence,
        evidence_ranks=_ranks(ranked, gold, texts),
        shown_ranks=_ranks(answer.found, gold, texts),
        section_first=in_section if row.sections else None,
        highlight_first=bool(first) and bool(_same(first[0], gold)),
        highlight_precision=sum(map(bool, hits)) / len(hits) if hits else 0.0,
        highlight_recall=len(set().union(*hits)) / len(gold) if gold and hits else 0.0,
        first_quote_length=len(answer.found[0].text) if answer.found else 0,
        shown=_shown(answer, texts),
        nearest=first[0] if first else "",
        first_passage=(best.document, best.start) if best else None,
    )


def _shown(answer: Answer, texts: Mapping[str, PlainDocument]) -> str:
    """See `Result.shown`."""
    if answer.outcome is Outcome.URGENT and answer.care_card is not None:
        return answer.care_card.title
    quotes = answer.found or answer.quotes
    if not quotes:
        return ""
    whole = Span(quotes[0].start, quotes[0].end)
    return texts[quotes[0].document].of((*quotes[0].highlights, whole)[0])


def passages_with_gold(index: Index, rows: Iterable[QuestionRow]) -> set[int]:
    """Positions of the chunks that hold a gold sentence of any question."""
    texts = [PlainDocument(document) for document in index.documents]
    wanted = {sentence for row in rows for alternatives in row.gold for sentence in alternatives}
    gold = {gold_words(sentence, texts) for sentence in wanted}
    words = [texts[chunk.document].of(Span(chunk.start, chunk.end)) for chunk in index.chunks]
    return {position for position, text in enumerate(words) if any(sentence in text for sentence in gold)}


def _ranks(
    passages: Sequence[Passage], gold: list[list[str]], texts: Mapping[str, PlainDocument]
) -> tuple[int, ...]:
    words = [texts[passage.document].of(Span(passage.start, passage.end)) for passage in passages]
    return tuple(
        next((rank for rank, text in enumerate(words, start=1) if any(s in text for s in alternatives)), 0)
        for alternatives in gold
    )


def _same(sentence: str, gold: list[list[str]]) -> set[int]:
    """Which pieces of evidence a highlighted sentence is, however the two were cut."""
    return {
        piece
        for piece, alternatives in enumerate(gold)
        if any(other in sentence or sentence in other for other in alternatives)
    }


def _check_rows(rows: Iterable[QuestionRow], texts: Sequence[PlainDocument]) -> None:
    """Refuse rows that do not fit the documents, all at once: after an edit there may be several."""
    headings = {heading for text in texts for section in text.document.sections for heading in section.path}
    found = [
        f"{row.where or 'a row'}: {problem}"
        for row in rows
        for problem in (*_lost_gold(row, texts), *_unknown_sections(row, headings))
    ]
    if found:
        beyond = [f"and {len(found) - MAX_ROWS_NAMED:,} more"] if len(found) > MAX_ROWS_NAMED else []
        rest = "Mend the row." if len(found) == 1 else "Mend the rows."
        raise QueryError("\n".join([*found[:MAX_ROWS_NAMED], *beyond, rest]))


def _lost_gold(row: QuestionRow, texts: Sequence[PlainDocument]) -> Iterator[str]:
    for sentence in (sentence for alternatives in row.gold for sentence in alternatives):
        if not any(gold_words(sentence, texts) in text.words for text in texts):
            yield f"the gold sentence of {row.id} is in no document: {sentence!r}."


def _unknown_sections(row: QuestionRow, headings: AbstractSet[str]) -> Iterator[str]:
    for name in (name for name in row.sections if name not in headings):
        nearest = get_close_matches(name, sorted(headings), n=1, cutoff=0)
        hint = f"; the nearest heading is {nearest[0]!r}" if nearest else ""
        yield f"the section of {row.id} is in no document: {name!r}{hint}."


def gold_words(sentence: str, texts: Iterable[PlainDocument]) -> str:
    """The words of a gold sentence: copied from the file with all its marks, or written without them."""
    for text in texts:
        start = text.document.text.find(sentence)
        if start >= 0:
            return text.of(Span(start, start + len(sentence)))
    return one_line(sentence.replace("**", ""))
