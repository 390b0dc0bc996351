"""Document → chunks and sentences: spans only.

A chunk is one block, what a person should read. A sentence is what answers. A block that the
model could not read whole is split at sentence borders; nothing is ever cut off in silence.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sentencex

from b12qa.markdown import plain_text, visible_spans
from b12qa.records import Block, BlockKind, Chunk, Document, Markup, Sentence, Span

TokenCounter = Callable[[str], int]

# A lead-in longer than this is a paragraph of its own: only its last sentence introduces the list.
MAX_CONTEXT_CHARACTERS = 200


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
        for block in document.blocks:
            context = tuple(_short_context(document, span) for span in block.context)
            whole = Chunk(number, block.start, block.end, block.kind, block.section, context)
            for units in _fitting_groups(document, whole, count_tokens, max_tokens):
                span = Span(units[0].start, units[-1].end)
                sentences += [Sentence(number, unit.start, unit.end, len(chunks)) for unit in units]
                chunks.append(Chunk(number, span.start, span.end, block.kind, block.section, context))
    return Chunks(tuple(chunks), tuple(sentences))


def long_blocks(
    document: Document, count_tokens: TokenCounter, max_tokens: int
) -> Iterator[tuple[Block, int]]:
    """Blocks that the model cannot read whole, with their number of tokens."""
    for block in document.blocks:
        tokens = count_tokens(plain_text(document.text, block.start, block.end, document.markup))
        if tokens > max_tokens:
            yield block, tokens


def embedded_text(
    document: Document, chunk: Chunk | Sentence, section: int, count_tokens: TokenCounter, max_tokens: int
) -> str:
    """What the model reads for a chunk: its headings and lead-in before its own words.

    The chunk's own words are never shortened. Where there is no room for everything, the outermost
    headings go first, then the lead-in.
    """
    own = plain_text(document.text, chunk.start, chunk.end, document.markup)
    context = chunk.context if isinstance(chunk, Chunk) else ()
    before = [*_headings(document, section)]
    before += [plain_text(document.text, span.start, span.end, document.markup) for span in context]
    while before and count_tokens("\n".join([*before, own])) > max_tokens:
        before.pop(0)
    return "\n".join([*before, own])


def split_sentences(text: str, start: int, end: int, markup: Markup, language: str = "en") -> list[Span]:
    """Find the sentences of ``text[start:end]``; marks at their edges belong to them.

    Source: sentencex (Wikimedia Language team), rules and abbreviations by language.
    """
    offsets = [i for span in visible_spans(start, end, markup) for i in range(*span)]
    # A line break inside a paragraph is a blank to the reader; the segmenter would end the sentence.
    visible = "".join(" " if text[i] in "\r\n" else text[i] for i in offsets)
    spans = []
    for boundary in sentencex.get_sentence_boundaries(language, visible):
        first, last = boundary["start_index"], boundary["end_index"]
        found = visible[first:last]
        first += len(found) - len(found.lstrip())
        last -= len(found) - len(found.rstrip())
        if first < last:
            spans.append(_with_marks(Span(offsets[first], offsets[last - 1] + 1), start, end, markup))
    return spans


def _with_marks(sentence: Span, start: int, end: int, markup: Markup) -> Span:
    """Widen a sentence by the marks that open right before it or close right after it."""
    openings = {span.start for span in (*markup.strong, *markup.emphasis)}
    closings = {span.end for span in (*markup.strong, *markup.emphasis)}
    first, last = sentence
    for hidden in reversed(markup.hidden[: bisect_left(markup.hidden, (first, first))]):
        if hidden.end != first or hidden.end not in openings or hidden.start < start:
            break
        first = hidden.start
    for hidden in markup.hidden[bisect_left(markup.hidden, (last, last)) :]:
        if hidden.start != last or hidden.start not in closings or hidden.end > end:
            break
        last = hidden.end
    return Span(first, last)


def _headings(document: Document, section: int) -> tuple[str, ...]:
    """The headings above a chunk, without the one that only repeats the document's title."""
    path = document.sections[section].path
    return path[1:] if len(path) > 1 and path[0] == document.title else path


def _short_context(document: Document, span: Span) -> Span:
    if span.end - span.start <= MAX_CONTEXT_CHARACTERS:
        return span
    return split_sentences(document.text, span.start, span.end, document.markup)[-1]


def _fitting_groups(
    document: Document, chunk: Chunk, count_tokens: TokenCounter, max_tokens: int
) -> Iterator[list[Span]]:
    """The sentences of a block, in groups that the model can read whole."""

    def fits(start: int, end: int) -> bool:
        return count_tokens(plain_text(document.text, start, end, document.markup)) <= max_tokens

    units = _units(document, chunk)
    if not fits(chunk.start, chunk.end):
        units = [piece for unit in units for piece in _fitting_pieces(document.text, unit, fits)]
    group: list[Span] = []
    for unit in units:
        if group and not fits(group[0].start, unit.end):
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def _units(document: Document, chunk: Chunk) -> list[Span]:
    """What a block is made of: sentences, or the lines of code."""
    if chunk.kind is BlockKind.TABLE_ROW:
        return [Span(chunk.start, chunk.end)]
    if chunk.kind in (BlockKind.CODE, BlockKind.HTML):
        lines = re.finditer(r"[^\r\n]*[^\r\n\t ]", document.text[chunk.start : chunk.end])
        return [Span(chunk.start + line.start(), chunk.start + line.end()) for line in lines]
    return split_sentences(document.text, chunk.start, chunk.end, document.markup)


def _fitting_pieces(text: str, unit: Span, fits: Callable[[int, int], bool]) -> Iterator[Span]:
    """Cut a sentence that the model cannot read whole between words, or else between characters."""
    if fits(unit.start, unit.end) or unit.end - unit.start < 2:
        yield unit
        return
    middle = (unit.start + unit.end) // 2
    blanks = [m for m in re.finditer(r"\s+", text[unit.start : unit.end]) if m.start() > 0]
    cut = min(blanks, key=lambda m: abs(unit.start + m.start() - middle), default=None)
    first_end, second_start = (unit.start + cut.start(), unit.start + cut.end()) if cut else (middle, middle)
    yield from _fitting_pieces(text, Span(unit.start, first_end), fits)
    if second_start < unit.end:
        yield from _fitting_pieces(text, Span(second_start, unit.end), fits)
