"""Where requests of programs are checked, wait their turn and are answered, whatever way they came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from b12qa.answering import Assistant
from b12qa.errors import EngineUnreachableError
from b12qa.records import CareCard
from b12qa.web.metrics import Metrics
from b12qa.web.problems import BUSY_WORDS, PROGRAM_FAULT_WORDS, card_for, log_fault, words_in
from b12qa.web.programs import AskRequest, SearchRequest
from b12qa.web.workers import BusyError, Workers

FORM_WORDS = "This is not of the form expected; see errors for what to change. Nothing was searched."
UNREACHABLE_WORDS = (
    "What the article is searched with does not answer, so there is no answer. This says nothing about the "
    "question or about the article. Try again in a few seconds."
)

Form = TypeVar("Form", AskRequest, SearchRequest)
Work = Callable[[Assistant, Form], dict[str, Any]]


class Wrong(NamedTuple):
    """What is wrong in a request."""

    where: str
    what: str


class Refusal(NamedTuple):
    """Why there is no answer."""

    status: int  # as in HTTP: 422, 500 or 503
    words: str
    card: CareCard | None  # a red flag is met whether there is an answer or not
    errors: tuple[Wrong, ...] = ()


class Desk:
    """Takes requests, and answers them or says why not."""

    def __init__(self, current: Callable[[], Assistant], workers: Workers, metrics: Metrics) -> None:
        """Open a desk.

        Args:
            current: the assistant to ask; it is asked for again for every request, as soon as that came.
        """
        self.current = current
        self._workers = workers
        self._metrics = metrics

    async def answer(self, form: type[Form], fields: Any, work: Work[Form]) -> dict[str, Any] | Refusal:
        """Check what came, and do what it asks for.

        Args:
            form: what the fields must be of.
            fields: what came, as JSON has it.
            work: what makes the answer.
        """
        try:
            asked = form.model_validate(fields)
        except ValidationError as error:
            too_long = any(each["type"] == "string_too_long" for each in error.errors())
            self._metrics.refused("length" if too_long else "form")
            card = await run_in_threadpool(card_for, *words_in(fields))
            return Refusal(422, FORM_WORDS, card, tuple(_wrong(form, error)))
        try:
            return await self._workers.run(partial(work, self.current(), asked))
        except BusyError:
            self._metrics.refused("busy")
            status, words = 503, BUSY_WORDS
        except EngineUnreachableError as error:
            log_fault(error)
            status, words = 503, UNREACHABLE_WORDS
        except Exception as error:
            log_fault(error)
            status, words = 500, PROGRAM_FAULT_WORDS
        return Refusal(status, words, await run_in_threadpool(card_for, asked.question, asked.history))


def _wrong(form: type[Form], error: ValidationError) -> Sequence[Wrong]:
    """What was wrong, without a word of the request: an unknown field might be called anything.

    The same is said once, however many fields are unknown.
    """
    found: dict[Wrong, None] = {}
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        if each["loc"] and each["loc"][0] in form.model_fields:
            found[Wrong(".".join(map(str, each["loc"])), each["msg"])] = None
        else:
            found[Wrong("", f"Expected an object of these fields: {', '.join(form.model_fields)}")] = None
    return tuple(found)
