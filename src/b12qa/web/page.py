"""The page: the conversation, and beside it a whole article."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, NamedTuple

import gradio as gr
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from b12qa.answering import ASK_IN_ENGLISH, Assistant
from b12qa.feedback import KEPT_OUTCOMES, Feedback, append_feedback
from b12qa.plain import writable
from b12qa.records import Document
from b12qa.rendering import element, in_english, questions_html, titles
from b12qa.safety import DISCLAIMER, in_emergency, whom_to_call, whom_to_contact
from b12qa.web.articles import about_html, articles_route, pane_html
from b12qa.web.guard import Guard
from b12qa.web.memory import Memory, Thumbs
from b12qa.web.problems import log_fault
from b12qa.web.replies import (
    LOST_WORDS,
    MAX_ANSWERED_AGAIN,
    MAX_EARLIER,
    Conversation,
    Turn,
    between_html,
    brought_to,
    example_questions,
    next_turn,
    question_html,
    taken_up,
    untouched,
    with_turn,
    without_last,
)
from b12qa.web.settings import MAX_QUESTION_CHARACTERS, STATIC, Settings
from b12qa.web.suggestions import Suggestions
from b12qa.web.surfaces import Surfaces
from b12qa.web.texts import LOCALES, Texts, languages, texts_for

TITLE = "Ask the article"
WELCOME = (
    "Ask in your own words. You get the article’s own words back, each with the section it stands in, "
    "or a plain “the article does not say”."
)
BEGIN_WITH = "For example:"
NO_SCRIPTS = "This page needs JavaScript. Please turn it on."
# The server keeps conversations in memory, so that a phone may sleep in between.
MAX_CONVERSATION_SECONDS = 60 * 60
# Some of what the page is asked needs no worker, and an answer is drawn without one.
LEAST_AT_ONCE = 4
TRYING = "try suggestions"  # name of a thread

_HEAD = """\
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="b12qa-languages" content="{languages}">
<meta name="b12qa-earlier" content="{earlier}">
<meta name="b12qa-most" content="{most}">
<meta name="b12qa-emergency" content="{emergency}">
<meta name="b12qa-crisis" content="{crisis}">
<link rel="stylesheet" href="{prefix}/page/page.css">
<script src="{prefix}/page/page.js" type="module"></script>
<script src="{prefix}/page/frame.js" defer></script>"""
KEEPS_NOTHING = (
    "Questions are not stored or passed on. "
    "The server forgets them when you start over, or an hour after your last one."
)
KEEPS_RATED = (
    "Questions are not stored unless you press a thumb below an answer. Then that question and your thumb "
    "go in a file for the editors. Your name and the time do not. All others are forgotten when you start "
    "over, or an hour after your last one."
)
THUMB_KEPT = "Thank you. Your question and your thumb were kept for the editors."
THUMB_AGAIN = "Nothing more was kept. What was kept before stays."
THUMB_LOST = "Your thumb could not be kept."
# Where no script of ours runs, it covers the top of the page for so long.
THUMB_SECONDS = 4
NOT_RATED = "Nothing was kept: this is no answer that can be rated."
_GRADIO = b"<gradio-app"
_FONT = ("system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif")

ChatMessage = Any  # Gradio takes dictionaries of its own kinds


class Shown(NamedTuple):
    """What an event changes of the page."""

    messages: list[ChatMessage]
    conversation: Conversation
    header: Any
    articles: Any


@dataclass(frozen=True)
class Served:
    """What the page shows of one generation."""

    assistant: Assistant
    articles: str  # what the pane beside the conversation begins with, HTML
    examples: tuple[str, ...]  # questions to begin with
    suggestions: Suggestions

    @property
    def generation(self) -> str:
        """Its name."""
        return self.assistant.retriever.index.generation

    def header(self, texts: Texts) -> str:
        """The top of the page, HTML."""
        return _header(self.assistant, texts)

    def welcome(self, texts: Texts) -> ChatMessage:
        """What the conversation begins with."""
        return _welcome(self.examples, texts)


class Asking(NamedTuple):
    """What the page asks."""

    question: str
    literal: bool = False
    history: tuple[str, ...] = ()  # what was asked on that page before, oldest first
    page: str = ""  # what it is known by when it is loaded again
    again: bool = False  # the page asked it before, and no answer came in time


def asking_in(record: str) -> Asking:
    """What the page script wrote; nothing is asked where it is of another form."""
    try:
        fields = json.loads(record)
        question, literal, history = fields["question"], fields["literal"], fields["history"]
        earlier, page = tuple(writable(str(text)) for text in history), fields.get("page", "")
        return Asking(
            question=str(question).strip(),
            literal=literal is True,
            history=earlier,
            page=page if isinstance(page, str) else "",
            again=fields.get("again") is True,
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return Asking("")


def served_by(assistant: Assistant) -> Served:
    """Prepare the page for one generation."""
    suggestions = Suggestions(assistant)
    return Served(
        assistant=assistant,
        articles=pane_html(assistant),
        examples=tuple(example_questions(assistant, suggestions)),
        suggestions=suggestions,
    )


def build_app(
    current: Callable[[], Served], feedback: Path | None = None, settings: Settings | None = None
) -> FastAPI:
    """The chat as an ASGI application, without a server.

    Args:
        current: what to show now; it is asked again for every question. `app.state.begin_with` lets new
            visitors begin with another one.
        feedback: the file to keep questions in whose answers people rate; without it nobody is asked to.
        settings: what the operator decides.
    """
    settings = settings or Settings()
    surfaces = Surfaces(settings)

    def counted(received: float) -> Served:
        served = current()
        return replace(served, assistant=surfaces.served(served.assistant, "page", received))

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    at_first = current()
    blocks, show = build_blocks(at_first, counted, feedback, settings)

    def begin_with(served: Served) -> None:
        show(served)
        _try_beside_answers(served.suggestions, surfaces.cores)

    app.state.begin_with = begin_with
    _try_beside_answers(at_first.suggestions, surfaces.cores)
    surfaces.add_programs(app, lambda: current().assistant)
    app.router.routes.append(articles_route(lambda: current().assistant))
    # With a policy of ours, Gradio does not add its own, which lets every site in.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_middleware(_WordsWithoutScripts)
    app.mount("/page/locales", StaticFiles(directory=LOCALES))
    app.mount("/page", StaticFiles(directory=STATIC))
    app.add_middleware(Guard, settings=settings, metrics=surfaces.metrics)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=gr.themes.Base(font=_FONT, font_mono=("ui-monospace", "monospace")),
        head=_HEAD.format(
            prefix=settings.prefix,
            languages=_names(),
            earlier=MAX_EARLIER,
            most=MAX_QUESTION_CHARACTERS,
            emergency=escape(whom_to_call()),
            crisis=escape(whom_to_contact()),
        ),
        root_path=settings.public_url or None,
        favicon_path=str(STATIC / "icon.svg"),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        max_file_size=1,
    )
    return app


def _try_beside_answers(suggestions: Suggestions, cores: BoundedSemaphore) -> None:
    threading.Thread(target=suggestions.try_all, args=[cores], name=TRYING, daemon=True).start()


class Conversations:
    """What happens when somebody asks, begins anew or rates an answer."""

    def __init__(
        self, current: Callable[[float], Served], feedback: Path | None, memory: Memory | None = None
    ) -> None:
        """Begin to answer.

        Args:
            current: what to show for a request, by when it came.
            feedback: as in `build_app`.
            memory: of pages that are loaded again.
        """
        self._current = current
        self._feedback = feedback
        self._memory = memory or Memory()

    def ask(self, question: str | None, so_far: Conversation, request: gr.Request) -> Shown:
        """Answer what stands in the box of a page whose script was not loaded."""
        return self._answered(Asking((question or "").strip()), so_far, request)

    def ask_wanted(self, wanted: str, so_far: Conversation, request: gr.Request) -> Shown:
        """Answer what the page script wrote."""
        return self._answered(asking_in(wanted), so_far, request)

    def _answered(self, asking: Asking, so_far: Conversation, request: gr.Request) -> Shown:
        served, texts = self._current(request.state.received), _texts_of(request)
        question = writable(asking.question)
        since_it_was_loaded = so_far
        so_far = brought_to(served.generation, self._memory.known(so_far, asking.page), texts)
        if not question:
            shown = _shown(served, so_far, texts, self._memory.thumbs(asking.page))
            if since_it_was_loaded.turns:
                return shown
            # What is only shown again is kept once, and its hour does not begin anew.
            session = request.session_hash or ""
            self._memory.shown_again(asking.page, session)
            name = shown.conversation._replace(session=session, page=asking.page, turns=())
            lost = [] if so_far.turns or not asking.page else [_by_us(between_html(LOST_WORDS, texts))]
            return shown._replace(messages=[*lost, *shown.messages], conversation=name)
        # What was forgotten is asked anew, and each of it counts for the rate limit.
        wanted = 0 if so_far.turns else min(len(asking.history), MAX_ANSWERED_AGAIN)
        so_far = taken_up(
            served.assistant,
            so_far,
            asking.history,
            request.state.take(wanted),
            texts=texts,
            suggestions=served.suggestions,
        )
        before = without_last(so_far.turns, question) if asking.again else so_far.turns
        turn = next_turn(
            served.assistant,
            before,
            question,
            literal=asking.literal,
            texts=texts,
            suggestions=served.suggestions,
        )
        turns = with_turn(before, turn)
        so_far = so_far._replace(session=request.session_hash or "", page=asking.page, turns=turns)
        shown = _shown(served, so_far, texts, self._memory.thumbs(asking.page))
        self._memory.keep(shown.conversation)
        return shown

    def start_over(self, wanted: str, so_far: Conversation, request: gr.Request) -> Shown:
        """Forget what was said, also what a page that was loaded again has not been shown yet."""
        served = self._current(request.state.received)
        for page in {so_far.page, asking_in(wanted).page}:
            self._memory.start_over(page, request.session_hash or "")
        return _shown(served, Conversation(served.generation, so_far.session), _texts_of(request))

    def rate(self, so_far: Conversation, event: gr.LikeData, request: gr.Request) -> None:
        """Keep a question whose answer was rated, and say so."""
        english = self._kept(so_far, event)
        words = _texts_of(request)(english).words
        # The page script moves it beside the thumb, and tells by its kind whether the thumb counts.
        tell = gr.Info if english in (THUMB_KEPT, THUMB_AGAIN) else gr.Warning
        tell(words, duration=THUMB_SECONDS, title="")

    def _kept(self, so_far: Conversation, event: gr.LikeData) -> str:
        """What became of a thumb."""
        turn = _turn_at(event.index, self._memory.known(so_far, so_far.page))
        if self._feedback is None or turn is None or turn.outcome not in KEPT_OUTCOMES:
            return NOT_RATED
        # What is in the file stays as it is: nothing in a row tells whose it was.
        if not isinstance(event.liked, bool) or not self._memory.rate(so_far.page, turn, event.liked):
            return THUMB_AGAIN
        try:
            append_feedback(self._feedback, Feedback(turn.question, turn.outcome, event.liked))
        except OSError as error:
            self._memory.rate(so_far.page, turn, None)
            log_fault(error)
            return THUMB_LOST
        return THUMB_KEPT


class Components(NamedTuple):
    """Those parts of the page that something happens to."""

    header: gr.Markdown
    conversation: gr.State
    chat: gr.Chatbot
    question: gr.Textbox
    wanted: gr.Textbox
    again: gr.Button
    articles: gr.Markdown


def build_blocks(
    at_first: Served, current: Callable[[float], Served], feedback: Path | None, settings: Settings
) -> tuple[gr.Blocks, Callable[[Served], None]]:
    """The components of the page and what happens when a question is asked.

    Args:
        at_first: what visitors begin with.
        current, feedback: as in `Conversations`.
        settings: what the operator decides.

    Returns:
        The page, and what shows new visitors another generation.
    """
    blocks = gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False)
    memory = Memory(MAX_CONVERSATION_SECONDS)
    # Gradio drops only the conversation by itself, and keeps what the components of the page showed.
    memory.drop = lambda session: blocks.state_holder.session_data.pop(session, None)
    with blocks:
        components = _laid_out(memory, at_first, is_rated=feedback is not None)
        _wire(components, Conversations(current, feedback, memory), is_rated=feedback is not None)
    blocks.queue(
        default_concurrency_limit=max(LEAST_AT_ONCE, settings.workers),
        max_size=settings.max_waiting,
        api_open=False,
    )
    return blocks, partial(_begin_with, blocks, components)


def _laid_out(memory: Memory, at_first: Served, *, is_rated: bool) -> Components:
    english = texts_for(None, None)
    header = gr.Markdown(at_first.header(english), elem_id="top", latex_delimiters=[])
    conversation = gr.State(
        _nothing_said(at_first), time_to_live=MAX_CONVERSATION_SECONDS, delete_callback=memory.forget
    )
    with gr.Row(elem_id="columns"):
        with gr.Column(elem_id="chat", min_width=280):
            chat = _chat(at_first.welcome(english), is_rated=is_rated)
            with gr.Column(elem_id="asking"):
                question = gr.Textbox(
                    label="Your question",
                    show_label=False,
                    placeholder="Your question",
                    submit_btn="Ask",
                    lines=1,
                    max_lines=4,
                    autofocus=False,
                    elem_id="question",
                )
                gr.Markdown(_emergency_line(), elem_id="emergency")
            with gr.Row(elem_id="below"):
                words = KEEPS_RATED if is_rated else KEEPS_NOTHING
                gr.Markdown(f'<div class="b12qa privacy"><p class="say" lang="en">{words}</p></div>')
                again = gr.Button("Start over", elem_id="again", size="sm", min_width=90)
            # The page script asks through this one, whether somebody typed or pressed a button.
            wanted = gr.Textbox(label="Asked by a button", submit_btn="Ask", elem_id="wanted")
        with gr.Column(elem_id="reading", min_width=280):
            articles = gr.Markdown(at_first.articles, elem_id="articles", latex_delimiters=[])
    return Components(header, conversation, chat, question, wanted, again, articles)


def _chat(welcome: ChatMessage, *, is_rated: bool) -> gr.Chatbot:
    return gr.Chatbot(
        [welcome],
        label="Conversation",
        show_label=False,
        elem_id="conversation",
        height=None,
        layout="bubble",
        buttons=[],
        feedback_options=("Like", "Dislike") if is_rated else None,
        latex_delimiters=[],
        autoscroll=False,
        group_consecutive_messages=False,
    )


def _wire(on: Components, conversations: Conversations, *, is_rated: bool) -> None:
    # The box is no output: somebody may be typing into it. The page script empties it and fills it again.
    outputs = [on.chat, on.conversation, on.header, on.articles]
    for event, function, inputs, again_before_the_end in (
        # For a page whose script was not loaded. The box may hold half of the next question later.
        (on.question.submit, conversations.ask, [on.question, on.conversation], "once"),
        (on.wanted.submit, conversations.ask_wanted, [on.wanted, on.conversation], "always_last"),
        (on.again.click, conversations.start_over, [on.wanted, on.conversation], "always_last"),
    ):
        event(
            function,
            inputs,
            outputs,
            api_visibility="private",
            show_progress="hidden",
            trigger_mode=again_before_the_end,
        )
    if is_rated:
        rate = conversations.rate
        on.chat.like(rate, [on.conversation], None, api_visibility="private", show_progress="hidden")


def _begin_with(blocks: gr.Blocks, components: Components, served: Served) -> None:
    """Show new visitors a generation.

    An event of the page when it opens would do it too, and race with the first question.
    """
    english = texts_for(None, None)
    components.header.value, components.articles.value = served.header(english), served.articles
    components.chat.value = components.chat.postprocess([served.welcome(english)]).model_dump()
    components.conversation.value = _nothing_said(served)
    blocks.config = blocks.get_config_file()


def _shown(served: Served, conversation: Conversation, texts: Texts, thumbs: Thumbs | None = None) -> Shown:
    messages = _messages(served.welcome(texts), conversation, thumbs or {})
    if conversation.generation == conversation.page_shows:
        return Shown(messages, conversation, gr.skip(), gr.skip())
    conversation = conversation._replace(page_shows=conversation.generation)
    return Shown(messages, conversation, served.header(texts), served.articles)


class _WordsWithoutScripts:
    """ASGI middleware: the page says something where no script runs. Gradio draws all of it by scripts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["content-length"]
            elif message["type"] == "http.response.body":
                body = message.get("body", b"")
                message = {**message, "body": body.replace(_GRADIO, words + _GRADIO, 1)}
            await send(message)

        is_page = scope["type"] == "http" and scope["path"] == "/"
        words = _words_without_scripts(scope).encode() if is_page else b""
        await self.app(scope, receive, sending if is_page else send)


def _words_without_scripts(scope: Scope) -> str:
    wanted = QueryParams(scope["query_string"]).get("lang")
    texts = texts_for(wanted, Headers(scope=scope).get("accept-language"))
    lines = _say(texts, NO_SCRIPTS, "p") + _say(texts, in_emergency(), "p")
    # The style sheet is loaded by a script too.
    return f'<noscript><main style="padding: 1rem; font-size: 1.2rem">{lines}</main></noscript>'


def _nothing_said(served: Served) -> Conversation:
    return Conversation(served.generation, page_shows=served.generation)


def _names() -> str:
    """Tags and names of the languages, for the page script."""
    return ";".join(f"{tag}={texts.name}" for tag, texts in languages().items())


def _texts_of(request: gr.Request) -> Texts:
    return texts_for(request.query_params.get("lang"), request.headers.get("accept-language"))


def _header(assistant: Assistant, texts: Texts) -> str:
    """The page script says again, in the reader's language, what is marked as ours."""
    read = element(texts("Read the article"), "button", "read say")
    return untouched(
        f'<header class="b12qa"><div class="head">{_say(texts, TITLE, "h1")}{read}</div>'
        f"{_introduction(assistant.documents, texts)}"
        f"{_say(texts, DISCLAIMER, 'p', 'disclaimer')}</header>"
    )


def _introduction(documents: Sequence[Document], texts: Texts) -> str:
    """The titles; several articles are introduced one by one in the panel beside the conversation."""
    language = escape(documents[0].about.language or "en")
    about = about_html(documents[0], texts) if len(documents) == 1 else ""
    return f'<p class="titles" lang="{language}">{escape(" · ".join(titles(documents)))}</p>{about}'


def _emergency_line() -> str:
    words = element(in_english(in_emergency()), "span", "say")
    return f'<p class="b12qa emergency-line">{words}</p>'


def _welcome(examples: Sequence[str], texts: Texts) -> ChatMessage:
    lead = _say(texts, WELCOME, "p") + _say(texts, ASK_IN_ENGLISH, "p", "ask-in-english")
    begin = _say(texts, BEGIN_WITH, "p") + questions_html(examples) if examples else ""
    html = f'<div class="b12qa welcome">{lead}<div class="following">{begin}</div></div>'
    return _by_us(untouched(html))


def _rated(thumb: bool | None) -> str:
    """What the page script reads of an answer that was rated."""
    return "" if thumb is None else untouched(f'<div class="b12qa rated {"up" if thumb else "down"}"></div>')


def _by_us(html: str) -> ChatMessage:
    return {"role": "assistant", "content": html}


def _say(texts: Texts, english: str, tag: str, kind: str = "") -> str:
    return element(texts(english), tag, f"say {kind}".strip())


def _messages(welcome: ChatMessage, conversation: Conversation, thumbs: Thumbs) -> list[ChatMessage]:
    messages = []
    for turn in _shown_turns(conversation):
        if turn.question:
            messages.append({"role": "user", "content": untouched(question_html(turn.question))})
        messages.append(_by_us(turn.reply + _rated(thumbs.get((turn.question, turn.outcome)))))
    return messages or [welcome]


def _shown_turns(conversation: Conversation) -> Iterator[Turn]:
    return (turn for turn in conversation.turns if turn.reply)


def _turn_at(message: object, conversation: Conversation) -> Turn | None:
    """The turn whose reply is that message of the chat."""
    position = -1
    for turn in _shown_turns(conversation):
        position += 2 if turn.question else 1
        if position == message:
            return turn
    return None
