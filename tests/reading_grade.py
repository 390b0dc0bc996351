"""How hard a text is to read, for the tests of our own words."""

from __future__ import annotations

import re


def syllables(word: str) -> int:
    """Groups of vowels, without a silent e at the end."""
    groups = len(re.findall(r"[aeiouy]+", word))
    silent = word.endswith("e") and not word.endswith("le") and groups > 1
    return max(groups - silent - (word.endswith("ed") and word[-3:-2] not in "td" and groups > 1), 1)


def grade(text: str) -> float:
    """The Flesch-Kincaid grade of a text; 5 is read at about the age of ten. A number counts as a short word.

    Source: Kincaid et al., Derivation of new readability formulas, 1975.
    """
    sentences = [s for s in re.split(r"[.!?:\n]+(?:\s|$)", text) if re.search(r"[A-Za-z]", s)]
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", re.sub(r"[\d-]+", " ten ", text.replace("’", "'")).lower())
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
