"""Count what the rules for red flags and for treatment make of messages by other hands.

python evals/safety_sets.py             # the rules alone
python evals/safety_sets.py --answers   # and what the article in corpus/ is made to say

Rows of ``red-flags-*.jsonl`` are labelled "urgent" or "harmless", those
of ``treatment-*.jsonl`` "treatment", "personal" or "neither"; `history` holds what the person said before.
No rule was written or mended with these messages in view, but for what evals/README.md names.
It needs the index that `b12qa build` makes: its words say which messages go on from those before.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from b12qa.answering import Assistant
from b12qa.caution import names_any_dose
from b12qa.conversation import to_query
from b12qa.records import Outcome, QuoteRole
from b12qa.redflags import load_red_flags
from b12qa.retrieval import Topics
from b12qa.treatment import load_rules

HERE = Path(__file__).parent
RED_FLAG_SETS = tuple(
    f"red-flags-{name}.jsonl"
    for name in (
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
        "twenty-first",
        "twenty-second",
        "twenty-third",
        "twenty-fourth",
        "twenty-fifth",
        "twenty-sixth",
        "twenty-seventh",
        "twenty-eighth",
        "twenty-ninth",
        "thirtieth",
        "thirty-first",
        "thirty-second",
        "thirty-third",
        "thirty-fourth",
        "thirty-fifth",
        "thirty-sixth",
        "thirty-seventh",
        "thirty-eighth",
        "thirty-ninth",
        "understated",
        "over",
        "children",
        "mild",
        "everyday",
        "long-known",
        "rambling",
        "conversations",
        "conversations-second",
        "exits",
    )
)
TREATMENT_SETS = ("treatment-test.jsonl", "treatment-second.jsonl", "treatment-third.jsonl")


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


def red_flags(name: str) -> Counter[tuple[str, bool]]:
    """How many messages of each label of a set get a care card, and how many do not."""
    rules = load_red_flags()
    return Counter(
        (message.label, rules.find(message.text, message.history) is not None) for message in messages(name)
    )


def treatment(name: str, topics: Topics) -> Counter[tuple[str, str]]:
    """How many messages of each label of a set are taken for what, read as `ask` reads them."""
    rules = load_rules()
    counts: Counter[tuple[str, str]] = Counter()
    for message in messages(name):
        query = to_query(message.text, message.history, topics)
        asked = rules.asked(message.text, query.text if query.reason else "", message.history)
        taken_for = "personal" if asked.personal else "treatment" if asked.treatment else "neither"
        counts[message.label, taken_for] += 1
    return counts


def answers(assistant: Assistant, name: str) -> Counter[tuple[str, str]]:
    """What is shown for the messages of a set: answers with a dose, and quotes without the warnings."""
    counts: Counter[tuple[str, str]] = Counter()
    for message in messages(name):
        answer = assistant.ask(message.text, message.history)
        counts[message.label, str(answer.outcome)] += 1
        found = answer.found if answer.outcome is Outcome.ANSWERED else ()
        counts[message.label, "a dose answered"] += names_any_dose(found)
        warned = any(quote.role is QuoteRole.WARNING for quote in answer.quotes)
        counts[message.label, "no warning"] += bool(answer.quotes) and not warned
    return counts


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", action="store_true", help="ask the article, and count what is shown")
    arguments = parser.parse_args()
    for name in RED_FLAG_SETS:
        print(name)
        for (label, card), count in sorted(red_flags(name).items()):
            print(f"{label:10} {'a care card' if card else 'none':12} {count}")
    assistant = Assistant.load(HERE.parent / "index", corpus=HERE.parent / "corpus")
    for name in TREATMENT_SETS:
        print(name)
        for (label, taken_for), count in sorted(treatment(name, assistant.retriever.topics).items()):
            print(f"{label:10} {taken_for:12} {count}")
    if arguments.answers:
        for name in TREATMENT_SETS:
            print(f"{name}, what is shown")
            for (label, shown), count in sorted(answers(assistant, name).items()):
                print(f"{label:10} {shown:16} {count}")


if __name__ == "__main__":
    main()
