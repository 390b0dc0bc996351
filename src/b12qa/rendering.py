"""Records → HTML and text. One renderer for the chat, the notebook and the terminal.

Every word of the document is escaped, and comes from its offsets. Marks of emphasis become
emphasis; the sentence that answers stands in ``<mark>``. The text content of a quote's ``<p>``
is the quote without Markdown marks, character by character.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from b12qa.markdown import row_cells, visible_spans
from b12qa.records import (
    Answer,
    BlockKind,
    Excerpt,
    Notice,
    NoticeKind,
    Outcome,
    Passage,
    ScoredChunk,
    Span,
)

OUTCOME_WORDS = {
    Outcome.ANSWERED: "From the article",
    Outcome.RELATED: "Related, may not answer",
    Outcome.NOT_COVERED: "Not in the article",
    Outcome.URGENT: "Get help first",
}


def section_anchor(document: str, start: int) -> str:
    """The id of a place in a rendered document."""
    return f"{document}-{start}"


# HTML.


def answer_html(answer: Answer) -> str:
    """An answer as one HTML block: outcome, quotes, notices."""
    parts = [f'<div class="b12qa answer {answer.outcome}">']
    parts.append(f'<p class="outcome">{escape(OUTCOME_WORDS[answer.outcome])}</p>')
    parts += [notice_html(n) for n in answer.notices if n.kind is not NoticeKind.DISCLAIMER]
    parts += [passage_html(quote) for quote in answer.quotes]
    parts += [notice_html(n) for n in answer.notices if n.kind is NoticeKind.DISCLAIMER]
    parts.append("</div>")
    return "".join(parts)


def results_html(results: Sequence[ScoredChunk]) -> str:
    """Search results as an ordered list with their scores."""
    items = (f"<li><small>score {result.score:.3f}</small>{passage_html(result)}</li>" for result in results)
    return f'<ol class="b12qa results">{"".join(items)}</ol>'


def passage_html(passage: Passage) -> str:
    """A passage as a figure: its words, then where they stand."""
    body = _table_html(passage) if passage.kind is BlockKind.TABLE_ROW else _paragraphs_html(passage)
    return (
        '<figure class="quote"><blockquote>'
        + body
        + "</blockquote><figcaption>"
        + escape(section_words(passage.section_path, passage.title))
        + "</figcaption></figure>"
    )


def notice_html(notice: Notice) -> str:
    """One of our notices; its class says which kind."""
    items = "".join(
        f'<li><a href="#{escape(section_anchor(s.document, s.start))}">{escape(s.path[-1])}</a></li>'
        for s in notice.sections
    )
    body = f"<p>{escape(notice.text)}</p>" + (f"<ul>{items}</ul>" if items else "")
    return f'<div class="notice {notice.kind}">{body}</div>'


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

    *lead_in, header = passage.context or (None,)
    before = "".join(f'<p class="context">{excerpt_html(excerpt)}</p>' for excerpt in lead_in if excerpt)
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


# Text.


def answer_text(answer: Answer) -> str:
    """An answer for a terminal without colours."""
    parts = [OUTCOME_WORDS[answer.outcome]]
    parts += [notice_text(n) for n in answer.notices if n.kind is not NoticeKind.DISCLAIMER]
    parts += [passage_text(quote) for quote in answer.quotes]
    parts += [notice_text(n) for n in answer.notices if n.kind is NoticeKind.DISCLAIMER]
    return "\n\n".join(parts)


def results_text(results: Sequence[ScoredChunk]) -> str:
    """Search results for a terminal."""
    return "\n\n".join(f"{r.rank}. score {r.score:.3f}\n{passage_text(r)}" for r in results)


def passage_text(passage: Passage) -> str:
    """A passage for a terminal: its words as a block quote, then where they stand."""
    lines = [line for excerpt in (*passage.context, passage) for line in plain(excerpt).splitlines()]
    quoted = "\n".join(f"> {line}" for line in lines)
    return f"{quoted}\n  ({section_words(passage.section_path, passage.title)})"


def notice_text(notice: Notice) -> str:
    """A notice for a terminal."""
    return "\n".join([notice.text, *(f"- {section.path[-1]}" for section in notice.sections)])


def section_words(section_path: Sequence[str], title: str) -> str:
    """The section path as one line; a text without headings is named by its title."""
    return " › ".join(section_path) or title


def plain(excerpt: Excerpt) -> str:
    """The words of an excerpt without Markdown marks."""
    return _words(excerpt, excerpt.start, excerpt.end)


def _inside(position: int, spans: Iterable[Span]) -> bool:
    return any(span.start <= position < span.end for span in spans)
