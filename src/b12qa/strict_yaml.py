"""YAML as editors write it, read strictly and with line numbers.

Only plain nodes are made, so nothing in a file can become an object, and a text stays as it was
written: `no` is Norwegian and not false, `2025-03-01` ten characters and not a date. Only `null` and `~`
are no texts: who writes them means nothing, or needs quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, TypeGuard

from b12qa.errors import YamlError
from b12qa.plain import short

if TYPE_CHECKING:
    import yaml

# Nothing of ours is deeper than five; composing calls itself at every depth, until the process crashes.
_MAX_DEPTH = 20
# A comment that is more likely part of the text before it: a blank follows the "#" of most comments.
_CUT_OFF = re.compile(r"(?<![ \t])[ \t]++(#\w.*)")
_CUT_OFF_BY_A_LINE = re.compile(r"(?<![ \t])[ \t]++(#\d.*)")
# Part of what a parser says, and what has most likely to be mended; the first that fits. There are two
# parsers, one in C and one in Python, with different words for the same.
_EXPECTED = {
    "mapping values": "words with a colon in them need quotes, and a key begins below the one before it",
    "unknown escape": r"in double quotes a backslash is written \\; single quotes take it as it is",
    "end of stream": "a quote that opens in this line is closed nowhere",
    "parsing a flow": "expected commas between the items of a list in [ ] and the ] at its end; words with "
    "brackets or braces in them need quotes",
    "tab character": "expected blanks and no tab at the beginning of a line",
    "start any token": "expected blanks and no tab at the beginning of a line, and quotes around words that "
    "begin with @, % or `",
    "alias": "words that begin with * need quotes",
    "anchor": "words that begin with & need quotes",
    "expected ':'": "expected a key and a colon, such as 'section: words'; a line that goes on from the one "
    "before begins further to the right",
    "block mapping": "expected a key below the one before it, and nothing after a closing quote",
    "block collection": "expected the next '- ' below the one before it",
    "block scalar": "words that begin with | or > need quotes",
    "single document": "expected one document, and no line --- in it",
    "node content": "words that begin with a comma or a bracket need quotes",
}
# The tag of null, Null, NULL and ~ without quotes.
_NULL = "tag:yaml.org,2002:null"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_AHEAD = timedelta(hours=14)  # of UTC, where a day begins first


@dataclass(frozen=True, slots=True)
class Line:
    """A text in a YAML file, and where it stands."""

    text: str
    line: int  # from 1


def compose(data: bytes | str, file: str) -> yaml.Node | None:
    """The outermost node, none if there is nothing but comments.

    Raises:
        YamlError: it is not YAML.
    """
    import yaml  # whoever answers a question needs no YAML, and this takes longer than searching

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    lines = text.removeprefix("\ufeff").splitlines()
    try:
        depth = 0
        for event in yaml.parse(data, Loader=loader):
            if isinstance(event, yaml.ScalarEvent) and not event.style:
                _check_nothing_cut(event, lines, file)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise YamlError(file, line, f"lists or mappings more than {_MAX_DEPTH} deep in each other")
        return yaml.compose(data, Loader=loader)
    except yaml.reader.ReaderError as error:
        # One parser speaks of control characters, the other of special ones.
        unseen = "character" in error.reason
        expected = "a control character stands here" if unseen else "the file is not UTF-8; save it as UTF-8"
        line = _line_of_byte(data, error.position)
        raise YamlError(file, line, f"not YAML: {expected} ({error.reason})") from error
    except yaml.MarkedYAMLError as error:
        said = f"{error.context}: {error.problem}"
        expected = next(
            (words for part, words in _EXPECTED.items() if part in said),
            "expected lines such as 'key: words' and '- words'",
        )
        # The parser notices only later that a quote or a key is not ended.
        begun = "end of stream" in said or "expected ':'" in said
        mark = (error.context_mark if begun else None) or error.problem_mark
        line = mark.line + 1 if mark else 1
        raise YamlError(file, line, f"not YAML: {expected} ({error.problem})") from error


def _check_nothing_cut(event: yaml.ScalarEvent, lines: list[str], file: str) -> None:
    """Refuse "the #1 cause" without quotes, which ends before the "#"; "true  # a comment" is meant so.

    A text that is wrapped may end before a line that begins so.
    """
    if event.end_mark is None or event.value in ("", "true", "false"):
        return
    line, column = event.end_mark.line, event.end_mark.column
    cut = _CUT_OFF.match(lines[line], column) if line < len(lines) else None
    if cut is None and line + 1 < len(lines) and not lines[line][column:].strip():
        line += 1
        cut = _CUT_OFF_BY_A_LINE.match(lines[line])
    if cut:
        words = f"{event.value} {cut[1]}"
        found = f"to YAML this text ends before {short(cut[1], 20)!r}: {short(words)!r} needs quotes"
        raise YamlError(file, line + 1, found)


def line_of(node: yaml.Node) -> int:
    """The line on which a node begins, from 1."""
    return int(node.start_mark.line) + 1


def is_mapping(node: yaml.Node | None) -> TypeGuard[yaml.MappingNode]:
    """Whether a node has keys with values."""
    import yaml

    return isinstance(node, yaml.MappingNode)


def _is_sequence(node: yaml.Node | None) -> TypeGuard[yaml.SequenceNode]:
    import yaml

    return isinstance(node, yaml.SequenceNode)


def _is_scalar(node: yaml.Node | None) -> TypeGuard[yaml.ScalarNode]:
    import yaml

    return isinstance(node, yaml.ScalarNode)


def items(node: yaml.Node | None, file: str) -> Iterator[yaml.Node]:
    """The items of a list; of nothing, none."""
    if node is None:
        return
    if not _is_sequence(node):
        raise YamlError(file, line_of(node), f"expected a list here, got {kind_of(node)}")
    yield from node.value


def entries(node: yaml.MappingNode, file: str) -> dict[Line, yaml.Node]:
    """The keys of a mapping, each of which stands there once, with their values."""
    found: dict[str, tuple[Line, yaml.Node]] = {}
    for key_node, value in node.value:
        key = text_of(key_node, file)
        if key.text in found:
            raise YamlError(file, key.line, f"{key.text} stands here a second time", "Join the two.")
        found[key.text] = key, value
    return dict(found.values())


def fields(
    node: yaml.Node | None,
    file: str,
    names: Set[str],
    *,
    required: bool = False,
    optional: Set[str] = frozenset(),
) -> dict[str, yaml.Node]:
    """The values of a mapping that has these keys and no others, and all of them if required.

    Args:
        optional: further keys that may stand there and need not.
    """
    if node is None and not required:
        return {}
    if not is_mapping(node):
        line = line_of(node) if node else 1
        raise YamlError(file, line, f"expected {_listed(names)} here, got {kind_of(node)}")
    keys = entries(node, file)
    strange = next((key for key in keys if key.text not in names | optional), None)
    if strange is not None:
        expected = f"expected {_listed(names | optional)} here, got {strange.text}"
        raise YamlError(file, strange.line, expected)
    found = {key.text: value for key, value in keys.items()}
    if found.keys() - names - optional or (required and names - found.keys()):
        raise YamlError(file, line_of(node), f"expected {_listed(names)} here, got {_listed(found.keys())}")
    return found


def text_of(node: yaml.Node, file: str) -> Line:
    """A text that is not empty, its blanks and line breaks made one blank each.

    Raises:
        YamlError: it is something else, or one of the words that stand for nothing in YAML, such as null.
    """
    if not _is_scalar(node) or not str(node.value).strip():
        why = ": words with a colon in them need quotes" if is_mapping(node) else ""
        raise YamlError(file, line_of(node), f"expected a text here, got {kind_of(node)}{why}")
    if node.tag == _NULL:
        found = f"expected a text here, got {node.value}, which stands for nothing in YAML"
        raise YamlError(
            file, line_of(node), found, "Write the text; if it is this word, put quotes around it."
        )
    return Line(" ".join(str(node.value).split()), line_of(node))


def kind_of(node: yaml.Node | None) -> str:
    """What a node is, in words for a message."""
    if _is_sequence(node):
        return "a list"
    if is_mapping(node):
        return "a mapping"
    return "nothing" if node is None or not str(node.value).strip() else f"the text {short(node.value)!r}"


def _line_of_byte(data: bytes | str, position: int) -> int:
    newline = b"\n" if isinstance(data, bytes) else "\n"
    return data.count(newline, 0, position) + 1  # type: ignore[arg-type]


def _listed(names: Set[str]) -> str:
    *first, last = sorted(names) or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def number_of(text: Line, name: str, file: str) -> int:
    """The whole number that a text is.

    Args:
        name: what the number is, for the message.

    Raises:
        YamlError: it is none.
    """
    if not text.text.removeprefix("-").isdecimal():
        raise YamlError(file, text.line, f"expected a number as {name}, got {text.text!r}")
    return int(text.text)


def truth_of(text: Line, name: str, file: str) -> bool:
    """Whether a text is true, and not false.

    Args:
        name: what is true or false, for the message.

    Raises:
        YamlError: it is neither.
    """
    if text.text not in ("true", "false"):
        raise YamlError(file, text.line, f"expected {name} to be true or false, got {text.text!r}")
    return text.text == "true"


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar, YYYY-MM-DD."""
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_to_come(day: str) -> bool:
    """Whether a day, YYYY-MM-DD, has begun nowhere on Earth."""
    return date.fromisoformat(day) > (datetime.now(UTC) + _AHEAD).date()


def texts_by_number(node: yaml.Node | None, what: str, file: str) -> Iterator[tuple[Line, int]]:
    """The texts of lists that stand under numbers, each with its number.

    Args:
        what: what the lists are of, for the message.

    Raises:
        YamlError: the node is no mapping of numbers to lists of texts.
    """
    if not is_mapping(node):
        line = line_of(node) if node else 1
        raise YamlError(file, line, f"expected lists of {what} by points here")
    for number, listed in entries(node, file).items():
        points = number_of(number, "points", file)
        for text in items(listed, file):
            yield text_of(text, file), points
