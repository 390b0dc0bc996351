"""Records → HTML and text. One renderer for the chat, the notebook and the terminal.

Every word of the document is escaped, and comes from its offsets. Marks of emphasis become
emphasis; the sentence that answers stands in ``<mark>``. The text content of a quote's ``<p>``
is the quote without Markdown marks, character by character.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import singledispatch
from hashlib import sha256
from html import escape
from typing import NamedTuple
from urllib.parse import quote as url_quote

from b12qa import safety
from b12qa.markdown import LINE_END, row_cells, visible_spans
from b12qa.records import (
    About,
    Answer,
    BlockKind,
    CareCard,
    Document,
    EditorNote,
    Excerpt,
    NoteKind,
    Notice,
    NoticeKind,
    Outcome,
    Passage,
    Quote,
    QuoteRole,
    ScoredChunk,
    SearchResults,
    SectionReference,
    Span,
)

OUTCOME_WORDS = {
    Outcome.ANSWERED: "From the article",
    Outcome.RELATED: "Related, may not answer",
    Outcome.NOT_COVERED: "Not in the article",
    Outcome.URGENT: "Get help first",
}
# Of a reply that is about us, or mere courtesy.
OUR_WORDS = "From us, not the article"
ROLE_WORDS = {
    QuoteRole.PARTNER: "Read these together",
    QuoteRole.WARNING: "Warnings from the article",
}
# Where partners or warnings stand before it, a reader would take these for the answer.
FOUND = "Found for your question"
TO_FOUND = "Go to what was found"
NOTE_HEADING = "Editor's note, not part of the article"
NOTE_NAME = "Editor's note:"
ON = "On {sentence}:"
SOURCE = "Source:"
REVIEWED = "Reviewed by {reviewer}, {day}"
KIND_WORDS = {
    NoteKind.CONTRADICTED: "The evidence says otherwise",
    NoteKind.UNSAFE_ALONE: "Not safe to read alone",
    NoteKind.INCONSISTENT: "The article does not agree with itself",
    NoteKind.OVERSTATED: "Claims too much",
    NoteKind.UNSUPPORTED: "No source given",
    NoteKind.DATED: "Out of date",
}
# A reader should know of these before the words themselves.
KINDS_ABOVE = (NoteKind.CONTRADICTED, NoteKind.UNSAFE_ALONE)
WORDS_THAT_NAME_A_SENTENCE = 6
# In an introduction. More would push the disclaimer off the first screen of a phone.
MAX_TITLES = 4
# Not strftime's, which follow the language of the machine.
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


# The words of a card stand on the card; the others come after the quotes.
_APART = (NoticeKind.CARE, NoticeKind.NEAREST_SECTIONS, NoticeKind.DISCLAIMER)

MORE = {
    1: "Show 1 more passage",
    2: "Show 2 more passages",
    3: "Show 3 more passages",
}
OPEN = "Open in the article"
COPY = "Copy"
LINK = "Link to this answer"
LITERAL = "Search exactly what I typed"
FOLLOWING = "The article also answers:"
VERSION = "Article version {version}"
UNREVIEWED = "Translated from English. No doctor or nurse has checked it."


class Said(NamedTuple):
    """Our words in some language."""

    words: str
    language: str


def in_english(words: str) -> Said:
    """Our words as they stand in the code."""
    return Said(words, "en")


@dataclass(frozen=True)
class Surroundings:
    """The page that an answer stands on, where there is one."""

    documents: Mapping[str, Document]  # by name
    say: Callable[[str], Said] = in_english  # translates our English words, where it can
    language: str = "en"  # of the page
    links: bool = True  # whether the page can open the whole documents
    following: Sequence[str] = ()  # questions to ask next
    more: Sequence[Quote] = ()  # further quotes, shown on request
    literal: bool = False  # whether the question was searched as it was typed
    said_again: bool = False  # whether a script says our words in the reader's language


NOWHERE = Surroundings({}, links=False)


def section_anchor(document: str, start: int) -> str:
    """The id of a place in a rendered document."""
    return f"{document}-{start}"


def note_anchor(document: str, note: EditorNote) -> str:
    """The id of a note in a rendered document: that of its sentence tells it."""
    return f"{section_anchor(document, note.start)}-note"


def passage_anchor(document: str, excerpt: Excerpt) -> str:
    """The id of a passage in a rendered document: its offsets, and a hash of the words that it shows.

    A link to it can tell, without the words, whether they still stand where they stood.
    """
    words = sha256(plain(excerpt).encode()).hexdigest()[:12]
    return f"{document}~{excerpt.start}~{excerpt.end}~{words}"


def is_ours(answer: Answer) -> bool:
    """Whether it is nothing but a reply of our own, on us or in return for mere courtesy."""
    searched = bool(answer.query)
    return not searched and any(notice.kind is NoticeKind.ABOUT for notice in answer.notices)


def outcome_words(answer: Answer) -> str:
    """How an answer is headed."""
    return OUR_WORDS if is_ours(answer) else OUTCOME_WORDS[answer.outcome]


class Parts(NamedTuple):
    """What every surface shows of an answer, from top to bottom."""

    head: tuple[str | CareCard, ...]  # what it is, and the card if there is one
    above: tuple[Notice, ...]  # our words on it
    quotes: tuple[Quote, ...]
    found: Quote | None  # the first of these that was found, if only others stand before it
    below: tuple[Notice, ...]  # where to read on: of use once the quotes have been read
    end: tuple[Notice, ...]  # the disclaimer


def in_order(answer: Answer) -> Parts:
    """The parts of an answer, the gravest first."""
    head: list[str | CareCard] = [] if answer.care_card is None else [answer.care_card]
    # The label of an urgent answer is the card's own; any other one is about the article.
    head.insert(0 if answer.outcome is Outcome.URGENT else len(head), outcome_words(answer))
    return Parts(
        head=tuple(head),
        above=tuple(notice for notice in answer.notices if notice.kind not in _APART),
        quotes=answer.quotes,
        found=_found_behind_others(answer.quotes),
        below=tuple(n for n in answer.notices if n.kind is NoticeKind.NEAREST_SECTIONS),
        end=tuple(n for n in answer.notices if n.kind is NoticeKind.DISCLAIMER),
    )


# HTML.


def answer_html(answer: Answer, page: Surroundings = NOWHERE) -> str:
    """An answer as one HTML block: outcome, quotes, notices."""
    kind = "ours" if is_ours(answer) else answer.outcome
    parts = [f'<div class="b12qa answer {kind}" lang="{escape(page.language)}">']
    shown = in_order(answer)
    parts += [
        said_html(page, part, "p", "outcome") if isinstance(part, str) else care_html(part, page)
        for part in shown.head
    ]
    parts += [notice_html(notice, page) for notice in shown.above]
    if shown.found and page.documents:  # on a phone its company may fill the first screen
        parts.append(f'<p class="acts">{said_html(page, TO_FOUND, "button", "to-found")}</p>')
    parts += [quote_html(quote, page, found_behind=quote is shown.found) for quote in shown.quotes]
    parts += [notice_html(notice, page) for notice in shown.below]
    further = sum(quote.role is QuoteRole.ANSWER for quote in page.more)
    if further:
        show_more = said_html(page, MORE[min(further, max(MORE))], "summary")
        more = "".join(quote_html(quote, page) for quote in page.more)
        parts.append(f'<details class="more">{show_more}{more}</details>')
    if page.documents and answer.found:
        parts.append(f'<p class="acts">{_answer_link(answer, page)}</p>')
    if page.following:
        lead = said_html(page, FOLLOWING, "p")
        parts.append(f'<div class="following">{lead}{questions_html(page.following)}</div>')
    parts += [notice_html(notice, page) for notice in shown.end]
    parts.append("</div>")
    return "".join(parts)


def care_html(card: CareCard, page: Surroundings = NOWHERE) -> str:
    """A care card as a region of its own, which a screen reader says at once."""
    steps = "".join(said_html(page, step, "li") for step in card.steps)
    level = safety.LEVEL_WORDS[card.level]
    translated = page.say(card.title).language != "en"
    return (
        f'<section class="care {card.level}" aria-label="{escape(page.say(level).words)}"><div role="alert">'
        f"{said_html(page, level, 'p', 'level')}{said_html(page, card.title, 'h2')}"
        f"{said_html(page, card.text, 'p')}<ul>{steps}</ul>"
        + (said_html(page, safety.TOLD_BEFORE, "p", "before") if card.told_before else "")
        + "</div>"
        + (said_html(page, UNREVIEWED, "p", "unreviewed") if translated else "")
        + "</section>"
    )


def results_html(results: Sequence[ScoredChunk]) -> str:
    """Search results as an ordered list with their scores."""
    items = (f"<li><small>score {result.score:.3f}</small>{noted_html(result)}</li>" for result in results)
    return f'<ol class="b12qa results">{"".join(items)}</ol>{notice_html(safety.disclaimer())}'


def passage_html(passage: Passage, page: Surroundings = NOWHERE) -> str:
    """A passage as a figure: its words, then where they stand."""
    body = _table_html(passage) if passage.kind is BlockKind.TABLE_ROW else _paragraphs_html(passage)
    *outer, leaf = passage.section_path or (passage.title,)
    above = "".join(f"{escape(heading)} › " for heading in outer)
    if not _names_document(passage.section_path, passage.title):
        above = f"{escape(passage.title)} · {above}"
    if len(page.documents) == 1 and above:
        # Its name stands at the top of the page already; here it is read out and copied.
        above = f'<span class="out-of-sight">{above}</span>'
    where = f'<span class="where">{above}<span class="leaf">{escape(leaf)}</span></span>'
    document = page.documents.get(passage.document)
    if document is None:
        return (
            f'<figure class="quote"><blockquote>{body}</blockquote><figcaption>{where}</figcaption></figure>'
        )
    language = escape(document.about.language or "en")
    source = escape(passage_anchor(passage.document, passage))
    acts = said_html(page, COPY, "button", "copy")
    if page.links:
        start = passage.highlights[0].start if passage.highlights else passage.start
        acts = _link(page, passage.document, start, _words_html(page, OPEN)) + acts
    version = version_of(document)
    return (
        f'<figure class="quote"><blockquote cite="#{source}" lang="{language}">{body}</blockquote>'
        f'<figcaption><span lang="{language}">{where}</span>'
        f"{said_html(page, VERSION.format(version=version), 'span', 'version')}"
        f'<span class="acts">{acts}</span></figcaption></figure>'
    )


def noted_html(passage: Passage, page: Surroundings = NOWHERE) -> str:
    """A passage with the notes on it around it, none inside its figure."""
    above, below = notes_around(passage)
    return f"{notes_html(above, page)}{passage_html(passage, page)}{notes_html(below, page)}"


def quote_html(quote: Quote, page: Surroundings = NOWHERE, *, found_behind: bool = False) -> str:
    """A quote with our words around it: why it is there, and the notes on it, none inside its figure.

    Args:
        found_behind: see `role_words`.
    """
    label = role_words(quote, found_behind=found_behind)
    if not quote.notes and not label:
        return passage_html(quote, page)
    role = said_html(page, label, "p", "role") if label else ""
    found = " found" if quote.also_answers or found_behind else ""
    return f'<div class="noted {quote.role}{found}">{role}{noted_html(quote, page)}</div>'


def role_words(quote: Quote, *, found_behind: bool = False) -> str:
    """Why a quote is shown; empty for one that was found and stands first, as a reader expects.

    Args:
        found_behind: only quotes that were not found stand before it, so that it is said that this one was.
    """
    return FOUND if found_behind else ROLE_WORDS.get(quote.role, "")


def _found_behind_others(quotes: Sequence[Quote]) -> Quote | None:
    """The first quote that was found, if only partners or warnings that were not stand before it."""
    if not quotes or quotes[0].role is QuoteRole.ANSWER or quotes[0].also_answers:
        return None
    return next((quote for quote in quotes if quote.role is QuoteRole.ANSWER), None)


def notes_html(notes: Sequence[tuple[str, EditorNote]], page: Surroundings, document: str = "") -> str:
    """Some notes as one region; Gradio strips its label, so its first line says the same.

    Args:
        notes: each with the first words of its sentence, or none where it stands beside nothing else.
        document: the name of the one that is shown as a whole around them; each note has an id then.
    """
    if not notes:
        return ""
    items = "".join(_note_html(sentence, note, page, document) for sentence, note in notes)
    label = said_html(page, NOTE_HEADING, "p", "heading")
    name = escape(page.say(NOTE_HEADING).words)
    return f'<aside class="note" role="note" aria-label="{name}">{label}{items}</aside>'


def _note_html(sentence: str, note: EditorNote, page: Surroundings, document: str) -> str:
    """One note. Between words of ours, the editor and the article keep to their own language."""
    css = note.kind.replace(" ", "-")
    kind = said_html(page, f"{KIND_WORDS[note.kind]}.", "strong")
    reviewed = element(_reviewed(note, page.say), "span", _kind(page), around=page.language)
    on = _on_html(sentence, page) if sentence else ""
    words = f'{on} <span lang="en">{escape(note.text)}</span>'
    source = (
        f'<p class="source">{said_html(page, SOURCE, "span")} <span lang="en">{escape(note.source)}</span>'
        f" · {reviewed}</p>"
    )
    if not document:
        return f'<div class="{css}"><p>{kind}{words}</p>{source}</div>'
    # Beside a whole article they would take as much room as its words: each is folded behind what it is.
    line = f"<summary>{said_html(page, NOTE_NAME, 'span')} {kind}</summary>"
    anchor = escape(note_anchor(document, note))
    return f'<details class="{css}" id="{anchor}">{line}<p>{words.lstrip()}</p>{source}</details>'


def _on_html(sentence: str, page: Surroundings) -> str:
    """Which sentence a note is about, after a blank."""
    named = f'<q lang="en">{escape(sentence)}</q>'
    if page.said_again:  # our words around it would be put in the place of the whole
        return f" {named}:"
    return " " + said_html(page, ON, "span").replace("{sentence}", named)


def notice_html(notice: Notice, page: Surroundings = NOWHERE) -> str:
    """One of our notices; its class says which kind."""
    items = (
        _link(page, section.document, section.start, escape(name), "open button")
        if page.links
        else escape(name)
        for section, name in zip(notice.sections, section_names(notice.sections), strict=True)
    )
    sections = "".join(f"<li>{item}</li>" for item in items)
    changed = notice.kind is NoticeKind.SEARCHED_FOR and not page.literal
    act = said_html(page, LITERAL, "button", "literal") if page.documents and changed else ""
    said = Said(notice.text, notice.language)
    if said == in_english(notice.text):
        said = page.say(notice.text)
    where = f'<ul lang="en">{sections}</ul>' if sections else ""
    return f'<div class="notice {notice.kind}">{element(said, "p", around=page.language)}{act}{where}</div>'


def said_html(page: Surroundings, words: str, tag: str, kind: str = "") -> str:
    """Our words in an element that names their language where it is not the page's."""
    return element(page.say(words), tag, _kind(page, kind), around=page.language)


def _kind(page: Surroundings, kind: str = "") -> str:
    return f"{kind} say".strip() if page.said_again else kind


def element(said: Said, tag: str, kind: str = "", *, around: str = "") -> str:
    """Our words in an element that names their language.

    Args:
        kind: its classes.
        around: the language of what it stands in, which need not be named again.
    """
    of_type = ' type="button"' if tag == "button" else ""
    of_kind = f' class="{kind}"' if kind else ""
    language = f' lang="{escape(said.language)}"' if said.language != around else ""
    return f"<{tag}{of_type}{of_kind}{language}>{escape(said.words)}</{tag}>"


def questions_html(questions: Iterable[str]) -> str:
    """Questions that can be asked by pressing them."""
    buttons = (element(in_english(question), "button", "ask", around="en") for question in questions)
    return f'<ul lang="en">{"".join(f"<li>{button}</li>" for button in buttons)}</ul>'


def _words_html(page: Surroundings, words: str) -> str:
    return escape(page.say(words).words)


def _answer_link(answer: Answer, page: Surroundings) -> str:
    """A link that opens the quotes of an answer again; nothing of the question is in it."""
    parts = []
    for quote in answer.found:
        document = page.documents.get(quote.document)
        if document is not None:
            parts.append(
                f"{url_quote(passage_anchor(quote.document, quote), safe='~')}~{version_of(document)}"
            )
    return f'<a class="share" href="#quote={"&amp;".join(parts)}">{_words_html(page, LINK)}</a>'


def version_of(document: Document) -> str:
    """A short name of the article's text, for people who compare two of them."""
    return document.sha256[:8]


def part_of(excerpt: Excerpt, span: Span) -> Excerpt:
    """The words of an excerpt at a span inside it."""
    text = excerpt.text[span.start - excerpt.start : span.end - excerpt.start]
    return Excerpt(text, *span, excerpt.markup.within(*span))


def excerpt_html(excerpt: Excerpt, highlights: Sequence[Span] = ()) -> str:
    """The words of an excerpt, escaped, with emphasis and highlights, and nothing else."""
    return _span_html(excerpt, Span(excerpt.start, excerpt.end), highlights)


def _paragraphs_html(passage: Passage) -> str:
    tag = "pre" if passage.kind is BlockKind.CODE else "p"
    before = "".join(f'<p class="context">{excerpt_html(excerpt)}</p>' for excerpt in passage.context)
    return f'{before}<{tag} class="words">{excerpt_html(passage, passage.highlights)}</{tag}>'


def _table_html(passage: Passage) -> str:
    def row(excerpt: Excerpt, tag: str, highlights: tuple[Span, ...]) -> str:
        cells = row_cells(excerpt.text, 0, len(excerpt.text))
        return "".join(
            f"<{tag}>"
            + _span_html(excerpt, Span(excerpt.start + a, excerpt.start + b), highlights)
            + f"</{tag}>"
            for a, b in cells
        )

    lead_in = list(passage.context)
    # Above the header row itself stands only what introduces its table, and only a row has a pipe in it.
    header = lead_in.pop() if lead_in and "|" in lead_in[-1].text else None
    before = "".join(f'<p class="context">{excerpt_html(excerpt)}</p>' for excerpt in lead_in)
    head = f'<thead class="context"><tr>{row(header, "th", ())}</tr></thead>' if header else ""
    body = f'<tbody class="words"><tr>{row(passage, "td", passage.highlights)}</tr></tbody>'
    return f"{before}<table>{head}{body}</table>"


def marked_words(excerpt: Excerpt, highlights: Sequence[Span]) -> Iterator[tuple[str, bool]]:
    """The words of an excerpt without marks, in stretches that are highlighted or not."""
    part = Span(excerpt.start, excerpt.end)
    for start, end in _stretches(part, highlights):
        words = _words(excerpt, start, end)
        if words:
            yield words, _inside(start, highlights)


def _span_html(excerpt: Excerpt, part: Span, highlights: Sequence[Span]) -> str:
    markup = excerpt.markup
    html = []
    for start, end in _stretches(part, highlights):
        inner = []
        for a, b in _stretches(Span(start, end), (*markup.strong, *markup.emphasis)):
            words = escape(_words(excerpt, a, b))
            if words and _inside(a, markup.emphasis):
                words = f"<em>{words}</em>"
            if words and _inside(a, markup.strong):
                words = f"<strong>{words}</strong>"
            inner.append(words)
        stretch = "".join(inner)
        html.append(f"<mark>{stretch}</mark>" if stretch and _inside(start, highlights) else stretch)
    return "".join(html)


def _words(excerpt: Excerpt, start: int, end: int) -> str:
    return "".join(
        excerpt.text[a - excerpt.start : b - excerpt.start]
        for a, b in visible_spans(start, end, excerpt.markup)
    )


def _stretches(part: Span, spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Cut a part at every border of the spans that lies inside it."""
    inner = {border for span in spans for border in span if part.start < border < part.end}
    borders = sorted({*part, *inner})
    return itertools.pairwise(borders)


def _link(page: Surroundings, name: str, start: int, html: str, kind: str = "open") -> str:
    """A link to a place, which names the text that it was found in: it may open no other one."""
    document = page.documents.get(name)
    of_text = f" of-{version_of(document)}" if document else ""
    return f'<a class="{kind}{of_text}" href="#{escape(section_anchor(name, start))}">{html}</a>'


# Text.


def answer_text(answer: Answer) -> str:
    """An answer for a terminal without colours."""
    shown = in_order(answer)
    parts = [p if isinstance(p, str) else notice_text(safety.care_notice(p)) for p in shown.head]
    parts += map(notice_text, shown.above)
    parts += [quote_text(quote, found_behind=quote is shown.found) for quote in shown.quotes]
    parts += map(notice_text, (*shown.below, *shown.end))
    return "\n\n".join(parts)


def results_text(results: Sequence[ScoredChunk]) -> str:
    """Search results for a terminal."""
    found = [f"{r.rank}. score {r.score:.3f}\n{noted_text(r)}" for r in results]
    return "\n\n".join([*found, safety.DISCLAIMER])


def passage_text(passage: Passage) -> str:
    """A passage for a terminal: its words as a block quote, then where they stand."""
    lines = [line for e in (*passage.context, passage) for line in LINE_END.split(plain(e).rstrip("\r\n"))]
    quoted = "\n".join(f"> {line}" for line in lines)
    return f"{quoted}\n  ({section_words(passage.section_path, passage.title)})"


def quote_text(quote: Quote, *, found_behind: bool = False) -> str:
    """A quote with the notes on it for a terminal, to be copied as one piece. Argument as in `role_words`."""
    label = role_words(quote, found_behind=found_behind)
    role = [f"{label}:"] if label else []
    return "\n".join([*role, noted_text(quote)])


def noted_text(passage: Passage) -> str:
    """A passage with the notes on it for a terminal."""
    above, below = notes_around(passage)
    return "\n".join([*map(_note_text, above), passage_text(passage), *map(_note_text, below)])


def _note_text(named: tuple[str, EditorNote]) -> str:
    return f"[{NOTE_HEADING}] {note_words(*named)} ({note_source(named[1])})"


def notes_around(passage: Passage) -> tuple[list[tuple[str, EditorNote]], list[tuple[str, EditorNote]]]:
    """The notes to read before a passage and those to read after it, each with the words it is about.

    The words are the first of the sentence; empty if the passage shows nothing else.
    """
    return parted((_named_sentence(passage, note), note) for note in passage.notes)


def parted(
    named: Iterable[tuple[str, EditorNote]],
) -> tuple[list[tuple[str, EditorNote]], list[tuple[str, EditorNote]]]:
    """Of some notes those to read before what they are about, and those to read after it."""
    above: list[tuple[str, EditorNote]] = []
    below: list[tuple[str, EditorNote]] = []
    for one in named:
        (above if one[1].kind in KINDS_ABOVE else below).append(one)
    return above, below


def note_words(sentence: str, note: EditorNote) -> str:
    """What a note says, and of which sentence."""
    on = ON.format(sentence=f"\u201c{sentence}\u201d") if sentence else ""
    return " ".join(filter(None, [f"{KIND_WORDS[note.kind]}.", on, note.text]))


def note_source(note: EditorNote) -> str:
    """What a note rests on, and who approved it when."""
    return f"{SOURCE} {note.source} · {_reviewed(note, in_english).words}"


def _reviewed(note: EditorNote, say: Callable[[str], Said]) -> Said:
    """Who approved a note when, or that nobody has."""
    if not note.reviewed:
        return say(f"{note.reviewer[:1].upper()}{note.reviewer[1:]}")
    words, language = say(REVIEWED)
    # The names of the months are known in English only.
    day = _day(note.reviewed) if language == "en" else note.reviewed
    return Said(words.format(reviewer=note.reviewer, day=day), language)


def _named_sentence(passage: Passage, note: EditorNote) -> str:
    shown = next(e for e in (passage, *passage.context) if e.start < note.end and note.start < e.end)
    span = Span(max(note.start, shown.start), min(note.end, shown.end))
    if not passage.context and span == (passage.start, passage.end):
        return ""
    return first_words(part_of(shown, span))


def first_words(excerpt: Excerpt) -> str:
    """So much of a sentence as names it."""
    words = plain(excerpt).split()
    cut = " ".join(words[:WORDS_THAT_NAME_A_SENTENCE])
    return f"{cut} …" if len(words) > WORDS_THAT_NAME_A_SENTENCE else cut


def notice_text(notice: Notice) -> str:
    """A notice for a terminal."""
    return "\n".join([notice.text, *(f"- {name}" for name in section_names(notice.sections))])


def section_words(section_path: Sequence[str], title: str) -> str:
    """Document and section path as one line; a title that is the first heading is said once."""
    path = " › ".join(section_path) or title
    return path if _names_document(section_path, title) else f"{title} · {path}"


def section_names(sections: Sequence[SectionReference]) -> list[str]:
    """Each section by its heading, with the title of its document where there are several.

    Where others share that, it has the headings above it as well, and then the name of its document.
    """
    paths = [section_words(section.path, section.title or section.path[0]) for section in sections]
    names = [
        section.path[-1]
        if section.title in ("", section.path[-1])
        else f"{section.title} · {section.path[-1]}"
        for section in sections
    ]
    for longer in (
        paths,
        [f"{path} ({section.document})" for path, section in zip(paths, sections, strict=True)],
    ):
        counts = Counter(names)
        names = [long if counts[name] > 1 else name for name, long in zip(names, longer, strict=True)]
    return names


def introduction(documents: Sequence[Document]) -> str:
    """What a reader meets here for the first time: a machine, and which articles it quotes."""
    about = ""
    if len(documents) == 1:
        about = f" {about_words(documents[0].about)}"
    elif not any(says_of_itself(document.about) for document in documents):
        about = " These articles give no author, date or source."
    named = list(documents[:MAX_TITLES]) if not about else []
    quoted = [*map(_introduced, named), *titles(documents)[len(named) :]]
    return f"The answers are automated. They quote: {'; '.join(quoted)}.{about}"


def _introduced(document: Document) -> str:
    """One of several documents, with what it says of itself."""
    about = about_words(document.about) if says_of_itself(document.about) else "no author, date or source"
    return f"{document.title} ({about})"


def titles(documents: Sequence[Document]) -> list[str]:
    """The titles of the first documents, and how many there are besides."""
    more = [f"and {len(documents) - MAX_TITLES:,} more"] if len(documents) > MAX_TITLES else []
    return [*(document.title for document in documents[:MAX_TITLES]), *more]


def introduction_html(documents: Sequence[Document]) -> str:
    """The same for a notebook, with the disclaimer."""
    words = element(in_english(introduction(documents)), "p", around="en")
    return f'<div class="b12qa introduction" lang="en">{words}{notice_html(safety.disclaimer())}</div>'


def says_of_itself(about: About) -> bool:
    """Whether an article says where it comes from."""
    return bool(about.source or about.reviewed or about.license)


def about_words(about: About) -> str:
    """What an article says of itself, and what it does not say, in one line."""
    if not says_of_itself(about):
        return "This article gives no author, date or source."
    source = f"Source: {about.source}" if about.source else "No source given"
    reviewed = f"Reviewed: {_day(about.reviewed)}" if about.reviewed else "Not dated"
    return " · ".join([source, reviewed, *([f"Licence: {about.license}"] if about.license else [])])


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _names_document(section_path: Sequence[str], title: str) -> bool:
    """Whether the words of a section path say which document it is in."""
    return not section_path or section_path[0] == title


def plain(excerpt: Excerpt) -> str:
    """The words of an excerpt without Markdown marks."""
    return _words(excerpt, excerpt.start, excerpt.end)


def _inside(position: int, spans: Iterable[Span]) -> bool:
    return any(span.start <= position < span.end for span in spans)


# How records show themselves.


@singledispatch
def html_of(record: object) -> str:
    """A record as a notebook shows it."""
    raise TypeError(f"Expected an answer, a passage or results, got {type(record).__name__}.")


@singledispatch
def text_of(record: object) -> str:
    """A record as a terminal shows it."""
    raise TypeError(f"Expected an answer, a passage or results, got {type(record).__name__}.")


html_of.register(Answer, answer_html)
html_of.register(Passage, passage_html)
html_of.register(Quote, quote_html)
html_of.register(ScoredChunk, noted_html)
html_of.register(SearchResults, results_html)
text_of.register(Answer, answer_text)
text_of.register(Passage, passage_text)
text_of.register(Quote, quote_text)
text_of.register(ScoredChunk, noted_text)
text_of.register(SearchResults, results_text)
