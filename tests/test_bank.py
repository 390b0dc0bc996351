"""What a question bank teaches, against the same thing done the long way."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from b12qa import bank
from b12qa.bank import (
    KERNEL_WIDTH,
    RIDGE,
    UNTAUGHT,
    BankModel,
    BankRows,
    Calibration,
    Signals,
    bank_rows,
    calibration_from_dict,
    fit,
    kernel,
    lexical_margin,
    sigmoid,
)
from b12qa.embedding import FloatMatrix
from b12qa.errors import CorpusError
from b12qa.lexical import LexicalIndex
from b12qa.records import OpenQuestion, Question, Sentence

Array = npt.NDArray[np.float64]

N_SENTENCES, N_ANSWERED, N_OPEN, DIMENSION = 5, 20, 15, 8
SENTENCE_OF = [number % N_SENTENCES for number in range(N_ANSWERED)]
QUESTIONS = [f"word{number % 7} word{number % 3} asked" for number in range(N_ANSWERED)]
OPEN_QUESTIONS = [f"word{number % 7} other{number % 4} asked" for number in range(N_OPEN)]


def unit_vectors(count: int, seed: int) -> FloatMatrix:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    unit: FloatMatrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


PARTS = (unit_vectors(N_SENTENCES, 1), unit_vectors(N_ANSWERED, 2), unit_vectors(N_OPEN, 3))


def taught(n_open: int = N_OPEN) -> BankModel:
    sentences, answered, open_part = PARTS
    return fit(sentences, answered, SENTENCE_OF, open_part[:n_open], QUESTIONS, OPEN_QUESTIONS[:n_open])


# The long way: every kernel value from the distance, every system solved anew.


def long_way_targets() -> Array:
    rows = []
    for sentence in [*range(N_SENTENCES), *SENTENCE_OF]:
        rows.append([float(sentence == column) for column in range(N_SENTENCES)] + [1.0])
    rows += [[0.0] * N_SENTENCES + [-1.0]] * N_OPEN
    return np.array(rows)


def long_way_kernel(a: Array, b: Array) -> Array:
    return np.array([[np.exp(-KERNEL_WIDTH * np.sum((x - y) ** 2)) for y in b] for x in a])


def long_way_coefficients(anchors: Array, targets: Array) -> Array:
    gram = long_way_kernel(anchors, anchors) + RIDGE * np.eye(len(anchors))
    coefficients: Array = np.linalg.inv(gram) @ targets
    return coefficients


def long_way_left_out(anchors: Array, targets: Array) -> Array:
    """What each anchor is given by a fit to all the others."""
    rows = []
    for row in range(len(anchors)):
        others = np.delete(np.arange(len(anchors)), row)
        coefficients = long_way_coefficients(anchors[others], targets[others])
        rows.append(long_way_kernel(anchors[row : row + 1], anchors[others])[0] @ coefficients)
    return np.array(rows)


ANCHORS = np.concatenate(PARTS).astype(np.float64)


def test_kernel_falls_from_one_with_the_distance() -> None:
    values = kernel(np.array([1.0, 0.5, 0.0, -1.0]))
    np.testing.assert_allclose(values, np.exp(-KERNEL_WIDTH * np.array([0.0, 1.0, 2.0, 4.0])))


def test_coefficients_agree_with_the_long_way() -> None:
    expected = long_way_coefficients(ANCHORS, long_way_targets())
    np.testing.assert_allclose(taught().coefficients, expected.T, rtol=1e-3, atol=1e-4)


def test_scores_of_a_query_agree_with_the_long_way() -> None:
    queries = unit_vectors(4, seed=4)
    anchors = np.concatenate(PARTS)
    sentence_scores, answerable = taught().apply(queries @ anchors.T)
    expected = long_way_kernel(queries.astype(np.float64), ANCHORS) @ long_way_coefficients(
        ANCHORS, long_way_targets()
    )
    assert sentence_scores.shape == (4, N_SENTENCES)
    np.testing.assert_allclose(sentence_scores, expected[:, :-1], atol=1e-4)
    np.testing.assert_allclose(answerable, expected[:, -1], atol=1e-4)


def test_calibration_learns_from_left_out_questions_as_the_long_way_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Signals, labels and distances that reach the calibration, each worked out by leaving the row out."""
    given: list[tuple[Array, npt.NDArray[np.bool_], Array]] = []

    def remember(signals: Array, answered: npt.NDArray[np.bool_], nearest: Array) -> Calibration:
        given.append((signals, answered, nearest))
        return UNTAUGHT

    monkeypatch.setattr(bank, "_calibrate", remember)
    taught()
    ((signals, answered, nearest),) = given

    left_out = long_way_left_out(ANCHORS, long_way_targets())[N_SENTENCES:]
    np.testing.assert_allclose(signals[:, 0], left_out[:, -1], atol=1e-6)
    np.testing.assert_allclose(signals[:, 2], left_out[:, :-1].max(axis=1), atol=1e-6)

    everything = QUESTIONS + OPEN_QUESTIONS
    for row, question in enumerate(everything):
        scores = LexicalIndex(everything).scores(question).tolist()
        scores[row] = 0.0
        best, best_open = max(scores[:N_ANSWERED]), max(scores[N_ANSWERED:])
        margin = (best - best_open) / (best + best_open or 1)
        assert signals[row, 1] == pytest.approx(margin, abs=1e-5)

    assert answered.tolist() == [True] * N_ANSWERED + [False] * N_OPEN
    for number in range(N_ANSWERED):
        row = N_SENTENCES + number
        others = np.delete(ANCHORS, row, axis=0)
        assert nearest[number] == pytest.approx(float((others @ ANCHORS[row]).max()))


def test_calibration_agrees_with_a_logistic_regression_by_gradient_descent() -> None:
    draw = np.random.default_rng(0)
    signals = draw.normal(size=(200, 3))
    answered = signals @ [1.5, 0.5, -0.5] + draw.normal(size=200) > 0.8
    nearest = np.linspace(0.3, 0.9, 1001)
    found = bank._calibrate(signals, answered, nearest)

    # Balanced weights, and scikit-learn's penalty of half the squared weights.
    share = answered.mean()
    weight = np.where(answered, 0.5 / share, 0.5 / (1 - share))
    parameters = np.zeros(4)
    inputs = np.column_stack([np.ones(200), signals])
    for _ in range(3000):
        error = weight * (1 / (1 + np.exp(-inputs @ parameters)) - answered)
        parameters -= 0.01 * (inputs.T @ error + np.array([0.0, 1, 1, 1]) * parameters)
    expected = [found.intercept, found.answerable_weight, found.lexical_weight, found.best_sentence_weight]
    np.testing.assert_allclose(expected, parameters, atol=1e-3)
    # Two in a thousand of 1,001 distances are nearer than the third of them.
    assert found.far_off_below == pytest.approx(0.3012)


CALIBRATION = Calibration(-0.5, 2.0, 3.0, 1.0, far_off_below=0.4)
SIGNALS = Signals(answerable=0.2, lexical_margin=0.5, best_sentence=0.4, nearest=0.6)


@pytest.mark.parametrize("signal", Signals._fields)
def test_confidence_rises_with_every_signal(signal: str) -> None:
    values = [
        CALIBRATION.confidence(SIGNALS._replace(**{signal: float(value)})) for value in np.linspace(-1, 1, 9)
    ]
    assert all(lower < higher for lower, higher in pairwise(values))
    assert all(0 <= value <= 1 for value in values)


def test_confidence_worked_out_by_hand() -> None:
    # -0.5 + 2*0.2 + 3.0*0.5 + 1.0*0.4 = 1.8, and (0.43 - 0.4) / 0.03 = 1
    signals = SIGNALS._replace(nearest=0.43)
    assert CALIBRATION.confidence(signals) == pytest.approx(0.858149 * 0.731059, abs=1e-6)


def test_what_is_far_off_is_not_answered_however_well_its_words_fit() -> None:
    sure = Signals(answerable=1.0, lexical_margin=1.0, best_sentence=1.0, nearest=0.9)
    assert CALIBRATION.confidence(sure) > 0.99
    assert CALIBRATION.confidence(sure._replace(nearest=0.4)) == pytest.approx(0.5, abs=0.01)
    assert CALIBRATION.confidence(sure._replace(nearest=0.25)) < 0.01


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.5), (1.0, 0.731059), (-1e9, 0.0), (1e9, 1.0)])
def test_sigmoid(value: float, expected: float) -> None:
    assert sigmoid(value) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "n_answered", "expected"),
    [([3.0, 1.0, 2.0], 2, 0.2), ([1.0, 4.0], 1, -0.6), ([3.0], 1, 1.0), ([3.0], 0, -1.0), ([], 0, 0.0)],
)
def test_lexical_margin(scores: list[float], n_answered: int, expected: float) -> None:
    assert lexical_margin(np.array(scores, dtype=np.float32), n_answered) == pytest.approx(expected)


def test_lexical_margin_is_the_same_where_rare_words_score_more() -> None:
    scores = np.array([3.0, 1.0, 2.0, 0.5], dtype=np.float32)
    assert lexical_margin(2.5 * scores, 2) == pytest.approx(lexical_margin(scores, 2))


def test_same_bank_always_teaches_the_same() -> None:
    first, second = taught(), taught()
    assert first.coefficients.tobytes() == second.coefficients.tobytes()
    assert first.calibration == second.calibration


def test_anchors_are_not_altered_by_a_fit() -> None:
    before = [part.copy() for part in PARTS]
    taught()
    assert all((a == b).all() for a, b in zip(before, PARTS, strict=True))


def test_bank_tells_its_own_questions_apart() -> None:
    sentence_scores, answerable = taught().apply(np.concatenate(PARTS) @ np.concatenate(PARTS).T)
    asked = slice(N_SENTENCES, N_SENTENCES + N_ANSWERED)
    assert sentence_scores[asked].argmax(axis=1).tolist() == SENTENCE_OF
    assert answerable[: N_SENTENCES + N_ANSWERED].min() > answerable[N_SENTENCES + N_ANSWERED :].max()


def test_bank_without_open_questions_answers_what_is_not_far_off() -> None:
    model = taught(n_open=0)
    assert model.coefficients.shape == (N_SENTENCES + 1, N_SENTENCES + N_ANSWERED)
    assert model.calibration == UNTAUGHT
    near, far = SIGNALS._replace(nearest=0.6), SIGNALS._replace(nearest=0.2)
    assert model.calibration.confidence(near) > 0.8
    assert model.calibration.confidence(far) < 0.01
    assert model.calibration.confidence(near._replace(answerable=-1.0)) == model.calibration.confidence(near)


def test_bank_that_is_too_large_is_refused_before_anything_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    n_anchors = N_SENTENCES + N_ANSWERED + N_OPEN
    monkeypatch.setattr(bank, "MAX_ANCHORS", n_anchors)
    taught()
    monkeypatch.setattr(bank, "MAX_ANCHORS", n_anchors - 1)
    monkeypatch.setattr(bank, "_solve", None)
    with pytest.raises(CorpusError, match=f"hold {n_anchors} sentences.*at most {n_anchors - 1} .*Split"):
        taught()


def test_calibration_survives_the_manifest() -> None:
    calibration = taught().calibration
    assert calibration_from_dict(calibration.to_dict()) == calibration
    assert calibration.to_dict().keys() == {field.name for field in dataclasses.fields(Calibration)}
    assert calibration_from_dict({**UNTAUGHT.to_dict(), "intercept": 2}) == UNTAUGHT


def test_sums_that_cancel_out_are_closer_than_rounding_and_have_the_same_bits_in_any_company() -> None:
    random = np.random.default_rng(5)
    coefficients = random.normal(0, 3, size=(5, 10_000)).astype(np.float32)
    model = BankModel(coefficients, UNTAUGHT)
    cosines = random.uniform(-0.1, 0.9, size=(4, 10_000)).astype(np.float32)
    found = np.column_stack(model.apply(cosines))
    exact = kernel(cosines).astype(np.float64) @ coefficients.astype(np.float64).T
    np.testing.assert_allclose(found[:, :-1], exact[:, :-1], atol=1e-4)
    np.testing.assert_allclose(found[:, -1], exact[:, -1], atol=1e-3)
    for row, one in enumerate(cosines):
        np.testing.assert_array_equal(np.column_stack(model.apply(one[np.newaxis]))[0], found[row])


def test_a_bank_has_the_rows_of_its_document() -> None:
    sentences = [Sentence(document, 0, 1, 0) for document in (0, 1, 1, 2, 2)]
    questions = [Question("a", 4), Question("b", 0), Question("c", 3)]
    left_open = [OpenQuestion("d", document, 0, "") for document in (2, 1, 2, 0)]
    first, last = bank_rows(sentences, questions, left_open)
    assert first == BankRows(0, [0], [1], [3])
    assert last == BankRows(2, [3, 4], [0, 2], [0, 2])
    assert (first.shape, last.shape) == ((2, 3), (3, 6))
