"""Files → documents, and what an editor should mend in them."""

from __future__ import annotations

import hashlib
import re
import shlex
import unicodedata
from pathlib import Path

import pytest
from conftest import ROOT, SMALL_TEXT

from b12qa.checking import check_corpus
from b12qa.corpus import (
    Severity,
    check_source,
    check_unchanged,
    check_unread,
    document_files,
    parse_document,
    read_corpus,
    read_source,
    read_sources,
    unread_corpus,
)
from b12qa.errors import CorpusError, EmptyCorpusError

ARTICLE = ROOT / "corpus" / "vitamin-b12.md"
RECEIVED_SHA256 = "7b094113f647e65438004394d1eb727c111f1ac3ec7461ef9e4da8bfc506a903"
ARTICLE_SHA256 = "595a3afd8f632665abf9fb251b4925c78cf5dd325373cc2446fc255123f7b257"
REPAIRED, DAMAGED = "TNF-α", "TNF-Î±"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def problems_of(folder: Path, data: bytes | str, name: str = "tea.md") -> list[str]:
    """What `b12qa check` prints about one file."""
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return [str(problem) for problem in check_corpus(read_sources(folder))]


# The article.


def test_the_article_is_the_one_received_with_one_spot_repaired() -> None:
    data = ARTICLE.read_bytes()
    assert hashlib.sha256(data).hexdigest() == ARTICLE_SHA256
    assert data.count(REPAIRED.encode()) == 1
    received = data.replace(REPAIRED.encode(), DAMAGED.encode())
    assert hashlib.sha256(received).hexdigest() == RECEIVED_SHA256


def test_the_readme_records_both_hashes_and_the_correction() -> None:
    readme = (ROOT / "corpus" / "README.md").read_text("utf-8")
    correction = next(line for line in readme.splitlines() if DAMAGED in line)
    damaged_line = 1 + ARTICLE.read_text("utf-8").split(REPAIRED)[0].count("\n")
    assert RECEIVED_SHA256 in readme
    assert ARTICLE_SHA256 in readme
    assert correction.startswith(f"| {damaged_line} | `{DAMAGED}` | `{REPAIRED}` |")


def test_the_article_is_read_as_it_is() -> None:
    (article,) = read_corpus(ROOT / "corpus").documents
    assert article.name == "vitamin-b12"
    assert article.title == "Vitamin B12 and its role in circulation-related nerve symptoms"
    assert article.text.encode() == ARTICLE.read_bytes()
    assert article.sha256 == ARTICLE_SHA256


def test_a_place_stands_in_the_section_that_holds_it() -> None:
    (article,) = read_corpus(ROOT / "corpus").documents
    assert [article.section_at(block.start) for block in article.blocks] == [
        b.section for b in article.blocks
    ]
    for number, section in enumerate(article.sections):
        assert article.section_at(section.start) == article.section_at(section.end - 1) == number


def test_the_sections_of_the_article() -> None:
    (article,) = read_corpus(ROOT / "corpus").documents
    title = "Vitamin B12 and its role in circulation-related nerve symptoms"
    assert [section.path for section in article.sections] == [
        (title,),
        (title, "What Vitamin B12 is and its general role"),
        (title, "B12's specific relationship to venous insufficiency and circulation"),
        (title, "Connection between B12 and nerve symptoms"),
        (title, "Forms of B12 medication and supplementation"),
        (title, "Merits and drawbacks of each supplementation method"),
        (title, "Recommended dosages for nerve health"),
        (title, "Evidence for effectiveness in treating circulation-related nerve symptoms"),
        (title, "Contraindications and warnings"),
        (title, "Food sources of B12"),
        (title, "Conclusion"),
    ]
    last = article.sections[-1]
    assert article.text[last.start :].startswith("## Conclusion\n\nThe evidence overwhelmingly supports")
    assert article.text[last.end - 31 : last.end] == "vascular components of their condition."[-31:]


def test_the_article_has_nothing_to_mend() -> None:
    assert check_corpus(read_sources(ROOT / "corpus")) == []


def test_the_article_as_received_has_one_spot_to_mend(folder: Path) -> None:
    received = ARTICLE.read_text("utf-8").replace(REPAIRED, DAMAGED)
    assert problems_of(folder, received, "article.md") == [
        "article.md:27: warning: damaged characters 'TNF-Î±', probably 'TNF-α'"
    ]


# What `b12qa check` finds, one kind of damage each.


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(SMALL_TEXT, [], id="nothing"),
        pytest.param("Naïve “café” – 5 µg, ½ cup, 20 °C, 中文 😀 עברית\n", [], id="no ASCII, no damage"),
        pytest.param(
            "# Tea\n\nIt isnâ€™t coffee.\n",
            ["tea.md:3: warning: damaged characters 'isnâ€™t', probably 'isn’t'"],
            id="mojibake",
        ),
        pytest.param(
            "A.\n\nThe caf\ufffd.\n",
            ["tea.md:3: warning: replacement character (U+FFFD): something was lost here"],
            id="replacement character",
        ),
        pytest.param(
            b"\xef\xbb\xbf# Tea\n\nGreen.\n",
            ["tea.md:1: warning: the file begins with a byte order mark (U+FEFF)"],
            id="byte order mark",
        ),
        pytest.param(
            b"# Tea\n\nGre\0en.\n",
            ["tea.md:3: error: NUL character at offset 10"],
            id="NUL",
        ),
        pytest.param(
            b"A.\r\rB\0.",
            [
                "tea.md:1: warning: line ends with a carriage return (CRLF); quotes keep it as it is",
                "tea.md:3: error: NUL character at offset 5",
            ],
            id="NUL, with lines that end in CR alone",
        ),
        pytest.param(
            b"# Tea\r\n\r\nCaf\xe9.\n",
            [
                "tea.md:1: warning: line ends with a carriage return (CRLF); quotes keep it as it is",
                "tea.md:3: error: not UTF-8: byte e9 at offset 12",
            ],
            id="Latin-1, and CRLF before it",
        ),
        pytest.param(
            "Tea.".encode("utf-16"),
            ["tea.md:1: error: the file is UTF-16; save it as UTF-8"],
            id="UTF-16",
        ),
        pytest.param(
            "# Tea\n\nGreen.\n\nBlack.\r\n",
            ["tea.md:5: warning: line ends with a carriage return (CRLF); quotes keep it as it is"],
            id="CRLF",
        ),
        pytest.param(
            "# Tea\n\nA.\n\n## Kinds\n\n### Green\n\n<!-- to do -->\n\n## Last\n",
            [
                "tea.md:7: warning: section 'Green' has no text",
                "tea.md:11: warning: section 'Last' has no text",
            ],
            id="empty sections",
        ),
        pytest.param(
            "# Tea\n\n## Kinds\n\nA.\n\n## *Kinds*\n\nB.\n\n# Coffee\n\n## Kinds\n\nC.\n\n",
            ["tea.md:7: warning: heading 'Kinds' appears 2 times in the same place"],
            id="a heading repeated in the same place, not in another",
        ),
        pytest.param(
            "Short.\n\n" + "tea " * 300 + "\n",
            [
                "tea.md:3: warning: block of 302 tokens, more than the 256 the model reads: it is split",
            ],
            id="a block that is too long",
        ),
        pytest.param(
            "A.\n\n```\nB.\n```\n\n~~~ py\nC.\n\n# D\n",
            ["tea.md:7: warning: what begins here is never closed by ~~~: all that follows is part of it"],
            id="a fence that is never closed",
        ),
        pytest.param(
            "<!-- A. -->\n<!-->\n\n<pre>\n\nB.</pre>\n\nC <!-- d.\n\n<!-- E.\n\nF.\n",
            [
                *(
                    f"tea.md:{line}: warning: HTML is quoted as it stands: {mark!r}; write Markdown, such as "
                    r"**bold**, or take it out (for 'less than' write '\<')"
                    for line, mark in ((2, "<!-->"), (4, "<pre>"))
                ),
                "tea.md:10: warning: what begins here is never closed by -->: all that follows is part of it",
            ],
            id="a comment that is never closed",
        ),
        pytest.param(
            '> 65 years: half.\n\n- > ~6\n- \\> 7\n- 8 > 7\n\n> "Tea", 1806\n\n\\> 9\n\n> **5** mg\n\n'
            "> 20 were told,\n> and 5 were not.\n\n> - 65 x\n",
            [
                f"tea.md:{line}: warning: a quotation of one line that begins with a number: "
                r"for 'more than 65' write '\> 65'"
                for line in (1, 3, 11)
            ],
            id="more than, taken for a quotation",
        ),
        pytest.param(
            "#Tea\n\nGreen,\n  ##Kinds and *more*\nof it.\n\n#1 of all. C# and #2. \\##No.\n\n"
            "```\n##code\n```\n\n####### Seven.\n",
            [
                "tea.md:1: warning: text and no heading: for a heading, put a blank after # in '#Tea'",
                "tea.md:4: warning: text and no heading: "
                "for a heading, put a blank after ## in '##Kinds and *more*'",
            ],
            id="a heading without its blank",
        ),
        pytest.param(
            "# Tea\n\n![a cup](cup.png)\n\n# Sources\n\n[^1]: A cook.\n",
            [
                "tea.md:1: warning: no text to quote",
                "tea.md:1: warning: section 'Tea' has no text",
                "tea.md:5: warning: section 'Sources' has no text",
            ],
            id="only pictures and footnotes",
        ),
        pytest.param(
            "# Tea\n\nA <b>cup</b>\nis <b>40&nbsp;ml</b>.[^1] [2] [3] [^1] [4]\n\n"
            "[^1]: <i>A</i> cook [5] &amp; son.\n",
            [
                "tea.md:3: warning: HTML is quoted as it stands: '<b>', '</b>'; write Markdown, such as "
                r"**bold**, or take it out (for 'less than' write '\<')",
                "tea.md:4: warning: HTML is quoted as it stands: '<b>', '</b>'; write Markdown, such as "
                r"**bold**, or take it out (for 'less than' write '\<')",
                "tea.md:4: warning: footnote marks are quoted with their sentence: '[^1]', '[2]', '[3]', "
                "and 1 more; take them out, or name the source in words",
                "tea.md:4: warning: quoted as it stands: '&nbsp;'; write the character itself",
            ],
            id="HTML and marks of footnotes in what is quoted",
        ),
        pytest.param("", ["tea.md:1: warning: no text to quote"], id="an empty file"),
        pytest.param(
            "# Tea\n",
            ["tea.md:1: warning: no text to quote", "tea.md:1: warning: section 'Tea' has no text"],
            id="only a heading",
        ),
        pytest.param(
            "A\x0c\u2028A.\r\rThe cafÃ©.\r\r# Tea\r",
            [
                "tea.md:1: warning: line ends with a carriage return (CRLF); quotes keep it as it is",
                "tea.md:3: warning: damaged characters 'cafÃ©.', probably 'café.'",
                "tea.md:5: warning: section 'Tea' has no text",
            ],
            id="lines are counted as Markdown counts them",
        ),
    ],
)
def test_check_names_file_and_line(folder: Path, data: bytes | str, expected: list[str]) -> None:
    assert problems_of(folder, data) == expected


def test_check_goes_through_all_files_in_order(folder: Path) -> None:
    (folder / "b.md").write_bytes(b"A\0.")
    (folder / "a.md").write_bytes(b"# Empty\n\n# B\n\nText.\n")
    (folder / "README.md").write_bytes(b"\xff")
    assert [(p.file, p.line, p.severity) for p in check_corpus(read_sources(folder))] == [
        ("a.md", 1, Severity.WARNING),
        ("b.md", 1, Severity.ERROR),
    ]


def test_what_check_warns_of_can_still_be_quoted_byte_for_byte(folder: Path) -> None:
    data = "\ufeff# Tea\r\n\r\nIt isnâ€™t coffee.\r\n".encode()
    (folder / "tea.md").write_bytes(data)
    (document,) = read_corpus(folder).documents
    assert document.text.encode() == data
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert document.title == "Tea"
    (block,) = document.blocks
    assert document.text[block.start : block.end] == "It isnâ€™t coffee."


# Reading.


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"Caf\xe9.",
            "tea.md:1: error: not UTF-8: byte e9 at offset 3",
        ),
        (b"a\n\0", "tea.md:2: error: NUL character at offset 2"),
        (b"a\x1b[2J", "tea.md:1: error: control character U+001B at offset 1"),
        ("Té\n\x9b".encode(), "tea.md:2: error: control character U+009B at offset 4"),
        (
            "Tea".encode("utf-16"),
            "tea.md:1: error: the file is UTF-16; save it as UTF-8",
        ),
    ],
    ids=["Latin-1", "NUL", "what a terminal obeys", "the same of another kind", "UTF-16"],
)
def test_a_damaged_file_is_refused_by_line(folder: Path, data: bytes, message: str) -> None:
    (folder / "tea.md").write_bytes(data)
    with pytest.raises(CorpusError, match=re.escape(f"{message}. Mend the file, then run: b12qa build")):
        read_corpus(folder)


def test_a_name_that_is_no_utf_8_is_refused(folder: Path) -> None:
    try:
        (folder / "caf\udce9.md").write_text(SMALL_TEXT)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes no such name")
    with pytest.raises(CorpusError, match=r"The name 'caf\?\.md' is no UTF-8\. Rename the file"):
        read_corpus(folder)


def test_documents_are_the_markdown_files_of_the_folder_by_name(folder: Path) -> None:
    for name in ("b.md", "a.md", "C.MD", "README.md", "notes.txt", "questions.yaml"):
        (folder / name).write_text("Text.")
    (folder / "folder.md").mkdir()
    assert [path.name for path in document_files(folder)] == ["C.MD", "a.md", "b.md"]
    assert [document.name for document in read_corpus(folder).documents] == ["C", "a", "b"]


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    missing = folder / "missing"
    with pytest.raises(EmptyCorpusError, match=re.escape(f"at {missing}, found none. Name the right folder")):
        document_files(missing)


def test_a_folder_without_documents_is_named(folder: Path) -> None:
    (folder / "README.md").write_text("Text.")
    with pytest.raises(EmptyCorpusError, match=re.escape(f"{folder} holds no Markdown document")):
        read_corpus(folder)


def test_documents_without_text_are_named(folder: Path) -> None:
    (folder / "tea.md").write_text("# Tea\n")
    (folder / "coffee.md").write_text("")
    with pytest.raises(
        EmptyCorpusError, match=re.escape(f"{folder} holds no text below its headings (coffee, tea).")
    ):
        read_corpus(folder)


def test_one_document_without_text_beside_another_is_no_fault(folder: Path) -> None:
    (folder / "a.md").write_text("")
    (folder / "b.md").write_text("Text.")
    assert [len(document.blocks) for document in read_corpus(folder).documents] == [0, 1]


def test_a_document_without_a_heading_is_called_by_its_name() -> None:
    assert parse_document("tea", "Text.").title == "tea"
    assert parse_document("tea", "Text.\n\n## Kinds\n\nText.").title == "Kinds"


def test_checking_one_file_needs_no_model(folder: Path) -> None:
    (folder / "tea.md").write_text("# Tea\n")
    assert [problem.line for problem in check_source(read_source(folder / "tea.md"))] == [1, 1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("coffee.notes.yaml", "NAME.notes.yaml, with a document's name such as tea,"),
        ("tea.notes.yml", "tea.notes.yaml"),
        ("tea.note.yaml", "tea.notes.yaml"),
        ("Tea.questions.yaml", "tea.questions.yaml"),
        ("tea.synonym.yml", "tea.synonyms.yaml, which is there as well,"),
    ],
)
def test_a_file_that_belongs_to_no_document_is_refused_and_not_passed_over(
    folder: Path, name: str, expected: str
) -> None:
    (folder / "tea.md").write_text(SMALL_TEXT)
    (folder / "tea.synonyms.yaml").write_text("- [tea, char]\n")
    read_corpus(folder)
    (folder / name).write_text("notes: []\n")
    said = f"{name}:1: error: belongs to no document: expected {expected} as its name"
    assert said in [str(problem) for problem in check_corpus(read_sources(folder))]
    with pytest.raises(CorpusError, match=rf"{re.escape(said)}\. Rename it, or take it away"):
        read_corpus(folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tea.questions.yaml.txt", "tea.questions.yaml"),
        ("Tea.Question.yaml.txt", "tea.questions.yaml"),
        ("tea.notes.txt", "tea.notes.yaml"),
        ("tea.synonyms.json", "tea.synonyms.yaml"),
        ("tea-notes.yaml", "tea.notes.yaml"),
        ("tea.questions (1).yaml", "tea.questions.yaml"),
        ("green-tea.questions.yaml.txt", "green-tea.questions.yaml"),
        ("questions.yaml", "NAME.questions.yaml, with a document's name such as green-tea or tea,"),
        ("tea.MDX", "tea.md, which is there as well,"),
        ("coffee.txt", "coffee.md"),
        ("coffee.md.txt", "coffee.md"),
        ("coffee.v2.markdown", "coffee.v2.md"),
    ],
)
def test_a_file_that_only_looks_as_if_it_were_read_is_warned_of(
    folder: Path, name: str, expected: str
) -> None:
    for document in ("tea", "green-tea"):
        (folder / f"{document}.md").write_text(SMALL_TEXT)
    (folder / name).write_text("notes: []\n")
    sources = read_sources(folder)
    said = f"{name}:1: warning: not read: expected {expected} as its name"
    assert [str(problem) for problem in check_unread(sources)] == [said]
    assert said in [str(problem) for problem in check_corpus(sources)]
    assert read_corpus(folder).beside == {}


@pytest.mark.parametrize("name", ["coffee.docx", "Coffee Beans.PDF", "coffee.html"])
def test_a_file_that_can_be_imported_is_warned_of_unless_it_was(folder: Path, name: str) -> None:
    (folder / "tea.md").write_text(SMALL_TEXT)
    (folder / name).write_text("")
    [problem] = check_corpus(read_sources(folder))
    assert str(problem).startswith(f"{name}:1: warning: not read: expected Markdown.")
    assert problem.message.endswith(f"b12qa import {shlex.quote(name)}")
    (folder / f"{Path(name).stem}.md").write_text("# Coffee\n\nCoffee keeps awake.\n")
    assert list(check_unread(read_sources(folder))) == []


@pytest.mark.parametrize("name", ["coffee.doc", "coffee.odt", "Coffee.RTF"])
def test_a_text_of_a_kind_that_nothing_reads_is_warned_of_unless_it_was_converted(
    folder: Path, name: str
) -> None:
    (folder / "tea.md").write_text(SMALL_TEXT)
    (folder / name).write_text("")
    assert list(map(str, check_unread(read_sources(folder)))) == [
        f"{name}:1: warning: not read: expected Markdown. Save it as .docx, .html or .pdf, "
        "then make a draft of that with b12qa import"
    ]
    (folder / "coffee.md").write_text("# Coffee\n\nCoffee keeps awake.\n")
    assert list(check_unread(read_sources(folder))) == []


def test_files_for_other_purposes_are_left_alone(folder: Path) -> None:
    (folder / "tea.md").write_text(SMALL_TEXT)
    others = [
        "README.txt",
        "tea.questions.yaml.bak",
        "tea.docx",
        "notebook.yaml",
        ".tea.notes.txt",
        "map.svg",
    ]
    for name in (*others, "tea.questions.yaml", "field-notes.md"):
        (folder / name).write_text("")
    assert list(check_unread(read_sources(folder))) == []


def test_what_is_no_file_is_not_left_out_without_a_word(folder: Path) -> None:
    (folder / "tea.md").write_text(SMALL_TEXT)
    for name in ("more/deep", "pictures", "d.md", ".git"):
        (folder / name).mkdir(parents=True)
    for name in ("more/deep/z.md", "more/coffee.MD", "more/README.md", "pictures/README.md", ".git/a.md"):
        (folder / name).write_text(SMALL_TEXT)
    for name in ("gone.md", "tea.questions.yaml", "gone.svg", ".gone.md"):
        (folder / name).symlink_to(folder / "nowhere")
    sources = read_sources(folder)
    inside = Path("more") / "coffee.MD"
    expected = [
        "d.md:1: warning: not read: a folder, with the name of a file; give it another name, or take it away",
        "gone.md:1: warning: not read: a link to a file that is not there; mend it, or take it away",
        f"more:1: warning: not read: a folder with Markdown in it, such as {inside}; "
        "put it beside the other documents",
        "tea.questions.yaml:1: warning: not read: a link to a file that is not there; mend it, "
        "or take it away",
    ]
    assert [str(problem) for problem in check_unread(sources)] == expected
    assert [str(problem) for problem in check_corpus(sources)] == expected
    assert [document.name for document in read_corpus(folder).documents] == ["tea"]


def test_accented_letters_of_file_names_are_one_however_a_system_writes_them(folder: Path) -> None:
    name = "th\u00e9"
    two = unicodedata.normalize("NFD", name)
    (folder / f"{two}.md").write_text(SMALL_TEXT)
    if sorted(path.name for path in folder.iterdir()) != [f"{two}.md"]:
        pytest.skip("the file system writes names its own way")
    (folder / f"{name}.synonyms.yaml").write_text("- [tea, char]\n")
    (folder / f"{two}.questions.yaml").write_text("")
    corpus = read_corpus(folder)
    assert [document.name for document in corpus.documents] == [name]
    assert sorted(corpus.beside) == [f"{name}.questions.yaml", f"{name}.synonyms.yaml"]
    assert corpus.hashes() == unread_corpus(folder).hashes()
    check_unchanged(corpus)
    assert list(check_unread(read_sources(folder))) == []
    (folder / f"{name}.md").write_text(SMALL_TEXT)
    with pytest.raises(CorpusError) as refused:
        read_corpus(folder)
    assert str(refused.value) == r"'the\u0301.md' and 'th\xe9.md' have the same name. Rename one."


def test_what_is_hidden_is_no_document(folder: Path) -> None:
    for name in ("tea.md", "._tea.md", ".~lock.tea.md", "._tea.notes.yaml"):
        (folder / name).write_text(SMALL_TEXT)
    assert [path.name for path in document_files(folder)] == ["tea.md"]
    assert read_corpus(folder).documents[0].name == "tea"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nDraft: true\n---\n# Tea\n\nGreen.\n", "expected 'draft' in small letters, got 'Draft'"),
        ("\n---\ntitle: Tea\ndraft: true\n---\n# Tea\n\nGreen.\n", "begins on the first line"),
        ("---\ntitle: Tea\ndraft: true\n# Tea\n\nGreen.\n", "ends with a line ---"),
    ],
)
def test_a_draft_is_not_published_by_a_slip(folder: Path, text: str, message: str) -> None:
    (folder / "tea.md").write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_corpus(folder)
