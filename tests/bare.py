"""An index without vectors, for what only needs its texts and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from conftest import HashingEncoder

from b12qa.chunking import chunk_documents
from b12qa.corpus import parse_document
from b12qa.index import Index
from b12qa.records import BlockKind, Document, EditorNote, Markup, NotedSentence, NoteKind, Passage, Span


def bare_index(text: str | Document, max_tokens: int = 32) -> Index:
    """The index of one document."""
    document = parse_document("text", text) if isinstance(text, str) else text
    rows = chunk_documents([document], HashingEncoder().count_tokens, max_tokens)
    nothing = cast(Any, None)
    return Index(
        generation="",
        inputs={},
        model_name="",
        documents=(document,),
        chunks=rows.chunks,
        sentences=rows.sentences,
        questions=(),
        open_questions=(),
        synonyms=(),
        chunk_vectors=nothing,
        sentence_vectors=nothing,
        question_vectors=nothing,
        open_question_vectors=nothing,
        bank_models={},
        text_digests=b"",
        words=nothing,
        made_with={},
    )


def noted(index: Index, row: int, partners: Sequence[int] = (), **marks: bool) -> NotedSentence:
    """A note on a sentence; it says which."""
    sentence = index.sentences[row]
    note = EditorNote(
        kind=NoteKind.OVERSTATED,
        text=f"note on {row}",
        source="a source",
        reviewer="nobody",
        reviewed="",
        start=sentence.start,
        end=sentence.end,
    )
    return NotedSentence(row, note, tuple(partners), **marks)


def passage_of(index: Index, row: int) -> Passage:
    """The passage of a sentence, as a search finds it."""
    sentence = index.sentences[row]
    chunk, document = index.chunks[sentence.chunk], index.documents[sentence.document]
    return Passage(
        text=document.text[chunk.start : chunk.end],
        start=chunk.start,
        end=chunk.end,
        markup=Markup(),
        document=document.name,
        kind=BlockKind(chunk.kind),
        highlights=(Span(sentence.start, sentence.end),),
    )


def words_of(index: Index, row: int) -> str:
    """The words of a sentence, without marks."""
    return index.plain_text(index.sentences[row])
