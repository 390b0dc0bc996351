"""Markdown → sections, blocks and marks."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from strategies import (
    PROPERTY,
    cases,
    front_matters,
    in_proportion,
    markdown_texts,
    seconds,
    shown,
    unquoted_kind,
    without_front_matter,
)

from b12qa.corpus import parse_document
from b12qa.markdown import (
    MD_TRIM_CHARS,
    Lines,
    ParsedMarkdown,
    find_front_matter,
    parse,
    plain_text,
    row_cells,
    visible_spans,
)
from b12qa.records import Block, BlockKind, Markup, Section, Span

# The parser without any of our rules: what the properties are checked against.
PLAIN_PARSER = MarkdownIt("commonmark", {"maxNesting": 100}).enable("table")


def sections_and_blocks(text: str) -> str:
    """What the fixtures show."""
    found = parse(text)
    lines = []
    for number, section in enumerate(found.sections):
        line = Lines(text).number_at(section.start)
        lines.append(f"§ {line} {' › '.join(section.path)}".rstrip())
        for block in found.blocks:
            if block.section != number:
                continue
            words = plain_text(text, block.start, block.end, found.markup)
            lines.append(f"{block.kind} {shown(text[block.start : block.end])}")
            lines += [f"    after {shown(text[start:end])}" for start, end in block.context]
            lines += [f"    reads {shown(words)}"] if words != text[block.start : block.end] else []
    return "\n".join(lines)


def plain_tokens(text: str) -> list[Token]:
    return PLAIN_PARSER.parse(without_front_matter(text).removeprefix("\ufeff"))


@pytest.mark.parametrize(("text", "expected"), [*cases("sections"), *cases("blocks"), *cases("marks")])
def test_sections_blocks_and_marks_of_the_fixtures(text: str, expected: str) -> None:
    assert sections_and_blocks(text) == expected


@PROPERTY
@given(markdown_texts)
def test_sections_tile_the_document_and_hold_their_blocks(text: str) -> None:
    found = parse(text)
    assert found.sections[-1].end == len(text)
    assert all(a.end == b.start for a, b in itertools.pairwise(found.sections))
    for block in found.blocks:
        section = found.sections[block.section]
        assert section.start <= block.start < block.end <= section.end
        assert all(span.start < span.end <= block.start for span in block.context)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found.blocks))


@PROPERTY
@given(front_matters, markdown_texts)
def test_front_matter_moves_everything_and_changes_nothing(before: str, body: str) -> None:
    if body.startswith("\ufeff") or find_front_matter(body):  # which they are at the start of a file only
        return
    if before.endswith("\r") and body.startswith("\n"):  # one line end, not two
        return

    def moved(*spans: Span) -> tuple[Span, ...]:
        return tuple(Span(span.start + len(before), span.end + len(before)) for span in spans)

    alone = parse(body)
    marks = alone.markup
    assert parse(before + body) == ParsedMarkdown(
        tuple(Section(*moved(Span(s.start, s.end))[0], s.level, s.path) for s in alone.sections),
        tuple(
            Block(*moved(Span(b.start, b.end))[0], b.kind, b.section, moved(*b.context)) for b in alone.blocks
        ),
        Markup(moved(*marks.hidden), moved(*marks.strong), moved(*marks.emphasis)),
        tuple((start + len(before), closing) for start, closing in alone.unclosed),
        tuple((start + len(before), written) for start, written in alone.raw),
    )


@PROPERTY
@given(markdown_texts)
def test_headings_and_their_lines_are_those_of_the_parser(text: str) -> None:
    tokens = plain_tokens(text)
    expected = [
        (token.map[0] + 1, int(token.tag[1]))
        for token in tokens
        if token.type == "heading_open" and token.level == 0 and token.map
    ]
    sections = [section for section in parse(text).sections if section.path]
    assert [(Lines(text).number_at(section.start), section.level) for section in sections] == expected


@PROPERTY
@given(markdown_texts)
def test_blocks_are_those_of_the_parser_and_of_its_kind(text: str) -> None:
    containers: list[str] = []
    expected: list[BlockKind] = []
    tokens = plain_tokens(text)
    for i, token in enumerate(tokens):
        if token.type in ("list_item_open", "blockquote_open"):
            containers.append(token.type)
        elif token.type in ("list_item_close", "blockquote_close"):
            containers.pop()
        elif token.type in ("paragraph_open", "heading_open"):
            if token.type == "paragraph_open" and (kind := unquoted_kind(tokens[i + 1])):
                expected.append(kind)
            elif tokens[i + 1].content and not (token.type == "heading_open" and token.level == 0):
                in_quote = BlockKind.QUOTE if containers else BlockKind.PARAGRAPH
                expected.append(BlockKind.LIST_ITEM if "list_item_open" in containers else in_quote)
        elif token.type in ("fence", "code_block") and token.content.strip():
            expected.append(BlockKind.CODE)
        elif token.type == "html_block" and re.sub(r"(?s)<!--.*?-->", "", token.content).strip():
            expected.append(BlockKind.HTML)
        elif token.type == "tr_open":
            expected.append(BlockKind.TABLE_ROW)
    assert [block.kind for block in parse(text).blocks] == expected


@PROPERTY
@given(markdown_texts)
def test_marks_lie_in_order_and_emphasis_between_its_marks(text: str) -> None:
    markup = parse(text).markup
    assert all(a.start < a.end <= b.start for a, b in itertools.pairwise(markup.hidden))
    hidden = {position for span in markup.hidden for position in range(*span)}
    for spans, width in ((markup.strong, 2), (markup.emphasis, 1)):
        for start, end in spans:
            before, after = range(start - width, start), range(end, end + width)
            assert start < end
            assert text[start - width : start] in ("*" * width, "_" * width)
            assert text[end : end + width] == text[start - width : start]
            assert hidden.issuperset(before)
            assert hidden.issuperset(after)


@PROPERTY
@given(markdown_texts)
def test_emphasis_is_where_the_parser_finds_it(text: str) -> None:
    tokens = plain_tokens(text)
    children = [child.type for token in tokens for child in token.children or ()]
    markup = parse(text).markup
    # A cell beyond the header's columns is not shown by the parser and not looked into by us.
    assert len(markup.strong) == children.count("strong_open")
    assert len(markup.emphasis) == children.count("em_open")


@PROPERTY
@given(markdown_texts)
def test_plain_text_is_what_the_parser_shows(text: str) -> None:
    tokens = plain_tokens(text)
    # Escapes, entities, code marks, raw HTML and table borders are kept; links have their fixtures.
    if re.search(r"[\\&`<\0]|\]\(|!\[", text) or any(token.type == "table_open" for token in tokens):
        return
    in_title = False
    expected = ""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            in_title = token.type == "heading_open" and token.level == 0
        elif token.type == "inline" and not in_title:
            expected += "".join(child.content for child in token.children or ())
    found = parse(text)
    words = "".join(
        plain_text(text, block.start, block.end, found.markup)
        for block in found.blocks
        if block.kind is not BlockKind.CODE
    )
    assert "".join(words.split()) == "".join(expected.split())


@PROPERTY
@given(markdown_texts)
def test_plain_text_holds_no_hidden_mark(text: str) -> None:
    markup = parse(text).markup
    hidden = {position for span in markup.hidden for position in range(*span)}
    expected = "".join(character for i, character in enumerate(text) if i not in hidden)
    assert plain_text(text, 0, len(text), markup) == expected


def test_visible_spans_of_a_part_that_begins_and_ends_inside_marks() -> None:
    markup = Markup(hidden=(Span(2, 4), Span(6, 8), Span(10, 12)))
    assert list(visible_spans(3, 11, markup)) == [(4, 6), (8, 10)]
    assert list(visible_spans(4, 6, markup)) == [(4, 6)]
    assert list(visible_spans(2, 4, markup)) == []
    assert list(visible_spans(0, 14, markup)) == [(0, 2), (4, 6), (8, 10), (12, 14)]


@PROPERTY
@given(markdown_texts, st.data())
def test_marks_within_a_stretch_are_all_that_touch_it(text: str, data: st.DataObject) -> None:
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    markup = parse(text).markup

    def cut(spans: tuple[Span, ...]) -> tuple[Span, ...]:
        touching = (span for span in spans if span.start < end and start < span.end)
        return tuple(Span(max(span.start, start), min(span.end, end)) for span in touching)

    expected = Markup(cut(markup.hidden), cut(markup.strong), cut(markup.emphasis))
    assert markup.within(start, end) == expected
    assert start == end or markup.within(0, end).within(start, end) == expected


def test_emphasis_around_other_emphasis_is_within_what_stands_after_that() -> None:
    text = "*all *of* it*"
    assert parse(text).markup.within(10, 13).emphasis == (Span(10, 12),)


def test_cutting_all_passages_takes_time_in_proportion_to_the_text() -> None:
    documents = {times: parse_document("text", "**a *b* c** d.\n\n" * times) for times in (500, 2000)}

    def cut(times: int) -> None:
        for block in documents[times].blocks:
            documents[times].excerpt(Span(block.start, block.end))

    assert in_proportion(cut, times=500)


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("| a | b |", ["a", "b"]),
        ("a|b", ["a", "b"]),
        ("| a || c |", ["a", "", "c"]),
        (r"| a\|b | c |", [r"a\|b", "c"]),
        ("|  |", [""]),
        ("| α 😀 | ", ["α 😀", ""]),
    ],
)
def test_row_cells(row: str, cells: list[str]) -> None:
    assert [row[start:end] for start, end in row_cells(row, 0, len(row))] == cells


def test_lines_are_counted_as_markdown_counts_them() -> None:
    text = "1\n2\r\n3\r4\x0c4\u20284\x854\n5"
    found = [Lines(text).number_at(i) for i, character in enumerate(text) if character.isdigit()]
    assert found == [1, 2, 3, 4, 4, 4, 4, 5]
    assert Lines(text).number_at(text.index("\r\n") + 1) == 2  # between the two characters of a line end


@pytest.mark.parametrize(
    ("text", "yaml", "end"),
    [
        ("---\na: b\n---\nT", "---\na: b\n", 13),
        ("\ufeff---\r\na: b\r\n---\r\nT", "---\r\na: b\r\n", 17),
        ("---\ra:\r...", "---\ra:\r", 10),
        ("---\n'a' : b\n\n---", "---\n'a' : b\n\n", 16),
        ("---\na: |\n  ---\n----\n---\n---\n", "---\na: |\n  ---\n----\n", 24),
    ],
)
def test_front_matter_ends_with_the_first_line_that_closes_it(text: str, yaml: str, end: int) -> None:
    found = find_front_matter(text)
    assert found is not None
    assert text[slice(*found.yaml)] == yaml
    assert found.end == end


@pytest.mark.parametrize(
    "text",
    [
        "---\na: b\n",  # not closed
        "---\n\na: b\n---\n",  # a rule, and a blank line
        "---\n# Tea\n\na: b\n---\n",
        "---\nTea is a drink.\n---\n",
        "---\nA note to readers: tea is hot.\n---\n",
        "---\nhttp://tea\n---\n",
        "---\n- a: b\n---\n",
        "---\n---\n",
        "---- \na: b\n---\n",
        "--- a\na: b\n---\n",
        " ---\na: b\n---\n",
        "\n---\na: b\n---\n",
        "Tea\n---\na: b\n---\n",
        "---\na: b\n ---\n",
        "",
    ],
)
def test_a_rule_or_the_line_below_a_heading_is_no_front_matter(text: str) -> None:
    assert find_front_matter(text) is None
    tokens = PLAIN_PARSER.parse(text)
    assert len(parse(text).blocks) == sum(token.type == "paragraph_open" for token in tokens)


def test_front_matter_that_is_never_closed_is_given_up_in_a_moment() -> None:
    for end in ("\n", "\r\n", "\r"):
        text = f"---{end}" + f"# c{end}" * 1000 + f"a: b{end}{end}" * 20_000
        assert seconds(lambda text=text: find_front_matter(text)) < 1  # type: ignore[misc]


@pytest.mark.parametrize("mark", ["> ", "- "])
def test_marks_nested_deeper_than_anybody_reads_lose_no_words(mark: str) -> None:
    text = mark * 500 + "deep words\n\nAfter."
    blocks = [text[block.start : block.end] for block in parse(text).blocks]
    assert blocks[0].endswith("deep words")
    assert blocks[-1] == "After."


@pytest.mark.parametrize(
    "text",
    ["**a** b. ", "**a** b.\n\n", "> *a*\n", "# *a*\n\n", "|**a**"],
    ids=["marks in one paragraph", "in many", "lines of a quote", "headings", "cells"],
)
def test_parsing_takes_time_in_proportion_to_the_text(text: str) -> None:
    """Four times the text takes about four times as long, where a quadratic step would take sixteen."""
    parse(text)
    assert in_proportion(lambda times: parse(text * times))


def test_many_comments_on_a_line_are_read_in_a_moment() -> None:
    text = "<!-- -->" * 2000 + " words"
    assert [text[block.start : block.end] for block in parse(text).blocks] == [text]


def test_blanks_are_those_of_the_parser() -> None:
    from markdown_it.common import utils

    assert utils.MD_TRIM_CHARS == MD_TRIM_CHARS


@pytest.mark.parametrize(
    ("text", "unclosed"),
    [
        ("A.\n\n```\ncode", [(4, "```")]),
        ("```", [(0, "```")]),
        ("~~~py\nx\n\n", [(0, "~~~")]),
        ("```\n\n```\n", []),
        ("- a\n\n  ```\n  x\n\nB.\n", []),  # the list ends it
        ("> <!-- x\n\nB.", []),
        ("<PRE>\n\nx", [(0, "</pre>")]),
        ("<pre>\nx\n</Script>", []),  # CommonMark takes any of the four
        ("<prefix>\nx", []),
        ("<!-->\nx", []),
        ("<!DOCTYPE html\n\nx", [(0, ">")]),
    ],
)
def test_what_nothing_closes_is_noted(text: str, unclosed: list[tuple[int, str]]) -> None:
    assert list(parse(text).unclosed) == unclosed


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "Tea<br>is <B class='x'>hot</B>, <!-- so --> they <?say?>.",
            "<br> <B class='x'> </B> <!-- so --> <?say?>",
        ),
        ("5 < 6, a<b, 7 > 6 \\<b> `<b>` <https://tea.example>", ""),
        ("AT&T &amp; 40&nbsp;mg &#37; \\&amp; &unknown;", "&amp; &nbsp; &#37;"),
        ("Tea.[^1] Hot[^a-b] [2], [3, 5–7] and [4-6].", "[^1] [^a-b] [2] [3, 5–7] [4-6]"),
        ("[see 1] [2024] \\[1] `[1]` [a](b) [ ] [1.5] x[i]", ""),
        ("Two[3](tea.html) or 2[4] or [a [5] b](tea.html).\n\n[4]: tea.html", "[3] [4] [5]"),
        ("![a <b>[6]](c.png) of *tea [7]*", "<b> [6] [7]"),
        ("# Tea <i>\n\n| A | B |\n|---|---|\n| x\\|[^1] | <br> |\n", "<i> [^1] <br>"),
        ("> a\n> <b>[1]\n\n- c\n  &lt;\n", "<b> [1] &lt;"),
        ("<div>\nTea\n</div>\n\n<!-- no -->\n", "<div>"),
    ],
)
def test_html_and_marks_of_footnotes_are_noted_where_they_stand(text: str, written: str) -> None:
    raw = parse(text).raw
    assert " ".join(words for _, words in raw) == written
    assert all(text.startswith(words, start) for start, words in raw)
