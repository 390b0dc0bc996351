"""What a build takes over, what it says, who may build, and the way back. Faults: test_building_faults.py."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import ROOT, SMALL_TEXT, HashingEncoder
from test_index import QUESTIONS, CountingEncoder, build, contents, edit, generation, names, reseal

from b12qa import answering, bank, building
from b12qa.answering import Assistant
from b12qa.building import build_index, roll_back
from b12qa.cli import app
from b12qa.corpus import read_corpus
from b12qa.embedding import FloatMatrix
from b12qa.errors import (
    BuildLockedError,
    CorpusError,
    DamagedIndexError,
    MissingIndexError,
    ModelMismatchError,
    StaleIndexError,
)
from b12qa.generations import current_generation
from b12qa.index import Index, check_fresh, check_servable, open_index
from b12qa.lexical import terms
from b12qa.storage import locked


@pytest.fixture
def small_corpus(small_corpus: Path) -> Path:
    """Two documents, each with a question bank."""
    (small_corpus / "tea.questions.yaml").write_text(QUESTIONS)
    (small_corpus / "coffee.md").write_text("# Coffee\n\nCoffee keeps people awake. It is black.\n")
    (small_corpus / "coffee.questions.yaml").write_text(
        "sentences:\n  - sentence: It is black.\n    questions: [which colour has it?]\n"
    )
    return small_corpus


@pytest.fixture
def index(tmp_path: Path, small_corpus: Path) -> Path:
    build(tmp_path / "index", small_corpus)
    return tmp_path / "index"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def take_away(corpus: Path, name: str) -> None:
    """Remove a document with its bank."""
    for path in corpus.glob(f"{name}.*"):
        path.unlink()


def rename(corpus: Path, name: str, new: str) -> None:
    """Rename a document with its bank."""
    for path in corpus.glob(f"{name}.*"):
        path.rename(path.with_name(path.name.replace(name, new)))


# Incremental.


EDITS: dict[str, Callable[[Path], object]] = {
    "a sentence": lambda corpus: edit(corpus),
    "a heading": lambda corpus: replace(corpus / "tea.md", "## Kinds", "## Sorts"),
    "a new document": lambda corpus: (corpus / "milk.md").write_text("# Milk\n\nTea is a drink.\n"),
    "a document less": lambda corpus: take_away(corpus, "coffee"),
    "a document renamed": lambda corpus: rename(corpus, "coffee", "zoffee"),
    "a question": lambda corpus: replace(corpus / "tea.questions.yaml", "how long", "how many minutes"),
    "a question asked of another sentence": lambda corpus: replace(
        corpus / "tea.questions.yaml", "Wait 3 minutes.", "Tea is a drink."
    ),
    "what a question hangs on": lambda corpus: replace(
        corpus / "tea.questions.yaml", "how long does it take?", "how long? >> does it take?"
    ),
    "synonyms": lambda corpus: (corpus / "tea.synonyms.yaml").write_text("- [tea, cuppa]\n"),
    "no bank": lambda corpus: (corpus / "tea.questions.yaml").unlink(),
    "an order": lambda corpus: replace(
        corpus / "tea.md", "- green tea\n- **black** tea", "- **black** tea\n- green tea"
    ),
}


class NotingEncoder(HashingEncoder):
    """Remembers the texts it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        self.noted += texts
        return super().encode(texts)


def replace(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("what", EDITS)
def test_an_incremental_build_equals_one_from_nothing_byte_for_byte(
    index: Path, small_corpus: Path, tmp_path: Path, what: str
) -> None:
    EDITS[what](small_corpus)
    encoder = CountingEncoder()
    report = build(index, small_corpus, encoder)
    from_nothing = build(tmp_path / "other", small_corpus)
    assert contents(index) == contents(tmp_path / "other")
    assert encoder.texts == report.embedded
    assert (report.embedded + report.reused, report.reused > 10) == (from_nothing.embedded, True)
    assert from_nothing.reused == 0


def test_a_document_that_is_taken_over_keeps_the_sentences_that_were_cut(
    tmp_path: Path, small_corpus: Path
) -> None:
    (small_corpus / "milk.md").write_text("# Milk\n\nMilk is white " + "and sweet " * 40 + "and good.\n")
    build(tmp_path / "index", small_corpus)
    edit(small_corpus)
    build(tmp_path / "index", small_corpus)
    build(tmp_path / "other", small_corpus)
    assert contents(tmp_path / "index") == contents(tmp_path / "other")
    assert any(sentence.continues for sentence in open_index(tmp_path / "index").sentences)


def test_a_question_is_embedded_with_those_that_it_hangs_on_and_gives_its_own_words_alone(
    index: Path, small_corpus: Path
) -> None:
    asked = "which tea? >> the bitter one? >> sieved or stirred?"
    bank = small_corpus / "tea.questions.yaml"
    replace(bank, "how long does it take?", f'"{asked}"')
    replace(bank, "question: how much sugar?", "question: with lemon? >> or honey?")
    encoder = NotingEncoder()
    build(index, small_corpus, encoder)
    assert sorted(encoder.noted) == ["which tea? the bitter one? sieved or stirred?", "with lemon? or honey?"]
    words = open_index(index).words
    for stems in (words.taught.hits(terms(text)).scores for text in ("sieved", "stirred")):
        assert np.flatnonzero(stems).size == 1
    for earlier in ("which", "bitter", "lemon"):
        assert not words.taught.hits(terms(earlier)).scores.any()
        assert not words.questions.hits(terms(earlier)).scores.any()
    assert words.questions.hits(terms("honey")).scores.any()


def test_only_new_texts_are_embedded(index: Path, small_corpus: Path) -> None:
    encoder = NotingEncoder()
    replace(small_corpus / "tea.md", "Wait 3 minutes.", "Wait 4 minutes.")
    build(index, small_corpus, encoder)
    passage = "Brewing\nUse water at 90.5 degrees. Wait 4 minutes."
    assert sorted(encoder.noted) == [passage, "Wait 4 minutes."]


def test_a_heading_is_part_of_what_is_embedded(index: Path, small_corpus: Path) -> None:
    replace(small_corpus / "tea.md", "## Kinds", "## Sorts")
    assert build(index, small_corpus).embedded == 2  # two passages, and no sentence


def test_the_generation_before_the_current_one_is_used_as_well(index: Path, small_corpus: Path) -> None:
    edit(small_corpus)
    build(index, small_corpus)
    (small_corpus / "tea.md").write_bytes(SMALL_TEXT.encode())
    (small_corpus / "milk.md").write_text("Milk is white.")
    assert build(index, small_corpus).embedded == 1


@pytest.mark.parametrize("how", ["another model", "damage", "another library"])
def test_vectors_that_cannot_be_trusted_are_not_used(
    index: Path, small_corpus: Path, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = HashingEncoder(name="other") if how == "another model" else HashingEncoder()
    if how == "damage":
        path = generation(index) / "questions.faiss"
        path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    if how == "another library":
        reseal(generation(index), lambda manifest: manifest["made_with"].update(torch="0.0.1"))
    edit(small_corpus)
    assert build(index, small_corpus, encoder).reused == 0
    build(tmp_path / "other", small_corpus, encoder)
    assert contents(index) == contents(tmp_path / "other")


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The answered questions of every bank that is learnt from."""
    learnt: list[object] = []
    original = bank.fit

    def fit(**parts: object) -> object:
        learnt.append(parts["questions"])
        return original(**parts)  # type: ignore[arg-type]

    monkeypatch.setattr(building, "fit", fit)
    return learnt


def test_only_the_bank_of_an_edited_document_is_learnt_again(
    index: Path, small_corpus: Path, learnt: list[object]
) -> None:
    replace(small_corpus / "coffee.md", "# Coffee", "# Black coffee")  # no sentence, no question
    build(index, small_corpus)
    assert learnt == []
    edit(small_corpus)
    build(index, small_corpus)
    followed = ["how much caffeine?", "is there caffeine in it?"]  # of 40 mg, which are 50 mg now
    assert learnt == [["how long does it take?", *followed]]


def test_a_bank_with_the_same_texts_and_other_words_of_its_own_is_learnt_again(
    index: Path, small_corpus: Path, learnt: list[object]
) -> None:
    questions = small_corpus / "tea.questions.yaml"
    replace(questions, "is there caffeine in it?", "is there caffeine >> in it?")
    build(index, small_corpus)
    replace(questions, "is there caffeine >> in it?", "is there >> caffeine in it?")
    assert build(index, small_corpus).embedded == 0
    own = [asked[1] for asked in learnt if isinstance(asked, list)]
    assert own == ["in it?", "caffeine in it?"]


# What a build says.


def test_the_report_names_the_sections_that_changed(index: Path, small_corpus: Path) -> None:
    before = current_generation(index)
    replace(small_corpus / "tea.md", "Wait 3 minutes.", "Wait 4 minutes.\n\nPour.")
    report = build(index, small_corpus)
    assert report.compared_with == before
    assert [(change.document, change.section_path[-1], str(change)) for change in report.changes] == [
        ("coffee", "Coffee", "1 unchanged"),
        ("tea", "Tea", "1 unchanged"),
        ("tea", "Kinds", "2 unchanged"),
        ("tea", "Brewing", "1 added, 1 changed"),
    ]
    assert report.seconds > 0


def test_a_first_build_compares_with_nothing(tmp_path: Path, small_corpus: Path) -> None:
    report = build(tmp_path / "first", small_corpus)
    assert report.compared_with is None
    assert all(change.added and not change.unchanged for change in report.changes)


def test_the_command_line_prints_only_sections_with_changes(
    index: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b12qa.embedding.load_encoder", lambda model, allow_download: HashingEncoder())
    edit(small_corpus)
    printed = run("build", "--index", index, "--corpus", small_corpus).stdout
    changed, summary = printed.splitlines()
    assert changed == "tea: Tea: 1 changed"
    assert "embedded 2 texts, reused 16 (" in summary


# One build at a time.

HOLD = """
import sys, time
from pathlib import Path
from b12qa.storage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(index: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(index)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_build_is_told_who_builds_and_may_build_when_that_one_is_dead(
    index: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b12qa.embedding.load_encoder", None)  # must not be reached
    edit(small_corpus)
    before = contents(index)
    process = holder(index)
    try:
        message = rf"is being written by process {process.pid}\. Wait until it ends"
        with pytest.raises(BuildLockedError, match=message):
            build(index, small_corpus)
        with pytest.raises(BuildLockedError, match=message):
            roll_back(index)
        started = time.perf_counter()
        refusal = run("build", "--index", index, "--corpus", small_corpus)
        assert time.perf_counter() - started < 1
        assert refusal.exit_code == 2
        assert refusal.stderr.startswith(f"b12qa: {index} is being written by process {process.pid}.")
        assert contents(index) == before
        assert open_index(index).documents[1].text == SMALL_TEXT  # readers need no lock
    finally:
        process.kill()
        process.wait()
    assert build(index, small_corpus).generation == current_generation(index)


def test_threads_exclude_each_other_and_one_thread_may_enter_twice(index: Path) -> None:
    refused = []

    def enter() -> None:
        try:
            with locked(index):
                pass
        except BuildLockedError as error:
            refused.append(str(error))

    with locked(index), locked(index):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    enter()
    assert refused == [
        f"{index} is being written by process {os.getpid()}. Wait until it ends, then try again."
    ]


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path: Path) -> None:
    with locked(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()


READ_ONLY = """
import sys
from b12qa import embedding
def load_encoder(*arguments, **options):
    raise SystemExit("the model was loaded")
embedding.load_encoder = load_encoder
from b12qa.cli import app
app(["build", "--index", sys.argv[1], "--corpus", sys.argv[2]])
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("what", ["folder", "parent"])
def test_a_folder_that_cannot_be_written_is_noticed_before_the_model_is_loaded(
    index: Path, small_corpus: Path, what: str
) -> None:
    where = index if what == "folder" else index.parent / "sealed" / "index"
    sealed = where if what == "folder" else where.parent
    sealed.mkdir(exist_ok=True)
    sealed.chmod(0o555)
    command = [sys.executable, "-c", READ_ONLY, str(where), str(small_corpus)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("permissions say nothing to root, and setpriv is not there to change that")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    sealed.chmod(0o755)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr == (
        f"b12qa: {where} cannot be written (Permission denied). "
        "Make it writable, or name another folder: --index DIR\n"
    )


# One reading of the corpus.


@pytest.mark.parametrize("change", ["edited", "removed", "added", "bank edited"])
@pytest.mark.parametrize("known", [False, True])
def test_a_file_that_changes_during_the_build_stops_it(
    index: Path, small_corpus: Path, change: str, known: bool
) -> None:
    before, old = contents(index), names(index)
    if not known:  # a generation that has to be built
        edit(small_corpus)
    corpus = read_corpus(small_corpus)
    file = {"added": "new.md", "bank edited": "tea.questions.yaml"}.get(change, "coffee.md")
    if change == "removed":
        (small_corpus / file).unlink()
    else:
        with (small_corpus / file).open("a") as opened:
            opened.write("\nfine: \n")
    with pytest.raises(CorpusError, match=rf"{file} changed during the build; the index stays as it was"):
        build_index(corpus, HashingEncoder(), index)
    assert contents(index) == before
    assert names(index) == old


# Back, and what is kept.


def test_a_rollback_serves_the_generation_before_until_the_next_build(
    index: Path, small_corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = contents(index)
    edit(small_corpus)
    build(index, small_corpus)
    started = time.perf_counter()
    earlier = roll_back(index)
    assert time.perf_counter() - started < 1
    assert contents(index) == before
    assert earlier.generation == current_generation(index)

    opened, corpus = open_index(index), read_corpus(small_corpus)
    assert opened.rolled_back
    assert opened.documents[1].text == SMALL_TEXT
    check_servable(opened, corpus, HashingEncoder())
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "b12qa.index"]
    assert warning.startswith(f"b12qa: warning: answers come from the generation {opened.generation}, ")
    assert "another text of tea.md (SHA-256" in warning
    with pytest.raises(StaleIndexError, match=r"another text of tea\.md .* It was rolled back"):
        check_fresh(opened, corpus, HashingEncoder())
    with pytest.raises(ModelMismatchError):
        check_servable(opened, corpus, HashingEncoder(name="other"))

    build(index, small_corpus)
    opened = open_index(index)
    assert not opened.rolled_back
    check_fresh(opened, corpus, HashingEncoder())


def test_an_index_rolled_back_to_is_served_whatever_the_corpus_is(
    index: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(small_corpus)
    build(index, small_corpus)
    roll_back(index)
    (small_corpus / "tea.md").write_bytes(b"\xff\xfe")
    monkeypatch.setattr(answering, "find_model", lambda *_: HashingEncoder())
    monkeypatch.setattr(answering, "load_encoder", lambda *_: HashingEncoder())
    assert answering.load(index, corpus=small_corpus).documents[1].text == SMALL_TEXT


def test_an_index_that_was_not_rolled_back_may_not_be_older_than_the_corpus(
    index: Path, small_corpus: Path
) -> None:
    edit(small_corpus)
    with pytest.raises(StaleIndexError):
        check_servable(open_index(index), read_corpus(small_corpus), HashingEncoder())


def test_a_build_of_the_text_rolled_back_to_ends_the_rollback(index: Path, small_corpus: Path) -> None:
    edit(small_corpus)
    build(index, small_corpus)
    roll_back(index)
    (small_corpus / "tea.md").write_bytes(SMALL_TEXT.encode())
    build(index, small_corpus)
    edit(small_corpus)
    with pytest.raises(StaleIndexError):
        check_servable(open_index(index), read_corpus(small_corpus), HashingEncoder())


def test_there_is_one_way_back_and_not_two(index: Path, small_corpus: Path) -> None:
    with pytest.raises(MissingIndexError, match=r"no generation before .*run: b12qa build"):
        roll_back(index)
    edit(small_corpus)
    build(index, small_corpus)
    roll_back(index)
    with pytest.raises(MissingIndexError, match=r"no generation before the current one"):
        roll_back(index)
    refused = run("rollback", "--index", index)
    assert (refused.exit_code, "no generation before" in refused.stderr) == (1, True)


def test_a_damaged_generation_is_not_rolled_back_to(index: Path, small_corpus: Path) -> None:
    old = generation(index)
    edit(small_corpus)
    new = build(index, small_corpus).generation
    (old / "rows.json").write_bytes(b"{}")
    with pytest.raises(DamagedIndexError):
        roll_back(index)
    assert current_generation(index) == new
    assert not open_index(index).rolled_back
    assert run("rollback", "--index", index).exit_code == 2


def test_a_rollback_leads_away_from_a_damaged_generation(index: Path, small_corpus: Path) -> None:
    old = current_generation(index)
    edit(small_corpus)
    build(index, small_corpus)
    shutil.rmtree(generation(index))
    assert roll_back(index).generation == old == open_index(index).generation


def test_after_a_build_the_generation_served_before_is_the_way_back_even_after_a_rollback(
    index: Path, small_corpus: Path
) -> None:
    old = current_generation(index)
    edit(small_corpus)
    bad = build(index, small_corpus).generation
    roll_back(index)
    replace(small_corpus / "tea.md", "50 mg", "60 mg")
    build(index, small_corpus)
    assert not (index / bad).exists()
    assert roll_back(index).generation == old


def test_two_generations_are_kept(index: Path, small_corpus: Path) -> None:
    (index / "notes").mkdir()  # what is no generation is left alone
    made = [current_generation(index)]
    for amount in range(50, 55):
        (small_corpus / "tea.md").write_text(SMALL_TEXT.replace("40", str(amount)))
        made.append(build(index, small_corpus).generation)
    assert names(index) == {"CURRENT", "PREVIOUS", "notes", *made[-2:]}
    build(index, small_corpus)
    assert names(index) == {"CURRENT", "PREVIOUS", "notes", *made[-2:]}


def test_a_reader_whose_generation_vanishes_opens_the_next(
    index: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from b12qa import index as module

    original, calls = module.read_generation, []

    def read(folder: Path, name: str, **options: Any) -> object:
        calls.append(name)
        if len(calls) == 1:
            with monkeypatch.context() as patch:
                patch.setattr(module, "read_generation", original)
                for amount in (50, 60):
                    (small_corpus / "tea.md").write_text(SMALL_TEXT.replace("40", str(amount)))
                    build(index, small_corpus)
            assert not folder.exists()
        return original(folder, name, **options)

    monkeypatch.setattr(module, "read_generation", read)
    assert "60 mg" in open_index(index).documents[1].text
    assert len(calls) == 2


@pytest.mark.model
def test_a_rollback_is_served_and_said_at_every_door(tmp_path: Path) -> None:
    corpus, index = tmp_path / "corpus", tmp_path / "index"
    corpus.mkdir()
    (corpus / "tea.md").write_text(SMALL_TEXT)
    where = ("--index", index, "--corpus", corpus)
    assert run("build", *where).exit_code == 0
    edit(corpus)
    assert run("build", *where).stdout.startswith("Tea: 1 changed\nGeneration ")
    rolled = run("rollback", *where)
    assert rolled.exit_code == 0
    assert "is current again: 4 passages" in rolled.stdout
    advice = f"Mend the corpus, then run: b12qa build --index {index} --corpus {corpus}\n"
    assert rolled.stdout.endswith(advice)
    asked = [sys.executable, "-c", "from b12qa.cli import app; app()", "ask", "caffeine?", "--json"]
    ran = subprocess.run([*asked, *map(str, where)], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert "40 mg" in json.loads(ran.stdout)["quotes"][0]["text"]
    assert "b12qa: warning: answers come from the generation " in ran.stderr
    assert ran.stderr.endswith(advice)
    checked = run("check", *where)
    assert checked.exit_code == 1
    assert "It was rolled back, and is served as it is until the next build" in checked.stderr
    # Not even --build ends it: only the command of that name does.
    assert Assistant.load(index, corpus=corpus, build=True).retriever.index.rolled_back
    assert run("build", *where).exit_code == 0
    assert run("check", *where).exit_code == 0


def test_reports_are_plain_data(index: Path, small_corpus: Path) -> None:
    assert dataclasses.asdict(build(index, small_corpus))["embedded"] == 0


def test_two_builds_at_once_leave_the_collector_of_garbage_as_it_was(
    tmp_path: Path, small_corpus: Path
) -> None:
    corpus, before = read_corpus(small_corpus), gc.get_threshold()
    first_may_end, second_may_end = threading.Event(), threading.Event()
    ended = []

    def build_until(may_end: threading.Event, begun: threading.Event, name: str) -> None:
        def wait(_: Index) -> None:
            begun.set()
            assert may_end.wait(60)

        build_index(corpus, HashingEncoder(), tmp_path / name, publish=wait)
        ended.append((name, gc.get_threshold()))

    begun = [threading.Event(), threading.Event()]
    first = threading.Thread(target=build_until, args=(first_may_end, begun[0], "first"))
    second = threading.Thread(target=build_until, args=(second_may_end, begun[1], "second"))
    for thread, has_begun in zip((first, second), begun, strict=True):
        thread.start()
        assert has_begun.wait(60)
    for thread, may_end in ((first, first_may_end), (second, second_may_end)):
        may_end.set()
        thread.join()
    assert ended == [("first", building.SELDOM), ("second", before)]
