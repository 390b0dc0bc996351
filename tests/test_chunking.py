"""Document → chunks and sentences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest
from conftest import ROOT, HashingEncoder
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from strategies import (
    PROPERTY,
    cases,
    in_proportion,
    markdown_texts,
    shown,
    unquoted_kind,
    without_front_matter,
)

from b12qa.chunking import (
    MAX_CONTEXT_CHARACTERS,
    Chunks,
    chunk_documents,
    embedded_text,
    long_blocks,
    split_sentences,
    units,
)
from b12qa.corpus import parse_document, read_corpus
from b12qa.embedding import find_model, token_counter
from b12qa.markdown import plain_text
from b12qa.records import BlockKind, Chunk, Document, Sentence, Span

WORD = re.compile(r"[^\W_]+")  # an underscore may be a mark
ENCODER = HashingEncoder()  # reads 32 tokens: a word or a mark each, and two more


def chunked(text: str, max_tokens: int = 1000) -> tuple[Document, Chunks]:
    document = parse_document("test", text)
    return document, chunk_documents([document], ENCODER.count_tokens, max_tokens)


def texts(text: str, max_tokens: int = 1000) -> list[str]:
    return [text[chunk.start : chunk.end] for chunk in chunked(text, max_tokens)[1].chunks]


def sentences_of(text: str, max_tokens: int = 1000) -> list[str]:
    return [text[sentence.start : sentence.end] for sentence in chunked(text, max_tokens)[1].sentences]


def chunks_and_sentences(text: str) -> str:
    """What the fixture shows."""
    _, found = chunked(text)
    lines = []
    for number, chunk in enumerate(found.chunks):
        lines.append(f"{chunk.kind} {shown(text[chunk.start : chunk.end])}")
        lines += [f"    after {shown(text[start:end])}" for start, end in chunk.context]
        for sentence in found.sentences:
            if sentence.chunk == number:
                lines.append(f"    says {shown(text[sentence.start : sentence.end])}")
    return "\n".join(lines)


def body_words(text: str) -> tuple[list[str], bool]:
    """The words that a parser without our rules finds below the headings, but for pictures and footnotes.

    Returns:
        The words, and whether there is a table.
    """
    words: list[str] = []
    in_title = False
    body = without_front_matter(text).removeprefix("\ufeff")
    tokens = MarkdownIt("commonmark", {"maxNesting": 100}).enable("table").parse(body)
    for i, token in enumerate(tokens):
        if tokens[i - 1].type == "paragraph_open" and unquoted_kind(token):
            continue
        if token.type in ("heading_open", "heading_close"):
            in_title = token.type == "heading_open" and token.level == 0
        elif token.type == "html_block":
            shown_to_readers = re.sub(r"<!--.*?-->", "", token.content, flags=re.DOTALL).strip()
            words += WORD.findall(token.content) if shown_to_readers else []
        elif token.type in ("inline", "fence", "code_block") and not in_title:
            words += WORD.findall(token.content)
    return words, any(token.type == "table_open" for token in tokens)


@pytest.mark.parametrize(("text", "expected"), cases("sentences"))
def test_chunks_and_sentences_of_the_fixtures(text: str, expected: str) -> None:
    assert chunks_and_sentences(text) == expected


def test_pictures_and_footnotes_are_in_the_document_and_not_offered_as_quotes() -> None:
    text = "Tea[^1] is hot.\n\n![A cup of tea.](cup.png)\n\n[^1]: Says a cook. She knows.\n"
    document, found = chunked(text)
    assert [block.kind for block in document.blocks] == ["paragraph", "image", "footnote"]
    assert [text[chunk.start : chunk.end] for chunk in found.chunks] == ["Tea[^1] is hot."]
    assert len(found.sentences) == 1
    assert [block.kind for block, _ in long_blocks(document, ENCODER.count_tokens, 1)] == ["paragraph"]


# Properties of any Markdown.


@PROPERTY
@given(markdown_texts, st.sampled_from([5, 32, 1000]))
def test_every_word_of_the_body_is_in_exactly_one_chunk_or_heads_a_table(text: str, max_tokens: int) -> None:
    document, chunks = chunked(text, max_tokens)
    above = {chunk.context[-1] for chunk in chunks.chunks if chunk.context}
    rows = {Span(block.start, block.end) for block in document.blocks if block.kind is BlockKind.TABLE_ROW}
    whole = {Span(chunk.start, chunk.end) for chunk in chunks.chunks}
    headers = {row for row in above & rows if not any(row.start <= start < row.end for start, _ in whole)}
    spans = [*whole, *headers]
    found = [word for start, end in sorted(spans) for word in WORD.findall(text[start:end])]
    expected, has_table = body_words(text)
    if has_table:  # the parser drops the cells beyond the header's columns, we keep them
        remaining = iter(found)
        assert all(word in remaining for word in expected)
    else:
        assert found == expected


@PROPERTY
@given(markdown_texts)
def test_chunks_are_the_same_whatever_the_line_ends(text: str) -> None:
    unix = re.sub(r"\r\n?", "\n", text)
    expected = texts(unix)
    for line_end in ("\r\n", "\r"):
        found = texts(unix.replace("\n", line_end))
        assert [chunk.replace(line_end, "\n") for chunk in found] == expected


@PROPERTY
@given(markdown_texts, st.sampled_from([5, 32, 1000]))
def test_spans_of_one_kind_do_not_overlap_and_sentences_fill_their_chunks(text: str, max_tokens: int) -> None:
    document, found = chunked(text, max_tokens)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found.chunks))
    assert all(a.end <= b.start for a, b in itertools.pairwise(found.sentences))
    for number, chunk in enumerate(found.chunks):
        section = document.sections[chunk.section]
        sentences = [sentence for sentence in found.sentences if sentence.chunk == number]
        assert section.start <= chunk.start < chunk.end <= section.end
        assert (sentences[0].start, sentences[-1].end) == (chunk.start, chunk.end)
        words = [word for s in sentences for word in WORD.findall(text[s.start : s.end])]
        assert words == WORD.findall(text[chunk.start : chunk.end])
        assert all(plain_text(text, s.start, s.end, document.markup).strip() for s in sentences)


@PROPERTY
@given(markdown_texts, st.sampled_from([5, 32, 1000]))
def test_no_chunk_and_no_sentence_exceeds_what_the_model_reads(text: str, max_tokens: int) -> None:
    document, found = chunked(text, max_tokens)
    units: list[Chunk | Sentence] = [*found.chunks, *found.sentences]
    for unit in units:
        section = found.chunks[unit.chunk].section if isinstance(unit, Sentence) else unit.section
        read = embedded_text(document, unit, section, ENCODER.count_tokens, max_tokens)
        assert ENCODER.count_tokens(read) <= max_tokens
        assert read.endswith(plain_text(text, unit.start, unit.end, document.markup))


@PROPERTY
@given(st.lists(markdown_texts, min_size=2, max_size=3))
def test_several_documents_are_cut_as_if_each_were_alone(several: list[str]) -> None:
    documents = [parse_document(f"d{i}", text) for i, text in enumerate(several)]
    found = chunk_documents(documents, ENCODER.count_tokens, 32)
    for number, document in enumerate(documents):
        alone = chunk_documents([document], ENCODER.count_tokens, 32)
        first = next((i for i, chunk in enumerate(found.chunks) if chunk.document == number), 0)
        assert [(c.start, c.end) for c in found.chunks if c.document == number] == [
            (c.start, c.end) for c in alone.chunks
        ]
        assert [(s.start, s.end, s.chunk - first) for s in found.sentences if s.document == number] == [
            (s.start, s.end, s.chunk) for s in alone.sentences
        ]


# What the model cannot read whole.


def test_a_long_block_is_cut_between_sentences() -> None:
    text = "One two three four. Five six seven. Eight nine ten eleven."
    assert texts(text, max_tokens=11) == ["One two three four. Five six seven.", "Eight nine ten eleven."]
    assert texts(text, max_tokens=10) == ["One two three four.", "Five six seven.", "Eight nine ten eleven."]


def test_a_long_sentence_is_cut_at_the_blank_nearest_its_middle() -> None:
    assert texts("one two three four five six seven", max_tokens=6) == [
        "one two three four",
        "five six seven",
    ]


def test_a_long_word_is_cut_before_a_word_inside_it() -> None:
    assert texts("aa.bb.cc.dd", max_tokens=6) == ["aa.bb.", "cc.dd"]


def test_a_word_that_is_one_piece_is_cut_anywhere_rather_than_truncated() -> None:
    document = parse_document("test", "abcdefgh")
    found = chunk_documents([document], len, 3)
    assert [document.text[c.start : c.end] for c in found.chunks] == ["ab", "cd", "ef", "gh"]


def test_a_cut_never_leaves_a_piece_of_marks_alone() -> None:
    text = "**aaaa.bbbb** [cccc](/a 'long title of the link')"
    document = parse_document("test", text)
    found = chunk_documents([document], len, 4)
    pieces = [plain_text(text, c.start, c.end, document.markup) for c in found.sentences]
    assert "".join(pieces).replace(" ", "") == "aaaa.bbbbcccc"
    assert all(pieces)


@PROPERTY
@given(markdown_texts, st.sampled_from([5, 32, 1000]))
def test_sentences_with_the_pieces_that_continue_them_are_what_the_blocks_are_made_of(
    text: str, max_tokens: int
) -> None:
    document, found = chunked(text, max_tokens)
    whole: list[Span] = []
    for sentence in found.sentences:
        start = whole.pop().start if sentence.continues else sentence.start
        whole.append(Span(start, sentence.end))
    assert whole == [unit for block in document.quoted_blocks for unit in units(document, block)]


def test_long_code_is_cut_between_lines() -> None:
    text = "```\na = 1\n\nb = 2\nc = 3\n```\n"
    assert texts(text, max_tokens=8) == ["a = 1\n\nb = 2", "c = 3"]


def test_pieces_of_a_long_item_keep_its_lead_in() -> None:
    _, found = chunked("Take:\n\n- One two three. Four five six.\n", max_tokens=7)
    assert [chunk.context for chunk in found.chunks[1:]] == [(Span(0, 5),), (Span(0, 5),)]


def test_long_blocks_are_those_that_are_cut() -> None:
    document = parse_document("test", "One two.\n\nOne **two** three four.\n")
    assert [(b.start, tokens) for b, tokens in long_blocks(document, ENCODER.count_tokens, 6)] == [(10, 7)]
    assert list(long_blocks(document, ENCODER.count_tokens, 7)) == []


# What is read before a chunk.


def test_a_lead_in_is_shortened_to_its_last_sentence_when_it_is_a_paragraph_of_its_own() -> None:
    lead_in = "A sentence of the paragraph. " * 8
    assert len(lead_in) > MAX_CONTEXT_CHARACTERS
    text = lead_in + "Take it **with**:\n\n- water\n"
    _, found = chunked(text)
    (start, end) = found.chunks[-1].context[0]
    assert text[start:end] == "Take it **with**:"


def test_the_model_reads_headings_and_lead_in_before_the_words_and_no_marks() -> None:
    text = "# Tea\n\n## Kinds\n\n### Warm\n\nTake *one*:\n\n- **green** tea\n"
    document, found = chunked(text)
    chunk = found.chunks[-1]
    assert embedded_text(document, chunk, chunk.section, ENCODER.count_tokens, 100) == (
        "Kinds\nWarm\nTake one:\ngreen tea"
    )
    # 2 for the special tokens, 2 for the words, 3 for the lead-in, 1 for each heading.
    for max_tokens, read in [
        (9, "Kinds\nWarm\nTake one:\ngreen tea"),
        (8, "Warm\nTake one:\ngreen tea"),
        (7, "Take one:\ngreen tea"),
        (6, "green tea"),
        (1, "green tea"),
    ]:
        assert embedded_text(document, chunk, chunk.section, ENCODER.count_tokens, max_tokens) == read


def test_the_only_heading_is_read_although_it_is_the_title() -> None:
    document, found = chunked("# Tea\n\nGreen.\n")
    assert embedded_text(document, found.chunks[0], 0, ENCODER.count_tokens, 100) == "Tea\nGreen."


def test_sentences_of_a_part_lie_inside_it() -> None:
    text = "**One two. Three.** Four."
    document = parse_document("test", text)
    assert split_sentences(document, 2, 10) == [Span(2, 10)]
    assert split_sentences(document, 0, len(text)) == [Span(0, 10), Span(11, 19), Span(20, 25)]


@pytest.mark.parametrize("language", ["de", "de-AT"])
def test_sentences_end_as_the_language_of_the_document_ends_them(language: str) -> None:
    words = "Erwachsene nehmen täglich max. 4 mg ein."
    document = parse_document("test", f"---\nlanguage: {language}\n---\n{words}\n")
    start = document.text.index(words)
    assert split_sentences(document, start, start + len(words)) == [Span(start, start + len(words))]


# The article.


@pytest.fixture(scope="module")
def article() -> Document:
    (article,) = read_corpus(ROOT / "corpus").documents
    return article


@pytest.fixture(scope="module")
def real_counter() -> tuple[Callable[[str], int], int]:
    return token_counter(find_model())


@pytest.fixture(scope="module")
def article_chunks(article: Document, real_counter: tuple[Callable[[str], int], int]) -> Chunks:
    return chunk_documents([article], *real_counter)


def test_the_article_has_39_chunks_and_115_sentences(article: Document, article_chunks: Chunks) -> None:
    assert len(article.sections) == 11
    assert len(article_chunks.chunks) == len(article.blocks) == 39
    assert {chunk.kind for chunk in article_chunks.chunks} == {BlockKind.PARAGRAPH}
    assert len(article_chunks.sentences) == 115


def test_the_first_and_the_last_sentence_of_the_article(article: Document, article_chunks: Chunks) -> None:
    first, last = article_chunks.sentences[0], article_chunks.sentences[-1]
    assert article.text[first.start : first.end] == (
        "Vitamin B12 supplementation shows strong clinical evidence for treating nerve symptoms related to "
        "circulation problems, with success rates up to 93% and most patients experiencing improvement "
        "within 2-4 weeks."
    )
    assert article.text[last.start : last.end] == (
        "For patients experiencing numbness, tingling, or pain in their extremities alongside venous "
        "insufficiency, B12 supplementation offers a low-risk, high-reward therapeutic option that "
        "addresses both the neurological and vascular components of their condition."
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (9, "The vitamin plays **four fundamental roles** in the body."),
        (
            31,
            "**Nerve conduction studies reveal the damage pattern**: 50% of cases show primarily axonal "
            "impairment with some demyelinating features.",
        ),
        (
            55,
            "**For peripheral neuropathy, studies show 1000 mcg daily of oral or sublingual B12 for "
            "12 months produces significant improvement**.",
        ),
        (
            89,
            "A 6-ounce salmon fillet provides 5.2 mcg, while the same amount of beef steak contains "
            "12.8 mcg.",
        ),
        (93, "**Absorption considerations matter as much as content**."),
    ],
)
def test_sentences_of_the_article(
    article: Document, article_chunks: Chunks, line: int, sentence: str
) -> None:
    lines = {
        article.text[s.start : s.end]: article.text.count("\n", 0, s.start) + 1
        for s in article_chunks.sentences
    }
    assert lines[sentence] == line


def test_the_real_model_reads_every_chunk_of_the_article_whole(
    article: Document, article_chunks: Chunks, real_counter: tuple[Callable[[str], int], int]
) -> None:
    count_tokens, max_tokens = real_counter
    assert max_tokens == 256
    for chunk in article_chunks.chunks:
        assert count_tokens(embedded_text(article, chunk, chunk.section, count_tokens, max_tokens)) <= 256
    assert not list(long_blocks(article, count_tokens, max_tokens))


def test_the_real_model_reads_a_long_text_in_pieces(
    real_counter: tuple[Callable[[str], int], int],
) -> None:
    count_tokens, max_tokens = real_counter
    text = "Cyanocobalamin " * 300 + "\n\n" + "x" * 3000 + "\n\n" + "It has 5.2 mcg. " * 100
    document = parse_document("test", text)
    found = chunk_documents([document], count_tokens, max_tokens)
    own = [plain_text(text, c.start, c.end, document.markup) for c in found.chunks]
    assert all(count_tokens(words) <= max_tokens for words in own)
    assert "".join("".join(own).split()) == "".join(text.split())


# Time.


@pytest.mark.parametrize(
    "text",
    ["**a** b. ", "**a** b.\n\n", "- *a*\n", "> ```\n> a\n> ```\n\n", "letters"],
    ids=["marks in one paragraph", "in many", "items", "code in quotes", "one word"],
)
def test_cutting_takes_time_in_proportion_to_the_text(text: str) -> None:
    lead_in = "A sentence of the lead-in. " * 20 + "\n\n"
    documents = {times: parse_document("test", lead_in + text * times) for times in (1500, 6000)}

    def cut(times: int) -> Chunks:
        return chunk_documents([documents[times]], lambda words: len(words) // 4 + 2, 256)

    assert in_proportion(cut, runs=6)
