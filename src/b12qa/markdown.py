"""Markdown → sections, blocks and marks, each with its offsets in the text.

markdown-it-py parses CommonMark and GFM tables, and knows lines, not characters.
While a block rule runs, though, its state knows where every line begins behind the marks of
the containers around it, and while the emphasis rule runs, its state knows which character it
stands on. Both are noted on the tokens through the parser's own rule interface, so that nothing
has to be found again in the text.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import (
    StateBlock,
    code,
    fence,
    heading,
    hr,
    html_block,
    lheading,
    paragraph,
    table,
)
from markdown_it.rules_inline import StateInline, emphasis
from markdown_it.token import Token

from b12qa.records import Block, BlockKind, Markup, Section, Span

BlockRule = Callable[[StateBlock, int, int, bool], bool]

# Rule by name, and the blocks that it may interrupt without a blank line (CommonMark 0.31, 4 and 5).
_LEAF_RULES: dict[str, tuple[BlockRule, list[str]]] = {
    "table": (table, ["paragraph", "reference"]),
    "code": (code, []),
    "fence": (fence, ["paragraph", "reference", "blockquote", "list"]),
    "hr": (hr, ["paragraph", "reference", "blockquote", "list"]),
    "html_block": (html_block, ["paragraph", "reference", "blockquote"]),
    "heading": (heading, ["paragraph", "reference", "blockquote"]),
    "lheading": (lheading, []),
    "paragraph": (paragraph, []),
}
_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"\s*(?:<!--.*?-->\s*)+", re.DOTALL)
_ATX_MARK = re.compile(r"#+[ \t]*")


@dataclass(frozen=True, slots=True)
class ParsedMarkdown:
    """What the parser found in one text."""

    sections: tuple[Section, ...]
    blocks: tuple[Block, ...]
    markup: Markup


def parse(text: str) -> ParsedMarkdown:
    """Find the sections, blocks and marks of a Markdown text.

    Link reference definitions and HTML comments are no part of the body: CommonMark shows neither.
    Only headings outside lists and block quotes begin a section; the others are blocks.

    Source: CommonMark 0.31.2; GitHub Flavored Markdown, section 4.10, for tables.
    """
    return _Reader(text).read()


def row_cells(text: str, start: int, end: int) -> tuple[Span, ...]:
    """The cells of a table row that stands at ``[start, end)``, without the blanks around them."""
    borders = [start - 1]
    escaped = False
    for position in range(start, end):
        if text[position] == "|" and not escaped:
            borders.append(position)
        escaped = text[position] == "\\"
    borders.append(end)
    cells = [Span(a + 1, b) for a, b in itertools.pairwise(borders)]
    # An outer pipe has nothing outside it; an empty cell in the middle counts.
    if cells[0].start == cells[0].end:
        cells = cells[1:]
    if cells and cells[-1].start == cells[-1].end:
        cells = cells[:-1]
    return tuple(_stripped(text, cell.start, cell.end) for cell in cells)


def visible_spans(start: int, end: int, markup: Markup) -> Iterator[Span]:
    """The stretches of ``[start, end)`` that are words and not Markdown marks."""
    position = start
    for hidden in markup.hidden:
        if hidden.end <= position or hidden.start >= end:
            continue
        if hidden.start > position:
            yield Span(position, hidden.start)
        position = hidden.end
    if position < end:
        yield Span(position, end)


def plain_text(text: str, start: int, end: int, markup: Markup) -> str:
    """``text[start:end]`` without Markdown marks: what a person reads."""
    return "".join(text[a:b] for a, b in visible_spans(start, end, markup))


def line_number(text: str, offset: int) -> int:
    """The line on which a character stands, from 1, counted as Markdown counts lines."""
    return 1 + sum(1 for _ in _LINE_END.finditer(text, 0, offset))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    for name, (rule, interrupts) in _LEAF_RULES.items():
        parser.block.ruler.at(name, _noting_lines(rule), {"alt": interrupts})
    parser.inline.ruler.at("emphasis", _noting_positions)
    return parser


def _noting_lines(rule: BlockRule) -> BlockRule:
    """The same rule; its tokens also say where each of their lines begins and ends."""

    def noting(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
        count = len(state.tokens)
        found = rule(state, start_line, end_line, silent)
        if found and not silent:
            for token in state.tokens[count:]:
                if token.map:
                    token.meta["lines"] = [
                        (line, state.bMarks[line] + state.tShift[line], state.eMarks[line])
                        for line in range(*token.map)
                    ]
        return found

    return noting


def _noting_positions(state: StateInline, silent: bool) -> bool:
    """The emphasis rule; its tokens also say on which character of the content they stand."""
    position, count = state.pos, len(state.delimiters)
    found = emphasis.tokenize(state, silent)
    if found and not silent:
        for offset, delimiter in enumerate(state.delimiters[count:]):
            state.tokens[delimiter.token].meta["position"] = position + offset
    return found


class _Reader:
    """Walks the tokens of one text and collects what has offsets."""

    def __init__(self, text: str) -> None:
        # A byte order mark would hide a heading on the first line; a blank of the same width does not.
        self.text = " " + text[1:] if text.startswith("\ufeff") else text
        self.line_starts = [0] + [match.end() for match in _LINE_END.finditer(self.text)]
        # The parser sees every line end as one character.
        normalized = _LINE_END.sub("\n", self.text)
        self.normalized_starts = [0] + [m.end() for m in re.finditer("\n", normalized)]
        self.headings: list[tuple[Span, int, str]] = []
        self.blocks: list[tuple[Span, BlockKind, tuple[Span, ...]]] = []
        self.hidden: list[Span] = []
        self.strong: list[Span] = []
        self.emphasis: list[Span] = []

    def read(self) -> ParsedMarkdown:
        self._walk(_parser().parse(self.text))
        sections = tuple(self._sections())
        starts = [section.start for section in sections]
        blocks = [
            Block(span.start, span.end, kind, bisect_right(starts, span.start) - 1, context)
            for span, kind, context in sorted(self.blocks)
        ]
        markup = Markup(
            tuple(sorted(set(self.hidden))), tuple(sorted(self.strong)), tuple(sorted(self.emphasis))
        )
        return ParsedMarkdown(sections, tuple(blocks), markup)

    # From the parser's places to ours.

    def _offset(self, line: int, position: int) -> int:
        return self.line_starts[line] + position - self.normalized_starts[line]

    def _line_spans(self, token: Token) -> list[Span]:
        """The lines of a token behind the marks of its containers, without blanks around them."""
        return [
            _stripped(self.text, self._offset(line, start), self._offset(line, end))
            for line, start, end in token.meta["lines"]
        ]

    # The walk.

    def _walk(self, tokens: Sequence[Token]) -> None:
        lead_ins: list[Span | None] = []  # one for each open list: what introduces it
        firsts: list[Span | None] = []  # one for each open item: its first paragraph
        containers: list[str] = []
        previous: Span | None = None  # the paragraph just before this token, in the same container
        header: Span | None = None  # header row of the open table
        for i, token in enumerate(tokens):
            kind = token.type
            if kind in ("bullet_list_open", "ordered_list_open"):
                containers.append("list")
                lead_ins.append(previous)
                previous = None
            elif kind in ("bullet_list_close", "ordered_list_close"):
                containers.pop()
                lead_ins.pop()
                previous = None
            elif kind == "list_item_open":
                firsts.append(None)
                previous = None
            elif kind == "list_item_close":
                firsts.pop()
            elif kind == "blockquote_open":
                containers.append("quote")
                previous = None
            elif kind == "blockquote_close":
                containers.pop()
                previous = None
            elif kind == "table_open":
                header = None
            elif kind == "tr_open":
                header = self._row(token, header, self._context(lead_ins, firsts, None))
                previous = None
            elif kind == "heading_open":
                inline = tokens[i + 1]
                span = self._heading_span(token)
                if token.level == 0:
                    line = self._line_spans(token)[0]
                    level = int(token.tag[1])
                    self._note_emphasis(
                        inline, [span] if token.markup[0] == "#" else self._line_spans(inline)
                    )
                    title = self._title(span)
                    self.headings.append((Span(line.start, span.end), level, title))
                elif span.start < span.end:
                    self._add(span, _text_kind(containers), self._context(lead_ins, firsts, None))
                previous = None
            elif kind == "paragraph_open":
                inline = tokens[i + 1]
                lines = self._line_spans(inline)
                span = Span(lines[0].start, lines[-1].end)
                self._note_prefixes(lines)
                self._note_emphasis(inline, lines)
                self._add(span, _text_kind(containers), self._context(lead_ins, firsts, span))
                if firsts and firsts[-1] is None:
                    firsts[-1] = span
                previous = span
            elif kind in ("fence", "code_block", "html_block"):
                self._verbatim_block(token, self._context(lead_ins, firsts, None))
                previous = None
            elif kind == "hr":
                previous = None

    @staticmethod
    def _context(
        lead_ins: Sequence[Span | None], firsts: Sequence[Span | None], own: Span | None
    ) -> tuple[Span, ...]:
        """What must be read before a block: lead-ins of its lists, first words of its items."""
        spans: list[Span] = []
        for lead_in, first in zip(lead_ins, firsts, strict=False):
            for span in (lead_in, first):
                if span is not None and span != own and span not in spans:
                    spans.append(span)
        return tuple(spans)

    def _add(self, span: Span, kind: BlockKind, context: tuple[Span, ...]) -> None:
        if span.start < span.end:
            self.blocks.append((span, kind, context))

    def _row(self, token: Token, header: Span | None, context: tuple[Span, ...]) -> Span:
        span = self._line_spans(token)[0]
        self._add(span, BlockKind.TABLE_ROW, context if header is None else (*context, header))
        return header or span

    def _verbatim_block(self, token: Token, context: tuple[Span, ...]) -> None:
        lines = self._line_spans(token)
        if token.type == "fence":
            # A last line that is no content is the closing fence; the text may end before one.
            content_lines = len(token.content.removesuffix("\n").split("\n")) if token.content else 0
            lines = lines[1 : 1 + content_lines]
        lines = [line for line in lines if line.start < line.end]
        if not lines or (token.type == "html_block" and _COMMENT.fullmatch(token.content)):
            return
        self._note_prefixes(lines)
        kind = BlockKind.HTML if token.type == "html_block" else BlockKind.CODE
        self._add(Span(lines[0].start, lines[-1].end), kind, context)

    def _heading_span(self, token: Token) -> Span:
        lines = self._line_spans(token)
        if token.markup[0] != "#":
            return Span(lines[0].start, lines[-2].end)  # the last line is the underline
        mark = _ATX_MARK.match(self.text, lines[0].start, lines[0].end)
        start = mark.end() if mark else lines[0].start
        closing = re.search(r"(?:(?<=[ \t])|^)#+$", self.text[start : lines[0].end])
        end = start + closing.start() if closing else lines[0].end
        return _stripped(self.text, start, max(start, end))

    def _title(self, span: Span) -> str:
        markup = Markup(tuple(sorted(self.hidden)))
        return re.sub(r"\s+", " ", plain_text(self.text, span.start, span.end, markup)).strip()

    def _note_prefixes(self, lines: Sequence[Span]) -> None:
        """Marks of containers at the start of a later line (``> ``) are no words."""
        for before, line in itertools.pairwise(lines):
            line_start = _last_line_start(self.text, before.end, line.start)
            if self.text[line_start : line.start].strip():
                self.hidden.append(Span(line_start, line.start))

    def _note_emphasis(self, inline: Token, lines: Sequence[Span]) -> None:
        opened: list[tuple[str, int, int]] = []  # kind, start of the mark, end of the mark
        for token in inline.children or ():
            if token.type not in ("strong_open", "strong_close", "em_open", "em_close"):
                continue
            if "position" not in token.meta:
                continue
            kind, side = token.type.split("_")
            position = token.meta["position"]
            # Of the two characters of a strong mark, the token is the one nearer to the words.
            first = position - 1 if token.type == "strong_open" else position
            start = _content_offset(inline.content, lines, first)
            end = start + len(token.markup)
            if side == "open":
                opened.append((kind, start, end))
                continue
            opened_kind, mark_start, mark_end = opened.pop()
            self.hidden += [Span(mark_start, mark_end), Span(start, end)]
            (self.strong if opened_kind == "strong" else self.emphasis).append(Span(mark_end, start))

    def _sections(self) -> Iterator[Section]:
        end = len(self.text)
        starts = [span.start for span, _, _ in self.headings] + [end]
        if not self.headings or any(span.start < starts[0] for span, _, _ in self.blocks):
            yield Section(0, starts[0], 0, ())
        path: list[tuple[int, str]] = []
        for (span, level, title), following in zip(self.headings, starts[1:], strict=True):
            path = [(outer, name) for outer, name in path if outer < level] + [(level, title)]
            yield Section(span.start, following, level, tuple(name for _, name in path))


def _text_kind(containers: Sequence[str]) -> BlockKind:
    if "list" in containers:
        return BlockKind.LIST_ITEM
    return BlockKind.QUOTE if containers else BlockKind.PARAGRAPH


def _content_offset(content: str, lines: Sequence[Span], position: int) -> int:
    """Where a character of a block's content stands in the text."""
    line = content.count("\n", 0, position)
    line_start = content.rfind("\n", 0, position) + 1
    head = content[line_start:position]
    blanks = len(head) - len(head.lstrip(" \t"))
    return lines[line].start + len(head) - blanks


def _last_line_start(text: str, start: int, end: int) -> int:
    return max((match.end() for match in _LINE_END.finditer(text, start, end)), default=start)


def _stripped(text: str, start: int, end: int) -> Span:
    while start < end and text[start] in " \t\r\n":
        start += 1
    while start < end and text[end - 1] in " \t\r\n":
        end -= 1
    return Span(start, end)
