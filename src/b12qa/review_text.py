"""`Review` → what an editor reads of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from b12qa.changes import turned_around
from b12qa.corpus import Problem, Severity
from b12qa.plain import short
from b12qa.records import Outcome
from b12qa.reviewing import BANK, Change, Review, Reviewed, Seen

WORDS_AROUND = 8  # an edit
MAX_CHARACTERS = 160  # of a text that is there or not
NOTHING = "nothing"

_HEADINGS = {
    Change.LOST: ("question is no longer treated rightly", "questions are no longer treated rightly"),
    Change.BARE: (
        "question is shown without a note, a partner or a warning that it had",
        "questions are shown without a note, a partner or a warning that they had",
    ),
    Change.GAINED: ("question is treated rightly now", "questions are treated rightly now"),
    Change.OUTCOME: ("question has another outcome", "questions have another outcome"),
    Change.PASSAGE: ("question gets another passage", "questions get another passage"),
    Change.WORDING: ("question gets the same passage, edited", "questions get the same passages, edited"),
    Change.HIGHLIGHT: (
        "question gets the same passage with another sentence marked",
        "questions get the same passages with another sentence marked",
    ),
    Change.OTHERS: (
        "question gets the same passage first, and other quotes with it",
        "questions get the same passage first, and other quotes with it",
    ),
    Change.NOTE: ("question gets other notes", "questions get other notes"),
    Change.PLACE: (
        "question gets the same quotes under another heading or title",
        "questions get the same quotes under another heading or title",
    ),
    Change.SAID: (
        "question gets other words of ours beside the same quotes",
        "questions get other words of ours beside the same quotes",
    ),
}


def summary(found: Review, most: int = 10) -> str:
    """The review as text.

    Args:
        most: how many questions, or edits that touch several, to list of each kind.
    """
    lines = [f"Compared {found.after} with {found.before}: {found.asked} questions asked of both."]
    for change in Change:
        some = [reviewed for reviewed in found.touched if reviewed.change is change]
        if not some:
            continue
        one, several = _HEADINGS[change]
        lines += ["", f"{len(some)} {one if len(some) == 1 else several}:"]
        differs = _DIFFERENCES.get(change)
        lines += _listed(some, most) if differs is None else _by_difference(some, differs, most)
    if not found.asked:
        lines.append("Nothing is known: no bank asks anything of both. Name questions with --questions.")
    elif not found.touched:
        lines.append("No answer changes.")
    if found.hanging:
        lines += ["", f"Left to mend by the edit ({len(found.hanging)}):", *_some(found.hanging, most)]
        for was, now in found.reworded[:most]:
            lines += [
                f"  If this is the same sentence still: {was}",
                f"  let the bank say:                   {now}",
            ]
            if turned := turned_around(was, now):
                lines.append(f"  It may say the opposite ({turned}).")
    if found.hanging_evidence:
        count, ids = len(found.hanging_evidence), ", ".join(map(repr, found.hanging_evidence))
        lines += ["", f"Evaluation questions whose gold sentence is gone ({count}), by their ids: {ids}"]
    return "\n".join(lines)


# Question by question.


def _listed(some: Sequence[Reviewed], most: int) -> list[str]:
    lines = []
    for reviewed in some[:most]:
        lines += [
            f"  {_asked(reviewed)}{_expected(reviewed)}",
            f"      before: {_seen_words(reviewed.before)}",
            f"      after:  {_seen_words(reviewed.after)}",
        ]
    return lines + _more(len(some) - most)


def _expected(reviewed: Reviewed) -> str:
    """That no answer is expected, and what to do where the edit may have brought one."""
    if reviewed.answerable:
        return ""
    by_bank = reviewed.origin == BANK
    expected = ", which the bank leaves open" if by_bank else ", which its row calls unanswerable"
    answered = [seen.outcome is Outcome.ANSWERED for seen in (reviewed.before, reviewed.after)]
    if answered != [False, True]:
        return expected
    remedy = "let the bank say so under sentences" if by_bank else "mend the row"
    return f"{expected}; if the article answers it now, {remedy}"


def _asked(reviewed: Reviewed) -> str:
    where = "" if reviewed.origin == BANK else f" ({reviewed.origin})"
    return f"{' / '.join([*reviewed.history, reviewed.question])}{where}"


def _seen_words(seen: Seen) -> str:
    words = seen.outcome.value.replace("_", " ")
    return f"{words}: {seen.sentence} [{' > '.join(seen.section_path)}]" if seen.passage else words


# Edit by edit, each with the number of questions that it touches.

Difference = tuple[str, str]  # before, after


def _by_difference(
    some: Sequence[Reviewed], differs: Callable[[Seen, Seen], list[Difference]], most: int
) -> list[str]:
    touched: dict[Difference, list[Reviewed]] = defaultdict(list)
    for reviewed in some:
        for edit in differs(reviewed.before, reviewed.after):
            touched[edit].append(reviewed)
    lines = []
    for edit in sorted(touched, key=lambda edit: -len(touched[edit]))[:most]:
        example, count = touched[edit][0], len(touched[edit])
        such_as = "" if count == 1 else f"{count} such as: "
        path = " > ".join(example.after.section_path)
        where = f" [{path}]" if path else ""
        was, now = edit
        lines += [f"  {such_as}{_asked(example)}{where}", f"      before: {was}", f"      after:  {now}"]
    return lines + _more(len(touched) - most)


_DIFFERENCES: dict[Change, Callable[[Seen, Seen], list[Difference]]] = {
    Change.BARE: lambda before, after: _lists(before.quotes + before.notes, after.quotes + after.notes),
    Change.WORDING: lambda before, after: [_difference(before.passage, after.passage)],
    Change.OTHERS: lambda before, after: _lists(before.quotes, after.quotes),
    Change.NOTE: lambda before, after: _lists(before.notes, after.notes),
    Change.PLACE: lambda before, after: _lists(before.places, after.places),
    Change.SAID: lambda before, after: _lists(before.said, after.said),
}


def _lists(before: Sequence[str], after: Sequence[str]) -> list[Difference]:
    """What two lists do not have in common, one by one if they are as long; else the order of both."""
    gone, come = _only(before, after), _only(after, before)
    if len(gone) == len(come) > 0:
        return [_difference(was, now) for was, now in zip(gone, come, strict=True)]
    return [(_joined(gone), _joined(come)) if gone or come else (_joined(before), _joined(after))]


def _only(texts: Sequence[str], others: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text not in others]


def _joined(texts: Sequence[str]) -> str:
    return " | ".join(short(text, MAX_CHARACTERS) for text in texts) or NOTHING


def _difference(before: str, after: str) -> Difference:
    """The stretch in which two texts differ, with a few words around it."""
    was, now = before.split(), after.split()
    blocks = SequenceMatcher(None, was, now, autojunk=False).get_opcodes()
    edits = [block for block in blocks if block[0] != "equal"]
    if not edits:  # only blanks differ
        return before, after
    _, first_was, _, first_now, _ = edits[0]
    _, _, last_was, _, last_now = edits[-1]
    return _stretch(was, first_was, last_was), _stretch(now, first_now, last_now)


def _stretch(words: Sequence[str], first: int, last: int) -> str:
    start, end = max(0, first - WORDS_AROUND), last + WORDS_AROUND
    return ("… " if start else "") + " ".join(words[start:end]) + (" …" if end < len(words) else "")


def _some(problems: Sequence[Problem], most: int) -> list[str]:
    """The first problems, and all that are errors, which come first: a build refuses them."""
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    most = max(most, errors)
    return [f"  {problem}" for problem in problems[:most]] + _more(len(problems) - most)


def _more(count: int) -> list[str]:
    return [f"  … and {count} more; --show lists more, --json all"] if count > 0 else []
