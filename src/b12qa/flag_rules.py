"""``data/red-flags.yaml`` → the rules for red flags, as records.

A clinician can read the file: lists of words, and concepts whose rules say which lists must stand near each
other.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from b12qa import compiled
from b12qa.clauses import FRAMES
from b12qa.errors import YamlError
from b12qa.known_words import KnownWords
from b12qa.matching import Rule, RulesByList
from b12qa.records import CareLevel
from b12qa.rule_files import expressions_of, lists_by_name, lists_named, no_range, rule_fields
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
from b12qa.wording import load_wording

if TYPE_CHECKING:
    import yaml

RED_FLAGS_FILE = "red-flags.yaml"
# Points that are not those of a list.
START, LEAST, SHORT = "start", "least", "short"
# Of a concept.
LASTS, ALWAYS_LASTS = "lasts", "always"
# A word with points of its own is a list of one word, of this name.
OF_WORD = "word "

_UNLESS_TOO = ("unless usual", "unless value")
_LEVELS = tuple(CareLevel)  # the most severe first
_EnumT = TypeVar("_EnumT", bound=StrEnum)


class Mention(StrEnum):
    """What it takes for a match of a rule to count."""

    COMPLAINT = "complaint"  # not negated, taught, supposed or long past
    ILLNESS = "illness"  # and said to happen
    ALWAYS = "always"  # not negated
    STATED = "stated"  # as a complaint, however the rest of the message is worded


@dataclass(frozen=True, slots=True)
class FlagRule(Rule):
    """Lists of words that must stand near each other, and what else it takes."""

    unless_usual: tuple[str, ...]  # nor of these lists, but where something is said to be new
    unless_value: tuple[str, ...]  # nor with a value of these, but where it is what another is held against
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
    rules: tuple[FlagRule, ...]
    match: tuple[str, ...]  # messages that the rules must find
    no_match: tuple[str, ...]  # messages that no rule of any concept may find
    lasts: bool = False  # for the next messages whatever they ask, and if one says that it was a joke


@dataclass(frozen=True, slots=True)
class AboutRules:
    """The rules that find "are you a doctor?"."""

    rules: tuple[FlagRule, ...]
    match: tuple[str, ...]
    no_match: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagRules:
    """All rules, and the words that they know."""

    concepts: tuple[Concept, ...]  # the most severe level first
    about: AboutRules
    start: int  # points that every part of a message begins with
    points: Mapping[str, int]  # and what a word of a list adds to them
    anywhere: Mapping[str, int]  # what it adds wherever in the message it stands
    least: int  # points that a message needs for a match to count
    wording: Mapping[str, int]  # points of words and pairs of words, for a message as a whole
    known: KnownWords
    by_list: RulesByList[int, FlagRule] = field(repr=False)  # rules with the positions of their concepts
    by_points: Sequence[tuple[int, int]]  # concepts by position, and the points that find them


@cache
def load_flag_rules() -> FlagRules:
    """The rules that come with the package."""
    return _from_plain(compiled.rules(RED_FLAGS_FILE, plain_rules))


def read_flag_rules(data: bytes, file: str) -> FlagRules:
    """Read the rules.

    Args:
        file: the name for messages.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    return _from_plain(plain_rules(data, file))


def plain_rules(data: bytes, file: str) -> dict[str, Any]:
    """The rules as plain data, all that takes time done. Arguments and errors as above."""
    names = {"words", "points", "points anywhere", "points of words", "concepts", "about"}
    parts = fields(compose(data, file), file, names, required=True)
    lists = _word_lists(parts["words"], file)
    points = _points(parts["points"], file, lists, named=(START, LEAST, SHORT))
    anywhere = _points(parts["points anywhere"], file, lists)
    for word, number in _points_of_words(parts["points of words"], file).items():
        lists[OF_WORD + word], points[OF_WORD + word] = (word,), number
    return {
        "concepts": [asdict(concept) for concept in _concepts(parts["concepts"], file, lists)],
        "about": asdict(_about(parts["about"], file, lists)),
        "points": points,
        "anywhere": anywhere,
        "known": KnownWords.write(lists),
    }


def _from_plain(plain: Mapping[str, Any]) -> FlagRules:
    concepts = tuple(_concept_from(record) for record in plain["concepts"])
    about = plain["about"]
    points = dict(plain["points"])
    rules = [(number, rule) for number, concept in enumerate(concepts) for rule in concept.rules]
    return FlagRules(
        concepts,
        AboutRules(tuple(map(_rule_from, about["rules"])), tuple(about["match"]), tuple(about["no_match"])),
        points.pop(START),
        points,
        dict(plain["anywhere"]),
        points.pop(LEAST),
        load_wording(),
        KnownWords.of(plain["known"]),
        RulesByList((number, rule) for number, rule in rules if rule.lists),
        [(number, rule.points) for number, rule in rules if rule.points is not None],
    )


def _concept_from(record: Mapping[str, Any]) -> Concept:
    rules = tuple(map(_rule_from, record["rules"]))
    return Concept(**compiled.fields_of(record) | {"level": CareLevel(record["level"]), "rules": rules})


def _rule_from(record: Mapping[str, Any]) -> FlagRule:
    return FlagRule(**compiled.fields_of(record) | {"mention": Mention(record["mention"])})


# The parts of the file.


def _word_lists(node: yaml.Node, file: str) -> dict[str, tuple[str, ...]]:
    lists: dict[str, tuple[str, ...]] = {}
    for name, value in lists_by_name(node, file).items():
        lists[name.text] = expressions_of(value, file, lists)
        if not lists[name.text]:
            raise YamlError(file, name.line, f"the list {name.text!r} is empty", "Add words to it.")
        for expression in lists[name.text]:
            if "#" in expression:
                raise no_range(Line(expression, name.line), file)
    missing = sorted(FRAMES - lists.keys())
    if missing:
        raise YamlError(file, line_of(node), f"no list of words is named {missing[0]!r}", "Add it.")
    return lists


def _points(node: yaml.Node, file: str, lists: Container[str], named: Sequence[str] = ()) -> dict[str, int]:
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


def _concepts(node: yaml.Node, file: str, lists: Container[str]) -> list[Concept]:
    concepts: dict[str, Concept] = {}
    for item in items(node, file):
        concept = _concept(item, file, lists)
        if concept.id in concepts:
            raise YamlError(file, line_of(item), f"a second concept with the id {concept.id}", "Rename it.")
        concepts[concept.id] = concept
    return sorted(concepts.values(), key=lambda concept: _LEVELS.index(concept.level))


def _concept(node: yaml.Node, file: str, lists: Container[str]) -> Concept:
    names = {"id", "level", "title", "text", "steps", "sources", "rules", "match", "no match"}
    parts = fields(node, file, names, required=True, optional={LASTS})
    if LASTS in parts and (lasts := text_of(parts[LASTS], file)).text != ALWAYS_LASTS:
        raise YamlError(file, lasts.line, f"expected {ALWAYS_LASTS} as {LASTS}, got {lasts.text!r}")
    return Concept(
        id=text_of(parts["id"], file).text,
        level=_one_of(CareLevel, text_of(parts["level"], file), "level", file),
        title=text_of(parts["title"], file).text,
        text=text_of(parts["text"], file).text,
        steps=_texts(parts["steps"], file),
        sources=_texts(parts["sources"], file),
        rules=_rules(parts["rules"], file, lists),
        match=_texts(parts["match"], file),
        no_match=_texts(parts["no match"], file),
        lasts=LASTS in parts,
    )


def _about(node: yaml.Node, file: str, lists: Container[str]) -> AboutRules:
    parts = fields(node, file, {"rules", "match", "no match"}, required=True)
    return AboutRules(
        _rules(parts["rules"], file, lists), _texts(parts["match"], file), _texts(parts["no match"], file)
    )


def _texts(node: yaml.Node, file: str) -> tuple[str, ...]:
    found = tuple(text_of(item, file).text for item in items(node, file))
    if not found:
        raise YamlError(file, line_of(node), "expected at least one text here")
    return found


def _rules(node: yaml.Node, file: str, lists: Container[str]) -> tuple[FlagRule, ...]:
    rules = tuple(_rule(item, file, lists) for item in items(node, file))
    if not rules:
        raise YamlError(file, line_of(node), "expected at least one rule here")
    return rules


def _rule(node: yaml.Node, file: str, lists: Container[str]) -> FlagRule:
    parts = fields(node, file, {"near", "order", "points", "within", "unless", *_UNLESS_TOO, "mention"})
    if len(parts.keys() & {"near", "order", "points"}) != 1:
        raise YamlError(file, line_of(node), "expected one of near, order and points in a rule")
    mention = text_of(parts["mention"], file) if "mention" in parts else None
    return FlagRule(
        **rule_fields(parts, file, lists),
        unless_usual=lists_named(parts.get("unless usual"), file, lists),
        unless_value=lists_named(parts.get("unless value"), file, lists),
        mention=_one_of(Mention, mention, "mention", file) if mention else Mention.COMPLAINT,
        points=number_of(text_of(parts["points"], file), "points", file) if "points" in parts else None,
    )


def _one_of(kind: type[_EnumT], text: Line, name: str, file: str) -> _EnumT:
    if text.text not in set(kind):
        raise YamlError(file, text.line, f"expected one of {', '.join(kind)} as {name}, got {text.text!r}")
    return kind(text.text)
