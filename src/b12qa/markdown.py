"""Markdown → sections, blocks and marks, each with its offsets in the text.

markdown-it-py parses CommonMark and GFM tables, and knows lines, not characters.
While a block rule runs, though, its state knows where every line begins behind the marks of
the containers around it, and while an inline rule runs, its state knows which character it
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
from operator import attrgetter
from typing import TYPE_CHECKING

from b12qa.plain import one_line
from b12qa.records import Block, BlockKind, Chunk, Document, Excerpt, Markup, Section, Sentence, Span

# Answering reads what was parsed, and needs no parser.
if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

    BlockRule = Callable[[StateBlock, int, int, bool], bool]
    InlineRule = Callable[[StateInline, bool], bool]

# To be raised when the same text is read otherwise, so that what was built before counts as stale.
READING = 3
# What CommonMark takes off the ends of a line, and whatever else Unicode calls a blank.
MD_TRIM_CHARS = (
    "\t\n\x0b\x0c\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# Blocks that each rule may interrupt without a blank line (CommonMark 0.31, 4 and 5).
_LEAF_RULES: dict[str, list[str]] = {
    "table": ["paragraph", "reference"],
    "code": [],
    "fence": ["paragraph", "reference", "blockquote", "list"],
    "hr": ["paragraph", "reference", "blockquote", "list"],
    "html_block": ["paragraph", "reference", "blockquote"],
    "heading": ["paragraph", "reference", "blockquote"],
    "lheading": [],
    "paragraph": [],
}
_CONTAINER_RULES: dict[str, list[str]] = {
    "blockquote": ["paragraph", "reference", "blockquote", "list"],
    "list": ["paragraph", "reference", "blockquote"],
}
# The parser drops what is nested deeper than it will go; what is deeper than this stays plain text.
_MAX_NESTING = 80
# A line ends as CommonMark says: Python takes more characters for its end.
LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENTS = re.compile(r"\A\s*(?:<!--(?!-?>)(?:(?!-->).)*-->\s*)+", re.DOTALL)
# HTML that ends at a mark of its own and not at a blank line (CommonMark 0.31, 4.6).
_HTML_TO_ITS_END = re.compile(
    r"(?<!\s)\s*+<(!--|!\[CDATA\[|!(?=[a-z])|\?|(?:script|pre|style|textarea)(?=[\s>]|\Z))", re.IGNORECASE
)
_HTML_ENDS = {"!--": ("-->",), "![cdata[": ("]]>",), "!": (">",), "?": ("?>",)}
_RAW_ENDS = ("</script>", "</pre>", "</style>", "</textarea>")
_ESCAPED_PIPE = re.compile(r"\\\|")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:")
# Where a text leans on what stands below it: "[^1]", "[1]", "[2, 5-7]".
_FOOTNOTE_MARK = re.compile(r"\[(?:\^[^\[\]\s]+|\d{1,3}(?: ?[,–-] ?\d{1,3})*)\]")
_ATX_MARK = re.compile(r"#+[ \t]*")
_ATX_CLOSING = re.compile(r"(?:(?<=[ \t])|^)#+$")
_FRONT_MATTER = re.compile(
    r"""
    \ufeff?
    (?P<yaml>
        ---[ \t]*                                   (?>\r\n|\r|\n)
        (?:[ \t]*\#[^\r\n]*                         (?>\r\n|\r|\n))*+
        (?=(?P<quote>["']?)[^\W\d][\w.-]*(?P=quote)[ \t]*:(?:[ \t]|[\r\n]))
        (?:[^\r\n]*                                (?>\r\n|\r|\n))+?
    )
    (?:---|\.\.\.)[ \t]*                           (?:(?>\r\n|\r|\n)|\Z)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class ParsedMarkdown:
    """What the parser found in one text."""

    sections: tuple[Section, ...]
    blocks: tuple[Block, ...]
    markup: Markup
    unclosed: tuple[tuple[int, str], ...]  # code or HTML that holds all that follows: where, and what ends it
    raw: tuple[
        tuple[int, str], ...
    ]  # HTML and marks of footnotes, which are quoted as they stand: where, which


def parse(text: str) -> ParsedMarkdown:
    """Find the sections, blocks and marks of a Markdown text.

    Front matter is no part of the body, and neither are link reference definitions and HTML comments,
    which CommonMark does not show.
    Only headings outside lists and block quotes begin a section; the others are blocks.

    Source: CommonMark 0.31.2; GitHub Flavored Markdown, section 4.10, for tables.
    """
    return _Reader(text).read()


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """Where the lines before the body stand."""

    yaml: Span  # with the opening line, which YAML takes for the beginning of a document
    end: int  # of the closing line; the body begins here


def find_front_matter(text: str) -> FrontMatter | None:
    """Find the YAML between a first line ``---`` and the next line ``---`` or ``...``.

    A first line ``---`` may also be a thematic break. It opens front matter only if a key follows, with
    nothing but comments in between, and if there is a closing line.
    """
    found = _FRONT_MATTER.match(text)
    return None if found is None else FrontMatter(Span(*found.span("yaml")), found.end())


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
    first = bisect_right(markup.hidden, start, key=attrgetter("end"))
    for i in range(first, len(markup.hidden)):
        hidden = markup.hidden[i]
        if hidden.start >= end:
            break
        if hidden.start > position:
            yield Span(position, hidden.start)
        position = hidden.end
    if position < end:
        yield Span(position, end)


def plain_text(text: str, start: int, end: int, markup: Markup) -> str:
    """``text[start:end]`` without Markdown marks: what a person reads."""
    return "".join(text[a:b] for a, b in visible_spans(start, end, markup))


def plain_text_of(document: Document, place: Span | Block | Chunk | Sentence | Excerpt) -> str:
    """What a person reads of a document at a place."""
    return plain_text(document.text, place.start, place.end, document.markup)


class Lines:
    """The lines of a text, counted as Markdown counts them."""

    def __init__(self, text: str) -> None:
        self._starts = _line_starts(text)

    def number_at(self, offset: int) -> int:
        """The line on which a character stands, from 1."""
        return bisect_right(self._starts, offset)

    def start_at(self, offset: int) -> int:
        """Where the line begins on which a character stands."""
        return self._starts[self.number_at(offset) - 1]


def _line_starts(text: str) -> list[int]:
    return [0] + [match.end() for match in LINE_END.finditer(text)]


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt, rules_block
    from markdown_it.rules_inline import entity, escape, html_inline, image, link

    # An open list is two levels: itself and its item.
    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING + 2}).enable("table")
    for name, interrupts in _LEAF_RULES.items():
        rule: BlockRule = getattr(rules_block, name)
        parser.block.ruler.at(name, _noting_lines(rule), {"alt": interrupts})
    for name, interrupts in _CONTAINER_RULES.items():
        rule = getattr(rules_block, "list_block" if name == "list" else name)
        parser.block.ruler.at(name, _nesting_no_deeper(rule), {"alt": interrupts})
    parser.block.ruler.at("reference", _without_footnotes(rules_block.reference))
    parser.inline.ruler.at("emphasis", _noting_positions)
    parser.inline.ruler.at("escape", _noting_backslash(escape))
    parser.disable("text_join")  # which would take an escaped character for any other
    parser.inline.ruler.at("link", _noting_label(link, "["))
    parser.inline.ruler.at("image", _noting_label(image, "!["))
    parser.inline.ruler.after("image", "footnote_mark", _footnote_mark)
    parser.inline.ruler.at("html_inline", _noting_raw(html_inline))
    parser.inline.ruler.at("entity", _noting_raw(entity))
    return parser


def _nesting_no_deeper(rule: BlockRule) -> BlockRule:
    """The same rule; a mark that is nested too deep is taken as text."""

    def limited(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
        return state.level < _MAX_NESTING and rule(state, start_line, end_line, silent)

    return limited


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


def _without_footnotes(rule: BlockRule) -> BlockRule:
    """The rule for link reference definitions; "[^1]: Yes" is none, though CommonMark takes it for one."""

    def limited(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
        start = state.bMarks[start_line] + state.tShift[start_line]
        return not _FOOTNOTE.match(state.src, start) and rule(state, start_line, end_line, silent)

    return limited


def _noting_positions(state: StateInline, silent: bool) -> bool:
    """The emphasis rule; its tokens also say on which character of the content they stand."""
    from markdown_it.rules_inline import emphasis

    position, count = state.pos, len(state.delimiters)
    found = emphasis.tokenize(state, silent)
    if found and not silent:
        for offset, delimiter in enumerate(state.delimiters[count:]):
            state.tokens[delimiter.token].meta["position"] = position + offset
    return found


def _noting_backslash(rule: InlineRule) -> InlineRule:
    """The rule for escaped characters; its token also says that the backslash before one is a mark."""

    def noting(state: StateInline, silent: bool) -> bool:
        start = state.pos
        found = rule(state, silent)
        if found and not silent:
            token = state.tokens[-1]
            # Before what needs no escape, a backslash is a character like any other.
            if token.type == "hardbreak" or token.content != token.markup:
                token.meta["marks"] = [(start, start + 1)]
        return found

    return noting


def _noting_label(rule: InlineRule, mark: str) -> InlineRule:
    """The rule for links or images; its last token also says which characters are its marks.

    They are the mark before the words that are shown, and all that follows those words.
    """

    def noting(state: StateInline, silent: bool) -> bool:
        start = state.pos
        found = rule(state, silent)
        if found and not silent:
            label_start = start + len(mark)
            label_end = state.md.helpers.parseLinkLabel(state, label_start - 1, mark == "[")
            # Without words to show, the marks are all there is.
            if state.src[label_start:label_end].strip():
                state.tokens[-1].meta["marks"] = [(start, label_start), (label_end, state.pos)]
            if _FOOTNOTE_MARK.fullmatch(state.src, start, label_end + 1):
                state.tokens[-1].meta["raw"] = (start, state.src[start : label_end + 1])
        return found

    return noting


def _noting_raw(rule: InlineRule) -> InlineRule:
    """The same rule; its token also says where it stands and how it is written."""

    def noting(state: StateInline, silent: bool) -> bool:
        start = state.pos
        found = rule(state, silent)
        if found and not silent:
            state.tokens[-1].meta["raw"] = (start, state.src[start : state.pos])
        return found

    return noting


def _footnote_mark(state: StateInline, silent: bool) -> bool:
    """A rule for marks of footnotes that are no links: they are text, and noted."""
    found = _FOOTNOTE_MARK.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("text_special", "", 0)  # "text" would be joined with what is beside it
        token.content = found[0]
        token.meta["raw"] = (state.pos, found[0])
    state.pos = found.end()
    return True


class _Reader:
    """Walks the tokens of one text and collects what has offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        found = find_front_matter(text)
        self.body = 0 if found is None else found.end
        # A byte order mark would hide a heading on the first line.
        first = self.body or len(text) - len(text.removeprefix("\ufeff"))
        self.parsed = text[first:]
        self.line_starts = [first, *(start for start in _line_starts(text) if start > first)]
        # The parser sees every line end as one character.
        self.parser_line_starts = _line_starts(LINE_END.sub("\n", self.parsed))
        self.headings: list[tuple[int, int, str]] = []  # first character, level, title
        self.blocks: list[tuple[Span, BlockKind, tuple[Span, ...]]] = []
        self.hidden: list[Span] = []
        self.strong: list[Span] = []
        self.emphasis: list[Span] = []
        self.unclosed: list[tuple[int, str]] = []
        self.raw: list[tuple[int, str]] = []

    def read(self) -> ParsedMarkdown:
        self._walk(_parser().parse(self.parsed))
        sections = tuple(self._sections())
        starts = [section.start for section in sections]
        blocks = [
            Block(span.start, span.end, kind, bisect_right(starts, span.start) - 1, context)
            for span, kind, context in sorted(self.blocks)
        ]
        markup = Markup(tuple(_merged(self.hidden)), tuple(sorted(self.strong)), tuple(sorted(self.emphasis)))
        return ParsedMarkdown(sections, tuple(blocks), markup, tuple(self.unclosed), tuple(sorted(self.raw)))

    # From the parser's places to ours.

    def _offset(self, line: int, position: int) -> int:
        return self.line_starts[line] + position - self.parser_line_starts[line]

    def _line_spans(self, token: Token) -> list[Span]:
        """The lines of a token behind the marks of its containers, without blanks around them."""
        return [_stripped(self.text, start, end) for start, end in self._whole_line_spans(token)]

    def _whole_line_spans(self, token: Token) -> list[Span]:
        return [
            Span(self._offset(line, start), self._offset(line, end))
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
                context = self._context(lead_ins, firsts)
                header = self._row(token, _cells(tokens, i), header, context)
                previous = None
            elif kind == "heading_open":
                span = self._heading(token, tokens[i + 1])
                if token.level > 0 and span.start < span.end:  # in a list or a block quote
                    self._add(span, _text_kind(containers), self._context(lead_ins, firsts))
                    if firsts and firsts[-1] is None:
                        firsts[-1] = span
                previous = None
            elif kind == "paragraph_open":
                lines = _without_blank_ends(self._line_spans(token))
                if not lines:  # of blanks that are none to CommonMark, such as a form feed
                    continue
                span = Span(lines[0].start, lines[-1].end)
                self._note_prefixes(lines)
                self._note_marks(tokens[i + 1], lines)
                unquoted = _unquoted_kind(tokens[i + 1])
                self._add(span, unquoted or _text_kind(containers), self._context(lead_ins, firsts))
                if unquoted:  # introduces nothing
                    continue
                if firsts and firsts[-1] is None:
                    firsts[-1] = span
                previous = span
            elif kind in ("fence", "code_block", "html_block"):
                self._verbatim_block(token, self._context(lead_ins, firsts))
                previous = None
            elif kind == "hr":
                previous = None

    @staticmethod
    def _context(lead_ins: Sequence[Span | None], firsts: Sequence[Span | None]) -> tuple[Span, ...]:
        """What must be read before a block: lead-ins of its lists, first words of its items."""
        spans: list[Span] = []
        for lead_in, first in zip(lead_ins, firsts, strict=False):
            for span in (lead_in, first):
                if span is not None and span not in spans:
                    spans.append(span)
        return tuple(spans)

    def _add(self, span: Span, kind: BlockKind, context: tuple[Span, ...]) -> None:
        if span.start < span.end:
            self.blocks.append((span, kind, context))

    def _row(
        self, token: Token, cells: Sequence[Token], header: Span | None, context: tuple[Span, ...]
    ) -> Span:
        span = self._line_spans(token)[0]
        for inline, cell in zip(cells, row_cells(self.text, *span), strict=False):
            self._note_marks(inline, [cell], in_cell=True)
        self._add(span, BlockKind.TABLE_ROW, context if header is None else (*context, header))
        return header or span

    def _verbatim_block(self, token: Token, context: tuple[Span, ...]) -> None:
        lines = self._line_spans(token)
        closing = _html_end(token.content) if token.type == "html_block" else ""
        if token.type == "fence":
            # A last line that is no content is the closing fence; the text may end before one.
            content_lines = len(token.content.removesuffix("\n").split("\n")) if token.content else 0
            closing = token.markup if len(lines) == 1 + content_lines else ""
            lines = lines[1 : 1 + content_lines]
        is_unclosed = bool(closing) and token.level == 0  # what contains one ends it
        if is_unclosed:
            self.unclosed.append((self._line_spans(token)[0].start, closing))
        lines = _without_blank_ends(lines)
        if not lines or (token.type == "html_block" and _COMMENTS.fullmatch(token.content)):
            return
        self._note_prefixes(lines)
        kind = BlockKind.HTML if token.type == "html_block" else BlockKind.CODE
        if kind is BlockKind.HTML and not is_unclosed:
            self.raw.append((lines[0].start, self.text[slice(*lines[0])]))
        self._add(Span(lines[0].start, lines[-1].end), kind, context)

    def _heading(self, token: Token, inline: Token) -> Span:
        """Note a heading, which begins a section unless a container holds it; its words' span."""
        if token.markup[0] == "#":
            lines = [self._atx_words(self._whole_line_spans(token)[0])]
        else:
            lines = _without_blank_ends(self._line_spans(inline))
        span = Span(lines[0].start, lines[-1].end) if lines else Span(0, 0)
        known = len(self.hidden)
        self._note_prefixes(lines)
        self._note_marks(inline, lines)
        if token.level == 0:
            markup = Markup(tuple(_merged(self.hidden[known:])))
            title = one_line(plain_text(self.text, span.start, span.end, markup))
            start = self._line_spans(token)[0].start
            self.headings.append((start, int(token.tag[1]), title))
        return span

    def _atx_words(self, line: Span) -> Span:
        start, end = _stripped(self.text, *line, blanks=" \t")
        mark = _ATX_MARK.match(self.text, start, end)
        words = self.text[mark.end() if mark else start : end]
        closing = _ATX_CLOSING.search(words)
        start = end - len(words)
        return _stripped(self.text, start, start + closing.start() if closing else end)

    def _note_prefixes(self, lines: Sequence[Span]) -> None:
        """Marks of containers at the start of a later line (``> ``) are no words."""
        for before, line in itertools.pairwise(lines):
            line_start = _last_line_start(self.text, before.end, line.start)
            if self.text[line_start : line.start].strip():
                self.hidden.append(Span(line_start, line.start))

    def _note_marks(self, inline: Token, lines: Sequence[Span], *, in_cell: bool = False) -> None:
        """Note the marks of emphasis, links, images and escapes in a block's content."""
        locate = _Locator(self.text, inline.content, lines, in_cell)
        self.hidden += [Span(start, start + 1) for start in locate.removed]
        opened: list[tuple[list[Span], Span]] = []  # where the span belongs, its opening mark
        for token, offset in _tokens_in(inline.children or ()):
            for start, end in token.meta.get("marks", ()):
                self.hidden.append(Span(locate(offset + start), locate(offset + end - 1) + 1))
            if "raw" in token.meta:
                start, written = token.meta["raw"]
                self.raw.append((locate(offset + start), written))
            if "position" not in token.meta:
                continue
            kind, _, side = token.type.partition("_")
            # Of the two characters of a strong mark, the token is the one nearer to the words.
            first = offset + token.meta["position"] - (token.type == "strong_open")
            start = locate(first)
            mark = Span(start, start + len(token.markup))
            if side == "open":
                opened.append((self.strong if kind == "strong" else self.emphasis, mark))
            elif side == "close":
                spans, opening = opened.pop()
                spans.append(Span(opening.end, mark.start))
                self.hidden += [opening, mark]

    def _sections(self) -> Iterator[Section]:
        end = len(self.text)
        starts = [start for start, _, _ in self.headings] + [end]
        if not self.headings or any(span.start < starts[0] for span, _, _ in self.blocks):
            yield Section(self.body, starts[0], 0, ())
        path: list[tuple[int, str]] = []
        for (start, level, title), following in zip(self.headings, starts[1:], strict=True):
            path = [(outer, name) for outer, name in path if outer < level] + [(level, title)]
            yield Section(start, following, level, tuple(name for _, name in path))


def _tokens_in(tokens: Sequence[Token], offset: int = 0) -> Iterator[tuple[Token, int]]:
    """The tokens of a block, and where the text that each counts from begins: an image has its own."""
    for token in tokens:
        yield token, offset
        if token.type == "image" and token.children and token.meta.get("marks"):
            yield from _tokens_in(token.children, offset + token.meta["marks"][0][1])


def _html_end(html: str) -> str:
    """What would end a block of HTML that goes on to the end of the text; empty if it ends."""
    opened = _HTML_TO_ITS_END.match(html)
    if opened is None:
        return ""
    mark = opened[1].lower()
    endings = _HTML_ENDS.get(mark, _RAW_ENDS)
    if any(ending in html[opened.start(1) :].lower() for ending in endings):
        return ""
    return f"</{mark}>" if endings is _RAW_ENDS else endings[0]


def _text_kind(containers: Sequence[str]) -> BlockKind:
    if "list" in containers:
        return BlockKind.LIST_ITEM
    return BlockKind.QUOTE if containers else BlockKind.PARAGRAPH


def _unquoted_kind(inline: Token) -> BlockKind | None:
    """What a paragraph is that holds none of the document's own sentences; none if it does."""
    if _FOOTNOTE.match(inline.content):
        return BlockKind.FOOTNOTE
    held = {token.type for token in inline.children or () if token.type != "text" or token.content.strip()}
    only_images = held <= {"image", "link_open", "link_close", "softbreak", "hardbreak"}
    return BlockKind.IMAGE if only_images and "image" in held else None


class _Locator:
    """From a position in a block's content to the place in the text."""

    def __init__(self, text: str, content: str, lines: Sequence[Span], in_cell: bool) -> None:
        self.lines = lines
        self.starts = [0]  # where each line of the content begins
        self.words: list[int] = []  # where its first character that is no blank stands
        for line in content.split("\n"):
            self.words.append(self.starts[-1] + len(line) - len(line.lstrip(MD_TRIM_CHARS)))
            self.starts.append(self.starts[-1] + len(line) + 1)
        # The parser takes the backslash out of a pipe that is escaped in a cell.
        self.removed = [m.start() for m in _ESCAPED_PIPE.finditer(text, *lines[0])] if in_cell else []

    def __call__(self, position: int) -> int:
        line = bisect_right(self.starts, position) - 1
        found = self.lines[line].start + position - self.words[line]
        for removed in self.removed:
            found += removed <= found
        return found


def _cells(tokens: Sequence[Token], row: int) -> list[Token]:
    """The contents of a table row's cells; a cell opens, has its content and closes."""
    contents = []
    while tokens[row + 1].type != "tr_close":
        contents.append(tokens[row + 2])
        row += 3
    return contents


def _merged(spans: Sequence[Span]) -> Iterator[Span]:
    """The same characters in spans that are in order and do not overlap."""
    last: Span | None = None
    for span in sorted(spans):
        if last is not None and span.start < last.end:
            last = Span(last.start, max(last.end, span.end))
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last


def _without_blank_ends(lines: Sequence[Span]) -> list[Span]:
    """Lines without those at either end that hold nothing but blanks."""
    full = [i for i, line in enumerate(lines) if line.start < line.end]
    return list(lines[full[0] : full[-1] + 1]) if full else []


def _last_line_start(text: str, start: int, end: int) -> int:
    return max((match.end() for match in LINE_END.finditer(text, start, end)), default=start)


def _stripped(text: str, start: int, end: int, blanks: str = MD_TRIM_CHARS) -> Span:
    """A span without blanks at its edges: the characters that the parser trims there."""
    while start < end and text[start] in blanks:
        start += 1
    while start < end and text[end - 1] in blanks:
        end -= 1
    return Span(start, end)
