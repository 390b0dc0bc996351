"""Three documents with banks and synonyms of their own, which share headings and sentences."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, HashingEncoder
from rich.console import Console

from b12qa import rendering
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.checking import check_corpus
from b12qa.corpus import read_corpus, read_sources
from b12qa.embedding import Encoder
from b12qa.index import open_index
from b12qa.records import Answer, Document, NoticeKind, Outcome
from b12qa.retrieval import Retriever
from b12qa.terminal import shown_answer

FILES = {
    "coffee.md": """---
title: All about coffee
source: The coffee book
license: CC0
---
# Coffee

Roasted beans smell of caramel.

## Brewing

Boil water in a kettle. Wait three minutes.
""",
    "mate.md": """# Mate

Mate is drunk from a gourd through a metal straw.
""",
    "tea.md": """---
title: All about tea
source: The tea book, where gourds and caramel are never mentioned
reviewed: 2025-03-01
---
# Tea

Green leaves are dried in a pan.

## Brewing

Cool water in a pot. Wait three minutes.
""",
    "coffee.questions.yaml": """sentences:
  - sentence: Roasted beans smell of caramel.
    questions: [what scent does espresso have?]
  - sentence: Wait three minutes.
    questions: [how long should espresso steep?]
open:
  - section: Brewing
    questions:
      - question: which espresso machine is best?
        reason: does not name an espresso machine
""",
    "tea.questions.yaml": """sentences:
  - sentence: Green leaves are dried in a pan.
    questions: [how is sencha made?]
  - sentence: Wait three minutes.
    questions: [how long should sencha steep?]
""",
    "coffee.synonyms.yaml": "- [beans, arabica]\n",
    "tea.synonyms.yaml": "- [leaves, oolong]\n",
}


@pytest.fixture(scope="module")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drinks")
    for name, text in FILES.items():
        (folder / name).write_bytes(text.encode())
    return folder


@pytest.fixture(scope="module")
def assistant(corpus_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    index, encoder = tmp_path_factory.mktemp("index"), HashingEncoder(dimension=1024)
    build_index(read_corpus(corpus_dir), encoder, index)
    return Assistant(Retriever(open_index(index), encoder))


def named(assistant: Assistant, name: str) -> Document:
    return next(document for document in assistant.documents if document.name == name)


def test_what_documents_say_of_themselves_comes_back_from_the_index(
    assistant: Assistant, corpus_dir: Path
) -> None:
    assert assistant.documents == read_corpus(corpus_dir).documents
    assert [document.title for document in assistant.documents] == [
        "All about coffee",
        "Mate",
        "All about tea",
    ]
    assert named(assistant, "tea").about.reviewed == "2025-03-01"


def test_front_matter_is_in_the_text_and_in_no_passage(assistant: Assistant) -> None:
    index = assistant.retriever.index
    for document in assistant.documents:
        assert document.text.encode() == FILES[f"{document.name}.md"].encode()
    spans = [(row.document, row.start) for row in index.chunks]
    spans += [(row.document, row.start) for row in index.sentences]
    for number, start in spans:
        text = index.documents[number].text
        assert start > text.index("# ")
    assert "book" not in assistant.search("The tea book, never mentioned")[0].text


@pytest.mark.parametrize(
    ("question", "name", "path", "highlighted"),
    [
        ("how is sencha made?", "tea", ("Tea",), "Green leaves are dried in a pan."),
        ("what scent does espresso have?", "coffee", ("Coffee",), "Roasted beans smell of caramel."),
        ("drunk from a gourd?", "mate", ("Mate",), "Mate is drunk from a gourd through a metal straw."),
        ("how long should sencha steep?", "tea", ("Tea", "Brewing"), "Wait three minutes."),
        ("how long should espresso steep?", "coffee", ("Coffee", "Brewing"), "Wait three minutes."),
        ("oolong", "tea", ("Tea",), "Green leaves are dried in a pan."),
        ("arabica", "coffee", ("Coffee",), "Roasted beans smell of caramel."),
    ],
)
def test_a_citation_names_the_document_that_its_words_stand_in(
    assistant: Assistant, question: str, name: str, path: tuple[str, ...], highlighted: str
) -> None:
    first, document = assistant.search(question)[0], named(assistant, name)
    assert (first.document, first.title, first.section_path) == (name, document.title, path)
    (highlight,) = first.highlights
    assert document.text[slice(*highlight)] == highlighted
    assert document.text[first.start : first.end] == first.text
    where = "Mate" if name == "mate" else f"All about {name} · {' › '.join(path)}"
    assert rendering.passage_text(first).endswith(f"({where})")


def test_one_sentence_in_two_documents_is_cited_from_both(assistant: Assistant) -> None:
    found = [
        (result.document, named(assistant, result.document).text[slice(*result.highlights[0])])
        for result in assistant.search("wait three minutes", top_k=2)
    ]
    assert sorted(found) == [("coffee", "Wait three minutes."), ("tea", "Wait three minutes.")]


def test_the_json_of_an_answer_names_document_and_title(assistant: Assistant) -> None:
    answer = assistant.ask("Green leaves are dried in a pan.")
    assert answer.outcome in (Outcome.ANSWERED, Outcome.RELATED)
    quote = json.loads(json.dumps(answer.to_dict()))["quotes"][0]
    assert (quote["document"], quote["title"]) == ("tea", "All about tea")


def test_check_has_nothing_to_say_about_headings_that_two_documents_share(corpus_dir: Path) -> None:
    found = [str(problem) for problem in check_corpus(read_sources(corpus_dir))]
    assert found
    assert all(": warning: no question for " in problem for problem in found)


def test_check_names_documents_that_citations_cannot_tell_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text("# Tea\n\nGreen.\n")
    (tmp_path / "c.md").write_text("---\ntitle: Tea\ndraft: true\n---\nGreen.\n")
    found = [str(problem) for problem in check_corpus(read_sources(tmp_path))]
    assert found == [
        "c.md:3: warning: a draft, left out of the index: read it, then take this line out",
        "b.md:1: warning: the title 'Tea' is also that of a.md: a reader cannot tell them apart",
    ]


def beside_the_article(folder: Path, article_index: Path, encoder: Encoder, *files: str) -> Assistant:
    """Files of the tests beside the article and its bank."""
    corpus, index = folder / "corpus", folder / "index"
    shutil.copytree(ROOT / "corpus", corpus)
    for file in files:
        shutil.copy(ROOT / "tests" / file, corpus)
    shutil.copytree(article_index, index)  # nothing of the article is embedded or learnt again
    build_index(read_corpus(corpus), encoder, index)
    return Assistant(Retriever(open_index(index), encoder))


@pytest.fixture(scope="module")
def with_bicycles(
    article_index: Path, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> Assistant:
    folder = tmp_path_factory.mktemp("with bicycles")
    return beside_the_article(folder, article_index, encoder, "second_corpus/bicycles.md")


@pytest.mark.model
def test_a_document_without_a_bank_is_heard_beside_one_with_a_large_bank(with_bicycles: Assistant) -> None:
    questions = (
        "How often should the chain be oiled?",
        "what tyre pressure is right",
        "when are brake pads worn out",
        "how do I clean the chain",
        "how do I store a bicycle in winter",
        "what light do I need at night",
    )
    answers = [with_bicycles.ask(question) for question in questions]
    assert [answer.outcome for answer in answers] == [Outcome.ANSWERED] * len(questions)
    assert {answer.quotes[0].document for answer in answers} == {"bicycles"}
    assert with_bicycles.ask("how much b12 in clams").quotes[0].document == "vitamin-b12"


@pytest.mark.model
def test_what_a_bank_leaves_open_is_not_answered_by_a_document_without_one(with_bicycles: Assistant) -> None:
    left_open = [question.text for question in with_bicycles.retriever.index.open_questions[::10]]
    answers = [with_bicycles.ask(question) for question in left_open]
    by_bicycles = [
        answer.question
        for answer in answers
        if answer.outcome is Outcome.ANSWERED and answer.quotes[0].document == "bicycles"
    ]
    assert by_bicycles == []


def test_a_bank_of_open_questions_alone_teaches_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("coffee.md", "mate.md"):
        (corpus / name).write_text(FILES[name])
    _, _, left_open = FILES["coffee.questions.yaml"].partition("open:")
    (corpus / "coffee.questions.yaml").write_text(f"open:{left_open}")
    encoder = HashingEncoder()
    build_index(read_corpus(corpus), encoder, tmp_path / "index")
    assistant = Assistant(Retriever(open_index(tmp_path / "index"), encoder))
    assert [q.text for q in assistant.retriever.index.open_questions] == ["which espresso machine is best?"]
    assert not assistant.retriever.index.bank_models
    assert assistant.ask("which espresso machine is best?").outcome is not Outcome.ANSWERED


@pytest.mark.model
def test_a_small_bank_is_as_sure_beside_a_large_one_as_alone(
    article_index: Path, encoder: Encoder, tmp_path: Path
) -> None:
    """Among ten thousand questions a rare word scores twice what it scores among those of the small bank."""
    files = ("second_corpus/bicycles.md", "fixtures/bicycles.questions.yaml")
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    alone.mkdir()
    for file in files:
        shutil.copy(ROOT / "tests" / file, alone)
    build_index(read_corpus(alone), encoder, tmp_path / "index")
    by_itself = Assistant(Retriever(open_index(tmp_path / "index"), encoder))
    among_others = beside_the_article(beside, article_index, encoder, *files)
    small = by_itself.retriever.index
    questions = [*(q.text for q in small.questions), *(q.text for q in small.open_questions)]
    assert (len(small.questions), len(small.open_questions)) == (19, 7)
    changes = [
        abs(by_itself.ask(question).confidence - among_others.ask(question).confidence)
        for question in questions
    ]
    assert sum(changes) / len(changes) < 0.05
    answered = [q.text for q in small.questions if by_itself.ask(q.text).outcome is Outcome.ANSWERED]
    assert len(answered) >= 14
    assert all(among_others.ask(question).outcome is Outcome.ANSWERED for question in answered)
    for question in small.open_questions:
        assert among_others.ask(question.text).outcome is not Outcome.ANSWERED
    # Nor does it answer what the large bank leaves open, of which it knows nothing.
    large = among_others.retriever.index
    names = [document.name for document in large.documents]
    # A fragment that leans on a question before it may be asked of anything.
    whole = [q for q in large.open_questions if names[q.document] == "vitamin-b12" and not q.after]
    left_open = [question.text for question in whole[::16]]
    assert len(left_open) > 200
    assert [text for text in left_open if among_others.ask(text).outcome is Outcome.ANSWERED] == []


@pytest.mark.model
@pytest.mark.parametrize("with_its_bank", [False, True])
def test_another_document_changes_no_answer_of_the_article(
    assistant_of_the_article: Assistant,
    article_index: Path,
    encoder: Encoder,
    tmp_path: Path,
    with_its_bank: bool,
) -> None:
    """Words and scores count as they do alone, and no passage of the other stands beside an answer."""
    files = ("second_corpus/bicycles.md", *(["fixtures/bicycles.questions.yaml"] if with_its_bank else []))
    among_others = beside_the_article(tmp_path, article_index, encoder, *files)
    of_bank = assistant_of_the_article.retriever.index
    asked = [*(q.text for q in of_bank.questions[::91]), *(q.text for q in of_bank.open_questions[::91])]
    changed = [
        question
        for question in asked
        if shown(assistant_of_the_article.ask(question)) != shown(among_others.ask(question))
    ]
    assert len(asked) > 100
    assert len(changed) <= 2, changed


def shown(answer: Answer) -> object:
    return answer.outcome, [(q.document, q.start, q.end, q.role, q.highlights) for q in answer.quotes]


def test_the_nearest_sections_are_named_with_their_documents(assistant: Assistant) -> None:
    answer = assistant.ask("who won the race?")
    assert answer.outcome is not Outcome.ANSWERED
    nearest = next(n for n in answer.notices if n.kind is NoticeKind.NEAREST_SECTIONS)
    assert {section.title for section in nearest.sections} <= {"All about coffee", "Mate", "All about tea"}
    names = rendering.section_names(nearest.sections)
    assert "All about coffee · Brewing" in names
    Console(file=(terminal := io.StringIO()), width=400).print(shown_answer(answer))
    for shown in (answer._repr_html_(), str(answer), terminal.getvalue()):
        assert all(name in shown for name in names)


def test_every_document_is_introduced_with_what_it_says_of_itself(assistant: Assistant) -> None:
    introduced = rendering.introduction(assistant.documents)
    assert introduced.startswith(
        "The answers are automated. They quote: All about coffee (Source: The coffee book"
    )
    assert "; Mate (no author, date or source); All about tea (" in introduced
    assert introduced.count("Reviewed: 1 March 2025") == 1
    for shown in (assistant._repr_html_(), str(assistant)):
        assert introduced in shown
    assert rendering.introduction(assistant.documents * 2).endswith(
        "; All about coffee (" + rendering.about_words(named(assistant, "coffee").about) + "); and 2 more."
    )
