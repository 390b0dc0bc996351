"""Words, BM25, and questions brought to the words of the documents."""

from __future__ import annotations

import gc
import json
import math
import random
import subprocess
import sys
import weakref
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from conftest import ROOT

from b12qa.lexical import (
    EVERYDAY_RANK,
    LexicalIndex,
    Vocabulary,
    english_ranks,
    query_terms,
    terms,
    words,
)

SOURCES = ROOT / "src" / "b12qa"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! … — **", []),
        ("Use water at 90.5 degrees.", ["use", "water", "at", "90.5", "degrees"]),
        ("1,200 mg; 2-5 years, 40%", ["1", "200", "mg", "2", "5", "years", "40"]),
        ("Vitamin B12's role", ["vitamin", "b12", "s", "role"]),
        ("snake_case and 3.minutes", ["snake", "case", "and", "3", "minutes"]),
        ("Ménière, ÉCLAIR, naïve", ["ménière", "éclair", "naïve"]),
        ("5 µg — 茶", ["5", "µg", "茶"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What does the article say about it?", []),
        ("Brewing brews brewed BREW", ["brew"] * 4),
        ("Which injections are given weekly?", ["inject", "given", "week"]),
        ("the 90.5 degrees", ["90.5", "degre"]),
    ],
)
def test_terms_are_stems_of_words_that_are_no_stop_words(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    "wanted", ["b", "zebra", "zebra b", "zebra giraffe a b c", "a b c", "giraffe a", "nothing"]
)
def test_the_best_and_the_moments_are_those_of_all_scores(wanted: str) -> None:
    """Common and rare words, so that some texts are passed over, and all are looked at."""
    draw = random.Random(4)
    texts = [" ".join(draw.choices(["bb", "cc", "dd", "ee"], k=draw.randint(1, 9))) for _ in range(4000)]
    for place in range(0, 4000, 37):
        texts[place] += " zebra"
    texts[5] += " giraffe"
    words_of = {"a": "bb", "b": "cc", "c": "dd"}
    index = LexicalIndex(texts)
    query = " ".join(words_of.get(word, word) for word in wanted.split())
    hits, scores = index.hits(query_terms(query)), index.scores(query)
    for count in (1, 20, 100, 3999):
        best = hits.best(count)
        assert len(set(best)) == len(best) == min(count, int((scores > 0).sum()))
        np.testing.assert_array_equal(np.sort(scores[best]), np.sort(scores)[4000 - len(best) :])
    mean, spread = hits.moments()
    assert (mean, spread) == pytest.approx((scores.mean(), scores.std()), abs=1e-5)
    weights = np.arange(4000) % 5 + 1
    mean, spread = hits.moments(weights)
    assert mean == pytest.approx(np.average(scores, weights=weights), abs=1e-5)
    assert spread**2 == pytest.approx(np.average((scores - mean) ** 2, weights=weights), abs=1e-4)


def bm25(
    texts: Sequence[Sequence[str]], query: Sequence[str], k1: float = 1.2, b: float = 0.75
) -> list[float]:
    """BM25 in Lucene's variant, written from its formula."""
    mean_length = sum(map(len, texts)) / len(texts)
    scores = []
    for text in texts:
        score = 0.0
        for term in set(query):
            holding = sum(term in other for other in texts)
            idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            count = text.count(term)
            score += idf * count / (count + k1 * (1 - b + b * len(text) / mean_length))
        scores.append(score)
    return scores


@pytest.mark.parametrize(
    "query", ["green tea", "tea tea tea", "water for the black tea", "coffee", "milk, sugar or water?", "the"]
)
def test_bm25_agrees_with_its_formula(query: str) -> None:
    texts = [
        "Green tea, black tea and white tea: all is tea.",
        "Use water at 90.5 degrees.",
        "Black coffee needs hot water, and no sugar in the water.",
        "Wait.",
        "the of and",
    ]
    expected = bm25([terms(text) for text in texts], terms(query))
    np.testing.assert_allclose(LexicalIndex(texts).scores(query), expected, rtol=1e-5)


def test_bm25_agrees_with_its_formula_on_random_texts() -> None:
    draw = random.Random(0)
    vocabulary = ["tea", "water", "sugar", "milk", "leaf", "pot", "cup", "steam"]
    texts = [" ".join(draw.choices(vocabulary, k=draw.randint(1, 30))) for _ in range(40)]
    index = LexicalIndex(texts)
    for _ in range(20):
        query = " ".join(draw.choices([*vocabulary, "coffee"], k=draw.randint(1, 6)))
        expected = bm25([terms(text) for text in texts], terms(query))
        np.testing.assert_allclose(index.scores(query), expected, rtol=1e-4)


def test_some_texts_score_as_where_there_are_no_others() -> None:
    draw = random.Random(5)
    names = ["clam", "liver", "egg", "nerve", "vein", "dose"]
    texts = [" ".join(draw.choices(names, k=draw.randint(0, 9))) for _ in range(200)]
    everything = LexicalIndex(texts)
    for some in (np.arange(40, 90), np.array([0, 3, 7, 150, 199]), np.arange(200)):
        alone = LexicalIndex([texts[row] for row in some])
        for query in [*names, "clam nerve dose", "tea"]:
            found = everything.scores_among(query_terms(query), some)
            np.testing.assert_allclose(found, alone.scores(query), rtol=1e-6)


@pytest.mark.parametrize("texts", [[], ["", "the of"], ["tea"]])
@pytest.mark.parametrize("query", ["", "of the", "coffee"])
def test_bm25_is_zero_without_a_common_word(texts: list[str], query: str) -> None:
    scores = LexicalIndex(texts).scores(query)
    assert scores.dtype == np.float32
    assert scores.tolist() == [0.0] * len(texts)


# Questions brought to the words of the documents.


def vocabulary(
    *documents: str,
    answered: Sequence[str] = (),
    open_questions: Sequence[str] = (),
    synonyms: Sequence[Sequence[str]] = (),
) -> Vocabulary:
    return Vocabulary.of(documents, answered, open_questions, synonyms)


FOOD = "Clams and oysters are rich. Chloramphenicol hinders it. Cobalamin helps the nerves. Give 90.5 mg IM."


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("are oystres good?", "are oysters good?"),
        ("Oystres!", "oysters!"),
        ("does cloramphenicol matter", "does chloramphenicol matter"),
        ("CHLORAMFENICOL", "chloramphenicol"),
        ("cobalmin for nervs", "cobalamin for nerves"),
        ("xysters, cobalamin", "xysters, cobalamin"),  # the first letter is seldom wrong
        ("qwrtzp", "qwrtzp"),
        ("C₂H₂O₄ and B₁₂", "C2H2O4 and B12"),
        ("who shouldnt take it, and Arent they?", "who shouldn't take it, and Aren't they?"),
    ],
)
def test_misspelt_words_are_corrected_towards_the_documents(question: str, expected: str) -> None:
    assert vocabulary(FOOD).bring_to(question) == expected


def test_misspelt_word_becomes_the_documents_word_rather_than_the_banks() -> None:
    bank = ["clans clans clans"] * 3
    assert vocabulary("Clams.", answered=bank).bring_to("which claqs?") == "which clams?"


def test_misspelt_word_may_become_a_word_that_the_bank_surely_uses() -> None:
    often = ["is zorbulin safe"] * 3
    assert vocabulary("Tea.", open_questions=often).bring_to("zorbulim") == "zorbulin"
    assert vocabulary("Tea.", open_questions=often[:1]).bring_to("zorbulim") == "zorbulim"


def test_a_bank_may_hold_a_misspelling_twice() -> None:
    asked = ["oysters"] * 19 + ["oisters", "oisters?", "kelpo", "kelpo?"]
    ours = vocabulary("Oysters and kelp.", answered=asked)
    assert ours.bring_to("oisters or kelpo") == "oysters or kelpo"
    few = vocabulary("Oysters.", answered=["oisters", "oisters?", *["oysters"] * 18])
    assert few.bring_to("oisters") == "oisters"  # may be another word
    assert (
        vocabulary("They are rich.", answered=["aren't they?"] * 2 + ["are"] * 30).bring_to("aren't")
        == "aren't"
    )


def test_of_words_as_near_the_one_that_sounds_the_same_is_meant() -> None:
    ours = vocabulary("Sore soles, sore feet; and a source.")
    assert ours.bring_to("good sorce") == "good source"
    assert ours.bring_to("sorre feet") == "sore feet"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("wat foods hav it", "what foods have it"),
        ("Wots in it, shud i eat it", "what's in it, should i eat it"),
        ("U or R", "U or R"),  # letters that name something
        ("the wen", "the wen"),
    ],
)
def test_what_is_typed_in_short_is_written_out(question: str, expected: str) -> None:
    assert vocabulary("A wen is a cyst.").bring_to(question) == expected


@pytest.mark.parametrize("rank", [0, 1_000, 10_000, 40_000, 80_000])
def test_correct_english_words_are_never_changed(rank: int) -> None:
    """Every word of the list is one or two edits away from a document word that was made to lure it."""
    listed = [word for word, r in english_ranks().items() if rank <= r < rank + 200 and len(word) >= 4]
    lures = " ".join(f"{word}x {word[:-1]}q" for word in listed)
    question = " ".join(listed)
    assert vocabulary(lures).bring_to(question) == question


@pytest.mark.parametrize("spelling", ["colour", "color", "anaemia", "fibre", "fiber", "recognise"])
def test_british_and_american_spellings_are_both_correct(spelling: str) -> None:
    lure = f"{spelling}x {spelling}y"
    assert vocabulary(lure).bring_to(f"{spelling}?") == f"{spelling}?"


@pytest.mark.parametrize(
    "question", ["90.6", "1200", "b13", "4711", "mgs", "im", "teh", "E45", "2-6 12%", "q_1"]
)
def test_digits_and_short_words_are_never_changed(question: str) -> None:
    lures = "90.5 1201 b12 4710 mcg mg ime the e46 2-5 13 q_2"
    assert vocabulary(lures).bring_to(question) == question


def test_what_surrounds_a_corrected_word_is_kept_as_typed() -> None:
    question = "  **Oystres**,\n\t oystres’ B12 — 2.50 €?! 🙂 "
    assert vocabulary(FOOD).bring_to(question) == question.replace("Oystres", "oysters").replace(
        "oystres", "oysters"
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("is IM better?", "is intramuscular better?"),
        ("im tired", "im tired"),
        ("Im tired", "Im tired"),
        ("TIME for IMs", "TIME for IMs"),
        ("IM, or (IM)", "intramuscular, or (intramuscular)"),
        ("give it i.m. now", "give it intramuscular now"),
        ("ppis or PPIS", "proton pump inhibitors or proton pump inhibitors"),
        ("Under my TONGUE", "sublingual"),
        ("underunder my tongue", "underunder my tongue"),
        ("a b", "a b"),
    ],
)
def test_other_names_become_the_documents_own(question: str, expected: str) -> None:
    groups = [
        ("intramuscular", "IM", "i.m."),
        ("proton pump inhibitors", "PPIs"),
        ("sublingual", "under my tongue"),
        ("all", "a.b"),
    ]
    assert vocabulary("ims underunder", synonyms=groups).bring_to(question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("is B12D bad", "is vitamin B12 deficiency bad"),
        ("is B12 bad", "is cobalamin bad"),
        ("is oral B12 bad", "is a tablet bad"),  # of names that overlap, the longest
        ("is tablet oral IM bad", "is tablet oral Oral B12 bad"),
    ],
)
def test_no_replacement_is_replaced_again(question: str, expected: str) -> None:
    groups = [
        ("vitamin B12 deficiency", "B12D"),
        ("Oral B12", "IM"),
        ("cobalamin", "B12", "vitamin B12"),
        ("a tablet", "oral B12"),
    ]
    assert vocabulary("x", synonyms=groups).bring_to(question) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("eGFR", "eGFR"), ("mEGf", "mEGf"), ("EGFR", "egf"), ("Egfr", "egf"), ("egfr", "egf")],
)
def test_a_word_with_inner_capitals_is_a_name_and_stays_as_typed(typed: str, expected: str) -> None:
    assert vocabulary("egf").bring_to(f"my {typed} is 28") == f"my {expected} is 28"


def test_other_names_are_replaced_before_spelling_is_corrected() -> None:
    ours = vocabulary("theine tea theines", synonyms=[("caffeine", "thein")])
    assert ours.bring_to("thein?") == "caffeine?"


def test_names_are_taken_literally_whatever_characters_they_hold() -> None:
    ours = vocabulary("x", synonyms=[(r"\1 \g<0> back\slash", "c++"), ("dollar", "US$ (2020)")])
    assert ours.bring_to("is c++ good?") == r"is \1 \g<0> back\slash good?"
    assert ours.bring_to("in us$ (2020)?") == "in dollar?"


@pytest.mark.parametrize(
    ("question", "searched"),
    [
        ("what does Dr Mark Hyman say of it", "what does Dr Mark Hyman say of it"),
        ("what does hyman blood do", "what does human blood do"),
        ("Hyman blood?", "human blood?"),
        ("how much in Kippres", "how much in kippers"),
        ("142 pmol/L", "142 pmol/L"),
    ],
)
def test_names_of_people_and_units_are_no_misspellings(question: str, searched: str) -> None:
    assert vocabulary("Human blood lies in a pool of kippers.").bring_to(question) == searched


def test_a_misspelt_other_name_is_the_name_that_the_documents_use() -> None:
    ours = vocabulary(
        "acid reducer", answered=["does pantoprazole do it?"] * 3, synonyms=[("acid reducer", "pantoprazole")]
    )
    assert ours.bring_to("is pantoprazol one") == "is acid reducer one"


def test_missing_words_name_what_no_document_uses() -> None:
    ours = vocabulary(FOOD)
    assert ours.missing_words("How much of it is in Mushrooms or tempeh, and which mushrooms?") == [
        "mushrooms",
        "tempeh",
    ]


@pytest.mark.parametrize(
    "question",
    [
        "which doctor should my mother see tomorrow, please?",  # everyday words
        "is an oyster a clam?",  # other forms of the documents' words
        "are oystres and kippers rich?",  # misspelt, and known from an answered question
        "2024 b13 90.7 µg2",  # numbers
        "Hi! hiya, thx, lol",  # said in passing
        "I'm sure it doesn\u2019t, they've said it couldn't",  # contracted
        "",
    ],
)
def test_words_that_are_everyday_known_or_numbers_are_not_missing(question: str) -> None:
    assert vocabulary(FOOD, answered=["what of a kipper?"]).missing_words(question) == []


def test_words_of_open_questions_alone_are_missing() -> None:
    ours = vocabulary(FOOD, open_questions=["how much is in mushrooms?", "mushrooms?"])
    assert ours.missing_words("mushrooms") == ["mushrooms"]
    assert ours.missing_words("gimme a yr of mushrooms, r u nope, enuf of 2 kg") == ["mushrooms"]


def test_everyday_words_end_at_the_rank_that_says_so() -> None:
    by_rank = list(english_ranks())
    last_everyday, first_rare = by_rank[EVERYDAY_RANK - 1], by_rank[EVERYDAY_RANK]
    assert vocabulary("x").missing_words(f"{last_everyday} {first_rare}") == [first_rare]


def test_list_of_english_words_is_whole() -> None:
    ranks = english_ranks()
    assert len(ranks) > 80_000
    assert sorted(ranks.values()) == list(range(len(ranks)))
    assert ranks["the"] == 0


def test_two_vocabularies_do_not_share_what_they_know() -> None:
    assert vocabulary("oysters").bring_to("oystres") == "oysters"
    assert vocabulary("ovsters oystrez").bring_to("oystrex") == "oystrez"
    assert Counter(words("oysters")) == Counter(["oysters"])


# Regular expressions: none takes time that grows with the square of a text, or worse.

LENGTHS = (5_000, 50_000)


def run_within_20_seconds(program: str, given: object) -> None:
    subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(given), text=True, check=True, timeout=20
    )


TRY_QUESTIONS = """
import json, sys
from b12qa.conversation import to_query
from b12qa.lexical import Vocabulary, terms
units, lengths = json.load(sys.stdin)
synonyms = [("intramuscular", "IM", "i.m."), ("sublingual", "under my tongue", "aa"), ("x", "a a a")]
vocabulary = Vocabulary.of(["oysters chloramphenicol"], [], [], synonyms)
for length in lengths:
    for unit in units:
        text = (unit * length)[:length]
        terms(text)
        vocabulary.bring_to(text)
        vocabulary.missing_words(text)
        to_query(text, [text, text])
"""


def test_no_question_blows_up() -> None:
    units = (
        "a",
        "a ",
        "A. ",
        "i.m. ",
        "under my ",
        "oystres ",
        "oystre",
        "0.",
        "so ",
        "ok, ",
        "i mea",
        " ",
        "?",
    )
    run_within_20_seconds(TRY_QUESTIONS, [units, LENGTHS])


def test_a_vocabulary_is_freed_with_everything_that_it_remembers() -> None:
    vocabulary = Vocabulary.of(["Cobalamin is in clams."], ["where is cobalamin?"], [], [])
    assert vocabulary.bring_to("cobalamine in clamms") == "cobalamin in clams"
    assert "clam" in vocabulary.answered_stems
    gone = weakref.ref(vocabulary)
    del vocabulary
    gc.collect()
    assert gone() is None
