"""A whole document → HTML that quotes can open: each sentence and each passage has an id.

What editors say of a sentence stands beside the words of its block, in an element of its own.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from b12qa.markdown import row_cells
from b12qa.records import Block, BlockKind, Document, EditorNote, Excerpt, Span
from b12qa.rendering import (
    Surroundings,
    excerpt_html,
    first_words,
    notes_html,
    part_of,
    parted,
    passage_anchor,
    section_anchor,
    version_of,
)

# The pane is sent before anybody's language is known. No language is that of all around our words.
_PANE = Surroundings({}, language="", links=False, said_again=True)
_ITEM_MARK = re.compile(r"([-+*]|\d{1,9}[.)])[ \t]+$")


def document_html(
    document: Document,
    sentences: Iterable[Span],
    passages: Iterable[Span] = (),
    notes: Iterable[EditorNote] = (),
) -> str:
    """A whole document, where headings and sentences have the id of `section_anchor`, and passages theirs.

    Args:
        sentences: of this document, in reading order.
        passages: likewise; none overlaps another.
        notes: on those sentences, in reading order.
    """
    spans = tuple(sentences)
    chunks = tuple(passages)
    said = tuple(notes)
    language = escape(document.about.language or "en")
    name = escape(f"{document.name}~{version_of(document)}")
    parts = [f'<article class="b12qa document" lang="{language}" id="{name}">']
    blocks = {
        number: list(group) for number, group in itertools.groupby(document.blocks, lambda b: b.section)
    }
    for number, section in enumerate(document.sections):
        anchor = escape(section_anchor(document.name, section.start))
        if section.level:
            tag = f"h{min(section.level + 1, 6)}"  # the page has its own first heading
            parts.append(f'<{tag} id="{anchor}" class="place">{escape(section.path[-1])}</{tag}>')
        elif all(span.start != section.start for span in spans[:1]):
            parts.append(f'<div id="{anchor}" class="place"></div>')  # text before any heading
        for group in _groups(blocks.get(number, [])):
            cut = (document.excerpt(Span(block.start, block.end)) for block in group)
            parts.append(_group_html(group[0].kind, [_Words(document, b, spans, chunks, said) for b in cut]))
    parts.append("</article>")
    return "".join(parts)


def _groups(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Blocks that belong in one list or one table, and the others one by one."""
    group: list[Block] = []
    for block in blocks:
        if group and not _continues(group, block):
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _continues(group: Sequence[Block], block: Block) -> bool:
    if block.kind is not group[0].kind:
        return False
    if block.kind is BlockKind.TABLE_ROW:
        return block.context[-1:] == ((group[0].start, group[0].end),)  # the header is its own first row
    return block.kind is BlockKind.LIST_ITEM


class _Words:
    """The words of one block, with each of its sentences and passages in an element of its own."""

    def __init__(
        self,
        document: Document,
        block: Excerpt,
        sentences: Sequence[Span],
        passages: Sequence[Span],
        notes: Sequence[EditorNote],
    ) -> None:
        self.document = document
        self.block = block
        self.sentences = _inside_of(block, sentences)
        self.passages = _inside_of(block, passages)
        self.notes = _notes_in(block, notes)
        self.named: set[str] = set()  # a sentence may run through several cells of a table
        self.own_id = ""  # of the block's element, where the block is one passage
        if len(self.passages) == 1:
            self.own_id = self._passage_id(self.passages[0])
            self.passages = ()

    @property
    def before(self) -> str:
        """What stands before the block on its line: blanks, and the mark of its list item."""
        line_start = max(self.document.text.rfind(end, 0, self.block.start) for end in "\r\n") + 1
        return self.document.text[line_start : self.block.start]

    def html(self, part: Span | None = None) -> str:
        """The words of a part of the block."""
        part = part or Span(self.block.start, self.block.end)
        html, position = [], part.start
        for passage in self.passages:
            start, end = max(passage.start, part.start), min(passage.end, part.end)
            if start < end:
                html.append(self._sentences_html(Span(position, start)))
                words = self._sentences_html(Span(start, end))
                html.append(f"<span{self._once(self._passage_id(passage))}>{words}</span>")
                position = end
        html.append(self._sentences_html(Span(position, part.end)))
        return "".join(html)

    def _sentences_html(self, part: Span) -> str:
        html, position = [], part.start
        noted = {note.start for note in self.notes}
        for sentence in self.sentences:
            start, end = max(sentence.start, part.start), min(sentence.end, part.end)
            if start >= end:
                continue
            html.append(self._words_html(position, start))
            words = self._words_html(start, end)
            kind = "place sentence has-note" if sentence.start in noted else "place sentence"
            html.append(f'<span class="{kind}"{self._once(self._id(sentence))}>{words}</span>')
            position = end
        html.append(self._words_html(position, part.end))
        return "".join(html)

    def _words_html(self, start: int, end: int) -> str:
        return excerpt_html(part_of(self.block, Span(start, end)))

    def _once(self, attributes: str) -> str:
        """The same attributes, but for the first element only: an id may not come twice."""
        if attributes in self.named:
            return ""
        self.named.add(attributes)
        return attributes

    def words_on(self, note: EditorNote, *, alone: bool) -> str:
        """The first words of a note's sentence; none where that is the whole block, which stands alone."""
        span = Span(note.start, min(note.end, self.block.end))
        is_whole = alone and span == (self.block.start, self.block.end)
        return "" if is_whole else first_words(part_of(self.block, span))

    def _id(self, sentence: Span) -> str:
        return f' id="{escape(section_anchor(self.document.name, sentence.start))}"'

    def _passage_id(self, passage: Span) -> str:
        anchor = passage_anchor(self.document.name, part_of(self.block, passage))
        return f' class="passage" id="{escape(anchor)}"'


def _inside_of(block: Excerpt, spans: Sequence[Span]) -> Sequence[Span]:
    """Those of many spans, in reading order, that begin in a block."""
    first = bisect_left(spans, (block.start, block.start))
    return spans[first : bisect_left(spans, (block.end, block.end))]


def _notes_in(block: Excerpt, notes: Sequence[EditorNote]) -> Sequence[EditorNote]:
    first = bisect_left(notes, block.start, key=_start_of)
    return notes[first : bisect_left(notes, block.end, key=_start_of)]


def _start_of(note: EditorNote) -> int:
    return note.start


def _group_html(kind: BlockKind, group: Sequence[_Words]) -> str:
    if kind is BlockKind.TABLE_ROW:
        header, *rows = group
        body = "".join(_row_html(row, "td") for row in rows)
        return _with_notes(group, f"<table>{_row_html(header, 'th')}{body}</table>")
    if kind is BlockKind.LIST_ITEM:
        return f"<ul>{''.join(map(_item_html, group))}</ul>"
    return "".join(_with_notes([words], _single_html(kind, words)) for words in group)


def _with_notes(group: Sequence[_Words], html: str) -> str:
    """Some blocks with the notes on them around them."""
    above, below = (
        notes_html(notes, _PANE, group[0].document.name)
        for notes in parted(
            (words.words_on(note, alone=len(group) == 1), note) for words in group for note in words.notes
        )
    )
    return f"{above}{html}{below}"


def _row_html(row: _Words, tag: str) -> str:
    cells = row_cells(row.document.text, row.block.start, row.block.end)
    html = "".join(f"<{tag}>{row.html(cell)}</{tag}>" for cell in cells)
    return f"<tr{row.own_id}>{html}</tr>"


def _item_html(item: _Words) -> str:
    before = item.before
    mark = _ITEM_MARK.search(before)
    shown = "" if mark is None else mark[1] if mark[1][0].isdigit() else "•"
    depth = min(len(before.expandtabs(4)) - len(before.expandtabs(4).lstrip()), 8) // 2
    html = f'<span class="item">{shown}</span><span{item.own_id}>{item.html()}</span>'
    return f'<li class="depth-{depth}">{_with_notes([item], html)}</li>'


def _single_html(kind: BlockKind, words: _Words) -> str:
    if kind in (BlockKind.CODE, BlockKind.HTML):
        indent = "" if words.before.strip() else words.before
        return f"<pre{words.own_id}>{escape(indent)}{words.html()}</pre>"
    if kind is BlockKind.QUOTE:
        return f"<blockquote><p{words.own_id}>{words.html()}</p></blockquote>"
    return f"<p{words.own_id}>{words.html()}</p>"
