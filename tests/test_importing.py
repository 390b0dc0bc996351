"""A Word, web or PDF file → a draft in the corpus folder."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from office_files import docx, paragraph, pdf, table

from b12qa import importing
from b12qa.cli import app
from b12qa.corpus import check_source, parse_document, read_corpus, read_source
from b12qa.errors import ConversionError, EmptyCorpusError
from b12qa.importing import convert, import_file
from b12qa.markdown import plain_text_of

WORD = docx(
    paragraph("Tea &amp; cake", "Title")
    + paragraph("Kinds", "H1")
    + paragraph("Tea is **a drink**. It holds 10^6^ parts_of_it * 2.")
    + paragraph("Among them:")
    + paragraph("green tea", numbering=1)
    + paragraph("**black** tea", numbering=1)
    + paragraph("boil", numbering=2)
    + paragraph("wait", numbering=2)
    + paragraph("Caffeine", "H2")
    + table([("Tea", "Caffeine"), ("green", "20 mg | less"), ("black", "40 mg")])
    + paragraph("")
    + paragraph("The end.")
)
WORD_AS_MARKDOWN = r"""# Tea & cake

## Kinds

Tea is **a drink**. It holds 10⁶ parts_of_it * 2.

Among them:

- green tea
- **black** tea

1. boil
2. wait

### Caffeine

| Tea | Caffeine |
| --- | --- |
| green | 20 mg \| less |
| black | 40 mg |

The end.
"""

PAGE = """<!doctype html><html><head><meta charset="iso-8859-1"><title>T</title><style>p {}</style></head>
<body><nav><a href="/">Home</a></nav>
<main><h1>Tea</h1><script>alert(1)</script>
<p>Café is
   not <b>tea</b>, see <a href="http://elsewhere.example/a b">there</a> and <a href="#x">below</a>.<br>
New line.<!-- a comment -->
<img src="http://elsewhere.example/p.png" alt="picture"></p>
<ul><li>one<ul><li>inner</li></ul></li><li><p>two</p></li></ul>
<table><tr><td>a</td><td><p>1</p><p>2</p></td></tr><tr><td>b
c</td><td>3</td></tr></table>
<p>B<sub>12</sub>, 10<sup>6</sup> &lt; 5</p><pre>
kept
  as it is</pre></main><footer>Imprint</footer></body></html>"""
PAGE_AS_MARKDOWN = """# Tea

Café is not **tea**, see [there](http://elsewhere.example/a%20b) and below.␣␣
New line.

- one
  - inner
- two

| a | 1 2 |
| --- | --- |
| b c | 3 |

B12, 10⁶ < 5

```
kept
  as it is
```
""".replace("␣", " ")

PRINTED = pdf(
    [
        [
            (8, 385, "The tea book"),
            (20, 350, "Tea"),
            (11, 320, "Tea is a drink that is made from the leaves of a"),
            (11, 307, "shrub. It has 40 mg of caf-"),
            (11, 294, "feine; caffeine wakes. It is low-"),
            (11, 281, "fat."),
            (14, 250, "Kinds"),
            (11, 230, "• green tea"),
            (11, 217, "• black tea, which is"),
            (11, 204, "fermented"),
            (11, 191, "1. boil"),
            (11, 160, "A sentence that runs on over the"),
            (8, 15, "1"),
        ],
        [
            (8, 385, "The tea book"),
            (11, 350, "end of the page. Wait 3 minutes."),
            (8, 15, "Page 2 of 2"),
        ],
    ]
)
PRINTED_AS_MARKDOWN = """# Tea

Tea is a drink that is made from the leaves of a shrub. It has 40 mg of caffeine; caffeine wakes. It is low-fat.

## Kinds

- green tea
- black tea, which is fermented

1. boil

A sentence that runs on over the end of the page. Wait 3 minutes.
"""  # noqa: E501


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a connection was wanted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("html", "read"),
    [
        ("<p>&gt; 65 years</p>", ["> 65 years"]),
        ("<ul><li>&gt; 3 mg</li><li><b>&gt; 4</b> mg</li></ul>", ["> 3 mg", "> 4 mg"]),
        ("<p>a<br>&gt; b <b>c</b> &gt; d</p>", ["a  \n> b c > d"]),
        ("<p>a<br>===</p><p>b<br>---</p>", ["a  \n===", "b  \n---"]),
        ("<p># of cups</p><p>#1</p>", ["# of cups", "#1"]),
        ("<blockquote><p>&gt; 2</p></blockquote>", ["> 2"]),
        ("<div><p>One.</p>&gt; 65</div><h3>Dose</h3>&gt; 66", ["One.", "> 65", "> 66"]),
        ("<ul><li>a</li></ul>&gt; 65", ["a", "> 65"]),
        ("<p>``` x</p><p>~~~ x</p>", ["``` x", "~~~ x"]),
        (r"<p>C:\*x _y_ __z__ *p &lt; 1 and *q</p>", [r"C:\*x _y_ __z__ *p < 1 and *q"]),
        ("<h1>Green&#8232;tea</h1><p>Tea is&#8232;- no list\x0b\x1bx</p>", ["Tea is - no list x"]),
        ("<p>2*3*4 = 2 * 12, a_b_c</p>", ["2*3*4 = 2 * 12, a_b_c"]),
    ],
)
def test_words_that_look_like_marks_stay_words(tmp_path: Path, html: str, read: list[str]) -> None:
    document = parse_document("tea", convert(written(tmp_path, "tea.html", html.encode())))
    assert [plain_text_of(document, block) for block in document.blocks] == read


def test_marks_in_a_printed_text_stay_words(tmp_path: Path) -> None:
    printed = pdf([[(11, 350, "> 65 years: one cup"), (11, 300, "- > 3 mg"), (11, 250, "# of cups")]])
    document = parse_document("tea", convert(written(tmp_path, "tea.pdf", printed)))
    assert [plain_text_of(document, block) for block in document.blocks] == [
        "> 65 years: one cup",
        "> 3 mg",
        "# of cups",
    ]


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        (
            "<p>One<p>Two <b>bold<p>three</b><ul><li>a<li>b<ul><li>in<li>in 2</ul><li>c</ul>"
            "<p>four<div>five</div>",
            "One\n\nTwo **bold**\n\nthree\n\n- a\n- b\n  - in\n  - in 2\n- c\n\nfour\n\nfive\n",
        ),
        ("<ul><li><p>a</p></li><li>b</li></ul><h1>T</h1><p>u</p>v", "- a\n- b\n\n# T\n\nu\n\nv\n"),
        (
            "<table><thead><tr><th>a<th>b<tbody><tr><td>1<td><p>2<p>3</table><p>after",
            "| a | b |\n| --- | --- |\n| 1 | 2 3 |\n\nafter\n",
        ),
        ("<dl><dt>t<dd>one<dt>u<dd>two</dl>", "t\n:   one\n\nu\n:   two\n"),
    ],
    ids=["paragraphs and items", "tags that are there", "a table", "definitions"],
)
def test_elements_end_where_html_ends_them_without_a_tag(tmp_path: Path, html: str, markdown: str) -> None:
    assert convert(written(tmp_path, "tea.html", html.encode())) == markdown


def test_the_one_article_of_a_page_is_taken_or_all_of_several(tmp_path: Path) -> None:
    def imported(body: str) -> str:
        return convert(written(tmp_path, "tea.html", f"<p>Home.</p>{body}<p>End.</p>".encode()))

    one = "<article><p>One.</p><article><p>In one.</p></article></article>"
    assert imported(one) == "One.\n\nIn one.\n"
    assert imported(f"{one}<article><p>Two.</p></article>") == "Home.\n\nOne.\n\nIn one.\n\nTwo.\n\nEnd.\n"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("tea.docx", WORD, WORD_AS_MARKDOWN),
        ("tea.HTM", PAGE.encode("latin-1"), PAGE_AS_MARKDOWN),
        ("tea.pdf", PRINTED, PRINTED_AS_MARKDOWN),
    ],
)
def test_a_file_becomes_markdown_as_an_editor_would_write_it(
    tmp_path: Path, name: str, data: bytes, expected: str
) -> None:
    assert convert(written(tmp_path, name, data)) == expected


def test_headings_of_a_word_file_without_a_title_keep_their_levels(tmp_path: Path) -> None:
    data = docx(paragraph("Tea", "H1") + paragraph("Kinds", "H2") + paragraph("Green."))
    assert convert(written(tmp_path, "tea.docx", data)) == "# Tea\n\n## Kinds\n\nGreen.\n"


def test_a_hyphen_at_the_end_of_a_line_stays_unless_the_whole_word_stands_elsewhere(tmp_path: Path) -> None:
    lines = ["Take a low-", "dose of vita-", "min B12-", "rich food: a vitamin."]
    page = [(11.0, 300.0 - 13 * i, line) for i, line in enumerate(lines)]
    text = convert(written(tmp_path, "a.pdf", pdf([page])))
    assert text == "Take a low-dose of vitamin B12-rich food: a vitamin.\n"


def test_a_range_of_numbers_over_the_end_of_a_line_stays_a_range(tmp_path: Path) -> None:
    page = [
        (11.0, 300.0, "Wait 24 hours. Take it for 2-"),
        (11.0, 287.0, "4 weeks, up to B1-"),
        (11.0, 274.0, "2."),
    ]
    text = convert(written(tmp_path, "a.pdf", pdf([page])))
    assert text == "Wait 24 hours. Take it for 2-4 weeks, up to B1-2.\n"


def test_a_hyphen_that_is_there_only_at_the_end_of_a_line_goes() -> None:
    assert importing._joined(["one vita\xad", "min or", "more"], Counter()) == "one vitamin or more"


def test_a_page_number_inside_the_text_is_no_page_number(tmp_path: Path) -> None:
    page = [(11.0, 300.0, "How many cups?"), (11.0, 200.0, "12"), (8.0, 10.0, "7")]
    assert convert(written(tmp_path, "a.pdf", pdf([page]))) == "How many cups?\n\n12\n"


def test_the_draft_says_where_it_comes_from_and_is_not_indexed_until_it_has_been_read(
    tmp_path: Path, corpus: Path
) -> None:
    target = import_file(written(tmp_path, "Tea: a Guide (2).docx", WORD), corpus)
    assert target == corpus / "tea-a-guide-2.md"
    front = "---\ntitle: Tea & cake\nsource: 'Tea: a Guide (2).docx'\ndraft: true\n---\n\n"
    assert target.read_bytes().decode() == front + WORD_AS_MARKDOWN
    with pytest.raises(EmptyCorpusError, match="nothing but drafts"):
        read_corpus(corpus)
    target.write_text(target.read_text("utf-8").replace("draft: true\n", ""), "utf-8")
    (document,) = read_corpus(corpus).documents
    assert (document.title, document.about.source) == ("Tea & cake", "Tea: a Guide (2).docx")
    assert check_source(read_source(target)) == []


def test_a_file_without_a_heading_is_called_by_its_name(tmp_path: Path, corpus: Path) -> None:
    target = import_file(written(tmp_path, "Green tea.html", b"<p>It is mild.</p>"), corpus, "mild")
    assert target == corpus / "mild.md"
    assert (
        target.read_text()
        == "---\ntitle: Green tea\nsource: Green tea.html\ndraft: true\n---\n\nIt is mild.\n"
    )


def test_a_name_with_accents_is_kept_however_a_system_writes_it(tmp_path: Path, corpus: Path) -> None:
    for name in ("Th\u00e9 noir", unicodedata.normalize("NFD", "Th\u00e9 noir")):
        target = import_file(written(tmp_path, f"{name}.html", b"<p>Tea."), corpus, force=True)
        assert target.name == "th\u00e9-noir.md"
        assert "Th\u00e9 noir.html" in target.read_text("utf-8")


def test_a_document_is_replaced_only_when_that_is_wanted(tmp_path: Path, corpus: Path) -> None:
    source = written(tmp_path, "tea.html", b"<p>New.</p>")
    old = written(corpus, "tea.md", b"Old.")
    with pytest.raises(
        ConversionError, match=r"tea\.md is there already\. Choose another --name, or replace"
    ):
        import_file(source, corpus)
    assert old.read_bytes() == b"Old."
    import_file(source, corpus, force=True)
    assert b"New." in old.read_bytes()


def test_a_document_stays_whole_when_it_cannot_be_replaced(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, old = written(tmp_path, "tea.html", b"<p>New.</p>"), written(corpus, "tea.md", b"Old.")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        import_file(source, corpus, force=True)
    assert (old.read_bytes(), list(corpus.iterdir())) == (b"Old.", [old])


@pytest.mark.parametrize("name", ["", "../tea", "a/b", ".tea", "README", "a b", "a\n"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, corpus: Path, name: str) -> None:
    with pytest.raises(ConversionError, match=r"Expected a name of letters, .*Choose one: --name NAME"):
        import_file(written(tmp_path, "tea.html", b"<p>New.</p>"), corpus, name)
    assert list(corpus.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("tea.doc", b"", r"Expected a file of a kind .*\(\.docx, \.html, \.htm, \.pdf\), got tea\.doc\."),
        ("tea", b"", r"got tea\. Save it as one of them"),
        ("tea.docx", b"<p>no zip", r"tea\.docx cannot be read as \.docx \(.*zip.*\)\. It is damaged"),
        ("tea.pdf", b"%PDF-1.4\n", r"tea\.pdf cannot be read as \.pdf \(.*\)\. It is damaged"),
        ("tea.pdf", pdf([[]]), r"tea\.pdf holds no text that can be read\. A scanned page is .*\(OCR\)"),
        ("tea.html", b"<title>Tea</title><script>1</script>", r"tea\.html holds no text .*in a browser\."),
        ("tea.html", pdf([[(11, 300, "Tea")]]), r"tea\.html is a PDF file, .*\. Name it tea\.pdf,"),
        ("tea.pdf", docx(paragraph("Tea")), r"\.pdf is a Word file, .*what \.pdf says\. Name it tea\.docx,"),
        ("tea.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"of before 2007, .* Save it as \.docx without a"),
        ("tea.docx", docx(paragraph("")), r"tea\.docx holds no text"),
        (
            "tea.pdf",
            pdf(
                [[(11, 300, "Secret")]],
                "/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 "
                f"/O <{'00' * 32}> /U <{'11' * 32}> >>",
            ),
            r"tea\.pdf is protected by a password\. Save it without one, and import that\.",
        ),
    ],
    ids=["old Word", "no suffix", "no zip", "cut off", "scanned", "empty page", "PDF as page",
         "Word as PDF", "old Word as new", "empty Word", "encrypted"],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused_and_nothing_is_written(
    tmp_path: Path, corpus: Path, name: str, data: bytes, message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        import_file(written(tmp_path, name, data), corpus)
    assert list(corpus.iterdir()) == []


def test_an_address_is_no_file_on_this_machine(corpus: Path) -> None:
    with pytest.raises(ConversionError, match=r"found none\. Name one on this machine"):
        import_file(Path("https://elsewhere.example/tea.pdf"), corpus)


def test_a_missing_corpus_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"Expected a folder of documents at .*missing, found none\."):
        import_file(written(tmp_path, "tea.html", b"<p>Tea.</p>"), tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "data", "module"),
    [("a.docx", WORD, "mammoth"), ("a.html", PAGE.encode(), "markdownify"), ("a.pdf", PRINTED, "pdfminer")],
)
def test_without_the_extra_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, module: str
) -> None:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConversionError, match=r"Run: pip install 'b12qa\[import\]'"):
        convert(written(tmp_path, name, data))


def test_the_converters_are_loaded_only_when_they_are_needed() -> None:
    code = (
        "import sys, b12qa.cli, b12qa.importing; print({'mammoth', 'bs4', 'pdfminer'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "set()\n"


def test_the_command_says_what_to_do_next(tmp_path: Path, corpus: Path) -> None:
    source = written(tmp_path, "tea.pdf", PRINTED)
    arguments = ["import", str(source), "--corpus", str(corpus), "--name", "printed"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert result.stdout == (
        f"Wrote {corpus / 'printed.md'}, a draft. Read it beside tea.pdf, tables above all, "
        f"and mend it; take the line 'draft: true' out, then run: b12qa build --corpus {corpus}\n"
    )
    again = CliRunner().invoke(app, arguments)
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr.startswith(f"b12qa: {corpus / 'printed.md'} is there already.")
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
