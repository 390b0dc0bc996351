"""What a program gets instead of an answer: problem details (RFC 9457) in our own words.

Nothing of a request is repeated in them, and no error speaks for itself: its message might hold a question.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from starlette.responses import HTMLResponse, Response

from b12qa import safety
from b12qa.records import CareCard

PROBLEM_TYPE = "application/problem+json"
FAULT_WORDS = (
    "Something went wrong on our side, so there is no answer. This says nothing about the question or about "
    "the article. Try again."
)
_TITLES = {
    400: "Bad request",
    401: "Password needed",
    403: "Not allowed from there",
    404: "Not found",
    405: "Not allowed",
    408: "Too slow",
    413: "Too large",
    415: "Not JSON",
    421: "Another host",
    422: "Not a question of the form expected",
    429: "Too many questions",
    500: "No answer",
    503: "Busy",
}

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body {{ max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 1.1rem/1.6 sans-serif }}</style>
<h1>{title}</h1>
<p>{detail}</p>
<p>{disclaimer}</p>
</html>
"""

_log = logging.getLogger(__name__)


def problem(
    status: int,
    detail: str,
    *,
    card: CareCard | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response that says what was wrong and what to do, with the disclaimer.

    Args:
        card: what to do first about a red flag in the question, if it could be read.
        errors: where in the request something was wrong, and what.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "disclaimer": safety.DISCLAIMER,
        "care_card": None if card is None else asdict(card),
        "errors": list(errors),
    }
    return Response(
        json.dumps(body, ensure_ascii=False),
        status,
        {"cache-control": "no-store", **(headers or {})},
        PROBLEM_TYPE,
    )


def as_page(refusal: Response) -> Response:
    """A problem for a person who opens the page, as words in place of JSON."""
    said = {name: escape(str(value)) for name, value in json.loads(bytes(refusal.body)).items()}
    kept = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
    return HTMLResponse(_PAGE.format_map(said), refusal.status_code, kept)


def log_fault(error: BaseException) -> None:
    """Say which kind of error it was and where, and not what it says."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("No answer: %s in %s, line %s", type(error).__name__, place.name, place.lineno)
