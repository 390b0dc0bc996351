"""Question bank → what it teaches: which sentence a question asks for, and whether any answers it.

Similarity cannot see that "mushrooms" stands where the article says "clams". The bank can: it holds
the questions that each sentence answers, and the open ones that sound close and are not answered.
Kernel ridge regression learns both at once from the embeddings of the bank, in closed form, so that
the same bank always teaches the same. The price is a system of equations as large as the bank.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from b12qa.embedding import FloatMatrix
from b12qa.errors import CorpusError
from b12qa.lexical import LexicalIndex, Scores
from b12qa.records import OpenQuestion, Question, Sentence

# Chosen on the development questions, see evals/README.md; flat around these values.
KERNEL_WIDTH = 1.0
RIDGE = 0.05
MAX_ANCHORS = 12_000
# Raised when a bank teaches something else than before, so that every index is out of date.
LEARNING = 3
# Share of bank questions whose nearest neighbour may be further away than "far off" begins.
FAR_OFF_PERCENTILE = 0.2
FAR_OFF_SHARPNESS = 0.03

Array = npt.NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)


class Signals(NamedTuple):
    """What speaks for or against an answer to one question."""

    answerable: float  # taught by the bank, about -1 (open) to 1 (answered)
    lexical_margin: float  # see `lexical_margin`, -1 to 1
    best_sentence: float  # taught by the bank, about 0 to 1: that one sentence is asked for
    nearest: float  # cosine to the nearest sentence or question


@dataclass(frozen=True, slots=True)
class Calibration:
    """From signals to a probability: logistic regression, and a gate for what is far off."""

    intercept: float
    answerable_weight: float
    lexical_weight: float
    best_sentence_weight: float
    far_off_below: float  # cosine to the nearest known text

    def confidence(self, signals: Signals) -> float:
        """The probability that the document answers, 0 to 1."""
        answered = sigmoid(
            self.intercept
            + self.answerable_weight * signals.answerable
            + self.lexical_weight * signals.lexical_margin
            + self.best_sentence_weight * signals.best_sentence
        )
        return answered * sigmoid((signals.nearest - self.far_off_below) / FAR_OFF_SHARPNESS)

    def to_dict(self) -> dict[str, float]:
        """For the manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BankModel:
    """What one document's bank taught."""

    coefficients: FloatMatrix  # shape (n_sentences + 1, n_anchors); the last row is "is answered"
    calibration: Calibration

    def apply(self, cosines: FloatMatrix) -> tuple[FloatMatrix, FloatMatrix]:
        """Score sentences and answerability.

        Args:
            cosines: of the queries to the anchors, shape (n_queries, n_anchors).

        Returns:
            Scores of the sentences, shape (n_queries, n_sentences), about 0 to 1; and answerability,
            shape (n_queries,), about -1 (open) to 1 (answered).
        """
        weights = kernel(cosines)
        # One term after the other, which is less exact than blocks, and has the bits that ANSWERED_FROM was
        # chosen with: blocks would move two of 1,876 evaluation questions over a border.
        answerable = np.cumsum(weights * self.coefficients[-1], axis=1)[:, -1]
        return _product(weights, self.coefficients[:-1]), answerable


def _product(values: FloatMatrix, coefficients: FloatMatrix) -> FloatMatrix:
    """``values @ coefficients.T``, added up in one order whatever the number of cores.

    BLAS shares a matrix product out to as many threads as there are cores, which wait for one another longer
    than it takes, and the order in which it adds depends on their number. Row by row it does neither, and the
    many short sums that it keeps of a row come closer to the exact one, in which thousands of terms cancel
    out, than one long sum.
    """
    product: FloatMatrix = np.vecdot(values[:, np.newaxis], coefficients)
    return product


def kernel(cosines: npt.NDArray[Real], out: npt.NDArray[Real] | None = None) -> npt.NDArray[Real]:
    """The Gaussian kernel of unit vectors, from their cosines.

    Args:
        out: where to put it; the cosines themselves if they are not needed any more.
    """
    distances = np.multiply(cosines, 2.0, out=out)
    np.subtract(2.0, distances, out=distances)
    np.multiply(distances, -KERNEL_WIDTH, out=distances)
    values: npt.NDArray[Real] = np.exp(distances, out=distances)
    return values


class BankRows(NamedTuple):
    """The rows of one document that its bank's regression is fitted to: its anchors, kind by kind."""

    document: int
    sentences: Sequence[int]
    questions: Sequence[int]
    open_questions: Sequence[int]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the coefficients."""
        n_sentences = len(self.sentences)
        return n_sentences + 1, n_sentences + len(self.questions) + len(self.open_questions)


def bank_rows(
    sentences: Sequence[Sentence], questions: Sequence[Question], open_questions: Sequence[OpenQuestion]
) -> Iterator[BankRows]:
    """The rows of every document that has a bank with answered questions, document by document."""
    own, answered, left_open = (defaultdict[int, list[int]](list) for _ in range(3))
    for row, question in enumerate(questions):
        answered[sentences[question.sentence].document].append(row)
    for row, sentence in enumerate(sentences):
        if sentence.document in answered:
            own[sentence.document].append(row)
    for row, open_question in enumerate(open_questions):
        left_open[open_question.document].append(row)
    for document, rows in sorted(answered.items()):
        yield BankRows(document, own[document], rows, left_open[document])


def fit(
    sentence_embeddings: FloatMatrix,
    question_embeddings: FloatMatrix,
    question_sentences: Sequence[int],
    open_embeddings: FloatMatrix,
    questions: Sequence[str],
    open_questions: Sequence[str],
) -> BankModel:
    """Learn from one document's bank.

    Anchors are, in this order, the sentences, the answered questions and the open questions.

    Args:
        question_sentences: for each answered question, the position of its sentence.

    Raises:
        CorpusError: the bank is larger than the equations can be.

    Source: kernel ridge regression and its closed-form leave-one-out residuals, Rifkin and Lippert,
    Notes on Regularized Least Squares, MIT-CSAIL-TR-2007-025.
    """
    n_sentences, n_answered, n_open = (
        len(sentence_embeddings),
        len(question_embeddings),
        len(open_embeddings),
    )
    anchors = np.concatenate([sentence_embeddings, question_embeddings, open_embeddings]).astype(np.float64)
    if len(anchors) > MAX_ANCHORS:
        raise CorpusError(
            f"A document and its question bank hold {len(anchors)} sentences and questions; "
            f"at most {MAX_ANCHORS} can be learnt from. Split the document."
        )
    targets = np.zeros((len(anchors), n_sentences + 1))
    targets[np.arange(n_sentences), np.arange(n_sentences)] = 1
    targets[n_sentences + np.arange(n_answered), np.asarray(question_sentences, dtype=int)] = 1
    targets[:, -1] = 1
    targets[n_sentences + n_answered :, -1] = -1

    cosines = anchors @ anchors.T
    coefficients, inverse_diagonal = _solve(kernel(cosines, out=cosines), targets)
    del cosines
    calibration = UNTAUGHT
    if n_answered and n_open:
        left_out = (targets - coefficients / inverse_diagonal[:, np.newaxis])[n_sentences:]
        signals = np.column_stack(
            [left_out[:, -1], _left_out_margins(questions, open_questions), left_out[:, :-1].max(axis=1)]
        )
        nearest = _left_out_nearest(anchors, n_sentences, n_answered)
        calibration = _calibrate(signals, targets[n_sentences:, -1] > 0, nearest)
    return BankModel(np.ascontiguousarray(coefficients.T, dtype=np.float32), calibration)


def calibration_from_dict(record: Mapping[str, float]) -> Calibration:
    """From the manifest."""
    return Calibration(**{name: float(value) for name, value in record.items()})


# A bank without open questions cannot tell near misses apart; it answers what is not far off.
UNTAUGHT = Calibration(2.0, 0.0, 0.0, 0.0, far_off_below=0.4)


def _solve(gram: Array, targets: Array) -> tuple[Array, Array]:
    """The coefficients, and the diagonal of the inverse that leave-one-out residuals need.

    Args:
        gram: symmetric; it is overwritten, for it is hundreds of megabytes.
    """
    from scipy.linalg import cho_solve, cholesky
    from scipy.linalg.lapack import dtrtri

    gram[np.diag_indices_from(gram)] += RIDGE
    # LAPACK counts by columns: a symmetric matrix is its own transpose, and overwritten only as such.
    lower = cholesky(gram.T, lower=True, overwrite_a=True)
    coefficients: Array = cho_solve((lower, True), targets)
    inverse, _ = dtrtri(lower, lower=1, overwrite_c=1)
    return coefficients, np.einsum("ij,ij->j", inverse, inverse)


def _calibrate(signals: Array, answered: npt.NDArray[np.bool_], nearest: Array) -> Calibration:
    """Fit the probability to left-out questions of the bank.

    Args:
        signals: the first three of `Signals`, shape (n_questions, 3).
        answered: which of the questions are answered.
        nearest: for each answered question, the cosine to the nearest other known text.
    """
    from sklearn.linear_model import LogisticRegression

    # Balanced, because how many open questions an editor wrote says nothing about what people ask.
    model = LogisticRegression(class_weight="balanced").fit(signals, answered)
    answerable, lexical, best_sentence = (float(weight) for weight in model.coef_[0])
    return Calibration(
        float(model.intercept_[0]),
        answerable,
        lexical,
        best_sentence,
        far_off_below=float(np.percentile(nearest, FAR_OFF_PERCENTILE)),
    )


def lexical_margin(scores: Scores, n_answered: int) -> float:
    """How much better the words of a query match an answered question than any open one, from -1 to 1.

    The difference is divided by the sum. A rare word scores more the more questions there are, so that scores
    among the banks of all documents are not those among one bank, which the calibration was learnt from.

    Args:
        scores: BM25 of the query to the answered questions, then to the open ones.
    """
    answered, left_open = float(scores[:n_answered].max(initial=0)), float(scores[n_answered:].max(initial=0))
    total = answered + left_open
    return (answered - left_open) / total if total else 0.0


def _left_out_margins(questions: Sequence[str], open_questions: Sequence[str]) -> Array:
    everything = [*questions, *open_questions]
    index = LexicalIndex(everything)
    margins = np.empty(len(everything))
    for row, question in enumerate(everything):
        scores = index.scores(question)
        scores[row] = 0.0
        margins[row] = lexical_margin(scores, len(questions))
    return margins


def _left_out_nearest(anchors: Array, n_sentences: int, n_answered: int) -> Array:
    """For each answered question, its cosine to the nearest other anchor."""
    rows = np.arange(n_sentences, n_sentences + n_answered)
    cosines = anchors[rows] @ anchors.T
    cosines[np.arange(n_answered), rows] = -1
    nearest: Array = cosines.max(axis=1)
    return nearest


def sigmoid(value: float) -> float:
    """The logistic function, from 0 to 1."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))
