"""What is nothing but thanks, a greeting or a question about the page, and what is replied."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SMALL_TEXT, assistant_for

from b12qa import rendering
from b12qa.answering import Assistant
from b12qa.courtesy import MAX_WORDS, load_courtesies, read_courtesies
from b12qa.errors import YamlError
from b12qa.records import CareLevel, NoticeKind, Outcome
from b12qa.safety import care_card, whom_to_call

FILE = """\
lists:
  you: [you, u]
idle: [so much, ok]
replies:
- words: [thanks, thank <you>]
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
        ("are you sure?", "All quotes"),
        ("But is that TRUE??", "All quotes"),
        ("what's your source?", "All quotes"),
        ("do you save what I type", "What you type"),
        ("ok, is this private?", "What you type"),
        ("can you say that in simple words please", "This page cannot"),
        ("I don't understand", "This page cannot"),
        ("help me please", "Type your question"),
        ("Can I trust this article?", "All quotes"),
        ("can my wife see what I wrote", "What you type"),
        ("will my boss find out?", "What you type"),
        ("how do I delete this chat", "What you type"),
        ("u didnt answer", "Sorry"),
        ("you misunderstood me", "Sorry"),
        ("thanks for nothing", "Sorry"),
        ("Thanks, you've been very helpful, bye", "You are welcome"),
        ("thank you very much, god bless", "You are welcome"),
        ("can you see the photo I sent?", "This page cannot see"),
        ("thanks, but that's not what I asked", "Sorry"),
        ("what did I ask before?", "You can read above"),
        ("no", "What else"),
        ("never mind", "What else"),
        ("no, the other one", ""),
        ("the second one please", "This page cannot tell which"),
        ("and the fourth?", ""),
        ("which one is best", ""),
        ("am I dying?", "No machine can tell you that"),
        ("Will I be okay?", "No machine can tell you that"),
        ("pls, will my dad be all right", "No machine can tell you that"),
        ("I'm so scared", "That is hard"),
        ("do u save what i type", "What you type"),
        ("u r useless", "Sorry"),
        ("that was helpful", "You are welcome"),
        ("thanks hun", "You are welcome"),
        ("will I be okay on 1000 mcg", ""),
        ("I'm scared of needles", ""),
        ("show me the article", "This page shows parts"),
        ("show me the foods", ""),
        ("can I print this?", "You can copy"),
        ("how can I share what you said", ""),
        ("can my wife take it", ""),
        ("delete the metformin?", ""),
        ("thanks for your help", "You are welcome"),
        ("is that true for vegans?", ""),
        ("are you sure it is safe with metformin", ""),
        ("help me find foods with b12", ""),
        ("yes please", "What else"),
        ("ok cool", "What else"),
        ("yes, and for children?", ""),
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


@pytest.fixture
def tea(tmp_path: Path) -> Assistant:
    return assistant_for(SMALL_TEXT, tmp_path, "tea")


def test_who_doubts_an_answer_gets_a_reply_and_the_answer_once_more(tea: Assistant) -> None:
    before = tea.ask("Wait 3 minutes.")
    for history in (["Wait 3 minutes."], ["hi", "Wait 3 minutes.", "thanks", "explain"]):
        answer = tea.ask("are you sure?", history)
        assert (answer.outcome, answer.quotes, answer.query) == (before.outcome, before.quotes, before.query)
        ours, *others = (notice for notice in answer.notices if notice not in before.notices)
        assert (ours.kind, ours.text[:10]) == (NoticeKind.ABOUT, "All quotes")
        assert [notice.text for notice in others] == ["Searched for: Wait 3 minutes."]
        assert str(answer).startswith(rendering.OUTCOME_WORDS[Outcome.ANSWERED])


@pytest.mark.parametrize("history", [[], ["thanks", "hello"], ["are you a doctor?"]])
def test_who_doubts_before_anything_was_answered_gets_a_reply_alone(
    tea: Assistant, history: list[str]
) -> None:
    answer = tea.ask("are you sure?", history)
    assert (answer.query, answer.quotes) == ("", ())
    assert str(answer).startswith(rendering.OUR_WORDS)


def test_who_asks_whether_it_is_private_gets_a_reply_alone(tea: Assistant) -> None:
    assert tea.ask("is this private?", ["Wait 3 minutes."]).quotes == ()


def test_what_is_asked_of_the_page_is_no_topic_and_goes_on_from_none(tea: Assistant) -> None:
    asked = tea.ask("and how long?", ["Use water at 90.5 degrees.", "are you sure?"])
    assert asked.query == tea.ask("and how long?", ["Use water at 90.5 degrees."]).query


def test_red_flags_are_looked_for_in_fear_and_whom_to_call_stands_below_the_reply(tea: Assistant) -> None:
    assert care_card("help me, I'm scared") is not None
    assert care_card("is my baby ok?", ["she fell off the changing table"]) is not None
    assert [notice.text for notice in tea.ask("am I dying?").notices][1] == whom_to_call()
    assert whom_to_call() not in {notice.text for notice in tea.ask("is this private?").notices}


def test_what_is_asked_of_the_page_is_no_red_flag_and_ends_none() -> None:
    courtesies = load_courtesies()
    for phrase, reply in courtesies.replies.items():
        if reply and reply not in courtesies.of_fear:
            card = care_card(phrase)
            assert card is None, phrase
            emergency = care_card(phrase, ["I have crushing chest pain right now"])
            assert emergency is not None, phrase
            assert (emergency.level, emergency.told_before) == (CareLevel.EMERGENCY, True)
    two_later = ["I have crushing chest pain right now", "thanks", "is this private?"]
    assert care_card("are you sure?", two_later[:2]) is not None
    assert care_card("are you sure?", two_later) is None  # no card sticks for ever


@pytest.mark.model
def test_every_answerable_question_is_more_than_courtesy(assistant: Assistant) -> None:
    courtesies = load_courtesies()
    questions = assistant.retriever.index.questions
    asked = [question.text for question in questions if not question.after]
    assert [text for text in asked if courtesies.reply(text)] == []
    # "are b12 pills a waste of money" / "says who" gets the answer before once more, which the bank asks for.
    hanging = {courtesies.reply(question.text) for question in questions if question.after}
    assert hanging <= {"", *courtesies.with_answer}


@pytest.mark.parametrize(
    ("wrong", "by", "message"),
    [
        ("[hello]", "[thanks]", r"courtesy.yaml:7: 'thanks' stands here twice"),
        (
            "so much",
            "a b c d e f g h i",
            r"courtesy.yaml:3: expected at most 8 words, got 'a b c d e f g h i'",
        ),
        ("idle:", "other:", r"courtesy.yaml:3: expected idle, lists and replies here"),
        ("  you: [you, u]", "  you: [<me>, u]", r"courtesy.yaml:2: no list of words above is named 'me'"),
        ("\n  you: [you, u]", " [you]", r"courtesy.yaml:1: expected lists of words by name here"),
        ("  reply: Hello.\n", "", r"courtesy.yaml:7: expected reply and words here, got words"),
    ],
)
def test_a_file_of_another_form_is_refused_by_line(wrong: str, by: str, message: str) -> None:
    assert read_courtesies(FILE.encode(), "courtesy.yaml")["replies"]["thank you"] == "You are welcome."
    with pytest.raises(YamlError, match=message):
        read_courtesies(FILE.replace(wrong, by).encode(), "courtesy.yaml")
