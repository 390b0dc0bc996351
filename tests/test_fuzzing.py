"""Schemathesis makes requests from the OpenAPI description, right and wrong, and checks what comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from conftest import SMALL_TEXT, assistant_for, serving
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from starlette.testclient import TestClient

from b12qa.web.page import build_app
from b12qa.web.settings import Settings

EXAMPLES = 30

described = schemathesis.pytest.from_fixture("description")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    tea = assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea")
    app = build_app(serving(tea), None, Settings(rate=0))
    with TestClient(app):
        yield app


@pytest.fixture
def description(app: FastAPI) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


@described.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_api_keeps_to_its_description(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()
