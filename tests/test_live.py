"""A chat that goes on while the index is rebuilt."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL_TEXT, HashingEncoder

from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.errors import DamagedIndexError
from b12qa.index import open_index
from b12qa.retrieval import Retriever
from b12qa.web import live
from b12qa.web.live import LiveAssistant
from b12qa.web.page import Served
from b12qa.web.replies import REBUILT_WORDS, Conversation, brought_to, turn_for

EDITED_TEXT = SMALL_TEXT.replace("Wait 3 minutes.", "Wait 4 minutes.")


@dataclass
class Kitchen:
    """A corpus, its index, and a chat that serves it."""

    corpus: Path
    index: Path
    encoder: HashingEncoder = field(default_factory=HashingEncoder)
    told: list[str] = field(default_factory=list)
    seconds: float = 0.0  # what the clock of the chat shows

    def build(self, text: str, encoder: HashingEncoder | None = None) -> str:
        """Write the document, build, and name the generation."""
        (self.corpus / "tea.md").write_bytes(text.encode())
        return build_index(read_corpus(self.corpus), encoder or self.encoder, self.index).generation

    def assistant(self) -> Assistant:
        """An assistant for the generation that is current."""
        return Assistant(Retriever(open_index(self.index), self.encoder))


@pytest.fixture
def kitchen(small_corpus: Path, tmp_path: Path) -> Kitchen:
    kitchen = Kitchen(small_corpus, tmp_path / "index")
    kitchen.build(SMALL_TEXT)
    return kitchen


@pytest.fixture
def serving(kitchen: Kitchen) -> LiveAssistant:
    return LiveAssistant(kitchen.assistant(), kitchen.index, kitchen.told.append, lambda: kitchen.seconds)


def quoted(served: Served, question: str = "Use water, wait minutes.") -> str:
    return " ".join(quote.text for quote in served.assistant.search(question, top_k=1))


def test_new_generation_is_served_once_it_is_looked_for(kitchen: Kitchen, serving: LiveAssistant) -> None:
    before = serving()
    name = kitchen.build(EDITED_TEXT)
    assert serving() is before
    serving.look()
    assert serving().generation == name
    assert "Wait 4 minutes." in quoted(serving())
    assert "Wait 4 minutes." in serving().articles
    assert kitchen.told == [f"Serving generation {name} from now on."]
    # What was under way ends on what it began with.
    assert "Wait 3 minutes." in quoted(before)


def test_nothing_is_opened_while_the_generation_stays(kitchen: Kitchen, serving: LiveAssistant) -> None:
    before = serving()
    kitchen.build(SMALL_TEXT)
    serving.look()
    assert serving() is before
    assert kitchen.told == []


def test_damaged_generation_is_not_served_and_said_once(kitchen: Kitchen, serving: LiveAssistant) -> None:
    before = serving()
    name = kitchen.build(EDITED_TEXT)
    rows = kitchen.index / name / "rows.json"
    rows.write_bytes(rows.read_bytes().replace(b"4", b"5", 1))
    for _ in range(2):
        serving.look()
    assert serving() is before
    (words,) = kitchen.told
    assert words.startswith(f"Still serving generation {before.generation}: ")
    assert "rows.json" in words
    assert "b12qa build" in words
    # Mended, it is served after all.
    kitchen.build(EDITED_TEXT)
    kitchen.seconds += live.MOST_SECONDS_BETWEEN_TRIES
    serving.look()
    assert serving().generation == name


def test_refused_generation_is_tried_less_and_less_and_another_at_once(
    kitchen: Kitchen, serving: LiveAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def refuse(*_: object) -> None:
        tries.append(kitchen.seconds)
        raise DamagedIndexError("It is damaged.")

    kitchen.build(EDITED_TEXT)
    with monkeypatch.context() as patch:
        patch.setattr(live, "open_index", refuse)
        for second in range(1500):
            kitchen.seconds = second
            serving.look()
        assert tries == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411]
        kitchen.build(SMALL_TEXT.replace("40 mg", "50 mg"))
        serving.look()
        assert tries[-1] == 1499
    name = kitchen.build(SMALL_TEXT.replace("40 mg", "60 mg"))
    serving.look()
    assert serving().generation == name


def test_generation_of_another_model_is_not_served(kitchen: Kitchen, serving: LiveAssistant) -> None:
    before = serving()
    kitchen.build(EDITED_TEXT, HashingEncoder(dimension=32, name="another"))
    serving.look()
    assert serving() is before
    assert "another" in kitchen.told[0]


def test_missing_current_keeps_the_old_generation(kitchen: Kitchen, serving: LiveAssistant) -> None:
    before = serving()
    (kitchen.index / "CURRENT").unlink()
    serving.look()
    assert serving() is before
    assert len(kitchen.told) == 1


def comes_to(serving: LiveAssistant, name: str) -> bool:
    """Whether a generation is served within half a minute."""
    deadline = time.monotonic() + 30
    while serving().generation != name and time.monotonic() < deadline:
        time.sleep(0.01)
    return serving().generation == name


def test_watching_finds_a_new_generation_by_itself(
    kitchen: Kitchen, serving: LiveAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SECONDS_BETWEEN_LOOKS", 0.01)
    serving.watch()
    name = kitchen.build(EDITED_TEXT)
    assert comes_to(serving, name)


@pytest.mark.parametrize("step", ["opening", "showing"])
def test_watching_goes_on_after_any_fault_and_logs_no_word_of_it(
    step: str, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "SECONDS_BETWEEN_LOOKS", 0.01)
    watching = LiveAssistant(kitchen.assistant(), kitchen.index, kitchen.told.append)
    faults = [MemoryError("private"), RuntimeError("private")]

    def fail(*given: Any) -> Any:
        if faults:
            raise faults.pop()
        return open_index(*given)

    if step == "opening":
        monkeypatch.setattr(live, "open_index", fail)
    else:
        watching.on_new = lambda served: fail(kitchen.index) and None
    watching.watch()
    name = kitchen.build(EDITED_TEXT)
    assert comes_to(watching, name)
    assert "RuntimeError in fail" in caplog.text
    assert "MemoryError in fail" in caplog.text
    assert "private" not in caplog.text + " ".join(kitchen.told)


@pytest.fixture
def rebuilding(kitchen: Kitchen, serving: LiveAssistant) -> Iterator[threading.Thread]:
    """Eight builds, each looked for at once, beside the test."""

    def rebuild() -> None:
        for number in range(8):
            kitchen.build(
                SMALL_TEXT.replace("3 minutes", f"{number} minutes").replace("40 mg", f"{number} mg")
            )
            serving.look()

    thread = threading.Thread(target=rebuild)
    yield thread
    thread.join()


def test_no_answer_mixes_generations_while_the_index_is_rebuilt(
    serving: LiveAssistant, rebuilding: threading.Thread
) -> None:
    faults: list[str] = []
    answers = 0

    def ask() -> None:
        nonlocal answers
        while rebuilding.is_alive():
            served = serving()
            (document,) = served.assistant.documents
            answer = served.assistant.ask("How long do I wait?")
            results = served.assistant.search("How much caffeine does it have?")
            answers += 1
            for passage in (*answer.quotes, *results):
                if document.text[passage.start : passage.end] != passage.text:
                    faults.append(passage.text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    rebuilding.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert answers > 4


def test_conversation_goes_on_with_earlier_answers_unlinked(kitchen: Kitchen) -> None:
    turn = turn_for(kitchen.assistant(), "Wait 3 minutes.", [])
    conversation = Conversation("old", turns=(turn,), page_shows="old")
    assert brought_to("old", conversation) is conversation
    later = brought_to("new", conversation)
    assert later.generation == "new"
    assert 'class="open' in turn.reply
    assert 'class="open' not in later.turns[0].reply
    assert 'class="share"' in later.turns[0].reply  # it tells what became of the passage
    assert "Wait 3 minutes." in later.turns[0].reply
    assert REBUILT_WORDS in later.turns[1].reply
    assert later.turns[1].question == ""


def test_conversation_without_a_question_is_told_nothing() -> None:
    assert brought_to("new", Conversation("old")).turns == ()
