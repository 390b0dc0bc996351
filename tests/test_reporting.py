"""The editor's report: what it finds in a corpus, and the page that it writes."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import SMALL_TEXT, HashingEncoder
from strategies import in_proportion

from b12qa import answering, cli, reporting
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.evaluation import Kind, QuestionRow
from b12qa.feedback import Feedback, append_feedback
from b12qa.index import open_index
from b12qa.markdown import Lines
from b12qa.plain import in_bytes
from b12qa.reporting import (
    MAP_SIZE,
    Report,
    asked_sections,
    long_texts,
    make_map,
    make_report,
    projected,
    report_html,
)
from b12qa.retrieval import Retriever

BANK = """\
sentences:
- sentence: It has 40 mg of caffeine.
  questions: [how much caffeine is in it?, is there caffeine?]
- sentence: Wait 3 minutes.
  questions: [how long should I wait?, how many minutes does it take?]
- sentence: Use water at 90.5 degrees.
  questions: [how hot should the water be?]
open:
- section: Kinds
  questions:
  - {question: is there red tea?, reason: names no red tea}
  - {question: which shops sell tea?, reason: names no shops}
"""
COFFEE = "# Coffee\n\nCoffee is roasted.\n\n## Empty\n"
EVALUATION = [
    QuestionRow("e1", Kind.ANSWERABLE, "how much caffeine?", gold=(("It has 40 mg of caffeine.",),)),
    QuestionRow("e2", Kind.ANSWERABLE, "and how long to wait?", ("brewing?",), (("Wait 3 minutes.",),)),
    QuestionRow("e3", Kind.UNANSWERABLE_NEAR, "is there caffeine in red tea?"),
]


def assistant_for(folder: Path, files: dict[str, str], encoder: HashingEncoder | None = None) -> Assistant:
    corpus = folder / "corpus"
    corpus.mkdir()
    for name, text in files.items():
        (corpus / name).write_bytes(text.encode())
    encoder = encoder or HashingEncoder()
    build_index(read_corpus(corpus), encoder, folder / "index")
    return Assistant(Retriever(open_index(folder / "index"), encoder))


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """Two documents, of which one has a bank."""
    files = {"coffee.md": COFFEE, "tea.md": SMALL_TEXT, "tea.questions.yaml": BANK}
    return assistant_for(tmp_path_factory.mktemp("tea"), files)


@pytest.fixture(scope="module")
def report(assistant: Assistant) -> Report:
    return make_report(assistant, EVALUATION)


# What it finds.


def test_sections_are_listed_with_their_sentences_and_questions(report: Report) -> None:
    found = [
        (s.document, s.path, s.line, s.size, s.questions, s.unasked, s.open_questions)
        for s in report.sections
    ]
    assert found == [
        ("coffee", "Coffee", 1, 1, 0, 0, 0),  # without a bank no sentence is a gap
        ("coffee", "Empty", 5, 0, 0, 0, 0),
        ("tea", "Tea", 1, 2, 2, 1, 0),
        ("tea", "Kinds", 5, 2, 0, 2, 2),
        ("tea", "Brewing", 10, 2, 3, 0, 0),
    ]
    assert [(s.text, s.line, s.questions) for s in report.sections[2].sentences] == [
        ("Tea is a drink.", 3, 0),
        ("It has 40 mg of caffeine.", 3, 2),
    ]


def test_a_section_is_reached_by_a_gold_sentence_or_a_first_passage(assistant: Assistant) -> None:
    def reached(*rows: QuestionRow) -> list[str]:
        return [section.path for section in make_report(assistant, rows).sections if section.reached]

    assert reached(*EVALUATION) == ["Tea", "Brewing"]
    assert reached(QuestionRow("x", Kind.UNANSWERABLE_FAR, "is coffee roasted?")) == ["Coffee"]
    # The gold sentence stands in one section, and another comes first.
    gold = QuestionRow("y", Kind.ANSWERABLE, "is coffee roasted?", gold=(("black tea",),))
    assert reached(gold) == ["Coffee", "Kinds"]
    assert {section.reached for section in make_report(assistant).sections} == {None}


def test_the_worst_questions_say_what_was_wanted_and_what_came(assistant: Assistant, report: Report) -> None:
    assert [question.id for question in report.worst] == ["e3"]  # the others were answered rightly
    near = report.worst[0]
    assert near.expected == ()
    assert (near.outcome, near.nothing_shown) == ("From the article", False)
    missed = QuestionRow("e4", Kind.ANSWERABLE, "and how long to wait?", ("brewing?",), (("black tea",),))
    (follow_up,) = make_report(assistant, [*EVALUATION[:2], missed]).worst
    assert follow_up.history == ("brewing?",)
    assert follow_up.expected == (("black tea",),)
    assert (follow_up.nearest, follow_up.section) == ("Wait 3 minutes.", "Brewing")


def test_a_page_without_worst_questions_says_so(assistant: Assistant) -> None:
    page = report_html(make_report(assistant, EVALUATION[:2]))
    assert "2 questions were asked, and all were handled as wanted." in page
    assert "furthest from what was wanted" not in page
    assert "furthest from what was wanted" in report_html(make_report(assistant, EVALUATION))


def test_long_blocks_and_passages_stand_out(tmp_path: Path) -> None:
    block = "One long list of words that no model of thirty-two tokens reads whole. " * 3
    long = "This passage has many more words than the other passages of the same short document have."
    text = "Short passage here.\n\n" * 8 + f"{long}\n\n{block}\n"
    assistant = assistant_for(tmp_path, {"text.md": text})
    encoder = assistant.retriever.encoder
    first, second = long_texts(assistant.retriever.index, encoder)
    assert (first.place.text, first.place.line) == (block.strip(), 19)
    assert first.reason == (
        f"{encoder.count_tokens(block)} tokens; the model reads 32, so it is cut at sentence borders."
    )
    assert (second.place.text, second.place.line) == (long, 17)
    assert second.reason == "16 words; the middle passage has 3."


# The map.


def test_every_text_is_on_the_map_with_its_section_and_kind(report: Report) -> None:
    assert report.map.sections == (
        "Coffee (coffee)",
        "Empty (coffee)",
        "Tea (tea)",
        "Kinds (tea)",
        "Brewing (tea)",
    )
    assert report.map.counts() == [(1, 0, 0), (0, 0, 0), (2, 2, 0), (2, 0, 2), (2, 3, 0)]
    assert report.map.total == len(report.map.points) == 14
    assert all(0 <= value <= MAP_SIZE for point in report.map.points for value in (point.x, point.y))


def test_a_large_corpus_is_thinned_evenly(assistant: Assistant) -> None:
    drawn = make_map(assistant.retriever.index, max_points=5)
    everything = make_map(assistant.retriever.index)
    texts = [point.text for point in everything.points]
    assert (drawn.total, everything.total) == (14, 14)
    assert [point.text for point in drawn.points] == [texts[row] for row in (0, 3, 6, 9, 13)]


def test_groups_of_embeddings_stay_groups_on_the_map() -> None:
    random = np.random.default_rng(0)
    centres = np.eye(4, 32, dtype=np.float32)
    group = np.repeat(np.arange(4), 40)
    embeddings = centres[group] + 0.05 * random.standard_normal((160, 32)).astype(np.float32)
    places = projected(embeddings)
    distances = ((places[:, np.newaxis] - places[np.newaxis]) ** 2).sum(axis=2)
    nearest = np.argsort(distances, axis=1)[:, 1:11]
    assert (group[nearest] == group[:, np.newaxis]).mean() > 0.95
    assert (projected(embeddings) == places).all()  # and chance has no part in it


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_few_or_equal_texts_have_a_place_too(count: int) -> None:
    places = projected(np.ones((count, 8), dtype=np.float32))
    assert (places == MAP_SIZE // 2).all()
    assert np.isfinite(projected(np.eye(max(count, 2), 8, dtype=np.float32))).all()


def test_the_lines_of_each_document_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# Tea\n\n" + "\n\n".join(f"Tea number {n} is green and hot." for n in range(20))
    assistant = assistant_for(tmp_path, {"one.md": text, "two.md": text})
    counted: list[str] = []

    class Noting(Lines):
        def __init__(self, text: str) -> None:
            counted.append(text)
            super().__init__(text)

    monkeypatch.setattr(reporting, "Lines", Noting)
    report = make_report(assistant)
    assert len(report.copies) >= 20
    assert len(counted) <= 2 * 4  # for sections, copies, disagreements and long texts


# What readers left.


def test_unanswered_questions_are_grouped_by_section_and_merged(assistant: Assistant) -> None:
    rows = [
        Feedback("Which shops sell tea?", "not_covered", None),
        Feedback("which shops  sell TEA?", "related", None, "in Leeds"),
        Feedback("so which shops sell tea", "not_covered", None),
        Feedback("how hot is the water of a samovar?", "not_covered", None),
        Feedback("how much caffeine?", "answered", False, "per cup?"),
        Feedback("how much caffeine?", "answered", True),
    ]
    kinds, *others = asked_sections(assistant, rows)
    assert (kinds.document, kinds.path, kinds.count) == ("tea", "Kinds", 3)
    (shops,) = kinds.questions
    assert shops.text == "Which shops sell tea?"
    assert shops.others == ("which shops  sell TEA?", "so which shops sell tea")
    assert shops.notes == ("in Leeds",)
    assert shops.proposal == (
        "Write an answer into “Kinds”. The bank has an open question like it: “which shops sell tea?”"
    )
    proposals = {section.path: section.questions[0].proposal for section in others}
    assert proposals == {
        "Brewing": "Write an answer into “Brewing”, or add an open question to the bank.",
        "Tea": "It was answered, and the answer did not help: read what is shown, in “Tea” or elsewhere.",
    }
    assert asked_sections(assistant, rows[-1:]) == ()


def test_many_questions_of_readers_are_merged_in_time_in_proportion_to_their_number(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "MAX_ASKED", 10)  # each of these is searched
    texts = (f"{n} {n * 17} {n * 37} {n * 53} {n * 91}" for n in range(8000))  # hardly any is like another
    rows = [Feedback(text, "related", None) for text in texts]
    assert asked_sections(assistant, rows)
    assert in_proportion(lambda times: asked_sections(assistant, rows[:times]), times=2000)


# The page.


def test_the_same_report_gives_the_same_page(assistant: Assistant, report: Report) -> None:
    assert report_html(report) == report_html(make_report(assistant, EVALUATION))


def test_the_page_allows_its_own_style_and_script_and_nothing_else(report: Report) -> None:
    page = report_html(report)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert style
    assert script
    hashes = [
        base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode() for found in (style, script)
    ]
    assert unescape(policy[1]) == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"https?://|//[a-z]|url\(|@import", page.replace("// ", ""))


@pytest.mark.model
def test_the_article_gives_a_page_of_reasonable_size_with_its_known_contradiction(
    assistant_of_the_article: Assistant,
) -> None:
    report = make_report(assistant_of_the_article)
    index = assistant_of_the_article.retriever.index
    assert len(report.map.points) == len(index.sentences) + len(index.questions) + len(index.open_questions)
    assert len(report_html(report).encode()) < 3_000_000
    (pair,) = [
        pair
        for pair in report.disagreements
        if "relief within 3 months" in pair.second.text and pair.first.line == 3
    ]
    assert (
        pair.reason == "Both speak of within, symptoms and patients; one says 2-4 weeks, the other 3 months."
    )


# The command.


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in encoder in the place of the packaged model."""
    monkeypatch.setattr(answering, "find_model", lambda *args, **kwargs: HashingEncoder())
    monkeypatch.setattr(answering, "load_encoder", lambda *args, **kwargs: HashingEncoder())
    for name in ("B12QA_INDEX", "B12QA_CORPUS", "B12QA_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("count", "words"),
    [(400, "0 kB"), (22_100, "22 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (1_340_000, "1.3 MB")],
)
def test_a_size_is_said_in_a_unit_that_tells_something(count: int, words: str) -> None:
    assert in_bytes(count) == words


def full_disk(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("stand_in")
def test_the_command_writes_the_page(tmp_path: Path, small_corpus: Path) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        where = ["--corpus", str(small_corpus), "--index", str(tmp_path / "index")]
        done = CliRunner().invoke(cli.app, ["report", *where, *map(str, arguments)], env={"COLUMNS": "200"})
        return done.exit_code, done.stdout + done.stderr

    build_index(read_corpus(small_corpus), HashingEncoder(), tmp_path / "index")
    out, questions, left = (tmp_path / name for name in ("r.html", "q.jsonl", "left.jsonl"))
    code, said = run("--out", out)
    assert code == 0
    assert said.startswith(f"Wrote {out} ({out.stat().st_size / 1000:.0f} kB). Open it in a browser.\n")
    assert "No document has a question bank" in out.read_text("utf-8")
    row = {"id": "lone \ud800", "kind": "unanswerable_far", "question": "red \ud800 tea?"}
    questions.write_text(json.dumps(row), "utf-8")
    append_feedback(left, Feedback("green tea or not?", "related", None))
    code, said = run("--out", out, "--questions", questions, "--feedback", left)
    assert code == 0, said
    page = out.read_text("utf-8")
    assert "red ? tea?" in page
    assert "green tea or not?" in page
    # A page that cannot be written leaves the one before as it is.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", full_disk)
        code, said = run("--out", out)
    assert (code, "No space left on device" in said) == (2, True)
    assert out.read_text("utf-8") == page
    assert run("--out", os.devnull)[0] == 0
    # Mistakes are told before the model is loaded.
    assert run("--out", tmp_path / "none" / "r.html")[0] == 2
    assert "The folder" in run("--out", tmp_path / "none" / "r.html")[1]
    left.write_text("{}\n", "utf-8")
    assert run("--out", out, "--feedback", left) == (
        2,
        f"b12qa: {left}:1: not a row of feedback (expected the fields question, outcome, helpful, note; "
        "got none). Mend the line.\n",
    )
