"""What programs may ask and what they get, the same over HTTP and MCP.

The forms of the answers are made from the records, so that a field that is added there is in the JSON, in
the OpenAPI description and in the MCP schemas as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from b12qa import safety
from b12qa.answering import MAX_QUOTES, Assistant
from b12qa.plain import writable
from b12qa.records import About, Answer, CareCard, Document, ScoredChunk, Section
from b12qa.web.settings import MAX_QUESTION_CHARACTERS

MAX_HISTORY = 50
MOST_QUOTES = 10
MOST_RESULTS = 50
DEFAULT_RESULTS = 5
MAX_NAMED_DOCUMENTS = 20


def _whole(number: Any) -> Any:
    """JSON has one kind of number: 3.0 is as whole as 3."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


QuestionText = Annotated[
    str,
    Field(
        max_length=MAX_QUESTION_CHARACTERS, description="As a person typed it.", examples=["is b12 in milk?"]
    ),
]
History = Annotated[
    list[Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)]],
    Field(max_length=MAX_HISTORY, description="The person's earlier questions, oldest first."),
]
Quotes = Annotated[
    int, Field(ge=1, le=MOST_QUOTES, description="At most so many quotes."), BeforeValidator(_whole)
]
Results = Annotated[
    int, Field(ge=1, le=MOST_RESULTS, description="At most so many passages."), BeforeValidator(_whole)
]


class AskRequest(BaseModel):
    """A question, perhaps one of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: QuestionText
    history: History = []
    max_quotes: Quotes = MAX_QUOTES
    literal: Annotated[
        bool,
        Field(description="Search the question as typed: no conversation, no mending of its spelling."),
    ] = False


class SearchRequest(BaseModel):
    """A question to find passages for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: QuestionText
    history: History = []
    top_k: Results = DEFAULT_RESULTS


class DocumentIdentity(BaseModel):
    """Which text the offsets count in."""

    name: str
    title: str
    sha256: str = Field(description="Of the file's bytes, in hexadecimal digits.")


class _Served(BaseModel):
    """What stands in every answer."""

    generation: str = Field(description="Name of the index that answered.")
    model: str = Field(description="Name of the embedding model.")
    documents: list[DocumentIdentity] = Field(description="The documents that are spoken of.")
    disclaimer: str = Field(description="To be shown with whatever is shown of this.")


_WORDS = {
    "question": "As it was asked.",
    "query": "What was searched; empty when nothing was.",
    "outcome": "How the question ended. A fault is none of these, but a problem.",
    "confidence": "Probability that the quotes answer the question, 0 to 1.",
    "quotes": "Best first; empty when nothing may be quoted. Each text equals text[start:end] of its "
    "document, counted in Unicode characters from 0; highlights are offsets of the sentences that answer.",
    "notices": "Words beside the quotes that are not the article's, to be shown with them.",
    "care_card": "What to do first about a red flag in the question. To be shown before anything else.",
}


def _fields_of(record: type, words: dict[str, str]) -> dict[str, Any]:
    """The fields of a record, for a model: all of them are always there."""
    types = get_type_hints(record)
    return {f.name: (types[f.name], Field(description=words.get(f.name))) for f in fields(record)}


AnswerBody: type[BaseModel] = create_model(
    "AnswerBody", __base__=_Served, __doc__="The article's own words.", **_fields_of(Answer, _WORDS)
)


class SearchBody(_Served):
    """Passages, before anybody decides whether they answer."""

    question: str
    results: list[ScoredChunk] = Field(
        description="Best first; scores compare within one search. Empty where a care card comes first, "
        "and for a question without a letter or a digit."
    )
    care_card: CareCard | None = Field(description=_WORDS["care_card"])


class DocumentBody(BaseModel):
    """A whole document, in which all offsets count."""

    name: str
    title: str
    sha256: str = Field(description="Of the file's bytes, in hexadecimal digits.")
    generation: str
    about: About = Field(description="What the document says of itself; empty where it says nothing.")
    text: str = Field(description="As read, never altered.")
    sections: list[Section] = Field(description="Headings with the text below them, in reading order.")
    disclaimer: str


class EngineBody(BaseModel):
    """How the engine is that keeps the vectors."""

    name: str
    reachable: bool
    generation: str = Field(description="That its alias names; empty if that is not known.")


class HealthBody(BaseModel):
    """Whether questions are answered."""

    ready: bool
    generation: str
    model: str
    version: str
    engine: EngineBody | None = Field(description="Null where the vectors lie in the folder of the index.")


class FieldError(BaseModel):
    """Something that was wrong in a request."""

    where: str
    what: str


class ProblemBody(BaseModel):
    """Problem details, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    disclaimer: str
    care_card: CareCard | None = Field(description=_WORDS["care_card"])
    errors: list[FieldError]


class UnknownDocumentError(Exception):
    """No document has the name asked for; the message says which ones there are."""


def ask(assistant: Assistant, request: AskRequest) -> dict[str, Any]:
    """The answer to a question, as `AnswerBody` describes it."""
    answer = assistant.ask(request.question, request.history, request.max_quotes, literal=request.literal)
    named = [quote.document for quote in answer.quotes]
    named += [section.document for notice in answer.notices for section in notice.sections]
    return {**answer.to_dict(), **_served(assistant, named)}


def search(assistant: Assistant, request: SearchRequest) -> dict[str, Any]:
    """The passages for a question, as `SearchBody` describes them; none where a card comes before any."""
    question = writable(request.question)
    card = safety.care_card(question, request.history)
    results: tuple[ScoredChunk, ...] = ()
    if not safety.stands_alone(card):
        top_k = min(request.top_k, assistant.retriever.most_passages)
        results = assistant.search(question, request.history, top_k)
    return {
        "question": question,
        "results": [asdict(result) for result in results],
        "care_card": None if card is None else asdict(card),
        **_served(assistant, [result.document for result in results]),
    }


def document(assistant: Assistant, name: str | None) -> dict[str, Any]:
    """A document by its name, or the only one, as `DocumentBody` describes it.

    Raises:
        UnknownDocumentError: there is no such document, or none is named and there are several.
    """
    documents = assistant.documents
    only = documents[0] if len(documents) == 1 else None
    found = only if name is None else assistant.retriever.index.documents_by_name.get(name)
    if found is None:
        names = ", ".join(d.name for d in documents[:MAX_NAMED_DOCUMENTS])
        more = f" and {len(documents) - MAX_NAMED_DOCUMENTS} more" * (len(documents) > MAX_NAMED_DOCUMENTS)
        raise UnknownDocumentError(f"There is no document of that name. Name one of: {names}{more}.")
    return {
        **_identity(found),
        "generation": assistant.retriever.index.generation,
        "about": asdict(found.about),
        "text": found.text,
        "sections": [asdict(section) for section in found.sections],
        "disclaimer": safety.DISCLAIMER,
    }


def _served(assistant: Assistant, named: Iterable[str]) -> dict[str, Any]:
    index = assistant.retriever.index
    # An article that does not answer is spoken of as well.
    wanted = set(map(index.position_of, named)) if len(index.documents) > 1 else {0}
    return {
        "generation": index.generation,
        "model": assistant.retriever.encoder.name,
        "documents": [_identity(index.documents[position]) for position in sorted(wanted)],
        "disclaimer": safety.DISCLAIMER,
    }


def _identity(document: Document) -> dict[str, str]:
    return {"name": document.name, "title": document.title, "sha256": document.sha256}
