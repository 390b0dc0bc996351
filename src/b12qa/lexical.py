"""Words → BM25 scores, and the words of a question brought to the words of the documents.

The lexical half finds what embeddings blur: names, numbers, rare words. It is built in memory when
an index is opened; the texts are few and short.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import Stemmer

if TYPE_CHECKING:
    import bm25s
    from symspellpy import SymSpell

Scores = npt.NDArray[np.float32]

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
# No cache: it would keep the words of questions in memory.
_STEMMER = Stemmer.Stemmer("english", 0)
# Shorter words have too many neighbours one edit away.
MIN_LENGTH_TO_CORRECT = 4
MIN_LENGTH_FOR_TWO_EDITS = 8
# The most frequent English words name nothing in particular.
EVERYDAY_RANK = 4000


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers with their decimals."""
    return _WORD.findall(text.lower())


def terms(text: str) -> list[str]:
    """The words of a text that say what it is about, reduced to their stems.

    Source: Snowball English stemmer (Porter2).
    """
    stems: list[str] = _STEMMER.stemWords([word for word in words(text) if word not in STOP_WORDS])
    return stems


class LexicalIndex:
    """BM25 over some texts.

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009;
    Lucene's variant by bm25s, with its usual k1 = 1.2 and b = 0.75.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        tokens = [terms(text) for text in texts]
        self._count = len(texts)
        self._bm25: bm25s.BM25 | None = None
        if any(tokens):
            self._bm25 = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
            self._bm25.index(tokens, show_progress=False)

    def scores(self, query: str) -> Scores:
        """How well each text matches, float32, shape (n_texts,): 0 without a common word, no upper bound."""
        # A word counts once: people repeat themselves when they are worried.
        query_terms = sorted(set(terms(query)))
        if self._bm25 is None or not query_terms:
            return np.zeros(self._count, dtype=np.float32)
        return np.asarray(self._bm25.get_scores(query_terms), dtype=np.float32)


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
        return cls(own + asked + left_open, frozenset(own), frozenset(asked), groups)

    def bring_to(self, question: str) -> str:
        """Spell a question as the documents do: other names first, then misspelt words."""
        return self._correct(self._replace_synonyms(question))

    def missing_words(self, question: str) -> list[str]:
        """Words of a question that name something, and that no document uses in any form, in their order.

        Everyday words name nothing in particular, and answered questions may use other words for what
        the documents say: neither counts as missing. Of a question in another language nothing is named.
        """
        typed = words(question)
        if sum(word in english_ranks() or word in self.counts for word in typed) * 2 < len(typed):
            return []
        known = self.answered_stems
        return [
            word
            for word in dict.fromkeys(words(self.bring_to(question)))
            if word.isalpha()
            and english_ranks().get(word, EVERYDAY_RANK) >= EVERYDAY_RANK
            and word not in STOP_WORDS
            and _STEMMER.stemWord(word) not in known
        ]

    @cached_property
    def answered_stems(self) -> frozenset[str]:
        """The stems of the words of documents and of the questions that they answer."""
        return frozenset(_STEMMER.stemWords(sorted(self.document_words | self.answered_words)))

    def _replace_synonyms(self, question: str) -> str:
        if not self._any_other_name or not re.search(self._any_other_name, question, re.IGNORECASE):
            return question  # as most do, and looking for every name takes longer
        for group in self.synonyms:
            for other in group[1:]:
                # "IM" is a name of the field, "im" a hasty "I'm".
                flags = re.IGNORECASE if len(other) > 2 else 0
                name = group[0].replace("\\", r"\\")  # a backslash would begin a reference to a group
                question = re.sub(rf"(?<!\w){re.escape(other)}(?!\w)", name, question, flags=flags)
        return question

    @cached_property
    def _any_other_name(self) -> str:
        """A pattern that finds a name to replace wherever there is one; empty without synonyms."""
        names = "|".join(re.escape(other) for group in self.synonyms for other in group[1:])
        return rf"(?<!\w)(?:{names})(?!\w)" if names else ""

    def _correct(self, question: str) -> str:
        return re.sub(r"[^\W\d_]+", lambda match: self._corrected_word(match[0]), question)

    def _corrected_word(self, word: str) -> str:
        lower = word.lower()
        if len(word) < MIN_LENGTH_TO_CORRECT or lower in self._known:
            return word
        from symspellpy import Verbosity

        edits = 2 if len(word) >= MIN_LENGTH_FOR_TWO_EDITS else 1
        found = self._speller.lookup(lower, Verbosity.CLOSEST, max_edit_distance=edits)
        # A misspelling seldom changes the first letter; another word often does: fluoxetine, duloxetine.
        alike = [suggestion for suggestion in found if suggestion.term[0] == lower[0]]
        return alike[0].term if alike else word

    @cached_property
    def _known(self) -> frozenset[str]:
        """Words that need no correction. A bank may hold misspelt questions, seldom one twice."""
        often = {word for word, count in self.counts.items() if count > 1}
        return frozenset(english_ranks()) | self.document_words | often

    @cached_property
    def _speller(self) -> SymSpell:
        """Finds the nearest word that the documents or the bank surely use.

        Source: SymSpell, symmetric delete spelling correction; optimal string alignment distance.
        """
        from symspellpy import SymSpell

        speller = SymSpell(max_dictionary_edit_distance=2)
        for word, count in self.counts.items():
            sure = word in self.document_words or word in english_ranks() or count > 2
            if sure and word.isalpha():
                speller.create_dictionary_entry(word, count + 1000 * (word in self.document_words))
        return speller


@cache
def english_ranks() -> Mapping[str, int]:
    """82,000 English words, British and American, by frequency from 0; the list that symspellpy brings."""
    lines = (files("symspellpy") / "frequency_dictionary_en_82_765.txt").read_text("utf-8-sig").splitlines()
    return {line.split()[0]: rank for rank, line in enumerate(lines)}
