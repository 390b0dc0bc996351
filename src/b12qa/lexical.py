"""Words → BM25 scores, and the words of a question brought to the words of the documents.

The lexical half finds what embeddings blur: names, numbers, rare words. A build counts the words once;
opening an index takes them as they were counted.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import Stemmer

from b12qa.misspelt import MIN_LENGTH_TO_CORRECT, EditDistanceSpeller, sound

Scores = npt.NDArray[np.float32]
IntVector = npt.NDArray[np.int64]

# How soon a word that is repeated counts no more, and how much the length of a text counts: the usual values.
K1 = 1.2
B = 0.75
# Up to one in so many texts, to pick those that score is faster than to look at all.
FEW_IN = 16
ADDED_AT_ONCE = 65_536

# Words that say nothing about what is asked.
_STOP_WORDS_TEXT = """
    a about above again also am an and any are article as at be been being but by can could did do does
    doing for from further get got had has have having he her here his how i if in into is it its just
    know may me might more most must my need no nor not of on once or our over own please said same say
    says shall she should so some such tell than that the their them then there these they this those to
    too under very want was we were what when where which who whom whose why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")
_CONTRACTED = re.compile(r"\b[^\W_]+n['\u2019]t\b|['\u2019](?:m|s|ve|re|ll|d)\b", re.IGNORECASE)
_LOW_FIGURES = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_WITHOUT_APOSTROPHE = frozenset(
    {
        "aint", "arent", "cant", "couldnt", "didnt", "doesnt", "dont", "hadnt", "hasnt", "havent", "isnt",
        "mustnt", "neednt", "shouldnt", "wasnt", "werent", "wont", "wouldnt",
    }
)  # fmt: skip
# As typed on a phone, where it is clear which word is meant; so short a word is no misspelling of one.
_IN_SHORT = {
    "abt": "about", "agen": "again", "alot": "a lot", "becos": "because", "becoz": "because",
    "bcos": "because", "bcoz": "because", "bcuz": "because", "cud": "could", "dat": "that",
    "doin": "doing", "eny": "any", "goin": "going", "gud": "good", "hav": "have", "ppl": "people",
    "probs": "problems", "r": "are", "shud": "should", "takin": "taking", "u": "you", "ur": "your",
    "wat": "what", "wats": "what's", "wen": "when", "wich": "which", "wiv": "with", "wot": "what",
    "wots": "what's", "wud": "would",
}  # fmt: skip
# No cache: it would keep the words of questions in memory.
_STEMMER = Stemmer.Stemmer("english", 0)
# In a question; where a word may tell of danger, `misspelt` asks for one letter more.
MIN_LENGTH_FOR_TWO_EDITS = 8
# A word of a bank is misspelt if a word of a document, one letter away, is so many times as frequent.
TIMES_AS_FREQUENT = 10
# The most frequent English words name nothing in particular.
EVERYDAY_RANK = 4000
# Said to be polite or in passing; none of them names what a document could lack.
_SAID_IN_PASSING = frozenset(
    {
        "hi", "hello", "hey", "hiya", "howdy", "greetings", "hallo", "thanks", "thx", "thankyou", "ta",
        "cheers", "bye", "goodbye", "sorry", "lol", "haha", "hmm", "pls", "plz", "nope", "yep", "yeah", "nah",
        # as typed on a phone
        "r", "u", "y", "n", "fr", "rn", "yr", "yrs", "enuf", "gimme", "lemme", "wanna", "gonna", "gotta",
        "dunno", "kinda", "sorta", "idk", "imo", "tbh", "omg", "btw", "cos", "cuz", "coz", "bc", "tho",
        "thru", "nite", "tonite", "wat", "wot", "joke", "im", "ive", "youre", "youve", "theyre",
        "theyve", "weve", "oops", "whoops",
        # whom somebody speaks of
        "mr", "mrs", "ms", "dr",
        "grandson", "granddaughter", "grandsons", "granddaughters", "grandad", "grandpa", "granny", "gran",
        "nan", "nana", "grandma", "stepson", "stepdaughter", "stepdad", "stepmum", "hubby", "missus",
        "niece", "nephew", "auntie", "aunty", "uncle", "cousin", "fiance", "fiancee", "neighbour", "neighbor",
        # what a laboratory counts in
        "kg", "kilo", "kilos", "mg", "ml", "g", "pg", "pgml", "ng", "ngml", "ngl", "pmol", "pmoll", "nmol",
        "umol", "mmol", "dl",
    }
)  # fmt: skip


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers with their decimals, "B₁₂" as "b12"."""
    return _WORD.findall(text.lower().translate(_LOW_FIGURES))


def terms(text: str) -> list[str]:
    """The words of a text that say what it is about, reduced to their stems.

    Source: Snowball English stemmer (Porter2).
    """
    stems: list[str] = _STEMMER.stemWords([word for word in words(text) if word not in STOP_WORDS])
    return stems


def query_terms(query: str) -> list[str]:
    """The terms of a query, each once: people repeat themselves when they are worried."""
    return sorted(set(terms(query)))


class Moments(NamedTuple):
    """Of the scores of all texts for one query."""

    mean: float
    spread: float  # standard deviation

    @classmethod
    def of(cls, mean: float, mean_square: float) -> Moments:
        """From the means of the scores and of their squares; rounding may make the second too small."""
        return cls(mean, math.sqrt(max(mean_square - mean * mean, 0.0)))


class Postings(NamedTuple):
    """Which texts hold a term, and what it adds to their scores: the columns of a sparse matrix."""

    terms: tuple[str, ...]
    starts: IntVector  # shape (n_terms + 1,): those of term i stand from starts[i] up to starts[i + 1]
    rows: npt.NDArray[np.int32]  # of texts, ascending within a term
    scores: Scores  # of the term in that text
    lengths: npt.NDArray[np.int32]  # of the texts, in terms

    @property
    def n_texts(self) -> int:
        """How many texts there are."""
        return len(self.lengths)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Postings:
        """Read texts one after the other, and score every term in every text.

        Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, in
        Lucene's variant; scored beforehand as bm25s does, Lu, arXiv:2407.03618, to the same bits.
        """
        numbers: dict[str, int] = {}
        found, often, different, lengths = (array("i") for _ in range(4))
        for text in texts:
            counted = Counter(terms(text))
            found.extend([numbers.setdefault(term, len(numbers)) for term in counted])
            often.extend(counted.values())
            different.append(len(counted))
            lengths.append(counted.total())
        count = len(lengths)
        of_term, frequencies = np.array(found, dtype=np.int32), np.array(often, dtype=np.float32)
        rows = np.repeat(np.arange(count, dtype=np.int32), different)
        held_by = np.bincount(of_term, minlength=len(numbers))
        rarity = [_rarity(n, count) for n in held_by.tolist()]
        damping = _damping(np.array(lengths, dtype=np.int32))
        scores = np.empty(len(rows), dtype=np.float32)
        scores[:] = np.array(rarity, dtype=np.float32)[of_term] * (
            frequencies / (damping[rows] + frequencies)
        )
        by_term = np.argsort(of_term, kind="stable")
        starts = np.concatenate([[0], np.cumsum(held_by)]).astype(np.int64)
        return cls(tuple(numbers), starts, rows[by_term], scores[by_term], np.array(lengths, dtype=np.int32))


def _rarity(held_by: int, texts: int) -> float:
    """What a term counts that so many of all texts hold."""
    return math.log(1 + (texts - held_by + 0.5) / (held_by + 0.5))


def _damping(lengths: npt.NDArray[np.int32], mean: float | None = None) -> npt.NDArray[np.float64]:
    """How much a repeated word counts less in texts of some lengths, among texts of a mean one."""
    if mean is None:
        mean = float(np.mean(lengths)) if lengths.any() else 1.0
    damping: npt.NDArray[np.float64] = K1 * ((1 - B) + B * lengths.astype(np.float64) / mean)
    return damping


class Hits(NamedTuple):
    """What a query finds by its words."""

    scores: Scores  # shape (n_texts,): 0 without a common word, no upper bound
    by_term: Sequence[tuple[npt.NDArray[np.int32], Scores]]  # texts that hold a word, and what it adds

    def best(self, count: int) -> IntVector:
        """Rows of the texts that score best, at most so many, in no order; of equals, any.

        Texts with none of the rarer words are not looked at where the common ones add too little.
        Source: max score of Turtle and Flood, Query evaluation: strategies and optimizations, 1995.
        """
        terms = [(float(parts.max()), rows) for rows, parts in self.by_term if len(rows)]
        terms.sort(key=lambda term: -term[0])
        found = None
        held = np.zeros(0, dtype=np.int32)
        for number, (_, rows) in enumerate(terms, start=1):
            held = np.concatenate([held, rows])
            if len(held) * FEW_IN >= len(self.scores):
                break
            # A text stands there once for each of its words, so these are at least `count` texts.
            scores, surely = self.scores[held], count * number
            if len(held) >= surely:
                least = np.partition(scores, -surely)[-surely]
                if least > sum(most for most, _ in terms[number:]):
                    found = np.unique(held[scores >= least])
                    break
        if found is None:
            found = np.flatnonzero(self.scores > 0)
        if len(found) > count:
            found = found[np.argpartition(self.scores[found], -count)[-count:]]
        return found.astype(np.int64)

    def moments(self, weights: IntVector | None = None) -> Moments:
        """Of the scores of all texts.

        Args:
            weights: how much each text counts, shape (n_texts,); by default all the same.
        """
        total = len(self.scores) if weights is None else float(weights.sum())
        mean = square = 0.0
        many = weights is None and sum(len(rows) for rows, _ in self.by_term) * FEW_IN >= len(self.scores)
        for rows, parts in self.by_term:
            counted = parts if weights is None else parts * weights[rows]
            mean += float(counted.sum(dtype=np.float64)) / total
            if not many:
                square += float((counted * self.scores[rows]).sum(dtype=np.float64)) / total
        if many:  # then all are faster added than those that score are picked
            blocks = range(0, len(self.scores), ADDED_AT_ONCE)
            some = (self.scores[start : start + ADDED_AT_ONCE] for start in blocks)
            square = sum(float(block @ block) for block in some) / total
        return Moments.of(mean, square)


class LexicalIndex:
    """BM25 over some texts."""

    def __init__(self, texts: Iterable[str] | Postings) -> None:
        self.postings = texts if isinstance(texts, Postings) else Postings.of(texts)
        self._numbers = {term: number for number, term in enumerate(self.postings.terms)}

    def scores(self, query: str) -> Scores:
        """How well each text matches, float32, shape (n_texts,): 0 without a common word, no upper bound."""
        return self.hits(query_terms(query)).scores

    def hits(self, of_query: Iterable[str]) -> Hits:
        """Which texts match, and how well.

        Args:
            of_query: see `query_terms`.
        """
        by_term = self._by_term(of_query)
        scores = np.zeros(self.postings.n_texts, dtype=np.float32)
        for rows, added in by_term:
            scores[rows] += added
        return Hits(scores, by_term)

    def scores_among(self, of_query: Iterable[str], some: IntVector) -> Scores:
        """How well some texts match, as where there are no others, to the rounding of a float32.

        Args:
            of_query: see `query_terms`.
            some: rows of texts, ascending.
        """
        lengths = self.postings.lengths[some]
        among_all, among_some = _damping(lengths, self._mean_length), _damping(lengths)
        scores = np.zeros(len(some), dtype=np.float32)
        for rows, parts in self._by_term(of_query):
            ends = np.array([some[0], some[-1] + 1], dtype=rows.dtype)  # of another type, all would be copied
            near = slice(*np.searchsorted(rows, ends))
            places = np.searchsorted(some, rows[near])
            ours = some[places] == rows[near]
            if held_by := int(ours.sum()):
                places = places[ours]
                share = parts[near][ours] / _rarity(len(rows), self.postings.n_texts)
                frequencies = np.rint(share * among_all[places] / (1 - share))
                rarity = np.float32(_rarity(held_by, len(some)))
                counted = rarity * (frequencies / (among_some[places] + frequencies))
                scores[places] += counted.astype(np.float32)
        return scores

    def _by_term(self, of_query: Iterable[str]) -> list[tuple[npt.NDArray[np.int32], Scores]]:
        known = [self._numbers[term] for term in of_query if term in self._numbers]
        spans = [slice(*self.postings.starts[number : number + 2].tolist()) for number in known]
        return [(self.postings.rows[span], self.postings.scores[span]) for span in spans]

    @cached_property
    def _mean_length(self) -> float:
        return float(np.mean(self.postings.lengths)) if self.postings.lengths.any() else 1.0


@dataclass(frozen=True)
class Vocabulary:
    """The words that the documents and their question banks use, and other names for them."""

    counts: Mapping[str, int]  # how often each word occurs
    document_words: frozenset[str]  # of the documents alone
    answered_words: frozenset[str]  # of the questions that they answer
    synonyms: tuple[tuple[str, ...], ...]  # groups; the first of each is the document's own word

    @classmethod
    def of(
        cls,
        documents: Iterable[str],
        answered: Iterable[str],
        open_questions: Iterable[str],
        synonyms: Iterable[Sequence[str]],
    ) -> Vocabulary:
        """Collect the vocabulary of documents and of their question banks."""
        own, asked, left_open = (
            Counter(word for text in texts for word in words(text))
            for texts in (documents, answered, open_questions)
        )
        groups = tuple(tuple(group) for group in synonyms)
        counts = own + asked + left_open
        for word in _misspelt(counts, own):
            del counts[word]
        return cls(counts, frozenset(own), frozenset(asked), groups)

    def bring_to(self, question: str) -> str:
        """Spell a question as the documents do: other names first, then misspelt words."""
        named = self._replace_synonyms(question.translate(_LOW_FIGURES))
        spelt = self._correct(named)
        # A name may have been misspelt.
        return named if spelt == named else self._replace_synonyms(spelt)

    def missing_words(self, question: str) -> list[str]:
        """Words of a question that name something, and that no document uses in any form, in their order.

        Everyday words name nothing in particular, and answered questions may use other words for what
        the documents say: neither counts as missing. Of a question in another language nothing is named.
        """
        typed = words(question)
        if sum(word in self.counts or word in english_ranks() for word in typed) * 2 < len(typed):
            return []
        known = self.answered_stems
        return [
            word
            for word in dict.fromkeys(words(_CONTRACTED.sub(" ", self.bring_to(question))))
            if word.isalpha()
            and word not in STOP_WORDS
            and word not in _SAID_IN_PASSING
            and _STEMMER.stemWord(word) not in known
            and not _is_everyday(word)
        ]

    @cached_property
    def answered_stems(self) -> frozenset[str]:
        """The stems of the words of documents and of the questions that they answer."""
        return frozenset(_STEMMER.stemWords(sorted(self.document_words | self.answered_words)))

    @cached_property
    def document_stems(self) -> frozenset[str]:
        """The stems of the words of documents alone."""
        return frozenset(_STEMMER.stemWords(sorted(self.document_words)))

    def _replace_synonyms(self, question: str) -> str:
        """All at once, so that no replacement is replaced again; of names that overlap, the longest."""
        if not self._other_names:
            return question
        own = [name for name, _ in self._other_names]
        return re.sub(self._any_other_name, lambda found: own[(found.lastindex or 0) - 1], question)

    @cached_property
    def _other_names(self) -> list[tuple[str, str]]:
        """The documents' own name and another one, the longest first."""
        names = [(group[0], other) for group in self.synonyms for other in group[1:]]
        return sorted(names, key=lambda pair: -len(pair[1]))

    @cached_property
    def _any_other_name(self) -> re.Pattern[str]:
        """Finds every other name, each as the group of its number."""
        # "IM" is a name of the field, "im" a hasty "I'm".
        names = (
            f"({re.escape(other)})" if len(other) <= 2 else f"((?i:{re.escape(other)}))"
            for _, other in self._other_names
        )
        return re.compile(rf"(?<!\w)(?:{'|'.join(names)})(?!\w)")

    def _correct(self, question: str) -> str:
        return re.sub(r"[^\W\d_]+", self._corrected_word, question)

    def _corrected_word(self, found: re.Match[str]) -> str:
        word = found[0]
        lower = word.lower()
        if lower in _WITHOUT_APOSTROPHE:
            return f"{word[:-1]}'{word[-1]}"
        if lower in _IN_SHORT and lower not in self.document_words and not word.isupper():
            return _IN_SHORT[lower]
        if len(word) < MIN_LENGTH_TO_CORRECT or self._is_known(lower) or _has_inner_capital(word):
            return word
        edits = 2 if len(word) >= MIN_LENGTH_FOR_TWO_EDITS else 1
        # A misspelling seldom changes the first letter; another word often does: fluoxetine, duloxetine.
        alike = [known for known in self._speller.nearest(lower, edits) if known[0] == lower[0]]
        if not alike:
            return word
        # Of words as near, one that sounds the same is meant: "sorce" is "source" and not "sore".
        meant = next((known for known in alike if sound(known) == sound(lower)), alike[0])
        return word if _is_everyday(meant) and _may_be_a_name(found) else meant

    def _is_known(self, word: str) -> bool:
        """Whether a word needs no correction. A bank may hold misspelt questions, seldom one twice."""
        # The list of English words is looked at last: reading it takes longer than everything else here.
        known = word in self.document_words or self.counts.get(word, 0) > 1 or word in _SAID_IN_PASSING
        return known or word in english_ranks()

    @cached_property
    def _speller(self) -> EditDistanceSpeller:
        """Finds the nearest word that the documents or the bank surely use."""
        return EditDistanceSpeller(
            {
                word: count + 1000 * (word in self.document_words)
                for word, count in self.counts.items()
                if (word in self.document_words or word in english_ranks() or count > 2) and word.isalpha()
            }
        )


def _misspelt(counts: Mapping[str, int], own: Mapping[str, int]) -> list[str]:
    """Words of a bank that are misspellings of a document's, though they come more than once.

    Such a word is no English one, and one letter away from a word of a document that is far more frequent.
    """
    speller = EditDistanceSpeller({word: counts[word] for word in own if word.isalpha()})
    found = []
    for word, count in counts.items():
        if count < 2 or word in own or not word.isalpha() or len(word) < MIN_LENGTH_TO_CORRECT:
            continue
        if word in english_ranks() or word in _SAID_IN_PASSING or f"{word}t" in _WITHOUT_APOSTROPHE:
            continue  # the last: "aren't" is two words here
        alike = [known for known in speller.nearest(word, 1) if known[0] == word[0]]
        if alike and counts[alike[0]] >= TIMES_AS_FREQUENT * count:
            found.append(word)
    return found


def _is_everyday(word: str) -> bool:
    return english_ranks().get(word, EVERYDAY_RANK) < EVERYDAY_RANK


def _may_be_a_name(found: re.Match[str]) -> bool:
    """Whether a word stands with a capital inside a sentence: "Dr Mark Hyman"."""
    before = found.string[: found.start()].rstrip()
    return (
        found[0].istitle()
        and bool(before)
        and before[-1] not in "?!:\n"
        and found.string != found.string.title()
    )


def _has_inner_capital(word: str) -> bool:
    """Whether a word is written as names of the field are, "eGFR", and not in capitals throughout."""
    return not word.isupper() and word[1:] != word[1:].lower()


@dataclass(frozen=True)
class LexicalIndexes:
    """What the lexical half knows of one generation."""

    chunks: LexicalIndex
    sentences: LexicalIndex
    taught: LexicalIndex  # each sentence with the questions that it answers
    questions: LexicalIndex  # of the banks, first the answered ones
    vocabulary: Vocabulary


def english_list() -> bytes:
    """The list of English words that symspellpy brings."""
    package = find_spec("symspellpy")  # not imported, which takes longer than to read its list
    if package is None or package.origin is None:
        raise ModuleNotFoundError("symspellpy is not installed. Run: pip install symspellpy")
    return Path(package.origin).with_name("frequency_dictionary_en_82_765.txt").read_bytes()


class WrittenWords:
    """A set of many words of which few are asked for: those that begin alike are read when one is."""

    def __init__(self, written: Mapping[str, str]) -> None:
        """Take words as `write` wrote them."""
        self._written = written
        self._read: dict[str, frozenset[str]] = {}

    @staticmethod
    def write(words: Iterable[str]) -> dict[str, str]:
        """Words by their first two letters, with blanks between them."""
        alike: dict[str, list[str]] = defaultdict(list)
        for word in words:
            alike[word[:2]].append(word)
        return {start: " ".join(words) for start, words in alike.items()}

    def __contains__(self, word: object) -> bool:
        start = str(word)[:2]
        if start not in self._read:
            self._read[start] = frozenset(self._written.get(start, "").split())
        return word in self._read[start]


@cache
def english_ranks() -> Mapping[str, int]:
    """82,000 English words, British and American, by frequency from 0."""
    listed = english_list().decode("utf-8-sig").split()
    ranked = listed[::2]  # every word is followed by its frequency
    return dict(zip(ranked, range(len(ranked)), strict=True))
