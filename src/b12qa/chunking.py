"""Document → chunks and sentences: spans only.

A chunk is one block, what a person should read. A sentence is what answers. A block that the
model could not read whole is split at sentence borders; nothing is ever cut off in silence.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from b12qa.markdown import plain_text_of, visible_spans
from b12qa.records import Block, BlockKind, Chunk, Document, Markup, Sentence, Span

TokenCounter = Callable[[str], int]

# A lead-in longer than this is a paragraph of its own: only its last sentence introduces the list.
MAX_CONTEXT_CHARACTERS = 200

_LINE = re.compile(r"[^\r\n]+")
_CLOSING_BRACKETS = re.compile(r"[)\]}]+")
# Abbreviations that end no sentence and that the segmenter does not know.
_UNFINISHED = re.compile(r"\b(?:approx|avg|eqs?|figs|incl|ms|resp|suppl|vols?)\.$", re.IGNORECASE)
# Where a sentence that is too long is cut, best places first.
_CUTS = (
    re.compile(r"\s+"),  # between words
    re.compile(r"\b(?=\w)"),  # before a word
    re.compile(r"(?<!\w)|(?!\w)"),  # not inside a word
    re.compile(r""),  # anywhere
)


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of all documents, and the sentences in them, both in reading order."""

    chunks: tuple[Chunk, ...]
    sentences: tuple[Sentence, ...]


def chunk_documents(documents: Sequence[Document], count_tokens: TokenCounter, max_tokens: int) -> Chunks:
    """Cut documents into chunks and sentences that the model can read whole.

    Args:
        count_tokens: how many tokens the model makes of a text, special tokens included.
        max_tokens: how many it reads; text beyond is ignored by the model.
    """
    chunks: list[Chunk] = []
    sentences: list[Sentence] = []
    for number, document in enumerate(documents):
        spans = {span for block in document.blocks for span in block.context}
        shortened = {span: _short_context(document, span) for span in spans}
        for block in document.quoted_blocks:
            context = tuple(shortened[span] for span in block.context)
            whole = Chunk(number, block.start, block.end, block.kind, block.section, context)
            for group in _fitting_groups(document, whole, count_tokens, max_tokens):
                sentences += [Sentence(number, *piece.span, len(chunks), piece.continues) for piece in group]
                span = Span(group[0].span.start, group[-1].span.end)
                chunks.append(Chunk(number, span.start, span.end, block.kind, block.section, context))
    return Chunks(tuple(chunks), tuple(sentences))


def long_blocks(
    document: Document, count_tokens: TokenCounter, max_tokens: int
) -> Iterator[tuple[Block, int]]:
    """Blocks that the model cannot read whole, with their number of tokens."""
    for block in document.quoted_blocks:
        tokens = count_tokens(plain_text_of(document, block))
        if tokens > max_tokens:
            yield block, tokens


def embedded_text(
    document: Document, chunk: Chunk | Sentence, section: int, count_tokens: TokenCounter, max_tokens: int
) -> str:
    """What the model reads for a chunk: its headings and lead-in before its own words.

    The chunk's own words are never shortened. Where there is no room for everything, the outermost
    headings go first, then the lead-in.
    """
    own = plain_text_of(document, chunk)
    context = chunk.context if isinstance(chunk, Chunk) else ()
    before = [*_headings(document, section)]
    before += [plain_text_of(document, span) for span in context]
    while before and count_tokens("\n".join([*before, own])) > max_tokens:
        before.pop(0)
    return "\n".join([*before, own])


def split_sentences(document: Document, start: int, end: int) -> list[Span]:
    """Find the sentences of a stretch of a document; marks at its edges belong to them.

    Source: sentencex (Wikimedia Language team), rules and abbreviations by language.
    """
    import sentencex  # a build cuts, answering does not

    text, markup, language = document.text, document.markup, document.about.main_language
    offsets = [i for span in visible_spans(start, end, markup) for i in range(*span)]
    # A line break inside a paragraph is a blank to the reader, but may end a sentence for the segmenter.
    visible = "".join(" " if text[i] in "\r\n" else text[i] for i in offsets)
    found: list[Span] = []
    for boundary in sentencex.get_sentence_boundaries(language, visible):
        first, last = _stripped(visible, boundary["start_index"], boundary["end_index"])
        if found and first == found[-1].end:
            # The segmenter begins a sentence with the bracket that closes the one before.
            closing = _CLOSING_BRACKETS.match(visible, first, last)
            if closing:
                found[-1] = Span(found[-1].start, closing.end())
                first, last = _stripped(visible, closing.end(), last)
        if first >= last:
            continue
        if found and _UNFINISHED.search(visible, max(found[-1].start, found[-1].end - 10), found[-1].end):
            found[-1] = Span(found[-1].start, last)
        else:
            found.append(Span(first, last))
    return [
        _with_marks(text, Span(offsets[first], offsets[last - 1] + 1), start, end, markup)
        for first, last in found
    ]


def _stripped(text: str, start: int, end: int) -> Span:
    found = text[start:end]
    return Span(end - len(found.lstrip()), start + len(found.rstrip()))


def _with_marks(text: str, sentence: Span, start: int, end: int, markup: Markup) -> Span:
    """Widen a sentence by the marks that open right before it or close right after it."""
    first, last = sentence
    at = bisect_left(markup.hidden, (first, first)) - 1
    while at >= 0 and _opens(text, markup.hidden[at], markup):
        if markup.hidden[at].end != first or markup.hidden[at].start < start:
            break
        first = markup.hidden[at].start
        at -= 1
    at = bisect_left(markup.hidden, (last, last))
    while at < len(markup.hidden) and not _opens(text, markup.hidden[at], markup):
        if markup.hidden[at].start != last or markup.hidden[at].end > end:
            break
        last = markup.hidden[at].end
        at += 1
    return Span(first, last)


def _opens(text: str, mark: Span, markup: Markup) -> bool:
    """Whether a mark stands before the words of a link, an image or an emphasis."""
    return text[mark.start] in "[!" or any(
        at < len(spans) and spans[at].start == mark.end
        for spans in (markup.strong, markup.emphasis)
        for at in [bisect_left(spans, (mark.end,))]
    )


def _headings(document: Document, section: int) -> tuple[str, ...]:
    """The headings above a chunk, without the one that only repeats the document's title."""
    path = document.sections[section].path
    return path[1:] if len(path) > 1 and path[0] == document.title else path


def _short_context(document: Document, span: Span) -> Span:
    if span.end - span.start <= MAX_CONTEXT_CHARACTERS:
        return span
    return split_sentences(document, *span)[-1]


class _Piece(NamedTuple):
    """A sentence, or a part of one that the model cannot read whole."""

    span: Span
    continues: bool  # the part before it


def _fitting_groups(
    document: Document, chunk: Chunk, count_tokens: TokenCounter, max_tokens: int
) -> Iterator[list[_Piece]]:
    """The sentences of a block, in groups that the model can read whole."""

    def fits(start: int, end: int) -> bool:
        return count_tokens(plain_text_of(document, Span(start, end))) <= max_tokens

    parts = units(document, chunk)
    if not parts:
        return
    if fits(chunk.start, chunk.end):
        yield [_Piece(part, continues=False) for part in parts]
        return
    group: list[_Piece] = []
    for part in parts:
        for span in _fitting_pieces(document, part, fits):
            if group and not fits(group[0].span.start, span.end):
                yield group
                group = []
            group.append(_Piece(span, continues=span.start > part.start))
    yield group


def units(document: Document, chunk: Chunk | Block) -> list[Span]:
    """What a block is made of: sentences, the lines of code, or a whole table row."""
    if chunk.kind is BlockKind.TABLE_ROW:
        return [Span(chunk.start, chunk.end)]
    if chunk.kind in (BlockKind.CODE, BlockKind.HTML):
        return list(_lines(document, chunk.start, chunk.end))
    return split_sentences(document, chunk.start, chunk.end)


def _lines(document: Document, start: int, end: int) -> Iterator[Span]:
    """The lines that hold more than blanks and marks, without those at their edges."""
    for line in _LINE.finditer(document.text, start, end):
        words = [
            _stripped(document.text, *span)
            for span in visible_spans(line.start(), line.end(), document.markup)
            if not document.text[span.start : span.end].isspace()
        ]
        if words:
            yield Span(words[0].start, words[-1].end)


def _fitting_pieces(document: Document, unit: Span, fits: Callable[[int, int], bool]) -> Iterator[Span]:
    """Cut a sentence that the model cannot read whole."""
    cut = None if fits(*unit) else _middle_cut(document, unit)
    if cut is None:
        yield unit
        return
    yield from _fitting_pieces(document, Span(unit.start, cut.start), fits)
    yield from _fitting_pieces(document, Span(cut.end, unit.end), fits)


def _middle_cut(document: Document, unit: Span) -> Span | None:
    """What to leave out between two halves: a blank, or nothing."""
    middle = (unit.start + unit.end) // 2
    visible = list(visible_spans(unit.start, unit.end, document.markup))
    for place in _CUTS:
        cuts = (
            Span(*match.span())
            for span in visible
            for match in place.finditer(document.text, *span)
            if visible[0].start < match.start() and match.end() < visible[-1].end
        )
        cut = min(cuts, key=lambda cut: abs(cut.start - middle), default=None)
        if cut is not None:
            return cut
    return None
