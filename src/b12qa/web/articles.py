"""The pane beside the conversation: one article comes with the page, of several each when it is opened."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from b12qa.answering import Assistant
from b12qa.article import document_html
from b12qa.index import Index
from b12qa.records import Chunk, Document, EditorNote, NotedSentence, Sentence, Span
from b12qa.rendering import about_words, element, in_english, version_of
from b12qa.web.problems import problem
from b12qa.web.replies import untouched
from b12qa.web.texts import ENGLISH_TEXTS, Texts

ADDRESS = "/articles"
INVITATION = "Ask a question. The article that answers it opens here."
ALL = "All articles"
SHOW_ALL = "Show all articles"
GONE = "There is no such article, or its text is another one by now."


def pane_html(assistant: Assistant) -> str:
    """What the pane begins with, for Gradio: the article, or where there are several an invitation."""
    index = assistant.retriever.index
    if len(index.documents) == 1:
        return untouched(f'<div class="b12qa pane">{article_html(index, index.documents[0].name)}</div>')
    html = f"{_say(INVITATION, 'p', 'invitation')}{_say(SHOW_ALL, 'button', 'all')}"
    # Another one for each generation, so that Gradio draws it anew and nothing of an earlier one stays there.
    return untouched(f'<div class="b12qa pane of-{index.generation}">{html}</div>')


def articles_route(current: Callable[[], Assistant]) -> Route:
    """Where the page fetches an article by its name, or without one the list of all.

    Args:
        current: the assistant that is served; it is asked for again for every request.
    """

    async def give(request: Request) -> Response:
        return await run_in_threadpool(_response, current().retriever.index, request)

    return Route(ADDRESS, give, methods=["GET"])


def article_html(index: Index, name: str) -> str:
    """A document with its notes and an id at each place; of several with what it says of itself."""
    document, position = index.document_of(name), index.position_of(name)
    html = document_html(
        document, _spans(index.sentences, position), _spans(index.chunks, position), _notes(index, position)
    )
    if len(index.documents) == 1:  # it is introduced at the top of the page
        return html
    has_title = document.sections[0].path == (document.title,)
    title = "" if has_title else f'<p class="title">{escape(document.title)}</p>'
    return f"{_say(SHOW_ALL, 'button', 'all')}{title}{about_html(document)}{html}"


def list_html(documents: Sequence[Document]) -> str:
    """The titles of all documents, each of which can be opened."""
    items = (
        f'<li lang="{escape(document.about.language or "en")}"><a class="open of-{version_of(document)}" '
        f'href="#{escape(document.name)}~{version_of(document)}">{escape(document.title)}</a></li>'
        for document in documents
    )
    return f'{_say(ALL, "p", "title")}<ul class="list">{"".join(items)}</ul>'


def about_html(document: Document, texts: Texts = ENGLISH_TEXTS) -> str:
    """What an article says of itself, for the place where it is introduced."""
    return element(texts(about_words(document.about)), "p", "about say")


def _response(index: Index, request: Request) -> Response:
    name, version = (request.query_params.get(key) for key in ("name", "version"))
    if name is None:
        html = list_html(index.documents)
    else:
        document = index.documents_by_name.get(name)
        # An answer that was cut from an earlier text must not open this one.
        if document is None or version not in (None, version_of(document)):
            return problem(404, GONE)
        html = article_html(index, name)
    # The address names the document, which tells of what was asked: no browser keeps it.
    return HTMLResponse(html, headers={"cache-control": "no-store"})


def _spans(rows: Sequence[Sentence] | Sequence[Chunk], document: int) -> list[Span]:
    """Those of one document; the rows of an index are in the order of its documents."""
    first, end = (bisect_left(rows, number, key=_document_of) for number in (document, document + 1))
    return [Span(row.start, row.end) for row in rows[first:end]]


def _notes(index: Index, document: int) -> list[EditorNote]:
    """Those on one document; they are in reading order."""

    def of(noted: NotedSentence) -> int:
        return index.sentences[noted.sentence].document

    first, end = (bisect_left(index.notes, number, key=of) for number in (document, document + 1))
    return [noted.note for noted in index.notes[first:end]]


def _document_of(row: Sentence | Chunk) -> int:
    return row.document


def _say(english: str, tag: str, kind: str) -> str:
    return element(in_english(english), tag, f"{kind} say")
