"""Front matter → what a document says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, SMALL_TEXT

from b12qa.corpus import check_source, parse_document, read_corpus, read_source, read_sources
from b12qa.errors import CorpusError, EmptyCorpusError, YamlError
from b12qa.front_matter import read_front_matter
from b12qa.records import About

FULL = """---
# what readers should know
title: "Tea: a short guide"
source: >
  Handbook of tea,
  second edition
reviewed: 2025-03-01
language: en-GB
license: CC BY 4.0
---
"""


def with_front_matter(lines: str, body: str = SMALL_TEXT) -> str:
    return f"---\n{lines}\n---\n{body}"


def problems_of(folder: Path, text: str) -> list[str]:
    (folder / "tea.md").write_bytes(text.encode())
    return [str(problem) for problem in check_source(read_source(folder / "tea.md"))]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_a_document_says_of_itself_is_kept(mark: str, line_end: str) -> None:
    text = mark + (FULL + SMALL_TEXT).replace("\n", line_end)
    document = parse_document("tea", text)
    assert document.about == About(
        "Tea: a short guide", "Handbook of tea, second edition", "2025-03-01", "en-GB", "CC BY 4.0"
    )
    assert document.title == "Tea: a short guide"
    assert document.text == text
    assert document.text[document.sections[0].start :].startswith("# Tea")
    first = document.blocks[0]
    assert document.text[first.start : first.end] == "Tea is a drink. It has 40 mg of caffeine."


def test_a_text_stays_as_it_was_written() -> None:
    about = read_front_matter(with_front_matter("title: 1984\nsource: yes\nlanguage: no"), "tea.md").about
    assert about == About(title="1984", source="yes", language="no")  # Norwegian, and not false


def test_the_title_is_that_of_the_front_matter_then_the_first_heading_then_the_name() -> None:
    assert parse_document("tea", with_front_matter("title: Of tea")).title == "Of tea"
    assert parse_document("tea", with_front_matter("source: me")).title == "Tea"
    assert parse_document("tea", with_front_matter("source: me", "Text.")).title == "tea"
    assert parse_document("tea", "Text.").about == About()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("title: [", "tea.md:3: not YAML: expected commas between the items of a list in [ ] and the ] at"),
        (
            "title: it is\n  #1 of all",
            "tea.md:3: to YAML this text ends before '#1 of all': 'it is #1 of all' needs quotes.",
        ),
        (
            "source: me\ntitle: the #1 drink",
            "tea.md:3: to YAML this text ends before '#1 drink': 'the #1 drink' needs quotes.",
        ),
        ("source: me\ntitle: Tea: a guide", "tea.md:3: not YAML: words with a colon in them need quotes,"),
        ("title: Tea\ntitle: Coffee", "tea.md:3: title stands here a second time. Join the two."),
        (
            "a: " + "[" * 100_000,
            "tea.md:2: lists or mappings more than 20 deep in each other. Mend the file.",
        ),
        ("title: [Tea]", "tea.md:2: expected a text here, got a list. Mend the file."),
        ("license:\n  name: MIT", "tea.md:3: expected a text here, got a mapping: words with a colon"),
        ("source: me\ntitle:", "tea.md:3: expected a text here, got nothing."),
        ("reviewed: May 2025", "tea.md:2: expected reviewed to be a day such as 2025-03-01, got 'May 2025'."),
        (
            "reviewed: 2025-02-30",
            "tea.md:2: expected reviewed to be a day such as 2025-03-01, got '2025-02-30'",
        ),
        ("reviewed: 20250301", "tea.md:2: expected reviewed to be a day such as 2025-03-01, got '20250301'"),
        ("language: English", "tea.md:2: expected language to be a tag such as en or pt-BR, got 'English'."),
        ("draft: maybe", "tea.md:2: expected draft to be true or false, got 'maybe'. Mend the file."),
    ],
)
def test_front_matter_of_the_wrong_form_is_refused_by_line(tmp_path: Path, lines: str, message: str) -> None:
    text = with_front_matter(lines)
    with pytest.raises(YamlError) as refused:
        parse_document("tea", text)
    assert str(refused.value).startswith(message)
    file, line, found = message.split(":", 2)
    reported = found.removesuffix(" Join the two.").removesuffix(" Mend the file.").removesuffix(".")
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith(f"{file}:{line}: error: front matter:{reported}")
    with pytest.raises(CorpusError, match=r"Mend the file, then run: b12qa build"):
        read_corpus(tmp_path)


def test_a_control_character_is_refused_by_line_whoever_reads_it_first(tmp_path: Path) -> None:
    text = with_front_matter("title: Tea\x07")
    with pytest.raises(YamlError, match=r"^tea\.md:2: not YAML: a control character stands here \("):
        parse_document("tea", text)
    assert problems_of(tmp_path, text)[0].startswith("tea.md:2: error: control character U+0007 at offset")
    with pytest.raises(CorpusError, match=r"Mend the file, then run: b12qa build"):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FULL + SMALL_TEXT, []),
        (
            with_front_matter("title: Tea\nauthor: nobody\nauthors: [a, b]\ndraft: false"),
            [
                "tea.md:3: warning: front matter: unknown key 'author', known are title, source, reviewed, "
                "language, license, draft",
                "tea.md:4: warning: front matter: unknown key 'authors', known are title, source, reviewed, "
                "language, license, draft",
            ],
        ),
        (
            with_front_matter("title: Tea\nreviewed: 2999-01-01"),
            [
                "tea.md:3: warning: front matter: reviewed on 2999-01-01, a day to come: "
                "write the day of the review"
            ],
        ),
        (
            with_front_matter("title: Tee\nlanguage: de"),
            ["tea.md:3: warning: language 'de': spelling and word matching are made for English"],
        ),
        (
            with_front_matter("title: Tea\ndraft: true"),
            ["tea.md:3: warning: a draft, left out of the index: read it, then take this line out"],
        ),
        (
            "---\ntitle: Tea\n\nGreen.\n",
            [
                "tea.md:1: error: front matter that begins on the first line with --- and ends with a line "
                "--- was expected"
            ],
        ),
        (
            "---\n\nGreen.\n",
            [
                "tea.md:1: warning: a rule and not front matter, which begins with a key such as "
                "'title: words' on the next line and ends with a line ---"
            ],
        ),
        ("***\n\nGreen.\n\n---\n", []),
    ],
    ids=[
        "sound",
        "unknown keys",
        "a day to come",
        "another language",
        "a draft",
        "never closed",
        "a rule",
        "rules",
    ],
)
def test_check_warns_of_what_an_editor_should_look_at(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert problems_of(tmp_path, text) == expected


def test_lines_are_counted_from_the_top_of_the_file(tmp_path: Path) -> None:
    assert problems_of(tmp_path, with_front_matter("title: Tea\nsource: me", "# Empty\n\n# B\n\nB.\n")) == [
        "tea.md:5: warning: section 'Empty' has no text"
    ]


def test_a_draft_is_left_out_with_its_bank_until_the_line_is_taken_out(tmp_path: Path) -> None:
    (tmp_path / "coffee.md").write_text("Coffee wakes.")
    (tmp_path / "tea.md").write_text(with_front_matter("draft: true"))
    (tmp_path / "tea.questions.yaml").write_text("no bank")
    corpus = read_corpus(tmp_path)
    assert [document.name for document in corpus.documents] == ["coffee"]
    assert corpus.drafts == ("tea.md",)
    assert corpus.beside == {}
    (tmp_path / "tea.md").write_text(with_front_matter("source: me"))
    corpus = read_corpus(tmp_path)
    assert [document.name for document in corpus.documents] == ["coffee", "tea"]
    assert corpus.drafts == ()
    assert list(corpus.beside) == ["tea.questions.yaml"]


def test_a_corpus_of_drafts_alone_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "tea.md").write_text(with_front_matter("draft: true"))
    with pytest.raises(EmptyCorpusError, match=r"nothing but drafts \(tea\.md\)\. Read one, take the line"):
        read_corpus(tmp_path)


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("coffee", "tea"):
        (tmp_path / f"{name}.md").write_text(SMALL_TEXT)
    read = []
    read_bytes = Path.read_bytes

    def noting(path: Path) -> bytes:
        read.append(path.name)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", noting)
    read_corpus(tmp_path)
    assert sorted(read) == ["coffee.md", "tea.md"]


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tea.MD").write_text("Green.")
    (tmp_path / "tea.md").write_text("Black.")
    with pytest.raises(CorpusError, match=r"tea\.MD and tea\.md have the same name\. Rename one\."):
        read_sources(tmp_path)


def test_the_second_document_says_what_it_is() -> None:
    (document,) = read_corpus(ROOT / "tests" / "second_corpus").documents
    about = document.about
    assert about.source == "Written for the tests of b12qa"
    assert about.reviewed == "2025-03-01"


@pytest.mark.parametrize(
    "lines",
    [
        "title: Tea  # the drink",
        "title: Tea\ndraft: false #for now",
        "title: Tea\n#1 comment",
        "title: 'Tea #1' #2",
        "title: |\n  Tea\n  #1",
    ],
)
def test_a_comment_is_none_of_the_text(lines: str) -> None:
    assert parse_document("tea", with_front_matter(lines)).title.startswith("Tea")
