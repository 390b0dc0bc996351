"""The page's own words in the reader's language; the article stays in its own.

Our words stand in the code in English. A file of `locales/` gives them in another language, under the
English ones: one file a language. What a file lacks is said in English, and marked as English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from b12qa.rendering import Said, in_english

LOCALES = Path(__file__).parent / "locales"
ENGLISH = "en"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Texts:
    """Our words in one language."""

    def __init__(self, language: str, name: str, phrases: Mapping[str, str]) -> None:
        """Take the phrases of a file.

        Args:
            language: a tag as in HTML.
            name: what the language calls itself.
            phrases: words by the English ones; ``{word}`` stands for whatever differs from case to case.
        """
        self.language = language
        self.name = name
        self._phrases = phrases
        patterns = [(key, words) for key, words in phrases.items() if _PLACEHOLDER.search(key)]
        # The more of a pattern is fixed, the better it knows what it says.
        patterns.sort(key=lambda pair: -len(_PLACEHOLDER.sub("", pair[0])))
        self._patterns = [(_pattern(key), words) for key, words in patterns]

    def __call__(self, english: str) -> Said:
        """Our English words in this language, or as they are where no translation is known."""
        if self.language == ENGLISH:
            return in_english(english)
        if english in self._phrases:
            return Said(self._phrases[english], self.language)
        for pattern, words in self._patterns:
            found = pattern.fullmatch(english)
            if found:
                values = {name: self._phrases.get(value, value) for name, value in found.groupdict().items()}
                return Said(words.format_map(values), self.language)
        return in_english(english)


ENGLISH_TEXTS = Texts(ENGLISH, "English", {})


@cache
def languages() -> Mapping[str, Texts]:
    """All languages of the page by tag, English first."""
    found = {}
    for path in sorted(LOCALES.glob("*.json"), key=lambda path: (path.stem != ENGLISH, path.stem)):
        record = json.loads(path.read_text("utf-8"))
        found[path.stem] = Texts(path.stem, record["name"], record["phrases"])
    return found


def texts_for(wanted: str | None, accepted: str | None) -> Texts:
    """The language of a visitor.

    Args:
        wanted: a tag that the visitor chose, as in ``?lang=de``.
        accepted: the header Accept-Language of the request.
    """
    known = languages()
    for tag in [wanted or "", *_by_preference(accepted or "")]:
        language = tag.strip().lower().partition("-")[0]
        if language in known:
            return known[language]
    return known[ENGLISH]


def _by_preference(accepted: str) -> Sequence[str]:
    """The tags of an Accept-Language header, the most wanted first.

    Source: RFC 9110, section 12.5.4.
    """
    weighed: list[tuple[float, int, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, parameter = part.partition(";")
        weight = re.fullmatch(r"q=([01](?:\.\d{0,3})?)", parameter.strip())
        weighed.append((-float(weight[1]) if weight else -1.0, len(weighed), tag))
    return [tag for weight, _, tag in sorted(weighed) if weight < 0]


def _pattern(key: str) -> re.Pattern[str]:
    parts = enumerate(_PLACEHOLDER.split(key))  # every second one is a name
    return re.compile("".join(f"(?P<{p}>.+?)" if i % 2 else re.escape(p) for i, p in parts), re.DOTALL)
