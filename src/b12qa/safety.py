"""What frames every answer: care cards for red flags, the disclaimer, and who is speaking.

All of it works without an index and without a model, so that a card is shown even where they fail.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from b12qa.errors import QueryError, YamlError
from b12qa.records import CareCard, CareLevel, HelpLine, Notice, NoticeKind
from b12qa.strict_yaml import compose, entries, fields, is_mapping, line_of, text_of

if TYPE_CHECKING:
    from b12qa.flag_rules import Concept
    from b12qa.redflags import Met, RedFlags

REGION_VARIABLE = "B12QA_REGION"
REGIONS_FILE = "regions.yaml"
DEFAULT_REGION = "default"
LINES = ("emergency", "advice", "crisis", "poison")

WHAT_THIS_IS = "This is a machine. It shows what an article says, word for word."
WHAT_IT_IS_NOT = "It is not a person. It gives no advice and no diagnosis, and it does not know your health."
WHAT_TO_DO = (
    "Ask a pharmacist or a doctor before you act on it. In an emergency, call your local emergency number."
)
DISCLAIMER = f"{WHAT_THIS_IS} {WHAT_IT_IS_NOT} {WHAT_TO_DO}"
ABOUT = (
    "This is a machine, not a person, and not a doctor or a nurse. No doctor checks its answers. It writes "
    "no text of its own about your health. It looks for the parts of an article that fit your question, and "
    "shows them word for word. It can miss things. For advice, ask a pharmacist or a doctor."
)

LEVEL_WORDS = {
    CareLevel.EMERGENCY: "Emergency: get help now",
    CareLevel.URGENT: "Urgent: get help today",
    CareLevel.SOON: "See someone soon",
}
WHOM_TO_CALL = "In an emergency, call {number}."
WHOM_TO_CONTACT = "If you think of harming yourself, contact {crisis} now."
IN_EMERGENCY = f"Not medical advice. {WHOM_TO_CALL}"
TOLD_BEFORE = (
    "This is about what you wrote before. "
    "If someone sees to it now, or if it was long ago, say so and ask again."
)
# With these, nothing is searched and nothing quoted.
BEFORE_ANY_QUOTE = (CareLevel.EMERGENCY, CareLevel.URGENT)


def disclaimer() -> Notice:
    """The notice that every answer carries, whatever its outcome."""
    return Notice(NoticeKind.DISCLAIMER, DISCLAIMER)


def care_card(question: str, history: Sequence[str] = (), region: str | None = None) -> CareCard | None:
    """The card for the most severe red flag in a message, or none.

    Args:
        question: as typed, of any length; all of it is read.
        history: the user's earlier questions, oldest first.
        region: a region of `regions.yaml`; by default the environment variable B12QA_REGION, or none.

    Raises:
        QueryError: there is no such region. A wrong environment variable counts as none: it must not
            keep a card from being shown, and `b12qa chat` refuses to start with it.
    """
    return _card_for(_met(question, history), region)


def care_card_and_about(question: str, history: Sequence[str] = ()) -> tuple[CareCard | None, Notice | None]:
    """`care_card`, and the honest reply to "are you a doctor?": the message is read once."""
    met = _met(question, history)
    return _card_for(met, None), Notice(NoticeKind.ABOUT, ABOUT) if met.asks_who else None


def stands_alone(card: CareCard | None) -> bool:
    """Whether there is a card with which nothing is searched and nothing quoted."""
    return card is not None and card.level in BEFORE_ANY_QUOTE


def care_notice(card: CareCard) -> Notice:
    """A card as plain text."""
    lines = [LEVEL_WORDS[card.level], card.title, card.text, *(f"- {step}" for step in card.steps)]
    return Notice(NoticeKind.CARE, "\n".join([*lines, *([TOLD_BEFORE] if card.told_before else [])]))


def in_emergency() -> str:
    """What this is not, and whom to call."""
    return IN_EMERGENCY.format(number=_lines(None)["emergency"].number)


def whom_to_call() -> str:
    """Whom to call in an emergency, in one sentence."""
    return WHOM_TO_CALL.format(number=_lines(None)["emergency"].number)


def whom_to_contact() -> str:
    """Whom to contact in a crisis, in one sentence."""
    return WHOM_TO_CONTACT.format(crisis=_lines(None)["crisis"].number)


def help_lines(region: str | None = None) -> Mapping[str, HelpLine]:
    """Whom to call, by the name of the line. Argument as in `care_card`."""
    wanted = region or os.environ.get(REGION_VARIABLE) or DEFAULT_REGION
    regions = load_regions()
    found = {name.casefold(): name for name in regions}.get(wanted.strip().casefold())
    if found is None:
        raise QueryError(
            f"Expected one of {', '.join(sorted(regions))} as region, got {wanted!r}. "
            f"Set {REGION_VARIABLE} to one of them, or leave it out."
        )
    return regions[found]


@cache
def load_regions() -> Mapping[str, Mapping[str, HelpLine]]:
    """The regions that come with the package."""
    return read_regions((files("b12qa") / "data" / REGIONS_FILE).read_bytes(), REGIONS_FILE)


def read_regions(data: bytes, file: str) -> Mapping[str, Mapping[str, HelpLine]]:
    """Read whom to call, by region and line.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    node = compose(data, file)
    if not is_mapping(node):
        raise YamlError(file, 1, "expected regions by name here")
    regions = {}
    for name, value in entries(node, file).items():
        parts = fields(value, file, {"name", *LINES}, required=True)
        regions[name.text] = {line: HelpLine(line, text_of(parts[line], file).text) for line in LINES}
    if DEFAULT_REGION not in regions:
        raise YamlError(file, line_of(node), f"no region is named {DEFAULT_REGION!r}", "Add it.")
    return regions


def _red_flags() -> RedFlags:
    # The rules bring the list of English words along; a command that needs none should start at once.
    from b12qa.redflags import load_red_flags

    return load_red_flags()


def _met(question: str, history: Sequence[str]) -> Met:
    """What is to be met before anything is searched, in any language.

    In other languages than English an emergency counts once more in the next message, and nothing else does.
    """
    from b12qa.courtesy import load_courtesies
    from b12qa.elsewhere import load_elsewhere
    from b12qa.redflags import EARLIER_MESSAGES

    # What is asked of a page is known word for word and tells of no danger, but for fear.
    tells_nothing = load_courtesies().tells_nothing
    question, *history = (
        "" if tells_nothing(text) else text for text in (question, *history[-EARLIER_MESSAGES:])
    )
    rules = _red_flags()
    met = rules.meet(question, history)
    now, before = load_elsewhere().flags_in(question), load_elsewhere().flags_in("".join(history[-1:]))
    concept = next(
        (
            concept
            for concept in rules.concepts  # the most severe first
            if concept is met.concept
            or concept.id in now
            or (concept.id in before and concept.level is CareLevel.EMERGENCY)
        ),
        None,
    )
    if concept is None:
        return met
    told_now = concept.id in now or (concept is met.concept and not met.told_before)
    return met._replace(concept=concept, told_before=not told_now)


def _card_for(met: Met, region: str | None) -> CareCard | None:
    if met.concept is None:
        return None
    return replace(_card(met.concept, _lines(region)), told_before=met.told_before)


def _lines(region: str | None) -> Mapping[str, HelpLine]:
    """`help_lines`, and those of no region where the environment variable names none that there is."""
    try:
        return help_lines(region)
    except QueryError:
        if region is not None:
            raise
        return help_lines(DEFAULT_REGION)


def _card(concept: Concept, lines: Mapping[str, HelpLine]) -> CareCard:
    words = {name: line.number for name, line in lines.items()}
    return CareCard(
        level=concept.level,
        concept=concept.id,
        title=concept.title,
        text=concept.text,
        steps=tuple(step.format_map(words) for step in concept.steps),
        numbers=tuple(
            line for name, line in lines.items() if any(f"{{{name}}}" in step for step in concept.steps)
        ),
        source="; ".join(concept.sources),
    )
