"""What `b12qa check` finds in a question bank."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import HashingEncoder
from rapidfuzz.distance import OSA
from test_index import CountingEncoder

from b12qa.building import build_index, prepare_index
from b12qa.checking import check_corpus, stray_questions
from b12qa.corpus import read_corpus, read_sources
from b12qa.errors import CorpusError
from b12qa.evaluation import Kind, QuestionRow, with_typos
from b12qa.generations import current_generation
from b12qa.index import open_index

BANK = """
sentences:
  - sentence: It has 40 mg of caffeine.
    questions: [how much caffeine is in it?, is caffeine in it and how much?, water at which heat?]
  - sentence: Use water at 90.5 degrees.
    questions: [at which heat is the water?, which heat for water?, heat of water]
"""


def test_a_bank_whose_sentence_was_edited_is_reported_with_its_line(small_corpus: Path) -> None:
    (small_corpus / "tea.questions.yaml").write_text(BANK.replace("40 mg", "50 mg"))
    found = [str(problem) for problem in check_corpus(read_sources(small_corpus))]
    assert any(
        line.startswith("tea.questions.yaml:3: warning: 3 questions follow a sentence") for line in found
    ), found


def test_open_questions_of_a_renamed_heading_are_counted_and_stay_open(small_corpus: Path) -> None:
    open_question = "{question: is there red tea?, reason: names no red tea}"
    (small_corpus / "tea.questions.yaml").write_text(
        f"{BANK}open:\n- section: Sorts\n  questions: [{open_question}]\n"
    )
    found = [str(problem) for problem in check_corpus(read_sources(small_corpus))]
    assert (
        "tea.questions.yaml:8: warning: 1 open question of a section that the document does not have: "
        "'Sorts'; it stays open"
    ) in found
    report = build_index(read_corpus(small_corpus), HashingEncoder(), small_corpus.parent / "index")
    assert (report.questions, report.open_questions) == (6, 1)
    assert found == [str(problem) for problem in report.problems]


def test_reasons_that_the_text_contradicts_are_warned_of_with_question_and_word(small_corpus: Path) -> None:
    asked = {
        "is there milk in it?": "does not mention milk",
        "is there red tea?": "does not mention red teas",
        "are there green drinks?": "does not mention green drinks",  # "green" and "drink" stand apart
        "is tea healthy?": "says nothing of tea and health",
    }
    entries = "".join(f"  - {{question: '{text}', reason: {why}}}\n" for text, why in asked.items())
    (small_corpus / "tea.questions.yaml").write_text(f"open:\n- section: Kinds\n  questions:\n{entries}")

    def untrue() -> list[str]:
        found = [str(problem) for problem in check_corpus(read_sources(small_corpus))]
        return [problem for problem in found if "no question for" not in problem]

    assert untrue() == []
    article = (small_corpus / "tea.md").read_text()
    (small_corpus / "tea.md").write_text(article.replace("- green tea", "- green tea\n- **red** tea"))
    assert untrue() == [
        "tea.questions.yaml:5: warning: the reason 'does not mention red teas' is not given to readers, "
        "since the words stand in line 8 of tea.md; "
        "if that answers 'is there red tea?', move the question there"
    ]


def test_what_another_document_mentions_contradicts_a_reason_if_it_speaks_of_more_of_the_question(
    small_corpus: Path,
) -> None:
    (small_corpus / "tea.questions.yaml").write_text(
        "open:\n- section: Kinds\n  questions:\n"
        "  - {question: are drops of tea strong?, reason: does not mention drops}\n"
    )
    for text, expected in {
        "Put a drop of oil on the chain.": [],
        "Put a drop of oil on the chain. Drops of strong coffee stain.": [
            "tea.questions.yaml:4: warning: the reason 'does not mention drops' is not given to readers, "
            "since the words stand in line 3 of other.md; "
            "if that answers 'are drops of tea strong?', move the question to other.questions.yaml"
        ],
    }.items():
        (small_corpus / "other.md").write_text(f"# Other\n\n{text}\n")
        found = map(str, check_corpus(read_sources(small_corpus)))
        assert [problem for problem in found if "no question for" not in problem] == expected
    (small_corpus / "tea.md").write_text("# Tea\n\n## Kinds\n\nOne drop is enough.\n")
    found = map(str, check_corpus(read_sources(small_corpus)))
    assert any("line 5 of tea.md; if that answers 'are drops of tea" in problem for problem in found)


def test_all_that_is_wrong_is_told_at_once_whatever_cannot_be_read(small_corpus: Path) -> None:
    files = {
        "tea.questions.yaml": "sentences: [",
        "tea.notes.yaml": "notes: [{sentence: gone}]\n",
        "tea.synonyms.yaml": "- [tea]\n",
        "milk.md": "---\ntitle: [\n---\nMilk is a drink.\n",
        "milk.questions.yaml": "open: {",
        "milk.synonyms.yaml": "- [milk, cream]\n",  # stands in what cannot be read
        "water.md": "# Water\n\nWater is wet.\n\n## Kinds\n",
        "water.questions.yaml": BANK,
        "water.synonyms.yaml": "- [milk, cream]\n",  # the same
        "wine.notes.yaml": "",
    }
    for name, text in files.items():
        (small_corpus / name).write_text(text)
    found = [str(problem) for problem in check_corpus(read_sources(small_corpus))]
    for begins in (
        "tea.questions.yaml:2: error: not YAML",
        "tea.notes.yaml:1: error: expected kind, note",
        "tea.synonyms.yaml:1: error: expected two or more names for one thing. Add one.",
        "milk.md:3: error: front matter: not YAML",
        "milk.questions.yaml:2: error: not YAML",
        "water.md:5: warning: section 'Kinds' has no text",
        "water.questions.yaml:3: warning: 3 questions hang in the air",
        "water.questions.yaml:5: warning: 3 questions hang in the air",
        "water.questions.yaml:1: warning: no question for the sentence 'Water is wet.'",
        "wine.notes.yaml:1: error: belongs to no document",
    ):
        assert sum(line.startswith(begins) for line in found) == 1, (begins, found)
    assert len(found) == 10


def test_a_build_refuses_what_is_no_yaml(small_corpus: Path) -> None:
    (small_corpus / "tea.questions.yaml").write_text("sentences: [")
    with pytest.raises(CorpusError, match=r"tea\.questions\.yaml:\d+: not YAML"):
        build_index(read_corpus(small_corpus), HashingEncoder(), small_corpus.parent / "index")


def test_a_build_refuses_a_question_that_is_answered_and_open_before_it_embeds_any(
    small_corpus: Path,
) -> None:
    index = small_corpus.parent / "index"
    current = build_index(read_corpus(small_corpus), HashingEncoder(), index).generation
    entry = "{question: 'Heat of water?', reason: does not say}"
    (small_corpus / "tea.questions.yaml").write_text(
        f"{BANK}open:\n- section: Kinds\n  questions: [{entry}]\n"
    )
    contradiction = (
        "tea.questions.yaml:9: error: left open here, but answered in line 6: 'Heat of water?'; keep one"
    )
    assert contradiction in map(str, check_corpus(read_sources(small_corpus)))
    corpus = read_corpus(small_corpus)
    encoder = CountingEncoder()
    for _ in "12":  # and once more where a review has built it
        with pytest.raises(CorpusError) as refused:
            build_index(corpus, encoder, index)
        assert str(refused.value) == (
            f"{contradiction}. What was current stays current. Mend the question bank, then run: b12qa build"
        )
        assert current_generation(index) == current
        assert encoder.texts == 0
        prepare_index(corpus, HashingEncoder(), index)


@pytest.mark.parametrize("kind", ["notes", "synonyms"])
@pytest.mark.parametrize("data", ["", "\n# to be written\n"])
def test_a_file_that_holds_nothing_is_warned_of(small_corpus: Path, kind: str, data: str) -> None:
    (small_corpus / f"tea.{kind}.yaml").write_text(data)
    found = [str(problem) for problem in check_corpus(read_sources(small_corpus))]
    assert found == [
        f"tea.{kind}.yaml:1: warning: holds nothing but blanks and comments: "
        "write what belongs there, or take the file away"
    ]


def test_a_question_written_for_the_wrong_sentence_leads_elsewhere(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b12qa.checking.NEIGHBOURS", 2)
    (small_corpus / "tea.questions.yaml").write_text(BANK)
    build_index(read_corpus(small_corpus), HashingEncoder(dimension=512), tmp_path / "index")
    strays = dict(stray_questions(open_index(tmp_path / "index")))
    assert list(strays) == ["water at which heat?"]
    assert strays["water at which heat?"] in {"at which heat is the water?", "which heat for water?"}


def test_without_a_bank_nothing_leads_elsewhere(small_corpus: Path, tmp_path: Path) -> None:
    build_index(read_corpus(small_corpus), HashingEncoder(), tmp_path / "index")
    assert list(stray_questions(open_index(tmp_path / "index"))) == []


def test_a_typo_is_one_edit_and_the_same_for_the_same_seed() -> None:
    rows = [QuestionRow(str(i), Kind.UNANSWERABLE_FAR, "which foods contain caffeine?") for i in range(200)]
    changed = with_typos(rows, 1)
    distances = [OSA.distance(row.question, rows[0].question) for row in changed]
    assert set(distances) <= {0, 1}  # a letter may be replaced by itself
    assert sum(distances) > 180
    assert changed == with_typos(rows, 1) != with_typos(rows, 2)


def test_a_question_without_long_words_gets_no_typo() -> None:
    row = QuestionRow("1", Kind.UNANSWERABLE_FAR, "why? 12345 B12")
    assert with_typos([row], 1) == [row]


def test_synonyms_that_do_nothing_are_checked(small_corpus: Path) -> None:
    (small_corpus / "tea.synonyms.yaml").write_text("- [milk, cream]\n")
    found = [str(problem) for problem in check_corpus(read_sources(small_corpus))]
    assert any(
        "tea.synonyms.yaml:1: warning: no document has a word of 'milk' or 'cream'" in each for each in found
    )
