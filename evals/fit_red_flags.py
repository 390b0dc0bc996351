"""Find the points of messages: of red-flags.yaml for parts, of red-flag-wordings.yaml for the whole.

    python evals/fit_red_flags.py parts              # prints what would change
    python evals/fit_red_flags.py parts --write      # writes the three sections into the file
    python evals/fit_red_flags.py wording --write    # writes the other file

Red flags and harmless messages come from tests/fixtures, the article, its question bank and the
development questions. Which part of a long message is the red flag is not known: the part with most points
is taken, in rounds. A message as a whole has a label, and needs none.
Needs scikit-learn, which comes with the model's library.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence, Set
from enum import Enum, auto
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from b12qa.chunking import chunk_documents
from b12qa.clauses import FRAMES
from b12qa.corpus import read_corpus
from b12qa.disguise import normalized
from b12qa.flag_rules import LEAST, OF_WORD, RED_FLAGS_FILE, SHORT, START
from b12qa.known_words import COMMON_RANK
from b12qa.lexical import english_ranks
from b12qa.markdown import plain_text_of
from b12qa.matching import key_of
from b12qa.questions import read_banks
from b12qa.records import CareLevel
from b12qa.redflags import RedFlags, listed_in_parts, load_red_flags, read_red_flags
from b12qa.wording import ALWAYS, MIN_LENGTH, WORDING_FILE, wordings_of

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
RULES = Path(str(files("b12qa") / "data" / RED_FLAGS_FILE))
WORDING = Path(str(files("b12qa") / "data" / WORDING_FILE))
POINTS_PER_UNIT = 4  # of log-odds
ROUNDS = 3
SEEN_AT_LEAST = 4  # parts of messages in which a list or a word must occur
STRENGTH = 0.3  # the inverse of the penalty on large points


class Origin(Enum):
    """Where a message comes from."""

    FILE = auto()  # a red flag among the examples in red-flags.yaml
    FILE_SOON = auto()  # one that should be seen soon
    FILE_HARMLESS = auto()
    OTHERS = auto()  # written by other hands, into tests/fixtures
    OWN = auto()  # a red flag by our own hand, there as well
    OWN_HARMLESS = auto()
    DEVELOPMENT = auto()
    BANK = auto()
    ARTICLE = auto()


# How much a message counts. Those of other hands are most like those to come; the rules know the own ones.
WEIGHTS = {
    Origin.FILE: 10.0,
    Origin.FILE_SOON: 3.0,
    Origin.FILE_HARMLESS: 30.0,
    Origin.OTHERS: 3.0,
    Origin.OWN: 0.3,
    Origin.OWN_HARMLESS: 4.0,
    Origin.DEVELOPMENT: 2.0,
    Origin.BANK: 1.0,
    Origin.ARTICLE: 3.0,
}
# Whether a word occurs often enough is not counted in these. Nobody chose to leave our own red flags out, but
# the points in red-flags.yaml were found so.
NOT_COUNTED = (Origin.BANK, Origin.OWN)
RED_FLAG = 1.5  # times that, for one that must not be missed
# Without a match of a rule so much is asked for of a part. First chosen by leaving out one hand after the
# other, then moved with what is learnt from, so that as many of the unseen sets are missed as before
# (decision 0018).
ENOUGH = -1.0
# What a match needs, in points, those of the wording among them (decision 0028).
LEAST_OF_A_MATCH = -15
# Of a message as a whole. Rarer wordings, another penalty and stems for words changed next to nothing.
WORDING_SEEN_AT_LEAST = 3
WORDING_POINTS_AT_LEAST = 3  # fewer tell nothing: two in five wordings are left out without a difference
WORDING_STRENGTH = 20.0
# How much log-odds of a whole count beside those of its best part: chosen on three of the sets in evals/.
WORDING_POINTS_PER_UNIT = 8.0
WORDING_WEIGHTS = dict.fromkeys(Origin, 1.0) | {
    Origin.BANK: 2.0,
    Origin.FILE: 3.0,
    Origin.FILE_HARMLESS: 3.0,
    Origin.OWN: 2.0,
    Origin.OWN_HARMLESS: 3.0,
}
ANYWHERE = "anywhere "
TURN = " /// "  # between the messages of a conversation
SECTIONS = re.compile(r"\npoints:\n.*?\nconcepts:\n", re.DOTALL)


class Message(NamedTuple):
    """One message, and where it comes from."""

    text: str
    urgent: bool
    origin: Origin


class _Every(dict[str, int]):
    """All names of lists there are."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> int:
        return 1

    def get(self, name: str, default: object = None) -> int:
        return 1


def messages(*, soon: bool) -> Iterator[Message]:
    """All messages that are learnt from: of a conversation the last one alone, if it says enough.

    Args:
        soon: with the examples of what should be seen soon, as harmless ones.
    """
    for file, urgent, origin in (
        ("red-flags.txt", True, Origin.OWN),
        ("red-flags-others.txt", True, Origin.OTHERS),
        ("harmless.txt", False, Origin.OWN_HARMLESS),
        ("harmless-others.txt", False, Origin.OTHERS),
    ):
        for line in (FIXTURES / file).read_text("utf-8").split("\n"):
            if line and not line.startswith("#") and not (urgent and TURN in line):
                yield Message(line.replace("⏎", "\n").split(TURN)[-1], urgent, origin)
    for concept in load_red_flags().concepts:
        # What should be seen soon is not harmless, but no emergency either.
        urgent = concept.level is not CareLevel.SOON
        origin = Origin.FILE if urgent else Origin.FILE_SOON
        if urgent or soon:
            yield from (Message(text, urgent, origin) for text in concept.match if TURN not in text)
        yield from (Message(text.split(TURN)[-1], False, Origin.FILE_HARMLESS) for text in concept.no_match)
    for line in (ROOT / "evals" / "dev.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        urgent = row["kind"] == "urgent"
        if not (urgent and row["history"]):
            yield Message(row["question"], urgent, Origin.DEVELOPMENT)
    corpus = read_corpus(ROOT / "corpus")
    sentences = chunk_documents(corpus.documents, lambda text: len(text.split()), 256).sentences
    bank = read_banks(corpus, sentences)
    yield from (Message(question.text, False, Origin.BANK) for question in bank.answered)
    yield from (Message(question.text, False, Origin.BANK) for question in bank.open)
    for sentence in sentences:
        text = plain_text_of(corpus.documents[sentence.document], sentence)
        yield Message(text, False, Origin.ARTICLE)


def vocabulary(known: Sequence[Message]) -> list[str]:
    """Common words that occur often enough, one for each stem: the form that occurs most."""
    ranks = english_ranks()
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for message in known:
        for word in set(re.findall(r"[a-z]+", normalized(message.text))):
            if ranks.get(word, COMMON_RANK) < COMMON_RANK and (len(word) > 1 or word == "i"):
                forms[key_of(word)][word] += message.origin not in NOT_COUNTED
    return [form.most_common(1)[0][0] for form in forms.values() if form.total() >= SEEN_AT_LEAST]


def rules_with(words: Sequence[str]) -> RedFlags:
    """The rules, as if these words had points."""
    none = (
        "\npoints:\n  start: 0\n  least: 0\n  short: 0\npoints anywhere: {}\n"
        f"points of words: {{0: [{', '.join(words)}]}}\nconcepts:\n"
    )
    return read_red_flags(SECTIONS.sub(none, RULES.read_text("utf-8"), count=1).encode(), RED_FLAGS_FILE)


def parts(message: str, rules: RedFlags) -> list[set[str]]:
    """What has points in each two neighbouring parts of a message."""
    words = rules.reader.read(message)
    listed = [set(part) for part in listed_in_parts(words, _Every())] or [{SHORT}]
    anywhere = {ANYWHERE + name for name in words.hits if name in FRAMES}
    together = listed if len(listed) == 1 else [a | b for a, b in pairwise(listed)]
    return [part | anywhere for part in together]


def rows_of_names(
    found: Sequence[Set[str]], names: Sequence[str], values: NDArray[np.float64]
) -> scipy.sparse.csr_matrix:
    """A matrix with a row for each set and a column for each name: the value of the row where it is found."""
    place = {name: column for column, name in enumerate(names)}
    columns = [sorted(place[name] for name in of_row if name in place) for of_row in found]
    sizes = [len(row) for row in columns]
    flat = np.array([column for row in columns for column in row])
    return scipy.sparse.csr_matrix(
        (np.repeat(values, sizes), flat, np.cumsum([0, *sizes])), shape=(len(found), len(names))
    )


def fit(known: Sequence[Message], rules: RedFlags) -> dict[str, int]:
    """Points by name, with those to start with."""
    of_messages = [parts(message.text, rules) for message in known]
    owner = np.array([n for n, found in enumerate(of_messages) for _ in found])
    every = [part for found in of_messages for part in found]
    counts = Counter(name for part in every for name in part)
    names = sorted(name for name, count in counts.items() if count >= SEEN_AT_LEAST)
    matrix = rows_of_names(every, names, np.ones(len(every)))
    urgent = np.array([message.urgent for message in known])[owner]
    weights = np.array([WEIGHTS[m.origin] * (RED_FLAG if m.urgent else 1) for m in known])[owner]
    model = LogisticRegression(C=STRENGTH, max_iter=400, solver="liblinear", random_state=0)
    alone = np.array([len(found) == 1 for found in of_messages])[owner]
    chosen = ~urgent | alone
    for _ in range(ROUNDS):
        model.fit(matrix[chosen], urgent[chosen], sample_weight=weights[chosen])
        scores = model.decision_function(matrix)
        best: dict[int, int] = {}
        for row, message in zip(np.flatnonzero(urgent).tolist(), owner[urgent].tolist(), strict=True):
            if scores[row] > scores[best.setdefault(message, row)]:
                best[message] = row
        chosen = ~urgent
        chosen[list(best.values())] = True
    points = {START: round(POINTS_PER_UNIT * float(model.intercept_[0] - ENOUGH))}
    points |= {LEAST: LEAST_OF_A_MATCH, SHORT: 0}
    for name, weight in zip(names, model.coef_[0], strict=True):
        if rounded := round(POINTS_PER_UNIT * float(weight)):
            points[name] = rounded
    return points


def sections(points: dict[str, int]) -> str:
    """The sections of the file that these points are."""
    lists = [f"  {name}: {n}" for name, n in points.items() if not name.startswith((OF_WORD, ANYWHERE))]
    anywhere = [
        f"  {name.removeprefix(ANYWHERE)}: {n}" for name, n in points.items() if name.startswith(ANYWHERE)
    ]
    words = {name.removeprefix(OF_WORD): n for name, n in points.items() if name.startswith(OF_WORD)}
    return "\n".join(
        [
            "",
            "points:",
            *lists,
            "",
            "points anywhere:",
            *anywhere,
            "",
            "points of words:",
            *by_number(words, indent="  "),
            "",
            "concepts:",
            "",
        ]
    )


def fit_wording(known: Sequence[Message]) -> dict[str, int]:
    """Points by word and pair of words."""
    read = load_red_flags().reader.read
    found = [wordings_of(read(message.text)) for message in known]
    counts = Counter(wording for of_message, _ in found for wording in of_message)
    names = sorted(
        name for name, n in counts.items() if n >= WORDING_SEEN_AT_LEAST and _is_words_and_signs(name)
    )
    shares = np.array([1 / np.sqrt(max(length, MIN_LENGTH)) for _, length in found])
    matrix = rows_of_names([of_message for of_message, _ in found], names, shares)
    urgent = np.array([message.urgent for message in known])
    weights = [WORDING_WEIGHTS[m.origin] * (RED_FLAG if m.urgent else 1.0) for m in known]
    model = LogisticRegression(C=WORDING_STRENGTH, max_iter=400, solver="liblinear", random_state=0)
    model.fit(matrix, urgent, sample_weight=weights)
    of_names = dict(zip(names, map(float, model.coef_[0]), strict=True))
    weights_of = {ALWAYS: float(model.intercept_[0])} | of_names
    points = {name: round(WORDING_POINTS_PER_UNIT * weight) for name, weight in weights_of.items()}
    return {
        name: number
        for name, number in points.items()
        if name == ALWAYS or abs(number) >= WORDING_POINTS_AT_LEAST
    }


def _is_words_and_signs(name: str) -> bool:
    """Whether a wording is made of letters and figures, and of what wordings_of adds to them."""
    return re.fullmatch(r"~?(?:[a-z0-9]+|<[a-z]+>)(?: ~?(?:[a-z0-9]+|<[a-z]+>))?", name) is not None


WORDING_HEAD = """\
# How messages that tell of a red flag are worded, and how others are: points of words, and of two words one
# after the other. A whole message has what those in it add up to, each counted once, divided by the root of
# the number of its words; wording.py says more. Points below 0 speak for a harmless message.
# Found by evals/fit_red_flags.py in messages written for that; may be changed by hand. No clinician has
# signed it.
#   <begins> <ends>    the beginning and the end of a message
#   <stops>            between two sentences
#   <number>           any number in figures
#   ~pain              a word that is negated: "no pain"
#   <asks>             stands before the end of a message with a question mark in it
#   <always>           points that any message has
"""


def by_number(points: dict[str, int], indent: str = "") -> list[str]:
    """Names of one word or two under their points, as YAML."""
    names: dict[int, list[str]] = defaultdict(list)
    for name, number in points.items():
        names[number].append(name)
    return [
        textwrap.fill(
            f"{number}: [{', '.join(sorted(names[number]))}]",
            110,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        )
        for number in sorted(names)
    ]


def main() -> None:
    """Fit, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["parts", "wording"])
    parser.add_argument("--write", action="store_true", help="write the points into the file")
    arguments = parser.parse_args()
    known = list(messages(soon=arguments.what == "parts"))
    if arguments.what == "wording":
        file, text = WORDING, "\n".join([WORDING_HEAD, *by_number(fit_wording(known)), ""])
    else:
        found = sections(fit(known, rules_with(vocabulary(known))))
        file, text = RULES, SECTIONS.sub(lambda _: found, RULES.read_text("utf-8"), count=1)
    if arguments.write:
        file.write_text(text, "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
