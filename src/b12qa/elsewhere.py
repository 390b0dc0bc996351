"""A message in another language of the page → its language, and a red flag in it.

``data/red-flags-elsewhere.yaml`` says which phrases tell of a red flag. The article is in English, and so are
its questions; but whoever is met in their own language may tell of an emergency in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from b12qa import compiled
from b12qa.disguise import normalized
from b12qa.errors import YamlError
from b12qa.flag_rules import load_flag_rules
from b12qa.strict_yaml import Line, compose, entries, fields, is_mapping, items, line_of, text_of

if TYPE_CHECKING:
    import yaml

ELSEWHERE_FILE = "red-flags-elsewhere.yaml"
# In a phrase: so many other words may stand here, and a word may go on from here.
GAP, BEGINS = "..", "*"
GAP_REACH = 5
# How far before a phrase a word may stand that denies it: "no tengo dolor en el pecho".
NOT_REACH = 2
# So many words of a message, and this share of them, show its language.
LEAST_WORDS_OF_A_LANGUAGE = 2
SHARE_OF_A_LANGUAGE = 0.3

# Of a language that the page does not speak, more: its short words are those of others as well.
LEAST_WORDS_OF_ANOTHER = 2
SHARE_OF_ANOTHER = 0.4
OTHERS = "others"

_WORD = re.compile(r"\w+")
_PART = re.compile(r"\w+\*?|\.\.")
# The last letters of the Latin alphabet, and those added to it later.
_LAST_LATIN, _MORE_LATIN = "\u024f", range(0x1E00, 0x1F00)
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


@dataclass(frozen=True, slots=True)
class Language:
    """What is known of one language."""

    words: frozenset[str]  # that show it
    emergency: str  # what to do in one, in the language
    ask: str  # to ask in the language of the documents
    negators: frozenset[str]
    # By the first word: what follows it, and the concept.
    phrases: Mapping[str, list[tuple[tuple[str, ...], str]]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is known of all languages but English."""

    languages: Mapping[str, Language]  # by tag
    others: tuple[frozenset[str], ...]  # words that show languages of which no more is known

    def language_of(self, message: str) -> str:
        """The language of a message; empty if it is English, or cannot be told."""
        words = _words(message)
        counts = {tag: sum(w in language.words for w in words) for tag, language in self.languages.items()}
        tag = max(counts, key=counts.__getitem__, default="")
        if not tag or counts[tag] < SHARE_OF_A_LANGUAGE * len(words) or counts[tag] < self._of_another(words):
            return ""
        if counts[tag] < LEAST_WORDS_OF_A_LANGUAGE:
            return tag if counts[tag] and not _any_english(words, self.languages[tag]) else ""
        return tag

    def is_another(self, message: str) -> bool:
        """Whether a message is in a language of which no more is known than that it is not English."""
        if not message.isascii():
            letters = [c for c in unicodedata.normalize("NFKC", message) if c.isalpha()]
            if 2 * sum(c > _LAST_LATIN and ord(c) not in _MORE_LATIN for c in letters) > len(letters):
                return True
        words = _words(message)
        return self._of_another(words) >= max(LEAST_WORDS_OF_ANOTHER, SHARE_OF_ANOTHER * len(words))

    def _of_another(self, words: list[str]) -> int:
        """How many words are of the other language that has most of them."""
        return max((sum(word in of_one for word in words) for of_one in self.others), default=0)

    def flags_in(self, message: str) -> set[str]:
        """The ids of the concepts that a message tells of."""
        words = _words(message)
        return {concept for language in self.languages.values() for concept in _flags(words, language)}


def _any_english(words: list[str], language: Language) -> bool:
    """Whether a common English word stands among words that do not show a language."""
    common = load_flag_rules().known.common
    return any(word in common for word in words if word not in language.words)


def _flags(words: list[str], language: Language) -> Iterator[str]:
    for start, word in enumerate(words):
        for rest, concept in language.phrases.get(word, ()):
            if not language.negators.isdisjoint(words[max(0, start - NOT_REACH) : start]):
                continue
            if _follows(rest, words, start + 1, language.negators):
                yield concept


def _follows(rest: tuple[str, ...], words: list[str], at: int, negators: frozenset[str]) -> bool:
    """Whether the rest of a phrase stands there, and in its gaps no word that denies it."""
    if not rest:
        return True
    if rest[0] == GAP:
        for gap in range(at, min(at + GAP_REACH, len(words)) + 1):
            if _follows(rest[1:], words, gap, negators):
                return True
            if gap < len(words) and words[gap] in negators:
                return False
        return False
    return at < len(words) and _is_word(rest[0], words[at]) and _follows(rest[1:], words, at + 1, negators)


def _is_word(known: str, typed: str) -> bool:
    return typed.startswith(known[:-1]) if known.endswith(BEGINS) else typed == known


def _words(text: str) -> list[str]:
    return _WORD.findall(normalized(text))


@cache
def load_elsewhere() -> Elsewhere:
    """What comes with the package."""
    plain = dict(compiled.rules(ELSEWHERE_FILE, read_elsewhere))
    others = tuple(map(frozenset, plain.pop(OTHERS).values()))
    languages = {
        tag: Language(
            frozenset(parts["words"]),
            parts["emergency"],
            parts["ask"],
            frozenset(parts["not"]),
            {first: [(tuple(p), c) for p, c in of_word] for first, of_word in parts["phrases"].items()},
        )
        for tag, parts in plain.items()
    }
    return Elsewhere(languages, others)


def read_elsewhere(data: bytes, file: str) -> dict[str, Any]:
    """Read the file as plain data.

    Args:
        file: the name for messages.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    node = compose(data, file)
    if not is_mapping(node):
        raise YamlError(file, 1, "expected languages by tag here")
    parts = {tag.text: value for tag, value in entries(node, file).items()}
    others = parts.pop(OTHERS, None)
    if others is not None and not is_mapping(others):
        raise YamlError(file, line_of(others), "expected words by tag of a language here")
    words = {} if others is None else entries(others, file)
    return {tag: _language(value, file) for tag, value in parts.items()} | {
        OTHERS: {tag.text: _single(value, file) for tag, value in words.items()}
    }


def _language(node: yaml.Node, file: str) -> dict[str, Any]:
    parts = fields(node, file, {"words", "emergency", "ask", "not", "flags"}, required=True)
    flags = parts["flags"]
    if not is_mapping(flags):
        raise YamlError(file, line_of(flags), "expected phrases by concept here")
    phrases: dict[str, list[tuple[list[str], str]]] = {}
    for concept, listed in entries(flags, file).items():
        for item in items(listed, file):
            for words in _spellings(text_of(item, file)):
                phrases.setdefault(words[0], []).append((words[1:], concept.text))
    return {
        "words": _single(parts["words"], file),
        "emergency": text_of(parts["emergency"], file).text,
        "ask": text_of(parts["ask"], file).text,
        "not": _single(parts["not"], file),
        "phrases": phrases,
    }


def _single(node: yaml.Node, file: str) -> list[str]:
    return sorted({word for item in items(node, file) for (word,) in _spellings(text_of(item, file))})


def _spellings(text: Line) -> list[list[str]]:
    """The words of a phrase without accents, and with vowels written out: "fuer"; and its gaps."""
    typed = text.text, text.text.lower().translate(_WRITTEN_OUT)
    spellings = {tuple(_PART.findall(normalized(one))) for one in typed}
    return [list(words) for words in sorted(spellings)]
