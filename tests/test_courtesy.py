"""What is nothing but thanks or a greeting, and what is replied."""

from __future__ import annotations

import pytest
from conftest import SMALL_TEXT, assistant_for

from b12qa import rendering
from b12qa.answering import Assistant
from b12qa.courtesy import MAX_WORDS, load_courtesies, read_courtesies
from b12qa.errors import YamlError
from b12qa.records import NoticeKind, Outcome

FILE = """\
idle: [so much, ok]
replies:
- words: [thanks, thank you]
  reply: You are welcome.
- words: [hello]
  reply: Hello.
"""


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ("thanks", "You are welcome"),
        ("THANK YOU!!", "You are welcome"),
        ("Ok, thank you so much for your help 🙏", "You are welcome"),
        ("that's all, thanks", "You are welcome"),
        ("cheers mate", "You are welcome"),
        ("hello?", "Hello"),
        ("Good morning doctor", "Hello"),
        ("thanks, bye", "You are welcome"),
        ("bye for now", "Goodbye"),
        ("", ""),
        ("ok", "What else"),
        ("I see, got it", "What else"),
        ("hello, thanks", "You are welcome"),
        ("merci", "You are welcome"),
        ("yes please", ""),
        ("great", ""),
        ("thanks, and for vegans?", ""),
        ("hi, what is b12", ""),
        ("thanks but how much", ""),
        ("thanks " * (MAX_WORDS + 1), ""),
    ],
)
def test_thanks_and_greetings_get_a_reply_and_nothing_else_does(message: str, reply: str) -> None:
    found = load_courtesies().reply(message)
    assert found.startswith(reply)
    assert bool(found) == bool(reply)


def test_thanks_after_an_answer_search_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    tea = assistant_for(SMALL_TEXT, tmp_path_factory.mktemp("tea"), "tea")
    answer = tea.ask("thank you", ["Wait 3 minutes."])
    assert (answer.query, answer.quotes) == ("", ())
    assert [notice.kind for notice in answer.notices] == [NoticeKind.ABOUT, NoticeKind.DISCLAIMER]
    assert rendering.OUR_WORDS in str(answer)
    assert rendering.OUTCOME_WORDS[Outcome.NOT_COVERED] not in str(answer)
    # An emergency that was told before is shown once more, thanks or not.
    urgent = tea.ask("thank you", ["I have crushing chest pain right now"])
    assert urgent.outcome is Outcome.URGENT
    # Who wants it searched gets it searched.
    assert tea.ask("thank you", literal=True).query == "thank you"


@pytest.mark.model
def test_every_answerable_question_is_more_than_courtesy(assistant: Assistant) -> None:
    courtesies = load_courtesies()
    asked = [question.text for question in assistant.retriever.index.questions]
    assert [text for text in asked if courtesies.reply(text)] == []


@pytest.mark.parametrize(
    ("wrong", "by", "message"),
    [
        ("[hello]", "[thanks]", r"courtesy.yaml:5: 'thanks' stands here twice"),
        ("so much", "a b c d e", r"courtesy.yaml:1: expected at most 4 words, got 'a b c d e'"),
        ("idle:", "other:", r"courtesy.yaml:1: expected idle and replies here"),
        ("  reply: Hello.\n", "", r"courtesy.yaml:5: expected reply and words here, got words"),
    ],
)
def test_a_file_of_another_form_is_refused_by_line(wrong: str, by: str, message: str) -> None:
    assert read_courtesies(FILE.encode(), "courtesy.yaml")["thank you"] == "You are welcome."
    with pytest.raises(YamlError, match=message):
        read_courtesies(FILE.replace(wrong, by).encode(), "courtesy.yaml")
