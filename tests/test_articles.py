"""Where the page fetches an article: one at a time, of the text that it names, behind the guard."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SMALL_TEXT, assistant_for
from fastapi import FastAPI
from starlette.testclient import TestClient

from b12qa.answering import Assistant
from b12qa.rendering import version_of
from b12qa.web.articles import article_html, articles_route, list_html, pane_html
from b12qa.web.guard import Guard
from b12qa.web.settings import Settings

PASSWORD = "a long password"  # noqa: S105


@pytest.fixture
def drinks(tmp_path: Path) -> Assistant:
    assistant_for("# Mate\n\nMate is drunk from a gourd.\n", tmp_path, "a & mate")
    return assistant_for(SMALL_TEXT, tmp_path, "tea")


def client_of(assistant: Assistant, settings: Settings | None = None) -> TestClient:
    app = FastAPI()
    app.router.routes.append(articles_route(lambda: assistant))
    app.add_middleware(Guard, settings=settings or Settings(rate=0))
    return TestClient(app)


def test_article_is_given_by_name_and_kept_by_no_browser(drinks: Assistant) -> None:
    index = drinks.retriever.index
    got = client_of(drinks).get("/articles", params={"name": "a & mate"})
    assert got.text == article_html(index, "a & mate")
    assert "Mate is drunk from a gourd." in got.text
    assert "caffeine" not in got.text
    assert got.headers["cache-control"] == "no-store"
    assert "etag" not in got.headers
    assert "default-src 'none'" in got.headers["content-security-policy"]


def test_another_text_than_the_one_asked_for_is_not_given(drinks: Assistant) -> None:
    client = client_of(drinks)
    versions = {document.name: version_of(document) for document in drinks.documents}
    assert client.get("/articles", params={"name": "tea", "version": versions["tea"]}).status_code == 200
    for name, version in (("tea", versions["a & mate"]), ("tea", ""), ("milk", versions["tea"]), ("", "")):
        refused = client.get("/articles", params={"name": name, "version": version})
        assert refused.status_code == 404
        assert refused.headers["cache-control"] == "no-store"


def test_without_a_name_all_titles_are_given(drinks: Assistant) -> None:
    assert client_of(drinks).get("/articles").text == list_html(drinks.documents)
    mate = drinks.documents[0]
    link = f'<a class="open of-{version_of(mate)}" href="#a &amp; mate~{version_of(mate)}">Mate</a>'
    assert link in list_html(drinks.documents)


def test_articles_are_guarded_as_the_rest_is(drinks: Assistant) -> None:
    settings = Settings(password=PASSWORD, cors_origins=("https://app.example",))
    client = client_of(drinks, settings)
    assert client.get("/articles", params={"name": "tea"}).status_code == 401
    got = client.get(
        "/articles", params={"name": "tea"}, auth=("any", PASSWORD), headers={"origin": "https://app.example"}
    )
    assert got.status_code == 200
    assert "access-control-allow-origin" not in got.headers
    assert got.headers["cross-origin-resource-policy"] == "same-origin"
    limited = client_of(drinks, Settings(rate=0.001, burst=2))
    statuses = [limited.get("/articles", params={"name": "tea"}).status_code for _ in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    assert limited.get("/articles").headers["cache-control"] == "no-store"


def test_one_article_is_in_the_pane_from_the_beginning_and_several_are_not(
    drinks: Assistant, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    alone = assistant_for(SMALL_TEXT, tmp_path / "alone", "tea")
    assert "Wait 3 minutes." in pane_html(alone)
    assert "Wait 3 minutes." not in pane_html(drinks)
    assert drinks.retriever.index.generation in pane_html(drinks)
