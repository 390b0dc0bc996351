"""What files of rules have in common → lists of words written out, and the fields of a rule.

The heads of ``data/red-flags.yaml`` and ``data/treatment.yaml`` explain both to those who write rules.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from b12qa.errors import YamlError
from b12qa.strict_yaml import Line, entries, is_mapping, items, line_of, text_of

if TYPE_CHECKING:
    import yaml

# Words between the first and the last that a rule asks for, unless it says otherwise.
DEFAULT_WITHIN = 6
MAX_NUMBER_IN_A_RANGE = 9999

_RANGE = re.compile(r"#(\d+(?:\.\d)?)-(\d+(?:\.\d)?)")


def expressions_of(node: yaml.Node, file: str, above: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The expressions of a list of words, each once; ranges of numbers and lists in them are written out.

    Args:
        above: the lists that they may name.

    Raises:
        YamlError: a range has no numbers, or there is no such list.
    """
    found: list[str] = []
    for item in items(node, file):
        expression = text_of(item, file)
        for text in _numbers(expression, file):
            found += written_out(Line(text, expression.line), file, above)
    return tuple(dict.fromkeys(found))


def _numbers(expression: Line, file: str) -> list[str]:
    """An expression, or one for each number of the range in it: "aged #1-2" is "aged =1" and "aged =2".

    In "#2.9-3.1" the numbers are 2.9, 3, 3.0 and 3.1.
    """
    text = expression.text
    found = _RANGE.search(text)
    if found is None:
        return [text]
    steps = 10 if "." in found[0] else 1
    first, last = (round(steps * float(number)) for number in found.groups())
    if not first <= last <= MAX_NUMBER_IN_A_RANGE * steps:
        raise no_range(expression, file)
    numbers = [str(number // steps) for number in range(first, last + 1) if number % steps == 0]
    if steps > 1:
        numbers += [f"{number // steps}.{number % steps}" for number in range(first, last + 1)]
    return [f"{text[: found.start()]}={number}{text[found.end() :]}" for number in numbers]


def no_range(expression: Line, file: str) -> YamlError:
    """What is wrong with an expression that should hold a range of numbers."""
    message = f'expected a range of numbers such as "#1-120", got {expression.text!r}'
    return YamlError(file, expression.line, message)


def lists_by_name(node: yaml.Node, file: str) -> dict[Line, yaml.Node]:
    """The lists of words of a part of a file, by name.

    Raises:
        YamlError: it is something else.
    """
    if not is_mapping(node):
        raise YamlError(file, line_of(node), "expected lists of words by name here")
    return entries(node, file)


def written_out(expression: Line, file: str, above: Mapping[str, Iterable[str]]) -> list[str]:
    """An expression with the words of the lists that it names: "<cannot> feel" is "cant feel" and more.

    Raises:
        YamlError: there is no such list.
    """
    ways: list[tuple[str, ...]] = [()]
    for word in expression.text.split():
        named = word.startswith("<") and word.strip("<>")
        if named and named not in above:
            raise YamlError(file, expression.line, f"no list of words above is named {named!r}")
        ways = [(*way, further) for way in ways for further in (above[named] if named else (word,))]
    return [" ".join(way) for way in ways]


def lists_named(node: yaml.Node | None, file: str, lists: Container[str]) -> tuple[str, ...]:
    """The names of lists that stand in a list; of nothing, none.

    Raises:
        YamlError: there is no such list.
    """
    found = [text_of(item, file) for item in items(node, file)]
    for name in found:
        if name.text not in lists:
            raise YamlError(file, name.line, f"no list of words is named {name.text!r}")
    return tuple(name.text for name in found)


def rule_fields(parts: Mapping[str, yaml.Node], file: str, lists: Container[str]) -> dict[str, Any]:
    """The fields of a `Rule`, from a mapping that has at most one of near and order.

    Raises:
        YamlError: there is no such list, or within is no number.
    """
    within = text_of(parts["within"], file) if "within" in parts else None
    if within and not within.text.isdecimal():
        raise YamlError(file, within.line, f"expected a number of words as within, got {within.text!r}")
    ordered = "order" in parts
    return {
        "lists": lists_named(parts.get("order" if ordered else "near"), file, lists),
        "ordered": ordered,
        "within": int(within.text) if within else DEFAULT_WITHIN,
        "unless": lists_named(parts.get("unless"), file, lists),
    }
