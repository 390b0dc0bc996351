"""An answer, or a build → what a terminal shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.box import HEAVY
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from b12qa import rendering, safety
from b12qa.records import (
    Answer,
    CareCard,
    CareLevel,
    EditorNote,
    Excerpt,
    Notice,
    NoticeKind,
    Outcome,
    Passage,
    Quote,
    Span,
)

if TYPE_CHECKING:
    from b12qa.building import BuildReport
    from b12qa.exporting import ExportReport

_OUTCOME_STYLES = {
    Outcome.ANSWERED: "bold green",
    Outcome.RELATED: "bold yellow",
    Outcome.NOT_COVERED: "bold",
    Outcome.URGENT: "bold red",
}
_CARE_STYLES = {CareLevel.EMERGENCY: "bold red", CareLevel.URGENT: "red", CareLevel.SOON: "yellow"}


def shown_answer(answer: Answer) -> RenderableType:
    """All of an answer, in the order of `rendering.in_order`."""
    shown, style = rendering.in_order(answer), _OUTCOME_STYLES[answer.outcome]
    parts: list[RenderableType] = [
        Text(part, style=style) if isinstance(part, str) else shown_card(part) for part in shown.head
    ]
    parts += map(shown_notice, shown.above)
    parts += [_quote(quote, found_behind=quote is shown.found) for quote in shown.quotes]
    parts += map(shown_notice, (*shown.below, *shown.end))
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def shown_card(card: CareCard) -> Panel:
    """A care card in a box of its own."""
    title, *body = safety.care_notice(card).text.split("\n")
    words = Text("\n").join([Text(body[0], style="bold"), *map(Text, body[1:])])
    return Panel(words, title=Text(title), title_align="left", box=HEAVY, style=_CARE_STYLES[card.level])


def _quote(quote: Quote, *, found_behind: bool) -> RenderableType:
    """A quote with the notes on it, each in a box of its own."""
    above, below = rendering.notes_around(quote)
    words = rendering.role_words(quote, found_behind=found_behind)
    role = [Text(words, style="bold")] if words else []
    return Group(*role, *map(_note, above), _passage(quote), *map(_note, below))


def _note(named: tuple[str, EditorNote]) -> Panel:
    words = Text(rendering.note_words(*named)).append(f"\n{rendering.note_source(named[1])}", style="dim")
    return Panel(words, title=Text(rendering.NOTE_HEADING), title_align="left", style="magenta")


def _passage(passage: Passage) -> RenderableType:
    words = Text("\n").join(
        [_excerpt(e, ()) for e in passage.context] + [_excerpt(passage, passage.highlights)]
    )
    where = Text(rendering.section_words(passage.section_path, passage.title), style="dim")
    return Group(Padding(words, (0, 0, 0, 2)), Padding(where, (0, 0, 0, 2)))


def _excerpt(excerpt: Excerpt, highlights: tuple[Span, ...]) -> Text:
    text = Text()
    for words, marked in rendering.marked_words(excerpt, highlights):
        text.append(words, style="bold underline" if marked else "")
    return text


def shown_notice(notice: Notice) -> Text:
    """Words of ours."""
    style = "italic" if notice.kind is NoticeKind.DISCLAIMER else ""
    return Text(rendering.notice_text(notice), style=style)


def build_lines(report: BuildReport, model_name: str) -> Iterator[str]:
    """What a build did: the sections that it changed, then the whole."""
    if report.compared_with:
        titles = Counter(change.document for change in report.changes)
        for change in report.changes:
            if change.any:
                where = " › ".join(change.section_path) or "before any heading"
                name = f"{change.document}: " if len(titles) > 1 else ""
                yield f"{name}{where}: {change}"
    did = (
        f"embedded {report.embedded} texts, reused {report.reused}"
        if report.embedded or report.generation != report.compared_with
        else "nothing to do, it was there already"
    )
    yield (
        f"Generation {report.generation} is current: {report.documents} "
        f"{'document' if report.documents == 1 else 'documents'}, {report.sections} sections, "
        f"{report.chunks} passages, {report.sentences} sentences, {report.questions} answered and "
        f"{report.open_questions} open questions; {did} ({report.seconds:.1f} s, model {model_name})."
    )
    if report.notes < report.notes_before:
        yield (
            f"Fewer editor's notes than before: {report.notes}, and there were {report.notes_before}. What "
            "they said of sentences, and the warnings that they asked for, is not shown any more."
        )
    if report.without_bank:
        which = "The document" if report.documents == 1 else f"{report.without_bank} of the documents"
        yield (
            f"{which} {'has' if report.without_bank == 1 else 'have'} no bank of answered questions: what is "
            "not answered there is hardly told from what is. NAME.questions.yaml beside NAME.md mends that."
        )


def export_line(export: ExportReport) -> str:
    """What embeds questions from now on."""
    if not export.used:
        return f"Questions are embedded by the model itself; it could not be exported: {export.reason}."
    return (
        f"The model is exported, and questions are embedded without torch ({export.seconds:.1f} s, "
        f"cosine to the model at least {export.least_cosine:.7f})."
    )
