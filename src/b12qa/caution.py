"""What a question on treatment changes about its answer: warnings, what is not answered, our own words.

What is asked is read from the words (`treatment.py`), where warnings stand from the notes (`notes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from b12qa.companions import rows_of_warnings
from b12qa.fairness import quote_around, quote_sentences, rows_in
from b12qa.index import Index
from b12qa.lexical import Scores
from b12qa.records import Notice, NoticeKind, Outcome, Quote, QuoteRole
from b12qa.treatment import ANIMAL, Asked, Rules, names_dose

MAX_WARNINGS = 2
# A further passage of warnings must score at least this share of the first.
WARNING_SHARE = 0.7
# A longer passage is cut to the sentence that fits best, with what that leans on.
MAX_WARNING_CHARACTERS = 700

NO_DOSE = "This article cannot tell you your dose. Ask a pharmacist or your doctor."
NOT_ABOUT_YOU = "This article cannot tell what is right for you. Ask a pharmacist or your doctor."
NO_RESULT = "This article cannot tell what a test result means for you. Ask the doctor who had it done."
NO_DIAGNOSIS = "This article cannot tell what you have. Ask a doctor."
SEE_SOMEONE = "If you are worried, or if it gets worse, see a doctor. No machine can tell you when."
KEEP_MEDICINES = "Do not stop or change a medicine on your own. Ask the person who prescribed it first."
NO_ANIMAL = "This article is about people. For an animal, ask a vet."
TEST_FIRST = "Ask for a blood test before you start."
# By what no article can tell, the first of several first.
_CANNOT = {ANIMAL: NO_ANIMAL, "see": SEE_SOMEONE, "result": NO_RESULT, "diagnosis": NO_DIAGNOSIS}


@dataclass(frozen=True, slots=True)
class Decision:
    """What of the quotes that answer may be shown to who asks."""

    asked: Asked  # as it is read now
    outcome: Outcome
    answers: list[Quote]  # best first
    without_doses: bool = False  # something is told of somebody, and what named a dose was cut or left out


def decide(asked: Asked, outcome: Outcome, answers: Sequence[Quote], index: Index, rules: Rules) -> Decision:
    """What becomes of the quotes that answer, by what the question asks and of whom.

    Args:
        outcome: by what was found alone.
        answers: best first.
    """
    of_a_person = asked.personal or asked.of_somebody
    is_for_somebody = asked.decides or asked.special or asked.cannot
    if outcome is Outcome.ANSWERED and of_a_person and asked.amount and not is_for_somebody:
        on_food = [quote for quote in answers if _on_food(quote, rules)]
        if _have_the_first(on_food, answers):
            # What is in a food is no dose: "yogurt is my only dairy, how much does it give?"
            return Decision(asked.of_no_treatment(), outcome, on_food)
    is_cut = asked.of_somebody and names_dose_to_take(answers, rules)
    if is_cut:
        may_answer = asked.only_told and outcome is Outcome.ANSWERED
        left = without_doses(index, answers, rules) if may_answer else []
        if not left:
            return decide(asked.of_a_person(), outcome, answers, index, rules)
        answers = left
    if asked.cannot and outcome is Outcome.ANSWERED:
        outcome, answers = Outcome.RELATED, answers[:1]
    if asked.personal and outcome is Outcome.ANSWERED:
        fit = answers_for_a_person(asked, answers, index, rules)
        outcome, answers = (outcome, fit) if fit else (Outcome.RELATED, answers[:1])
    if asked.personal and asked.special and outcome is not Outcome.ANSWERED:
        # What adults take is not even close to what a baby takes.
        answers = [quote for quote in answers if not names_dose_to_take([quote], rules)]
    if not asked.treatment and stands_among_treatments(index, answers, rules):
        asked = replace(asked, treatment=True)
    return Decision(asked, outcome, list(answers), is_cut)


def answers_for_a_person(asked: Asked, answers: Sequence[Quote], index: Index, rules: Rules) -> list[Quote]:
    """Of the quotes that answer, those that may answer what a person asks for themselves; maybe none.

    No article knows how much somebody should take, or what a child, a pregnancy or weak kidneys change. What
    else is personal may be answered by a warning that names no dose, and if a medicine is asked about, speaks
    of it or its class. The warning comes first; other quotes without a dose may follow.

    Where nothing is to be decided, what is no warning answers as well, on the same terms ("will a spray work
    with my blocked nose?").
    """
    if asked.amount or asked.special:
        return []
    fit = [quote for quote in answers if not names_dose(_words(quote))]
    named = asked.medicines - {rules.any_medicine}
    on_it = [q for q in fit if not named or not named.isdisjoint(rules.lists_in(_words(q)))]
    warn = [quote for quote in on_it if _warns(index, quote)]
    if warn:
        return [*warn, *(quote for quote in fit if quote not in warn)]
    return fit if _have_the_first(on_it, answers) and not asked.decides else []


def _have_the_first(quotes: Sequence[Quote], answers: Sequence[Quote]) -> bool:
    """Whether the best answer is among some of the answers: those below it are none without it."""
    return bool(quotes) and quotes[0] is answers[0]


def names_any_dose(quotes: Sequence[Quote]) -> bool:
    """Whether a quote says how much or how often to take something."""
    return any(names_dose(_words(quote)) for quote in quotes)


def names_dose_to_take(quotes: Sequence[Quote], rules: Rules) -> bool:
    """Whether a quote says how much or how often to take something, rather than what is in a food."""
    return any(names_dose(_words(quote)) and not _on_food(quote, rules) for quote in quotes)


def _on_food(quote: Quote, rules: Rules) -> bool:
    """Whether a quote stands in a section on food."""
    return "food" in rules.lists_in(" ".join(quote.section_path[-1:]))


def without_doses(index: Index, answers: Sequence[Quote], rules: Rules) -> list[Quote]:
    """The quotes that answer, those with a dose to take cut to the sentence that was found.

    A quote whose sentence, with what that leans on, names a dose itself is left out; without the first
    there are none.
    """
    kept: list[Quote] = []
    for quote in answers:
        cut = quote if not names_dose_to_take([quote], rules) else _sentence_found(index, quote)
        if not names_dose_to_take([cut], rules):
            kept.append(cut)
        elif not kept:
            return []
    return kept


def _sentence_found(index: Index, quote: Quote) -> Quote:
    rows = rows_in(index, index.position_of(quote.document), *quote.highlights[0])
    return quote_sentences(index, rows, QuoteRole.ANSWER)


def stands_among_treatments(index: Index, quotes: Sequence[Quote], rules: Rules) -> bool:
    """Whether the first quote, or one with a dose, stands in a section on treatment.

    Whatever was asked, what is read there is read as advice on it. Such a section is named by the notes, or
    its heading speaks of treatment, doses or safety.
    """
    read = [quote for quote in quotes if quote is quotes[0] or names_any_dose([quote])]
    if any(_stands_in(index, index.treatment_sections, quote) for quote in read):
        return True
    headings = {quote.section_path[-1] for quote in read if quote.section_path}
    return any(not rules.finds(heading).isdisjoint({"treatment", "dose", "safety"}) for heading in headings)


def with_warnings(
    index: Index, answers: Sequence[Quote], scores: Scores, document: str
) -> tuple[list[Quote], list[Quote]]:
    """The warnings that a question on treatment brings along.

    Args:
        answers: best first.
        scores: of all sentences for the question.
        document: whose warnings.

    Returns:
        The answers, those of them that stand in a section of warnings marked as such and at most second;
        and one or two warnings that fit the question best, if no answer is one.
    """
    warn = [quote for quote in answers if _warns(index, quote)]
    if not warn:
        rows = rows_of_warnings(index, index.position_of(document))
        return list(answers), _best_warnings(index, rows, scores)
    others = [quote for quote in answers if quote not in warn]
    marked = [replace(quote, role=QuoteRole.WARNING, also_answers=True) for quote in warn]
    first = [] if answers[0] in warn else others[:1]
    return [*first, *marked, *others[len(first) :]], []


def _warns(index: Index, quote: Quote) -> bool:
    """Whether a quote stands in a section of warnings."""
    return _stands_in(index, index.warning_sections, quote)


def _stands_in(index: Index, sections: Iterable[tuple[int, int]], quote: Quote) -> bool:
    for document, number in sections:
        section = index.documents[document].sections[number]
        if index.documents[document].name == quote.document and section.start <= quote.start < section.end:
            return True
    return False


def _best_warnings(index: Index, rows: Sequence[int], scores: Scores) -> list[Quote]:
    best: dict[int, int] = {}  # sentence by chunk
    for row in sorted(rows, key=lambda row: -scores[row]):
        best.setdefault(index.sentences[row].chunk, row)
    chosen = list(best.values())[:MAX_WARNINGS]
    least = WARNING_SHARE * float(scores[chosen[0]]) if chosen else 0.0
    return [_warning(index, row) for row in chosen if row == chosen[0] or scores[row] >= max(least, 0.0)]


def _warning(index: Index, row: int) -> Quote:
    chunk = index.chunks[index.sentences[row].chunk]
    if chunk.end - chunk.start > MAX_WARNING_CHARACTERS:
        return quote_sentences(index, [row], QuoteRole.WARNING)
    return quote_around(index, row, QuoteRole.WARNING)


def cautions(asked: Asked, outcome: Outcome) -> list[Notice]:
    """Our words beside the answer to a question on treatment: one line, or two with a medicine."""
    found = []
    cannot = next((words for name, words in _CANNOT.items() if name in asked.cannot), None)
    of_people = ANIMAL not in asked.cannot
    if cannot is not None and not (asked.personal and asked.amount and of_people):
        found.append(Notice(NoticeKind.PERSONAL, cannot))
    elif asked.personal:
        found.append(Notice(NoticeKind.PERSONAL, NO_DOSE if asked.how_much else NOT_ABOUT_YOU))
    elif asked.suffers:
        found.append(Notice(NoticeKind.PERSONAL, SEE_SOMEONE))
    if asked.medicines:
        found.append(Notice(NoticeKind.MEDICINE, KEEP_MEDICINES))
    if not found and asked.beginning and outcome is Outcome.ANSWERED:
        found.append(Notice(NoticeKind.TEST_FIRST, TEST_FIRST))
    return found


def _words(quote: Quote) -> str:
    return "\n".join([*(excerpt.text for excerpt in quote.context), quote.text])
