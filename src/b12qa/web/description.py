"""The OpenAPI description of the HTTP API, and a page that shows it to people without any script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from b12qa import __version__
from b12qa.safety import DISCLAIMER
from b12qa.web.problems import PROBLEM_TYPE
from b12qa.web.programs import (
    DEFAULT_RESULTS,
    MOST_RESULTS,
    AnswerBody,
    AskRequest,
    DocumentBody,
    HealthBody,
    ProblemBody,
    SearchBody,
    SearchRequest,
)
from b12qa.web.settings import MAX_QUESTION_CHARACTERS

_ASKED: tuple[type[BaseModel], ...] = (AskRequest, SearchRequest)
_GIVEN: tuple[type[BaseModel], ...] = (AnswerBody, SearchBody, DocumentBody, HealthBody, ProblemBody)
_PROBLEMS = {
    "400": "The body is not JSON in UTF-8, or nested too deeply. A red flag in it is met: see care_card.",
    "401": "A password is needed.",
    "404": "There is nothing of that name.",
    "408": "The body took too long to arrive.",
    "413": "The body is over 64 KiB.",
    "415": "The body is not declared as JSON. A red flag in it is met all the same: see care_card.",
    "421": "The request is meant for another host.",
    "422": f"Not of the form expected, such as a question over {MAX_QUESTION_CHARACTERS} characters. A red "
    "flag in it is met all the same: see care_card.",
    "429": "Too many questions of one client. Retry-After says how long to wait. A red flag in the question "
    "is met all the same: see care_card.",
    "500": "A fault. It says nothing about the question.",
    "503": "Busy. Retry-After says when to try again.",
}
_QUESTION_PROBLEMS = ("400", "401", "408", "413", "415", "421", "422", "429", "500", "503")
_LOOKUP_PROBLEMS = ("401", "404", "421", "429", "500")
_ADDRESS_PROBLEMS = ("401", "421", "422", "429", "500", "503")


@cache
def schemas(given: bool) -> Mapping[str, Any]:
    """JSON schemas by name, of what is asked or of what is given."""
    models, mode = (_GIVEN, "serialization") if given else (_ASKED, "validation")
    pairs: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, mode) for model in models]  # type: ignore[misc]
    _, found = models_json_schema(pairs, ref_template="#/components/schemas/{model}")
    definitions: dict[str, Any] = found["$defs"]
    if given:
        for schema in definitions.values():
            if "properties" in schema:  # a record has a value for each of its fields
                schema["required"] = list(schema["properties"])
    return definitions


def openapi(public_url: str = "") -> dict[str, Any]:
    """The API as an OpenAPI 3.1 document.

    Args:
        public_url: where people reach the chat, if that is known; a proxy may show it below its root.
    """
    return {
        "openapi": "3.1.0",
        **({"servers": [{"url": public_url}]} if public_url else {}),
        "info": {
            "title": "b12qa",
            "version": __version__,
            "summary": "Answers questions about an article with the article's own words",
            "description": f"{DISCLAIMER} Show this, the notices and any care card with whatever you show.",
        },
        "paths": {
            "/api/ask": {
                "post": _operation(
                    "ask",
                    "Answer a question",
                    AnswerBody,
                    _QUESTION_PROBLEMS,
                    body=AskRequest,
                )
            },
            "/api/search": {
                "post": _operation(
                    "search", "Find passages", SearchBody, _QUESTION_PROBLEMS, body=SearchRequest
                ),
                "get": _operation(
                    "searchByAddress",
                    "Find passages, with the question in the address, which proxies and browsers may keep",
                    SearchBody,
                    _ADDRESS_PROBLEMS,
                    parameters=_search_parameters(),
                ),
            },
            "/api/document": {
                "get": _operation(
                    "document",
                    "The whole document, in which all offsets count",
                    DocumentBody,
                    _LOOKUP_PROBLEMS,
                    parameters=[
                        _parameter("name", {"type": "string"}, "As in a quote; needed if there are several.")
                    ],
                )
            },
            "/healthz": {"get": _health_operation()},
            "/metrics": {"get": _metrics_operation()},
        },
        "components": {
            "schemas": {**schemas(given=False), **schemas(given=True)},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        # Only where the operator asks for a password.
        "security": [{}, {"basic": []}, {"bearer": []}],
    }


def docs_html(spec: Mapping[str, Any]) -> str:
    """An OpenAPI document as one HTML page that loads nothing."""
    return "".join(_page(spec))


# The parts of the description.


def _operation(
    name: str,
    summary: str,
    given: type[BaseModel],
    problems: tuple[str, ...],
    *,
    body: type[BaseModel] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": (given.__doc__ or "").strip(), "content": _content(given)},
            **{status: _problem(status) for status in problems},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _content(body)}
    return operation


def _search_parameters() -> list[dict[str, Any]]:
    question = {"type": "string", "maxLength": MAX_QUESTION_CHARACTERS}
    count = {"type": "integer", "minimum": 1, "maximum": MOST_RESULTS, "default": DEFAULT_RESULTS}
    return [
        _parameter("q", question, "The question.", required=True),
        _parameter("top_k", count, "At most so many passages."),
    ]


def _parameter(name: str, schema: dict[str, Any], words: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": words, "schema": schema}


def _health_operation() -> dict[str, Any]:
    return {
        "operationId": "health",
        "summary": "Whether questions are answered",
        "security": [{}],
        "responses": {
            "200": {"description": "They are.", "content": _content(HealthBody)},
            "503": {"description": "They are not.", "content": _content(HealthBody)},
            "429": _problem("429"),
            "421": _problem("421"),
        },
    }


def _metrics_operation() -> dict[str, Any]:
    return {
        "operationId": "metrics",
        "summary": "Counters and timings for Prometheus; by default for this machine only",
        "responses": {
            "200": {"description": "Metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **{status: _problem(status) for status in ("401", "404", "421", "429")},
        },
    }


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


def _problem(status: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}
    return {"description": _PROBLEMS[status], "content": {PROBLEM_TYPE: {"schema": schema}}}


# The parts of the page.

_STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
h2 { margin-top: 2.5rem } h2 code { font-size: 1em }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding-top: 1rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0 }
th, td { border-bottom: 1px solid #8886 }
td:last-child { overflow-wrap: anywhere }
"""


def _page(spec: Mapping[str, Any]) -> Iterator[str]:
    info = spec["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(info['title'])}: HTTP API</title><style>{_STYLE}</style></head><body><main>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}: HTTP API</h1>"
    yield f"<p>{escape(info['summary'])}.</p><p>{escape(info['description'])}</p>"
    yield '<p>As OpenAPI: <a href="openapi.json">openapi.json</a></p>'
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            yield from _operation_html(path, method, operation)
    yield "<h2>Forms</h2>"
    for name, schema in spec["components"]["schemas"].items():
        yield from _schema_html(name, schema)
    yield "</main></body></html>"


def _operation_html(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}.</p>"
    if operation.get("parameters"):
        rows = [
            (p["name"] + (" (needed)" if p["required"] else ""), _type(p["schema"]), p["description"])
            for p in operation["parameters"]
        ]
        yield _table("In the address", rows)
    if "requestBody" in operation:
        for kind, content in operation["requestBody"]["content"].items():
            yield f"<p>Send {escape(kind)}: {_type(content['schema'])}</p>"
    rows = [
        (status, " ".join(_type(c["schema"]) for c in response["content"].values()), response["description"])
        for status, response in operation["responses"].items()
    ]
    yield _table("What comes back", rows)


def _schema_html(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}"><code>{escape(name)}</code></h3>'
    yield f"<p>{escape(schema.get('description', ''))}</p>"
    if "properties" in schema:
        rows = [(n, _type(p), p.get("description", "")) for n, p in schema["properties"].items()]
        yield _table("Fields", rows)
    else:
        yield f"<p>{_type(schema)}</p>"


def _table(caption: str, rows: list[tuple[str, str, str]]) -> str:
    """A table; the second cell of each row is HTML already."""
    cells = "".join(
        f"<tr><th scope=row><code>{escape(a)}</code></th><td>{b}</td><td>{escape(c)}</td></tr>"
        for a, b, c in rows
    )
    return f"<table><caption>{escape(caption)}</caption>{cells}</table>"


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "prefixItems" in schema:
        return f"[{', '.join(escape(each.get('title', '')).lower() for each in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    limits = [
        f"{words} {schema[key]}"
        for key, words in (("maxLength", "at most"), ("minimum", "from"), ("maximum", "to"))
        if key in schema
    ]
    return escape(" ".join([str(schema.get("type", "anything")), *limits]))
