"""The file of editor's notes: how it is read, what is refused, and its place in a generation."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, HashingEncoder

from b12qa.building import build_index, prepare_index, roll_back
from b12qa.checking import check_corpus
from b12qa.chunking import chunk_documents
from b12qa.cli import app
from b12qa.corpus import Severity, read_corpus, read_sources
from b12qa.errors import CorpusError, DamagedIndexError, StaleIndexError, YamlError
from b12qa.index import Index, check_fresh, open_index
from b12qa.notes import MAX_WORDS, NOT_REVIEWED, Notes, read_notes
from b12qa.records import EditorNote, NotedSentence, NoteKind

CAFFEINE = "It has 40 mg of caffeine."
WATER = "Use water at 90.5 degrees."


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(sentence: str, *further: str, note: str = "Some teas have more.", kind: str = "overstated") -> str:
    lines = (f"sha256: {digest(sentence)}", f"kind: {kind}", f"note: {note}", "source: a table", *further)
    return "\n".join([f"- sentence: {sentence}", *(f"  {line}" for line in lines)])


def read(corpus: Path, *entries: str, head: str = "") -> Notes:
    (corpus / "tea.notes.yaml").write_text("\n".join([head, "notes:", *entries]).lstrip() + "\n")
    found = read_corpus(corpus)
    rows = chunk_documents(found.documents, HashingEncoder().count_tokens, 32)
    return read_notes(found, rows.sentences)


def problems(found: Notes) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_a_note_is_read_with_everything_that_it_says(small_corpus: Path) -> None:
    whole = entry(
        CAFFEINE,
        "reviewer: Clinical lead",
        "reviewed: 2025-03-01",
        "partners:",
        f"- {WATER}",
        "barred: true",
        "warnings: true",
    )
    found = read(small_corpus, whole, entry(WATER, kind="unsafe alone"), head="warnings: [Brewing]")
    text = (small_corpus / "tea.md").read_text()
    start = text.index(CAFFEINE)
    note = EditorNote(
        kind=NoteKind.OVERSTATED,
        text="Some teas have more.",
        source="a table",
        reviewer="Clinical lead",
        reviewed="2025-03-01",
        start=start,
        end=start + len(CAFFEINE),
    )
    first, second = found.noted
    assert first == NotedSentence(1, note, (4,), barred=True, warnings=True)
    assert (second.sentence, second.partners, second.barred, second.warnings) == (4, (), False, False)
    assert (second.note.kind, second.note.reviewer, second.note.reviewed) == (
        NoteKind.UNSAFE_ALONE,
        NOT_REVIEWED,
        "",
    )
    assert found.warning_sections == ((0, 2),)
    assert found.problems == ()


def test_a_review_on_a_day_to_come_is_warned_of_and_the_note_is_used(small_corpus: Path) -> None:
    found = read(small_corpus, entry(CAFFEINE, "reviewer: Clinical lead", "reviewed: 2999-12-31"))
    warning = "tea.notes.yaml:8: warning: reviewed on 2999-12-31, a day to come: write the day of the review"
    assert problems(found) == [warning]
    assert [one.note.reviewed for one in found.noted] == ["2999-12-31"]
    report = build_index(read_corpus(small_corpus), HashingEncoder(), small_corpus.parent / "index")
    assert (report.notes, [str(problem) for problem in report.problems]) == (1, [warning])


def test_a_corpus_without_notes_has_none(small_corpus: Path) -> None:
    corpus = read_corpus(small_corpus)
    assert read_notes(corpus, ()) == Notes()


def test_a_sentence_may_be_written_with_its_marks_and_the_hash_is_of_its_words(small_corpus: Path) -> None:
    plain = entry("black tea")
    marked = plain.replace("- sentence: black tea", '- sentence: "**black** tea"')
    for written in (plain, marked):
        found = read(small_corpus, written)
        assert ([one.sentence for one in found.noted], problems(found)) == ([3], [])


def test_bold_type_and_line_breaks_ask_for_no_new_hash(small_corpus: Path) -> None:
    document = small_corpus / "tea.md"
    text = document.read_text()
    for again in (CAFFEINE.replace("40 mg", "**40 mg**"), CAFFEINE.replace(" of ", "\nof ")):
        document.write_text(text.replace(CAFFEINE, again))
        assert again in document.read_text()
        assert problems(read(small_corpus, entry(CAFFEINE))) == []


def test_a_sentence_that_stands_in_two_places_is_noted_in_both(small_corpus: Path) -> None:
    document = small_corpus / "tea.md"
    document.write_text(document.read_text() + f"\n{CAFFEINE}\n")
    assert [one.sentence for one in read(small_corpus, entry(CAFFEINE)).noted] == [1, 6]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        (
            [entry("It has 45 mg of caffeine.")],
            "tea.notes.yaml:2: error: the note hangs in the air: the document has no sentence "
            "'It has 45 mg of caffeine.'; is it now 'It has 40 mg of caffeine.'?",
        ),
        (
            [entry("Nobody wrote this one.")],
            "tea.notes.yaml:2: error: the note hangs in the air: the document has no sentence "
            "'Nobody wrote this one.'",
        ),
        (
            [entry(CAFFEINE).replace(digest(CAFFEINE), "0" * 64)],
            "tea.notes.yaml:3: error: written for another wording: read the note again, then set sha256 to "
            + digest(CAFFEINE),
        ),
        (
            [entry(CAFFEINE), entry(CAFFEINE)],
            "tea.notes.yaml:7: error: a second note on the sentence of line 2: join the two",
        ),
        (
            [entry(CAFFEINE, note="word " * (MAX_WORDS + 1))],
            "tea.notes.yaml:5: error: a note of 41 words, more than 40: shorten it",
        ),
        (
            [entry(CAFFEINE, kind="odd")],
            "tea.notes.yaml:4: error: expected a kind of contradicted, unsafe alone, inconsistent, "
            "overstated, unsupported, dated; got 'odd'",
        ),
        (
            [entry(CAFFEINE, "partners: [Use water at 80 degrees.]")],
            "tea.notes.yaml:7: error: a partner is missing: the document has no sentence "
            "'Use water at 80 degrees.'; is it now 'Use water at 90.5 degrees.'?",
        ),
        (
            [entry(CAFFEINE, f"partners: [{CAFFEINE}]")],
            f"tea.notes.yaml:7: error: a partner twice, or of itself: {CAFFEINE!r}",
        ),
        (
            [entry(CAFFEINE, f"partners: [{WATER}, {WATER}]")],
            f"tea.notes.yaml:7: error: a partner twice, or of itself: {WATER!r}",
        ),
        (
            [entry(CAFFEINE, "reviewer: A nurse", "reviewed: 2025-02-30")],
            "tea.notes.yaml:8: error: expected a day such as 2025-03-01, got '2025-02-30'",
        ),
        (
            [entry(CAFFEINE, "reviewer: A nurse")],
            "tea.notes.yaml:7: error: a reviewer and the day of the review belong together: "
            "give both or neither",
        ),
    ],
)
def test_a_note_that_is_not_sound_is_an_error_that_says_where_and_is_left_out(
    small_corpus: Path, entries: list[str], problem: str
) -> None:
    found = read(small_corpus, *entries)
    assert problems(found) == [problem]
    assert len(found.noted) == len(entries) - 1
    assert [str(p) for p in check_corpus(read_sources(small_corpus)) if p.severity is Severity.ERROR] == [
        problem
    ]


def test_a_section_of_warnings_that_is_not_there_is_an_error(small_corpus: Path) -> None:
    assert problems(read(small_corpus, entry(WATER), head="warnings: [Dangers]")) == [
        "tea.notes.yaml:1: error: warnings of a section that the document does not have: 'Dangers'"
    ]


def test_a_heading_of_several_sections_is_an_error_until_it_is_named_with_its_path(
    small_corpus: Path,
) -> None:
    document = small_corpus / "tea.md"
    document.write_text(document.read_text() + "\n# Coffee\n\n## Brewing\n\nIt is hot.\n")
    assert problems(read(small_corpus, entry(WATER), head="warnings: [Brewing]")) == [
        "tea.notes.yaml:1: error: warnings of one of 2 sections 'Brewing': name it with its path, "
        "such as 'Tea > Brewing' or 'Coffee > Brewing'"
    ]
    with pytest.raises(CorpusError, match="one of 2 sections 'Brewing'"):
        build(small_corpus)
    named = read(small_corpus, entry(WATER), head="warnings: [Tea > Brewing]")
    assert (named.warning_sections, named.problems) == (((0, 2),), ())


def test_sections_on_treatment_are_named_as_those_of_warnings_are(small_corpus: Path) -> None:
    found = read(small_corpus, entry(WATER), head="treatments: [Brewing]")
    assert (found.treatment_sections, found.warning_sections, found.problems) == (((0, 2),), (), ())
    assert problems(read(small_corpus, entry(WATER), head="treatments: [Doses]")) == [
        "tea.notes.yaml:1: error: treatments of a section that the document does not have: 'Doses'"
    ]


def test_exactly_forty_words_are_not_too_many(small_corpus: Path) -> None:
    assert problems(read(small_corpus, entry(CAFFEINE, note="word " * MAX_WORDS))) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("  barred: yes", "tea.notes.yaml:7: expected barred to be true or false, got 'yes'"),
        (
            "  sentences: x",
            "tea.notes.yaml:7: expected barred, kind, note, ",
        ),
        ("  partners: x", "tea.notes.yaml:7: expected a list here, got the text 'x'"),
        ("  kind: dated", "tea.notes.yaml:7: kind stands here a second time"),
        ("note: x", "tea.notes.yaml:7: expected notes, treatments and warnings here, got note"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_line(
    small_corpus: Path, wrong: str, message: str
) -> None:
    with pytest.raises(YamlError) as caught:
        read(small_corpus, f"{entry(CAFFEINE)}\n{wrong}")
    assert str(caught.value).startswith(message)


def test_a_key_that_must_be_there_is_missed(small_corpus: Path) -> None:
    with pytest.raises(YamlError, match="expected kind, note, sentence, sha256 and source here"):
        read(small_corpus, entry(CAFFEINE).replace("\n  source: a table", ""))


# The place of notes in a generation.


def build(corpus: Path) -> Index:
    build_index(read_corpus(corpus), HashingEncoder(), corpus.parent / "index")
    return open_index(corpus.parent / "index")


def test_a_generation_holds_its_notes_and_edited_ones_make_it_stale(small_corpus: Path) -> None:
    notes = read(
        small_corpus, entry(CAFFEINE, f"partners: [{WATER}]"), head="warnings: [Brewing]\ntreatments: [Kinds]"
    )
    built = build(small_corpus)
    assert (built.notes, built.warning_sections) == (notes.noted, notes.warning_sections)
    assert built.treatment_sections == notes.treatment_sections == ((0, 1),)
    check_fresh(built, read_corpus(small_corpus), HashingEncoder())
    read(small_corpus, entry(CAFFEINE, note="Some have less."))
    with pytest.raises(StaleIndexError, match=r"another text of tea\.notes\.yaml"):
        check_fresh(built, read_corpus(small_corpus), HashingEncoder())
    (small_corpus / "tea.notes.yaml").unlink()
    with pytest.raises(StaleIndexError, match=r"tea\.notes\.yaml, which is no longer in the corpus"):
        check_fresh(built, read_corpus(small_corpus), HashingEncoder())


def test_a_rollback_brings_the_notes_of_its_own_generation_back(small_corpus: Path) -> None:
    read(small_corpus, entry(CAFFEINE, note="The first note."))
    build(small_corpus)
    document = small_corpus / "tea.md"
    document.write_text(f"# Tea\n\nOf old, tea is a drink. {CAFFEINE}\n")
    read(small_corpus, entry(CAFFEINE, note="The second note."))
    build(small_corpus)
    earlier = roll_back(small_corpus.parent / "index")
    (note,) = (one.note for one in earlier.notes)
    assert note.text == "The first note."
    assert earlier.documents[0].text[note.start : note.end] == CAFFEINE


def test_without_notes_a_generation_has_no_file_for_them(small_corpus: Path) -> None:
    built = build(small_corpus)
    assert not (small_corpus.parent / "index" / built.generation / "notes.json").exists()
    assert (built.notes, built.warning_sections) == ((), ())


def test_notes_embed_nothing_and_move_no_vector(small_corpus: Path) -> None:
    bare = build(small_corpus)
    read(small_corpus, entry(CAFFEINE))
    report = build_index(read_corpus(small_corpus), HashingEncoder(), small_corpus.parent / "index")
    noted = open_index(small_corpus.parent / "index")
    assert report.embedded == 0
    assert noted.generation != bare.generation
    assert noted.text_digests == bare.text_digests
    assert (noted.documents, noted.chunks, noted.sentences) == (bare.documents, bare.chunks, bare.sentences)


def test_a_build_refuses_notes_that_are_not_sound_and_what_was_current_stays(small_corpus: Path) -> None:
    read(small_corpus, entry(CAFFEINE))
    before = build(small_corpus)
    document = small_corpus / "tea.md"
    document.write_text(document.read_text().replace("40 mg", "50 mg"))
    for _ in range(2):  # also when the generation is there already
        prepared = prepare_index(read_corpus(small_corpus), HashingEncoder(), small_corpus.parent / "index")
        assert prepared.notes == ()
        with pytest.raises(CorpusError, match=r"tea\.notes\.yaml:2: error: the note hangs in the air.*stays"):
            build(small_corpus)
    assert open_index(small_corpus.parent / "index").generation == before.generation


def test_a_note_whose_sentence_is_another_one_is_damage(small_corpus: Path) -> None:
    read(small_corpus, entry(CAFFEINE))
    built = build(small_corpus)
    folder = small_corpus.parent / "index" / built.generation
    notes = json.loads((folder / "notes.json").read_bytes())
    notes["notes"][0]["sentence"] = 4
    changed = json.dumps(notes).encode()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"]["notes.json"] = {"bytes": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}
    sealed = json.dumps(manifest).encode()
    (folder / "notes.json").write_bytes(changed)
    (folder / "manifest.json").write_bytes(sealed)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(sealed).hexdigest()}  manifest.json\n")
    with pytest.raises(DamagedIndexError, match="a note on another sentence"):
        open_index(small_corpus.parent / "index")


def test_notes_that_the_disk_lost_or_changed_are_damage(small_corpus: Path) -> None:
    read(small_corpus, entry(CAFFEINE))
    file = small_corpus.parent / "index" / build(small_corpus).generation / "notes.json"
    data = file.read_bytes()
    for broken in (data.replace(b"more", b"less"), data[:-1], b""):
        file.write_bytes(broken)
        with pytest.raises(DamagedIndexError, match=r"notes\.json is damaged"):
            open_index(small_corpus.parent / "index")
    file.unlink()
    with pytest.raises(DamagedIndexError, match=r"notes\.json cannot be read"):
        open_index(small_corpus.parent / "index")


# The article's notes, and the command line.


def test_the_notes_on_the_article_are_sound_and_not_reviewed_yet() -> None:
    corpus = read_corpus(ROOT / "corpus")
    rows = chunk_documents(corpus.documents, lambda text: len(text.split()), 1000)
    found = read_notes(corpus, rows.sentences)
    assert problems(found) == []
    assert len(found.noted) == 43
    assert {one.note.reviewer for one in found.noted} == {NOT_REVIEWED}
    (number, section) = found.warning_sections[0]
    assert corpus.documents[number].sections[section].path[-1] == "Contraindications and warnings"
    barred = [one for one in found.noted if one.barred]
    assert len(barred) > 15
    assert all(one.partners or one.warnings for one in barred if one.note.kind is NoteKind.INCONSISTENT)


def test_check_fails_on_a_note_whose_sentence_was_reworded(tmp_path: Path) -> None:
    corpus = shutil.copytree(ROOT / "corpus", tmp_path / "corpus")
    document = corpus / "vitamin-b12.md"
    document.write_bytes(
        document.read_bytes().replace(b"Drug interactions remain minimal", b"Drug interactions are few")
    )
    result = CliRunner().invoke(app, ["check", "--corpus", str(corpus), "--index", str(tmp_path / "index")])
    assert result.exit_code == 2
    line = next(line for line in result.output.splitlines() if "the note hangs in the air" in line)
    assert line.startswith("vitamin-b12.notes.yaml:")
    assert 'is it now "Drug interactions are few, though chloramphenicol may oppose' in line
