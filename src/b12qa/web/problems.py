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
from urllib.parse import unquote

from starlette.responses import HTMLResponse, Response

from b12qa import safety
from b12qa.records import CareCard

PROBLEM_TYPE = "application/problem+json"
PROGRAM_FAULT_WORDS = (
    "Something went wrong on our side, so there is no answer. This says nothing about the question or about "
    "the article. Try again."
)
BUSY_WORDS = "Too many questions are waiting. Try again in a few seconds."
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
{care}<p>{detail}</p>
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
    details = json.loads(bytes(refusal.body))
    said = {name: escape(str(value)) for name, value in details.items()}
    card = details["care_card"]
    lines = [] if card is None else [card["title"], card["text"], *card["steps"]]
    said["care"] = "".join(f"<p><strong>{escape(line)}</strong></p>\n" for line in lines)
    kept = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
    return HTMLResponse(_PAGE.format_map(said), refusal.status_code, kept)


def card_for(question: str, history: Sequence[str] = ()) -> CareCard | None:
    """The card for what was said, wherever that gets no answer."""
    try:
        return safety.care_card(question, history)
    except Exception as error:
        log_fault(error)  # the rules may be what failed
        return None


def card_in(text: str) -> CareCard | None:
    """The card for what came in place of a question of the form expected.

    Args:
        text: if it is JSON with a question, that is read; otherwise all of it.
    """
    try:
        question, history = words_in(json.loads(text))
    except (ValueError, RecursionError):
        question, history = "", []
    return card_for(question or unquote(text), history)  # in a form a blank may be written as %20


def words_in(fields: Any) -> tuple[str, list[str]]:
    """What can be read of a question that is not of the form expected, and of those before it."""
    if not isinstance(fields, dict):
        return "", []
    question, history = fields.get("question"), fields.get("history")
    earlier = history if isinstance(history, list) else []
    return (
        question if isinstance(question, str) else "",
        [text for text in earlier if isinstance(text, str)],
    )


def log_fault(error: BaseException) -> None:
    """Say which kind of error it was and where, and not what it says."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("No answer: %s in %s, line %s", type(error).__name__, place.name, place.lineno)
