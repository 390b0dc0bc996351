"""Find the points of the lists of words in red-flags.yaml, and print that section of the file.

    python evals/fit_red_flags.py [--leave-out-others]

Red flags and harmless messages come from tests/fixtures, the question bank and the development questions.
Which part of a long message is the red flag is not known: the part with most points is taken, in rounds.
Needs scikit-learn, which comes with the model's library. The printed section replaces the one in the file.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from b12qa import redflags
from b12qa.chunking import chunk_documents
from b12qa.corpus import read_corpus
from b12qa.questions import read_banks
from b12qa.redflags import load_red_flags

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
POINTS_PER_UNIT = 4  # of log-odds
ROUNDS = 3
SEEN_AT_LEAST = 3  # parts of messages in which a list must occur
STRENGTH = 0.3  # the inverse of the penalty on large points
# How much a message counts. Messages of other hands are most like those to come; short look-alikes are hard.
OF_OTHERS, RED_FLAG, HARMLESS, ANSWERED = 3.0, 1.5, 5.0, 1.0


class _Every:
    """All names of lists there are."""

    def __contains__(self, name: object) -> bool:
        return True


def messages(file: str) -> list[str]:
    """The conversations of a fixture."""
    lines = (FIXTURES / file).read_text("utf-8").split("\n")
    return [line.replace("⏎", "\n") for line in lines if line and not line.startswith("#")]


def parts(message: str) -> list[set[str]]:
    """The lists of words in each two neighbouring parts of the last turn."""
    words = redflags._read(message.split(" /// ")[-1], load_red_flags())
    listed = redflags._parts_listed(words, _Every()) or [set()]
    return listed if len(listed) == 1 else [a | b for a, b in pairwise(listed)]


def weighted(others: bool) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Red flags and harmless messages with their weights."""
    rows = [json.loads(line) for line in (ROOT / "evals" / "dev.jsonl").read_text("utf-8").splitlines()]
    urgent = [(text, RED_FLAG) for text in messages("red-flags.txt")]
    urgent += [(row["question"], RED_FLAG * OF_OTHERS) for row in rows if row["kind"] == "urgent"]
    harmless = [(text, HARMLESS) for text in messages("harmless.txt")]
    harmless += [(row["question"], ANSWERED) for row in rows if row["kind"] != "urgent"]
    harmless += [(text, ANSWERED) for text in questions_of_the_bank()]
    if others:
        urgent += [(text, RED_FLAG * OF_OTHERS) for text in messages("red-flags-others.txt")]
        harmless += [(text, OF_OTHERS) for text in messages("harmless-others.txt")]
    return [(text, weight) for text, weight in urgent if " /// " not in text], harmless


def questions_of_the_bank() -> Iterator[str]:
    """Questions about the article, answered by it or not."""
    corpus = read_corpus(ROOT / "corpus")
    sentences = chunk_documents(corpus.documents, lambda text: len(text.split()), 256).sentences
    bank = read_banks(corpus, sentences)
    for question in (*bank.answered, *bank.open):
        yield question.text


def fit(urgent: Sequence[tuple[str, float]], harmless: Sequence[tuple[str, float]]) -> dict[str, int]:
    """Points by list of words, with those to start with."""
    of_urgent = [parts(text) for text, _ in urgent]
    of_harmless = [(part, weight) for text, weight in harmless for part in parts(text)]
    every = [part for found in of_urgent for part in found] + [part for part, _ in of_harmless]
    counts = Counter(name for part in every for name in part)
    names = sorted(name for name, count in counts.items() if count >= SEEN_AT_LEAST)
    matrix = scipy.sparse.csr_matrix([[name in part for name in names] for part in every], dtype=np.float64)
    ends = np.cumsum([len(found) for found in of_urgent])
    starts = ends - [len(found) for found in of_urgent]
    rest = np.arange(ends[-1], len(every))
    chosen = np.array([start for start, end in zip(starts, ends, strict=True) if end - start == 1])
    owners = np.array([n for n, found in enumerate(of_urgent) if len(found) == 1])
    weights = np.array([weight for _, weight in urgent])
    model = LogisticRegression(C=STRENGTH, max_iter=400, solver="liblinear", random_state=0)
    for _ in range(ROUNDS):
        rows = matrix[np.concatenate([chosen, rest])]
        labels = [1] * len(chosen) + [0] * len(rest)
        model.fit(rows, labels, sample_weight=[*weights[owners], *(weight for _, weight in of_harmless)])
        scores = model.decision_function(matrix)
        chosen = np.array([s + int(np.argmax(scores[s:e])) for s, e in zip(starts, ends, strict=True)])
        owners = np.arange(len(of_urgent))
    points = {"start": round(POINTS_PER_UNIT * float(model.intercept_[0]))}
    for name, weight in zip(names, model.coef_[0], strict=True):
        if rounded := round(POINTS_PER_UNIT * float(weight)):
            points[name] = rounded
    return points


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--leave-out-others", action="store_true", help="leave out the messages of other hands"
    )
    arguments = parser.parse_args()
    print("points:")
    for name, points in fit(*weighted(not arguments.leave_out_others)).items():
        print(f"  {name}: {points}")


if __name__ == "__main__":
    main()
