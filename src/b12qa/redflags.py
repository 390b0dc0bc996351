"""The words of a message → the red flag in it: rules that a clinician can read, and no model.

The rules are ``data/red-flags.yaml``: lists of words, and concepts whose rules say which lists must stand
near each other. A message is read whole, in linear time. What a match means depends on how it is said:

- negated, "no chest pain": counts for nothing;
- taught, "can B12 deficiency cause chest pain?": counts only if it is said of somebody, "my chest pain";
- long past, "I had a stroke ten years ago", or supposed, "what if I faint": counts for nothing;
- exaggerated, "I nearly fainted at the price": counts for nothing;
- an illness, "stroke": counts only if it is said to happen, "I think this is a stroke".
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import combinations

import Stemmer
import yaml
from symspellpy import SymSpell, Verbosity

from b12qa.errors import YamlError
from b12qa.lexical import english_ranks
from b12qa.records import CareLevel
from b12qa.strict_yaml import compose, entries, fields, items, line_of, text_of

RULES_FILE = "red-flags.yaml"
# Words between the first and the last that a rule asks for, unless it says otherwise.
DEFAULT_WITHIN = 6
# How far a rule looks at least for words that it must not stand with.
MIN_EXCEPTION_REACH = 3
MAX_NUMBER_IN_A_RANGE = 9999
# Rarer words of the English list may well be misspelt ones: "paining", "breths".
COMMON_RANK = 40_000
MIN_LENGTH_TO_CORRECT = 4
MIN_LENGTH_FOR_ONE_EDIT = 5
MIN_LENGTH_FOR_TWO_EDITS = 9
MIN_LENGTH_TO_SPLIT = 6
MAX_LENGTH_TO_SPLIT = 30
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
# Earlier messages that are read together with the last one.
EARLIER_MESSAGES = 2
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
    mention: Mention


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


@dataclass(frozen=True, slots=True)
class Phrases:
    """What may follow a word: one node of the tree of all phrases."""

    lists: list[str] = field(default_factory=list)  # that hold the phrase that ends here
    longer: dict[str, Phrases] = field(default_factory=dict)  # by the next key


@dataclass(frozen=True, slots=True)
class RedFlags:
    """All rules, and the words that they know."""

    concepts: tuple[Concept, ...]  # the most severe level first
    about: About
    phrases: Mapping[str, Phrases]  # all words of the lists, by their first key
    words: frozenset[str]  # as written in the file, one by one
    keys: frozenset[str]
    speller: SymSpell = field(repr=False)

    def find(self, message: str, history: Sequence[str] = ()) -> Concept | None:
        """The most severe red flag of a message, or none.

        A flag of an earlier message counts as long as each message since then hangs on the one before,
        and through no more than two of them, so that no card sticks for ever. The two messages before the
        last one are also read together with it: "my leg is swollen", "only the left one, and it is hot".

        Args:
            message: as typed, of any length.
            history: the user's earlier messages, oldest first.
        """
        texts = [_read(text, self) for text in (*history[-EARLIER_MESSAGES:], message)]
        last = texts[-1]
        goes_on = len(texts) > 1 and _goes_on_asking(texts[-2], last)
        found = [] if goes_on else [concept for concept in self.concepts if _flags(concept, last)]
        for earlier in texts[:-1]:
            # What the earlier message said by itself was answered then.
            found += [
                c for c in self.concepts if not _flags(c, earlier) and _flags_together(c, earlier, last)
            ]
        for earlier, later in zip(reversed(texts[:-1]), reversed(texts), strict=False):
            if not _hangs_on_the_one_before(later):
                break
            claimed = bool(later.frames["claimed"])
            found += [concept for concept in self.concepts if _flags(concept, earlier, claimed)]
        return min(found, key=self.concepts.index, default=None)

    def asks_who(self, message: str) -> bool:
        """Whether a message asks who or what is answering."""
        words = _read(message, self)
        return any(True for rule in self.about.rules for _ in _matches(rule, rule.lists, words))


# The file.

_LEVELS = tuple(CareLevel)  # the most severe first
# Lists that say how a thing is said. The rules below are about these.
_FRAMES = (
    "asked_of", "asking", "auxiliary", "body_owner", "claimed", "clause_start", "exaggerated", "fiction",
    "fillers", "follows", "generic_person", "going_on", "happening", "harmless", "has", "intense", "joins",
    "knows", "long_ago", "makes", "may", "negator", "not_asking", "not_negation", "now", "opens_clause",
    "over", "person", "points_back", "rated", "showing", "stops_negation", "supposed_if", "supposed_verb",
    "teaches", "teaches_after", "teaches_before", "tells_me", "unheard_of", "whether",
)  # fmt: skip


@cache
def load_red_flags() -> RedFlags:
    """The rules that come with the package."""
    return read_red_flags((files("b12qa") / "data" / RULES_FILE).read_bytes(), RULES_FILE)


def read_red_flags(data: bytes, file: str) -> RedFlags:
    """Read the rules.

    Args:
        file: the name for messages.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    parts = fields(compose(data, file), file, {"words", "concepts", "about"}, required=True)
    lists = _word_lists(parts["words"], file)
    concepts = [_concept(node, file, lists) for node in items(parts["concepts"], file)]
    about = fields(parts["about"], file, {"rules", "match", "no match"}, required=True)
    seen: set[str] = set()
    for concept, node in zip(concepts, items(parts["concepts"], file), strict=True):
        if concept.id in seen:
            raise YamlError(file, line_of(node), f"a second concept with the id {concept.id}", "Rename it.")
        seen.add(concept.id)
    concepts.sort(key=lambda concept: _LEVELS.index(concept.level))
    phrases = Phrases()
    words: set[str] = set()
    keys: set[str] = set()
    for name, expressions in lists.items():
        for expression in expressions:
            node_of_phrase = phrases
            for word in expression.split():
                words.add(word.lstrip("="))
                keys.add(_key(word))
                node_of_phrase = node_of_phrase.longer.setdefault(_key(word), Phrases())
            node_of_phrase.lists.append(name)
    speller = SymSpell(max_dictionary_edit_distance=2)
    for word in sorted(words):
        if word.isalpha() and len(word) >= MIN_LENGTH_TO_CORRECT:
            speller.create_dictionary_entry(word, 1)
    return RedFlags(
        tuple(concepts),
        About(
            _rules(about["rules"], file, lists),
            _texts(about["match"], file),
            _texts(about["no match"], file),
        ),
        phrases.longer,
        frozenset(words),
        frozenset(keys),
        speller,
    )


def _word_lists(node: yaml.Node, file: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(node, yaml.MappingNode):
        raise YamlError(file, line_of(node), "expected lists of words by name here")
    lists: dict[str, tuple[str, ...]] = {}
    for name, value in entries(node, file).items():
        expressions: list[str] = []
        for item in items(value, file):
            expression = text_of(item, file)
            if expression.text.startswith("<"):
                included = expression.text.strip("<>")
                if included not in lists:
                    raise YamlError(file, expression.line, f"no list of words above is named {included!r}")
                expressions += lists[included]
            elif "#" in expression.text:
                expressions += _numbers(expression.text, expression.line, file)
            else:
                expressions.append(expression.text)
        if not expressions:
            raise YamlError(file, name.line, f"the list {name.text!r} is empty", "Add words to it.")
        lists[name.text] = tuple(dict.fromkeys(expressions))
    missing = sorted(set(_FRAMES) - lists.keys())
    if missing:
        raise YamlError(file, line_of(node), f"no list of words is named {missing[0]!r}", "Add it.")
    return lists


def _numbers(text: str, line: int, file: str) -> list[str]:
    before, _, numbers = text.partition("#")
    first, _, last = numbers.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= MAX_NUMBER_IN_A_RANGE):
        raise YamlError(file, line, f'expected a range of numbers such as "#10-200", got {text!r}')
    return [f"{before}={number}" for number in range(int(first), int(last) + 1)]


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
    parts = fields(node, file, {"near", "order", "within", "unless", "mention"})
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
    mention = text_of(parts["mention"], file) if "mention" in parts else None
    if mention and mention.text not in set(Mention):
        expected = ", ".join(Mention)
        raise YamlError(file, mention.line, f"expected one of {expected} as mention, got {mention.text!r}")
    ordered = "order" in parts
    return Rule(
        lists=names("order" if ordered else "near"),
        ordered=ordered,
        within=int(within.text) if within else DEFAULT_WITHIN,
        unless=names("unless"),
        mention=Mention(mention.text) if mention else Mention.COMPLAINT,
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
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`′＇", "'"))
# Letters that look like nothing at all.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")
_UNSEEN = frozenset({"Mn", "Me", "Cf", "Cs"})
_TOKEN = re.compile(r"[a-z0-9'*@$]+|[.!?;\n:,()\u2026\u2013\u2014]|(?<=\s)-(?=\s)")
_ENDINGS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
_WITHOUT_APOSTROPHE = {
    "im": ("i", "am"), "ive": ("i", "have"), "iam": ("i", "am"), "hes": ("he", "is"), "shes": ("she", "is"),
    "theyre": ("they", "are"), "youre": ("you", "are"), "weve": ("we", "have"), "ihave": ("i", "have"),
}  # fmt: skip
_IS_AFTER = frozenset({"he", "she", "it", "that", "there", "who", "what", "how", "where", "this"})
_APART_T = re.compile(r"\b(can|don|won|isn|aren|doesn|didn|couldn|hasn|haven|wasn|wouldn) t\b")
_LEET = str.maketrans("013457@$", "oieastas", "*'")
_LEET_WORD = re.compile(r"[a-z]+[0-9@$*]+[a-z]+")
_REPEATED = re.compile(r"(.)\1{2,}")
_SENTENCE_ENDS = frozenset(".!?;\n\u2026")
# A new sentence is as far away as so many more words.
_SENTENCE_GAP = 2


def normalized(text: str) -> str:
    """A copy for matching: small letters, without what nobody sees, look-alikes made Latin letters."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES))
    unseen = {c for c in set(text) if unicodedata.category(c) in _UNSEEN} | _BLANK_LETTERS
    text = text.translate(dict.fromkeys(map(ord, unseen)))
    return text.casefold().translate(_LOOK_ALIKES).translate(_APOSTROPHES)


@dataclass(slots=True)
class _Words:
    """The words of a message, where they stand, and which lists they belong to."""

    text: list[str] = field(default_factory=list)
    keys: list[frozenset[str]] = field(default_factory=list)
    sentence: list[int] = field(default_factory=list)
    clause: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)  # with gaps between sentences
    after_comma: set[int] = field(default_factory=set)
    hits: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # by list: first, one past last
    frames: dict[str, frozenset[int]] = field(default_factory=dict)  # words of the lists of frames
    places: dict[str, list[int]] = field(default_factory=dict)  # the same, in order
    negated_by: list[int] = field(default_factory=list)  # position of the word that negates, or -1

    def has(self, name: str, start: int, end: int) -> bool:
        """Whether a word in ``[start, end)`` belongs to a list of frames."""
        places = self.places[name]
        nearest = bisect_left(places, start)
        return nearest < len(places) and places[nearest] < end


def _read(text: str, flags: RedFlags) -> _Words:
    words = _Words()
    _split(normalized(text), words, flags)
    _look_up(words, flags)
    _find_clauses(words)
    _find_negated(words)
    return words


def _split(text: str, words: _Words, flags: RedFlags) -> None:
    sentence = position = 0
    known: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for match in _TOKEN.finditer(_APART_T.sub(r"\1t", text)):
        token = match[0]
        if token in _SENTENCE_ENDS:
            if words.text and words.sentence[-1] == sentence:  # "???" ends one sentence, not three
                sentence += 1
                position += _SENTENCE_GAP
        elif not token.strip("'*@$,:()-\u2013\u2014"):
            words.after_comma.add(len(words.text))
        else:
            for typed in _plain_words(token.strip("'*")):
                if typed not in known:
                    known[typed] = _understood(typed, flags)
                for word, keys in known[typed]:
                    words.text.append(word)
                    words.keys.append(keys)
                    words.sentence.append(sentence)
                    words.position.append(position)
                    position += 1


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
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    count = len(words.keys)
    for start, keys in enumerate(words.keys):
        ways = [(start + 1, node) for key in keys if (node := flags.phrases.get(key))]
        while ways:
            end, node = ways.pop()
            for name in node.lists:
                found[name].append((start, end))
            if node.longer and end < count and words.sentence[end] == words.sentence[start]:
                ways += [(end + 1, node.longer[key]) for key in words.keys[end] if key in node.longer]
    masked = {i for start, end in found["harmless"] for i in range(start, end)}
    for name, hits in found.items():
        if name in _FRAMES:
            words.frames[name] = frozenset(i for start, end in hits for i in range(start, end))
        elif masked:
            hits = [hit for hit in hits if masked.isdisjoint(range(*hit))]
        words.hits[name] = sorted(set(hits))
    for name in _FRAMES:
        words.places[name] = sorted(words.frames.setdefault(name, frozenset()))
    words.places["someone"] = sorted(words.frames["person"] - words.frames["tells_me"])


def _understood(typed: str, flags: RedFlags) -> list[tuple[str, frozenset[str]]]:
    """What was typed as one or more words, with the keys of each or of what it is a misspelling of."""
    keys = _keys_of([typed], flags)
    unclear = len(typed) >= MIN_LENGTH_TO_CORRECT and typed.isalpha()
    if keys or not unclear or english_ranks().get(typed, COMMON_RANK) < COMMON_RANK:
        return [(typed, keys)]
    shorter = _REPEATED.sub(r"\1", typed)
    if shorter != typed:
        return _understood(shorter, flags)
    respelt = _respelt(typed, flags)
    if respelt:
        return [(typed, _keys_of(respelt, flags))]
    return [(word, _keys_of([word], flags)) for word in _unglued(typed, flags)]


def _keys_of(words: Iterable[str], flags: RedFlags) -> frozenset[str]:
    return frozenset(k for w in words for k in (_STEMMER.stemWord(w), f"={w}") if k in flags.keys)


def _unglued(typed: str, flags: RedFlags) -> list[str]:
    """Words of the rules that were typed without blanks between them, as few as possible."""
    if not MIN_LENGTH_TO_SPLIT <= len(typed) <= MAX_LENGTH_TO_SPLIT:
        return [typed]
    best: list[list[str] | None] = [[]]
    for end in range(1, len(typed) + 1):
        ways = [
            [*way, typed[start:end]]
            for start in range(end)
            if (way := best[start]) is not None and typed[start:end] in flags.words
        ]
        best.append(min(ways, key=len, default=None))
    return best[-1] or [typed]


def _respelt(word: str, flags: RedFlags) -> list[str]:
    """Words of the rules that are close to one that is no English word, the closest ones."""
    if len(word) > MAX_LENGTH_TO_SPLIT:
        return []
    edits = 2 if len(word) >= MIN_LENGTH_FOR_TWO_EDITS else 1
    found = [
        suggestion.term
        for suggestion in flags.speller.lookup(word, Verbosity.CLOSEST, max_edit_distance=edits)
        if _may_be(word, suggestion.term)
    ]
    return found


def _may_be(typed: str, meant: str) -> bool:
    """A misspelling keeps the first letter, or swaps the first two; in a short word it only swaps letters."""
    if typed[0] != meant[0] and typed[:2] != meant[1::-1]:
        return False
    return max(len(typed), len(meant)) >= MIN_LENGTH_FOR_ONE_EDIT or sorted(typed) == sorted(meant)


def _find_clauses(words: _Words) -> None:
    frames = words.frames
    starts = frames["clause_start"]
    clause = 0
    for i in range(len(words.text)):
        begins = (
            i in starts
            or (i in frames["joins"] and words.has("opens_clause", i + 1, i + 2))
            or (i in words.after_comma and words.has("opens_clause", i, _listed_until(i, words)))
            or (i in frames["asking"] and words.has("auxiliary", i + 1, i + 2))
            or (
                i in frames["auxiliary"]
                and words.has("asked_of", i + 1, i + 2)
                and not words.has("asking", i - 1, i)
            )
        )
        if i and (begins or words.sentence[i] != words.sentence[i - 1]):
            clause += 1
        words.clause.append(clause)


def _listed_until(start: int, words: _Words) -> int:
    """One past the first words after a comma, which tell a new clause from one more item of a list."""
    end = min(start + WORDS_OF_AN_ITEM, len(words.text))
    return next((i for i in range(start + 1, end) if i in words.after_comma), end)


def _find_negated(words: _Words) -> None:
    frames = words.frames
    words.negated_by = [-1] * len(words.text)
    negator, left = -1, 0
    for i in range(len(words.text)):
        if i in frames["negator"] and i not in frames["not_negation"]:
            negator, left = i, NEGATION_REACH
            continue
        if not left:
            continue
        if i in words.after_comma or i in frames["joins"]:
            left = 0 if i in words.after_comma and i == negator + 1 else NEGATION_REACH
        new_clause = words.clause[i] != words.clause[i - 1]
        if new_clause or i in frames["stops_negation"] or i in frames["person"] or not left:
            left = 0
            continue
        words.negated_by[i] = negator
        left -= 1


# What a match means.

_Match = tuple[tuple[int, int], ...]  # first word and one past the last, of each list of a rule


def _flags(concept: Concept, words: _Words, claimed: bool = False) -> bool:
    """Whether a concept is in a message.

    Args:
        claimed: a later message says that it happens to the user: "that just happened to me".
    """
    return any(
        _counts(match, rule.mention, words, claimed)
        for rule in concept.rules
        for match in _matches(rule, rule.lists, words)
    )


def _flags_together(concept: Concept, earlier: _Words, last: _Words) -> bool:
    """Whether the last message adds what an earlier one lacked."""
    return any(
        _in_part(rule, part, last) and _in_part(rule, tuple(n for n in rule.lists if n not in part), earlier)
        for rule in concept.rules
        if rule.mention is not Mention.ILLNESS
        for part in _parts(rule.lists)
    )


def _parts(lists: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(lists)):
        yield from combinations(lists, size)


def _in_part(rule: Rule, lists: tuple[str, ...], words: _Words) -> bool:
    return any(_counts(match, rule.mention, words) for match in _matches(rule, lists, words))


def _matches(rule: Rule, lists: tuple[str, ...], words: _Words) -> Iterator[_Match]:
    hits = [words.hits.get(name, []) for name in lists]
    if not lists or not all(hits):
        return
    for match in _in_order(hits) if rule.ordered else _near(hits):
        first, last = min(start for start, _ in match), max(end for _, end in match) - 1
        own = sum(end - start for start, end in match)
        between = words.position[last] - words.position[first] + 1 - own
        if between <= rule.within and not _excepted(rule, first, last, words):
            yield match


def _in_order(hits: Sequence[Sequence[tuple[int, int]]]) -> Iterator[_Match]:
    for anchor in hits[0]:
        match = [anchor]
        for further in hits[1:]:
            place = bisect_left(further, (match[-1][1], 0))
            if place == len(further):
                return
            match.append(further[place])
        yield tuple(match)


def _near(hits: Sequence[Sequence[tuple[int, int]]]) -> Iterator[_Match]:
    rarest = min(range(len(hits)), key=lambda n: len(hits[n]))
    for anchor in hits[rarest]:
        match = [anchor]
        for number, others in enumerate(hits):
            if number != rarest:
                nearest = _nearest(others, match)
                if nearest is None:
                    break
                match.append(nearest)
        else:
            yield tuple(match)


def _nearest(hits: Sequence[tuple[int, int]], match: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The hit nearest to the first of a match that shares no word with it."""
    anchor = match[0]
    place = bisect_left(hits, anchor)
    around = hits[max(place - 3, 0) : place + 4]
    free = [hit for hit in around if all(hit[1] <= start or end <= hit[0] for start, end in match)]
    return min(free, key=lambda hit: abs(hit[0] - anchor[0]), default=None)


def _excepted(rule: Rule, first: int, last: int, words: _Words) -> bool:
    reach = max(rule.within, MIN_EXCEPTION_REACH)
    start, end = first - reach, last + 1 + reach
    sentences = (words.sentence[first], words.sentence[last])
    for name in rule.unless:
        hits = words.hits.get(name, [])
        for place in range(bisect_left(hits, (start, 0)), bisect_left(hits, (end, 0))):
            if words.sentence[hits[place][0]] in sentences:
                return True
    return False


def _counts(match: _Match, mention: Mention, words: _Words, claimed: bool = False) -> bool:
    own = {i for start, end in match for i in range(start, end)}
    first, last = min(own), max(own)
    if any(words.negated_by[i] not in own and words.negated_by[i] >= 0 for i in own):
        return _unheard_of(first, last, words)
    if mention is Mention.ALWAYS:
        return True
    context = _Context.of(first, last, words)
    made_up = words.has("fiction", context.sentence_start, context.sentence_end) or words.has(
        "exaggerated", last + 1, min(last + 1 + EXAGGERATED_REACH, context.sentence_end)
    )
    claimed = claimed or bool(words.frames["claimed"])
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
    if personal:
        return True
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
            bisect_left(words.clause, words.clause[first]),
            bisect_left(words.clause, words.clause[last] + 1),
            bisect_left(words.sentence, words.sentence[first]),
            bisect_left(words.sentence, words.sentence[last] + 1),
        )


def _unheard_of(first: int, last: int, words: _Words) -> bool:
    """Whether a "never" says how bad it is: "I never had chest pain like this"."""
    return words.has("unheard_of", last + 1, last + 1 + HAPPENING_REACH)


def _long_past(context: _Context, words: _Words) -> bool:
    past = words.has("long_ago", context.sentence_start, context.sentence_end)
    return past and not words.has("now", context.clause_start, context.clause_end)


def _supposed(context: _Context, words: _Words) -> bool:
    frames = words.frames
    for i in range(max(context.clause_start, context.first - CLAUSE_REACH), context.last + 1):
        if i in frames["supposed_if"] and i not in frames["whether"]:
            return not words.has("going_on", i + 1, context.first + 1)
        if i not in frames["may"]:
            continue
        someone = words.has("person", i + 1, i + 2) or words.has("generic_person", i + 1, i + 2)
        if someone and words.has("supposed_verb", i + 2, i + 4) and not words.has("going_on", i + 2, i + 5):
            return True
        if words.has("makes", i + 1, context.first):
            return True
    return False


def _personal(context: _Context, words: _Words) -> bool:
    """Whether something is said of somebody, and of this very moment."""
    frames = words.frames
    first, last = context.first, context.last

    def far(start: int) -> bool:
        return words.has("teaches", start + 1, first) or words.has("knows", start + 1, first)

    for i in range(max(context.clause_start, first - CLAUSE_REACH), last + 1):
        if i in frames["body_owner"] and first - i <= PERSON_REACH and not far(i):
            return True
        if i not in frames["person"] or i in frames["tells_me"] or (i - 1) in frames["may"]:
            continue
        if first - i <= PERSON_REACH and not far(i):
            return True
        if words.has("has", i + 1, i + 4) and not far(i):
            return True
    shown = words.has("showing", first - PERSON_REACH, first)
    return shown or words.has("now", context.sentence_start, context.sentence_end)


def _teaches(context: _Context, words: _Words) -> bool:
    return words.has("teaches", context.clause_start, context.clause_end)


def _asked_in_general(context: _Context, words: _Words) -> bool:
    if words.has("someone", context.clause_start, context.clause_end):
        return False
    start = context.clause_start
    while start < context.first and start in words.frames["fillers"]:
        start += 1
    return (
        words.has("asking", start, start + 1)
        or (words.has("auxiliary", start, start + 1) and not words.has("not_asking", start, start + 1))
        or words.has("generic_person", context.clause_start, context.clause_end)
    )


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
    frames, count = last.frames, len(last.text)
    adds = last.has("joins", 0, 1) or last.has("asking", 0, 1)
    if not adds or count > MAX_WORDS_OF_A_FRAGMENT + 1:
        return False
    of_somebody = frames["person"] | frames["body_owner"] | frames["now"]
    asked = earlier.has("auxiliary", 0, 1) or earlier.has("asking", 0, 1)
    return not of_somebody and asked and not earlier.frames["person"] and not earlier.frames["body_owner"]


def _hangs_on_the_one_before(words: _Words) -> bool:
    """Whether a message says too little, or points back: "should I take B12 for it?"."""
    if not words.text or words.frames["over"]:
        return False
    count = len(words.text)
    if (
        words.frames["points_back"]
        or words.frames["claimed"]
        or words.has("joins", 0, 1)
        or words.has("clause_start", 0, 1)
    ):
        return True
    asks_for_me = words.has("auxiliary", 0, 3) and words.has("person", 0, 4)
    if count <= 2 * MAX_WORDS_OF_A_FRAGMENT and asks_for_me:
        return True
    about_something_else = words.has("asking", 0, 1) and not words.has("person", 0, count)
    return count <= MAX_WORDS_OF_A_FRAGMENT and not about_something_else
