"""The records that travel from stage to stage: frozen, and nothing but data.

Offsets count characters from 0 in `Document.text`, and `end` is one past the last,
so that ``document.text[start:end]`` is always the text that a record speaks of.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from operator import attrgetter
from typing import Any, NamedTuple, SupportsIndex, overload


class _Shown:
    """A record that a notebook and a terminal show as the page does."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from b12qa import rendering

        return rendering.html_of(self)

    def __str__(self) -> str:
        from b12qa import rendering

        return rendering.text_of(self)


class Span(NamedTuple):
    """A stretch of a document's text."""

    start: int
    end: int


class BlockKind(StrEnum):
    """What a block is in Markdown."""

    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    QUOTE = "block_quote"
    TABLE_ROW = "table_row"
    CODE = "code"
    HTML = "html"
    IMAGE = "image"  # a paragraph of images and no words
    FOOTNOTE = "footnote"  # its definition, "[^1]: ..."


class Outcome(StrEnum):
    """How a question ended. A fault is none of these: it is an exception."""

    ANSWERED = "answered"
    RELATED = "related"
    NOT_COVERED = "not_covered"
    URGENT = "urgent"


class CareLevel(StrEnum):
    """How soon somebody needs help, the most severe first."""

    EMERGENCY = "emergency"
    URGENT = "urgent"
    SOON = "soon"


class NoticeKind(StrEnum):
    """Whose words a notice holds, so that a surface can tell them apart."""

    CARE = "care"
    ABOUT = "about"
    OUTCOME = "outcome"
    MISSING = "missing"
    NEAREST_SECTIONS = "nearest_sections"
    SEARCHED_FOR = "searched_for"
    PERSONAL = "personal"
    MEDICINE = "medicine"
    TEST_FIRST = "test_first"
    DISCLAIMER = "disclaimer"


class NoteKind(StrEnum):
    """What is the matter with a sentence that an editor wrote a note on."""

    CONTRADICTED = "contradicted"  # better evidence, or the document's own details, say otherwise
    UNSAFE_ALONE = "unsafe alone"  # who reads no more may come to harm
    INCONSISTENT = "inconsistent"  # two places of the document do not agree
    OVERSTATED = "overstated"  # more is claimed than was shown
    UNSUPPORTED = "unsupported"  # no source is given and none was found
    DATED = "dated"  # it was so once


class QuoteRole(StrEnum):
    """Why a quote is shown."""

    ANSWER = "answer"  # found for the question
    PARTNER = "partner"  # must be read with a sentence that another quote shows
    WARNING = "warning"  # warnings that belong to the answer


@dataclass(frozen=True)
class Markup:
    """Where Markdown marks stand in a text, so that a surface can leave them out.

    Those of each kind are sorted by where they begin.
    """

    hidden: tuple[Span, ...] = ()  # characters that are marks and not words: "**", "> "
    strong: tuple[Span, ...] = ()  # what stands between the marks of strong emphasis
    emphasis: tuple[Span, ...] = ()  # what stands between the marks of plain emphasis

    def within(self, start: int, end: int) -> Markup:
        """The marks that touch ``[start, end)``, cut to it."""

        def cut(spans: Sequence[Span], reached: Sequence[int]) -> tuple[Span, ...]:
            near = spans[bisect_right(reached, start) : bisect_left(spans, (end,))]
            return tuple(
                Span(max(span.start, start), min(span.end, end)) for span in near if start < span.end
            )

        return Markup(*map(cut, (self.hidden, self.strong, self.emphasis), self._reached))

    @cached_property
    def _reached(self) -> tuple[Sequence[int], ...]:
        """How far any mark has reached up to each one: emphasis may end before what it stands in."""
        kinds = (self.hidden, self.strong, self.emphasis)
        return tuple(list(accumulate((span.end for span in spans), max)) for spans in kinds)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text below it, up to the next heading of any level."""

    start: int  # first character of the heading line; of the body, for text before any heading
    end: int
    level: int  # 1 to 6; 0 for text before any heading
    path: tuple[str, ...]  # headings, outermost first; empty before any heading


@dataclass(frozen=True, slots=True)
class Block:
    """One leaf of the Markdown tree: a paragraph, a list item's text, a table row, code."""

    start: int
    end: int
    kind: BlockKind
    section: int  # position in `Document.sections`
    context: tuple[Span, ...] = ()  # what must be read first: lead-in of a list, header of a table

    @property
    def is_quoted(self) -> bool:
        """Whether its words may answer; others are only shown where the whole document is."""
        return self.kind not in (BlockKind.IMAGE, BlockKind.FOOTNOTE)


@dataclass(frozen=True, slots=True)
class About:
    """What a document says of itself in its front matter; empty where it says nothing."""

    title: str = ""
    source: str = ""  # where it comes from, in words or as an address
    reviewed: str = ""  # the day, YYYY-MM-DD
    language: str = ""  # a tag as in HTML: "en", "pt-BR"
    license: str = ""

    @property
    def is_english(self) -> bool:
        """Whether the document is in English, or does not say."""
        return self.main_language == "en"

    @property
    def main_language(self) -> str:
        """The tag of the language without regions; English where none is given."""
        return self.language.lower().partition("-")[0] or "en"


@dataclass(frozen=True, slots=True)
class Document:
    """One text as read, and where its parts are."""

    name: str  # file name without ".md"
    title: str  # of the front matter, or the first heading, or the name
    text: str  # never altered
    sha256: str  # of the file's bytes
    sections: tuple[Section, ...]
    blocks: tuple[Block, ...]
    markup: Markup
    about: About = About()

    @property
    def quoted_blocks(self) -> tuple[Block, ...]:
        """Those whose words may answer.

        The header of a table answers nothing; it stands above every row. One with a number may be data that
        somebody took for a header, as of "Clams | 84 mcg" above more of the kind.
        """
        rows = [block for block in self.blocks if block.kind is BlockKind.TABLE_ROW]
        above = {block.context[-1] for block in rows if block.context}
        headers = {
            block
            for block in rows
            if Span(block.start, block.end) in above
            and not any(map(str.isdigit, self.text[block.start : block.end]))
        }
        return tuple(block for block in self.blocks if block.is_quoted and block not in headers)

    def section_at(self, offset: int) -> int:
        """The position of the section that a place stands in; -1 before the first one."""
        return bisect_right(self.sections, offset, key=attrgetter("start")) - 1

    def excerpt(self, span: Span) -> Excerpt:
        """The words at a span, with the marks in them."""
        return Excerpt(self.text[span.start : span.end], *span, self.markup.within(*span))


@dataclass(frozen=True, slots=True)
class Chunk:
    """One indexed span of a document. It holds no text: the document does."""

    document: int  # position in the list of documents
    start: int
    end: int
    kind: BlockKind
    section: int  # position in `Document.sections`
    context: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a chunk, or a piece of one that the model cannot read whole."""

    document: int
    start: int
    end: int
    chunk: int  # position in the list of chunks
    continues: bool = False  # a piece that goes on where the one before it ends


class Question(NamedTuple):
    """A question of the bank that a sentence answers."""

    text: str
    sentence: int  # position in the list of sentences
    after: tuple[str, ...] = ()  # the questions that it hangs on, oldest first


class OpenQuestion(NamedTuple):
    """A question of the bank that sounds close and that the document does not answer."""

    text: str
    document: int
    section: int  # nearest section, position in `Document.sections`
    reason: str  # completes "The article ...": "gives no dose in pregnancy"
    after: tuple[str, ...] = ()  # the questions that it hangs on, oldest first


def whole_question(question: Question | OpenQuestion) -> str:
    """What a question asks in its conversation, as one text: that is what is embedded."""
    return " ".join([*question.after, question.text])


@dataclass(frozen=True, slots=True)
class EditorNote:
    """What an editor says of a sentence: our words, never part of a quote."""

    kind: NoteKind
    text: str  # at most 40 words
    source: str  # what it rests on
    reviewer: str  # who approved it, or that nobody did
    reviewed: str  # the day, YYYY-MM-DD; empty if never
    start: int  # of the sentence, offsets in the document
    end: int


@dataclass(frozen=True, slots=True)
class NotedSentence:
    """A sentence with its note, and what else must happen where it is shown."""

    sentence: int  # position in the list of sentences
    note: EditorNote
    partners: tuple[int, ...] = ()  # sentences that must be shown with it, positions as above
    barred: bool = False  # never highlighted in the first quote
    warnings: bool = False  # shown only together with warnings


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Words of a document, cut out exactly: ``text == document.text[start:end]``."""

    text: str
    start: int
    end: int
    markup: Markup = field(default=Markup(), repr=False)


@dataclass(frozen=True, slots=True)
class Passage(_Shown, Excerpt):
    """An excerpt that says where it stands and what to look at in it."""

    document: str = ""
    title: str = ""
    section_path: tuple[str, ...] = ()
    kind: BlockKind = BlockKind.PARAGRAPH
    highlights: tuple[Span, ...] = ()  # offsets in the document: the sentence found, then what it leans on
    context: tuple[Excerpt, ...] = ()  # shown above it: lead-in of a list, header of a table
    notes: tuple[EditorNote, ...] = ()  # on sentences that it shows, in reading order

    def to_dict(self) -> dict[str, Any]:
        """The passage as plain lists and dictionaries, ready for JSON."""
        record: dict[str, Any] = _plain(self)
        return record


@dataclass(frozen=True, slots=True)
class Quote(Passage):
    """A passage shown to the reader: as an answer, as related to one, or because another needs it."""

    role: QuoteRole = QuoteRole.ANSWER
    also_answers: bool = False  # a warning that was found for the question itself


@dataclass(frozen=True, slots=True)
class ScoredChunk(Passage):
    """A passage that a search found."""

    score: float = 0.0  # of its best sentence; higher is better, comparable within one search only
    rank: int = 0  # from 1


class SearchResults(_Shown, tuple[ScoredChunk, ...]):
    """What a search found, best first: a tuple that a notebook can show."""

    __slots__ = ()

    @overload
    def __getitem__(self, place: SupportsIndex) -> ScoredChunk: ...

    @overload
    def __getitem__(self, place: slice) -> SearchResults: ...

    def __getitem__(self, place: SupportsIndex | slice) -> ScoredChunk | SearchResults:
        """One of them, or some of them, which a notebook can show as well."""
        found = super().__getitem__(place)
        return SearchResults(found) if isinstance(found, tuple) else found

    def to_dict(self) -> dict[str, Any]:
        """The passages under ``results``, as plain lists and dictionaries, ready for JSON."""
        return {"results": [found.to_dict() for found in self]}


@dataclass(frozen=True, slots=True)
class SectionReference:
    """A place to read on: a section of a document."""

    document: str
    path: tuple[str, ...]
    start: int
    end: int
    title: str = ""  # of the document, where there are several


@dataclass(frozen=True, slots=True)
class Notice:
    """Our words beside the quotes, never the article's."""

    kind: NoticeKind
    text: str
    sections: tuple[SectionReference, ...] = ()
    language: str = "en"  # of the text


@dataclass(frozen=True, slots=True)
class HelpLine:
    """Somebody to call."""

    name: str  # "emergency", "advice", "crisis", "poison"
    number: str  # in words where no number is sure: "your local emergency number"


@dataclass(frozen=True, slots=True)
class CareCard:
    """What to do first about a red flag in a message."""

    level: CareLevel
    concept: str  # id in `red-flags.yaml`
    title: str
    text: str
    steps: tuple[str, ...]  # what to do, the most pressing first
    numbers: tuple[HelpLine, ...]  # those that the steps name
    source: str  # organisation and title behind the rules
    told_before: bool = False  # what it is about stands in an earlier message alone


@dataclass(frozen=True, slots=True)
class Answer(_Shown):
    """What every surface shows for a question."""

    question: str  # as typed
    query: str  # what was searched; empty when nothing was
    outcome: Outcome
    confidence: float  # probability that the quotes answer the question, 0 to 1
    quotes: tuple[Quote, ...]  # best first, each with its companions; empty when nothing may be quoted
    notices: tuple[Notice, ...]
    care_card: CareCard | None = None  # its words are also the first of the notices

    @property
    def found(self) -> tuple[Quote, ...]:
        """The quotes that were found for the question, without those that stand with them."""
        return tuple(q for q in self.quotes if q.role is QuoteRole.ANSWER or q.also_answers)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain lists and dictionaries, ready for JSON."""
        record: dict[str, Any] = _plain(self)
        return record


def _plain(value: Any) -> Any:
    """A record as a dictionary, a tuple as a list, and so on inside them."""
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
