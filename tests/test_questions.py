"""The question bank and the synonyms beside a document: their form, and what is reported about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from conftest import SMALL_TEXT, HashingEncoder

from b12qa.chunking import chunk_documents
from b12qa.corpus import Corpus, Severity, parse_document
from b12qa.errors import CorpusError
from b12qa.questions import QuestionBank, bank_file, check_synonyms, read_banks, read_synonyms, synonyms_file
from b12qa.records import OpenQuestion, Question, whole_question

SENTENCES = (
    "Tea is a drink.",
    "It has 40 mg of caffeine.",
    "green tea",
    "black tea",
    "Use water at 90.5 degrees.",
    "Wait 3 minutes.",
)

BANK = """\
# What readers ask.
sentences:
- sentence: It has 40 mg of caffeine.
  questions:
  - how much caffeine is in tea?
  - "is there caffeine: yes or no?"
- sentence: black tea
  questions: [which dark kind is there?]
open:
- section: Kinds
  questions:
  - question: is there red tea?
    reason: names no red tea
- section: Tea > Brewing
  questions:
  - question: how much sugar?
    reason: does not speak of sugar
"""


def read(*pairs: tuple[str, bytes | None]) -> QuestionBank:
    """Read the banks of documents given as pairs of text and bank; the first is a.md, the second b.md."""
    names = [chr(ord("a") + number) for number in range(len(pairs))]
    corpus = Corpus(
        tuple(parse_document(name, text) for name, (text, _) in zip(names, pairs, strict=True)),
        {bank_file(name): data for name, (_, data) in zip(names, pairs, strict=True) if data is not None},
    )
    encoder = HashingEncoder()
    rows = chunk_documents(corpus.documents, encoder.count_tokens, encoder.max_tokens)
    return read_banks(corpus, rows.sentences)


def read_tea(bank: str) -> QuestionBank:
    return read((SMALL_TEXT, bank.encode()))


def warnings(bank: QuestionBank, *, without: str = "no question for") -> list[str]:
    return [str(problem) for problem in bank.problems if without not in problem.message]


def synonyms(*files: bytes | None) -> tuple[tuple[str, ...], ...]:
    names = [chr(ord("a") + number) for number in range(len(files))]
    beside = {synonyms_file(name): data for name, data in zip(names, files, strict=True) if data is not None}
    return read_synonyms(Corpus(tuple(parse_document(name, SMALL_TEXT) for name in names), beside))


def test_bank_gives_each_question_its_sentence_and_each_open_question_its_section() -> None:
    bank = read_tea(BANK)
    assert bank.answered == (
        Question("how much caffeine is in tea?", 1),
        Question("is there caffeine: yes or no?", 1),
        Question("which dark kind is there?", 3),
    )
    assert bank.open == (
        OpenQuestion("is there red tea?", 0, 1, "names no red tea"),
        OpenQuestion("how much sugar?", 0, 2, "does not speak of sugar"),
    )


def test_how_many_questions_lost_their_heading_is_said() -> None:
    asked = ["what?", "which?", "why?"]
    entry = "".join(f"  - {{question: '{question}', reason: names none}}\n" for question in asked)
    bank = read_tea(f"open:\n- section: Milk\n  questions:\n{entry}")
    expected = (
        "a.questions.yaml:2: warning: 3 open questions of a section that the document does not have: 'Milk'; "
        "they stay open"
    )
    assert expected in warnings(bank)


def test_a_question_may_hang_on_earlier_ones() -> None:
    bank = read_tea(
        "sentences:\n"
        "- sentence: It has 40 mg of caffeine.\n"
        "  questions: [what is in tea? >> and of that? >> how much]\n"
        "open:\n"
        "- section: Kinds\n"
        "  questions:\n"
        "  - {question: which kinds are there?>>and red, reason: names no red tea}\n"
    )
    assert bank.answered == (Question("how much", 1, ("what is in tea?", "and of that?")),)
    assert whole_question(bank.answered[0]) == "what is in tea? and of that? how much"
    assert bank.open == (OpenQuestion("and red", 0, 1, "names no red tea", ("which kinds are there?",)),)
    assert whole_question(bank.open[0]) == "which kinds are there? and red"


@pytest.mark.parametrize("turns", [">> how much", "what is in tea? >>", "what is it? >> >> how much"])
def test_a_turn_without_a_question_is_an_error_with_its_line(turns: str) -> None:
    bank = f"sentences:\n- sentence: It has 40 mg of caffeine.\n  questions:\n  - '{turns}'\n"
    with pytest.raises(CorpusError, match=r"a\.questions\.yaml:4: expected a question on both sides of >>"):
        read_tea(bank)


def test_the_same_words_after_another_question_are_another_question() -> None:
    bank = read_tea(
        "sentences:\n"
        "- sentence: It has 40 mg of caffeine.\n"
        "  questions: [caffeine? >> how much, CAFFEINE? >> how much, tea? >> how much]\n"
    )
    assert [question.after for question in bank.answered] == [("caffeine?",), ("tea?",)]
    assert len(warnings(bank)) == 1
    assert "the same question" in warnings(bank)[0]


def test_sentences_without_questions_are_reported_by_section_and_no_others() -> None:
    problems = read_tea(BANK).problems
    assert [problem.message for problem in problems] == [
        "no question for the sentence 'Tea is a drink.'",
        "no question for the sentence 'green tea'",
        "no question for 2 sentences of 'Brewing': 'Use water at 90.5 degrees.', 'Wait 3 minutes.'",
    ]
    assert {(problem.severity, problem.file, problem.line) for problem in problems} == {
        (Severity.WARNING, "a.questions.yaml", 1)
    }


def test_of_many_sentences_without_questions_three_are_named() -> None:
    bank = read(("It is hot. It is sweet. It is red. It is new. It is old.\n", b"sentences: []\n"))
    assert [problem.message for problem in bank.problems] == [
        "no question for 5 sentences of the text before any heading: "
        "'It is hot.', 'It is sweet.', 'It is red.' and 2 more"
    ]


def test_complete_bank_has_no_problem() -> None:
    entries = "".join(
        f"- sentence: {sentence}\n  questions: [question {number}]\n"
        for number, sentence in enumerate(SENTENCES)
    )
    bank = read_tea("sentences:\n" + entries)
    assert bank.problems == ()
    assert [question.sentence for question in bank.answered] == [0, 1, 2, 3, 4, 5]


def test_questions_of_a_sentence_that_is_gone_hang_in_the_air_and_are_left_out() -> None:
    bank = read_tea(
        "sentences:\n- sentence: It holds some vitamins.\n  questions:\n  - how much?\n  - how strong?\n"
    )
    assert bank.answered == ()
    assert warnings(bank) == [
        "a.questions.yaml:2: warning: 2 questions hang in the air: "
        "the document has no sentence 'It holds some vitamins.'"
    ]


def test_questions_follow_a_sentence_that_was_reworded_a_little() -> None:
    bank = read_tea(
        "sentences:\n- sentence: Tea is a drink.\n  questions: [what is it?]\n"
        "- sentence: It has 50 mg of caffeine.\n  questions:\n  - how much?\n  - how much caffeine?\n"
    )
    assert bank.answered == (
        Question("what is it?", 0),
        Question("how much?", 1),
        Question("how much caffeine?", 1),
    )
    assert warnings(bank) == [
        "a.questions.yaml:4: warning: 2 questions follow a sentence that was reworded: "
        "'It has 50 mg of caffeine.' is now 'It has 40 mg of caffeine.'; write its new words here"
    ]
    assert [str(found) for found in bank.hanging] == warnings(bank)
    assert not any("'It has 40 mg" in found for found in warnings(bank, without="follow"))


@pytest.mark.parametrize(
    ("before", "turned"),
    [
        ("It has never 40 mg of caffeine.", "lost: never; new: nothing"),
        ("It has less 40 mg of caffeine.", "lost: less; new: nothing"),
        ("It has about 40 mg of caffeine.", ""),
    ],
)
def test_a_sentence_that_may_say_the_opposite_now_is_named(before: str, turned: str) -> None:
    bank = read_tea(f"sentences:\n- sentence: {before}\n  questions: [how much caffeine?]\n")
    assert bank.answered == (Question("how much caffeine?", 1),)
    hint = f". It may say the opposite ({turned}): read all its questions again" if turned else ""
    assert [found.endswith(f"write its new words here{hint}") for found in warnings(bank)] == [True]


def test_questions_with_words_that_a_reworded_sentence_has_lost_do_not_follow_it() -> None:
    bank = read_tea(
        "sentences:\n- sentence: It has 50 mg of caffeine and theine.\n"
        "  questions:\n  - has tea caffeine?\n  - is it 50 mg?\n  - how much THEINE is in tea?\n"
    )
    assert bank.answered == (Question("has tea caffeine?", 1),)  # of tea is the document
    assert warnings(bank) == [
        "a.questions.yaml:2: warning: 1 question follows a sentence that was reworded: "
        "'It has 50 mg of caffeine and theine.' is now 'It has 40 mg of caffeine.'; "
        "first move those that hang in the air, then write its new words here",
        "a.questions.yaml:5: warning: 2 questions hang in the air, "
        "with words that this sentence has lost (50, THEINE): lines 5, 6",
    ]


@pytest.mark.parametrize("written", ["“It’s 40 mg – of caffeine.”", "It's 40 mg - of  Caffeine"])
def test_quotation_marks_and_dashes_make_no_other_sentence(written: str) -> None:
    text = SMALL_TEXT.replace("It has 40 mg of caffeine.", "It's 40 mg - of caffeine.")
    bank = read((text, f"sentences:\n- sentence: {written}\n  questions: [how much?]\n".encode()))
    assert (bank.answered, warnings(bank)) == ((Question("how much?", 1),), [])


def test_questions_follow_a_sentence_whose_halves_changed_places() -> None:
    text = "# Milk\n\nSoya drinks hold 1.2 mcg, while cereals hold 6 mcg.\n"
    gone = "Cereals hold 6 mcg, while soya drinks hold 1.2 mcg."
    bank = read((text, f"sentences:\n- sentence: {gone}\n  questions: [cereals?]\n".encode()))
    assert [question.text for question in bank.answered] == ["cereals?"]


def test_questions_of_sentences_that_were_joined_follow_both() -> None:
    text = "# Milk\n\nMilk holds 1 mcg in a cup and eggs hold 0.6 mcg each.\n"
    gone = {"Milk holds 1 mcg in a cup.": "milk?", "Eggs hold 0.6 mcg each.": "eggs?"}
    entries = "".join(f"- sentence: {words}\n  questions: ['{asked}']\n" for words, asked in gone.items())
    bank = read((text, f"sentences:\n{entries}".encode()))
    assert {question.text for question in bank.answered} == {"milk?", "eggs?"}
    assert bank.answered[0].sentence == bank.answered[1].sentence


@pytest.mark.parametrize(("gone", "follows"), [("green tea", False), ("hot green tea", True)])
def test_two_words_are_found_in_too_many_sentences(gone: str, follows: bool) -> None:
    entry = f"sentences:\n- sentence: {gone}\n  questions: [which?]\n"
    bank = read(("# Cups\n\nPeople drink hot green tea in small cups all day.\n", entry.encode()))
    assert bool(bank.answered) is follows


def test_what_a_sentence_was_split_into_is_named() -> None:
    text = "# Body\n\nThe body holds 2 mg of it. These stores last for years. Legs are long.\n"
    gone = "The body holds 2 mg of it in the liver, which is why the stores may last for many years."
    bank = read((text, f"sentences:\n- sentence: {gone}\n  questions: [how long?]\n".encode()))
    assert bank.answered == ()
    assert (
        "; is it now 'The body holds 2 mg of it.' and 'These stores last for years.'? Give"
        in warnings(bank)[0]
    )


def test_what_the_document_is_about_is_not_lost_with_a_sentence() -> None:
    entry = b"sentences:\n- sentence: Green tea likes cool water.\n  questions: [how hot for green tea?]\n"
    bank = read(("# Green tea\n\nThis tea likes cool water.\n", entry))
    assert [question.text for question in bank.answered] == ["how hot for green tea?"]


def test_questions_follow_to_no_sentence_that_the_bank_names() -> None:
    """Rows of a table are much alike, and one of them may be taken out."""
    text = "# Tea\n\n- green tea likes water at 70 degrees\n- white tea likes water at 80 degrees\n"
    entries = "- sentence: {} tea likes water at {} degrees\n  questions: [how hot for this one {}?]\n"
    banked = [("white", 80), ("black", 90)]
    data = "".join(entries.format(kind, heat, heat) for kind, heat in banked)
    bank = read((text.replace("- green tea likes water at 70 degrees\n", ""), f"sentences:\n{data}".encode()))
    assert [question.text for question in bank.answered] == ["how hot for this one 80?"]
    assert "1 question hangs in the air: the document has no sentence 'black tea" in warnings(bank)[0]


def test_of_two_sentences_that_are_gone_the_more_alike_keeps_its_questions() -> None:
    entry = "- sentence: Leave {} tea in a pot for {} minutes.\n  questions: ['{}']\n"
    black, green = entry.format("black", 5, "how long in a pot?"), entry.format("green", 4, "how long?")
    text = "# Tea\n\nLeave green tea in the pot for 4 minutes.\n"

    def followed(entries: str) -> list[str]:
        return [question.text for question in read((text, f"sentences:\n{entries}".encode())).answered]

    assert followed(black + green) == followed(green + black) == ["how long?"]
    assert followed(black) == ["how long in a pot?"]


def test_one_question_hangs_in_the_air_in_the_singular_and_long_sentences_are_shortened() -> None:
    bank = read_tea(f"sentences:\n- sentence: {'x' * 100}\n  questions: [how much?]\n")
    assert warnings(bank) == [
        "a.questions.yaml:2: warning: 1 question hangs in the air: "
        f"the document has no sentence '{'x' * 69}…'"
    ]


def test_same_question_twice_is_reported_with_both_lines_and_kept_once() -> None:
    bank = read_tea(
        """\
sentences:
- sentence: Tea is a drink.
  questions:
  - What is tea?
- sentence: green tea
  questions:
  - what  is TEA?
open:
- section: Kinds
  questions:
  - question: what is tea?
    reason: says nothing
"""
    )
    assert bank.answered == (Question("What is tea?", 0),)
    assert bank.open == ()
    assert warnings(bank) == [
        "a.questions.yaml:7: warning: the same question as in line 4: 'what is TEA?'",
        "a.questions.yaml:11: error: left open here, but answered in line 4: 'what is tea?'; keep one",
    ]
    assert any("'green tea'" in problem.message for problem in bank.problems)


@pytest.mark.parametrize("written", ["what is  TEA", "What is tea?!", "what, is tea ...", "'what is tea'"])
def test_a_question_that_is_answered_cannot_be_open_however_it_is_written(written: str) -> None:
    bank = read_tea(
        "open:\n- section: Kinds\n  questions:\n"
        f'  - {{question: "{written}", reason: says nothing}}\n  - {{question: what is it?, reason: no}}\n'
        "sentences:\n- sentence: Tea is a drink.\n  questions: [what is tea?]\n"
    )
    assert [question.text for question in bank.open] == ["what is it?"]
    found = [problem for problem in bank.problems if problem.severity is Severity.ERROR]
    assert [(problem.line, problem.message.split(":")[0]) for problem in found] == [
        (4, "left open here, but answered in line 8")
    ]


def test_a_question_that_hangs_on_another_is_no_answer_to_the_words_without_it() -> None:
    bank = read_tea(
        "sentences:\n- sentence: Tea is a drink.\n  questions: [what is tea? >> and of milk]\n"
        "open:\n- section: Kinds\n  questions: [{question: what is tea and of milk, reason: says nothing}]\n"
    )
    assert [question.text for question in bank.open] == ["what is tea and of milk"]


def test_open_questions_of_an_unknown_section_stay_open_and_are_reported() -> None:
    bank = read_tea(
        "open:\n- section: Milk\n  questions:\n  - question: which milk?\n    reason: names no milk\n"
    )
    assert bank.open == (OpenQuestion("which milk?", 0, 0, "names no milk"),)
    assert warnings(bank) == [
        "a.questions.yaml:2: warning: 1 open question of a section that the document does not have: 'Milk'; "
        "it stays open"
    ]


def test_problems_come_in_the_order_of_lines() -> None:
    bank = read_tea(
        "open:\n- section: Milk\n  questions: []\n"
        "sentences:\n- sentence: gone\n  questions: []\n- sentence: green tea\n  questions: [a?, A?]\n"
    )
    assert [problem.line for problem in bank.problems] == [1, 1, 1, 2, 5, 8]


@pytest.mark.parametrize(
    "sentence",
    [
        "Green tea is mild and clear.",
        "Green tea\n    is mild and\n    clear.",
        '"Green  tea is\\tmild and clear. "',
        "'**Green** tea is _mild_ and clear.'",
        "|\n    **Green** tea is _mild_\n    and clear.",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_sentence_is_found_with_and_without_its_marks_and_line_breaks(sentence: str, line_end: str) -> None:
    text = "# Tea\n\n**Green** tea is _mild_\nand clear. It sells.\n".replace("\n", line_end)
    data = f"sentences:\n- sentence: {sentence}\n  questions: [which is mild?]\n".replace("\n", line_end)
    bank = read((text, data.encode()))
    assert bank.answered == (Question("which is mild?", 0),)
    assert warnings(bank) == []


def test_sentence_of_a_block_quote_is_found_without_the_marks_of_its_lines() -> None:
    data = b"sentences:\n- sentence: Green tea is mild and clear.\n  questions: [which is mild?]\n"
    bank = read(("> Green tea is\n> mild and clear.\n", data))
    assert (bank.answered, bank.problems) == ((Question("which is mild?", 0),), ())


def test_carriage_returns_and_a_byte_order_mark_change_nothing() -> None:
    plain = read_tea(BANK)
    with_both = read(
        (
            "\ufeff\n" + SMALL_TEXT.replace("\n", "\r\n"),
            b"\xef\xbb\xbf" + BANK.replace("\n", "\r\n").encode(),
        )
    )
    assert [q.text for q in with_both.answered] == [q.text for q in plain.answered]
    assert [(q.text, q.reason) for q in with_both.open] == [(q.text, q.reason) for q in plain.open]
    assert warnings(with_both) == []


def test_lines_are_counted_with_carriage_returns_too() -> None:
    bank = "sentences:\n- sentence: gone\n  questions: []\nopen:\n- section: gone\n  questions: []\n"
    expected = [2, 5]
    for data in (bank.encode(), bank.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + bank.encode()):
        found = read((SMALL_TEXT, data)).problems
        assert [problem.line for problem in found if problem.line > 1] == expected


def test_each_document_has_its_own_bank() -> None:
    coffee = "# Coffee\n\nIt has 40 mg of caffeine.\n"
    bank_of_coffee = (
        b"sentences:\n- sentence: It has 40 mg of caffeine.\n  questions: [how strong is coffee?]\n"
        b"- sentence: Tea is a drink.\n  questions: [what is tea?]\n"
        b"open:\n- section: Kinds\n  questions: []\n"
        b"- section: Coffee\n  questions:\n  - {question: is it hot?, reason: does not say how hot}\n"
    )
    bank = read((SMALL_TEXT, BANK.encode()), (coffee, bank_of_coffee))
    # The same words stand in both documents; row 1 is in the first, row 6 in the second.
    assert [q.sentence for q in bank.answered] == [1, 1, 3, 6]
    assert [q.document for q in bank.open] == [0, 0, 1]
    assert warnings(bank) == [
        "b.questions.yaml:4: warning: 1 question hangs in the air: "
        "the document has no sentence 'Tea is a drink.'",
        "b.questions.yaml:7: warning: 0 open questions of a section that the document does not have: "
        "'Kinds'; they stay open",
    ]


TWO_POTS = "# Tea\n\n## Pots\n\n### Care\n\na\n\n## Cups\n\n### Care\n\nb\n\n### Care\n\nc\n\n# Pots\n\nd\n"


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("Tea > Pots > Care", 2),
        ("Pots > Care", 2),  # enough to tell it apart
        ("Tea > Pots", 1),
        ("Pots", 6),  # the whole path of one section
    ],
)
def test_a_section_is_named_by_its_heading_and_those_above_it(name: str, section: int) -> None:
    bank = read((TWO_POTS, open_in(name)))
    assert ([question.section for question in bank.open], warnings(bank)) == ([section], [])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "Care",
            "one of 3 sections 'Care': name it with its path, "
            "such as 'Tea > Pots > Care' or 'Tea > Cups > Care'",
        ),
        ("Tea > Cups > Care", "one of 2 sections 'Tea > Cups > Care': give each a heading of its own"),
        ("Cups > Pots", "a section that the document does not have: 'Cups > Pots'"),
        ("e", "a section that the document does not have: 'e'"),
    ],
)
def test_a_name_of_several_sections_or_none_is_reported(name: str, problem: str) -> None:
    bank = read((TWO_POTS, open_in(name)))
    assert [question.section for question in bank.open] == [0]
    assert warnings(bank) == [f"a.questions.yaml:2: warning: 1 open question of {problem}; it stays open"]
    assert [str(found) for found in bank.hanging] == warnings(bank)


def open_in(section: str) -> bytes:
    return f"open:\n- section: {section}\n  questions: [{{question: hot?, reason: says nothing}}]\n".encode()


def test_same_question_about_two_documents_is_no_duplicate() -> None:
    data = b"sentences:\n- sentence: Hello.\n  questions: [what?]\n"
    bank = read(("Hello.\n", data), ("Hello.\n", data))
    assert bank.answered == (Question("what?", 0), Question("what?", 1))
    assert bank.problems == ()


def test_document_without_a_bank_has_no_questions_and_no_problem() -> None:
    assert read((SMALL_TEXT, None)) == QuestionBank((), (), (), ())


def test_empty_bank_leaves_every_section_without_a_question() -> None:
    bank = read_tea("# nothing yet\n")
    assert (bank.answered, bank.open, len(bank.problems)) == ((), (), 3)


@pytest.mark.parametrize(
    ("bank", "message"),
    [
        ("sentences: [\n", "2: not YAML"),
        ("sentences:\n\t- a\n", "2: not YAML"),
        ("sentences:\n- sentence: a: b\n", "2: not YAML"),
        ("sentences: []\n---\nopen: []\n", "2: not YAML"),
        ("sentences:\n- *nobody\n", "2: not YAML"),
        (
            "sentences:\n- sentence: a\x07b\n",
            "2: not YAML: a control character stands here (control characters are not allowed)",
        ),
        ("- a\n", "1: expected open and sentences here, got a list"),
        ("just words\n", "1: expected open and sentences here, got the text 'just words'"),
        ("sentences: []\nanswers: []\n", "2: expected open and sentences here, got answers"),
        ("# empty\nsentences:\n", "2: expected a list here, got nothing"),
        ("\nsentences: {a: b}\n", "2: expected a list here, got a mapping"),
        ("sentences:\n- Tea is a drink.\n", "2: expected questions and sentence here, got the text"),
        ("sentences:\n- sentence: a\n", "2: expected questions and sentence here, got sentence"),
        ("sentences:\n- {}\n", "2: expected questions and sentence here, got nothing"),
        ("sentences:\n- sentence: a\n  questions: what?\n", "3: expected a list here, got the text 'what?'"),
        ("sentences:\n- sentence: a\n  questions:\n  - b: c\n", "4: expected a text here, got a mapping"),
        ("sentences:\n- sentence: a\n  questions:\n  - ' '\n", "4: expected a text here, got nothing"),
        ("sentences:\n- sentence: [a]\n  questions: []\n", "2: expected a text here, got a list"),
        ("sentences: []\nopen: []\nsentences: []\n", "3: sentences stands here a second time"),
        (
            "sentences:\n- sentence: a\n  questions: []\n  questions: []\n",
            "4: questions stands here a second time",
        ),
        ("open:\n- section: Kinds\n", "2: expected questions and section here, got section"),
        (
            "open:\n- section: Kinds\n  questions:\n  - what?\n",
            "4: expected question and reason here, got the text 'what?'",
        ),
        (
            "open:\n- section: Kinds\n  questions:\n  - question: what?\n",
            "4: expected question and reason here, got question",
        ),
        ("&a [*a]\n", "1: expected open and sentences here, got a list"),
    ],
)
def test_malformed_bank_is_refused_with_file_and_line(bank: str, message: str) -> None:
    with pytest.raises(CorpusError) as caught:
        read_tea(bank)
    assert str(caught.value).startswith(f"a.questions.yaml:{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(
    ("bank", "message"),
    [
        ("sentences: [\n", "2: not YAML: expected commas between the items of a list in [ ] and the ]"),
        ("open: [a, b\nsentences: []\n", "2: not YAML: expected commas between the items of a list in [ ]"),
        ("sentences:\n\t- a\n", "2: not YAML: expected blanks and no tab"),
        ("sentences:\n- sentence: a\n\tquestions: []\n", "3: not YAML: expected blanks and no tab"),
        ("sentences:\n- sentence: a: b\n", "2: not YAML: words with a colon in them need quotes"),
        (
            "sentences:\n- sentence: a\n   questions: []\n",
            "3: not YAML: words with a colon in them need quot",
        ),
        ("sentences:\n- sentence: a\n questions: []\n", "3: not YAML: expected a key below the one before"),
        (
            "sentences:\n- sentence: 'it's a'\n",
            "2: not YAML: expected a key below the one before it, and noth",
        ),
        ("sentences:\n- sentence: 'a\n  questions: []\n", "2: not YAML: a quote that opens in this line is"),
        ('sentences:\n- sentence: "\\d"\n', "2: not YAML: in double quotes a backslash is written"),
        (
            "sentences:\n- sentence: @a\n",
            "2: not YAML: expected blanks and no tab at the beginning of a line, ",
        ),
        ("sentences:\n- sentence: *a* b\n", "2: not YAML: words that begin with * need quotes"),
        ("sentences:\n- *nobody\n", "2: not YAML: words that begin with * need quotes"),
        (
            "sentences:\n- a\nopen\nb: c\n",
            "3: not YAML: expected a key and a colon, such as 'section: words'",
        ),
        ("sentences: []\n---\nopen: []\n", "2: not YAML: expected one document"),
        ("sentences:\n- sentence: >a b\n", "2: not YAML: words that begin with | or > need quotes"),
        ("- a\nopen: b\n", "2: not YAML: expected the next '- ' below the one before it"),
        ("sentences: -\n- b\n", "1: not YAML: expected lines such as 'key: words' and '- words'"),
    ],
)
def test_what_yaml_expects_is_said_in_plain_words_first(
    monkeypatch: pytest.MonkeyPatch, loader: str, bank: str, message: str
) -> None:
    monkeypatch.setattr("yaml.CSafeLoader", getattr(yaml, loader))
    with pytest.raises(CorpusError) as caught:
        read_tea(bank)
    assert str(caught.value).startswith(f"a.questions.yaml:{message}")
    assert re.search(r" \(.*[a-z]{4}.*\)\. Mend the file\.$", str(caught.value))  # what the parser says


def test_bank_that_is_not_utf8_is_refused_with_file_and_line() -> None:
    with pytest.raises(CorpusError, match=r"^a\.questions\.yaml:3: not YAML: .*UTF-8"):
        read((SMALL_TEXT, b"sentences:\n- sentence: a\n  questions: [\xe4]\n"))


@pytest.mark.parametrize("folded", [True, False])
def test_yaml_tags_create_no_objects(tmp_path: Path, folded: bool) -> None:
    victim = tmp_path / "touched"
    call = f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{victim}]]"
    bank = (
        f"sentences:\n- sentence: Tea is a drink.\n  questions: [{call}]\n"
        if folded
        else f"sentences:\n- sentence: Tea is a drink.\n  questions: {call}\n"
    )
    with pytest.raises(CorpusError, match=r"^a\.questions\.yaml:3: expected a text here, got a list"):
        read_tea(bank)
    tagged = "sentences:\n- sentence: !!python/name:os.system Tea is a drink.\n  questions: [!!int what?]\n"
    assert read_tea(tagged).answered == (Question("what?", 0),)
    assert not victim.exists()


def test_numbers_dates_and_booleans_of_yaml_stay_words() -> None:
    bank = read_tea("sentences:\n- sentence: Tea is a drink.\n  questions: [yes, 1e3, 2024-01-01, 0x10]\n")
    assert [question.text for question in bank.answered] == ["yes", "1e3", "2024-01-01", "0x10"]


def test_synonyms_of_all_documents_come_in_order() -> None:
    first = b"# other names\n- [caffeine, theine, teine]\n- [minutes,\n   mins]\n"
    assert synonyms(first, None, b"- [tea, cha, under\n   the cosy]\n") == (
        ("caffeine", "theine", "teine"),
        ("minutes", "mins"),
        ("tea", "cha", "under the cosy"),
    )


def test_document_without_synonyms_has_none() -> None:
    assert synonyms(None) == ()
    assert synonyms(b"") == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"caffeine: theine\n", "1: expected a list here, got a mapping"),
        (b"\n- caffeine\n", "2: expected a list here, got the text 'caffeine'"),
        (b"- [a, b]\n- [caffeine]\n", "2: expected two or more names for one thing. Add one."),
        (b"- [a, b]\n- []\n", "2: expected two or more names for one thing. Add one."),
        (b"- [a, b]\n- [a, {b: c}]\n", "2: expected a text here, got a mapping"),
        (b"- [a, b]\n- [a, '']\n", "2: expected a text here, got nothing"),
        (b"- [a, b]\n- [a, !!python/object/apply:os.getcwd []]\n", "2: expected a text here, got a list"),
        (b"- [a, b\n", "2: not YAML"),
        (b"- [a, b]\n- [a, \xff]\n", "2: not YAML"),
    ],
)
def test_malformed_synonyms_are_refused_with_file_and_line(data: bytes, message: str) -> None:
    with pytest.raises(CorpusError) as caught:
        synonyms(data)
    assert str(caught.value).startswith(f"a.synonyms.yaml:{message}")


@pytest.mark.parametrize("written", ["null", "Null", "NULL", "~"])
def test_a_word_that_stands_for_nothing_in_yaml_is_no_question(written: str) -> None:
    bank = f"sentences:\n- sentence: Tea is a drink.\n  questions:\n  - {written}\n"
    with pytest.raises(CorpusError) as caught:
        read_tea(bank)
    assert str(caught.value) == (
        f"a.questions.yaml:4: expected a text here, got {written}, which stands for nothing in YAML. "
        "Write the text; if it is this word, put quotes around it."
    )
    assert read_tea(bank.replace(written, f"'{written}'")).answered == (Question(written, 0),)


def test_a_question_hangs_on_two_at_most() -> None:
    bank = "sentences:\n- sentence: Tea is a drink.\n  questions: [{}]\n"
    assert read_tea(bank.format("a? >> b? >> c?")).answered == (Question("c?", 0, ("a?", "b?")),)
    with pytest.raises(CorpusError) as caught:
        read_tea(bank.format("a? >> b? >> c? >> d?"))
    assert str(caught.value) == (
        "a.questions.yaml:3: expected at most 2 questions before the last one, got 3 in "
        "'a? >> b? >> c? >> d?'. Leave the oldest out."
    )


def test_groups_of_synonyms_that_do_nothing_are_warned_of() -> None:
    data = b"- [caffeine, theine]\n- [Green-tea, green tea]\n- [milk, cream]\n- [cream, black tea]\n"
    corpus = Corpus((parse_document("a", SMALL_TEXT),), {synonyms_file("a"): data})
    assert list(map(str, check_synonyms(corpus))) == [
        "a.synonyms.yaml:2: warning: a group of two or more different names was expected, "
        "got 'Green-tea' again",
        "a.synonyms.yaml:3: warning: no document has a word of 'milk' or 'cream': "
        "begin with the document's own",
    ]
    assert len(read_synonyms(corpus)) == 4
