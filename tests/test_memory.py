"""Conversations of pages that are loaded again: how long they are kept, and how many."""

from __future__ import annotations

import time

import pytest

from b12qa.web import memory as web_memory
from b12qa.web.memory import Memory
from b12qa.web.replies import Conversation, Turn

NOTHING = Conversation("g", page_shows="h")
NAME = "a" * 32


def conversation(name: str = NAME) -> Conversation:
    return Conversation("g", "load", name, (Turn("wait?", "3 minutes", "3 minutes"),))


def test_conversation_is_kept_for_its_time_after_the_last_question_and_no_longer() -> None:
    now = [0.0]
    memory = Memory(10, lambda: now[0])
    memory.keep(conversation())
    now[0] = 9.0
    assert memory.known(NOTHING, NAME) == conversation()._replace(page_shows="h")
    memory.keep(conversation())
    now[0] = 18.0
    assert memory.known(NOTHING, NAME).turns
    now[0] = 19.0
    assert memory.known(NOTHING, NAME) == NOTHING


def test_it_goes_at_its_time_though_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_memory, "SECONDS_BETWEEN_LOOKS", 0.01)
    memory = Memory(0.05)
    for _ in range(2):  # the second time somebody looks again
        memory.keep(conversation())
        for _ in range(500):
            if not memory._kept:
                break
            time.sleep(0.01)
        assert not memory._kept


def test_the_load_that_shows_it_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_memory, "MAX_KEPT", 1)
    now, dropped = [0.0], list[str]()
    memory = Memory(10, lambda: now[0])
    memory.drop = dropped.append
    memory.keep(conversation())
    for load in ("second", "third", "third"):
        memory.shown_again(NAME, load)
    assert dropped == ["load", "second"]
    now[0] = 9.0
    assert memory.known(NOTHING, NAME).turns
    now[0] = 10.0  # to be shown begins no other hour
    assert memory.known(NOTHING, NAME) == NOTHING
    assert dropped == ["load", "second", "third"]
    memory.keep(conversation())
    memory.keep(conversation("b" * 32)._replace(session="other"))  # there is room for one
    assert dropped[3:] == ["load"]


def test_no_more_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_memory, "MAX_KEPT", 2)
    memory, names = Memory(), ["a" * 32, "b" * 32, "c" * 32]
    for name in names:
        memory.keep(conversation(name))
    assert [bool(memory.known(NOTHING, name).turns) for name in names] == [False, True, True]


@pytest.mark.parametrize("name", ["", "a", "A" * 32, "a" * 33, "a" * 31 + "\n"])
def test_what_was_not_drawn_by_lot_is_no_name(name: str) -> None:
    memory = Memory()
    memory.keep(conversation(name))
    assert memory.known(NOTHING, name) == NOTHING


def test_an_answer_is_rated_once_and_its_thumb_goes_with_the_conversation() -> None:
    memory, turn = Memory(), conversation().turns[0]
    assert memory.rate(NAME, turn, True)  # of a page that is not known, nothing is
    memory.keep(conversation())
    assert [memory.rate(NAME, turn, thumb) for thumb in (True, False)] == [True, False]
    other = turn._replace(question="and milk?")
    memory.keep(conversation()._replace(turns=(turn, other)))
    assert memory.thumbs(NAME) == {("wait?", ""): True}
    assert memory.rate(NAME, turn, None)  # it could not be kept
    assert memory.rate(NAME, turn, False)
    memory.keep(conversation()._replace(turns=(other,)))
    assert memory.thumbs(NAME) == {}
    assert memory.rate(NAME, other, True)
    memory.start_over(NAME, "load")
    assert memory.thumbs(NAME) == {}
