"""A large index answers as one whose every row is compared."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, HashingEncoder
from test_index import generation, reseal

from b12qa import index as index_module
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import Encoder
from b12qa.errors import DamagedIndexError, IndexTypeError, QueryError
from b12qa.generations import current_generation
from b12qa.index import open_index
from b12qa.nearest import CANDIDATES
from b12qa.retrieval import Reading, Retriever
from b12qa.vectors import FlatVectors

sys.path.insert(0, str(ROOT / "benchmarks"))
from generated import Language, WordsEncoder, write_corpus

QUESTIONS = [
    "how much b12 in clams",
    "numb toes first, why?",
    "can heartburn pills cause low b12?",
    "which form is cheapest?",
    "what is the capital of France?",
    "metformn and tingling",
]
PASSAGES = 1000


def retriever(corpus: Path, index: Path, encoder: Encoder, index_type: str) -> Retriever:
    build_index(read_corpus(corpus), encoder, index, index_type=index_type)
    return Retriever(open_index(index), encoder)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Retriever, Retriever]:
    """A generated corpus, exhaustively and by candidates."""
    folder = tmp_path_factory.mktemp("generated")
    write_corpus(folder / "corpus", PASSAGES)
    encoder = WordsEncoder(96)
    exact = retriever(folder / "corpus", folder / "index", encoder, "flat")
    return exact, retriever(folder / "corpus", folder / "index", encoder, "ivf")


@pytest.mark.model
@pytest.mark.parametrize("index_type", ["ivf", "pq"])
def test_the_article_gets_the_same_answers(
    article_index: Path, tmp_path: Path, assistant: Assistant, index_type: str
) -> None:
    index = shutil.copytree(article_index, tmp_path / "index")
    fast = Assistant(retriever(ROOT / "corpus", index, assistant.retriever.encoder, index_type))
    for question in QUESTIONS:
        one, other = assistant.ask(question), fast.ask(question)
        assert (one.outcome, one.quotes, one.notices) == (other.outcome, other.quotes, other.notices)
        assert other.confidence == pytest.approx(one.confidence, abs=1e-4)


def test_what_is_compared_scores_as_if_all_were(both: tuple[Retriever, Retriever]) -> None:
    exact, fast = both
    for question in Language().questions(5, PASSAGES // 50):
        expected, found = exact.rank([Reading(question)]), fast.rank([Reading(question)])
        compared = np.isfinite(found.scores)
        assert 100 < compared.sum() < len(compared) * 2 / 3
        np.testing.assert_allclose(found.scores[compared], expected.scores[compared], atol=1e-4)
        assert found.confidence == pytest.approx(expected.confidence, abs=1e-5)


def test_the_best_passages_are_those_of_an_exhaustive_search(both: tuple[Retriever, Retriever]) -> None:
    exact, fast = both
    places = [
        [[(passage.document, passage.start) for passage in one.search(question, 10)] for one in (exact, fast)]
        for question in Language().questions(25, PASSAGES // 50)
    ]
    assert np.mean([len({*expected} & {*found}) / 10 for expected, found in places]) >= 0.98
    assert sum(expected[0] == found[0] for expected, found in places) >= 24


def test_several_questions_at_once_are_ranked_over_the_same_rows(both: tuple[Retriever, Retriever]) -> None:
    _, fast = both
    questions = Language().questions(3, PASSAGES // 50)
    rankings = fast.rank_all([[Reading(question)] for question in questions])
    compared = [np.isfinite(ranking.scores) for ranking in rankings]
    assert (compared[0] == compared[1]).all()
    assert (compared[0] == compared[2]).all()
    for question, ranking in zip(questions, rankings, strict=True):
        alone, together = fast.search(question, 3), fast.results(ranking, 3)
        assert [passage.start for passage in alone] == [passage.start for passage in together]


def test_more_passages_than_are_looked_up_are_refused(both: tuple[Retriever, Retriever]) -> None:
    refused = f"from 1 to {CANDIDATES}, of {len(both[1].index.chunks)} passages; got {CANDIDATES + 1}"
    with pytest.raises(QueryError, match=refused):
        both[1].search("anything", CANDIDATES + 1)


def test_words_that_nothing_holds_still_find_what_is_near(both: tuple[Retriever, Retriever]) -> None:
    assert len(both[1].search("!?", 5)) == 5


def test_an_edit_gives_the_bytes_of_a_build_from_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    write_corpus(corpus, 120)
    encoder = HashingEncoder(max_tokens=256)
    build_index(read_corpus(corpus), encoder, tmp_path / "grown", index_type="ivf")
    edited = corpus / "document-000001.md"
    edited.write_text(edited.read_text().replace(".", " indeed.", 1))
    (corpus / "document-000000.md").rename(corpus / "document-000009.md")
    grown = build_index(read_corpus(corpus), encoder, tmp_path / "grown", index_type="ivf")
    whole = build_index(read_corpus(corpus), encoder, tmp_path / "whole", index_type="ivf")
    assert grown.embedded < whole.embedded
    first, second = (tmp_path / name / whole.generation for name in ("grown", "whole"))
    assert {path.name for path in first.iterdir()} == {path.name for path in second.iterdir()}
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


@pytest.mark.parametrize("index_type", ["ivf", "pq"])
def test_two_passages_are_enough_for_any_type_of_index_and_one_is_refused(
    tmp_path: Path, index_type: str
) -> None:
    corpus, index = tmp_path / "corpus", tmp_path / "index"
    corpus.mkdir()
    (corpus / "tea.md").write_text("Tea is a drink.\n")
    refused = rf"Expected at least 2 passages .* {index_type}, got 1\. Choose flat or auto with --index-type"
    with pytest.raises(IndexTypeError, match=refused):
        build_index(read_corpus(corpus), HashingEncoder(), index, index_type=index_type)
    (corpus / "tea.md").write_text("Tea is a drink.\n\n# Kinds\n\nSome tea is green.\n")
    two = retriever(corpus, index, HashingEncoder(), index_type)
    assert two.index.shortcuts is not None
    assert len(two.search("what is tea?", 2)) == 2


def test_another_type_of_index_is_another_generation_of_the_same_vectors(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", 60)
    encoder = HashingEncoder(max_tokens=256)
    reports = [
        build_index(read_corpus(tmp_path / "corpus"), encoder, tmp_path / "index", index_type=index_type)
        for index_type in ("auto", "ivf", "pq")
    ]
    assert len({report.generation for report in reports}) == 3
    assert [bool(report.embedded) for report in reports] == [True, False, False]


def test_a_damaged_shortcut_is_refused(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", 60)
    index = tmp_path / "index"
    build_index(read_corpus(tmp_path / "corpus"), HashingEncoder(), index, index_type="ivf")
    folder = index / current_generation(index)
    names = {path.name for path in folder.iterdir()}
    assert {"sentences.lists", "chunks.spread.npy", "sentences.sizes.npy"} <= names
    for name in sorted(names):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(DamagedIndexError, match="Run: b12qa build"):
            open_index(index)
        (folder / name).write_bytes(data)
    open_index(index)


def test_lists_that_faiss_cannot_map_are_refused(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", 60)
    index = tmp_path / "index"
    build_index(read_corpus(tmp_path / "corpus"), HashingEncoder(), index, index_type="ivf")
    folder = generation(index)
    sizes = np.load(folder / "sentences.sizes.npy")
    np.save(folder / "sentences.sizes.npy", np.zeros_like(sizes))
    (folder / "sentences.lists").write_bytes(b"")
    reseal(folder)
    with pytest.raises(DamagedIndexError, match=r"RuntimeError.*Run: b12qa build"):
        open_index(index)


@pytest.mark.parametrize("index_type", ["flat", "ivf"])
def test_numbers_that_stay_on_the_disk_find_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index_type: str
) -> None:
    write_corpus(tmp_path / "corpus", 60)
    read = retriever(tmp_path / "corpus", tmp_path / "index", WordsEncoder(64), index_type)
    monkeypatch.setattr(index_module, "MAPPED_FROM_BYTES", 1)
    mapped = Retriever(open_index(tmp_path / "index"), read.encoder)
    assert isinstance(read.index.sentence_vectors, FlatVectors)
    assert not isinstance(mapped.index.sentence_vectors, FlatVectors)
    for question in Language().questions(5, 1):
        one, other = read.rank([Reading(question)]), mapped.rank([Reading(question)])
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-4)
