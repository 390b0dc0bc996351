"""A Word, web or PDF file → Markdown in the corpus folder, a draft for an editor to read.

The file is converted as it lies on the disk: nothing is fetched, pictures are left out, and what a
picture shows is lost. Nobody is answered from a draft, see `front_matter`.
"""

from __future__ import annotations

import io
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from b12qa import markdown
from b12qa.corpus import IMPORTABLE, NOT_DOCUMENTS, document_name, file_name
from b12qa.errors import ConversionError
from b12qa.storage import replace

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from bs4.element import NavigableString, PageElement
    from pdfminer.layout import LTPage

_NAME = re.compile(r"\w[\w.-]*")


def import_file(path: Path, corpus_dir: Path, name: str | None = None, *, force: bool = False) -> Path:
    """Convert a file into a draft in the corpus folder, and say where it is.

    Args:
        name: of the document; by default that of the file.
        force: replace a document of this name.

    Raises:
        ConversionError: the file cannot be converted, or a document of this name is there.
    """
    if not corpus_dir.is_dir():
        raise ConversionError(
            f"Expected a folder of documents at {corpus_dir}, found none. "
            "Make it, or name another: --corpus DIR"
        )
    name = _default_name(path) if name is None else unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name) or f"{name}.md".lower() in NOT_DOCUMENTS:
        raise ConversionError(
            "Expected a name of letters, digits, dots, hyphens and underscores other than README, "
            f"got {name!r}. Choose one: --name NAME"
        )
    target = corpus_dir / f"{name}.md"
    if target.exists() and not force:
        raise ConversionError(f"{target} is there already. Choose another --name, or replace it with --force")
    replace(target, _draft(path, convert(path)).encode("utf-8"))
    return target


def convert(path: Path) -> str:
    """The text of a file as Markdown.

    Raises:
        ConversionError: the format is unknown, a package is missing, the file is damaged or protected by
            a password, or it holds no text.
    """
    suffix = path.suffix.lower()
    if suffix not in IMPORTABLE:
        known = ", ".join(IMPORTABLE)
        raise ConversionError(
            f"Expected a file of a kind that can be read ({known}), got {path.name}. Save it as one of them."
        )
    if not path.is_file():
        raise ConversionError(f"Expected a file at {path}, found none. Name one on this machine.")
    data = path.read_bytes()
    _check_kind(path, suffix, data)
    try:
        text = _CONVERTERS[suffix](data)
    except ModuleNotFoundError as error:
        raise ConversionError(
            f"Expected the packages that read other formats, but {error.name} is not installed. "
            "Run: pip install 'b12qa[import]'"
        ) from error
    except ConversionError as error:
        raise ConversionError(f"{path.name} {error}") from error
    except Exception as error:  # whatever a damaged file does to a parser
        raise ConversionError(
            f"{path.name} cannot be read as {suffix} ({type(error).__name__}: {error}). "
            "It is damaged, of another kind or protected by a password; save it again and try once more."
        ) from error
    text = _tidy(text)
    if not markdown.parse(text).blocks:
        why = (
            "All its words stand in headings, menus or forms: look at it in a browser."
            if suffix in (".html", ".htm")
            else "A scanned page is a picture: have its text recognized (OCR) first, and import the result."
        )
        raise ConversionError(f"{path.name} holds no text that can be read. {why}")
    return text


# How files begin: what they are then, and the endings that they may have.
_BEGINNINGS = {
    b"%PDF-": ("a PDF file", (".pdf",)),
    b"PK\x03\x04": ("a Word file, or a ZIP archive of another kind", (".docx",)),
    b"\xd0\xcf\x11\xe0": ("a Word file of before 2007, or one with a password", ()),
    b"{\\rtf": ("a file of rich text (RTF)", ()),
}


def _check_kind(path: Path, suffix: str, data: bytes) -> None:
    """Refuse a file that is plainly of another kind than its ending says.

    Raises:
        ConversionError: it is.
    """
    for beginning, (kind, endings) in _BEGINNINGS.items():
        if data.startswith(beginning) and suffix not in endings:
            remedy = f"Name it {path.stem}{endings[0]}" if endings else "Save it as .docx without a password"
            raise ConversionError(
                f"{path.name} is {kind}, and not what {suffix} says. {remedy}, and import that."
            )


# Python takes these for ends of lines, and Markdown does not.
_OTHER_LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_BLANKS_AND_CONTROLS = dict.fromkeys((*range(9), *range(14, 32), *range(127, 160))) | {
    ord(end): " " for end in _OTHER_LINE_ENDS
}


def _default_name(path: Path) -> str:
    return re.sub(r"[^\w.-]+", "-", document_name(path)).strip("-.").lower()


def _draft(path: Path, text: str) -> str:
    headings = (section.path[-1] for section in markdown.parse(text).sections if section.path)
    about = {"title": next(headings, document_name(path)), "source": file_name(path), "draft": True}
    lines = yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{lines}---\n\n{text}"


def _tidy(text: str) -> str:
    """Text without what nobody typed: control characters, blanks at line ends, more than one empty line."""
    text = text.translate(_BLANKS_AND_CONTROLS)
    lines = (re.sub(r"(?<! )[ \t]$|(?<![ \t])[ \t]{3,}$", "", line) for line in markdown.LINE_END.split(text))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"


# Word.


def _docx_to_markdown(data: bytes) -> str:
    import mammoth

    styles = "p[style-name='Title'] => h1.title:fresh\np[style-name='Subtitle'] => p:fresh"
    result = mammoth.convert_to_html(
        io.BytesIO(data),
        style_map=styles,
        include_embedded_style_map=False,
        external_file_access=False,
        convert_image=lambda image: [],
    )
    soup = _soup(result.value)
    if soup.select("h1.title"):
        # A title above chapters that are first-level headings too.
        for heading in soup.select("h1:not(.title), h2, h3, h4, h5"):
            heading.name = f"h{int(heading.name[1]) + 1}"
    return _soup_to_markdown(soup)


# Web pages.

_NO_TEXT = (
    "title, script, style, noscript, template, nav, iframe, svg, object, form, button, "
    "img, picture, video, audio"
)
_BLOCKS = re.compile(
    r"address|article|aside|blockquote|body|d[dlt]|div|fig(?:caption|ure)|footer|h[1-6r]|header|html|li|main|[ou]l"
    r"|p|pre|section|t(?:able|body|d|foot|h|head|r)|\[document\]"
)
# What Markdown would take for a mark inside a line: a backslash, or stars and lines at the edge of a word.
_MARK_IN_A_LINE = re.compile(r"\\(?=[!-/:-@\[-`{-~])|\*(?=\S)|(?<=\S)\*|(?<![^\W_])_|_(?![^\W_])")
# Items of a list that were typed as paragraphs may become one.
_LOOKS_LIKE_A_MARK = re.compile(r"\A(?P<blanks>\s*)(?P<mark>>|#{1,6}(?=\s|\Z)|```|~~~|[=-]+(?=\s*\Z))")
_SUPERSCRIPTS = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")


def _html_to_markdown(data: bytes) -> str:
    soup = _soup(data)
    for tag in soup.select(_NO_TEXT):
        tag.decompose()
    articles = [tag for tag in soup.find_all("article") if not tag.find_parent("article")]
    only_article = articles[0] if len(articles) == 1 else None
    return _soup_to_markdown(soup.find("main") or only_article or soup.body or soup)


# Elements whose end tag may be left out: which of them another element ends when it begins, and what keeps it
# from doing so in between (HTML Living Standard, 13.1.2.4).
_ENDS_A_PARAGRAPH = (
    *("address", "article", "aside", "blockquote", "div", "dl", "fieldset", "figure", "footer", "form"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section"),
    *("table", "ul"),
)
_CELLS = {"td", "th"}
_ENDED_BY: Mapping[str, tuple[set[str], set[str]]] = {
    **dict.fromkeys(_ENDS_A_PARAGRAPH, ({"p"}, {*_CELLS, "table", "caption", "button"})),
    "li": ({"li"}, {"ul", "ol", "menu"}),
    **dict.fromkeys(("dt", "dd"), ({"dt", "dd"}, {"dl"})),
    **dict.fromkeys(_CELLS, (_CELLS, {"tr", "table"})),
    "tr": ({"tr"}, {"table"}),
    **dict.fromkeys(("thead", "tbody", "tfoot"), ({"thead", "tbody", "tfoot"}, {"table"})),
}
_ENDS_NONE: tuple[set[str], set[str]] = (set(), set())


@cache
def _soup_class() -> type[BeautifulSoup]:
    from bs4 import BeautifulSoup

    class Soup(BeautifulSoup):
        """Ends elements where HTML ends them without a tag, which Python's parser does not."""

        def handle_starttag(self, name: str, *arguments: Any, **more: Any) -> Tag | None:
            ends, unless = _ENDED_BY.get(name, _ENDS_NONE)
            if any(self.open_tag_counter[each] for each in ends):
                for tag in reversed(self.tagStack):
                    if tag.name in ends:
                        self.handle_endtag(tag.name)
                        break
                    if tag.name in unless:
                        break
            return super().handle_starttag(name, *arguments, **more)

    return Soup


def _soup(html: str | bytes) -> BeautifulSoup:
    return _soup_class()(html, "html.parser")


def _soup_to_markdown(soup: Tag) -> str:
    from bs4.element import PreformattedString
    from markdownify import MarkdownConverter

    for link in soup.select("a"):
        if link.get_text(strip=True) == "↑":  # back from a footnote
            link.decompose()
        elif str(link.get("href", "")).startswith(("http:", "https:", "mailto:")):
            link["href"] = str(link["href"]).replace(" ", "%20")
        else:
            link.unwrap()
    for raised in soup.select("sup"):
        words = raised.get_text()
        # Without its place above the line, the 6 of a million would make 106 of it.
        raised.replace_with(words.translate(_SUPERSCRIPTS))
    for cell in soup.select("td p, th p"):
        cell.insert_after(" ")
        cell.unwrap()
    for words in soup.find_all(string=True):
        if isinstance(words, PreformattedString):  # a comment or a declaration
            words.extract()
        elif not words.find_parent("pre"):
            in_cell = words.find_parent(["td", "th"]) is not None
            after_break = getattr(words.previous_sibling, "name", None) == "br" and not in_cell
            line = _MARK_IN_A_LINE.sub(r"\\\g<0>", _on_one_line(words))
            line = line.lstrip() if after_break else line
            if in_cell:
                line = line.replace("|", r"\|")
            elif _LOOKS_LIKE_A_MARK.match(line) and (after_break or _begins_a_block(words)):
                line = _as_words(line)
            words.replace_with(line)
    converter = MarkdownConverter(
        heading_style="ATX",
        bullets="-",
        autolinks=False,
        escape_asterisks=False,  # what needs it has been escaped
        escape_underscores=False,
        table_infer_header=True,
    )
    return str(converter.convert_soup(soup))


def _begins_a_block(words: NavigableString) -> bool:
    """Whether no other words stand before these in what will be a paragraph, an item or a heading."""
    here: PageElement | None = words
    while here is not None and not (here is not words and _is_block(here)):
        for before in here.previous_siblings:
            if _is_block(before):
                return True
            if before.get_text(strip=True):
                return False
        here = here.parent
    return True


def _is_block(element: PageElement) -> bool:
    return _BLOCKS.fullmatch(str(getattr(element, "name", None))) is not None


def _as_words(text: str) -> str:
    """The beginning of a text such as "> 65 years", so that Markdown does not take it for a mark."""
    return _LOOKS_LIKE_A_MARK.sub(r"\g<blanks>\\\g<mark>", text)


# PDF knows lines and the sizes of their letters, not paragraphs, lists or headings.

_BULLET = re.compile(r"[•◦▪‣●○·–*-]\s+")
_NUMBER = re.compile(r"\d{1,2}[.)]\s+")
_PAGE_NUMBER = re.compile(r"(?:page\s*)?\d+(?:\s*(?:/|of)\s*\d+)?", re.IGNORECASE)
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_UNKNOWN_LETTER = re.compile(r"\(cid:\d+\)")
_MARGIN = 0.1  # of the height of a page: where headers and footers stand
_LARGER = 1.08  # letters of a heading, as a multiple of those of the text
_MAX_HEADING_CHARACTERS = 200


class _PdfLine(NamedTuple):
    text: str
    size: float
    in_margin: bool
    block: int  # lines that stand together have the same number


class _PdfBlock(NamedTuple):
    text: str
    size: float
    is_item: bool


def _pdf_to_markdown(data: bytes) -> str:
    from pdfminer.high_level import extract_pages
    from pdfminer.pdfdocument import PDFPasswordIncorrect

    logging.getLogger("pdfminer").setLevel(logging.ERROR)
    try:
        pages = [list(_pdf_lines(page)) for page in extract_pages(io.BytesIO(data))]
    except PDFPasswordIncorrect:
        raise ConversionError("is protected by a password. Save it without one, and import that.") from None
    pages = list(_without_running_lines(pages))
    lines = [line for page in pages for line in page]
    words = Counter(word for line in lines for word in re.findall(r"\w+", line.text.lower()))
    blocks: list[_PdfBlock] = []
    for page in pages:
        of_page = _pdf_blocks(page, words)
        if blocks and of_page and _continues(blocks[-1], of_page[0]):
            whole = _joined([blocks[-1].text, of_page.pop(0).text], words)
            blocks[-1] = blocks[-1]._replace(text=whole)
        blocks += of_page
    return _with_headings(blocks)


def _pdf_lines(page: LTPage) -> Iterator[_PdfLine]:
    from pdfminer.layout import LTChar, LTTextBox, LTTextLine

    for number, box in enumerate(element for element in page if isinstance(element, LTTextBox)):
        in_margin = box.y0 > page.y1 - _MARGIN * page.height or box.y1 < page.y0 + _MARGIN * page.height
        for line in box:
            if not isinstance(line, LTTextLine):
                continue
            sizes = Counter(
                round(character.size * 2) / 2 for character in line if isinstance(character, LTChar)
            )
            text = _UNKNOWN_LETTER.sub("\ufffd", " ".join(line.get_text().translate(_LIGATURES).split()))
            if text and sizes:
                yield _PdfLine(text, sizes.most_common(1)[0][0], in_margin, number)


def _without_running_lines(pages: Sequence[list[_PdfLine]]) -> Iterator[list[_PdfLine]]:
    """Pages without their numbers and what stands at the edge of most of them."""

    def pattern(line: _PdfLine) -> str:
        return re.sub(r"\d+", "#", line.text)

    seen = Counter(text for page in pages for text in {pattern(line) for line in page if line.in_margin})
    often = {text for text, count in seen.items() if count > max(1, len(pages) / 2)}
    for page in pages:
        yield [
            line
            for line in page
            if not (line.in_margin and (pattern(line) in often or _PAGE_NUMBER.fullmatch(line.text)))
        ]


def _pdf_blocks(page: Sequence[_PdfLine], words: Counter[str]) -> list[_PdfBlock]:
    """Lines that stand together and are of one size as one text; each item of a list by itself."""
    blocks = []
    for (_, size), group in groupby(page, key=lambda line: (line.block, line.size)):
        parts: list[list[str]] = []
        for line in group:
            if not parts or _BULLET.match(line.text) or _NUMBER.match(line.text):
                parts.append([])
            parts[-1].append(line.text)
        for lines in parts:
            text = _joined(lines, words)
            mark = _BULLET.match(text) or _NUMBER.match(text)
            first = "" if mark is None else "- " if _BULLET.match(text) else mark[0]
            own = text[mark.end() if mark else 0 :]
            blocks.append(_PdfBlock(first + _as_words(own), size, is_item=mark is not None))
    return blocks


def _on_one_line(words: str) -> str:
    """Words with each line break, and the blanks around it, as one blank."""
    first, *others = re.split(r"[\r\n]+", words)
    if not others:
        return first
    *middle, last = others
    return " ".join([first.rstrip(), *filter(None, map(str.strip, middle)), last.lstrip()])


def _joined(lines: Sequence[str], words: Counter[str]) -> str:
    """Lines as one. A hyphen between letters at a line's end goes if the whole word also stands elsewhere."""
    text = lines[0]
    for line in lines[1:]:
        before = re.match(r"\w+", text[-2::-1]) if text.endswith("-") else None  # the last word, backwards
        after = re.match(r"\w+", line)
        if text.endswith("\xad"):
            text = text[:-1] + line
        elif before and after:
            whole = before[0][::-1] + after[0]
            # "2-" and "4 weeks" are not 24 weeks, wherever that number stands.
            text = (text[:-1] if whole.isalpha() and whole.lower() in words else text) + line
        else:
            text = f"{text} {line}"
    return text


def _continues(block: _PdfBlock, following: _PdfBlock) -> bool:
    """Whether a sentence runs on over the end of a page."""
    unfinished = re.search(r"[\w,-]$", block.text) is not None
    return unfinished and block.size == following.size and following.text[:1].islower()


def _with_headings(blocks: Sequence[_PdfBlock]) -> str:
    """Markdown in which short texts of larger letters than most are headings, the largest outermost."""
    sizes: Counter[float] = Counter()
    for block in blocks:
        sizes[block.size] += len(block.text)
    if not sizes:
        return ""
    usual = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size > usual * _LARGER), reverse=True)
    texts = []
    for block in blocks:
        is_heading = block.size in larger and len(block.text) <= _MAX_HEADING_CHARACTERS
        level = min(larger.index(block.size) + 1, 6) if is_heading else 0
        texts.append(f"{'#' * level} {block.text}" if is_heading else block.text)
    together = [a.is_item and b.is_item and a.text[0] == b.text[0] == "-" for a, b in pairwise(blocks)]
    ends = ["\n" if same else "\n\n" for same in together]
    return "".join(text + end for text, end in zip(texts, [*ends, "\n"], strict=True))


_CONVERTERS = {
    ".docx": _docx_to_markdown,
    ".html": _html_to_markdown,
    ".htm": _html_to_markdown,
    ".pdf": _pdf_to_markdown,
}
