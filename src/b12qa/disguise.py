"""What was typed → plain words: look-alikes made Latin letters, short forms written out.

Few people hide anything: telephones set curly apostrophes, and copied text brings letters that nobody sees.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# After an apostrophe.
ENDINGS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}

_LOOK_ALIKES = str.maketrans(
    {
        "а": "a", "в": "b", "е": "e", "һ": "h", "і": "i", "ј": "j", "к": "k", "ӏ": "l", "м": "m", "н": "h",
        "о": "o", "р": "p", "ѕ": "s", "т": "t", "ԛ": "q", "ԝ": "w", "х": "x", "у": "y", "ѵ": "v", "ԁ": "d",
        "с": "c", "ԍ": "g", "ո": "n", "ս": "u", "α": "a", "β": "b", "γ": "y", "ε": "e", "η": "n", "ι": "i",
        "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "σ": "o", "τ": "t", "υ": "u", "χ": "x", "ω": "w", "ϲ": "c",
        "ϳ": "j", "ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ɑ": "a", "ɡ": "g", "ɩ": "i", "ʀ": "r",
    }
)  # fmt: skip
_QUOTES = str.maketrans(dict.fromkeys("’‘ʼ´`′＇", "'") | dict.fromkeys("“”„‟«»＂", '"'))
# Letters that look like nothing at all.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")
_ASCII_OR_NOT = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]+")
_UNSEEN = frozenset({"Mn", "Me", "Cf", "Cs"})
_WITHOUT_APOSTROPHE = {
    "im": ("i", "am"), "ive": ("i", "have"), "iam": ("i", "am"), "hes": ("he", "is"), "shes": ("she", "is"),
    "theyre": ("they", "are"), "youre": ("you", "are"), "weve": ("we", "have"), "ihave": ("i", "have"),
}  # fmt: skip
_IS_AFTER = frozenset({"he", "she", "it", "that", "there", "who", "what", "how", "where", "this"})
_LEET = str.maketrans("013457@$", "oieastas", "*'")
_LEET_WORD = re.compile(r"(?<![a-z])[a-z]+[0-9@$*]+[a-z]+")


def normalized(text: str) -> str:
    """A copy for matching: small letters, without what nobody sees, look-alikes made Latin letters."""
    if text.isascii():
        return text.lower().translate(_QUOTES)
    # Few characters of an English text are others, and changing all one by one took as long as all the rest.
    parts = _ASCII_OR_NOT.findall(text)
    latin = {part: _made_latin(part) for part in set(parts) if not part.isascii()}
    return "".join(latin[part] if part in latin else part.lower().translate(_QUOTES) for part in parts)


def _made_latin(text: str) -> str:
    text = unicodedata.normalize("NFKD", text.translate(_QUOTES))
    unseen = {c for c in set(text) if unicodedata.category(c) in _UNSEEN} | _BLANK_LETTERS
    text = text.translate(dict.fromkeys(map(ord, unseen)))
    return text.casefold().translate(_LOOK_ALIKES).translate(_QUOTES)


def plain_words(token: str) -> Sequence[str]:
    """A token without apostrophes, digits for letters, and other disguise."""
    if token.isalpha():
        return _WITHOUT_APOSTROPHE.get(token, (token,))
    if "'" in token:
        stem, _, ending = token.rpartition("'")
        stem = stem.replace("'", "")
        if ending == "s":
            return (stem, "is") if stem in _IS_AFTER else (stem,)
        return (stem, ENDINGS[ending]) if ending in ENDINGS else (stem + ending,)
    if _LEET_WORD.fullmatch(token):
        return (token.translate(_LEET),)
    return (token,)
