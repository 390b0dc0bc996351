"""Thanks, greetings, fear, and what is asked of the page itself → a plain reply, without a search.

What counts stands in ``data/courtesy.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from b12qa import compiled
from b12qa.disguise import normalized
from b12qa.errors import YamlError
from b12qa.rule_files import expressions_of, lists_by_name, written_out
from b12qa.strict_yaml import compose, fields, items, text_of, truth_of

if TYPE_CHECKING:
    import yaml

COURTESY_FILE = "courtesy.yaml"
# A longer message has something to say.
MAX_WORDS = 14
MAX_CHARACTERS = 300
MAX_WORDS_OF_A_PHRASE = 8
_WORD = re.compile(r"[a-z0-9']+")
# As it is typed on a phone.
_SHORT = {"u": "you", "ur": "your", "r": "are", "pls": "please", "plz": "please"}


@dataclass(frozen=True, slots=True)
class Courtesies:
    """What is said to a page and not to an article, and what is replied."""

    replies: Mapping[str, str]  # by what is said, as in the file; empty for what may be said around it
    with_answer: AbstractSet[str]  # the replies below which the answer before is shown once more
    of_fear: AbstractSet[str]  # the replies to what may tell of danger: red flags are looked for all the same

    def reply(self, message: str) -> str:
        """The reply to a message that says nothing but what is in the file; otherwise empty."""
        if len(message) > MAX_CHARACTERS:
            return ""
        said = [_SHORT.get(word, word.replace("'", "")) for word in _WORD.findall(normalized(message))]
        if len(said) > MAX_WORDS:
            return ""
        found: set[str] = set()
        start = 0
        while start < len(said):
            ends = range(min(start + MAX_WORDS_OF_A_PHRASE, len(said)), start, -1)
            end = next((end for end in ends if " ".join(said[start:end]) in self.replies), None)
            if end is None:
                return ""
            found.add(self.replies[" ".join(said[start:end])])
            start = end
        return next((reply for reply in self.replies.values() if reply and reply in found), "")

    def tells_nothing(self, message: str) -> bool:
        """Whether there is a reply to a message, and it tells of no fear either."""
        reply = self.reply(message)
        return bool(reply) and reply not in self.of_fear


@cache
def load_courtesies() -> Courtesies:
    """What comes with the package."""
    parts = compiled.rules(COURTESY_FILE, read_courtesies)
    return Courtesies(parts["replies"], frozenset(parts["with_answer"]), frozenset(parts["of_fear"]))


def read_courtesies(data: bytes, file: str) -> dict[str, Any]:
    """Read what is said to a page, as plain data.

    Args:
        file: the name for messages.

    Returns:
        The parts of `Courtesies`.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    parts = fields(compose(data, file), file, {"lists", "idle", "replies"}, required=True)
    replies: dict[str, str] = {}
    with_answer: list[str] = []
    of_fear: list[str] = []
    lists: dict[str, tuple[str, ...]] = {}
    for name, words in lists_by_name(parts["lists"], file).items():
        lists[name.text] = expressions_of(words, file, lists)

    def add(words: yaml.Node, reply: str) -> None:
        for word in items(words, file):
            expression = text_of(word, file)
            for phrase in written_out(expression, file, lists):
                if phrase in replies:
                    raise YamlError(
                        file, expression.line, f"{phrase!r} stands here twice", "Remove one of them."
                    )
                if len(phrase.split()) > MAX_WORDS_OF_A_PHRASE:
                    most = f"expected at most {MAX_WORDS_OF_A_PHRASE} words"
                    raise YamlError(file, expression.line, f"{most}, got {phrase!r}")
                replies[phrase] = reply

    add(parts["idle"], "")
    for node in items(parts["replies"], file):
        values = fields(node, file, {"words", "reply"}, required=True, optional={"with answer", "of fear"})
        reply = text_of(values["reply"], file).text
        add(values["words"], reply)
        if "with answer" in values and truth_of(text_of(values["with answer"], file), "with answer", file):
            with_answer.append(reply)
        if "of fear" in values and truth_of(text_of(values["of fear"], file), "of fear", file):
            of_fear.append(reply)
    return {"replies": replies, "with_answer": with_answer, "of_fear": of_fear}
