"""Measures on literal arrays, worked out by hand, and question sets asked of a small document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, SMALL_TEXT, HashingEncoder

from b12qa import answering, cli, evaluation
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import FloatMatrix
from b12qa.errors import QueryError
from b12qa.evaluation import (
    Evaluation,
    Kind,
    QuestionRow,
    Result,
    auroc,
    calibration_error,
    differences,
    evaluate,
    false_answer_rate,
    passages_with_gold,
    plot_risk_coverage,
    proportion,
    read_question_sets,
    read_questions,
    read_results,
    report,
    risk_area,
    risk_coverage,
    summarize,
    worst_results,
)
from b12qa.index import open_index
from b12qa.records import Outcome
from b12qa.retrieval import Retriever

TEXT = SMALL_TEXT + "\nThe **leaf** of the\n*bush* is dried. Porcelain keeps the taste pure.\n"
LEAF_AS_WRITTEN = "The **leaf** of the\n*bush* is dried."
BANK = """\
sentences:
- sentence: It has 40 mg of caffeine.
  questions: [how much caffeine is in it?, is there caffeine?]
- sentence: Wait 3 minutes.
  questions: [how long should I wait?, how many minutes does it take?]
- sentence: Use water at 90.5 degrees.
  questions: [how hot should the water be?]
open:
- section: Kinds
  questions:
  - {question: is there red tea?, reason: names no red tea}
  - {question: which shops sell tea?, reason: names no shops}
"""


# Measures.


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [
        ([0.9, 0.8], [0.2, 0.1], 1.0),
        ([0.1], [0.9], 0.0),
        ([0.9, 0.4], [0.5, 0.1], 0.75),
        ([0.5], [0.5, 0.5, 0.2], 2 / 3),  # two ties count half, one pair whole
        ([0.3, 0.3], [0.3], 0.5),
        ([0.1, 0.7, 0.7], [0.7, 0.4], (0 + 0 + 0.5 + 1 + 0.5 + 1) / 6),
    ],
)
def test_auroc(positive: list[float], negative: list[float], expected: float) -> None:
    assert auroc(np.array(positive), np.array(negative)) == pytest.approx(expected)


TENTHS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@pytest.mark.parametrize(
    ("positive", "negative", "coverage", "expected"),
    [
        (TENTHS, [0.05, 0.15, 0.2, 0.9], 0.9, 2 / 4),  # nine of ten score 0.2 or more
        (TENTHS, [0.05, 0.15, 0.2, 0.9], 0.5, 1 / 4),  # five of ten score 0.6 or more
        (TENTHS, [0.05, 0.15, 0.2, 0.9], 1.0, 3 / 4),
        ([0.5, 0.6, 0.7], [0.5, 0.4], 0.9, 1 / 2),  # nine tenths of three are all three
        ([0.7], [0.7, 0.69], 0.9, 1 / 2),
        ([0.2, 0.2, 0.2, 0.9], [0.2, 0.1], 0.5, 1 / 2),
    ],
)
def test_false_answer_rate(
    positive: list[float], negative: list[float], coverage: float, expected: float
) -> None:
    draw = np.random.default_rng(0)
    found = false_answer_rate(
        draw.permutation(np.array(positive)), draw.permutation(np.array(negative)), coverage
    )
    assert found == expected


def test_false_answers_are_counted_at_nine_tenths_by_default() -> None:
    assert false_answer_rate(np.array(TENTHS), np.array([0.15, 0.2])) == 0.5


@pytest.mark.parametrize(
    ("confidences", "right", "curve", "area"),
    [
        ([0.9], [1], [(1.0, 0.0)], 0.0),
        ([0.9], [0], [(1.0, 1.0)], 1.0),
        ([0.2, 0.9], [0, 1], [(0.5, 0.0), (1.0, 0.5)], 0.25),
        ([0.9, 0.2], [0, 1], [(0.5, 1.0), (1.0, 0.5)], 0.75),
        # Two equal confidences are one step, from a quarter to three quarters.
        (
            [0.9, 0.8, 0.8, 0.1],
            [1, 0, 1, 0],
            [(0.25, 0.0), (0.75, 1 / 3), (1.0, 0.5)],
            0.25 * 0 + 0.5 / 3 + 0.25 * 0.5,
        ),
        ([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0], [(1.0, 0.75)], 0.75),
    ],
)
def test_risk_coverage_and_its_area(
    confidences: list[float], right: list[int], curve: list[tuple[float, float]], area: float
) -> None:
    for order in (slice(None), slice(None, None, -1)):
        given = np.array(confidences)[order], np.array(right, dtype=float)[order]
        np.testing.assert_allclose(risk_coverage(*given), curve)
        assert risk_area(*given) == pytest.approx(area)


@pytest.mark.parametrize(
    ("confidences", "right", "expected"),
    [
        ([0.0, 1.0], [0, 1], 0.0),
        ([1.0, 1.0], [0, 1], 0.5),
        ([0.65], [1], 0.35),
        # Bins of 0.05 | 0.15, 0.15 | 1.0: 1/4 * 0.05 + 2/4 * |0.15 - 0.5| + 1/4 * 0
        ([0.05, 0.15, 0.15, 1.0], [0, 1, 0, 1], 0.1875),
        # In one bin, too high and too low cancel out.
        ([0.41, 0.49], [0, 1], 0.05),
    ],
)
def test_calibration_error(confidences: list[float], right: list[int], expected: float) -> None:
    found = calibration_error(np.array(confidences), np.array(right, dtype=float))
    assert found == pytest.approx(expected)


# Summaries of results that are written down.


def result(id_: str, kind: str = "answerable", **changes: Any) -> Result:
    right = kind == "answerable"
    outcome = changes.pop("outcome", "answered" if right else "not_covered")
    plain = Result(
        id=id_,
        kind=Kind(kind),
        style="lay",
        question=f"question {id_}",
        query=f"query {id_}",
        follow_up=False,
        outcome=Outcome(outcome),
        confidence=0.9 if right else 0.1,
        evidence_ranks=(1,) if right else (),
        shown_ranks=(1,) if right else (),
        section_first=right,
        highlight_first=right,
        highlight_precision=float(right),
        highlight_recall=float(right),
        first_quote_length=100 if right else 0,
        shown=f"sentence {id_}" if right and outcome != "not_covered" else "",
        nearest=f"sentence {id_}",
    )
    return replace(plain, **changes)


RESULTS = [
    result("a1"),
    result("a2", evidence_ranks=(2,), shown_ranks=(2,), section_first=False, highlight_first=False),
    result("a3", evidence_ranks=(4,), shown_ranks=(0,), confidence=0.4, outcome="related", style="expert"),
    result(
        "a4", evidence_ranks=(0,), shown_ranks=(0,), confidence=0.05, outcome="not_covered", style="expert"
    ),
    result("f1", follow_up=True, first_quote_length=300),
    result("t1", evidence_ranks=(1, 3), shown_ranks=(1, 2), highlight_recall=0.5, style="two_places"),
    result("t2", evidence_ranks=(2, 0), shown_ranks=(2, 0), style="two_places", confidence=0.8),
    result("n1", "unanswerable_near", confidence=0.6, outcome="answered"),
    result("n2", "unanswerable_near", confidence=0.3, outcome="related"),
    result("x1", "unanswerable_far"),
    result("u1", "urgent", outcome="urgent"),
    result("u2", "urgent", outcome="answered", confidence=0.7),
]


@pytest.fixture(scope="module")
def summary() -> Evaluation:
    return summarize(RESULTS)


@pytest.mark.parametrize(
    ("name", "value", "n"),
    [
        ("evidence success@1, stand-alone", 1 / 4, 4),
        ("evidence success@3, stand-alone", 2 / 4, 4),
        ("evidence success@5, stand-alone", 3 / 4, 4),
        ("shown success@1, stand-alone", 1 / 4, 4),
        ("shown success@3, stand-alone", 2 / 4, 4),
        ("section@1, stand-alone", 3 / 4, 4),
        ("RR, stand-alone", (1 + 1 / 2 + 1 / 4 + 0) / 4, 4),
        ("right sentence highlighted first, stand-alone", 3 / 4, 4),
        ("evidence success@1, follow-ups", 1.0, 1),
        ("evidence success@1, two places", 0.0, 2),
        ("evidence success@3, two places", 1 / 2, 2),
        ("shown success@3, two places", 1 / 2, 2),
        ("all evidence shown, two places", 1 / 2, 2),
        ("RR, two places", (1 + 1 / 2) / 2, 2),
        ("highlight precision", 1.0, 7),
        ("highlight recall", 6.5 / 7, 7),
        ("length of the first quote, characters", (6 * 100 + 300) / 7, 7),
        # Answerable 0.9 x 4, 0.8, 0.4, 0.05 against 0.6 and 0.3.
        ("AUROC of confidence, near misses", (5 * 2 + 1 + 0) / 14, 9),
        # Against 0.1 alone.
        ("AUROC of confidence, far-off", 6 / 7, 8),
        # Nine tenths of seven are all seven: 0.05 and more.
        ("false answers at 90 % coverage, near misses", 1.0, 9),
        ("false answers at 90 % coverage, far-off", 1.0, 8),
        ("answerable shown as answered", 5 / 7, 7),
        ("near misses shown as answered", 1 / 2, 2),
        ("far-off shown as answered", 0.0, 1),
        ("urgent recognized", 1 / 2, 2),
        ("false alarms", 0.0, 10),
    ],
)
def test_measures_worked_out_by_hand(summary: Evaluation, name: str, value: float, n: int) -> None:
    measure = summary.measures[name]
    assert measure.value == pytest.approx(value)
    assert measure.n == n


def test_two_places_need_both() -> None:
    both, one = result("a", evidence_ranks=(1, 3)), result("b", evidence_ranks=(1, 0))
    assert [both.found(k) for k in (1, 2, 3, 5)] == [False, False, True, True]
    assert not any(one.found(k) for k in (1, 2, 3, 5))
    assert replace(both, shown_ranks=(3, 2)).shown_within(3)
    assert not replace(both, shown_ranks=(3, 2)).shown_within(2)
    assert not replace(one, shown_ranks=(2, 0)).shown_within(3)


def test_risk_counts_unanswerable_questions_as_wrong_and_leaves_urgent_ones_out(summary: Evaluation) -> None:
    # By confidence: a1 a2 f1 t1 (0.9, all found in three), t2 (0.8, wrong), n1 (0.6), a3 (0.4, rank 4),
    # n2 (0.3), x1 (0.1), a4 (0.05): ten judged.
    steps = [(4, 0), (5, 1), (6, 2), (7, 3), (8, 4), (9, 5), (10, 6)]
    expected = [(count / 10, wrong / count) for count, wrong in steps]
    np.testing.assert_allclose(summary.risk_coverage, expected)
    area = sum(wrong / count for count, wrong in steps[1:]) / 10
    assert summary.measures["AURC"].value == pytest.approx(area)
    # Bins: 0.9 x 4 right; 0.8, 0.6, 0.4, 0.3, 0.1 and 0.05 wrong.
    error = (4 * 0.1 + 0.8 + 0.6 + 0.4 + 0.3 + 0.1 + 0.05) / 10
    assert summary.measures["expected calibration error"].value == pytest.approx(error)


def test_outcomes_and_styles_are_counted(summary: Evaluation) -> None:
    assert summary.outcomes == {
        "answerable": {"answered": 5, "related": 1, "not_covered": 1},
        "unanswerable_near": {"answered": 1, "related": 1},
        "unanswerable_far": {"not_covered": 1},
        "urgent": {"urgent": 1, "answered": 1},
    }
    values = {
        style: [m.value for m in measures.values()] + [m.n for m in measures.values()]
        for style, measures in summary.by_style.items()
    }
    assert values == {
        "expert": [0.0, 0.0, 2, 2],
        "lay": [pytest.approx(2 / 3), 1.0, 3, 3],
        "two_places": [0.0, 0.5, 2, 2],
    }


def test_false_alarm_is_an_urgent_outcome_of_a_question_that_is_not() -> None:
    found = summarize([result("a", outcome="urgent"), result("b"), result("u", "urgent", outcome="urgent")])
    assert found.measures["false alarms"].value == 0.5


def test_set_without_questions_that_could_be_wrong_has_no_risk() -> None:
    for results in ([], [result("u", "urgent")]):
        found = summarize(results)
        assert found.risk_coverage == ()
        assert "AURC" not in found.measures
        assert isinstance(report(found), str)


def test_interval_contains_the_value() -> None:
    draw = np.random.default_rng(0)
    results = [
        result(f"a{n}", evidence_ranks=(int(draw.integers(0, 6)),), confidence=float(draw.beta(4, 2)))
        for n in range(60)
    ]
    results += [
        result(f"n{n}", "unanswerable_near", confidence=float(draw.beta(2, 3)), outcome="related")
        for n in range(60)
    ]
    for name, measure in summarize(results).measures.items():
        assert measure.low <= measure.value <= measure.high, name
    assert summarize(results).measures == summarize(results).measures


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # By hand, with z = 1.96: (2 + 1.92) / 5.84 plus or minus the same, since 0 is one border.
        (0, 2, 0.0, 0.658),
        (2, 2, 0.342, 1.0),
        (1, 1, 0.207, 1.0),
        (50, 100, 0.404, 0.596),
        (100, 100, 0.963, 1.0),
        (9, 10, 0.596, 0.982),  # as in R: prop.test(9, 10, correct = FALSE)
    ],
)
def test_interval_of_a_share_is_that_of_wilson(right: int, n: int, low: float, high: float) -> None:
    results = [result(f"a{i}", evidence_ranks=(1 if i < right else 2,)) for i in range(n)]
    summary = summarize(results)
    measure = summary.measures["evidence success@1, stand-alone"]
    assert (measure.value, measure.n) == (right / n, n)
    assert (measure.low, measure.high) == pytest.approx((low, high), abs=6e-4)
    assert str(measure) == f"{right / n:.3f} [{measure.low:.3f}, {measure.high:.3f}] n={n}"
    assert summary.by_style["lay"]["evidence success@1"] == measure


def test_interval_of_a_share_holds_it_nineteen_times_in_twenty() -> None:
    """A bootstrap of thirty hits at 0.98 holds it in half of the runs: the others hit always."""
    draw = np.random.default_rng(0)
    for share in (0.5, 0.9, 0.98):
        runs = [proportion(list(draw.random(30) < share)) for _ in range(2000)]
        assert np.mean([run.low <= share <= run.high for run in runs]) > 0.92


def test_false_answers_have_an_interval_even_if_there_are_none() -> None:
    results = [result(f"a{n}") for n in range(20)]
    results += [result(f"n{n}", "unanswerable_near") for n in range(10)]
    measure = summarize(results).measures["false answers at 90 % coverage, near misses"]
    assert (measure.value, measure.low) == (0.0, 0.0)
    assert measure.high == pytest.approx(0.278, abs=6e-4)  # Wilson's for none of ten


# What people read.


def test_report_names_measures_styles_outcomes_and_the_worst_questions(summary: Evaluation) -> None:
    text = report(summary, worst=3)
    lines = text.split("\n")
    assert any(line.startswith("RR, stand-alone") and "0.438 [" in line for line in lines)
    assert "  expert                   0.000 / 0.000  n=2" in lines
    assert "  unanswerable_near        answered 1, related 1" in lines
    worst = [
        line for line in lines[lines.index("Worst questions") :] if line.startswith("  ") and "(" in line
    ]
    # u2 was taken for harmless; a4 was not found and not trusted; a3 was found late.
    assert [line.split()[0] for line in worst] == ["u2", "a4", "a3"]
    assert "  a4 (answerable, not_covered, 0.05): query a4" in lines
    assert "      shown: nothing; nearest: sentence a4" in lines
    assert "Worst questions" not in report(summary, worst=0)


def test_report_says_what_was_really_shown() -> None:
    found = summarize(
        [
            result("held", outcome="not_covered", shown=""),
            result("alarm", "unanswerable_far", outcome="urgent", shown="Call for help"),
            result("near", "unanswerable_near", outcome="answered", shown="It has 40 mg."),
            result("wordless", outcome="not_covered", shown="", nearest=""),
        ]
    )
    lines = report(found).split("\n")
    shown = {line.split()[0]: after.strip() for line, after in pairwise(lines) if "): " in line}
    assert shown == {
        "held": "shown: nothing; nearest: sentence held",
        "alarm": "shown: a care card, Call for help",
        "near": "shown: It has 40 mg.",
        "wordless": "shown: nothing",
    }


def test_what_was_handled_as_wanted_is_not_among_the_worst() -> None:
    wanted = [
        result("a1", confidence=0.5),
        result("t1", evidence_ranks=(2, 3), shown_ranks=(2, 3)),
        result("n2", "unanswerable_near", confidence=0.4, outcome="related"),
        result("u1", "urgent", outcome="urgent"),
    ]
    missed = [
        result("n1", "unanswerable_near", outcome="urgent"),  # a false alarm
        result("a2", shown_ranks=(0,)),  # found, and held back
        result("t2", evidence_ranks=(1, 2), shown_ranks=(1, 0)),
    ]
    assert {found.id for found in worst_results([*wanted, *missed], 10)} == {"n1", "a2", "t2"}
    assert report(summarize(wanted)).endswith("\nAll questions were handled as wanted.")


def test_differences_name_gains_losses_flips_and_what_was_not_asked_again() -> None:
    before = [result("a"), result("b", evidence_ranks=(2,)), result("c"), result("gone"), result("same")]
    after = [
        result("a", evidence_ranks=(2,), nearest="wrong"),
        result("b", nearest="right"),
        result("c", outcome="related"),
        result("new"),
        result("same"),
    ]
    assert differences(before, after) == [
        "Gains: 1, losses: 1, flips: 1, not asked again: 1",
        "Found first now:",
        "  b: query b → right",
        "No longer first:",
        "  a: query a → wrong",
        "Other outcome:",
        "  c (answerable): answered → related: query c",
    ]
    assert differences(before, before) == ["Gains: 0, losses: 0, flips: 0"]


def test_questions_of_two_files_with_the_same_id_are_two() -> None:
    both = [result("1", question="how long?"), result("1", question="how hot?", evidence_ranks=(2,))]
    assert differences(both, both) == ["Gains: 0, losses: 0, flips: 0"]


@pytest.mark.parametrize(("ending", "beginning"), [("png", b"\x89PNG\r\n\x1a\n"), ("svg", b"<?xml")])
def test_plot_is_a_picture(summary: Evaluation, tmp_path: Path, ending: str, beginning: bytes) -> None:
    plot_risk_coverage(summary, tmp_path / f"curve.{ending}")
    picture = (tmp_path / f"curve.{ending}").read_bytes()
    assert picture.startswith(beginning)
    assert len(picture) > 5_000


def test_plot_into_an_unknown_format_is_refused(summary: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"curve\.tea cannot be drawn"):
        plot_risk_coverage(summary, tmp_path / "curve.tea")


def test_plot_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="nothing to draw"):
        plot_risk_coverage(summarize([]), tmp_path / "curve.png")


# Question sets.


def write(path: Path, *rows: dict[str, Any] | str | bytes) -> Path:
    lines = [row if isinstance(row, str | bytes) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n")
    return path


ROW = {"id": "r1", "kind": "answerable", "question": "how long?", "gold": [["Wait 3 minutes."]]}
FAR = {"id": "r2", "kind": "unanswerable_far", "question": "héllo 🙂\u2028?"}


def test_question_set_is_read_with_and_without_optional_keys(tmp_path: Path) -> None:
    full = {
        **ROW,
        "history": ["tea?", ""],
        "gold": [["a", "b"], ["c"]],
        "sections": ["Brewing"],
        "style": "lay",
        "why": "kept and ignored",
    }
    rows = read_questions(
        write(
            tmp_path / "q.jsonl",
            full,
            "",
            FAR,
            '{"id": 7, "kind": "urgent", "question": "!", "history": null, "gold": [], "style": null}\r',
        )
    )
    assert rows == [
        QuestionRow(
            "r1", Kind.ANSWERABLE, "how long?", ("tea?", ""), (("a", "b"), ("c",)), ("Brewing",), "lay"
        ),
        QuestionRow("r2", Kind.UNANSWERABLE_FAR, "héllo 🙂\u2028?"),
        QuestionRow("7", Kind.URGENT, "!"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "expected a JSON object, got what is no JSON: Expecting property name "),
        ("[]", "expected a JSON object, got []."),
        ('"words"', 'expected a JSON object, got "words".'),
        ("7", "expected a JSON object, got 7."),
        (b'{"id": "\xff"}', "expected UTF-8, got byte ff at place 9 of the line."),
        ("[" * 100_000, "expected a JSON object, got brackets that are nested too deep."),
        ("9" * 100_000, "expected a JSON object, got a number that is too long."),
        ({"kind": "urgent", "question": "?"}, "expected the fields id, kind and question, missing: id."),
        ({"id": "x"}, "expected the fields id, kind and question, missing: kind, question."),
        ({**FAR, "id": None}, "expected a text or a whole number as id, got null."),
        ({**FAR, "id": True}, "expected a text or a whole number as id, got true."),
        ({**FAR, "question": ["?"]}, 'expected a text as question, got ["?"].'),
        ({**FAR, "question": None}, "expected a text as question, got null."),
        ({**FAR, "question": " \t"}, "expected words as question, got an empty text."),
        ({**FAR, "history": "what?"}, 'expected a list of texts as history, got "what?".'),
        ({**FAR, "history": [1]}, "expected a list of texts as history, got [1]."),
        ({**FAR, "sections": "Kinds"}, 'expected a list of texts as sections, got "Kinds".'),
        ({**FAR, "kind": ["urgent"]}, "expected answerable, unanswerable_near, unanswerable_far, urgent as"),
        ({**ROW, "gold": ["Wait."]}, 'expected a list of lists of texts as gold, got ["Wait."].'),
        ({**ROW, "gold": "Wait."}, 'expected a list of lists of texts as gold, got "Wait.".'),
        ({**ROW, "gold": [[3]]}, "expected a list of texts as each list in gold, got [3]."),
        ({**ROW, "gold": [[]]}, "expected at least one sentence for each piece of gold, got an empty list."),
        ({**ROW, "gold": [[" "]]}, "expected sentences of a document as gold, got an empty text."),
        (
            {**ROW, "kind": "easy"},
            "expected answerable, unanswerable_near, unanswerable_far, urgent as kind, ",
        ),
        ({**ROW, "gold": []}, "answerable questions, and only they, have gold."),
        ({**ROW, "kind": "unanswerable_near"}, "answerable questions, and only they, have gold."),
    ],
)
def test_line_that_is_no_question_is_refused_with_file_and_line(
    tmp_path: Path, line: dict[str, Any] | str | bytes, message: str
) -> None:
    path = write(tmp_path / "q.jsonl", ROW, "", line, FAR)
    with pytest.raises(QueryError) as caught:
        read_questions(path)
    assert str(caught.value).startswith(f"{path}:3: {message}")
    assert str(caught.value).endswith(". Mend the line.")


def test_an_id_that_comes_twice_in_a_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", ROW, "", {**FAR, "id": "r1"})
    with pytest.raises(QueryError) as caught:
        read_questions(path)
    assert str(caught.value) == f"{path}:3: the id 'r1' is also that of {path}:1. Change one."


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = write(tmp_path / "1.jsonl", ROW), write(tmp_path / "2.jsonl", ROW)
    assert [row.where for row in read_question_sets([first, second])] == [f"{first}:1", f"{second}:1"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=r"1\.jsonl is named twice, and its questions would count twice\."):
        read_question_sets([first, second, "1.jsonl"])


def test_a_question_set_may_be_named_by_a_text_and_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", b"\xef\xbb\xbf" + json.dumps(FAR).encode(), ROW)
    assert [row.id for row in read_questions(str(path))] == ["r2", "r1"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"results": [{}]}', '{"results": [{"id": 1}]}', "{", "[" * 100_000]
)
def test_results_of_something_else_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "before.json"
    path.write_text(text)
    with pytest.raises(QueryError, match=r"before\.json is not the output of b12qa evaluate --json"):
        read_results(path)


# Questions asked of a small document.


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A corpus with a bank, and its index with the stand-in encoder."""
    corpus, index = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("index")
    (corpus / "tea.md").write_bytes(TEXT.encode())
    (corpus / "tea.questions.yaml").write_text(BANK)
    build_index(read_corpus(corpus), HashingEncoder(), index)
    return corpus, index


@pytest.fixture(scope="module")
def tea(folders: tuple[Path, Path]) -> Assistant:
    return Assistant(Retriever(open_index(folders[1]), HashingEncoder()))


def ask(tea: Assistant, question: str, *gold: Sequence[str], **more: Any) -> Result:
    row = QuestionRow("q", Kind.ANSWERABLE, question, gold=tuple(tuple(g) for g in gold), **more)
    return evaluate(tea, [row]).results[0]


@pytest.mark.parametrize(
    "gold",
    [
        LEAF_AS_WRITTEN,
        "The leaf of the bush is dried.",
        "The **leaf** of the bush is dried.",
    ],
)
def test_gold_sentence_matches_with_and_without_marks_and_line_breaks(tea: Assistant, gold: str) -> None:
    found = ask(tea, "which leaf of the bush is dried?", [gold])
    assert found.evidence_ranks == (1,)
    assert found.highlight_first
    assert found.shown == "The leaf of the bush is dried."


def test_gold_sentence_that_no_document_holds_is_refused_before_anything_is_asked(tea: Assistant) -> None:
    asked: list[int] = []
    rows = [
        QuestionRow("good", Kind.ANSWERABLE, "how long?", gold=(("Wait 3 minutes.",),)),
        QuestionRow("bad", Kind.ANSWERABLE, "how long?", gold=(("Wait 3 minutes.", "Wait 4 minutes."),)),
    ]
    with pytest.raises(QueryError, match=r"gold sentence of bad is in no document: 'Wait 4 minutes\.'"):
        evaluate(tea, rows, lambda done, total: asked.append(done))
    assert asked == []


def test_rows_that_do_not_fit_the_documents_are_named_all_at_once(tea: Assistant, tmp_path: Path) -> None:
    rows = [
        {**ROW, "sections": ["Brewing", "Tea"]},
        {**ROW, "id": "r2", "gold": [["Wait 4 minutes."]], "sections": ["Brewnig"]},
    ]
    path = write(tmp_path / "q.jsonl", *rows)
    with pytest.raises(QueryError) as caught:
        evaluate(tea, read_questions(path))
    assert str(caught.value).split("\n") == [
        f"{path}:2: the gold sentence of r2 is in no document: 'Wait 4 minutes.'.",
        f"{path}:2: the section of r2 is in no document: 'Brewnig'; the nearest heading is 'Brewing'.",
        "Mend the rows.",
    ]
    many = [{**ROW, "id": n, "gold": [[f"Wait {n} minutes."]]} for n in range(5, 20)]
    with pytest.raises(QueryError) as caught:
        evaluate(tea, read_questions(write(path, *many)))
    *named, beyond, _ = str(caught.value).split("\n")
    assert [line.partition(": ")[0] for line in named] == [f"{path}:{n}" for n in range(1, 11)]
    assert beyond == "and 5 more"


def test_result_says_what_was_found_and_shown(tea: Assistant) -> None:
    gold = ["Wait 3 minutes."]
    found = ask(tea, "how many minutes should I wait?", gold, sections=("Brewing",), style="lay")
    answer = tea.ask("how many minutes should I wait?")
    assert (found.evidence_ranks, found.shown_ranks) == ((1,), (1,))
    assert (found.section_first, found.highlight_first, found.highlight_recall) == (True, True, 1.0)
    assert found.shown == "Wait 3 minutes."
    assert found.first_quote_length == len(answer.quotes[0].text)
    assert (found.outcome, found.confidence) == ("answered", answer.confidence)
    assert not found.follow_up
    wrong = ask(tea, "how many minutes should I wait?", ["green tea"], sections=("Kinds",))
    assert (wrong.section_first, wrong.highlight_first) == (False, False)
    assert wrong.evidence_ranks != (1,)


def test_result_names_no_sentence_where_none_was_shown(tea: Assistant) -> None:
    rows = [
        QuestionRow("thanks", Kind.UNANSWERABLE_FAR, "thank you"),
        QuestionRow("help", Kind.URGENT, "I have crushing chest pain"),
    ]
    thanks, urgent = evaluate(tea, rows).results
    assert (thanks.outcome, thanks.shown) == (Outcome.NOT_COVERED, "")
    assert thanks.nearest
    card = tea.ask(rows[1].question).care_card
    assert card is not None
    assert (urgent.outcome, urgent.shown) == (Outcome.URGENT, card.title)


def test_a_row_without_sections_is_no_miss_of_its_section(tea: Assistant) -> None:
    found = ask(tea, "how many minutes should I wait?", ["Wait 3 minutes."])
    assert found.section_first is None
    measured = summarize([result("a1"), result("a2", section_first=False), result("a3", section_first=None)])
    section = measured.measures["section@1, stand-alone"]
    assert (section.value, section.n) == (1 / 2, 2)
    assert measured.measures["RR, stand-alone"].n == 3
    assert "section@1, stand-alone" not in summarize([found]).measures


@pytest.mark.parametrize("data", ["", "\n \n"])
def test_a_file_without_a_question_is_refused(tmp_path: Path, data: str) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text(data)
    with pytest.raises(
        QueryError, match=r"empty\.jsonl holds no question: expected JSON objects, one a line"
    ):
        read_questions(path)


def test_alternatives_are_one_piece_of_evidence_and_pieces_are_several(tea: Assistant) -> None:
    question = "how many minutes should I wait?"
    assert ask(tea, question, ["green tea", "Wait 3 minutes."]).evidence_ranks == (1,)
    first, second = ask(tea, question, ["Wait 3 minutes."], ["green tea"]).evidence_ranks
    assert first == 1
    assert second > 1
    assert ask(tea, question, ["Wait 3 minutes."], ["green tea"]).highlight_recall == 0.5


def test_history_is_searched_too(tea: Assistant) -> None:
    found = ask(tea, "why?", ["Wait 3 minutes."], history=("how many minutes should I wait?",))
    assert found.follow_up
    assert found.query == "how many minutes should I wait?"
    assert found.evidence_ranks == (1,)


def test_questions_are_embedded_together_each_once_and_answered_as_one_by_one(
    tea: Assistant, folders: tuple[Path, Path]
) -> None:
    calls: list[list[str]] = []

    class Noted(HashingEncoder):
        def encode(self, texts: Sequence[str]) -> FloatMatrix:
            calls.append(list(texts))
            return super().encode(texts)

    asked = (("how long to wait?", ()), ("why?", ("which leaf is dried?",)), ("how long to wait?", ()))
    rows = [
        QuestionRow(str(n), Kind.UNANSWERABLE_NEAR, question, history=history)
        for n, (question, history) in enumerate(asked)
    ]
    found = evaluate(Assistant(Retriever(open_index(folders[1]), Noted())), rows).results
    assert calls == [["how long to wait?", "which leaf is dried?"]]
    answers = [tea.ask(question, history) for question, history in asked]
    assert [(f.query, f.confidence) for f in found] == [(a.query, a.confidence) for a in answers]


def test_progress_counts_every_question(tea: Assistant) -> None:
    seen: list[tuple[int, int]] = []
    rows = [QuestionRow(str(n), Kind.URGENT, "help!") for n in range(3)]
    evaluate(tea, rows, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# The command line.

SET = (
    {"id": "wait", "kind": "answerable", "question": "how long to wait?", "gold": [["Wait 3 minutes."]]},
    {"id": "leaf", "kind": "answerable", "question": "which leaf is dried?", "gold": [[LEAF_AS_WRITTEN]]},
    {"id": "shop", "kind": "unanswerable_near", "question": "in which shops is tea sold?"},
    {"id": "moon", "kind": "unanswerable_far", "question": "how far is the moon?"},
)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in encoder in the place of the packaged model."""
    monkeypatch.setattr(answering, "find_model", lambda *args, **kwargs: HashingEncoder())
    monkeypatch.setattr(answering, "load_encoder", lambda *args, **kwargs: HashingEncoder())
    for name in ("B12QA_INDEX", "B12QA_CORPUS", "B12QA_MODEL"):
        monkeypatch.delenv(name, raising=False)


def command(folders: tuple[Path, Path], *arguments: object) -> tuple[int, str, str]:
    where = ["--corpus", str(folders[0]), "--index", str(folders[1])]
    run = CliRunner().invoke(cli.app, ["evaluate", *where, *(str(argument) for argument in arguments)])
    return run.exit_code, run.stdout, run.stderr


@pytest.mark.usefixtures("stand_in")
def test_json_of_a_run_can_be_compared_with_another(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    first, second = write(tmp_path / "1.jsonl", *SET[:2]), write(tmp_path / "2.jsonl", *SET[2:])
    both = ("--questions", first, "--questions", second)
    code, out, _ = command(folders, *both, "--json")
    assert code == 0
    before = tmp_path / "before.json"
    before.write_text(out)
    written = json.loads(out)
    assert [row["id"] for row in written["results"]] == ["wait", "leaf", "shop", "moon"]
    assert written["measures"]["evidence success@1, stand-alone"]["n"] == 2
    assert written.keys() == set(Evaluation.__dataclass_fields__)

    assistant = answering.load(folders[1], corpus=folders[0])
    found = evaluate(assistant, [*read_questions(first), *read_questions(second)])
    assert tuple(read_results(before)) == found.results

    code, out, _ = command(folders, *both, "--compare", before, "--worst", 1)
    assert code == 0
    assert out.endswith("Gains: 0, losses: 0, flips: 0\n")
    assert out[: out.index("Gains")].rstrip("\n") == report(found, worst=1)

    written["results"][0]["outcome"] = "urgent"
    before.write_text(json.dumps(written))
    code, out, err = command(folders, *both, "--compare", before, "--json")
    assert code == 0
    assert "flips: 1" in err
    assert json.loads(out)["measures"] == written["measures"]


def test_results_written_before_first_passages_were_kept_can_be_read(tmp_path: Path) -> None:
    found = replace(RESULTS[0], first_passage=("tea", 7))
    records = [json.loads(json.dumps(summarize([found]).to_dict()))["results"][0] for _ in range(2)]
    del records[1]["first_passage"]
    before = tmp_path / "before.json"
    before.write_text(json.dumps({"results": records}))
    assert read_results(before) == [found, RESULTS[0]]


def test_results_written_before_what_ranked_first_had_a_name_can_be_read(tmp_path: Path) -> None:
    shown, held = result("a"), result("b", shown="", first_quote_length=0, outcome="not_covered")
    records = json.loads(json.dumps(summarize([shown, held]).to_dict()))["results"]
    for record in records:
        record["shown"] = record.pop("nearest")
    before = tmp_path / "before.json"
    before.write_text(json.dumps({"results": records}))
    assert read_results(before) == [shown, held]


def test_the_worst_results_are_those_that_are_confidently_wrong() -> None:
    assert [found.id for found in worst_results(RESULTS, 4)] == ["u2", "a4", "a3", "n1"]
    assert worst_results(RESULTS, 0) == []


def test_passages_with_gold_hold_a_gold_sentence_of_any_question(tea: Assistant) -> None:
    index = tea.retriever.index
    rows = [
        QuestionRow("a", Kind.ANSWERABLE, "?", gold=(("Wait 3 minutes.", "green tea"),)),
        QuestionRow("b", Kind.ANSWERABLE, "?", gold=((LEAF_AS_WRITTEN,),)),
        QuestionRow("c", Kind.UNANSWERABLE_FAR, "?"),
    ]
    chunks = [index.chunks[position] for position in sorted(passages_with_gold(index, rows))]
    assert [index.documents[c.document].text[c.start : c.end][:9] for c in chunks] == [
        "green tea",
        "Use water",
        "The **lea",
    ]


@pytest.mark.usefixtures("stand_in")
def test_command_draws_the_curve(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    questions = write(tmp_path / "q.jsonl", *SET)
    code, _, _ = command(folders, "--questions", questions, "--plot", tmp_path / "curve.svg")
    assert code == 0
    assert b"<svg" in (tmp_path / "curve.svg").read_bytes()


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "q.jsonl:1: expected a JSON object"),
        (b"\xff", "q.jsonl:1: expected UTF-8"),
        ({**ROW, "gold": [["Wait 4 minutes."]]}, "q.jsonl:1: the gold sentence of r1 is in no document"),
    ],
)
def test_command_reports_a_bad_question_set_in_one_line(
    tmp_path: Path, folders: tuple[Path, Path], row: dict[str, Any] | str | bytes, words: str
) -> None:
    code, out, err = command(folders, "--questions", write(tmp_path / "q.jsonl", row))
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("stand_in")
def test_command_reports_a_missing_file_and_a_bad_comparison(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    code, _, err = command(folders, "--questions", tmp_path / "none.jsonl")
    assert (code, "none.jsonl" in err) == (2, True)
    questions = write(tmp_path / "q.jsonl", *SET)
    code, _, err = command(folders, "--questions", questions, "--compare", questions)
    assert (code, "is not the output of b12qa evaluate --json" in err) == (2, True)


@pytest.mark.model
def test_command_works_with_the_real_model(
    tmp_path: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    for name in ("B12QA_INDEX", "B12QA_CORPUS", "B12QA_MODEL"):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        Assistant.load(tmp_path / "index", corpus=small_corpus, build=True)
        questions = write(tmp_path / "q.jsonl", SET[0], *SET[2:])
        code, out, _ = command((small_corpus, tmp_path / "index"), "--questions", questions, "--json")
    finally:
        torch.set_num_threads(threads)
    assert code == 0
    measures = json.loads(out)["measures"]
    assert measures["evidence success@1, stand-alone"]["value"] == 1.0
    assert measures["AUROC of confidence, far-off"]["value"] == 1.0


def test_constants_say_what_the_measures_say(summary: Evaluation) -> None:
    assert evaluation.COVERAGE == 0.9
    assert any("90 % coverage" in name for name in summary.measures)


@pytest.mark.model
def test_the_development_questions_are_answered_as_well_as_the_tables_say(assistant: Assistant) -> None:
    measures = evaluate(assistant, read_questions(ROOT / "evals" / "dev.jsonl")).measures
    least = {
        "evidence success@1, stand-alone": 0.95,
        "evidence success@1, follow-ups": 0.90,
        "right sentence highlighted first, stand-alone": 0.92,
        "AUROC of confidence, near misses": 0.95,
        "answerable shown as answered": 0.86,
    }
    most = {
        "near misses shown as answered": 0.11,
        "far-off shown as answered": 0.02,
        "false answers at 90 % coverage, near misses": 0.10,
        "expected calibration error": 0.10,
    }
    assert {name: measures[name].value for name, bound in least.items() if measures[name].value < bound} == {}
    assert {name: measures[name].value for name, bound in most.items() if measures[name].value > bound} == {}


def test_a_question_that_was_not_searched_is_listed_as_it_was_typed() -> None:
    taken_for_an_emergency = result("a", query="", question="is my leg hot?", outcome="urgent")
    assert "0.90): is my leg hot?\n" in report(summarize([taken_for_an_emergency]))
    assert differences([result("a", question="is my leg hot?")], [taken_for_an_emergency])[-1].endswith(
        "answered → urgent: is my leg hot?"
    )


def test_seed_below_0_is_refused() -> None:
    assert evaluation.with_typos([], 0) == []
    with pytest.raises(QueryError, match=r"Expected a whole number from 0 as seed, got -3\."):
        evaluation.with_typos([], -3)
