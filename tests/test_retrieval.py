from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conftest import ROOT, HashingEncoder

from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import Corpus, parse_document, read_corpus
from b12qa.embedding import Encoder, FloatMatrix, find_model
from b12qa.errors import MissingIndexError, ModelMismatchError, QueryError
from b12qa.evaluation import read_questions
from b12qa.index import all_cosines, open_index
from b12qa.lexical import LexicalIndex
from b12qa.markdown import plain_text
from b12qa.records import BlockKind, SearchResults, Span
from b12qa.retrieval import Reading, Retriever

SECOND_CORPUS = ROOT / "tests" / "second_corpus"


def retriever_for(text: str, folder: Path, max_tokens: int = 32) -> Retriever:
    encoder = HashingEncoder(max_tokens=max_tokens)
    build_index(Corpus((parse_document("text", text),), {}), encoder, folder)
    return Retriever(open_index(folder), encoder)


@pytest.fixture
def tea(tmp_path: Path, small_corpus: Path) -> Retriever:
    """Finds passages of the small document, with the stand-in encoder."""
    encoder = HashingEncoder()
    build_index(read_corpus(small_corpus), encoder, tmp_path / "index")
    return Retriever(open_index(tmp_path / "index"), encoder)


@pytest.fixture(scope="module")
def bicycles(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Retriever:
    """Finds passages of the second document, with the real model."""
    folder = tmp_path_factory.mktemp("bicycles")
    build_index(read_corpus(SECOND_CORPUS), encoder, folder)
    return Retriever(open_index(folder), encoder)


def assert_every_sentence_has_its_rank(retriever: Retriever, query: str) -> None:
    """Passages come in the order of their best sentences, each once, however many are wanted."""
    index, ranking = retriever.index, retriever.rank([Reading(query, 1.0)])
    best: dict[int, tuple[float, int]] = {}
    for row, score in enumerate(ranking.scores.tolist()):
        chunk = index.sentences[row].chunk
        if chunk not in best or score > best[chunk][0]:
            best[chunk] = (score, row)
    expected = sorted(best.values(), key=lambda pair: (-pair[0], pair[1]))
    everything = retriever.search(query, top_k=len(index.chunks))
    assert [result.score for result in everything] == [score for score, _ in expected]
    assert [result.highlights for result in everything] == [
        ((index.sentences[row].start, index.sentences[row].end),) for _, row in expected
    ]
    for top_k in (1, 2, len(index.chunks) - 1):
        assert retriever.search(query, top_k) == everything[:top_k]


# Plumbing, with the stand-in encoder.


def test_the_passage_with_the_words_of_the_query_comes_first(tea: Retriever) -> None:
    first = tea.search("how many minutes to wait")[0]
    assert first.text == "Use water at 90.5 degrees. Wait 3 minutes."
    assert first.section_path == ("Tea", "Brewing")
    assert (first.document, first.title, first.kind) == ("tea", "Tea", BlockKind.PARAGRAPH)
    document = tea.index.documents[0].text
    assert [document[a:b] for a, b in first.highlights] == ["Wait 3 minutes."]


def test_results_are_ranked_slices_of_the_document(tea: Retriever) -> None:
    document = tea.index.documents[0].text
    results = tea.search("green tea", top_k=4)
    assert [result.rank for result in results] == [1, 2, 3, 4]
    assert [result.score for result in results] == sorted((r.score for r in results), reverse=True)
    assert results[0].text == "green tea"
    for result in results:
        assert result.text == document[result.start : result.end]
        assert all(
            result.start <= span.start < span.end <= result.end and isinstance(span, Span)
            for span in result.highlights
        )


@pytest.mark.parametrize("query", ["green tea", "water", "nothing of this", "", "?!"])
def test_every_passage_of_a_small_document_has_its_rank(tea: Retriever, query: str) -> None:
    assert_every_sentence_has_its_rank(tea, query)


def test_a_long_passage_of_short_sentences_hides_no_other(tmp_path: Path) -> None:
    """The best sentence of the other passages ranks behind thirty sentences of the first."""
    crowd = " ".join(f"Cats purr here{i}." for i in range(30))
    text = f"{crowd}\n\nBirds and mice live there. Cats purr while a crowd is looking on.\n\nCats sleep."
    retriever = retriever_for(text, tmp_path, max_tokens=1000)
    assert (len(retriever.index.chunks), len(retriever.index.sentences)) == (3, 33)
    assert_every_sentence_has_its_rank(retriever, "cats purr")


def test_without_a_bank_a_passage_counts_as_a_whole_beside_its_likest_sentence(tea: Retriever) -> None:
    query, index = "how long to wait for green tea in hot water", tea.index
    plain = [plain_text(d.text, r.start, r.end, d.markup) for d in index.documents for r in index.chunks]
    embedding = tea.encoder.encode([query])
    chunks, sentences = (
        standardized(all_cosines(vectors, embedding)[0])
        for vectors in (index.chunk_vectors, index.sentence_vectors)
    )
    words = standardized(LexicalIndex(plain).scores(query))
    found = tea.search(query, top_k=len(index.chunks))
    of_chunk = np.array([sentence.chunk for sentence in index.sentences])
    likest = [sentences[of_chunk == row].max() for row in range(len(index.chunks))]
    expected = chunks + 0.7 * words + 0.5 * np.array(likest)
    by_start = {result.start: result.score for result in found}
    assert [by_start[chunk.start] for chunk in index.chunks] == pytest.approx(expected, abs=1e-5)


def test_without_a_bank_what_was_asked_before_counts_half(tea: Retriever) -> None:
    bare, joined = Reading("how long?"), Reading("is there green tea? how long?")
    alone = [tea.rank([reading]).scores for reading in (bare, joined)]
    np.testing.assert_allclose(tea.rank([bare, joined]).scores, (alone[0] + alone[1] / 2) / 1.5, atol=1e-6)


def standardized(scores: FloatMatrix) -> FloatMatrix:
    return np.asarray((scores - np.mean(scores)) / np.std(scores))


def test_equal_scores_keep_reading_order(tmp_path: Path) -> None:
    retriever = retriever_for(
        "\n\n".join(["The same words.", "Something else.", "The same words."]), tmp_path
    )
    for _ in range(3):
        results = retriever.search("same words", top_k=3)
        assert results[0].score == results[1].score
        assert [result.start for result in results[:2]] == [0, 34]


def test_the_same_query_gets_the_same_results_from_a_reopened_index(
    tmp_path: Path, small_corpus: Path
) -> None:
    encoder = HashingEncoder()
    build_index(read_corpus(small_corpus), encoder, tmp_path / "index")
    first, second = (Retriever(open_index(tmp_path / "index"), encoder) for _ in range(2))
    for one, other in (
        (first.index.chunk_vectors, second.index.chunk_vectors),
        (first.index.sentence_vectors, second.index.sentence_vectors),
    ):
        np.testing.assert_array_equal(one.reconstruct_n(0, one.ntotal), other.reconstruct_n(0, other.ntotal))
    for query in ("green tea", "90.5 degrees", "caffeine?"):
        assert first.search(query, top_k=4) == second.search(query, top_k=4)


def test_five_passages_are_found_by_default_or_all_there_are(tea: Retriever, tmp_path: Path) -> None:
    assert len(tea.search("tea")) == 4
    many = retriever_for("\n\n".join(f"Paragraph {i}." for i in range(9)), tmp_path / "many")
    assert len(many.search("paragraph")) == 5


@pytest.mark.parametrize("top_k", [0, -1])
def test_top_k_below_1_is_refused(tea: Retriever, top_k: int) -> None:
    with pytest.raises(QueryError, match=rf"Expected a whole number of at least 1 as top_k, got {top_k}\."):
        tea.search("tea", top_k)


def test_a_whole_number_of_numpy_is_one(tea: Retriever) -> None:
    assert tea.search("tea", cast(int, np.int64(2))) == tea.search("tea", 2)


@pytest.mark.parametrize("top_k", [5, 10**9])
def test_all_passages_come_where_there_are_fewer_than_wanted(tea: Retriever, top_k: int) -> None:
    assert tea.search("tea", top_k) == tea.search("tea", 4)


def test_a_query_vector_of_the_wrong_width_is_refused(tea: Retriever) -> None:
    with pytest.raises(
        QueryError, match=r"Expected query vectors of shape \(n, 64\), got \(1, 32\)\. Was the index built"
    ):
        Retriever(tea.index, HashingEncoder(dimension=32)).search("tea")


def test_a_query_vector_that_is_not_finite_is_refused(tea: Retriever) -> None:
    class BrokenEncoder(HashingEncoder):
        def encode(self, texts: Sequence[str]) -> FloatMatrix:
            return super().encode(texts) * np.float32(np.nan)

    with pytest.raises(QueryError, match="The query vector holds a value that is not finite"):
        Retriever(tea.index, BrokenEncoder()).search("tea")


def test_results_show_themselves_in_a_notebook_and_a_terminal(tea: Retriever) -> None:
    results = tea.search("green tea", top_k=2)
    assert isinstance(results, SearchResults)
    assert results._repr_html_().count("<figure") == 2
    assert "<mark>green tea</mark>" in results._repr_html_()
    assert str(results).startswith(f"1. score {results[0].score:.3f}\n> green tea\n  (Tea › Kinds)\n\n2. ")


def test_some_of_the_results_show_themselves_as_all_do(tea: Retriever) -> None:
    results = tea.search("green tea", top_k=3)
    assert isinstance(results[1:], SearchResults)
    assert results[1:]._repr_html_().count("<figure") == 2
    assert results[:2] == tea.search("green tea", top_k=2)
    assert results[-1].rank == 3


def test_a_query_that_no_terminal_could_write_is_searched_and_one_that_is_no_text_refused(
    tea: Retriever,
) -> None:
    assert tea.search("green tea\udcff", top_k=1)[0].text == "green tea"
    query: Any = 3
    with pytest.raises(QueryError, match="Expected a text as query, got int"):
        tea.search(query)


@pytest.mark.filterwarnings("error")
def test_what_is_taught_of_all_sentences_alike_is_no_root_of_less_than_nothing(tmp_path: Path) -> None:
    text = "# Tea\n\n" + " ".join(f"Cup {number} is hot." for number in range(25))
    bank = b"sentences:\n  - sentence: Cup 3 is hot.\n    questions: [which cup is hot?]\n"
    corpus = Corpus(
        tuple(parse_document(name, text) for name in "ab"), {f"{name}.questions.yaml": bank for name in "ab"}
    )
    encoder = HashingEncoder(max_tokens=512)
    build_index(corpus, encoder, tmp_path)
    index = open_index(tmp_path)
    for taught in np.linspace(0.1, 4, 40, dtype=np.float32):
        models = {
            document: replace(model, coefficients=np.full_like(model.coefficients, taught))
            for document, model in index.bank_models.items()
        }
        ranking = Retriever(replace(index, bank_models=models), encoder).rank([Reading("is the cup hot?")])
        assert np.isfinite(ranking.scores).all()


def test_a_passage_names_the_section_to_read_on_in(tea: Retriever) -> None:
    document = tea.index.documents[0].text
    section = tea.section_of(tea.search("green tea")[0])
    assert (section.document, section.path) == ("tea", ("Tea", "Kinds"))
    assert document[section.start : section.end].startswith("## Kinds")
    assert "Brewing" not in document[section.start : section.end]


def test_a_text_before_any_heading_is_named_by_its_title(tmp_path: Path) -> None:
    retriever = retriever_for("Words before any heading.\n\n# Later\n\nMore.", tmp_path)
    first = retriever.search("words before any heading")[0]
    assert first.section_path == ()
    assert retriever.section_of(first).path == ("Later",)
    assert str(first) == "> Words before any heading.\n  (Later)"


def test_an_index_that_is_missing_or_of_another_model_does_not_load(
    tmp_path: Path, small_corpus: Path
) -> None:
    with pytest.raises(MissingIndexError, match="Run: b12qa build"):
        Retriever.load(tmp_path / "index")


# The real model.


@pytest.mark.model
def test_the_index_of_another_model_does_not_load(tmp_path: Path, small_corpus: Path) -> None:
    build_index(read_corpus(small_corpus), HashingEncoder(dimension=384), tmp_path / "index")
    fingerprint = find_model().fingerprint
    with pytest.raises(
        ModelMismatchError, match=rf"all-MiniLM-L6-v2 \({fingerprint[:8]}\)\. Run: b12qa build"
    ):
        Retriever.load(tmp_path / "index")


@pytest.mark.model
@pytest.mark.usefixtures("from_export")
def test_a_retriever_loads_without_the_corpus(article_index: Path, assistant: Assistant) -> None:
    loaded = Retriever.load(str(article_index))
    query = "why do the toes go numb first"
    assert [(r.start, r.end) for r in loaded.search(query)] == [
        (r.start, r.end) for r in assistant.retriever.search(query)
    ]


@pytest.mark.model
@pytest.mark.parametrize("query", ["how much b12 in clams", "metformin", "", "numb toes " * 300])
def test_every_passage_of_the_article_has_its_rank(assistant: Assistant, query: str) -> None:
    assert_every_sentence_has_its_rank(assistant.retriever, query)


@pytest.mark.model
def test_a_list_item_is_found_with_its_lead_in(bicycles: Retriever) -> None:
    first = bicycles.search("front wheel: lever upwards along the fork")[0]
    assert first.text == "at the front wheel, point the lever upwards along the fork"
    assert first.kind == BlockKind.LIST_ITEM
    assert first.section_path == ("Looking after a bicycle", "Before every ride")
    assert [excerpt.text for excerpt in first.context] == [
        "The check takes one minute. Go through these points in order:",
        "**Quick-release levers**: they must be closed, and on the side away from the chain:",
    ]
    assert "the side away from the chain:" in html.unescape(first._repr_html_())


@pytest.mark.model
def test_a_table_row_is_found_with_its_header(bicycles: Retriever) -> None:
    first = bicycles.search("SRAM brake fluid DOT 5.1")[0]
    assert first.kind == BlockKind.TABLE_ROW
    assert first.text == "| SRAM     | DOT 5.1     | every year     |"
    assert [excerpt.text for excerpt in first.context] == ["| Maker    | Fluid       | Change it      |"]
    assert first.section_path == ("Looking after a bicycle", "Brakes", "Disc brakes", "Fluid")
    assert "<th>Fluid</th>" in first._repr_html_()
    assert "DOT 5.1</mark></td>" in first._repr_html_()


@pytest.mark.model
def test_a_block_quote_and_code_are_found(bicycles: Retriever) -> None:
    quote = bicycles.search("does a patched tube last?")[0]
    assert (quote.kind, quote.text[:29]) == (BlockKind.QUOTE, "A patch that is put on well o")
    code = bicycles.search("print measured / new_length in Python", top_k=3)
    assert BlockKind.CODE in {result.kind for result in code}


@pytest.mark.model
def test_every_sentence_of_the_second_document_finds_itself(bicycles: Retriever) -> None:
    """Sentences are searched as they are written, so that the document's own words always work."""
    text = bicycles.index.documents[0].text
    for sentence in bicycles.index.sentences:
        first = bicycles.search(text[sentence.start : sentence.end], top_k=1)[0]
        assert (first.start, first.end) == (
            bicycles.index.chunks[sentence.chunk].start,
            bicycles.index.chunks[sentence.chunk].end,
        ), text[sentence.start : sentence.end]


STUFFED = """

## Offer

Vitamin B12 dose, B12 dosage, B12 injection, B12 tablets, B12 foods, B12 deficiency, B12 symptoms, B12 side
effects, nerve pain, numb feet, tingling hands, circulation, neuropathy, homocysteine, how much, how often,
how long, what, why, when, is it safe, does it help: buy SuperNerve pills. Vitamin B12 for nerve damage,
poor circulation, pregnancy, vegans, metformin, older people, best form, sublingual, methylcobalamin,
research, studies, success rate, blood test, levels, myelin, treatment: SuperNerve answers every question
about vitamin B12.
"""


@pytest.mark.model
def test_a_stuffed_paragraph_does_not_come_first(tmp_path: Path, encoder: Encoder) -> None:
    """Without a bank, where cosines and words alone decide."""
    text = (ROOT / "corpus" / "vitamin-b12.md").read_text("utf-8").rstrip() + STUFFED
    build_index(Corpus((parse_document("stuffed", text),), {}), encoder, tmp_path / "index")
    assistant = Assistant(Retriever(open_index(tmp_path / "index"), encoder))
    rows = [row for row in read_questions(ROOT / "evals" / "dev.jsonl") if row.kind != "urgent"][::5]
    assert len(rows) >= 150
    first = [assistant.search(row.question, row.history, top_k=1)[0].text for row in rows]
    assert sum("SuperNerve" in passage for passage in first) <= 0.05 * len(rows)
    asked_for = assistant.search("SuperNerve pills", top_k=1)[0].text
    assert "SuperNerve" in asked_for  # it is searched
