"""Schemathesis makes requests from the OpenAPI description, right and wrong, and checks what comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from conftest import SMALL_TEXT, assistant_for, programs_app
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from b12qa.web import description

EXAMPLES = 20
SECONDS = 120  # the first question loads the red flags, on a machine that may be busy
OPERATIONS = [
    (method.upper(), path)
    for path, operations in description.openapi()["paths"].items()
    for method in operations
]
# By itself Schemathesis does not take 413 for a refusal.
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
CONFIG = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
)
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    app = programs_app(assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea"))
    with TestClient(app):
        yield app


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_api_keeps_to_its_description(app: FastAPI, method: str, path: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, config=CONFIG)
    operation = schema[path][method]
    if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
        pytest.skip("there is nothing to get wrong")

    @bounded
    @given(operation.as_strategy(generation_mode=mode))
    def try_out(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(timeout=SECONDS)

    try_out()
