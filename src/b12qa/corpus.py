"""Files → documents, and what an editor should mend in them."""

from __future__ import annotations

import hashlib
import re
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from b12qa import markdown
from b12qa.errors import CorpusError, EmptyCorpusError, YamlError
from b12qa.front_matter import KEYS, Metadata, read_front_matter
from b12qa.plain import short, some_of, writable
from b12qa.records import About, BlockKind, Document
from b12qa.strict_yaml import is_to_come

NOT_DOCUMENTS = {"readme.md"}
# Kinds of files that editors keep beside NAME.md, as NAME.KIND.yaml.
BESIDE = ("notes", "questions", "synonyms")
# Files that editors take for documents, or for files beside one, end so, and nothing reads them.
_NEARLY_A_DOCUMENT = (".markdown", ".mdown", ".mdx", ".mkd", ".mkdn", ".txt")
_NEARLY_BESIDE = (".yaml", ".yml", ".json", ".txt")
# What `b12qa import` makes drafts of.
IMPORTABLE = (".docx", ".html", ".htm", ".pdf")
# Texts of a kind that it cannot read.
_NEARLY_IMPORTABLE = (".doc", ".odt", ".rtf", ".epub", ".pages", ".xhtml")
# By its first character, what is said of HTML and marks of footnotes in a text; so many of a line are named.
_RAW = {
    "<": "HTML is quoted as it stands: {}; write Markdown, such as **bold**, or take it out "
    r"(for 'less than' write '\<')",
    "&": "quoted as it stands: {}; write the character itself",
    "[": "footnote marks are quoted with their sentence: {}; take them out, or name the source in words",
}
MAX_RAW_NAMED = 3
_LETTERS = re.compile(r"[a-z]+")
# So many characters at the beginning are looked at for front matter that is not where it should be.
MAX_FRONT_MATTER_LOOKED_AT = 2000
_BEGINS_WITH_A_NUMBER = re.compile(r"(?<![~≈±+€$£.,(])[~≈±+€$£.,(]*+\d")
# What no text needs, and a terminal may obey.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
# A sentence may begin with "#1".
_HEADING_WITHOUT_BLANK = re.compile(r"#(?=[^\W\d])|#{2,6}(?=[^#\s])")
_THEMATIC_BREAK = re.compile(r"\ufeff?---[ \t]*(?:[\r\n]|$)")


class Severity(StrEnum):
    """Whether `b12qa check` fails, and a build is refused."""

    ERROR = "error"  # it does: a document or a note cannot be used, or a bank contradicts itself
    WARNING = "warning"  # it does not, unless it is strict; the document is quoted byte for byte as it is


@dataclass(frozen=True, slots=True)
class Problem:
    """Something an editor should look at, and where."""

    severity: Severity
    file: str
    line: int  # from 1
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.severity}: {self.message}"


Unreadable = Callable[[YamlError], None]  # what is done about a file beside a document that is of no use


def refuse(error: YamlError) -> None:
    """Go no further."""
    raise error


class NamedSections:
    """The sections of a document by what an editor calls them: "Green tea", or "Kinds > Green tea"."""

    def __init__(self, document: Document) -> None:
        self._paths = [section.path for section in document.sections]
        self._named: dict[str, list[int]] = defaultdict(list)
        whole: dict[str, list[int]] = defaultdict(list)
        for position, path in enumerate(self._paths):
            for first in range(len(path)):
                named = self._named if first else whole
                named[_path_words(path[first:])].append(position)
        self._named |= whole  # a heading above all others has no longer name

    def position(self, name: str) -> int:
        """The position in `Document.sections` of the one section that is called so.

        Args:
            name: its heading, or also headings above it, outermost first.

        Raises:
            LookupError: there is none, or there are several; the message completes "warnings of ...".
        """
        found = self._named.get(name, [])
        if not found:
            raise LookupError(f"a section that the document does not have: {name!r}")
        if len(found) > 1:
            paths = list(dict.fromkeys(_path_words(self._paths[position]) for position in found))
            path = "name it with its path, such as " + " or ".join(map(repr, paths[:2]))
            remedy = path if len(paths) > 1 else "give each a heading of its own"
            raise LookupError(f"one of {len(found)} sections {name!r}: {remedy}")
        return found[0]


def _path_words(path: Sequence[str]) -> str:
    return " > ".join(path)


def document_files(corpus_dir: Path) -> list[Path]:
    """The Markdown files of a corpus folder, by name; its README is not one of them, nor what is hidden.

    Raises:
        EmptyCorpusError: the folder does not exist or holds no Markdown file.
        CorpusError: two files differ only in how ".md" is written.
    """
    if not corpus_dir.is_dir():
        raise EmptyCorpusError(
            f"Expected a folder of Markdown files at {corpus_dir}, found none. "
            "Name the right folder: --corpus DIR"
        )
    files = sorted(path for path in corpus_dir.iterdir() if _is_document(path) and path.is_file())
    if not files:
        raise EmptyCorpusError(
            f"{corpus_dir} holds no Markdown document (*.md, other than README.md). Put one there."
        )
    by_name: dict[str, Path] = {}
    for path in files:
        if writable(path.name) != path.name:
            raise CorpusError(f"The name {writable(path.name)!r} is no UTF-8. Rename the file.")
        other = by_name.setdefault(document_name(path), path)
        if other is not path:
            alike = file_name(other) == file_name(path)  # to the eye; so their characters are told
            names = " and ".join(ascii(each.name) if alike else each.name for each in (other, path))
            raise CorpusError(f"{names} have the same name. Rename one.")
    return files


def file_name(path: Path) -> str:
    """The name of a file with each accented letter as one character.

    Some systems write "é" as two, and what belongs together by its name comes from several.
    """
    return unicodedata.normalize("NFC", path.name)


def document_name(path: Path) -> str:
    """The name of the document in a file."""
    return Path(file_name(path)).stem


@dataclass(frozen=True, slots=True)
class Source:
    """One Markdown file as read at one time."""

    file: str  # its name, as `file_name`
    document: Document | None  # none if a problem is an error
    draft: bool
    problems: tuple[Problem, ...]  # of its bytes, front matter and form; `check_source` finds the others


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a corpus folder, each read once."""

    folder: Path
    files: tuple[Source, ...]
    beside: Mapping[str, bytes]  # files that belong to a document, by file name
    astray: tuple[str, ...] = ()  # names of files that are meant to and belong to none
    unread: tuple[str, ...] = ()  # names of files that only look as if they were meant to be read
    not_files: Mapping[str, str] = field(default_factory=dict)  # names of others that do, and what they are


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that may be quoted, and what belongs to it."""

    documents: tuple[Document, ...]
    beside: Mapping[str, bytes]  # files that belong to a document, by file name
    drafts: tuple[str, ...] = ()  # names of the files that are left out
    folder: Path | None = None  # where it was read

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file, by file name."""
        documents = {f"{document.name}.md": document.sha256 for document in self.documents}
        return documents | {file: _sha256(data) for file, data in self.beside.items()}


@dataclass(frozen=True, slots=True)
class UnreadCorpus:
    """The files of a corpus folder, drafts among them, known by their hashes alone."""

    of_files: Mapping[str, str]

    def hashes(self) -> dict[str, str]:
        """As `Corpus.hashes`."""
        return dict(self.of_files)


def unread_corpus(corpus_dir: Path) -> UnreadCorpus:
    """Hash the files of a folder without parsing them. Errors as in `document_files`."""
    return UnreadCorpus(_hashes_of(document_files(corpus_dir), corpus_dir))


def read_sources(corpus_dir: Path) -> Sources:
    """Read the documents of a folder and what stands beside them: question banks, synonyms and notes.

    Raises:
        EmptyCorpusError: there is no document.
        CorpusError: two documents have the same name.
    """
    files = tuple(read_source(path) for path in document_files(corpus_dir))
    beside = _files_beside(corpus_dir, (Path(source.file).stem for source in files if not source.draft))
    belong = {name for source in files for name in names_beside(Path(source.file).stem)}
    others = sorted({file_name(path) for path in corpus_dir.iterdir()} - belong)
    astray = tuple(name for name in others if _is_meant_to_belong(name))
    documents = {Path(source.file).stem.lower() for source in files}
    unread = tuple(name for name in others if name not in astray and _looks_meant(name, documents))
    data = {file_name(path): path.read_bytes() for path in beside}
    not_files = dict(_not_files(corpus_dir, belong))
    return Sources(corpus_dir, files, data, astray, unread, not_files)


def check_unchanged(corpus: Corpus) -> None:
    """Read the files again and refuse a corpus that is no longer what it was when it was read.

    Raises:
        CorpusError: a file was edited, added or removed.
    """
    if corpus.folder is None:
        return
    before, now = corpus.hashes(), _hashes_in(corpus.folder, corpus.drafts)
    for file in sorted(before.keys() | now.keys()):
        if before.get(file) != now.get(file):
            raise CorpusError(
                f"{corpus.folder / file} changed during the build; the index stays as it was. "
                "Run: b12qa build"
            )


def make_corpus(sources: Sources) -> Corpus:
    """The documents that are no drafts, provided that no file holds an error.

    Raises:
        EmptyCorpusError: there is nothing to quote.
        CorpusError: a document is not UTF-8, holds a control character or has broken front matter, or a file
            of notes, questions or synonyms belongs to no document.
    """
    for problem in check_astray(sources):
        raise CorpusError(f"{problem}. Rename it, or take it away, then run: b12qa build")
    documents = [(source, _sound(source)) for source in sources.files]
    kept = tuple(document for source, document in documents if not source.draft)
    drafts = tuple(source.file for source in sources.files if source.draft)
    if not kept:
        raise EmptyCorpusError(
            f"{sources.folder} holds nothing but drafts ({', '.join(drafts)}). "
            "Read one, take the line 'draft: true' out of it, then run: b12qa build"
        )
    if not any(document.quoted_blocks for document in kept):
        names = ", ".join(document.name for document in kept)
        raise EmptyCorpusError(f"{sources.folder} holds no text below its headings ({names}). Write some.")
    return Corpus(kept, sources.beside, drafts, sources.folder)


def read_corpus(corpus_dir: Path) -> Corpus:
    """Read a folder and make its corpus; errors as in `read_sources` and `make_corpus`."""
    return make_corpus(read_sources(corpus_dir))


def read_source(path: Path) -> Source:
    """Read one Markdown file, strictly: nothing is repaired, replaced or skipped."""
    data, file = path.read_bytes(), file_name(path)
    problems = list(_byte_problems(file, data))
    if any(problem.severity is Severity.ERROR for problem in problems):
        return Source(file, None, False, tuple(problems))
    text = data.decode("utf-8")
    try:
        found = read_front_matter(text, file)
    except YamlError as error:
        problem = Problem(Severity.ERROR, file, error.line, f"front matter: {error.found}")
        return Source(file, None, False, (*problems, problem))
    problems += _front_matter_problems(file, text, found)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return Source(file, None, False, tuple(problems))
    parsed = markdown.parse(text)
    lines = markdown.Lines(text)
    for start, closing in parsed.unclosed:
        message = f"what begins here is never closed by {closing}: all that follows is part of it"
        problems.append(Problem(Severity.WARNING, file, lines.number_at(start), message))
    document = _document(document_name(path), text, parsed, found.about)
    problems += _raw_problems(file, document, parsed.raw)
    return Source(file, document, found.draft, tuple(problems))


def parse_document(name: str, text: str) -> Document:
    """Make a document of a text that is already in memory.

    Raises:
        YamlError: its front matter is broken.
    """
    about = read_front_matter(text, f"{name}.md").about
    return _document(name, text, markdown.parse(text), about)


def _document(name: str, text: str, parsed: markdown.ParsedMarkdown, about: About) -> Document:
    heading = next((section.path[-1] for section in parsed.sections if section.path), name)
    sha256 = _sha256(text.encode("utf-8"))
    return Document(
        name, about.title or heading, text, sha256, parsed.sections, parsed.blocks, parsed.markup, about
    )


def _sound(source: Source) -> Document:
    if source.document is None:
        problem = next(problem for problem in source.problems if problem.severity is Severity.ERROR)
        raise CorpusError(f"{problem}. Mend the file, then run: b12qa build")
    return source.document


def check_source(source: Source) -> list[Problem]:
    """Everything an editor should know about one file before it is built, in order of lines."""
    problems = list(source.problems)
    if source.document is not None:
        problems += _text_problems(source.file, source.document)
        problems += _structure_problems(source.file, source.document)
    return sorted(problems, key=lambda problem: (problem.line, problem.message))


def check_sound(problems: Iterable[Problem], of_what: str) -> None:
    """Refuse what stands beside a document if anything in it is an error.

    Raises:
        CorpusError: there is one.
    """
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        more = f" (and {len(errors) - 1} more; b12qa check lists them)" if len(errors) > 1 else ""
        raise CorpusError(
            f"{errors[0]}{more}. What was current stays current. Mend the {of_what}, then run: b12qa build"
        )


def check_astray(sources: Sources) -> Iterator[Problem]:
    """Files of notes, questions or synonyms without a document, which would be lost without a word."""
    for file in sources.astray:
        expected = _expected_name(file, sources)
        yield Problem(Severity.ERROR, file, 1, f"belongs to no document: expected {expected} as its name")


def check_unread(sources: Sources) -> Iterator[Problem]:
    """What looks as if it were to be read, and what it takes for it to be."""
    for file in sources.unread:
        ending = Path(file).suffix.lower()
        if ending in IMPORTABLE:
            expected = f"Markdown. Make a draft of it: b12qa import {shlex.quote(file)}"
        elif ending in _NEARLY_IMPORTABLE:
            kinds = "Save it as .docx, .html or .pdf, then make a draft of that with b12qa import"
            expected = f"Markdown. {kinds}"
        else:
            expected = f"{_expected_name(file, sources)} as its name"
        yield Problem(Severity.WARNING, file, 1, f"not read: expected {expected}")

    for name, found in sources.not_files.items():
        yield Problem(Severity.WARNING, name, 1, f"not read: {found}")


def _expected_name(file: str, sources: Sources) -> str:
    """What a file would have to be called to be read, in words that "as its name" follows."""
    documents = [Path(source.file).stem for source in sources.files]
    kind = _kind_named_by(file)
    expected = f"{Path(file).stem.removesuffix('.md')}.md"
    if kind is not None:
        own = [name for name in documents if file.lower().startswith(name.lower())]
        expected = f"{max(own, key=len, default='NAME')}.{kind}.yaml"
        if not own:
            return f"{expected}, with a document's name such as {' or '.join(documents[:3])},"
    is_there = expected in sources.beside or expected in {source.file for source in sources.files}
    return f"{expected}, which is there as well," if is_there else expected


def check_titles(sources: Sources) -> Iterator[Problem]:
    """Documents that a citation could not tell apart."""
    seen: dict[str, str] = {}
    for source in sources.files:
        if source.document is None or source.draft:
            continue
        title = source.document.title
        if title in seen:
            message = f"the title {title!r} is also that of {seen[title]}: a reader cannot tell them apart"
            yield Problem(Severity.WARNING, source.file, 1, message)
        seen.setdefault(title, source.file)


def _front_matter_problems(file: str, text: str, found: Metadata) -> Iterator[Problem]:
    if not found.lines and _is_meant_as_front_matter(text):
        message = "front matter that begins on the first line with --- and ends with a line --- was expected"
        yield Problem(Severity.ERROR, file, 1, message)
    elif not found.lines and _THEMATIC_BREAK.match(text):
        message = (
            "a rule and not front matter, which begins with a key such as 'title: words' on the next line "
            "and ends with a line ---"
        )
        yield Problem(Severity.WARNING, file, 1, message)
    for key, line in found.lines.items():
        if key not in KEYS:
            yield Problem(
                Severity.WARNING,
                file,
                line,
                f"front matter: unknown key {key!r}, known are {', '.join(KEYS)}",
            )
    if found.about.reviewed and is_to_come(found.about.reviewed):
        yield Problem(
            Severity.WARNING,
            file,
            found.lines["reviewed"],
            f"front matter: reviewed on {found.about.reviewed}, a day to come: write the day of the review",
        )
    if not found.about.is_english:
        yield Problem(
            Severity.WARNING,
            file,
            found.lines["language"],
            f"language {found.about.language!r}: spelling and word matching are made for English",
        )
    if found.draft:
        yield Problem(
            Severity.WARNING,
            file,
            found.lines["draft"],
            "a draft, left out of the index: read it, then take this line out",
        )


def _is_meant_to_belong(file: str) -> bool:
    """Whether a file is named as notes, questions or synonyms are, or nearly so."""
    kind, ending = Path(Path(file).stem).suffix.lower(), Path(file).suffix.lower()
    kinds = {f".{written}" for each in BESIDE for written in (each, each.removesuffix("s"))}
    return kind in kinds and ending in (".yaml", ".yml") and not file.startswith(".")


def _looks_meant(file: str, documents: Container[str]) -> bool:
    """Whether a file that is not read has a name of which its editor may think that it is.

    Args:
        documents: names in small letters; beside TEA.md, TEA.docx is what it was made of.
    """
    if file.startswith(".") or file.lower().startswith("readme."):
        return False
    if Path(file).suffix.lower() in (*IMPORTABLE, *_NEARLY_IMPORTABLE):
        return Path(file).stem.lower() not in documents
    return Path(file).suffix.lower() in _NEARLY_A_DOCUMENT or _kind_named_by(file) is not None


def _not_files(corpus_dir: Path, belong: Container[str]) -> Iterator[tuple[str, str]]:
    """Folders with documents, and what has the name of a file to be read and is none, by name.

    Args:
        belong: names of the files that belong to a document, if they are there.
    """
    for path in sorted(corpus_dir.iterdir()):
        if path.name.startswith(".") or path.is_file():
            continue
        named = file_name(path) in belong or _is_document(path)
        inside = _document_below(path) if path.is_dir() else None
        if inside is not None:
            yield (
                path.name,
                f"a folder with Markdown in it, such as {inside}; put it beside the other documents",
            )
        elif named and path.is_dir():
            yield path.name, "a folder, with the name of a file; give it another name, or take it away"
        elif named and path.is_symlink():
            yield path.name, "a link to a file that is not there; mend it, or take it away"


def _document_below(folder: Path) -> Path | None:
    """The first document in a folder of the corpus, as seen from the corpus."""
    found = (path for path in folder.rglob("*") if _is_document(path) and path.is_file())
    return min((path.relative_to(folder.parent) for path in found), default=None)


def _is_document(path: Path) -> bool:
    """Whether a file of that name is a document."""
    hidden = path.name.startswith(".")
    return path.suffix.lower() == ".md" and path.name.lower() not in NOT_DOCUMENTS and not hidden


def _kind_named_by(file: str) -> str | None:
    """Which kind of file beside a document a name speaks of, if any."""
    if Path(file).suffix.lower() not in _NEARLY_BESIDE:
        return None
    named = set(_LETTERS.findall(file.lower()))
    return next((kind for kind in BESIDE if named & {kind, kind.removesuffix("s")}), None)


def _is_meant_as_front_matter(text: str) -> bool:
    """Whether lines at the beginning are no words of the article, wherever they begin and end."""
    first, *lines = text[:MAX_FRONT_MATTER_LOOKED_AT].lstrip("\ufeff\r\n\t ").splitlines() or [""]
    keys = {
        key.strip().lower() for key, colon, _ in (line.partition(":") for line in lines[: len(KEYS)]) if colon
    }
    return first.rstrip() == "---" and not keys.isdisjoint(KEYS)


def names_beside(name: str) -> list[str]:
    """What the files that belong to a document are called."""
    return [f"{name}.{kind}.yaml" for kind in BESIDE]


def _files_beside(corpus_dir: Path, names: Iterable[str]) -> list[Path]:
    there = {file_name(path): path for path in corpus_dir.iterdir()}
    paths = (there.get(file, corpus_dir / file) for name in names for file in names_beside(name))
    return [path for path in paths if path.is_file()]


def _hashes_in(corpus_dir: Path, drafts: Sequence[str]) -> dict[str, str]:
    """As `Corpus.hashes`, from the files as they are now."""
    try:
        documents = [path for path in document_files(corpus_dir) if file_name(path) not in drafts]
    except EmptyCorpusError:
        return {}
    return _hashes_of(documents, corpus_dir)


def _hashes_of(documents: Sequence[Path], corpus_dir: Path) -> dict[str, str]:
    beside = _files_beside(corpus_dir, map(document_name, documents))
    files = {f"{document_name(path)}.md": path for path in documents}
    files |= {file_name(path): path for path in beside}
    return {name: _sha256(path.read_bytes()) for name, path in files.items()}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _byte_problems(file: str, data: bytes) -> Iterator[Problem]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield Problem(Severity.ERROR, file, 1, "the file is UTF-16; save it as UTF-8")
        return
    if data.startswith(b"\xef\xbb\xbf"):
        yield Problem(Severity.WARNING, file, 1, "the file begins with a byte order mark (U+FEFF)")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = _byte_line(data, error.start)
        bad = data[error.start : error.end].hex(" ")
        yield Problem(Severity.ERROR, file, line, f"not UTF-8: byte {bad} at offset {error.start}")
    unseen = _CONTROL.search(data)
    if unseen:
        code = unseen[0][-1]  # of two bytes, the second is the code
        name = "NUL character" if code == 0 else f"control character U+{code:04X}"
        yield Problem(
            Severity.ERROR, file, _byte_line(data, unseen.start()), f"{name} at offset {unseen.start()}"
        )
    carriage_return = data.find(b"\r")
    if carriage_return >= 0:
        line = _byte_line(data, carriage_return)
        yield Problem(
            Severity.WARNING, file, line, "line ends with a carriage return (CRLF); quotes keep it as it is"
        )


def _byte_line(data: bytes, offset: int) -> int:
    return 1 + len(re.findall(rb"\r\n|\r|\n", data[:offset]))


def _text_problems(file: str, document: Document) -> Iterator[Problem]:
    import ftfy
    from ftfy.badness import is_bad

    for number, line in enumerate(markdown.LINE_END.split(document.text), start=1):
        repaired = ftfy.fix_encoding(line)
        if repaired != line:
            before, after = _first_difference(line, repaired)
            yield Problem(
                Severity.WARNING, file, number, f"damaged characters {before!r}, probably {after!r}"
            )
        elif is_bad(line):
            yield Problem(Severity.WARNING, file, number, "damaged characters (mojibake), unclear which")
        if "\ufffd" in line:
            yield Problem(
                Severity.WARNING, file, number, "replacement character (U+FFFD): something was lost here"
            )


def _raw_problems(file: str, document: Document, raw: Iterable[tuple[int, str]]) -> Iterator[Problem]:
    """What readers would see of HTML and footnotes, line by line: a quote is never altered."""
    line_of = markdown.Lines(document.text).number_at
    unquoted = [block for block in document.blocks if not block.is_quoted]
    found: dict[tuple[int, str], list[str]] = defaultdict(list)
    for start, written in raw:
        if not any(block.start <= start < block.end for block in unquoted):
            found[line_of(start), written[0]].append(repr(short(written, 40)))
    for (line, mark), marks in found.items():
        named = some_of(list(dict.fromkeys(marks)), MAX_RAW_NAMED)
        yield Problem(Severity.WARNING, file, line, _RAW[mark].format(named))


def _first_difference(before: str, after: str) -> tuple[str, str]:
    words = zip(before.split(), after.split(), strict=False)
    return next(((a, b) for a, b in words if a != b), (before, after))


def _structure_problems(file: str, document: Document) -> Iterator[Problem]:
    places = markdown.Lines(document.text)
    line_of = places.number_at
    blocks = document.quoted_blocks
    if not blocks:
        yield Problem(Severity.WARNING, file, 1, "no text to quote")
    for block in blocks:
        before = document.text[places.start_at(block.start) : block.start].rstrip()
        words = markdown.plain_text_of(document, block)
        if before.endswith(">") and "\n" not in words and _BEGINS_WITH_A_NUMBER.match(words):
            message = r"a quotation of one line that begins with a number: for 'more than 65' write '\> 65'"
            yield Problem(Severity.WARNING, file, line_of(block.start), message)
        lines = markdown.LINE_END.split(document.text[block.start : block.end])
        for number, line in enumerate(lines if block.kind is BlockKind.PARAGRAPH else []):
            written = line.strip()
            if mark := _HEADING_WITHOUT_BLANK.match(written):
                found = f"text and no heading: for a heading, put a blank after {mark[0]}"
                message = f"{found} in {short(written, 40)!r}"
                yield Problem(Severity.WARNING, file, line_of(block.start) + number, message)
    with_text = {block.section for block in blocks}
    for i, section in enumerate(document.sections):
        has_child = any(later.level > section.level for later in document.sections[i + 1 : i + 2])
        if section.level and i not in with_text and not has_child:
            yield Problem(
                Severity.WARNING, file, line_of(section.start), f"section {section.path[-1]!r} has no text"
            )
    counts = Counter(section.path for section in document.sections)
    seen: set[tuple[str, ...]] = set()
    for section in document.sections:
        if counts[section.path] > 1 and section.path in seen:
            yield Problem(
                Severity.WARNING,
                file,
                line_of(section.start),
                f"heading {section.path[-1]!r} appears {counts[section.path]} times in the same place",
            )
        seen.add(section.path)
