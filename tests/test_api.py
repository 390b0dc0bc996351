"""The surfaces for programs: HTTP and MCP give what `Assistant.ask` gives, and say why where they do not."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import httpx2
import jsonschema
import pytest
from conftest import ROOT, SMALL_TEXT, HashingEncoder, HeldAssistant, assistant_for, programs_app
from fastapi import FastAPI
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from starlette.testclient import TestClient

from b12qa import safety
from b12qa.answering import Assistant
from b12qa.records import Answer, Document, Outcome, Quote
from b12qa.web import description, programs
from b12qa.web.api import SECONDS_BETWEEN_PROBES, Health
from b12qa.web.desk import Desk
from b12qa.web.mcp import mcp_server
from b12qa.web.metrics import Metrics
from b12qa.web.problems import PROGRAM_FAULT_WORDS
from b12qa.web.replies import turn_for
from b12qa.web.server import keep_words_out_of_logs
from b12qa.web.settings import Settings
from b12qa.web.workers import BusyError, Workers

ADDRESS = "http://testserver"
QUESTIONS = {
    "answered": ("Wait 3 minutes.", []),
    "a follow-up": ("and green tea?", ["What kinds are there?"]),
    "not covered": ("zzz qqq xxx", []),
    "urgent": ("I have crushing chest pain right now", []),
    "no words": ("???", []),
    "every kind of letter": ("Tea? ☕ “é” \u0000 <b>\u202e", []),
}
TOO_LONG = "I drink tea. " * 50 + "I have crushing chest pain right now"
LOCAL = ("127.0.0.1", 50_000)


HELD_SECONDS = 0.3


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea")


@pytest.fixture(scope="module")
def client(tea: Assistant) -> Iterator[TestClient]:
    with TestClient(programs_app(tea), ADDRESS, client=LOCAL) as client:
        yield client


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A corpus of two documents."""
    folder = tmp_path_factory.mktemp("two")
    assistant_for(SMALL_TEXT, folder, "tea")
    assistant = assistant_for("# Bread\n\nBread is baked from flour.\n", folder, "bread")
    with TestClient(programs_app(assistant), ADDRESS) as client:
        yield client


def checked_problem(response: httpx.Response | httpx2.Response, status: int) -> dict[str, Any]:
    """A problem as RFC 9457 has it, with the disclaimer, and kept nowhere."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["disclaimer"] == safety.DISCLAIMER
    jsonschema.validate(body, described("ProblemBody"))
    return body


def described(name: str) -> dict[str, Any]:
    """A schema of the OpenAPI description, to validate with."""
    return {"$ref": f"#/components/schemas/{name}", "components": description.openapi()["components"]}


# The same answer everywhere.


def through_http(client: TestClient, question: str, history: Sequence[str]) -> dict[str, Any]:
    response = client.post("/api/ask", json={"question": question, "history": list(history)})
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize("name", QUESTIONS)
def test_http_and_mcp_give_what_the_assistant_gives(tea: Assistant, client: TestClient, name: str) -> None:
    question, history = QUESTIONS[name]
    answer = tea.ask(question, history).to_dict()
    assert json.loads(json.dumps(answer)) == answer  # no tuple in it, which JSON would make a list
    over_http = through_http(client, question, history)
    over_mcp = called(tea, "ask", {"question": question, "history": history}).structured_content
    assert {key: over_http[key] for key in answer} == answer
    assert over_mcp == over_http
    assert over_http["generation"] == tea.retriever.index.generation
    assert over_http["documents"] == [{"name": "tea", "title": "Tea", "sha256": tea.documents[0].sha256}]
    assert over_http["disclaimer"] == safety.DISCLAIMER
    jsonschema.validate(over_http, described("AnswerBody"))


@pytest.mark.model
@pytest.mark.usefixtures("from_export")
def test_the_article_is_quoted_alike_on_every_surface(assistant: Assistant, article_index: Path) -> None:
    question, history = "and for vegans?", ["which foods have b12?"]
    answer = json.loads(json.dumps(assistant.ask(question, history).to_dict()))
    command = [sys.executable, "-c", "from b12qa.cli import app; app()", "ask", question, "--json"]
    folders = ["--index", str(article_index), "--corpus", "corpus", "--history", history[0]]
    printed = subprocess.run([*command, *folders], capture_output=True, text=True, timeout=300, check=True)
    with TestClient(programs_app(assistant), ADDRESS) as client:
        over_http = through_http(client, question, history)
    over_mcp = called(assistant, "ask", {"question": question, "history": history}).structured_content
    assert answer["outcome"] == Outcome.ANSWERED
    assert answer["quotes"]
    assert json.loads(printed.stdout) == answer
    assert {key: over_http[key] for key in answer} == answer
    assert over_mcp == over_http


def test_every_quote_and_passage_is_a_slice_of_the_document_that_the_api_gives(client: TestClient) -> None:
    document = client.get("/api/document").json()
    answer = through_http(client, "How long do I wait?", [])
    found = client.post("/api/search", json={"question": "tea", "top_k": 50}).json()
    assert found["results"]
    for passage in answer["quotes"] + found["results"]:
        assert document["text"][passage["start"] : passage["end"]] == passage["text"]
        assert passage["document"] == document["name"]
    assert answer["documents"][0]["sha256"] == document["sha256"]


def test_question_is_searched_as_typed_where_that_is_asked_for(tea: Assistant, client: TestClient) -> None:
    asked = {"question": "and tae?", "history": ["What kinds are there?"], "literal": True}
    expected = tea.ask("and tae?", ["What kinds are there?"], literal=True)
    body = client.post("/api/ask", json=asked).json()
    assert body["query"] == expected.query == "and tae?"
    assert body == called(tea, "ask", asked).structured_content


def test_search_gives_the_passages_of_the_assistant_by_both_methods_and_mcp(
    tea: Assistant, client: TestClient
) -> None:
    expected = [result.text for result in tea.search("Wait 3 minutes.", top_k=2)]
    posted = client.post("/api/search", json={"question": "Wait 3 minutes.", "top_k": 2}).json()
    got = client.get("/api/search", params={"q": "Wait 3 minutes.", "top_k": 2}).json()
    over_mcp = called(tea, "search", {"question": "Wait 3 minutes.", "top_k": 2}).structured_content
    assert [result["text"] for result in posted["results"]] == expected
    assert posted == got == over_mcp
    jsonschema.validate(posted, described("SearchBody"))


@pytest.mark.parametrize("question", ["?!", "\U0001f9aa"])
def test_search_for_nothing_gives_no_passage(client: TestClient, tea: Assistant, question: str) -> None:
    posted = client.post("/api/search", json={"question": question})
    assert (posted.status_code, posted.json()["results"]) == (200, [])
    assert client.get("/api/search", params={"q": question}).json() == posted.json()
    assert called(tea, "search", {"question": question}).structured_content == posted.json()


def test_search_for_an_emergency_gives_the_card_and_no_passage(client: TestClient) -> None:
    body = client.get("/api/search", params={"q": "I have crushing chest pain right now"}).json()
    assert body["results"] == []
    assert body["care_card"]["level"] == "emergency"
    assert body["disclaimer"] == safety.DISCLAIMER


def test_of_several_documents_those_are_identified_that_are_spoken_of(two: TestClient) -> None:
    assert [d["name"] for d in through_http(two, "Bread is baked from flour.", [])["documents"]] == ["bread"]
    assert two.get("/api/document", params={"name": "bread"}).json()["title"] == "Bread"
    detail = checked_problem(two.get("/api/document"), 404)["detail"]
    assert detail == "There is no document of that name. Name one of: bread, tea."


class Watched(tuple[Document, ...]):
    """Documents that count how often somebody goes through all of them."""

    walks = 0

    def __iter__(self) -> Iterator[Document]:
        self.walks += 1
        return super().__iter__()


def test_no_request_goes_through_all_documents(tmp_path: Path) -> None:
    assistant_for(SMALL_TEXT, tmp_path, "tea")
    assistant = assistant_for("# Bread\n\nBread is baked from flour.\n", tmp_path, "bread")
    watched = Watched(assistant.documents)
    retriever = assistant.retriever
    assistant = Assistant(replace(retriever, index=replace(retriever.index, documents=watched)))

    def requests() -> int:
        before = watched.walks
        for question, history in QUESTIONS.values():
            programs.ask(assistant, programs.AskRequest(question=question, history=history))
            programs.search(assistant, programs.SearchRequest(question=question, history=history))
            turn_for(assistant, question, history)
        programs.document(assistant, "bread")
        return watched.walks - before

    assert requests() > 0  # what is the same for all is found out by the first
    assert requests() == 0


def test_document_is_given_with_its_sections_and_its_hash(tea: Assistant, client: TestClient) -> None:
    body = client.get("/api/document", params={"name": "tea"}).json()
    jsonschema.validate(body, described("DocumentBody"))
    assert body["text"] == SMALL_TEXT
    assert body["sha256"] == tea.documents[0].sha256
    assert [section["path"] for section in body["sections"]][1] == ["Tea", "Kinds"]
    assert body["generation"] == tea.retriever.index.generation


# What is refused.


def test_long_question_is_refused_with_the_card_for_its_red_flag(client: TestClient) -> None:
    for response in (
        client.post("/api/ask", json={"question": TOO_LONG}),
        client.post("/api/search", json={"question": TOO_LONG}),
        client.get("/api/search", params={"q": TOO_LONG}),
    ):
        body = checked_problem(response, 422)
        assert body["care_card"]["level"] == "emergency"
        assert body["errors"] == [{"where": "question", "what": "String should have at most 500 characters"}]


def test_no_long_question_is_embedded(tea: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(*_: object) -> None:
        raise AssertionError("must not be embedded")

    with TestClient(programs_app(tea), ADDRESS) as client:
        monkeypatch.setattr(HashingEncoder, "encode", encode)
        for path in ("/api/ask", "/api/search"):
            checked_problem(client.post(path, json={"question": "x" * 501}), 422)
        checked_problem(client.get("/api/search", params={"q": "x" * 501}), 422)
        checked_problem(client.post("/api/ask", json={"question": "x" * 500}), 500)
    assert called(tea, "ask", {"question": "x" * 501}).is_error


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "tea",
        {"question": None},
        {"question": 1},
        {"question": ["tea"]},
        {"question": "tea", "history": "tea"},
        {"question": "tea", "history": [1]},
        {"question": "tea", "history": ["x" * 501]},
        {"question": "tea", "history": ["x"] * 51},
        {"question": "tea", "max_quotes": 0},
        {"question": "tea", "max_quotes": 11},
        {"question": "tea", "max_quotes": "3"},
        {"question": "tea", "max_quotes": True},
        {"question": "tea", "my secret": "tea"},
        {"question": "\ud800"},
    ],
)
def test_question_of_another_form_is_refused_without_repeating_it(client: TestClient, body: Any) -> None:
    response = client.post("/api/ask", content=json.dumps(body), headers={"content-type": "application/json"})
    problem = checked_problem(response, 422)
    assert problem["errors"]
    assert "secret" not in response.text


def test_many_unknown_fields_are_one_mistake(client: TestClient) -> None:
    body = {"question": "tea", "history": [1, 2], **{f"secret {number}": number for number in range(3000)}}
    response = client.post("/api/ask", json=body)
    assert [error["where"] for error in checked_problem(response, 422)["errors"]] == [
        "history.0",
        "history.1",
        "",
    ]
    assert len(response.content) < 1000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "The body is not JSON."),
        (b"tea", "The body is not JSON."),
        (b"{", "The body is not JSON."),
        (b'{"question": NaN}', "The body is not JSON."),
        (b"\xff", "The body is not UTF-8. Send JSON as UTF-8."),
        ('{"question": "thé?"}'.encode("latin-1"), "The body is not UTF-8. Send JSON as UTF-8."),
        (
            b"[" * 60_000,
            "The body is nested too deeply. Send an object of texts, numbers and lists of texts.",
        ),
    ],
)
def test_body_that_is_no_json_is_refused(client: TestClient, body: bytes, words: str) -> None:
    response = client.post(
        "/api/ask", content=body, headers={"content-type": "application/json; charset=utf-8"}
    )
    assert checked_problem(response, 400)["detail"] == words


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_body_of_another_type_is_refused(client: TestClient, kind: str) -> None:
    response = client.post("/api/ask", content=b'{"question": "tea"}', headers={"content-type": kind})
    checked_problem(response, 415)


CHEST = "I have crushing chest pain right now"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("kind", "written", "status"),
    [
        ("text/plain", str, 415),
        (FORM, lambda words: json.dumps({"question": words}), 415),  # as curl --data sends it
        (FORM, lambda words: urlencode({"question": words}), 415),
        (FORM, lambda words: urlencode({"question": words}, quote_via=quote), 415),
        ("", lambda words: json.dumps({"question": "and now?", "history": [words]}), 415),
        ("application/json", str, 400),
        ("application/json", lambda words: '{"question": "' + words, 400),
    ],
)
@pytest.mark.parametrize("path", ["/api/ask", "/api/search"])
def test_body_that_is_not_taken_is_read_for_red_flags(
    client: TestClient, path: str, kind: str, written: Callable[[str], str], status: int
) -> None:
    def card(words: str) -> dict[str, Any] | None:
        response = client.post(path, content=written(words), headers={"content-type": kind})
        found: dict[str, Any] | None = checked_problem(response, status)["care_card"]
        return found

    assert (card(CHEST) or {})["concept"] == "chest-pain"
    assert card("How long do I wait for tea?") is None


def test_question_over_the_rate_gets_its_card(tea: Assistant) -> None:
    app = programs_app(tea, Settings(rate=0.001, burst=30))
    with TestClient(app, ADDRESS) as client:
        while client.post("/api/ask", json={"question": "Wait 3 minutes."}).status_code == 200:
            pass
        for response in (
            client.post("/api/ask", json={"question": CHEST}),
            client.post("/api/search", json={"question": "is it bad?", "history": [CHEST]}),
            client.get("/api/search", params={"q": CHEST}),
        ):
            assert checked_problem(response, 429)["care_card"]["concept"] == "chest-pain"
        harmless = client.post("/api/ask", json={"question": "Wait 3 minutes."})
        assert checked_problem(harmless, 429)["care_card"] is None


@pytest.mark.parametrize("query", ["", "q=tea&top_k=0", "q=tea&top_k=51", "q=tea&top_k=x", "q=tea&top_k=-1"])
def test_address_of_another_form_is_refused(client: TestClient, query: str) -> None:
    checked_problem(client.get(f"/api/search?{query}"), 422)


def test_more_passages_than_there_are_are_not_missed(client: TestClient) -> None:
    body = client.get("/api/search", params={"q": "tea", "top_k": 50}).json()
    assert 1 < len(body["results"]) < 50


@dataclass(frozen=True)
class Broken(Assistant):
    """An assistant that fails, with the question in the message."""

    def ask_with_more(self, question: str, *args: Any, **named: Any) -> tuple[Answer, tuple[Quote, ...]]:
        raise RuntimeError(f"cannot answer {question}")


def test_fault_is_a_problem_with_the_card_and_without_a_trace(
    tea: Assistant, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(tea.retriever)
    with caplog.at_level(logging.DEBUG), TestClient(programs_app(broken), ADDRESS) as client:
        response = client.post("/api/ask", json={"question": "private, and crushing chest pain"})
        over_mcp = called(broken, "ask", {"question": "private, and crushing chest pain"})
    body = checked_problem(response, 500)
    assert body["detail"] == PROGRAM_FAULT_WORDS
    assert body["care_card"]["level"] == "emergency"
    assert "RuntimeError" not in response.text
    assert "RuntimeError in ask_with_more" in caplog.text
    assert "private" not in caplog.text + response.text
    assert over_mcp.is_error
    assert "emergency" in words_of(over_mcp).lower()
    assert "private" not in words_of(over_mcp)


def test_full_queue_says_busy_and_when_to_come_back(tea: Assistant) -> None:
    go_on = threading.Event()
    app = programs_app(HeldAssistant(tea.retriever, tea, go_on), Settings(workers=1, max_waiting=1, rate=0))
    answers: list[int] = []

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.post("/api/ask", json={"question": "Wait 3 minutes."})
        answers.append(response.status_code)

    async def crowd() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, timeout=60) as client:
            waiting = [asyncio.create_task(ask(client)) for _ in range(2)]
            async with asyncio.timeout(60):
                while "b12qa_questions_under_way 2.0" not in (await client.get("/metrics")).text:
                    await asyncio.sleep(0)
            refused = await client.post("/api/ask", json={"question": "I have crushing chest pain right now"})
            go_on.set()
            await asyncio.gather(*waiting)
        return refused

    refused = asyncio.run(crowd())
    assert checked_problem(refused, 503)["care_card"]["level"] == "emergency"
    assert int(refused.headers["retry-after"]) > 0
    assert answers == [200, 200]


def test_a_question_is_timed_from_its_arrival_on(tea: Assistant) -> None:
    go_on = threading.Event()
    app = programs_app(HeldAssistant(tea.retriever, tea, go_on), Settings(workers=1, rate=0))

    async def crowd() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, timeout=60) as client:
            body = {"question": "Wait 3 minutes."}
            asked = [asyncio.create_task(client.post("/api/ask", json=body)) for _ in range(3)]
            async with asyncio.timeout(60):
                while "b12qa_questions_under_way 3.0" not in (await client.get("/metrics")).text:
                    await asyncio.sleep(0)
            await asyncio.sleep(HELD_SECONDS)
            go_on.set()
            await asyncio.gather(*asked)
            return (await client.get("/metrics")).text

    counted = dict(line.rsplit(" ", 1) for line in asyncio.run(crowd()).splitlines())
    assert float(counted['b12qa_answer_seconds_sum{surface="http"}']) >= 3 * HELD_SECONDS


def test_workers_take_no_more_than_they_should_and_free_their_places() -> None:
    async def crowd() -> list[object]:
        workers, go_on = Workers(1, 1), threading.Event()
        tasks = [asyncio.create_task(workers.run(go_on.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        assert workers.under_way == 2
        tasks[0].cancel()  # who leaves does not free the thread
        await asyncio.sleep(0)
        assert workers.under_way == 2
        go_on.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert await workers.run(lambda: 7) == 7
        assert workers.under_way == 0
        return [type(result) for result in results]

    assert asyncio.run(crowd()) == [asyncio.CancelledError, bool, BusyError]


# Health, metrics and the description.


def test_health_names_what_is_served(tea: Assistant, client: TestClient) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    jsonschema.validate(response.json(), described("HealthBody"))
    assert response.json()["generation"] == tea.retriever.index.generation
    assert client.head("/healthz").status_code == 200


def test_health_fails_while_nothing_can_be_searched_and_recovers(
    tea: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    health = Health(lambda: tea, lambda: now[0])

    def fails(*_: object) -> None:
        raise RuntimeError("no model")

    with monkeypatch.context() as patch:
        patch.setattr(HashingEncoder, "encode", fails)
        assert not asyncio.run(health.is_ready())
    assert not asyncio.run(health.is_ready())  # not tried again at once
    now[0] += SECONDS_BETWEEN_PROBES + 1
    assert asyncio.run(health.is_ready())


def test_unready_server_answers_503(tea: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    with TestClient(programs_app(tea), ADDRESS) as client:

        def fails(*_: object) -> None:
            raise RuntimeError("no model")

        monkeypatch.setattr(HashingEncoder, "encode", fails)
        response = client.get("/healthz")
    assert (response.status_code, response.json()["ready"]) == (503, False)


def test_metrics_count_outcomes_times_and_refusals_and_hold_no_word(tea: Assistant) -> None:
    with TestClient(programs_app(tea), ADDRESS, client=LOCAL) as client:
        client.post("/api/ask", json={"question": "Wait 3 minutes."})
        client.post("/api/ask", json={"question": "I have crushing chest pain right now"})
        client.get("/api/search", params={"q": "caffeine"})
        client.get("/no-such-page/caffeine")
        client.post("/api/ask", json={"question": "caffeine" * 100})
        text = client.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['b12qa_answers_total{outcome="answered",surface="http"}'] == "1.0"
    assert lines['b12qa_answers_total{outcome="urgent",surface="http"}'] == "1.0"
    assert lines['b12qa_searches_total{surface="http"}'] == "1.0"
    assert lines['b12qa_answer_seconds_count{surface="http"}'] == "2.0"
    assert lines['b12qa_refused_requests_total{reason="path"}'] == "1.0"
    assert lines['b12qa_refused_requests_total{reason="length"}'] == "1.0"
    assert f'generation="{tea.retriever.index.generation}"' in text
    assert "caffeine" not in text


def test_description_speaks_of_every_route_for_programs(client: TestClient) -> None:
    described_paths = set(client.get("/api/openapi.json").json()["paths"])
    assert described_paths == {"/api/ask", "/api/search", "/api/document", "/healthz", "/metrics"}
    assert set(description.openapi()["components"]["schemas"]["AnswerBody"]["required"]) >= {
        "quotes", "notices", "care_card", "generation", "documents", "disclaimer",
    }  # fmt: skip


def test_description_says_where_the_api_is_where_that_is_known(tea: Assistant, client: TestClient) -> None:
    behind = Settings(public_origin="https://clinic.example", prefix="/ask")
    with TestClient(programs_app(tea, behind), ADDRESS) as proxied:
        described = proxied.get("/api/openapi.json").json()
    assert described["servers"] == [{"url": "https://clinic.example/ask"}]
    assert "servers" not in client.get("/api/openapi.json").json()


class _Links(HTMLParser):
    """Addresses that a page names, and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def test_page_of_the_api_loads_nothing_and_its_links_lead_somewhere(client: TestClient) -> None:
    response = client.get("/api/docs")
    assert response.headers["content-type"].startswith("text/html")
    page = _Links(response.text)
    assert not page.tags & {"script", "link", "img", "iframe"}
    inside = [link for link in page.links if link.startswith("#")]
    assert {link[1:] for link in inside} <= set(page.ids)
    assert set(page.links) - set(inside) == {"openapi.json"}
    assert "POST /api/ask" in response.text


# MCP, with the client of its own makers.


def called(assistant: Assistant, tool: str, arguments: dict[str, Any]) -> types.CallToolResult:
    """What a tool gives, in this process."""

    async def call() -> types.CallToolResult:
        desk = Desk(lambda: assistant, Workers(1, 1), Metrics())
        async with Client(mcp_server(desk)) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(call())


def words_of(result: types.CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))


def test_mcp_refuses_a_long_question_with_the_card_and_the_disclaimer(tea: Assistant) -> None:
    result = called(tea, "ask", {"question": TOO_LONG})
    assert result.is_error
    assert result.structured_content is None
    words = words_of(result)
    assert words.startswith("Emergency: get help now")
    assert "question: String should have at most 500 characters" in words
    assert safety.DISCLAIMER in words


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_stock_client_lists_and_calls_the_tools_over_http(tea: Assistant, mode: str) -> None:
    app = programs_app(tea)

    async def use() -> tuple[list[types.Tool], types.CallToolResult, types.CallToolResult]:
        async with (
            app.router.lifespan_context(app),
            client_of(app) as http,
            Client(streamable_http_client(f"{ADDRESS}/mcp", http_client=http), mode=mode) as client,
        ):
            tools = (await client.list_tools()).tools
            answer = await client.call_tool("ask", {"question": "Wait 3 minutes."})
            found = await client.call_tool("search", {"question": "Wait 3 minutes.", "top_k": 1})
        return tools, answer, found

    tools, answer, found = asyncio.run(use())
    assert [tool.name for tool in tools] == ["ask", "search"]
    for tool, result, body in zip(tools, (answer, found), ("AnswerBody", "SearchBody"), strict=True):
        assert tool.output_schema is not None
        jsonschema.validate(result.structured_content, tool.output_schema)
        jsonschema.validate(result.structured_content, described(body))
        assert json.loads(words_of(result)) == result.structured_content
        assert safety.DISCLAIMER in (tool.description or "")
    assert answer.structured_content["outcome"] == "answered"
    assert [result["text"] for result in found.structured_content["results"]] == [
        result.text for result in tea.search("Wait 3 minutes.", top_k=1)
    ]


def test_unknown_tool_is_an_error_of_the_protocol(tea: Assistant) -> None:
    async def call() -> str:
        async with Client(mcp_server(Desk(lambda: tea, Workers(1, 1), Metrics()))) as client:
            with pytest.raises(MCPError) as caught:
                await client.call_tool("tell", {})
        return str(caught.value)

    assert asyncio.run(call()) == "There are the tools ask and search."


@pytest.mark.model
def test_mcp_over_standard_input_and_output(exported_index: Path) -> None:
    folders = ["--index", str(exported_index), "--corpus", str(ROOT / "corpus")]
    command = ["-c", "from b12qa.cli import app; app()"]
    question = "How much B12 is in clams?"
    from mcp import StdioServerParameters

    async def use() -> tuple[list[str], types.CallToolResult]:
        server = StdioServerParameters(command=sys.executable, args=[*command, "mcp", *folders])
        async with Client(server) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            return names, await client.call_tool("ask", {"question": question})

    names, answer = asyncio.run(use())
    assert names == ["ask", "search"]
    assert "clams providing 17 mcg" in answer.structured_content["quotes"][0]["text"]


# What is logged.


def test_libraries_log_where_and_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        keep_words_out_of_logs()
        logging.getLogger("some.library").warning("a private %s", "question")
        try:
            raise ValueError("a private question")
        except ValueError:
            logging.getLogger("some.library").exception("a private question")
        logging.getLogger("b12qa.web").error("No answer: ValueError in ask, line 1")
    finally:
        root.handlers = handlers
        logging.captureWarnings(False)
    printed = capsys.readouterr().err
    assert "private" not in printed
    assert "WARNING: some.library, line" in printed
    assert "ERROR: some.library, line" in printed
    assert "ValueError" in printed
    assert "No answer: ValueError in ask, line 1" in printed


def client_of(app: FastAPI) -> Any:
    """A client of the kind that MCP uses, of an app in this process."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ADDRESS)


def test_request_models_are_the_same_for_http_and_mcp(tea: Assistant) -> None:
    async def tools() -> list[types.Tool]:
        async with Client(mcp_server(Desk(lambda: tea, Workers(1, 1), Metrics()))) as client:
            return (await client.list_tools()).tools

    ask, search = asyncio.run(tools())
    assert ask.input_schema == programs.AskRequest.model_json_schema()
    assert search.input_schema == programs.SearchRequest.model_json_schema()
