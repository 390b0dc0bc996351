"""The words of a message → what it asks about taking something: rules that a clinician can read, no model.

The rules are ``data/treatment.yaml``: lists of words, and rules that say which lists must stand near each
other. A message is read whole, in linear time. What an answer does about it is decided in `caution.py`:

- a question on treatment brings the warnings of the document along;
- a personal one, on what this very person should take or change, is never answered with a dose;
- one that names a medicine is told not to change it alone;
- what no article can tell, a diagnosis above all, is said to be so.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from b12qa import compiled
from b12qa.disguise import normalized, plain_words
from b12qa.errors import YamlError
from b12qa.flag_rules import load_flag_rules
from b12qa.matching import (
    Hit,
    PhrasesByKey,
    Rule,
    RulesByList,
    any_begins,
    key_of,
    keys_of,
    near_enough,
    written_phrases,
)
from b12qa.misspelt import (
    MAX_LENGTH_TO_CORRECT,
    MIN_LENGTH_FOR_TWO_EDITS,
    MIN_LENGTH_TO_CORRECT,
    EditDistanceSpeller,
    may_be_meant,
)
from b12qa.rule_files import expressions_of, lists_by_name, rule_fields
from b12qa.strict_yaml import compose, fields, items, line_of, text_of

if TYPE_CHECKING:
    import yaml

TREATMENT_FILE = "treatment.yaml"
# So many hits of a list are looked at on each side of the one that a match begins with.
HITS_AROUND = 4
# What somebody tells is none of it right after a word of the other list: "can I have it?".
TELLS, ASKS_WITH = "tells", "asks_with"
# The list that the classes of medicines may name.
MY_MEDICINE = "my_medicine"
NUTRIENT = "other_vitamin"

# A message of so few words goes on from the one before, and that from the one before it.
MAX_WORDS_OF_A_FRAGMENT = 5
MAX_FRAGMENTS = 2

ASKS = ("treatment", "dose", "amount", "own amount", "decision", "change", "safety", "advice")
ANIMAL = "animal"
CANNOT = ("result", "diagnosis", "see", ANIMAL)
PEOPLE = ("special", "own condition", "told", "named", "on medicine")
_PEOPLE = frozenset(PEOPLE)
SUFFERS = "suffers"  # changes nothing of the above
# No article can know these of a person.
_AMOUNT = frozenset({"amount", "own amount"})
_AMOUNT_OR_CHANGE = _AMOUNT | {"change"}
# Words that may stand for what an article is about: "is it safe with aspirin?", "my level is low".
_STANDS_FOR_IT = frozenset({"it", "level", "deficient", "numb", "form", "counted"})
_DECIDES = frozenset({"own amount", "decision", "change", "safety", "advice"})
_FOR_ONESELF = frozenset({"own amount", "decision"})
_ON_TAKING_IT = frozenset({"dose", "amount", "own amount", "decision"})

_OF_SOMEBODY = frozenset({"amount", "decision", "change"})
_OF_A_PATIENT = frozenset({"special", "own condition"})

# As `normalized` leaves them: the sign for micro has become a Greek letter.
_UNITS = r"(?:mcg|mg|μg|ug|iu|ml|units?)"
# Between the parts of "b 12" and "B-12", which are one word; "vitamin d 5 mcg" is an amount of another one.
_INSIDE_A_NAME = re.compile(rf"(?<=\bb)[ -](?=12\b)|(?<=\b[bdk])[ -](?=[1-9]\b(?!\s?{_UNITS}\b))")
# "im" is a hasty "I'm" where a clause begins and neither an injection nor an amount follows. Elsewhere it
# stays both: a person, and a way into the muscle.
_I_AM = re.compile(
    r"(^|[.,;:!?(\n]\s{0,3}|\b(?:and|as|because|but|cos|cuz|if|since|so|that|think|when|while)\s{1,3})im"
    r"(?=\s{1,3}[a-z0-9])"
    r"(?!\s{1,3}(?:injections?|shots?|jabs?|dos(?:es?|age|ing)|route|b12|\w*cobalamin|or|vs|versus|and|than"
    rf"|\d[\d.,]*\s?{_UNITS})\b)"
)
# Who writes so among small letters means the muscle, unless a clause may begin there.
_INTO_THE_MUSCLE = re.compile(
    r"(?!\b(?:and|as|because|but|cos|cuz|if|since|so|that|think|when|while)\s)(\b[A-Za-z]+\s{1,3})IM\b"
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[a-zμ]+(?:'[a-z]+)*\d*|[.!?;\n]+")
_MAY_BE_MUSCLE = "im"
_IN_LETTERS = re.compile(r"[a-z']+")
_NUMBER_WORDS = frozenset(
    {
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
        "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred",
    }
)  # fmt: skip
_NUMBER = "#"
_IN_FIGURES = "#0"

# An amount to take, or how often: "1000 mcg", "two tablets", "2 g a day", "three times a week".
_SPELT_NUMBERS = "|".join(sorted(_NUMBER_WORDS, key=len, reverse=True))
_MEASURES = r"(?:mcg|micrograms?|mg|milligrams?|[\u00b5\u03bc]g|ug|iu|ml|millilit(?:er|re)s?|units?)"
_PIECES = r"(?:tablets?|pills?|capsules?|gumm(?:y|ies)|lozenges?|drops|puffs|squirts|ampoules?|teaspoons?)"
_PERIODS = r"(?:hours?|days?|weeks?|months?|years?|morning|evening|night)"
_OFTEN = rf"(?:daily|weekly|monthly|nightly|(?:an?|per|each|every)\s{_PERIODS})"
_DOSE = re.compile(
    rf"(?:\d|\b(?:{_SPELT_NUMBERS}))[\s\u2010-\u2013-]?(?:{_MEASURES}|{_PIECES})\b"
    rf"|(?:\d\s?g(?:rams?)?|\b(?:once|twice|times)|\bone\s(?:dose|injection|shot|jab|spray))\s{_OFTEN}\b"
    r"|\b(?:once|twice|times)\s(?:day|week|month)\b"
    r"|\b(?:daily|weekly|monthly)\s(?:injections?|doses?|tablets?|shots?|maintenance|dosing|jabs?)\b"
    r"|\binjections?\s(?:\w+\s){0,3}(?:daily|weekly|monthly|times)\b"
    r"|\b(?:every|each)\s(?:other\s)?(?:day|week|month)\b|\bevery\s\w+\s(?:hours|days|weeks|months)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a message asks about taking something."""

    treatment: bool = False  # anything about taking, dosing, starting, stopping, swapping, safety, combining
    personal: bool = False  # what this very person should take or change, or whether it is safe for them
    # A dose does not answer it: it or an earlier message tells of a person something that doses may hang on;
    # or it is on treatment, and one of them tells anything of somebody, or asks what somebody should take.
    of_somebody: bool = False
    # That only by what is told of somebody: no amount, no change and nothing personal is asked.
    only_told: bool = False
    amount: bool = False  # how much, how often, or what to change
    how_much: bool = False  # how much or how often
    decides: bool = False  # somebody's amount, what to do, take or change, or whether that is safe
    special: bool = False  # of a child, a pregnancy, weak kidneys, an animal: of whom doses differ
    beginning: bool = False  # whether somebody should take a vitamin or the like: a test comes first
    medicines: frozenset[str] = frozenset()  # classes of the medicines that it names
    cannot: frozenset[str] = frozenset()  # what no article can tell: some of CANNOT
    suffers: bool = False  # it tells of a complaint that somebody has
    of_nothing_else: bool = False  # what it asks may be asked of what the document is about
    names_another: bool = False  # it names a medicine, or another vitamin or mineral
    nutrients: frozenset[str] = frozenset()  # the other vitamins and minerals that it names, as typed

    def of_a_person(self) -> Asked:
        """The same, read as a question on somebody's dose."""
        return replace(self, personal=True, amount=True, decides=True, of_somebody=False)

    def of_no_treatment(self) -> Asked:
        """The same, read as a question on something else than taking anything."""
        return replace(
            self,
            treatment=False,
            personal=False,
            amount=False,
            how_much=False,
            beginning=False,
            of_somebody=False,
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, and the words that they know."""

    rules: Mapping[str, tuple[Rule, ...]]  # by what they find: each of ASKS, PEOPLE and CANNOT, and SUFFERS
    examples: Mapping[str, tuple[tuple[str, ...], ...]]  # by what they ask; earlier messages first
    sources: tuple[str, ...]
    medicines: frozenset[str]  # the classes
    any_medicine: str  # the last class: of medicines without a name
    phrases: PhrasesByKey = field(repr=False)  # of all lists
    keys: frozenset[str] = field(repr=False)
    speller: EditDistanceSpeller = field(repr=False)
    by_list: RulesByList[str, Rule] = field(repr=False)  # rules with what they find

    def asked(self, message: str, hangs_on: str = "", history: Sequence[str] = ()) -> Asked:
        """What a message asks about taking something.

        Args:
            message: as typed, of any length.
            hangs_on: the earlier questions that it goes on from; empty if it stands alone.
            history: all earlier messages; what they say of a person still holds.
        """
        before = hangs_on or _before_a_fragment(message, history)
        own_words, words_before = _read(message, self), _read(before, self)
        own = self._finds(own_words, (*ASKS, *PEOPLE, SUFFERS, *CANNOT))
        cannot, suffers = own.intersection(CANNOT), SUFFERS in own
        if before and "is_it_grave" in own_words.hits:
            # "my feet are numb" and then "is that dangerous?" is asked of the feet.
            cannot |= self._finds(_read(f"{before} . {message}", self), {"see"})
        own = own.difference(CANNOT, {SUFFERS})
        said = _Said(
            own=own,
            carried=self._finds(words_before),
            of_people=own.union(*(self._finds(_read(text, self), PEOPLE) for text in history)),
            goes_on=bool(hangs_on),
        )
        named = own_words.hits.keys() | words_before.hits.keys()
        medicines = frozenset(name for name in named if name in self.medicines)
        others = (medicines | (named & {NUTRIENT})) - {self.any_medicine}
        asks, stands_for_it = said.asks, not named.isdisjoint(_STANDS_FOR_IT)
        is_vague = asks <= {"decision", "change", "advice"} and not stands_for_it
        return Asked(
            treatment=said.treatment,
            personal=said.personal or ANIMAL in cannot,
            of_somebody=said.of_somebody,
            only_told=said.of_somebody and not said.asked_for_somebody,
            amount=not asks.isdisjoint(_AMOUNT_OR_CHANGE),
            how_much=not asks.isdisjoint(_AMOUNT),
            decides=not asks.isdisjoint(_DECIDES),
            special="special" in said.told or ANIMAL in cannot,
            beginning=not asks.isdisjoint(_FOR_ONESELF) and not named.isdisjoint({"vitamin", "supplement"}),
            medicines=medicines,
            cannot=frozenset(cannot),
            suffers=suffers,
            of_nothing_else=not is_vague and (not others or stands_for_it),
            names_another=bool(others),
            nutrients=own_words.texts_of(NUTRIENT),
        )

    def finds(self, message: str) -> set[str]:
        """What the rules find in a message: some of ASKS and PEOPLE."""
        return self._finds(_read(message, self))

    def _finds(self, words: _Words, wanted: Iterable[str] = (*ASKS, *PEOPLE)) -> set[str]:
        found: set[str] = set()
        wanted = frozenset(wanted)
        for name, rule in self.by_list.possible(words.hits.keys()):
            if name in wanted and name not in found and _matches(rule, words):
                found.add(name)
        return found

    def lists_in(self, text: str) -> frozenset[str]:
        """The lists of words that a text uses, classes of medicines among them."""
        return frozenset(_read(text, self).hits)


@dataclass(frozen=True, slots=True)
class _Said:
    """What is found in a message, in what it goes on from, and of people in all messages before."""

    own: AbstractSet[str]  # in the message: some of ASKS and PEOPLE
    carried: AbstractSet[str]  # the same in what it goes on from
    of_people: AbstractSet[str]  # all of `own`, and some of PEOPLE in any message before
    goes_on: bool  # it is searched together with the question before it

    @property
    def asks(self) -> AbstractSet[str]:
        """What is asked, here or in what the message goes on from."""
        return (self.own | self.carried) - _PEOPLE

    @property
    def told(self) -> AbstractSet[str]:
        """What is told of a person, with what was told before if that holds for what is asked now.

        It does for what is asked for a person, and for what goes on from what was asked for one.
        """
        asks_of_taking = self.asks - {"treatment", "dose", "advice"}
        holds = "named" in self.own or self.goes_on or asks_of_taking
        return self.own | self.of_people if holds else self.own

    @property
    def asked_here(self) -> AbstractSet[str]:
        """What the message asks: "and me?" what was asked before it, "and why?" nothing for anybody."""
        if not self.own.isdisjoint(_PEOPLE):
            return self.asks
        return self.own | (self.asks - {"own amount"}) if self.own else self.own

    @property
    def personal(self) -> bool:
        """Whether the message asks what one person should take or change, or whether it is safe for them."""
        return _is_personal(self.asked_here, self.own, self.told)

    @property
    def treatment(self) -> bool:
        """Whether anything is asked about taking something."""
        return bool(self.asks - {"advice"}) or self.personal

    @property
    def for_somebody(self) -> bool:
        """Whether it is asked what somebody should take, or goes on from what was asked for a person."""
        asks = self.asks
        is_named = "named" in self.own | self.carried
        return (is_named and not asks.isdisjoint(_ON_TAKING_IT | _OF_SOMEBODY)) or _is_personal(
            asks, self.own | self.carried, self.told | self.carried
        )

    @property
    def of_somebody(self) -> bool:
        """As in `Asked`."""
        if not self.of_people.isdisjoint(_OF_A_PATIENT):
            return True
        return self.treatment and ("told" in self.of_people or self.for_somebody)

    @property
    def asked_for_somebody(self) -> bool:
        """Whether an amount, a change or anything for somebody is asked."""
        return self.for_somebody or not self.asks.isdisjoint(_AMOUNT_OR_CHANGE)


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
    return _from_plain(compiled.rules(TREATMENT_FILE, plain_rules))


def read_rules(data: bytes, file: str) -> Rules:
    """Read the rules.

    Args:
        file: the name for messages.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    return _from_plain(plain_rules(data, file))


def plain_rules(data: bytes, file: str) -> dict[str, Any]:
    """The rules as plain data, all that takes time done. Arguments and errors as above."""
    names = {"sources", "idle", "medicines", "words", "asks", "people", "cannot", "examples"}
    parts = fields(compose(data, file), file, names, required=True)
    medicines = {name.text: node for name, node in lists_by_name(parts["medicines"], file).items()}
    lists = _word_lists(parts, medicines, file)
    rules = _rules(parts, file, lists)
    phrases = [(name, phrase.split()) for name, expressions in lists.items() for phrase in expressions]
    keys = {word: key_of(word) for _, phrase in phrases for word in phrase}
    return {
        "rules": {name: [asdict(rule) for rule in of_one] for name, of_one in rules.items()},
        "examples": _examples(parts["examples"], file),
        "sources": [text_of(item, file).text for item in items(parts["sources"], file)],
        "medicines": list(medicines),
        "phrases": written_phrases((name, [keys[word] for word in phrase]) for name, phrase in phrases),
        "keys": sorted(set(keys.values())),
        "words": sorted(word for word in keys if word.isalpha() and len(word) >= MIN_LENGTH_TO_CORRECT),
    }


def _from_plain(plain: Mapping[str, Any]) -> Rules:
    rules = {
        name: tuple(Rule(**compiled.fields_of(rule)) for rule in of_one)
        for name, of_one in plain["rules"].items()
    }
    return Rules(
        rules,
        {name: tuple(map(tuple, examples)) for name, examples in plain["examples"].items()},
        tuple(plain["sources"]),
        frozenset(plain["medicines"]),
        plain["medicines"][-1],
        PhrasesByKey(plain["phrases"]),
        frozenset(plain["keys"]),
        EditDistanceSpeller(dict.fromkeys(plain["words"], 1)),
        RulesByList((name, rule) for name, of_one in rules.items() for rule in of_one),
    )


def _word_lists(
    parts: Mapping[str, yaml.Node], medicines: Mapping[str, yaml.Node], file: str
) -> dict[str, tuple[str, ...]]:
    lists = {"idle": _expressions(parts["idle"], file, {})}
    words = {name.text: node for name, node in lists_by_name(parts["words"], file).items()}
    # A list of words may include all medicines, and a class of medicines one list of words.
    if MY_MEDICINE in words:
        lists[MY_MEDICINE] = _expressions(words[MY_MEDICINE], file, lists)
    classes = {name: _expressions(node, file, lists) for name, node in medicines.items()}
    lists |= classes
    lists["medicine"] = tuple(expression for of_class in classes.values() for expression in of_class)
    for name, node in words.items():
        lists[name] = _expressions(node, file, lists)
    return lists


def _expressions(node: yaml.Node, file: str, above: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found = expressions_of(node, file, above)
    if not found:
        raise YamlError(file, line_of(node), "expected at least one word here")
    return tuple(normalized(expression) for expression in found)


def _rules(parts: Mapping[str, yaml.Node], file: str, lists: Container[str]) -> dict[str, tuple[Rule, ...]]:
    rules: dict[str, tuple[Rule, ...]] = {}
    for part, expected in (("asks", ASKS), ("people", (*PEOPLE, SUFFERS)), ("cannot", CANNOT)):
        found = fields(parts[part], file, set(expected), required=True)
        rules |= {name: tuple(_rule(r, file, lists) for r in items(found[name], file)) for name in expected}
    return rules


def _rule(node: yaml.Node, file: str, lists: Container[str]) -> Rule:
    parts = fields(node, file, {"near", "order", "within", "unless"})
    if len(parts.keys() & {"near", "order"}) != 1:
        raise YamlError(file, line_of(node), "expected either near or order in a rule")
    return Rule(**rule_fields(parts, file, lists))


def _examples(node: yaml.Node, file: str) -> dict[str, list[list[str]]]:
    parts = fields(node, file, {"treatment", "personal", "neither"}, required=True)
    return {
        name: [text_of(item, file).text.split(" >> ") for item in items(part, file)]
        for name, part in parts.items()
    }


# A message as words.


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a message, and which lists they belong to."""

    texts: list[str]  # one by one
    sentence: list[int]  # of each word, its number
    hits: dict[str, list[Hit]]  # by list, in order

    def texts_of(self, name: str) -> frozenset[str]:
        """The words of a list as they were typed."""
        return frozenset(" ".join(self.texts[start:end]) for start, end in self.hits.get(name, ()))


def _read(text: str, rules: Rules) -> _Words:
    keys: list[frozenset[str]] = []
    texts: list[str] = []
    sentences: list[int] = []
    sentence = 0
    known: dict[str, frozenset[str]] = {}
    if not text.isupper():
        text = _INTO_THE_MUSCLE.sub(r"\1intramuscular", text)
    for match in _TOKEN.finditer(_INSIDE_A_NAME.sub("", _I_AM.sub(r"\1i am", normalized(text)))):
        token = match[0]
        if token[0] in ".!?;\n":
            if sentences and sentences[-1] == sentence:
                sentence += 1
            continue
        for word in _plain_words(token):
            if word not in known:
                known[word] = _understood(word, rules)
            keys.append(known[word])
            texts.append(word)
            sentences.append(sentence)
    return _Words(texts, sentences, _hits(keys, rules))


def _plain_words(token: str) -> Sequence[str]:
    if token == _MAY_BE_MUSCLE or not _IN_LETTERS.fullmatch(token):
        return (token,)
    return plain_words(token)


def _understood(word: str, rules: Rules) -> frozenset[str]:
    """The keys of a word, or of what it is a misspelling of."""
    if word[0].isdigit():
        return frozenset({_NUMBER, _IN_FIGURES}) | frozenset(keys_of([word], rules.keys))
    keys = frozenset(keys_of([word], rules.keys))
    if word in _NUMBER_WORDS:
        return keys | {_NUMBER}
    unclear = MIN_LENGTH_TO_CORRECT <= len(word) <= MAX_LENGTH_TO_CORRECT and word.isalpha()
    if keys or not unclear or word in load_flag_rules().known.common:
        return keys
    edits = 2 if len(word) >= MIN_LENGTH_FOR_TWO_EDITS else 1
    meant = (known for known in rules.speller.nearest(word, edits) if may_be_meant(word, known))
    return frozenset(keys_of(meant, rules.keys))


def _hits(keys: Sequence[frozenset[str]], rules: Rules) -> dict[str, list[Hit]]:
    found: dict[str, set[Hit]] = defaultdict(set)
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
    found = near_enough(rule, hits, words.sentence, HITS_AROUND)
    return any(not _excepted(rule, first, last, words) for _, (first, last) in found)


def _excepted(rule: Rule, first: int, last: int, words: _Words) -> bool:
    """Whether words stand in the same sentences that say that it is something else."""
    start = bisect_left(words.sentence, words.sentence[first])
    end = bisect_left(words.sentence, words.sentence[last] + 1)
    return any_begins(rule.unless, start, end, words.hits)
