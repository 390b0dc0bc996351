"""What the server lets in, from whom and how often, and what an operator may decide."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx2
import pytest
from conftest import SMALL_TEXT, assistant_for, serving
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from b12qa.answering import Assistant
from b12qa.errors import SettingsError
from b12qa.safety import DISCLAIMER
from b12qa.web import clients, guard
from b12qa.web.clients import MAX_CLIENTS, UNKNOWN, RateLimit, client_address
from b12qa.web.guard import MAX_BODY_BYTES, Guard
from b12qa.web.page import build_app
from b12qa.web.problems import BUSY_WORDS
from b12qa.web.server import warnings
from b12qa.web.settings import LOOPBACK, ForwardedHeader, Settings, read_settings

ADDRESS = "http://testserver"
CLINIC = "https://clinic.example"


async def says_ok(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that tells what reached it."""
    message = await receive()
    seen = f"{scope['path']} {len(message.get('body', b''))}"
    headers = {"set-cookie": "a=b", "x-forwarded": str(Headers(scope=scope).get("x-forwarded-host"))}
    await PlainTextResponse(seen, headers=headers)(scope, receive, send)


def guarded(peer: str = "127.0.0.1", **settings: Any) -> TestClient:
    """A client of a guard whose clock stands still: on a slow machine no token comes back either."""
    guard = Guard(says_ok, Settings(**settings), clock=lambda: 0.0)
    return TestClient(guard, ADDRESS, client=(peer, 50_000))


# Whose request it is.

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))
TRUSTING = Settings(trusted_proxies=PROXIES)
TRUSTING_RFC_7239 = Settings(trusted_proxies=PROXIES, forwarded_header=ForwardedHeader.FORWARDED)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not from a proxy of ours: not believed
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),  # the first was written by the client
        ("10.0.0.1", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),  # in two headers
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # two proxies of ours
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),  # nothing before nonsense is believed
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["2001:db9::1"], "2001:db9::1"),
        ("2001:db8::5", ["[2001:db9::1]:4711"], "2001:db9::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [","], "10.0.0.1"),
        ("a unix socket", ["198.51.100.1"], UNKNOWN),
    ],
)
def test_client_is_read_from_right_to_left_and_only_from_trusted_proxies(
    peer: str, forwarded: list[str], client: str
) -> None:
    headers = Headers(raw=[(b"x-forwarded-for", value.encode()) for value in forwarded])
    assert client_address(peer, headers, TRUSTING) == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ('for=192.0.2.66, For="[2001:db9::1]:4711";proto=https;by=10.0.0.1', "2001:db9::1"),
        ("proto=https;for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
        ("for=unknown", "10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
    ],
)
def test_client_is_read_from_the_header_of_rfc_7239(forwarded: str, client: str) -> None:
    headers = Headers({"forwarded": forwarded})
    assert client_address("10.0.0.1", headers, TRUSTING_RFC_7239) == client


def test_only_the_header_that_the_proxy_writes_is_believed() -> None:
    spoofed = Headers({"forwarded": "for=192.0.2.66", "x-forwarded-for": "198.51.100.1"})
    assert client_address("10.0.0.1", spoofed, TRUSTING) == "198.51.100.1"
    assert client_address("10.0.0.1", spoofed, TRUSTING_RFC_7239) == "192.0.2.66"


def test_what_a_client_says_of_hosts_reaches_the_page_only_through_a_trusted_proxy() -> None:
    says = {"x-forwarded-host": "evil.example"}
    assert guarded().get("/", headers=says).headers["x-forwarded"] == "None"
    trusting = guarded("10.0.0.1", trusted_proxies=PROXIES)
    assert trusting.get("/", headers=says).headers["x-forwarded"] == "evil.example"


# How often.


def test_bucket_lets_a_burst_through_and_then_fills_slowly() -> None:
    now = [0.0]
    limit = RateLimit(rate=2.0, burst=3, clock=lambda: now[0])
    assert [limit.seconds_to_wait("a", 1) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.seconds_to_wait("b", 1) == 0  # another client has another bucket
    now[0] += 0.5
    assert limit.seconds_to_wait("a", 1) == 0
    now[0] += 60
    assert [limit.seconds_to_wait("a", 1) > 0 for _ in range(4)] == [False, False, False, True]


def test_request_dearer_than_the_bucket_waits_for_a_full_one() -> None:
    limit = RateLimit(rate=1.0, burst=2, clock=lambda: 0.0)
    assert limit.seconds_to_wait("a", 9) == 0
    assert limit.seconds_to_wait("a", 9) == 2


def test_as_many_tokens_are_taken_as_there_are() -> None:
    limit = RateLimit(rate=1.0, burst=4, clock=lambda: 0.0)
    assert [limit.take("a", 3) for _ in range(3)] == [3, 1, 0]
    limit.charge("a", 5)
    assert limit.take("a", 3) == 0
    assert RateLimit(rate=0.0, burst=1).take("a", 9) == 9


def test_no_rate_is_no_limit() -> None:
    limit = RateLimit(rate=0.0, burst=1)
    assert {limit.seconds_to_wait("a", 1) for _ in range(100)} == {0.0}


def test_subscriber_with_a_network_of_addresses_has_one_bucket() -> None:
    limit = RateLimit(rate=1.0, burst=1, clock=lambda: 0.0)
    assert limit.seconds_to_wait("2001:db8:1:2::1", 1) == 0
    assert limit.seconds_to_wait("2001:db8:1:2:ffff::9", 1) > 0
    assert limit.seconds_to_wait("2001:db8:1:3::1", 1) == 0


def test_memory_of_clients_is_bounded() -> None:
    limit = RateLimit(rate=1.0, burst=1, clock=lambda: 0.0)
    for number in range(MAX_CLIENTS + 50):
        limit.seconds_to_wait(str(ipaddress.ip_address(number)), 1)
    assert len(limit) == MAX_CLIENTS


def test_browser_that_opens_the_page_gets_words_and_scripts_get_details() -> None:
    client = guarded(rate=0.001, burst=3)
    assert client.get("/").status_code == 200
    for method, path, status in (("GET", "/", 429), ("GET", "/nowhere", 404), ("POST", "/", 405)):
        page = client.request(method, path, headers={"accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        details = client.request(method, path).json()
        for words in (details["title"], details["detail"], DISCLAIMER):
            assert f">{words}<" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert "content-security-policy" in page.headers
    assert "retry-after" in client.get("/", headers={"accept": "text/html"}).headers


def test_page_is_given_only_to_whom_all_its_files_can_be_given() -> None:
    client = guarded(rate=0.001, burst=7)
    visits = []
    for _ in range(4):
        visits.append(client.get("/").status_code)
        if visits[-1] == 200:
            files = {client.get("/assets/x.js").status_code for _ in range(60)}
            assert {*files, client.get("/config").status_code} == {200}
    assert visits == [200, 429, 429, 429]


def test_too_many_questions_get_429_and_say_when_to_come_back() -> None:
    client = guarded(rate=1.0, burst=3)
    answers = [client.post("/api/ask", json={}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json()["disclaimer"] == DISCLAIMER


CHEST = "I have crushing chest pain right now"


def card_of(response: httpx2.Response, status: int = 429) -> str | None:
    """The red flag that a refusal speaks of."""
    assert response.status_code == status
    card = response.json()["care_card"]
    return None if card is None else str(card["concept"])


@pytest.mark.parametrize("typed", [CHEST, json.dumps({"question": CHEST, "literal": False, "time": 1})])
def test_question_of_the_page_over_the_rate_gets_its_card(typed: str) -> None:
    client = guarded(rate=1.0, burst=1)
    asked = {"data": [typed, None], "fn_index": 0, "session_hash": "test"}
    assert client.post("/gradio_api/queue/join", json=asked).status_code == 200
    assert card_of(client.post("/gradio_api/queue/join", json=asked)) == "chest-pain"
    others: list[object] = [{"data": [None]}, {"data": ["is tea good?"]}, {"data": {}}, {}, []]
    for body in others:
        fresh = guarded(rate=1.0, burst=1)
        fresh.post("/gradio_api/queue/join", json=body)
        assert card_of(fresh.post("/gradio_api/queue/join", json=body)) is None


def test_call_of_a_program_over_the_rate_gets_its_card() -> None:
    def called(question: str) -> httpx2.Response:
        client = guarded(rate=1.0, burst=1)
        call = {"name": "ask", "arguments": {"question": "is it bad?", "history": [question]}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        body = json.dumps(request)
        assert client.post("/mcp", content=body).status_code == 200
        return client.post("/mcp", content=body)

    assert card_of(called(CHEST)) == "chest-pain"
    escaped = called("I can\u2019t breathe")  # as the body, which is read as text, has it
    assert card_of(escaped) == "breathlessness"
    assert card_of(called("is tea good?")) is None


def test_cards_of_refused_requests_are_limited_as_questions_are() -> None:
    client = guarded(rate=1.0, burst=3)
    cards = [client.post("/api/ask", json={"question": CHEST}) for _ in range(8)]
    assert [answer.status_code for answer in cards] == [200] * 3 + [429] * 5
    assert [card_of(answer) for answer in cards[3:]] == ["chest-pain"] * 3 + [None] * 2


def test_no_large_or_slow_body_is_read_for_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_BODY_SECONDS", 0.01)

    def refused(parts: list[bytes], length: int) -> tuple[int, int]:
        limited = Guard(says_ok, Settings(rate=1.0, burst=1), clock=lambda: 0.0)
        limited.rate_limit.seconds_to_wait("127.0.0.1", 1)
        headers = {b"content-length": str(length).encode()}
        return post_in_parts(parts, headers=headers, app=limited)[0]["status"], len(parts)

    assert refused([b"x"] * 3, MAX_BODY_BYTES + 1) == (429, 3)  # not one part is taken
    assert refused([b" " * 1024] * 70, 5)[0] == 429
    assert refused([b"{"], 5) == (429, 0)


def test_person_whose_browser_is_refused_sees_the_card() -> None:
    client = guarded(rate=0.001, burst=1)
    client.get("/api/search", params={"q": CHEST})
    page = client.get("/api/search", params={"q": CHEST}, headers={"accept": "text/html"})
    assert page.status_code == 429
    assert page.text.index("Chest pain can be an emergency") < page.text.index("That was too much at once")
    assert DISCLAIMER in page.text


def test_full_queue_of_the_page_says_busy_with_the_card() -> None:
    async def is_full(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await PlainTextResponse("Queue is full.", 503)(scope, receive, send)

    client = TestClient(Guard(is_full), ADDRESS)
    response = client.post("/gradio_api/queue/join", json={"data": [CHEST, None]})
    assert card_of(response, 503) == "chest-pain"
    assert response.json()["detail"] == BUSY_WORDS
    assert card_of(client.post("/gradio_api/queue/join", json={"data": ["tea?", None]}), 503) is None
    assert client.get("/healthz").text == "Queue is full."


def test_limit_counts_clients_behind_a_proxy_one_by_one() -> None:
    client = guarded("10.0.0.1", rate=1.0, burst=1, trusted_proxies=PROXIES)

    def status(of: str) -> int:
        return client.post("/api/ask", json={}, headers={"x-forwarded-for": of}).status_code

    assert [status("198.51.100.1"), status("198.51.100.1"), status("198.51.100.2")] == [200, 429, 200]
    # Whoever writes another name in front is still the same client.
    assert status("192.0.2.66, 198.51.100.1") == 429


def test_long_body_counts_as_several_questions() -> None:
    client = guarded(rate=1.0, burst=10)
    assert client.post("/api/ask", content=b" " * MAX_BODY_BYTES).status_code == 200
    assert client.post("/api/ask", content=b" " * MAX_BODY_BYTES).status_code == 429


def test_first_visit_with_all_its_files_is_far_from_the_limit() -> None:
    client = guarded()
    statuses = {client.get("/").status_code} | {client.get("/assets/x.js").status_code for _ in range(200)}
    assert statuses == {200}


def test_open_requests_of_one_client_are_bounded_and_freed() -> None:
    open_requests = clients.OpenRequests(2)
    assert [open_requests.enter("a") for _ in range(3)] == [True, True, False]
    assert open_requests.enter("b")
    open_requests.leave("a")
    assert open_requests.enter("a")
    for client in "aab":
        open_requests.leave(client)
    assert len(open_requests) == 0


# Bodies.


def post_in_parts(
    parts: list[bytes], *, headers: dict[bytes, bytes], app: Guard | None = None, leaves: bool = False
) -> list[Message]:
    """What comes back for a body in parts, whatever length it claims, after which nothing more comes.

    Args:
        leaves: the client is gone after the last part.
    """
    sent: list[Message] = []
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/ask",
        "scheme": "http",
        "headers": list(headers.items()),
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": True}
        if leaves:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()  # never more, and never the end
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run((app or Guard(says_ok))(scope, receive, send))
    return sent


@pytest.mark.parametrize("claimed", [{}, {b"content-length": b"5"}, {b"transfer-encoding": b"chunked"}])
def test_long_body_in_parts_is_refused_whatever_it_claims(claimed: dict[bytes, bytes]) -> None:
    sent = post_in_parts([b" " * 1024] * 65, headers=claimed)
    assert sent[0]["status"] == 413


def test_body_that_does_not_arrive_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_BODY_SECONDS", 0.01)
    assert post_in_parts([b"{"], headers={})[0]["status"] == 408


@pytest.mark.parametrize("asked_before", [0, 1])
def test_request_whose_client_leaves_halfway_goes_no_further(
    asked_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[object] = []

    async def notes(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(await receive())

    limited = Guard(notes, Settings(rate=1.0, burst=1), clock=lambda: 0.0)
    for _ in range(asked_before):
        limited.rate_limit.seconds_to_wait("127.0.0.1", 1)
    monkeypatch.setattr(guard, "card_in", reached.append)
    torn = [b'{"question": "I have']
    assert post_in_parts(torn, headers={b"content-length": b"99"}, app=limited, leaves=True) == []
    assert (reached, len(limited.open_requests)) == ([], 0)


@pytest.mark.parametrize("length", ["-1", "1e3", "²", "9" * 5000, "65537"])
def test_length_that_is_no_small_number_is_refused(length: str) -> None:
    sent = post_in_parts([], headers={b"content-length": length.encode("utf-8")})
    assert sent[0]["status"] == 413


# Routes and headers.


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/ask", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("GET", "/mcp", "POST"),
        ("POST", "/", "GET, HEAD"),
    ],
)
def test_wrong_method_names_the_right_ones(method: str, path: str, allowed: str) -> None:
    response = guarded().request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert response.headers["content-type"] == "application/problem+json"


def test_no_cookie_leaves_the_server_and_nothing_said_is_kept() -> None:
    for path in ("/", "/config", "/api/document", "/healthz"):
        response = guarded().get(path)
        assert "set-cookie" not in response.headers
        assert response.headers["cache-control"] == "no-store"


def test_app_that_fails_gives_a_problem_without_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("a private question")

    client = TestClient(Guard(fails), ADDRESS)
    response = client.post("/gradio_api/queue/join", json={"data": [CHEST, None]})
    assert card_of(response, 500) == "chest-pain"
    assert card_of(client.post("/api/ask", json={"question": "tea?"}), 500) is None
    assert response.json()["disclaimer"] == DISCLAIMER
    assert "private" not in response.text + caplog.text
    assert "RuntimeError in fails" in caplog.text


def test_request_for_another_host_is_refused() -> None:
    client = guarded(allowed_hosts=frozenset({"localhost", "::1"}))
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "localhost:7860"}).status_code == 200
    assert client.get("/", headers={"host": "[::1]:7860"}).status_code == 200
    assert client.get("/", headers={"host": "[nonsense"}).status_code == 421


def test_other_sites_may_not_use_mcp() -> None:
    assert guarded().post("/mcp", json={}, headers={"origin": "https://evil.example"}).status_code == 403
    assert guarded().post("/mcp", json={}, headers={"origin": ADDRESS}).status_code == 200
    assert guarded().post("/mcp", json={}).status_code == 200
    public = guarded(public_origin="https://ask.example")
    assert public.post("/mcp", json={}, headers={"origin": "https://ask.example"}).status_code == 200


def test_scripts_of_sites_that_are_named_may_read_the_api_and_of_no_other() -> None:
    client = guarded(cors_origins=(CLINIC,))
    asked = {"origin": CLINIC, "access-control-request-method": "POST"}
    before = client.options("/api/ask", headers=asked)
    assert before.status_code == 204
    assert "content-type" in before.headers["access-control-allow-headers"]
    for response in (before, client.post("/api/ask", json={}, headers={"origin": CLINIC})):
        assert response.headers["access-control-allow-origin"] == CLINIC
        assert response.headers["vary"] == "origin"
    other = client.post("/api/ask", json={}, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    assert client.options("/api/ask", headers={**asked, "origin": "https://evil.example"}).status_code == 405
    assert "access-control-allow-origin" not in client.get("/config", headers={"origin": CLINIC}).headers
    assert guarded().options("/api/ask", headers=asked).status_code == 405


def test_sites_that_are_named_may_show_the_page_in_a_frame() -> None:
    assert "frame-ancestors 'none'" in guarded().get("/").headers["content-security-policy"]
    assert guarded().get("/").headers["x-frame-options"] == "DENY"
    headers = guarded(embed_origins=(CLINIC, "https://b.example")).get("/").headers
    assert f"frame-ancestors {CLINIC} https://b.example;" in headers["content-security-policy"]
    assert "x-frame-options" not in headers


def test_widget_is_there_only_if_a_site_may_embed_it() -> None:
    assert guarded().get("/widget.js").status_code == 404
    response = guarded(embed_origins=(CLINIC,)).get("/widget.js")
    assert response.status_code == 200
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert guarded().get("/page/page.js").headers["cross-origin-resource-policy"] == "same-origin"


def test_metrics_are_for_this_machine_and_networks_that_are_named() -> None:
    assert guarded().get("/metrics").status_code == 200
    assert guarded("198.51.100.1").get("/metrics").status_code == 404
    named = (*LOOPBACK, ipaddress.ip_network("198.51.100.0/24"))
    assert guarded("198.51.100.1", metrics_from=named).get("/metrics").status_code == 200
    with_password = guarded("198.51.100.1", password="correct horse")  # noqa: S106
    assert with_password.get("/metrics", headers=bearer("correct horse")).status_code == 200
    assert with_password.get("/metrics").status_code == 401


def test_prefix_is_taken_off_where_the_proxy_leaves_it() -> None:
    client = guarded(prefix="/ask")
    assert client.get("/ask/healthz").text == "/healthz 0"
    assert client.get("/healthz").text == "/healthz 0"
    assert client.get("/ask/").text == "/ 0"
    assert client.get("/asking").status_code == 404
    redirect = client.get("/ask", follow_redirects=False)
    assert (redirect.status_code, redirect.headers["location"]) == (308, "/ask/")


# The password.


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def bearer(password: str) -> dict[str, str]:
    return {"authorization": f"Bearer {password}"}


def test_bearer_may_hold_any_letter() -> None:
    client = guarded(password="correct: hörse")  # noqa: S106
    sent = httpx2.Headers([(b"authorization", "Bearer correct: hörse".encode())])
    assert client.get("/config", headers=sent).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (basic("correct: hörse"), 200),
        (basic("wrong"), 401),
        (basic(""), 401),
        ({"authorization": "Basic !!!"}, 401),
        ({"authorization": "Digest x"}, 401),
        ({"authorization": "Basic"}, 401),
    ],
)
def test_password_is_asked_for_everywhere_but_for_health(headers: dict[str, str], status: int) -> None:
    client = guarded(password="correct: hörse")  # noqa: S106
    for path in ("/", "/config", "/api/document", "/page/page.js"):
        assert client.get(path, headers=headers).status_code == status
    assert client.get("/healthz", headers=headers).status_code == 200


def test_programs_give_the_password_as_a_bearer() -> None:
    client = guarded(password="correct horse")  # noqa: S106
    assert client.post("/api/ask", json={}, headers=bearer("correct horse")).status_code == 200
    refused = client.post("/api/ask", json={}, headers=bearer("wrong horse"))
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert refused.json()["disclaimer"] == DISCLAIMER


@pytest.mark.parametrize("path", ["/favicon.ico", "/config"])
def test_guessing_the_password_is_slow_however_little_the_request_costs(path: str) -> None:
    now = [0.0]
    settings = Settings(password="correct horse", rate=1.0, burst=20)  # noqa: S106
    client = TestClient(Guard(says_ok, settings, clock=lambda: now[0]), ADDRESS)

    def heard() -> int:
        answers = [client.get(path, headers=bearer(f"guess {n}")).status_code for n in range(50)]
        assert set(answers) <= {401, 429}
        return answers.count(401)

    assert heard() <= 20 / 5 + 1
    now[0] += 10
    assert heard() <= 10 / 5 + 1
    now[0] += 10
    # Nobody is locked out for long.
    assert client.get(path, headers=bearer("correct horse")).status_code == 200


def test_debt_is_no_larger_than_what_made_it() -> None:
    now = [0.0]
    limit = RateLimit(rate=1.0, burst=2, clock=lambda: now[0])
    for _ in range(9):
        limit.charge("a", 5)
    assert limit.seconds_to_wait("a", 1) == 6
    now[0] += 6
    assert limit.seconds_to_wait("a", 1) == 0
    RateLimit(rate=0.0, burst=1).charge("a", 5)  # no rate is no limit


# The page behind a proxy.


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea")


@pytest.fixture(scope="module")
def public(tea: Assistant) -> Iterator[TestClient]:
    settings = Settings(public_origin="https://clinic.example", prefix="/ask")
    with TestClient(build_app(serving(tea), None, settings), ADDRESS, client=("127.0.0.1", 1)) as client:
        yield client


def test_page_behind_a_proxy_calls_the_public_address(public: TestClient) -> None:
    page = public.get("/", headers={"x-forwarded-host": "evil.example"}).text
    assert '"root":"https://clinic.example/ask"' in page.replace('": "', '":"')
    assert "evil.example" not in page
    assert "/ask/page/page.js" in page
    assert '"/page/page.js' not in page
    assert public.get("/ask/page/page.js").status_code == 200


def test_page_and_programs_are_one_app_and_count_questions_apart(public: TestClient) -> None:
    assert public.post("/api/ask", json={"question": "Wait 3 minutes."}).status_code == 200
    assert public.get("/ask/healthz").json()["ready"] is True
    counted = public.get("/metrics").text
    assert 'b12qa_answers_total{outcome="answered",surface="http"} 1.0' in counted
    assert 'surface="page"' not in counted  # the examples that the page begins with are nobody's questions


# What an operator decides.


def test_settings_are_read() -> None:
    settings = read_settings(
        host="0.0.0.0",  # noqa: S104
        public_url="https://Clinic.example:443/ask/",
        trusted_proxies=["10.0.0.0/8", "::1"],
        embed_origins=["https://clinic.example/", "http://localhost:8000"],
        cors_origins=["https://app.example:8443"],
        metrics_from=["192.0.2.1"],
        workers=3,
    )
    assert settings.public_url == "https://clinic.example/ask"
    assert settings.allowed_hosts == {"clinic.example", "localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))
    assert settings.embed_origins == ("https://clinic.example", "http://localhost:8000")
    assert settings.cors_origins == ("https://app.example:8443",)
    assert settings.metrics_from == (*LOOPBACK, ipaddress.ip_network("192.0.2.1"))
    assert settings.workers == 3


def test_defaults_let_nobody_in_from_elsewhere() -> None:
    settings = read_settings()
    assert settings.allowed_hosts == {"localhost", "127.0.0.1", "::1"}
    assert (settings.trusted_proxies, settings.embed_origins, settings.cors_origins) == ((), (), ())
    assert settings.metrics_from == LOOPBACK


def test_unknown_names_are_let_in_where_the_public_one_is_not_known() -> None:
    assert read_settings(host="0.0.0.0").allowed_hosts == frozenset()  # noqa: S104


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"public_url": "clinic.example"}, "for --public-url, got"),
        ({"public_url": "https://clinic.example/a b"}, "for --public-url, got"),
        ({"public_url": "https://clinic.example/?x=1"}, "for --public-url, got"),
        ({"public_url": "https://clinic.example/../x"}, "for --public-url, got"),
        ({"public_url": "https://me:secret@clinic.example"}, "for --public-url, got"),
        (
            {"trusted_proxies": ["everybody"]},
            "an address or a network such as 10.0.0.0/8 for --trusted-proxy",
        ),
        ({"trusted_proxies": ["10.0.0.1/8"]}, "for --trusted-proxy, got '10.0.0.1/8'"),
        (
            {"embed_origins": ["*"]},
            "a site such as https://clinic.example, without a path for --embed-origin",
        ),
        ({"embed_origins": ["https://*.example"]}, "for --embed-origin, got"),
        ({"embed_origins": ["https://clinic.example; script-src *"]}, "for --embed-origin, got"),
        ({"embed_origins": ["https://clinic.example/page"]}, "for --embed-origin, got"),
        ({"embed_origins": ["javascript://clinic.example"]}, "for --embed-origin, got"),
        ({"cors_origins": ["null"]}, "for --cors-origin, got 'null'"),
        ({"cors_origins": ["https://clinic.example:port"]}, "for --cors-origin, got"),
        ({"rate": -1}, "a number from 0 for --rate, got '-1'"),
        ({"rate": float("nan")}, "for --rate, got 'nan'"),
        ({"rate": float("inf")}, "for --rate, got 'inf'"),
        ({"burst": 0}, "a number from 1 for --burst, got '0'"),
        ({"max_waiting": 0}, "for --max-waiting, got '0'"),
        ({"workers": -1}, "for --workers, got '-1'"),
    ],
)
def test_setting_of_another_form_names_the_option_and_the_form(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(**given)
    assert str(caught.value).startswith("Expected ")
    assert words in str(caught.value)


def test_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse\nand a note\n", "utf-8")
    monkeypatch.setenv("B12QA_PASSWORD", "another horse")
    assert read_settings(password_file=file).password == "correct horse"  # noqa: S105
    assert read_settings().password == "another horse"  # noqa: S105
    monkeypatch.setenv("B12QA_PASSWORD", "short")
    with pytest.raises(SettingsError, match="at least 8 characters as the password in B12QA_PASSWORD, got 5"):
        read_settings()
    monkeypatch.setenv("B12QA_PASSWORD", "")
    with pytest.raises(SettingsError, match=r"got 0\. Choose a longer one, or leave it out"):
        read_settings()
    monkeypatch.delenv("B12QA_PASSWORD")
    assert read_settings().password == ""
    with pytest.raises(SettingsError, match=r"Cannot read the password from .*: No such file or directory"):
        read_settings(password_file=tmp_path / "nothing")
    file.write_bytes(b"\xff\xfecorrect horse")
    with pytest.raises(SettingsError, match="it is not UTF-8"):
        read_settings(password_file=file)


def test_operator_who_opens_the_chat_to_others_is_told_what_that_means() -> None:
    assert warnings("127.0.0.1", Settings()) == []
    open_to_all = " ".join(warnings("0.0.0.0", Settings()))  # noqa: S104
    assert "B12QA_PASSWORD" in open_to_all
    assert "unencrypted" in open_to_all
    behind = Settings(public_origin="https://clinic.example")
    assert "--trusted-proxy" in " ".join(warnings("127.0.0.1", behind))
    safe = replace(behind, password="correct horse", trusted_proxies=(ip_network("10.0.0.0/8"),))  # noqa: S106
    assert warnings("0.0.0.0", safe) == []  # noqa: S104
