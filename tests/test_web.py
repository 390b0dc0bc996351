"""The chat without a browser: routes, limits, headers, what is shown, and how the server starts."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from conftest import SMALL_TEXT, HeldAssistant, assistant_for, serving, wait_for_suggestions
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from b12qa import rendering, safety
from b12qa.answering import Assistant
from b12qa.errors import B12qaError, SettingsError
from b12qa.records import Answer, Document, Excerpt, Outcome, Quote, Span
from b12qa.safety import DISCLAIMER
from b12qa.web import articles, page, replies, server, surfaces
from b12qa.web.guard import MAX_BODY_BYTES
from b12qa.web.memory import Memory
from b12qa.web.page import build_app
from b12qa.web.settings import Settings
from b12qa.web.suggestions import Suggestions
from b12qa.web.texts import texts_for

HELD_SECONDS = 0.5
OWN_ADDRESS = "http://testserver"


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea")


@pytest.fixture(scope="module")
def client(tea: Assistant) -> Iterator[TestClient]:
    with TestClient(build_app(serving(tea)), base_url=OWN_ADDRESS) as client:
        yield client


# Routes, limits and headers.


def test_page_is_served_with_the_article_and_without_preview_tags(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "Wait 3 minutes." in response.text
    assert re.search(rf"b12qa-earlier\W+content\W+{replies.MAX_EARLIER}\b", response.text)
    assert 'property="og:' not in response.text
    assert set(re.findall(r"https?://[^\s\"'<>\\]+", response.text)) <= {OWN_ADDRESS}


def test_every_script_of_the_page_carries_a_nonce_that_is_new_each_time(client: TestClient) -> None:
    nonces = []
    for _ in range(2):
        response = client.get("/", headers={"accept-encoding": "br"})
        policy = response.headers["content-security-policy"]
        nonces += re.findall(r"'nonce-([^']+)'", policy)
        scripts = re.findall(r"<script[^>]*>", response.text)
        assert scripts
        assert all(f'nonce="{nonces[-1]}"' in script for script in scripts)
        assert "unsafe-eval" not in policy
        assert "script-src 'self' 'unsafe-inline'" not in policy
    assert len(set(nonces)) == 2


@pytest.mark.parametrize("path", ["/", "/page/page.css", "/gradio_api/upload", "/config", "/no-such-page"])
def test_security_headers_are_on_every_response(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none';")
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=https://example.invalid/a.png",
        "/gradio_api/file=/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=https://example.invalid/",
        "/gradio_api/upload_progress",
        "/gradio_api/run/predict",
        "/gradio_api/call/ask",
        "/gradio_api/mcp/",
        "/gradio_api/openapi.json",
        "/gradio_api/dev/reload",
        "/openapi.json",
        "/docs",
        "/redoc",
        "/monitoring",
        "/login",
        "/page/../server.py",
        "/page/%2e%2e/server.py",
        "/static/../../blocks.py",
        "//page/page.css",
    ],
)
def test_what_the_page_does_not_need_is_not_there(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_nothing_can_be_uploaded(client: TestClient) -> None:
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 404


def test_body_over_64_kib_is_refused_whether_it_tells_its_length_or_not(client: TestClient) -> None:
    join = "/gradio_api/queue/join"
    assert client.post(join, content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    assert client.post(join, content=chunks()).status_code == 413
    assert client.post(join, content=b" " * MAX_BODY_BYTES).status_code == 422  # read, and no question


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    assert client.request(method, "/").status_code == 405


def test_websocket_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


def test_other_sites_may_not_read_answers(client: TestClient) -> None:
    headers = client.get("/config", headers={"origin": "https://example.invalid"}).headers
    assert "access-control-allow-origin" not in headers


def test_page_asks_for_no_analytics_share_or_stored_conversation(client: TestClient) -> None:
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False
    assert not config.get("share")
    assert not config.get("run_history")
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert client.get("/gradio_api/info").json()["named_endpoints"] == {}


# What is shown.


def header_of(assistant: Assistant) -> str:
    """The top of the page in English."""
    return page._header(assistant, texts_for(None, None))


class _Texts(HTMLParser):
    """Text content by the id of the element that holds it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.by_id: dict[str, str] = {}
        self.tags: list[str] = []
        self._open: list[str | None] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id")
        if name is not None:
            assert name not in self.by_id, "an id must not come twice"
            self.by_id[name] = ""
        self._open.append(name)
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for name in self._open:
            if name is not None:
                self.by_id[name] += data


def sentence_words(document: Document, span: Span) -> str:
    excerpt = Excerpt(
        document.text[span.start : span.end], *span, document.markup.within(span.start, span.end)
    )
    return rendering.plain(excerpt)


DOCUMENTS = {
    "article": "# A\n\nOne *two* **three**. Four.\n\n## B\n\n1. first\n   - inner one. And two.\n2. second\n",
    "before any heading": "\n\nA sentence. Another.\n\n# Then\n\nMore.\n",
    "no heading": "Only a sentence.",
    "code": "# C\n\n```\n    indented <b>\n\n\tand a tab\n```\n\n    code & more\n      deeper\n",
    "quote": "# Q\n\n> quoted *words*\n> on two lines. And a sentence.\n",
    "raw": "# R\n\n<script>x</script>\n\n![x](https://example.invalid/a.png) &amp; `code` $$x$$ {{y}}\n",
    "strong over sentences": "# S\n\nPlain **bold one. Bold two** plain again.\n",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_shows_every_sentence_and_heading_at_its_anchor(name: str, tmp_path: Path) -> None:
    assistant = assistant_for(DOCUMENTS[name], tmp_path)
    document = assistant.documents[0]
    html = articles.article_html(assistant.retriever.index, "text")
    texts = _Texts(html)
    for sentence in assistant.retriever.index.sentences:
        shown = texts.by_id[rendering.section_anchor("text", sentence.start)]
        assert shown == sentence_words(document, Span(sentence.start, sentence.end))
    for section in document.sections:
        shown = texts.by_id[rendering.section_anchor("text", section.start)]
        if section.path:
            assert shown == section.path[-1]
    assert "script" not in texts.tags
    assert "img" not in texts.tags


def test_table_in_a_document_keeps_its_cells(tmp_path: Path) -> None:
    assistant = assistant_for("# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n| c |\n|---|\n| 3 |\n", tmp_path)
    html = articles.article_html(assistant.retriever.index, "text")
    cells = re.sub(r'<span class="place sentence"[^>]*>|</span>| class="passage" id="[^"]*"', "", html)
    assert "<tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>" in cells
    assert cells.count("<table>") == 2
    _Texts(html)


def test_list_in_a_document_keeps_its_numbers(tmp_path: Path) -> None:
    assistant = assistant_for("# L\n\n3. three\n4. four\n   - inner\n\nEnd.\n", tmp_path)
    html = articles.article_html(assistant.retriever.index, "text")
    assert re.findall(r'class="item">([^<]*)<', html) == ["3.", "4.", "•"]
    assert re.findall(r'class="depth-(\d)"', html) == ["0", "0", "1"]


def test_of_several_documents_each_is_given_alone_with_its_own_places(tmp_path: Path) -> None:
    assistant_for("# First\n\nOne sentence.\n", tmp_path, "one")
    index = assistant_for("# Second\n\nAnother sentence.\n", tmp_path, "two & three").retriever.index
    texts = _Texts(articles.article_html(index, "one"))
    assert texts.by_id["one-9"] == "One sentence."
    assert [name for name in texts.by_id if name.startswith("two")] == []
    texts = _Texts(articles.article_html(index, "two & three"))
    assert texts.by_id["two & three-10"] == "Another sentence."


def test_page_does_not_grow_with_a_corpus_of_several_documents(tmp_path: Path) -> None:
    sizes = []
    for number in range(12):
        text = f"# Note {number}\n\n## Part\n\nSentence {number} on tea{number}. {'It is long. ' * 200}\n"
        assistant = assistant_for(text, tmp_path, f"n{number:02}")
        if number in (5, 11):
            with TestClient(build_app(serving(assistant)), base_url=OWN_ADDRESS) as client:
                sizes.append(len(client.get("/").content))
                assert "It is long." not in client.get("/config").text
    assert abs(sizes[1] - sizes[0]) < 600  # other examples


def test_one_article_is_introduced_at_the_top_of_the_page(tmp_path: Path) -> None:
    about = "title: <Tea>\nsource: The book of\n  tea & cake\nreviewed: 2025-03-01\nlicense: CC BY 4.0"
    assistant = assistant_for(f"---\n{about}\n---\n{SMALL_TEXT}", tmp_path)
    with TestClient(build_app(serving(assistant)), base_url=OWN_ADDRESS) as client:
        shown = client.get("/config").text
    assert "&lt;Tea&gt;" in shown
    words = "Source: The book of tea &amp; cake · Reviewed: 1 March 2025 · Licence: CC BY 4.0"
    assert header_of(assistant).count(f'<p class="about say" lang="en">{words}</p>') == 1
    assert "The book" not in articles.pane_html(assistant)


def test_an_article_that_says_nothing_of_itself_is_introduced_as_such(tea: Assistant) -> None:
    words = '<p class="about say" lang="en">This article gives no author, date or source.</p>'
    assert f'<p class="titles" lang="en">Tea</p>{words}<p class="say disclaimer"' in header_of(tea)


def test_page_is_introduced_in_the_language_of_the_visitor(tea: Assistant) -> None:
    header = unescape(page._header(tea, texts_for("es", None)))
    assert '<h1 class="say" lang="es">Pregunte al artículo</h1>' in header
    assert '<p class="titles" lang="en">Tea</p>' in header


def test_several_articles_are_introduced_one_by_one_beside_the_conversation(tmp_path: Path) -> None:
    for number in range(1, 5):
        assistant_for(
            f"---\ntitle: Tea {number}\nreviewed: 2025-03-0{number}\n---\n{SMALL_TEXT}",
            tmp_path,
            f"t{number}",
        )
    assistant_for("# Plain\n\nOne sentence.\n", tmp_path, "plain")
    assistant = assistant_for("# Last\n\nOne sentence.\n", tmp_path, "z")
    index = assistant.retriever.index
    html = "".join(articles.article_html(index, document.name) for document in index.documents)
    about = r'(?:<p class="title">([^<]*)</p>)?<p class="about say" lang="en">([^<]*)</p><article'
    introduced = re.findall(about, html)
    assert introduced == [
        ("", "This article gives no author, date or source."),  # its heading is its title
        *((f"Tea {n}", f"No source given · Reviewed: {n} March 2025") for n in range(1, 5)),
        ("", "This article gives no author, date or source."),
    ]
    titles = (
        '<p class="titles" lang="en">Plain · Tea 1 · Tea 2 · Tea 3 · and 2 more</p><p class="say disclaimer"'
    )
    assert titles in header_of(assistant)


def test_gradio_gets_html_without_a_character_that_it_would_change() -> None:
    text = "\t\r\n`_*$${x}[y]~\\|"
    assert not set(text) & set(replies.untouched(text)) - set("xy")
    assert _Texts(f'<p id="p">{replies.untouched(text)}</p>').by_id["p"] == text


def test_quotes_and_sections_link_to_the_article_only_where_it_stands(tea: Assistant) -> None:
    answer = tea.ask("Wait 3 minutes.")
    linked, alone = (
        rendering.answer_html(answer, rendering.Surroundings({d.name: d for d in tea.documents}, links=links))
        for links in (True, False)
    )
    anchors = _Texts(articles.pane_html(tea)).by_id
    targets = re.findall(r'class="open[^"]*" href="#([^"]+)"', linked)
    assert targets
    assert set(targets) <= set(anchors)
    assert "Wait 3 minutes." in [anchors[target] for target in targets]
    assert 'class="open' not in alone


@pytest.mark.model
def test_every_example_is_answered(assistant: Assistant) -> None:
    examples = replies.example_questions(assistant)
    assert 1 <= len(examples) <= replies.MAX_EXAMPLE_HEADINGS
    assert all(assistant.ask(example).outcome is Outcome.ANSWERED for example in examples)


def test_examples_are_headings_that_their_own_section_answers(tmp_path: Path) -> None:
    text = "# Tea\n\n## Green tea\n\nGreen tea is mild.\n\n## Is tea mild\n\nNothing alike here.\n"
    assert replies.example_questions(assistant_for(text, tmp_path)) == ["Green tea"]


def test_document_without_headings_has_no_examples(tmp_path: Path) -> None:
    assert replies.example_questions(assistant_for("Only a sentence.", tmp_path)) == []


def test_question_is_shown_as_typed() -> None:
    html = replies.question_html("<b>x</b> ![y](https://example.invalid)\n_z_")
    assert _Texts(html.replace("<div", '<div id="q"')).by_id["q"] == (
        "<b>x</b> ![y](https://example.invalid)\n_z_"
    )


@dataclass(frozen=True)
class BrokenAssistant(Assistant):
    """An assistant that fails, with the question in the message."""

    def ask_with_more(self, question: str, *args: Any, **named: Any) -> tuple[Answer, tuple[Quote, ...]]:
        raise RuntimeError(f"cannot answer {question}")


def test_fault_is_one_plain_sentence_with_the_disclaimer_and_no_question_in_the_log(
    tea: Assistant, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        turn = replies.turn_for(BrokenAssistant(tea.retriever), "my private numb feet", [])
    html = unescape(turn.reply)
    assert replies.FAULT_WORDS in html
    assert DISCLAIMER in html
    assert "RuntimeError" not in html
    assert "RuntimeError in ask_with_more" in caplog.text
    assert "private" not in html + caplog.text


class BrokenSuggestions(Suggestions):
    def after(self, answer: Answer, asked: Iterable[str]) -> tuple[str, ...]:
        raise OSError("the engine is gone")


def test_an_answer_is_shown_where_questions_to_ask_next_cannot_be_found(
    tea: Assistant, caplog: pytest.LogCaptureFixture
) -> None:
    turn = replies.turn_for(tea, "Wait 3 minutes.", [], suggestions=BrokenSuggestions(tea))
    assert turn.outcome == "answered"
    assert "OSError in after" in caplog.text


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[]",
        "7",
        "[" * 100_000,
        '{"question": "tea?"}',
        '{"question": "tea?", "literal": true}',
        '{"question": "tea?", "literal": true, "history": 7}',
    ],
)
def test_a_record_that_the_page_did_not_write_asks_nothing(record: str) -> None:
    assert page.asking_in(record) == page.Asking("")


def test_a_record_of_the_page_is_read() -> None:
    record = {"question": " tea? ", "literal": False, "history": ["milk?", 7]}
    assert page.asking_in(json.dumps(record)) == page.Asking("tea?", False, ("milk?", "7"))
    assert page.asking_in(json.dumps({**record, "page": "a"})).page == "a"
    assert page.asking_in(json.dumps({**record, "page": ["a"]})).page == ""
    assert [page.asking_in(json.dumps({**record, "again": again})).again for again in (True, 1)] == [
        True,
        False,
    ]


def test_a_conversation_that_was_forgotten_is_taken_up_and_one_that_was_not_stays(tea: Assistant) -> None:
    nothing = replies.Conversation("g")
    earlier = ["Wait 3 minutes.", "x" * 501, "is it a drink?"]
    again = replies.taken_up(tea, nothing, earlier)
    assert [turn.question for turn in again.turns] == ["Wait 3 minutes.", "", "is it a drink?"]
    assert "yours has 501" in unescape(again.turns[1].reply)
    assert replies.taken_up(tea, again, ["something else"]) == again
    assert replies.taken_up(tea, nothing, []) == nothing
    many = replies.taken_up(tea, nothing, [f"minute {n}" for n in range(replies.MAX_EARLIER)])
    assert [turn.question for turn in many.turns] == ["", *(f"minute {n}" for n in range(1, 7))]
    assert replies.GONE_WORDS in unescape(many.turns[0].reply)


class AskedFor:
    """As much of a Gradio request as an answer needs, and how many tokens were asked for."""

    def __init__(self) -> None:
        self.query_params: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.session_hash = "page"
        self.taken: list[int] = []
        self.state = self
        self.received = 0.0

    def take(self, wanted: int) -> int:
        self.taken.append(wanted)
        return wanted


def test_earlier_questions_count_only_where_they_were_forgotten(tea: Assistant) -> None:
    served = serving(tea)()
    conversations = page.Conversations(lambda received: served, None)
    request: Any = AskedFor()
    so_far = replies.Conversation(tea.retriever.index.generation)
    for number in range(2):
        record = json.dumps({"question": f"minute {number}?", "literal": False, "history": ["tea?"] * 9})
        so_far = conversations.ask_wanted(record, so_far, request)[1]
    assert request.taken == [replies.MAX_ANSWERED_AGAIN, 0]
    assert [turn.question for turn in so_far.turns] == ["", *["tea?"] * 6, "minute 0?", "minute 1?"]
    so_far = conversations.start_over(record, so_far, request)[1]
    assert (so_far.turns, so_far.session) == ((), "page")


def test_page_that_is_loaded_again_is_shown_what_was_said_and_holds_none_of_it_for_longer(
    tea: Assistant,
) -> None:
    served, memory, dropped = serving(tea)(), Memory(), list[str]()
    memory.drop = dropped.append
    conversations = page.Conversations(lambda received: served, None, memory)
    first: Any = AskedFor()
    again: Any = AskedFor()
    again.session_hash = "again"
    nothing = replies.Conversation(served.generation, page_shows=served.generation)

    def wanted(question: str, name: str = "a" * 32) -> str:
        return json.dumps({"question": question, "literal": False, "history": [], "page": name})

    asked = conversations.ask_wanted(wanted("Wait 3 minutes."), nothing, first)
    back = conversations.ask_wanted(wanted(""), nothing, again)
    assert back.messages == asked.messages
    assert back.conversation.turns == ()
    assert dropped == ["page"]  # one load at a time holds the words
    for name in ("b" * 32, "", "a"):
        assert "question" not in str(conversations.ask_wanted(wanted("", name), nothing, again).messages)
    # It goes on with all that was said.
    on = conversations.ask_wanted(wanted("is it a drink?"), back.conversation, again).conversation
    assert [turn.question for turn in on.turns] == ["Wait 3 minutes.", "is it a drink?"]
    assert dropped == ["page"]
    # The hour of what it went on from is over, and then its own.
    memory.forget(asked.conversation)
    assert memory.known(nothing, "a" * 32).turns == on.turns
    memory.forget(on)
    assert memory.known(nothing, "a" * 32) == nothing


def loaded_again(tea: Assistant) -> tuple[page.Conversations, Memory, list[str], Any]:
    """A page known as 32 times c that was asked once and is loaded again; and which loads were dropped."""
    served, memory, dropped = serving(tea)(), Memory(), list[str]()
    memory.drop = dropped.append
    conversations = page.Conversations(lambda received: served, None, memory)
    request: Any = AskedFor()
    record = {"question": "Wait 3 minutes.", "literal": False, "history": [], "page": "c" * 32}
    conversations.ask_wanted(json.dumps(record), replies.Conversation(served.generation), request)
    request.session_hash = "again"
    return conversations, memory, dropped, request


def nothing_new(name: str) -> str:
    """What a page of that name writes where nothing is asked."""
    return json.dumps({"question": "", "literal": False, "history": [], "page": name})


def test_what_is_begun_anew_after_the_page_was_loaded_again_is_forgotten_at_once(tea: Assistant) -> None:
    conversations, memory, dropped, request = loaded_again(tea)
    nothing = replies.Conversation(tea.retriever.index.generation)
    back = conversations.ask_wanted(nothing_new("c" * 32), nothing, request)
    conversations.start_over("", back.conversation, request)
    assert memory.known(nothing, "c" * 32) == nothing
    assert dropped == ["page"]


def test_what_is_begun_anew_before_it_came_back_is_forgotten_by_the_name_that_the_page_wrote(
    tea: Assistant,
) -> None:
    conversations, memory, dropped, request = loaded_again(tea)
    nothing = replies.Conversation(tea.retriever.index.generation)
    conversations.start_over(nothing_new("d" * 32), nothing, request)
    assert memory.known(nothing, "c" * 32).turns
    conversations.start_over(nothing_new("c" * 32), nothing, request)
    assert memory.known(nothing, "c" * 32) == nothing
    assert dropped == ["page"]


def test_what_is_shown_again_after_the_article_was_updated_says_so_and_leads_nowhere(
    tea: Assistant, tmp_path: Path
) -> None:
    served = [serving(tea)()]
    conversations = page.Conversations(lambda received: served[0], None)
    request: Any = AskedFor()
    record = {"question": "Wait 3 minutes.", "literal": False, "history": [], "page": "d" * 32}
    nothing = replies.Conversation(served[0].generation)
    conversations.ask_wanted(json.dumps(record), nothing, request)
    served[0] = serving(assistant_for("# Milk\n\nMilk is white.\n", tmp_path))()
    fresh = replies.Conversation(served[0].generation, page_shows=served[0].generation)
    back = conversations.ask_wanted(json.dumps({**record, "question": ""}), fresh, request)
    shown = unescape(str(back.messages))
    assert "Wait 3 minutes." in shown
    assert replies.REBUILT_WORDS in shown
    assert 'class="open' not in shown


def test_what_is_asked_again_for_want_of_an_answer_stands_in_the_conversation_once(tea: Assistant) -> None:
    served = serving(tea)()
    conversations = page.Conversations(lambda received: served, None)
    request: Any = AskedFor()
    so_far = replies.Conversation(tea.retriever.index.generation)
    asked = ("minute 1?", False), ("minute 2?", False), ("minute 2?", True), ("x" * 501, False)
    for question, again in (*asked, ("x" * 501, True), ("minute 3?", True)):
        record = json.dumps({"question": question, "literal": False, "history": [], "again": again})
        so_far = conversations.ask_wanted(record, so_far, request).conversation
    assert replies.typed_in(so_far.turns) == ["minute 1?", "minute 2?", "x" * 501, "minute 3?"]


def test_what_was_forgotten_is_answered_again_as_far_as_the_rate_limit_goes(tea: Assistant) -> None:
    earlier = [f"minute {n}" for n in range(replies.MAX_ANSWERED_AGAIN)]
    record = json.dumps({"question": "Wait 3 minutes.", "literal": False, "history": earlier})
    app = build_app(serving(tea), settings=Settings(rate=1e-6, burst=20))
    with TestClient(app, base_url=OWN_ADDRESS) as client:
        shown = [ask_over_http(client, record, f"page {n}", by_script=True) for n in range(3)]
    # Pages behind one address, each with one look at /config, which costs one as well: 8 + 8 + 3.
    assert [words.count("b12qa question") for words in shown] == [7, 7, 2]
    assert [replies.GONE_WORDS in unescape(words) for words in shown] == [False, False, True]
    assert "minute 5" in shown[2]


def test_what_is_not_answered_again_is_known_all_the_same(tea: Assistant) -> None:
    so_far = replies.Conversation(tea.retriever.index.generation)
    earlier = ["tea?", "I want to die", "x" * 501]
    known = replies.taken_up(tea, so_far, earlier, most=0)
    assert replies.typed_in(known.turns) == earlier
    assert replies.next_turn(tea, known.turns, "what should I do?").outcome == Outcome.URGENT
    messages = page._messages({}, known, {})
    assert [message["role"] for message in messages] == ["assistant"]  # that older answers are gone
    assert page._turn_at(0, known) == known.turns[-1]


def test_refusal_names_the_limit_and_carries_the_disclaimer() -> None:
    html = unescape(replies.refused("x" * 1234).reply)
    assert "at most 500 characters; yours has 1,234" in html
    assert DISCLAIMER in html


def test_conversation_is_forgotten_after_its_time_with_all_that_gradio_kept_of_it(
    tea: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_CONVERSATION_SECONDS", 0)
    app = build_app(serving(tea))
    mounted = next(r.app for r in app.routes if isinstance(r, Mount) and r.path == "")
    with TestClient(app, base_url=OWN_ADDRESS) as client:
        assert "Wait 3 minutes." in ask_over_http(client, "Wait 3 minutes.")
        mounted.state_holder.delete_all_expired_state()  # type: ignore[attr-defined]
        assert "test" not in mounted.state_holder.session_data  # type: ignore[attr-defined]


CHEST = "I have crushing chest pain right now"
TOO_LONG = "I drink tea. " * 50 + CHEST


def test_red_flag_in_a_message_that_was_too_long_is_met_at_the_next_one(client: TestClient) -> None:
    session = "a message too long"
    # What comes back is the whole conversation.
    assert ask_over_http(client, TOO_LONG, session).count("care emergency") == 1
    assert ask_over_http(client, "is it bad?", session).count("care emergency") == 2
    assert ask_over_http(client, "is it bad?", "somebody else").count("care emergency") == 0


def test_half_a_character_hides_no_card_and_breaks_no_conversation(client: TestClient) -> None:
    """A browser sends half an emoji escaped, and JSON makes half a character of it."""
    session = "half an emoji"
    assert ask_over_http(client, f"{CHEST} \ud83d", session).count("care emergency") == 1
    assert "care emergency" in ask_over_http(client, "is it bad?", session)


@dataclass(frozen=True)
class Listening(Assistant):
    """An assistant that notes the history it gets."""

    heard: list[list[str]] = field(default_factory=list)

    def ask_with_more(
        self, question: str, history: Sequence[str] = (), *args: Any, **named: Any
    ) -> tuple[Answer, tuple[Quote, ...]]:
        self.heard.append(list(history))
        return Assistant.ask_with_more(self, question, history, *args, **named)


def test_message_that_was_too_long_is_never_searched_and_never_rated(tea: Assistant) -> None:
    listening = Listening(tea.retriever)
    long = "I drink green tea with my friends. " * 20
    turn = replies.refused(long)
    assert (turn.question, turn.outcome, turn.too_long) == ("", "", long)
    for question in ("Wait 3 minutes.", "and green tea?"):
        reply = replies.turn_for(listening, question, ["tea?"], typed=["tea?", long]).reply
        assert "care" not in reply
    assert listening.heard == [["tea?"], ["tea?"]]


def test_card_for_what_should_be_seen_soon_stands_above_the_answer_whatever_was_too_long(
    tea: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = safety.care_card("the ulcer on my ankle won't heal")
    assert soon is not None
    monkeypatch.setattr(safety, "care_card", lambda *_: soon)
    turn = replies.turn_for(tea, "Wait 3 minutes.", [], typed=["x" * 501])
    assert turn.outcome == Outcome.ANSWERED
    assert turn.reply.index("care soon") < turn.reply.index("Wait 3 minutes.")


def test_fault_after_a_message_that_was_too_long_hides_no_card(tea: Assistant) -> None:
    turn = replies.turn_for(BrokenAssistant(tea.retriever), "is it bad?", [], typed=[TOO_LONG])
    assert "care emergency" in turn.reply


def test_of_messages_that_were_too_long_only_those_are_kept_that_count() -> None:
    turns: tuple[replies.Turn, ...] = ()
    for number in range(replies.MAX_TURNS + 5):
        turns = replies.with_turn(turns, replies.refused(f"{number} " + "x" * 500))
    assert len(turns) == replies.MAX_TURNS
    assert [text.split()[0] for text in replies.typed_in(turns)] == ["53", "54"]
    conversation = replies.brought_to("new", replies.Conversation("old", turns=turns))
    assert len(replies.typed_in(conversation.turns)) == 2  # the notice in between was not typed
    turns = replies.with_turn(conversation.turns, replies.Turn("tea?", "", ""))
    assert [text.split()[0] for text in replies.typed_in(turns)] == ["54", "tea?"]


def test_fault_in_the_rules_leaves_a_refusal_as_it_is_and_is_logged_without_a_word_of_the_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(question: str, *_: object) -> None:
        raise RuntimeError(f"cannot read {question}")

    monkeypatch.setattr(safety, "care_card", fail)
    with caplog.at_level(logging.DEBUG):
        assert DISCLAIMER in unescape(replies.refused(TOO_LONG).reply)
    assert caplog.messages == [f"No answer: RuntimeError in fail, line {fail.__code__.co_firstlineno + 1}"]


TEA_BANK = """\
sentences:
- sentence: Use water at 90.5 degrees.
  questions: [How warm should the water be?]
- sentence: Wait 3 minutes.
  questions: [How many minutes should I wait?]
"""


def test_questions_are_tried_on_a_core_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cores, free = threading.BoundedSemaphore(1), []

    @dataclass(frozen=True)
    class Looking(Assistant):
        def ask(self, *args: Any, **named: Any) -> Answer:  # tries alone call it
            free.append(cores.acquire(blocking=False))
            return Assistant.ask(self, *args, **named)

    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "text.questions.yaml").write_text(TEA_BANK)
    shown = serving(Looking(assistant_for(SMALL_TEXT, tmp_path).retriever))
    tried_at_the_start = len(free)
    for _ in filter(None, free):
        cores.release()
    monkeypatch.setattr(surfaces, "BoundedSemaphore", lambda _: cores)
    with TestClient(build_app(shown), OWN_ADDRESS, client=("127.0.0.1", 1)) as client:
        wait_for_suggestions()
        assert "How many minutes should I wait?" in ask_over_http(client, "Use water at 90.5 degrees.")
        assert 'answers_total{outcome="answered",surface="page"} 1.0' in client.get("/metrics").text
    assert set(free[tried_at_the_start:]) == {False}


def test_no_question_is_tried_while_all_cores_are_taken(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "text.questions.yaml").write_text(TEA_BANK)
    assistant, cores = assistant_for(SMALL_TEXT, tmp_path), threading.BoundedSemaphore(1)
    suggestions = Suggestions(assistant)
    answer = assistant.ask("Use water at 90.5 degrees.")
    with cores:
        trying = threading.Thread(target=suggestions.try_all, args=[cores])
        trying.start()
        trying.join(0.3)
        assert suggestions.after(answer, ()) == ()
    trying.join(60)
    assert suggestions.after(answer, ()) == ("How many minutes should I wait?",)


def test_a_question_of_the_page_is_timed_from_its_arrival_on(tea: Assistant) -> None:
    """More at once than Gradio hands on: the last one waits in its queue."""
    go_on = threading.Event()
    shown = replace(serving(tea)(), assistant=HeldAssistant(tea.retriever, tea, go_on))
    app = build_app(lambda: shown, settings=Settings(workers=1, rate=0))
    pages = [f"page {n}" for n in range(page.LEAST_AT_ONCE + 1)]
    came = []
    with TestClient(app, OWN_ADDRESS, client=("127.0.0.1", 1)) as client:
        for name in pages:
            put_in_queue(client, "Wait 3 minutes.", name)
            came.append(time.perf_counter())
        time.sleep(HELD_SECONDS)
        waited = sum(time.perf_counter() - moment for moment in came)
        go_on.set()
        for name in pages:
            answer_in_queue(client, name)
        counted = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines())
    assert float(counted['b12qa_answer_seconds_sum{surface="page"}']) >= waited


@pytest.mark.parametrize(("workers", "at_once"), [(2, 4), (7, 7)])
def test_queue_of_the_page_is_as_long_as_the_operator_wants(
    tea: Assistant, workers: int, at_once: int
) -> None:
    app = build_app(serving(tea), settings=Settings(workers=workers, max_waiting=9))
    mounted = next(r.app for r in app.routes if isinstance(r, Mount) and r.path == "")
    queue = mounted.get_blocks()._queue  # type: ignore[attr-defined]
    assert (queue.default_concurrency_limit, queue.max_size) == (at_once, 9)


# Starting.


def test_feedback_that_cannot_be_kept_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be kept in .*none/x\.jsonl: No such file.*--feedback"):
        server.serve(index=tmp_path, feedback=tmp_path / "none" / "x.jsonl", port=0)


def test_who_connects_and_says_nothing_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SECONDS_TO_SAY_SOMETHING", 0.2)

    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(answers, http=server._Impatient, lifespan="off", log_config=None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            silent, slow, asking = (
                socket.create_connection(listener.getsockname(), timeout=20) for _ in range(3)
            )
            slow.sendall(b"GET / HTTP/1.1\r\nHost: x")
            asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert asking.recv(100).startswith(b"HTTP/1.1 200")
            assert (silent.recv(1), slow.recv(1)) == (b"", b"")  # closed
            asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # not closed: it has spoken
            assert asking.recv(100)
        finally:
            running.should_exit = True
            thread.join(timeout=20)


def test_taken_port_is_refused_in_one_line_before_anything_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(B12qaError) as caught:
            server.serve(index=tmp_path / "nothing here", port=port)
    assert str(caught.value) == (
        f"Cannot listen on 127.0.0.1, port {port}: {os.strerror(98)}. "
        "Choose another with --host and --port; --port 0 takes a free one."
    )


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_printed_address_can_be_opened(host: str, address: str) -> None:
    assert server._address(host, 80) == address


def test_only_a_browser_with_a_window_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Windowed(webbrowser.BackgroundBrowser):
        def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
            opened.append(url)
            return True

    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("w3m"))
    monkeypatch.setattr(webbrowser.GenericBrowser, "open", lambda *_: opened.append("in the terminal"))
    server._open("http://127.0.0.1:1")
    assert opened == []
    monkeypatch.setattr(webbrowser, "get", lambda: Windowed("firefox"))
    server._open("http://127.0.0.1:1")
    assert opened == ["http://127.0.0.1:1"]


def test_without_a_screen_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not server._has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert server._has_screen()


def test_command_line_does_not_import_gradio_until_it_is_needed() -> None:
    code = "import sys, b12qa.cli, b12qa.web; print('gradio' in sys.modules, 'uvicorn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split()[0] == "False"


def test_what_programs_get_does_not_import_what_the_page_shows() -> None:
    code = "import sys, b12qa.web.api, b12qa.web.mcp; print('b12qa.rendering' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False"]


@pytest.mark.model
def test_chat_prints_one_line_keeps_questions_to_itself_and_ends_quietly(
    small_corpus: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "from b12qa.cli import app; app()", "chat", "--build", "--port", "0"]
    folders = ["--index", str(tmp_path / "index"), "--corpus", str(small_corpus)]
    with subprocess.Popen(
        [*command, *folders], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert address
            with httpx.Client(base_url=address[0], timeout=60) as client:
                answer = ask_over_http(client, "Wait 3 minutes.")
        finally:
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert "Wait 3 minutes." in answer
    assert (process.returncode, output, errors) == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "index"}


def ask_over_http(
    client: httpx.Client | TestClient, question: str, session: str = "test", *, by_script: bool = False
) -> str:
    """Ask as the page does: put the question into the queue, then read what comes of it.

    Args:
        by_script: the question is a record that the page script wrote.
    """
    put_in_queue(client, question, session, by_script=by_script)
    return answer_in_queue(client, session)


def put_in_queue(
    client: httpx.Client | TestClient, question: str, session: str, *, by_script: bool = False
) -> None:
    events = client.get("/config").json()["dependencies"]
    asking = [number for number, event in enumerate(events) if len(event["inputs"]) == 2]
    call = {"data": [question, None], "fn_index": asking[by_script], "session_hash": session}
    body = json.dumps(call)  # half a character is escaped in it, as a browser does
    joined = client.post("/gradio_api/queue/join", content=body, headers={"content-type": "application/json"})
    assert joined.status_code == 200


def answer_in_queue(client: httpx.Client | TestClient, session: str) -> str:
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
        return next(line for line in list(events.iter_lines()) if "process_completed" in line)
