"""The page: the conversation, and beside it the whole article."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from b12qa.answering import Assistant
from b12qa.safety import DISCLAIMER
from b12qa.web.guard import Guard
from b12qa.web.replies import (
    MAX_QUESTION_CHARACTERS,
    Conversation,
    Turn,
    articles_html,
    example_questions,
    question_html,
    refusal,
    reply_to,
    untouched,
)

STATIC = Path(__file__).parent / "static"
TITLE = "Ask the article"
WELCOME = (
    "Ask in your own words. You get the article’s own words back, each with the section it stands in, "
    "or a plain “the article does not say”."
)
# The server keeps conversations in memory, so that a phone may sleep in between.
MAX_TURNS = 50
MAX_CONVERSATION_SECONDS = 60 * 60
MAX_CONCURRENT_QUESTIONS = 4
MAX_WAITING_QUESTIONS = 64

_HEAD = """\
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="stylesheet" href="/page/page.css">
<script src="/page/page.js" defer></script>"""
_PRIVACY = (
    '<div class="b12qa privacy" lang="en"><p>Questions are not stored or passed on. '
    "The server forgets them when you start over, or an hour after your last one.</p></div>"
)
_FONT = ("system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif")

Message = Any  # Gradio takes dictionaries of its own kinds
Shown = tuple[str, list[Message], Conversation]  # the box, the chat, and what is remembered of it


def build_app(assistant: Assistant) -> FastAPI:
    """The chat as an ASGI application, without a server."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # With a policy of ours, Gradio does not add its own, which lets every site in.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.mount("/page", StaticFiles(directory=STATIC))
    app.add_middleware(Guard)
    gr.mount_gradio_app(
        app,
        build_blocks(assistant),
        path="/",
        theme=gr.themes.Base(font=_FONT, font_mono=("ui-monospace", "monospace")),
        head=_HEAD,
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


def build_blocks(assistant: Assistant) -> gr.Blocks:
    """The components of the page and what happens when a question is asked."""
    welcome = _welcome(example_questions(assistant))

    def ask(question: str | None, so_far: Conversation, request: gr.Request) -> Shown:
        question = (question or "").strip()
        if not question:
            return "", _messages(welcome, so_far), so_far
        history = [turn.question for turn in so_far.turns if turn.question]
        if len(question) > MAX_QUESTION_CHARACTERS:
            turn, left_in_the_box = Turn("", untouched(refusal(question, history))), question
        else:
            turn, left_in_the_box = Turn(question, untouched(reply_to(assistant, question, history))), ""
        conversation = Conversation(request.session_hash or "", (*so_far.turns, turn)[-MAX_TURNS:])
        return left_in_the_box, _messages(welcome, conversation), conversation

    def ask_example(so_far: Conversation, request: gr.Request, event: gr.EventData) -> Shown:
        return ask(str(event.value), so_far, request)

    def start_over(so_far: Conversation) -> Shown:
        conversation = Conversation(so_far.session)
        return "", _messages(welcome, conversation), conversation

    def forget(conversation: Conversation) -> None:
        # Gradio drops only this value by itself, and keeps what the components of the page showed.
        blocks.state_holder.session_data.pop(conversation.session, None)

    blocks = gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False)
    with blocks:
        gr.Markdown(_header(assistant), elem_id="top", latex_delimiters=[])
        conversation = gr.State(Conversation(), time_to_live=MAX_CONVERSATION_SECONDS, delete_callback=forget)
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="chat", min_width=280):
                chat = gr.Chatbot(
                    _messages(welcome, Conversation()),
                    label="Conversation",
                    show_label=False,
                    elem_id="conversation",
                    height=None,
                    layout="bubble",
                    buttons=[],
                    feedback_options=None,
                    latex_delimiters=[],
                    autoscroll=False,
                    group_consecutive_messages=False,
                )
                with gr.Row(elem_id="asking"):
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
                with gr.Row(elem_id="below"):
                    gr.Markdown(_PRIVACY)
                    again = gr.Button("Start over", elem_id="again", size="sm", min_width=90)
            with gr.Column(elem_id="reading", min_width=280):
                gr.Markdown(untouched(articles_html(assistant)), elem_id="articles", latex_delimiters=[])

        outputs = [question, chat, conversation]
        for event, function, inputs in (
            (question.submit, ask, [question, conversation]),
            (chat.option_select, ask_example, [conversation]),
            (again.click, start_over, [conversation]),
        ):
            event(function, inputs, outputs, api_visibility="private", show_progress="hidden")
    blocks.queue(
        default_concurrency_limit=MAX_CONCURRENT_QUESTIONS, max_size=MAX_WAITING_QUESTIONS, api_open=False
    )
    return blocks


def _header(assistant: Assistant) -> str:
    titles = " · ".join(escape(document.title) for document in assistant.documents)
    return untouched(
        f'<header class="b12qa" lang="en"><h1>{TITLE}</h1><p class="titles">{titles}</p>'
        f'<p class="disclaimer">{escape(DISCLAIMER)}</p></header>'
    )


def _welcome(examples: list[str]) -> Message:
    lead = " Or begin with one of its headings:" if examples else ""
    return {
        "role": "assistant",
        "content": f'<div class="b12qa welcome" lang="en"><p>{WELCOME}{lead}</p></div>',
        "options": [{"value": example, "label": example} for example in examples],
    }


def _messages(welcome: Message, conversation: Conversation) -> list[Message]:
    messages = []
    for turn in conversation.turns:
        if turn.question:
            messages.append({"role": "user", "content": untouched(question_html(turn.question))})
        messages.append({"role": "assistant", "content": turn.reply})
    return messages or [welcome]
