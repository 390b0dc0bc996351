"""Questions to ask next: every one of them is answered."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import assistant_for

from b12qa.answering import Assistant
from b12qa.records import Answer, Outcome
from b12qa.web import suggestions as module
from b12qa.web.suggestions import MAX_EXAMPLES, MAX_SUGGESTIONS, Suggestions

pytestmark = pytest.mark.model

QUESTIONS = ("how much b12 in clams", "can heartburn pills cause low b12?", "numb toes first, why?")


@pytest.fixture(scope="module")
def suggestions(assistant: Assistant) -> Suggestions:
    return tried(Suggestions(assistant))


def tried(suggestions: Suggestions) -> Suggestions:
    """The same, once its questions have been tried."""
    suggestions.try_all(threading.BoundedSemaphore(1))
    return suggestions


@pytest.mark.parametrize("question", QUESTIONS)
def test_suggestions_are_questions_of_the_same_section_that_their_sentence_answers(
    assistant: Assistant, suggestions: Suggestions, question: str
) -> None:
    index = assistant.retriever.index
    answer = assistant.ask(question)
    sentences = {text.text: index.sentences[text.sentence] for text in index.questions}
    found = suggestions.after(answer, [question])
    assert 1 <= len(found) <= MAX_SUGGESTIONS
    for suggestion in found:
        # Asked in the conversation, as a person does who presses the button.
        follow_up = assistant.ask(suggestion, [question])
        assert follow_up.outcome is Outcome.ANSWERED
        assert follow_up.quotes[0].section_path == answer.quotes[0].section_path
        sentence = sentences[suggestion]
        assert (sentence.start, sentence.end) in follow_up.quotes[0].highlights


def test_what_was_asked_is_not_suggested_again(assistant: Assistant, suggestions: Suggestions) -> None:
    answer = assistant.ask(QUESTIONS[0])
    first = suggestions.after(answer, [])
    again = suggestions.after(answer, [first[0].upper()])
    assert first[0] not in again


@dataclass(frozen=True)
class Noting(Assistant):
    """An assistant that notes what it is asked."""

    asked: list[str] = field(default_factory=list)

    def ask(self, question: str, history: Sequence[str] = (), *args: Any, **named: Any) -> Answer:
        self.asked.append(question)
        return Assistant.ask(self, question, history, *args, **named)


def test_nobody_who_asks_waits_while_questions_are_tried(assistant: Assistant) -> None:
    noting = Noting(assistant.retriever)
    suggestions, answer = Suggestions(noting), assistant.ask(QUESTIONS[0])
    assert suggestions.after(answer, []) == ()
    assert noting.asked == []
    tried(suggestions)
    asked = list(noting.asked)
    assert len(suggestions.after(answer, [])) == MAX_SUGGESTIONS
    assert noting.asked == asked


def test_the_section_that_was_answered_from_is_tried_first(assistant: Assistant) -> None:
    noting = Noting(assistant.retriever)
    suggestions, answer = Suggestions(noting), assistant.ask(QUESTIONS[1])
    suggestions.after(answer, [])
    tried(suggestions)
    texts = {question.text: question.sentence for question in assistant.retriever.index.questions}
    first = assistant.retriever.index.sentences[texts[noting.asked[0]]]
    section = assistant.documents[0].sections[assistant.documents[0].section_at(first.start)]
    assert section.path == answer.quotes[0].section_path != assistant.documents[0].sections[0].path


def test_a_fault_while_one_is_tried_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SECONDS_AFTER_A_FAULT", 0.0)

    @dataclass(frozen=True)
    class FailsOnce(Noting):
        def ask(self, question: str, *args: Any, **named: Any) -> Answer:
            if not self.asked:
                self.asked.append(question)
                raise RuntimeError(question)
            return Noting.ask(self, question, *args, **named)

    fruits = fruit_assistant(tmp_path, FRUITS[:3], headings=False)
    suggestions = tried(Suggestions(FailsOnce(fruits.retriever)))
    answer = fruits.ask("How does the cherry cherry grow?")
    assert suggestions.after(answer, []) == ("How does the banana banana grow?",)
    assert caplog.messages == [
        f"No answer: RuntimeError in ask, line {FailsOnce.ask.__code__.co_firstlineno + 3}"
    ]


def test_nothing_is_tried_once_another_generation_is_served(assistant: Assistant) -> None:
    noting = Noting(assistant.retriever)
    suggestions = Suggestions(noting)
    suggestions.end()
    tried(suggestions)
    assert noting.asked == []


def test_nothing_is_suggested_after_a_red_flag_or_where_the_article_is_silent(
    assistant: Assistant, suggestions: Suggestions
) -> None:
    for question in ("I have chest pain", "what is the capital of France?"):
        assert suggestions.after(assistant.ask(question), []) == ()


def test_examples_come_from_several_sections_and_are_answered(
    assistant: Assistant, suggestions: Suggestions
) -> None:
    examples = suggestions.examples()
    answers = [assistant.ask(example) for example in examples]
    assert len(examples) == MAX_EXAMPLES
    assert {answer.outcome for answer in answers} == {Outcome.ANSWERED}
    assert len({answer.quotes[0].section_path for answer in answers}) == MAX_EXAMPLES


FRUITS = ("apple", "banana", "cherry", "damson", "elderberry", "fig")


def fruit_assistant(folder: Path, fruits: Sequence[str], *, headings: bool = True) -> Assistant:
    """Of an article with a passage for each fruit, each with a question on it."""
    sections = [f"## {fruit}\n\n" * headings + f"The {fruit} of the {fruit} grows.\n" for fruit in fruits]
    banked = [
        f"- sentence: The {fruit} of the {fruit} grows.\n  questions: [How does the {fruit} {fruit} grow?]\n"
        for fruit in fruits
    ]
    (folder / "corpus").mkdir()
    (folder / "corpus" / "text.questions.yaml").write_text("sentences:\n" + "".join(banked))
    return assistant_for("# Fruits\n\n" + "\n".join(sections), folder)


@pytest.mark.parametrize(
    ("count", "shown"), [(6, (0, 1, 3, 4)), (5, (0, 1, 2, 3)), (3, (0, 1, 2)), (1, (0,))]
)
def test_examples_are_spread_over_all_sections(tmp_path: Path, count: int, shown: Sequence[int]) -> None:
    found = Suggestions(fruit_assistant(tmp_path, FRUITS[:count])).examples()
    assert found == [f"How does the {FRUITS[n]} {FRUITS[n]} grow?" for n in shown]


def test_a_question_that_hangs_on_others_is_not_suggested(assistant: Assistant) -> None:
    index = assistant.retriever.index
    leaning = tuple(question._replace(after=("What is it?",)) for question in index.questions)
    retriever = replace(assistant.retriever, index=replace(index, questions=leaning))
    assert Suggestions(Assistant(retriever)).examples() == []
