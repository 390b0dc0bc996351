"""The words of a message → the red flag in it: rules that a clinician can read, and no model.

The rules are ``data/red-flags.yaml``: lists of words, and concepts whose rules say which lists must stand
near each other. A message is read whole, in linear time. What a match means depends on how it is said:

- negated, "no chest pain": counts for nothing;
- taught, "can B12 deficiency cause chest pain?": counts only if it is said of somebody, "my chest pain";
- long past, "I had a stroke ten years ago", or supposed, "what if I faint": counts for nothing;
- exaggerated, "I nearly fainted at the price": counts for nothing;
- of another text, "the leaflet says 'crushing pain in the chest'": counts for nothing;
- an illness, "stroke": counts only if it is said to happen, "I think this is a stroke".

How the whole message is worded (`wording.py`) must agree, and may be enough.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import Stemmer

from b12qa import compiled
from b12qa.errors import YamlError
from b12qa.lexical import WrittenWords, english_ranks
from b12qa.matching import Hit, Match, Phrases, PhrasesByKey, by_rarest_list, in_order, near, written_phrases
from b12qa.misspelt import Speller
from b12qa.records import CareLevel
from b12qa.strict_yaml import (
    Line,
    compose,
    entries,
    fields,
    is_mapping,
    items,
    line_of,
    number_of,
    text_of,
    texts_by_number,
)
from b12qa.wording import load_wording, points_of

if TYPE_CHECKING:
    import yaml

RULES_FILE = "red-flags.yaml"
# Words between the first and the last that a rule asks for, unless it says otherwise.
DEFAULT_WITHIN = 6
# So many hits of a list are looked at on each side of the one that a match begins with.
HITS_AROUND = 3
# How far a rule looks at least for words that it must not stand with.
MIN_EXCEPTION_REACH = 3
MAX_NUMBER_IN_A_RANGE = 9999
# Rarer words of the English list may well be misspelt ones: "paining", "breths".
COMMON_RANK = 40_000
MIN_LENGTH_TO_CORRECT = 4
MIN_LENGTH_TO_SPLIT = 6
MAX_LENGTH_TO_SPLIT = 30
MAX_LENGTH_OF_A_PART = 14
# Words that may stand between those of a phrase, one after the other: "I can't really even feel it".
MAX_FILLED = 2
# One of the first words after a comma shows whether a new clause begins, or one more item of a list.
WORDS_OF_AN_ITEM = 3
# How far a "no" reaches, in words.
NEGATION_REACH = 6
# How many words may stand between a person and what is said of them: "I suddenly feel very faint".
PERSON_REACH = 5
# How far back in a clause the words are looked for that say whose complaint it is.
CLAUSE_REACH = 30
# How many words may stand between an illness and the words that say that it happens.
HAPPENING_REACH = 5
# How far after a complaint the words stand that make it a joke: "I nearly fainted at the price".
EXAGGERATED_REACH = 7
# How far after a complaint the words stand that make it a question of study: "is fainting a symptom?".
TEACHING_REACH = 5
# Earlier messages that are read together with the last one.
EARLIER_MESSAGES = 2
# How a part of a message is worded is less sure than the whole, most of all where no rule has found anything.
FEWER_POINTS_BESIDE_A_MATCH = 12
FEWER_POINTS_IN_PART = 34
# Two messages read as one need so many, as where no rule has found anything: for what both say together, and
# for what the earlier one said to last.
LEAST_POINTS_OF_TWO = -16
LEAST_POINTS_TO_LAST = 5
# Beside what a rule says should be seen soon, points alone count only if there are so many more.
MORE_POINTS_BESIDE_A_NAME = 20
# A longer sentence is read in parts.
WORDS_OF_A_PART = 25
# A whole message of so few words has points of its own: there is little to judge by.
WORDS_OF_A_SHORT_MESSAGE = 9
# A message of so few words says little without the one before.
MAX_WORDS_OF_A_FRAGMENT = 4

# No cache: it would keep the words of questions in memory.
_STEMMER = Stemmer.Stemmer("english", 0)


class Mention(StrEnum):
    """What it takes for a match of a rule to count."""

    COMPLAINT = "complaint"  # not negated, taught, supposed or long past
    ILLNESS = "illness"  # and said to happen
    ALWAYS = "always"  # not negated


@dataclass(frozen=True, slots=True)
class Rule:
    """Lists of words that must stand near each other."""

    lists: tuple[str, ...]
    ordered: bool
    within: int  # at most so many other words between the first and the last
    unless: tuple[str, ...]  # no word of these lists may stand as near
    unless_usual: tuple[str, ...]  # nor of these, but where something is said to be new
    mention: Mention
    points: int | None = None  # instead of lists: so many points at least


@dataclass(frozen=True, slots=True)
class Concept:
    """One red flag: the words of its card, and the rules that find it."""

    id: str
    level: CareLevel
    title: str
    text: str
    steps: tuple[str, ...]  # may name a line of `regions.yaml`, such as {emergency}
    sources: tuple[str, ...]  # organisation: title
    rules: tuple[Rule, ...]
    match: tuple[str, ...]  # messages that the rules must find
    no_match: tuple[str, ...]  # messages that no rule of any concept may find


@dataclass(frozen=True, slots=True)
class About:
    """The rules that find "are you a doctor?"."""

    rules: tuple[Rule, ...]
    match: tuple[str, ...]
    no_match: tuple[str, ...]


class RuleOf(NamedTuple):
    """A rule, and the concept that it finds."""

    concept: int  # its position
    rule: Rule
    needs: frozenset[str]  # its lists


@dataclass(frozen=True, slots=True)
class RedFlags:
    """All rules, and the words that they know."""

    concepts: tuple[Concept, ...]  # the most severe level first
    about: About
    start: int  # points that every part of a message begins with
    points: Mapping[str, int]  # and what a word of a list adds to them
    anywhere: Mapping[str, int]  # what it adds wherever in the message it stands
    least: int  # points that a message needs for a match to count
    wording: Mapping[str, int]  # points of words and pairs of words, for a message as a whole
    phrases: PhrasesByKey  # of all lists
    words: frozenset[str]  # as written in the file, one by one
    keys: frozenset[str]
    common: Container[str] = field(repr=False)  # common English words
    fills: frozenset[str]  # words that may stand inside a phrase
    speller: Speller = field(repr=False)
    by_list: Mapping[str, Sequence[RuleOf]] = field(repr=False)  # each rule under the rarest of its lists
    by_points: Sequence[tuple[int, int]]  # concepts by position, and the points that find them
    # Words met before; only those of the rules and common English ones, so that no question is kept.
    known: dict[str, tuple[_Word, ...]] = field(repr=False, default_factory=dict)

    def find(self, message: str, history: Sequence[str] = ()) -> Concept | None:
        """The most severe red flag of a message, or none. Arguments as in `meet`."""
        return self.meet(message, history)[0]

    def meet(self, message: str, history: Sequence[str] = ()) -> tuple[Concept | None, bool]:
        """The most severe red flag of a message, or none, and whether it asks who or what is answering.

        A flag of an earlier message counts through no more than two later ones, so that no card sticks for
        ever, and only if none of them takes it back. The two messages before the last one are also read
        together with it: "my leg is swollen", "only the left one, and it is hot". Both ways the two, read as
        one, must be worded as a red flag is, unlike "black stools since I started the iron", "it is from the
        iron, the doctor tested it"; but for what was said outright, and where the last one claims it.

        Args:
            message: as typed, of any length.
            history: the user's earlier messages, oldest first.
        """
        texts = (*history[-EARLIER_MESSAGES:], message)
        read = [_read(text, self) for text in texts]
        last = read[-1]
        goes_on = len(read) > 1 and _goes_on_asking(read[-2], last)
        found = set() if goes_on else _flagged(last, self)
        for i, (text, earlier) in enumerate(zip(texts, read[:-1], strict=False), start=1):
            if any(_taken_back(later) for later in read[i:-1]):
                continue
            together = _flagged_together(earlier, last, self)
            if together:  # what the earlier message said by itself was answered then
                together -= _flagged(earlier, self)
            likely = last.anywhere("claimed") or self._points_of_both(text, message) >= LEAST_POINTS_OF_TWO
            if together and likely:
                found |= together
        for text, earlier, later in zip(texts[-2::-1], read[-2::-1], reversed(read), strict=False):
            if later.anywhere("over") or _taken_back(later):
                break
            claimed = later.anywhere("claimed")
            flagged = _flagged(earlier, self, claimed)
            # What should be seen soon has been said, and is no reason to say it again.
            flagged = {number for number in flagged if self.concepts[number].level is not CareLevel.SOON}
            if flagged and not claimed:
                points = self._points_of_both(text, message)
                if points < LEAST_POINTS_OF_TWO or (points < LEAST_POINTS_TO_LAST and later is not last):
                    flagged &= _said_outright(earlier, self)
                elif points < LEAST_POINTS_TO_LAST:
                    # Whoever has just told of an emergency may ask for something else; once more it is shown.
                    flagged = {n for n in flagged if self.concepts[n].level is CareLevel.EMERGENCY}
            found |= flagged
        return (self.concepts[min(found)] if found else None), _asks_who(last, self)

    def _points_of_both(self, earlier: str, last: str) -> int:
        """How much an earlier message and the last one, read as one, are worded as a red flag is."""
        return _all_points(_read(f"{earlier}\n{last}", self), self).alone

    def asks_who(self, message: str) -> bool:
        """Whether a message asks who or what is answering."""
        return _asks_who(_read(message, self), self)


# The file.

# Points that are not those of a list.
START, LEAST, SHORT = "start", "least", "short"
# A word with points of its own is a list of one word, of this name.
OF_WORD = "word "
_LEVELS = tuple(CareLevel)  # the most severe first
# Lists that say how a thing is said. The rules below are about these.
_FRAMES = (
    "asked_of", "asking", "auxiliary", "body_owner", "cites", "claimed", "clause_start", "exaggerated",
    "fiction", "fillers", "fills", "follows", "generic_person", "going_on", "happening", "harmless", "has",
    "intense", "joins", "knows", "long_ago", "makes", "may", "negator", "never", "news", "not_asking",
    "not_negation", "now", "opens_clause", "over", "person", "present", "rated", "retold",
    "settled", "showing", "stops_negation", "supposed_if", "supposed_verb", "teaches", "teaches_after",
    "teaches_before", "tells_me", "unheard_of", "whether",
)  # fmt: skip
# Where a message speaks of texts, what stands in quotation marks is theirs.
_OF_TEXTS = ("cites", "fiction", "retold")
# In their phrases nothing may stand between the words: "out of" is not "out of the".
_EXACT = frozenset(_FRAMES)


@cache
def load_red_flags() -> RedFlags:
    """The rules that come with the package."""
    return _from_plain(compiled.rules(RULES_FILE, _plain), load_wording())


def read_red_flags(data: bytes, file: str) -> RedFlags:
    """Read the rules.

    Args:
        file: the name for messages.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    return _from_plain(_plain(data, file), load_wording())


def _plain(data: bytes, file: str) -> dict[str, Any]:
    """The rules as plain data, all that takes time done. Arguments and errors as above."""
    names = {"words", "points", "points anywhere", "points of words", "concepts", "about"}
    parts = fields(compose(data, file), file, names, required=True)
    lists = _word_lists(parts["words"], file)
    points = _points(parts["points"], file, lists, named=(START, LEAST, SHORT))
    anywhere = _points(parts["points anywhere"], file, lists)
    for word, number in _points_of_words(parts["points of words"], file).items():
        lists[OF_WORD + word], points[OF_WORD + word] = (word,), number
    concepts = [_concept(node, file, lists) for node in items(parts["concepts"], file)]
    about = fields(parts["about"], file, {"rules", "match", "no match"}, required=True)
    seen: set[str] = set()
    for concept, node in zip(concepts, items(parts["concepts"], file), strict=True):
        if concept.id in seen:
            raise YamlError(file, line_of(node), f"a second concept with the id {concept.id}", "Rename it.")
        seen.add(concept.id)
    concepts.sort(key=lambda concept: _LEVELS.index(concept.level))
    phrases = list(_phrases(lists))
    key_of = {word: _key(word) for _, phrase in phrases for word in phrase}
    common = [word for word, rank in english_ranks().items() if rank < COMMON_RANK]
    return {
        "concepts": [asdict(concept) for concept in concepts],
        "about": asdict(
            About(
                _rules(about["rules"], file, lists),
                _texts(about["match"], file),
                _texts(about["no match"], file),
            )
        ),
        "points": points,
        "anywhere": anywhere,
        "phrases": written_phrases(
            ((name, [key_of[word] for word in phrase]) for name, phrase in phrases), _EXACT
        ),
        "words": sorted({word.lstrip("=") for word in key_of}),
        "keys": sorted(set(key_of.values())),
        "common": WrittenWords.write(common),
        "fills": sorted({word for phrase in lists["fills"] for word in phrase.split()}),
    }


def _from_plain(plain: Mapping[str, Any], wording: Mapping[str, int]) -> RedFlags:
    concepts = tuple(_concept_from(record) for record in plain["concepts"])
    about = plain["about"]
    points = dict(plain["points"])
    rules = [
        RuleOf(number, rule, frozenset(rule.lists))
        for number, concept in enumerate(concepts)
        for rule in concept.rules
    ]
    return RedFlags(
        concepts,
        About(tuple(map(_rule_from, about["rules"])), tuple(about["match"]), tuple(about["no_match"])),
        points.pop(START),
        points,
        dict(plain["anywhere"]),
        points.pop(LEAST),
        wording,
        PhrasesByKey(plain["phrases"]),
        frozenset(plain["words"]),
        frozenset(plain["keys"]),
        WrittenWords(plain["common"]),
        frozenset(plain["fills"]),
        Speller.of(plain["words"]),
        by_rarest_list((rule, rule.rule.lists) for rule in rules if rule.needs),
        [(number, rule.points) for number, rule, _ in rules if rule.points is not None],
    )


def _concept_from(record: Mapping[str, Any]) -> Concept:
    rules = tuple(map(_rule_from, record["rules"]))
    return Concept(**compiled.fields_of(record) | {"level": CareLevel(record["level"]), "rules": rules})


def _rule_from(record: Mapping[str, Any]) -> Rule:
    return Rule(**compiled.fields_of(record) | {"mention": Mention(record["mention"])})


def _phrases(lists: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, list[str]]]:
    """All lists with the words of each of their phrases."""
    fills = set(lists["fills"])
    for name, expressions in lists.items():
        for expression in expressions:
            phrase = expression.split()
            if name not in _EXACT and len(phrase) > 2:
                # "half my body" is also found as "half of the body", and as "half body".
                phrase = [phrase[0], *(w for w in phrase[1:-1] if w not in fills), phrase[-1]]
            yield name, phrase


def _word_lists(node: yaml.Node, file: str) -> dict[str, tuple[str, ...]]:
    if not is_mapping(node):
        raise YamlError(file, line_of(node), "expected lists of words by name here")
    lists: dict[str, tuple[str, ...]] = {}
    for name, value in entries(node, file).items():
        expressions: list[str] = []
        for item in items(value, file):
            expression = text_of(item, file)
            if "#" in expression.text:
                expressions += _numbers(expression.text, expression.line, file)
            else:
                expressions += _written_out(expression, lists, file)
        if not expressions:
            raise YamlError(file, name.line, f"the list {name.text!r} is empty", "Add words to it.")
        lists[name.text] = tuple(dict.fromkeys(expressions))
    missing = sorted(set(_FRAMES) - lists.keys())
    if missing:
        raise YamlError(file, line_of(node), f"no list of words is named {missing[0]!r}", "Add it.")
    return lists


def _written_out(expression: Line, lists: Mapping[str, Iterable[str]], file: str) -> list[str]:
    """An expression with the words of the lists that it names: "<cannot> feel" is "cant feel" and more."""
    ways: list[tuple[str, ...]] = [()]
    for word in expression.text.split():
        named = word.startswith("<") and word.strip("<>")
        if named and named not in lists:
            raise YamlError(file, expression.line, f"no list of words above is named {named!r}")
        ways = [(*way, further) for way in ways for further in (lists[named] if named else (word,))]
    return [" ".join(way) for way in ways]


def _numbers(text: str, line: int, file: str) -> list[str]:
    before, _, numbers = text.partition("#")
    first, _, last = numbers.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= MAX_NUMBER_IN_A_RANGE):
        raise YamlError(file, line, f'expected a range of numbers such as "#10-200", got {text!r}')
    return [f"{before}={number}" for number in range(int(first), int(last) + 1)]


def _points(
    node: yaml.Node, file: str, lists: Mapping[str, object], named: Sequence[str] = ()
) -> dict[str, int]:
    if not is_mapping(node):
        raise YamlError(file, line_of(node), "expected points by list of words here")
    points: dict[str, int] = {}
    for name, value in entries(node, file).items():
        if name.text not in lists and name.text not in named:
            raise YamlError(file, name.line, f"no list of words is named {name.text!r}")
        points[name.text] = number_of(text_of(value, file), "points", file)
    for needed in named:
        if needed not in points:
            raise YamlError(file, line_of(node), f"no points are named {needed!r}", "Add them.")
    return points


def _points_of_words(node: yaml.Node, file: str) -> dict[str, int]:
    points: dict[str, int] = {}
    for text, number in texts_by_number(node, "words", file):
        if not text.text.isalpha() or text.text in points:
            message = f"expected one word of letters that stands here once, got {text.text!r}"
            raise YamlError(file, text.line, message)
        points[text.text] = number
    return points


def _concept(node: yaml.Node, file: str, lists: Mapping[str, object]) -> Concept:
    names = {"id", "level", "title", "text", "steps", "sources", "rules", "match", "no match"}
    parts = fields(node, file, names, required=True)
    level = text_of(parts["level"], file)
    if level.text not in set(CareLevel):
        expected = ", ".join(CareLevel)
        raise YamlError(file, level.line, f"expected one of {expected} as level, got {level.text!r}")

    return Concept(
        id=text_of(parts["id"], file).text,
        level=CareLevel(level.text),
        title=text_of(parts["title"], file).text,
        text=text_of(parts["text"], file).text,
        steps=_texts(parts["steps"], file),
        sources=_texts(parts["sources"], file),
        rules=_rules(parts["rules"], file, lists),
        match=_texts(parts["match"], file),
        no_match=_texts(parts["no match"], file),
    )


def _texts(node: yaml.Node, file: str) -> tuple[str, ...]:
    found = tuple(text_of(item, file).text for item in items(node, file))
    if not found:
        raise YamlError(file, line_of(node), "expected at least one text here")
    return found


def _rules(node: yaml.Node, file: str, lists: Mapping[str, object]) -> tuple[Rule, ...]:
    rules = tuple(_rule(item, file, lists) for item in items(node, file))
    if not rules:
        raise YamlError(file, line_of(node), "expected at least one rule here")
    return rules


def _rule(node: yaml.Node, file: str, lists: Mapping[str, object]) -> Rule:
    parts = fields(node, file, {"near", "order", "points", "within", "unless", "unless usual", "mention"})
    if len(parts.keys() & {"near", "order", "points"}) != 1:
        raise YamlError(file, line_of(node), "expected one of near, order and points in a rule")

    def names(key: str) -> tuple[str, ...]:
        found = [text_of(item, file) for item in items(parts.get(key), file)]
        for name in found:
            if name.text not in lists:
                raise YamlError(file, name.line, f"no list of words is named {name.text!r}")
        return tuple(name.text for name in found)

    within = text_of(parts["within"], file) if "within" in parts else None
    if within and not within.text.isdecimal():
        raise YamlError(file, within.line, f"expected a number of words as within, got {within.text!r}")
    mention = text_of(parts["mention"], file) if "mention" in parts else None
    if mention and mention.text not in set(Mention):
        expected = ", ".join(Mention)
        raise YamlError(file, mention.line, f"expected one of {expected} as mention, got {mention.text!r}")
    ordered = "order" in parts
    wanted = names("order" if ordered else "near")
    return Rule(
        lists=wanted,
        ordered=ordered,
        within=int(within.text) if within else DEFAULT_WITHIN,
        unless=names("unless"),
        unless_usual=names("unless usual"),
        mention=Mention(mention.text) if mention else Mention.COMPLAINT,
        points=number_of(text_of(parts["points"], file), "points", file) if "points" in parts else None,
    )


def _key(word: str) -> str:
    """What words are compared by: the stem, or "=" and the word itself where the file wants it exact."""
    return word if word.startswith("=") else _STEMMER.stemWord(word)


# A message as words.

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
_TOKEN = re.compile(r"[a-z0-9'*@$]+|[.!?;\n:,()\u2026\u2013\u2014\"]|(?<=\s)-(?=\s)")
_ENDINGS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
_WITHOUT_APOSTROPHE = {
    "im": ("i", "am"), "ive": ("i", "have"), "iam": ("i", "am"), "hes": ("he", "is"), "shes": ("she", "is"),
    "theyre": ("they", "are"), "youre": ("you", "are"), "weve": ("we", "have"), "ihave": ("i", "have"),
}  # fmt: skip
_IS_AFTER = frozenset({"he", "she", "it", "that", "there", "who", "what", "how", "where", "this"})
# Short words that are often typed together with the next one.
_GLUED = frozenset({
    "a", "an", "and", "arm", "can", "die", "eye", "has", "he", "her", "his", "hot", "i", "im", "in", "is",
    "it", "leg", "me", "my", "no", "not", "of", "on", "pee", "red", "she", "the", "to",
})  # fmt: skip
_APART_T = re.compile(r"\b(can|don|won|isn|aren|doesn|didn|couldn|hasn|haven|wasn|wouldn) t\b")
_LEET = str.maketrans("013457@$", "oieastas", "*'")
_LEET_WORD = re.compile(r"(?<![a-z])[a-z]+[0-9@$*]+[a-z]+")
_REPEATED = re.compile(r"(.)\1{2,}")
_SENTENCE_ENDS = frozenset(".!?;\n\u2026")
_STOPS = frozenset(":,()-\u2013\u2014*@$'")
# A new sentence is as far away as so many more words.
_SENTENCE_GAP = 2


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


@dataclass(frozen=True, slots=True, eq=False)
class _Meaning:
    """What the rules know of a word, or of all that it may stand for."""

    keys: tuple[str, ...]
    lists: tuple[str, ...]
    exact: tuple[str, ...]  # lists that hold it only as written
    longer: tuple[Phrases, ...]  # phrases that begin with it
    further: frozenset[str]  # the keys that come next in those

    @classmethod
    def of(cls, keys: tuple[str, ...], flags: RedFlags) -> _Meaning:
        nodes = [flags.phrases[key] for key in keys]
        return cls(
            keys,
            tuple(dict.fromkeys(name for node in nodes for name in node.lists)),
            tuple(dict.fromkeys(name for node in nodes for name in node.exact)),
            tuple(node for node in nodes if node.longer),
            frozenset(key for node in nodes for key in node.longer),
        )


_NOTHING = _Meaning((), (), (), (), frozenset())
_Word = tuple[str, _Meaning]  # as it is compared


@dataclass(slots=True)
class _Words:
    """The words of a message, where they stand, and which lists they belong to."""

    text: list[str] = field(default_factory=list)
    meanings: list[_Meaning] = field(default_factory=list)
    sentence: list[int] = field(default_factory=list)
    after_comma: set[int] = field(default_factory=set)
    question_mark: bool = False
    quoted: set[int] = field(default_factory=set)  # between quotation marks
    hits: dict[str, list[Hit]] = field(default_factory=dict)  # by list, in order; shared, not to be changed
    # What is worked out only where a rule matches.
    members: dict[str, set[int]] = field(default_factory=dict)  # words of a list of frames
    places: dict[str, list[int]] = field(default_factory=dict)  # the same in order
    clauses: dict[int, list[int]] = field(default_factory=dict)  # by sentence: where each begins
    negators: dict[int, dict[int, int]] = field(default_factory=dict)  # by sentence: of which word by which
    listed: list[dict[str, int]] | None = None  # by part: the points of its lists

    def has(self, name: str, start: int, end: int) -> bool:
        """Whether a word in ``[start, end)`` belongs to a list of frames."""
        places = self.places.get(name)
        if places is None:
            places = self.places[name] = sorted(self.all_of(name))
        if not places:
            return False
        nearest = bisect_left(places, start)
        return nearest < len(places) and places[nearest] < end

    def at(self, name: str, i: int) -> bool:
        """Whether a word belongs to a list of frames."""
        return i in self.all_of(name)

    def all_of(self, name: str) -> set[int]:
        """The words of a list of frames."""
        members = self.members.get(name)
        if members is None:
            members = {i for first, past in self.hits.get(name, ()) for i in range(first, past)}
            self.members[name] = members
        return members

    def anywhere(self, name: str) -> bool:
        """Whether any word belongs to a list of frames."""
        return name in self.hits

    def sentence_around(self, i: int) -> tuple[int, int]:
        """The first word of the sentence of a word, and one past its last."""
        number = self.sentence[i]
        return bisect_left(self.sentence, number), bisect_left(self.sentence, number + 1)

    def clause_around(self, i: int) -> tuple[int, int]:
        """The first word of the clause of a word, and one past its last."""
        number = self.sentence[i]
        start, end = self.sentence_around(i)
        starts = self.clauses.get(number)
        if starts is None:
            starts = self.clauses[number] = _clause_starts(self, start, end)
        place = bisect_left(starts, i + 1)
        return starts[place - 1], starts[place] if place < len(starts) else end

    def negated_by(self, i: int) -> int:
        """The word that negates a word, or -1."""
        return self._negated_around(i).get(i, -1)

    def of_others(self) -> set[int]:
        """The words that are those of other texts."""
        return self.quoted if any(self.anywhere(name) for name in _OF_TEXTS) else set()

    def _negated_around(self, i: int) -> dict[int, int]:
        number = self.sentence[i]
        negators = self.negators.get(number)
        if negators is None:
            negators = self.negators[number] = _negators(self, *self.sentence_around(i))
        return negators

    def negated(self) -> set[int]:
        """All negated words."""
        in_sentences = {self.sentence[first]: first for first, _ in self.hits.get("negator", ())}
        return {i for first in in_sentences.values() for i in self._negated_around(first)}


def _read(text: str, flags: RedFlags) -> _Words:
    words = _Words()
    _split(normalized(text), words, flags)
    _look_up(words, flags)
    return words


def _split(text: str, words: _Words, flags: RedFlags) -> None:
    read: list[_Word] = []
    ends = [0]  # of sentences, in words
    quote: int | None = None  # where a quotation began
    known, here = flags.known, dict[str, tuple[_Word, ...]]()
    for token in _TOKEN.findall(_APART_T.sub(r"\1t", text) if " t" in text else text):
        understood = known.get(token) or here.get(token)
        if understood is None:
            if token in _SENTENCE_ENDS:
                words.question_mark |= token == "?"  # noqa: S105 (the mark)
                if len(read) > ends[-1]:  # "???" ends one sentence, not three
                    ends.append(len(read))
                continue
            if token in _STOPS:
                words.after_comma.add(len(read))
                continue
            if token == '"':  # noqa: S105 (a quotation mark)
                quote = _quoted_up_to(len(read), words, quote)
                continue
            understood = tuple(_understood(token, flags))
            everybodys = token in flags.words or token in flags.common
            (known if everybodys else here)[token] = understood
        if token[0] == "'" and quote is None:
            quote = len(read)
        read += understood
        if token[-1] == "'" and quote is not None:
            quote = _quoted_up_to(len(read), words, quote)
    words.text, words.meanings = [word for word, _ in read], [meaning for _, meaning in read]
    for number, (start, end) in enumerate(pairwise([*ends, len(read)])):
        words.sentence += [number] * (end - start)


def _quoted_up_to(here: int, words: _Words, began: int | None) -> int | None:
    """End the quotation that began at a word, or begin one; where it began."""
    if began is None:
        return here
    words.quoted.update(range(began, here))
    return None


def _plain_words(token: str) -> Iterable[str]:
    """A token without apostrophes, digits for letters, and other disguise."""
    if token.isalpha():
        return _WITHOUT_APOSTROPHE.get(token, (token,))
    if "'" in token:
        stem, _, ending = token.rpartition("'")
        stem = stem.replace("'", "")
        if ending == "s":
            return (stem, "is") if stem in _IS_AFTER else (stem,)
        return (stem, _ENDINGS[ending]) if ending in _ENDINGS else (stem + ending,)
    if _LEET_WORD.fullmatch(token):
        return (token.translate(_LEET),)
    return (token,)


def _look_up(words: _Words, flags: RedFlags) -> None:
    places: dict[_Meaning, list[Hit]] = defaultdict(list)
    for start, meaning in enumerate(words.meanings):
        if meaning.keys:
            places[meaning].append((start, start + 1))
    of_phrases = _phrases_in(words, flags, places)
    found: dict[str, list[list[Hit]]] = defaultdict(list)
    for name, hits in of_phrases.items():
        found[name].append(hits)
    for meaning, hits in places.items():
        for name in meaning.exact:
            found[name].append(hits)
    masked = {i for hits in found.get("harmless", ()) for start, end in hits for i in range(start, end)}
    if masked:
        for name in of_phrases.keys() - _EXACT:
            found[name] = [[hit for hit in of_phrases[name] if masked.isdisjoint(range(*hit))]]
        places = {of: [hit for hit in hits if hit[0] not in masked] for of, hits in places.items()}
    for meaning, hits in places.items():
        for name in meaning.lists:
            found[name].append(hits)
    for name, parts in found.items():
        in_order_once = len(parts) == 1 and name not in of_phrases
        hits = parts[0] if in_order_once else sorted({hit for part in parts for hit in part})
        if hits:
            words.hits[name] = hits


def _phrases_in(
    words: _Words, flags: RedFlags, places: Mapping[_Meaning, Sequence[Hit]]
) -> dict[str, list[Hit]]:
    """Where phrases of two words and more stand, by list; in no order, and some of them twice."""
    found: dict[str, list[Hit]] = defaultdict(list)
    meanings, texts, fills = [*words.meanings, _NOTHING], [*words.text, ""], flags.fills
    for meaning, hits in places.items():
        if meaning.longer:
            for start, end in hits:
                if texts[end] in fills or not meaning.further.isdisjoint(meanings[end].keys):
                    for node in meaning.longer:
                        _follow(node, start, words, flags, found)
    return found


def _follow(node: Phrases, start: int, words: _Words, flags: RedFlags, found: dict[str, list[Hit]]) -> None:
    """Phrases of two words and more that begin at a word."""
    meanings, sentence, texts, fills = words.meanings, words.sentence, words.text, flags.fills
    end_of_text, here = len(meanings), sentence[start]
    ways = [(start + 1, node, 0, False)]
    while ways:
        end, node, filled, ever = ways.pop()
        if end == end_of_text or sentence[end] != here:
            continue
        for key in meanings[end].keys:
            further = node.longer.get(key)
            if further is not None:
                names = further.lists if ever else (*further.lists, *further.exact)
                for name in names:
                    found[name].append((start, end + 1))
                if further.longer:
                    ways.append((end + 1, further, 0, ever))
        if filled < MAX_FILLED and texts[end] in fills:
            ways.append((end + 1, node, filled + 1, True))


def _understood(token: str, flags: RedFlags) -> Iterator[_Word]:
    """What was typed as one or more words, with the meaning of each or of what it is a misspelling of."""
    for typed in _plain_words(token.strip("'*")):
        yield from _respelt(typed, flags)


def _respelt(typed: str, flags: RedFlags) -> list[_Word]:
    meaning = _meaning([typed], flags)
    unclear = len(typed) >= MIN_LENGTH_TO_CORRECT and typed.isalpha()
    if meaning.keys or not unclear or typed in flags.common:
        return [(typed, meaning)]
    shorter = _REPEATED.sub(r"\1", typed)
    if shorter != typed:
        return _respelt(shorter, flags)
    meant = flags.speller.nearest(typed)
    if meant:
        return [(meant[0], _meaning(meant, flags))]
    return [(word, _meaning([word], flags)) for word in _unglued(typed, flags)]


def _meaning(words: Iterable[str], flags: RedFlags) -> _Meaning:
    found = (key for word in words for key in (_STEMMER.stemWord(word), f"={word}") if key in flags.keys)
    keys = tuple(dict.fromkeys(found))
    return _Meaning.of(keys, flags) if keys else _NOTHING


def _unglued(typed: str, flags: RedFlags) -> list[str]:
    """Words of the rules that were typed without blanks between them, as few as possible."""
    if not MIN_LENGTH_TO_SPLIT <= len(typed) <= MAX_LENGTH_TO_SPLIT:
        return [typed]
    best: dict[int, list[str]] = {0: []}
    for start in range(len(typed)):
        way = best.get(start)
        if way is None:
            continue
        for end in range(start + 1, min(start + MAX_LENGTH_OF_A_PART, len(typed)) + 1):
            part = typed[start:end]
            if (
                _may_be_glued(part)
                and part in flags.words
                and (end not in best or len(best[end]) > len(way) + 1)
            ):
                best[end] = [*way, part]
    return best.get(len(typed), [typed])


def _may_be_glued(part: str) -> bool:
    """Whether a part is long enough, or so common that it is often typed together with others."""
    return len(part) >= MIN_LENGTH_TO_CORRECT or part in _GLUED


def _clause_starts(words: _Words, start: int, end: int) -> list[int]:
    """Where the clauses of a sentence begin."""
    clause_start, joins, opens_clause = map(words.all_of, ("clause_start", "joins", "opens_clause"))
    asking, auxiliary, asked_of = map(words.all_of, ("asking", "auxiliary", "asked_of"))
    starts = [start]
    for i in range(start + 1, end):
        begins = (
            i in clause_start
            or (i in joins and i + 1 in opens_clause)
            or (i in words.after_comma and words.has("opens_clause", i, _listed_until(i, words)))
            or (i in asking and i + 1 in auxiliary)
            or (i in auxiliary and i + 1 in asked_of and i - 1 not in asking)
        )
        if begins:
            starts.append(i)
    return starts


def _listed_until(start: int, words: _Words) -> int:
    """One past the first words after a comma, which tell a new clause from one more item of a list."""
    end = min(start + WORDS_OF_AN_ITEM, len(words.text))
    return next((i for i in range(start + 1, end) if i in words.after_comma), end)


def _negators(words: _Words, start: int, end: int) -> dict[int, int]:
    """The negated words of a sentence, and what negates each."""
    negated: dict[int, int] = {}
    if not words.has("negator", start, end):
        return negated
    negators, not_negation, joins = map(words.all_of, ("negator", "not_negation", "joins"))
    stops_negation, person = map(words.all_of, ("stops_negation", "person"))
    clause_starts = set(words.clauses.get(words.sentence[start]) or _clause_starts(words, start, end))
    negator, left = -1, 0
    for i in range(start, end):
        if i in negators and i not in not_negation:
            negator, left = i, NEGATION_REACH
            continue
        if not left:
            continue
        if i in words.after_comma or i in joins:
            left = 0 if i in words.after_comma and i == negator + 1 else NEGATION_REACH
        if not left or i in clause_starts or i in stops_negation or i in person:
            left = 0
            continue
        negated[i] = negator
        left -= 1
    return negated


# What a match means.


def _asks_who(words: _Words, flags: RedFlags) -> bool:
    return any(True for rule in flags.about.rules for _ in _matches(rule, rule.lists, words))


def _flagged(words: _Words, flags: RedFlags, claimed: bool = False) -> set[int]:
    """The concepts that are in a message, by their positions.

    Args:
        claimed: a later message says that it happens to the user: "that just happened to me".
    """
    names = set(words.hits)
    points = _all_points(words, flags)
    likely = claimed or words.anywhere("claimed") or points.for_a_match >= flags.least
    found: set[int] = set()
    for name in names & flags.by_list.keys():
        for number, rule, needs in flags.by_list[name]:
            soon = flags.concepts[number].level is CareLevel.SOON
            counts = likely or soon or rule.mention is Mention.ALWAYS
            if counts and number not in found and needs <= names:
                matches = _matches(rule, rule.lists, words)
                if any(_counts(match, rule.mention, words, claimed) for match in matches):
                    found.add(number)
    more = MORE_POINTS_BESIDE_A_NAME if found else 0
    return found | {number for number, least in flags.by_points if points.alone >= least + more}


def _said_outright(words: _Words, flags: RedFlags) -> set[int]:
    """The concepts, by their positions, of which a rule finds what counts however it is said."""
    return {
        number
        for name in words.hits.keys() & flags.by_list.keys()
        for number, rule, _ in flags.by_list[name]
        if rule.mention is Mention.ALWAYS and _in_part(rule, rule.lists, words)
    }


def _flagged_together(earlier: _Words, last: _Words, flags: RedFlags) -> set[int]:
    """The concepts of which the last message adds what an earlier one lacked."""
    names = earlier.hits.keys() | last.hits.keys()
    found: set[int] = set()
    for name in names & flags.by_list.keys():
        for number, rule, needs in flags.by_list[name]:
            if number in found or rule.mention is Mention.ILLNESS or not needs <= names:
                continue
            if any(
                _in_part(rule, part, last)
                and _in_part(rule, tuple(n for n in rule.lists if n not in part), earlier)
                for part in _parts(rule.lists)
            ):
                found.add(number)
    return found


class _Points(NamedTuple):
    """What a message adds up to."""

    for_a_match: int  # that shows whether a match counts
    alone: int  # that may be a red flag without a match


def _all_points(words: _Words, flags: RedFlags) -> _Points:
    """The points of a message: of its best part, and of how it is worded, as a whole or in part."""
    points, wording = _most_points(words, flags), points_of(words, flags.wording)
    return _Points(
        points // 2 + max(wording.whole, wording.part - FEWER_POINTS_BESIDE_A_MATCH),
        points // 2 + max(wording.whole, wording.part - FEWER_POINTS_IN_PART),
    )


def _listed(words: _Words, flags: RedFlags) -> list[dict[str, int]]:
    """The lists whose words stand in each part of a message, with their points, without what is negated or of
    other texts.

    A part is a sentence, or so many words of a long one.
    """
    if words.listed is None:
        words.listed = _listed_in_parts(words, flags.points)
    return words.listed


def _listed_in_parts(words: _Words, points: Mapping[str, int]) -> list[dict[str, int]]:
    part_of: list[int] = []
    part, begun, before = -1, 0, -1
    for i, sentence in enumerate(words.sentence):
        if sentence != before or i - begun == WORDS_OF_A_PART:
            part, begun, before = part + 1, i, sentence
        part_of.append(part)
    listed: list[dict[str, int]] = [{} for _ in range(part + 1)]
    if len(words.text) <= WORDS_OF_A_SHORT_MESSAGE and listed and SHORT in points:
        listed[0][SHORT] = points[SHORT]
    left_out = words.negated() | words.of_others()
    for name, hits in words.hits.items():
        worth = points.get(name)
        if worth is not None:
            counts_always = not left_out or name in _EXACT
            for start, _ in hits:
                if counts_always or start not in left_out:
                    listed[part_of[start]][name] = worth
    return listed


def _most_points(words: _Words, flags: RedFlags) -> int:
    """The points of the part of a message that has most, alone or with the next one."""
    parts = _listed(words, flags) or [{}]
    together = [first | second for first, second in pairwise(parts)]
    # What every part has: the points of any message, and of how this one speaks.
    start = flags.start + sum(flags.anywhere[name] for name in words.hits if name in flags.anywhere)
    return start + max(sum(part.values()) for part in [*parts, *together])


def _parts(lists: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(lists)):
        yield from combinations(lists, size)


def _in_part(rule: Rule, lists: tuple[str, ...], words: _Words) -> bool:
    return any(_counts(match, rule.mention, words) for match in _matches(rule, lists, words))


def _matches(rule: Rule, lists: tuple[str, ...], words: _Words) -> Iterator[Match]:
    if not lists or not words.hits.keys() >= set(lists):
        return
    hits = [words.hits[name] for name in lists]
    for match in in_order(hits) if rule.ordered else near(hits, HITS_AROUND):
        first, last = min(start for start, _ in match), max(end for _, end in match) - 1
        own = sum(end - start for start, end in match)
        between = last - first + 1 - own + _SENTENCE_GAP * (words.sentence[last] - words.sentence[first])
        if between <= rule.within and not _excepted(rule, first, last, words):
            yield match


def _excepted(rule: Rule, first: int, last: int, words: _Words) -> bool:
    """Whether words stand near that say that it is something else, or nothing new."""
    reach = max(rule.within, MIN_EXCEPTION_REACH)
    start = max(first - reach, words.sentence_around(first)[0])
    end = min(last + 1 + reach, words.sentence_around(last)[1])
    if any(_begins(name, start, end, words) for name in rule.unless):
        return True
    usual = any(_begins(name, start, end, words) for name in rule.unless_usual)
    return usual and not words.has("news", words.sentence_around(first)[0], words.sentence_around(last)[1])


def _begins(name: str, start: int, end: int, words: _Words) -> bool:
    hits = words.hits.get(name, [])
    return bisect_left(hits, (start, 0)) < bisect_left(hits, (end, 0))


def _counts(match: Match, mention: Mention, words: _Words, claimed: bool = False) -> bool:
    """Whether a match is a red flag, by how it is said.

    Args:
        claimed: a later message says that it happens to the user.
    """
    own = {i for start, end in match for i in range(start, end)}
    first, last = min(own), max(own)
    negators = {words.negated_by(i) for i in own} - own - {-1}
    if negators:
        return any(words.at("never", i) for i in negators) and _unheard_of(first, last, words)
    if mention is Mention.ALWAYS:
        return True
    if own <= words.of_others() and not claimed:
        return False
    context = _Context.of(first, last, words)
    made_up = words.has("fiction", context.sentence_start, context.sentence_end) or words.has(
        "exaggerated", last + 1, min(last + 1 + EXAGGERATED_REACH, context.sentence_end)
    )
    claimed = claimed or words.anywhere("claimed")
    if made_up or _long_past(context, words) or (_supposed(context, words) and not claimed):
        return False
    if words.has("teaches_before", first - 3, first) or words.has("teaches_after", last + 1, last + 2):
        return False
    personal = claimed or _personal(context, words)
    if mention is Mention.ILLNESS:
        if words.has("follows", first - 3, first):
            return False
        if words.has("rated", last + 1, last + 2) or not _happens(context, words):
            return False
        return personal or not (_teaches(context, words) or _asked_about(context, words))
    if not claimed and any(_asked_apart(start, first, words) for start, _ in match):
        return False
    if personal:
        return True
    if words.has("cites", context.sentence_start, context.first):
        return False
    in_general = _asked_in_general(context, words)
    intense = words.has("intense", first - 2, first)
    return not in_general and (intense or not _teaches(context, words))


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a match stands: its own words, the clauses and the sentences around it."""

    first: int
    last: int
    clause_start: int
    clause_end: int
    sentence_start: int
    sentence_end: int

    @classmethod
    def of(cls, first: int, last: int, words: _Words) -> _Context:
        return cls(
            first,
            last,
            words.clause_around(first)[0],
            words.clause_around(last)[1],
            words.sentence_around(first)[0],
            words.sentence_around(last)[1],
        )


def _unheard_of(first: int, last: int, words: _Words) -> bool:
    """Whether a "never" says how bad it is: "I never had chest pain like this"."""
    return words.has("unheard_of", last + 1, last + 1 + HAPPENING_REACH)


def _long_past(context: _Context, words: _Words) -> bool:
    """Whether the clause of a match is about earlier years; a later clause does not make it so."""
    if not words.has("long_ago", context.sentence_start, context.sentence_end):
        return False
    start, end = context.clause_start, context.clause_end
    if words.has("now", start, end):
        return False
    # "I fainted often when I was a child": the words that tell the time may begin the next clause.
    if words.has("long_ago", start, min(end + WORDS_OF_AN_ITEM, context.sentence_end)):
        return not words.has("present", start, context.first)
    earlier = words.has("long_ago", context.sentence_start, start)
    return earlier and not words.has("present", start, end)


def _supposed(context: _Context, words: _Words) -> bool:
    for i in range(max(context.clause_start, context.first - CLAUSE_REACH), context.last + 1):
        if words.at("supposed_if", i) and not words.at("whether", i):
            return not words.has("going_on", i + 1, context.first + 1)
        if not words.at("may", i) or context.first - i > PERSON_REACH:
            continue
        someone = words.has("person", i + 1, i + 2) or words.has("generic_person", i + 1, i + 2)
        if someone and words.has("supposed_verb", i + 2, i + 4) and not words.has("going_on", i + 2, i + 5):
            return True
        if words.has("makes", i + 1, context.first):
            return True
    return False


def _personal(context: _Context, words: _Words) -> bool:
    """Whether something is said of somebody, and of this very moment."""
    first, last = context.first, context.last

    def far(start: int) -> bool:
        return words.has("teaches", start + 1, first) or words.has("knows", start + 1, first)

    for i in range(max(context.clause_start, first - CLAUSE_REACH), last + 1):
        if words.at("body_owner", i) and first - i <= PERSON_REACH and not far(i):
            return True
        if not words.at("person", i) or words.at("tells_me", i) or words.at("may", i - 1):
            continue
        if first - i <= PERSON_REACH and not far(i):
            return True
        if words.has("has", i + 1, i + 4) and not far(i):
            return True
    shown = words.has("showing", first - PERSON_REACH, first)
    return shown or words.has("now", context.sentence_start, context.sentence_end)


def _teaches(context: _Context, words: _Words) -> bool:
    if words.has("tells_me", context.clause_start, context.first):
        return True
    return words.has(
        "teaches", context.clause_start, min(context.last + 1 + TEACHING_REACH, context.clause_end)
    )


def _asked_in_general(context: _Context, words: _Words) -> bool:
    clause = range(context.clause_start, context.clause_end)
    if any(words.at("person", i) and not words.at("tells_me", i) for i in clause):
        return False
    start = context.clause_start
    while start < context.first and words.at("fillers", start):
        start += 1
    asks = words.at("asking", start) or (words.at("auxiliary", start) and not words.at("not_asking", start))
    return asks or words.has("generic_person", context.clause_start, context.clause_end)


def _asked_apart(i: int, first: int, words: _Words) -> bool:
    """Whether a word stands in another sentence, which asks in general and of nobody."""
    if words.sentence[i] == words.sentence[first]:
        return False
    start, end = words.clause_around(i)
    of_somebody = words.has("person", start, end) or words.has("body_owner", start, end)
    asks = words.at("asking", start) or (words.at("auxiliary", start) and not words.at("not_asking", start))
    return asks and not of_somebody


def _asked_about(context: _Context, words: _Words) -> bool:
    """Whether an illness is asked about: "what happens in a stroke?", but not "is this a stroke?"."""
    general = words.has("generic_person", context.clause_start, context.clause_end)
    return general or words.has("asking", context.clause_start, context.clause_start + 1)


def _happens(context: _Context, words: _Words) -> bool:
    start = max(context.first - HAPPENING_REACH, context.sentence_start)
    end = min(context.last + 1 + HAPPENING_REACH, context.sentence_end)
    return words.has("happening", start, end)


def _goes_on_asking(earlier: _Words, last: _Words) -> bool:
    """Whether a few words add to a question in general: "is fainting a symptom?", "and breathlessness?"."""
    count = len(last.text)
    adds = last.has("joins", 0, 1) or last.has("asking", 0, 1)
    if not adds or count > MAX_WORDS_OF_A_FRAGMENT + 1:
        return False
    asked = earlier.at("auxiliary", 0) or earlier.at("asking", 0)
    of_somebody = any(last.anywhere(name) for name in ("person", "body_owner", "now"))
    return asked and not (of_somebody or earlier.anywhere("person") or earlier.anywhere("body_owner"))


def _taken_back(words: _Words) -> bool:
    """Whether a message says that what was told is old, settled or made up: "that was 2009, he's fine"."""
    said = [hit for name in ("fiction", "long_ago", "settled") for hit in words.hits.get(name, ())]
    return not words.anywhere("now") and any(words.negated_by(start) < 0 for start, _ in said)
