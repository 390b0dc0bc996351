"""Count what the rules for red flags and for treatment make of messages by other hands.

python evals/safety_sets.py

Rows of ``red-flags-test.jsonl`` are labelled "urgent" or "harmless", those of ``treatment-test.jsonl``
"treatment", "personal" or "neither"; `history` holds the person's earlier messages. No rule was written
or mended with these messages in view. No model is needed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from b12qa.redflags import load_red_flags
from b12qa.treatment import load_rules

HERE = Path(__file__).parent


class Message(NamedTuple):
    """One labelled message of a conversation."""

    label: str
    text: str
    history: list[str]


def messages(name: str) -> Iterator[Message]:
    """The rows of a set beside this file."""
    for line in (HERE / name).read_text("utf-8").splitlines():
        row = json.loads(line)
        yield Message(row["label"], row["message"], row["history"])


def red_flags() -> Counter[tuple[str, bool]]:
    """How many messages of each label get a care card, and how many do not."""
    rules = load_red_flags()
    return Counter(
        (message.label, rules.find(message.text, message.history) is not None)
        for message in messages("red-flags-test.jsonl")
    )


def treatment() -> Counter[tuple[str, str]]:
    """How many messages of each label are taken for what."""
    rules = load_rules()
    counts: Counter[tuple[str, str]] = Counter()
    for message in messages("treatment-test.jsonl"):
        joined = " ".join([*message.history, message.text]) if message.history else ""
        asked = rules.asked(message.text, joined, message.history)
        taken_for = "personal" if asked.personal else "treatment" if asked.treatment else "neither"
        counts[message.label, taken_for] += 1
    return counts


def main() -> None:
    """Print both tables."""
    for (label, card), count in sorted(red_flags().items()):
        print(f"{label:10} {'a care card' if card else 'none':12} {count}")
    for (label, taken_for), count in sorted(treatment().items()):
        print(f"{label:10} {taken_for:12} {count}")


if __name__ == "__main__":
    main()
