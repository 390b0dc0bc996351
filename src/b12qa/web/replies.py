"""What the chat shows: questions and replies as HTML that Gradio leaves as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import NamedTuple

from b12qa import rendering, safety
from b12qa.answering import MAX_QUOTES, Assistant
from b12qa.records import Answer, CareCard, Notice, NoticeKind, Outcome
from b12qa.redflags import EARLIER_MESSAGES
from b12qa.rendering import Surroundings, element, in_english
from b12qa.web.problems import card_for, log_fault
from b12qa.web.settings import MAX_QUESTION_CHARACTERS
from b12qa.web.suggestions import Suggestions
from b12qa.web.texts import ENGLISH_TEXTS, Texts

# Of a conversation, which the server keeps in memory.
MAX_TURNS = 50
MAX_EXAMPLE_HEADINGS = 5
# Each candidate is asked once at the start; a long document has more sections than are worth the wait.
MAX_EXAMPLE_CANDIDATES = 30
# Quotes that are shown on request, beside those shown at once.
MAX_FURTHER_QUOTES = 3

FAULT_WORDS = (
    "Something went wrong on our side, so there is no answer. This says nothing about your question or "
    "about the article. Please ask again, or read the article on this page."
)

TOO_LONG_WORDS = (
    "Please ask in at most {most} characters; yours has {count}. "
    "It is still in the box, so that you can shorten it."
)

ASKED = "You asked"

# So many questions of a page are answered again where the server knows of none of them any more.
MAX_ANSWERED_AGAIN = 6
# What a page sends of them: one more, by which the server knows that there were others.
MAX_EARLIER = MAX_ANSWERED_AGAIN + 1
GONE_WORDS = "Older answers are gone: the server was started again, or this page was quiet for an hour."
LOST_WORDS = "What you asked here before cannot be shown again."

REBUILT_WORDS = "The article was updated. The answers above quote it as it was before."

# Gradio takes HTML for Markdown, and straightens its tabs and line ends. A character reference is
# neither a mark nor a blank, and a browser shows the character that it stands for.
_AS_REFERENCES = str.maketrans({character: f"&#{ord(character)};" for character in "\t\n\r\\`*_~$[]{}|"})


class Turn(NamedTuple):
    """One question of a conversation, and what the page shows for it."""

    question: str  # empty when it was refused
    reply: str  # HTML; empty where it was asked before and is not answered again
    unlinked: str  # the same without links into the article
    outcome: str = ""  # of the answer; empty where nothing was searched
    too_long: str = ""  # what was refused: never searched and never rated, but read for red flags


class Conversation(NamedTuple):
    """What one open page asked and was told. It lives in the server's memory only."""

    generation: str  # that answered last
    session: str = ""  # Gradio's name for the open page, another one each time that it is loaded
    page: str = ""  # the page's own, which stays
    turns: tuple[Turn, ...] = ()
    page_shows: str = ""  # the generation whose articles stand beside the conversation


def turn_for(
    assistant: Assistant,
    question: str,
    history: Sequence[str],
    *,
    typed: Sequence[str] = (),
    literal: bool = False,
    texts: Texts = ENGLISH_TEXTS,
    suggestions: Suggestions | None = None,
) -> Turn:
    """Answer a question; a fault becomes one plain sentence.

    Args:
        history: the user's earlier questions, oldest first.
        typed: all that was typed before, also what was too long: red flags are met in it; by default the
            history.
        literal: see `Assistant.ask`.
        texts: the language of our words; English by default.
        suggestions: where questions to ask next come from.
    """
    typed = typed or history
    try:
        card = None if list(typed) == list(history) else safety.care_card(question, typed)
        is_urgent = safety.stands_alone(card)
        answer, more = assistant.ask_with_more(
            question,
            typed if is_urgent else history,  # an urgent card ends the answer before anything is searched
            MAX_QUOTES,
            MAX_FURTHER_QUOTES,
            literal=literal,
        )
        if card is not None and answer.care_card is None:
            answer = replace(answer, care_card=card, notices=(safety.care_notice(card), *answer.notices))
        page = Surroundings(
            documents=assistant.retriever.index.documents_by_name,
            say=texts,
            language=texts.language,
            following=_following(suggestions, answer, [*history, question]),
            literal=literal,
            more=more,
        )
        linked, unlinked = (
            untouched(rendering.answer_html(answer, replace(page, links=links))) for links in (True, False)
        )
        outcome = "" if rendering.is_ours(answer) else answer.outcome.value
        return Turn(question, linked, unlinked, outcome)
    except Exception as error:
        log_fault(error)
        return _our_turn(question, "fault", "No answer", FAULT_WORDS, card_for(question, typed), texts)


def taken_up(
    assistant: Assistant,
    conversation: Conversation,
    earlier: Sequence[str],
    most: int = MAX_ANSWERED_AGAIN,
    *,
    texts: Texts = ENGLISH_TEXTS,
    suggestions: Suggestions | None = None,
) -> Conversation:
    """A conversation of which only the page knows any more: its last questions, answered again.

    Those that are not answered again are known all the same: what was said of a danger, or of a person,
    still holds for the next question.

    Args:
        earlier: what the page says was asked before, oldest first.
        most: so many of them are answered, the last ones.
        texts, suggestions: as in `turn_for`.
    """
    if conversation.turns or not earlier:
        return conversation
    kept = earlier[-MAX_ANSWERED_AGAIN:]
    unanswered = max(0, len(kept) - most)
    turns = tuple(map(_unanswered, kept[:unanswered]))
    if len(earlier) > most:
        turns = (*turns, _between_turns(GONE_WORDS, texts))
    for question in kept[unanswered:]:
        turn = next_turn(assistant, turns, question, texts=texts, suggestions=suggestions)
        turns = with_turn(turns, turn)
    return conversation._replace(turns=turns)


def next_turn(
    assistant: Assistant,
    turns: Sequence[Turn],
    question: str,
    *,
    literal: bool = False,
    texts: Texts = ENGLISH_TEXTS,
    suggestions: Suggestions | None = None,
) -> Turn:
    """What follows some turns: an answer, or that the question is too long. Arguments as in `turn_for`."""
    if len(question) > MAX_QUESTION_CHARACTERS:
        return refused(question, typed_in(turns), texts)
    return turn_for(
        assistant,
        question,
        [turn.question for turn in turns if turn.question],
        typed=typed_in(turns),
        literal=literal,
        texts=texts,
        suggestions=suggestions,
    )


def refused(question: str, typed: Sequence[str] = (), texts: Texts = ENGLISH_TEXTS) -> Turn:
    """What the page shows for a question that is too long to be searched; red flags are met all the same.

    Args:
        typed, texts: as in `turn_for`.
    """
    words = TOO_LONG_WORDS.format(most=MAX_QUESTION_CHARACTERS, count=f"{len(question):,}")
    card = card_for(question, typed)
    turn = _our_turn("", "refused", "Too long", words, card, texts)
    return turn._replace(too_long=question)


def typed_in(turns: Sequence[Turn]) -> list[str]:
    """Whatever was typed in a conversation, oldest first, also what was too long to be searched."""
    return [turn.question or turn.too_long for turn in turns if turn.question or turn.too_long]


def with_turn(turns: Sequence[Turn], turn: Turn) -> tuple[Turn, ...]:
    """The newest turns; of what was too long only the messages that red flags are still met in."""
    turns = (*turns, turn)[-MAX_TURNS:]
    typed = [number for number, one in enumerate(turns) if one.question or one.too_long]
    forgotten = set(typed[:-EARLIER_MESSAGES])
    return tuple(one._replace(too_long="") if n in forgotten else one for n, one in enumerate(turns))


def without_last(turns: Sequence[Turn], question: str) -> tuple[Turn, ...]:
    """Turns without the last one if it is on this question, which is asked again for want of an answer."""
    is_on_it = bool(turns) and question in (turns[-1].question, turns[-1].too_long)
    return tuple(turns[:-1] if is_on_it else turns)


def brought_to(generation: str, conversation: Conversation, texts: Texts = ENGLISH_TEXTS) -> Conversation:
    """A conversation that goes on after the index was built anew.

    Earlier answers lose their links: what they quote may stand elsewhere now, or nowhere.
    """
    if conversation.generation == generation:
        return conversation
    turns = tuple(turn._replace(reply=turn.unlinked) for turn in conversation.turns)
    if turns:
        turns = (*turns, _between_turns(REBUILT_WORDS, texts))
    return conversation._replace(generation=generation, turns=turns)


def question_html(question: str) -> str:
    """A question exactly as it was typed, after words for people who only hear it."""
    asked = element(in_english(ASKED), "p", "b12qa out-of-sight say")
    return f'{asked}<div class="b12qa question">{escape(question)}</div>'


def between_html(english: str, texts: Texts) -> str:
    """Words of ours that stand by themselves in a conversation."""
    return untouched(f'<div class="b12qa rebuilt">{element(texts(english), "p", "say")}</div>')


def example_questions(assistant: Assistant, suggestions: Suggestions | None = None) -> list[str]:
    """Questions to begin with; without a bank, the shortest headings that their own section answers."""
    if suggestions:
        examples = suggestions.examples()
        if examples:
            return examples
    sections = [(d.name, s.path) for d in assistant.documents for s in d.sections if s.path]
    found = []
    for document, path in sections[:MAX_EXAMPLE_CANDIDATES]:
        answer = assistant.ask(path[-1])
        best = [(quote.document, quote.section_path) for quote in answer.found[:1]]
        if answer.outcome is Outcome.ANSWERED and best == [(document, path)] and path[-1] not in found:
            found.append(path[-1])
    shortest = sorted(found, key=len)[:MAX_EXAMPLE_HEADINGS]
    return [heading for heading in found if heading in shortest]


def untouched(html: str) -> str:
    """The same HTML, written so that Gradio passes each character on."""
    return html.translate(_AS_REFERENCES)


def _following(suggestions: Suggestions | None, answer: Answer, asked: Sequence[str]) -> Sequence[str]:
    """Questions to ask next. An answer is worth showing without them."""
    try:
        return suggestions.after(answer, asked) if suggestions else ()
    except Exception as error:
        log_fault(error)
        return ()


def _unanswered(question: str) -> Turn:
    is_too_long = len(question) > MAX_QUESTION_CHARACTERS
    return Turn("", "", "", too_long=question) if is_too_long else Turn(question, "", "")


def _between_turns(english: str, texts: Texts) -> Turn:
    """Words of ours that answer no question."""
    html = between_html(english, texts)
    return Turn("", html, html)


def _our_turn(question: str, kind: str, label: str, words: str, card: CareCard | None, texts: Texts) -> Turn:
    page = Surroundings({}, texts, texts.language, links=False)
    care = "" if card is None else rendering.care_html(card, page)
    notices = (Notice(NoticeKind.OUTCOME, words), safety.disclaimer())
    html = untouched(
        f'<div class="b12qa answer {kind}" lang="{texts.language}">{care}'
        f"{rendering.said_html(page, label, 'p', 'outcome')}"
        f"{''.join(rendering.notice_html(notice, page) for notice in notices)}</div>"
    )
    return Turn(question, html, html)
