"""A found passage → a quote that is fair to the document: whole sentences, and what they lean on.

A quote never begins or ends inside a sentence. A sentence that leans on the one before ("However, …",
"This …") brings it wherever less than both is shown or highlighted. These words are English: in a document
of another language nothing leans.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter

from b12qa.errors import DamagedIndexError
from b12qa.index import Index
from b12qa.records import BlockKind, Passage, Quote, QuoteRole, Span


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that send a reader back when a sentence begins with them.
_POINTING = _words("this these those that such it its they their them he she his her him")
_JOINING = _words(
    "accordingly additionally afterwards also and but consequently conversely finally furthermore hence "
    "however instead lastly likewise meanwhile moreover neither nevertheless nonetheless nor or otherwise "
    "similarly simultaneously so subsequently then therefore thus yet"
)
# These may as well begin a sentence that stands alone: "First aid is …", "Still water …".
_JOINING_BEFORE_A_COMMA = _words(
    "again besides both either further last next still though "
    "first firstly second secondly third thirdly fourth fifth sixth"
)
_POINTING_AFTER_THE = _words("former latter same other others rest above reverse")
_PHRASES = tuple(
    tuple(phrase.split())
    for phrase in (
        "as a result", "as such", "at the same time", "by comparison", "by contrast", "even so", "even then",
        "for example", "for instance", "in addition", "in comparison", "in contrast", "in fact",
        "in other words", "in particular", "in turn", "on the contrary", "on the other hand", "that said",
    )
)  # fmt: skip
_AFTER_IT = _words("it they them their its")
_NOT_POINTING_BACK = _words("who whose whom with without on in at of taking having")
_NEAR_THE_START = 4
_PROSE = (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.QUOTE)
_AROUND_A_WORD = " \t\"'()[]{}.,;:!?\u2013\u2014\u2018\u2019\u201c\u201d\u2026-*_"


def leans(words: str) -> bool:
    """Whether a sentence, without Markdown marks, must be read together with the one before it."""
    start = words.split(maxsplit=_NEAR_THE_START)[:_NEAR_THE_START]
    tokens = [word.strip(_AROUND_A_WORD).casefold() for word in start]
    if not tokens:
        return False
    first, second = tokens[0], tokens[1] if len(tokens) > 1 else ""
    if first in _POINTING:
        return first != "those" or second not in _NOT_POINTING_BACK
    if first in _JOINING or (first in _JOINING_BEFORE_A_COMMA and start[0].endswith(",")):
        return True
    if first == "the" and second in _POINTING_AFTER_THE:
        return True
    if any(tuple(tokens[: len(phrase)]) == phrase for phrase in _PHRASES if phrase[0] == first):
        return True
    # "Patients on these medications", "When it", "Because of this"
    return second in _AFTER_IT or not {"this", "these"}.isdisjoint(tokens)


def leaned_on(index: Index, row: int) -> tuple[int, ...]:
    """The sentences that must be read before one: those right before it in its section, in reading order.

    A passage with a lead-in is introduced by that, so nothing is brought from before such a passage.
    """
    rows: list[int] = []
    while row > 0:
        sentence, before = index.sentences[row], index.sentences[row - 1]
        chunk, chunk_before = index.chunks[sentence.chunk], index.chunks[before.chunk]
        is_english = index.documents[chunk.document].about.is_english
        if chunk.kind not in _PROSE or not is_english or not leans(index.plain_text(sentence)):
            break
        if chunk is not chunk_before and (
            chunk.context
            or chunk_before.kind not in _PROSE
            or (chunk.document, chunk.section) != (chunk_before.document, chunk_before.section)
        ):
            break
        row -= 1
        rows.insert(0, row)
    return tuple(rows)


def quote_passage(index: Index, found: Passage) -> Quote:
    """A found passage as a quote, with what its first sentence leans on above it.

    The first highlight is the sentence that was found, the others those that it leans on.

    Raises:
        DamagedIndexError: the passage is not a slice of its document.
    """
    number = index.position_of(found.document)
    if index.documents[number].text[found.start : found.end] != found.text:
        raise DamagedIndexError(f"A passage of {found.document} is no slice of it. Run: b12qa build")
    rows = [
        row for span in found.highlights or (found,) for row in rows_in(index, number, span.start, span.end)
    ]
    return _quote(index, Span(found.start, found.end), rows, QuoteRole.ANSWER)


def quote_around(index: Index, row: int, role: QuoteRole) -> Quote:
    """The passage of a sentence as a quote that highlights it."""
    chunk = index.chunks[index.sentences[row].chunk]
    return _quote(index, Span(chunk.start, chunk.end), [row], role)


def quote_sentences(index: Index, rows: Sequence[int], role: QuoteRole) -> Quote:
    """Neighbouring sentences of one passage as a quote, together with those that they lean on.

    Args:
        rows: positions of the sentences, in reading order; they are highlighted.
    """
    chunk = index.sentences[rows[0]].chunk
    first = min(row for row in (*leaned_on(index, rows[0]), rows[0]) if index.sentences[row].chunk == chunk)
    return _quote(index, Span(index.sentences[first].start, index.sentences[rows[-1]].end), rows, role)


def rows_in(index: Index, document: int, start: int, end: int) -> range:
    """The sentences that lie, at least in part, in a stretch of a document."""
    first = bisect_right(index.sentences, (document, start), key=attrgetter("document", "end"))
    return range(first, bisect_left(index.sentences, (document, end), key=attrgetter("document", "start")))


def _quote(index: Index, span: Span, found: Sequence[int], role: QuoteRole) -> Quote:
    """Whole sentences of one passage.

    Args:
        span: the first and the last of them, at least in part.
        found: positions of those to highlight.
    """
    chunk = index.chunks[index.sentences[found[0]].chunk]
    document = index.documents[chunk.document]

    def spans(rows: Iterable[int]) -> list[Span]:
        return [_whole(index, range(row, row + 1)) for row in rows]

    whole = _whole(index, rows_in(index, chunk.document, span.start, span.end))
    begins = chunk.context or (whole,)
    before = [row for own in begins for row in _leaned_on_at(index, chunk.document, own.start)]
    context = {*chunk.context, *(own for own in spans(before) if own.end <= whole.start)}
    needed = [row for own in found for row in leaned_on(index, own)]
    excerpt = document.excerpt(whole)
    return Quote(
        text=excerpt.text,
        start=excerpt.start,
        end=excerpt.end,
        markup=excerpt.markup,
        document=document.name,
        title=document.title,
        section_path=document.sections[chunk.section].path,
        kind=chunk.kind,
        highlights=tuple(
            dict.fromkeys(
                own for own in spans((*found, *needed)) if whole.start <= own.start and own.end <= whole.end
            )
        ),
        context=tuple(document.excerpt(own) for own in _outermost(context)),
        role=role,
    )


def _leaned_on_at(index: Index, document: int, start: int) -> tuple[int, ...]:
    """What the first sentence after a place leans on."""
    rows = rows_in(index, document, start, start + 1)
    return leaned_on(index, rows[0]) if rows else ()


def _whole(index: Index, rows: range) -> Span:
    """Where neighbouring sentences stand, each of them whole.

    A sentence that the model cannot read whole was cut for it; a reader gets it whole.
    """
    first, after = rows.start, rows.stop
    while index.sentences[first].continues:
        first -= 1
    while after < len(index.sentences) and index.sentences[after].continues:
        after += 1
    return Span(index.sentences[first].start, index.sentences[after - 1].end)


def _outermost(spans: Iterable[Span]) -> list[Span]:
    """The spans that lie in none of the others, in reading order."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not kept or span.end > kept[-1].end:
            kept.append(span)
    return kept
