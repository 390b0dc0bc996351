"""Front matter → what a document says of itself.

It is YAML between two lines ``---`` at the very start of the file::

    ---
    title: Looking after a bicycle
    source: Handbook of the bicycle workshop, second edition
    reviewed: 2025-03-01
    language: en
    license: CC BY 4.0
    ---

Every key is optional. ``draft: true`` keeps a document out of the index.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from b12qa.errors import YamlError
from b12qa.markdown import find_front_matter
from b12qa.records import About
from b12qa.strict_yaml import Line, compose, entries, is_day, is_mapping, kind_of, text_of, truth_of

KEYS = (*(field.name for field in fields(About)), "draft")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the front matter of one document says."""

    about: About
    draft: bool  # not to be indexed until an editor has read it
    lines: Mapping[str, int]  # where each key stands, from 1; also keys that are not in `KEYS`


def read_front_matter(text: str, file: str) -> Metadata:
    """Read the front matter of a document; without one, there is nothing that it says of itself.

    Raises:
        YamlError: it is no YAML, or a value is not of its kind.
    """
    found = find_front_matter(text)
    if found is None:
        return Metadata(About(), False, {})
    node = compose(text[slice(*found.yaml)], file)
    if not is_mapping(node):
        raise YamlError(file, 2, f"expected lines such as 'title: words' here, got {kind_of(node)}")
    values = entries(node, file)
    for key in values:
        if key.text not in KEYS and key.text.lower() in KEYS:
            raise YamlError(
                file, key.line, f"expected {key.text.lower()!r} in small letters, got {key.text!r}"
            )
    known = {key.text: text_of(value, file) for key, value in values.items() if key.text in KEYS}
    draft = "draft" in known and truth_of(known.pop("draft"), "draft", file)
    if "reviewed" in known:
        _check_day(known["reviewed"], file)
    if "language" in known:
        _check_language(known["language"], file)
    about = About(**{key: value.text for key, value in known.items()})
    return Metadata(about, draft, {key.text: key.line for key in values})


def _check_day(value: Line, file: str) -> None:
    if not is_day(value.text):
        message = f"expected reviewed to be a day such as 2025-03-01, got {value.text!r}"
        raise YamlError(file, value.line, message)


def _check_language(value: Line, file: str) -> None:
    if not _LANGUAGE.fullmatch(value.text):
        message = f"expected language to be a tag such as en or pt-BR, got {value.text!r}"
        raise YamlError(file, value.line, message)
