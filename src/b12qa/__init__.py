"""Answers questions about a document with the document's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b12qa.errors import (
    B12qaError,
    BuildLockedError,
    ConversionError,
    CorpusError,
    DamagedIndexError,
    EmptyCorpusError,
    EngineAccessError,
    EngineError,
    EngineUnreachableError,
    IndexTypeError,
    IndexUnusableError,
    MissingIndexError,
    ModelError,
    ModelMismatchError,
    QueryError,
    SettingsError,
    StaleIndexError,
    YamlError,
)
from b12qa.records import (
    Answer,
    CareCard,
    CareLevel,
    EditorNote,
    HelpLine,
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

if TYPE_CHECKING:
    from b12qa.answering import Assistant, load
    from b12qa.retrieval import Retriever

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Assistant",
    "B12qaError",
    "BuildLockedError",
    "CareCard",
    "CareLevel",
    "ConversionError",
    "CorpusError",
    "DamagedIndexError",
    "EditorNote",
    "EmptyCorpusError",
    "EngineAccessError",
    "EngineError",
    "EngineUnreachableError",
    "HelpLine",
    "IndexTypeError",
    "IndexUnusableError",
    "MissingIndexError",
    "ModelError",
    "ModelMismatchError",
    "NoteKind",
    "Notice",
    "NoticeKind",
    "Outcome",
    "QueryError",
    "Quote",
    "QuoteRole",
    "Retriever",
    "ScoredChunk",
    "SearchResults",
    "SectionReference",
    "SettingsError",
    "Span",
    "StaleIndexError",
    "YamlError",
    "load",
]

# These bring numpy and the parsers along; they are imported when first used.
_LAZY = {"Assistant": "b12qa.answering", "load": "b12qa.answering", "Retriever": "b12qa.retrieval"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'b12qa' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
