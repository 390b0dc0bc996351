from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from strategies import PROPERTY, in_proportion, markdown_texts

from b12qa import rendering
from b12qa.article import document_html
from b12qa.corpus import parse_document
from b12qa.records import (
    About,
    Answer,
    BlockKind,
    Document,
    EditorNote,
    Excerpt,
    NoteKind,
    Notice,
    NoticeKind,
    Outcome,
    Quote,
    QuoteRole,
    ScoredChunk,
    SearchResults,
    SectionReference,
    Span,
)
from b12qa.rendering import Surroundings
from b12qa.safety import DISCLAIMER
from b12qa.terminal import shown_answer
from b12qa.web.texts import languages

HOSTILE = """# <img src=x onerror=alert(1)> & "Title"

## <b onclick=alert(2)>Inner</b>

A paragraph with <script>alert("1")</script>, **<b>bold</b>** & *"it's"* &amp; &lt;i&gt;.

- <svg onload=alert(1)>
- [link](javascript:alert(1)) and ![image](http://elsewhere.example/x.png)

| <th> | "b" |
|------|-----|
| </td></table><script>x</script> | 'c' & d |

> Quoted </blockquote><iframe src="http://elsewhere.example"></iframe>

```html
</pre><script>alert(1)</script>
```

<div onclick="alert(1)">
raw HTML
</div>

![<script>alert(1)</script>](http://elsewhere.example/y.png)

[^1]: <script>alert(1)</script> told so.
"""
PLAIN_TAGS = {
    "figure", "figcaption", "blockquote", "p", "pre", "span", "table", "thead", "tbody", "tr", "th", "td",
    "mark", "strong", "em", "div", "ul", "ol", "li", "small",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of it: tags, attributes, and the text below every element."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: dict[str, list[str]] = {}  # by tag, and by tag.class
        self._open: list[tuple[str, list[str]]] = []
        self.feed(html)
        self.close()
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        classes = (dict(attrs).get("class") or "").split()
        names = [tag, *(f"{tag}.{name}" for name in classes)]
        for name in names:
            self.texts.setdefault(name, []).append("")
        self._open.append((tag, names))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, "elements overlap"

    def handle_data(self, data: str) -> None:
        for _, names in self._open:
            for name in names:
                self.texts[name][-1] += data


def quotes_of(document: Document, highlights: tuple[Span, ...] | None = None) -> list[Quote]:
    """Every block of a document as a quote, highlighted as a whole unless told otherwise."""

    def excerpt(span: tuple[int, int]) -> Excerpt:
        start, end = span
        return Excerpt(document.text[start:end], start, end, document.markup.within(start, end))

    return [
        Quote(
            text=document.text[block.start : block.end],
            start=block.start,
            end=block.end,
            markup=document.markup.within(block.start, block.end),
            document=document.name,
            title=document.title,
            section_path=document.sections[block.section].path,
            kind=block.kind,
            highlights=(Span(block.start, block.end),) if highlights is None else highlights,
            context=tuple(excerpt(span) for span in block.context),
        )
        for block in document.blocks
    ]


def answer_with(
    *quotes: Quote, outcome: Outcome = Outcome.ANSWERED, notices: tuple[Notice, ...] = ()
) -> Answer:
    disclaimer = Notice(NoticeKind.DISCLAIMER, DISCLAIMER)
    return Answer("question", "question", outcome, 0.9, quotes, (*notices, disclaimer))


def quote_of(text: str, highlights: tuple[Span, ...] | None = None, number: int = 0) -> Quote:
    return quotes_of(parse_document("tea", text), highlights)[number]


# Nothing of the document becomes markup.


def test_hostile_text_becomes_nothing_but_text() -> None:
    document = parse_document("hostile", HOSTILE)
    quotes = quotes_of(document)
    assert {quote.kind for quote in quotes} == set(BlockKind)
    for quote in quotes:
        page = Page(quote._repr_html_())
        assert page.tags <= PLAIN_TAGS
        assert page.attributes <= {"class", "lang"}
        heading = '<img src=x onerror=alert(1)> & "Title" › <b onclick=alert(2)>Inner</b>'
        assert heading in page.texts["figcaption"][0]


def test_a_hostile_question_and_section_become_nothing_but_text() -> None:
    nearest = SectionReference('"><script>', ("<script>alert(1)</script>",), 0, 1)
    notices = (
        Notice(NoticeKind.SEARCHED_FOR, "Searched for: <script>alert(1)</script>"),
        Notice(NoticeKind.NEAREST_SECTIONS, "The nearest sections are:", (nearest,)),
    )
    answer = answer_with(outcome=Outcome.NOT_COVERED, notices=notices)
    for html in (rendering.answer_html(answer), rendering.answer_html(answer, rendering.Surroundings({}))):
        page = Page(html)
        assert page.tags <= PLAIN_TAGS | {"a"}
        assert not any(name.startswith("on") or name == "style" for name in page.attributes)
        assert page.texts["li"] == ["<script>alert(1)</script>"]
        assert "Searched for: <script>alert(1)</script>" in page.texts["p"]


def words_in_html(quote: Quote) -> str:
    page = Page(rendering.passage_html(quote))
    if quote.kind is BlockKind.TABLE_ROW:
        return "|".join(page.texts.get("td", []))
    (words,) = page.texts["pre.words" if quote.kind is BlockKind.CODE else "p.words"]
    return words


def without_pipes_and_blanks(text: str) -> str:
    return re.sub(r"[\s|]|\\(?=\|)", "", text)


def assert_html_holds_the_words(quote: Quote) -> None:
    found, expected = words_in_html(quote), rendering.plain(quote)
    if quote.kind is BlockKind.TABLE_ROW:
        found, expected = without_pipes_and_blanks(found), without_pipes_and_blanks(expected)
    # A parser of HTML makes one line end of every kind.
    assert found.replace("\r\n", "\n").replace("\r", "\n") == expected.replace("\r\n", "\n").replace(
        "\r", "\n"
    )


def test_the_text_of_the_html_is_the_quote_without_marks() -> None:
    for quote in quotes_of(parse_document("hostile", HOSTILE)):
        assert_html_holds_the_words(quote)


@PROPERTY
@given(markdown_texts)
def test_the_text_of_the_html_is_the_quote_without_marks_in_any_document(text: str) -> None:
    for quote in quotes_of(parse_document("any", text)):
        page = Page(quote._repr_html_())
        assert page.tags <= PLAIN_TAGS
        assert page.attributes <= {"class", "lang"}
        assert_html_holds_the_words(quote)


# Highlights.


EMPHATIC = parse_document("tea", "Green *tea* & **black <tea>** are `both` tea.\nWait __3__ minutes, not 4.")


@PROPERTY
@given(st.data())
def test_exactly_the_highlighted_words_are_marked(data: st.DataObject) -> None:
    text = EMPHATIC.text
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    (quote,) = quotes_of(EMPHATIC, (Span(start, end),))
    expected = rendering.plain(Excerpt(text[start:end], start, end, quote.markup.within(start, end)))
    page = Page(rendering.passage_html(quote))
    assert "".join(page.texts.get("mark", [])) == expected
    assert words_in_html(quote) == rendering.plain(quote)
    stretches = list(rendering.marked_words(quote, quote.highlights))
    assert "".join(words for words, _ in stretches) == rendering.plain(quote)
    assert "".join(words for words, marked in stretches if marked) == expected


def test_two_highlights_are_two_marks() -> None:
    text = "One is here. Two is not. Three is here."
    spans = (Span(0, 12), Span(25, 39))
    page = Page(rendering.passage_html(quote_of(text, spans)))
    assert page.texts["mark"] == ["One is here.", "Three is here."]


def test_a_quote_without_highlights_has_no_mark() -> None:
    assert "<mark>" not in rendering.passage_html(quote_of("Tea.", ()))


def test_emphasis_becomes_emphasis() -> None:
    html = rendering.passage_html(quote_of("Plain, **strong** and *slanted **both***.", ()))
    assert "Plain, <strong>strong</strong> and <em>slanted </em><strong><em>both</em></strong>." in html


# What is shown around the words.


def test_a_list_item_stands_below_its_lead_in() -> None:
    page = Page(rendering.passage_html(quote_of("There are **two** kinds:\n\n- green\n- black\n", number=1)))
    assert page.texts["p"] == ["There are two kinds:", "green"]
    assert page.texts["p.context"] == ["There are two kinds:"]
    assert page.texts["mark"] == ["green"]


def test_a_table_row_stands_below_its_header() -> None:
    table = "| kind | minutes |\n|---|--:|\n| green | 2 |\n| black \\| brown | **4** |\n"
    page = Page(rendering.passage_html(quote_of(table, number=2)))
    assert page.texts["th"] == ["kind", "minutes"]
    assert [re.sub(r"\\", "", cell) for cell in page.texts["td"]] == ["black | brown", "4"]
    assert page.texts["strong"] == ["4"]


def test_the_header_of_a_table_in_a_list_stands_below_the_lead_in_and_has_no_header() -> None:
    text = "Doses:\n\n- For adults:\n\n  | form | dose |\n  |---|---|\n  | drops | 2 |\n"
    _, _, header, row = (
        Page(rendering.passage_html(quote)) for quote in quotes_of(parse_document("d", text))
    )
    assert header.texts["p.context"] == row.texts["p.context"] == ["Doses:", "For adults:"]
    assert "th" not in header.texts
    assert header.texts["td"] == row.texts["th"] == ["form", "dose"]
    assert row.texts["td"] == ["drops", "2"]


def test_code_keeps_its_lines() -> None:
    page = Page(rendering.passage_html(quote_of("```\nwait = 3\n\nif wait:\n    drink()\n```\n", ())))
    assert page.texts["pre"] == ["wait = 3\n\nif wait:\n    drink()"]


def test_the_section_path_is_named() -> None:
    quote = quote_of("# Tea\n\n## Kinds & sorts\n\nGreen.\n")
    assert "Tea › Kinds & sorts" in Page(rendering.passage_html(quote)).texts["figcaption"][0]
    assert rendering.passage_text(quote) == "> Green.\n  (Tea › Kinds & sorts)"
    untitled = quote_of("Green.")
    assert "tea" in Page(rendering.passage_html(untitled)).texts["figcaption"][0]
    assert rendering.passage_text(untitled) == "> Green.\n  (tea)"


def test_a_document_is_named_by_its_title_unless_the_headings_do() -> None:
    text = "---\ntitle: Of <tea>\n---\n# Tea\n\n## Kinds\n\nGreen.\n"
    quote = quote_of(text)
    assert "Of <tea> · Tea › Kinds" in Page(rendering.passage_html(quote)).texts["figcaption"][0]
    assert rendering.passage_text(quote) == "> Green.\n  (Of <tea> · Tea › Kinds)"
    same = quote_of(text.replace("Of <tea>", "Tea"))
    assert rendering.passage_text(same) == "> Green.\n  (Tea › Kinds)"
    assert Page(rendering.passage_html(same)).texts["figcaption"] == ["Tea › Kinds"]


def test_sections_of_one_heading_are_told_apart_by_what_stands_above_them() -> None:
    def names(*sections: tuple[str, tuple[str, ...]]) -> list[str]:
        return rendering.section_names([SectionReference(name, path, 0, 1) for name, path in sections])

    assert names(("tea", ("Tea", "Kinds")), ("tea", ("Tea", "Water"))) == ["Kinds", "Water"]
    assert names(("tea", ("Tea", "Kinds")), ("coffee", ("Coffee", "Kinds")), ("tea", ("Tea", "Water"))) == [
        "Tea › Kinds",
        "Coffee › Kinds",
        "Water",
    ]
    assert names(("tea", ("Kinds",)), ("coffee", ("Kinds",))) == ["Kinds (tea)", "Kinds (coffee)"]


def test_a_section_of_one_of_several_documents_is_named_with_its_title() -> None:
    def names(*sections: tuple[str, tuple[str, ...], str]) -> list[str]:
        references = [SectionReference(name, path, 0, 1, title) for name, path, title in sections]
        return rendering.section_names(references)

    tea, coffee = ("Tea", "Kinds"), ("Coffee", "Kinds")
    assert names(("tea", tea, "All about tea"), ("coffee", coffee, "Coffee")) == [
        "All about tea · Kinds",
        "Coffee · Kinds",
    ]
    assert names(("mate", ("Mate",), "Mate")) == ["Mate"]
    assert names(("tea", tea, "Tea"), ("tea", ("Tea", "Water", "Kinds"), "Tea")) == [
        "Tea › Kinds",
        "Tea › Water › Kinds",
    ]
    assert names(("tea", tea, "All"), ("more", tea, "All")) == [
        "All · Tea › Kinds (tea)",
        "All · Tea › Kinds (more)",
    ]


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (About(), "This article gives no author, date or source."),
        (About(title="Tea", language="en"), "This article gives no author, date or source."),
        (
            About(source="A book", reviewed="2025-03-01", license="CC BY 4.0"),
            "Source: A book · Reviewed: 1 March 2025 · Licence: CC BY 4.0",
        ),
        (About(source="A book"), "Source: A book · Not dated"),
        (About(reviewed="2024-12-31"), "No source given · Reviewed: 31 December 2024"),
        (About(license="MIT"), "No source given · Not dated · Licence: MIT"),
    ],
)
def test_what_an_article_does_not_say_of_itself_is_said(about: About, words: str) -> None:
    assert rendering.about_words(about) == words


def test_front_matter_is_not_shown_with_the_article_and_gives_it_a_language() -> None:
    text = "---\ntitle: Tee\nsource: ein *Buch*\nlanguage: de\n---\nGrüner Tee.\n"
    html = document_html(parse_document("tee", text), [])
    assert html.startswith('<article class="b12qa document" lang="de" ')
    assert Page(html).texts["article"] == ["Grüner Tee."]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_own_words_and_the_disclaimer_last(outcome: Outcome) -> None:
    answer = answer_with(quote_of("Green tea."), outcome=outcome)
    page, text = Page(answer._repr_html_()), str(answer)
    assert page.texts["p.outcome"] == [rendering.OUTCOME_WORDS[outcome]]
    assert f"div.{outcome}" in page.texts
    assert page.texts["div.disclaimer"] == [DISCLAIMER]
    assert text.startswith(f"{rendering.OUTCOME_WORDS[outcome]}\n\n> Green tea.\n  (tea)\n\n")
    assert text.endswith(DISCLAIMER)
    assert len(set(rendering.OUTCOME_WORDS.values())) == len(Outcome) == len(rendering.OUTCOME_WORDS)


def test_nearest_sections_are_listed() -> None:
    sections = (
        SectionReference("tea", ("Tea", "Kinds"), 0, 1),
        SectionReference("tea", ("Tea", "Brewing"), 1, 2),
    )
    notice = Notice(NoticeKind.NEAREST_SECTIONS, "The nearest sections are:", sections)
    answer = answer_with(outcome=Outcome.NOT_COVERED, notices=(notice,))
    assert Page(answer._repr_html_()).texts["li"] == ["Kinds", "Brewing"]
    assert "The nearest sections are:\n- Kinds\n- Brewing" in str(answer)


def test_every_surface_keeps_one_order() -> None:
    heading = rendering.OUTCOME_WORDS[Outcome.RELATED]
    nearest = Notice(NoticeKind.NEAREST_SECTIONS, "Read on in:", (SectionReference("tea", ("Kinds",), 0, 1),))
    said = Notice(NoticeKind.OUTCOME, "This is close.")
    answer = answer_with(quote_of("Green tea."), outcome=Outcome.RELATED, notices=(nearest, said))
    Console(file=(terminal := io.StringIO()), width=400).print(shown_answer(answer))
    for shown in (answer._repr_html_(), str(answer), terminal.getvalue()):
        words = (heading, "This is close.", "Green tea.", "Read on in:", "Kinds", DISCLAIMER)
        places = [shown.index(each) for each in words]
        assert places == sorted(places)


def test_results_are_numbered_and_scored() -> None:
    quote = quote_of("Green tea.")
    chunk = ScoredChunk(
        quote.text, quote.start, quote.end, document="tea", title="Tea", score=0.123456, rank=1
    )
    results = SearchResults([chunk])
    assert Page(results._repr_html_()).texts["small"] == ["score 0.123"]
    assert str(results) == f"1. score 0.123\n> Green tea.\n  (Tea)\n\n{DISCLAIMER}"
    assert Page(SearchResults()._repr_html_()).texts["ol"] == [""]


# Editor's notes.


def note_on(quote: Quote, words: str, kind: NoteKind, text: str = "Ours.", reviewed: str = "") -> EditorNote:
    start = quote.start + quote.text.index(words)
    reviewer = "A nurse" if reviewed else "not yet clinically reviewed"
    return EditorNote(kind, text, "A book", reviewer, reviewed, start, start + len(words))


def test_a_note_stands_beside_the_quote_and_never_in_it() -> None:
    quote = quote_of("Tea heals. Tea is **very** old, and it is from far away indeed. Tea is hot.")
    notes = (
        note_on(quote, "Tea heals.", NoteKind.UNSAFE_ALONE, "Ours, above."),
        note_on(
            quote,
            "Tea is **very** old, and it is from far away indeed.",
            NoteKind.OVERSTATED,
            "Ours, below.",
        ),
        note_on(quote, "Tea is hot.", NoteKind.CONTRADICTED, "Ours, above too."),
    )
    html = rendering.quote_html(replace(quote, notes=notes))
    page = Page(html)
    above, below = page.texts["aside.note"]
    assert above.startswith(f"{rendering.NOTE_HEADING}Not safe to read alone. On Tea heals.: Ours, above.")
    assert "Ours, above too." in above
    assert "On Tea is very old, and it …: Ours, below.Source: A book · Not yet clinically reviewed" in below
    assert html.index("<aside") < html.index("<figure") < html.rindex("<aside")
    assert page.texts["figure"] == Page(rendering.passage_html(quote)).texts["figure"]
    assert "Ours" not in page.texts["blockquote"][0]
    assert "role" in page.attributes


def test_a_note_is_headed_in_the_language_of_the_page_and_keeps_its_own() -> None:
    quote = quote_of("Tea heals. So.")
    notes = (
        note_on(quote, "Tea heals.", NoteKind.OVERSTATED),
        note_on(quote, "So.", NoteKind.DATED, reviewed="2025-03-01"),
    )
    german = languages()["de"]
    html = rendering.quote_html(replace(quote, notes=notes), Surroundings({}, german, "de", links=False))
    assert '<span>Zu <q lang="en">Tea heals.</q>:</span> <span lang="en">Ours.</span>' in html
    assert '<span lang="en">A book</span> · <span>Noch nicht klinisch geprüft</span>' in html
    assert "<span>Geprüft von A nurse, 2025-03-01</span>" in html


def test_a_note_on_all_that_a_quote_shows_does_not_repeat_its_words() -> None:
    quote = quote_of("Tea heals.")
    (said,) = Page(
        rendering.quote_html(replace(quote, notes=(note_on(quote, "Tea heals.", NoteKind.DATED),)))
    ).texts["aside.note"]
    assert "Tea heals" not in said
    assert "Out of date. Ours." in said


def test_what_an_editor_writes_cannot_become_markup() -> None:
    quote = quote_of("Tea <b>heals</b>. So.")
    hostile = "</aside><script>x</script>"
    note = replace(note_on(quote, "Tea <b>heals</b>.", NoteKind.OVERSTATED, hostile), source="<img src=x>")
    page = Page(rendering.quote_html(replace(quote, notes=(note,))))
    assert page.tags <= PLAIN_TAGS | {"aside", "q"}
    assert hostile in page.texts["aside.note"][0]
    assert "<img src=x>" in page.texts["aside.note"][0]


def test_copied_as_text_a_quote_keeps_its_notes_and_its_section() -> None:
    quote = quote_of("Tea heals. So.")
    notes = (
        note_on(quote, "Tea heals.", NoteKind.CONTRADICTED, reviewed="2025-03-01"),
        note_on(quote, "So.", NoteKind.UNSUPPORTED),
    )
    assert str(replace(quote, notes=notes, role=QuoteRole.PARTNER)).splitlines() == [
        "Read these together:",
        "[Editor's note, not part of the article] The evidence says otherwise. On “Tea heals.”: Ours. "
        "(Source: A book · Reviewed by A nurse, 1 March 2025)",
        "> Tea heals. So.",
        "  (tea)",
        "[Editor's note, not part of the article] No source given. On “So.”: Ours. "
        "(Source: A book · Not yet clinically reviewed)",
    ]


def test_a_quote_says_why_it_is_shown_where_it_was_not_found() -> None:
    quote = quote_of("Tea heals.")
    for role in QuoteRole:
        page = Page(answer_with(replace(quote, role=role))._repr_html_())
        words = rendering.ROLE_WORDS.get(role)
        assert page.texts.get("p.role", []) == ([words] if words else [])
    assert set(rendering.ROLE_WORDS) == set(QuoteRole) - {QuoteRole.ANSWER}
    assert set(rendering.KIND_WORDS) == set(NoteKind)


def test_what_was_found_says_so_where_its_company_stands_before_it() -> None:
    found, other, partner, warning, hit = (
        quote_of(f"Tea {verb}.") for verb in ("heals", "cools", "costs", "burns", "stains")
    )
    partner = replace(partner, role=QuoteRole.PARTNER)
    warning = replace(warning, role=QuoteRole.WARNING)
    hit = replace(hit, role=QuoteRole.WARNING, also_answers=True)
    of_partner, of_warning = (rendering.ROLE_WORDS[quote.role] for quote in (partner, warning))
    for quotes, said in {
        (found, partner, other): [of_partner],
        (partner, found, other): [of_partner, rendering.FOUND],
        (warning, partner, found): [of_warning, of_partner, rendering.FOUND],
        (hit, found): [of_warning],
        (partner, hit): [of_partner, of_warning],
    }.items():
        page = Page(answer_with(*quotes)._repr_html_())
        assert page.texts.get("p.role", []) == said
        lines = rendering.answer_text(answer_with(*quotes)).splitlines()
        assert [line.removesuffix(":") for line in lines if line.endswith(":")] == said
        marked = "".join(page.texts.get("div.found", []))
        assert ("Tea stains." in marked) is (hit in quotes)
        assert ("Tea heals." in marked) is (rendering.FOUND in said)
        assert "Tea costs." not in marked
        assert "Tea burns." not in marked


NOTED = """# N

One claims much. Another does not.

- in a list

| a | b |
|---|---|
| in a table | x |
"""


def test_in_a_whole_document_a_note_stands_beside_its_sentence_and_in_no_words_of_the_document() -> None:
    document = parse_document("n & o", NOTED)
    spans = [
        Span(NOTED.index(words), NOTED.index(words) + len(words))
        for words in ("One claims much.", "in a list", "| in a table | x |")
    ]
    kinds = (NoteKind.CONTRADICTED, NoteKind.DATED, NoteKind.DATED)
    notes = [
        EditorNote(kind, f"<b>{number}</b>", "Who & where", "not yet clinically reviewed", "", *span)
        for number, (kind, span) in enumerate(zip(kinds, spans, strict=True))
    ]
    html = document_html(document, spans, spans, notes)
    without = re.sub("<aside.*?</aside>", "", html).replace(" has-note", "")
    assert without == document_html(document, spans, spans)
    ids = [rendering.note_anchor("n &amp; o", note) for note in notes]
    first, second, third = (f'<aside [^>]*><p [^>]*>Editor[^<]*</p><details [^>]*id="{one}">' for one in ids)
    line = "<summary><span [^>]*>Editor[^<]*note:</span> <strong [^>]*>The evidence says otherwise.</strong>"
    words = '<p class="passage"[^>]*><span class="place sentence has-note"'
    assert re.search(f"{first}{line}</summary>.+?</aside>{words}", html)
    assert re.search(f"in a list</span></span>{second}.+?</aside></li></ul><table>", html)
    assert re.search(f"</table>{third}.+?</aside></article>$", html)
    assert re.findall("<q[^>]*>(.*?)</q>", html) == ["One claims much.", "| in a table | x …"]
    assert html.count("&lt;b&gt;") == 3
    # The page's script says our words in the reader's language, and whatever it says again is marked English.
    assert all('lang="en"' in tag for tag in re.findall("<[^>]*\\bsay\\b[^>]*>", html))


def test_what_is_no_record_is_not_shown() -> None:
    for show in (rendering.html_of, rendering.text_of):
        with pytest.raises(TypeError, match="Expected an answer, a passage or results, got int"):
            show(1)


@pytest.mark.parametrize("heading", ["# Tea\n\n", ""], ids=["of sections", "of passages in one section"])
def test_a_document_is_shown_in_time_in_proportion_to_its_length(heading: str) -> None:
    text = f"{heading}{'*a* ' * 8}b.\n\n"
    documents = {times: parse_document("tea", text * times) for times in (500, 2000)}

    def show(times: int) -> None:
        blocks = [Span(block.start, block.end) for block in documents[times].blocks]
        document_html(documents[times], blocks, blocks)

    assert in_proportion(show, times=500)
