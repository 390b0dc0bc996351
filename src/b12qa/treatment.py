"""The words of a message → what it asks about taking something: rules that a clinician can read, no model.

The rules are ``data/treatment.yaml``: lists of words, and rules that say which lists must stand near each
other. A message is read whole, in linear time. What an answer does about it is decided in `answering.py`:

- a question on treatment brings the warnings of the document along;
- a personal one, on what this very person should take or change, is never answered with a dose;
- one that names a medicine is told not to change it alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import Stemmer

from b12qa import compiled
from b12qa.errors import YamlError
from b12qa.lexical import Speller
from b12qa.matching import PhrasesByKey, by_rarest_list, in_order, near, written_phrases
from b12qa.misspelt import (
    MAX_LENGTH_TO_CORRECT,
    MIN_LENGTH_FOR_TWO_EDITS,
    MIN_LENGTH_TO_CORRECT,
    may_be_meant,
)
from b12qa.redflags import load_red_flags, normalized
from b12qa.strict_yaml import compose, entries, fields, is_mapping, items, line_of, text_of

if TYPE_CHECKING:
    import yaml

RULES_FILE = "treatment.yaml"
# Words between the first and the last that a rule asks for, unless it says otherwise.
DEFAULT_WITHIN = 6
# So many hits of a list are looked at on each side of the one that a match begins with.
HITS_AROUND = 4
# What somebody tells is none of it right after a word of the other list: "can I have it?".
TELLS, ASKS_WITH = "tells", "asks_with"
# The end of a sentence is as far as so many words.
SENTENCE_GAP = 2
MAX_NUMBER_IN_A_RANGE = 999

# A message of so few words goes on from the one before, and that from the one before it.
MAX_WORDS_OF_A_FRAGMENT = 5
MAX_FRAGMENTS = 2

ASKS = ("treatment", "dose", "amount", "own amount", "decision", "change", "safety", "advice")
PEOPLE = ("special", "own condition", "told", "named", "on medicine")
# No article can know these of a person.
_AMOUNT_OR_CHANGE = frozenset({"amount", "own amount", "change"})
# Words that may stand for what an article is about: "is it safe with aspirin?", "my level is low".
_STANDS_FOR_IT = frozenset({"it", "level", "deficient", "numb", "form", "counted"})
_ON_TAKING_IT = frozenset({"dose", "amount", "own amount", "decision"})

_OF_SOMEBODY = frozenset({"amount", "decision", "change"})
_OF_A_PATIENT = frozenset({"special", "own condition"})

# No cache: it would keep the words of questions in memory.
_STEMMER = Stemmer.Stemmer("english", 0)
# "b 12", "B-12": one word.
_APART = re.compile(r"\b([bdk])[ -](\d{1,2})\b")
# "im" is a hasty "I'm" where a clause begins and neither an injection nor an amount follows. Elsewhere it
# stays both: a person, and a way into the muscle.
_I_AM = re.compile(
    r"(^|[.,;:!?(\n]\s{0,3}|\b(?:and|as|because|but|cos|cuz|if|since|so|that|think|when|while)\s{1,3})im"
    r"(?=\s{1,3}[a-z0-9])"
    r"(?!\s{1,3}(?:injections?|shots?|jabs?|dos(?:es?|age|ing)|route|b12|\w*cobalamin|or|vs|versus|and|than"
    r"|\d[\d.,]*\s?(?:mcg|mg|µg|ug|iu|ml|units?))\b)"
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[a-zµ]+(?:'[a-z]+)*\d*|[.!?;\n]+")
_NUMBER_WORDS = frozenset(
    {
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
        "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred",
    }
)  # fmt: skip
_ENDINGS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
_IS_AFTER = frozenset({"he", "she", "it", "that", "who", "what"})
_NUMBER = "#"
_IN_FIGURES = "#0"

# An amount to take, or how often: "1000 mcg", "2.4 µg", "three times a week", "daily injections".
_DOSE = re.compile(
    r"\d\s?(?:mcg|micrograms?|mg|milligrams?|µg|μg|ug|iu|ml|units?|tablets?|pills?|capsules?|drops|puffs)\b"
    r"|\b(?:once|twice|times)\s(?:daily|weekly|monthly|(?:an?\s|per\s|each\s|every\s)?(?:day|week|month))\b"
    r"|\b(?:daily|weekly|monthly)\s(?:injections?|doses?|tablets?|shots?|maintenance|dosing|jabs?)\b"
    r"|\binjections?\s(?:\w+\s){0,3}(?:daily|weekly|monthly|times)\b"
    r"|\b(?:every|each)\s(?:other\s)?(?:day|week|month)\b|\bevery\s\w+\s(?:days|weeks|months)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a message asks about taking something."""

    treatment: bool = False  # anything about taking, dosing, starting, stopping, swapping, safety, combining
    personal: bool = False  # what this very person should take or change, or whether it is safe for them
    # It or an earlier message tells of a person something that doses may hang on, whatever is asked.
    of_a_patient: bool = False
    # It or an earlier message tells anything of somebody, or asks what somebody should take or change.
    of_somebody: bool = False
    amount: bool = False  # how much, how often, or what to change
    special: bool = False  # of a child, a pregnancy, weak kidneys: of whom doses differ
    beginning: bool = False  # whether to take a vitamin or the like, and how much: a test comes first
    medicines: frozenset[str] = frozenset()  # classes of the medicines that it names
    of_nothing_else: bool = False  # it speaks of taking something, and names no other medicine or vitamin


@dataclass(frozen=True, slots=True)
class Rule:
    """Lists of words that must stand near each other."""

    lists: tuple[str, ...]
    ordered: bool
    within: int  # at most so many other words between the first and the last
    unless: tuple[str, ...]  # no word of these lists may stand in the same sentences


class RuleOf(NamedTuple):
    """A rule, and what it finds."""

    finds: str  # one of ASKS and PEOPLE
    rule: Rule
    needs: frozenset[str]  # its lists


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, and the words that they know."""

    rules: Mapping[str, tuple[Rule, ...]]  # by what they find: each of ASKS and PEOPLE
    examples: Mapping[str, tuple[tuple[str, ...], ...]]  # by what they ask; earlier messages first
    sources: tuple[str, ...]
    medicines: frozenset[str]  # the classes
    any_medicine: str  # the last class: of medicines without a name
    phrases: PhrasesByKey = field(repr=False)  # of all lists
    keys: frozenset[str] = field(repr=False)
    speller: Speller = field(repr=False)
    by_list: Mapping[str, Sequence[RuleOf]] = field(repr=False)  # each rule under the rarest of its lists

    def asked(self, message: str, hangs_on: str = "", history: Sequence[str] = ()) -> Asked:
        """What a message asks about taking something.

        Args:
            message: as typed, of any length.
            hangs_on: the earlier questions that it goes on from; empty if it stands alone.
            history: all earlier messages; what they say of a person still holds.
        """
        before = hangs_on or _before_a_fragment(message, history)
        own_words, words_before = _read(message, self), _read(before, self)
        own, carried = self._finds(own_words), self._finds(words_before)
        asks = (own | carried) - set(PEOPLE)
        who = own.union(*(self._finds(_read(text, self), PEOPLE) for text in history))
        # What was said earlier of a person holds for what is asked for one, and for what goes on from it.
        told = own | (who if "named" in own or hangs_on or asks - {"treatment", "dose", "advice"} else set())
        # "And why?" asks nothing for anybody, whatever the question before it asked; "and me?" asks the same.
        own_asks, of_whom = own - set(PEOPLE), own & set(PEOPLE)
        here = asks if of_whom else own_asks | (asks - {"own amount"}) if own_asks else own_asks
        personal = _is_personal(here, own, told)
        named = own_words.hits.keys() | words_before.hits.keys()
        medicines = frozenset(name for name in named if name in self.medicines)
        others = (medicines | (named & {"other_vitamin"})) - {self.any_medicine}
        vague = asks <= {"decision", "change", "advice"} and named.isdisjoint(_STANDS_FOR_IT)
        of_a_patient = not who.isdisjoint(_OF_A_PATIENT)
        for_somebody = "named" in own | carried and not asks.isdisjoint(_ON_TAKING_IT | _OF_SOMEBODY)
        return Asked(
            treatment=bool(asks - {"advice"}) or personal,
            personal=personal,
            of_a_patient=of_a_patient,
            of_somebody="told" in who or for_somebody or _is_personal(asks, own | carried, told | carried),
            amount=not asks.isdisjoint(_AMOUNT_OR_CHANGE),
            special="special" in told,
            beginning=not asks.isdisjoint(_ON_TAKING_IT) and not named.isdisjoint({"vitamin", "supplement"}),
            medicines=medicines,
            of_nothing_else=not vague and (not others or not named.isdisjoint(_STANDS_FOR_IT)),
        )

    def finds(self, message: str) -> set[str]:
        """What the rules find in a message: some of ASKS and PEOPLE."""
        return self._finds(_read(message, self))

    def _finds(self, words: _Words, wanted: Iterable[str] = (*ASKS, *PEOPLE)) -> set[str]:
        found: set[str] = set()
        lists, wanted = words.hits.keys(), frozenset(wanted)
        # A message uses few lists, so few rules are tried; all of them took as long as to read the message.
        for first in lists & self.by_list.keys():
            for name, rule, needs in self.by_list[first]:
                if name in wanted and name not in found and needs <= lists and _matches(rule, words):
                    found.add(name)
        return found

    def lists_in(self, text: str) -> frozenset[str]:
        """The lists of words that a text uses, classes of medicines among them."""
        return frozenset(_read(text, self).hits)


def _is_personal(asks: AbstractSet[str], found: AbstractSet[str], told: AbstractSet[str]) -> bool:
    """Whether it is asked what one person should take or change, or whether it is safe for them.

    Args:
        asks: what is asked.
        found: what else the message says.
        told: what is known of a person.
    """
    of_somebody = not asks.isdisjoint(_OF_SOMEBODY)
    return bool(
        "own amount" in asks
        or (asks and not told.isdisjoint(_OF_A_PATIENT))
        or ("told" in told and of_somebody)
        or ("on medicine" in found and asks and ("named" in found or of_somebody))
    )


def _before_a_fragment(message: str, history: Sequence[str]) -> str:
    """The earlier messages that a few words go on from: "with coffee?"."""
    earlier: list[str] = []
    for text in reversed((*history, message)):
        if len(text.split()) > MAX_WORDS_OF_A_FRAGMENT or len(earlier) > MAX_FRAGMENTS:
            break
        earlier.append(text)
    whole = len(history) - len(earlier)
    return " . ".join(history[max(whole, 0) :]) if earlier else ""


def names_dose(text: str) -> bool:
    """Whether a text says how much or how often to take something."""
    return _DOSE.search(text) is not None


# The file.


@cache
def load_rules() -> Rules:
    """The rules that come with the package."""
    return _from_plain(compiled.rules(RULES_FILE, _plain))


def read_rules(data: bytes, file: str) -> Rules:
    """Read the rules.

    Args:
        file: the name for messages.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    return _from_plain(_plain(data, file))


def _plain(data: bytes, file: str) -> dict[str, Any]:
    """The rules as plain data, all that takes time done. Arguments and errors as above."""
    names = {"sources", "idle", "medicines", "words", "asks", "people", "examples"}
    parts = fields(compose(data, file), file, names, required=True)
    lists: dict[str, tuple[str, ...]] = {"idle": _expressions(parts["idle"], file, {})}
    words = _entries(parts["words"], file)
    medicines = _entries(parts["medicines"], file)
    # A list of words may include all medicines, and a class of medicines a list of words.
    for name, node in words.items():
        if name == "my_medicine":
            lists[name] = _expressions(node, file, lists)
    classes = {name: _expressions(node, file, lists) for name, node in medicines.items()}
    lists |= classes
    lists["medicine"] = tuple(expression for names in classes.values() for expression in names)
    for name, node in words.items():
        lists[name] = _expressions(node, file, lists)
    rules: dict[str, tuple[Rule, ...]] = {}
    for part, expected in (("asks", ASKS), ("people", PEOPLE)):
        found = fields(parts[part], file, set(expected), required=True)
        rules |= {name: tuple(_rule(r, file, lists) for r in items(found[name], file)) for name in expected}
    examples = {
        name: tuple(tuple(text_of(item, file).text.split(" >> ")) for item in items(node, file))
        for name, node in fields(
            parts["examples"], file, {"treatment", "personal", "neither"}, required=True
        ).items()
    }
    sources = tuple(text_of(item, file).text for item in items(parts["sources"], file))
    key_of = {
        word: _key(word)
        for expressions in lists.values()
        for phrase in expressions
        for word in phrase.split()
    }
    return {
        "rules": {name: [asdict(rule) for rule in of_one] for name, of_one in rules.items()},
        "examples": examples,
        "sources": sources,
        "medicines": list(classes),
        "phrases": written_phrases(
            (name, [key_of[word] for word in phrase.split()])
            for name, expressions in lists.items()
            for phrase in expressions
        ),
        "keys": sorted(set(key_of.values())),
        "words": sorted(word for word in key_of if word.isalpha() and len(word) >= MIN_LENGTH_TO_CORRECT),
    }


def _from_plain(plain: Mapping[str, Any]) -> Rules:
    rules = {
        name: tuple(Rule(**compiled.fields_of(rule)) for rule in of_one)
        for name, of_one in plain["rules"].items()
    }
    each = [RuleOf(name, rule, frozenset(rule.lists)) for name, of_one in rules.items() for rule in of_one]
    return Rules(
        rules,
        {name: tuple(map(tuple, examples)) for name, examples in plain["examples"].items()},
        tuple(plain["sources"]),
        frozenset(plain["medicines"]),
        plain["medicines"][-1],
        PhrasesByKey(plain["phrases"]),
        frozenset(plain["keys"]),
        Speller(dict.fromkeys(plain["words"], 1)),
        by_rarest_list((rule, rule.rule.lists) for rule in each),
    )


def _entries(node: yaml.Node, file: str) -> dict[str, yaml.Node]:
    if not is_mapping(node):
        raise YamlError(file, line_of(node), "expected lists of words by name here")
    return {name.text: value for name, value in entries(node, file).items()}


def _expressions(node: yaml.Node, file: str, lists: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found: list[str] = []
    for item in items(node, file):
        text = text_of(item, file)
        if text.text.startswith("<"):
            included = text.text.strip("<>")
            if included not in lists:
                raise YamlError(file, text.line, f"no list of words above is named {included!r}")
            found += lists[included]
        else:
            found += _numbers_of(text.text, text.line, file)
    if not found:
        raise YamlError(file, line_of(node), "expected at least one word here")
    return tuple(dict.fromkeys(found))


_RANGE = re.compile(r"#(\d+)-(\d+)")


def _numbers_of(text: str, line: int, file: str) -> list[str]:
    """An expression, or one for each number of the range in it."""
    found = _RANGE.search(text)
    if found is None:
        return [text]
    first, last = int(found[1]), int(found[2])
    if not first <= last <= MAX_NUMBER_IN_A_RANGE:
        raise YamlError(file, line, f'expected a range of numbers such as "#1-120", got {text!r}')
    return [f"{text[: found.start()]}={number}{text[found.end() :]}" for number in range(first, last + 1)]


def _rule(node: yaml.Node, file: str, lists: Mapping[str, object]) -> Rule:
    parts = fields(node, file, {"near", "order", "within", "unless"})
    if len(parts.keys() & {"near", "order"}) != 1:
        raise YamlError(file, line_of(node), "expected either near or order in a rule")

    def names(key: str) -> tuple[str, ...]:
        found = [text_of(item, file) for item in items(parts.get(key), file)]
        for name in found:
            if name.text not in lists:
                raise YamlError(file, name.line, f"no list of words is named {name.text!r}")
        return tuple(name.text for name in found)

    within = text_of(parts["within"], file) if "within" in parts else None
    if within and not within.text.isdecimal():
        raise YamlError(file, within.line, f"expected a number of words as within, got {within.text!r}")
    ordered = "order" in parts
    return Rule(
        lists=names("order" if ordered else "near"),
        ordered=ordered,
        within=int(within.text) if within else DEFAULT_WITHIN,
        unless=names("unless"),
    )


def _key(word: str) -> str:
    """What words are compared by: the stem, or "=" and the word itself where the file wants it exact."""
    return word if word.startswith(("=", _NUMBER)) else _STEMMER.stemWord(word)


# A message as words.


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a message, and which lists they belong to."""

    position: list[int]  # of each word, with gaps between sentences
    sentence: list[int]
    hits: dict[str, list[tuple[int, int]]]  # by list: first word, one past the last; in order


def _read(text: str, rules: Rules) -> _Words:
    keys: list[frozenset[str]] = []
    positions: list[int] = []
    sentences: list[int] = []
    sentence = position = 0
    known: dict[str, frozenset[str]] = {}
    for match in _TOKEN.finditer(_APART.sub(r"\1\2", _I_AM.sub(r"\1i am", normalized(text)))):
        token = match[0]
        if token[0] in ".!?;\n":
            if sentences and sentences[-1] == sentence:
                sentence += 1
                position += SENTENCE_GAP
            continue
        for word in _plain_words(token):
            if word not in known:
                known[word] = _understood(word, rules)
            keys.append(known[word])
            positions.append(position)
            sentences.append(sentence)
            position += 1
    return _Words(positions, sentences, _hits(keys, rules))


def _plain_words(token: str) -> Sequence[str]:
    """A token without apostrophes."""
    if "'" not in token:
        return (token,)
    stem, _, ending = token.rpartition("'")
    stem = stem.replace("'", "")
    if ending in _ENDINGS:
        return (stem, _ENDINGS[ending])
    return (stem, "is") if ending == "s" and stem in _IS_AFTER else (stem + ending,)


def _understood(word: str, rules: Rules) -> frozenset[str]:
    """The keys of a word, or of what it is a misspelling of."""
    if word[0].isdigit():
        return frozenset({_NUMBER, _IN_FIGURES}) | _keys_of([word], rules)
    keys = _keys_of([word], rules)
    if word in _NUMBER_WORDS:
        return keys | {_NUMBER}
    unclear = MIN_LENGTH_TO_CORRECT <= len(word) <= MAX_LENGTH_TO_CORRECT and word.isalpha()
    if keys or not unclear or word in load_red_flags().common:
        return keys
    edits = 2 if len(word) >= MIN_LENGTH_FOR_TWO_EDITS else 1
    return _keys_of(
        [known for known in rules.speller.nearest(word, edits) if may_be_meant(word, known)], rules
    )


def _keys_of(words: Iterable[str], rules: Rules) -> frozenset[str]:
    return frozenset(k for w in words for k in (_STEMMER.stemWord(w), f"={w}") if k in rules.keys)


def _hits(keys: Sequence[frozenset[str]], rules: Rules) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for start, first in enumerate(keys):
        ways = [(start + 1, rules.phrases[key]) for key in first]
        while ways:
            end, node = ways.pop()
            for name in node.lists:
                found[name].add((start, end))
            if node.longer and end < len(keys):
                ways += [(end + 1, node.longer[key]) for key in keys[end] if key in node.longer]
    idle = {i for start, end in found.pop("idle", ()) for i in range(start, end)}
    asked = {end for _, end in found.get(ASKS_WITH, ())}
    found[TELLS] = {hit for hit in found.get(TELLS, ()) if hit[0] not in asked}
    free = {name: sorted(hit for hit in hits if idle.isdisjoint(range(*hit))) for name, hits in found.items()}
    return {name: hits for name, hits in free.items() if hits}


# What the words say.


def _matches(rule: Rule, words: _Words) -> bool:
    hits = [words.hits[name] for name in rule.lists]
    for match in in_order(hits) if rule.ordered else near(hits, HITS_AROUND):
        first, last = min(start for start, _ in match), max(end for _, end in match) - 1
        own = sum(end - start for start, end in match)
        between = words.position[last] - words.position[first] + 1 - own
        if between <= rule.within and not _excepted(rule, first, last, words):
            return True
    return False


def _excepted(rule: Rule, first: int, last: int, words: _Words) -> bool:
    start = bisect_left(words.sentence, words.sentence[first])
    end = bisect_left(words.sentence, words.sentence[last] + 1)
    for name in rule.unless:
        hits = words.hits.get(name, [])
        place = bisect_left(hits, (start, 0))
        if place < len(hits) and hits[place][0] < end:
            return True
    return False
