"""Question and history → what is searched, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from b12qa.conversation import (
    MAX_TOPIC,
    NO_TOPICS,
    Dependence,
    Query,
    asked_at_length,
    asks,
    naming_the_subject,
    to_query,
)
from b12qa.lexical import terms
from b12qa.retrieval import Reading, Topics

# Full questions: each names three things or more and needs nothing from before.
FOODS = "which foods contain much vitamin b12 for adults?"
INJECTIONS = "how are injections against nerve pain given?"
COST = "what do tablets cost at a pharmacy?"
# What every passage of an article on vitamin B12 speaks of names no topic in it.
TOPICS = Topics(
    ubiquitous=frozenset({"vitamin", "b12", "mcg"}), subjects=frozenset({"vitamin", "b12"}), known=frozenset()
)


def understood(question: str, *history: str) -> Query:
    return to_query(question, history, TOPICS)


@pytest.mark.parametrize(
    ("history", "question", "dependence", "searched"),
    [
        # More of the same: the topic alone is searched.
        ([FOODS], "tell me more", Dependence.EMPTY, FOODS),
        ([FOODS], "why?", Dependence.EMPTY, FOODS),
        ([FOODS], "source?", Dependence.EMPTY, FOODS),
        ([FOODS], "what does the article say exactly?", Dependence.EMPTY, FOODS),
        ([FOODS], "ok, thanks. anything else?", Dependence.EMPTY, FOODS),
        # What everything here is about asks for nothing in particular, but says what to look at.
        ([FOODS], "vitamin b12?", Dependence.EMPTY, f"{FOODS} vitamin b12?"),
        # Several of such words ask for something, and are searched alone as well.
        ([FOODS], "vitamin b12 in mcg?", Dependence.FRAGMENT, f"{FOODS} vitamin b12 in mcg?"),
        ([INJECTIONS, "anything else?"], "for children?", Dependence.FRAGMENT, f"{INJECTIONS} for children?"),
        # A unit is in every passage too, but what it measures was said before.
        ([INJECTIONS], "how many mcg?", Dependence.FRAGMENT, f"{INJECTIONS} how many mcg?"),
        ([FOODS, COST], "more", Dependence.EMPTY, COST),
        ([COST, INJECTIONS, "for children?"], "why?", Dependence.EMPTY, f"{INJECTIONS} for children?"),
        # A correction replaces a part of the question before.
        (
            [INJECTIONS],
            "no I meant the tablets",
            Dependence.CORRECTION,
            INJECTIONS.replace("injections", "tablets"),
        ),
        ([INJECTIONS], "sorry, nasal sprays", Dependence.CORRECTION, f"{INJECTIONS} sorry, nasal sprays"),
        ([FOODS], "the milk, i mean", Dependence.CORRECTION, f"{FOODS} the milk, i mean"),
        # So it is where the question before hangs on another one.
        (
            [FOODS, "and for vegans?"],
            "not vegans, children",
            Dependence.CORRECTION,
            f"{FOODS} and for children?",
        ),
        (
            [FOODS, "not adults, children"],
            "raw?",
            Dependence.FRAGMENT,
            f"{FOODS.replace('adults', 'children')} raw?",
        ),
        ([FOODS], "not adults, sorry", Dependence.CORRECTION, f"{FOODS} not adults, sorry"),
        # A second one replaces the same part.
        (
            [COST, "I meant the drops"],
            "no sorry, the capsules",
            Dependence.CORRECTION,
            f"{COST.replace('tablets', 'drops')} no sorry, the capsules",
        ),
        # What is meant takes the place of what is most like it, or is a question of its own.
        (
            ["is b6 good for neuropathy?"],
            "sorry I meant b12",
            Dependence.CORRECTION,
            "is b12 good for neuropathy?",
        ),
        (
            ["how much iron is in liver?"],
            "i mean b12 in liver",
            Dependence.CORRECTION,
            "b12 in liver",
        ),
        (
            ["vitamin d and nerves"],
            "oops, I meant b12 and nerves",
            Dependence.CORRECTION,
            "vitamin b12 and nerves",
        ),
        (
            ["what did the 2020 review find?"],
            "oops i meant the 2022 one",
            Dependence.CORRECTION,
            "what did the 2022 review find?",
        ),
        (
            [INJECTIONS],
            "Sorry, I meant old people rather than children.",
            Dependence.CORRECTION,
            f"{INJECTIONS} Sorry, I meant old people rather than children.",
        ),
        # What is put right in so many words is exchanged in the question itself.
        ([FOODS], "not adults, children", Dependence.CORRECTION, FOODS.replace("adults", "children")),
        (
            [FOODS],
            "Sorry, I meant for vegans not for adults.",
            Dependence.CORRECTION,
            FOODS.replace("adults", "vegans"),
        ),
        (
            [FOODS, COST],
            "powder instead of tablets",
            Dependence.CORRECTION,
            COST.replace("tablets", "powder"),
        ),
        (
            [COST],
            "what do capsules cost, not tablets?",
            Dependence.NONE,
            "what do capsules cost, not tablets?",
        ),
        # Too short to stand alone.
        ([FOODS], "and for vegans?", Dependence.FRAGMENT, f"{FOODS} and for vegans?"),
        ([FOODS], "eggs?", Dependence.FRAGMENT, f"{FOODS} eggs?"),
        ([INJECTIONS], "are they safe?", Dependence.FRAGMENT, f"{INJECTIONS} are they safe?"),
        ([FOODS], "raw eggs", Dependence.FRAGMENT, f"{FOODS} raw eggs"),
        # Goes on where the question before stopped.
        ([FOODS], "what about eggs and milk?", Dependence.CONTINUATION, f"{FOODS} what about eggs and milk?"),
        (
            [INJECTIONS],
            "ok, so compared with tablets from the pharmacy?",
            Dependence.CONTINUATION,
            f"{INJECTIONS} ok, so compared with tablets from the pharmacy?",
        ),
        # Points back.
        (
            [INJECTIONS],
            "do they hurt small children?",
            Dependence.POINTER,
            f"{INJECTIONS} do they hurt small children?",
        ),
        # Comes back to an earlier topic, not to the last one.
        ([FOODS, INJECTIONS, COST], "back to the foods", Dependence.RETURN, f"{FOODS} back to the foods"),
        (
            [FOODS, INJECTIONS, "do they hurt?", COST],
            "again, when do injections hurt?",
            Dependence.RETURN,
            f"{INJECTIONS} do they hurt? again, when do injections hurt?",
        ),
        (
            [COST, FOODS, COST, INJECTIONS],
            "returning to the pharmacy",
            Dependence.RETURN,
            f"{COST} returning to the pharmacy",
        ),
        (
            [FOODS, INJECTIONS, COST],
            "what did you say about injections?",
            Dependence.RETURN,
            f"{INJECTIONS} what did you say about injections?",
        ),
        # Comes back to what was never asked: stands alone.
        ([FOODS, INJECTIONS], "back to homeopathy", Dependence.NONE, "back to homeopathy"),
        # A new topic stands alone.
        ([FOODS], INJECTIONS, Dependence.NONE, INJECTIONS),
        ([FOODS, "eggs?"], COST, Dependence.NONE, COST),
        # Who tells of themselves begins anew.
        ([FOODS], "my feet are numb", Dependence.NONE, "my feet are numb"),
        ([FOODS], "numb feet", Dependence.FRAGMENT, f"{FOODS} numb feet"),
        # A pointer in a long question points inside it.
        (
            [FOODS],
            "my feet tingle at night in bed, does that mean nerve damage?",
            Dependence.NONE,
            "my feet tingle at night in bed, does that mean nerve damage?",
        ),
        # A chain of fragments goes back to the last full question, but no further than two questions.
        ([INJECTIONS, FOODS, "eggs?"], "raw?", Dependence.FRAGMENT, f"{FOODS} eggs? raw?"),
        (
            [INJECTIONS, FOODS, "and for vegans?", "soy milk?"],
            "how much?",
            Dependence.FRAGMENT,
            "and for vegans? soy milk? how much?",
        ),
        ([FOODS, "tell me more", "eggs?", "why?", "really?"], "raw?", Dependence.FRAGMENT, None),
        # It ends where another topic began by returning to it.
        (
            [INJECTIONS, FOODS, "back to injections"],
            "safe?",
            Dependence.FRAGMENT,
            "back to injections safe?",
        ),
    ],
)
def test_what_is_searched(
    history: Sequence[str], question: str, dependence: Dependence, searched: str | None
) -> None:
    query = understood(question, *history)
    assert query.reason == dependence.reason
    if searched is not None:
        assert query.text == searched
    assert query.readings[-1].text == query.text


@pytest.mark.parametrize(
    ("conversation", "times"),
    [
        ((FOODS, "more"), 1),
        ((FOODS, "Ok, thanks. Anything else?"), 1),
        ((FOODS, "go on", "and is there more on that?"), 2),
        ((FOODS, "more", COST, "tell me more"), 1),
        ((FOODS, "is it on?"), 0),
        ((FOODS, "what about the other one"), 0),
        ((FOODS, "do I need more of it"), 0),
        ((FOODS, "is it anything else?"), 0),
        ((FOODS, "can I go on?"), 0),
        ((FOODS, *["more"] * 6), 6),
        ((FOODS, "why?"), 0),
        ((FOODS, "more", COST), 0),
        (("more",), 0),
    ],
)
def test_how_often_more_is_asked_for(conversation: tuple[str, ...], times: int) -> None:
    *history, last = conversation
    assert understood(last, *history).more == times


def test_question_without_history_is_searched_as_typed() -> None:
    for question in ("and for vegans?", "tell me more", ""):
        query = understood(question)
        assert (query.text, query.reason, query.readings) == (question, "", (Reading(question),))


def test_more_of_the_same_is_read_in_one_way() -> None:
    assert understood("tell me more", FOODS).readings == (Reading(FOODS, 1.0, 1.0),)


@pytest.mark.parametrize("question", ["eggs?", "what about eggs and milk?", "do they hurt small children?"])
def test_follow_up_is_read_alone_and_joined_and_both_count_the_same(question: str) -> None:
    alone, joined = understood(question, FOODS).readings
    assert (alone.text, joined.text) == (question, f"{FOODS} {question}")
    assert alone.weight == joined.weight > 0
    assert alone.trust == joined.trust > 0


def test_correction_is_trusted_only_together_with_what_it_corrects() -> None:
    alone, joined = understood("no sorry, the tablets", INJECTIONS).readings
    assert alone.weight == joined.weight > 0
    assert (alone.trust, joined.trust) == (0.0, 1.0)


def test_new_topic_is_searched_alone() -> None:
    assert understood(INJECTIONS, FOODS).readings == (Reading(INJECTIONS),)


def test_question_that_names_what_everything_is_about_stands_alone() -> None:
    assert understood("how much b12 in clams", INJECTIONS).reason == ""
    assert understood("how much in clams", INJECTIONS).reason == Dependence.FRAGMENT.reason


def test_a_question_that_names_nothing_is_read_as_one_on_the_subject_as_well() -> None:
    topics = TOPICS._replace(name="Vitamin B12", known=TOPICS.known | {"dose", "jab", "pain"})

    def reading(question: str, *history: str) -> Reading | None:
        return naming_the_subject(to_query(question, history, topics), topics)

    bare = "what is the dose for nerve pain"
    assert reading(bare) == Reading(f"Vitamin B12: {bare}")
    for question in ("which dose of b12 for nerve pain", "is the vitamin safe"):
        assert reading(question) is None
    assert reading("asdf qwer zxcv") is None  # nor is it a question on anything here
    assert reading("and for pain?", FOODS) is None
    assert reading("what is the dose for pain? and how are jabs given?") is None
    assert naming_the_subject(to_query(bare), NO_TOPICS) is None


@pytest.mark.parametrize(
    ("part", "asks_something"),
    [
        ("what foods have b12", True),
        ("and then is it safe", True),
        ("mushrooms?", True),
        ("sorry, that was a story from the tv", False),
        ("my feet are numb", False),
    ],
)
def test_a_part_of_a_message_asks_or_tells(part: str, asks_something: bool) -> None:
    assert asks(part) is asks_something


def test_words_that_no_document_uses_begin_a_new_topic() -> None:
    topics = Topics(frozenset({"b12"}), frozenset({"b12"}), frozenset({"clam", "inject"}))
    assert to_query("what is the capital of France?", [INJECTIONS], topics).reason == ""


def test_a_word_that_no_document_uses_is_trusted_alone_more_than_joined() -> None:
    topics = Topics(frozenset({"b12"}), frozenset({"b12"}), frozenset({"clam", "inject"}))
    alone, joined = to_query("and mushrooms?", ["b12 in clams"], topics).readings
    assert alone.trust > joined.trust > 0


@pytest.mark.parametrize("dependence", Dependence)
def test_some_reading_is_always_trusted(dependence: Dependence) -> None:
    assert sum(dependence.confidence) > 0
    assert sum(dependence.ranking) > 0
    # What counts for nothing in the ranking is not read at all, and must not be what is trusted.
    assert dependence.ranking.alone > 0 or dependence.confidence.alone == 0


def test_return_without_its_topic_is_read_in_one_way() -> None:
    assert understood("back to homeopathy", FOODS).readings == (Reading("back to homeopathy"),)


def test_topic_is_never_longer_than_its_limit() -> None:
    fragments = [f"eggs{number}?" for number in range(10)]
    assert understood("raw?", FOODS, *fragments).text == " ".join([*fragments[-MAX_TOPIC:], "raw?"])


def test_requests_for_more_do_not_hide_the_topic() -> None:
    query = understood("and for vegans?", FOODS, *["tell me more"] * 20)
    assert query.text.startswith(FOODS)
    assert query.text.endswith("and for vegans?")


@pytest.mark.parametrize("history", [[""], ["  ", "\n\t"], []])
def test_blank_history_is_no_history(history: list[str]) -> None:
    assert understood("and for vegans?", *history) == understood("and for vegans?")


def test_blank_entries_change_nothing() -> None:
    expected = understood("and for vegans?", FOODS, "eggs?")
    assert understood("and for vegans?", "", FOODS, " \n", "eggs?", "") == expected


def test_line_breaks_and_blanks_do_not_count() -> None:
    query = understood(" and\r\n for\tvegans? ", f"\n{FOODS.replace(' ', '  ')} ")
    assert query.text == f"{FOODS} and for vegans?"


def test_words_that_every_passage_shares_name_no_topic() -> None:
    assert to_query("and b12?", [FOODS], TOPICS).reason == Dependence.EMPTY.reason
    assert to_query("and b12?", [FOODS]).reason == Dependence.FRAGMENT.reason


@pytest.mark.parametrize("question", ["why?", "and for vegans?", "back to the foods", INJECTIONS])
def test_thousand_turns_are_understood_as_the_last_few(question: str) -> None:
    recent = [FOODS, COST, "eggs?"]
    long_ago = ["how is tea brewed in a glass pot?", "tell me more", "milk?", ""] * 250
    assert understood(question, *long_ago, *recent) == understood(question, *recent)


def test_topic_of_a_thousand_turns_ago_is_returned_to() -> None:
    between = [INJECTIONS, "safe?", "why?", COST] * 250
    assert understood("back to the foods", FOODS, *between).text == f"{FOODS} back to the foods"


# Words that neither the documents nor the questions they answer use.

KNOWN = TOPICS._replace(known=frozenset(terms(f"{FOODS} {INJECTIONS} {COST} eggs milk")))


def test_question_in_unknown_words_alone_is_a_new_topic_and_read_in_one_way() -> None:
    query = to_query("vegan mushrooms?", [FOODS], KNOWN)
    assert (query.text, query.reason) == ("vegan mushrooms?", "")
    assert query.readings == (Reading("vegan mushrooms?", 1.0, 1.0),)


def test_chain_of_fragments_ends_at_a_topic_in_unknown_words() -> None:
    assert to_query("eggs?", [FOODS, "vegan mushrooms?"], KNOWN).text == "vegan mushrooms? eggs?"


@pytest.mark.parametrize("question", ["and mushrooms?", "what about eggs and mushrooms?", "no, mushrooms"])
def test_follow_up_with_an_unknown_word_is_trusted_more_alone(question: str) -> None:
    alone, joined = to_query(question, [FOODS], KNOWN).readings
    assert (alone.text, joined.text) == (question, f"{FOODS} {question}")
    assert alone.trust > joined.trust > 0
    assert alone.weight == joined.weight


@pytest.mark.parametrize("question", ["eggs?", "what about eggs and milk?", "why?", "back to foods", COST])
def test_known_words_are_understood_as_if_all_words_were_known(question: str) -> None:
    assert to_query(question, [FOODS, INJECTIONS], KNOWN) == to_query(question, [FOODS, INJECTIONS], TOPICS)


def test_half_characters_of_a_terminal_are_replaced() -> None:
    assert understood("raw\udcc3 eggs?", "foods\udcff?").text == "foods?? raw? eggs?"


def test_history_is_not_altered() -> None:
    history = [FOODS, " eggs? "]
    to_query("why?", history)
    assert history == [FOODS, " eggs? "]


# Several questions in one message.


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (FOODS, []),
        ("is it safe and cheap?", []),
        (
            "which foods have much of it, and how are injections given?",
            ["which foods have much of it", "how are injections given?"],
        ),
        ("What do tablets cost? Are they safe?", ["What do tablets cost?", "Are they safe?"]),
        ("what helps? why?", []),  # "why?" names nothing of its own
        ("what helps? which foods? what pills? who pays?", []),  # too many to be meant one by one
        # What is told or supposed beside a question is no question of its own.
        ("foods with much of it, how much is in them?", []),
        ("if the tablets do nothing, what helps?", []),
        ("when the tablets have done nothing, what helps?", []),
        ("so when pain has gone, does it come back?", []),
        ("how are injections given? they hurt last time", []),
        (
            "when were tablets first sold, and what did they cost?",
            ["when were tablets first sold", "what did they cost?"],
        ),
        (
            "I take metformin, which foods have much of it? my feet burn, do injections help?",
            ["I take metformin, which foods have much of it?", "my feet burn, do injections help?"],
        ),
    ],
)
def test_parts_of_a_message(question: str, parts: list[str]) -> None:
    found = understood(question).parts
    assert [part.readings[0].text for part in found] == parts


def test_a_reading_that_is_the_whole_message_is_not_searched_twice() -> None:
    whole = understood("What do tablets cost; are they safe?")
    _, second = whole.parts
    assert [reading.text for reading in second.readings] == ["are they safe?", whole.text]


def test_later_part_may_point_to_an_earlier_one() -> None:
    first, second = understood("What do tablets cost? Are they safe?").parts
    assert first.text == "What do tablets cost?"
    assert second.text == "What do tablets cost? Are they safe?"
    assert second.reason == Dependence.FRAGMENT.reason


PREAMBLE = "We keep bees and sell the honey at the market on Saturdays. " * 6


def test_of_a_long_message_the_questions_are_found_and_what_stands_before_them() -> None:
    asked = "Does honey help it?"
    assert asked_at_length(f"My feet are numb. {asked}") is None
    assert asked_at_length(PREAMBLE) is None
    assert asked_at_length(f"{PREAMBLE}My feet are numb. {asked}") == ("My feet are numb.", asked, False)
    assert asked_at_length(f"{asked}\n\n{PREAMBLE * 3}") == ("", asked, True)
    assert asked_at_length("Which of these " + "many " * 70 + "words is a question?") is None


def test_a_long_message_is_read_as_a_whole_and_by_its_question_alike() -> None:
    message = f"{PREAMBLE}My feet are numb. Does honey help swollen ankles in winter?".strip()
    query = to_query(message)
    assert (query.text, query.reason) == (message, "")
    assert [(r.text, r.weight, r.trust) for r in query.readings] == [
        (message, 1.0, 1.0),
        ("Does honey help swollen ankles in winter?", 1.0, 1.0),
    ]
